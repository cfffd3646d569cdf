/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * May a packet of a marked TCP socket leave? By the name in its ClientHello or of its clear request,
 * the process, and the user. A refused packet is dropped, the socket is marked, and the keeper hears
 * of it by the control ring and ends it, so that the client fails at once. What the kernel cannot
 * read waits for the worker (SOCK_ASK), no longer than the hold; then the rule's `unknown:` counts.
 *
 * Rules on content are the write gate's. Where the process has no probes that could tell its writes,
 * or there is no agent to judge them, a rule that fails closed refuses the ClientHello. And where there is
 * no agent to bring probes, or they did not come in time, so does a rule that would end the process at
 * its write.
 */
#ifndef PROBITY_BPF_NET_GATE_H
#define PROBITY_BPF_NET_GATE_H

#include "deny.h"
#include "krule.h"
#include "net_clear.h"
#include "sni.h"

#define NET_ASK_MS 200 /* where no hold is set */
#define AGENT_GONE_NS 3000000000ull
#define HELLO_SEEN 1	/* the process's writes are told, as far as one can say now */
#define HELLO_IN_VAIN 2 /* it was held, and its probes did not come */
#define HOST_SCAN 768	/* a request's Host stands in its first bytes */
#define HOST_WINDOW 0xffffffffffffull
#define HOST_WORD 0x0a686f73743aull /* "\nhost:" */
#define HOST_CASE 0x002020202000ull
#define HOST_BLANKS 64

static __always_inline __u64 net_mine(const struct net_sock *s, const struct shared *sh)
{
	struct krule_who who = {.start_ns = s->start_ns, .tgid = s->tgid, .uid = s->uid};

	return krule_mine(&who, sh);
}

static __always_inline __u32 sock_said(__u64 cookie)
{
	__u32 *v = bpf_map_lookup_elem(&sock_verdicts, &cookie);

	return v ? *v : SOCK_NONE;
}

static __always_inline void net_deny_tell(struct __sk_buff *skb, const struct net_sock *s,
					  __u64 rules, __u16 evidence, bool watched)
{
	struct shared *sh = shared_of();
	struct event_addr local;
	struct deny d = {.rules = rules,
			 .cookie = s->cookie,
			 .subject = s->cookie,
			 .start_ns = s->start_ns,
			 .cgroup = s->cgroup,
			 .tgid = s->tgid,
			 .tid = s->tid,
			 .uid = s->uid,
			 .hook = GATE_AT_HELLO,
			 .evidence = evidence,
			 .watched = watched};

	d.policy = sh ? sh->krule.generation : 0;
	d.mechanism = watched			 ? GATE_NONE
		      : evidence == GATE_BY_HOST ? GATE_EGRESS
						 : GATE_CLIENTHELLO;
	net_addrs(skb, &local, &d.peer);
	deny_tell(&d, s->key.name);
}

/* The keeper ends the socket; conn is its cookie. */
static __always_inline void end_note(const struct net_sock *s)
{
	struct event *e = bpf_ringbuf_reserve(&control, sizeof(*e), 0);

	if (!e) {
		drop(DROP_CTL_FULL); /* it stays refused: the client waits for its own timeout */
		return;
	}
	net_head(e, s, EVENT_DENY, sizeof(*e), 0);
	e->conn = s->cookie;
	bpf_ringbuf_submit(e, 0);
}

/* rules: that refuse. 0: they only watch. */
PACKET_FN(net_refuse)(struct __sk_buff *skb, __u64 rules, __u32 evidence)
{
	struct net_sock *s = net_sock_of(skb);
	struct krule_do *does = krule_does();
	struct shared *sh = shared_of();
	bool watched;

	if (!s || !does || !sh)
		return false;
	watched = !(rules & ~does->watch);
	if (s->refused)
		return !watched;
	s->refused = 1;
	if (!watched) {
		refuse_socket(sh, s->cookie);
		end_note(s);
	}
	net_deny_tell(skb, s, rules, evidence, watched);
	return !watched;
}

/* No agent keeps the rules any more: what it would say will not come. */
static __always_inline bool agent_gone(void)
{
	__u32 zero = 0;
	struct gate_settings *g = bpf_map_lookup_elem(&gate, &zero);

	return g && g->alive_ns && bpf_ktime_get_boot_ns() - g->alive_ns > AGENT_GONE_NS;
}

/* Rules on content that fail closed, of a process whose writes nobody can judge, and rules that act at
 * its writes alone (lib/gate.h), when no probe sees them. */
static __always_inline __u64 net_blind(const struct krule_do *does, __u64 rules, __u32 how)
{
	bool seen = how & HELLO_SEEN;
	__u64 closed = does->content & ~does->fail_open;
	__u64 kills = (does->kill | ~(does->deny | does->no_quic)) & ~does->content;

	if (agent_gone())
		return rules & (seen ? closed : closed | kills) & ~does->watch;
	if (seen)
		return 0;
	return rules & (how & HELLO_IN_VAIN ? closed | kills : closed) & ~does->watch;
}

/* Whether what waits for the worker has waited long enough. */
static __always_inline bool asked_enough(struct net_sock *s, const struct shared *sh)
{
	__u64 now = bpf_ktime_get_ns();

	if (!s->ask_ns)
		s->ask_ns = now;
	return agent_gone() || now - s->ask_ns > (sh->hold_ms ?: NET_ASK_MS) * 1000000ull;
}

/* A ClientHello whose name is not in this packet: its first piece goes, the others wait. */
static __always_inline bool hello_asks(struct __sk_buff *skb, struct net_sock *s,
				       const struct shared *sh, const struct krule_do *does,
				       __u64 mine, __u32 at, __u32 len)
{
	__u32 said = sock_said(s->cookie);

	if (said == SOCK_PASS)
		return true;
	if (said == SOCK_DENY)
		return false;
	if (!at && (!s->want || len < s->want)) /* it alone is no hello */
		return true;
	if (!asked_enough(s, sh))
		return false;
	mine &= (does->deny | does->watch) & does->unknown;
	return !mine || !net_refuse(skb, mine, GATE_BY_SNI);
}

/* how: HELLO_* */
PACKET_FN(hello_may)(struct __sk_buff *skb, __u32 how)
{
	struct net_sock *s = net_sock_of(skb);
	struct krule_do *does = krule_does();
	struct shared *sh = shared_of();
	__u64 mine, rules;
	struct packet p;
	__u32 at;

	if (!s || !sh || !does || s->exempt || !packet_of(skb, &p))
		return true;
	if (s->refused && sock_said(s->cookie) == SOCK_DENY)
		return false;
	if (!sh->krule.all)
		return !krule_changes(sh);
	at = p.seq - s->stream[EVENT_WRITE].base;
	if (!at && s->generation != sh->krule.generation)
		sni_rules(skb, p.off);
	mine = net_mine(s, sh);
	rules = s->rules & mine & (does->deny | does->watch) & ~does->content;
	if (rules) {
		if (!at && !s->refused)
			sni_again(skb, p.off);
		return !net_refuse(skb, rules, GATE_BY_SNI);
	}
	rules = net_blind(does, s->rules & mine, how);
	if (rules) {
		if (!at && !s->refused)
			sni_again(skb, p.off);
		return !net_refuse(skb, rules, GATE_BY_SNI);
	}
	if (s->name == NAME_PART && mine & (does->deny | does->content))
		return hello_asks(skb, s, sh, does, mine, at, p.len);
	rules = s->name == NAME_NONE ? mine & (does->deny | does->watch) & does->unknown : 0;
	return !rules || !net_refuse(skb, rules, GATE_BY_SNI);
}

/* --- clear HTTP --------------------------------------------------------------------------------- */

/* Where the value of the request's Host begins, from the payload at off; 0 = not here. The buffer is
 * room in the ring that is given back: large enough, and nobody else's. What it holds behind the packet
 * is of older records, and does not count. */
PACKET_FN(host_find)(struct __sk_buff *skb, __u32 off, __u32 len)
{
	struct net_sock *s = net_sock_of(skb);
	__u64 n = len, window = 0;
	__u8 *b;

	if (!s)
		return 0;
	s->found = 0;
	b = bpf_ringbuf_reserve(&events, HOST_SCAN, 0);
	if (!b)
		return 0;
	BOUND_FROM_1(n, HOST_SCAN);
	if (bpf_skb_load_bytes(skb, off, b, n))
		n = 0;
	for (__u32 i = 0; i < HOST_SCAN; i++) {
		window = window << 8 | b[i];
		if (((window | HOST_CASE) & HOST_WINDOW) == HOST_WORD) {
			s->found = i + 1;
			break;
		}
	}
	bpf_ringbuf_discard(b, BPF_RB_NO_WAKEUP);
	return s->found <= n ? s->found : 0;
}

/* Behind the blanks at `at`, up to HOST_BLANKS of them. */
PACKET_FN(host_skip)(struct __sk_buff *skb, __u32 at)
{
	__u8 b[HOST_BLANKS] = {};
	__u64 n = skb->len > at ? skb->len - at : 1;

	BOUND_FROM_1(n, HOST_BLANKS);
	if (bpf_skb_load_bytes(skb, at, b, n))
		return at;
	for (__u32 i = 0; i < HOST_BLANKS; i++) {
		if (b[i] != ' ')
			break;
		at++;
	}
	return at;
}

/* The request's Host, in s->key as text. Its length, 0 = it is not, or not whole, in this packet. */
PACKET_FN(host_text)(struct __sk_buff *skb, __u32 off, __u32 len)
{
	struct net_sock *s = net_sock_of(skb);
	__u32 at = host_find(skb, off, len);
	__u64 n;

	if (!s || !at)
		return 0;
	at = host_skip(skb, off + at);
	__builtin_memset(&s->key, 0, sizeof(s->key));
	s->key_n = 0;
	n = skb->len > at ? skb->len - at : 0;
	if (!n)
		return 0;
	BOUND_FROM_1(n, KRULE_HOST_MAX);
	if (bpf_skb_load_bytes(skb, at, s->key.name, n))
		return 0;
	for (__u32 i = 0; i < KRULE_HOST_MAX; i++) {
		__u8 c = s->key.name[i];

		if (c <= ' ' || c == ':') {
			s->key_n = i;
			break;
		}
	}
	n = s->key_n; /* 0s behind the packet end it as well */
	__builtin_memset(&s->key, 0, sizeof(s->key));
	if (!n || n >= skb->len - at)
		return 0;
	BOUND_FROM_1(n, KRULE_HOST_MAX - 1);
	return bpf_skb_load_bytes(skb, at, s->key.name, n) ? 0 : n;
}

static __always_inline bool is_loopback_peer(struct __sk_buff *skb)
{
	struct event_addr local, peer;

	net_addrs(skb, &local, &peer);
	plain_v4(&peer);
	return is_loopback(&peer);
}

/* The first packet of a clear connection: refused, to be judged by the worker, or of no interest. */
PACKET_FN(clear_first)(struct __sk_buff *skb)
{
	struct net_sock *s = net_sock_of(skb);
	struct krule_do *does = krule_does();
	struct shared *sh = shared_of();
	struct packet p;
	__u64 mine, deny;
	__u32 n;

	if (!s || !sh || !does || s->exempt || !sh->krule.all || !packet_of(skb, &p))
		return true;
	mine = net_mine(s, sh) & (does->deny | does->content);
	if (!mine)
		return true;
	s->name = NAME_PART;
	n = host_text(skb, p.off, p.len);
	if (n) {
		s->name = NAME_KNOWN;
		name_rules(skb, n);
	}
	peer_rules(skb);
	deny = s->rules & mine & (does->deny | does->watch) & ~does->content;
	if (deny) {
		host_text(skb, p.off, p.len);
		return !net_refuse(skb, deny, GATE_BY_HOST);
	}
	if (s->rules & mine & does->content & ~does->watch || s->name == NAME_PART ||
	    (mine & does->content & ~does->watch && is_loopback_peer(skb)))
		s->ask_ns = bpf_ktime_get_ns();
	return true;
}

/* end: offset behind this packet's last byte. */
PACKET_FN(clear_may)(struct __sk_buff *skb, __u64 end)
{
	struct net_sock *s = net_sock_of(skb);
	struct krule_do *does = krule_does();
	struct shared *sh = shared_of();
	__u64 *upto, mine;
	__u32 said;

	if (!s || !sh || !does)
		return true;
	if (s->refused || sh->denied) {
		said = sock_said(s->cookie);
		if (said == SOCK_DENY)
			return false;
	}
	if (!s->ask_ns || !sh->krule.all || clear_verdict(s) == VERDICT_IGNORE)
		return true;
	if (sock_said(s->cookie) == SOCK_PASS) {
		upto = bpf_map_lookup_elem(&sock_upto, &s->cookie);
		if (!upto || end <= *upto) {
			s->ask_ns = 1; /* what comes next waits from when it comes */
			return true;
		}
	}
	if (s->ask_ns == 1)
		s->ask_ns = bpf_ktime_get_ns();
	if (!asked_enough(s, sh))
		return false;
	mine = net_mine(s, sh);
	mine &= (does->content & ~does->fail_open) | (does->deny & does->unknown);
	s->ask_ns = 1;
	return !mine || !net_refuse(skb, mine, GATE_BY_HOST);
}

/* --- sockets refused by somebody else ------------------------------------------------------------ */

/* While any socket is refused, or its process stopped at a gate: of the latter what it was given before
 * may go. Only packets with payload are looked at. */
PACKET_FN(sock_may)(struct __sk_buff *skb)
{
	__u64 cookie = bpf_get_socket_cookie(skb), *upto;
	__u32 said = sock_said(cookie);
	struct packet p;

	if (said != SOCK_DENY && said != SOCK_ASK)
		return true;
	if (!packet_of(skb, &p) || !p.len)
		return true;
	upto = said == SOCK_ASK ? bpf_map_lookup_elem(&sock_upto, &cookie) : NULL;
	return upto && *upto & SOCK_UPTO_SEQ && (__s32)(p.seq + p.len - (__u32)*upto) <= 0;
}

#endif
