/* SPDX-License-Identifier: Apache-2.0 */
/* Base 64 of RFC 4648 §4, strict: whole quads, padding only at the end, spare bits zero, nothing else. */
#ifndef PROBITY_BASE_BASE64_H
#define PROBITY_BASE_BASE64_H

#include <stddef.h>
#include <stdint.h>

#define BASE64_LEN(n) (((n) + 2) / 3 * 4) /* without a NUL */

/* Writes BASE64_LEN(n) characters and a NUL. */
void base64_encode(const void *p, size_t n, char *out);
/* Bytes, or -1: not base 64, or more than cap. An empty text is no bytes. */
long base64_decode(const char *p, size_t n, void *out, size_t cap);

#endif
