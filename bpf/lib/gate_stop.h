/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Of the write gate (gate.h): a write whose process is stopped, by the signal this very task sends to
 * itself before the write has begun. The keeper alone ends that (proto/gate.h has the protocol).
 *
 * Two ways lead here: no wait is possible and the pack says stop (stop_here: any kernel), or the answer
 * is GATE_BLOCK, of a write made again (block_again) or of one that waits in its probe (block_held).
 * The thread's entry of `calls` keeps what it waits for; when the thread is seen again, at the return or
 * at its next write, stopped_over() finds out who continued it.
 *
 * Its socket holds back what it is given from then on, not what it was given before: the sequence
 * number of its next byte stands in sock_upto. Where no socket is known (its first send is yet to
 * come), nothing but the stop itself holds the write.
 *
 * Each SIGSTOP is told to the keeper, after it: one that comes too late for the SIGCONT it belongs to is
 * taken back by the keeper, who then knows of no write to wait for.
 *
 * Limits. Somebody who may signal the process can continue it: a write made again is stopped again; any
 * other runs, which is counted and noted (WAITER_RAN), and its bytes stay in the socket until they are
 * judged; without a known socket it is over and told as such, and its process ended where rules fail
 * closed and may kill. A function whose returns are not probed (TLS_SEAL) shows that only at the
 * thread's next write. The handshake of a debugger is not disturbed: who is traced is not stopped.
 */
#ifndef PROBITY_BPF_GATE_STOP_H
#define PROBITY_BPF_GATE_STOP_H

#include "gate_ask.h"

#define SIGSTOP 19
#define BLOCK_LATE_NS 1000000000ull /* so long behind its bound a wait may still become a stop */
#ifdef PROBITY_OLD
#define GOING_TRIES 2
#define GOING_STEPS 4096 /* looks */
#else
#define GOING_TRIES 3
#define GOING_STEPS (1 << 20) /* the time ends it before */
#ifdef PROBITY_SLEEPS
#define GOING_NS 10000000ull
#else
#define GOING_NS 2000000ull
#endif
#endif

/* Its shell would say so; its debugger would; it is on its way out; nothing may ever be done to it. */
static __noinline bool may_stop(void)
{
	struct task_struct *t = (void *)bpf_get_current_task();

	if (BPF_CORE_READ(t, signal, tty) || BPF_CORE_READ(t, ptrace) ||
	    BPF_CORE_READ(t, group_leader, ptrace) ||
	    BPF_CORE_READ(t, signal, flags) & SIGNAL_GROUP_EXIT)
		return false;
	return !krule_exempt(t, bpf_get_current_pid_tgid() >> 32);
}

/* From now on its socket keeps what it is given. False: it will not. */
static __noinline bool ask_socket(const struct conn *conn, __u64 sock)
{
	struct shared *s = shared_of();
	__u32 ask = SOCK_ASK, *said;
	struct tcp_sock *tcp;
	__u64 upto;

	if (!conn || !s || !sock)
		return false;
	said = bpf_map_lookup_elem(&sock_verdicts, &sock);
	if (said && (*said == SOCK_ASK || *said == SOCK_DENY))
		return true;
	tcp = (void *)conn->sk;
	if (tcp && BPF_CORE_READ((struct sock *)tcp, __sk_common.skc_cookie.counter) == sock) {
		upto = SOCK_UPTO_SEQ | BPF_CORE_READ(tcp, write_seq);
		bpf_map_update_elem(&sock_upto, &sock, &upto, BPF_ANY);
	} else {
		bpf_map_delete_elem(&sock_upto, &sock);
	}
	if (bpf_map_update_elem(&sock_verdicts, &sock, &ask, BPF_ANY))
		return false;
	__sync_fetch_and_add(&s->denied, 1);
	return true;
}

/* Whether the keeper is about to continue this process. The waiter was noted before; that this look
 * comes after is what the addition is for (on x86; elsewhere old kernels have no order here, and the
 * keeper's own look some milliseconds later settles it). */
static __always_inline bool is_going(void)
{
	__u32 zero = 0, tgid = bpf_get_current_pid_tgid() >> 32;
	struct tally *st = bpf_map_lookup_elem(&tally, &zero);

	if (!st)
		return true;
	__sync_fetch_and_add(&st->stops, 1);
	return bpf_map_lookup_elem(&gate_going, &tgid);
}

/*
 * The keeper takes some 0.1 ms to continue a process; a write of another thread of it waits that long,
 * rather than be refused. Its note is taken back meanwhile, because the keeper looks for such. False:
 * it took too long, and the write is one that cannot wait.
 */
#ifdef PROBITY_OLD
ONCE(int, going_ends)(__u64 buf)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;

	for (int i = 0; i < GOING_STEPS; i++)
		if (!bpf_map_lookup_elem(&gate_going, &tgid))
			return true;
	return false;
}
#else
struct going {
	__u64 buf, until;
	__u32 tgid, ended;
};

static long going_step(__u32 i, void *p)
{
	struct going *g = p;

	g->ended = !bpf_map_lookup_elem(&gate_going, &g->tgid);
	if (g->ended || bpf_ktime_get_ns() >= g->until)
		return 1;
#ifdef PROBITY_SLEEPS
	char c; /* as in wait_step: the keeper may need this CPU */

	bpf_copy_from_user_task(&c, 1, (void *)g->buf, bpf_get_current_task_btf(), 0);
#endif
	return 0;
}

static __noinline int going_ends(__u64 buf)
{
	struct going g = {.buf = buf, .tgid = bpf_get_current_pid_tgid() >> 32};

	g.until = bpf_ktime_get_ns() + GOING_NS;
	bpf_loop(GOING_STEPS, going_step, &g, 0);
	return g.ended;
}
#endif

/* True: it is noted, and the keeper will see that before it continues this process. */
static __always_inline bool note_stopped(const struct ask *w)
{
	struct gate_wait_key k = {.seq = w->seq};

	for (int i = 0; i < GOING_TRIES; i++) {
		if (note_waiter(w, GATE_STOPPED))
			return false;
		if (!is_going())
			return true;
		bpf_map_delete_elem(&gate_waits, &k);
		if (!going_ends(w->buf))
			return false;
	}
	return false;
}

/* The signal, and then the word of it. */
static __always_inline bool stop_now(const struct ask *w)
{
	struct event *e = bpf_ringbuf_reserve(&control, sizeof(*e), 0);

	if (!e) {
		drop(DROP_CTL_FULL);
		return false;
	}
	if (bpf_send_signal(SIGSTOP)) {
		bpf_ringbuf_discard(e, 0);
		drop(DROP_SIGNAL);
		return false;
	}
	head(e, EVENT_GATE_STOP, sizeof(*e));
	e->conn = w->seq;
	e->start_ns = w->start_ns;
	bpf_ringbuf_submit(e, 0);
	return true;
}

/* The question is told after the signal too: an answer to it leads to a SIGCONT. */
static __noinline bool stop_and_ask(struct conn *conn, const struct ask *w, __u32 told)
{
	struct event_gate *e = conn && w ? reserve(sizeof(*e)) : NULL;

	if (!e)
		return false;
	if (!stop_now(w)) {
		bpf_ringbuf_discard(e, BPF_RB_NO_WAKEUP);
		return false;
	}
	gate_fill(e, conn, w, GATE_STOPPED, told);
	return true;
}

/* The thread runs: its stopped write goes on. By whom? */
static __noinline int stopped_over(struct call *c)
{
	struct gate_wait_key k = {};
	struct gate_waiter *g;
	struct conn *conn;
	__u32 by = GATE_NONE;
	bool closed;

	if (!c || c->hold.how != GATE_STOPPED || !c->hold.seq)
		return 0;
	k.seq = c->hold.seq;
	g = bpf_map_lookup_elem(&gate_waits, &k);
	if (!g || g->answered) {
		conn = held_conn(&c->hold);
		if (conn)
			passed_at(conn, &c->hold);
	} else if (c->hold.marked) {
		drop(DROP_WENT_ON);
		g->closed |= WAITER_RAN; /* to be judged all the same */
	} else {
		drop(DROP_WENT_ON);
		closed = g->closed & WAITER_CLOSED;
		bpf_map_delete_elem(&gate_waits, &k);
		if (closed)
			by = stop_write(&c->hold, false, may_kill(c->hold.rules));
		tell_gate_end(&c->hold, GATE_TIMEOUT, by, closed);
	}
	c->hold.seq = 0;
	return 0;
}

/* A wait by being made again whose call was left by other ways (longjmp). */
static __noinline int forsaken(struct call *c)
{
	struct gate_wait_key k = {};

	if (!c || !c->hold.seq)
		return 0;
	k.seq = c->hold.seq;
	bpf_map_delete_elem(&gate_waits, &k);
	tell_gate_end(&c->hold, GATE_TIMEOUT, GATE_NONE, true);
	if (c->hold.marked)
		open_socket(c->hold.sock);
	c->hold.seq = 0;
	return 0;
}

/* The one place a thread has for a wait that outlasts its probe; one that is made again and lies around
 * this call (a signal came, and its handler writes) keeps it. */
static __always_inline bool hold_free(struct call *c, __u64 sp)
{
	if (c->hold.seq && c->hold.how == GATE_STOPPED)
		stopped_over(c);
	return !c->hold.seq || !(c->hold.sp > sp && c->hold.sp - sp < NEST_WINDOW);
}

static __always_inline void hold_here(struct call *c, __u32 how)
{
	c->hold = c->ask;
	c->hold.how = how;
	if (how == GATE_STOPPED)
		c->hold.ra = 0; /* it will have begun */
	hold_seen = 1;
}

/* Nothing else holds it: no wait is possible. enum gate_way. */
static __noinline int stop_here(struct conn *conn, struct call *c)
{
	__u32 told;

	if (!conn || !c || !hold_free(c, c->ask.sp) || !may_stop())
		return GATE_NO_WAIT;
	forsaken(c);
	c->ask.seq = new_gate();
	c->ask.since_ns = bpf_ktime_get_ns();
	if (!note_stopped(&c->ask))
		return GATE_NO_WAIT;
	c->ask.marked = ask_socket(conn, c->ask.sock);
	told = tell_bytes(conn, &c->ask);
	if (!stop_and_ask(conn, &c->ask, told))
		return settle(conn, &c->ask, GATE_TIMEOUT);
	hold_here(c, GATE_STOPPED);
	return GATE_TOLD;
}

#ifdef PROBITY_SLEEPS

/* An operator is asked. GATE_ASKED: it is stopped, or will be; else the verdict in place of it. */
static __noinline __u32 block(struct conn *conn, struct ask *w)
{
	struct gate_wait_key k = {};
	struct gate_waiter *g;
	bool first;

	if (!w)
		return GATE_REFUSE;
	k.seq = w->seq;
	g = bpf_map_lookup_elem(&gate_waits, &k);
	if (!g || g->answered)
		return GATE_ASKED; /* the answer stands in its slot, or does at once */
	first = g->how != GATE_STOPPED;
	if (first) {
		if (!may_stop())
			return GATE_REFUSE;
		g->how = GATE_STOPPED;
	}
	if (is_going()) {
		if (first)
			g->how = w->how;
		return GATE_ASKED;
	}
	if (first) {
		w->marked = ask_socket(conn, w->sock);
		w->until_ns = bpf_ktime_get_ns() + GATE_BLOCK_MAX_S * 1000000000ull;
	}
	w->stopped = stop_now(w);
	if (w->stopped)
		return GATE_ASKED;
	if (first)
		g->how = w->how;
	return GATE_REFUSE;
}

/* A wait inside of the probe ends here: it is not looked at again. enum gate_way. */
static __noinline int block_held(struct conn *conn, struct call *c)
{
	bool stopped = false;

	if (!conn || !c)
		return GATE_GO;
	for (int i = 0; i < GOING_TRIES && !stopped && hold_free(c, c->ask.sp); i++) {
		if (block(conn, &c->ask) != GATE_ASKED)
			break;
		stopped = c->ask.stopped;
		if (!stopped && !going_ends(c->ask.buf))
			break;
	}
	if (!stopped)
		return settle(conn, &c->ask, GATE_REFUSE);
	forsaken(c);
	hold_here(c, GATE_STOPPED);
	return GATE_TOLD;
}

#endif

#endif
