// SPDX-License-Identifier: Apache-2.0
/*
 * Every block is an allocation of its own, chained to the owner, so that an overrun is still seen
 * by the address sanitizer. Nothing is freed singly. No bound here: the callers count their nodes.
 */
#include "arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct arena_block {
	struct arena_block *next;
	alignas(max_align_t) unsigned char data[];
};

void *arena_zalloc(struct arena *a, size_t count, size_t size)
{
	struct arena_block *b;
	size_t n;

	if (__builtin_mul_overflow(count, size, &n) || __builtin_add_overflow(n, sizeof(*b), &n))
		return NULL;
	b = calloc(1, n);
	if (!b)
		return NULL;
	b->next = a->last;
	a->last = b;
	return b->data;
}

char *arena_text(struct arena *a, const char *s, size_t n)
{
	char *t = n < SIZE_MAX ? arena_zalloc(a, n + 1, 1) : NULL;

	if (t && n)
		memcpy(t, s, n);
	return t;
}

void arena_free(struct arena *a)
{
	while (a->last) {
		struct arena_block *b = a->last;

		a->last = b->next;
		free(b);
	}
}
