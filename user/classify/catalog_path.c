/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Request paths against operation templates, segment by segment and without allocation.
 *
 * In: a path as sent and a template row of the generated tables. Out: how well they fit. Base URLs
 * are set freely by users of gateways and proxies, so a template may also fit behind a prefix, and
 * one that names a wire dialect may also miss its version ("/v1"). A template of one segment and
 * no dialect ("/health") fits only exactly: as a suffix it would fit anything.
 *
 * Limits: a path of more than CATALOG_PATH_SEGMENTS segments or 64 KiB fits nothing; no API has one.
 */
#include "catalog_path.h"

#include <string.h>

void catalog_path_split(const char *path, struct catalog_path *ret)
{
	size_t n = strcspn(path, "?#");

	*ret = (struct catalog_path){.text = path};
	if (n > 1 && path[n - 1] == '/')
		n--;
	if (path[0] != '/' || n > 65000)
		return;
	for (size_t i = 0; i < n; i++) {
		if (path[i] != '/')
			continue;
		if (ret->count == CATALOG_PATH_SEGMENTS) {
			ret->count = 0;
			return;
		}
		ret->seg[ret->count++] = i + 1;
	}
	ret->seg[ret->count] = n + 1;
}

/* One segment; '*' stands for one or more bytes. Back-tracks to the last '*' only. */
static bool segment_fits(const char *t, size_t tn, const char *s, size_t sn)
{
	size_t ti = 0, si = 0, star = SIZE_MAX, mark = 0;

	while (si < sn) {
		if (ti < tn && t[ti] == '*') {
			star = ti++;
			mark = ++si;
		} else if (ti < tn && t[ti] == s[si]) {
			ti++;
			si++;
		} else if (star != SIZE_MAX) {
			ti = star + 1;
			si = ++mark;
		} else {
			return false;
		}
	}
	return ti == tn;
}

/* Segments [skip, m) of the template against those of the path that begin with `at`. */
static bool run_fits(const struct cat_op *op, size_t skip, const struct catalog_path *p, size_t at)
{
	const char *t = catalog_pool + op->path + 1;

	for (size_t i = 0; i < op->segments; i++) {
		size_t tn = strcspn(t, "/");

		if (i >= skip) {
			const uint16_t *seg = &p->seg[at + i - skip];

			if (!segment_fits(t, tn, p->text + seg[0], seg[1] - seg[0] - 1))
				return false;
		}
		t += tn + 1;
	}
	return true;
}

/* Most templates fall out here, on the last segment. */
static bool last_differs(const struct cat_op *op, const struct catalog_path *p)
{
	const char *t = catalog_pool + op->path + op->last + 1;
	const uint16_t *seg = &p->seg[p->count - 1];
	size_t n = seg[1] - seg[0] - 1;

	if (op->flags & (CAT_ANY_SUFFIX | CAT_LAST_WILD))
		return false;
	return strncmp(t, p->text + seg[0], n) || t[n];
}

enum catalog_fit catalog_path_fit(const struct cat_op *op, const struct catalog_path *p)
{
	size_t m = op->segments, k = p->count;
	bool named = catalog_pool[op->dialect];

	if (k == 0 || last_differs(op, p))
		return CATALOG_FIT_NONE;
	if (op->flags & CAT_ANY_SUFFIX)
		return k > m && run_fits(op, 0, p, 0) ? CATALOG_FIT_EXACT : CATALOG_FIT_NONE;
	if (k >= m && run_fits(op, 0, p, k - m)) {
		if (k == m || op->flags & CAT_ANY_PREFIX)
			return CATALOG_FIT_EXACT;
		return m > 1 || named ? CATALOG_FIT_SUFFIX : CATALOG_FIT_NONE;
	}
	if (op->flags & CAT_VERSIONED && named && k + 1 >= m && run_fits(op, 1, p, k + 1 - m))
		return CATALOG_FIT_TAIL;
	return CATALOG_FIT_NONE;
}
