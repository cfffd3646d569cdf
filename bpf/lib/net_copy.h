/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Payload of a packet on its way up: as lib/chunk.h, from a socket buffer instead of user memory. */
#ifndef PROBITY_BPF_NET_COPY_H
#define PROBITY_BPF_NET_COPY_H

#include "net.h"

#define NET_CHUNK (64 << 10)
#define NET_CHUNKS_MAX 8 /* × 64 KiB: the largest segment there is (jumbo IPv6) */

/* As BOUND of bound.h, and not 0, which bpf_skb_load_bytes does not take. "> 0" and not "!= 0": 5.10
 * learns a least value from the first only. */
#define BOUND_FROM_1(n, max)                                                               \
	asm volatile("if %[r] > 0 goto +1\n%[r] = 1\nif %[r] <= %[m] goto +1\n%[r] = %[m]" \
		     : [r] "+r"(n)                                                         \
		     : [m] "i"(max))

struct net_copy { /* what is left of a packet's payload */
	const struct net_sock *s;
	__u64 offset; /* of the next byte in its direction */
	__u32 at;     /* of it in the buffer */
	__u32 left, dir;
};

#define NET_COPY_TIER(cap)                                                            \
	do {                                                                          \
		struct event_data *e = reserve(sizeof(*e) + (cap));                   \
		__u64 m = n;                                                          \
		if (!e)                                                               \
			return;                                                       \
		net_head(&e->h, c->s, EVENT_DATA, sizeof(*e) + (cap), EVENT_F_PLAIN); \
		e->h.conn = CONN_ID_PLAIN | c->s->cookie;                             \
		e->offset = c->offset;                                                \
		e->dir = c->dir;                                                      \
		BOUND_FROM_1(m, cap);                                                 \
		e->size = m;                                                          \
		if (bpf_skb_load_bytes(skb, c->at, e->bytes, m)) {                    \
			drop(DROP_READ_FAULT);                                        \
			bpf_ringbuf_discard(e, BPF_RB_NO_WAKEUP);                     \
			return;                                                       \
		}                                                                     \
		commit(e);                                                            \
	} while (0)

static __always_inline void net_copy_full(struct __sk_buff *skb, struct net_copy *c)
{
	__u32 n = NET_CHUNK;

	NET_COPY_TIER(NET_CHUNK);
}
static __always_inline void net_copy_small(struct __sk_buff *skb, struct net_copy *c, __u32 n)
{
	if (n <= 512)
		NET_COPY_TIER(512);
	else
		NET_COPY_TIER(4096);
}
static __always_inline void net_copy_large(struct __sk_buff *skb, struct net_copy *c, __u32 n)
{
	if (n <= 4096)
		net_copy_small(skb, c, n);
	else if (n <= 16384)
		NET_COPY_TIER(16384);
	else
		NET_COPY_TIER(NET_CHUNK);
}

static __always_inline void net_copy_next(struct net_copy *c, __u32 n)
{
	c->at += n;
	c->offset += n;
	c->left -= n;
}

static __noinline int net_copy(struct __sk_buff *skb, struct net_copy *c)
{
	for (int i = 1; i < NET_CHUNKS_MAX && c->left > NET_CHUNK; i++) {
		net_copy_full(skb, c);
		net_copy_next(c, NET_CHUNK);
	}
	if (c->left && c->left <= NET_CHUNK)
		net_copy_large(skb, c, c->left);
	return 0;
}

#endif
