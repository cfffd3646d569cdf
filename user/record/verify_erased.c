// SPDX-License-Identifier: Apache-2.0
/*
 * In: records without their payload, and ERASE records. Out: a finding for those that no ERASE record
 * behind them speaks of: whoever may write to the files can drop payloads, and that must not pass as an
 * erasure somebody answers for. Of a part of a chain they are only counted: the ERASE record may stand
 * behind it. Stretches are merged; RANGES_MAX of them are followed.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "verify_int.h"

#define RANGES_MAX 65536

static int range_add(struct erased *e, uint64_t first, uint64_t last)
{
	if (e->n == RANGES_MAX) {
		e->overflow = true;
		return 0;
	}
	if (e->n == e->cap) {
		size_t cap = e->cap ? 2 * e->cap : 64;
		struct erased_range *more = realloc(e->range, cap * sizeof(*more));

		if (!more)
			return -ENOMEM;
		e->range = more;
		e->cap = cap;
	}
	e->range[e->n++] = (struct erased_range){first, last};
	return 0;
}

int verify_erased_add(struct walk *w, uint64_t seq)
{
	struct erased *e = &w->erased;

	w->r->erased++;
	if (e->n && e->range[e->n - 1].last + 1 == seq) {
		e->range[e->n - 1].last = seq;
		return 0;
	}
	return range_add(e, seq, seq);
}

int verify_erased_declared(struct walk *w, uint64_t first, uint64_t last)
{
	struct erased *e = &w->erased;
	size_t n = e->n, kept = 0;
	int r = 0;

	for (size_t i = 0; i < n && !r; i++) {
		struct erased_range g = e->range[i];

		if (g.last < first || g.first > last) {
			e->range[kept++] = g;
			continue;
		}
		/* What sticks out on both sides makes two of one: the second goes to the end. */
		if (g.first < first && g.last > last)
			r = range_add(e, last + 1, g.last);
		if (g.first < first)
			e->range[kept++] = (struct erased_range){g.first, first - 1};
		else if (g.last > last)
			e->range[kept++] = (struct erased_range){last + 1, g.last};
	}
	for (size_t i = n; i < e->n; i++)
		e->range[kept++] = e->range[i];
	e->n = kept;
	return r;
}

/* The ERASE record is durable before the first payload goes, so it was read; unless the spool is live and
 * it stands in a segment that is newer than our list. */
static bool newer_segments(const struct walk *w)
{
	_cleanup_free_ uint64_t *names = NULL;
	size_t n = 0;

	return verify_live(w) && !segment_list(w->dir, &names, &n, NULL) && n && w->n &&
	       names[n - 1] > w->names[w->n - 1];
}

void verify_erased_check(struct walk *w)
{
	const struct erased *e = &w->erased;

	for (size_t i = 0; i < e->n; i++)
		w->r->erased_silent += e->range[i].last - e->range[i].first + 1;
	if ((!e->n && !e->overflow) || w->o->part || newer_segments(w))
		return;
	verify_found(w, "", 0, e->n ? e->range[0].first : 0, "erased",
		     "the payloads of records %llu to %llu are gone and no ERASE record says so",
		     e->n ? (unsigned long long)e->range[0].first : 0ull,
		     e->n ? (unsigned long long)e->range[0].last : 0ull);
}

void verify_erased_done(struct walk *w)
{
	free(w->erased.range);
}
