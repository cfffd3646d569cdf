// SPDX-License-Identifier: Apache-2.0
/* One text for each byte string and one byte string for each text, so that what is signed cannot be
 * written in two ways. No limit on length; no allocation. */
#include "base64.h"

#include <stdbool.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *p, size_t n, char *out)
{
	const uint8_t *in = p;

	for (; n; in += 3) {
		uint32_t v = in[0] << 16 | (n > 1 ? in[1] << 8 : 0) | (n > 2 ? in[2] : 0);

		*out++ = digits[v >> 18];
		*out++ = digits[v >> 12 & 63];
		*out++ = n > 1 ? digits[v >> 6 & 63] : '=';
		*out++ = n > 2 ? digits[v & 63] : '=';
		n -= n > 3 ? 3 : n;
	}
	*out = '\0';
}

static int value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

long base64_decode(const char *p, size_t n, void *out, size_t cap)
{
	size_t pad = n && p[n - 1] == '=' ? 1 + (n > 1 && p[n - 2] == '=') : 0, len = 0;
	uint8_t *to = out;
	uint32_t v = 0;

	if (n % 4 || n / 4 * 3 - pad > cap)
		return -1;
	for (size_t i = 0; i < n; i++) {
		int d = i < n - pad ? value(p[i]) : 0;

		if (d < 0)
			return -1;
		v = v << 6 | d;
		if (i % 4 != 3)
			continue;
		for (int k = 16; k >= 0; k -= 8) {
			if (len < n / 4 * 3 - pad)
				to[len++] = v >> k;
			else if (v >> k & 0xff)
				return -1;
		}
		v = 0;
	}
	return len;
}
