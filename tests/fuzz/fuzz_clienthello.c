// SPDX-License-Identifier: Apache-2.0
// covers: user/flow/clienthello.c user/flow/handshake.c
/* The bytes a client writes first. A shorter prefix never says more than the whole. */
#include <stdlib.h>
#include <string.h>

#include "flow/clienthello.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct clienthello whole = {0}, part = {0};
	enum clienthello_answer a = clienthello_parse(p, n, &whole);

	if (a != CLIENTHELLO_BAD && clienthello_parse(p, n / 2, &part) == CLIENTHELLO_BAD)
		abort();
	if (a != CLIENTHELLO_BAD && part.sni_seen && strcmp(part.sni, whole.sni) != 0)
		abort();
	return 0;
}
