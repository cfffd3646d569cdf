/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A wire dialect as a table: which JSON path means what. One file per dialect; facts.c carries
 * the actions out, extract.c finds out which dialect is spoken.
 *
 * While the dialect is not certain the rules of all dialects run side by side; each fact of
 * which dialects could disagree (token sums, messages, first token) is kept apart until then.
 */
#ifndef PROBITY_FLOW_DIALECT_DIALECT_H
#define PROBITY_FLOW_DIALECT_DIALECT_H

#include "flow/interaction.h"
#include "flow/json.h"

/* Sets of JSON values a rule is for. TEXT: a whole string; SOME: a first piece of one. */
#define ON_OBJECT (1u << JSON_OBJECT)
#define ON_ITEM (1u << JSON_OBJECT | 1u << JSON_OBJECT_END)
#define ON_END (1u << JSON_OBJECT_END)
#define ON_ARRAY (1u << JSON_ARRAY)
#define ON_SOME (1u << JSON_STRING)
#define ON_TEXT (1u << JSON_STRING_END)
#define ON_NUMBER (1u << JSON_NUMBER)
#define ON_NULL (1u << JSON_NULL)
#define ON_TRUE (1u << JSON_TRUE)
#define ON_BOOL (1u << JSON_TRUE | 1u << JSON_FALSE)

enum act {
	ACT_SEEN,	   /* arg: evidence bit */
	ACT_REQUEST_MODEL, /* text; arg: evidence bit, others than Q_MODEL give way to it */
	ACT_STREAM,	   /* true, false */
	ACT_MESSAGE,	   /* arg: enum message_source */
	ACT_OFFER,	   /* text: name of a tool offered */
	ACT_OFFER_AS,	   /* a tool offered, called `text` */
	ACT_OFFER_MCP,	   /* text: label of an MCP server offered */
	ACT_OFFER_ITEM,	   /* begin and end of an entry of tools */
	ACT_RESPONSE_MODEL,
	ACT_RESPONSE_OTHER, /* text: the same, if nothing else names it */
	ACT_RESPONSE_ID,
	ACT_FINISH,	  /* text; last one wins */
	ACT_FINISH_AS,	  /* finished, called `text` */
	ACT_FINISH_WEAK,  /* text; taken at the end of the document if nothing better came in it */
	ACT_ERROR,	  /* text; arg: rank, the higher is kept */
	ACT_ERRED,	  /* this is an error; at its end its type is final */
	ACT_COUNT,	  /* number; arg: enum raw_count */
	ACT_COUNT_MOST,	  /* the same, but it never falls */
	ACT_TIER,	  /* text: class of service the price depends on */
	ACT_USAGE,	  /* begin and end of the object with the counts */
	ACT_CHOICE,	  /* begin of one of several answers */
	ACT_CHOICE_INDEX, /* number */
	ACT_CALL,	  /* begin and end of a tool call or a piece of one; arg: its fixed index
			      (negative: none); text: its name, unless one comes */
	ACT_ITEM,	  /* text; arg: enum item_field of the open tool or call */
	ACT_ITEM_INDEX,	  /* number */
	ACT_TOKEN,	  /* generated content is there */
	ACT_LAST,	  /* last document of the stream */
};

/* Rules leave out what they do not need; a table of zeros would hide what they say. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

struct rule {
	const char *path;
	uint16_t on;
	uint8_t act;
	int8_t arg;
	const char *text; /* strings must equal it; "x*" = must begin with x; NULL = any */
};

enum message_source {
	FROM_MESSAGES,
	FROM_INPUT,
	FROM_CONTENTS,
	FROM_PROMPT,
	FROM_NESTED, /* input.messages, input.prompt */
	FROM__MAX
};

enum raw_count {
	RAW_INPUT,
	RAW_OUTPUT,
	RAW_CACHED,
	RAW_CACHE_WRITE,
	RAW_REASONING,
	RAW_TOOL_INPUT, /* Gemini: results of tools, fed back as input */
	RAW_SUM_INPUT,	/* Bedrock: the service's own sums, beside the model's usage */
	RAW_SUM_OUTPUT,
	RAW_WRITE_5M, /* Anthropic: parts of what was written to the cache, by how long it stays */
	RAW_WRITE_1H,
	RAW_TOTAL,
	RAW__MAX
};

enum item_field { ITEM_TYPE, ITEM_NAME, ITEM_ID, ITEM_CALL_ID, ITEM_LABEL };

#define NO_INDEX (-1)
#define LEGACY_INDEX 127 /* the one function_call a message could have before tool_calls */

struct item {
	char type[64], name[128], id[64], call_id[64], label[64];
	int64_t index;
};

/* Evidence of a request's shape. */
enum {
	Q_MODEL,
	Q_ROLE,	  /* messages[*].role is a string */
	Q_OPENAI, /* what only chat completions have */
	Q_MAX_TOKENS,
	Q_ANTHROPIC, /* what only Anthropic's messages have */
	Q_INPUT,
	Q_INPUT_ROLE,
	Q_INPUT_TYPE,
	Q_RESPONSES, /* what only responses have */
	Q_VOICE,     /* speech synthesis, which otherwise looks like responses */
	Q_PARTS,     /* contents[*].parts is an array */
	Q_PROMPT,
	Q_CONVERSE, /* what only Bedrock's Converse has */
	Q_PROMPT_LIST,
	Q_INPUT_LIST,
	Q_INPUT_OBJECT,
	Q_NESTED,      /* input.messages or input.prompt */
	Q_INTERACTION, /* what only Gemini's interactions have */
	Q_LLAMA,       /* what only llama.cpp's completion has */
	Q_INPUTS,      /* TGI */
	Q_TGI,
	Q_AGENT,
	Q_VERSION,
	Q_MODEL_ID,
};

/* Evidence of an answer's shape. */
enum {
	R_MODEL,
	R_CHAT_OBJECT,
	R_CHOICES,
	R_CHOICE_MESSAGE,
	R_RESPONSE_OBJECT,
	R_RESPONSE_EVENT,
	R_OUTPUT,
	R_MESSAGE_TYPE,
	R_ASSISTANT,
	R_CONTENT,
	R_ANTHROPIC_EVENT,
	R_CANDIDATE,
	R_USAGE_METADATA,
	R_MODEL_VERSION,
	R_CREATED_AT,
	R_DONE,
	R_CONVERSE,
	R_TEXT_COMPLETION,
	R_LIST,
	R_EMBEDDING,
	R_EMBEDDINGS,
	R_DURATION,
	R_INTERACTION,
	R_COHERE_EVENT,
	R_COHERE_CONTENT,
	R_COHERE_USAGE,
	R_STOP,
	R_PREDICTED,
	R_TOKEN,
	R_GENERATED,
};

static inline bool saw(uint64_t seen, unsigned bit)
{
	return seen >> bit & 1;
}

/* How well a body fits a dialect. */
enum fit {
	FIT_NOT = 0,
	FIT_AGREES, /* enough when the path says the same */
	FIT_LIKELY, /* enough alone, until the answer says otherwise */
	FIT_CLEAR,  /* nothing else looks like this */
};

struct dialect_path {
	const char *suffix;
	bool weak; /* other services use it too */
};

struct dialect_def {
	enum dialect id;
	const struct dialect_path *paths;      /* suffix NULL ends */
	const struct rule *request, *response; /* path NULL ends */
	const struct dialect_def *base;	       /* whose rules hold too, or NULL */
	enum fit (*asks)(uint64_t seen, bool by_path);
	enum fit (*answers)(uint64_t seen);
	/* Puts the counts into OpenTelemetry's meaning. A sum is only made when the object with its
	 * parts has ended (!open): half a sum would be a wrong number. */
	void (*count)(const int64_t raw[RAW__MAX], bool open, struct tokens *t);
	/* Whether a tool call is what was read; may complete its name and id. NULL: if it has a
	 * name. cut: its end was not seen. */
	bool (*is_call)(struct item *item, bool cut);
	uint8_t message_sources; /* bits by enum message_source */
	bool always_delta; /* plain answers have the fields of streamed ones: first token needs a
			      stream */
	bool streams_by_default;
	bool only_by_path; /* never found by shape: its rules rest unless the path names it */
};

extern const struct dialect_def dialect_openai_chat, dialect_openai_responses,
	dialect_anthropic_messages, dialect_gemini, dialect_ollama, dialect_openai_responses_ws,
	dialect_openai_realtime_ws, dialect_gemini_live_ws, dialect_bedrock_converse,
	dialect_bedrock_invoke, dialect_openai_audio, dialect_openai_images,
	dialect_openai_completions, dialect_openai_embeddings, dialect_gemini_interactions,
	dialect_ollama_embed, dialect_cohere_v2, dialect_dashscope, dialect_llama_completion,
	dialect_tgi_generate, dialect_replicate_prediction, dialect_watsonx,
	dialect_connect_protobuf;

/* NULL for NONE. */
const struct dialect_def *dialect_def(enum dialect d);

/* Errors look the same, or nearly so, everywhere. */
/* clang-format off */
#define RULES_ERROR                                \
	{"error", ON_ITEM, ACT_ERRED},             \
	{"error", ON_SOME, ACT_ERRED},             \
	{"error.code", ON_TEXT, ACT_ERROR, 1},     \
	{"error.status", ON_TEXT, ACT_ERROR, 2},   \
	{"error.type", ON_TEXT, ACT_ERROR, 3}
/* clang-format on */

#endif
