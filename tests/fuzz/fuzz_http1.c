// SPDX-License-Identifier: Apache-2.0
// covers: user/flow/http1*.c
/* First byte: bit 0 request or answer, bits 1-7 size of the pieces of the body. Then a message. */
#include "flow/http1.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	size_t seen = 0, used = 0, data_n, piece = n ? 1 + (p[0] >> 1) : 1;
	struct http1_head h;
	struct http1_body b;
	struct http1_target t;
	const uint8_t *data;

	if (!n || http1_head_parse(p[0] & 1, p + 1, n - 1, &seen, &h, &used) != HTTP1_OK)
		return 0;
	http1_target_split(h.target, false, &t);
	http1_body_init(&b, p[0] & 1, &h, false);
	for (size_t at = 1 + used, len; at < n && !http1_body_over(&b); at += used) {
		len = piece < n - at ? piece : n - at;
		if (len == 100 && http1_body_gap(&b, 100) == HTTP1_BAD)
			break;
		if (http1_body_step(&b, p + at, len, &used, &data, &data_n) == HTTP1_BAD)
			break;
	}
	return 0;
}
