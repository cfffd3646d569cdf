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

struct routine {
	uint64_t at, slot; /* slot: the pointer that holds it, 0 = called directly */
	uint16_t row;
	bool endbr; /* `at` is 4 bytes before the pattern */
};

struct caller {
	uint64_t start, end;
	uint16_t row;
	bool endbr;
};

struct asm_work {
	struct work *w;
	struct routine v[SLOTS_MAX];
	unsigned n, plain; /* the first `plain` are the routines themselves */
	struct caller callers[SLOTS_MAX];
	unsigned callers_n;
	bool full;
};

static void add(struct asm_work *a, uint64_t at, uint64_t slot, uint16_t row, bool endbr)
{
	if (a->n == SLOTS_MAX)
		a->full = true;
	else
		a->v[a->n++] = (struct routine){at, slot, row, endbr};
}

static bool gate(const struct work *w, const struct signature *s)
{
	for (int k = 0; k < SIG_TEXTS && s->texts[k][0]; k++)
		for (size_t i = 0; i < w->matches_n; i++)
			if (w->matches[i].needle == text_needle(w, s, s->texts[k]))
				return true;
	return !s->texts[0][0];
}

static void routines(struct asm_work *a, uint16_t row)
{
	const struct signature *s = &a->w->sigs->rows[row];
	uint64_t at[8];
	size_t n;

	if (s->method != SIG_ASM_CALLER || !sig_is_for(s, a->w) || !gate(a->w, s))
		return;
	n = pattern_places(a->w, s, at, 8);
	if (n && s->of && n != s->of) {
		work_note(a->w, "%s: its routine is there %zu times", s->name, n);
		return;
	}
	for (size_t i = 0; i < n && a->n < ROUTINES_MAX; i++) {
		const uint8_t *p = elf_at(a->w->e, at[i] - 4, 4, NULL);

		if (s->nth && i != s->nth - 1u)
			continue;
		add(a, at[i], 0, row, false);
		if (s->after && p && le32(p) == 0xfa1e0ff3)
			add(a, at[i] - 4, 0, row, true);
	}
}

static void slot_is(void *arg, uint64_t slot, uint64_t value)
{
	struct asm_work *a = arg;

	for (unsigned i = 0; i < a->plain; i++)
		if (a->v[i].at == value)
			add(a, value, slot, a->v[i].row, a->v[i].endbr);
}

static void call(void *arg, uint64_t from, uint64_t next, uint64_t to, bool slot)
{
	struct asm_work *a = arg;

	for (unsigned i = slot ? a->plain : 0; i < (slot ? a->n : a->plain); i++) {
		const struct routine *r = &a->v[i];
		struct caller c = {.row = r->row, .endbr = r->endbr};

		if ((slot ? r->slot : r->at) != to || !elf_unwind(a->w->e, from, &c.start, &c.end))
			continue;
		if (a->callers_n < SLOTS_MAX)
			a->callers[a->callers_n++] = c;
		else
			a->full = true;
	}
}

/* The single caller of a row; NULL when there is none (n = 0), or more than one. */
static const struct caller *single(const struct asm_work *a, uint16_t row, bool endbr,
				   unsigned *ret_n)
{
	const struct caller *one = NULL;

	*ret_n = 0;
	for (unsigned i = 0; i < a->callers_n; i++) {
		const struct caller *c = &a->callers[i];

		if (c->row != row || c->endbr != endbr || (one && c->start == one->start))
			continue;
		one = c;
		(*ret_n)++;
	}
	return *ret_n == 1 ? one : NULL;
}

static void take(struct asm_work *a, uint16_t row)
{
	const struct signature *s = &a->w->sigs->rows[row];
	const struct known *near = s->near[0] ? work_known(a->w, s->near) : NULL;
	const struct caller *c;
	unsigned n;

	if (!sig_is_for(s, a->w))
		return;
	c = single(a, row, false, &n);
	if (!n)
		c = single(a, row, true, &n);
	if (n > 1)
		work_note(a->w, "%s: %u functions call its routine, none is taken", s->name, n);
	if (!c)
		return;
	if (s->near[0] && (!near || (c->start > near->vaddr ? c->start - near->vaddr
							    : near->vaddr - c->start) > NEAR_MAX)) {
		work_note(a->w, "%s: the caller is not near %s", s->name, s->near);
		return;
	}
	work_take(a->w, s, c->start, c->end, "the single caller of a routine known by its bytes%s",
		  c->endbr ? " (behind endbr64)" : "");
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
