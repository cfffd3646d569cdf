// SPDX-License-Identifier: Apache-2.0
/*
 * Ollama's own API: /api/chat and /api/generate; NDJSON unless the request says stream: false.
 *
 * Counts stand in the line with done: true. prompt_eval_count may be small or missing when the
 * prompt was cached by the server; what is not said stays unknown. Tool calls come whole.
 * The request alone looks like chat completions, so only the path or the answer tells it.
 */
#include "dialect.h"

/* clang-format off */
static const struct rule request[] = {
	{"model", ON_TEXT, ACT_REQUEST_MODEL},
	{"stream", ON_BOOL, ACT_STREAM},
	{"messages[*]", ON_OBJECT, ACT_MESSAGE, FROM_MESSAGES},
	{"messages[*].role", ON_TEXT, ACT_SEEN, Q_ROLE},
	{"prompt", ON_SOME, ACT_MESSAGE, FROM_PROMPT},
	{"prompt", ON_SOME, ACT_SEEN, Q_PROMPT},
	{"tools[*]", ON_ITEM, ACT_OFFER_ITEM},
	{"tools[*].type", ON_TEXT, ACT_ITEM, ITEM_TYPE},
	{"tools[*].function.name", ON_TEXT, ACT_OFFER},
	{0},
};

static const struct rule response[] = {
	{"model", ON_TEXT, ACT_RESPONSE_MODEL},
	{"created_at", ON_TEXT, ACT_SEEN, R_CREATED_AT},
	{"done", ON_BOOL, ACT_SEEN, R_DONE},
	{"done", ON_TRUE, ACT_LAST},
	{"done_reason", ON_TEXT, ACT_FINISH},
	{"message.content", ON_SOME, ACT_TOKEN},
	{"message.thinking", ON_SOME, ACT_TOKEN},
	{"response", ON_SOME, ACT_TOKEN},
	{"thinking", ON_SOME, ACT_TOKEN},
	{"message.tool_calls[*].function.name", ON_SOME, ACT_TOKEN},
	{"message.tool_calls[*]", ON_ITEM, ACT_CALL, NO_INDEX},
	{"message.tool_calls[*].id", ON_TEXT, ACT_ITEM, ITEM_ID},
	{"message.tool_calls[*].function.name", ON_TEXT, ACT_ITEM, ITEM_NAME},
	{"prompt_eval_count", ON_NUMBER, ACT_COUNT, RAW_INPUT},
	{"eval_count", ON_NUMBER, ACT_COUNT, RAW_OUTPUT},
	RULES_ERROR,
	{0},
};
/* clang-format on */

static enum fit asks(uint64_t seen, bool by_path)
{
	if (!by_path || !saw(seen, Q_MODEL))
		return FIT_NOT;
	/* A model alone asks to load it. */
	return saw(seen, Q_ROLE) || saw(seen, Q_PROMPT) ? FIT_LIKELY : FIT_AGREES;
}

static enum fit answers(uint64_t seen)
{
	return saw(seen, R_MODEL) && saw(seen, R_CREATED_AT) && saw(seen, R_DONE) ? FIT_CLEAR
										  : FIT_NOT;
}

static void count(const int64_t raw[RAW__MAX], bool open, struct tokens *t)
{
	*t = (struct tokens){raw[RAW_INPUT], raw[RAW_OUTPUT], -1, -1, -1, -1};
}

static const struct dialect_path paths[] = {{"/api/chat", true}, {"/api/generate", true}, {0}};

const struct dialect_def dialect_ollama = {
	.id = DIALECT_OLLAMA,
	.paths = paths,
	.request = request,
	.response = response,
	.asks = asks,
	.answers = answers,
	.count = count,
	.message_sources = 1 << FROM_MESSAGES | 1 << FROM_PROMPT,
	.always_delta = true,
	.streams_by_default = true,
};
