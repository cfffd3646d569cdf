/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What net.bpf.c knows of a socket, and how it reads a packet. */
#ifndef PROBITY_BPF_NET_H
#define PROBITY_BPF_NET_H

#include "emit.h"

#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd
#define PF_KTHREAD 0x00200000
#define NEXTHDR_HOP 0

enum net_state {
	NET_NEW,    /* connected, nothing of interest sent yet */
	NET_HELLO,  /* a ClientHello is being sent, perhaps held */
	NET_ANSWER, /* it is out, the server has not answered */
	NET_CLEAR,  /* HTTP without TLS */
};

/* One direction of a clear connection, in offsets from its first byte of payload. */
struct net_stream {
	__u64 next;		  /* the first byte not yet told */
	__u64 hole_from, hole_to; /* before it, one stretch that a segment has overtaken */
	__u64 turn, other;	  /* where its turn began, and how far the other direction was */
	__u32 base;		  /* TCP sequence number of offset 0 */
	__u32 pad;
};

/*
 * A socket that this host connected. Made in the caller's context, gone with the socket or as soon
 * as there is nothing more to learn from it. `out` is written by egress alone (under the socket's
 * lock), `in` by ingress alone; state goes forward, and only egress moves it.
 */
struct net_sock {
	__u64 cookie, start_ns, cgroup;
	__u32 tgid, tid, uid;
	__u32 state; /* enum net_state */
	struct net_stream stream[2];
	__u64 asked; /* where the ring was behind the beginning of the last turn that wrote */
	__u64 held_ns, tried_ns; /* when it was held first, and tried last by TCP's timer */
	__u32 held, drops;
	__u32 packets; /* of a NET_NEW socket that were neither TLS nor HTTP */
	__u32 want;    /* bytes of the hello that are to be told */
	__u32 told[2]; /* bytes of hello and answer that were */
	/* The gate's, by egress alone. */
	__u64 rules, generation; /* of the server's name, as the kernel rules were then */
	__u64 ask_ns;		 /* since when packets wait for the worker; 0 = they do not */
	__u32 name;		 /* enum net_name */
	__u32 exempt;		 /* what no pack can refuse */
	__u32 refused, pad;
	__u32 key_n, found;	   /* while it is looked for in clear text */
	struct krule_host_key key; /* the name: reversed, or as it was */
};
enum net_name {
	NAME_NONE,  /* a whole hello without one */
	NAME_KNOWN, /* it was read */
	NAME_PART,  /* not all of the hello is here */
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct net_sock);
} net_socks SEC(".maps") __weak;

/*
 * A function of a packet that the verifier goes through once, whoever calls it: 5.10 knows such ones
 * with a context and numbers as arguments, so each finds its socket itself. Counters that live in a
 * socket's storage and not in a register are there for the same reason: each pass of a loop then
 * looks like the one before.
 */
#define PACKET_FN(name) __weak __noinline int name

static __always_inline struct net_sock *net_sock_of(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;

	sk = sk ? bpf_sk_fullsock(sk) : NULL;
	return sk ? bpf_sk_storage_get(&net_socks, sk, 0, 0) : NULL;
}

/* Marked sockets that packets are still wanted of. While there is none, the packet programs are not
 * attached; and the end of a clear one is to be told, by whoever closes it. */
struct net_live {
	__u64 start_ns, cgroup, since_ns;
	__u32 tgid, tid, uid, clear;
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 32768);
	__type(key, __u64); /* socket cookie */
	__type(value, struct net_live);
} net_live SEC(".maps") __weak;

/* Mapped by the keeper: whether the packet programs are attached. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u32);
} net_on SEC(".maps") __weak;

/* ↑ keeper: attach them. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} net_wake SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, NET__MAX);
	__type(key, __u32);
	__type(value, __u64);
} net_counts SEC(".maps") __weak;

static __always_inline void net_count(__u32 what)
{
	__u64 *n = bpf_map_lookup_elem(&net_counts, &what);

	if (n)
		__sync_fetch_and_add(n, 1);
}

/* A packet belongs to the socket's owner, whoever runs when it passes. */
static __always_inline void net_head(struct event *h, const struct net_sock *s, __u16 kind,
				     __u32 len, __u32 flags)
{
	h->version = EVENT_VERSION;
	h->kind = kind;
	h->len = len;
	h->boot_ns = bpf_ktime_get_boot_ns();
	h->conn = 0;
	h->start_ns = s->start_ns;
	h->cgroup = s->cgroup;
	h->pid = s->tgid;
	h->tid = s->tid;
	h->uid = s->uid;
	h->flags = flags;
}

/* All fields are read first: clang would merge the branches' reads into one at a computed place in
 * the context, which the verifier refuses. */
static __always_inline void net_addrs(struct __sk_buff *skb, struct event_addr *local,
				      struct event_addr *peer)
{
	__u32 l[5] = {skb->local_ip6[0], skb->local_ip6[1], skb->local_ip6[2], skb->local_ip6[3],
		      skb->local_ip4};
	__u32 p[5] = {skb->remote_ip6[0], skb->remote_ip6[1], skb->remote_ip6[2],
		      skb->remote_ip6[3], skb->remote_ip4};

	__builtin_memset(local, 0, sizeof(*local));
	__builtin_memset(peer, 0, sizeof(*peer));
	local->family = peer->family = skb->family;
	local->port = skb->local_port;
	peer->port = bpf_ntohl(skb->remote_port);
	asm volatile("" ::: "memory");
	if (local->family == AF_INET) {
		__builtin_memcpy(local->addr, &l[4], 4);
		__builtin_memcpy(peer->addr, &p[4], 4);
	} else {
		__builtin_memcpy(local->addr, l, 16);
		__builtin_memcpy(peer->addr, p, 16);
	}
}

/* --- packets --------------------------------------------------------------------------------- */

struct packet {
	__u32 off, len; /* the payload in the buffer */
	__u32 seq, ack; /* of its first byte; what is expected from the other side */
};

/* Where TCP begins; 0 = nowhere. The only IPv6 option is the jumbo one of segments over 64 KiB. */
static __always_inline __u32 transport(struct __sk_buff *skb)
{
	__u8 b[2];

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		if (bpf_skb_load_bytes(skb, 9, b, 1) || b[0] != IPPROTO_TCP ||
		    bpf_skb_load_bytes(skb, 0, b, 1))
			return 0;
		return (b[0] & 15) * 4;
	}
	if (skb->protocol != bpf_htons(ETH_P_IPV6) || bpf_skb_load_bytes(skb, 6, b, 1))
		return 0;
	if (b[0] == IPPROTO_TCP)
		return 40;
	if (b[0] != NEXTHDR_HOP || bpf_skb_load_bytes(skb, 40, b, 2) || b[0] != IPPROTO_TCP)
		return 0;
	return 40 + (b[1] + 1) * 8;
}

/* False: not a TCP packet that can be read. */
static __always_inline bool packet_of(struct __sk_buff *skb, struct packet *p)
{
	__u32 at = transport(skb);
	struct tcphdr t;

	if (!at || bpf_skb_load_bytes(skb, at, &t, sizeof(t)))
		return false;
	p->off = at + t.doff * 4;
	if (p->off > skb->len)
		return false;
	p->len = skb->len - p->off;
	p->seq = bpf_ntohl(t.seq) + t.syn;
	p->ack = bpf_ntohl(t.ack_seq);
	return true;
}

#endif
