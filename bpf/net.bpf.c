// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * On the wire: the first TLS flight of each client connection and the server's answer to it, and
 * clear HTTP whole. At the cgroup v2 root, so for every container and network namespace.
 *
 * connect(2) marks the socket with its owner, in the owner's context; the packet programs know a
 * packet's owner by that mark alone. A socket without one (every accepted one, every one that was
 * there before us) costs one look-up of nothing. The mark goes as soon as there is nothing more to
 * learn: after the server's first bytes of a TLS connection, when the worker says "ignore" of a
 * clear one, after a few packets of anything else. A few, because a ClientHello may come after the
 * words to a proxy (CONNECT, SOCKS).
 *
 * Even that look-up is dear to a server of many small answers, because every packet of the host
 * passes. So the packet programs are attached only while there are marks (user/agent/net.c). The
 * connect that makes the first one asks for them and waits, some 0.1 ms and at most WAKE_NS.
 *
 * A ClientHello of a process whose probes are not in place is held: dropped here, so that it stays
 * first in the socket's queue and TCP tries it again, by its timer (200 ms, then doubling) or when
 * the keeper gives the socket a push (user/agent/net.c). The program sees none of it. A hold ends
 * when the mark of the process says so, or before the retransmission that would exceed the bound.
 *
 * Refused (lib/net_gate.h): a hello or a clear request whose name a rule denies to its process never
 * leaves, and all that a refused socket sends is dropped, whoever refused it. QUIC: lib/quic.h. What
 * processes are told by DNS: lib/dns.h. While such rules are in force the packet programs stay.
 *
 * What does not fit into the ring is a gap by offset (TCP's sequence numbers from the first byte of
 * payload), and counted. A segment is told once; one that fills a hole comes late, with its offset.
 */
#include "lib/dns.h"
#include "lib/net_gate.h"
#include "lib/quic.h"

#define PASS 1
#define HOLD 0 /* TCP takes it for a packet that could not be sent, and not for congestion */

#define WAKE_NS 5000000ull
#define WAKE_LOOPS (1 << 20)
#define PACKETS_MAX 6  /* before a ClientHello: CONNECT and a proxy's authentication, or SOCKS */
#define ANSWER_MAX 512 /* of the server's first bytes: all of a ServerHello but rare extensions */
#define ANSWER_MIN 64  /* less than this says nothing: the next packet is told too */
#define RTO_MIN_MS 200 /* TCP's, for a socket nothing is in flight on */
#define TIMER_MIN_NS 100000000ull /* a try sooner than this was not the timer's */

/* --- owners ------------------------------------------------------------------------------------ */

static __always_inline bool net_is_self(__u32 tgid)
{
	struct shared *s = shared_of();

	for (int i = 0; s && i < 8; i++)
		if (s->self[i] == tgid)
			return true;
	return false;
}

static __always_inline bool packets_seen(void)
{
	__u32 zero = 0, *on = bpf_map_lookup_elem(&net_on, &zero);

	return !on || *(volatile __u32 *)on;
}

static __always_inline void wake(void)
{
	__u32 *note = bpf_ringbuf_reserve(&net_wake, sizeof(*note), 0);

	net_count(NET_WAKES);
	if (!note)
		return; /* others have asked */
	*note = 1;
	bpf_ringbuf_submit(note, BPF_RB_FORCE_WAKEUP);
}

static long still_waits(__u32 i, __u64 *until)
{
	return packets_seen() || bpf_ktime_get_ns() > *until;
}

static __always_inline struct net_sock *own(struct bpf_sock_addr *ctx)
{
	struct task_struct *t = (void *)bpf_get_current_task();
	__u32 tgid = BPF_CORE_READ(t, tgid);
	struct net_live live = {};
	struct net_sock *s;

	if (ctx->protocol != IPPROTO_TCP || net_is_self(tgid) ||
	    BPF_CORE_READ(t, flags) & PF_KTHREAD)
		return NULL;
	s = bpf_sk_storage_get(&net_socks, ctx->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!s) {
		drop(DROP_NO_OWNER);
		return NULL;
	}
	__builtin_memset(s, 0, sizeof(*s)); /* the socket may have been another connection */
	s->cookie = bpf_get_socket_cookie(ctx);
	s->start_ns = live.start_ns = task_start(t);
	s->cgroup = live.cgroup = bpf_get_current_cgroup_id();
	s->tgid = live.tgid = tgid;
	s->tid = live.tid = BPF_CORE_READ(t, pid);
	s->uid = live.uid = (__u32)bpf_get_current_uid_gid();
	s->exempt = krule_exempt(t, tgid);
	live.since_ns = bpf_ktime_get_boot_ns();
	if (bpf_map_update_elem(&net_live, &s->cookie, &live, BPF_ANY))
		drop(DROP_CONN_FULL);
	net_count(NET_CONNECTS);
	return s;
}

static __always_inline int own_and_wait(struct bpf_sock_addr *ctx)
{
	__u64 until;

	if (!own(ctx) || packets_seen())
		return PASS;
	wake();
	until = bpf_ktime_get_ns() + WAKE_NS;
	bpf_loop(WAKE_LOOPS, still_waits, &until, 0);
	if (!packets_seen())
		net_count(NET_LATE);
	return PASS;
}

SEC("cgroup/connect4")
int net_connect4(struct bpf_sock_addr *ctx)
{
	return own_and_wait(ctx);
}

SEC("cgroup/connect6")
int net_connect6(struct bpf_sock_addr *ctx)
{
	return own_and_wait(ctx);
}

/* Where there is no bpf_loop to wait in (before 5.17), the packet programs stay attached. */
SEC("cgroup/connect4")
int net_connect4_old(struct bpf_sock_addr *ctx)
{
	own(ctx);
	return PASS;
}

SEC("cgroup/connect6")
int net_connect6_old(struct bpf_sock_addr *ctx)
{
	own(ctx);
	return PASS;
}

static __always_inline void disown(struct bpf_sock *sk, struct net_sock *s)
{
	bpf_map_delete_elem(&net_live, &s->cookie);
	bpf_sk_storage_delete(&net_socks, sk);
}

static __always_inline bool any_denied(void)
{
	struct shared *sh = shared_of();

	return sh && sh->denied;
}

SEC("raw_tp/inet_sock_set_state")
int net_closed(struct bpf_raw_tracepoint_args *ctx)
{
	struct sock *sk = (struct sock *)ctx->args[0];
	struct net_live *l;
	__u64 cookie;

	if ((int)ctx->args[2] != TCP_CLOSE)
		return 0;
	cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
	if (any_denied())
		bpf_map_delete_elem(&sock_verdicts, &cookie);
	l = cookie ? bpf_map_lookup_elem(&net_live, &cookie) : NULL;
	if (!l)
		return 0;
	if (l->clear)
		tell_end(l, cookie);
	bpf_map_delete_elem(&net_live, &cookie);
	return 0;
}

/* --- TLS --------------------------------------------------------------------------------------- */

/* Tells bytes [at, at + p->len) of a flight, as far as they are new and wanted. */
static __noinline int hello_tell(struct __sk_buff *skb, struct net_sock *s, const struct packet *p,
				 __u32 dir, __u32 at)
{
	__u32 from, to, max;
	struct event_hello *e;
	__u64 n;

	if (!s || !p)
		return 0;
	from = s->told[dir & 1];
	to = at + p->len;
	max = dir == EVENT_WRITE ? s->want : ANSWER_MAX;
	if (from < at)
		from = at; /* the part before it was lost on its way: the reader sees the offset */
	if (to > max)
		to = max;
	if (to <= from)
		return 0;
	n = to - from;
	e = reserve(sizeof(*e) + EVENT_HELLO_MAX);
	if (!e)
		return 0;
	net_head(&e->h, s, EVENT_HELLO, sizeof(*e) + EVENT_HELLO_MAX,
		 dir == EVENT_WRITE && s->held ? EVENT_F_HELD : 0);
	net_addrs(skb, &e->local, &e->peer);
	e->cookie = s->cookie;
	e->dir = dir;
	e->pad = 0;
	e->offset = from;
	BOUND_FROM_1(n, EVENT_HELLO_MAX);
	e->size = n;
	if (bpf_skb_load_bytes(skb, p->off + (from - at), e->bytes, n)) {
		drop(DROP_HELLO);
		bpf_ringbuf_discard(e, BPF_RB_NO_WAKEUP);
		return 0;
	}
	s->told[dir & 1] = to;
	commit(e);
	return 0;
}

/* What the keeper says of this very image. */
static __always_inline struct proc_mark *mark_of(const struct net_sock *s)
{
	struct proc_mark *m = bpf_map_lookup_elem(&proc_marks, &s->tgid);
	__u64 *exec = bpf_map_lookup_elem(&proc_execs, &s->tgid);

	if (!m || m->exec != (exec ? *exec : 0) || m->ticks != s->start_ns / KRULE_TICK_NS)
		return NULL;
	return m;
}

/* Whether nothing is to be waited for. Of a process nobody has said anything of yet, there is. */
static __always_inline bool probes_settled(const struct net_sock *s)
{
	struct proc_mark *m = mark_of(s);

	return m && (m->probes == PROBES_IN_PLACE ||
		     (m->probes == PROBES_NONE && m->until > bpf_ktime_get_boot_ns()));
}

/* Whether its writes are told, when they come. */
static __always_inline bool writes_told(const struct net_sock *s)
{
	struct proc_mark *m = mark_of(s);

	return m && m->probes == PROBES_IN_PLACE;
}

/* The keeper hears of a held process by the control ring; conn is the socket, for its push. */
static __always_inline void hold_note(const struct net_sock *s)
{
	struct event *e = bpf_ringbuf_reserve(&control, sizeof(*e), 0);

	if (!e) {
		drop(DROP_CTL_FULL);
		return;
	}
	net_head(e, s, EVENT_HELLO, sizeof(*e), EVENT_F_HELD);
	e->conn = s->cookie;
	bpf_ringbuf_submit(e, 0);
}

/* Whether TCP's next try would still be in time: its first timer is about three times the round
 * trip of the handshake, and no less than RTO_MIN_MS. */
static __always_inline bool in_time(struct bpf_sock *sk, __u32 hold_ms)
{
	struct bpf_tcp_sock *t = bpf_tcp_sock(sk);
	__u32 rto = t ? (t->srtt_us >> 3) * 3 / 1000 : 0;

	return (rto > RTO_MIN_MS ? rto : RTO_MIN_MS) <= hold_ms;
}

static __always_inline void hold_begin(struct bpf_sock *sk, struct net_sock *s)
{
	struct shared *sh = shared_of();

	if (!sh || !sh->hold_ms || probes_settled(s) || agent_gone())
		return;
	if (!in_time(sk, sh->hold_ms)) {
		net_count(NET_EXPIRED);
		return;
	}
	s->held = 1;
	s->drops = 0;
	s->held_ns = s->tried_ns = bpf_ktime_get_ns();
	net_count(NET_HELD);
}

static __always_inline bool hold_ends(struct net_sock *s)
{
	__u64 now = bpf_ktime_get_ns(), since = now - s->held_ns, gap = now - s->tried_ns;
	struct shared *sh = shared_of();

	if (probes_settled(s)) {
		net_count(NET_RELEASED);
		return true;
	}
	if (s->drops && gap < TIMER_MIN_NS)
		return false; /* a push, or the arrival of something: the timer still runs */
	if (!sh || s->drops >= sh->hold_drops ||
	    (s->drops && since + 2 * gap > sh->hold_ms * 1000000ull)) {
		net_count(NET_EXPIRED);
		return true;
	}
	s->drops++;
	s->tried_ns = now;
	return false;
}

/* How much of the flight to tell: the message, when its first record holds all of it. */
static __always_inline __u32 hello_size(const __u8 *b, __u32 n)
{
	__u32 record = b[3] << 8 | b[4], message = b[6] << 16 | b[7] << 8 | b[8];

	if (n < 9 || message + 4 > record || message + 9 > EVENT_HELLO_MAX)
		return EVENT_HELLO_MAX;
	return message + 9;
}

static __always_inline int hello(struct __sk_buff *skb, struct net_sock *s, const struct packet *p)
{
	__u32 at = p->seq - s->stream[EVENT_WRITE].base, how = 0;

	if (at < s->want)
		hello_tell(skb, s, p, EVENT_WRITE, at);
	s->held = s->held && !hold_ends(s);
	if (s->held || writes_told(s))
		how = HELLO_SEEN;
	else if (s->held_ns && !probes_settled(s))
		how = HELLO_IN_VAIN;
	if (!hello_may(skb, how) || s->held)
		return HOLD;
	if (s->told[EVENT_WRITE] >= s->want)
		s->state = NET_ANSWER;
	return PASS;
}

/* --- packets ----------------------------------------------------------------------------------- */

static __always_inline void begin(struct net_sock *s, const struct packet *p, __u32 state)
{
	s->stream[EVENT_WRITE].base = p->seq;
	s->stream[EVENT_READ].base = p->ack;
	s->state = state;
}

static __always_inline int first(struct __sk_buff *skb, struct bpf_sock *sk, struct net_sock *s,
				 const struct packet *p)
{
	__u8 b[9] = {};
	__u64 n = p->len;

	BOUND_FROM_1(n, sizeof(b));
	if (bpf_skb_load_bytes(skb, p->off, b, n)) {
		drop(DROP_HELLO);
		return PASS;
	}
	if (b[0] == 22 && (n < 2 || b[1] == 3) && (n < 6 || b[5] == 1)) {
		begin(s, p, NET_HELLO);
		s->want = hello_size(b, n);
		net_count(NET_HELLOS);
		sni_rules(skb, p->off);
		hold_begin(sk, s);
		if (s->held)
			hold_note(s);
		return hello(skb, s, p);
	}
	if (!s->packets && is_http(b, n)) {
		begin(s, p, NET_CLEAR);
		clear_begin(skb, s);
		clear_data(skb, s, p, EVENT_WRITE);
		return clear_first(skb) && clear_may(skb, p->len) ? PASS : HOLD;
	}
	if (++s->packets >= PACKETS_MAX)
		disown(sk, s);
	return PASS;
}

/* A clear connection goes on until the worker has no use for it. */
static __always_inline bool clear(struct __sk_buff *skb, struct bpf_sock *sk, struct net_sock *s,
				  const struct packet *p, __u32 dir)
{
	const struct net_stream *st = &s->stream[dir];
	__u64 at = st->next + (__s32)(p->seq - (st->base + (__u32)st->next));

	if (clear_verdict(s) != VERDICT_IGNORE) {
		clear_data(skb, s, p, dir);
		return dir == EVENT_READ || clear_may(skb, at + p->len);
	}
	disown(sk, s);
	return true;
}

static __always_inline int udp_egress(struct __sk_buff *skb)
{
	dns_ask(skb);
	return quic_out(skb) ? PASS : HOLD;
}

static __always_inline int udp_ingress(struct __sk_buff *skb)
{
	dns_answer(skb);
	return quic_in(skb) ? PASS : HOLD;
}

/*
 * Most packets are of sockets nobody marked, and pay for every look: one at the socket's storage (one
 * that is not full has none), one at the settings.
 */
static __always_inline bool of_interest(void)
{
	struct shared *sh = shared_of();

	return sh && sh->denied | sh->udp;
}

static __always_inline int unmarked_egress(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;

	sk = sk ? bpf_sk_fullsock(sk) : NULL;
	if (!sk)
		return PASS;
	if (sk->protocol == IPPROTO_UDP)
		return udp_egress(skb);
	return any_denied() && !sock_may(skb) ? HOLD : PASS;
}

static __always_inline int marked_egress(struct __sk_buff *skb, struct net_sock *s)
{
	struct bpf_sock *sk = skb->sk;
	struct packet p;

	sk = sk ? bpf_sk_fullsock(sk) : NULL;
	if (!sk || !s)
		return PASS;
	if (!packet_of(skb, &p)) {
		drop(DROP_HELLO);
		disown(sk, s);
		return PASS;
	}
	if (!p.len)
		return PASS;
	if (any_denied() && !sock_may(skb))
		return HOLD;
	switch (s->state) {
	case NET_NEW:
		return first(skb, sk, s, &p);
	case NET_HELLO:
		return hello(skb, s, &p);
	case NET_CLEAR:
		return clear(skb, sk, s, &p, EVENT_WRITE) ? PASS : HOLD;
	}
	return PASS;
}

SEC("cgroup_skb/egress")
int net_egress(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct net_sock *s;

	if (!sk)
		return PASS;
	s = bpf_sk_storage_get(&net_socks, sk, 0, 0);
	if (s)
		return marked_egress(skb, s);
	return of_interest() ? unmarked_egress(skb) : PASS;
}

static __always_inline int unmarked_ingress(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;

	sk = sk ? bpf_sk_fullsock(sk) : NULL;
	return sk && sk->protocol == IPPROTO_UDP ? udp_ingress(skb) : PASS;
}

static __always_inline int marked_ingress(struct __sk_buff *skb, struct net_sock *s)
{
	struct bpf_sock *sk = skb->sk;
	struct packet p;
	__s32 at;

	sk = sk ? bpf_sk_fullsock(sk) : NULL;
	if (!sk || !s || s->state == NET_NEW || !packet_of(skb, &p) || !p.len)
		return PASS;
	if (s->state == NET_CLEAR) {
		clear(skb, sk, s, &p, EVENT_READ);
		return PASS;
	}
	at = p.seq - s->stream[EVENT_READ].base;
	if (s->held || at < 0)
		return PASS; /* of before the hello: a proxy's words, again */
	if (at < ANSWER_MAX)
		hello_tell(skb, s, &p, EVENT_READ, at);
	if (s->told[EVENT_READ] < ANSWER_MIN && at < ANSWER_MAX)
		return PASS;
	net_count(NET_ANSWERS);
	disown(sk, s);
	return PASS;
}

SEC("cgroup_skb/ingress")
int net_ingress(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct net_sock *s;

	if (!sk)
		return PASS;
	s = bpf_sk_storage_get(&net_socks, sk, 0, 0);
	if (s)
		return marked_ingress(skb, s);
	return of_interest() ? unmarked_ingress(skb) : PASS;
}
