// SPDX-License-Identifier: Apache-2.0
/*
 * IBM watsonx.ai: chat, whose answers are those of chat completions (the base), and generation of
 * texts with counts of its own. The model is model_id, or hidden behind a deployment.
 *
 * Counts of a generated stream: the prompt's stand in one of the chunks, with 0 in the others, and
 * those of the output grow; so the largest of each holds.
 */
#include "dialect.h"

/* clang-format off */
static const struct rule request[] = {
	{"model_id", ON_TEXT, ACT_REQUEST_MODEL, Q_MODEL_ID},
	{"input", ON_SOME, ACT_MESSAGE, FROM_INPUT},
	{"input", ON_SOME, ACT_SEEN, Q_INPUT},
	{0},
};

static const struct rule response[] = {
	{"model_id", ON_TEXT, ACT_RESPONSE_OTHER},
	{"results[*].generated_text", ON_SOME, ACT_TOKEN},
	{"results[*].stop_reason", ON_TEXT, ACT_FINISH},
	{"results[*].input_token_count", ON_NUMBER, ACT_COUNT_MOST, RAW_INPUT},
	{"results[*].generated_token_count", ON_NUMBER, ACT_COUNT_MOST, RAW_OUTPUT},
	{"errors[*]", ON_OBJECT, ACT_ERRED},
	{"errors[*].code", ON_TEXT, ACT_ERROR, 1},
	{0},
};
/* clang-format on */

static enum fit asks(uint64_t seen, bool by_path)
{
	if (!by_path || !(saw(seen, Q_ROLE) || saw(seen, Q_INPUT)))
		return FIT_NOT;
	return saw(seen, Q_MODEL_ID) ? FIT_CLEAR : FIT_AGREES;
}

static enum fit answers(uint64_t seen)
{
	return FIT_NOT;
}

static void count(const int64_t raw[RAW__MAX], bool open, struct tokens *t)
{
	dialect_openai_chat.count(raw, open, t);
}

static bool is_call(struct item *i, bool cut)
{
	return dialect_openai_chat.is_call(i, cut);
}

static const struct dialect_path paths[] = {
	{"/ml/v1/text/chat", false},
	{"/ml/v1/text/chat_stream", false},
	{"/ml/v1/text/generation", false},
	{"/ml/v1/text/generation_stream", false},
	{"/ml/v1/deployments/*/text/chat", false},
	{"/ml/v1/deployments/*/text/chat_stream", false},
	{"/ml/v1/deployments/*/text/generation", false},
	{"/ml/v1/deployments/*/text/generation_stream", false},
	{0},
};

const struct dialect_def dialect_watsonx = {
	.id = DIALECT_WATSONX,
	.paths = paths,
	.request = request,
	.response = response,
	.base = &dialect_openai_chat,
	.asks = asks,
	.answers = answers,
	.count = count,
	.is_call = is_call,
	.message_sources = 1 << FROM_MESSAGES | 1 << FROM_INPUT,
	.always_delta = true,
	.only_by_path = true,
};
