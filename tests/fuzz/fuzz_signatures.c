// SPDX-License-Identifier: Apache-2.0
// covers: user/agent/discover/signatures_yaml.c user/policy/yaml_doc.c
/* Any bytes as the table of signatures: refused with one clean line, or taken and freed. */
#include <stdlib.h>
#include <string.h>

#include "agent/discover/signatures.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct tls_signatures *s = NULL;
	char err[256] = "";

	if (tls_signatures_load((const char *)p, n, &s, err, sizeof(err))) {
		if (s || strpbrk(err, "\n\r\t\x1b"))
			abort();
		return 0;
	}
	for (size_t i = 0; i < s->n; i++)
		if (s->rows[i].method >= SIG__METHODS || s->rows[i].pattern.n > SIG_PATTERN_MAX ||
		    !memchr(s->rows[i].name, 0, sizeof(s->rows[i].name)))
			abort();
	tls_signatures_free(s);
	return 0;
}
