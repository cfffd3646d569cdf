// SPDX-License-Identifier: Apache-2.0
/*
 * Rows of texts in, aligned lines out. Invariant: with a width given and enough room for the least
 * widths of the columns of rank 0, no line is wider. Limits: COLUMNS_MAX columns; TABLE_BATCH rows
 * are held to measure them, later ones are printed by the same measure.
 */
#include "columns.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

static unsigned total(const unsigned *w, size_t n)
{
	unsigned sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += w[i] ? w[i] + COLUMNS_GAP : 0;
	return sum ? sum - COLUMNS_GAP : 0;
}

/* Leaves out the column of the highest rank; false when only those of rank 0 are left. */
static bool drop_one(const struct column *c, size_t n, unsigned *w)
{
	size_t worst = n;

	for (size_t i = 0; i < n; i++)
		if (w[i] && c[i].rank && (worst == n || c[i].rank > c[worst].rank))
			worst = i;
	if (worst == n)
		return false;
	w[worst] = 0;
	return true;
}

void columns_fit(const struct column *c, size_t n, unsigned width, unsigned *w)
{
	for (size_t i = 0; i < n; i++)
		w[i] = width ? c[i].least : c[i].most;
	if (!width)
		return;
	while (total(w, n) > width && drop_one(c, n, w))
		;
	for (unsigned used = total(w, n); used < width; used++) {
		size_t best = n;

		for (size_t i = 0; i < n; i++)
			if (w[i] && w[i] < c[i].most && (best == n || w[i] < w[best]))
				best = i;
		if (best == n)
			return;
		w[best]++;
	}
}

void columns_row(FILE *f, const struct column *c, size_t n, const unsigned *w,
		 const char *const *cells, const enum style *styles, bool colour, bool trim)
{
	size_t last = n;

	for (size_t i = 0; i < n; i++)
		if (w[i])
			last = i;
	for (size_t i = 0, k = 0; i < n; i++) {
		enum style s = styles ? styles[i] : PLAIN;

		if (!w[i])
			continue;
		if (k++)
			fprintf(f, "%*s", COLUMNS_GAP, "");
		style_on(f, s, colour);
		if (trim && i == last && !c[i].right)
			text_cut(f, cells[i], w[i]);
		else
			text_cell(f, cells[i], w[i], c[i].right);
		style_off(f, s, colour);
	}
}

void columns_titles(FILE *f, const struct column *c, size_t n, const unsigned *w, bool colour)
{
	const char *titles[COLUMNS_MAX];
	enum style styles[COLUMNS_MAX];

	for (size_t i = 0; i < n; i++) {
		titles[i] = c[i].title;
		styles[i] = DIM;
	}
	columns_row(f, c, n, w, titles, styles, colour, true);
}

/* --- table ----------------------------------------------------------------------------------- */

struct row_text {
	size_t cells;
	char *cell[COLUMNS_MAX];
	enum style style[COLUMNS_MAX];
	char *span;
};
struct table {
	struct column c[COLUMNS_MAX];
	size_t n, rows;
	unsigned width, w[COLUMNS_MAX];
	bool colour, measured;
	FILE *f;
	struct row_text row[TABLE_BATCH];
};

struct table *table_new(const struct column *c, size_t n, unsigned width, bool colour, FILE *f)
{
	struct table *t = n <= COLUMNS_MAX ? calloc(1, sizeof(*t)) : NULL;

	if (!t)
		return NULL;
	memcpy(t->c, c, n * sizeof(*c));
	t->n = n;
	t->width = width;
	t->colour = colour;
	t->f = f;
	return t;
}

static void row_done(struct row_text *r)
{
	for (size_t i = 0; i < r->cells; i++)
		free(r->cell[i]);
	free(r->span);
	memset(r, 0, sizeof(*r));
}

/* A column is as wide as its widest cell, within its own bounds. */
static void measure(struct table *t)
{
	for (size_t i = 0; i < t->n; i++) {
		unsigned widest = text_width(t->c[i].title), w;

		for (size_t r = 0; r < t->rows; r++)
			if (i < t->row[r].cells && (w = text_width(t->row[r].cell[i])) > widest)
				widest = w;
		if (t->c[i].most > widest)
			t->c[i].most = widest;
		if (t->c[i].least > t->c[i].most)
			t->c[i].least = t->c[i].most;
	}
	columns_fit(t->c, t->n, t->width, t->w);
	t->measured = true;
}

static void print_row(const struct table *t, const struct row_text *r)
{
	unsigned used = total(t->w, r->cells);

	columns_row(t->f, t->c, r->cells, t->w, (const char *const *)r->cell, r->style, t->colour,
		    !r->span);
	if (r->span) {
		fprintf(t->f, "%*s", COLUMNS_GAP, "");
		style_on(t->f, DIM, t->colour);
		used += COLUMNS_GAP;
		text_cut(t->f, r->span, !t->width ? 4096 : used < t->width ? t->width - used : 0);
		style_off(t->f, DIM, t->colour);
	}
	fputc('\n', t->f);
}

int table_flush(struct table *t)
{
	if (!t->measured) {
		measure(t);
		columns_titles(t->f, t->c, t->n, t->w, t->colour);
		fputc('\n', t->f);
	}
	for (size_t i = 0; i < t->rows; i++) {
		print_row(t, &t->row[i]);
		row_done(&t->row[i]);
	}
	t->rows = 0;
	return ferror(t->f) ? -EIO : 0;
}

int table_row(struct table *t, const char *const *cells, size_t n_cells, const enum style *styles,
	      const char *span)
{
	struct row_text *r = &t->row[t->rows];

	for (; r->cells < n_cells && r->cells < t->n; r->cells++) {
		r->cell[r->cells] = strdup(cells[r->cells]);
		if (!r->cell[r->cells])
			goto fail;
		r->style[r->cells] = styles ? styles[r->cells] : PLAIN;
	}
	if (span && !(r->span = strdup(span)))
		goto fail;
	return ++t->rows == TABLE_BATCH ? table_flush(t) : 0;
fail:
	row_done(r);
	return -ENOMEM;
}

void table_free(struct table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->rows; i++)
		row_done(&t->row[i]);
	free(t);
}
