// SPDX-License-Identifier: Apache-2.0
/*
 * Messages in, turns out.
 *
 * What the client says is collected in `pending` until it asks (response.create, a complete
 * client content, a tool's result), or until the server begins to answer unasked, as it does when
 * it listens to audio or goes on by itself. Then the turn waits in `asked` for its answer: found
 * by the response's id, by its lane, else the oldest. A turn is over with the server's last event.
 * One tool call of Gemini ends a turn too, as the call must be told before the tool runs.
 *
 * While no known dialect has been heard everything is one turn. At a host that is not known to be
 * AI it is dropped after WS_UNKNOWN_MAX messages; else it is told at the end as undecodable, with
 * its sizes and number of messages.
 *
 * Missing bytes may have held whole turns: the turns that are open and the next one say so, and
 * if there is no next one, a turn with nothing but the verdict does. Full: with WS_TURNS_MAX
 * turns unanswered the oldest ends as truncated.
 */
#include <string.h>

#include "ws_impl.h"

static const struct ws_flaw late = {LATE_ATTACH, "the WebSocket began before it could be seen"},
			    too_many = {TRUNCATED, "too many turns without an answer"},
			    not_asked = {GAP, "what the client asked was not seen"},
			    no_setup = {GAP, "the session's setup was not seen"},
			    unknown = {UNDECODABLE, "WebSocket messages of no known dialect"},
			    no_answer = {TRUNCATED, "connection ended before the answer"},
			    half_answer = {TRUNCATED, "connection ended inside the answer"};

/* --- the list of turns ----------------------------------------------------------------------- */

static void forget(struct ws *w, const struct ws_turn *t)
{
	for (unsigned i = 0; i < 2; i++)
		if (w->way[i].turn == t)
			w->way[i].turn = NULL;
	if (w->pending == t)
		w->pending = NULL;
	for (unsigned i = 0; i < w->count; i++)
		if (w->asked[i] == t) {
			w->count--;
			memmove(&w->asked[i], &w->asked[i + 1],
				(w->count - i) * sizeof(struct ws_turn *));
		}
}

static void finish(struct ws *w, struct ws_turn *t)
{
	forget(w, t);
	if (!w->borne_out) {
		t->it.turn = 0;
		t->it.messages = w->messages;
		if (t->it.dialect_by_path)
			t->it.dialect = DIALECT_NONE;
		if (t->it.dialect == DIALECT_NONE)
			ws_turn_flaw(t, &unknown);
	}
	if (t->it.dialect == DIALECT_GEMINI_LIVE_WS && !*t->it.request_model)
		ws_turn_flaw(t, &no_setup);
	w->ai_seen |= t->interest == FLOW_YES;
	ws_turn_finish(t, w->ns);
}

static struct ws_turn *begin(struct ws_way *way, bool by_server)
{
	struct ws *w = way->w;
	struct interaction it = w->base;
	struct ws_turn *t;

	if (w->dead)
		return NULL;
	it.start_ns = w->ns;
	it.request_offset = by_server ? TURN_BY_SERVER | way->offset : way->offset;
	it.turn = w->turns + 1;
	t = ws_turn_new(w->ops, w->ctx, &it);
	if (!t) {
		w->dead = !w->ai_seen;
		return NULL;
	}
	w->turns++;
	w->ai_seen |= t->interest == FLOW_YES;
	if (w->late)
		ws_turn_flaw(t, &late);
	for (unsigned i = 0; i < 2; i++) {
		if (w->way[i].missed)
			ws_turn_flaw(t, w->way[i].missed);
		w->way[i].missed = NULL;
	}
	if (w->borne_out)
		ws_turn_speaks(t, w->dialect);
	return t;
}

static struct ws_turn *collect(struct ws_way *way, bool by_server)
{
	if (!way->w->pending)
		way->w->pending = begin(way, by_server);
	return way->w->pending;
}

static void ask(struct ws *w, struct ws_turn *t)
{
	if (w->pending == t)
		w->pending = NULL;
	if (w->count == WS_TURNS_MAX) {
		ws_turn_flaw(w->asked[0], &too_many);
		finish(w, w->asked[0]);
	}
	w->asked[w->count++] = t;
	ws_turn_ask(t, w->ns);
}

/* The server answers what it was not asked for: it has heard enough, or the question is missing,
 * which may show only when the client speaks again. */
static struct ws_turn *unasked(struct ws_way *way)
{
	struct ws *w = way->w;
	struct ws_turn *t = collect(way, true);

	if (!t)
		return NULL;
	if (ws_reader_inside(&w->way[FLOW_REQUEST].reader) || (!t->it.request_body && !w->prompted))
		ws_turn_flaw(t, &not_asked);
	w->prompted = false;
	ask(w, t);
	return t;
}

/* --- whose is it ----------------------------------------------------------------------------- */

static struct ws_turn *first_not_created(struct ws *w, const char *lane)
{
	for (unsigned i = 0; i < w->count; i++)
		if (!w->asked[i]->created && (!*lane || !strcmp(w->asked[i]->lane, lane)))
			return w->asked[i];
	return NULL;
}

static struct ws_turn *by_id(struct ws *w, const struct ws_peek *k)
{
	for (unsigned i = 0; *k->response_id && i < w->count; i++)
		if (!strcmp(w->asked[i]->response_id, k->response_id))
			return w->asked[i];
	for (unsigned i = 0; *k->lane && i < w->count; i++)
		if (!strcmp(w->asked[i]->lane, k->lane))
			return w->asked[i];
	if (*k->response_id) /* of one whose begin was not seen */
		return first_not_created(w, k->lane);
	return w->count ? w->asked[0] : NULL;
}

static struct ws_turn *opened(struct ws_way *way)
{
	struct ws_turn *t = first_not_created(way->w, way->peek.lane);

	if (!t)
		t = unasked(way);
	if (!t)
		return NULL;
	t->created = true;
	TEXT_SET(t->response_id, way->peek.response_id, strlen(way->peek.response_id));
	return t;
}

static struct ws_turn *failed(struct ws_way *way)
{
	struct ws *w = way->w;
	struct ws_turn *t = first_not_created(w, way->peek.lane);

	/* Realtime also says so of messages that are no turn, and the turn goes on. */
	if (t || w->dialect != DIALECT_OPENAI_RESPONSES_WS)
		return t;
	if (w->count)
		return by_id(w, &way->peek);
	return w->pending ? unasked(way) : NULL;
}

static struct ws_turn *server_turn(struct ws_way *way, enum ws_event ev)
{
	struct ws *w = way->w;
	struct ws_turn *t;

	if (!w->borne_out)
		return w->pending || w->dialect == DIALECT_NONE ? collect(way, true) : NULL;
	switch (ev) {
	case WS_OPEN:
		return opened(way);
	case WS_ERROR:
		return failed(way);
	case WS_ANSWER:
	case WS_LAST:
	case WS_USAGE:
		t = by_id(w, &way->peek);
		if (!t)
			t = unasked(way);
		if (t && !t->created)
			TEXT_SET(t->response_id, way->peek.response_id,
				 strlen(way->peek.response_id));
		if (t)
			t->created = true;
		return t;
	default:
		/* The server speaks after a silence. */
		w->prompted |= !strcmp(way->peek.type, "input_audio_buffer.timeout_triggered");
		return w->count ? w->asked[0] : NULL;
	}
}

static struct ws_turn *client_turn(struct ws_way *way, enum ws_event ev)
{
	struct ws *w = way->w;

	if (ev == WS_OTHER && w->borne_out && ws_peek_is_json(&way->peek) && !way->reader.flaw)
		return w->count ? w->asked[w->count - 1] : w->pending;
	return collect(way, false);
}

/* --- dialect --------------------------------------------------------------------------------- */

static void speaks(struct ws *w, enum dialect d)
{
	if (w->borne_out)
		return;
	w->borne_out = true;
	w->dialect = w->base.dialect = d;
	w->base.dialect_by_path = false;
	if (w->pending)
		ws_turn_speaks(w->pending, d);
}

static enum ws_event event_of(const struct ws_way *way)
{
	struct ws *w = way->w;
	enum dialect d;
	enum ws_event ev = ws_peek_event(&way->peek, way->dir == FLOW_REQUEST,
					 w->borne_out ? w->dialect : DIALECT_NONE, &d);

	if (d != DIALECT_NONE)
		speaks(w, d);
	else if (ev != WS_OTHER && ev != WS_ERROR && w->dialect != DIALECT_NONE &&
		 (w->dialect == DIALECT_GEMINI_LIVE_WS) == !*way->peek.type)
		speaks(w, w->dialect);
	return ev;
}

/* Turns that only waited for their counts. */
static void end_waiting(struct ws *w)
{
	for (unsigned i = 0; i < w->count;)
		if (w->asked[i]->ending)
			finish(w, w->asked[i]);
		else
			i++;
}

void ws_route(struct ws_way *way)
{
	enum ws_event ev = event_of(way);
	bool request = way->dir == FLOW_REQUEST;

	/* It is long and has not said yet what it is. */
	if (ev == WS_OTHER && way->hold_n == WS_HOLD_MAX && !ws_peek_ready(&way->peek))
		ev = request ? WS_PART : WS_ANSWER;
	if (request || ev != WS_USAGE)
		end_waiting(way->w);
	way->turn = request ? client_turn(way, ev) : server_turn(way, ev);
	way->routed = true;
	if (!way->turn)
		return;
	ws_turn_wire(way->turn, way->dir, way->wire);
	way->wire = 0;
	if (ws_peek_is_json(&way->peek) && (ev != WS_OTHER || !way->w->borne_out))
		ws_turn_doc(way->turn, way->dir);
}

/* --- what follows ---------------------------------------------------------------------------- */

/* The model and the tools of the session are those of every turn to come. */
static void keep_setup(struct ws_way *way)
{
	struct ws *w = way->w;

	if (!ws_peek_is_setup(&way->peek))
		return;
	if (*way->peek.model)
		TEXT_SET(w->base.request_model, way->peek.model, strlen(way->peek.model));
	if (way->dir == FLOW_REQUEST && way->turn)
		w->base.tools_offered = way->turn->it.tools_offered;
	if (way->dir == FLOW_RESPONSE && w->pending && !*w->pending->it.request_model)
		memcpy(w->pending->it.request_model, w->base.request_model,
		       sizeof(w->base.request_model));
}

/* One lane has one answer at a time: what has a hole and is followed by the next question will
 * not be told to its end. */
static void end_broken(struct ws *w, const char *lane)
{
	for (unsigned i = 0; i < w->count;)
		if (w->asked[i]->it.completeness != COMPLETE && !w->late &&
		    !strcmp(w->asked[i]->lane, lane))
			finish(w, w->asked[i]);
		else
			i++;
}

static void settle_client(struct ws_way *way, enum ws_event ev)
{
	struct ws *w = way->w;

	if (ev != WS_ASK || !way->turn || way->turn != w->pending)
		return;
	end_broken(w, way->peek.lane);
	TEXT_SET(way->turn->lane, way->peek.lane, strlen(way->peek.lane));
	ask(w, way->turn);
}

static void settle_server(struct ws_way *way, enum ws_event ev)
{
	struct ws *w = way->w;
	struct ws_turn *t = way->turn;

	if (!t || !w->borne_out || t == w->pending)
		return;
	if (ev == WS_LAST && w->dialect == DIALECT_GEMINI_LIVE_WS && t->it.tokens.input < 0 &&
	    !t->it.tool_calls_count)
		t->ending = true; /* the counts may come by themselves */
	else if (ev == WS_LAST || ev == WS_ERROR || (ev == WS_USAGE && t->ending))
		finish(w, t);
	else if (ev == WS_USAGE && !t->it.response_body)
		t->ending = true;
}

static void leave_unknown(struct ws *w)
{
	struct ws_turn *t = w->pending;

	if (w->borne_out || !t || t->interest != FLOW_MAYBE ||
	    (w->messages < WS_UNKNOWN_MAX && w->bytes < WS_UNKNOWN_BYTES))
		return;
	finish(w, t);
	w->dead = !w->ai_seen;
	while (w->dead && w->count) /* asked in words that are no dialect's own */
		finish(w, w->asked[0]);
}

void ws_settle(struct ws_way *way, const struct ws_flaw *flaw)
{
	enum ws_event ev = event_of(way);

	way->w->messages++;
	if (way->turn) {
		ws_turn_doc_end(way->turn, way->dir, flaw);
		if (flaw)
			ws_turn_flaw(way->turn, flaw);
	} else if (flaw) {
		way->missed = flaw;
	}
	keep_setup(way);
	if (way->dir == FLOW_REQUEST)
		settle_client(way, ev);
	else
		settle_server(way, ev);
	leave_unknown(way->w);
}

void ws_missed(struct ws_way *way, const struct ws_flaw *flaw)
{
	static const struct ws_flaw extension = {UNDECODABLE, "WebSocket extension is not known"};
	struct ws *w = way->w;

	if (w->unknown)
		flaw = &extension;
	way->missed = flaw;
	if (w->pending)
		ws_turn_flaw(w->pending, flaw);
	for (unsigned i = 0; way->dir == FLOW_RESPONSE && i < w->count; i++)
		ws_turn_flaw(w->asked[i], flaw);
}

static void end_open(struct ws *w, struct ws_turn *t)
{
	char reason[64] = "";
	struct ws_flaw flaw = {TRUNCATED, reason};

	if (!t->ending && w->close_code && w->borne_out) {
		snprintf(reason, sizeof(reason), "WebSocket closed with code %u before the %s",
			 w->close_code, t->it.status ? "answer's end" : "answer");
		ws_turn_flaw(t, &flaw);
	} else if (!t->ending && w->borne_out) {
		ws_turn_flaw(t, t->it.status ? &half_answer : &no_answer);
	}
	finish(w, t);
}

void ws_end_all(struct ws *w)
{
	struct ws_way *way = &w->way[FLOW_REQUEST];

	if (w->ended)
		return;
	w->ended = true;
	while (w->count)
		end_open(w, w->asked[0]);
	if (w->pending)
		end_open(w, w->pending);
	if (!w->way[0].missed && !w->way[1].missed)
		return;
	/* What is missing may have been turns, and none came after them to say so. */
	way->offset = way->reader.offset;
	w->pending = begin(way, true);
	if (w->pending)
		finish(w, w->pending);
}
