// SPDX-License-Identifier: Apache-2.0
/*
 * Go functions by the linker's own table, which the runtime needs and stripping leaves. In: an image
 * with a .gopclntab, of the formats of Go 1.2, 1.16, 1.18 and 1.20. Out: the functions of
 * crypto/tls, with bounds. The table is found by its head, not by a section.
 *
 * The calling convention is read from the functions' own stack check (x86-64), or follows from the
 * format (aarch64 has registers from 1.18 on, as has format 1.18). The two must not contradict.
 * Every offset in the table is checked; a table that is cut gives nothing.
 */
#include <stdio.h>

#include "work.h"

#define FUNCTIONS_MAX (4u << 20)
#define NAME_PREFIX "crypto/tls."

enum format {
	GO_1_2 = 0xfffffffb,
	GO_1_16 = 0xfffffffa,
	GO_1_18 = 0xfffffff0,
	GO_1_20 = 0xfffffff1
};

struct table {
	const struct elf_image *e;
	enum format format;
	const uint8_t *p; /* from the head to the end of its segment */
	uint64_t n;
	uint64_t functions, names, functab; /* count; offsets from p */
	uint64_t text;
	unsigned wide; /* bytes of a function table entry's half: 8, or 4 from 1.18 on */
};

static bool is_format(uint32_t magic)
{
	return magic == GO_1_2 || magic == GO_1_16 || magic == GO_1_18 || magic == GO_1_20;
}

static uint64_t half(const struct table *t, uint64_t i)
{
	const uint8_t *p = t->p + t->functab + i * t->wide;

	return t->wide == 8 ? le64(p) : le32(p);
}

/* .text begins where the head says; a position-independent file has a relocation there, and newer
 * linkers leave it to the section. */
static uint64_t text_start(const struct elf_image *e, uint64_t head)
{
	const uint8_t *p = elf_at(e, head + 24, 8, NULL);
	uint64_t v = p ? le64(p) : 0;

	if (!v)
		v = elf_slot(e, head + 24);
	for (uint64_t i = 0; !v && i < e->sections.n; i++) {
		Elf64_Shdr s;

		memcpy(&s, e->sections.p + i * sizeof(s), sizeof(s));
		/* The first executable section that is not a linker's stub. */
		if (s.sh_type == SHT_PROGBITS && s.sh_flags & SHF_EXECINSTR && s.sh_size > 4096)
			v = s.sh_addr;
	}
	return v;
}

static bool open_table(const struct elf_image *e, uint64_t head, struct table *t)
{
	*t = (struct table){.e = e, .p = elf_at(e, head, 72, &t->n)};
	if (!t->p)
		return false;
	elf_at(e, head, 72, &t->n);
	t->format = le32(t->p);
	t->functions = le64(t->p + 8);
	switch (t->format) {
	case GO_1_2:
		t->names = 0;
		t->functab = 16;
		t->wide = 8;
		break;
	case GO_1_16:
		t->names = le64(t->p + 24);
		t->functab = le64(t->p + 56);
		t->wide = 8;
		break;
	default:
		t->text = text_start(e, head);
		t->names = le64(t->p + 32);
		t->functab = le64(t->p + 64);
		t->wide = 4;
	}
	return t->functions && t->functions < FUNCTIONS_MAX && t->names < t->n &&
	       t->functab < t->n && (2 * t->functions + 1) * t->wide <= t->n - t->functab;
}

/* The name of function i, which ends inside the table; NULL when it does not. */
static const char *name_at(const struct table *t, uint64_t i)
{
	uint64_t at = half(t, 2 * i + 1), skip = t->wide, name;

	if (t->format != GO_1_2)
		at += t->functab;
	if (at > t->n || t->n - at < skip + 4)
		return NULL;
	name = t->names + (uint64_t)(int32_t)le32(t->p + at + skip);
	if (name >= t->n || t->n - name < sizeof(NAME_PREFIX) ||
	    memcmp(t->p + name, NAME_PREFIX, sizeof(NAME_PREFIX) - 1))
		return NULL;
	return memchr(t->p + name, 0, t->n - name < 256 ? t->n - name : 256)
		       ? (const char *)t->p + name
		       : NULL;
}

static enum go_abi abi_of(const struct work *w, const struct table *t, uint64_t start)
{
	enum go_abi abi = w->arch->go_abi(w->e, start);

	if (abi == GO_ABI_REGISTER && w->e->machine == EM_AARCH64)
		return t->wide == 4 ? GO_ABI_REGISTER : GO_ABI_STACK;
	/* Registers came within format 1.16, and have stayed. */
	if ((abi == GO_ABI_STACK && t->wide == 4) ||
	    (abi == GO_ABI_REGISTER && t->format == GO_1_2))
		return GO_ABI_UNKNOWN;
	return abi;
}

struct go_function {
	uint64_t start, end;
	bool twice;
};

#define GO_ROWS_MAX 16

static size_t rows_of(const struct work *w, const struct signature **rows)
{
	size_t n = 0;

	for (size_t i = 0; i < w->sigs->n && n < GO_ROWS_MAX; i++)
		if (w->sigs->rows[i].method == SIG_GOPCLNTAB && sig_is_for(&w->sigs->rows[i], w))
			rows[n++] = &w->sigs->rows[i];
	return n;
}

static void look_up(const struct table *t, const struct signature *const *rows, size_t n,
		    struct go_function *f)
{
	for (uint64_t i = 0; i < t->functions; i++) {
		const char *name = name_at(t, i);

		for (size_t k = 0; name && k < n; k++) {
			if (strcmp(name, rows[k]->name))
				continue;
			f[k].twice = f[k].start;
			f[k].start = t->text + half(t, 2 * i);
			f[k].end = t->text + half(t, 2 * i + 2);
		}
	}
}

/* The convention that those functions show that check their stack; all must show the same. */
static enum go_abi convention(const struct work *w, const struct table *t,
			      const struct go_function *f, size_t n)
{
	enum go_abi abi = GO_ABI_UNKNOWN;

	for (size_t k = 0; k < n; k++) {
		enum go_abi one = f[k].start ? abi_of(w, t, f[k].start) : GO_ABI_UNKNOWN;

		if (abi && one && one != abi)
			return GO_ABI_UNKNOWN;
		if (one)
			abi = one;
	}
	return abi;
}

static bool use(struct work *w, const struct table *t)
{
	const struct signature *rows[GO_ROWS_MAX];
	struct go_function f[GO_ROWS_MAX] = {0};
	size_t n = rows_of(w, rows);
	enum go_abi abi;
	bool any = false;

	look_up(t, rows, n, f);
	abi = convention(w, t, f, n);
	for (size_t k = 0; k < n; k++) {
		any |= f[k].start;
		if (!abi || !f[k].start || rows[k]->abi != abi)
			continue;
		if (f[k].twice || f[k].end <= f[k].start || !elf_exec(w->e, f[k].start))
			work_note(w, "%s: the table contradicts itself", rows[k]->name);
		else
			work_take(w, rows[k], f[k].start, f[k].end, "table of %llu functions, %s",
				  (unsigned long long)t->functions,
				  abi == GO_ABI_REGISTER ? "arguments in registers"
							 : "arguments on the stack");
	}
	if (any && !abi)
		work_note(w, "Go's crypto/tls: its calling convention cannot be told");
	return any;
}

void by_gopclntab(struct work *w)
{
	uint8_t quantum = w->e->machine == EM_AARCH64 ? 4 : 1;

	for (unsigned i = 0; i < w->e->loads_n; i++) {
		const struct elf_segment *s = &w->e->loads[i];
		const uint8_t *p = w->e->p + s->offset;

		for (uint64_t at = -s->vaddr & 7; at + 8 <= s->filesz; at += 8) {
			struct table t;

			if (p[at + 3] != 0xff || !is_format(le32(p + at)) || p[at + 4] ||
			    p[at + 5] || p[at + 6] != quantum || p[at + 7] != 8)
				continue;
			if (open_table(w->e, s->vaddr + at, &t) && use(w, &t))
				return;
		}
	}
}
