// SPDX-License-Identifier: Apache-2.0
/* Vectors of tests/vectors/openai_audio and openai_images; a case is a row here and its files there. */
#include "vector.h"

int main(void)
{
	const struct CMUnitTest tests[] = {
		VECTOR("openai_audio/speech"),
		VECTOR("openai_images/generation"),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
