// SPDX-License-Identifier: Apache-2.0
/* Vectors of tests/vectors/tgi_generate; a case is a row here and its files there. */
#include "vector.h"

int main(void)
{
	const struct CMUnitTest tests[] = {
		VECTOR("tgi_generate/error"),
		VECTOR("tgi_generate/plain"),
		VECTOR("tgi_generate/stream"),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
