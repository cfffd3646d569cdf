// SPDX-License-Identifier: Apache-2.0
/*
 * Bedrock InvokeModel: the bodies are the model vendor's own, the model is in the path, url-encoded.
 * Read are Anthropic's messages (the base) and the counts of Meta, Amazon Titan and Amazon Nova;
 * of other vendors' models only what the service itself adds to the last chunk of a stream.
 *
 * Counts: of Anthropic's models as anthropic_messages.c says. The service's own sums are taken
 * only where the model gives none: they do not say what they include.
 */
#include "dialect.h"

/* clang-format off */
static const struct rule request[] = {
	{"prompt", ON_SOME, ACT_MESSAGE, FROM_PROMPT},
	{"inputText", ON_SOME, ACT_MESSAGE, FROM_PROMPT},
	{"prompt", ON_SOME, ACT_SEEN, Q_PROMPT},
	{"inputText", ON_SOME, ACT_SEEN, Q_PROMPT},
	{0},
};

#define METRICS "amazon-bedrock-invocationMetrics"

static const struct rule response[] = {
	{METRICS ".inputTokenCount", ON_NUMBER, ACT_COUNT, RAW_SUM_INPUT},
	{METRICS ".outputTokenCount", ON_NUMBER, ACT_COUNT, RAW_SUM_OUTPUT},
	{METRICS, ON_OBJECT, ACT_LAST},
	{"generation", ON_SOME, ACT_TOKEN},
	{"outputText", ON_SOME, ACT_TOKEN},
	{"prompt_token_count", ON_NUMBER, ACT_COUNT, RAW_INPUT},
	{"generation_token_count", ON_NUMBER, ACT_COUNT, RAW_OUTPUT},
	{"inputTextTokenCount", ON_NUMBER, ACT_COUNT, RAW_INPUT},
	{"results[*].tokenCount", ON_NUMBER, ACT_COUNT, RAW_OUTPUT},
	{"results[*].completionReason", ON_TEXT, ACT_FINISH},
	{"usage.inputTokens", ON_NUMBER, ACT_COUNT, RAW_INPUT},
	{"usage.outputTokens", ON_NUMBER, ACT_COUNT, RAW_OUTPUT},
	{"usage.cacheReadInputTokens", ON_NUMBER, ACT_COUNT, RAW_CACHED},
	{"usage.cacheWriteInputTokens", ON_NUMBER, ACT_COUNT, RAW_CACHE_WRITE},
	{"stopReason", ON_TEXT, ACT_FINISH},
	{0},
};
/* clang-format on */

static enum fit asks(uint64_t seen, bool by_path)
{
	return by_path ? FIT_AGREES : FIT_NOT;
}

static enum fit answers(uint64_t seen)
{
	return FIT_NOT;
}

static void count(const int64_t raw[RAW__MAX], bool open, struct tokens *t)
{
	dialect_anthropic_messages.count(raw, open, t);
	if (raw[RAW_INPUT] < 0)
		t->input = raw[RAW_SUM_INPUT];
	if (raw[RAW_OUTPUT] < 0)
		t->output = raw[RAW_SUM_OUTPUT];
}

static bool is_call(struct item *i, bool cut)
{
	return dialect_anthropic_messages.is_call(i, cut);
}

static const struct dialect_path paths[] = {
	{"/model/*/invoke", false},
	{"/model/*/invoke-with-response-stream", false},
	{0},
};

const struct dialect_def dialect_bedrock_invoke = {
	.id = DIALECT_BEDROCK_INVOKE,
	.paths = paths,
	.request = request,
	.response = response,
	.base = &dialect_anthropic_messages,
	.asks = asks,
	.answers = answers,
	.count = count,
	.is_call = is_call,
	.message_sources = 1 << FROM_MESSAGES | 1 << FROM_PROMPT,
	.always_delta = true,
	.only_by_path = true,
};
