/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What differs between machines: how code refers to an address, calls, returns, loads a constant.
 * One description per machine; all other files of the resolver know none.
 */
#ifndef PROBITY_AGENT_DISCOVER_ARCH_H
#define PROBITY_AGENT_DISCOVER_ARCH_H

#include "elf_image.h"

#define RETURNS_MAX 64
#define REF_CODES_MAX 14

/* Texts that code may refer to: [lo, hi] are the addresses that count as text `id`. */
struct target {
	uint64_t lo, hi;
	uint16_t id;
};

/* One place in code that refers to a text, with the constants loaded beside it. */
struct ref {
	uint64_t at, fn, end; /* its function: entry and, when known, its end (0) */
	uint16_t id;
	uint8_t codes_n;
	uint32_t codes[REF_CODES_MAX];
};

struct refs {
	struct ref *v; /* by address */
	size_t n, cap;
	bool failed; /* no memory, or more than REFS_MAX */
};
#define REFS_MAX 65536
/* A new one at the end, or NULL (and failed). */
struct ref *refs_add(struct refs *r);

struct returns {
	uint64_t at[RETURNS_MAX];
	unsigned n;
	uint64_t extent;    /* bytes from the entry to the last that was decoded as its own */
	bool pointer_tail;  /* also returns through a function it jumps to by pointer */
	const char *broken; /* why the list is not whole, NULL = it is */
};

/* An address of code written to a fixed place. */
struct store {
	uint64_t at, value;
};

enum go_abi { GO_ABI_UNKNOWN, GO_ABI_STACK, GO_ABI_REGISTER };

struct arch {
	uint16_t machine;
	const char *name;
	unsigned call_push; /* bytes a call leaves on the stack */
	/* Every reference to the n targets (sorted by lo) in executable segments. */
	void (*refs)(const struct elf_image *e, const struct target *t, size_t n, struct refs *out);
	/* Every direct call, or through a pointer slot (slot = true: `to` is the slot), that lies in
	 * [lo, hi); next: where it comes back to. */
	void (*calls)(const struct elf_image *e, uint64_t lo, uint64_t hi,
		      void (*each)(void *arg, uint64_t from, uint64_t next, uint64_t to, bool slot),
		      void *arg);
	/* Could a function begin here? Asked of call targets where there is no unwind entry. */
	bool (*entry)(const struct elf_image *e, uint64_t vaddr);
	/* The nearest place before an address where a function surely begins; 0 = none. */
	uint64_t (*entry_before)(const struct elf_image *e, uint64_t vaddr);
	/* All ways out of the function at start; end 0 = unknown. */
	void (*returns)(const struct elf_image *e, uint64_t start, uint64_t end,
			struct returns *ret);
	/* Is argument `arg` (from 1) read before it is written, on the way from the entry? */
	bool (*reads_argument)(const struct elf_image *e, uint64_t start, uint64_t end, int arg);
	/* The slot a linker's call stub jumps through, 0 = no stub. */
	uint64_t (*stub_slot)(const struct elf_image *e, uint64_t at);
	/* Addresses of code a function writes to fixed places; NULL: not told on this machine. */
	size_t (*stores)(const struct elf_image *e, uint64_t start, uint64_t end, struct store *out,
			 size_t max);
	enum go_abi (*go_abi)(const struct elf_image *e, uint64_t start);
};

/* The part of a segment that lies in [lo, hi), as offsets into it. */
static inline void arch_clip(const struct elf_segment *s, uint64_t lo, uint64_t hi,
			     uint64_t *ret_from, uint64_t *ret_to)
{
	uint64_t to = hi > s->vaddr ? hi - s->vaddr : 0;

	*ret_from = lo > s->vaddr ? lo - s->vaddr : 0;
	*ret_to = to < s->filesz ? to : s->filesz;
}

const struct arch *arch_of(uint16_t machine); /* NULL: not a machine we know */

/* First target that holds an address; the targets are sorted and their span is [lo, hi]. */
static inline const struct target *target_at(const struct target *t, size_t n, uint64_t vaddr)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (t[mid].lo <= vaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && vaddr <= t[lo - 1].hi ? &t[lo - 1] : NULL;
}

#endif
