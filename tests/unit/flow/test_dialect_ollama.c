// SPDX-License-Identifier: Apache-2.0
/* Vectors of tests/vectors/ollama; a case is a row here and its files there. */
#include "vector.h"

int main(void)
{
	const struct CMUnitTest tests[] = {
		VECTOR("ollama/chat_plain"), VECTOR("ollama/chat_stream"), VECTOR("ollama/error"),
		VECTOR("ollama/generate"),   VECTOR("ollama/tools"),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
