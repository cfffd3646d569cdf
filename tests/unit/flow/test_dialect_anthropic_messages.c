// SPDX-License-Identifier: Apache-2.0
/* Vectors of tests/vectors/anthropic_messages; a case is a row here and its files there. */
#include "vector.h"

int main(void)
{
	const struct CMUnitTest tests[] = {
		VECTOR("anthropic_messages/cache_1h"), VECTOR("anthropic_messages/count_tokens"),
		VECTOR("anthropic_messages/error"),    VECTOR("anthropic_messages/error_stream"),
		VECTOR("anthropic_messages/plain"),    VECTOR("anthropic_messages/stream"),
		VECTOR("anthropic_messages/tools"),    VECTOR("anthropic_messages/tools_stream"),
		VECTOR("anthropic_messages/vertex"),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
