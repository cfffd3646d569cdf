/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The write gate: what becomes of a write that begins, before a byte of it is encrypted.
 *
 * In: a connection whose name has rules (conn->host_rules), and the write. Out: it goes, it is
 * refused, its process is killed, or it waits for the worker (rules on content). A wait is one of
 *   by being made again (PROBITY_REEXEC): the task goes back to instructions in front of the probe
 *     that do nothing, and comes again until the verdict is there. Any number of threads, one CPU
 *     suffices. What is to be known then stands in the thread's entry of `calls`;
 *   inside the probe (PROBITY_SLEEPS): at most gate.waiters at once, the count shared with those who
 *     wait for room in the ring, so that a CPU is left to answer;
 *   not at all: too many wait, the agent is away, the ring is full, or the kernel cannot.
 * Each ends at gate.hold_us, whoever is away or dead by then.
 *
 * A refusal is done by the mildest way there is: the function returns an error (lib/fail.h); the
 * socket is marked, and whoever guards sockets lets nothing out (shared.mark); SIGKILL. A verdict never
 * depends on room in the ring. Of each wait one EVENT_GATE_END is told, also when its thread dies.
 *
 * Not seen here: a connection whose name nobody told yet, by call or by ClientHello, has no rules. A
 * write that is tried again from the same buffer with other bytes in it passes as the one before:
 * TLS libraries ask for the same bytes, and mostly have encrypted them the first time.
 */
#ifndef PROBITY_BPF_GATE_H
#define PROBITY_BPF_GATE_H

#include "chunk.h"
#include "conn.h"
#include "deny.h"
#include "fail.h"
#include "krule.h"

#define ALIVE_NS 3000000000ull
#define HELD_STEPS (1 << 23) /* of bpf_loop; the time ends it long before */
#define SIGNAL_GROUP_EXIT 4

enum gate_way {
	GATE_GO,   /* as without a gate */
	GATE_TOLD, /* it goes; its bytes were told */
	GATE_STOP, /* refused; how was seen to, but for GATE_FAIL */
	GATE_FAIL, /* refused: the function returns an error */
	GATE_AGAIN,
	GATE_NO_WAIT,
};

/* Whether a process was ever killed by a rule: else no write looks for it. */
__u32 kill_seen __weak;
/* Whether a write ever waited by being made again. */
__u32 hold_seen __weak;

static __always_inline struct gate_settings *gate_now(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&gate, &zero);
}

/* --- names and rules ----------------------------------------------------------------------------- */

/* The name may have come after the socket was bound, or under other rules. */
static __always_inline void name_now(struct conn *conn)
{
	if (conn->flags & CONN_BOUND)
		name_by_sock(conn, conn->cookie);
	else
		name_by_thread(conn);
}

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

/* --- the question and its answer ----------------------------------------------------------------- */

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

static __noinline bool tell_gate(struct conn *conn, const struct ask *w, __u32 how, __u32 told)
{
	struct event_gate *e = conn ? reserve(sizeof(*e)) : NULL;
	__u32 zero = 0, *sleeps;

	if (!e)
		return false;
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

/* Nobody would answer. */
static __always_inline bool agent_away(const struct gate_settings *g)
{
	return bpf_ktime_get_boot_ns() - g->alive_ns > ALIVE_NS;
}

/* No wait is possible, and nothing of it was told as waiting. Without an agent `fail` says what becomes of
 * it, as of any write that nobody answers. */
static __always_inline int full(struct conn *conn, struct ask *w, const struct gate_settings *g)
{
	bool refused = (g->full == GATE_FULL_REFUSE || agent_away(g)) && fails_closed(w->rules);
	__u32 by = GATE_NONE, told = 0;

	w->seq = w->seq ?: new_gate();
	if (refused) {
		by = stop_write(w, false, may_kill(w->rules));
		told = tell_refused(conn, w);
	}
	tell_gate(conn, w, GATE_FULL, told);
	tell_gate_end(w, refused ? GATE_REFUSE : GATE_PASS, by, refused);
	if (!refused)
		return GATE_GO;
	return by == GATE_OVERRIDE ? GATE_FAIL : GATE_STOP;
}

#ifdef PROBITY_SLEEPS

/* The wait is over. enum gate_way. */
static __noinline int settle(struct conn *conn, struct ask *w, __u32 verdict)
{
	struct gate_wait_key k = {.seq = w->seq};
	bool refused = verdict == GATE_REFUSE || verdict == GATE_KILL;
	__u32 by = GATE_NONE;

	if (verdict == GATE_TIMEOUT)
		refused = fails_closed(w->rules);
	bpf_map_delete_elem(&gate_waits, &k);
	if (verdict == GATE_KILL) /* its function must not begin in the meantime, either */
		by = end_process(w->start_ns) ? GATE_SIGNAL : GATE_NONE;
	else if (refused) /* an answer of the worker: it would have said kill */
		by = stop_write(w, false, verdict == GATE_TIMEOUT && may_kill(w->rules));
	tell_gate_end(w, verdict, by, refused);
	if (conn && refused)
		take_offset(conn, EVENT_WRITE, w->len);
	if (conn && verdict == GATE_PASS) {
		conn->passed = conn->offset[EVENT_WRITE];
		conn->passed_buf = w->buf;
		conn->passed_len = w->len;
	}
	if (!refused)
		return GATE_TOLD;
	return by == GATE_OVERRIDE ? GATE_FAIL : GATE_STOP;
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

/* Whose memory the keeper may mask. */
static __noinline int note_waiter(struct ask *w)
{
	struct gate_wait_key k = {.seq = w->seq};
	__u64 id = bpf_get_current_pid_tgid();
	struct gate_waiter g = {
		.conn = w->conn,
		.start_ns = w->start_ns,
		.cookie = w->sock,
		.buf = w->buf,
		.len = w->len,
		.tgid = id >> 32,
		.tid = (__u32)id,
		.since_ns = bpf_ktime_get_boot_ns(),
		.cpu = bpf_get_smp_processor_id(),
	};

	return bpf_map_update_elem(&gate_waits, &k, &g, BPF_ANY);
}

/* The bytes, then the question. False: it could not be asked. */
static __always_inline bool tell_waiting(struct conn *conn, struct ask *w, __u32 how)
{
	__u64 n = w->len;
	__u32 told;

	if (n > CALL_MAX) {
		drop(DROP_TOO_LARGE);
		n = CALL_MAX;
	}
	told = emit_flight(conn->id, conn->start_ns, w->buf, conn->offset[EVENT_WRITE],
			   n | (__u64)((conn->flags & 0xffff) | EVENT_F_GATED) << 32);
	conn->asked = bpf_ringbuf_query(&events, BPF_RB_PROD_POS);
	return tell_gate(conn, w, how, told);
}

#ifdef PROBITY_REEXEC
/* The one place a thread has for a wait that is made again; one that lies around this call (a signal
 * came, and its handler writes) keeps it. */
static __always_inline bool hold_free(struct call *c, __u64 sp)
{
	return !c->hold.seq || !(c->hold.sp > sp && c->hold.sp - sp < NEST_WINDOW);
}

/* A wait whose call was left by other ways (longjmp). */
static __noinline int forsaken(struct call *c)
{
	struct gate_wait_key k = {};

	if (!c || !c->hold.seq)
		return 0;
	k.seq = c->hold.seq;
	bpf_map_delete_elem(&gate_waits, &k);
	tell_gate_end(&c->hold, GATE_TIMEOUT, GATE_NONE, true);
	c->hold.seq = 0;
	return 0;
}

static __always_inline bool hold_here(struct call *c, const struct ask *w)
{
	c->hold = *w;
	hold_seen = 1;
	return true;
}
#else
static __always_inline bool hold_free(struct call *c, __u64 sp)
{
	return false;
}
static __always_inline int forsaken(struct call *c)
{
	return 0;
}
static __always_inline bool hold_here(struct call *c, const struct ask *w)
{
	return false;
}
#endif

static __always_inline int wait_for_worker(struct conn *conn, struct call *c,
					   struct gate_settings *g)
{
	struct ask *w = &c->ask;
	bool again = TLS_COOKIE_SKIP(w->cookie) && hold_free(c, w->sp);
	int way;

	if (agent_away(g) || !(again || take_place(g->waiters)))
		return GATE_NO_WAIT;
	w->seq = new_gate();
	w->since_ns = bpf_ktime_get_ns();
	w->until_ns = w->since_ns + 1000ull * g->hold_us;
	if (again)
		forsaken(c);
	if (note_waiter(w))
		way = GATE_NO_WAIT;
	else if (!tell_waiting(conn, w, again ? GATE_REEXEC : GATE_HELD))
		way = settle(conn, w, GATE_TIMEOUT);
	else if (again && hold_here(c, w))
		way = GATE_AGAIN;
	else
		way = settle(conn, w, wait_here(w));
	if (!again)
		leave_place();
	return way;
}

#else

static __always_inline int wait_for_worker(struct conn *conn, struct call *c,
					   struct gate_settings *g)
{
	return GATE_NO_WAIT;
}

#endif

/* --- the decision -------------------------------------------------------------------------------- */

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
	if (!rules)
		return GATE_GO;
	content = rules & todo->content;
	w->rules = rules & ~content & (todo->kill | ~(todo->deny | todo->no_quic));
	if (w->rules && kill_write(conn, w))
		return GATE_STOP;
	w->rules = rules & ~content & todo->deny;
	if (w->rules)
		return deny_write(conn, w, !(w->rules & todo->no_kill));
	if (!content || !g->on)
		return GATE_GO;
	if (conn->passed_len == w->len && conn->passed_buf == w->buf &&
	    conn->passed == conn->offset[EVENT_WRITE])
		return GATE_TOLD;
	w->rules = content;
	way = wait_for_worker(conn, c, g);
	return way == GATE_NO_WAIT ? full(conn, w, g) : way;
}

/* No room for the thread in `calls`: what is refused for its name is refused by the last resort. */
static __noinline int decide_bare(struct conn *conn)
{
	struct krule_do *todo = krule_does();
	__u64 rules;

	if (!conn || !todo)
		return GATE_GO;
	rules = gate_rules(conn) & ~(todo->watch | todo->content | todo->no_quic);
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
/* The connection of the wait, if it is still there. */
static __always_inline struct conn *held_conn(const struct ask *w)
{
	struct conn_key k = {};
	struct conn *conn;
	__u64 start_ns;

	key_of(&k, w->ssl, &start_ns);
	conn = bpf_map_lookup_elem(&conns, &k);
	return conn && conn->id == w->conn ? conn : NULL;
}

/* GATE_GO: this write does not wait yet. *ret_len: of a write whose wait is over. */
static __always_inline int gate_resume(struct pt_regs *ctx, __u64 cookie, __u64 ssl, __u64 *ret_len)
{
	struct call *c = hold_seen ? call_of(false) : NULL;
	struct conn *conn;
	__u32 verdict;
	int way;

	if (!c || !c->hold.seq || c->hold.ssl != ssl || c->hold.sp != sp_of(ctx))
		return GATE_GO;
	verdict = answer(c->hold.conn, c->hold.seq);
	if (!verdict && bpf_ktime_get_ns() < c->hold.until_ns) {
		make_again(ctx, cookie);
		return GATE_AGAIN;
	}
	conn = held_conn(&c->hold);
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
