// SPDX-License-Identifier: Apache-2.0
/*
 * Clear HTTP. Flows in: what was read of a connection whose packets wait in the kernel. Flows out:
 * ROLE_SOCK, by which they go or never leave.
 *
 * The bytes are the kernel's by then, so nobody can mask them: a redaction becomes what its rule
 * says otherwise. What was seen of the request decides; the rest is judged when it comes, and
 * packets behind it wait again (`upto`).
 */
#include "agent/worker/gate_int.h"

#include "agent/worker/socks.h"

bool gate_waits_clear(const struct gate *g)
{
	return g && g->clear;
}

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
	gate_wait_over(g, gc);
	gc->seq = 0;
	gc->rules = 0;
	gc->held.cut = true; /* the bytes are the kernel's by now: nobody can mask them */
	if (g->on) {
		gate_judge_open(g, c);
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
