/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Of the write gate (gate.h): the question, what is noted of who waits, the answer, and the end. */
#ifndef PROBITY_BPF_GATE_ASK_H
#define PROBITY_BPF_GATE_ASK_H

#include "gate_refuse.h"

static __noinline __u64 new_gate(void)
{
#ifdef PROBITY_OLD
	return bpf_ktime_get_boot_ns() << 4 | (bpf_get_smp_processor_id() & 15);
#else
	__u32 zero = 0;
	struct tally *st = bpf_map_lookup_elem(&tally, &zero);

	return st ? __sync_fetch_and_add(&st->next_gate, 1) + 1 : 0;
#endif
}

/* Tells it. */
static __always_inline void gate_fill(struct event_gate *e, const struct conn *conn,
				      const struct ask *w, __u32 how, __u32 told)
{
	__u32 zero = 0, *sleeps;

	head(&e->h, EVENT_GATE, sizeof(*e));
	e->h.conn = conn->id;
	e->h.start_ns = conn->start_ns;
	e->seq = w->seq;
	e->offset = conn->offset[EVENT_WRITE];
	e->size = w->len;
	e->cookie = w->sock;
	e->rules = w->rules;
	e->how = how;
	e->told = told;
	sleeps = bpf_map_lookup_elem(&asleep, &zero);
	if (sleeps)
		*sleeps = 0;
	bpf_ringbuf_submit(e, BPF_RB_FORCE_WAKEUP);
}

static __noinline bool tell_gate(struct conn *conn, const struct ask *w, __u32 how, __u32 told)
{
	struct event_gate *e = conn && w ? reserve(sizeof(*e)) : NULL;

	if (!e)
		return false;
	gate_fill(e, conn, w, how, told);
	return true;
}

static __noinline int tell_gate_end(const struct ask *w, __u32 verdict, __u32 mechanism,
				    bool refused)
{
	struct event_gate_end *e = w ? reserve(sizeof(*e)) : NULL;

	if (!e)
		return 0;
	head(&e->h, EVENT_GATE_END, sizeof(*e));
	e->h.conn = w->conn;
	e->h.start_ns = w->start_ns;
	e->seq = w->seq;
	e->waited_ns = w->since_ns ? bpf_ktime_get_ns() - w->since_ns : 0;
	e->verdict = verdict;
	e->mechanism = mechanism;
	e->refused = refused;
	e->pad = 0;
	commit(e);
	return 0;
}

/* Whose memory the keeper may mask. */
static __noinline int note_waiter(const struct ask *w, __u32 how)
{
	struct gate_wait_key k = {};
	__u64 id = bpf_get_current_pid_tgid();
	struct gate_waiter g = {
		.tgid = id >> 32,
		.tid = (__u32)id,
		.since_ns = bpf_ktime_get_boot_ns(),
		.cpu = bpf_get_smp_processor_id(),
		.how = how,
	};

	if (!w)
		return -1;
	k.seq = w->seq;
	g.conn = w->conn;
	g.start_ns = w->start_ns;
	g.cookie = w->sock;
	g.buf = w->buf;
	g.len = w->len;
	if (fails_closed(w->rules))
		g.closed = may_kill(w->rules) ? WAITER_CLOSED | WAITER_MAY_KILL : WAITER_CLOSED;
	if (how == GATE_REEXEC)
		g.closed |= WAITER_AGAIN;
	return bpf_map_update_elem(&gate_waits, &k, &g, BPF_ANY);
}

/* The bytes of a write that waits, before the question. How many. */
static __noinline __u32 tell_bytes(struct conn *conn, const struct ask *w)
{
	__u64 n;
	__u32 told;

	if (!conn || !w)
		return 0;
	n = w->len;
	if (n > CALL_MAX) {
		drop(DROP_TOO_LARGE);
		n = CALL_MAX;
	}
	told = emit_flight(conn->id, conn->start_ns, w->buf, conn->offset[EVENT_WRITE],
			   n | (__u64)((conn->flags & 0xffff) | EVENT_F_GATED) << 32);
	conn->asked = bpf_ringbuf_query(&events, BPF_RB_PROD_POS);
	return told;
}

static __always_inline __u32 answer(__u64 conn, __u64 seq)
{
	__u32 at = conn & (GATE_SLOTS - 1);
	struct gate_slot *s = bpf_map_lookup_elem(&gate_slots, &at);
	__u32 verdict;

	if (!s || *(volatile __u64 *)&s->seq != seq || *(volatile __u64 *)&s->conn != conn)
		return GATE_ASKED;
	verdict = *(volatile __u32 *)&s->verdict;
	return verdict < GATE_TIMEOUT ? verdict : GATE_ASKED;
}

/* The connection of a wait that outlasted its probe, if it is still there. */
static __always_inline struct conn *held_conn(const struct ask *w)
{
	struct conn_key k = {};
	struct conn *conn;
	__u64 start_ns;

	key_of(&k, w->ssl, &start_ns);
	conn = bpf_map_lookup_elem(&conns, &k);
	return conn && conn->id == w->conn ? conn : NULL;
}

static __always_inline void passed_at(struct conn *conn, const struct ask *w)
{
	conn->passed = conn->offset[EVENT_WRITE];
	conn->passed_buf = w->buf;
	conn->passed_len = w->len;
	conn->passed_sum = 0;
}

/* What its socket kept may go, if nobody refused it meanwhile. */
static __always_inline void open_socket(__u64 sock)
{
	__u32 *said = bpf_map_lookup_elem(&sock_verdicts, &sock);

	if (said && *said == SOCK_ASK)
		bpf_map_delete_elem(&sock_verdicts, &sock);
}

/* The wait is over. enum gate_way. */
static __noinline int settle(struct conn *conn, struct ask *w, __u32 verdict)
{
	struct gate_wait_key k = {};
	bool refused = verdict == GATE_REFUSE || verdict == GATE_KILL;
	__u32 by = GATE_NONE;

	if (!w)
		return GATE_GO;
	k.seq = w->seq;
	if (verdict == GATE_TIMEOUT)
		refused = fails_closed(w->rules);
	bpf_map_delete_elem(&gate_waits, &k);
	if (verdict == GATE_KILL) /* its function must not begin in the meantime, either */
		by = end_process(w->start_ns) ? GATE_SIGNAL : GATE_NONE;
	else if (refused) /* an answer of the worker: it would have said kill */
		by = stop_write(w, false, verdict == GATE_TIMEOUT && may_kill(w->rules));
	tell_gate_end(w, verdict, by, refused);
	if (w->marked)
		open_socket(w->sock);
	if (conn && refused)
		take_offset(conn, EVENT_WRITE, w->len);
	if (conn && verdict == GATE_PASS)
		passed_at(conn, w);
	if (!refused)
		return GATE_TOLD;
	return by == GATE_OVERRIDE ? GATE_FAIL : GATE_STOP;
}

#endif
