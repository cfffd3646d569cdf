/* SPDX-License-Identifier: Apache-2.0 */
/* Policy packs named on a command line: files, or folders of them. */
#ifndef PROBITY_CLI_PACK_FILE_H
#define PROBITY_CLI_PACK_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "policy/pack.h"

DEFINE_CLEANUP(struct pack, pack_free)

/* CLI_OK; CLI_NEGATIVE: no pack; CLI_UNREACHABLE: not readable. err: one printable line. */
int pack_file_load(const char *path, struct pack **ret, char *err, size_t err_len);

/* A folder stands for the packs in it, by name; other YAML files there are left out. */
struct pack_files {
	char **v;
	size_t n;
};
void pack_files_done(struct pack_files *f);
/* 0, -ENOMEM. A name that is no folder is taken as it is. */
int pack_files_add(struct pack_files *f, const char *path);

void hex_text(const unsigned char *p, size_t n, char *dst); /* 2n + 1 bytes */

#endif
