// SPDX-License-Identifier: Apache-2.0
/*
 * AArch64. Every instruction is an aligned word, so code is read in a row; an address is made by
 * ADRP and a later ADD of the same register (up to 8 words on) or by ADR. Returns: RET, RETAA and
 * RETAB; a B out of the function is followed as on x86-64. BR behind the end of a frame is a tail
 * call through a pointer.
 *
 * Limits: 64 KiB of one function, 12 parts. Without an end a function is read up to the word
 * before the next place that is surely an entry (a PACIASP, BTI C or frame-making STP after a RET
 * or B). Not there: AEAD functions, whose record layout needs the seventh argument.
 */
#include "arch_list.h"

#define FUNCTION_MAX (64u << 10)
#define PARTS_MAX 12

static uint32_t word(const struct elf_image *e, uint64_t vaddr)
{
	const uint8_t *p = vaddr & 3 ? NULL : elf_at(e, vaddr, 4, NULL);

	return p ? le32(p) : 0;
}

static int64_t extend(uint64_t v, unsigned bits)
{
	return (int64_t)(v << (64 - bits)) >> (64 - bits);
}

static bool is_adrp(uint32_t w)
{
	return (w & 0x9f000000) == 0x90000000;
}
static bool is_adr(uint32_t w)
{
	return (w & 0x9f000000) == 0x10000000;
}
static int64_t adr_value(uint32_t w)
{
	return extend((w >> 5 & 0x7ffff) << 2 | (w >> 29 & 3), 21);
}
/* ADD Xd, Xn, #imm12 */
static bool is_add(uint32_t w, unsigned from)
{
	return (w & 0xffc00000) == 0x91000000 && (w >> 5 & 31) == from;
}
static bool is_ret(uint32_t w)
{
	return w == 0xd65f03c0 || w == 0xd65f0bff || w == 0xd65f0fff;
}
static bool is_b(uint32_t w)
{
	return (w & 0xfc000000) == 0x14000000;
}
static bool is_bl(uint32_t w)
{
	return (w & 0xfc000000) == 0x94000000;
}
/* Does the function go on at the next word? */
static bool ends(uint32_t w)
{
	return is_ret(w) || is_b(w) || (w & 0xfffffc1f) == 0xd61f0000 /* br */ ||
	       (w & 0xffe0001f) == 0xd4200000 /* brk */ || !w;
}
/* The target of B, B.cond, CBZ, TBZ; 0 = another instruction. */
static uint64_t branch(uint32_t w, uint64_t at)
{
	if (is_b(w))
		return at + extend((uint64_t)(w & 0x3ffffff) << 2, 28);
	if ((w & 0xff000010) == 0x54000000 || (w & 0x7e000000) == 0x34000000)
		return at + extend((uint64_t)(w >> 5 & 0x7ffff) << 2, 21);
	if ((w & 0x7e000000) == 0x36000000)
		return at + extend((uint64_t)(w >> 5 & 0x3fff) << 2, 16);
	return 0;
}

/* --- references ------------------------------------------------------------------------------ */

/* MOVZ of a constant; ORR from wzr would be a 32-bit mask no reason code has. */
static void codes_around(struct ref *r, const uint8_t *code, uint64_t n, uint64_t at)
{
	uint64_t from = at > 40 ? at - 40 : 0, to = at + 44 < n ? at + 44 : n;
	uint64_t p;

	/* Back to the last call or branch, and on to the next: what lies between is one call's. */
	for (p = at; p > from; p -= 4)
		if (is_bl(le32(code + p - 4)) || ends(le32(code + p - 4)))
			break;
	for (; p + 4 <= to && r->codes_n < REF_CODES_MAX; p += 4) {
		uint32_t w = le32(code + p);

		if (p > at && (is_bl(w) || ends(w)))
			break;
		if ((w & 0x7fe00000) == 0x52800000)
			r->codes[r->codes_n++] = w >> 5 & 0xffff;
	}
}

/* The address made at `at`, with the word that completes it; 0 = none. */
static uint64_t address_made(const uint8_t *code, uint64_t n, uint64_t at, uint64_t vaddr)
{
	uint32_t w = le32(code + at);
	unsigned reg = w & 31;
	uint64_t page;

	if (is_adr(w))
		return vaddr + adr_value(w);
	if (!is_adrp(w))
		return 0;
	page = (vaddr & ~0xfffull) + ((uint64_t)adr_value(w) << 12);
	for (uint64_t p = at + 4; p + 4 <= n && p <= at + 32; p += 4) {
		uint32_t x = le32(code + p);

		if (is_add(x, reg))
			return page + (x >> 10 & 0xfff);
		if (is_adrp(x) && (x & 31) == reg)
			break;
	}
	return 0;
}

static void refs_in(const struct elf_image *e, const struct elf_segment *s, const struct target *t,
		    size_t n, struct refs *out)
{
	const uint8_t *code = e->p + s->offset;

	for (uint64_t at = -s->vaddr & 3; at + 4 <= s->filesz && !out->failed; at += 4) {
		uint64_t to = address_made(code, s->filesz, at, s->vaddr + at);
		const struct target *hit = to ? target_at(t, n, to) : NULL;
		struct ref *r = hit ? refs_add(out) : NULL;

		if (!r)
			continue;
		r->at = s->vaddr + at;
		r->id = hit->id;
		codes_around(r, code, s->filesz, at);
	}
}

static void arm_refs(const struct elf_image *e, const struct target *t, size_t n, struct refs *out)
{
	for (unsigned i = 0; i < e->loads_n && n; i++)
		if (e->loads[i].flags & PF_X)
			refs_in(e, &e->loads[i], t, n, out);
}

/* --- calls and entries ----------------------------------------------------------------------- */

static void arm_calls(const struct elf_image *e, uint64_t lo, uint64_t hi,
		      void (*each)(void *arg, uint64_t from, uint64_t next, uint64_t to, bool slot),
		      void *arg)
{
	for (unsigned i = 0; i < e->loads_n; i++) {
		const struct elf_segment *s = &e->loads[i];
		uint64_t at, to;

		arch_clip(s, lo, hi, &at, &to);
		at += -(s->vaddr + at) & 3;
		for (; s->flags & PF_X && at < to && s->filesz - at >= 4; at += 4) {
			uint32_t w = le32(e->p + s->offset + at);
			uint64_t from = s->vaddr + at;

			if (is_bl(w))
				each(arg, from, from + 4,
				     from + extend((uint64_t)(w & 0x3ffffff) << 2, 28), false);
		}
	}
}

static bool makes_frame(uint32_t w)
{
	return w == 0xd503233f || w == 0xd503245f || /* paciasp, bti c */
	       (w & 0xffc003e0) == 0xa98003e0 ||     /* stp x, x, [sp, #-n]! */
	       ((w & 0xff8003ff) == 0xd10003ff);     /* sub sp, sp, #n */
}

static bool arm_entry(const struct elf_image *e, uint64_t vaddr)
{
	return elf_exec(e, vaddr) && !(vaddr & 3) && makes_frame(word(e, vaddr));
}

static uint64_t arm_entry_before(const struct elf_image *e, uint64_t vaddr)
{
	for (uint64_t at = vaddr & ~3ull, k = 0; k < 384 && at >= 4; k++, at -= 4)
		if (makes_frame(word(e, at)) && ends(word(e, at - 4)))
			return at;
	return 0;
}

/* --- returns --------------------------------------------------------------------------------- */

struct parts {
	uint64_t start[PARTS_MAX], end[PARTS_MAX];
	unsigned n;
};

static uint64_t end_of(const struct elf_image *e, uint64_t start)
{
	uint64_t at = start + 4;

	for (; at - start < FUNCTION_MAX; at += 4)
		if (!word(e, at) || (makes_frame(word(e, at)) && ends(word(e, at - 4))))
			break;
	return at;
}

static void add_part(const struct elf_image *e, struct parts *p, uint64_t to, struct returns *ret)
{
	uint64_t start = to, end = 0;

	for (unsigned i = 0; i < p->n; i++)
		if (to >= p->start[i] && to < p->end[i])
			return;
	if (p->n == PARTS_MAX || !elf_exec(e, to)) {
		ret->broken = "jumps to too many other functions";
		return;
	}
	if (!elf_unwind(e, to, &start, &end))
		end = end_of(e, start);
	p->start[p->n] = start;
	p->end[p->n++] = end;
}

/* A BR behind the end of a frame, or in a function that has none, is a tail call; others are
 * switches. */
static bool gave_up_frame(const struct elf_image *e, uint64_t start, uint64_t br)
{
	bool framed = false;

	for (uint64_t at = start; at < br; at += 4)
		framed = framed || ((word(e, at) & 0xffc003e0) == 0xa98003e0 ||
				    (word(e, at) & 0xff8003ff) == 0xd10003ff);
	for (uint64_t at = br - 4; at >= start && br - at <= 16; at -= 4)
		if ((word(e, at) & 0xffc003e0) == 0xa8c003e0 || /* ldp x, x, [sp], #n */
		    (word(e, at) & 0xff8003ff) == 0x910003ff)	/* add sp, sp, #n */
			return true;
	return !framed;
}

static void part_returns(const struct elf_image *e, struct parts *p, unsigned i,
			 struct returns *ret)
{
	for (uint64_t at = p->start[i]; at < p->end[i] && !ret->broken; at += 4) {
		uint32_t w = word(e, at);
		uint64_t to = branch(w, at);

		if (to && (to < p->start[i] || to >= p->end[i]))
			add_part(e, p, to, ret);
		if ((w & 0xfffffc1f) == 0xd61f0000 && gave_up_frame(e, p->start[i], at))
			ret->pointer_tail = true;
		if (!is_ret(w))
			continue;
		if (ret->n == RETURNS_MAX)
			ret->broken = "too many returns";
		else
			ret->at[ret->n++] = at;
	}
}

static void arm_returns(const struct elf_image *e, uint64_t start, uint64_t end,
			struct returns *ret)
{
	struct parts p = {{start}, {end ? end : end_of(e, start)}, 1};

	*ret = (struct returns){0};
	if (start & 3 || !elf_exec(e, start) || p.end[0] - start > FUNCTION_MAX) {
		ret->broken = "not a function of at most 64 KiB";
		return;
	}
	ret->extent = p.end[0] - start;
	for (unsigned i = 0; i < p.n && !ret->broken; i++)
		part_returns(e, &p, i, ret);
	if (!ret->n && !ret->pointer_tail && !ret->broken)
		ret->broken = "no RET in it";
}

static bool arm_reads_argument(const struct elf_image *e, uint64_t start, uint64_t end, int arg)
{
	unsigned reg = arg - 1;

	for (uint64_t at = start; at - start < 256 && (!end || at < end); at += 4) {
		uint32_t w = word(e, at);

		if (!w || is_bl(w) || is_ret(w))
			return false;
		if ((w & 0x7fe0ffe0) == 0x2a0003e0) { /* mov d, m */
			if ((w >> 16 & 31) == reg)
				return true;
		} else if ((w & 0x3b800000) == 0x29000000) { /* stp t, t2 */
			if ((w & 31) == reg || (w >> 10 & 31) == reg)
				return true;
		} else if ((w & 0x3b400000) == 0x39000000 && (w & 31) == reg) {
			return true; /* str t */
		} else if ((w >> 5 & 31) == reg && (w & 0x3a000000) == 0x38000000) {
			return true; /* used as an address */
		}
		if ((w & 31) == reg && (w & 0x7f800000) == 0x52800000)
			return false; /* mov d, #imm */
	}
	return false;
}

/* adrp x16, page; ldr x17, [x16, #n]; …; br x17, behind a bti c or not */
static uint64_t arm_stub_slot(const struct elf_image *e, uint64_t at)
{
	uint32_t w, ldr;

	if (word(e, at) == 0xd503245f)
		at += 4;
	w = word(e, at);
	ldr = word(e, at + 4);
	if (!is_adrp(w) || (w & 31) != 16 || (ldr & 0xffc003ff) != 0xf9400211)
		return 0;
	return (at & ~0xfffull) + ((uint64_t)adr_value(w) << 12) + (ldr >> 10 & 0xfff) * 8;
}

/* ldr x16, [x28, #16]: g is x28 in both conventions; which one it is says the table's version. */
static enum go_abi arm_go_abi(const struct elf_image *e, uint64_t start)
{
	for (uint64_t at = start; at < start + 16; at += 4)
		if (word(e, at) == 0xf9400b90)
			return GO_ABI_REGISTER;
	return GO_ABI_UNKNOWN;
}

const struct arch arch_aarch64 = {
	.machine = EM_AARCH64,
	.name = "aarch64",
	.call_push = 0,
	.refs = arm_refs,
	.calls = arm_calls,
	.entry = arm_entry,
	.entry_before = arm_entry_before,
	.returns = arm_returns,
	.reads_argument = arm_reads_argument,
	.stub_slot = arm_stub_slot,
	.go_abi = arm_go_abi,
};
