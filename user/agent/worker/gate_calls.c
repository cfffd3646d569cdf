// SPDX-License-Identifier: Apache-2.0
/*
 * What the gate knows of each exchange. Flows in: the bytes of a write that waits, as flow reads
 * them (through conns.c and follow.c), and what the pack says of a call (judge.c). Flows out: what
 * each exchange wants (struct gate_watch), for gate_resolve.c; for the record, what was done and
 * what nobody judged.
 *
 * Where no wait was possible the decision comes after the bytes left: the socket is ended all the
 * same, and the record says so.
 *
 * Limits: an exchange without memory for this is judged as without a gate. Text is kept only where
 * a rule masks, as much as held.c holds; one whose beginning was not seen is not masked.
 */
#include "agent/worker/gate_int.h"

#include <stdlib.h>
#include <string.h>

#include "agent/worker/judge.h"
#include "base/cleanup.h"
#include "flow/flow.h"

/* --- exchanges -------------------------------------------------------------------------------- */

void gate_watch_free(struct watch *w)
{
	if (!w->gate)
		return;
	held_text_free(&w->gate->text);
	free(w->gate->out.redactions);
	free(w->gate);
	w->gate = NULL;
}

/* began: with the bytes in hand, so that all of its request is seen here. */
static struct gate_watch *watch_gate(struct watch *w, bool began)
{
	if (w->gate)
		return w->gate;
	w->gate = calloc(1, sizeof(*w->gate));
	if (!w->gate)
		return NULL;
	w->gate->rule = w->gate->out.rule = -1;
	w->gate->text.lost = !began;
	if (began && w->request.value == NULL) {
		w->request.value = held_text_value;
		w->request.ctx = &w->gate->text;
	}
	return w->gate;
}

static bool in_write(const struct conn *c)
{
	return c->gate && c->gate->telling;
}

void gate_head(struct conn *c, struct watch *w)
{
	struct gate_watch *gw = in_write(c) ? watch_gate(w, true) : NULL;
	const struct gate_conn *gc = c->gate;

	if (gw)
		gw->touched = true;
	else if (gc && gc->not_judged && w->request_offset >= gc->from &&
		 w->request_offset < gc->upto)
		gate_was_not_judged(w, gc->not_judged);
}

void gate_was_not_judged(struct watch *w, const char *why)
{
	struct gate_watch *gw = watch_gate(w, false);

	if (gw && !gw->out.not_judged)
		gw->out.not_judged = why;
}

const char *gate_not_judged(const struct watch *w)
{
	return w->gate && w->gate->out.not_judged ? w->gate->out.not_judged : "";
}

void gate_bytes(struct conn *c, struct watch *w, const uint8_t *p, size_t n)
{
	struct gate_watch *gw = c->gate ? watch_gate(w, false) : NULL;

	if (!gw)
		return;
	gw->touched |= in_write(c);
	gw->body += n;
	if (c->worker->gate->redacts)
		held_text_body(&c->gate->held, &gw->text, p, n);
	if (!in_write(c))
		gw->body_left = gw->body;
}

void gate_text(struct conn *c, struct watch *w, const uint8_t *p, size_t n)
{
	struct gate_watch *gw = c->gate ? watch_gate(w, false) : NULL;

	if (gw && c->worker->gate->redacts)
		held_text_feed(&c->gate->held, &gw->text, p, n);
}

void gate_unframed(struct conn *c, const uint8_t *p, size_t n, const struct flow_masked *at)
{
	if (c->gate && c->worker->gate->redacts)
		held_masked(&c->gate->held, p, n, at);
}

bool gate_holds(const struct conn *c)
{
	return c->gate && !c->gate->clear;
}

void gate_done(struct watch *w, const struct interaction *it)
{
	struct gate_watch *gw = w->gate;

	if (gw && gw->out.masked)
		gw->out.hashed = held_text_hash(&gw->text, it->request_body, gw->out.sha256);
}

const struct gate_outcome *gate_outcome(const struct watch *w)
{
	return w->gate && w->gate->out.did ? &w->gate->out : NULL;
}

/* --- chunks ----------------------------------------------------------------------------------- */

void gate_chunk(struct gate *g, struct conn *c, const struct chunk *k)
{
	struct gate_conn *gc = k->dir == EVENT_WRITE ? gate_conn_get(c) : NULL;

	if (!gc)
		return;
	if (!gc->telling) {
		gate_wait_over(g, gc);
		for (struct watch *w = c->watches; w; w = w->next)
			if (w->gate)
				w->gate->touched = w->gate->judged = false;
		held_begin(&gc->held, k->offset);
		gc->telling = true;
		gc->state = GATE_IDLE;
		gc->ended = gc->stopped = gc->counted = false;
		gc->until_ns = 0;
		gc->worst = DISPOSITION_ALLOW;
	}
	if (g->redacts)
		held_chunk(&gc->held, k);
}

void gate_chunk_over(struct conn *c)
{
	if (c->gate)
		held_chunk_over(&c->gate->held);
}

/* --- what the pack says ----------------------------------------------------------------------- */

static void want(struct gate *g, struct gate_watch *gw, const struct decision *d)
{
	const struct pack *p = g->worker->pack;

	gw->want = d->disposition;
	gw->rule = d->deciding;
	memset(gw->wanted, 0, sizeof(gw->wanted));
	gw->otherwise = DISPOSITION_ALLOW;
	gw->otherwise_rule = d->deciding;
	for (size_t i = 0; i < d->rules; i++) {
		const struct pack_action *a = pack_rule_action(p, i);

		if (d->result[i] != RULE_FIRED || d->monitored[i] ||
		    pack_rule_disposition(p, i) != DISPOSITION_REDACT || !a)
			continue;
		if (a->otherwise > gw->otherwise) {
			gw->otherwise = a->otherwise;
			gw->otherwise_rule = i;
		}
		for (unsigned k = 0; k < dataclass_count(); k++)
			for (size_t n = 0; n < a->redact.n && !gw->wanted[k]; n++)
				gw->wanted[k] = glob_match(a->redact.v[n], dataclass_id(k));
	}
}

/* It has left: the rest of it, and the answer, can still be stopped. */
static void too_late(struct gate *g, struct conn *c, struct watch *w, const struct decision *d)
{
	struct gate_watch *gw = watch_gate(w, false);
	enum disposition does = d->disposition;

	if (!gw || gw->out.did || (!c->sock && !(c->flags & EVENT_F_PLAIN)))
		return;
	want(g, gw, d);
	if (does == DISPOSITION_REDACT) {
		does = gw->otherwise;
		gw->rule = gw->otherwise_rule;
	}
	gw->out = (struct gate_outcome){.did = does >= DISPOSITION_HOLD ? does : DISPOSITION_REDACT,
					.failed = does < DISPOSITION_HOLD,
					.not_judged = gw->out.not_judged,
					.rule = gw->rule,
					.generation = g->worker->generation};
	if (does < DISPOSITION_HOLD)
		return;
	g->count.late_refused++;
	gw->out.sent_before = c->end[EVENT_WRITE] > w->request_offset
				      ? c->end[EVENT_WRITE] - w->request_offset
				      : 0;
	gw->out.failed = true; /* until the keeper says that it is done */
	gate_ask_refusal(g, c, 0, 0, gw->rule);
}

bool gate_decided(struct gate *g, struct conn *c, struct watch *w, const struct interaction *it,
		  const struct decision *d, enum facts_stage stage)
{
	struct gate_watch *gw = g && in_write(c) ? watch_gate(w, false) : NULL;

	if (gw) {
		gw->touched = gw->judged = true;
		want(g, gw, d);
		return true;
	}
	if (!g || stage < FACTS_REQUEST || d->disposition < DISPOSITION_HOLD ||
	    d->disposition == DISPOSITION_KILL)
		return false;
	too_late(g, c, w, d);
	return true;
}

/* A host that is in no catalog is known to be AI when a request has ended; of one that still comes it is
 * enough that the path is a dialect's and the body has named a model. */
static bool speaks(const struct conn *c, struct watch *w)
{
	if (c->ai)
		return true;
	return w->it->dialect != DIALECT_NONE && w->it->request_model[0] &&
	       judge_service(c->worker, c, w->it, dialect_name(w->it->dialect), &w->service);
}

/* Requests that still come are judged by what was seen, and so is what a WebSocket's client adds to
 * what it has asked. */
void gate_judge_open(struct gate *g, struct conn *c)
{
	for (struct watch *w = c->watches, *next; w; w = next) {
		next = w->next;
		if (!w->gate || !w->gate->touched || !w->it || !speaks(c, w))
			continue;
		if (!w->told || (w->it->websocket && !w->gate->judged))
			judge_partial(g->worker, c, w);
	}
}
