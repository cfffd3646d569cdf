// SPDX-License-Identifier: Apache-2.0
/* Vectors of tests/vectors/cohere_v2; a case is a row here and its files there. */
#include "vector.h"

int main(void)
{
	const struct CMUnitTest tests[] = {
		VECTOR("cohere_v2/billed"),
		VECTOR("cohere_v2/error"),
		VECTOR("cohere_v2/plain"),
		VECTOR("cohere_v2/stream"),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
