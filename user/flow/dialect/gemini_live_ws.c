// SPDX-License-Identifier: Apache-2.0
/*
 * Gemini Live over a WebSocket: JSON messages, often sent as binary ones, told apart by their one
 * key. The model and the tools are in the setup, the first message of the connection.
 *
 * Counts: as in generateContent, but what was answered is called responseTokenCount.
 */
#include "dialect.h"

/* clang-format off */
#define RULES_TURNS(path)                                          \
	{path ".turns", ON_OBJECT, ACT_MESSAGE, FROM_CONTENTS},    \
		{path ".turns[*]", ON_OBJECT, ACT_MESSAGE, FROM_CONTENTS}

#define RULES_BUILT_IN(camel, snake)                                                   \
	{"setup.tools[*]." camel, ON_OBJECT, ACT_OFFER_AS, 0, snake},                  \
		{"setup.tools[*]." snake, ON_OBJECT, ACT_OFFER_AS, 0, snake}

static const struct rule request[] = {
	{"setup.model", ON_TEXT, ACT_REQUEST_MODEL},
	{"setup.tools[*].functionDeclarations[*].name", ON_TEXT, ACT_OFFER},
	{"setup.tools[*].function_declarations[*].name", ON_TEXT, ACT_OFFER},
	RULES_BUILT_IN("googleSearch", "google_search"),
	RULES_BUILT_IN("codeExecution", "code_execution"),
	RULES_BUILT_IN("urlContext", "url_context"),
	RULES_TURNS("clientContent"),
	RULES_TURNS("client_content"),
	{"realtimeInput.text", ON_SOME, ACT_MESSAGE, FROM_CONTENTS},
	{"realtime_input.text", ON_SOME, ACT_MESSAGE, FROM_CONTENTS},
	{"toolResponse.functionResponses[*]", ON_OBJECT, ACT_MESSAGE, FROM_CONTENTS},
	{"tool_response.function_responses[*]", ON_OBJECT, ACT_MESSAGE, FROM_CONTENTS},
	{0},
};

#define PARTS "serverContent.modelTurn.parts[*]"

static const struct rule response[] = {
	{PARTS ".text", ON_SOME, ACT_TOKEN},
	{PARTS ".inlineData", ON_OBJECT, ACT_TOKEN},
	{"serverContent.outputTranscription.text", ON_SOME, ACT_TOKEN},
	{PARTS ".executableCode", ON_ITEM, ACT_CALL, NO_INDEX, "code_execution"},
	{PARTS ".executableCode.id", ON_TEXT, ACT_ITEM, ITEM_ID},
	{"serverContent.interrupted", ON_TRUE, ACT_FINISH_AS, 0, "interrupted"},
	{"serverContent.turnComplete", ON_TRUE, ACT_LAST},
	{"serverContent.turnCompleteReason", ON_TEXT, ACT_FINISH},
	{"toolCall", ON_OBJECT, ACT_LAST},
	{"toolCall.functionCalls[*].name", ON_SOME, ACT_TOKEN},
	{"toolCall.functionCalls[*]", ON_ITEM, ACT_CALL, NO_INDEX},
	{"toolCall.functionCalls[*].name", ON_TEXT, ACT_ITEM, ITEM_NAME},
	{"toolCall.functionCalls[*].id", ON_TEXT, ACT_ITEM, ITEM_ID},
	{"usageMetadata", ON_ITEM, ACT_USAGE},
	{"usageMetadata.promptTokenCount", ON_NUMBER, ACT_COUNT, RAW_INPUT},
	{"usageMetadata.responseTokenCount", ON_NUMBER, ACT_COUNT, RAW_OUTPUT},
	{"usageMetadata.thoughtsTokenCount", ON_NUMBER, ACT_COUNT, RAW_REASONING},
	{"usageMetadata.cachedContentTokenCount", ON_NUMBER, ACT_COUNT, RAW_CACHED},
	{"usageMetadata.toolUsePromptTokenCount", ON_NUMBER, ACT_COUNT, RAW_TOOL_INPUT},
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
	dialect_gemini.count(raw, open, t);
}

static const struct dialect_path paths[] = {{0}};

const struct dialect_def dialect_gemini_live_ws = {
	.id = DIALECT_GEMINI_LIVE_WS,
	.paths = paths,
	.request = request,
	.response = response,
	.asks = asks,
	.answers = answers,
	.count = count,
	.message_sources = 1 << FROM_CONTENTS,
	.only_by_path = true,
};
