/* SPDX-License-Identifier: Apache-2.0 */
/* Request paths against the catalog's operation templates. See catalog_path.c. */
#ifndef PROBITY_CLASSIFY_CATALOG_PATH_H
#define PROBITY_CLASSIFY_CATALOG_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "catalog_data.h"

#define CATALOG_PATH_SEGMENTS 64

/* Points into the path that was split. seg[i] is the offset behind the i-th '/'. */
struct catalog_path {
	const char *text;
	size_t count;
	uint16_t seg[CATALOG_PATH_SEGMENTS + 1]; /* and one behind the end */
};

void catalog_path_split(const char *path, struct catalog_path *ret);

enum catalog_fit {
	CATALOG_FIT_NONE,
	CATALOG_FIT_TAIL,   /* template without its version, behind some prefix: gateways */
	CATALOG_FIT_SUFFIX, /* whole template behind some prefix */
	CATALOG_FIT_EXACT,
};
enum catalog_fit catalog_path_fit(const struct cat_op *op, const struct catalog_path *p);

#endif
