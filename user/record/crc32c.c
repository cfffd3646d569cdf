// SPDX-License-Identifier: Apache-2.0
/*
 * CRC-32C (Castagnoli, reflected 0x82f63b78) as in RFC 3720: crc32c(0, p, n) of a whole, or in
 * pieces by passing the last result. The processor's instruction where there is one, found once at
 * run time; else a table of 1 KiB. No state, no limits.
 */
#include "segment.h"

#include <string.h>

static uint32_t table[256];

__attribute__((constructor)) static void table_fill(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int k = 0; k < 8; k++)
			c = c & 1 ? c >> 1 ^ 0x82f63b78u : c >> 1;
		table[i] = c;
	}
}

static uint32_t by_table(uint32_t c, const uint8_t *p, size_t n)
{
	while (n--)
		c = table[(c ^ *p++) & 0xff] ^ c >> 8;
	return c;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t by_sse42(uint32_t crc, const uint8_t *p, size_t n)
{
	uint64_t c = crc;

	for (; n >= 8; n -= 8, p += 8) {
		uint64_t v;

		memcpy(&v, p, 8);
		c = __builtin_ia32_crc32di(c, v);
	}
	while (n--)
		c = __builtin_ia32_crc32qi(c, *p++);
	return c;
}
#endif

uint32_t crc32c_portable(uint32_t crc, const void *p, size_t n)
{
	return ~by_table(~crc, p, n);
}

uint32_t crc32c(uint32_t crc, const void *p, size_t n)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("sse4.2"))
		return ~by_sse42(~crc, p, n);
#endif
	return ~by_table(~crc, p, n);
}
