/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded view of an ELF file in memory: every answer lies inside of the file or is none. 64-bit
 * little-endian files only. PURE; nothing is allocated, nothing copied but the few segment headers.
 */
#ifndef PROBITY_AGENT_DISCOVER_ELF_IMAGE_H
#define PROBITY_AGENT_DISCOVER_ELF_IMAGE_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ELF_SEGMENTS_MAX 64

struct elf_segment {
	uint64_t vaddr, memsz, offset, filesz;
	uint32_t type, flags;
};

struct elf_table { /* of fixed-size entries */
	const uint8_t *p;
	uint64_t n; /* entries */
};

struct elf_image {
	const uint8_t *p;
	size_t n;
	uint16_t machine;
	bool fixed; /* ET_EXEC: addresses are known at link time, and small ones are immediates */
	unsigned loads_n;
	struct elf_segment loads[ELF_SEGMENTS_MAX]; /* in order of address, none overlaps */
	struct elf_table eh;			    /* .eh_frame_hdr's search table */
	uint64_t eh_vaddr;			    /* what its entries are relative to */
	struct elf_table sections;
	struct elf_table dynsym, symtab; /* with the names of each */
	const char *dynstr, *strtab;
	uint64_t dynstr_n, strtab_n;
	struct elf_table rela, jmprel;
	char build_id[65];
};

static inline uint16_t le16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}
static inline uint32_t le32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}
static inline uint64_t le64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* 0, -ENOEXEC: not such a file; -EBADMSG: it contradicts itself, why says how. */
int elf_image_open(const uint8_t *p, size_t n, struct elf_image *ret, char *why, size_t cap);

/* The bytes at an address, at least `size` of them, or NULL; ret_left (or NULL): how many there
 * are up to the end of the segment. */
const uint8_t *elf_at(const struct elf_image *e, uint64_t vaddr, uint64_t size, uint64_t *ret_left);
/* The executable segment an address lies in, or NULL. */
const struct elf_segment *elf_exec(const struct elf_image *e, uint64_t vaddr);
bool elf_offset(const struct elf_image *e, uint64_t vaddr,
		uint64_t *ret); /* → offset in the file */
bool elf_vaddr(const struct elf_image *e, uint64_t offset, uint64_t *ret);

/* The bounds of the function around an address by its unwind entry. */
bool elf_unwind(const struct elf_image *e, uint64_t vaddr, uint64_t *ret_start, uint64_t *ret_end);

struct elf_symbol {
	const char *name; /* ends inside of its table */
	uint64_t vaddr, size;
	bool dynamic;
};
/* Each defined function of .dynsym, then of .symtab. */
void elf_symbols(const struct elf_image *e, void (*each)(void *arg, const struct elf_symbol *s),
		 void *arg);
/* Each pointer slot that another file's symbol fills. */
void elf_imports(const struct elf_image *e,
		 void (*each)(void *arg, uint64_t slot, const char *name), void *arg);
/* What a pointer slot (of the GOT) will hold when the file is loaded; 0 = not known from here. */
uint64_t elf_slot(const struct elf_image *e, uint64_t slot);
/* Each pointer slot whose value is told by a relocation, and each aligned word that is not code. */
void elf_slots(const struct elf_image *e, void (*each)(void *arg, uint64_t slot, uint64_t value),
	       void *arg);

#endif
