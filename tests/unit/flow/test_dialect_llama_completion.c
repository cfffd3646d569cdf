// SPDX-License-Identifier: Apache-2.0
/* Vectors of tests/vectors/llama_completion; a case is a row here and its files there. */
#include "vector.h"

int main(void)
{
	const struct CMUnitTest tests[] = {
		VECTOR("llama_completion/infill"),
		VECTOR("llama_completion/plain"),
		VECTOR("llama_completion/stream"),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
