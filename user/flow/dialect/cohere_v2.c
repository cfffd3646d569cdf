// SPDX-License-Identifier: Apache-2.0
/*
 * Cohere's chat, version 2; the request is nearly that of chat completions, so only the path or the
 * answer tells it. Errors have no more than a message.
 *
 * Counts: usage.tokens are those of the model, usage.billed_units leave out what Cohere adds to the
 * prompt itself; the first hold, the second stand in for them.
 */
#include "dialect.h"

/* clang-format off */
static const struct rule request[] = {
	{"model", ON_TEXT, ACT_REQUEST_MODEL},
	{"stream", ON_BOOL, ACT_STREAM},
	{"messages[*]", ON_OBJECT, ACT_MESSAGE, FROM_MESSAGES},
	{"messages[*].role", ON_TEXT, ACT_SEEN, Q_ROLE},
	{"tools[*]", ON_ITEM, ACT_OFFER_ITEM},
	{"tools[*].type", ON_TEXT, ACT_ITEM, ITEM_TYPE},
	{"tools[*].function.name", ON_TEXT, ACT_OFFER},
	{0},
};

#define RULES_USAGE(path)                                                                  \
	{path ".tokens.input_tokens", ON_NUMBER, ACT_COUNT, RAW_INPUT},                    \
		{path ".tokens.output_tokens", ON_NUMBER, ACT_COUNT, RAW_OUTPUT},          \
		{path ".billed_units.input_tokens", ON_NUMBER, ACT_COUNT, RAW_SUM_INPUT},  \
		{path ".billed_units.output_tokens", ON_NUMBER, ACT_COUNT, RAW_SUM_OUTPUT}, \
		{path ".cached_tokens", ON_NUMBER, ACT_COUNT, RAW_CACHED},                 \
		{path, ON_ITEM, ACT_USAGE}

static const struct rule response[] = {
	{"id", ON_TEXT, ACT_RESPONSE_ID},
	{"type", ON_TEXT, ACT_SEEN, R_COHERE_EVENT, "message-start"},
	{"type", ON_TEXT, ACT_SEEN, R_COHERE_EVENT, "message-end"},
	{"type", ON_TEXT, ACT_LAST, 0, "message-end"},
	{"message.content[*]", ON_OBJECT, ACT_SEEN, R_COHERE_CONTENT},
	{"usage.billed_units", ON_OBJECT, ACT_SEEN, R_COHERE_USAGE},
	{"finish_reason", ON_TEXT, ACT_FINISH},
	{"delta.finish_reason", ON_TEXT, ACT_FINISH},
	{"delta.message.content.text", ON_SOME, ACT_TOKEN},
	{"delta.message.content.thinking", ON_SOME, ACT_TOKEN},
	{"delta.message.tool_plan", ON_SOME, ACT_TOKEN},
	{"delta.message.tool_calls.function.name", ON_SOME, ACT_TOKEN},
	{"delta.message.tool_calls", ON_ITEM, ACT_CALL, NO_INDEX},
	{"delta.message.tool_calls.id", ON_TEXT, ACT_ITEM, ITEM_ID},
	{"delta.message.tool_calls.function.name", ON_TEXT, ACT_ITEM, ITEM_NAME},
	{"message.tool_calls[*]", ON_ITEM, ACT_CALL, NO_INDEX},
	{"message.tool_calls[*].id", ON_TEXT, ACT_ITEM, ITEM_ID},
	{"message.tool_calls[*].function.name", ON_TEXT, ACT_ITEM, ITEM_NAME},
	RULES_USAGE("usage"),
	RULES_USAGE("delta.usage"),
	{"message", ON_SOME, ACT_ERRED},
	{"delta.error", ON_SOME, ACT_ERRED},
	RULES_ERROR,
	{0},
};
/* clang-format on */

static enum fit asks(uint64_t seen, bool by_path)
{
	return by_path && saw(seen, Q_MODEL) && saw(seen, Q_ROLE) ? FIT_LIKELY : FIT_NOT;
}

static enum fit answers(uint64_t seen)
{
	if (saw(seen, R_COHERE_EVENT))
		return FIT_CLEAR;
	return saw(seen, R_COHERE_CONTENT) && saw(seen, R_COHERE_USAGE) ? FIT_CLEAR : FIT_NOT;
}

static void count(const int64_t raw[RAW__MAX], bool open, struct tokens *t)
{
	t->cached = raw[RAW_CACHED];
	if (open)
		return;
	t->input = raw[raw[RAW_INPUT] >= 0 ? RAW_INPUT : RAW_SUM_INPUT];
	t->output = raw[raw[RAW_OUTPUT] >= 0 ? RAW_OUTPUT : RAW_SUM_OUTPUT];
}

static bool is_call(struct item *i, bool cut)
{
	return *i->id && *i->name;
}

static const struct dialect_path paths[] = {{"/v2/chat", true}, {0}};

const struct dialect_def dialect_cohere_v2 = {
	.id = DIALECT_COHERE_V2,
	.paths = paths,
	.request = request,
	.response = response,
	.asks = asks,
	.answers = answers,
	.count = count,
	.is_call = is_call,
	.message_sources = 1 << FROM_MESSAGES,
};
