// SPDX-License-Identifier: Apache-2.0
/*
 * One record of the data ring, checked and handed to whom it concerns. The kernel is trusted to have
 * written it, not to be of our version: kind, version and size are checked before anything is read,
 * and what does not fit is counted.
 */
#include "events.h"

#include "agent/worker/conns.h"
#include "agent/worker/judge.h"
#include "agent/worker/outcome.h"
#include "base/cleanup.h"

/* The smallest size each kind may have; a shorter or unknown record is counted, never read. */
static const size_t least[] = {
	[EVENT_DATA] = sizeof(struct event_data),
	[EVENT_CONN] = sizeof(struct event_conn),
	[EVENT_HOST] = sizeof(struct event_host),
	[EVENT_CLOSE] = sizeof(struct event),
	[EVENT_EXEC] = sizeof(struct event_exec),
	[EVENT_FORK] = sizeof(struct event_exec),
	[EVENT_EXIT] = sizeof(struct event),
	[EVENT_KILL] = sizeof(struct event_kill),
	[EVENT_CONNECT] = sizeof(struct event_conn),
	[EVENT_ACCEPT] = sizeof(struct event_conn),
	[EVENT_SOCK_CLOSE] = sizeof(struct event_conn),
};

static void on_data(struct worker *w, const struct event_data *e, size_t n)
{
	if (e->size > n - sizeof(*e))
		w->count.bad_events++;
	else
		conns_data(w->conns, e);
}

/* The old image and its TLS handles are gone with the exec. */
static void on_exec(struct worker *w, const struct event_exec *e, size_t n)
{
	struct proc *p;

	conns_exit(w->conns, &e->h);
	p = procs_exec(w->procs, e, n);
	if (p)
		judge_process(w, p);
}

static void on_fork(struct worker *w, const struct event_exec *e)
{
	struct proc *p = procs_fork(w->procs, e);

	if (p)
		judge_process(w, p);
}

void events_record(void *worker, const void *record, size_t n)
{
	struct worker *w = worker;
	const struct event *e = record;

	w->count.events++;
	if (n < sizeof(*e) || e->version != EVENT_VERSION || e->kind >= ARRAY_SIZE(least) ||
	    !least[e->kind] || n < least[e->kind]) {
		w->count.bad_events++;
		return;
	}
	switch (e->kind) {
	case EVENT_DATA:
		on_data(w, record, n);
		break;
	case EVENT_CONN:
		conns_bound(w->conns, record);
		break;
	case EVENT_HOST:
		conns_named(w->conns, record);
		break;
	case EVENT_CLOSE:
		conns_closed(w->conns, e);
		break;
	case EVENT_KILL:
		conns_killed(w->conns, record);
		break;
	case EVENT_EXEC:
		on_exec(w, record, n);
		break;
	case EVENT_FORK:
		on_fork(w, record);
		break;
	case EVENT_EXIT:
		conns_exit(w->conns, e);
		procs_exit(w->procs, e);
		outcomes_exit(w->outcomes, e);
		break;
	case EVENT_CONNECT:
		w->count.connects++;
		break;
	case EVENT_ACCEPT:
		w->count.accepts++;
		break;
	case EVENT_SOCK_CLOSE:
		w->count.closes++;
		break;
	}
}
