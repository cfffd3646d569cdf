// SPDX-License-Identifier: Apache-2.0
/*
 * Functions by the assembly routine they call. In: places of known routines (perlasm output, the
 * same bytes in every build). Out: the one function that calls them, directly or through a pointer
 * slot; it is found by the unwind table.
 *
 * A routine built with CET begins 4 bytes before its pattern. Those addresses are tried only when
 * the plain ones have no caller, so that another library's copy does not win. Two callers: none.
 */
#include <stdlib.h>

#include "base/cleanup.h"
#include "work.h"

#define ROUTINES_MAX 64
#define SLOTS_MAX 256
#define NEAR_MAX 0x40000 /* functions of one Rust module lie together */

/* What an address is to a row: the routine, the same 4 bytes before the pattern, the witness. */
enum part { ROUTINE, ROUTINE_ENDBR, WITNESS };

struct routine {
	uint64_t at, slot; /* slot: the pointer that holds it, 0 = called directly */
	uint16_t row;
	enum part part;
};

struct caller {
	uint64_t start, end;
	uint16_t row;
	enum part part;
};

struct asm_work {
	struct work *w;
	struct routine v[SLOTS_MAX];
	unsigned n, plain; /* the first `plain` are the routines themselves */
	struct caller callers[SLOTS_MAX];
	unsigned callers_n;
	uint64_t lo[2], hi[2]; /* of addresses and of slots: most calls and words are outside */
	bool full;
};

static void add(struct asm_work *a, uint64_t at, uint64_t slot, uint16_t row, enum part part)
{
	uint64_t key = slot ? slot : at;

	if (a->n == SLOTS_MAX) {
		a->full = true;
		return;
	}
	if (key < a->lo[slot != 0] || !a->hi[slot != 0])
		a->lo[slot != 0] = key;
	if (key > a->hi[slot != 0])
		a->hi[slot != 0] = key;
	a->v[a->n++] = (struct routine){at, slot, row, part};
}

static bool gate(const struct work *w, const struct signature *s)
{
	for (int k = 0; k < SIG_TEXTS && s->texts[k][0]; k++)
		for (size_t i = 0; i < w->matches_n; i++)
			if (w->matches[i].needle == text_needle(w, s, s->texts[k]))
				return true;
	return !s->texts[0][0];
}

static bool has_endbr(const struct asm_work *a, uint64_t at)
{
	const uint8_t *p = elf_at(a->w->e, at - 4, 4, NULL);

	return p && le32(p) == 0xfa1e0ff3;
}

static void routines(struct asm_work *a, uint16_t row)
{
	const struct signature *s = &a->w->sigs->rows[row];
	uint64_t at[8];
	size_t n;

	if (s->method != SIG_ASM_CALLER || !sig_is_for(s, a->w) || !gate(a->w, s))
		return;
	n = pattern_places(a->w, &s->pattern, at, 8);
	if (n && s->of && n != s->of) {
		work_note(a->w, "%s: its routine is there %zu times", s->name, n);
		return;
	}
	for (size_t i = 0; i < n && a->n < ROUTINES_MAX; i++) {
		if (s->nth && i != s->nth - 1u)
			continue;
		add(a, at[i], 0, row, ROUTINE);
		if (s->after && has_endbr(a, at[i]))
			add(a, at[i] - 4, 0, row, ROUTINE_ENDBR);
	}
	n = s->witness.n ? pattern_places(a->w, &s->witness, at, 8) : 0;
	for (size_t i = 0; i < n && a->n < ROUTINES_MAX; i++) {
		add(a, at[i], 0, row, WITNESS);
		if (s->after && has_endbr(a, at[i]))
			add(a, at[i] - 4, 0, row, WITNESS);
	}
}

static void slot_is(void *arg, uint64_t slot, uint64_t value)
{
	struct asm_work *a = arg;

	if (value - a->lo[0] > a->hi[0] - a->lo[0])
		return;
	for (unsigned i = 0; i < a->plain; i++)
		if (a->v[i].at == value)
			add(a, value, slot, a->v[i].row, a->v[i].part);
}

static void call(void *arg, uint64_t from, uint64_t next, uint64_t to, bool slot)
{
	struct asm_work *a = arg;

	if (to - a->lo[slot] > a->hi[slot] - a->lo[slot])
		return;
	for (unsigned i = slot ? a->plain : 0; i < (slot ? a->n : a->plain); i++) {
		const struct routine *r = &a->v[i];
		struct caller c = {.row = r->row, .part = r->part};

		if ((slot ? r->slot : r->at) != to || !elf_unwind(a->w->e, from, &c.start, &c.end))
			continue;
		if (a->callers_n < SLOTS_MAX)
			a->callers[a->callers_n++] = c;
		else
			a->full = true;
	}
}

/* The single caller of a row; NULL when there is none (n = 0), or more than one. */
static const struct caller *single(const struct asm_work *a, uint16_t row, enum part part,
				   unsigned *ret_n)
{
	const struct caller *one = NULL;

	*ret_n = 0;
	for (unsigned i = 0; i < a->callers_n; i++) {
		const struct caller *c = &a->callers[i];

		if (c->row != row || c->part != part || (one && c->start == one->start))
			continue;
		one = c;
		(*ret_n)++;
	}
	return *ret_n == 1 ? one : NULL;
}

/* --- the witness ----------------------------------------------------------------------------- */

struct reach {
	struct asm_work *a;
	uint16_t row;
	bool found;
};

static void reaches_call(void *arg, uint64_t from, uint64_t next, uint64_t to, bool slot)
{
	struct reach *r = arg;

	for (unsigned i = 0; !slot && i < r->a->callers_n; i++) {
		const struct caller *c = &r->a->callers[i];

		r->found |= c->row == r->row && c->part == WITNESS && c->start == to;
	}
}

/* Does a function call the witness, or a function that does? */
static bool reaches(struct asm_work *a, uint16_t row, const struct caller *f)
{
	struct reach r = {a, row, false};

	for (unsigned i = 0; i < a->callers_n; i++)
		if (a->callers[i].row == row && a->callers[i].part == WITNESS &&
		    a->callers[i].start == f->start)
			return true;
	a->w->arch->calls(a->w->e, f->start, f->end, reaches_call, &r);
	return r.found;
}

struct up {
	struct asm_work *a;
	uint64_t of;
	struct caller one;
	unsigned n;
};

static void up_call(void *arg, uint64_t from, uint64_t next, uint64_t to, bool slot)
{
	struct up *u = arg;
	struct caller c = u->one;

	if (slot || to != u->of || !elf_unwind(u->a->w->e, from, &c.start, &c.end) ||
	    (u->n && c.start == u->one.start))
		return;
	u->one = c;
	u->n++;
}

/* The compiler may have split the function that is meant: then it is the one caller of what calls
 * the routine. It is known by the other routine, for other processors, which it reaches too. */
static bool with_witness(struct asm_work *a, uint16_t row, struct caller *c)
{
	struct up u = {a, c->start, *c, 0};

	if (reaches(a, row, c))
		return true;
	a->w->arch->calls(a->w->e, 0, UINT64_MAX, up_call, &u);
	if (u.n != 1 || !reaches(a, row, &u.one))
		return false;
	*c = u.one;
	return true;
}

static bool is_near(const struct work *w, const char *name, uint64_t at)
{
	const struct known *near = work_known(w, name);

	return near && (at > near->vaddr ? at - near->vaddr : near->vaddr - at) <= NEAR_MAX;
}

static void take(struct asm_work *a, uint16_t row)
{
	const struct signature *s = &a->w->sigs->rows[row];
	const struct caller *one;
	struct caller c;
	unsigned n;

	if (!sig_is_for(s, a->w))
		return;
	one = single(a, row, ROUTINE, &n);
	if (!n)
		one = single(a, row, ROUTINE_ENDBR, &n);
	if (n > 1)
		work_note(a->w, "%s: %u functions call its routine, none is taken", s->name, n);
	if (!one)
		return;
	c = *one;
	if (s->witness.n && !with_witness(a, row, &c)) {
		work_note(a->w, "%s: what calls its routine does not reach the other one", s->name);
		return;
	}
	if (s->near[0] && !is_near(a->w, s->near, c.start)) {
		work_note(a->w, "%s: the caller is not near %s", s->name, s->near);
		return;
	}
	work_take(a->w, s, c.start, c.end, "the single caller of a routine known by its bytes%s%s",
		  c.part == ROUTINE_ENDBR ? " (behind endbr64)" : "",
		  c.start != one->start ? ", one call up" : "");
}

void by_asm(struct work *w)
{
	_cleanup_free_ struct asm_work *a = calloc(1, sizeof(*a));

	if (!a)
		return;
	a->w = w;
	for (size_t i = 0; i < w->sigs->n; i++)
		routines(a, i);
	if (!a->n)
		return;
	a->plain = a->n;
	elf_slots(w->e, slot_is, a);
	w->arch->calls(w->e, 0, UINT64_MAX, call, a);
	if (a->full) {
		work_note(w, "too many callers of known assembly routines");
		return;
	}
	for (size_t i = 0; i < w->sigs->n; i++)
		if (w->sigs->rows[i].method == SIG_ASM_CALLER)
			take(a, i);
}
