// SPDX-License-Identifier: Apache-2.0
/*
 * Functions by their own names. In: .dynsym and .symtab. Out: each row's function, once. Which
 * member of the OpenSSL family it is, is told by symbols only that member has; names alone are shared.
 *
 * A symbol without a size takes its bounds from the unwind entry; without that either it is decoded
 * along its paths.
 */
#include <stdlib.h>

#include "base/cleanup.h"
#include "work.h"

struct hit {
	const struct signature *row;
	uint64_t vaddr, size;
	bool dynamic;
};

struct names {
	struct work *w;
	struct hit *hits; /* by name */
	size_t n;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct hit *)a)->row->name, ((const struct hit *)b)->row->name);
}

static int name_of(const void *key, const void *b)
{
	return strcmp(key, ((const struct hit *)b)->row->name);
}

static void one(void *arg, const struct elf_symbol *s)
{
	struct names *n = arg;
	struct hit *h = bsearch(s->name, n->hits, n->n, sizeof(*h), name_of);

	if (!h || h->vaddr || !elf_exec(n->w->e, s->vaddr))
		return;
	h->vaddr = s->vaddr;
	h->size = s->size;
	h->dynamic = s->dynamic;
}

/* One hit per row, sorted by name. Rows of one name would hide each other: the first is taken. */
static bool make(struct names *n)
{
	const struct tls_signatures *s = n->w->sigs;

	n->hits = calloc(s->n ? s->n : 1, sizeof(*n->hits));
	for (size_t i = 0; n->hits && i < s->n; i++)
		if ((s->rows[i].method == SIG_SYMBOL || s->rows[i].method == SIG_MARK) &&
		    (!s->rows[i].machine || sig_is_for(&s->rows[i], n->w)))
			n->hits[n->n++].row = &s->rows[i];
	if (n->hits)
		qsort(n->hits, n->n, sizeof(*n->hits), by_name);
	return n->hits;
}

/* The family member a row's functions belong to in this file. */
static enum tls_stack member(const struct names *n, enum tls_stack row)
{
	if (row != TLS_STACK_OPENSSL)
		return row;
	for (size_t i = 0; i < n->n; i++)
		if (n->hits[i].row->method == SIG_MARK && n->hits[i].vaddr)
			return n->hits[i].row->stack;
	return row;
}

static void take(struct names *n, const struct hit *h)
{
	uint64_t start = h->vaddr, end = 0;
	struct signature row = *h->row;

	if (h->size && h->size < UINT64_MAX - h->vaddr)
		end = h->vaddr + h->size;
	else if (!elf_unwind(n->w->e, h->vaddr, &start, &end) || start != h->vaddr)
		end = 0;
	row.stack = member(n, row.stack);
	work_take(n->w, &row, h->vaddr, end, "%s", h->dynamic ? ".dynsym" : ".symtab");
}

void by_symbol(struct work *w)
{
	struct names n = {.w = w};
	_cleanup_free_ struct hit *hits = NULL;

	if (!make(&n))
		return;
	hits = n.hits;
	elf_symbols(w->e, one, &n);
	/* Helpers first: others may return through them. */
	for (int role = SIG_ROLE_HELPER; role >= SIG_ROLE_PROBE; role--)
		for (size_t i = 0; i < n.n; i++)
			if (hits[i].vaddr && hits[i].row->method == SIG_SYMBOL &&
			    hits[i].row->role == role)
				take(&n, &hits[i]);
}
