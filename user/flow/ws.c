// SPDX-License-Identifier: Apache-2.0
/*
 * chunk → frames → messages (ws_reader.c) → whose it is (ws_peek.c, ws_turns.c) → turn (ws_turn.c)
 *
 * A message is held until it says what it is, at most WS_HOLD_MAX bytes of it; the rest goes to
 * its turn as it comes, each with its place in the stream (of more frames than WS_PIECES_MAX the last
 * ones' places are not known). Binary messages that are no JSON (audio) are counted and hashed.
 *
 * Memory: both readers' inflate windows, WS_HOLD_MAX per direction, and at most WS_TURNS_MAX turns
 * and one, whatever the number of turns the connection has carried.
 */
#include "ws.h"

#include <stdlib.h>
#include <string.h>

#include "ws_impl.h"

/* --- messages -------------------------------------------------------------------------------- */

static void on_begin(void *ctx, uint64_t offset, bool text)
{
	struct ws_way *way = ctx;

	way->offset = offset;
	way->text = text;
	way->turn = NULL;
	way->routed = false;
	way->wire = 0;
	way->hold_n = way->pieces = 0;
	ws_peek_begin(&way->peek);
}

static void on_wire(void *ctx, uint64_t n)
{
	struct ws_way *way = ctx;

	way->w->bytes += n;
	if (way->turn)
		ws_turn_wire(way->turn, way->dir, n);
	else
		way->wire += n;
}

static void feed(struct ws_way *way, const uint8_t *p, size_t n, const struct flow_masked *at)
{
	const struct ws_bytes b = {p, n, at, way->text || ws_peek_is_json(&way->peek)};

	if (way->turn)
		ws_turn_data(way->turn, way->dir, &b, way->w->ns);
}

static void keep(struct ws_way *way, const uint8_t *p, size_t n, const struct flow_masked *at)
{
	struct ws_piece *last = way->pieces ? &way->piece[way->pieces - 1] : NULL;
	bool goes_on =
		last && last->masked == (at != NULL) &&
		(!at || (at->head == last->at.head && at->offset == last->at.offset + last->n));

	memcpy(way->hold + way->hold_n, p, n);
	way->hold_n += n;
	if (goes_on) {
		last->n += n;
	} else if (way->pieces < WS_PIECES_MAX) {
		way->piece[way->pieces++] =
			(struct ws_piece){n, at != NULL, at ? *at : (struct flow_masked){0}};
	} else {
		last->n += n;
		last->masked = false;
	}
}

static void release(struct ws_way *way)
{
	ws_route(way);
	for (size_t i = 0, at = 0; i < way->pieces; at += way->piece[i++].n)
		feed(way, way->hold + at, way->piece[i].n,
		     way->piece[i].masked ? &way->piece[i].at : NULL);
	way->hold_n = way->pieces = 0;
}

/* It says whose it is; with several answers under way it must name the one. */
static bool is_known(const struct ws_way *way)
{
	const struct ws_peek *k = &way->peek;

	return ws_peek_ready(k) &&
	       (way->dir == FLOW_REQUEST || way->w->count < 2 || *k->lane || *k->response_id);
}

static void on_data(void *ctx, const uint8_t *p, size_t n, const struct flow_masked *at)
{
	struct ws_way *way = ctx;
	size_t room = WS_HOLD_MAX - way->hold_n, take = n < room ? n : room;
	struct flow_masked here = at ? *at : (struct flow_masked){0};

	ws_peek_data(&way->peek, p, n);
	if (!way->routed) {
		here.begins = !way->hold_n;
		keep(way, p, take, at ? &here : NULL);
		here.begins = false;
		here.offset += take;
		p += take;
		n -= take;
		if (!n && way->hold_n < WS_HOLD_MAX && !is_known(way))
			return;
		release(way);
	}
	feed(way, p, n, at ? &here : NULL);
}

static void on_end(void *ctx, const struct ws_flaw *flaw)
{
	struct ws_way *way = ctx;

	if (!way->routed && !way->hold_n && !flaw)
		return; /* an empty message says nothing */
	if (!way->routed)
		release(way);
	ws_settle(way, flaw);
	way->turn = NULL;
}

static void on_close(void *ctx, unsigned code)
{
	struct ws_way *way = ctx;
	struct ws *w = way->w;

	if (!w->close_code)
		w->close_code = code;
	w->over |= way->dir == FLOW_RESPONSE;
}

static void on_lost(void *ctx, const struct ws_flaw *flaw)
{
	ws_missed(ctx, flaw);
}

/* --- interface ------------------------------------------------------------------------------- */

struct ws *ws_new(const struct flow_ops *ops, void *ctx, const struct ws_start *start)
{
	struct ws *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->ops = ops;
	w->ctx = ctx;
	w->late = !start->base;
	interaction_init(&w->base);
	if (start->base)
		w->base = *start->base;
	/* Of the upgrade itself, not of the turns. */
	w->base.status = 0;
	w->base.request_wire = w->base.request_body = 0;
	w->base.response_wire = w->base.response_body = 0;
	w->base.request_end_ns = w->base.first_byte_ns = w->base.end_ns = 0;
	w->base.websocket = true;
	TEXT_SET(w->base.wire, "websocket", 9);
	w->dialect = w->base.dialect;
	w->unknown = start->unknown;
	for (unsigned i = 0; i < 2; i++) {
		struct ws_way *way = &w->way[i];

		way->w = w;
		way->dir = (enum flow_dir)i;
		way->sink = (struct ws_sink){on_begin, on_wire, on_data, on_end,
					     on_close, on_lost, way};
		ws_reader_init(&way->reader, &way->sink, i == FLOW_REQUEST, &start->deflate);
		if (w->late)
			ws_reader_lose(&way->reader);
	}
	return w;
}

void ws_free(struct ws *w)
{
	if (!w)
		return;
	for (unsigned i = 0; i < w->count; i++)
		ws_turn_free(w->asked[i]);
	ws_turn_free(w->pending);
	ws_reader_exit(&w->way[0].reader);
	ws_reader_exit(&w->way[1].reader);
	free(w);
}

bool ws_data(struct ws *w, enum flow_dir dir, uint64_t offset, const uint8_t *p, size_t n,
	     uint64_t ns)
{
	w->ns = ns;
	w->way[dir].reader.offset = offset;
	if (!w->dead && !w->over)
		ws_reader_data(&w->way[dir].reader, p, n);
	if (w->over)
		ws_end_all(w);
	return !w->dead;
}

void ws_gap(struct ws *w, enum flow_dir dir, uint64_t n, uint64_t ns)
{
	w->ns = ns;
	if (!w->dead && !w->over)
		ws_reader_gap(&w->way[dir].reader, n);
}

void ws_close(struct ws *w, uint64_t ns)
{
	static const struct ws_flaw ended = {TRUNCATED, "connection ended inside a message"};

	w->ns = ns;
	if (w->dead || w->over)
		return;
	ws_reader_end(&w->way[FLOW_REQUEST].reader, &ended);
	ws_reader_end(&w->way[FLOW_RESPONSE].reader, &ended);
	ws_end_all(w);
	w->over = true;
}

bool ws_busy(const struct ws *w)
{
	return w->count || w->pending;
}

bool ws_ai_seen(const struct ws *w)
{
	return w->ai_seen || w->borne_out;
}
