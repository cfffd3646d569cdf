/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Of the write gate (gate.h): whose rules count, and the ways to refuse. */
#ifndef PROBITY_BPF_GATE_REFUSE_H
#define PROBITY_BPF_GATE_REFUSE_H

#include "chunk.h"
#include "conn.h"
#include "deny.h"
#include "fail.h"
#include "krule.h"

enum gate_way {
	GATE_GO,   /* as without a gate */
	GATE_TOLD, /* it goes, or its process stops first; its bytes were told */
	GATE_STOP, /* refused; how was seen to, but for GATE_FAIL */
	GATE_FAIL, /* refused: the function returns an error */
	GATE_AGAIN,
	GATE_NO_WAIT,
};

#define SIGNAL_GROUP_EXIT 4

/* Whether a process was ever killed by a rule: else no write looks for it. */
__u32 kill_seen __weak;
/* Whether a wait ever outlasted its probe. */
__u32 hold_seen __weak;

/* --- names and rules ----------------------------------------------------------------------------- */

static __noinline __u64 gate_rules(struct conn *conn)
{
	struct krule_who who = {.start_ns = conn->start_ns,
				.tgid = bpf_get_current_pid_tgid() >> 32,
				.uid = (__u32)bpf_get_current_uid_gid()};
	struct shared *s = shared_of();

	if (!conn || !s || !s->krule.all || conn->host_generation != s->krule.generation)
		return 0;
	return conn->host_rules & krule_mine(&who, s);
}

/* --- ways to refuse ------------------------------------------------------------------------------ */

/* The signal reaches all threads at once. One that comes here before it dies is refused by this. */
static __always_inline bool end_process(__u64 start_ns)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;

	bpf_map_update_elem(&kill_procs, &tgid, &start_ns, BPF_ANY);
	kill_seen = 1;
	if (!bpf_send_signal(SIGKILL))
		return true;
	bpf_map_delete_elem(&kill_procs, &tgid);
	drop(DROP_SIGNAL);
	return false;
}

static __always_inline bool is_ending(struct conn *conn)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	__u64 *start = kill_seen ? bpf_map_lookup_elem(&kill_procs, &tgid) : NULL;

	return start && *start == conn->start_ns;
}

/* The keeper ends the socket, also when no worker is there to ask for it: where nothing but its packets
 * is refused, the client would wait for an answer that never comes. */
static __always_inline void end_socket_note(__u64 sock)
{
	struct event *e = bpf_ringbuf_reserve(&control, sizeof(*e), 0);

	if (!e) {
		drop(DROP_CTL_FULL); /* it stays refused */
		return;
	}
	head(e, EVENT_DENY, sizeof(*e));
	e->conn = sock;
	bpf_ringbuf_submit(e, 0);
}

static __always_inline __u32 mark_socket(__u64 sock)
{
	struct shared *s = shared_of();

	if (!s || !sock || !s->mark || !refuse_socket(s, sock))
		return GATE_NONE;
	end_socket_note(sock);
	return s->mark;
}

/* enum gate_mechanism. also_mark: nothing may go over that connection any more. */
static __noinline __u32 stop_write(const struct ask *w, bool also_mark, bool may_kill)
{
	__u32 marked = !w->ra || also_mark ? mark_socket(w->sock) : GATE_NONE;

	if (w->ra)
		return GATE_OVERRIDE;
	if (marked || !may_kill)
		return marked;
	return end_process(w->start_ns) ? GATE_SIGNAL : GATE_NONE;
}

static __noinline int kill_write(struct conn *conn, const struct ask *w)
{
	struct event_kill *e;
	struct shared *s = shared_of();

	if (!conn || !s || !end_process(conn->start_ns))
		return GATE_GO;
	emit(conn, EVENT_WRITE, w->buf, w->len, EVENT_F_REFUSED);
	e = reserve(sizeof(*e));
	if (e) {
		head(&e->h, EVENT_KILL, sizeof(*e));
		e->h.conn = conn->id;
		e->h.start_ns = conn->start_ns;
		e->rules = w->rules;
		e->bytes = w->len;
		e->policy = s->krule.generation;
		commit(e);
	}
	conn->ignored = 1;
	return GATE_STOP;
}

static __noinline int tell_denied(struct conn *conn, const struct ask *w, __u32 mechanism)
{
	struct shared *s = shared_of();
	struct deny d = {};

	if (!conn || !s)
		return 0;
	d.mechanism = mechanism;
	d.hook = GATE_AT_WRITE;
	d.evidence = GATE_BY_SNI;
	d.rules = w->rules;
	d.policy = s->krule.generation;
	d.conn = conn->id;
	d.subject = conn->id;
	d.cookie = w->sock;
	deny_me(&d);
	return deny_tell(&d, NULL);
}

/* Of a flood the first. */
static __noinline __u32 tell_refused(struct conn *conn, const struct ask *w)
{
	if (!conn || conn->flags & CONN_DENIED)
		return 0;
	conn->flags |= CONN_DENIED;
	emit(conn, EVENT_WRITE, w->buf, w->len, EVENT_F_REFUSED);
	return w->len;
}

/* The rules say no whatever is in it. The worker has the keeper end the socket, because a client
 * that waits for its socket to take more does not look at an error. */
static __always_inline int deny_write(struct conn *conn, const struct ask *w, bool kill)
{
	__u32 by = stop_write(w, true, kill);

	tell_refused(conn, w);
	tell_denied(conn, w, by);
	return by == GATE_OVERRIDE ? GATE_FAIL : GATE_STOP;
}

static __always_inline bool fails_closed(__u64 rules)
{
	struct krule_do *todo = krule_does();

	return !todo || rules & ~todo->fail_open;
}

static __always_inline bool may_kill(__u64 rules)
{
	struct krule_do *todo = krule_does();

	return !todo || !(rules & todo->no_kill);
}

#endif
