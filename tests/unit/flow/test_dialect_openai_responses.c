// SPDX-License-Identifier: Apache-2.0
/* Vectors of tests/vectors/openai_responses; a case is a row here and its files there. */
#include "vector.h"

int main(void)
{
	const struct CMUnitTest tests[] = {
		VECTOR("openai_responses/compat_usage"),  VECTOR("openai_responses/error"),
		VECTOR("openai_responses/failed_stream"), VECTOR("openai_responses/plain"),
		VECTOR("openai_responses/stream"),	  VECTOR("openai_responses/tools"),
		VECTOR("openai_responses/tools_stream"),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
