// SPDX-License-Identifier: Apache-2.0
/*
 * Alibaba's DashScope, its own form: everything asked is in input, everything answered in output.
 *
 * It streams when a header says so, which no body shows. Each event repeats the counts, the last
 * ones hold; while it goes on the finish reason is the text "null". input_tokens includes cached
 * ones, output_tokens the reasoning.
 */
#include "dialect.h"

/* clang-format off */
static const struct rule request[] = {
	{"model", ON_TEXT, ACT_REQUEST_MODEL},
	{"input.messages[*]", ON_OBJECT, ACT_MESSAGE, FROM_NESTED},
	{"input.messages[*].role", ON_TEXT, ACT_SEEN, Q_NESTED},
	{"input.prompt", ON_SOME, ACT_MESSAGE, FROM_NESTED},
	{"input.prompt", ON_SOME, ACT_SEEN, Q_NESTED},
	{"parameters.tools[*]", ON_ITEM, ACT_OFFER_ITEM},
	{"parameters.tools[*].type", ON_TEXT, ACT_ITEM, ITEM_TYPE},
	{"parameters.tools[*].function.name", ON_TEXT, ACT_OFFER},
	{0},
};

#define MESSAGE "output.choices[*].message"

static const struct rule response[] = {
	{"request_id", ON_TEXT, ACT_RESPONSE_ID},
	{"output.finish_reason", ON_TEXT, ACT_FINISH},
	{"output.choices[*]", ON_OBJECT, ACT_CHOICE},
	{"output.choices[*].finish_reason", ON_TEXT, ACT_FINISH},
	{"output.text", ON_SOME, ACT_TOKEN},
	{MESSAGE ".content", ON_SOME, ACT_TOKEN},
	{MESSAGE ".content[*].text", ON_SOME, ACT_TOKEN},
	{MESSAGE ".reasoning_content", ON_SOME, ACT_TOKEN},
	{MESSAGE ".tool_calls[*].function.name", ON_SOME, ACT_TOKEN},
	{MESSAGE ".tool_calls[*]", ON_ITEM, ACT_CALL, NO_INDEX},
	{MESSAGE ".tool_calls[*].index", ON_NUMBER, ACT_ITEM_INDEX},
	{MESSAGE ".tool_calls[*].id", ON_TEXT, ACT_ITEM, ITEM_ID},
	{MESSAGE ".tool_calls[*].function.name", ON_TEXT, ACT_ITEM, ITEM_NAME},
	{"usage.input_tokens", ON_NUMBER, ACT_COUNT, RAW_INPUT},
	{"usage.output_tokens", ON_NUMBER, ACT_COUNT, RAW_OUTPUT},
	{"usage.prompt_tokens_details.cached_tokens", ON_NUMBER, ACT_COUNT, RAW_CACHED},
	{"usage.output_tokens_details.reasoning_tokens", ON_NUMBER, ACT_COUNT, RAW_REASONING},
	{"code", ON_SOME, ACT_ERRED},
	{"code", ON_TEXT, ACT_ERROR, 1},
	RULES_ERROR,
	{0},
};
/* clang-format on */

static enum fit asks(uint64_t seen, bool by_path)
{
	return by_path && saw(seen, Q_MODEL) && saw(seen, Q_NESTED) ? FIT_CLEAR : FIT_NOT;
}

static enum fit answers(uint64_t seen)
{
	return FIT_NOT;
}

static void count(const int64_t raw[RAW__MAX], bool open, struct tokens *t)
{
	t->input = raw[RAW_INPUT];
	t->output = raw[RAW_OUTPUT];
	t->cached = raw[RAW_CACHED];
	t->reasoning = raw[RAW_REASONING];
}

static bool is_call(struct item *i, bool cut)
{
	return dialect_openai_chat.is_call(i, cut);
}

static const struct dialect_path paths[] = {
	{"/services/aigc/text-generation/generation", false},
	{"/services/aigc/multimodal-generation/generation", false},
	{0},
};

const struct dialect_def dialect_dashscope = {
	.id = DIALECT_DASHSCOPE,
	.paths = paths,
	.request = request,
	.response = response,
	.asks = asks,
	.answers = answers,
	.count = count,
	.is_call = is_call,
	.message_sources = 1 << FROM_NESTED,
	.always_delta = true,
	.only_by_path = true,
};
