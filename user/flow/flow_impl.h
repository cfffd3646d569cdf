/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of flow/ that make up a flow share; flow.c says how they fit together. */
#ifndef PROBITY_FLOW_FLOW_IMPL_H
#define PROBITY_FLOW_FLOW_IMPL_H

#include "exchange.h"
#include "flow.h"
#include "hold.h"
#include "http1.h"

enum phase {
	START, /* at a message's first byte or in its head */
	BODY,
	LOST,	  /* place in the stream not known */
	UPGRADED, /* no longer HTTP */
};

struct side {
	uint64_t next; /* offset of the next byte */
	bool started;
	enum phase phase;
	struct exchange *x; /* whose message it is; NULL: nobody's */
	struct http1_body framing;
	/* The part of a head that has come; while LOST, a candidate for a first line. */
	uint8_t *head;
	size_t head_n, head_cap, head_seen;
	uint64_t head_offset, head_ns;
};

#define H2_FRAME_HEAD 9

/* The last bytes that may be the head of a frame. */
struct h2_window {
	uint8_t p[H2_FRAME_HEAD], n;
};

struct flow {
	const struct flow_ops *ops;
	void *ctx;
	struct side side[2];
	struct exchange *q[FLOW_PIPELINE_MAX]; /* oldest first */
	unsigned count;
	struct h2 *h2;		    /* NULL: HTTP/1 */
	struct h2_window window[2]; /* of a late flow until it has shown what it is */
	struct ws *ws;		    /* NULL: not a WebSocket */
	struct hold *hold;
	unsigned patience;
	unsigned strangers; /* exchanges of no interest; none of interest was seen */
	uint64_t searched;  /* bytes of requests before the first was found */
	bool late;
	bool asked;    /* a request was seen */
	bool ai_seen;  /* one was of interest */
	bool unpaired; /* there may be answers whose request was not seen */
	bool shifted;  /* and requests whose answer was not: until all open ones have theirs */
	bool overtake; /* do not wait for the request in progress */
	bool deaf;     /* answers are no longer read */
	bool ignored;
	bool answer_given_up; /* of a request that has not come yet */
};

static inline bool side_is_lost(const struct side *s)
{
	return s->phase == LOST || (s->phase == BODY && http1_body_lost(&s->framing));
}

/* pair.c: which answer belongs to which request, and when an exchange is over. */

/* The exchange that the next answer is for, or NULL. */
struct exchange *pair_awaiting(const struct flow *f);
/* Why a head is not whole. */
struct pair_flaw {
	enum completeness verdict;
	const char *reason;
};
/* flaw: h is only a part of the head and its body cannot be found; NULL for a good head. */
void pair_request(struct flow *f, const struct http1_head *h, uint64_t offset,
		  const struct pair_flaw *flaw, uint64_t ns);
void pair_answer(struct flow *f, const struct http1_head *h, uint64_t ns);
/* The message in this direction has ended, or (cut) where it ends will never be known. */
void pair_message_over(struct flow *f, enum flow_dir dir, bool cut, uint64_t ns);
/* Its place is lost. An answer stays open until something shows that it is over. */
void pair_message_lost(struct flow *f, enum flow_dir dir, uint64_t ns);
/* x may have been dropped: a flow whose patience is at an end then ends here. */
void pair_dropped(struct flow *f, struct exchange *x);
void pair_close(struct flow *f, uint64_t ns);

/* message.c: heads and bodies. Each step gives how many bytes it took, 0 only when the phase
 * has changed. */
size_t message_head(struct flow *f, enum flow_dir dir, const uint8_t *p, size_t n, uint64_t ns);
size_t message_body(struct flow *f, enum flow_dir dir, const uint8_t *p, size_t n, uint64_t ns);
bool head_keep(struct side *s, const uint8_t *p, size_t n);
void head_drop(struct side *s);

/* recover.c: missing bytes, and the search for the next message. */
size_t recover_step(struct flow *f, enum flow_dir dir, const uint8_t *p, size_t n, uint64_t ns);
void recover_gap(struct flow *f, enum flow_dir dir, uint64_t n, uint64_t ns);
/* A chunk begins here, perhaps with a message. */
void recover_chunk(struct flow *f, enum flow_dir dir, const uint8_t *p, size_t n, uint64_t ns);
/* An answer whose place was found by searching ends: others may have gone by unseen. */
void recover_answer_over(struct flow *f);
/* Whether a late flow, after this chunk of requests, must be taken for something else. */
bool recover_is_foreign(struct flow *f, size_t n);

/* ws_flow.c: the connection becomes a WebSocket. */

/* By the answer h to x: f->ws is set if it is of interest. */
void ws_flow_begin(struct flow *f, const struct exchange *x, const struct http1_head *h);
/* A chunk of a late flow: it may be one's already. */
void ws_flow_join(struct flow *f, enum flow_dir dir, const uint8_t *p, size_t n);
/* Takes all of it. */
size_t ws_flow_step(struct flow *f, enum flow_dir dir, const uint8_t *p, size_t n, uint64_t ns);

#endif
