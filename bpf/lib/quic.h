/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * QUIC of processes that rules concern. A client's Initial packets go up to the worker, which can
 * read them (user/flow/quic.c); until it has answered, what the server sends is dropped, so no
 * handshake ends. An Initial carries no content. A name that is refused gets neither.
 *
 * Initials of a name that a rule keeps off QUIC (krule_do.no_quic) are dropped, so that the client
 * turns to TCP: by DNS evidence of that process; and where the rule says so of unknown names, all.
 *
 * A flow is a socket and a server. One UDP socket that speaks to one server under two names is judged
 * by the first.
 */
#ifndef PROBITY_BPF_QUIC_H
#define PROBITY_BPF_QUIC_H

#include "deny.h"
#include "net_copy.h"
#include "udp.h"

#define QUIC_V1 0x00000001
#define QUIC_V2 0x6b3343cf
#define QUIC_TOLD_MAX 8
#define QUIC_HOLD_MS 100 /* where no hold is set */

static __always_inline bool is_initial(const __u8 *b)
{
	__u32 version = (__u32)b[1] << 24 | b[2] << 16 | b[3] << 8 | b[4];

	return (version == QUIC_V1 && (b[0] & 0xf0) == 0xc0) ||
	       (version == QUIC_V2 && (b[0] & 0xf0) == 0xd0);
}

static __always_inline __u64 quic_flow(const struct quic_sock *q, const struct event_addr *peer)
{
	const __u64 *w = (const __u64 *)peer->addr;
	__u64 h = (w[0] ^ w[1] * 0x9e3779b97f4a7c15ull ^ peer->port) * 0xff51afd7ed558ccdull;

	return QUIC_FLOW(q->o.cookie, (__u32)(h >> 32));
}

static __always_inline __u32 quic_verdict(__u64 flow)
{
	__u32 *v = bpf_map_lookup_elem(&sock_verdicts, &flow);

	return v ? *v : SOCK_NONE;
}

static __always_inline __u64 quic_mine(const struct quic_sock *q, const struct shared *s)
{
	struct krule_who who = {.start_ns = q->o.start_ns, .tgid = q->o.tgid, .uid = q->o.uid};

	return krule_mine(&who, s);
}

static __noinline int quic_tell(struct __sk_buff *skb, struct quic_sock *q, __u32 at)
{
	struct event_quic *e;
	__u64 n = skb->len - at;

	if (!q)
		return 0;
	e = reserve(sizeof(*e) + EVENT_QUIC_MAX);
	if (!e)
		return 0;
	__builtin_memset(e, 0, sizeof(*e));
	e->h.version = EVENT_VERSION;
	e->h.kind = EVENT_QUIC;
	e->h.len = sizeof(*e) + EVENT_QUIC_MAX;
	e->h.boot_ns = bpf_ktime_get_boot_ns();
	e->h.start_ns = q->o.start_ns;
	e->h.cgroup = q->o.cgroup;
	e->h.pid = q->o.tgid;
	e->h.tid = q->o.tid;
	e->h.uid = q->o.uid;
	udp_addrs(skb, at, true, &e->local, &e->peer);
	e->cookie = q->flow;
	BOUND_FROM_1(n, EVENT_QUIC_MAX);
	e->size = n;
	if (bpf_skb_load_bytes(skb, at, e->bytes, n)) {
		drop(DROP_HELLO);
		bpf_ringbuf_discard(e, BPF_RB_NO_WAKEUP);
		return 0;
	}
	commit(e);
	return 0;
}

static __noinline int quic_deny(struct quic_sock *q, const struct event_addr *peer, __u64 rules,
				bool watched, const char *name)
{
	struct shared *s = shared_of();
	struct deny d = {.rules = rules, .hook = GATE_AT_QUIC, .watched = watched};

	if (!q || !peer || !s)
		return 0;
	d.policy = s->krule.generation;
	d.subject = d.cookie = q->flow;
	d.mechanism = watched ? GATE_NONE : GATE_QUIC;
	d.evidence = name ? GATE_BY_DNS : 0;
	d.start_ns = q->o.start_ns;
	d.cgroup = q->o.cgroup;
	d.tgid = q->o.tgid;
	d.tid = q->o.tid;
	d.uid = q->o.uid;
	d.peer = *peer;
	deny_tell(&d, name);
	return 0;
}

/* Rules that keep this flow off QUIC without the worker. */
static __always_inline __u64 quic_off(const struct quic_sock *q, const struct event_addr *peer,
				      const struct shared *s, const struct krule_do *does,
				      struct dns_value **ret_dns)
{
	struct dns_key k = {.tgid = q->o.tgid, .family = peer->family};
	__u64 mine = quic_mine(q, s) & does->no_quic;
	struct dns_value *v;

	*ret_dns = NULL;
	if (!mine)
		return 0;
	__builtin_memcpy(k.addr, peer->addr, 16);
	v = bpf_map_lookup_elem(&dns_names, &k);
	if (v && v->generation == s->krule.generation && v->until_ns > bpf_ktime_get_boot_ns() &&
	    mine & v->rules) {
		*ret_dns = v;
		return mine & v->rules;
	}
	return mine & does->unknown;
}

static __always_inline struct quic_sock *quic_sock_of(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;

	sk = sk ? bpf_sk_fullsock(sk) : NULL;
	return sk ? bpf_sk_storage_get(&quic_socks, sk, 0, 0) : NULL;
}

/* A datagram leaves. 0: it does not. */
PACKET_FN(quic_out)(struct __sk_buff *skb)
{
	struct quic_sock *q = quic_sock_of(skb);
	__u32 at = udp_payload(skb), verdict, ask = SOCK_ASK;
	struct krule_do *does = krule_does();
	struct event_addr local, peer;
	struct shared *s = shared_of();
	struct dns_value *dns;
	__u64 flow, off;
	__u8 b[5];

	if (!q || !s || !does || !at || bpf_skb_load_bytes(skb, at, b, sizeof(b)))
		return true;
	udp_addrs(skb, at, true, &local, &peer);
	flow = quic_flow(q, &peer);
	verdict = quic_verdict(flow);
	if (verdict == SOCK_DENY)
		return false;
	if (verdict == SOCK_PASS || !s->krule.all || !is_initial(b))
		return true;
	if (q->flow != flow) {
		q->flow = flow;
		q->told = q->refused = 0;
		q->asked_ns = bpf_ktime_get_ns();
	}
	off = quic_off(q, &peer, s, does, &dns);
	if (off) {
		quic_deny(q, &peer, off, !(off & ~does->watch), dns ? dns->name : NULL);
		if (off & ~does->watch)
			return false;
	}
	if (!(quic_mine(q, s) & (does->deny | does->content)))
		return true;
	if (q->told++ < QUIC_TOLD_MAX)
		quic_tell(skb, q, at);
	bpf_map_update_elem(&sock_verdicts, &flow, &ask, BPF_ANY);
	return true;
}

/* A datagram arrives. 0: it does not. */
PACKET_FN(quic_in)(struct __sk_buff *skb)
{
	struct quic_sock *q = quic_sock_of(skb);
	struct krule_do *does = krule_does();
	struct event_addr local, peer;
	struct shared *s = shared_of();
	__u32 at = udp_payload(skb), verdict;
	__u64 bound;

	if (!q || !q->flow || !s || !does || !at)
		return true;
	udp_addrs(skb, at, false, &local, &peer);
	verdict = quic_verdict(quic_flow(q, &peer));
	if (verdict == SOCK_DENY)
		return false;
	if (verdict != SOCK_ASK || !s->krule.all)
		return true;
	bound = (s->hold_ms ?: QUIC_HOLD_MS) * 1000000ull;
	if (bpf_ktime_get_ns() - q->asked_ns < bound)
		return false;
	return !(quic_mine(q, s) & does->deny & does->unknown & ~does->watch);
}

#endif
