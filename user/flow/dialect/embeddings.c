// SPDX-License-Identifier: Apache-2.0
/*
 * Embeddings, as OpenAI and its followers have them and as Ollama has its own (/api/embed, and
 * /api/embeddings before it). Texts in, lists of numbers out: no stream, no tools, no output tokens.
 *
 * Some say only a total; nothing but the input can be in it.
 */
#include "dialect.h"

/* clang-format off */
static const struct rule request[] = {
	{"model", ON_TEXT, ACT_REQUEST_MODEL},
	{"input", ON_SOME, ACT_SEEN, Q_INPUT},
	{"input", ON_ARRAY, ACT_SEEN, Q_INPUT_LIST},
	{0},
};

static const struct rule response[] = {
	{"model", ON_TEXT, ACT_RESPONSE_MODEL},
	{"object", ON_TEXT, ACT_SEEN, R_LIST, "list"},
	{"data[*].embedding", ON_ARRAY | ON_SOME, ACT_SEEN, R_EMBEDDING},
	{"usage.prompt_tokens", ON_NUMBER, ACT_COUNT, RAW_INPUT},
	{"usage.total_tokens", ON_NUMBER, ACT_COUNT, RAW_TOTAL},
	RULES_ERROR,
	{0},
};

static const struct rule ollama_request[] = {
	{"model", ON_TEXT, ACT_REQUEST_MODEL},
	{"input", ON_SOME, ACT_SEEN, Q_INPUT},
	{"input", ON_ARRAY, ACT_SEEN, Q_INPUT_LIST},
	{"prompt", ON_SOME, ACT_SEEN, Q_PROMPT},
	{0},
};

static const struct rule ollama_response[] = {
	{"model", ON_TEXT, ACT_RESPONSE_MODEL},
	{"embeddings", ON_ARRAY, ACT_SEEN, R_EMBEDDINGS},
	{"total_duration", ON_NUMBER, ACT_SEEN, R_DURATION},
	{"prompt_eval_count", ON_NUMBER, ACT_COUNT, RAW_INPUT},
	RULES_ERROR,
	{0},
};
/* clang-format on */

static enum fit asks(uint64_t seen, bool by_path)
{
	return by_path && saw(seen, Q_MODEL) && (saw(seen, Q_INPUT) || saw(seen, Q_INPUT_LIST))
		       ? FIT_AGREES
		       : FIT_NOT;
}

static enum fit answers(uint64_t seen)
{
	return saw(seen, R_LIST) && saw(seen, R_EMBEDDING) ? FIT_CLEAR : FIT_NOT;
}

static void count(const int64_t raw[RAW__MAX], bool open, struct tokens *t)
{
	if (raw[RAW_INPUT] >= 0)
		t->input = raw[RAW_INPUT];
	else
		t->input = raw[RAW_TOTAL];
}

static enum fit ollama_asks(uint64_t seen, bool by_path)
{
	bool text = saw(seen, Q_INPUT) || saw(seen, Q_INPUT_LIST) || saw(seen, Q_PROMPT);

	return by_path && saw(seen, Q_MODEL) && text ? FIT_AGREES : FIT_NOT;
}

static enum fit ollama_answers(uint64_t seen)
{
	return saw(seen, R_MODEL) && saw(seen, R_EMBEDDINGS) && saw(seen, R_DURATION) ? FIT_CLEAR
										      : FIT_NOT;
}

static void ollama_count(const int64_t raw[RAW__MAX], bool open, struct tokens *t)
{
	t->input = raw[RAW_INPUT];
}

static const struct dialect_path paths[] = {{"/embeddings", true}, {0}};
static const struct dialect_path ollama_paths[] = {
	{"/api/embed", true},
	{"/api/embeddings", true},
	{0},
};

const struct dialect_def dialect_openai_embeddings = {
	.id = DIALECT_OPENAI_EMBEDDINGS,
	.paths = paths,
	.request = request,
	.response = response,
	.asks = asks,
	.answers = answers,
	.count = count,
};

const struct dialect_def dialect_ollama_embed = {
	.id = DIALECT_OLLAMA_EMBED,
	.paths = ollama_paths,
	.request = ollama_request,
	.response = ollama_response,
	.asks = ollama_asks,
	.answers = ollama_answers,
	.count = ollama_count,
};
