/* SPDX-License-Identifier: Apache-2.0 */
/* A folder of plain files as .tar.zst and back, by libarchive. What is read may be from anybody. */
#ifndef PROBITY_EXPORT_ARCHIVE_H
#define PROBITY_EXPORT_ARCHIVE_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* The named files of `dir`, in that order, owned by nobody and of one time, so that the same files make
 * the same archive. Written beside `out` and moved there when it is whole and durable. */
int archive_make(const char *dir, const char *const *names, size_t n, time_t at, const char *out,
		 char *err, size_t err_len);

struct archive_limits {
	uint64_t files, file_bytes, bytes; /* of all together */
	/* Unpacked is at most 16 MiB and so many times what is packed. */
	unsigned ratio;
};
extern const struct archive_limits archive_limits_default;
/*
 * Into `dir`, which is there and empty: plain files under paths bundle_path_ok takes, each once; folders are
 * made for them. A link, a device, a path that is not taken, or more than the limits: -EPERM, or -EFBIG,
 * with one line in err, and what was written until then stays. -EBADMSG: no such archive, or a broken one.
 */
int archive_extract(const char *path, const char *dir, const struct archive_limits *l,
		    uint64_t *ret_files, uint64_t *ret_bytes, char *err, size_t err_len);

#endif
