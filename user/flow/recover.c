// SPDX-License-Identifier: Apache-2.0
/*
 * What happens when bytes are missing, and how the place in the stream is found again.
 *
 * Within a body of known length missing bytes are counted and the exchange goes on, marked.
 * Otherwise the direction is lost: the bytes are searched for a first line of a message, or,
 * inside a chunked body, for the next chunk (http1_body.c). A first line cut by the end of a
 * chunk is kept until it is whole, at most START_LINE_MAX bytes.
 *
 * Once requests may be missing the flow is `unpaired`: an answer that began before the request it
 * would be paired with is nobody's.
 */
#include <string.h>

#include "flow_impl.h"

#define KEEP_STEP 2048
#define START_LINE_MAX 8192
#define SEARCH_MAX (16u << 20) /* bytes of requests before the first one of a late flow */

/* Whole answers may be missing, so that later ones would go to the wrong requests. With one request
 * open there is only one that what follows can belong to. */
static void mark_all(struct flow *f)
{
	f->shifted |= f->count > 1;
	for (unsigned i = 0; i < f->count; i++)
		exchange_incomplete(f->q[i], GAP, "bytes of the answer are missing");
}

void recover_answer_over(struct flow *f)
{
	if (f->unpaired || f->count > 1)
		mark_all(f);
}

/* --- search --------------------------------------------------------------------------------- */

/* An answer begins where one was being searched for: others may have gone by unseen. begun: that of the
 * first request had. */
static void found_answer(struct flow *f, bool begun)
{
	if (f->count > 1u + begun)
		mark_all(f);
}

static void found_start(struct flow *f, enum flow_dir dir, uint64_t ns)
{
	struct side *s = &f->side[dir];
	struct exchange *x = pair_awaiting(f);

	s->phase = START;
	s->head_seen = 0;
	if (dir == FLOW_RESPONSE && x)
		found_answer(f, x->answer_begun);
	/* If the answer to x had begun this is the next one's. */
	if (dir == FLOW_RESPONSE && x && x->answer_begun) {
		s->x = x;
		exchange_incomplete(x, TRUNCATED, "answer not seen to its end");
		pair_message_over(f, dir, true, ns);
	}
}

static size_t search_chunk(struct flow *f, enum flow_dir dir, const uint8_t *p, size_t n,
			   uint64_t ns)
{
	struct side *s = &f->side[dir];
	size_t at = 0;
	enum http1_answer a = http1_find_start(dir == FLOW_REQUEST, p, n, &at);

	if (a == HTTP1_OK) {
		found_start(f, dir, ns);
		return at;
	}
	if (a == HTTP1_MORE && n - at <= START_LINE_MAX) {
		s->head_offset = s->next + at;
		s->head_ns = ns;
		if (!head_keep(s, p + at, n - at))
			head_drop(s);
	}
	return n;
}

static void head_shift(struct side *s, size_t at)
{
	memmove(s->head, s->head + at, s->head_n - at);
	s->head_n -= at;
	s->head_offset += at;
}

/* With the beginning of a candidate kept from the chunk before. */
static size_t search_kept(struct flow *f, enum flow_dir dir, const uint8_t *p, size_t n,
			  uint64_t ns)
{
	struct side *s = &f->side[dir];
	size_t old = s->head_n, take = n < KEEP_STEP ? n : KEEP_STEP, at = 0;
	enum http1_answer a = HTTP1_BAD;

	if (head_keep(s, p, take))
		a = http1_find_start(dir == FLOW_REQUEST, s->head, s->head_n, &at);
	if (a == HTTP1_MORE && s->head_n - at <= START_LINE_MAX) {
		if (at >= old)
			s->head_ns = ns;
		head_shift(s, at);
		return take;
	}
	if (a == HTTP1_OK && at < old) {
		/* What was there before stays; message_head takes the rest from p. */
		s->head_n = old;
		head_shift(s, at);
		found_start(f, dir, ns);
		return 0;
	}
	head_drop(s);
	if (a != HTTP1_OK)
		return take;
	found_start(f, dir, ns);
	return at - old;
}

size_t recover_step(struct flow *f, enum flow_dir dir, const uint8_t *p, size_t n, uint64_t ns)
{
	return f->side[dir].head_n ? search_kept(f, dir, p, n, ns) : search_chunk(f, dir, p, n, ns);
}

void recover_chunk(struct flow *f, enum flow_dir dir, const uint8_t *p, size_t n, uint64_t ns)
{
	struct side *s = &f->side[dir];
	size_t at;

	if (s->phase != BODY || !http1_body_lost(&s->framing) ||
	    http1_find_start(dir == FLOW_REQUEST, p, n, &at) != HTTP1_OK || at)
		return;
	if (dir == FLOW_RESPONSE)
		found_answer(f, true);
	pair_message_over(f, dir, true, ns);
	s->phase = START;
}

bool recover_is_foreign(struct flow *f, size_t n)
{
	if (!f->late || f->asked)
		return false;
	f->searched += n;
	return f->searched > SEARCH_MAX;
}

/* --- gaps ----------------------------------------------------------------------------------- */

static void gap_between(struct flow *f, enum flow_dir dir, uint64_t ns)
{
	static const struct pair_flaw flaw = {GAP, "bytes of the request are missing"};
	struct side *s = &f->side[dir];
	struct http1_head h;

	s->phase = LOST;
	if (dir == FLOW_RESPONSE) {
		mark_all(f);
		return;
	}
	f->unpaired = true;
	/* A head that had begun is still a call: report it by the lines that are there. */
	if (s->head_n && http1_head_salvage(true, s->head, s->head_n, &h) == HTTP1_OK)
		pair_request(f, &h, s->head_offset, &flaw, ns);
}

/* Bytes of what is of no interest may be left out (FLOW_QUIET), and with them its end. The other
 * direction tells: of the request, by its answer, of the answer, by the next request. */
static bool is_behind(const struct flow *f, enum flow_dir dir)
{
	const struct exchange *x = f->side[dir].x;

	return x && !x->it && (dir == FLOW_REQUEST ? x->answer_over : f->q[f->count - 1] != x);
}

static void gap_in_body(struct flow *f, enum flow_dir dir, uint64_t n, uint64_t ns)
{
	struct side *s = &f->side[dir];
	enum http1_answer a = http1_body_gap(&s->framing, n);

	if (s->x)
		exchange_gap(s->x, dir, a == HTTP1_OK ? n : 0);
	/* Its end may be among them, and a whole request; or a whole answer: that of a request with
	 * another behind it. */
	if (a == HTTP1_MORE && dir == FLOW_REQUEST)
		f->unpaired = true;
	else if (a == HTTP1_MORE && f->count > 2)
		mark_all(f);
	if (a == HTTP1_OK && http1_body_over(&s->framing)) {
		pair_message_over(f, dir, false, ns);
	} else if (a == HTTP1_BAD) {
		/* The body ended within, and what else began there is not known. */
		if (dir == FLOW_REQUEST)
			f->unpaired = true;
		else
			mark_all(f);
		pair_message_over(f, dir, true, ns);
		s->phase = LOST;
	} else if (a == HTTP1_MORE && is_behind(f, dir)) {
		pair_message_over(f, dir, true, ns);
		s->phase = LOST;
	}
}

void recover_gap(struct flow *f, enum flow_dir dir, uint64_t n, uint64_t ns)
{
	struct side *s = &f->side[dir];

	if (s->phase == START)
		gap_between(f, dir, ns);
	else if (s->phase == BODY)
		gap_in_body(f, dir, n, ns);
	head_drop(s);
}
