// SPDX-License-Identifier: Apache-2.0
// covers: user/record/record.c
/* A record of any content: what decodes encodes to the same bytes, and nothing unsigned is taken
 * into a chain. The last 64 bytes are its signature. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "record/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	size_t len = n < RECORD_SIG_LEN ? 0 : n - RECORD_SIG_LEN;
	uint8_t *again = malloc(len + 1);
	struct chain_sealed sealed = {.sig = p + len};
	struct chain_state c = {0};
	const char *why = NULL;
	struct record r;

	if (!record_decode(p, len, &r, &why) && !record_erased(p, len) &&
	    (record_encode(&r, again, len) != len || memcmp(p, again, len)))
		abort();
	if (len && !chain_append(&c, p, len, &sealed, &r, &why) && r.alg != RECORD_CHECKPOINT &&
	    (!verifier_ok(c.verifier, p, RECORD_HEADER_LEN, p + len) || c.next_seq != r.seq + 1))
		abort();
	chain_state_done(&c);
	free(again);
	return 0;
}
