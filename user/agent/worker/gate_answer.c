// SPDX-License-Identifier: Apache-2.0
/*
 * Carries out what was decided about a write. Flows in: the decision (gate_resolve.c), the keeper's
 * answers. Flows out: the verdict, by a store to mapped memory; requests to the keeper.
 *
 * What needs the keeper (a dead socket, masked bytes) is asked for at once, and the write answered
 * when it is done. If the keeper could not, a refusal lets the write go and its record says so; a
 * mask becomes what the rule says otherwise.
 *
 * Invariant: a verdict is for one (connection, wait); a slot never says more than its last writer
 * meant, because it says "asked" while it changes hands. Two connections may have one slot
 * (GATE_SLOTS): the kernel takes no verdict of another, and that wait ends by its bound, counted.
 */
#include "agent/worker/gate_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/worker/socks.h"
#include "base/cleanup.h"

/* --- answers ---------------------------------------------------------------------------------- */

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

void gate_answer(struct gate *g, struct gate_conn *gc, enum gate_verdict v)
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
	gate_answer(g, gc, GATE_PASS);
	gate_set_left(gc);
	held_free(&gc->held);
}

unsigned gate_may(const struct worker *w, int rule)
{
	const struct pack_action *a = rule >= 0 ? pack_rule_action(w->pack, rule) : NULL;

	return a && a->refuse ? a->refuse : REFUSE_ERROR | REFUSE_SHUTDOWN;
}

void gate_ask_refusal(struct gate *g, const struct conn *c, uint64_t seq, uint64_t cookie, int rule)
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
		gate_ask_refusal(g, c, 0, e->cookie, rule);
}

void gate_refuse(struct gate *g, struct gate_conn *gc)
{
	/* Of a pack that is not in force any more: the mild ones. */
	int rule = gc->generation == g->worker->generation ? gc->rule : -1;

	if (gc->how == GATE_REEXEC && gate_may(g->worker, rule) & REFUSE_ERROR) {
		gate_set_outcome(gc, GATE_OVERRIDE, false);
		gate_answer(g, gc, GATE_REFUSE);
		/* Who waits for its socket to take more does not look at an error. */
		if (gate_may(g->worker, rule) & REFUSE_SHUTDOWN)
			gate_ask_refusal(g, gc->conn, 0, gc->cookie, rule);
		return;
	}
	gc->state = GATE_REFUSING;
	gate_wait_add(g, gc);
	gate_ask_refusal(g, gc->conn, gc->seq, gc->cookie, rule);
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
		gate_answer(g, gc, GATE_KILL);
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

/* --- the keeper answers ----------------------------------------------------------------------- */

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
		gate_answer(g, gc, GATE_REFUSE);
	}
}

/* The kernel's word that the socket is dead may come before the keeper's that it has ended it, and
 * before anybody's that the wait is over. The write still waited, so nothing of it has left. */
void gate_ending(struct gate *g, struct conn *c)
{
	struct gate_conn *gc = c->gate;

	if (!g || !gc)
		return;
	if (gc->waiting && gc->state == GATE_REFUSING) {
		gate_wait_remove(g, gc);
		gate_set_outcome(gc, GATE_SHUTDOWN, false);
		gc->ended = true;
		gate_answer(g, gc, GATE_REFUSE);
	}
	if (gate_was_refused(gc))
		gate_waited(gc, boot_now() - gc->asked_ns);
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
