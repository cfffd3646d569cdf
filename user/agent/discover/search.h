/* SPDX-License-Identifier: Apache-2.0 */
/* Many short byte strings in one pass over a large text (Wu and Manber's shift table). PURE. */
#ifndef PROBITY_AGENT_DISCOVER_SEARCH_H
#define PROBITY_AGENT_DISCOVER_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEARCH_MAX 96	/* needles */
#define SEARCH_BYTES 64 /* of one */

struct needle {
	uint8_t byte[SEARCH_BYTES];
	uint8_t n;
};

struct search {
	struct needle needle[SEARCH_MAX];
	unsigned n;
	unsigned least;	      /* bytes of the shortest */
	uint8_t shift[65536]; /* by the pair of bytes at least - 2 */
	uint8_t first[65536]; /* index + 1 of the first needle with that pair, when shift is 0 */
	uint8_t next[SEARCH_MAX];
};

/* The number of this needle (one number for equal ones), or -1: no room, or shorter than 4. */
int search_add(struct search *s, const void *p, size_t n);
void search_ready(struct search *s); /* after the last one */
/* Calls each for every place; it returns false to stop. */
void search_run(const struct search *s, const uint8_t *p, size_t n,
		bool (*each)(void *arg, unsigned needle, size_t at), void *arg);

#endif
