/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 3161 time stamps of the collector's own checkpoint: STATE/log/stamped/SIZE holds the checkpoint,
 * SIZE.tsr the authority's answer, `newest` the size of the last one. Optional: a stamp that is missing stops
 * nothing.
 */
#ifndef PROBITY_COLLECTOR_STAMP_H
#define PROBITY_COLLECTOR_STAMP_H

#include <stddef.h>
#include <stdint.h>

#define STAMP_NEWEST "newest"

/* Has the newest checkpoint stamped, when it is not yet. ca: PEM file of who vouches for the authority. 0 with
 * the size and the time in words; -EALREADY; -errno with one line in err. */
int stamp_make(const char *state_dir, const char *url, const char *ca, uint64_t *ret_size,
	       char when[static 40], char *err, size_t err_len);
/* Every stamp against its checkpoint; ca NULL: the authority's signature is not checked. The number of those
 * that are wrong, each told in one line. */
uint64_t stamp_check(const char *state_dir, const char *ca, uint64_t *ret_stamps,
		     void (*finding)(void *ctx, const char *line), void *ctx);

#endif
