/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The server's name in a ClientHello, and its address, for the kernel rules. Only a hello whose name lies
 * in the packet is read; of any other the worker learns the name, from what is told of it in pieces. With
 * ECH the outer name counts.
 */
#ifndef PROBITY_BPF_SNI_H
#define PROBITY_BPF_SNI_H

#include "hostkey.h"
#include "net_copy.h"
#include "peer.h"

#define SNI_EXTENSIONS_MAX 40 /* browsers send about 18 */
#define SNI_AT 43	      /* record and message heads, version, random */

static __always_inline __u32 load16(struct __sk_buff *skb, __u32 at)
{
	__u8 b[2] = {};

	bpf_skb_load_bytes(skb, at, b, 2);
	return b[0] << 8 | b[1];
}

static __always_inline __u32 load8(struct __sk_buff *skb, __u32 at)
{
	__u8 b = 0;

	bpf_skb_load_bytes(skb, at, &b, 1);
	return b;
}

/* Offset of the name in the packet, or 0. A read beyond the packet gives 0s, which end the walk. */
PACKET_FN(sni_find)(struct __sk_buff *skb, __u32 at)
{
	at += SNI_AT;
	at += 1 + load8(skb, at);
	at += 2 + load16(skb, at);
	at += 1 + load8(skb, at) + 2;
	for (int i = 0; i < SNI_EXTENSIONS_MAX && at < skb->len; i++) {
		__u32 type = load16(skb, at), n = load16(skb, at + 2);

		if (!type && n > 5 && !load8(skb, at + 6))
			return at + 9;
		at += 4 + n;
	}
	return 0;
}

/* Whether all of the message is in the packet, in one record. at: of that record. */
static __always_inline bool sni_whole(struct __sk_buff *skb, __u32 at)
{
	__u32 record, message;

	if (at + 9 > skb->len)
		return false;
	record = load16(skb, at + 3);
	message = load8(skb, at + 6) << 16 | load16(skb, at + 7);
	return message + 4 <= record && at + 9 + message <= skb->len;
}

/* The name as text in s->key. Its length, or 0: longer than any rule's, or none. */
static __always_inline __u32 sni_text(struct __sk_buff *skb, struct net_sock *s, __u32 at)
{
	__u32 name = sni_find(skb, at);
	__u64 n = name ? load16(skb, name - 2) : 0;

	if (!s)
		return 0;
	__builtin_memset(&s->key, 0, sizeof(s->key));
	if (!n || n >= KRULE_HOST_MAX)
		return 0;
	BOUND_FROM_1(n, KRULE_HOST_MAX - 1);
	if (bpf_skb_load_bytes(skb, name, s->key.name, n))
		return 0;
	return n;
}

/* Sets s->rules by the name of n bytes in s->key, and uses that up. */
PACKET_FN(name_rules)(struct __sk_buff *skb, __u32 n)
{
	struct net_sock *s = net_sock_of(skb);
	struct shared *sh = shared_of();
	__u64 *rules;

	if (!s || !sh)
		return 0;
	s->generation = sh->krule.generation;
	rules = n ? host_rules(&s->key, n) : NULL;
	s->rules = rules ? *rules : 0;
	return 0;
}

/* Adds the rules on content that have the peer's address, and of a hello without a name those of the
 * name that DNS told for it: where no name does, that says whose writes are to be judged. */
PACKET_FN(peer_rules)(struct __sk_buff *skb)
{
	struct net_sock *s = net_sock_of(skb);
	struct krule_do *does = krule_does();
	struct event_addr local, peer;
	struct shared *sh = shared_of();
	struct dns_value *dns = NULL;
	__u64 rules;

	if (!s || !does || !sh)
		return 0;
	net_addrs(skb, &local, &peer);
	plain_v4(&peer);
	rules = by_net(&peer);
	if (s->name == NAME_NONE)
		dns = by_dns(&peer, s->tgid, sh);
	s->rules |= (rules | (dns ? dns->rules : 0)) & does->content;
	return 0;
}

/* at: of the TLS record in the packet. Sets s->name and s->rules. */
PACKET_FN(sni_rules)(struct __sk_buff *skb, __u32 at)
{
	struct net_sock *s = net_sock_of(skb);
	struct shared *sh = shared_of();
	struct sock_rules r = {};
	__u32 n;

	if (!s || !sh || !sh->krule.all)
		return 0;
	s->generation = r.generation = sh->krule.generation;
	s->rules = 0;
	s->name = NAME_KNOWN;
	n = sni_text(skb, s, at);
	if (n)
		name_rules(skb, n);
	else if (!sni_find(skb, at))
		s->name = sni_whole(skb, at) ? NAME_NONE : NAME_PART;
	peer_rules(skb);
	r.rules = s->rules;
	if (r.rules)
		bpf_map_update_elem(&sock_rules, &s->cookie, &r, BPF_ANY);
	return 0;
}

/* The name as text again, for who is told of a refusal. */
PACKET_FN(sni_again)(struct __sk_buff *skb, __u32 at)
{
	struct net_sock *s = net_sock_of(skb);

	return s ? sni_text(skb, s, at) : 0;
}

#endif
