// SPDX-License-Identifier: Apache-2.0
/* See reader.h. */
#include "reader.h"

#include <string.h>

void reader_bytes(struct reader *r, void *dst, size_t n)
{
	const uint8_t *p = reader_take(r, n);

	if (p)
		memcpy(dst, p, n);
	else
		memset(dst, 0, n);
}
