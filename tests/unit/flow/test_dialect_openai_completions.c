// SPDX-License-Identifier: Apache-2.0
/* Vectors of tests/vectors/openai_completions; a case is a row here and its files there. */
#include "vector.h"

int main(void)
{
	const struct CMUnitTest tests[] = {
		VECTOR("openai_completions/error"),
		VECTOR("openai_completions/fim"),
		VECTOR("openai_completions/plain"),
		VECTOR("openai_completions/stream"),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
