// SPDX-License-Identifier: Apache-2.0
/* Vectors of tests/vectors/gemini; a case is a row here and its files there. */
#include "vector.h"

int main(void)
{
	const struct CMUnitTest tests[] = {
		VECTOR("gemini/array"),	      VECTOR("gemini/count_tokens"), VECTOR("gemini/error"),
		VECTOR("gemini/error_array"), VECTOR("gemini/partial_args"), VECTOR("gemini/plain"),
		VECTOR("gemini/stream"),      VECTOR("gemini/tools_snake"),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
