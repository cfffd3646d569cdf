// SPDX-License-Identifier: Apache-2.0
/*
 * Chunks of one connection in, exchanges out. Each direction is a state machine (message.c):
 * START (in a head), BODY, LOST (looks for the next message, recover.c). pair.c brings requests
 * and answers together. This file orders the chunks.
 *
 * Answers wait in `hold` while there is no request for them or it is still coming, so that the
 * order of arrival between the directions does not matter. When HOLD_MAX bytes wait, the answer to
 * a request in progress is read at once; bytes without any request are given up, and the request
 * that would have had them is marked.
 *
 * Memory: the hold only with at most two open exchanges, or else FLOW_PIPELINE_MAX interactions;
 * one head of HTTP1_HEAD_MAX per direction; two contents in progress; decoders' windows on top.
 * An ignored flow costs one comparison per chunk.
 */
#include "flow.h"

#include <stdlib.h>

#include "h2.h"
#include "ws.h"

static bool must_hold(const struct flow *f)
{
	const struct side *s = &f->side[FLOW_RESPONSE];
	struct exchange *x = pair_awaiting(f);

	if (f->h2)
		return h2_must_hold(f);
	if (s->phase != START || s->head_n)
		return false;
	if (!x)
		return true;
	/* The end of a request of no interest may have been left out: its answer shows it. */
	return x->it && !x->request_over && !f->overtake && !side_is_lost(&f->side[FLOW_REQUEST]);
}

static void gap(struct flow *f, enum flow_dir dir, uint64_t n, uint64_t ns)
{
	if (f->ws)
		ws_gap(f->ws, dir, n, ns);
	else if (f->h2)
		h2_gap(f, dir, n, ns);
	else
		recover_gap(f, dir, n, ns);
	f->window[dir].n = 0;
}

/* One run of one direction. Gives how many bytes were taken: fewer than n if answers must wait. */
static size_t advance(struct flow *f, enum flow_dir dir, uint64_t offset, const uint8_t *p,
		      size_t n, uint64_t ns)
{
	struct side *s = &f->side[dir];
	size_t done = 0;

	if (offset > s->next) {
		gap(f, dir, offset - s->next, ns);
		s->next = offset;
	}
	if (!f->h2)
		recover_chunk(f, dir, p, n, ns);
	if (!f->h2 && f->late && !f->asked)
		s->next += done = h2_detect(f, dir, p, n);
	if (!f->h2 && f->late && !f->asked)
		ws_flow_join(f, dir, p, n);
	while (done < n && !f->ignored && !(dir == FLOW_RESPONSE && must_hold(f))) {
		size_t used;

		if (f->ws)
			used = ws_flow_step(f, dir, p + done, n - done, ns);
		else if (f->h2)
			used = h2_step(f, dir, p + done, n - done, ns);
		else if (s->phase == START)
			used = message_head(f, dir, p + done, n - done, ns);
		else if (s->phase == BODY)
			used = message_body(f, dir, p + done, n - done, ns);
		else
			used = recover_step(f, dir, p + done, n - done, ns);
		done += used;
		s->next += used;
	}
	return f->ignored ? n : done;
}

static void drain(struct flow *f)
{
	struct held h;

	while (!f->ignored && !must_hold(f) && hold_peek(f->hold, &h))
		hold_pop(&f->hold, advance(f, FLOW_RESPONSE, h.offset, h.p, h.n, h.ns));
}

static void drop_hold(struct flow *f)
{
	struct held h;

	while (hold_peek(f->hold, &h))
		hold_pop(&f->hold, h.n);
}

/* What can be read now is; the rest waits. Gives whether there was room for all. */
static bool read_or_hold(struct flow *f, uint64_t offset, const uint8_t *p, size_t n, uint64_t ns)
{
	size_t used = 0;

	if (!f->hold && !must_hold(f))
		used = advance(f, FLOW_RESPONSE, offset, p, n, ns);
	return used == n || !hold_push(&f->hold, offset + used, p + used, n - used, ns);
}

static void answer_chunk(struct flow *f, uint64_t offset, const uint8_t *p, size_t n, uint64_t ns)
{
	uint64_t end = offset + n;

	if (read_or_hold(f, offset, p, n, ns))
		return;
	f->overtake = true;
	drain(f);
	/* A part may have been taken above. */
	if (!f->hold && f->side[FLOW_RESPONSE].next > offset) {
		p += f->side[FLOW_RESPONSE].next - offset;
		offset = f->side[FLOW_RESPONSE].next;
	}
	if (f->ignored || read_or_hold(f, offset, p, end - offset, ns))
		return;
	drop_hold(f);
	f->overtake = false;
	if (f->h2) {
		h2_gap(f, FLOW_RESPONSE, end - f->side[FLOW_RESPONSE].next, ns);
		f->side[FLOW_RESPONSE].next = end;
		return;
	}
	f->answer_given_up = !f->unpaired;
	f->side[FLOW_RESPONSE].phase = LOST;
	f->side[FLOW_RESPONSE].next = end;
}

/* A server that speaks first and not HTTP. */
static bool foreign_greeting(const struct flow *f, const uint8_t *p, size_t n)
{
	size_t seen = 0, used;
	struct http1_head h;

	return !f->late && !f->side[FLOW_REQUEST].started && !f->side[FLOW_RESPONSE].started &&
	       !h2_is_greeting(p, n) &&
	       http1_head_parse(false, p, n, &seen, &h, &used) == HTTP1_BAD;
}

static void release(struct flow *f)
{
	drop_hold(f);
	head_drop(&f->side[FLOW_REQUEST]);
	head_drop(&f->side[FLOW_RESPONSE]);
}

static void chunk(struct flow *f, enum flow_dir dir, uint64_t offset, const uint8_t *p, size_t n,
		  uint64_t ns)
{
	struct side *s = &f->side[dir];
	uint64_t expected;

	if (dir == FLOW_RESPONSE && foreign_greeting(f, p, n))
		f->ignored = true;
	if (!s->started && f->late)
		s->next = offset;
	s->started = true;
	expected = dir == FLOW_RESPONSE && f->hold ? hold_end(f->hold) : s->next;
	if (f->ignored || (f->deaf && dir == FLOW_RESPONSE) || offset + n <= expected)
		return;
	if (offset < expected) {
		p += expected - offset;
		n -= expected - offset;
		offset = expected;
	}
	if (dir == FLOW_RESPONSE) {
		answer_chunk(f, offset, p, n, ns);
		return;
	}
	advance(f, dir, offset, p, n, ns);
	f->ignored |= recover_is_foreign(f, n);
	drain(f);
}

/* Only where missing bytes cannot cost the place of what comes next: frames would. */
static bool is_quiet(const struct flow *f)
{
	return f->asked && !f->ai_seen && !f->h2 && !f->ws && !f->hold && !flow_busy(f);
}

enum flow_state flow_data(struct flow *f, enum flow_dir dir, uint64_t offset, const uint8_t *p,
			  size_t n, uint64_t ns)
{
	if (f->ignored)
		return FLOW_IGNORE;
	if (n && n <= UINT64_MAX - offset)
		chunk(f, dir, offset, p, n, ns);
	if (f->ignored)
		release(f);
	return f->ignored ? FLOW_IGNORE : is_quiet(f) ? FLOW_QUIET : FLOW_MORE;
}

struct flow *flow_new(const struct flow_ops *ops, void *ctx, bool late)
{
	struct flow *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->ops = ops;
	f->ctx = ctx;
	f->late = f->unpaired = late;
	f->patience = FLOW_PATIENCE;
	f->side[FLOW_REQUEST].phase = f->side[FLOW_RESPONSE].phase = late ? LOST : START;
	return f;
}

void flow_patience(struct flow *f, unsigned exchanges)
{
	f->patience = exchanges;
}

void flow_free(struct flow *f)
{
	if (!f)
		return;
	release(f);
	while (f->count)
		exchange_free(f->q[--f->count]);
	h2_free(f->h2);
	ws_free(f->ws);
	free(f);
}

void flow_close(struct flow *f, uint64_t ns)
{
	f->overtake = true;
	drain(f);
	if (f->h2)
		h2_close(f, ns);
	if (f->ws)
		ws_close(f->ws, ns);
	pair_close(f, ns);
	f->ignored = true;
	release(f);
}

bool flow_busy(const struct flow *f)
{
	if (f->h2)
		return h2_busy(f->h2);
	if (f->ws && ws_busy(f->ws))
		return true;
	for (unsigned i = 0; i < f->count; i++)
		if (f->q[i]->it)
			return true;
	return f->side[FLOW_REQUEST].phase == START && f->side[FLOW_REQUEST].head_n;
}
