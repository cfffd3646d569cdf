// SPDX-License-Identifier: Apache-2.0
// covers: user/agent/discover/[!fgst]*.c user/agent/discover/search.c
/* Any bytes as an ELF file: every site that comes out lies in the file, in the table, and the same
 * file gives the same offsets again. The inputs to start from are images of the signatures: the
 * first byte picks a row and a machine, the rest is laid over its image; or the file is taken as is. */
#include <stdlib.h>
#include <string.h>

#include "agent/discover/fixture.h"
#include "fuzz.h"

static void check(const uint8_t *p, size_t n)
{
	static struct tls_found f;
	char why[TLS_WHY_MAX];

	memset(&f, 0, sizeof(f));
	if (tls_resolve(p, n, &tls_signatures_compiled, &f, why, sizeof(why)) <= 0)
		return;
	for (int i = 0; i < f.functions_n; i++)
		if (f.functions[i].first + f.functions[i].n > f.sites_n)
			abort();
	for (int i = 0; i < f.sites_n; i++) {
		uint64_t was = f.sites[i].offset;

		if (was >= n || tls_relocate(p, n, &f, why, sizeof(why)) ||
		    f.sites[i].offset != was)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct fixture x;

	if (n >= 4 && !memcmp(p,
			      "\x7f"
			      "ELF",
			      4)) {
		check(p, n);
		return 0;
	}
	if (n < 4 || !fixture_make(&tls_signatures_compiled, p[0] % tls_signatures_compiled.n,
				   p[1] & 1, FIXTURE_RIGHT, p[1] & 2, &x))
		return 0;
	/* Triples: where (in units that reach all of it), and what. */
	for (p += 2, n -= 2; n >= 3; p += 3, n -= 3)
		x.bytes[(p[0] << 8 | p[1]) % FIXTURE_SIZE] = p[2];
	check(x.bytes, sizeof(x.bytes));
	return 0;
}
