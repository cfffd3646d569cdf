/* SPDX-License-Identifier: Apache-2.0 */
/* A temporary folder in which a bundle is put together; every file in it gets its line of the manifest. */
#ifndef PROBITY_CLI_BUNDLE_STAGE_H
#define PROBITY_CLI_BUNDLE_STAGE_H

#include "base/cleanup.h"
#include "export/manifest.h"

struct stage {
	char dir[4096];
	struct manifest manifest;
	char err[512]; /* one line, where something failed */
};
/* Beside the file that is to be made, where there is room for it. 0 or -errno. */
int stage_open(const char *out, struct stage *s);
void stage_done(struct stage *s); /* removes the folder */
/* All name files by their path in the bundle. 0 or -errno with err. */
int stage_bytes(struct stage *s, const char *path, const void *p, size_t n);
int stage_file(struct stage *s, const char *path,
	       const char *from); /* a plain file, at most 1 GiB */
/* All plain files below a folder, under `path`; links and other things are an error. */
int stage_tree(struct stage *s, const char *path, const char *from);
/* For writing a large one piece by piece: the stream, then its line. */
int stage_create(struct stage *s, const char *path, FILE **ret);
int stage_close(struct stage *s, const char *path, FILE *f); /* takes the stream */
/* A file that has no line (manifest and signature). */
int stage_plain(struct stage *s, const char *path, const void *p, size_t n);

/* SHA-256 and size of a file below a folder; nothing but a plain file. */
int stage_hash(int dir, const char *path, struct manifest_file *ret);

#endif
