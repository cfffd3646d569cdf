// SPDX-License-Identifier: Apache-2.0
/*
 * The gate's waits. Flows in: the question of a write that waits, when its bytes were read
 * (gate_calls.c, through conns.c and follow.c), then how the wait ended. Flows out: what was
 * decided about it (gate_resolve.c), to gate_answer.c; what the record of each call is to say.
 *
 * Answer first: a write that may go is answered as soon as its bytes were read, before anything is
 * sent or recorded. Nobody waits here: the kernel's bound is the only one, and when it ends the
 * wait EVENT_GATE_END is the truth, whatever was answered.
 *
 * Invariant: a wait is in the table while the keeper is asked about it or its process is stopped,
 * once, under its number, which does not change meanwhile. It leaves the table by an answer, by its
 * end, by the next write, or END_NS after the last of those was due. The table grows with the
 * connections (conns.c bounds them): a connection has one wait at most.
 *
 * A connection whose write was refused is over here: its calls are recorded as refused, and what
 * its client tries next on the same handle is read anew. A write that could not wait, or whose
 * bytes could not be read, is counted, and its record says that nobody judged it.
 */
#include "agent/worker/gate_int.h"

#include <stdlib.h>

#include "agent/worker/halves.h"
#include "base/cleanup.h"

#define END_NS 2000000000ull /* for EVENT_GATE_END to come after an answer */

/* --- the table of waits ----------------------------------------------------------------------- */

struct gate *gate_new(struct worker *w, struct gate_slot *slots)
{
	struct gate *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->worker = w;
	g->slots = slots;
	g->approve = approve_new(w);
	if (!g->approve) {
		free(g);
		return NULL;
	}
	return g;
}

void gate_free(struct gate *g)
{
	if (g)
		approve_free(g->approve);
	free(g);
}

void gate_wait_add(struct gate *g, struct gate_conn *gc)
{
	struct gate_conn **at = &g->waits[gc->seq % GATE_BUCKETS];

	gc->lost_ns = boot_now() + END_NS;
	if (gc->waiting)
		return;
	gc->next = *at;
	*at = gc;
	gc->waiting = true;
}

void gate_wait_remove(struct gate *g, struct gate_conn *gc)
{
	struct gate_conn **at = &g->waits[gc->seq % GATE_BUCKETS];

	if (!gc->waiting)
		return;
	while (*at != gc)
		at = &(*at)->next;
	*at = gc->next;
	gc->waiting = false;
}

struct gate_conn *gate_wait_find(struct gate *g, uint64_t seq)
{
	struct gate_conn *gc = g->waits[seq % GATE_BUCKETS];

	while (gc && gc->seq != seq)
		gc = gc->next;
	return gc;
}

struct gate_conn *gate_conn_get(struct conn *c)
{
	if (!c->gate) {
		c->gate = calloc(1, sizeof(*c->gate));
		if (c->gate) {
			c->gate->conn = c;
			c->gate->rule = -1;
		}
	}
	return c->gate;
}

void gate_conn_free(struct gate *g, struct conn *c)
{
	struct gate_conn *gc = c->gate;

	if (!gc)
		return;
	if (g && gc->state == GATE_BLOCKED) {
		gc->until_ns = 0; /* nobody would know its answer: it ends now */
		gate_tell_continue(g, gc, GATE_BLOCK);
	}
	if (g)
		gate_wait_remove(g, gc);
	held_free(&gc->held);
	free(gc->spans);
	free(gc);
	c->gate = NULL;
}

/* --- the kernel asks -------------------------------------------------------------------------- */

static struct conn *conn_of(struct gate *g, const struct event *e)
{
	return e->flags & EVENT_F_HALF ? halves_conn(g->worker->halves, e->conn)
				       : conns_find(g->worker->conns, e->conn);
}

/* Nothing of it was read: too large, a page is gone, or it is nothing that we can read. */
static void unknown(struct gate *g, const struct event_gate *e)
{
	struct conn c = {.pid = e->h.pid, .start_ns = e->h.start_ns};
	struct gate_conn gc = {.id = e->h.conn,
			       .seq = e->seq,
			       .asked_ns = e->h.boot_ns,
			       .rule = -1};

	g->count.unknown++;
	/* Without an answer its bound ends the wait as the rules' `fail` says: closed. */
	if (g->on && gate_closed_rule(g->worker, e->rules) >= 0)
		return;
	gate_answer(g, &gc, GATE_PASS);
	gc.conn = &c;
	if (e->how == GATE_STOPPED)
		gate_tell_continue(g, &gc, GATE_PASS);
}

/* It has gone, or was refused for that: the records of its calls say why. Its bytes come at its
 * return, or have come if it was refused. Keys of one direction count in other offsets. */
static void could_not_wait(struct gate *g, struct conn *c, const struct event_gate *e)
{
	struct gate_conn *gc;

	g->count.no_wait += e->how == GATE_FULL;
	g->count.away += e->how == GATE_AWAY;
	if (c && c->refused)
		c->kill_rules |= e->rules;
	if (!c && !(e->h.flags & EVENT_F_HALF))
		c = conns_get(g->worker->conns, &e->h);
	gc = c && !c->halves ? gate_conn_get(c) : NULL;
	if (!gc)
		return;
	gc->not_judged =
		e->how == GATE_AWAY ? "no agent was there to answer" : "no wait was possible";
	gc->from = e->offset;
	gc->upto = e->offset + e->size;
	for (struct watch *w = c->watches; w; w = w->next)
		if (!w->told || w->request_offset >= e->offset)
			gate_was_not_judged(w, gc->not_judged);
}

void gate_asked(struct gate *g, const struct event_gate *e)
{
	struct conn *c = conn_of(g, &e->h);
	struct gate_conn *gc = c ? c->gate : NULL;

	g->count.asked++;
	if (e->how == GATE_FULL || e->how == GATE_AWAY) {
		could_not_wait(g, c, e);
		return;
	}
	g->count.stopped += e->how == GATE_STOPPED;
	if (!gc || !gc->telling || !g->on) {
		unknown(g, e);
		return;
	}
	gate_wait_over(g, gc);
	gc->id = e->h.conn;
	gc->seq = e->seq;
	gc->how = e->how;
	gc->stopped = e->how == GATE_STOPPED;
	gc->counted = false;
	gc->cookie = e->cookie;
	gc->rules = e->rules;
	gc->asked_ns = e->h.boot_ns;
	gate_judge_open(g, c);
	g->count.unread += e->told < e->size;
	gate_resolve(g, gc, e->told < e->size);
	gate_carry_out(g, gc);
}

/* --- the wait is over ------------------------------------------------------------------------- */

void gate_waited(struct gate_conn *gc, uint64_t ns)
{
	static const char *const by[] = {
		[GATE_REEXEC] = "made_again", [GATE_HELD] = "held", [GATE_STOPPED] = "stopped"};

	if (gc->counted)
		return;
	gc->counted = true;
	for (struct watch *w = gc->conn->watches; w; w = w->next)
		if (w->gate && w->gate->touched) {
			w->gate->out.waited_ns += ns;
			w->gate->out.waited_by = gc->until_ns		    ? "blocked"
						 : gc->how < ARRAY_SIZE(by) ? by[gc->how]
									    : NULL;
		}
}

/* Its connection writes again, before the keeper's word that its process goes on was read. What
 * comes of the keeper about a wait that is not in the table any more is not looked at. */
void gate_wait_over(struct gate *g, struct gate_conn *gc)
{
	if (!gc->waiting)
		return;
	gate_wait_remove(g, gc);
	if (gc->stopped && gc->state == GATE_ANSWERED && gc->how != GATE_REEXEC)
		gate_waited(gc, boot_now() - gc->asked_ns);
}

bool gate_over_before(struct gate *g, struct conn *c)
{
	struct gate_conn *gc = c->gate;

	if (!g || !gc || !gc->waiting || gc->telling || !gate_was_refused(gc))
		return false;
	gate_wait_over(g, gc);
	return true;
}

/* It was let go by an answer that came too late: it had been refused by then. */
static void not_left(struct gate_conn *gc)
{
	for (struct watch *w = gc->conn->watches; w; w = w->next)
		if (w->gate && w->gate->touched)
			w->gate->body_left = w->gate->left_before;
}

/* Nobody had answered: the rules' `fail` decided. */
void gate_timed_out(struct gate *g, struct gate_conn *gc, const struct event_gate_end *e)
{
	bool refused = e->refused && e->mechanism != GATE_NONE;

	g->count.timeouts++;
	g->count.went_late += !refused;
	if (refused && gc->state == GATE_ANSWERED && gc->answer == GATE_PASS)
		not_left(gc);
	gate_wait_remove(g, gc);
	gc->telling = false;
	gc->state = GATE_ANSWERED;
	gc->answer = refused ? GATE_REFUSE : GATE_PASS;
	if (gc->worst < DISPOSITION_HOLD && e->refused)
		gc->worst = DISPOSITION_DENY;
	if (gc->worst >= DISPOSITION_HOLD) {
		gc->worst = gc->worst == DISPOSITION_REDACT && e->refused ? DISPOSITION_DENY
									  : gc->worst;
		gate_set_outcome(gc, e->mechanism, !refused);
	}
	for (struct watch *w = gc->conn->watches; w; w = w->next)
		if (w->gate && w->gate->touched) {
			w->gate->out.timeout = refused;
			gate_was_not_judged(w, "nobody answered in time");
		}
	if (!refused)
		gate_set_left(gc);
}

bool gate_was_refused(const struct gate_conn *gc)
{
	return gc->state == GATE_ANSWERED && (gc->answer == GATE_REFUSE || gc->answer == GATE_KILL);
}

void gate_ended(struct gate *g, const struct event_gate_end *e)
{
	struct conn *c = conn_of(g, &e->h);
	struct gate_conn *gc = c ? c->gate : NULL;

	if (!gc || gc->seq != e->seq) {
		if (c && c->refused && e->refused) { /* GATE_FULL, refused: its bytes were told */
			c->kill_mechanism = e->mechanism;
			c->kill_policy = g->worker->generation;
			conns_refused(g->worker->conns, c, e->h.boot_ns);
		}
		return;
	}
	gate_waited(gc, e->waited_ns);
	if (gc->state == GATE_BLOCKED && e->refused) { /* it could not be stopped: a terminal */
		gate_wait_remove(g, gc);
		gc->state = GATE_ANSWERED;
		gc->answer = GATE_REFUSE;
		gate_set_outcome(gc, e->mechanism, e->mechanism == GATE_NONE);
	} else if (e->verdict == GATE_TIMEOUT)
		gate_timed_out(g, gc, e);
	else if (gate_was_refused(gc) && e->mechanism != GATE_NONE && !gc->ended)
		gate_set_outcome(gc, e->mechanism, false);
	if (gate_was_refused(gc))
		conns_refused(g->worker->conns, c, e->h.boot_ns);
}

/* --- once a second ---------------------------------------------------------------------------- */

/* The keeper never answered, and how the wait ended was not told. */
static void lost(struct gate *g, struct gate_conn *gc)
{
	gate_wait_remove(g, gc);
	g->count.too_late++;
	if (gc->state != GATE_ANSWERED) {
		gate_set_outcome(gc, GATE_NONE, true);
		gc->answer = GATE_PASS;
		gate_set_left(gc);
	}
	gc->telling = false;
	gc->state = GATE_ANSWERED;
}

void gate_tick(struct gate *g, uint64_t now_ns)
{
	for (size_t i = 0; i < GATE_BUCKETS; i++)
		for (struct gate_conn *gc = g->waits[i], *next; gc; gc = next) {
			next = gc->next;
			if (gc->state == GATE_BLOCKED && gc->until_ns <= now_ns) {
				g->count.block_over++;
				gate_refuse(g, gc);
			} else if (gc->state != GATE_BLOCKED && gc->lost_ns <= now_ns) {
				lost(g, gc);
			}
		}
}
