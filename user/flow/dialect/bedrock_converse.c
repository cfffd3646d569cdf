// SPDX-License-Identifier: Apache-2.0
/*
 * Bedrock Converse: one shape for all vendors' models; the model is in the path, url-encoded. A
 * stream is an AWS event stream (eventstream.c) whose payloads are these documents.
 *
 * Counts: inputTokens leaves out what was read from or written to the cache, so the three are
 * added. In a stream they come in the last event, metadata.
 */
#include "dialect.h"

/* clang-format off */
static const struct rule request[] = {
	{"messages[*]", ON_OBJECT, ACT_MESSAGE, FROM_MESSAGES},
	{"messages[*].role", ON_TEXT, ACT_SEEN, Q_ROLE},
	{"inferenceConfig", ON_OBJECT, ACT_SEEN, Q_CONVERSE},
	{"toolConfig", ON_OBJECT, ACT_SEEN, Q_CONVERSE},
	{"toolConfig.tools[*].toolSpec.name", ON_TEXT, ACT_OFFER},
	{0},
};

static const struct rule response[] = {
	{"output.message", ON_OBJECT, ACT_SEEN, R_CONVERSE},
	{"contentBlockIndex", ON_NUMBER, ACT_SEEN, R_CONVERSE},
	{"stopReason", ON_TEXT, ACT_FINISH},
	{"stopReason", ON_TEXT, ACT_SEEN, R_CONVERSE},
	{"delta.text", ON_SOME, ACT_TOKEN},
	{"delta.reasoningContent", ON_OBJECT, ACT_TOKEN},
	{"delta.toolUse.input", ON_SOME, ACT_TOKEN},
	{"start.toolUse", ON_ITEM, ACT_CALL, NO_INDEX},
	{"start.toolUse.name", ON_TEXT, ACT_ITEM, ITEM_NAME},
	{"start.toolUse.toolUseId", ON_TEXT, ACT_ITEM, ITEM_ID},
	{"output.message.content[*].toolUse", ON_ITEM, ACT_CALL, NO_INDEX},
	{"output.message.content[*].toolUse.name", ON_TEXT, ACT_ITEM, ITEM_NAME},
	{"output.message.content[*].toolUse.toolUseId", ON_TEXT, ACT_ITEM, ITEM_ID},
	{"metrics", ON_OBJECT, ACT_LAST}, /* of the event metadata */
	{"usage", ON_ITEM, ACT_USAGE},
	{"usage.inputTokens", ON_NUMBER, ACT_COUNT, RAW_INPUT},
	{"usage.outputTokens", ON_NUMBER, ACT_COUNT, RAW_OUTPUT},
	{"usage.cacheReadInputTokens", ON_NUMBER, ACT_COUNT, RAW_CACHED},
	{"usage.cacheWriteInputTokens", ON_NUMBER, ACT_COUNT, RAW_CACHE_WRITE},
	{0},
};
/* clang-format on */

static enum fit asks(uint64_t seen, bool by_path)
{
	if (!saw(seen, Q_ROLE))
		return FIT_NOT;
	return saw(seen, Q_CONVERSE) ? FIT_CLEAR : by_path ? FIT_AGREES : FIT_NOT;
}

static enum fit answers(uint64_t seen)
{
	return FIT_NOT; /* "stopReason" alone is of anybody */
}

static void count(const int64_t raw[RAW__MAX], bool open, struct tokens *t)
{
	dialect_anthropic_messages.count(raw, open, t);
}

static const struct dialect_path paths[] = {
	{"/model/*/converse", false},
	{"/model/*/converse-stream", false},
	{0},
};

const struct dialect_def dialect_bedrock_converse = {
	.id = DIALECT_BEDROCK_CONVERSE,
	.paths = paths,
	.request = request,
	.response = response,
	.asks = asks,
	.answers = answers,
	.count = count,
	.message_sources = 1 << FROM_MESSAGES,
	.always_delta = true,
};
