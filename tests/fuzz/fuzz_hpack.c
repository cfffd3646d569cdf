// SPDX-License-Identifier: Apache-2.0
// covers: user/flow/hpack.c
/* First byte: 1 joined late. Then blocks: a control byte (1 cut, 2 one was missed before), a length,
 * and bytes. Every field given can be read. */
#include "flow/hpack.h"
#include "fuzz.h"

static void field(void *ctx, const char *name, size_t name_n, const char *value, size_t value_n)
{
	volatile unsigned *sum = ctx;

	for (size_t i = 0; i < name_n; i++)
		*sum += (unsigned char)name[i];
	for (size_t i = 0; i < value_n; i++)
		*sum += (unsigned char)value[i];
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct hpack *h = hpack_new(n && p[0] & 1);
	unsigned sum = 0, unknown;

	for (size_t at = 1, len; h && at + 2 < n; at += 2 + len) {
		len = p[at + 1] < n - at - 2 ? p[at + 1] : n - at - 2;
		if (p[at] & 2)
			hpack_missed(h);
		hpack_block(h, p + at + 2, len, p[at] & 1, field, &sum, &unknown);
	}
	hpack_free(h);
	return 0;
}
