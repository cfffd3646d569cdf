/* SPDX-License-Identifier: Apache-2.0 */
/* Many small allocations with one owner and one end: the tree and the rules of one pack. */
#ifndef PROBITY_POLICY_ARENA_H
#define PROBITY_POLICY_ARENA_H

#include <stddef.h>

struct arena_block;
struct arena {
	struct arena_block *last;
};

void *arena_zalloc(struct arena *a, size_t count, size_t size); /* NULL: out of memory */
char *arena_text(struct arena *a, const char *s, size_t n);	/* n bytes and a NUL */
void arena_free(struct arena *a);

#endif
