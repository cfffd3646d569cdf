// SPDX-License-Identifier: Apache-2.0
/*
 * Heads, contents and ends of streams in, exchanges opened and finished.
 *
 * Only streams of interest are kept, ordered by id; what comes for any other stream is skipped.
 * An exchange is finished when both its messages are over, or when the stream is reset, refused by
 * GOAWAY, or the connection ends. A stream that has missed bytes in one direction may have missed
 * its end there: it is finished when the other direction ends.
 *
 * Full: of more than H2_STREAMS_MAX open ones those that may have missed their end are given up
 * first; if there is none, the new request is reported without its answer, as truncated.
 */
#include "h2.h"

#include <stdlib.h>
#include <string.h>

static const char missing[2][40] = {"bytes of the request are missing",
				    "bytes of the answer are missing"};

/* Place of the first stream not below id. */
static unsigned place(const struct h2 *h, uint32_t id)
{
	unsigned lo = 0, hi = h->count;

	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;

		if (h->streams[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct h2_stream *find(const struct h2 *h, uint32_t id)
{
	unsigned i = place(h, id);

	return i < h->count && h->streams[i].id == id ? &h->streams[i] : NULL;
}

static struct exchange *take(struct h2 *h, struct h2_stream *s)
{
	struct exchange *x = s->x;

	memmove(s, s + 1, (--h->count - (s - h->streams)) * sizeof(*s));
	return x;
}

static void judge(struct flow *f)
{
	if (!f->ai_seen && !f->h2->count && f->strangers >= f->patience)
		f->ignored = true;
}

static void finish(struct flow *f, struct h2_stream *s)
{
	struct exchange *x = take(f->h2, s);

	if (x->interest == FLOW_YES)
		f->ai_seen = true;
	else
		f->strangers++;
	exchange_finish(x);
	judge(f);
}

static void abandon(struct flow *f, struct h2_stream *s, const char *reason, uint64_t ns)
{
	exchange_incomplete(s->x, TRUNCATED, reason);
	if (!s->x->request_over)
		exchange_request_over(s->x, true, ns);
	if (!s->x->answer_over)
		exchange_answer_over(s->x, true, ns);
	finish(f, s);
}

/* Gives whether the stream is still there. */
static bool keep(struct flow *f, struct h2_stream *s)
{
	if (!s->x->it || (s->x->request_over && s->x->answer_over)) {
		finish(f, s);
		return false;
	}
	return true;
}

/* --- opening ----------------------------------------------------------------------------------- */

static bool make_room(struct flow *f, uint64_t ns)
{
	struct h2 *h = f->h2;
	struct h2_stream *streams;
	unsigned cap = h->cap ? 2 * h->cap : 8;

	if (h->count < h->cap)
		return true;
	if (h->cap == H2_STREAMS_MAX) {
		for (unsigned i = 0; i < h->count; i++)
			if (h->streams[i].gapped[0] || h->streams[i].gapped[1]) {
				abandon(f, &h->streams[i], "end of the stream was not seen", ns);
				return true;
			}
		return false;
	}
	streams = realloc(h->streams, cap * sizeof(*streams));
	if (!streams)
		return false;
	h->streams = streams;
	h->cap = cap;
	return true;
}

static void add(struct flow *f, uint32_t id, struct exchange *x)
{
	struct h2 *h = f->h2;
	unsigned at = place(h, id);

	memmove(&h->streams[at + 1], &h->streams[at], (h->count - at) * sizeof(*h->streams));
	h->streams[at] = (struct h2_stream){.id = id, .x = x};
	h->count++;
}

static void refuse(struct exchange *x, uint64_t ns)
{
	exchange_incomplete(x, TRUNCATED, "too many streams at once");
	exchange_request_over(x, true, ns);
	exchange_answer_over(x, true, ns);
	exchange_finish(x);
}

static void content(struct exchange *x, enum flow_dir dir, const struct h2_head *head)
{
	exchange_content(x, dir, &head->h);
	if (head->websocket)
		exchange_incomplete(x, UNDECODABLE, "WebSocket over HTTP/2 is not read");
}

static void open_stream(struct flow *f, const struct h2_message *m, uint64_t ns)
{
	struct h2 *h = f->h2;
	bool room = make_room(f, ns);
	struct exchange *x = exchange_new(f->ops, f->ctx, &m->head->h, m->offset, m->ns);

	if (!x || !x->it) {
		exchange_free(x);
		f->strangers++;
		judge(f);
		return;
	}
	if (m->flaw)
		exchange_incomplete(x, m->flaw->verdict, m->flaw->reason);
	if (m->stream <= h->given_up)
		exchange_incomplete(x, GAP, "answer came too long before the request");
	f->ai_seen |= x->interest == FLOW_YES;
	if (!room) {
		refuse(x, ns);
		return;
	}
	add(f, m->stream, x);
	if (m->end)
		h2_on_end(f, FLOW_REQUEST, m->stream, ns);
	else
		content(x, FLOW_REQUEST, m->head);
}

/* --- frames ------------------------------------------------------------------------------------ */

static void on_request(struct flow *f, const struct h2_message *m, uint64_t ns)
{
	struct h2 *h = f->h2;
	struct h2_stream *s = find(h, m->stream);

	if (m->stream > h->last) {
		h->last = m->stream;
		h->unpaired = false;
		f->asked = true;
		f->overtake = false;
		open_stream(f, m, ns);
	} else if (s && m->end) {
		exchange_trailers(s->x, &m->head->h);
		h2_on_end(f, FLOW_REQUEST, m->stream, ns);
	}
}

static void on_answer(struct flow *f, const struct h2_message *m, uint64_t ns)
{
	struct h2_stream *s = find(f->h2, m->stream);
	bool trailers = s && s->x->answer_begun;

	if (!s) {
		if (m->stream > f->h2->last && m->stream > f->h2->given_up)
			f->h2->given_up = m->stream;
		return;
	}
	if (m->head->h.status / 100 == 1 && !m->end)
		return;
	if (m->flaw)
		exchange_incomplete(s->x, m->flaw->verdict, m->flaw->reason);
	if (!trailers)
		exchange_answer(s->x, &m->head->h, m->ns);
	exchange_trailers(s->x, &m->head->h);
	if (m->end)
		h2_on_end(f, FLOW_RESPONSE, m->stream, ns);
	else if (!trailers)
		content(s->x, FLOW_RESPONSE, m->head);
	if (!m->end)
		keep(f, s);
}

void h2_on_head(struct flow *f, enum flow_dir dir, const struct h2_message *m, uint64_t ns)
{
	if (dir == FLOW_REQUEST)
		on_request(f, m, ns);
	else
		on_answer(f, m, ns);
}

void h2_on_data(struct flow *f, enum flow_dir dir, uint32_t stream, const uint8_t *p, size_t n,
		uint64_t ns)
{
	struct h2_stream *s = find(f->h2, stream);

	if (!s)
		return;
	/* Its head was missed: what the content is shows in its first bytes. */
	if (dir == FLOW_RESPONSE && !s->x->answer_begun) {
		const struct http1_head none = {.version = 20};

		exchange_incomplete(s->x, GAP, missing[FLOW_RESPONSE]);
		exchange_answer(s->x, &none, ns);
		exchange_content(s->x, FLOW_RESPONSE, &none);
	}
	exchange_data(s->x, dir, p, n, ns);
	if (dir == FLOW_RESPONSE && s->gapped[dir] && exchange_stream_done(s->x))
		h2_on_end(f, dir, stream, ns);
	else
		keep(f, s);
}

void h2_on_end(struct flow *f, enum flow_dir dir, uint32_t stream, uint64_t ns)
{
	struct h2_stream *s = find(f->h2, stream);

	if (!s)
		return;
	if (dir == FLOW_REQUEST && !s->x->request_over)
		exchange_request_over(s->x, false, ns);
	else if (dir == FLOW_RESPONSE && !s->x->answer_over)
		exchange_answer_over(s->x, false, ns);
	if (!keep(f, s))
		return;
	if (dir == FLOW_RESPONSE && s->gapped[FLOW_REQUEST])
		abandon(f, s, "end of the request was not seen", ns);
}

void h2_on_reset(struct flow *f, uint32_t stream, uint64_t ns)
{
	struct h2_stream *s = find(f->h2, stream);
	struct exchange *x = s ? s->x : NULL;

	if (!s)
		return;
	if (x->request_over && exchange_stream_done(x)) {
		/* The client leaves after the stream's last event. */
		exchange_answer_over(x, false, ns);
		finish(f, s);
	} else if (!x->request_over) {
		abandon(f, s, "stream was reset inside the request", ns);
	} else {
		abandon(f, s,
			x->answer_begun ? "stream was reset inside the answer"
					: "stream was reset before the answer",
			ns);
	}
}

void h2_on_goaway(struct flow *f, uint32_t last, uint64_t ns)
{
	struct h2 *h = f->h2;

	for (unsigned i = h->count; i-- > 0 && h->streams[i].id > last;)
		abandon(f, &h->streams[i], "server closed the connection before the answer", ns);
}

/* --- missing bytes and the end ------------------------------------------------------------------ */

void h2_on_gap(struct flow *f, enum flow_dir dir, uint32_t stream, uint64_t n)
{
	struct h2_stream *s = find(f->h2, stream);

	if (s)
		exchange_gap(s->x, dir, n);
}

void h2_all_gapped(struct flow *f, enum flow_dir dir, const struct pair_flaw *flaw)
{
	struct h2 *h = f->h2;

	for (unsigned i = 0; i < h->count; i++) {
		struct exchange *x = h->streams[i].x;

		if (dir == FLOW_REQUEST ? x->request_over : x->answer_over)
			continue;
		h->streams[i].gapped[dir] = true;
		exchange_incomplete(x, flaw->verdict, flaw->reason);
		exchange_gap(x, dir, 0);
	}
}

static void over(struct flow *f, struct h2_stream *s, const char *reason, uint64_t ns)
{
	struct exchange *x = s->x;

	if (x->request_over && !x->answer_over && exchange_stream_done(x)) {
		exchange_answer_over(x, false, ns);
		finish(f, s);
	} else {
		abandon(f, s,
			reason		   ? reason
			: !x->request_over ? "connection ended inside the request"
			: x->answer_begun  ? "connection ended inside the answer"
					   : "connection ended before the answer",
			ns);
	}
}

void h2_all_over(struct flow *f, const char *reason, uint64_t ns)
{
	while (f->h2->count)
		over(f, &f->h2->streams[0], reason, ns);
}
