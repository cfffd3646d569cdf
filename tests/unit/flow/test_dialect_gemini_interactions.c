// SPDX-License-Identifier: Apache-2.0
/* Vectors of tests/vectors/gemini_interactions; a case is a row here and its files there. */
#include "vector.h"

int main(void)
{
	const struct CMUnitTest tests[] = {
		VECTOR("gemini_interactions/error_stream"),
		VECTOR("gemini_interactions/plain"),
		VECTOR("gemini_interactions/stream"),
		VECTOR("gemini_interactions/tools"),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
