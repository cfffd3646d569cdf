// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: the bytes of a write that waits (through conns.c and follow.c, as flow reads them), then
 * the question, then how the wait ended; the keeper's answers. Flows out: the verdict, by a store to
 * mapped memory; requests to the keeper; what the record of each call is to say.
 *
 * Answer first: a write that may go is answered as soon as its bytes were read, before anything is
 * sent or recorded. What needs the keeper (a dead socket, masked bytes) is asked for at once, and
 * answered when it is done. Nobody waits here: the kernel's bound is the only one, and when it ends
 * the wait EVENT_GATE_END is the truth, whatever was answered.
 *
 * Invariant: a verdict is for one (connection, wait); a slot never says more than its last writer
 * meant, because it says "asked" while it changes hands.
 *
 * A connection whose write was refused is over here: its calls are recorded as refused, and what its
 * client tries next on the same handle is read anew. Where no wait was possible the decision comes
 * after the bytes left: the socket is ended all the same, and the record says so.
 */
#include "agent/worker/gate_int.h"

#include <stdlib.h>
#include <string.h>

#include "agent/worker/halves.h"
#include "agent/worker/judge.h"
#include "agent/worker/socks.h"
#include "base/cleanup.h"
#include "flow/flow.h"

#define END_NS 2000000000ull /* for EVENT_GATE_END to come after an answer */

/* --- the table of waits ---------------------------------------------------------------------------- */

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

static struct gate_conn *conn_gate(struct conn *c)
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

/* --- exchanges ------------------------------------------------------------------------------------- */

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

bool gate_waits_clear(const struct gate *g)
{
	return g && g->clear;
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

/* --- chunks ---------------------------------------------------------------------------------------- */

void gate_chunk(struct gate *g, struct conn *c, const struct chunk *k)
{
	struct gate_conn *gc = k->dir == EVENT_WRITE ? conn_gate(c) : NULL;

	if (!gc)
		return;
	if (!gc->telling) {
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

/* --- answers --------------------------------------------------------------------------------------- */

static void took(struct gate *g, uint64_t ns)
{
	unsigned i = 0;

	for (uint64_t us = ns / 1000; us > 1 && i < GATE_TIMES - 1; us >>= 1)
		i++;
	g->count.took[i]++;
}

void gate_put(struct gate *g, uint64_t id, uint64_t seq, enum gate_verdict v)
{
	struct gate_slot *s = g->slots ? &g->slots[id & (GATE_SLOTS - 1)] : NULL;

	if (!s)
		return;
	__atomic_store_n(&s->verdict, GATE_ASKED, __ATOMIC_SEQ_CST);
	__atomic_store_n(&s->conn, id, __ATOMIC_SEQ_CST);
	__atomic_store_n(&s->seq, seq, __ATOMIC_SEQ_CST);
	__atomic_store_n(&s->verdict, v, __ATOMIC_SEQ_CST);
}

static void answer(struct gate *g, struct gate_conn *gc, enum gate_verdict v)
{
	gate_put(g, gc->id, gc->seq, v);
	gc->answered_ns = boot_now();
	took(g, gc->answered_ns - gc->asked_ns);
	gc->state = GATE_ANSWERED;
	gc->answer = v;
	gc->telling = false;
	if (gc->stopped && gc->conn) {
		gate_wait_add(g, gc);
		gate_tell_continue(g, gc, v);
	}
	if (v == GATE_PASS)
		g->count.passed++;
	else if (v == GATE_KILL)
		g->count.killed++;
	else
		g->count.refused++;
	g->count.held += v != GATE_PASS && gc->worst == DISPOSITION_HOLD;
}

/* It goes. */
static void pass(struct gate *g, struct gate_conn *gc)
{
	answer(g, gc, GATE_PASS);
	gate_set_left(gc);
	held_free(&gc->held);
}

unsigned gate_may(const struct worker *w, int rule)
{
	const struct pack_action *a = rule >= 0 ? pack_rule_action(w->pack, rule) : NULL;

	return a && a->refuse ? a->refuse : REFUSE_ERROR | REFUSE_SHUTDOWN;
}

static void ask_refusal(struct gate *g, const struct conn *c, uint64_t seq, uint64_t cookie,
			int rule)
{
	struct role_refuse r = {.seq = seq,
				.cookie = cookie
						  ?: c->sock ? c->sock->cookie
							     : 0,
				.conn = c->id,
				.start_ns = c->start_ns,
				.pid = c->pid,
				.may = gate_may(g->worker, rule)};

	if (rule >= 0)
		snprintf(r.rule, sizeof(r.rule), "%s", pack_rule_id(g->worker->pack, rule));
	tell_keeper(g->worker, ROLE_REFUSE, &r, sizeof(r));
}

void gate_denied(struct gate *g, const struct conn *c, const struct event_deny *e)
{
	const struct worker *w = c->worker;
	int rule = -1;

	if (!g || !w->pack || e->mechanism == GATE_SIGNAL || e->policy != w->generation)
		return;
	for (size_t i = 0; i < w->krules && rule < 0; i++)
		rule = e->rules >> i & 1 ? (int)w->krule[i].index : -1;
	if (gate_may(w, rule) & REFUSE_SHUTDOWN && (e->cookie || c->sock))
		ask_refusal(g, c, 0, e->cookie, rule);
}

void gate_refuse(struct gate *g, struct gate_conn *gc)
{
	/* Of a pack that is not in force any more: the mild ones. */
	int rule = gc->generation == g->worker->generation ? gc->rule : -1;

	if (gc->how == GATE_REEXEC && gate_may(g->worker, rule) & REFUSE_ERROR) {
		gate_set_outcome(gc, GATE_OVERRIDE, false);
		answer(g, gc, GATE_REFUSE);
		/* Who waits for its socket to take more does not look at an error. */
		if (gate_may(g->worker, rule) & REFUSE_SHUTDOWN)
			ask_refusal(g, gc->conn, 0, gc->cookie, rule);
		return;
	}
	gc->state = GATE_REFUSING;
	gate_wait_add(g, gc);
	ask_refusal(g, gc->conn, gc->seq, gc->cookie, rule);
}

static void mask(struct gate *g, struct gate_conn *gc)
{
	struct role_mask *r;
	size_t n = gc->spans_n * sizeof(*gc->spans);

	r = malloc(sizeof(*r) + n);
	if (!r) {
		gate_set_outcome(gc, GATE_NONE, true);
		gc->worst = DISPOSITION_DENY;
		gate_refuse(g, gc);
		return;
	}
	*r = (struct role_mask){.seq = gc->seq,
				.start_ns = gc->conn->start_ns,
				.pid = gc->conn->pid,
				.spans = gc->spans_n};
	memcpy(r + 1, gc->spans, n);
	gc->state = GATE_MASKING;
	gate_wait_add(g, gc);
	tell_keeper(g->worker, ROLE_MASK, r, sizeof(*r) + n);
	free(r);
}

void gate_carry_out(struct gate *g, struct gate_conn *gc)
{
	switch (gc->worst) {
	case DISPOSITION_KILL:
		gate_set_outcome(gc, GATE_SIGNAL, false);
		answer(g, gc, GATE_KILL);
		break;
	case DISPOSITION_HOLD:
		if (gate_block(g, gc))
			break;
		/* fall through */
	case DISPOSITION_DENY:
		gate_refuse(g, gc);
		break;
	case DISPOSITION_REDACT:
		if (gc->spans_n)
			mask(g, gc);
		else
			pass(g, gc); /* all of it was masked before */
		break;
	default:
		pass(g, gc);
		break;
	}
}

/* --- the kernel asks ------------------------------------------------------------------------------- */

/* Requests that still come are judged by what was seen, and so is what a WebSocket's client adds to
 * what it has asked. */
static void judge_open(struct gate *g, struct conn *c)
{
	for (struct watch *w = c->watches, *next; w; w = next) {
		next = w->next;
		if (!w->gate || !w->gate->touched || !w->it || !c->ai)
			continue;
		if (!w->told || (w->it->websocket && !w->gate->judged))
			judge_partial(g->worker, c, w);
	}
}

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
	answer(g, &gc, GATE_PASS);
	gc.conn = &c;
	if (e->how == GATE_STOPPED)
		gate_tell_continue(g, &gc, GATE_PASS);
}

/* It has gone, or was refused for that: the records of its calls say why. Its bytes come at its return,
 * or have come if it was refused. Keys of one direction count in other offsets. */
static void could_not_wait(struct gate *g, struct conn *c, const struct event_gate *e)
{
	struct gate_conn *gc;

	g->count.no_wait += e->how == GATE_FULL;
	g->count.away += e->how == GATE_AWAY;
	if (c && c->refused)
		c->kill_rules |= e->rules;
	if (!c && !(e->h.flags & EVENT_F_HALF))
		c = conns_get(g->worker->conns, &e->h);
	gc = c && !c->halves ? conn_gate(c) : NULL;
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
	gc->id = e->h.conn;
	gc->seq = e->seq;
	gc->how = e->how;
	gc->stopped = e->how == GATE_STOPPED;
	gc->counted = false;
	gc->cookie = e->cookie;
	gc->rules = e->rules;
	gc->asked_ns = e->h.boot_ns;
	judge_open(g, c);
	g->count.unread += e->told < e->size;
	gate_resolve(g, gc, e->told < e->size);
	gate_carry_out(g, gc);
}

/* --- the keeper answers ---------------------------------------------------------------------------- */

/* Not of a write that waits: see gate_decided. */
static void late_done(struct gate *g, const struct role_done *d)
{
	struct sock *s = socks_find(g->worker->socks, d->cookie);

	for (struct conn *c = s ? s->conns : NULL; c; c = c->next_of_sock)
		for (struct watch *w = c->watches; w; w = w->next)
			if (w->gate && w->gate->out.did && !w->gate->out.before &&
			    !w->gate->out.mechanism) {
				w->gate->out.mechanism = d->result ? GATE_NONE : d->mechanism;
				w->gate->out.failed = d->result;
			}
}

void gate_refused(struct gate *g, const struct role_done *d)
{
	struct gate_conn *gc = d->seq ? gate_wait_find(g, d->seq) : NULL;

	if (!d->seq)
		late_done(g, d);
	if (!gc || gc->state != GATE_REFUSING)
		return;
	gate_wait_remove(g, gc);
	gate_set_outcome(gc, d->result ? GATE_NONE : d->mechanism, d->result);
	if (d->result) {
		g->count.failed++;
		pass(g, gc);
	} else {
		gc->ended = true;
		answer(g, gc, GATE_REFUSE);
	}
}

/* The kernel's word that the socket is dead may come before the keeper's that it has ended it. The
 * write still waited, so nothing of it has left. */
void gate_ending(struct gate *g, struct conn *c)
{
	struct gate_conn *gc = c->gate;

	if (!g || !gc || !gc->waiting || gc->state != GATE_REFUSING)
		return;
	gate_wait_remove(g, gc);
	gate_set_outcome(gc, GATE_SHUTDOWN, false);
	gc->ended = true;
	answer(g, gc, GATE_REFUSE);
}

void gate_masked(struct gate *g, const struct role_done *d)
{
	struct gate_conn *gc = gate_wait_find(g, d->seq);

	if (!gc || gc->state != GATE_MASKING)
		return;
	gate_wait_remove(g, gc);
	gate_set_outcome(gc, d->mechanism ?: GATE_PROCESS_VM, d->result);
	if (!d->result) {
		held_mask(&gc->held, gc->spans, gc->spans_n);
		g->count.masked++;
		pass(g, gc);
		return;
	}
	/* A page that cannot be written, for example: what the rule says then. */
	g->count.failed++;
	gc->worst = DISPOSITION_ALLOW;
	gc->spans_n = 0;
	for (struct watch *w = gc->conn->watches; w; w = w->next)
		if (w->gate && w->gate->touched && w->gate->final == DISPOSITION_REDACT)
			gate_otherwise(gc, w->gate);
	gate_carry_out(g, gc);
}

void gate_grants(struct gate *g, const struct role_grant *v, size_t n)
{
	approve_grants(g->approve, v, n);
	gate_blocked_answered(g);
}

/* --- the wait is over ------------------------------------------------------------------------------ */

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
			conns_end(g->worker->conns, c, e->h.boot_ns);
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
		conns_end(g->worker->conns, c, e->h.boot_ns);
}

/* --- what the pack says ---------------------------------------------------------------------------- */

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
	ask_refusal(g, c, 0, 0, gw->rule);
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

/* --- clear HTTP ------------------------------------------------------------------------------------ */

static void tell_sock(struct gate *g, const struct conn *c, enum sock_verdict v)
{
	struct role_sock r = {.cookie = c->sock ? c->sock->cookie : c->id & ~CONN_ID_PLAIN,
			      .start_ns = c->start_ns,
			      .pid = c->pid,
			      .verdict = v,
			      .flags = v == SOCK_DENY ? SOCK_END : 0,
			      .upto = v == SOCK_PASS ? c->end[EVENT_WRITE] : 0};

	tell_keeper(g->worker, ROLE_SOCK, &r, sizeof(r));
}

/* Its packets wait. What was seen of the request decides; the rest is judged when it comes. */
void gate_clear(struct gate *g, struct conn *c)
{
	struct gate_conn *gc = c->gate;

	if (!gc || !gc->telling)
		return;
	g->count.clear++;
	gc->clear = true;
	gc->seq = 0;
	gc->rules = 0;
	gc->held.cut = true; /* the bytes are the kernel's by now: nobody can mask them */
	if (g->on) {
		judge_open(g, c);
		gate_resolve(g, gc, false);
	}
	gc->telling = false;
	if (gc->worst < DISPOSITION_HOLD || gc->worst == DISPOSITION_REDACT) {
		gate_set_left(gc);
		tell_sock(g, c, SOCK_PASS);
		return;
	}
	g->count.refused++;
	gate_set_outcome(gc, GATE_EGRESS, false);
	tell_sock(g, c, SOCK_DENY);
	gc->state = GATE_ANSWERED;
	gc->answer = GATE_REFUSE;
}

/* --- once a second --------------------------------------------------------------------------------- */

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
