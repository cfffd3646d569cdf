/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The server's name in a ClientHello, for the kernel rules of a connection whose program named the
 * server before its probes were in place. Only a hello that lies whole in its packet is read; of any
 * other the worker learns the name, and its kill comes after the request.
 */
#ifndef PROBITY_BPF_SNI_H
#define PROBITY_BPF_SNI_H

#include "hostkey.h"
#include "net_copy.h"

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
static __always_inline __u32 sni_find(struct __sk_buff *skb, __u32 at)
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

/* at: of the TLS record in the packet. */
static __noinline int sni_rules(struct __sk_buff *skb, struct net_sock *s, __u32 at)
{
	struct krule_host_key k = {};
	struct shared *sh = shared_of();
	struct sock_rules r = {};
	__u32 name;
	__u64 n, *rules;

	if (!s || !sh || !sh->krule.all)
		return 0;
	r.generation = sh->krule.generation;
	name = sni_find(skb, at);
	n = name ? load16(skb, name - 2) : 0;
	if (!n || n >= KRULE_HOST_MAX)
		return 0;
	BOUND_FROM_1(n, KRULE_HOST_MAX - 1);
	if (bpf_skb_load_bytes(skb, name, k.name, n))
		return 0;
	rules = host_rules(&k, n);
	if (!rules)
		return 0;
	r.rules = *rules;
	bpf_map_update_elem(&sock_rules, &s->cookie, &r, BPF_ANY);
	return 0;
}

#endif
