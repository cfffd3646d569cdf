/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The write gate: what becomes of a write that begins, before a byte of it is encrypted.
 *
 * In: a connection whose name or address has rules (conn->host_rules), and the write. Out: it goes, it
 * is refused, its process is killed, or it waits for the worker (rules on content). A wait is one of
 *   by being made again (PROBITY_REEXEC): the task goes back to instructions in front of the probe
 *     that do nothing, and comes again until the verdict is there. Any number of threads, one CPU
 *     suffices. What is to be known then stands in the thread's entry of `calls`;
 *   inside the probe (PROBITY_SLEEPS): at most gate.waiters at once, the count shared with those who
 *     wait for room in the ring, so that a CPU is left to answer;
 *   by stopping the process (gate_stop.h), where neither is possible and the pack says so, or when an
 *     operator is asked;
 *   not at all: too many wait, the agent is away, the ring is full, or the kernel cannot.
 * The first two end at gate.hold_us, whoever is away or dead by then; the third is the keeper's to end.
 *
 * A refusal is done by the mildest way there is (gate_refuse.h): the function returns an error
 * (fail.h); the socket is marked, and whoever guards sockets lets nothing out (shared.mark); SIGKILL.
 * A verdict never depends on room in the ring. Of each wait one EVENT_GATE_END is told, also when its
 * thread dies; of a stopped process it is the keeper who knows, so here only where its write ran.
 *
 * A write that passed and moved nothing comes again, with the same buffer: it passes if it holds the
 * same bytes (gate_sum.h).
 *
 * Not seen here: a connection whose name nobody told yet, by call or by ClientHello, and whose address no
 * rule has, has no rules. What another thread of the process writes into the buffer between the verdict
 * and the encryption leaves.
 */
#ifndef PROBITY_BPF_GATE_H
#define PROBITY_BPF_GATE_H

#include "gate_stop.h"
#include "gate_sum.h"

#define ALIVE_NS 3000000000ull
#define HELD_STEPS (1 << 23) /* of bpf_loop; the time ends it long before */

static __always_inline struct gate_settings *gate_now(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&gate, &zero);
}

static __always_inline bool is_alive(const struct gate_settings *g)
{
	return bpf_ktime_get_boot_ns() - g->alive_ns <= ALIVE_NS;
}

/* No wait is possible, and nothing of it was told as waiting. Without an agent `fail` says what becomes of
 * it, as of any write that nobody answers. */
static __always_inline int full(struct conn *conn, struct ask *w, const struct gate_settings *g)
{
	bool refused = (g->full != GATE_FULL_PASS || !is_alive(g)) && fails_closed(w->rules);
	__u32 by = GATE_NONE, told = 0;

	w->seq = w->seq ?: new_gate();
	if (refused) {
		by = stop_write(w, false, may_kill(w->rules));
		told = tell_refused(conn, w);
	}
	tell_gate(conn, w, is_alive(g) ? GATE_FULL : GATE_AWAY, told);
	tell_gate_end(w, refused ? GATE_REFUSE : GATE_PASS, by, refused);
	if (!refused)
		return GATE_GO;
	return by == GATE_OVERRIDE ? GATE_FAIL : GATE_STOP;
}

#ifdef PROBITY_SLEEPS

struct waiting {
	__u64 conn, seq, buf, until;
	__u32 verdict;
};

/* Each step looks, and is a point where the kernel may run somebody else: reading by way of the task
 * asks for one (cond_resched), also where the kernel preempts nobody by itself. A plain copy does not
 * there, and whoever has to answer, woken on this CPU, would wait as long as we do. */
static long wait_step(__u32 i, void *p)
{
	struct waiting *w = p;
	char c;

	w->verdict = answer(w->conn, w->seq);
	if (w->verdict || bpf_ktime_get_ns() >= w->until ||
	    bpf_get_current_task_btf()->signal->flags & SIGNAL_GROUP_EXIT)
		return 1;
	bpf_copy_from_user_task(&c, 1, (void *)w->buf, bpf_get_current_task_btf(), 0);
	return 0;
}

static __noinline __u32 wait_here(const struct ask *w)
{
	struct waiting s = {.conn = w->conn, .seq = w->seq, .buf = w->buf, .until = w->until_ns};

	bpf_loop(HELD_STEPS, wait_step, &s, 0);
	return s.verdict ?: GATE_TIMEOUT;
}

static __always_inline bool take_place(__u32 most)
{
	struct tally *st = tally_of();

	if (!st)
		return false;
	if (__sync_fetch_and_add(&st->waiters, 1) < most)
		return true;
	__sync_fetch_and_add(&st->waiters, -1);
	return false;
}

static __always_inline void leave_place(void)
{
	struct tally *st = tally_of();

	if (st)
		__sync_fetch_and_add(&st->waiters, -1);
}

static __always_inline int wait_inside(struct conn *conn, struct call *c)
{
	__u32 verdict = wait_here(&c->ask);

	leave_place();
	return verdict == GATE_BLOCK ? block_held(conn, c) : settle(conn, &c->ask, verdict);
}

static __always_inline int wait_for_worker(struct conn *conn, struct call *c,
					   struct gate_settings *g)
{
	struct ask *w = &c->ask;
#ifdef PROBITY_REEXEC
	bool again = TLS_COOKIE_SKIP(w->cookie) && hold_free(c, w->sp);
#else
	bool again = false;
#endif

	if (!is_alive(g) || !(again || take_place(g->waiters)))
		return GATE_NO_WAIT;
	w->seq = new_gate();
	w->how = again ? GATE_REEXEC : GATE_HELD;
	w->since_ns = bpf_ktime_get_ns();
	w->until_ns = w->since_ns + 1000ull * g->hold_us;
	if (again)
		forsaken(c);
	if (note_waiter(w, w->how)) {
		if (!again)
			leave_place();
		return GATE_NO_WAIT;
	}
	if (!tell_gate(conn, w, w->how, tell_bytes(conn, w))) {
		if (!again)
			leave_place();
		return settle(conn, w, GATE_TIMEOUT);
	}
	if (!again)
		return wait_inside(conn, c);
	hold_here(c, GATE_REEXEC);
	return GATE_AGAIN;
}

#else

static __always_inline int wait_for_worker(struct conn *conn, struct call *c,
					   struct gate_settings *g)
{
	return GATE_NO_WAIT;
}

#endif

/* --- the decision -------------------------------------------------------------------------------- */

/* Its name had rules, and they are not those in force: nobody says which hold for it now. */
static __always_inline void went_unjudged(const struct conn *conn)
{
	struct shared *s = shared_of();

	if (s && conn->host_rules && conn->host_generation != s->krule.generation)
		drop(DROP_UNJUDGED);
	else if (s && conn->host_rules && krule_changes(s))
		drop(DROP_UNJUDGED);
}

static __noinline int decide(struct conn *conn, struct call *c)
{
	struct krule_do *todo = krule_does();
	struct gate_settings *g = gate_now();
	struct ask *w = &c->ask;
	__u64 rules, content;
	int way;

	if (!conn || !todo || !g)
		return GATE_GO;
	rules = gate_rules(conn) & ~todo->watch;
	if (!rules) {
		went_unjudged(conn);
		return GATE_GO;
	}
	content = rules & todo->content;
	w->rules = rules & ~content & (todo->kill | ~(todo->deny | todo->no_quic));
	if (w->rules && kill_write(conn, w))
		return GATE_STOP;
	w->rules = rules & ~content & todo->deny;
	if (w->rules)
		return deny_write(conn, w, !(w->rules & todo->no_kill));
	if (!content || !g->on)
		return GATE_GO;
	if (is_retry(conn, w->buf, w->len))
		return GATE_TOLD;
	w->rules = content;
	way = wait_for_worker(conn, c, g);
	if (way == GATE_NO_WAIT && g->full == GATE_FULL_STOP && is_alive(g))
		way = stop_here(conn, c);
	return way == GATE_NO_WAIT ? full(conn, w, g) : way;
}

/* No room for the thread in `calls`: what is refused for its name is refused by the last resort. */
static __noinline int decide_bare(struct conn *conn)
{
	struct krule_do *todo = krule_does();
	__u64 rules;

	if (!conn || !todo)
		return GATE_GO;
	rules = gate_rules(conn) & ~(todo->watch | todo->no_quic);
	if (rules & todo->content)
		drop(DROP_UNJUDGED);
	rules &= ~todo->content;
	return rules && end_process(conn->start_ns) ? GATE_STOP : GATE_GO;
}

/* A write that begins; c: of its thread. enum gate_way; from GATE_STOP on there is no more to do. */
static __always_inline int gate_write(struct pt_regs *ctx, __u64 cookie, struct conn *conn,
				      struct call *c, __u64 ssl, __u64 buf, __u64 len)
{
	struct ask *w;
	int way;

	if (is_ending(conn))
		return bpf_send_signal(SIGKILL) ? GATE_GO : GATE_STOP;
	if (!c)
		return decide_bare(conn);
	w = &c->ask;
	w->ssl = ssl;
	w->sp = sp_of(ctx);
	w->buf = buf;
	w->len = len;
	w->cookie = cookie;
	w->ra = way_out(ctx, cookie);
	w->conn = conn->id;
	w->start_ns = conn->start_ns;
	w->sock = conn->cookie;
	w->seq = 0;
	w->since_ns = 0;
	w->marked = w->stopped = 0;
	way = decide(conn, c);
	if (way == GATE_FAIL)
		fail_call(ctx, cookie, w->ra);
#ifdef PROBITY_REEXEC
	if (way == GATE_AGAIN)
		make_again(ctx, cookie);
#endif
	return way;
}

static __always_inline bool is_gated(const struct conn *conn)
{
	return conn->host_rules || kill_seen;
}

#ifdef PROBITY_REEXEC
/* GATE_GO: this write does not wait yet. *ret_len: of a write whose wait is over. */
static __always_inline int gate_resume(struct pt_regs *ctx, __u64 cookie, __u64 ssl, __u64 *ret_len)
{
	struct call *c = hold_seen ? call_of(false) : NULL;
	struct conn *conn;
	__u32 verdict;
	bool waits;
	int way;

	if (!c || !c->hold.seq || c->hold.how == GATE_STOPPED || c->hold.ssl != ssl ||
	    c->hold.sp != sp_of(ctx))
		return GATE_GO;
	conn = held_conn(&c->hold);
	verdict = answer(c->hold.conn, c->hold.seq);
	waits = bpf_ktime_get_ns() < c->hold.until_ns;
	if (verdict == GATE_BLOCK) { /* found late, but not before it could be acted on */
		waits |= !c->hold.stopped && bpf_ktime_get_ns() < c->hold.until_ns + BLOCK_LATE_NS;
		verdict = waits ? block(conn, &c->hold) : GATE_REFUSE;
	}
	if (!verdict && waits) {
		make_again(ctx, cookie);
		return GATE_AGAIN;
	}
	*ret_len = c->hold.len;
	way = settle(conn, &c->hold, verdict ?: GATE_TIMEOUT);
	c->hold.seq = 0;
	if (way == GATE_FAIL)
		fail_call(ctx, cookie, c->hold.ra);
	return way;
}
#else
static __always_inline int gate_resume(struct pt_regs *ctx, __u64 cookie, __u64 ssl, __u64 *ret_len)
{
	return GATE_GO;
}
#endif

#endif
