// SPDX-License-Identifier: Apache-2.0
/*
 * OpenAI Realtime over a WebSocket: each message is one event; audio is base64 inside them.
 *
 * What is asked comes in several messages (session.update, conversation.item.create, audio), and
 * response.create, or the server's ear, ends them. response.done carries the whole response with
 * its usage. input_tokens includes cached ones; their details have other names than in Responses.
 */
#include "openai_responses.h"

/* clang-format off */
#define RULES_TOOLS(path)                                       \
	{path "tools[*]", ON_ITEM, ACT_OFFER_ITEM},             \
		{path "tools[*].type", ON_TEXT, ACT_ITEM, ITEM_TYPE}, \
		{path "tools[*].name", ON_TEXT, ACT_OFFER},     \
		{path "tools[*].server_label", ON_TEXT, ACT_ITEM, ITEM_LABEL}

static const struct rule request[] = {
	{"session.model", ON_TEXT, ACT_REQUEST_MODEL},
	{"item", ON_OBJECT, ACT_MESSAGE, FROM_INPUT},
	{"response.input[*]", ON_OBJECT, ACT_MESSAGE, FROM_INPUT},
	RULES_TOOLS("session."),
	RULES_TOOLS("response."),
	{0},
};

static const struct rule response[] = {
	{"session.model", ON_TEXT, ACT_RESPONSE_MODEL},
	RULES_RESPONSE("response."),
	RULES_ITEM("item"),
	{"response.usage.input_token_details.cached_tokens", ON_NUMBER, ACT_COUNT, RAW_CACHED},
	{"response.status_details.reason", ON_TEXT, ACT_FINISH},
	{"response.status_details.error", ON_ITEM, ACT_ERRED},
	{"response.status_details.error.code", ON_TEXT, ACT_ERROR, 1},
	{"response.status_details.error.type", ON_TEXT, ACT_ERROR, 3},
	{"type", ON_TEXT, ACT_LAST, 0, "response.done"},
	{"type", ON_TEXT, ACT_ERRED, 0, "error"},
	{"delta", ON_SOME, ACT_TOKEN},
	RULES_ERROR,
	{0},
};
/* clang-format on */

static enum fit asks(uint64_t seen, bool by_path)
{
	return FIT_NOT;
}

static enum fit answers(uint64_t seen)
{
	return FIT_NOT;
}

static void count(const int64_t raw[RAW__MAX], bool open, struct tokens *t)
{
	dialect_openai_responses.count(raw, open, t);
}

static bool is_call(struct item *i, bool cut)
{
	return dialect_openai_responses.is_call(i, cut);
}

static const struct dialect_path paths[] = {{0}};

const struct dialect_def dialect_openai_realtime_ws = {
	.id = DIALECT_OPENAI_REALTIME_WS,
	.paths = paths,
	.request = request,
	.response = response,
	.asks = asks,
	.answers = answers,
	.count = count,
	.is_call = is_call,
	.message_sources = 1 << FROM_INPUT,
	.only_by_path = true,
};
