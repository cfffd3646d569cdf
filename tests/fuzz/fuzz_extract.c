// SPDX-License-Identifier: Apache-2.0
// covers: user/flow/extract.c user/flow/json.c user/flow/jsonpath.c user/flow/dialect/*.c
/* First byte: path; then documents after 0x01 (request) and 0x02 (answer). */
#include "flow/extract.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct interaction it;
	struct extract *x;

	interaction_init(&it);
	it.dialect = n ? *p % DIALECT__MAX : DIALECT_NONE;
	it.dialect_by_path = true;
	x = extract_new(&it);
	for (size_t i = 1; x && i < n; i++)
		if (p[i] == 1 || p[i] == 2)
			extract_begin(x, p[i] - 1, NULL);
		else
			extract_data(x, p + i, 1, i);
	if (x)
		extract_end(x, n & 1);
	extract_free(x);
	return 0;
}
