// SPDX-License-Identifier: Apache-2.0
// covers: user/flow/serverhello.c user/flow/handshake.c
/* The bytes a server writes first. A shorter prefix of a good one is not bad. */
#include <stdlib.h>
#include <string.h>

#include "flow/serverhello.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct serverhello whole = {0}, part = {0};
	enum serverhello_answer a = serverhello_parse(p, n, &whole);

	if (a != SERVERHELLO_BAD && serverhello_parse(p, n / 2, &part) == SERVERHELLO_BAD)
		abort();
	if (a == SERVERHELLO_OK && part.cipher && part.cipher != whole.cipher)
		abort();
	return strlen(whole.alpn) >= sizeof(whole.alpn);
}
