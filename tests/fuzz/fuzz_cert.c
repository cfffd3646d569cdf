// SPDX-License-Identifier: Apache-2.0
// covers: user/cli/cert.c
// covers: user/cli/sealchain.c
/* A certificate of anybody's: judged to the end or to its first fault, and under a key that signed nothing
 * never taken. */
#include <stdlib.h>

#include "cli/cert.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const uint8_t nobody[RECORD_PUBKEY_LEN] = {1};
	static const struct note_key witness = {.name = "w"};
	const struct cert_trust own = {0}, other = {nobody, &witness, 1};
	json_t *cert = json_loadb((const char *)p, n, JSON_REJECT_DUPLICATES, NULL);
	struct cert_result r;

	if (!cert)
		return 0;
	if (!cert_verify(cert, &own, &r) &&
	    (!r.n || r.n > CERT_STEPS_MAX || r.ok == (r.steps[r.n - 1].verdict == CERT_FAILS)))
		abort();
	if (!cert_verify(cert, &other, &r) && r.ok)
		abort();
	json_decref(cert);
	return 0;
}
