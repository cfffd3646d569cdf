// SPDX-License-Identifier: Apache-2.0
/*
 * The addresses of code that an x86-64 function writes into fixed places: how a compiler builds a
 * table of methods in place. In: a function with known bounds. Out: (place, value) pairs.
 *
 * Decoded in a row, with the values of registers that hold an address made by LEA, alone or in
 * pairs (SSE), also spilled to the stack. What is not understood makes a register unknown, so a
 * pair is either true or missing. Branches are not followed: tables are filled in straight lines.
 */
#include <Zydis/Zydis.h>

#include "returns.h"

#define SPILLS_MAX 32

struct pair {
	uint64_t v[2]; /* 0 = unknown */
};

struct machine {
	uint64_t reg[16];
	struct pair xmm[16];
	struct {
		int64_t at;
		struct pair v;
	} spill[SPILLS_MAX];
	unsigned spills_n;
	struct store *out;
	size_t n, max;
};

static int gpr(const ZydisDecodedOperand *op)
{
	ZydisRegister r =
		op->type == ZYDIS_OPERAND_TYPE_REGISTER ? op->reg.value : ZYDIS_REGISTER_NONE;

	return r >= ZYDIS_REGISTER_RAX && r <= ZYDIS_REGISTER_R15 ? (int)(r - ZYDIS_REGISTER_RAX)
								  : -1;
}

static int xmm(const ZydisDecodedOperand *op)
{
	ZydisRegister r =
		op->type == ZYDIS_OPERAND_TYPE_REGISTER ? op->reg.value : ZYDIS_REGISTER_NONE;

	return r >= ZYDIS_REGISTER_XMM0 && r <= ZYDIS_REGISTER_XMM15
		       ? (int)(r - ZYDIS_REGISTER_XMM0)
		       : -1;
}

/* [rip + d] → its address. */
static bool fixed(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *op, uint64_t at,
		  uint64_t *ret)
{
	if (op->type != ZYDIS_OPERAND_TYPE_MEMORY || op->mem.base != ZYDIS_REGISTER_RIP)
		return false;
	*ret = at + in->length + op->mem.disp.value;
	return true;
}

static bool on_stack(const ZydisDecodedOperand *op)
{
	return op->type == ZYDIS_OPERAND_TYPE_MEMORY && op->mem.base == ZYDIS_REGISTER_RSP &&
	       op->mem.index == ZYDIS_REGISTER_NONE;
}

static struct pair *spill(struct machine *m, int64_t at, bool make)
{
	for (unsigned i = 0; i < m->spills_n; i++)
		if (m->spill[i].at == at)
			return &m->spill[i].v;
	if (!make || m->spills_n == SPILLS_MAX)
		return NULL;
	m->spill[m->spills_n].at = at;
	return &m->spill[m->spills_n++].v;
}

static void store(struct machine *m, uint64_t at, uint64_t value)
{
	if (value && m->n < m->max)
		m->out[m->n++] = (struct store){at, value};
}

/* Moves of 16 bytes: between registers, to and from the stack, into a fixed place. */
static void move_pair(struct machine *m, const ZydisDecodedInstruction *in,
		      const ZydisDecodedOperand *op, uint64_t at)
{
	int to = xmm(&op[0]), from = xmm(&op[1]);
	struct pair *s;
	uint64_t place;

	if (to >= 0) {
		s = on_stack(&op[1]) ? spill(m, op[1].mem.disp.value, false) : NULL;
		m->xmm[to] = from >= 0 ? m->xmm[from] : s ? *s : (struct pair){{0}};
	} else if (from >= 0 && on_stack(&op[0])) {
		s = spill(m, op[0].mem.disp.value, true);
		if (s)
			*s = m->xmm[from];
	} else if (from >= 0 && fixed(in, &op[0], at, &place)) {
		store(m, place, m->xmm[from].v[0]);
		store(m, place + 8, m->xmm[from].v[1]);
	}
}

/* Everything else that writes a register makes it unknown. */
static void forget(struct machine *m, const ZydisDecodedInstruction *in,
		   const ZydisDecodedOperand *op)
{
	for (int i = 0; i < in->operand_count; i++) {
		ZydisDecodedOperand wide = op[i];

		if (op[i].type != ZYDIS_OPERAND_TYPE_REGISTER ||
		    !(op[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			continue;
		wide.reg.value = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64,
								  op[i].reg.value);
		if (gpr(&wide) >= 0)
			m->reg[gpr(&wide)] = 0;
		if (xmm(&op[i]) >= 0)
			m->xmm[xmm(&op[i])] = (struct pair){{0}};
	}
}

static void step(struct machine *m, const ZydisDecodedInstruction *in,
		 const ZydisDecodedOperand *op, uint64_t at)
{
	int to = gpr(&op[0]), from = gpr(&op[1]), x = xmm(&op[0]);
	uint64_t place;

	switch (in->mnemonic) {
	case ZYDIS_MNEMONIC_LEA:
		if (to >= 0)
			m->reg[to] = fixed(in, &op[1], at, &place) ? place : 0;
		return;
	case ZYDIS_MNEMONIC_MOV:
		if (from >= 0 && fixed(in, &op[0], at, &place)) {
			store(m, place, m->reg[from]);
			return;
		}
		if (to >= 0 && from >= 0) {
			m->reg[to] = m->reg[from];
			return;
		}
		break;
	case ZYDIS_MNEMONIC_MOVQ:
		if (x >= 0 && from >= 0) {
			m->xmm[x] = (struct pair){{m->reg[from], 0}};
			return;
		}
		break;
	case ZYDIS_MNEMONIC_PUNPCKLQDQ:
		if (x >= 0 && xmm(&op[1]) >= 0) {
			m->xmm[x].v[1] = m->xmm[xmm(&op[1])].v[0];
			return;
		}
		break;
	case ZYDIS_MNEMONIC_MOVAPS:
	case ZYDIS_MNEMONIC_MOVUPS:
	case ZYDIS_MNEMONIC_MOVDQA:
	case ZYDIS_MNEMONIC_MOVDQU:
		move_pair(m, in, op, at);
		return;
	case ZYDIS_MNEMONIC_CALL: /* gives back what the convention lets it: rax, rcx, rdx, rsi … */
		memset(m->reg, 0, 3 * sizeof(m->reg[0]));
		memset(m->reg + 6, 0, 6 * sizeof(m->reg[0]));
		memset(m->xmm, 0, sizeof(m->xmm));
		return;
	default:
		break;
	}
	forget(m, in, op);
}

size_t x86_stores(const struct elf_image *e, uint64_t start, uint64_t end, struct store *out,
		  size_t max)
{
	const uint8_t *p = end - start <= 0x10000 ? elf_at(e, start, end - start, NULL) : NULL;
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
	struct machine m = {.out = out, .max = max};
	ZydisDecodedInstruction in;
	ZydisDecoder decoder;

	if (!p || ZYAN_FAILED(ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64,
					       ZYDIS_STACK_WIDTH_64)))
		return 0;
	for (uint64_t at = start; at < end; at += in.length) {
		memset(op, 0, 2 * sizeof(op[0]));
		if (ZYAN_FAILED(
			    ZydisDecoderDecodeFull(&decoder, p + (at - start), end - at, &in, op)))
			break;
		step(&m, &in, op, at);
	}
	return m.n;
}
