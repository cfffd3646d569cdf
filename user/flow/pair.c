// SPDX-License-Identifier: Apache-2.0
/*
 * Heads and ends of messages in, exchanges opened, paired and finished.
 *
 * Requests queue; an answer belongs to the first that has none yet. An exchange is finished when
 * both its messages are over. What ends early is finished with a verdict: by the close, by a
 * switch to another protocol, or, while the place in the answers is lost, by the next request,
 * which a client without pipelining sends only after the last answer.
 *
 * One exchange of no interest says little of the next on the same connection (clients ask whether
 * the server is there before they use it), so a flow is given up only after `patience` of them.
 * Until then each is followed to its end, because its end is where the next one begins.
 *
 * Full: the request after FLOW_PIPELINE_MAX open ones makes the flow deaf. It ends the open ones
 * and reports each later request without its answer, all as truncated.
 */
#include <string.h>
#include <strings.h>

#include "h2.h"

static const char too_many[] = "too many requests without an answer";

struct exchange *pair_awaiting(const struct flow *f)
{
	for (unsigned i = 0; i < f->count; i++)
		if (!f->q[i]->answer_over)
			return f->q[i];
	return NULL;
}

static void finish(struct flow *f, struct exchange *x)
{
	unsigned i = 0;

	while (i < f->count && f->q[i] != x)
		i++;
	memmove(&f->q[i], &f->q[i + 1], (--f->count - i) * sizeof(*f->q));
	for (unsigned dir = 0; dir < 2; dir++)
		if (f->side[dir].x == x)
			f->side[dir].x = NULL;
	if (x->interest == FLOW_YES)
		f->ai_seen = true;
	else
		f->strangers++;
	exchange_finish(x);
	if (!f->ai_seen && !f->count && f->strangers >= f->patience)
		f->ignored = true;
}

/* The flow ends with this exchange, so how the rest of it goes does not matter. */
static bool is_last(const struct flow *f)
{
	return f->count == 1 && !f->ai_seen && f->strangers + 1 >= f->patience;
}

static void abandon(struct flow *f, struct exchange *x, const char *reason, uint64_t ns)
{
	exchange_incomplete(x, TRUNCATED, reason);
	if (!x->request_over)
		exchange_request_over(x, true, ns);
	if (!x->answer_over)
		exchange_answer_over(x, true, ns);
	finish(f, x);
}

static void abandon_all(struct flow *f, const char *reason, uint64_t ns)
{
	while (f->count)
		abandon(f, f->q[0], reason, ns);
}

void pair_dropped(struct flow *f, struct exchange *x)
{
	if (!x->it && is_last(f))
		finish(f, x);
}

static void request_over(struct flow *f, bool cut, uint64_t ns)
{
	struct side *s = &f->side[FLOW_REQUEST];
	struct exchange *x = s->x;

	s->x = NULL;
	s->phase = cut ? LOST : START;
	if (!x)
		return;
	exchange_request_over(x, cut, ns);
	if (f->deaf)
		abandon(f, x, too_many, ns);
	else if (x->answer_over)
		finish(f, x);
	else
		pair_dropped(f, x);
}

static void answer_over(struct flow *f, bool cut, uint64_t ns)
{
	struct side *s = &f->side[FLOW_RESPONSE], *asking = &f->side[FLOW_REQUEST];
	struct exchange *x = s->x;

	s->x = NULL;
	s->phase = START;
	f->overtake = false;
	if (!x)
		return;
	exchange_answer_over(x, cut, ns);
	if (asking->x == x && side_is_lost(asking)) {
		asking->x = NULL;
		asking->phase = LOST; /* any message, not only this body's chunks */
		exchange_request_over(x, true, ns);
	}
	if (x->request_over)
		finish(f, x);
}

void pair_message_over(struct flow *f, enum flow_dir dir, bool cut, uint64_t ns)
{
	if (dir == FLOW_REQUEST)
		request_over(f, cut, ns);
	else
		answer_over(f, cut, ns);
}

void pair_message_lost(struct flow *f, enum flow_dir dir, uint64_t ns)
{
	if (dir == FLOW_REQUEST)
		request_over(f, true, ns);
	f->side[dir].phase = LOST;
}

static void content_begins(struct flow *f, enum flow_dir dir, const struct http1_head *h,
			   uint64_t ns)
{
	struct side *s = &f->side[dir];

	if (h->bad_framing) {
		if (s->x)
			exchange_incomplete(s->x, UNDECODABLE, h->bad_framing);
		pair_message_lost(f, dir, ns);
		return;
	}
	http1_body_init(&s->framing, dir == FLOW_REQUEST, h, s->x && s->x->to_head);
	s->phase = BODY;
	if (http1_body_over(&s->framing))
		pair_message_over(f, dir, false, ns);
	else if (s->x)
		exchange_content(s->x, dir, h);
}

/* Makes room for one more request. */
static void before_request(struct flow *f, uint64_t ns)
{
	if (side_is_lost(&f->side[FLOW_RESPONSE])) {
		abandon_all(f, "answer not seen to its end", ns);
		f->side[FLOW_RESPONSE].phase = LOST; /* any message, not only this body's chunks */
	}
	if (f->count == FLOW_PIPELINE_MAX) {
		abandon_all(f, too_many, ns);
		f->deaf = true;
	}
	/* Those between the answer in progress and the new request need less memory. */
	for (unsigned i = 1; i < f->count; i++)
		exchange_rest(f->q[i]);
	f->ignored = false; /* the new request is what judges the flow now */
	f->asked = true;
}

void pair_request(struct flow *f, const struct http1_head *h, uint64_t offset,
		  const struct pair_flaw *flaw, uint64_t ns)
{
	struct side *s = &f->side[FLOW_REQUEST];
	struct exchange *x;

	before_request(f, ns);
	x = exchange_new(f->ops, f->ctx, h, offset, s->head_ns);
	if (!x) { /* out of memory: nobody can be told */
		abandon_all(f, "out of memory", ns);
		f->ignored = true;
		return;
	}
	if (flaw)
		exchange_incomplete(x, flaw->verdict, flaw->reason);
	if (f->answer_given_up)
		exchange_incomplete(x, GAP, "answer came too long before the request");
	f->answer_given_up = false;
	f->shifted &= f->count > 0;
	if (f->shifted)
		exchange_incomplete(x, GAP, "answers are missing: this one may be another call's");
	f->ai_seen |= x->interest == FLOW_YES;
	f->q[f->count++] = s->x = x;
	if (x->interest == FLOW_NO && is_last(f))
		finish(f, x);
	else if (flaw)
		request_over(f, true, ns);
	else
		content_begins(f, FLOW_REQUEST, h, ns);
}

/* The answer to x comes as HTTP/2 on this connection (RFC 7540, 3.2). */
static bool to_http2(struct flow *f, const struct http1_head *h, struct exchange *x)
{
	if (!x || f->count != 1 || !x->request_over || h->status != 101 || h->upgrade.n != 3 ||
	    strncasecmp(h->upgrade.p, "h2c", 3))
		return false;
	f->count = 0; /* nobody pipelines behind an upgrade */
	h2_upgraded(f, x);
	return true;
}

void pair_answer(struct flow *f, const struct http1_head *h, uint64_t ns)
{
	struct side *s = &f->side[FLOW_RESPONSE];
	struct exchange *x = pair_awaiting(f);
	bool switched = h->status == 101 || (x && x->to_connect && h->status / 100 == 2);

	s->phase = START;
	/* Began before the request: the answer to one that was not seen. */
	if (x && f->unpaired && s->head_ns < x->start_ns)
		x = NULL;
	if (h->status < 200 && !switched)
		return;
	if (switched && to_http2(f, h, x))
		return;
	s->x = x;
	if (x)
		exchange_answer(x, h, s->head_ns);
	if (!switched) {
		content_begins(f, FLOW_RESPONSE, h, ns);
		return;
	}
	if (x && h->status == 101)
		ws_flow_begin(f, x, h);
	answer_over(f, false, ns);
	abandon_all(f, "connection left HTTP", ns);
	f->ignored = !f->ws;
	if (f->ws)
		s->phase = f->side[FLOW_REQUEST].phase = UPGRADED;
}

static void close_one(struct flow *f, struct exchange *x, uint64_t ns)
{
	struct side *s = &f->side[FLOW_RESPONSE];
	bool by_close = s->x == x && s->phase == BODY && s->framing.mode == HTTP1_CLOSE;

	if (!x->request_over) {
		abandon(f, x, "connection ended inside the request", ns);
	} else if (!x->answer_begun) {
		abandon(f, x, "connection ended before the answer", ns);
	} else if (by_close || exchange_stream_done(x)) {
		/* The close is the end, or the client left after the stream's last event. */
		exchange_answer_over(x, false, ns);
		finish(f, x);
	} else {
		abandon(f, x, "connection ended inside the answer", ns);
	}
}

void pair_close(struct flow *f, uint64_t ns)
{
	while (f->count)
		close_one(f, f->q[0], ns);
}
