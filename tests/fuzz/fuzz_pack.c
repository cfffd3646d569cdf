// SPDX-License-Identifier: Apache-2.0
// covers: user/policy/*.c
/* Any bytes as a pack: refused with one clean line, or taken, decided on, tested and freed. */
#include <stdlib.h>
#include <string.h>

#include "policy/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void each(void *ctx, const char *name, bool ok, const char *detail)
{
	if (ok != !*detail)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pack_krule k[64];
	struct pack *p = NULL;
	char err[256] = "";
	size_t total;

	if (pack_parse("f", (const char *)data, size, &p, err, sizeof(err))) {
		if (p || strncmp(err, "f:", 2) || strpbrk(err, "\n\r\t\x1b"))
			abort();
		return 0;
	}
	pack_test(p, each, NULL, &total);
	if (*err || pack_krules(p, k) > 64 || !pack_rules(p))
		abort();
	pack_free(p);
	return 0;
}
