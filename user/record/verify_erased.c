// SPDX-License-Identifier: Apache-2.0
/*
 * In: records without their payload, and ERASE records. Out: a finding for those that no ERASE record
 * behind them speaks of: whoever may write to the files can drop payloads, and that must not pass as an
 * erasure somebody answers for. Of a part of a chain they are only counted: the ERASE record may stand
 * behind it.
 */
#include "base/cleanup.h"
#include "verify_int.h"

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
	const struct erasures *e = &w->erasures;
	struct erasure first;

	for (size_t i = 0; i < e->n; i++)
		w->r->erased_silent += e->open[i].last - e->open[i].first + 1;
	if (!erasures_silent(e, &first) || w->o->part || newer_segments(w))
		return;
	verify_found(w, "", 0, first.first, "erased",
		     "the payloads of records %llu to %llu are gone and no ERASE record says so",
		     (unsigned long long)first.first, (unsigned long long)first.last);
}
