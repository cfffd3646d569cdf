// SPDX-License-Identifier: Apache-2.0
// covers: user/record/render*.c user/record/printable.c
/* First byte: what the payload claims to be. Any payload is shown, and what is shown is printable. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "record/render.h"

static void printable(char *s, bool lines)
{
	for (const unsigned char *c = (unsigned char *)s; c && *c; c++)
		if ((*c < 0x20 && !(lines && *c == '\n')) || *c == 0x7f)
			abort();
	free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct record r = {.alg = RECORD_ED25519, .seq = 3, .id = 4};
	struct sealed s;
	const char *why;
	uint8_t sig[RECORD_SIG_LEN] = {}, *b;
	size_t len;
	json_t *j;

	if (!n)
		return 0;
	r.schema = p[0] % 5;
	r.payload = p + 1;
	r.payload_len = n - 1;
	b = malloc(RECORD_HEADER_LEN + n);
	len = b ? record_encode(&r, b, RECORD_HEADER_LEN + n) : 0;
	if (len && !sealed_open(b, len, sig, &s, &why)) {
		j = render_json(&s);
		if (!j)
			abort();
		json_decref(j);
		printable(render_line(&s), false);
		printable(render_detail(&s), true);
		json_decref(render_certificate(&s, sig));
		sealed_done(&s);
	}
	free(b);
	return 0;
}
