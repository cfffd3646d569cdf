// SPDX-License-Identifier: Apache-2.0
/*
 * x86-64. Code is not decoded from its start (it has no known one) but looked at byte by byte for
 * the few encodings compilers use; what is found by chance must still hit a text, a slot or an
 * entry exactly. Functions that are used are decoded whole (returns.c).
 */
#include "arch_list.h"
#include "returns.h"

/* lea reg, [rip + d32] */
static bool is_lea(uint32_t w)
{
	return (w & 0xc7fffb) == 0x058d48;
}

/* --- constants beside a reference ------------------------------------------------------------ */

static void add_code(struct ref *r, uint32_t v)
{
	if (v <= UINT16_MAX && r->codes_n < REF_CODES_MAX)
		r->codes[r->codes_n++] = v;
}

/* The length of an instruction that only loads a register, and its constant into r (or NULL).
 * 0: another instruction, the end of what belongs to the call. p has 8 bytes. */
static unsigned load(const uint8_t *p, struct ref *r)
{
	uint32_t value = 0;
	unsigned len = 0;
	bool constant = true;

	if (p[0] >= 0xb8 && p[0] <= 0xbf) /* mov r32, imm32 */
		len = 5, value = le32(p + 1);
	else if (p[0] == 0x41 && p[1] >= 0xb8 && p[1] <= 0xbf)
		len = 6, value = le32(p + 2);
	else if (p[0] == 0x6a && p[2] >= 0x58 && p[2] <= 0x5f) /* push imm8; pop r64 */
		len = 3, value = p[1];
	else if (p[0] == 0x6a && p[2] == 0x41 && p[3] >= 0x58 && p[3] <= 0x5f)
		len = 4, value = p[1];
	else
		constant = false;
	if (constant) {
		if (r)
			add_code(r, value);
		return len;
	}
	if ((p[0] == 0x31 || p[0] == 0x33 || p[0] == 0x89 || p[0] == 0x8b) && (p[1] & 0xc0) == 0xc0)
		return 2; /* xor r, r; mov r, r */
	if (p[0] == 0x45 && p[1] == 0x31 && (p[2] & 0xc0) == 0xc0)
		return 3;
	if ((p[0] & 0xf8) == 0x48 && (p[1] == 0x89 || p[1] == 0x8b) && (p[2] & 0xc0) == 0xc0)
		return 3;
	return 0;
}

static void codes_around(struct ref *r, const uint8_t *code, uint64_t n, uint64_t at, unsigned len)
{
	static const uint8_t lengths[] = {5, 6, 3, 2, 4};
	uint64_t p = at + len;

	for (int k = 0; k < 8 && p + 8 <= n; k++) {
		unsigned l = load(code + p, r);

		if (!l)
			break;
		p += l;
	}
	p = at;
	for (int k = 0; k < 8; k++) {
		unsigned l = 0;

		for (unsigned q = 0; q < sizeof(lengths) && !l; q++)
			if (p >= lengths[q] && p - lengths[q] + 8 <= n &&
			    load(code + p - lengths[q], NULL) == lengths[q])
				l = lengths[q];
		if (!l)
			break;
		p -= l;
		load(code + p, r);
	}
}

static void refs_in(const struct elf_image *e, const struct elf_segment *s, const struct target *t,
		    size_t n, struct refs *out)
{
	const uint8_t *code = e->p + s->offset;
	uint64_t lo = t[0].lo, span = t[n - 1].hi - lo;
	bool immediates = e->fixed && lo <= UINT32_MAX;

	for (uint64_t at = 0; at + 8 <= s->filesz && !out->failed; at++) {
		uint32_t w = le32(code + at);
		const struct target *hit;
		unsigned len;
		uint64_t to;
		struct ref *r;

		if (is_lea(w)) {
			len = 7;
			to = s->vaddr + at + 7 + (int32_t)le32(code + at + 3);
		} else if (immediates && (w & 0xf8) == 0xb8) {
			len = 5;
			to = le32(code + at + 1);
		} else {
			continue;
		}
		if (to - lo > span)
			continue;
		hit = target_at(t, n, to);
		r = hit ? refs_add(out) : NULL;
		if (!r)
			continue;
		r->at = s->vaddr + at;
		r->id = hit->id;
		codes_around(r, code, s->filesz, at, len);
	}
}

static void x86_refs(const struct elf_image *e, const struct target *t, size_t n, struct refs *out)
{
	for (unsigned i = 0; i < e->loads_n && n; i++)
		if (e->loads[i].flags & PF_X)
			refs_in(e, &e->loads[i], t, n, out);
}

/* --- calls and entries ----------------------------------------------------------------------- */

static void x86_calls(const struct elf_image *e, uint64_t lo, uint64_t hi,
		      void (*each)(void *arg, uint64_t from, uint64_t next, uint64_t to, bool slot),
		      void *arg)
{
	for (unsigned i = 0; i < e->loads_n; i++) {
		const struct elf_segment *s = &e->loads[i];
		const uint8_t *code = e->p + s->offset;
		uint64_t at, to;

		arch_clip(s, lo, hi, &at, &to);
		for (; s->flags & PF_X && at < to && s->filesz - at >= 6; at++) {
			uint64_t from = s->vaddr + at;

			if (code[at] == 0xe8)
				each(arg, from, from + 5, from + 5 + (int32_t)le32(code + at + 1),
				     false);
			else if (code[at] == 0xff && code[at + 1] == 0x15)
				each(arg, from, from + 6, from + 6 + (int32_t)le32(code + at + 2),
				     true);
		}
	}
}

static bool keeps_frame_pointer(const uint8_t *p)
{
	return p[0] == 0x55 && p[1] == 0x48 && p[2] == 0x89 && p[3] == 0xe5;
}

static bool x86_entry(const struct elf_image *e, uint64_t vaddr)
{
	const uint8_t *p = elf_exec(e, vaddr) ? elf_at(e, vaddr, 4, NULL) : NULL;

	if (!p)
		return false;
	if (keeps_frame_pointer(p))
		return true; /* code built for size is not aligned */
	if (vaddr & 15)
		return false;
	return (p[0] == 0xf3 && p[1] == 0x0f && p[2] == 0x1e && p[3] == 0xfa) || /* endbr64 */
	       p[0] == 0x55 || p[0] == 0x53 || p[0] == 0x50 ||
	       (p[0] == 0x41 && p[1] >= 0x54 && p[1] <= 0x57) ||
	       (p[0] == 0x48 && (p[1] == 0x83 || p[1] == 0x81 || p[1] == 0x89 || p[1] == 0x85));
}

#define BEFORE_MAX 0x600

static uint64_t x86_entry_before(const struct elf_image *e, uint64_t vaddr)
{
	for (uint64_t k = 1; k < BEFORE_MAX && vaddr > k + 5; k++) {
		const uint8_t *p = elf_at(e, vaddr - k - 5, 9, NULL);

		if (!p)
			return 0;
		if (!keeps_frame_pointer(p + 5))
			continue;
		/* What ends the code before it: ret, padding, a jump, or a call that never returns. */
		if (p[4] == 0xc3 || p[4] == 0xcc || p[4] == 0x90 || p[4] == 0 || p[3] == 0xeb ||
		    p[0] == 0xe9 || p[0] == 0xe8)
			return vaddr - k;
		return 0;
	}
	return 0;
}

/* The stack check at the start of a Go function tells the convention: g in r14, or in TLS. */
static enum go_abi x86_go_abi(const struct elf_image *e, uint64_t start)
{
	const uint8_t *p = elf_at(e, start, 32, NULL);

	for (int i = 0; p && i < 24; i++) {
		if ((p[i] == 0x49 || p[i] == 0x4d) && p[i + 1] == 0x3b && p[i + 2] == 0x66 &&
		    p[i + 3] == 0x10)
			return GO_ABI_REGISTER;
		if (p[i] == 0x64 && p[i + 1] == 0x48 && p[i + 2] == 0x8b && p[i + 3] == 0x0c &&
		    p[i + 4] == 0x25)
			return GO_ABI_STACK;
	}
	return GO_ABI_UNKNOWN;
}

const struct arch arch_x86_64 = {
	.machine = EM_X86_64,
	.name = "x86_64",
	.call_push = 8,
	.refs = x86_refs,
	.calls = x86_calls,
	.entry = x86_entry,
	.entry_before = x86_entry_before,
	.returns = x86_returns,
	.reads_argument = x86_reads_argument,
	.stub_slot = x86_stub_slot,
	.stores = x86_stores,
	.go_abi = x86_go_abi,
};
