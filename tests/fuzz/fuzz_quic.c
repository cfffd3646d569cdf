// SPDX-License-Identifier: Apache-2.0
// covers: user/flow/quic.c
/* Datagrams, each with its length in two bytes before it. The same ones again say the same. */
#include <stdlib.h>

#include "base/reader.h"
#include "flow/quic.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct quic_hello *q = quic_hello_new();
	struct reader r = reader_of(p, n);
	struct clienthello h;

	while (!r.bad && reader_left(&r)) {
		size_t len = reader_u16(&r);
		const uint8_t *d = reader_take(&r, len < reader_left(&r) ? len : reader_left(&r));
		size_t got = d ? (size_t)(r.p - d) : 0;

		if (d && quic_initial(q, d, got, &h) == QUIC_OK &&
		    quic_initial(q, d, got, &h) != QUIC_OK)
			abort();
	}
	quic_hello_free(q);
	return 0;
}
