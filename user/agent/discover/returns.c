// SPDX-License-Identifier: Apache-2.0
/*
 * Every RET by which an x86-64 function leaves. In: its entry, and its end if something told it.
 * With an end all its bytes are decoded in a row (compilers keep data out of code); without one the
 * paths from the entry are followed, and a jump through a table then means the list is not whole.
 *
 * A jump out of the function is its cold part or a tail call, and in both cases the RETs there are
 * this call's too: they are added, four jumps deep. A jump through a pointer after the frame was
 * given up is a tail call to what cannot be known from here: pointer_tail.
 *
 * Limits: 64 KiB of one part, 12 parts, RETURNS_MAX. Beyond, or undecodable: broken says so, and the
 * function is not used, because a read whose return is missed would be data lost without a word.
 */
#include "returns.h"

#include <Zydis/Zydis.h>

#define PART_MAX (64u << 10)
#define PARTS_MAX 12
#define PATHS_MAX 256

struct part {
	uint64_t start, end;
};

struct walk {
	const struct elf_image *e;
	struct returns *out;
	ZydisDecoder decoder;
	struct part parts[PARTS_MAX];
	unsigned parts_n;
	uint64_t paths[PATHS_MAX]; /* of a function without end: where to go on */
	unsigned paths_n;
	uint8_t seen[PART_MAX / 8];
	bool follows; /* this part has no known end */
};

static void broken(struct walk *w, const char *why)
{
	if (!w->out->broken)
		w->out->broken = why;
}

static void add_return(struct walk *w, uint64_t at)
{
	for (unsigned i = 0; i < w->out->n; i++)
		if (w->out->at[i] == at)
			return;
	if (w->out->n == RETURNS_MAX) {
		broken(w, "too many returns");
		return;
	}
	w->out->at[w->out->n++] = at;
}

/* A stub of the PLT: [endbr64] jmp [rip + slot]. Its slot, or 0. */
uint64_t x86_stub_slot(const struct elf_image *e, uint64_t at)
{
	const uint8_t *p = elf_at(e, at, 12, NULL);
	unsigned skip = p && le32(p) == 0xfa1e0ff3 ? 4 : 0;

	if (p && p[skip] == 0xf2) /* bnd */
		skip++;
	if (!p || p[skip] != 0xff || p[skip + 1] != 0x25)
		return 0;
	return at + skip + 6 + (int32_t)le32(p + skip + 2);
}

static void add_part(struct walk *w, uint64_t target)
{
	struct part p = {target, 0};
	uint64_t slot = x86_stub_slot(w->e, target), to = slot ? elf_slot(w->e, slot) : 0;

	if (slot && (!to || x86_stub_slot(w->e, to))) { /* to another file, or in circles */
		w->out->pointer_tail = true;
		return;
	}
	if (slot)
		p.start = target = to;

	for (unsigned i = 0; i < w->parts_n; i++)
		if (target == w->parts[i].start ||
		    (target >= w->parts[i].start && target < w->parts[i].end))
			return;
	if (!elf_exec(w->e, target)) {
		broken(w, "jumps out of the code");
		return;
	}
	/* The whole entry of the unwind table: a cold part may be entered anywhere. */
	elf_unwind(w->e, target, &p.start, &p.end);
	if (w->parts_n == PARTS_MAX) {
		broken(w, "jumps to too many other functions");
		return;
	}
	w->parts[w->parts_n++] = p;
}

static void add_path(struct walk *w, const struct part *p, uint64_t target)
{
	uint64_t at = target - p->start;

	if (target < p->start || at >= PART_MAX) {
		add_part(w, target);
		return;
	}
	if (w->seen[at / 8] & 1 << at % 8)
		return;
	if (w->paths_n == PATHS_MAX)
		broken(w, "too many branches");
	else
		w->paths[w->paths_n++] = target;
}

static bool is_stack_pointer(const ZydisDecodedOperand *op)
{
	return op->type == ZYDIS_OPERAND_TYPE_REGISTER && op->reg.value == ZYDIS_REGISTER_RSP;
}

static bool gives_up_frame(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *op)
{
	return in->mnemonic == ZYDIS_MNEMONIC_POP || in->mnemonic == ZYDIS_MNEMONIC_LEAVE ||
	       (in->mnemonic == ZYDIS_MNEMONIC_ADD && is_stack_pointer(op));
}

static bool makes_frame(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *op)
{
	if (in->mnemonic == ZYDIS_MNEMONIC_PUSH)
		return true;
	return in->mnemonic == ZYDIS_MNEMONIC_SUB && is_stack_pointer(op);
}

/* What decoding has met on its way. */
struct frame {
	bool made;	/* something is on the stack */
	unsigned since; /* instructions since it was given up */
};

/* A jump through a register or memory: a tail call, or a switch of the function itself. */
static void pointer_jump(struct walk *w, const ZydisDecodedInstruction *in,
			 const ZydisDecodedOperand *op, uint64_t at, const struct frame *f)
{
	bool memory = op->type == ZYDIS_OPERAND_TYPE_MEMORY;

	if (memory && op->mem.base == ZYDIS_REGISTER_RIP) {
		uint64_t to = elf_slot(w->e, at + in->length + op->mem.disp.value);

		if (to && elf_exec(w->e, to))
			add_part(w, to);
		else
			w->out->pointer_tail = true;
		return;
	}
	if (memory && op->mem.index != ZYDIS_REGISTER_NONE) {
		if (w->follows)
			broken(w, "a switch in a function of unknown size");
	} else if (!f->made || f->since <= (memory ? 2 : 1)) {
		w->out->pointer_tail = true;
	} else if (w->follows) {
		broken(w, "a switch in a function of unknown size");
	}
}

/* Follows one jump. False: nothing runs on behind it. */
static bool jump(struct walk *w, const struct part *p, const ZydisDecodedInstruction *in,
		 const ZydisDecodedOperand *op, uint64_t at, const struct frame *f)
{
	uint64_t to = at + in->length + op->imm.value.s;

	if (op->type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
		pointer_jump(w, in, op, at, f);
	else if (w->follows)
		add_path(w, p, to);
	else if (to < p->start || to >= p->end)
		add_part(w, to);
	return in->meta.category == ZYDIS_CATEGORY_COND_BR;
}

/* One instruction. False: nothing runs on behind it. */
static bool step(struct walk *w, const struct part *p, const ZydisDecodedInstruction *in,
		 const ZydisDecodedOperand *op, uint64_t at, struct frame *f)
{
	bool on = true;

	f->made = f->made || makes_frame(in, op);
	f->since = f->since < 8 ? f->since + 1 : 8;
	if (in->meta.category == ZYDIS_CATEGORY_RET) {
		add_return(w, at);
		on = false;
	} else if (in->meta.category == ZYDIS_CATEGORY_COND_BR ||
		   in->meta.category == ZYDIS_CATEGORY_UNCOND_BR) {
		on = jump(w, p, in, op, at, f);
	} else if (in->mnemonic == ZYDIS_MNEMONIC_UD2 || in->mnemonic == ZYDIS_MNEMONIC_INT3 ||
		   in->mnemonic == ZYDIS_MNEMONIC_HLT) {
		on = false;
	}
	if (gives_up_frame(in, op))
		f->since = 0;
	return on;
}

/* True when this byte of a followed function was decoded before. */
static bool seen(struct walk *w, uint64_t off)
{
	bool was = w->seen[off / 8] & 1 << off % 8;

	w->seen[off / 8] |= 1 << off % 8;
	return was;
}

/* Padding some linkers put behind a function. */
static bool only_zeros(const struct elf_image *e, uint64_t at, uint64_t end)
{
	const uint8_t *p = at < end && end - at < 64 ? elf_at(e, at, end - at, NULL) : NULL;

	for (; p && at < end; at++)
		if (*p++)
			return false;
	return p;
}

/* Decodes from `at` to the end of the part, or of this path. */
static void decode(struct walk *w, const struct part *p, uint64_t at, uint64_t end, bool framed)
{
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
	struct frame f = {framed, 8};
	ZydisDecodedInstruction in;
	bool on;

	for (; at < end; at += in.length) {
		const uint8_t *code = elf_at(w->e, at, 1, NULL);

		if (w->follows && seen(w, at - p->start))
			return;
		if (!code ||
		    ZYAN_FAILED(ZydisDecoderDecodeFull(&w->decoder, code, end - at, &in, op))) {
			broken(w, "an instruction that cannot be decoded");
			return;
		}
		if (p->start == w->parts[0].start && at + in.length - p->start > w->out->extent)
			w->out->extent = at + in.length - p->start;
		on = step(w, p, &in, op, at, &f);
		if (!on && (w->follows || only_zeros(w->e, at + in.length, end)))
			return;
	}
	if (w->follows)
		broken(w, "no end within 64 KiB");
}

static void decode_part(struct walk *w, const struct part *p)
{
	const struct elf_segment *s = elf_exec(w->e, p->start);
	uint64_t end = p->end;

	w->follows = !end;
	if (!s || (end && end - p->start > PART_MAX)) {
		broken(w, "a function of more than 64 KiB");
		return;
	}
	if (!end || end > s->vaddr + s->filesz)
		end = s->vaddr + s->filesz;
	if (end - p->start > PART_MAX)
		end = p->start + PART_MAX;
	if (!w->follows) {
		decode(w, p, p->start, end, false);
		return;
	}
	memset(w->seen, 0, sizeof(w->seen));
	w->paths[0] = p->start;
	w->paths_n = 1;
	for (bool first = true; w->paths_n && !w->out->broken; first = false) {
		uint64_t at = w->paths[--w->paths_n];

		decode(w, p, at, end, !first);
	}
}

void x86_returns(const struct elf_image *e, uint64_t start, uint64_t end, struct returns *ret)
{
	struct walk w = {.e = e, .out = ret, .parts = {{start, end}}, .parts_n = 1};

	*ret = (struct returns){0};
	if (ZYAN_FAILED(ZydisDecoderInit(&w.decoder, ZYDIS_MACHINE_MODE_LONG_64,
					 ZYDIS_STACK_WIDTH_64))) {
		ret->broken = "no decoder";
		return;
	}
	for (unsigned i = 0; i < w.parts_n && !ret->broken; i++)
		decode_part(&w, &(struct part){w.parts[i].start, w.parts[i].end});
	if (!ret->n && !ret->pointer_tail)
		broken(&w, "no RET in it");
}

/* Argument registers of the C convention, any width. */
static ZydisRegister argument(int arg)
{
	static const ZydisRegister regs[] = {ZYDIS_REGISTER_RDI, ZYDIS_REGISTER_RSI,
					     ZYDIS_REGISTER_RDX, ZYDIS_REGISTER_RCX,
					     ZYDIS_REGISTER_R8,	 ZYDIS_REGISTER_R9};

	return arg >= 1 && arg <= 6 ? regs[arg - 1] : ZYDIS_REGISTER_NONE;
}

static bool is_reg(ZydisRegister r, ZydisRegister want)
{
	return r != ZYDIS_REGISTER_NONE &&
	       ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, r) == want;
}

bool x86_reads_argument(const struct elf_image *e, uint64_t start, uint64_t end, int arg)
{
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
	ZydisRegister want = argument(arg);
	ZydisDecodedInstruction in;
	ZydisDecoder decoder;
	uint64_t left = 0;
	const uint8_t *p = elf_at(e, start, 1, &left);

	if (!p || ZYAN_FAILED(ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64,
					       ZYDIS_STACK_WIDTH_64)))
		return false;
	if (end && left > end - start)
		left = end - start;
	for (int i = 0; i < 64 && left; i++, p += in.length, left -= in.length) {
		bool writes = false;

		if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, p, left, &in, op)) ||
		    in.meta.category == ZYDIS_CATEGORY_CALL ||
		    in.meta.category == ZYDIS_CATEGORY_RET)
			return false;
		if (in.mnemonic == ZYDIS_MNEMONIC_XOR && in.operand_count >= 2 &&
		    op[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    op[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    op[0].reg.value == op[1].reg.value && is_reg(op[0].reg.value, want))
			return false; /* cleared, not read */
		for (int k = 0; k < in.operand_count; k++) {
			if (op[k].type == ZYDIS_OPERAND_TYPE_MEMORY &&
			    (is_reg(op[k].mem.base, want) || is_reg(op[k].mem.index, want)))
				return in.mnemonic != ZYDIS_MNEMONIC_NOP;
			if (op[k].type != ZYDIS_OPERAND_TYPE_REGISTER ||
			    !is_reg(op[k].reg.value, want))
				continue;
			if (op[k].actions & ZYDIS_OPERAND_ACTION_MASK_READ)
				return in.mnemonic != ZYDIS_MNEMONIC_NOP;
			writes = true;
		}
		if (writes)
			return false;
	}
	return false;
}
