// SPDX-License-Identifier: Apache-2.0
/* Vectors of tests/vectors/openai_chat; a case is a row here and its files there. */
#include "vector.h"

int main(void)
{
	const struct CMUnitTest tests[] = {
		VECTOR("openai_chat/reasoning_beside"),
		VECTOR("openai_chat/azure"),
		VECTOR("openai_chat/error"),
		VECTOR("openai_chat/plain"),
		VECTOR("openai_chat/stream"),
		VECTOR("openai_chat/stream_no_usage"),
		VECTOR("openai_chat/tools"),
		VECTOR("openai_chat/tools_compat"),
		VECTOR("openai_chat/tools_stream"),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
