/* SPDX-License-Identifier: Apache-2.0 */
/* Columns of a terminal: how wide a text is, cut and padded; numbers people can read. */
#ifndef PROBITY_CLI_TEXT_H
#define PROBITY_CLI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum style { PLAIN, DIM, BOLD, GOOD, NOTE, WARN, BAD, ALARM, HEAD, STYLE__MAX };
/* Texts here are printable UTF-8 (record/printable.h); widths need a UTF-8 LC_CTYPE. */
size_t text_width(const char *s);
/* Writes s in exactly `width` columns: padded, or cut with an ellipsis; right: padded before. */
void text_cell(FILE *f, const char *s, size_t width, bool right);
/* At most `width` columns, no padding; returns the columns written. */
size_t text_cut(FILE *f, const char *s, size_t width);
void style_on(FILE *f, enum style s, bool colour);
void style_off(FILE *f, enum style s, bool colour);

void text_size(uint64_t bytes, char ret[static 16]);	   /* "1.2 MiB" */
void text_count(int64_t n, char ret[static 16]);	   /* "812", "12.3k", "4.1M"; "-" below 0 */
void text_duration(uint64_t seconds, char ret[static 24]); /* "2 d 3 h", "14 s" */

/* --- times ---------------------------------------------------------------------------------- */

enum time_form { TIME_CLOCK /* 08:56:01 */, TIME_DATE /* 2026-11-21 08:56:01 */ };
void time_local(uint64_t unix_ns, enum time_form form, char ret[static 32]);
/* "90s", "5m", "1h", "2d", "1w" (before now), "now", "today", "yesterday", "2026-11-21",
 * "2026-11-21 08:56[:01[.5]]" (local time), RFC 3339 with Z or an offset. */
bool time_parse(const char *s, uint64_t now_ns, uint64_t *ret_ns);
uint64_t time_now(void);
int64_t time_steady_ms(void); /* monotonic, for intervals */

#endif
