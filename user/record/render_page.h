/* SPDX-License-Identifier: Apache-2.0 */
/* The parts a page and a line for people are made of, and the kinds of record with a file of their
 * own. All texts pass printable_copy. */
#ifndef PROBITY_RECORD_RENDER_PAGE_H
#define PROBITY_RECORD_RENDER_PAGE_H

#include "render.h"

void page_word(FILE *f, const char *before, const char *s); /* of a line; nothing when empty */
void page_group(FILE *f, const char *name);
/* "  label           text", nothing when the text is empty. */
void page_text(FILE *f, const char *label, const char *s);
void page_textf(FILE *f, const char *label, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void page_hex(FILE *f, const char *label, const uint8_t *p, size_t n);
void page_number(FILE *f, const char *label, uint64_t v);
/* A moment of the call, in milliseconds after its start. */
void page_moment(FILE *f, const char *label, uint64_t ns);
void page_list(FILE *f, const char *label, char **v, size_t n, const char *sep);
const char *page_first(const char *a, const char *b, const char *c); /* that is not empty */

/* "alice (uid 1000)"; a pseudonym has no number. */
void page_user(FILE *f, const char *label, const char *name, uint32_t uid);

void page_decision(FILE *f, const Probity__V1__Decision *d); /* NULL: none recorded */

void render_denial_line(FILE *f, const Probity__V1__Denial *d);
void render_denial_page(FILE *f, const Probity__V1__Denial *d);
void render_mcp_line(FILE *f, const Probity__V1__McpCall *c);
void render_mcp_page(FILE *f, const Probity__V1__McpCall *c);

#endif
