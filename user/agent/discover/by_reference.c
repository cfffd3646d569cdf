// SPDX-License-Identifier: Apache-2.0
/*
 * Functions by what they refer to: the source file name and error codes of their error reports, or
 * their own names. In: where those texts lie. Out: one function per row, or none.
 *
 * References become functions by the unwind table, where it covers them; else by the nearest call
 * target before them that begins like a function; else by the nearest frame set up in the common way.
 * A row that fits two functions finds none, unless it takes the longest or all of them.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "search.h"
#include "work.h"

#define TEXT_BACK 240	      /* of a path before its known end */
#define FUNCTION_REACH 0x1200 /* from a call target to a reference in its function */
#define BODY_MAX 0x800	      /* looked at for calls, where no end is known */

/* --- from texts to references ---------------------------------------------------------------- */

static bool by_path(const struct signature *s)
{
	return s->method == SIG_ERROR_REASONS || s->method == SIG_AEAD_ERRORS;
}

static bool wanted(const struct work *w, const struct signature *s)
{
	/* A family found by name needs no other way. */
	if (!sig_is_for(s, w) || (!by_path(s) && s->method != SIG_FUNC_NAME))
		return false;
	return !(s->stack == TLS_STACK_OPENSSL && work_has_stack(w, TLS_STACK_OPENSSL)) &&
	       !(s->stack == TLS_STACK_BORINGSSL && work_has_stack(w, TLS_STACK_BORINGSSL));
}

/* The text's path may begin before what is known of it: any address in the printable run counts. */
static uint64_t text_start(const struct work *w, uint64_t vaddr)
{
	for (uint64_t k = 0; k < TEXT_BACK && vaddr > k; k++) {
		const uint8_t *p = elf_at(w->e, vaddr - k - 1, 1, NULL);

		if (!p || *p < 0x20 || *p > 0x7e)
			return vaddr - k;
	}
	return vaddr - TEXT_BACK;
}

static int by_lo(const void *a, const void *b)
{
	const struct target *x = a, *y = b;

	return x->lo < y->lo ? -1 : x->lo > y->lo;
}

static size_t targets_of(struct work *w, struct target *t)
{
	uint8_t use[SEARCH_MAX] = {0};
	size_t n = 0;

	for (size_t i = 0; i < w->sigs->n; i++) {
		const struct signature *s = &w->sigs->rows[i];

		for (int k = 0; wanted(w, s) && k < SIG_TEXTS; k++) {
			if (s->texts[k][0])
				use[text_needle(w, s, s->texts[k])] = 2;
			if (s->refs[k][0])
				use[text_needle(w, s, s->refs[k])] = 1;
			if (s->norefs[k][0])
				use[text_needle(w, s, s->norefs[k])] = 1;
		}
	}
	for (size_t i = 0; i < w->matches_n; i++) {
		const struct match *m = &w->matches[i];

		if (use[m->needle])
			t[n++] = (struct target){use[m->needle] == 2 ? text_start(w, m->vaddr)
								     : m->vaddr,
						 m->vaddr, m->needle};
	}
	qsort(t, n, sizeof(*t), by_lo);
	return n;
}

/* --- from references to functions ------------------------------------------------------------ */

static int by_at(const void *a, const void *b)
{
	const struct ref *x = a, *y = b;

	return x->at < y->at ? -1 : x->at > y->at;
}

static int by_fn(const void *a, const void *b)
{
	const struct ref *x = a, *y = b;

	if (x->fn != y->fn)
		return x->fn < y->fn ? -1 : 1;
	return by_at(a, b);
}

static void called(void *arg, uint64_t from, uint64_t next, uint64_t to, bool slot)
{
	struct work *w = arg;
	struct refs *r = &w->refs;
	size_t lo = 0, hi = r->n;

	if (slot || to > r->v[r->n - 1].at || !w->arch->entry(w->e, to))
		return;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (r->v[mid].at < to)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < r->n && r->v[lo].at - to < FUNCTION_REACH; lo++)
		if (!r->v[lo].end && to > r->v[lo].fn)
			r->v[lo].fn = to;
}

static void owners(struct work *w)
{
	struct refs *r = &w->refs;
	bool all = true;

	qsort(r->v, r->n, sizeof(*r->v), by_at);
	for (size_t i = 0; i < r->n; i++)
		if (!elf_unwind(w->e, r->v[i].at, &r->v[i].fn, &r->v[i].end))
			all = false;
	if (!all)
		w->arch->calls(w->e, 0, UINT64_MAX, called, w);
	for (size_t i = 0; i < r->n; i++) {
		uint64_t before = r->v[i].end ? 0 : w->arch->entry_before(w->e, r->v[i].at);

		if (before > r->v[i].fn)
			r->v[i].fn = before;
	}
	qsort(r->v, r->n, sizeof(*r->v), by_fn);
}

/* --- rows ------------------------------------------------------------------------------------ */

struct fit {
	uint64_t fn, end;
	size_t first, n; /* its references */
};

static unsigned count_text(const struct work *w, const struct fit *f, const struct signature *s,
			   const char *text)
{
	int needle = text_needle(w, s, text);
	unsigned n = 0;

	for (size_t i = f->first; i < f->first + f->n; i++)
		n += w->refs.v[i].id == needle;
	return n;
}

static bool has_code(const struct work *w, const struct fit *f, const struct signature *s,
		     unsigned code)
{
	for (size_t i = f->first; i < f->first + f->n; i++) {
		const struct ref *r = &w->refs.v[i];
		bool mine = false;

		for (int k = 0; k < SIG_TEXTS && s->texts[k][0]; k++)
			mine |= r->id == text_needle(w, s, s->texts[k]);
		for (unsigned k = 0; mine && k < r->codes_n; k++)
			if (r->codes[k] == code)
				return true;
	}
	return false;
}

static bool codes_fit(const struct work *w, const struct fit *f, const struct signature *s)
{
	bool any = !s->codes_any[0];

	for (int k = 0; k < SIG_CODES && s->codes_all[k]; k++)
		if (!has_code(w, f, s, s->codes_all[k]))
			return false;
	for (int k = 0; k < SIG_CODES && s->codes_none[k]; k++)
		if (has_code(w, f, s, s->codes_none[k]))
			return false;
	for (int k = 0; k < SIG_CODES && s->codes_any[k]; k++)
		any |= has_code(w, f, s, s->codes_any[k]);
	return any;
}

static bool texts_fit(const struct work *w, const struct fit *f, const struct signature *s)
{
	unsigned n = s->refs[0][0] ? count_text(w, f, s, s->refs[0]) : 0;

	for (int k = 0; k < SIG_TEXTS && s->refs[k][0]; k++)
		if (!count_text(w, f, s, s->refs[k]))
			return false;
	for (int k = 0; k < SIG_TEXTS && s->norefs[k][0]; k++)
		if (count_text(w, f, s, s->norefs[k]))
			return false;
	return (!s->sites_min || n >= s->sites_min) && (!s->sites_max || n <= s->sites_max);
}

struct call_search {
	uint64_t target;
	bool found;
};

static void call_to(void *arg, uint64_t from, uint64_t next, uint64_t to, bool slot)
{
	struct call_search *c = arg;

	c->found |= !slot && to == c->target;
}

/* Where a function without an unwind entry ends at the latest: at the next one that is known. */
static uint64_t body_end(const struct work *w, const struct fit *f)
{
	uint64_t end = f->end ? f->end : f->fn + BODY_MAX;
	size_t next = f->first + f->n;

	if (!f->end && next < w->refs.n && w->refs.v[next].fn < end)
		end = w->refs.v[next].fn;
	return end;
}

static bool calls(const struct work *w, uint64_t fn, uint64_t end, const char *name)
{
	const struct known *k = work_known(w, name);
	struct call_search c = {k ? k->vaddr : 0, false};

	if (k)
		w->arch->calls(w->e, fn, end, call_to, &c);
	return c.found;
}

static bool called_by(const struct work *w, uint64_t fn, const char *name)
{
	const struct known *k = work_known(w, name);
	struct call_search c = {fn, false};

	if (k)
		w->arch->calls(w->e, k->vaddr, k->end ? k->end : k->vaddr + BODY_MAX, call_to, &c);
	return c.found;
}

static bool fits(const struct work *w, const struct fit *f, const struct signature *s)
{
	if (by_path(s) ? !codes_fit(w, f, s) : !texts_fit(w, f, s))
		return false;
	if (s->calls[0] && !calls(w, f->fn, body_end(w, f), s->calls))
		return false;
	if (s->unless_called_by[0] && called_by(w, f->fn, s->unless_called_by))
		return false;
	if (s->reads && !w->arch->reads_argument(w->e, f->fn, f->end, s->reads))
		return false;
	return !s->unused || !w->arch->reads_argument(w->e, f->fn, f->end, s->unused);
}

static uint64_t length(const struct work *w, const struct fit *f)
{
	struct returns r;

	if (f->end)
		return f->end - f->fn;
	w->arch->returns(w->e, f->fn, 0, &r);
	return r.extent;
}

/* The one that is longer than every other, or NULL. */
static const struct fit *longest(const struct work *w, const struct fit *v, size_t n)
{
	const struct fit *best = NULL;
	uint64_t most = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t l = length(w, &v[i]);

		if (l > most) {
			most = l;
			best = &v[i];
		} else if (l == most) {
			best = NULL;
		}
	}
	return best;
}

static void take(struct work *w, const struct signature *s, const struct fit *f, size_t of)
{
	const struct ref *r = &w->refs.v[f->first];

	work_take(w, s, f->fn, f->end, "%u references to \"%s\", first at %#llx%s%s%s",
		  count_text(w, f, s, s->texts[0][0] ? s->texts[0] : s->refs[0]),
		  s->texts[0][0] ? s->texts[0] : s->refs[0], (unsigned long long)r->at,
		  s->calls[0] ? ", calls " : "", s->calls,
		  of > 1 && s->longest ? ", the longest that fits"
		  : f->end	       ? ""
				       : ", start by call target");
}

static void row(struct work *w, const struct signature *s)
{
	struct fit v[FITS_MAX];
	const struct fit *one = v;
	size_t n = 0;

	for (size_t i = 0, k; i < w->refs.n && n < FITS_MAX; i = k) {
		for (k = i; k < w->refs.n && w->refs.v[k].fn == w->refs.v[i].fn; k++)
			;
		v[n] = (struct fit){w->refs.v[i].fn, w->refs.v[i].end, i, k - i};
		if (v[n].fn && fits(w, &v[n], s))
			n++;
	}
	if (!n)
		return;
	if (n > 1 && s->longest)
		one = longest(w, v, n);
	else if (n > 1 && !s->many)
		one = NULL;
	if (!one) {
		work_note(w, "%s: %zu functions fit, none is taken", s->name, n);
		return;
	}
	for (size_t i = 0; i < n; i++)
		if (s->many || &v[i] == one)
			take(w, s, &v[i], n);
}

void by_reference(struct work *w)
{
	_cleanup_free_ struct target *t = calloc(MATCHES_MAX, sizeof(*t));
	uint8_t use[512] = {0};
	size_t n = t ? targets_of(w, t) : 0;

	if (!n)
		return;
	w->arch->refs(w->e, t, n, &w->refs);
	if (w->refs.failed)
		work_note(w, "too many references to the texts of TLS libraries");
	if (w->refs.failed || !w->refs.n)
		return;
	owners(w);
	/* Which rows are wanted is settled before any of them finds something. */
	for (size_t i = 0; i < w->sigs->n && i < sizeof(use); i++)
		use[i] = wanted(w, &w->sigs->rows[i]);
	for (size_t i = 0; i < w->sigs->n && i < sizeof(use); i++)
		if (use[i] && sig_is_for(&w->sigs->rows[i], w))
			row(w, &w->sigs->rows[i]);
}
