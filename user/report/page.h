/* SPDX-License-Identifier: Apache-2.0 */
/* report.json as one page of HTML: no script, nothing from elsewhere, printable. PURE. */
#ifndef PROBITY_REPORT_PAGE_H
#define PROBITY_REPORT_PAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/cleanup.h"

/* The page, NUL-terminated; caller frees. 0, -ENOMEM. */
int page_build(const json_t *root, char **ret, size_t *ret_n);

/* --- its parts ----------------------------------------------------------------------------------- */

struct page {
	FILE *f;
	const json_t *root;
};
/* Every number on the page is looked up in the document by its path and carries it (data-n, data-v), so
 * page and document cannot differ. */
enum page_unit { UNIT_COUNT, UNIT_SHARE, UNIT_USD, UNIT_SECONDS, UNIT_MS };
void page_num(struct page *p, enum page_unit u, const char *path, ...)
	__attribute__((format(printf, 3, 4)));
/* The same inside of an SVG, at a place. */
void page_num_at(struct page *p, double x, double y, const char *class, const char *path, ...)
	__attribute__((format(printf, 5, 6)));
void page_format(enum page_unit u, json_int_t v, char *out, size_t cap);
const json_t *page_at(const struct page *p, const char *path, ...)
	__attribute__((format(printf, 2, 3)));
json_int_t page_int(const json_t *o, const char *key);	/* 0: null, not there */
const char *page_str(const json_t *o, const char *key); /* "": null, not there */
size_t page_size(const json_t *o, const char *key);
/* Markup as it stands; text is escaped and made printable. */
void page_raw(struct page *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void page_put(struct page *p, const char *text);
void page_day(struct page *p, const char *time); /* the day of an RFC 3339 time; "–" for none */
void page_minute(struct page *p, const char *time);
void page_second(struct page *p, const char *time);
void page_cell(struct page *p, const char *text); /* <td> */
void page_more(struct page *p, size_t shown, const char *path);
/* Tables. heads: "Name|#Number|…". path: of the rows in the document; a name and its "new" are a row's first
 * cell. */
void page_table(struct page *p, const char *title, const char *heads);
void page_table_end(struct page *p, size_t shown, const char *path);
void page_table_name(struct page *p, const json_t *row);
void page_table_num(struct page *p, enum page_unit u, const char *path, size_t i, const char *key);
size_t page_rows(const struct page *p, const char *path); /* how many are shown */
#define PAGE_ROWS 25 /* of a table; the rest is in report.json */

void page_summary(struct page *p);
void page_findings(struct page *p);
void page_charts(struct page *p);
void page_inventory(struct page *p);
void page_rates(struct page *p);
void page_declared(struct page *p); /* suppliers, register, statement */
void page_controls(struct page *p);
void page_operation(struct page *p);
void page_policies(struct page *p);
void page_records(struct page *p); /* chains, and how to check all this */

/* Charts. */
void chart_weeks(struct page *p);
void chart_completeness(struct page *p, const char *what, const char *title);
void chart_controls(struct page *p);
void chart_watch(struct page *p);

#endif
