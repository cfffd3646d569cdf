/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One direction of a WebSocket: bytes in, messages out, inflated, in pieces as they come.
 */
#ifndef PROBITY_FLOW_WS_READER_H
#define PROBITY_FLOW_WS_READER_H

#include <zlib.h>

#include "interaction.h"
#include "ws_frame.h"

/* Why a message is not whole; the reason is a constant. */
struct ws_flaw {
	enum completeness verdict;
	const char *reason;
};

struct flow_masked;

/* Every begin has its end. A close comes between messages or inside one. */
struct ws_sink {
	/* offset: of the first byte of its first frame. */
	void (*begin)(void *ctx, uint64_t offset, bool text);
	void (*wire)(void *ctx, uint64_t n); /* payload bytes as transferred, also missing ones */
	/* at: where they stand under a key; NULL: they do not (inflated, or the server's). */
	void (*data)(void *ctx, const uint8_t *p, size_t n, const struct flow_masked *at);
	void (*end)(void *ctx, const struct ws_flaw *flaw); /* NULL: whole */
	void (*close)(void *ctx, unsigned code);	    /* 0: none given */
	/* Bytes are missing or not readable outside any message: there may have been others. */
	void (*lost)(void *ctx, const struct ws_flaw *flaw);
	void *ctx;
};

struct ws_reader {
	const struct ws_sink *sink;
	bool client, deflate, no_context;
	enum { WS_AT_HEAD, WS_IN_PAYLOAD, WS_LOST } state;
	uint8_t head[WS_HEAD_MAX];
	size_t head_n;
	struct ws_frame frame;
	uint64_t offset, head_offset; /* in the stream: of the next byte, of the frame */
	uint64_t at;		      /* in the frame's payload */
	uint8_t control[2];	      /* begin of a close frame's payload */
	/* The message in progress. */
	bool open, packed;
	const struct ws_flaw *flaw;
	uint64_t plain; /* bytes given */
	/* Inflate, with the window of earlier messages. */
	bool inflating;
	bool restart; /* the next message begins with an empty window */
	bool stale;   /* the window does not have all it should */
	z_stream z;
};

void ws_reader_init(struct ws_reader *r, const struct ws_sink *sink, bool client,
		    const struct ws_deflate *deflate);
void ws_reader_exit(struct ws_reader *r);
/* p is where a chunk begins: a place to look for a frame when the place in the stream is lost. */
void ws_reader_data(struct ws_reader *r, const uint8_t *p, size_t n);
void ws_reader_gap(struct ws_reader *r, uint64_t n);
/* What is open will not go on. */
void ws_reader_end(struct ws_reader *r, const struct ws_flaw *flaw);
/* Looks for a frame: what is before it was not seen. */
void ws_reader_lose(struct ws_reader *r);
/* Bytes of a message have come, and its end has not. */
static inline bool ws_reader_inside(const struct ws_reader *r)
{
	return r->open || r->state == WS_IN_PAYLOAD || (r->state == WS_AT_HEAD && r->head_n);
}
static inline bool ws_reader_is_lost(const struct ws_reader *r)
{
	return r->state == WS_LOST;
}

#endif
