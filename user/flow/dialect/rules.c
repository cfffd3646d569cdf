// SPDX-License-Identifier: Apache-2.0
/*
 * The list of dialects, and their tables compiled.
 *
 * In go constants, out come constants: the two trees are made once per process, on first use, and
 * never change. Tables that do not fit are a mistake of ours, which the unit test would find;
 * rules_get says so and nobody gets half a table.
 */
#include "rules.h"

#include <pthread.h>
#include <string.h>

#include "base/cleanup.h"

static const struct dialect_def *const dialects[DIALECT__MAX] = {
	[DIALECT_OPENAI_CHAT] = &dialect_openai_chat,
	[DIALECT_OPENAI_RESPONSES] = &dialect_openai_responses,
	[DIALECT_ANTHROPIC_MESSAGES] = &dialect_anthropic_messages,
	[DIALECT_GEMINI] = &dialect_gemini,
	[DIALECT_OLLAMA] = &dialect_ollama,
	[DIALECT_OPENAI_RESPONSES_WS] = &dialect_openai_responses_ws,
	[DIALECT_OPENAI_REALTIME_WS] = &dialect_openai_realtime_ws,
	[DIALECT_GEMINI_LIVE_WS] = &dialect_gemini_live_ws,
	[DIALECT_BEDROCK_CONVERSE] = &dialect_bedrock_converse,
	[DIALECT_BEDROCK_INVOKE] = &dialect_bedrock_invoke,
	[DIALECT_OPENAI_AUDIO] = &dialect_openai_audio,
	[DIALECT_OPENAI_IMAGES] = &dialect_openai_images,
	[DIALECT_OPENAI_COMPLETIONS] = &dialect_openai_completions,
	[DIALECT_OPENAI_EMBEDDINGS] = &dialect_openai_embeddings,
	[DIALECT_GEMINI_INTERACTIONS] = &dialect_gemini_interactions,
	[DIALECT_OLLAMA_EMBED] = &dialect_ollama_embed,
	[DIALECT_COHERE_V2] = &dialect_cohere_v2,
	[DIALECT_DASHSCOPE] = &dialect_dashscope,
	[DIALECT_LLAMA_COMPLETION] = &dialect_llama_completion,
	[DIALECT_TGI_GENERATE] = &dialect_tgi_generate,
	[DIALECT_REPLICATE_PREDICTION] = &dialect_replicate_prediction,
	[DIALECT_WATSONX] = &dialect_watsonx,
	[DIALECT_CONNECT_PROTOBUF] = &dialect_connect_protobuf,
};

static struct rules sides[2];
static bool whole;
static pthread_once_t once = PTHREAD_ONCE_INIT;

const struct dialect_def *dialect_def(enum dialect d)
{
	return (unsigned)d < DIALECT__MAX ? dialects[d] : NULL;
}

static bool same_rule(const struct rule *a, const struct rule *b)
{
	if (a->on != b->on || a->act != b->act || a->arg != b->arg)
		return false;
	return a->text && b->text ? !strcmp(a->text, b->text) : a->text == b->text;
}

/* Rows of a node stay in the order of the tables. */
static bool add_rule(struct rules *s, const struct rule *r, enum dialect d)
{
	uint16_t node = jsonpath_add(&s->tree, r->path);
	uint16_t *link = &s->first[node];

	if (!node)
		return false;
	for (; *link; link = &s->row[*link].next) {
		if (!same_rule(s->row[*link].rule, r))
			continue;
		s->row[*link].dialects |= 1u << d;
		return true;
	}
	if (s->used == RULES_MAX)
		return false;
	s->row[s->used] = (struct rule_row){.rule = r, .dialects = 1u << d};
	*link = s->used++;
	s->text[node] |= r->on & ON_TEXT;
	return true;
}

static bool add_table(struct rules *s, const struct rule *table, enum dialect d)
{
	for (const struct rule *r = table; r->path; r++)
		if (!add_rule(s, r, d))
			return false;
	return true;
}

static void compile(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(sides); i++) {
		jsonpath_init(&sides[i].tree);
		sides[i].used = 1;
	}
	whole = true;
	for (enum dialect d = DIALECT_NONE + 1; d < DIALECT__MAX; d++) {
		if (!dialects[d]->only_by_path) {
			sides[0].by_shape |= 1u << d;
			sides[1].by_shape |= 1u << d;
		}
		for (const struct dialect_def *def = dialects[d]; def; def = def->base)
			whole = whole && add_table(&sides[0], def->request, d) &&
				add_table(&sides[1], def->response, d);
	}
}

const struct rules *rules_get(unsigned side)
{
	pthread_once(&once, compile);
	return whole && side < ARRAY_SIZE(sides) ? &sides[side] : NULL;
}
