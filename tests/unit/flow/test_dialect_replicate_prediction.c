// SPDX-License-Identifier: Apache-2.0
/* Vectors of tests/vectors/replicate_prediction; a case is a row here and its files there. */
#include "vector.h"

int main(void)
{
	const struct CMUnitTest tests[] = {
		VECTOR("replicate_prediction/error"),
		VECTOR("replicate_prediction/plain"),
		VECTOR("replicate_prediction/version"),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
