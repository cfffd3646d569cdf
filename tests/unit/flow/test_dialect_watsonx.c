// SPDX-License-Identifier: Apache-2.0
/* Vectors of tests/vectors/watsonx; a case is a row here and its files there. */
#include "vector.h"

int main(void)
{
	const struct CMUnitTest tests[] = {
		VECTOR("watsonx/chat"),
		VECTOR("watsonx/chat_stream"),
		VECTOR("watsonx/error"),
		VECTOR("watsonx/generation"),
		VECTOR("watsonx/generation_stream"),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
