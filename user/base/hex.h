/* SPDX-License-Identifier: Apache-2.0 */
/* Hexadecimal digits, written in lower case. */
#ifndef PROBITY_BASE_HEX_H
#define PROBITY_BASE_HEX_H

#include <stdbool.h>
#include <stddef.h>

/* Writes 2 n digits and a NUL. */
void hex_encode(const void *p, size_t n, char *out);
/* Exactly 2 n digits as hex_encode writes them, else false and `out` is not defined. */
bool hex_decode(const char *s, size_t digits, void *out, size_t n);
/* Of either case, as people write them, and with blanks behind. */
bool hex_decode_typed(const char *s, size_t len, void *out, size_t n);

#endif
