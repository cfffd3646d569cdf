// SPDX-License-Identifier: Apache-2.0
/*
 * OpenAI Chat Completions and the many servers that speak it.
 *
 * Counts: prompt_tokens includes cached ones, completion_tokens includes reasoning. A stream
 * carries them in a last chunk without choices, if the client asked or the server always does.
 * xAI leaves reasoning out of completion_tokens: the total tells, when it is the sum of all three.
 * Cached tokens have other names at DeepSeek, Moonshot and Mistral; Groq wraps the stream's usage.
 */
#include "dialect.h"

/* clang-format off */
static const struct rule request[] = {
	{"model", ON_TEXT, ACT_REQUEST_MODEL},
	{"stream", ON_BOOL, ACT_STREAM},
	{"messages[*]", ON_OBJECT, ACT_MESSAGE, FROM_MESSAGES},
	{"messages[*].role", ON_TEXT, ACT_SEEN, Q_ROLE},
	{"messages[*].role", ON_TEXT, ACT_SEEN, Q_OPENAI, "developer"},
	{"messages[*].role", ON_TEXT, ACT_SEEN, Q_OPENAI, "tool"},
	{"messages[*].role", ON_TEXT, ACT_SEEN, Q_OPENAI, "function"},
	{"messages[*].tool_calls", ON_ARRAY, ACT_SEEN, Q_OPENAI},
	{"messages[*].content[*].type", ON_TEXT, ACT_SEEN, Q_OPENAI, "image_url"},
	{"messages[*].content[*].type", ON_TEXT, ACT_SEEN, Q_OPENAI, "input_audio"},
	{"max_completion_tokens", ON_NUMBER, ACT_SEEN, Q_OPENAI},
	{"stream_options", ON_OBJECT, ACT_SEEN, Q_OPENAI},
	{"response_format", ON_OBJECT, ACT_SEEN, Q_OPENAI},
	{"reasoning_effort", ON_TEXT, ACT_SEEN, Q_OPENAI},
	{"parallel_tool_calls", ON_BOOL, ACT_SEEN, Q_OPENAI},
	{"frequency_penalty", ON_NUMBER, ACT_SEEN, Q_OPENAI},
	{"presence_penalty", ON_NUMBER, ACT_SEEN, Q_OPENAI},
	{"logprobs", ON_BOOL, ACT_SEEN, Q_OPENAI},
	{"tools[*]", ON_ITEM, ACT_OFFER_ITEM},
	{"tools[*].type", ON_TEXT, ACT_ITEM, ITEM_TYPE},
	{"tools[*].function", ON_OBJECT, ACT_SEEN, Q_OPENAI},
	{"tools[*].function.name", ON_TEXT, ACT_OFFER},
	{"tools[*].custom.name", ON_TEXT, ACT_OFFER},
	{"functions[*].name", ON_TEXT, ACT_OFFER},
	{"functions[*].name", ON_TEXT, ACT_SEEN, Q_OPENAI},
	{"web_search_options", ON_OBJECT, ACT_OFFER_AS, 0, "web_search"},
	{0},
};

#define RULES_CALL(path, index)                                            \
	{path, ON_ITEM, ACT_CALL, index}, {path ".id", ON_TEXT, ACT_ITEM, ITEM_ID}, \
		{path ".index", ON_NUMBER, ACT_ITEM_INDEX},                \
		{path ".function.name", ON_TEXT, ACT_ITEM, ITEM_NAME},     \
		{path ".custom.name", ON_TEXT, ACT_ITEM, ITEM_NAME}

#define RULES_USAGE(path)                                                                   \
	{path, ON_ITEM, ACT_USAGE}, {path ".total_tokens", ON_NUMBER, ACT_COUNT, RAW_TOTAL}, \
	{path ".prompt_tokens", ON_NUMBER, ACT_COUNT, RAW_INPUT},                           \
		{path ".completion_tokens", ON_NUMBER, ACT_COUNT, RAW_OUTPUT},              \
		{path ".prompt_tokens_details.cached_tokens", ON_NUMBER, ACT_COUNT,         \
		 RAW_CACHED},                                                               \
		{path ".prompt_tokens_details.cache_write_tokens", ON_NUMBER, ACT_COUNT,    \
		 RAW_CACHE_WRITE},                                                          \
		{path ".completion_tokens_details.reasoning_tokens", ON_NUMBER, ACT_COUNT,  \
		 RAW_REASONING},                                                            \
		{path ".prompt_cache_hit_tokens", ON_NUMBER, ACT_COUNT, RAW_CACHED},        \
		{path ".cached_tokens", ON_NUMBER, ACT_COUNT, RAW_CACHED},                  \
		{path ".num_cached_tokens", ON_NUMBER, ACT_COUNT, RAW_CACHED}

static const struct rule response[] = {
	{"id", ON_TEXT, ACT_RESPONSE_ID},
	{"model", ON_TEXT, ACT_RESPONSE_MODEL},
	{"service_tier", ON_TEXT, ACT_TIER},
	{"object", ON_TEXT, ACT_SEEN, R_CHAT_OBJECT, "chat.completion*"},
	{"choices", ON_ARRAY, ACT_SEEN, R_CHOICES},
	{"choices[*]", ON_OBJECT, ACT_CHOICE},
	{"choices[*].index", ON_NUMBER, ACT_CHOICE_INDEX},
	{"choices[*].finish_reason", ON_TEXT, ACT_FINISH},
	{"choices[*].message", ON_OBJECT, ACT_SEEN, R_CHOICE_MESSAGE},
	{"choices[*].delta", ON_OBJECT, ACT_SEEN, R_CHOICE_MESSAGE},
	{"choices[*].delta.content", ON_SOME, ACT_TOKEN},
	{"choices[*].delta.refusal", ON_SOME, ACT_TOKEN},
	{"choices[*].delta.reasoning", ON_SOME, ACT_TOKEN},
	{"choices[*].delta.reasoning_content", ON_SOME, ACT_TOKEN},
	{"choices[*].delta.tool_calls[*].function.name", ON_SOME, ACT_TOKEN},
	{"choices[*].delta.tool_calls[*].function.arguments", ON_SOME, ACT_TOKEN},
	{"choices[*].delta.tool_calls[*].custom.input", ON_SOME, ACT_TOKEN},
	{"choices[*].delta.function_call.name", ON_SOME, ACT_TOKEN},
	{"choices[*].delta.function_call.arguments", ON_SOME, ACT_TOKEN},
	RULES_CALL("choices[*].message.tool_calls[*]", NO_INDEX),
	RULES_CALL("choices[*].delta.tool_calls[*]", NO_INDEX),
	{"choices[*].message.function_call", ON_ITEM, ACT_CALL, LEGACY_INDEX},
	{"choices[*].message.function_call.name", ON_TEXT, ACT_ITEM, ITEM_NAME},
	{"choices[*].delta.function_call", ON_ITEM, ACT_CALL, LEGACY_INDEX},
	{"choices[*].delta.function_call.name", ON_TEXT, ACT_ITEM, ITEM_NAME},
	RULES_USAGE("usage"),
	RULES_USAGE("x_groq.usage"),
	RULES_ERROR,
	{0},
};
/* clang-format on */

static enum fit asks(uint64_t seen, bool by_path)
{
	/* Azure names the model in the path, so that a path can do without it. */
	if (!saw(seen, Q_ROLE))
		return FIT_NOT;
	if (!saw(seen, Q_MODEL))
		return FIT_AGREES;
	return saw(seen, Q_OPENAI) ? FIT_CLEAR : FIT_LIKELY;
}

static enum fit answers(uint64_t seen)
{
	if (saw(seen, R_CHAT_OBJECT) && saw(seen, R_CHOICES))
		return FIT_CLEAR;
	return saw(seen, R_CHOICE_MESSAGE) && saw(seen, R_MODEL) ? FIT_CLEAR : FIT_NOT;
}

static void count(const int64_t raw[RAW__MAX], bool open, struct tokens *t)
{
	t->input = raw[RAW_INPUT];
	t->cached = raw[RAW_CACHED];
	t->cache_write = raw[RAW_CACHE_WRITE];
	t->reasoning = raw[RAW_REASONING];
	if (open)
		return;
	t->output = raw[RAW_OUTPUT];
	if (t->reasoning > 0 && t->input >= 0 && t->output >= 0 &&
	    raw[RAW_TOTAL] == t->input + t->output + t->reasoning)
		t->output += t->reasoning;
}

/* Some servers write the id and index of a piece after its name: before them a cut piece could be
 * of any call. */
static bool is_call(struct item *i, bool cut)
{
	return *i->id || i->index >= 0 || (*i->name && !cut);
}

static const struct dialect_path paths[] = {{"/chat/completions", false}, {0}};

const struct dialect_def dialect_openai_chat = {
	.id = DIALECT_OPENAI_CHAT,
	.paths = paths,
	.request = request,
	.response = response,
	.asks = asks,
	.answers = answers,
	.count = count,
	.is_call = is_call,
	.message_sources = 1 << FROM_MESSAGES,
};
