// SPDX-License-Identifier: Apache-2.0
/*
 * One record of the data ring, checked and handed to whom it concerns. The kernel is trusted to have
 * written it, not to be of our version: kind, version and size are checked before anything is read,
 * and what does not fit is counted.
 */
#include "events.h"

#include "agent/worker/conns.h"
#include "agent/worker/denials.h"
#include "agent/worker/evidence.h"
#include "agent/worker/gate.h"
#include "agent/worker/halves.h"
#include "agent/worker/judge.h"
#include "agent/worker/mcp.h"
#include "agent/worker/outcome.h"
#include "agent/worker/socks.h"
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
	[EVENT_HELLO] = sizeof(struct event_hello),
	[EVENT_PIPE] = sizeof(struct event_pipe),
	[EVENT_FILE] = sizeof(struct event_file),
	[EVENT_DENY] = sizeof(struct event_deny),
	[EVENT_GATE] = sizeof(struct event_gate),
	[EVENT_GATE_END] = sizeof(struct event_gate_end),
	[EVENT_QUIC] = sizeof(struct event_quic),
};

static void on_data(struct worker *w, const struct event_data *e, size_t n)
{
	if (e->size > n - sizeof(*e))
		w->count.bad_events++;
	else if (e->h.flags & EVENT_F_PIPE)
		mcps_data(w->mcps, e);
	else if (e->h.flags & EVENT_F_HALF)
		halves_data(w->halves, e);
	else
		conns_data(w->conns, e);
}

static void on_conn(struct worker *w, const struct event_conn *e)
{
	if (e->h.flags & EVENT_F_HALF)
		halves_bound(w->halves, e);
	else
		conns_bound(w->conns, e);
}

static void on_hello(struct worker *w, const struct event_hello *e, size_t n)
{
	if (e->size > n - sizeof(*e))
		w->count.bad_events++;
	else
		hellos_told(w, e);
}

/* A kernel side that counts what the socket moved says so in a longer record. */
static void on_sock_close(struct worker *w, const struct event_conn *e, size_t n)
{
	const struct event_sock_end *end = (const void *)e;
	bool told = n >= sizeof(*end) && end->sent <= INT64_MAX;

	w->count.closes++;
	socks_closed(w->socks, e, told ? (int64_t)end->sent : -1);
}

/* A refused write is a call; all else is a DENIAL. */
static void on_deny(struct worker *w, const struct event_deny *e)
{
	struct event_deny rest = *e;

	if (e->hook != GATE_AT_WRITE) {
		denials_event(w->denials, e);
		return;
	}
	conns_denied(w->conns, e);
	if (!rest.count)
		return;
	rest.count--;
	if (rest.count)
		denials_event(w->denials, &rest);
}

static void on_exit_of(struct worker *w, const struct event *e)
{
	conns_exit(w->conns, e);
	halves_exit(w->halves, e);
}

/* The old image and its TLS handles are gone with the exec. */
static void on_exec(struct worker *w, const struct event_exec *e, size_t n)
{
	struct proc *p;

	on_exit_of(w, &e->h);
	mcps_exec(w->mcps, e);
	p = procs_exec(w->procs, e, n);
	if (!p)
		return;
	evidence_process(w, p);
	judge_process(w, p);
}

static void on_fork(struct worker *w, const struct event_exec *e)
{
	struct proc *p = procs_fork(w->procs, e);

	if (!p)
		return;
	if (p->tls.tool)
		evidence_process(w, p);
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
		on_conn(w, record);
		break;
	case EVENT_HOST:
		conns_named(w->conns, record);
		break;
	case EVENT_CLOSE:
		if (!halves_closed(w->halves, e))
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
		on_exit_of(w, e);
		mcps_exit(w->mcps, e);
		procs_exit(w->procs, e);
		outcomes_exit(w->outcomes, e);
		break;
	case EVENT_CONNECT:
		w->count.connects++;
		socks_connected(w->socks, record);
		mcps_connect(w->mcps, record);
		break;
	case EVENT_ACCEPT:
		w->count.accepts++;
		break;
	case EVENT_SOCK_CLOSE:
		on_sock_close(w, record, n);
		break;
	case EVENT_HELLO:
		on_hello(w, record, n);
		break;
	case EVENT_PIPE:
		mcps_peer(w->mcps, record);
		break;
	case EVENT_DENY:
		on_deny(w, record);
		break;
	case EVENT_GATE:
		gate_asked(w->gate, record);
		break;
	case EVENT_GATE_END:
		gate_ended(w->gate, record);
		break;
	case EVENT_QUIC:
		names_quic(w, record, n);
		break;
	case EVENT_FILE:
		mcps_file(w->mcps, record);
		break;
	}
}
