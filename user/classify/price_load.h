/* SPDX-License-Identifier: Apache-2.0 */
/* Build time only: policies/prices.yaml read and checked. See price_load.c. */
#ifndef PROBITY_CLASSIFY_PRICE_LOAD_H
#define PROBITY_CLASSIFY_PRICE_LOAD_H

#include "gen_load.h"
#include "price.h"

struct price_source {
	struct price *rows;
	size_t n;
	void *private; /* owns the texts */
};

/* 0, or -EINVAL and "name:LINE: what" in err. Services must be in the catalog. */
int price_source_load(const char *name, const char *yaml, size_t n,
		      const struct catalog_source *catalog, struct price_source *ret, char *err,
		      size_t err_len);
void price_source_free(struct price_source *s);

#endif
