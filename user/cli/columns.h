/* SPDX-License-Identifier: Apache-2.0 */
/* Columns of a table: how wide each may be in a given width, and rows printed by that. */
#ifndef PROBITY_CLI_COLUMNS_H
#define PROBITY_CLI_COLUMNS_H

#include "base/cleanup.h"
#include "text.h"

#define COLUMNS_MAX 16
#define COLUMNS_GAP 2

struct column {
	const char *title;
	unsigned least, most; /* columns of the terminal */
	unsigned rank;	      /* the highest rank is dropped first; 0 never */
	bool right;
};
/* Fills w[n]; 0 = left out. width 0: no limit. Room that is left goes to the narrowest first. */
void columns_fit(const struct column *c, size_t n, unsigned width, unsigned *w);
/* One row without its newline; styles may be NULL. Trailing blanks of the last cell are left out
 * when `trim`. */
void columns_row(FILE *f, const struct column *c, size_t n, const unsigned *w,
		 const char *const *cells, const enum style *styles, bool colour, bool trim);
void columns_titles(FILE *f, const struct column *c, size_t n, const unsigned *w, bool colour);

/*
 * A table whose columns are as wide as what is in them. Rows are kept until table_flush; past
 * TABLE_BATCH rows they are printed with the widths of the first batch, so memory is bounded.
 */
#define TABLE_BATCH 1000
struct table;
struct table *table_new(const struct column *c, size_t n, unsigned width, bool colour, FILE *f);
/* `span` (may be NULL): a text over all columns from `cells` on, which are then only so many. */
int table_row(struct table *t, const char *const *cells, size_t n_cells, const enum style *styles,
	      const char *span);
int table_flush(struct table *t);
void table_free(struct table *t);
DEFINE_CLEANUP(struct table, table_free)

#endif
