/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of a write that waits: which of them are text of which exchange, what values are in them,
 * and what left in the end. */
#ifndef PROBITY_AGENT_WORKER_HELD_H
#define PROBITY_AGENT_WORKER_HELD_H

#include <openssl/types.h>

#include "agent/role.h"
#include "agent/worker/conns.h"
#include "classify/redact.h"
#include "flow/flow.h"

#define HELD_WRITE_MAX (4u << 20) /* of one write; as much as the kernel tells of one call */
#define HELD_MAX (64u << 20)	  /* of all that wait */
#define HELD_VALUES_MAX 8192	  /* of one request */
#define HELD_FRAMES_MAX 65536	  /* of one write */

/* Of a connection: its write in hand. All zero at first. */
struct held {
	uint64_t start; /* offset of its first byte */
	uint8_t *bytes, *kind;
	size_t n, cap;
	bool cut; /* not all of it is kept: nothing of it can be masked */
	const uint8_t *chunk;
	size_t chunk_n, chunk_at;
	/* What was taken out of a WebSocket frame, just now; where the frames' payloads are. */
	const uint8_t *piece;
	size_t piece_n, piece_at;
	bool piece_begins;
	struct held_frame *frame;
	size_t frames, frames_cap;
};
struct held_frame {
	uint32_t at, n, head;
};
void held_begin(struct held *h, uint64_t offset);
void held_chunk(struct held *h, const struct chunk *k);
void held_chunk_over(struct held *h);
/* The bytes at p stand in a frame of this write (or of another), under its key; at NULL: no more. */
void held_masked(struct held *h, const uint8_t *p, size_t n, const struct flow_masked *at);
void held_free(struct held *h); /* what it keeps is wiped */

struct held_value {
	unsigned class;
	uint64_t start, end; /* in the text */
};
struct held_list {
	struct held_value *v;
	size_t n, cap;
};
/* Of an exchange: its request's text. All zero at first. */
struct held_text {
	struct redact_text form;
	bool lost; /* values that cannot be placed: coded content, bytes missing, too many */
	uint64_t at, hashed;
	struct held_list found, masked;
	struct redact_run *run; /* of the write in hand */
	size_t runs, runs_cap;
	struct redact_span *piece; /* of the body, in the write in hand */
	size_t pieces, pieces_cap;
	EVP_MD_CTX *md; /* of the body as it left */
};
void held_text_feed(struct held *h, struct held_text *t, const uint8_t *p, size_t n);
void held_text_body(struct held *h, struct held_text *t, const uint8_t *p, size_t n);
/* A dataclass_value_fn; ctx is the held_text. */
void held_text_value(void *ctx, unsigned class, uint64_t start, uint64_t end);
void held_text_free(struct held_text *t);

/*
 * Spans that mask all values of the wanted classes that have not been masked before. over: no more of
 * the text comes. 0; -ERANGE, -EILSEQ, -ENOBUFS as redact_value, -ENODATA: they cannot be placed.
 * each: told of every value with the number of bytes it takes.
 */
int held_spans(struct held *h, struct held_text *t, const bool wanted[static DATACLASS_MAX],
	       bool over, struct role_span *out, size_t cap, size_t *n,
	       void (*each)(void *ctx, const struct held_value *v, uint64_t bytes), void *ctx);
/* In order and without overlap, as the keeper takes them: several requests may be in one write, and
 * values one in the other. Gives how many are left. */
size_t held_order(struct role_span *spans, size_t n);
/* The write goes, with these bytes masked: the hash goes on, and nothing is kept. */
void held_mask(struct held *h, const struct role_span *spans, size_t n);
void held_text_left(struct held *h, struct held_text *t);
/* False: not all of the body was seen here. */
bool held_text_hash(struct held_text *t, uint64_t body, uint8_t ret[static 32]);

#endif
