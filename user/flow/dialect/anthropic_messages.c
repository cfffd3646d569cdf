// SPDX-License-Identifier: Apache-2.0
/*
 * Anthropic Messages, also as spoken by gateways and by Vertex (model in the path).
 *
 * Counts: input_tokens leaves out what was read from or written to the cache, so the three are
 * added. A stream gives them in message_start and again, cumulative, in message_delta, where a
 * field may be null or missing: the last number of each field holds, nothing is added up. What was
 * written to the cache is told as a whole, by how long it stays, or both.
 */
#include "dialect.h"

#include <string.h>

/* clang-format off */
static const struct rule request[] = {
	{"model", ON_TEXT, ACT_REQUEST_MODEL},
	{"stream", ON_BOOL, ACT_STREAM},
	{"max_tokens", ON_NUMBER, ACT_SEEN, Q_MAX_TOKENS},
	{"system", ON_SOME | ON_ARRAY, ACT_SEEN, Q_ANTHROPIC},
	{"thinking", ON_OBJECT, ACT_SEEN, Q_ANTHROPIC},
	{"anthropic_version", ON_TEXT, ACT_SEEN, Q_ANTHROPIC},
	{"messages[*]", ON_OBJECT, ACT_MESSAGE, FROM_MESSAGES},
	{"messages[*].role", ON_TEXT, ACT_SEEN, Q_ROLE},
	{"messages[*].content[*].type", ON_TEXT, ACT_SEEN, Q_ANTHROPIC, "tool_use"},
	{"messages[*].content[*].type", ON_TEXT, ACT_SEEN, Q_ANTHROPIC, "tool_result"},
	{"messages[*].content[*].type", ON_TEXT, ACT_SEEN, Q_ANTHROPIC, "thinking"},
	{"messages[*].content[*].source", ON_OBJECT, ACT_SEEN, Q_ANTHROPIC},
	{"tools[*]", ON_ITEM, ACT_OFFER_ITEM},
	{"tools[*].type", ON_TEXT, ACT_ITEM, ITEM_TYPE},
	{"tools[*].name", ON_TEXT, ACT_OFFER},
	{"tools[*].input_schema", ON_OBJECT, ACT_SEEN, Q_ANTHROPIC},
	{"tools[*].mcp_server_name", ON_TEXT, ACT_ITEM, ITEM_LABEL},
	{"mcp_servers[*].name", ON_TEXT, ACT_OFFER_MCP},
	{0},
};

#define RULES_USAGE(path)                                                                    \
	{path, ON_ITEM, ACT_USAGE}, {path ".input_tokens", ON_NUMBER, ACT_COUNT, RAW_INPUT}, \
		{path ".output_tokens", ON_NUMBER, ACT_COUNT, RAW_OUTPUT},                   \
		{path ".cache_read_input_tokens", ON_NUMBER, ACT_COUNT, RAW_CACHED},         \
		{path ".cache_creation_input_tokens", ON_NUMBER, ACT_COUNT, RAW_CACHE_WRITE}, \
		{path ".cache_creation.ephemeral_5m_input_tokens", ON_NUMBER, ACT_COUNT,      \
		 RAW_WRITE_5M},                                                              \
		{path ".cache_creation.ephemeral_1h_input_tokens", ON_NUMBER, ACT_COUNT,      \
		 RAW_WRITE_1H},                                                              \
		{path ".service_tier", ON_TEXT, ACT_TIER},                                  \
		{path ".output_tokens_details.thinking_tokens", ON_NUMBER, ACT_COUNT,        \
		 RAW_REASONING}

#define RULES_BLOCK(path)                                     \
	{path, ON_ITEM, ACT_CALL, NO_INDEX},                  \
		{path ".type", ON_TEXT, ACT_ITEM, ITEM_TYPE}, \
		{path ".name", ON_TEXT, ACT_ITEM, ITEM_NAME}, \
		{path ".id", ON_TEXT, ACT_ITEM, ITEM_ID}

static const struct rule response[] = {
	{"id", ON_TEXT, ACT_RESPONSE_ID},
	{"model", ON_TEXT, ACT_RESPONSE_MODEL},
	{"message.id", ON_TEXT, ACT_RESPONSE_ID},
	{"message.model", ON_TEXT, ACT_RESPONSE_MODEL},
	{"type", ON_TEXT, ACT_SEEN, R_MESSAGE_TYPE, "message"},
	{"role", ON_TEXT, ACT_SEEN, R_ASSISTANT, "assistant"},
	{"content", ON_ARRAY, ACT_SEEN, R_CONTENT},
	{"type", ON_TEXT, ACT_SEEN, R_ANTHROPIC_EVENT, "message_start"},
	{"type", ON_TEXT, ACT_SEEN, R_ANTHROPIC_EVENT, "content_block_start"},
	{"type", ON_TEXT, ACT_SEEN, R_ANTHROPIC_EVENT, "content_block_delta"},
	{"type", ON_TEXT, ACT_SEEN, R_ANTHROPIC_EVENT, "message_delta"},
	{"stop_reason", ON_TEXT, ACT_FINISH},
	{"delta.stop_reason", ON_TEXT, ACT_FINISH},
	{"type", ON_TEXT, ACT_LAST, 0, "message_stop"},
	{"type", ON_TEXT, ACT_LAST, 0, "error"},
	{"type", ON_TEXT, ACT_ERRED, 0, "error"},
	{"content_block.text", ON_SOME, ACT_TOKEN},
	{"content_block.name", ON_SOME, ACT_TOKEN},
	{"delta.text", ON_SOME, ACT_TOKEN},
	{"delta.thinking", ON_SOME, ACT_TOKEN},
	{"delta.partial_json", ON_SOME, ACT_TOKEN},
	RULES_BLOCK("content[*]"),
	RULES_BLOCK("content_block"),
	RULES_USAGE("usage"),
	RULES_USAGE("message.usage"),
	{"input_tokens", ON_NUMBER, ACT_COUNT, RAW_INPUT}, /* /messages/count_tokens */
	RULES_ERROR,
	{0},
};
/* clang-format on */

static enum fit asks(uint64_t seen, bool by_path)
{
	bool model = saw(seen, Q_MODEL) || (by_path && saw(seen, Q_ANTHROPIC));

	if (!saw(seen, Q_ROLE) || !model)
		return FIT_NOT;
	if (saw(seen, Q_ANTHROPIC) && saw(seen, Q_MAX_TOKENS) && !saw(seen, Q_OPENAI))
		return FIT_CLEAR;
	return FIT_AGREES;
}

static enum fit answers(uint64_t seen)
{
	if (saw(seen, R_ANTHROPIC_EVENT))
		return FIT_CLEAR;
	return saw(seen, R_MESSAGE_TYPE) && saw(seen, R_ASSISTANT) && saw(seen, R_CONTENT)
		       ? FIT_CLEAR
		       : FIT_NOT;
}

static void count(const int64_t raw[RAW__MAX], bool open, struct tokens *t)
{
	t->output = raw[RAW_OUTPUT];
	t->cached = raw[RAW_CACHED];
	t->reasoning = raw[RAW_REASONING];
	t->cache_write_1h = raw[RAW_WRITE_1H];
	if (raw[RAW_CACHE_WRITE] >= 0)
		t->cache_write = raw[RAW_CACHE_WRITE];
	else if (!open && raw[RAW_WRITE_5M] >= 0 && raw[RAW_WRITE_1H] >= 0)
		t->cache_write = raw[RAW_WRITE_5M] + raw[RAW_WRITE_1H];
	if (open || raw[RAW_INPUT] < 0)
		return;
	t->input = raw[RAW_INPUT];
	if (t->cached > 0)
		t->input += t->cached;
	if (t->cache_write > 0)
		t->input += t->cache_write;
}

/* tool_use, server_tool_use, mcp_tool_use */
static bool is_call(struct item *i, bool cut)
{
	static const char tail[] = "tool_use";
	size_t n = strlen(i->type), len = sizeof(tail) - 1;

	return n >= len && !strcmp(i->type + n - len, tail) && *i->name;
}

static const struct dialect_path paths[] = {
	{"/messages", true},
	{"/messages/count_tokens", false},
	{"/publishers/anthropic/models/*:rawPredict", false},
	{"/publishers/anthropic/models/*:streamRawPredict", false},
	{0},
};

const struct dialect_def dialect_anthropic_messages = {
	.id = DIALECT_ANTHROPIC_MESSAGES,
	.paths = paths,
	.request = request,
	.response = response,
	.asks = asks,
	.answers = answers,
	.count = count,
	.is_call = is_call,
	.message_sources = 1 << FROM_MESSAGES,
};
