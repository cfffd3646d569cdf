/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection: chunks of both directions in, interactions out. PURE: no I/O, no log, no clock;
 * time is whatever the caller passes. Memory per flow is bounded by FLOW_MEM_MAX, in HTTP/2, where
 * hundreds of calls may be open at once, by FLOW_H2_MEM_MAX.
 *
 * Order: chunks of one direction arrive by offset; a higher offset than expected is a gap, a lower
 * one is ignored (already seen). An answer may arrive before the end of its request, and up to
 * 64 KiB of it before the request's first byte. Callbacks must not call flow_* on the same flow.
 */
#ifndef PROBITY_FLOW_FLOW_H
#define PROBITY_FLOW_FLOW_H

#include "interaction.h"

#define FLOW_MEM_MAX (256 * 1024)  /* bytes per connection, decoders' windows excepted */
#define FLOW_H2_MEM_MAX (6u << 20) /* 1 MiB, and 20 KiB per call in progress */
#define FLOW_BODY_MAX (16u << 20)  /* decoded bytes per body before a declared truncation */
#define FLOW_PIPELINE_MAX 16
#define FLOW_PATIENCE 16	 /* exchanges of no interest before a flow is given up */
#define FLOW_PATIENCE_EVER (~0u) /* never */

enum flow_dir { FLOW_REQUEST = 0, FLOW_RESPONSE = 1 };

/* The caller's answer to "is this AI?" */
enum flow_interest {
	FLOW_NO = 0, /* not AI: skip this exchange */
	FLOW_MAYBE,  /* host unknown: look into the body for a known dialect */
	FLOW_YES,    /* a known AI service or path */
};

enum flow_state {
	FLOW_MORE = 0, /* keep feeding */
	FLOW_IGNORE,   /* not HTTP, or its patience is at an end, or it became something that is not
			read: stop feeding */
	FLOW_QUIET,    /* HTTP/1: what goes on now is of no interest. Feed, but bytes may be left
			out (by offset), but for the first of each run in one direction */
};

/* Which session a message of the Model Context Protocol belongs to. */
struct mcp_where {
	const char *transport;	/* "http", "http-sse": static */
	uint64_t key, next_key; /* of the session; of what comes after this exchange */
	bool has_session;
	uint8_t session_sha256[32]; /* of Mcp-Session-Id */
	char protocol_version[32];  /* of the request's head */
};
struct mcp_msg;

/* Where bytes of a client's WebSocket frame stand: under its key (RFC 6455), in what it writes. */
struct flow_masked {
	uint64_t offset, head; /* of the first of them, and of the frame's head */
	bool begins;	       /* with the message's first byte */
};

struct flow;
struct flow_ops {
	/* Request head is complete; it->method, host, path, … are set. */
	enum flow_interest (*head)(void *ctx, const struct interaction *it);
	/* Decoded body bytes of an exchange of interest, in order; for data classes. Until a MAYBE
	 * turns into yes the bytes are given too. */
	void (*text)(void *ctx, const struct interaction *it, enum flow_dir dir, const uint8_t *p,
		     size_t n);
	/* Decoded body bytes of a request as they are hashed, just before. May be NULL. */
	void (*bytes)(void *ctx, const struct interaction *it, const uint8_t *p, size_t n);
	/* What is given next to `bytes` and `text` was taken out of a frame, not compressed; at NULL: no
	 * more of it. May be NULL. */
	void (*masked)(void *ctx, const struct interaction *it, const uint8_t *p, size_t n,
		       const struct flow_masked *at);
	/* The whole request was seen: model, tools offered, sizes are known. Also when bytes in its
	 * middle are missing; not when its end was lost. */
	void (*request)(void *ctx, const struct interaction *it);
	/* The exchange is over, complete or not. Called exactly once for each exchange for which
	 * the interest was YES, or MAYBE with a dialect found in the body. */
	void (*done)(void *ctx, const struct interaction *it);
	/* A message of MCP in a body (mcp_msg.h); m NULL: the exchange is over. Such an exchange
	 * at a MAYBE is kept, and ends with `dropped` as it is no call of a model. May be NULL. */
	void (*mcp)(void *ctx, const struct interaction *it, const struct mcp_where *w,
		    enum flow_dir dir, const struct mcp_msg *m, uint64_t ns);
	/* A MAYBE turned out not to be AI. */
	void (*dropped)(void *ctx, const struct interaction *it);
};

/* `late`: bytes before the first chunk are unknown; flow looks for the next request start.
 * NULL when out of memory. */
struct flow *flow_new(const struct flow_ops *ops, void *ctx, bool late);
/* After how many exchanges without one of interest the flow is given up; FLOW_PATIENCE until told
 * otherwise. */
void flow_patience(struct flow *f, unsigned exchanges);
void flow_free(struct flow *f); /* NULL is fine; ends nothing, calls nothing */

enum flow_state flow_data(struct flow *f, enum flow_dir dir, uint64_t offset, const uint8_t *p,
			  size_t n, uint64_t ns);
/* The connection or the process ended: open exchanges become done (truncated, or complete when
 * the answer is delimited by the close). */
void flow_close(struct flow *f, uint64_t ns);
/* Whether an exchange is open (for idle eviction and for loss accounting). */
bool flow_busy(const struct flow *f);

#endif
