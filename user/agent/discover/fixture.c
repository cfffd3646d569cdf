// SPDX-License-Identifier: Apache-2.0
/*
 * Builds the images of fixture.h. In: a row, and which flaw to give it. Out: 64 KiB of ELF file with
 * texts, code, tables and, if asked, unwind entries. The code is the least that the row asks for: a
 * frame, an error report for each code, a call for each call, a return.
 *
 * Layout: headers and texts at 0 (read-only), code at 0x4000, tables at 0x8000; addresses are offsets
 * plus BIAS, so that taking one for the other does not go unseen. What does not fit ends the program
 * by assertion: sizes follow from the table, not from input.
 * One file, though long: every part writes into the same image, and none is of use without it.
 */
#include "fixture.h"

#include <assert.h>
#include <elf.h>
#include <stdio.h>
#include <string.h>

#include "arch.h"
#include "proto/event.h"

#define BIAS 0x200000ull
#define TEXTS 0x400
#define CODE 0x4000
#define DATA 0x8000
#define UNWIND 0xc000
#define FUNCTIONS 24
#define SYMBOLS 16

struct image {
	uint8_t *p;
	const struct tls_signatures *sigs;
	bool arm, unwind;
	uint64_t text, code, data;		   /* where the next goes */
	uint64_t start[FUNCTIONS], end[FUNCTIONS]; /* of functions */
	const char *name[FUNCTIONS];
	unsigned n;
	struct {
		const char *name;
		uint64_t at; /* 0: imported */
	} symbol[SYMBOLS];
	unsigned symbols_n;
	uint64_t err;  /* the function errors are reported by */
	uint64_t slot; /* of an import */
};

static void put(struct image *m, uint64_t at, const void *p, size_t n)
{
	assert(at + n <= FIXTURE_SIZE);
	memcpy(m->p + at, p, n);
}

static void put32(struct image *m, uint64_t at, uint32_t v)
{
	put(m, at, &v, 4);
}

static void put64(struct image *m, uint64_t at, uint64_t v)
{
	put(m, at, &v, 8);
}

/* A text with its NUL; gives its address. */
static uint64_t text(struct image *m, const char *before, const char *s)
{
	uint64_t at = m->text;

	put(m, at, before, strlen(before));
	put(m, at + strlen(before), s, strlen(s) + 1);
	m->text += strlen(before) + strlen(s) + 1;
	return at + BIAS;
}

/* --- code ------------------------------------------------------------------------------------ */

static void code(struct image *m, const void *p, size_t n)
{
	put(m, m->code, p, n);
	m->code += n;
}

static void word(struct image *m, uint32_t w)
{
	code(m, &w, 4);
}

#define CODE_BYTES(m, ...) code(m, (const uint8_t[]){__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__}))

static void relative(struct image *m, uint64_t to)
{
	word(m, to - (m->code + BIAS + 4));
}

static void call(struct image *m, uint64_t to)
{
	if (m->arm) {
		word(m, 0x94000000 | ((to - (m->code + BIAS)) >> 2 & 0x3ffffff));
		return;
	}
	CODE_BYTES(m, 0xe8);
	relative(m, to);
}

/* Register number 0 to 3 of the arguments gets an address. */
static void address(struct image *m, uint64_t to)
{
	uint64_t pages;

	if (!m->arm) {
		CODE_BYTES(m, 0x48, 0x8d, 0x15); /* lea rdx */
		relative(m, to);
		return;
	}
	pages = (to >> 12) - ((m->code + BIAS) >> 12);
	word(m, 0x90000002 | (pages & 3) << 29 | (pages >> 2 & 0x7ffff) << 5);
	word(m, 0x91000042 | (to & 0xfff) << 10);
}

static void constant(struct image *m, unsigned v)
{
	if (m->arm) {
		word(m, 0x52800001 | v << 5);
		return;
	}
	CODE_BYTES(m, 0xbe); /* mov esi */
	word(m, v);
}

static void begin(struct image *m, const char *name)
{
	static const uint8_t frame[] = {0x55, 0x48, 0x89, 0xe5};

	m->code = (m->code + 31) & ~31ull;
	assert(m->n < FUNCTIONS);
	m->name[m->n] = name;
	m->start[m->n] = m->code + BIAS;
	if (m->arm)
		word(m, 0xa9bf7bfd); /* stp x29, x30, [sp, #-16]! */
	else
		code(m, frame, sizeof(frame));
}

static uint64_t end(struct image *m)
{
	if (m->arm) {
		word(m, 0xa8c17bfd);
		word(m, 0xd65f03c0);
	} else {
		CODE_BYTES(m, 0x5d, 0xc3);
	}
	m->end[m->n] = m->code + BIAS;
	return m->start[m->n++];
}

static void report(struct image *m, uint64_t where, unsigned reason)
{
	address(m, where);
	if (reason)
		constant(m, reason);
	call(m, m->err);
}

static void use_argument(struct image *m, unsigned arg)
{
	static const uint8_t mov[7][3] = {{0},
					  {0x48, 0x89, 0xf8},
					  {0x48, 0x89, 0xf0},
					  {0x48, 0x89, 0xd0},
					  {0x48, 0x89, 0xc8},
					  {0x4c, 0x89, 0xc0},
					  {0x4c, 0x89, 0xc8}};

	if (!arg)
		return;
	if (m->arm)
		word(m, 0xaa0003e9 | (arg - 1) << 16); /* mov x9, x(arg - 1) */
	else
		code(m, mov[arg], 3);
}

/* --- methods --------------------------------------------------------------------------------- */

static void symbol(struct image *m, const char *name, uint64_t at)
{
	assert(m->symbols_n < SYMBOLS);
	m->symbol[m->symbols_n].name = name;
	m->symbol[m->symbols_n++].at = at;
}

static uint64_t plain(struct image *m, const char *name)
{
	begin(m, name);
	return end(m);
}

static const struct signature *row_named(const struct image *m, const char *name)
{
	for (size_t i = 0; i < m->sigs->n; i++)
		if (!strcmp(m->sigs->rows[i].name, name))
			return &m->sigs->rows[i];
	return NULL;
}

static bool moves(const struct signature *s)
{
	unsigned site = TLS_COOKIE_SITE(s->cookie);

	return s->method == SIG_SYMBOL && s->role == SIG_ROLE_PROBE &&
	       (site == TLS_WRITE || site == TLS_READ);
}

/* Something of the same stack that moves data, without which nothing else counts. */
static void companion(struct image *m, const struct signature *s, bool any_family)
{
	for (size_t i = 0; i < m->sigs->n; i++) {
		const struct signature *c = &m->sigs->rows[i];

		if (moves(c) && strcmp(c->name, s->name) &&
		    (c->stack == s->stack || (any_family && c->stack == TLS_STACK_OPENSSL))) {
			symbol(m, c->name, plain(m, c->name));
			return;
		}
	}
}

static uint64_t by_symbol(struct image *m, const struct signature *s, enum fixture_flaw flaw)
{
	static char name[64];
	uint64_t at = plain(m, s->name);

	/* The family's other members are told by their own symbols. */
	for (size_t i = 0; s->method == SIG_SYMBOL && i < m->sigs->n; i++)
		if (m->sigs->rows[i].method == SIG_MARK && m->sigs->rows[i].stack == s->stack)
			symbol(m, m->sigs->rows[i].name, plain(m, m->sigs->rows[i].name));
	snprintf(name, sizeof(name), "%s%s", s->name, flaw == FIXTURE_WRONG ? "_" : "");
	symbol(m, name, at);
	companion(m, s, s->stack == TLS_STACK_BORINGSSL || s->stack == TLS_STACK_LIBRESSL);
	return at;
}

static uint64_t by_reference(struct image *m, const struct signature *s, unsigned off)
{
	const struct signature *helper = s->calls[0] ? row_named(m, s->calls) : NULL;
	uint64_t path = s->texts[0][0] ? text(m, "../src/", s->texts[0]) : 0, refs[SIG_TEXTS] = {0};
	uint64_t callee = 0, at;

	for (int i = 0; i < SIG_TEXTS && s->refs[i][0]; i++)
		refs[i] = text(m, "", s->refs[i]);
	/* The text is there once, as the linker would have it. */
	if (helper)
		callee = m->n ? 0 : 0;
	for (unsigned i = 0; helper && i < m->n; i++)
		if (!strcmp(m->name[i], helper->name))
			callee = m->start[i];
	if (helper && !callee)
		callee = by_reference(m, helper, 0);
	begin(m, s->name);
	use_argument(m, s->reads);
	for (int i = 0; i < SIG_CODES && s->codes_all[i]; i++)
		report(m, path, s->codes_all[i] + (i ? 0 : off));
	if (s->codes_any[0])
		report(m, path, s->codes_any[0]);
	for (int i = 0; i < SIG_TEXTS && refs[i]; i++)
		for (int k = 0; k < (i ? 1 : s->sites_min ? s->sites_min : 1); k++)
			report(m, refs[i] + (i ? 0 : off), 0);
	if (callee)
		call(m, callee);
	at = end(m);
	return at;
}

static uint64_t by_asm(struct image *m, const struct signature *s, enum fixture_flaw flaw)
{
	uint64_t routine[2], at = 0, caller, witness = 0;
	unsigned n = s->of ? s->of : 1;
	const struct pattern *p = &s->pattern;

	text(m, "", s->texts[0]);
	if (s->witness.n) {
		m->code = (m->code + 31) & ~31ull;
		caller = m->code + BIAS;
		code(m, s->witness.byte, s->witness.n);
		CODE_BYTES(m, 0xc3);
		begin(m, "witness");
		call(m, caller);
		witness = end(m);
	}
	for (unsigned i = 0; i < n && i < 2; i++) {
		m->code = (m->code + 31) & ~31ull;
		routine[i] = m->code + BIAS;
		code(m, p->byte, p->n);
		if (flaw == FIXTURE_WRONG)
			m->p[m->code - 1] ^= 1;
		CODE_BYTES(m, 0xc3);
	}
	for (unsigned i = 0; i < n && i < 2; i++)
		for (int k = 0; k <= (flaw == FIXTURE_TWICE); k++) {
			begin(m, "caller");
			call(m, routine[i]);
			if (witness)
				call(m, witness);
			caller = end(m);
			if (i + 1 == (s->nth ? s->nth : 1))
				at = caller;
		}
	return at;
}

static uint64_t by_gopclntab(struct image *m, const struct signature *s, enum fixture_flaw flaw)
{
	static const uint8_t reg[] = {0x49, 0x3b, 0x66, 0x10}; /* cmp rsp, [r14 + 16] */
	static const uint8_t stack[] = {0x64, 0x48, 0x8b, 0x0c, 0x25, 0xf8, 0xff, 0xff, 0xff};
	bool wide = s->abi == GO_ABI_STACK;
	uint64_t head = (m->data + 31) & ~31ull, names = 0x80, tab = 0x200, funcs = 0x280, base;
	const char *name[2] = {s->name, TLS_COOKIE_SITE(s->cookie) == TLS_GO_READ
						? "crypto/tls.(*Conn).Write"
						: "crypto/tls.(*Conn).Read"};
	uint64_t at[3];

	for (int i = 0; i < 2; i++) {
		m->code = (m->code + 31) & ~31ull;
		at[i] = m->code + BIAS;
		if (m->arm)
			word(m, 0xf9400b90);
		else
			code(m, wide ? stack : reg, wide ? sizeof(stack) : sizeof(reg));
		if (m->arm)
			word(m, 0xd65f03c0);
		else
			CODE_BYTES(m, 0xc3);
	}
	at[2] = m->code + BIAS;
	base = CODE + BIAS;
	put32(m, head, wide ? 0xfffffffa : 0xfffffff1);
	m->p[head + 6] = m->arm ? 4 : 1;
	m->p[head + 7] = 8;
	put64(m, head + 8, 2);
	if (!wide)
		put64(m, head + 24, base);
	put64(m, head + (wide ? 24 : 32), names);
	put64(m, head + (wide ? 56 : 64), tab);
	for (int i = 0; i < 2; i++) {
		put(m, head + names + 0x40 * i, name[i], strlen(name[i]) + 1);
		put32(m, head + funcs + 0x20 * i + (wide ? 8 : 4), 0x40 * i);
	}
	for (int i = 0; i < 3; i++) {
		if (wide) {
			put64(m, head + tab + 16 * i, at[i]);
			put64(m, head + tab + 16 * i + 8, funcs - tab + 0x20 * i);
		} else {
			put32(m, head + tab + 8 * i, at[i] - base);
			put32(m, head + tab + 8 * i + 4, funcs - tab + 0x20 * i);
		}
	}
	if (flaw == FIXTURE_WRONG)
		m->p[head + names + strlen(name[0]) - 1] ^= 2;
	m->data = head + 0x300;
	return at[0];
}

static uint64_t by_methods(struct image *m, const struct signature *s, enum fixture_flaw flaw)
{
	uint64_t method[20], table = DATA + 0x2000 + BIAS, at = 0;
	unsigned members = flaw == FIXTURE_WRONG ? 17 : 18;

	symbol(m, "SSL_ImportFD", plain(m, "SSL_ImportFD"));
	m->slot = DATA + 0x1f00 + BIAS;
	symbol(m, "PR_GetDefaultIOMethods", 0);
	for (unsigned i = 0; i < members; i++)
		method[i] = plain(m, "method");
	begin(m, "fill");
	CODE_BYTES(m, 0xff, 0x15);
	relative(m, m->slot);
	for (unsigned i = 0; i < members; i++) {
		address(m, method[i]);
		CODE_BYTES(m, 0x48, 0x89, 0x15); /* mov [rip], rdx */
		relative(m, table + 8 + 8 * i);
		if (8 + 8 * i == s->member)
			at = method[i];
	}
	end(m);
	return at;
}

/* --- tables ---------------------------------------------------------------------------------- */

static void write_symbols(struct image *m)
{
	uint64_t sym = DATA + 0x800, str = DATA + 0x1000, hash = DATA + 0x1800,
		 rela = DATA + 0x1a00;
	uint64_t dynamic = DATA + 0x1c00, names = 1;
	const uint64_t tags[][2] = {
		{DT_SYMTAB, sym + BIAS},
		{DT_STRTAB, str + BIAS},
		{DT_STRSZ, 0x800},
		{DT_HASH, hash + BIAS},
		{DT_RELA, rela + BIAS},
		{DT_RELASZ, m->slot ? 24 : 0},
		{DT_NULL, 0},
	};

	for (unsigned i = 0; i < m->symbols_n; i++) {
		uint64_t at = sym + 24 * (i + 1);

		put(m, str + names, m->symbol[i].name, strlen(m->symbol[i].name) + 1);
		put32(m, at, names);
		m->p[at + 4] = STB_GLOBAL << 4 | STT_FUNC;
		m->p[at + 6] = m->symbol[i].at ? 1 : 0;
		put64(m, at + 8, m->symbol[i].at);
		for (unsigned k = 0; k < m->n; k++)
			if (m->start[k] == m->symbol[i].at)
				put64(m, at + 16, m->end[k] - m->start[k]);
		names += strlen(m->symbol[i].name) + 1;
		if (!m->symbol[i].at) {
			put64(m, rela, m->slot);
			put64(m, rela + 8, (uint64_t)(i + 1) << 32 | R_X86_64_GLOB_DAT);
		}
	}
	put32(m, hash + 4, m->symbols_n + 1);
	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
		put(m, dynamic + 16 * i, tags[i], 16);
}

/* One CIE, an FDE per function, and the table that finds them. */
static void write_unwind(struct image *m)
{
	static const uint8_t cie[] = {20, 0,	0,  0, 0,    0,	 0, 0, 1, 'z', 'R', 0,
				      1,  0x78, 16, 1, 0x1b, 12, 7, 8, 0, 0,   0,   0};
	uint64_t hdr = UNWIND, frame = UNWIND + 0x400;

	put(m, hdr, (const uint8_t[]){1, 0x1b, 3, 0x3b}, 4);
	put32(m, hdr + 8, m->n);
	put(m, frame, cie, sizeof(cie));
	for (unsigned i = 0; i < m->n; i++) {
		uint64_t fde = frame + sizeof(cie) + 24 * i;

		put32(m, fde, 20);
		put32(m, fde + 4, fde + 4 - frame);
		put32(m, fde + 8, m->start[i] - (fde + 8 + BIAS));
		put32(m, fde + 12, m->end[i] - m->start[i]);
		put32(m, hdr + 12 + 8 * i, m->start[i] - (hdr + BIAS));
		put32(m, hdr + 16 + 8 * i, fde - hdr);
	}
}

static void write_head(struct image *m)
{
	static const uint8_t note[] = {4, 0, 0,	  0,   4,   0, 0,    0,	   3,	 0,
				       0, 0, 'G', 'N', 'U', 0, 0xab, 0xcd, 0xef, 1};
	const Elf64_Phdr ph[] = {
		{PT_LOAD, PF_R, 0, BIAS, BIAS, CODE, CODE, 0x1000},
		{PT_LOAD, PF_R | PF_X, CODE, CODE + BIAS, CODE + BIAS, DATA - CODE, DATA - CODE,
		 0x1000},
		{PT_LOAD, PF_R | PF_W, DATA, DATA + BIAS, DATA + BIAS, FIXTURE_SIZE - DATA,
		 FIXTURE_SIZE - DATA, 0x1000},
		{PT_NOTE, PF_R, 0x300, 0x300 + BIAS, 0x300 + BIAS, sizeof(note), sizeof(note), 4},
		{PT_DYNAMIC, PF_R, DATA + 0x1c00, DATA + 0x1c00 + BIAS, 0, 0x100, 0x100, 8},
		{m->unwind ? PT_GNU_EH_FRAME : PT_NULL, PF_R, UNWIND, UNWIND + BIAS, 0, 0x400,
		 0x400, 4},
	};
	Elf64_Ehdr eh = {
		.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		.e_type = ET_DYN,
		.e_machine = m->arm ? EM_AARCH64 : EM_X86_64,
		.e_version = 1,
		.e_phoff = sizeof(eh),
		.e_ehsize = sizeof(eh),
		.e_phentsize = sizeof(ph[0]),
		.e_phnum = sizeof(ph) / sizeof(ph[0]),
	};

	put(m, 0, &eh, sizeof(eh));
	put(m, sizeof(eh), ph, sizeof(ph));
	put(m, 0x300, note, sizeof(note));
}

static uint64_t put_row(struct image *m, const struct signature *s, enum fixture_flaw flaw)
{
	unsigned off = flaw == FIXTURE_WRONG ? 1 : 0;
	uint64_t at;

	switch (s->method) {
	case SIG_SYMBOL:
	case SIG_MARK:
		return by_symbol(m, s, flaw);
	case SIG_ASM_CALLER:
		if (s->near[0])
			by_asm(m, row_named(m, s->near), FIXTURE_RIGHT);
		return by_asm(m, s, flaw);
	case SIG_GOPCLNTAB:
		return by_gopclntab(m, s, flaw);
	case SIG_IO_METHODS:
		return by_methods(m, s, flaw);
	default:
		at = by_reference(m, s, off);
		if (flaw == FIXTURE_TWICE)
			by_reference(m, s, 0);
		return at;
	}
}

/* A version stands behind its text, in a file that has something of that stack. */
static uint64_t version(struct image *m, const struct signature *s, enum fixture_flaw flaw)
{
	char line[96];

	for (size_t i = 0; i < m->sigs->n; i++) {
		const struct signature *c = &m->sigs->rows[i];
		unsigned site = TLS_COOKIE_SITE(c->cookie);

		if (c->stack != s->stack || c->role != SIG_ROLE_PROBE || c->calls[0] ||
		    c->near[0] || (site != TLS_WRITE && site != TLS_READ && site != TLS_SEAL))
			continue;
		put_row(m, c, FIXTURE_RIGHT);
		break;
	}
	if (s->stack == TLS_STACK_LIBRESSL)
		put_row(m, row_named(m, "SSL_CTX_use_certificate_chain_mem"), FIXTURE_RIGHT);
	snprintf(line, sizeof(line), "%s9.8.7", s->texts[0]);
	text(m, "", line);
	if (flaw == FIXTURE_TWICE) {
		snprintf(line, sizeof(line), "%s9.8.6", s->texts[0]);
		text(m, "", line);
	}
	return 0;
}

bool fixture_make(const struct tls_signatures *s, size_t row, unsigned machine,
		  enum fixture_flaw flaw, bool unwind, struct fixture *ret)
{
	const struct signature *r = &s->rows[row];
	struct image m = {
		.p = ret->bytes,
		.sigs = s,
		.arm = machine == 1,
		.unwind = unwind,
		.text = TEXTS,
		.code = CODE,
		.data = DATA + 0x2800,
	};
	bool alone = r->method == SIG_ASM_CALLER || r->method == SIG_IO_METHODS;

	if ((r->machine && r->machine != machine + 1) || (alone && (!unwind || m.arm)) ||
	    (r->method == SIG_VERSION && (m.arm || !unwind)))
		return false;
	if (flaw == FIXTURE_TWICE && (r->many || r->method == SIG_SYMBOL || r->method == SIG_MARK ||
				      r->method == SIG_GOPCLNTAB || r->method == SIG_IO_METHODS))
		return false;
	if (flaw == FIXTURE_WRONG && r->method == SIG_VERSION)
		return false;
	memset(ret, 0, sizeof(*ret));
	m.err = plain(&m, "err");
	ret->entry = r->method == SIG_VERSION ? version(&m, r, flaw) : put_row(&m, r, flaw);
	/* Something calls every function: where there is no unwind table, that is how they are known. */
	begin(&m, "main");
	for (unsigned i = 0; i < m.n; i++)
		if (strcmp(m.name[i], "caller"))
			call(&m, m.start[i]);
	end(&m);
	write_symbols(&m);
	if (unwind)
		write_unwind(&m);
	write_head(&m);
	return true;
}
