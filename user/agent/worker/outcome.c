// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: finished calls of processes the keeper was asked to kill, each composed twice. Flows
 * out: one of the two, when the kernel has told how the process ended. A client that had its answer
 * and left before the signal came was not killed, and its record may not say so.
 *
 * Bound: WAITING_MAX calls; the oldest is then recorded as not killed, which is also what becomes
 * of one whose process is still there, or whose end was not told, after LIMIT_NS.
 */
#include "outcome.h"

#include <stdlib.h>
#include <string.h>

#include "agent/worker/judge.h"
#include "base/cleanup.h"

#define WAITING_MAX 256
#define LIMIT_NS 5000000000ull

struct waiting {
	struct waiting *next;
	uint64_t asked_ns;
	struct outcome call;
	uint8_t payload[];
};

struct outcomes {
	struct worker *worker;
	struct waiting *oldest, **end;
	unsigned count;
};

struct outcomes *outcomes_new(struct worker *w)
{
	struct outcomes *o = calloc(1, sizeof(*o));

	if (o) {
		o->worker = w;
		o->end = &o->oldest;
	}
	return o;
}

bool outcomes_none(const struct outcomes *o)
{
	return !o->oldest;
}

static void record(struct worker *w, const struct outcome *c, bool killed)
{
	judge_hand_over(w, c->slot, c->call_ns, killed ? c->killed : c->failed,
			killed ? c->killed_len : c->failed_len);
}

/* *at is the entry; afterwards it is the next. */
static void settle(struct outcomes *o, struct waiting **at, bool killed)
{
	_cleanup_free_ struct waiting *e = *at;

	*at = e->next;
	if (!e->next)
		o->end = at;
	o->count--;
	record(o->worker, &e->call, killed);
}

void outcomes_add(struct outcomes *o, const struct outcome *call)
{
	struct waiting *e = malloc(sizeof(*e) + call->killed_len + call->failed_len);

	if (!e) {
		record(o->worker, call, false);
		return;
	}
	if (o->count == WAITING_MAX)
		settle(o, &o->oldest, false);
	*e = (struct waiting){.asked_ns = boot_now(), .call = *call};
	memcpy(e->payload, call->killed, call->killed_len);
	memcpy(e->payload + call->killed_len, call->failed, call->failed_len);
	e->call.killed = e->payload;
	e->call.failed = e->payload + call->killed_len;
	*o->end = e;
	o->end = &e->next;
	o->count++;
}

void outcomes_exit(struct outcomes *o, const struct event *ev)
{
	for (struct waiting **at = &o->oldest; *at;)
		if ((*at)->call.pid == ev->pid && (*at)->call.start_ns == ev->start_ns)
			settle(o, at, ev->flags & EVENT_F_SIGKILL);
		else
			at = &(*at)->next;
}

void outcomes_sweep(struct outcomes *o, uint64_t now_ns, bool now)
{
	while (o->oldest && (now || now_ns > o->oldest->asked_ns + LIMIT_NS))
		settle(o, &o->oldest, false);
}
