// SPDX-License-Identifier: Apache-2.0
/*
 * OpenAI Responses over HTTP: one object, or SSE events each of which names its type in the JSON.
 *
 * The same output item comes up to three times in a stream (added, done, in the completed
 * response); its call_id, or its id if the service itself runs the tool, makes it one.
 * Tools the service runs are called by their type without "_call", as they were offered.
 * input_tokens includes cached ones, output_tokens includes reasoning.
 */
#include "openai_responses.h"

#include <string.h>

#include "base/cleanup.h"

/* clang-format off */
static const struct rule request[] = {
	{"model", ON_TEXT, ACT_REQUEST_MODEL},
	{"stream", ON_BOOL, ACT_STREAM},
	{"input", ON_SOME, ACT_MESSAGE, FROM_INPUT},
	{"input", ON_SOME, ACT_SEEN, Q_INPUT},
	{"input[*]", ON_OBJECT, ACT_MESSAGE, FROM_INPUT},
	{"input[*].role", ON_TEXT, ACT_SEEN, Q_INPUT_ROLE},
	{"input[*].type", ON_TEXT, ACT_SEEN, Q_INPUT_TYPE},
	{"instructions", ON_SOME, ACT_SEEN, Q_RESPONSES},
	{"previous_response_id", ON_TEXT, ACT_SEEN, Q_RESPONSES},
	{"conversation", ON_TEXT | ON_OBJECT, ACT_SEEN, Q_RESPONSES},
	{"max_output_tokens", ON_NUMBER, ACT_SEEN, Q_RESPONSES},
	{"reasoning", ON_OBJECT, ACT_SEEN, Q_RESPONSES},
	{"store", ON_BOOL, ACT_SEEN, Q_RESPONSES},
	{"include", ON_ARRAY, ACT_SEEN, Q_RESPONSES},
	{"text", ON_OBJECT, ACT_SEEN, Q_RESPONSES},
	{"prompt", ON_OBJECT, ACT_SEEN, Q_RESPONSES},
	{"voice", ON_TEXT | ON_OBJECT, ACT_SEEN, Q_VOICE},
	{"tools[*]", ON_ITEM, ACT_OFFER_ITEM},
	{"tools[*].type", ON_TEXT, ACT_ITEM, ITEM_TYPE},
	{"tools[*].name", ON_TEXT, ACT_OFFER},
	{"tools[*].server_label", ON_TEXT, ACT_ITEM, ITEM_LABEL},
	{"tools[*].tools[*].name", ON_TEXT, ACT_OFFER},
	{0},
};

static const struct rule response[] = {
	RULES_RESPONSE(""),
	RULES_RESPONSE("response."),
	RULES_ITEM("item"),
	{"type", ON_TEXT, ACT_SEEN, R_RESPONSE_EVENT, "response.*"},
	{"type", ON_TEXT, ACT_LAST, 0, "response.completed"},
	{"type", ON_TEXT, ACT_LAST, 0, "response.incomplete"},
	{"type", ON_TEXT, ACT_LAST, 0, "response.failed"},
	{"type", ON_TEXT, ACT_LAST, 0, "error"},
	{"type", ON_TEXT, ACT_ERRED, 0, "error"},
	{"code", ON_TEXT, ACT_ERROR, 1},
	{"response.error", ON_ITEM, ACT_ERRED},
	{"response.error.code", ON_TEXT, ACT_ERROR, 1},
	{"delta", ON_SOME, ACT_TOKEN},
	{"item.name", ON_SOME, ACT_TOKEN},
	{"input_tokens", ON_NUMBER, ACT_COUNT, RAW_INPUT}, /* /responses/input_tokens */
	RULES_ERROR,
	{0},
};
/* clang-format on */

static enum fit asks(uint64_t seen, bool by_path)
{
	bool input = saw(seen, Q_INPUT) || saw(seen, Q_INPUT_ROLE) || saw(seen, Q_INPUT_TYPE);

	if (saw(seen, Q_VOICE))
		return FIT_NOT;
	/* A stored prompt may bring the input, or the model. */
	if (!input)
		return by_path && saw(seen, Q_MODEL) && saw(seen, Q_RESPONSES) ? FIT_AGREES
									       : FIT_NOT;
	if (!saw(seen, Q_MODEL))
		return saw(seen, Q_RESPONSES) || saw(seen, Q_INPUT_ROLE) ? FIT_AGREES : FIT_NOT;
	/* Model and input alone are also embeddings and moderations. */
	if (saw(seen, Q_RESPONSES))
		return FIT_CLEAR;
	return saw(seen, Q_INPUT_ROLE) ? FIT_LIKELY : FIT_AGREES;
}

static enum fit answers(uint64_t seen)
{
	if (saw(seen, R_RESPONSE_OBJECT) && saw(seen, R_OUTPUT))
		return FIT_CLEAR;
	return saw(seen, R_RESPONSE_EVENT) ? FIT_CLEAR : FIT_NOT;
}

static void count(const int64_t raw[RAW__MAX], bool open, struct tokens *t)
{
	*t = (struct tokens){raw[RAW_INPUT],	   raw[RAW_OUTPUT],    raw[RAW_CACHED],
			     raw[RAW_CACHE_WRITE], raw[RAW_REASONING], -1};
}

/* Items of these types have no call_id. */
static bool by_own_id(const struct item *i)
{
	static const char *const types[] = {"web_search_call", "file_search_call",
					    "code_interpreter_call", "image_generation_call",
					    "mcp_call"};

	for (size_t k = 0; *i->id && k < ARRAY_SIZE(types); k++)
		if (!strcmp(i->type, types[k]))
			return true;
	return false;
}

static bool is_call(struct item *i, bool cut)
{
	static const char tail[] = "_call";
	size_t n = strlen(i->type), len = sizeof(tail) - 1;

	if (n <= len || strcmp(i->type + n - len, tail))
		return false;
	/* A call_id may have been cut off, and the item may have been here before. */
	if (cut && !*i->call_id && !by_own_id(i))
		return false;
	if (!strcmp(i->type, "function_call") || !strcmp(i->type, "custom_tool_call") ||
	    !strcmp(i->type, "mcp_call"))
		return *i->name;
	text_copy(i->name, sizeof(i->name), i->type, n - len);
	return true;
}

static const struct dialect_path paths[] = {
	{"/responses", true},
	{"/responses/compact", true},
	{"/responses/input_tokens", false},
	{0},
};

const struct dialect_def dialect_openai_responses = {
	.id = DIALECT_OPENAI_RESPONSES,
	.paths = paths,
	.request = request,
	.response = response,
	.asks = asks,
	.answers = answers,
	.count = count,
	.is_call = is_call,
	.message_sources = 1 << FROM_INPUT,
};
