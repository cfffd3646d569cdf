/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text of a record made safe for a terminal, a log line or a JSON string. Texts in a record were
 * chosen by the observed programs: they may carry escape sequences or broken UTF-8. PURE.
 */
#ifndef PROBITY_RECORD_PRINTABLE_H
#define PROBITY_RECORD_PRINTABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One code point of at most n bytes (n > 0): bytes taken; *ret is 0xFFFFFFFF for a broken sequence
 * (then 1 byte is taken). */
size_t utf8_next(const char *s, size_t n, uint32_t *ret);
/* Control, format and bidirectional-override characters: what may move a cursor or hide text. */
bool unsafe_char(uint32_t c);

/* Copies with NUL, cut at a character boundary; unsafe characters become '?', broken UTF-8 becomes
 * U+FFFD. Returns bytes written without the NUL. s may be NULL. */
size_t printable_copy(char *dst, size_t cap, const char *s);
/* The same over the whole text; caller frees; NULL when out of memory. */
char *printable_dup(const char *s);
/* Valid UTF-8, control characters kept: for JSON, where the encoder escapes them. Caller frees. */
char *utf8_dup(const char *s, size_t n);
/* Rewrites JSON text so that its strings carry no unsafe character raw: they become \uXXXX, which
 * means the same. Caller frees. */
char *json_printable(const char *json);

#endif
