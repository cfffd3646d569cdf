// SPDX-License-Identifier: Apache-2.0
/* Vectors of tests/vectors/openai_embeddings and ollama_embed; a case is a row here and its files there. */
#include "vector.h"

int main(void)
{
	const struct CMUnitTest tests[] = {
		VECTOR("openai_embeddings/azure"), VECTOR("openai_embeddings/error"),
		VECTOR("openai_embeddings/plain"), VECTOR("openai_embeddings/total"),
		VECTOR("ollama_embed/error"),	   VECTOR("ollama_embed/old"),
		VECTOR("ollama_embed/plain"),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
