/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What the rules say of an address: by the ranges that they and the services have, and by what a process
 * was told by DNS. */
#ifndef PROBITY_BPF_PEER_H
#define PROBITY_BPF_PEER_H

#include "../maps_gate.h"
#include "emit.h"

/* ::ffff:1.2.3.4 is 1.2.3.4, whatever the socket is. */
static __always_inline void plain_v4(struct event_addr *a)
{
	__u32 *w = (__u32 *)a->addr;

	if (a->family != AF_INET6 || w[0] || w[1] || w[2] != bpf_htonl(0xffff))
		return;
	a->family = AF_INET;
	w[0] = w[3];
	w[2] = w[3] = 0;
}

static __always_inline bool is_loopback(const struct event_addr *a)
{
	const __u32 *w = (const __u32 *)a->addr;

	if (a->family == AF_INET)
		return a->addr[0] == 127 || !w[0];
	return !w[0] && !w[1] && !w[2] && (!w[3] || w[3] == bpf_htonl(1));
}

static __always_inline __u64 by_net(const struct event_addr *a)
{
	struct net_key k = {.prefix = 160, .family = bpf_htonl(a->family)};
	__u64 *rules;

	__builtin_memcpy(k.addr, a->addr, 16);
	rules = bpf_map_lookup_elem(&deny_nets, &k);
	return rules ? *rules : 0;
}

static __always_inline struct dns_value *by_dns(const struct event_addr *a, __u32 tgid,
						const struct shared *s)
{
	struct dns_key k = {.tgid = tgid, .family = a->family};
	struct dns_value *v;

	__builtin_memcpy(k.addr, a->addr, 16);
	v = bpf_map_lookup_elem(&dns_names, &k);
	if (!v || v->generation != s->krule.generation || v->until_ns < bpf_ktime_get_boot_ns())
		return NULL;
	return v;
}

#endif
