// SPDX-License-Identifier: Apache-2.0
/* Bytes as digits and back; no limit on length, no allocation. */
#include "hex.h"

#include <stdint.h>
#include <string.h>

void hex_encode(const void *p, size_t n, char *out)
{
	static const char digit[] = "0123456789abcdef";
	const uint8_t *b = p;

	for (; n; n--, b++) {
		*out++ = digit[*b >> 4];
		*out++ = digit[*b & 15];
	}
	*out = '\0';
}

static int nibble(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool decode(const char *s, char lower, uint8_t *out, size_t n)
{
	for (; n; n--, s += 2) {
		int hi = nibble(s[0] | lower), lo = nibble(s[1] | lower);

		if (hi < 0 || lo < 0)
			return false;
		*out++ = hi << 4 | lo;
	}
	return true;
}

bool hex_decode(const char *s, size_t digits, void *out, size_t n)
{
	return digits == 2 * n && decode(s, 0, out, n);
}

bool hex_decode_typed(const char *s, size_t len, void *out, size_t n)
{
	while (len && strchr(" \t\r\n", s[len - 1]))
		len--;
	if (len != 2 * n)
		return false;
	/* Setting this bit changes no digit, and makes one of control characters. */
	for (size_t i = 0; i < len; i++)
		if (s[i] < '0')
			return false;
	return decode(s, 32, out, n);
}
