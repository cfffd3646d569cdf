// SPDX-License-Identifier: Apache-2.0
/*
 * The interaction's own small parts: names of its enums, its bounded texts and its verdict.
 *
 * In come bytes chosen by strangers, out comes text that any consumer can print or put in JSON:
 * valid UTF-8 without control characters. What is neither becomes '?', one per byte. Nothing here
 * allocates. A full list counts what it refuses.
 */
#include "interaction.h"

#include <string.h>

#define NAME_MAX_BYTES 127 /* as tool_call.name, so that offered and made names compare equal */

static const char *const dialects[DIALECT__MAX] = {
	[DIALECT_NONE] = "",
	[DIALECT_OPENAI_CHAT] = "openai_chat",
	[DIALECT_OPENAI_RESPONSES] = "openai_responses",
	[DIALECT_ANTHROPIC_MESSAGES] = "anthropic_messages",
	[DIALECT_GEMINI] = "gemini",
	[DIALECT_OLLAMA] = "ollama",
	[DIALECT_OPENAI_RESPONSES_WS] = "openai_responses_ws",
	[DIALECT_OPENAI_REALTIME_WS] = "openai_realtime_ws",
	[DIALECT_GEMINI_LIVE_WS] = "gemini_live_ws",
	[DIALECT_BEDROCK_CONVERSE] = "bedrock_converse",
	[DIALECT_BEDROCK_INVOKE] = "bedrock_invoke",
	[DIALECT_OPENAI_AUDIO] = "openai_audio",
	[DIALECT_OPENAI_IMAGES] = "openai_images",
	[DIALECT_OPENAI_COMPLETIONS] = "openai_completions",
	[DIALECT_OPENAI_EMBEDDINGS] = "openai_embeddings",
	[DIALECT_GEMINI_INTERACTIONS] = "gemini_interactions",
	[DIALECT_OLLAMA_EMBED] = "ollama_embed",
	[DIALECT_COHERE_V2] = "cohere_v2",
	[DIALECT_DASHSCOPE] = "dashscope",
	[DIALECT_LLAMA_COMPLETION] = "llama_completion",
	[DIALECT_TGI_GENERATE] = "tgi_generate",
	[DIALECT_REPLICATE_PREDICTION] = "replicate_prediction",
	[DIALECT_WATSONX] = "watsonx",
	[DIALECT_CONNECT_PROTOBUF] = "connect_protobuf",
};

static const char *const verdicts[] = {
	[COMPLETE] = "complete",       [TRUNCATED] = "truncated",     [GAP] = "gap",
	[LATE_ATTACH] = "late-attach", [UNDECODABLE] = "undecodable",
};

const char *dialect_name(enum dialect d)
{
	return (unsigned)d < DIALECT__MAX ? dialects[d] : "";
}

enum dialect dialect_by_name(const char *name)
{
	for (unsigned i = DIALECT_NONE + 1; name && i < DIALECT__MAX; i++)
		if (!strcmp(dialects[i], name))
			return i;
	return DIALECT_NONE;
}

const char *completeness_name(enum completeness c)
{
	return (unsigned)c <= UNDECODABLE ? verdicts[c] : "undecodable";
}

/* Length of the well-formed, printable character at s, 0 if there is none. */
static size_t char_len(const uint8_t *s, size_t n)
{
	/* Second-byte ranges shut out overlong forms, surrogates and code points over 10FFFF. */
	static const struct {
		uint8_t first, last, lo, hi, len;
	} forms[] = {
		{0x20, 0x7e, 0, 0, 1},
		{0xc2, 0xc2, 0xa0, 0xbf, 2}, /* C2 80..9F are the C1 controls */
		{0xc3, 0xdf, 0x80, 0xbf, 2},
		{0xe0, 0xe0, 0xa0, 0xbf, 3},
		{0xe1, 0xec, 0x80, 0xbf, 3},
		{0xed, 0xed, 0x80, 0x9f, 3},
		{0xee, 0xef, 0x80, 0xbf, 3},
		{0xf0, 0xf0, 0x90, 0xbf, 4},
		{0xf1, 0xf3, 0x80, 0xbf, 4},
		{0xf4, 0xf4, 0x80, 0x8f, 4},
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		size_t len = forms[i].len;

		if (s[0] < forms[i].first || s[0] > forms[i].last)
			continue;
		if (len > n || (len > 1 && (s[1] < forms[i].lo || s[1] > forms[i].hi)))
			return 0;
		for (size_t k = 2; k < len; k++)
			if ((s[k] & 0xc0) != 0x80)
				return 0;
		return len;
	}
	return 0;
}

/* As text_copy; gives the length. */
static size_t copy_clean(char *dst, size_t cap, const char *s, size_t n)
{
	size_t out = 0;

	for (size_t i = 0; i < n;) {
		size_t len = char_len((const uint8_t *)s + i, n - i);

		if (out + (len ? len : 1) > cap - 1)
			break;
		if (len)
			memcpy(dst + out, s + i, len);
		else
			dst[out] = '?';
		out += len ? len : 1;
		i += len ? len : 1;
	}
	dst[out] = '\0';
	return out;
}

void text_copy(char *dst, size_t cap, const char *s, size_t n)
{
	if (cap)
		copy_clean(dst, cap, s, n);
}

const char *names_next(const struct names *l, const char *prev)
{
	const char *next = prev ? prev + strlen(prev) + 1 : l->text;

	return next < l->text + l->used ? next : NULL;
}

bool names_has(const struct names *l, const char *s)
{
	for (const char *e = names_next(l, NULL); e; e = names_next(l, e))
		if (!strcmp(e, s))
			return true;
	return false;
}

void names_add(struct names *l, const char *s, size_t n)
{
	char name[NAME_MAX_BYTES + 1];
	size_t len = copy_clean(name, sizeof(name), s, n);

	if (!len || names_has(l, name))
		return;
	if (len + 1 > sizeof(l->text) - l->used) {
		l->refused++;
		return;
	}
	memcpy(l->text + l->used, name, len + 1);
	l->used += len + 1;
	l->count++;
}

void interaction_init(struct interaction *it)
{
	memset(it, 0, sizeof(*it));
	it->tokens = (struct tokens){-1, -1, -1, -1, -1, -1};
	it->grpc_status = -1;
}

void interaction_incomplete(struct interaction *it, enum completeness c, const char *reason)
{
	if (it->completeness != COMPLETE || c == COMPLETE)
		return;
	it->completeness = c;
	TEXT_SET(it->incomplete_reason, reason, strlen(reason));
}
