// SPDX-License-Identifier: Apache-2.0
/*
 * Writes whose process is stopped. Flows in: what the keeper says of them (ROLE_CONTINUED), grants.
 * Flows out: ROLE_CONTINUE. The keeper alone continues a process, and bounds its wait.
 *
 * A call that waits for its operator (`block:`) stops its process for that: the kernel does so when it
 * finds GATE_BLOCK in the slot, or has done it. It ends by a grant, a no, the rule's bound (looked at
 * once a second), another pack, or the keeper's bound, if we are not there.
 *
 * A wait has one end here: of a write that is made again EVENT_GATE_END, of all others ROLE_CONTINUED.
 */
#include <errno.h>
#include <stdio.h>

#include "agent/worker/gate_int.h"

/* Of GATE_BLOCK: until gc->until_ns; 0 = no longer. */
void gate_tell_continue(struct gate *g, const struct gate_conn *gc, enum gate_verdict v)
{
	uint64_t now = boot_now();
	struct role_continue r = {.seq = gc->seq,
				  .start_ns = gc->conn->start_ns,
				  .pid = gc->conn->pid,
				  .verdict = v};

	if (v == GATE_BLOCK && gc->until_ns > now)
		r.block_ms = (gc->until_ns - now) / 1000000;
	for (struct watch *w = r.block_ms ? gc->conn->watches : NULL; w; w = w->next)
		if (w->gate && w->gate->touched && w->gate->final == DISPOSITION_HOLD)
			snprintf(r.id, sizeof(r.id), "%s", w->gate->out.approval_id);
	tell_keeper(g->worker, ROLE_CONTINUE, &r, sizeof(r));
}

/* --- waiting for an operator ------------------------------------------------------------------------- */

/* The shortest of its rules; 0: one of them refuses now, or an operator has said no. */
static unsigned block_ms(const struct gate *g, const struct gate_conn *gc)
{
	unsigned ms = 0;

	for (const struct watch *w = gc->conn->watches; w; w = w->next) {
		const struct gate_watch *gw = w->gate;
		const struct pack_action *a;

		if (!gw || !gw->touched || gw->final != DISPOSITION_HOLD)
			continue;
		a = gw->rule >= 0 ? pack_rule_action(g->worker->pack, gw->rule) : NULL;
		if (!gw->asked || !a || !a->block_ms)
			return 0;
		ms = !ms || a->block_ms < ms ? a->block_ms : ms;
	}
	return ms;
}

bool gate_block(struct gate *g, struct gate_conn *gc)
{
	unsigned ms = gc->state == GATE_BLOCKED ? 0 : block_ms(g, gc);

	if (!ms)
		return false;
	g->count.blocked++;
	gc->until_ns = boot_now() + ms * 1000000ull;
	gc->state = GATE_BLOCKED;
	gate_wait_add(g, gc);
	/* The keeper first: it is to know of it when the kernel finds the verdict. */
	gate_tell_continue(g, gc, GATE_BLOCK);
	if (!gc->stopped)
		gate_put(g, gc->id, gc->seq, GATE_BLOCK);
	gc->stopped = true;
	return true;
}

static bool still_asked(const struct gate_conn *gc)
{
	bool asked = false;

	for (const struct watch *w = gc->conn->watches; w; w = w->next) {
		const struct gate_watch *gw = w->gate;

		if (!gw || !gw->touched || gw->final != DISPOSITION_HOLD)
			continue;
		if (!gw->asked)
			return false; /* a no counts for all of the write */
		asked = true;
	}
	return asked;
}

void gate_blocked_answered(struct gate *g)
{
	for (size_t i = 0; i < GATE_BUCKETS; i++)
		for (struct gate_conn *gc = g->waits[i], *next; gc; gc = next) {
			next = gc->next;
			if (gc->state != GATE_BLOCKED)
				continue;
			if (gc->generation != g->worker->generation) {
				gate_refuse(g, gc);
				continue;
			}
			gate_hold_again(g, gc);
			if (!still_asked(gc))
				gate_carry_out(g, gc);
		}
}

/* --- it goes on ---------------------------------------------------------------------------------------- */

/* As the rules say without an answer. */
static void bound_over(struct gate *g, struct gate_conn *gc, const struct role_done *d)
{
	bool closed = gc->until_ns || gate_closed_rule(g->worker, gc->rules) >= 0;
	struct event_gate_end e = {.verdict = GATE_TIMEOUT,
				   .mechanism = d->mechanism,
				   .refused = closed || d->mechanism != GATE_NONE};

	gate_timed_out(g, gc, &e);
}

void gate_continued(struct gate *g, const struct role_done *d)
{
	struct gate_conn *gc = gate_wait_find(g, d->seq);

	if (!gc || !gc->stopped)
		return;
	gate_wait_remove(g, gc);
	if (d->result == -ETIMEDOUT)
		bound_over(g, gc, d);
	else if (gc->state == GATE_ANSWERED && gc->answer == GATE_KILL)
		gate_set_outcome(gc, d->mechanism, d->result);
	else if (gc->state != GATE_ANSWERED) { /* its process is gone: nothing of it left */
		gate_set_outcome(gc, GATE_NONE, false);
		gc->state = GATE_ANSWERED;
		gc->answer = GATE_REFUSE;
		gc->telling = false;
	}
	if (gc->how == GATE_REEXEC && d->result != -ESRCH)
		return; /* its program says how it ended */
	gate_waited(gc, boot_now() - gc->asked_ns);
	if (gate_was_refused(gc))
		conns_refused(g->worker->conns, gc->conn, boot_now());
}
