// SPDX-License-Identifier: Apache-2.0
// covers: user/export/manifest.c user/export/dsse.c
/* What a manifest parses to is written and parsed again to the same; no envelope of a stranger is by a key. */
#include <stdlib.h>
#include <string.h>

#include "export/dsse.h"
#include "export/manifest.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const uint8_t key[RECORD_PUBKEY_LEN] = {1};
	struct manifest m, k;
	char err[200] = "", *a, *b;
	const char *why = "";

	if (!dsse_verify((const char *)p, n, DSSE_BUNDLE_TYPE, "x", 1, key, &why))
		abort();
	if (manifest_parse((const char *)p, n, &m, err, sizeof(err)))
		return !err[0] ? abort(), 0 : 0;
	a = manifest_text(&m);
	for (size_t i = 0; i < m.n; i++)
		if (!bundle_path_ok(m.files[i].path) || !manifest_find(&m, m.files[i].path))
			abort();
	if (!a || manifest_parse(a, strlen(a), &k, err, sizeof(err)))
		abort();
	b = manifest_text(&k);
	if (!b || strcmp(a, b))
		abort();
	free(a);
	free(b);
	manifest_done(&m);
	manifest_done(&k);
	return 0;
}
