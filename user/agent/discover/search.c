// SPDX-License-Identifier: Apache-2.0
/*
 * In: up to SEARCH_MAX strings of at least 4 bytes, then bytes. Out: each place of each. The pair
 * of bytes at the end of a window as long as the shortest string says how far the window may move;
 * a text without a likely pair is passed in steps of nearly that length. Time is at most n times
 * the strings that end in the same pair, whatever the bytes are.
 */
#include "search.h"

#include <string.h>

int search_add(struct search *s, const void *p, size_t n)
{
	for (unsigned i = 0; i < s->n; i++)
		if (s->needle[i].n == n && !memcmp(s->needle[i].byte, p, n))
			return i;
	if (s->n == SEARCH_MAX || n < 4 || n > SEARCH_BYTES)
		return -1;
	memcpy(s->needle[s->n].byte, p, n);
	s->needle[s->n].n = n;
	return s->n++;
}

static unsigned pair(const uint8_t *p)
{
	return p[0] | p[1] << 8;
}

void search_ready(struct search *s)
{
	s->least = SEARCH_BYTES;
	for (unsigned i = 0; i < s->n; i++)
		if (s->needle[i].n < s->least)
			s->least = s->needle[i].n;
	memset(s->shift, s->least - 1, sizeof(s->shift));
	memset(s->first, 0, sizeof(s->first));
	for (unsigned i = 0; i < s->n; i++) {
		const uint8_t *p = s->needle[i].byte;
		unsigned last = pair(p + s->least - 2);

		for (unsigned k = 0; k + 2 <= s->least; k++)
			if (s->shift[pair(p + k)] > s->least - 2 - k)
				s->shift[pair(p + k)] = s->least - 2 - k;
		s->next[i] = s->first[last];
		s->first[last] = i + 1;
	}
}

void search_run(const struct search *s, const uint8_t *p, size_t n,
		bool (*each)(void *arg, unsigned needle, size_t at), void *arg)
{
	for (size_t end = s->least; s->n && end <= n;) {
		unsigned last = pair(p + end - 2), step = s->shift[last];
		size_t at = end - s->least;

		if (step) {
			end += step;
			continue;
		}
		for (unsigned i = s->first[last]; i; i = s->next[i - 1]) {
			const struct needle *x = &s->needle[i - 1];

			if (x->n <= n - at && !memcmp(p + at, x->byte, x->n) &&
			    !each(arg, i - 1, at))
				return;
		}
		end++;
	}
}
