/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ways to give a parser its input: whole, in pieces, and with the last byte against a page that
 * cannot be read, so that one byte too far is a crash and not luck.
 */
#ifndef PROBITY_TESTS_FLOW_FEED_H
#define PROBITY_TESTS_FLOW_FEED_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct guarded {
	uint8_t *map, *p;
	size_t size;
};

static inline struct guarded guarded_copy(const void *p, size_t n)
{
	size_t page = sysconf(_SC_PAGESIZE), size = (n / page + 2) * page;
	struct guarded g = {.size = size};

	g.map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (g.map == MAP_FAILED || mprotect(g.map + size - page, page, PROT_NONE))
		_exit(99);
	g.p = g.map + size - page - n;
	if (n)
		memcpy(g.p, p, n);
	return g;
}

static inline void guarded_free(struct guarded *g)
{
	munmap(g->map, g->size);
}

/* Sizes of the pieces every streaming vector is fed in; 0 = whole. */
static const size_t feed_sizes[] = {0, 1, 2, 3, 7, 64};

/* A small generator that is the same on every machine. */
static inline uint32_t rnd(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s >> 32;
}

#endif
