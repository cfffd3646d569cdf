// SPDX-License-Identifier: Apache-2.0
/*
 * Gemini's Interactions: one object, or SSE events that name their type in event_type and carry the
 * interaction in the first and last of them. Steps were called outputs before, and their events
 * content.*; both are read. A call comes whole or in pieces that have its id.
 *
 * Counts: input includes cached tokens. Thoughts and what tools fed back stand beside output and
 * input; when the total says that they are in there, they are not added.
 */
#include "dialect.h"

#include <string.h>

/* clang-format off */
static const struct rule request[] = {
	{"model", ON_TEXT, ACT_REQUEST_MODEL},
	{"agent", ON_TEXT, ACT_REQUEST_MODEL, Q_AGENT},
	{"stream", ON_BOOL, ACT_STREAM},
	{"input", ON_SOME, ACT_MESSAGE, FROM_INPUT},
	{"input", ON_SOME, ACT_SEEN, Q_INPUT},
	{"input", ON_ARRAY, ACT_SEEN, Q_INPUT_LIST},
	{"input[*]", ON_OBJECT, ACT_MESSAGE, FROM_INPUT},
	{"system_instruction", ON_SOME, ACT_SEEN, Q_INTERACTION},
	{"generation_config", ON_OBJECT, ACT_SEEN, Q_INTERACTION},
	{"agent_config", ON_OBJECT, ACT_SEEN, Q_INTERACTION},
	{"previous_interaction_id", ON_TEXT, ACT_SEEN, Q_INTERACTION},
	{"response_modalities", ON_ARRAY, ACT_SEEN, Q_INTERACTION},
	{"background", ON_BOOL, ACT_SEEN, Q_INTERACTION},
	{"tools[*]", ON_ITEM, ACT_OFFER_ITEM},
	{"tools[*].type", ON_TEXT, ACT_ITEM, ITEM_TYPE},
	{"tools[*].name", ON_TEXT, ACT_OFFER},
	{0},
};

#define RULES_CALL(path)                                      \
	{path, ON_ITEM, ACT_CALL, NO_INDEX},                  \
		{path ".type", ON_TEXT, ACT_ITEM, ITEM_TYPE}, \
		{path ".name", ON_TEXT, ACT_ITEM, ITEM_NAME}, \
		{path ".id", ON_TEXT, ACT_ITEM, ITEM_ID}

#define RULES_INTERACTION(path)                                                                 \
	{path "id", ON_TEXT, ACT_RESPONSE_ID},                                                  \
		{path "model", ON_TEXT, ACT_RESPONSE_MODEL},                                    \
		{path "agent", ON_TEXT, ACT_RESPONSE_OTHER},                                    \
		{path "object", ON_TEXT, ACT_SEEN, R_INTERACTION, "interaction"},               \
		{path "status", ON_TEXT, ACT_FINISH, 0, "completed"},                           \
		{path "status", ON_TEXT, ACT_FINISH, 0, "failed"},                              \
		{path "status", ON_TEXT, ACT_FINISH, 0, "cancelled"},                           \
		{path "status", ON_TEXT, ACT_FINISH, 0, "incomplete"},                          \
		{path "status", ON_TEXT, ACT_FINISH, 0, "requires_action"},                     \
		{path "usage", ON_ITEM, ACT_USAGE},                                             \
		{path "usage.total_input_tokens", ON_NUMBER, ACT_COUNT, RAW_INPUT},             \
		{path "usage.total_output_tokens", ON_NUMBER, ACT_COUNT, RAW_OUTPUT},           \
		{path "usage.total_cached_tokens", ON_NUMBER, ACT_COUNT, RAW_CACHED},           \
		{path "usage.total_thought_tokens", ON_NUMBER, ACT_COUNT, RAW_REASONING},       \
		{path "usage.total_tool_use_tokens", ON_NUMBER, ACT_COUNT, RAW_TOOL_INPUT},     \
		{path "usage.total_tokens", ON_NUMBER, ACT_COUNT, RAW_TOTAL},                   \
		RULES_CALL(path "steps[*]"),                                                    \
		RULES_CALL(path "outputs[*]")

static const struct rule response[] = {
	RULES_INTERACTION(""),
	RULES_INTERACTION("interaction."),
	RULES_CALL("step"),
	RULES_CALL("content"),
	RULES_CALL("delta"),
	{"event_type", ON_TEXT, ACT_SEEN, R_INTERACTION, "interaction.*"},
	{"event_type", ON_TEXT, ACT_LAST, 0, "interaction.completed"},
	{"event_type", ON_TEXT, ACT_LAST, 0, "interaction.complete"},
	{"event_type", ON_TEXT, ACT_LAST, 0, "interaction.failed"},
	{"event_type", ON_TEXT, ACT_LAST, 0, "error"},
	{"event_type", ON_TEXT, ACT_ERRED, 0, "error"},
	{"delta.text", ON_SOME, ACT_TOKEN},
	{"delta.thought", ON_SOME, ACT_TOKEN},
	{"delta.name", ON_SOME, ACT_TOKEN},
	{"delta.arguments", ON_SOME, ACT_TOKEN},
	{"step.name", ON_SOME, ACT_TOKEN},
	RULES_ERROR,
	{0},
};
/* clang-format on */

static enum fit asks(uint64_t seen, bool by_path)
{
	bool input = saw(seen, Q_INPUT) || saw(seen, Q_INPUT_LIST);

	if (!by_path || !input)
		return FIT_NOT;
	/* Agents are also people. */
	return saw(seen, Q_MODEL) || (saw(seen, Q_AGENT) && saw(seen, Q_INTERACTION)) ? FIT_AGREES
										      : FIT_NOT;
}

static enum fit answers(uint64_t seen)
{
	return FIT_NOT; /* interactions are also clicks */
}

static int64_t known(int64_t n)
{
	return n < 0 ? 0 : n;
}

static void count(const int64_t raw[RAW__MAX], bool open, struct tokens *t)
{
	int64_t beside = known(raw[RAW_REASONING]) + known(raw[RAW_TOOL_INPUT]);
	bool within = raw[RAW_TOTAL] >= 0 &&
		      raw[RAW_TOTAL] == known(raw[RAW_INPUT]) + known(raw[RAW_OUTPUT]);

	t->cached = raw[RAW_CACHED];
	t->reasoning = raw[RAW_REASONING];
	if (open)
		return;
	t->input = raw[RAW_INPUT];
	t->output = raw[RAW_OUTPUT];
	if (!beside || within)
		return;
	if (t->input >= 0)
		t->input += known(raw[RAW_TOOL_INPUT]);
	if (t->output >= 0)
		t->output += known(raw[RAW_REASONING]);
}

/* function_call, and those the service runs itself: google_search_call, code_execution_call … */
static bool is_call(struct item *i, bool cut)
{
	static const char tail[] = "_call";
	size_t n = strlen(i->type), len = sizeof(tail) - 1;

	if (n <= len || strcmp(i->type + n - len, tail) || (cut && !*i->id))
		return false;
	if (!strcmp(i->type, "function_call"))
		return *i->name || *i->id;
	if (!*i->name)
		text_copy(i->name, sizeof(i->name), i->type, n - len);
	return true;
}

static const struct dialect_path paths[] = {{"/interactions", true}, {0}};

const struct dialect_def dialect_gemini_interactions = {
	.id = DIALECT_GEMINI_INTERACTIONS,
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
