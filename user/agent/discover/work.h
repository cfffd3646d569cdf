/* SPDX-License-Identifier: Apache-2.0 */
/* What the methods share while one image is resolved. */
#ifndef PROBITY_AGENT_DISCOVER_WORK_H
#define PROBITY_AGENT_DISCOVER_WORK_H

#include "arch.h"
#include "signatures.h"

#define MATCHES_MAX 2048 /* places of texts and patterns in one image */
#define KNOWN_MAX 96
#define PENDING_MAX 8
#define FITS_MAX 32 /* functions one row may fit */

struct search;

struct match {
	uint64_t vaddr;
	uint16_t needle;
};

/* A function some row has found, also one that is only a step to another. */
struct known {
	char name[40];
	uint64_t vaddr, end;
};

/* A function that leaves by a pointer: its returns are where its callers go on. */
struct pending {
	uint64_t vaddr;
	uint16_t function; /* index in found */
};

struct work {
	const struct elf_image *e;
	const struct arch *arch;
	const struct tls_signatures *sigs;
	struct tls_found *out;
	struct search *search;
	struct match *matches;
	size_t matches_n;
	struct known known[KNOWN_MAX];
	unsigned known_n;
	struct pending pending[PENDING_MAX];
	unsigned pending_n;
	struct refs refs; /* to texts, by function */
	int buildinfo;	  /* needle of Go's build information */
};

__attribute__((format(printf, 2, 3))) void work_note(struct work *w, const char *fmt, ...);
const struct known *work_known(const struct work *w, const char *name);
bool work_has_stack(const struct work *w, enum tls_stack s);
bool sig_is_for(const struct signature *s, const struct work *w); /* this machine, not ruled out */
/* One found function: recorded, with its sites. False (and a note): it cannot be used. */
__attribute__((format(printf, 5, 6))) bool work_take(struct work *w, const struct signature *s,
						     uint64_t vaddr, uint64_t end, const char *fmt,
						     ...);
void work_finish_pending(struct work *w);

void by_symbol(struct work *w);
/* Texts and patterns: all are looked for in one pass. */
int texts_find(struct work *w);
int text_needle(const struct work *w, const struct signature *s, const char *text);
/* Where a whole pattern lies, in order of address. */
size_t pattern_places(const struct work *w, const struct pattern *p, uint64_t *ret, size_t max);
void versions_find(struct work *w);
void by_reference(struct work *w);
void by_methods(struct work *w);
void by_asm(struct work *w);
void by_gopclntab(struct work *w);

#endif
