/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One AI call as seen on the wire: what flow/ fills from bytes alone. Who did it (process, tool)
 * and what it means (service, data classes, decision) is added by classify/ and policy/.
 *
 * Everything is bounded and inside the struct; a text that does not fit is cut at a UTF-8
 * boundary. Numbers not seen on the wire are -1 ("unknown"), never 0.
 */
#ifndef PROBITY_FLOW_INTERACTION_H
#define PROBITY_FLOW_INTERACTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dialect {
	DIALECT_NONE = 0,
	DIALECT_OPENAI_CHAT,
	DIALECT_OPENAI_RESPONSES,
	DIALECT_ANTHROPIC_MESSAGES,
	DIALECT_GEMINI,
	DIALECT_OLLAMA,
	DIALECT_OPENAI_RESPONSES_WS,
	DIALECT_OPENAI_REALTIME_WS,
	DIALECT_GEMINI_LIVE_WS,
	DIALECT_BEDROCK_CONVERSE,
	DIALECT_BEDROCK_INVOKE,
	DIALECT_OPENAI_AUDIO,
	DIALECT_OPENAI_IMAGES,
	DIALECT_OPENAI_COMPLETIONS,
	DIALECT_OPENAI_EMBEDDINGS,
	DIALECT_GEMINI_INTERACTIONS,
	DIALECT_OLLAMA_EMBED,
	DIALECT_COHERE_V2,
	DIALECT_DASHSCOPE,
	DIALECT_LLAMA_COMPLETION,
	DIALECT_TGI_GENERATE,
	DIALECT_REPLICATE_PREDICTION,
	DIALECT_WATSONX,
	DIALECT_CONNECT_PROTOBUF,
	DIALECT__MAX
};
/* Key of the dialect in policies/catalog.yaml ("openai_chat", …; "" for NONE). */
const char *dialect_name(enum dialect d);
enum dialect dialect_by_name(const char *name);

enum completeness {
	COMPLETE = 0,
	TRUNCATED, /* ended before its end: connection closed, process gone, body over the bound */
	GAP,	   /* bytes in the middle are missing */
	LATE_ATTACH, /* the beginning was before we could see it */
	UNDECODABLE, /* bytes are there, but coding or syntax is not readable */
};
const char *completeness_name(enum completeness c);

/* A list of short texts, NUL-separated in one buffer. */
struct names {
	uint16_t count;	  /* entries in text */
	uint16_t used;	  /* bytes of text in use */
	uint32_t refused; /* entries that did not fit */
	char text[2040];
};
/* names_add: adds once (no duplicates); n bytes of s need no NUL. names_next: iterate, NULL first. */
void names_add(struct names *l, const char *s, size_t n);
const char *names_next(const struct names *l, const char *prev);
bool names_has(const struct names *l, const char *s);

#define TOOL_CALLS_MAX 32
struct tool_call {
	char name[128];
	char id[64];
};

/* Files sent along (multipart/form-data): what they are called and how large, never what is in
 * them. */
#define UPLOADS_MAX 4
struct upload {
	char name[96], type[48]; /* as sent; file names without their folders */
	uint64_t size;
};

/* Token counts in OpenTelemetry's meaning: input includes cached, output includes reasoning. */
struct tokens {
	int64_t input, output, cached, cache_write, reasoning; /* -1 unknown */
	int64_t cache_write_1h; /* of cache_write, what is kept for an hour; it costs more */
};

#define TURN_BY_SERVER (1ull << 62)

struct interaction {
	/* When, CLOCK_BOOTTIME ns; 0 = did not happen. */
	uint64_t start_ns, request_end_ns, first_byte_ns, first_token_ns, end_ns;
	/* Stream offset of the request's first byte: unique per connection. A WebSocket turn that
	 * the server began has none of its own: TURN_BY_SERVER and the answer's offset. */
	uint64_t request_offset;

	/* HTTP. host and path as sent, lower-case host without port, path without query. */
	char method[16], host[256], path[512], user_agent[192], content_type[96];
	uint16_t port;	      /* from Host, 0 = none given */
	uint16_t status;      /* 0 = no answer */
	char http_version[4]; /* "1.0", "1.1", "2" */
	char wire[16];	      /* "http", "websocket", "grpc", "grpc-web", "connect" */
	uint32_t stream_id;   /* HTTP/2 stream; 0 = none */
	uint32_t turn;	      /* of a WebSocket, from 1; 0 = not a turn */
	int32_t grpc_status;  /* grpc-status, or Connect's code as gRPC's number; -1 */
	bool websocket, stream_requested, stream_answered;
	char request_encoding[16], response_encoding[16];

	/* What was asked and answered. */
	enum dialect dialect;
	bool dialect_by_path; /* path alone said so; body not (yet) seen to agree */
	char request_model[128], response_model[128], response_id[128];
	char finish_reason[48]; /* as sent: stop, end_turn, tool_use, STOP … last one wins */
	char error_type[96];	/* of an error answer */
	char service_tier[24];	/* as answered: default, standard, priority, flex … */
	struct tokens tokens;
	struct names tools_offered;
	struct tool_call tool_calls[TOOL_CALLS_MAX];
	uint32_t tool_calls_count; /* seen; may exceed TOOL_CALLS_MAX */
	uint32_t messages;	   /* entries in messages/contents/input of the request */
	struct upload uploads[UPLOADS_MAX];
	uint32_t uploads_count; /* seen; may exceed UPLOADS_MAX */

	/* How much. wire = bytes of the body as transferred (without chunk framing; missing bytes
	 * of known number included), body = after content decoding. */
	uint64_t request_wire, request_body, response_wire, response_body;
	uint8_t request_sha256[32], response_sha256[32]; /* of decoded bodies; 0 = no body */

	enum completeness completeness;
	char incomplete_reason[96]; /* plain words, empty when complete */
};

/* All zero but the unknown numbers. */
void interaction_init(struct interaction *it);
/* Keeps the first verdict: an earlier cause explains the later ones. */
void interaction_incomplete(struct interaction *it, enum completeness c, const char *reason);
/* Copies n bytes to dst[cap] with NUL, cut at a UTF-8 boundary, control bytes replaced by '?'. */
void text_copy(char *dst, size_t cap, const char *s, size_t n);
#define TEXT_SET(field, s, n) text_copy((field), sizeof(field), (s), (n))

#endif
