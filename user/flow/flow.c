// SPDX-License-Identifier: Apache-2.0
/*
 * Chunks of one connection in, exchanges out. Each direction is a state machine: START (in a
 * head), BODY, LOST (its place in the stream is not known; looks for the next message). Requests
 * queue up; answers belong to the first one that has none yet.
 *
 * Answers wait in `hold` while there is no request for them or it is still coming, so that order
 * of arrival between the directions does not matter. When 64 KiB wait, an answer to a request in
 * progress is read at once, and bytes without any request are given up.
 *
 * Missing bytes: within a body of known length they are counted and the exchange goes on, marked;
 * otherwise the direction is lost. While answers are lost a new request ends all exchanges before
 * it, because a client without pipelining sends it only after the last answer. Once a request may
 * have been missed (`unpaired`), an answer that began before its request belongs to another.
 *
 * Full: more than FLOW_PIPELINE_MAX open requests make the flow `deaf`: it ends them, and reports
 * each later request when that is over, without its answer, as truncated. Nothing is dropped
 * without a verdict but what was never seen to begin. Memory: HOLD_MAX only with at most two open
 * exchanges, or FLOW_PIPELINE_MAX interactions; one head of HTTP1_HEAD_MAX per direction.
 */
#include "flow.h"

#include <stdlib.h>
#include <string.h>

#include "exchange.h"
#include "hold.h"
#include "http1.h"

#define HEAD_STEP 2048	       /* a head in pieces takes this much of a chunk at a time */
#define START_LINE_MAX 8192    /* of a candidate while LOST */
#define SEARCH_MAX (16u << 20) /* bytes before the first request of a late flow */

enum phase { START, BODY, LOST };

struct side {
	uint64_t next; /* offset of the next byte */
	bool started;
	enum phase phase;
	struct exchange *x; /* whose message it is; NULL: nobody's */
	struct http1_body framing;
	/* The part of a head that has come, or of a candidate for a first line. */
	uint8_t *head;
	size_t head_n, head_cap, head_seen;
	uint64_t head_offset, head_ns;
};

struct flow {
	const struct flow_ops *ops;
	void *ctx;
	struct side side[2];
	struct exchange *q[FLOW_PIPELINE_MAX]; /* oldest first */
	unsigned count;
	struct hold *hold;
	uint64_t searched; /* bytes of requests before the first was found */
	bool late;
	bool asked;    /* a request was seen */
	bool ai_seen;  /* one was of interest */
	bool unpaired; /* there may be answers whose request was not seen */
	bool overtake; /* do not wait for the request in progress */
	bool deaf;
	bool ignored;
	bool answer_given_up; /* of a request that has not come yet */
};

static bool is_lost(const struct side *s)
{
	return s->phase == LOST || (s->phase == BODY && http1_body_lost(&s->framing));
}

/* --- exchanges ------------------------------------------------------------------------------ */

static struct exchange *awaiting(const struct flow *f)
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
	f->ai_seen |= x->interest == FLOW_YES;
	exchange_finish(x);
	if (!f->ai_seen && !f->count)
		f->ignored = true;
}

/* The exchange ends before its end. */
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

/* The rest of the connection is nothing for us. */
static void ignore(struct flow *f, const char *reason, uint64_t ns)
{
	abandon_all(f, reason, ns);
	f->ignored = true;
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
		abandon(f, x, "too many requests without an answer", ns);
	else if (x->answer_over || (!x->it && f->count == 1 && !f->ai_seen))
		finish(f, x);
}

static void answer_over(struct flow *f, bool cut, uint64_t ns)
{
	struct side *s = &f->side[FLOW_RESPONSE];
	struct exchange *x = s->x;

	s->x = NULL;
	s->phase = START;
	f->overtake = false;
	if (!x)
		return;
	exchange_answer_over(x, cut, ns);
	if (!x->request_over && f->side[FLOW_REQUEST].x == x && is_lost(&f->side[FLOW_REQUEST]))
		exchange_request_over(x, true, ns);
	if (x->request_over)
		finish(f, x);
}

/* Where the answer ends is not known; x stays open until something shows that it has. */
static void answer_lost(struct flow *f)
{
	f->side[FLOW_RESPONSE].phase = LOST;
}

static void message_over(struct flow *f, enum flow_dir dir, uint64_t ns)
{
	if (dir == FLOW_REQUEST)
		request_over(f, false, ns);
	else
		answer_over(f, false, ns);
}

static void message_lost(struct flow *f, enum flow_dir dir, uint64_t ns)
{
	if (dir == FLOW_REQUEST)
		request_over(f, true, ns);
	else
		answer_lost(f);
}

/* --- heads ---------------------------------------------------------------------------------- */

static void content_begins(struct flow *f, enum flow_dir dir, const struct http1_head *h,
			   uint64_t ns)
{
	struct side *s = &f->side[dir];

	if (h->bad_framing) {
		if (s->x)
			exchange_incomplete(s->x, UNDECODABLE, h->bad_framing);
		message_lost(f, dir, ns);
		return;
	}
	http1_body_init(&s->framing, dir == FLOW_REQUEST, h, s->x && s->x->to_head);
	s->phase = BODY;
	if (http1_body_over(&s->framing))
		message_over(f, dir, ns);
	else if (s->x)
		exchange_content(s->x, dir, h);
}

/* gap: h is only the beginning of the head. */
static void on_request(struct flow *f, const struct http1_head *h, uint64_t offset, bool gap,
		       uint64_t ns)
{
	struct side *s = &f->side[FLOW_REQUEST];
	struct exchange *x;

	if (is_lost(&f->side[FLOW_RESPONSE]))
		abandon_all(f, "answer not seen to its end", ns);
	if (f->count == FLOW_PIPELINE_MAX) {
		abandon_all(f, "too many requests without an answer", ns);
		f->deaf = true;
	}
	f->asked = true;
	f->ignored = false; /* abandoned ones are not what judges the flow now */
	x = exchange_new(f->ops, f->ctx, h, offset, s->head_ns);
	if (!x) {
		ignore(f, "out of memory", ns);
		return;
	}
	if (gap)
		exchange_incomplete(x, GAP, "bytes of the request are missing");
	if (f->answer_given_up)
		exchange_incomplete(x, GAP, "answer came too long before the request");
	f->answer_given_up = false;
	f->ai_seen |= x->interest == FLOW_YES;
	f->q[f->count++] = s->x = x;
	if (x->interest == FLOW_NO && f->count == 1 && !f->ai_seen)
		finish(f, x);
	else if (gap)
		request_over(f, true, ns);
	else
		content_begins(f, FLOW_REQUEST, h, ns);
}

static void on_answer(struct flow *f, const struct http1_head *h, uint64_t ns)
{
	struct side *s = &f->side[FLOW_RESPONSE];
	struct exchange *x = awaiting(f);
	bool switched = h->status == 101 || (x && x->to_connect && h->status / 100 == 2);

	s->phase = START;
	if (x && f->unpaired && s->head_ns < x->start_ns)
		x = NULL;
	if (h->status < 200 && !switched)
		return;
	if (x)
		exchange_answer(x, h, s->head_ns);
	s->x = x;
	if (switched) {
		answer_over(f, false, ns);
		ignore(f, "connection left HTTP", ns);
		return;
	}
	content_begins(f, FLOW_RESPONSE, h, ns);
}

static void on_garbage(struct flow *f, enum flow_dir dir)
{
	struct exchange *x = awaiting(f);

	f->side[dir].phase = LOST;
	if (!f->asked && !f->late) {
		f->ignored = true;
	} else if (dir == FLOW_REQUEST) {
		f->unpaired = true;
	} else if (x) {
		exchange_incomplete(x, UNDECODABLE, "answer is not HTTP/1");
	}
}

static void drop_head(struct side *s)
{
	free(s->head);
	s->head = NULL;
	s->head_n = s->head_cap = s->head_seen = 0;
}

static bool keep_head(struct side *s, const uint8_t *p, size_t n)
{
	if (s->head_n + n > s->head_cap) {
		size_t cap = (s->head_n + n + HEAD_STEP - 1) / HEAD_STEP * HEAD_STEP;
		uint8_t *head = realloc(s->head, cap);

		if (!head)
			return false;
		s->head = head;
		s->head_cap = cap;
	}
	memcpy(s->head + s->head_n, p, n);
	s->head_n += n;
	return true;
}

static void on_head(struct flow *f, enum flow_dir dir, const struct http1_head *h,
		    const uint8_t *base, uint64_t ns)
{
	struct side *s = &f->side[dir];

	if (dir == FLOW_REQUEST)
		on_request(f, h, s->head_offset + ((const uint8_t *)h->method.p - base), false, ns);
	else
		on_answer(f, h, ns);
}

/* Each step gives how many bytes it took. 0 only when it changed the phase. */
static size_t step_head(struct flow *f, enum flow_dir dir, const uint8_t *p, size_t n, uint64_t ns)
{
	struct side *s = &f->side[dir];
	size_t old = s->head_n, take = old && n > HEAD_STEP ? HEAD_STEP : n, used = 0;
	const uint8_t *base = p;
	struct http1_head h;
	enum http1_answer a = HTTP1_BAD;

	if (!old) {
		if (f->asked && (*p == '\r' || *p == '\n'))
			return 1; /* some clients end a body with an empty line of its own */
		s->head_offset = s->next;
		s->head_ns = ns;
		a = http1_head_parse(dir == FLOW_REQUEST, p, n, &s->head_seen, &h, &used);
		if (a == HTTP1_MORE && !keep_head(s, p, n))
			a = HTTP1_BAD;
	} else if (keep_head(s, p, take)) {
		base = s->head;
		a = http1_head_parse(dir == FLOW_REQUEST, base, s->head_n, &s->head_seen, &h,
				     &used);
		used -= a == HTTP1_OK ? old : 0;
	}
	if (a == HTTP1_MORE)
		return take;
	if (a == HTTP1_OK) {
		on_head(f, dir, &h, base, ns);
	} else {
		on_garbage(f, dir);
		used = old ? 0 : 1;
	}
	drop_head(s);
	return used;
}

/* --- bodies --------------------------------------------------------------------------------- */

static size_t step_body(struct flow *f, enum flow_dir dir, const uint8_t *p, size_t n, uint64_t ns)
{
	struct side *s = &f->side[dir];
	const uint8_t *data;
	size_t used = n, data_n = 0;
	enum http1_answer a = http1_body_step(&s->framing, p, n, &used, &data, &data_n);

	if (data_n && s->x)
		exchange_data(s->x, dir, data, data_n, ns);
	if (a == HTTP1_OK) {
		message_over(f, dir, ns);
	} else if (a == HTTP1_BAD) {
		if (s->x)
			exchange_incomplete(s->x, UNDECODABLE, "chunked framing is broken");
		message_lost(f, dir, ns);
		return 0;
	}
	return used;
}

/* --- lost ----------------------------------------------------------------------------------- */

static void found_start(struct flow *f, enum flow_dir dir, uint64_t ns)
{
	struct exchange *x = awaiting(f);

	f->side[dir].phase = START;
	f->side[dir].head_seen = 0;
	if (dir == FLOW_REQUEST)
		return;
	/* If its answer had begun this is the next one's. */
	if (x && x->answer_begun) {
		f->side[dir].x = x;
		exchange_incomplete(x, TRUNCATED, "answer not seen to its end");
		answer_over(f, true, ns);
	}
}

static size_t step_lost(struct flow *f, enum flow_dir dir, const uint8_t *p, size_t n, uint64_t ns)
{
	struct side *s = &f->side[dir];
	size_t old = s->head_n, take = old && n > HEAD_STEP ? HEAD_STEP : n, at = 0;
	enum http1_answer a;

	if (!old) {
		a = http1_find_start(dir == FLOW_REQUEST, p, n, &at);
		if (a == HTTP1_OK)
			found_start(f, dir, ns);
		if (a == HTTP1_MORE && n - at <= START_LINE_MAX) {
			s->head_offset = s->next + at;
			s->head_ns = ns;
			if (!keep_head(s, p + at, n - at))
				drop_head(s);
		}
		return a == HTTP1_OK ? at : n;
	}
	if (!keep_head(s, p, take)) {
		drop_head(s);
		return take;
	}
	a = http1_find_start(dir == FLOW_REQUEST, s->head, s->head_n, &at);
	if (a == HTTP1_OK && at < old) {
		/* Hand over what was there before; step_head takes the rest from p. */
		memmove(s->head, s->head + at, old - at);
		s->head_n = old - at;
		s->head_offset += at;
		found_start(f, dir, ns);
		return 0;
	}
	if (a == HTTP1_MORE && s->head_n - at <= START_LINE_MAX) {
		memmove(s->head, s->head + at, s->head_n - at);
		s->head_n -= at;
		s->head_offset += at;
		if (at >= old)
			s->head_ns = ns;
		return take;
	}
	drop_head(s);
	if (a == HTTP1_OK) {
		found_start(f, dir, ns);
		return at - old;
	}
	return take;
}

/* Whether p is a run of whole HTTP/2 frames: their preface was before we could see it. */
static bool is_http2(const uint8_t *p, size_t n)
{
	while (n >= 9) {
		size_t len = 9 + ((size_t)p[0] << 16 | p[1] << 8 | p[2]);

		if (p[3] > 0x10 || p[5] & 0x80 || len > n)
			return false;
		p += len;
		n -= len;
		if (!n)
			return true;
	}
	return false;
}

/* A late flow may be anything; a search has an end. */
static bool is_foreign(struct flow *f, const uint8_t *p, size_t n)
{
	f->searched += n;
	return f->late && !f->asked && (f->searched > SEARCH_MAX || is_http2(p, n));
}

/* --- gaps ----------------------------------------------------------------------------------- */

static void gap_in_requests(struct flow *f, uint64_t n, uint64_t ns)
{
	struct side *s = &f->side[FLOW_REQUEST];
	struct http1_head h;

	if (s->phase == START) {
		f->unpaired = true;
		s->phase = LOST;
		/* A head that had begun is still a call: report it by the lines that are there. */
		if (s->head_n && http1_head_salvage(true, s->head, s->head_n, &h) == HTTP1_OK)
			on_request(f, &h, s->head_offset, true, ns);
		return;
	}
	if (s->phase == LOST)
		return;
	if (s->x)
		exchange_gap(s->x, FLOW_REQUEST, n);
	switch (http1_body_gap(&s->framing, n)) {
	case HTTP1_OK:
		if (http1_body_over(&s->framing))
			request_over(f, false, ns);
		break;
	case HTTP1_BAD:
		f->unpaired = true;
		request_over(f, true, ns);
		break;
	default:
		break;
	}
}

static void mark_all(struct flow *f)
{
	for (unsigned i = 0; i < f->count; i++)
		exchange_incomplete(f->q[i], GAP, "bytes of the answer are missing");
}

static void gap_in_answers(struct flow *f, uint64_t n, uint64_t ns)
{
	struct side *s = &f->side[FLOW_RESPONSE];

	if (s->phase == START) {
		mark_all(f);
		s->phase = LOST;
		return;
	}
	if (s->phase == LOST)
		return;
	if (s->x)
		exchange_gap(s->x, FLOW_RESPONSE, n);
	switch (http1_body_gap(&s->framing, n)) {
	case HTTP1_OK:
		if (http1_body_over(&s->framing))
			answer_over(f, false, ns);
		break;
	case HTTP1_BAD:
		mark_all(f);
		answer_over(f, true, ns);
		s->phase = LOST;
		break;
	default:
		break;
	}
}

/* --- chunks --------------------------------------------------------------------------------- */

/* Answers wait while nobody asked or the question is still coming. */
static bool must_hold(const struct flow *f)
{
	const struct side *s = &f->side[FLOW_RESPONSE];
	struct exchange *x = awaiting(f);

	if (s->phase != START || s->head_n)
		return false;
	return !x || (!x->request_over && !f->overtake && !is_lost(&f->side[FLOW_REQUEST]));
}

/* After lost chunk borders a message may start with a chunk. */
static void message_start_while_lost(struct flow *f, enum flow_dir dir, const uint8_t *p, size_t n,
				     uint64_t ns)
{
	struct side *s = &f->side[dir];
	size_t at;

	if (s->phase != BODY || !http1_body_lost(&s->framing) ||
	    (p[0] != 'H' && dir == FLOW_RESPONSE) ||
	    http1_find_start(dir == FLOW_REQUEST, p, n, &at) != HTTP1_OK || at)
		return;
	if (dir == FLOW_REQUEST)
		request_over(f, true, ns);
	else
		answer_over(f, true, ns);
	s->phase = START;
}

/* One run of one direction. Gives how many bytes were taken: fewer than n if answers must wait. */
static size_t advance(struct flow *f, enum flow_dir dir, uint64_t offset, const uint8_t *p,
		      size_t n, uint64_t ns)
{
	struct side *s = &f->side[dir];
	size_t done = 0;

	if (offset > s->next) {
		if (dir == FLOW_REQUEST)
			gap_in_requests(f, offset - s->next, ns);
		else
			gap_in_answers(f, offset - s->next, ns);
		drop_head(s);
		s->next = offset;
	}
	message_start_while_lost(f, dir, p, n, ns);
	while (done < n && !f->ignored && !(dir == FLOW_RESPONSE && must_hold(f))) {
		size_t used;

		if (s->phase == START)
			used = step_head(f, dir, p + done, n - done, ns);
		else if (s->phase == BODY)
			used = step_body(f, dir, p + done, n - done, ns);
		else
			used = step_lost(f, dir, p + done, n - done, ns);
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

static void answer_chunk(struct flow *f, uint64_t offset, const uint8_t *p, size_t n, uint64_t ns)
{
	size_t used = 0;

	if (!f->hold && !must_hold(f))
		used = advance(f, FLOW_RESPONSE, offset, p, n, ns);
	if (used == n || !hold_push(&f->hold, offset + used, p + used, n - used, ns))
		return;
	f->overtake = true;
	drain(f);
	if (!f->hold && !must_hold(f))
		used += advance(f, FLOW_RESPONSE, offset + used, p + used, n - used, ns);
	if (used == n || !hold_push(&f->hold, offset + used, p + used, n - used, ns))
		return;
	/* No request for all of this: give it up. */
	drop_hold(f);
	f->overtake = false;
	f->answer_given_up = !f->unpaired;
	f->side[FLOW_RESPONSE].phase = LOST;
	f->side[FLOW_RESPONSE].next = offset + n;
}

/* A server that speaks first and not HTTP. */
static bool foreign_answer(const struct flow *f, const uint8_t *p, size_t n)
{
	size_t seen = 0, used;
	struct http1_head h;

	return !f->asked && !f->late && !f->hold && !f->side[FLOW_REQUEST].started &&
	       http1_head_parse(false, p, n, &seen, &h, &used) == HTTP1_BAD;
}

static void release(struct flow *f)
{
	drop_hold(f);
	drop_head(&f->side[FLOW_REQUEST]);
	drop_head(&f->side[FLOW_RESPONSE]);
}

enum flow_state flow_data(struct flow *f, enum flow_dir dir, uint64_t offset, const uint8_t *p,
			  size_t n, uint64_t ns)
{
	struct side *s = &f->side[dir];
	uint64_t expected;

	if (f->ignored)
		return FLOW_IGNORE;
	if (!n || n > UINT64_MAX - offset)
		return FLOW_MORE;
	if (!s->started && f->late)
		s->next = offset;
	if (dir == FLOW_RESPONSE && !s->started && foreign_answer(f, p, n))
		f->ignored = true;
	s->started = true;
	expected = dir == FLOW_RESPONSE && f->hold ? hold_end(f->hold) : s->next;
	if (f->ignored || (f->deaf && dir == FLOW_RESPONSE) || offset + n <= expected)
		goto out;
	if (offset < expected) {
		p += expected - offset;
		n -= expected - offset;
		offset = expected;
	}
	if (dir == FLOW_REQUEST) {
		advance(f, dir, offset, p, n, ns);
		drain(f);
		f->ignored |= is_foreign(f, p, n);
	} else {
		answer_chunk(f, offset, p, n, ns);
	}
out:
	if (f->ignored)
		release(f);
	return f->ignored ? FLOW_IGNORE : FLOW_MORE;
}

/* --- life ----------------------------------------------------------------------------------- */

struct flow *flow_new(const struct flow_ops *ops, void *ctx, bool late)
{
	struct flow *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->ops = ops;
	f->ctx = ctx;
	f->late = f->unpaired = late;
	f->side[FLOW_REQUEST].phase = f->side[FLOW_RESPONSE].phase = late ? LOST : START;
	return f;
}

void flow_free(struct flow *f)
{
	if (!f)
		return;
	release(f);
	while (f->count)
		exchange_free(f->q[--f->count]);
	free(f);
}

/* Its end is the end of the connection, or a client hung up after the stream's last event. */
static void close_whole(struct flow *f, struct exchange *x, uint64_t ns)
{
	exchange_answer_over(x, false, ns);
	finish(f, x);
}

static void close_one(struct flow *f, struct exchange *x, uint64_t ns)
{
	struct side *s = &f->side[FLOW_RESPONSE];
	bool by_close = s->x == x && s->phase == BODY && s->framing.mode == HTTP1_CLOSE;

	if (!x->request_over)
		abandon(f, x, "connection ended inside the request", ns);
	else if (!x->answer_begun)
		abandon(f, x, "connection ended before the answer", ns);
	else if (by_close || exchange_stream_done(x))
		close_whole(f, x, ns);
	else
		abandon(f, x, "connection ended inside the answer", ns);
}

void flow_close(struct flow *f, uint64_t ns)
{
	f->overtake = true;
	drain(f);
	while (f->count)
		close_one(f, f->q[0], ns);
	f->ignored = true;
	release(f);
}

bool flow_busy(const struct flow *f)
{
	for (unsigned i = 0; i < f->count; i++)
		if (f->q[i]->it)
			return true;
	return f->side[FLOW_REQUEST].phase == START && f->side[FLOW_REQUEST].head_n;
}
