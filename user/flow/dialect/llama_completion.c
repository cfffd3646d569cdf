// SPDX-License-Identifier: Apache-2.0
/*
 * llama.cpp's own completion and infill: prompt and sampling in, a text and its timings out. Which
 * model it is the server alone knows, unless it says so.
 *
 * A prompt alone is no evidence: only what this server's parameters are called makes it one, or its
 * answer. Counts: tokens_evaluated is the whole prompt, timings.cache_n what of it was still there;
 * tokens_cached is neither, it also holds what was generated.
 */
#include "dialect.h"

/* clang-format off */
static const struct rule request[] = {
	{"model", ON_TEXT, ACT_REQUEST_MODEL},
	{"stream", ON_BOOL, ACT_STREAM},
	{"prompt", ON_SOME, ACT_MESSAGE, FROM_PROMPT},
	{"prompt", ON_SOME, ACT_SEEN, Q_PROMPT},
	{"prompt", ON_ARRAY, ACT_MESSAGE, FROM_PROMPT},
	{"prompt", ON_ARRAY, ACT_SEEN, Q_PROMPT_LIST},
	{"input_prefix", ON_SOME, ACT_SEEN, Q_PROMPT},
	{"n_predict", ON_NUMBER, ACT_SEEN, Q_LLAMA},
	{"cache_prompt", ON_BOOL, ACT_SEEN, Q_LLAMA},
	{"id_slot", ON_NUMBER, ACT_SEEN, Q_LLAMA},
	{"n_probs", ON_NUMBER, ACT_SEEN, Q_LLAMA},
	{"samplers", ON_ARRAY, ACT_SEEN, Q_LLAMA},
	{"mirostat", ON_NUMBER, ACT_SEEN, Q_LLAMA},
	{0},
};

static const struct rule response[] = {
	{"model", ON_TEXT, ACT_RESPONSE_MODEL},
	{"content", ON_SOME, ACT_TOKEN},
	{"stop", ON_BOOL, ACT_SEEN, R_STOP},
	{"stop", ON_TRUE, ACT_LAST},
	{"tokens_predicted", ON_NUMBER, ACT_SEEN, R_PREDICTED},
	{"stop_type", ON_TEXT, ACT_FINISH, 0, "eos"},
	{"stop_type", ON_TEXT, ACT_FINISH, 0, "limit"},
	{"stop_type", ON_TEXT, ACT_FINISH, 0, "word"},
	{"stopped_eos", ON_TRUE, ACT_FINISH_AS, 0, "eos"},
	{"stopped_limit", ON_TRUE, ACT_FINISH_AS, 0, "limit"},
	{"stopped_word", ON_TRUE, ACT_FINISH_AS, 0, "word"},
	{"tokens_evaluated", ON_NUMBER, ACT_COUNT, RAW_INPUT},
	{"tokens_predicted", ON_NUMBER, ACT_COUNT, RAW_OUTPUT},
	{"timings.cache_n", ON_NUMBER, ACT_COUNT, RAW_CACHED},
	RULES_ERROR,
	{0},
};
/* clang-format on */

static enum fit asks(uint64_t seen, bool by_path)
{
	bool prompt = saw(seen, Q_PROMPT) || saw(seen, Q_PROMPT_LIST);

	return by_path && prompt && saw(seen, Q_LLAMA) ? FIT_CLEAR : FIT_NOT;
}

static enum fit answers(uint64_t seen)
{
	return saw(seen, R_STOP) && saw(seen, R_PREDICTED) ? FIT_CLEAR : FIT_NOT;
}

static void count(const int64_t raw[RAW__MAX], bool open, struct tokens *t)
{
	t->input = raw[RAW_INPUT];
	t->output = raw[RAW_OUTPUT];
	t->cached = raw[RAW_CACHED];
}

static const struct dialect_path paths[] = {{"/completion", true}, {"/infill", true}, {0}};

const struct dialect_def dialect_llama_completion = {
	.id = DIALECT_LLAMA_COMPLETION,
	.paths = paths,
	.request = request,
	.response = response,
	.asks = asks,
	.answers = answers,
	.count = count,
	.message_sources = 1 << FROM_PROMPT,
	.always_delta = true,
};
