/* SPDX-License-Identifier: Apache-2.0 */
/* The manifest of a bundle: JSON that names every other file with size and SHA-256. PURE. */
#ifndef PROBITY_EXPORT_MANIFEST_H
#define PROBITY_EXPORT_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record/record.h"

#define BUNDLE_FORMAT "probity/bundle"
#define BUNDLE_VERSION 1
#define BUNDLE_FILES_MAX 65536
#define BUNDLE_PATH_MAX 200
#define MANIFEST_MAX (32u << 20)

/* A path inside of a bundle: parts of [A-Za-z0-9._-] joined by "/", none of them beginning with a dot,
 * shorter than BUNDLE_PATH_MAX. */
bool bundle_path_ok(const char *path);

struct manifest_file {
	char path[BUNDLE_PATH_MAX];
	uint64_t size;
	uint8_t sha256[32];
};
struct manifest {
	unsigned version;
	char tool[64], created[40], host[256];
	char from[40], to[40];			      /* as asked for; "" = open */
	uint8_t chain[16], public[RECORD_PUBKEY_LEN]; /* of the chain's first epoch */
	uint64_t first_seq, last_seq;
	uint64_t checkpoint_size; /* 0: none in it */
	size_t n, cap;
	struct manifest_file *files; /* ascending by path, each once */
};
/* 0, -ENOMEM, -EINVAL: no such path; -EEXIST; -E2BIG. In any order. */
int manifest_add(struct manifest *m, const struct manifest_file *f);
const struct manifest_file *manifest_find(const struct manifest *m, const char *path);
char *manifest_text(const struct manifest *m); /* caller frees; NULL: out of memory */
/* 0; -EBADMSG with one line in err: what is wrong and where. A newer version is no error: what is
 * known of it is taken. */
int manifest_parse(const char *p, size_t n, struct manifest *ret, char *err, size_t err_len);
void manifest_done(struct manifest *m);

#endif
