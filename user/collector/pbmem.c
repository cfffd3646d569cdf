// SPDX-License-Identifier: Apache-2.0
/*
 * A counting allocator: every byte asked for lowers what is left, and freeing gives nothing back,
 * because one message is unpacked once and freed whole. Invariant: the sum of live blocks never
 * exceeds the budget given at the start.
 */
#include "pbmem.h"

#include <stdlib.h>

#define BLOCK_COST 32 /* what malloc itself takes at most for a small block */

static void *take(void *data, size_t n)
{
	struct pbmem *m = data;

	if (m->left < BLOCK_COST || n > m->left - BLOCK_COST)
		return NULL;
	m->left -= n + BLOCK_COST;
	return malloc(n);
}

static void give(void *data, void *p)
{
	free(p);
}

void pbmem_init(struct pbmem *m, size_t budget)
{
	m->left = budget;
	m->allocator = (ProtobufCAllocator){.alloc = take, .free = give, .allocator_data = m};
}
