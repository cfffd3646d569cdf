// SPDX-License-Identifier: Apache-2.0
/*
 * Gemini generateContent, at AI Studio and at Vertex; the model is in the path.
 *
 * A stream is SSE with ?alt=sse, else one JSON array whose elements are the documents.
 * Counts repeat in every chunk, the last ones hold. promptTokenCount includes cached tokens but
 * not what tools fed back; candidatesTokenCount leaves out the thoughts.
 * Streamed arguments of a call come in further functionCall objects, which have no name.
 * Requests are proto3 JSON: lowerCamelCase or the original snake_case names.
 */
#include "dialect.h"

/* clang-format off */
#define RULES_CONTENTS(path)                                             \
	{path, ON_OBJECT, ACT_MESSAGE, FROM_CONTENTS},                   \
		{path "[*]", ON_OBJECT, ACT_MESSAGE, FROM_CONTENTS},     \
		{path ".parts", ON_ARRAY, ACT_SEEN, Q_PARTS},            \
		{path "[*].parts", ON_ARRAY, ACT_SEEN, Q_PARTS}

#define RULES_BUILT_IN(camel, snake)                                             \
	{"tools[*]." camel, ON_OBJECT, ACT_OFFER_AS, 0, snake},                  \
		{"tools[*]." snake, ON_OBJECT, ACT_OFFER_AS, 0, snake}

static const struct rule request[] = {
	RULES_CONTENTS("contents"),
	RULES_CONTENTS("generateContentRequest.contents"), /* countTokens */
	{"tools[*].functionDeclarations[*].name", ON_TEXT, ACT_OFFER},
	{"tools[*].function_declarations[*].name", ON_TEXT, ACT_OFFER},
	RULES_BUILT_IN("googleSearch", "google_search"),
	RULES_BUILT_IN("googleSearchRetrieval", "google_search_retrieval"),
	RULES_BUILT_IN("enterpriseWebSearch", "enterprise_web_search"),
	RULES_BUILT_IN("googleMaps", "google_maps"),
	RULES_BUILT_IN("codeExecution", "code_execution"),
	RULES_BUILT_IN("computerUse", "computer_use"),
	RULES_BUILT_IN("fileSearch", "file_search"),
	RULES_BUILT_IN("urlContext", "url_context"),
	{"tools[*].retrieval", ON_OBJECT, ACT_OFFER_AS, 0, "retrieval"},
	{"tools[*].mcpServers[*].name", ON_TEXT, ACT_OFFER_MCP},
	{0},
};

#define PARTS "candidates[*].content.parts[*]"

static const struct rule response[] = {
	{"responseId", ON_TEXT, ACT_RESPONSE_ID},
	{"modelVersion", ON_TEXT, ACT_RESPONSE_MODEL},
	{"modelVersion", ON_TEXT, ACT_SEEN, R_MODEL_VERSION},
	{"candidates[*].content", ON_OBJECT, ACT_SEEN, R_CANDIDATE},
	{"candidates[*].finishReason", ON_TEXT, ACT_SEEN, R_CANDIDATE},
	{"candidates[*].finishReason", ON_TEXT, ACT_FINISH},
	{"promptFeedback.blockReason", ON_TEXT, ACT_FINISH},
	{PARTS ".text", ON_SOME, ACT_TOKEN},
	{PARTS ".functionCall.name", ON_SOME, ACT_TOKEN},
	{PARTS ".functionCall", ON_ITEM, ACT_CALL, NO_INDEX},
	{PARTS ".functionCall.name", ON_TEXT, ACT_ITEM, ITEM_NAME},
	{PARTS ".functionCall.id", ON_TEXT, ACT_ITEM, ITEM_ID},
	{PARTS ".executableCode", ON_ITEM, ACT_CALL, NO_INDEX, "code_execution"},
	{PARTS ".executableCode.id", ON_TEXT, ACT_ITEM, ITEM_ID},
	{PARTS ".toolCall", ON_ITEM, ACT_CALL, NO_INDEX},
	{PARTS ".toolCall.toolType", ON_TEXT, ACT_ITEM, ITEM_NAME},
	{PARTS ".toolCall.id", ON_TEXT, ACT_ITEM, ITEM_ID},
	{"usageMetadata", ON_OBJECT, ACT_SEEN, R_USAGE_METADATA},
	{"usageMetadata", ON_ITEM, ACT_USAGE},
	{"usageMetadata.promptTokenCount", ON_NUMBER, ACT_COUNT, RAW_INPUT},
	{"usageMetadata.candidatesTokenCount", ON_NUMBER, ACT_COUNT, RAW_OUTPUT},
	{"usageMetadata.thoughtsTokenCount", ON_NUMBER, ACT_COUNT, RAW_REASONING},
	{"usageMetadata.cachedContentTokenCount", ON_NUMBER, ACT_COUNT, RAW_CACHED},
	{"usageMetadata.toolUsePromptTokenCount", ON_NUMBER, ACT_COUNT, RAW_TOOL_INPUT},
	{"totalTokens", ON_NUMBER, ACT_COUNT, RAW_INPUT}, /* :countTokens */
	{"cachedContentTokenCount", ON_NUMBER, ACT_COUNT, RAW_CACHED},
	RULES_ERROR,
	{0},
};
/* clang-format on */

static enum fit asks(uint64_t seen, bool by_path)
{
	return saw(seen, Q_PARTS) ? FIT_CLEAR : FIT_NOT;
}

static enum fit answers(uint64_t seen)
{
	return saw(seen, R_CANDIDATE) && (saw(seen, R_USAGE_METADATA) || saw(seen, R_MODEL_VERSION))
		       ? FIT_CLEAR
		       : FIT_NOT;
}

static int64_t sum(int64_t a, int64_t b)
{
	return a < 0 ? b : b < 0 ? a : a + b;
}

static void count(const int64_t raw[RAW__MAX], bool open, struct tokens *t)
{
	t->cached = raw[RAW_CACHED];
	t->reasoning = raw[RAW_REASONING];
	if (open)
		return;
	t->input = sum(raw[RAW_INPUT], raw[RAW_TOOL_INPUT]);
	t->output = sum(raw[RAW_OUTPUT], raw[RAW_REASONING]);
}

static const struct dialect_path paths[] = {
	{":generateContent", false},
	{":streamGenerateContent", false},
	{":countTokens", false},
	{0},
};

const struct dialect_def dialect_gemini = {
	.id = DIALECT_GEMINI,
	.paths = paths,
	.request = request,
	.response = response,
	.asks = asks,
	.answers = answers,
	.count = count,
	.message_sources = 1 << FROM_CONTENTS,
	.always_delta = true,
};
