// SPDX-License-Identifier: Apache-2.0
/* Vectors of tests/vectors/bedrock_converse; a case is a row here and its files there. */
#include "vector.h"

int main(void)
{
	const struct CMUnitTest tests[] = {
		VECTOR("bedrock_converse/plain"),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
