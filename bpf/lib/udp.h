/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* UDP sockets of processes that rules concern: whose they are, for the packet programs. Marked in the
 * owner's context by connect(2) and by each send to an address; gone with the socket. */
#ifndef PROBITY_BPF_UDP_H
#define PROBITY_BPF_UDP_H

#include "krule.h"
#include "net.h"

#define PORT_DNS 53
#define UDP_HEAD 8

struct udp_owner {
	__u64 start_ns, cgroup, cookie;
	__u32 tgid, tid, uid, pad;
};

/* Questions under way; a resolver asks for A and AAAA at once. */
#define DNS_ASKED 4
struct dns_asked {
	__u64 rules, generation;
	__u64 question; /* hash of its bytes */
	__u32 id;	/* | DNS_WAITS */
	__u32 pad;
};
struct dns_sock {
	struct udp_owner o;
	struct dns_asked asked[DNS_ASKED];
	__u64 hash;		   /* of the name being read, as it came */
	__u32 next, left, key_n;   /* left: of the label being read */
	__u32 at;		   /* the question that is being answered */
	struct krule_host_key key; /* of the one being read: a name on its way into host_rules() */
	__u8 wire[KRULE_HOST_MAX];
};
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct dns_sock);
} dns_socks SEC(".maps") __weak;

struct quic_sock {
	struct udp_owner o;
	__u64 asked_ns; /* of the latest flow the worker was asked about */
	__u32 told;	/* Initials of it that were told */
	__u32 refused;	/* it was told that it is refused */
	__u64 flow;
};
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct quic_sock);
} quic_socks SEC(".maps") __weak;

static __always_inline void udp_owner(struct udp_owner *o, struct bpf_sock_addr *ctx)
{
	struct task_struct *t = (void *)bpf_get_current_task();
	__u64 id = bpf_get_current_pid_tgid();

	o->cookie = bpf_get_socket_cookie(ctx);
	o->start_ns = task_start(t);
	o->cgroup = bpf_get_current_cgroup_id();
	o->tgid = id >> 32;
	o->tid = (__u32)id;
	o->uid = (__u32)bpf_get_current_uid_gid();
}

/* Whether rules concern this process at all, before its connections have a name. */
static __always_inline bool udp_wanted(void)
{
	struct krule_who who = {.uid = (__u32)bpf_get_current_uid_gid(),
				.tgid = bpf_get_current_pid_tgid() >> 32};
	struct task_struct *t = (void *)bpf_get_current_task();
	struct krule_do *does = krule_does();
	struct shared *s = shared_of();

	if (!s || !does || !s->krule.all || krule_exempt(t, who.tgid))
		return false;
	who.start_ns = task_start(t);
	return krule_mine(&who, s) & (does->deny | does->content | does->no_quic);
}

static __always_inline void udp_mark(struct bpf_sock_addr *ctx)
{
	struct shared *s = shared_of();
	struct bpf_sock *sk = ctx->sk;
	struct dns_sock *d;
	struct quic_sock *q;

	if (ctx->protocol != IPPROTO_UDP || !sk || !s || !udp_wanted())
		return;
	s->udp = 1; /* first: its datagram may be out before this ends */
	if (ctx->user_port == bpf_htons(PORT_DNS)) {
		d = bpf_sk_storage_get(&dns_socks, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
		if (d)
			udp_owner(&d->o, ctx);
		else
			drop(DROP_NO_OWNER);
		return;
	}
	q = bpf_sk_storage_get(&quic_socks, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (q)
		udp_owner(&q->o, ctx);
	else
		drop(DROP_NO_OWNER);
}

/* Where the datagram's payload begins; 0 = it is none that can be read. */
static __always_inline __u32 udp_payload(struct __sk_buff *skb)
{
	__u8 b[1];

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		if (bpf_skb_load_bytes(skb, 0, b, 1))
			return 0;
		return (b[0] & 15) * 4 + UDP_HEAD;
	}
	if (skb->protocol != bpf_htons(ETH_P_IPV6) || bpf_skb_load_bytes(skb, 6, b, 1) ||
	    b[0] != IPPROTO_UDP)
		return 0;
	return 40 + UDP_HEAD;
}

/* By the packet: a socket that is not connected has no peer. at: of the payload. */
static __always_inline void udp_addrs(struct __sk_buff *skb, __u32 at, bool out,
				      struct event_addr *local, struct event_addr *peer)
{
	struct event_addr *from = out ? local : peer, *to = out ? peer : local;
	__be16 ports[2] = {};

	__builtin_memset(local, 0, sizeof(*local));
	__builtin_memset(peer, 0, sizeof(*peer));
	bpf_skb_load_bytes(skb, at - UDP_HEAD, ports, sizeof(ports));
	from->port = bpf_ntohs(ports[0]);
	to->port = bpf_ntohs(ports[1]);
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		from->family = to->family = AF_INET;
		bpf_skb_load_bytes(skb, 12, from->addr, 4);
		bpf_skb_load_bytes(skb, 16, to->addr, 4);
	} else {
		from->family = to->family = AF_INET6;
		bpf_skb_load_bytes(skb, 8, from->addr, 16);
		bpf_skb_load_bytes(skb, 24, to->addr, 16);
	}
}

#endif
