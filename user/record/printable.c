// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes in, safe UTF-8 out. Invariant: no output of printable_* or json_printable contains a C0 or
 * C1 control (json_printable keeps newlines, which only an indenting encoder puts there), DEL, a
 * bidirectional override or an invisible format character, so nothing a captured program wrote can
 * move the cursor, retitle a window or reorder a line. Over-long encodings and surrogates count as
 * broken. A text that does not fit is cut between characters.
 */
#include "printable.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BROKEN 0xFFFFFFFFu
#define REPLACEMENT "\xEF\xBF\xBD"

size_t utf8_next(const char *s, size_t n, uint32_t *ret)
{
	const uint8_t *p = (const uint8_t *)s;
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = p[0] < 0x80 ? 1 : p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
	uint32_t c = p[0];

	*ret = BROKEN;
	if (len == 1) {
		*ret = c;
		return 1;
	}
	if (p[0] < 0xC2 || p[0] > 0xF4 || len > n)
		return 1;
	c &= 0x7F >> len;
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xC0) != 0x80)
			return 1;
		c = c << 6 | (p[i] & 0x3F);
	}
	if (c < least[len] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
		return 1;
	*ret = c;
	return len;
}

bool unsafe_char(uint32_t c)
{
	return c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0xAD || c == 0x61C || c == 0x180E ||
	       (c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) ||
	       (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFB) ||
	       (c >= 0xE0000 && c <= 0xE0FFF);
}

size_t printable_copy(char *dst, size_t cap, const char *s)
{
	size_t n = s ? strlen(s) : 0, out = 0;

	if (!cap)
		return 0;
	while (n) {
		uint32_t c;
		size_t k = utf8_next(s, n, &c), w = k;
		const char *from = s;

		if (c == BROKEN) {
			from = REPLACEMENT;
			w = 3;
		} else if (unsafe_char(c)) {
			from = "?";
			w = 1;
		}
		if (out + w >= cap)
			break;
		memcpy(dst + out, from, w);
		out += w;
		s += k;
		n -= k;
	}
	dst[out] = '\0';
	return out;
}

char *printable_dup(const char *s)
{
	size_t cap = (s ? strlen(s) : 0) * 3 + 1;
	char *d = malloc(cap);

	if (d)
		printable_copy(d, cap, s);
	return d;
}

char *utf8_dup(const char *s, size_t n)
{
	char *d = malloc(n * 3 + 1), *o = d;

	if (!d)
		return NULL;
	while (n) {
		uint32_t c;
		size_t k = utf8_next(s, n, &c), w = c == BROKEN ? 3 : k;

		memcpy(o, c == BROKEN ? REPLACEMENT : s, w);
		o += w;
		s += k;
		n -= k;
	}
	*o = '\0';
	return d;
}

/* Characters above the basic plane take two \u escapes, 12 bytes for 4; others 6 bytes for ≥ 1. */
static size_t json_escape(uint32_t c, char *out)
{
	if (c < 0x10000)
		return sprintf(out, "\\u%04x", c);
	c -= 0x10000;
	return sprintf(out, "\\u%04x\\u%04x", 0xD800 + (c >> 10), 0xDC00 + (c & 0x3FF));
}

char *json_printable(const char *json)
{
	size_t n = strlen(json);
	char *d = malloc(n * 6 + 1), *o = d;

	if (!d)
		return NULL;
	while (n) {
		uint32_t c;
		size_t k = utf8_next(json, n, &c);

		if (c == BROKEN) {
			o += json_escape(0xFFFD, o);
		} else if (c != '\n' && unsafe_char(c)) {
			o += json_escape(c, o);
		} else {
			memcpy(o, json, k);
			o += k;
		}
		json += k;
		n -= k;
	}
	*o = '\0';
	return d;
}
