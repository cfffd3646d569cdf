// SPDX-License-Identifier: Apache-2.0
/*
 * The tables inside an ELF image: unwind entries (where a function begins and ends, also in a
 * stripped file), symbols, pointer slots. In: a checked image. Out: facts about one address, or
 * none. An entry that does not make sense is skipped, because the rest may; each look-up is bounded
 * by the size of its table.
 */
#include "elf_image.h"

/* --- .eh_frame ------------------------------------------------------------------------------- */

struct cursor {
	const uint8_t *p, *end;
};

static uint64_t leb(struct cursor *c)
{
	uint64_t v = 0;

	for (int shift = 0; c->p < c->end && shift < 64; shift += 7) {
		uint8_t b = *c->p++;

		v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80))
			break;
	}
	return v;
}

static unsigned pointer_size(uint8_t encoding)
{
	switch (encoding & 0xf) {
	case 2:
	case 10:
		return 2;
	case 3:
	case 11:
		return 4;
	case 0:
	case 4:
	case 12:
		return 8;
	default:
		return 0;
	}
}

/* How the entries of a CIE write their addresses; 0 size when it cannot be told. */
static unsigned cie_pointer(const uint8_t *p, uint64_t n)
{
	struct cursor c = {p + 9, p + n};
	const uint8_t *aug = p + 9;
	bool sized;

	if (n < 12 || le32(p) < 8 || le32(p + 4) || !memchr(aug, 0, n - 9))
		return 0;
	c.p += strlen((const char *)aug) + 1;
	leb(&c);
	leb(&c);
	if (p[8] == 1)
		c.p++;
	else
		leb(&c);
	sized = *aug == 'z';
	if (!sized)
		return *aug ? 0 : 8;
	leb(&c);
	for (aug++; *aug && c.p < c.end; aug++) {
		if (*aug == 'R')
			return pointer_size(*c.p);
		if (*aug == 'P')
			c.p += 1 + pointer_size(*c.p);
		else if (*aug == 'L')
			c.p++;
		else if (*aug != 'S' && *aug != 'B')
			return 0;
	}
	return 8;
}

static uint64_t fde_length(const struct elf_image *e, uint64_t fde)
{
	const uint8_t *cie, *p = elf_at(e, fde, 8, NULL);
	uint64_t left;
	unsigned size;

	if (!p || le32(p) == UINT32_MAX || le32(p + 4) > fde + 4)
		return 0;
	cie = elf_at(e, fde + 4 - le32(p + 4), 12, &left);
	size = cie ? cie_pointer(cie, left) : 0;
	p = size ? elf_at(e, fde + 8, 2ull * size, NULL) : NULL;
	if (!p)
		return 0;
	return size == 2 ? le16(p + 2) : size == 4 ? le32(p + 4) : le64(p + 8);
}

bool elf_unwind(const struct elf_image *e, uint64_t vaddr, uint64_t *ret_start, uint64_t *ret_end)
{
	uint64_t lo = 0, hi = e->eh.n, start, length;

	while (lo < hi) {
		uint64_t mid = (lo + hi) / 2;

		if (e->eh_vaddr + (int32_t)le32(e->eh.p + 8 * mid) <= vaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo)
		return false;
	start = e->eh_vaddr + (int32_t)le32(e->eh.p + 8 * (lo - 1));
	length = fde_length(e, e->eh_vaddr + (int32_t)le32(e->eh.p + 8 * (lo - 1) + 4));
	if (vaddr < start || vaddr - start >= length || length > UINT64_MAX - start)
		return false;
	*ret_start = start;
	*ret_end = start + length;
	return true;
}

/* --- symbols --------------------------------------------------------------------------------- */

static void each_of(const struct elf_image *e, const struct elf_table *t, const char *names,
		    uint64_t names_n, bool dynamic,
		    void (*each)(void *arg, const struct elf_symbol *s), void *arg)
{
	/* With a NUL at the end of the table every name in it ends inside. */
	if (!names || !names_n || names[names_n - 1])
		return;
	for (uint64_t i = 0; i < t->n; i++) {
		const uint8_t *p = t->p + 24 * i;
		struct elf_symbol s = {NULL, le64(p + 8), le64(p + 16), dynamic};

		if ((p[4] & 0xf) != STT_FUNC || le16(p + 6) == SHN_UNDEF || le32(p) >= names_n ||
		    !s.vaddr)
			continue;
		s.name = names + le32(p);
		each(arg, &s);
	}
}

void elf_symbols(const struct elf_image *e, void (*each)(void *arg, const struct elf_symbol *s),
		 void *arg)
{
	each_of(e, &e->dynsym, e->dynstr, e->dynstr_n, true, each, arg);
	each_of(e, &e->symtab, e->strtab, e->strtab_n, false, each, arg);
}

/* --- pointer slots --------------------------------------------------------------------------- */

static uint64_t relocated(const struct elf_image *e, const uint8_t *r)
{
	uint32_t type = le64(r + 8), symbol = le64(r + 8) >> 32;
	bool arm = e->machine == EM_AARCH64;

	if (type == (arm ? R_AARCH64_RELATIVE : R_X86_64_RELATIVE))
		return le64(r + 16);
	if (type != (arm ? R_AARCH64_GLOB_DAT : R_X86_64_GLOB_DAT) &&
	    type != (arm ? R_AARCH64_JUMP_SLOT : R_X86_64_JUMP_SLOT) &&
	    type != (arm ? R_AARCH64_ABS64 : R_X86_64_64))
		return 0;
	if (symbol >= e->dynsym.n || le16(e->dynsym.p + 24ull * symbol + 6) == SHN_UNDEF)
		return 0;
	return le64(e->dynsym.p + 24ull * symbol + 8);
}

void elf_imports(const struct elf_image *e,
		 void (*each)(void *arg, uint64_t slot, const char *name), void *arg)
{
	const struct elf_table *tables[] = {&e->jmprel, &e->rela};

	if (!e->dynstr_n || e->dynstr[e->dynstr_n - 1])
		return;
	for (int k = 0; k < 2; k++)
		for (uint64_t i = 0; i < tables[k]->n; i++) {
			const uint8_t *r = tables[k]->p + 24 * i, *sym;
			uint64_t symbol = le64(r + 8) >> 32;

			if (!symbol || symbol >= e->dynsym.n)
				continue;
			sym = e->dynsym.p + 24 * symbol;
			if (le16(sym + 6) == SHN_UNDEF && le32(sym) < e->dynstr_n)
				each(arg, le64(r), e->dynstr + le32(sym));
		}
}

uint64_t elf_slot(const struct elf_image *e, uint64_t slot)
{
	const struct elf_table *tables[] = {&e->jmprel, &e->rela};
	const uint8_t *p;

	for (int k = 0; k < 2; k++)
		for (uint64_t i = 0; i < tables[k]->n; i++)
			if (le64(tables[k]->p + 24 * i) == slot)
				return relocated(e, tables[k]->p + 24 * i);
	p = e->fixed ? elf_at(e, slot, 8, NULL) : NULL;
	return p ? le64(p) : 0;
}

void elf_slots(const struct elf_image *e, void (*each)(void *arg, uint64_t slot, uint64_t value),
	       void *arg)
{
	const struct elf_table *tables[] = {&e->jmprel, &e->rela};

	for (int k = 0; k < 2; k++)
		for (uint64_t i = 0; i < tables[k]->n; i++)
			each(arg, le64(tables[k]->p + 24 * i), relocated(e, tables[k]->p + 24 * i));
	/* In place: files without relocations, and those whose RELR table has the value there. */
	for (unsigned i = 0; i < e->loads_n; i++) {
		const struct elf_segment *s = &e->loads[i];

		for (uint64_t at = -s->vaddr & 7; !(s->flags & PF_X) && at + 8 <= s->filesz;
		     at += 8)
			each(arg, s->vaddr + at, le64(e->p + s->offset + at));
	}
}
