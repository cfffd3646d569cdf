// SPDX-License-Identifier: Apache-2.0
/*
 * Opening an ELF file that may lie. In: the whole file. Out: its load segments, checked against the
 * file and each other, and the tables the loader itself uses (program headers, PT_DYNAMIC), so that
 * a file without section headers is no different. Section headers are used only to reach .symtab,
 * and left out when they are wrong: the kernel runs such a file all the same.
 *
 * Refused: what would make an address mean two things (overlapping segments) or a size mean bytes
 * that are not there. Limits: 64 segments, 4096 notes, 4096 dynamic entries; the file bytes named by
 * all segments together are at most four times the file, so that reading them all is bounded.
 */
#include "elf_image.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define NOTES_MAX 4096
#define DYNAMIC_MAX 4096
#define SECTIONS_MAX 65535

static int lies(char *why, size_t cap, const char *what, unsigned long long at)
{
	snprintf(why, cap, "%s (%#llx)", what, at);
	return -EBADMSG;
}

static bool in_file(const struct elf_image *e, uint64_t offset, uint64_t size)
{
	return offset <= e->n && size <= e->n - offset;
}

static int by_vaddr(const void *a, const void *b)
{
	const struct elf_segment *x = a, *y = b;

	return x->vaddr < y->vaddr ? -1 : x->vaddr > y->vaddr;
}

static int check_loads(struct elf_image *e, char *why, size_t cap)
{
	uint64_t sum = 0;

	if (!e->loads_n)
		return lies(why, cap, "no segment to load", 0);
	qsort(e->loads, e->loads_n, sizeof(e->loads[0]), by_vaddr);
	for (unsigned i = 0; i < e->loads_n; i++) {
		const struct elf_segment *s = &e->loads[i];

		if (!in_file(e, s->offset, s->filesz))
			return lies(why, cap, "segment beyond the end of the file", s->offset);
		if (s->filesz > s->memsz || s->memsz > UINT64_MAX - s->vaddr)
			return lies(why, cap, "segment of impossible size", s->memsz);
		if (i && s[-1].vaddr + s[-1].memsz > s->vaddr)
			return lies(why, cap, "overlapping segments", s->vaddr);
		sum += s->filesz;
	}
	if (sum / 4 > e->n)
		return lies(why, cap, "segments repeat the file", sum);
	return 0;
}

static int read_notes(struct elf_image *e, const struct elf_segment *s, char *why, size_t cap)
{
	const uint8_t *p = e->p + s->offset;
	uint64_t left = s->filesz;

	for (int i = 0; left >= 12; i++) {
		uint64_t names = le32(p), desc = le32(p + 4), skip = (names + 3) & ~3ull;

		if (names > left - 12 || skip > left - 12 || desc > left - 12 - skip)
			return lies(why, cap, "note longer than its segment", p - e->p);
		if (i == NOTES_MAX)
			return lies(why, cap, "too many notes", p - e->p);
		if (le32(p + 8) == NT_GNU_BUILD_ID && names == 4 && !memcmp(p + 12, "GNU", 4) &&
		    desc && desc <= 32 && !e->build_id[0])
			for (uint64_t k = 0; k < desc; k++)
				snprintf(e->build_id + 2 * k, 3, "%02x", p[12 + skip + k]);
		skip += 12 + ((desc + 3) & ~3ull);
		if (skip > left)
			break;
		p += skip;
		left -= skip;
	}
	return 0;
}

static int read_unwind(struct elf_image *e, const struct elf_segment *s, char *why, size_t cap)
{
	const uint8_t *p = e->p + s->offset;

	/* Version 1, count as a 32-bit number, table of pairs relative to the header: what every
	 * linker writes. */
	if (s->filesz < 12 || p[0] != 1 || p[2] != 3 || p[3] != 0x3b)
		return 0;
	if (le32(p + 8) > (s->filesz - 12) / 8)
		return lies(why, cap, "unwind table longer than its segment", le32(p + 8));
	e->eh.p = p + 12;
	e->eh.n = le32(p + 8);
	e->eh_vaddr = s->vaddr;
	return 0;
}

/* A table the dynamic section names by address: cut to whole entries, none when it is not there. */
static struct elf_table table_at(const struct elf_image *e, uint64_t vaddr, uint64_t size,
				 uint64_t entry)
{
	struct elf_table t = {0};

	if (vaddr && size / entry)
		t.p = elf_at(e, vaddr, size / entry * entry, NULL);
	if (t.p)
		t.n = size / entry;
	return t;
}

static uint64_t gnu_hash_symbols(const struct elf_image *e, uint64_t vaddr)
{
	uint64_t left, head, max = 0;
	const uint8_t *p = elf_at(e, vaddr, 16, &left);
	uint32_t buckets, first, bloom;

	if (!p)
		return 0;
	buckets = le32(p);
	first = le32(p + 4);
	bloom = le32(p + 8);
	head = 16 + 8ull * bloom;
	if (head > left || 4ull * buckets > left - head)
		return 0;
	for (uint32_t i = 0; i < buckets; i++)
		if (le32(p + head + 4ull * i) > max)
			max = le32(p + head + 4ull * i);
	if (max < first)
		return first;
	head += 4ull * buckets;
	for (;; max++) { /* the chain of the last bucket ends in an odd hash */
		uint64_t at = head + 4 * (max - first);

		if (at > left || left - at < 4)
			return 0;
		if (le32(p + at) & 1)
			return max + 1;
	}
}

static void read_dynamic(struct elf_image *e, const struct elf_segment *s)
{
	uint64_t v[40] = {0}, gnu = 0, symbols = 0, left;
	const uint8_t *p = e->p + s->offset;

	for (uint64_t i = 0; i < s->filesz / 16 && i < DYNAMIC_MAX; i++) {
		uint64_t tag = le64(p + 16 * i);

		if (tag == DT_NULL)
			break;
		if (tag < 40)
			v[tag] = le64(p + 16 * i + 8);
		else if (tag == DT_GNU_HASH)
			gnu = le64(p + 16 * i + 8);
	}
	e->rela = table_at(e, v[DT_RELA], v[DT_RELASZ], 24);
	e->jmprel = table_at(e, v[DT_JMPREL], v[DT_PLTRELSZ], 24);
	if (v[DT_HASH] && (p = elf_at(e, v[DT_HASH], 8, NULL)))
		symbols = le32(p + 4);
	else if (gnu)
		symbols = gnu_hash_symbols(e, gnu);
	if (!v[DT_SYMTAB] || !elf_at(e, v[DT_SYMTAB], 24, &left))
		return;
	if (symbols > left / 24)
		symbols = left / 24;
	e->dynsym = table_at(e, v[DT_SYMTAB], symbols * 24, 24);
	e->dynstr = (const char *)elf_at(e, v[DT_STRTAB], v[DT_STRSZ], NULL);
	e->dynstr_n = e->dynstr ? v[DT_STRSZ] : 0;
}

static void read_sections(struct elf_image *e, const Elf64_Ehdr *eh)
{
	uint64_t n = eh->e_shnum;
	Elf64_Shdr s, names;

	if (!n || n > SECTIONS_MAX || eh->e_shentsize != sizeof(s) ||
	    !in_file(e, eh->e_shoff, n * sizeof(s)))
		return;
	e->sections.p = e->p + eh->e_shoff;
	e->sections.n = n;
	for (uint64_t i = 0; i < n; i++) {
		memcpy(&s, e->sections.p + i * sizeof(s), sizeof(s));
		if (s.sh_type != SHT_SYMTAB || s.sh_link >= n ||
		    !in_file(e, s.sh_offset, s.sh_size))
			continue;
		memcpy(&names, e->sections.p + s.sh_link * sizeof(s), sizeof(s));
		if (names.sh_type != SHT_STRTAB || !in_file(e, names.sh_offset, names.sh_size))
			continue;
		e->symtab.p = e->p + s.sh_offset;
		e->symtab.n = s.sh_size / 24;
		e->strtab = (const char *)e->p + names.sh_offset;
		e->strtab_n = names.sh_size;
		return;
	}
}

static int read_segments(struct elf_image *e, const Elf64_Ehdr *eh, char *why, size_t cap)
{
	struct elf_segment other[3] = {0}; /* notes are read as they come */
	int r;

	if (!eh->e_phnum || eh->e_phnum > ELF_SEGMENTS_MAX || eh->e_phentsize != sizeof(Elf64_Phdr))
		return lies(why, cap, "impossible number of segments", eh->e_phnum);
	if (!in_file(e, eh->e_phoff, eh->e_phnum * sizeof(Elf64_Phdr)))
		return lies(why, cap, "program headers beyond the end of the file", eh->e_phoff);
	for (unsigned i = 0; i < eh->e_phnum; i++) {
		struct elf_segment s;
		Elf64_Phdr p;

		memcpy(&p, e->p + eh->e_phoff + i * sizeof(p), sizeof(p));
		s = (struct elf_segment){p.p_vaddr,  p.p_memsz, p.p_offset,
					 p.p_filesz, p.p_type,	p.p_flags};
		if (p.p_type == PT_LOAD) {
			if (p.p_memsz)
				e->loads[e->loads_n++] = s;
			continue;
		}
		if (p.p_type != PT_NOTE && p.p_type != PT_GNU_EH_FRAME && p.p_type != PT_DYNAMIC)
			continue;
		if (!in_file(e, s.offset, s.filesz))
			return lies(why, cap, "segment beyond the end of the file", s.offset);
		if (p.p_type == PT_NOTE) {
			r = read_notes(e, &s, why, cap);
			if (r < 0)
				return r;
		} else {
			other[p.p_type == PT_DYNAMIC] = s;
		}
	}
	r = check_loads(e, why, cap);
	if (r == 0 && other[0].filesz)
		r = read_unwind(e, &other[0], why, cap);
	if (r == 0 && other[1].filesz)
		read_dynamic(e, &other[1]);
	return r;
}

int elf_image_open(const uint8_t *p, size_t n, struct elf_image *ret, char *why, size_t cap)
{
	struct elf_image e = {.p = p, .n = n};
	Elf64_Ehdr eh;
	int r;

	if (n < sizeof(eh) || memcmp(p, ELFMAG, SELFMAG) || p[EI_CLASS] != ELFCLASS64 ||
	    p[EI_DATA] != ELFDATA2LSB)
		return -ENOEXEC;
	memcpy(&eh, p, sizeof(eh));
	if (eh.e_type != ET_EXEC && eh.e_type != ET_DYN)
		return -ENOEXEC;
	e.machine = eh.e_machine;
	e.fixed = eh.e_type == ET_EXEC;
	r = read_segments(&e, &eh, why, cap);
	if (r < 0)
		return r;
	read_sections(&e, &eh);
	*ret = e;
	return 0;
}

static const struct elf_segment *segment_of(const struct elf_image *e, uint64_t vaddr)
{
	for (unsigned i = 0; i < e->loads_n; i++)
		if (vaddr >= e->loads[i].vaddr && vaddr - e->loads[i].vaddr < e->loads[i].filesz)
			return &e->loads[i];
	return NULL;
}

const uint8_t *elf_at(const struct elf_image *e, uint64_t vaddr, uint64_t size, uint64_t *ret_left)
{
	const struct elf_segment *s = segment_of(e, vaddr);
	uint64_t at;

	if (!s)
		return NULL;
	at = vaddr - s->vaddr;
	if (size > s->filesz - at)
		return NULL;
	if (ret_left)
		*ret_left = s->filesz - at;
	return e->p + s->offset + at;
}

const struct elf_segment *elf_exec(const struct elf_image *e, uint64_t vaddr)
{
	const struct elf_segment *s = segment_of(e, vaddr);

	return s && s->flags & PF_X ? s : NULL;
}

bool elf_offset(const struct elf_image *e, uint64_t vaddr, uint64_t *ret)
{
	const struct elf_segment *s = segment_of(e, vaddr);

	if (s)
		*ret = vaddr - s->vaddr + s->offset;
	return s;
}

bool elf_vaddr(const struct elf_image *e, uint64_t offset, uint64_t *ret)
{
	for (unsigned i = 0; i < e->loads_n; i++) {
		const struct elf_segment *s = &e->loads[i];

		if (offset < s->offset || offset - s->offset >= s->filesz)
			continue;
		*ret = offset - s->offset + s->vaddr;
		return true;
	}
	return false;
}
