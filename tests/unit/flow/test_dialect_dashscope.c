// SPDX-License-Identifier: Apache-2.0
/* Vectors of tests/vectors/dashscope; a case is a row here and its files there. */
#include "vector.h"

int main(void)
{
	const struct CMUnitTest tests[] = {
		VECTOR("dashscope/error"),
		VECTOR("dashscope/plain"),
		VECTOR("dashscope/prompt"),
		VECTOR("dashscope/stream"),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
