// SPDX-License-Identifier: Apache-2.0
/*
 * All texts and byte patterns of the signatures, in one pass over what is loaded (texts also lie in
 * executable segments). In: rows. Out: where each lies, and the versions that follow some of them.
 * Bounded by MATCHES_MAX in all; past PLACES_MAX of one text more places tell nothing new.
 */
#include <errno.h>
#include <stdio.h>

#include "search.h"
#include "work.h"

#define PLACES_MAX 128
#define GO_MAGIC "\xff Go buildinf:"

static bool with_nul(const struct signature *s)
{
	return s->method != SIG_VERSION && s->method != SIG_ASM_CALLER;
}

int text_needle(const struct work *w, const struct signature *s, const char *text)
{
	size_t n = strlen(text) + with_nul(s);

	for (unsigned i = 0; i < w->search->n; i++)
		if (w->search->needle[i].n == n && !memcmp(w->search->needle[i].byte, text, n))
			return i;
	return -1;
}

static void add_texts(struct work *w, const struct signature *s, const char (*t)[SIG_TEXT_MAX])
{
	for (int i = 0; i < SIG_TEXTS && t[i][0]; i++)
		search_add(w->search, t[i], strlen(t[i]) + with_nul(s));
}

/* The fixed bytes at a pattern's start; the rest is compared where they are found. */
static size_t fixed(const struct pattern *p)
{
	size_t n = 0;

	while (n < p->n && p->mask[n])
		n++;
	return n;
}

static bool fits(const struct work *w, const struct pattern *p, uint64_t vaddr)
{
	const uint8_t *code = elf_exec(w->e, vaddr) ? elf_at(w->e, vaddr, p->n, NULL) : NULL;

	for (unsigned i = 0; code && i < p->n; i++)
		if ((code[i] ^ p->byte[i]) & p->mask[i])
			return false;
	return code;
}

struct place {
	struct work *w;
	const struct elf_segment *s;
	uint16_t places[SEARCH_MAX];
};

static bool one(void *arg, unsigned needle, size_t at)
{
	struct place *p = arg;
	struct work *w = p->w;

	if (p->places[needle] >= PLACES_MAX)
		return true;
	p->places[needle]++;
	w->matches[w->matches_n++] = (struct match){p->s->vaddr + at, needle};
	return w->matches_n < MATCHES_MAX;
}

int texts_find(struct work *w)
{
	struct place p = {.w = w};

	for (size_t i = 0; i < w->sigs->n; i++) {
		const struct signature *s = &w->sigs->rows[i];

		if (!sig_is_for(s, w))
			continue;
		add_texts(w, s, s->texts);
		add_texts(w, s, s->refs);
		add_texts(w, s, s->norefs);
		if (s->method == SIG_ASM_CALLER)
			search_add(w->search, s->pattern.byte, fixed(&s->pattern));
		if (s->witness.n)
			search_add(w->search, s->witness.byte, fixed(&s->witness));
	}
	w->buildinfo = search_add(w->search, GO_MAGIC, sizeof(GO_MAGIC) - 1);
	if (w->buildinfo < 0)
		return -EINVAL;
	search_ready(w->search);
	for (unsigned i = 0; i < w->e->loads_n; i++) {
		p.s = &w->e->loads[i];
		search_run(w->search, w->e->p + p.s->offset, p.s->filesz, one, &p);
	}
	return 0;
}

size_t pattern_places(const struct work *w, const struct pattern *p, uint64_t *ret, size_t max)
{
	size_t n = 0, len = fixed(p);

	for (size_t i = 0; i < w->matches_n && n < max; i++) {
		const struct needle *x = &w->search->needle[w->matches[i].needle];

		if (x->n == len && !memcmp(x->byte, p->byte, len) &&
		    fits(w, p, w->matches[i].vaddr))
			ret[n++] = w->matches[i].vaddr;
	}
	return n;
}

/* --- versions -------------------------------------------------------------------------------- */

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* "3.0.19", "1.1.1w", "0.17.14": digits and dots with two dots at least, one letter at the end. */
static size_t version_length(const uint8_t *p, size_t n)
{
	size_t i = 0, dots = 0;

	for (; i < n && (is_digit(p[i]) || (p[i] == '.' && i && is_digit(p[i - 1]))); i++)
		dots += p[i] == '.';
	if (dots != 2 || !is_digit(p[i - 1]))
		return 0;
	return i + (i < n && p[i] >= 'a' && p[i] <= 'z');
}

static void version_at(struct work *w, enum tls_stack stack, uint64_t vaddr, bool *clash)
{
	char *have = w->out->version[stack], text[sizeof(w->out->version[0])];
	uint64_t left = 0;
	const uint8_t *p = elf_at(w->e, vaddr, 1, &left);
	size_t n = p ? version_length(p, left < sizeof(text) ? left : sizeof(text) - 1) : 0;

	if (!n || n >= sizeof(text))
		return;
	memcpy(text, p, n);
	text[n] = 0;
	if (*have && strcmp(have, text))
		*clash = true;
	else
		memcpy(have, text, n + 1);
}

/* Go's own: a length and a text behind a head of 32 bytes, or two pointers before 1.18. */
static void go_version(struct work *w, uint64_t at)
{
	char *have = w->out->version[TLS_STACK_GO];
	const uint8_t *p = elf_at(w->e, at, 34, NULL), *text = NULL;
	uint64_t n = 0;

	if (p && p[15] & 2) {
		n = p[32];
		text = elf_at(w->e, at + 33, n, NULL);
	} else if (p && p[14] == 8 && (p = elf_at(w->e, le64(p + 16), 16, NULL))) {
		n = le64(p + 8);
		text = n < 24 ? elf_at(w->e, le64(p), n, NULL) : NULL;
	}
	if (text && n > 2 && n < sizeof(w->out->version[0]) && !memcmp(text, "go", 2)) {
		memcpy(have, text + 2, n - 2);
		have[n - 2] = 0;
	}
}

void versions_find(struct work *w)
{
	for (size_t i = 0; i < w->sigs->n; i++) {
		const struct signature *s = &w->sigs->rows[i];
		bool clash = false;

		if (s->method != SIG_VERSION || !work_has_stack(w, s->stack))
			continue;
		for (size_t k = 0; k < w->matches_n; k++)
			if (w->matches[k].needle == text_needle(w, s, s->texts[0]))
				version_at(w, s->stack, w->matches[k].vaddr + strlen(s->texts[0]),
					   &clash);
		if (clash)
			w->out->version[s->stack][0] = 0;
	}
	for (size_t k = 0; k < w->matches_n; k++)
		if (w->matches[k].needle == w->buildinfo && work_has_stack(w, TLS_STACK_GO))
			go_version(w, w->matches[k].vaddr);
	for (int k = 0; k < TLS_STACK__MAX; k++)
		for (char *c = w->out->version[k]; *c; c++)
			if (*c < 0x20 || *c > 0x7e)
				*c = '?';
}
