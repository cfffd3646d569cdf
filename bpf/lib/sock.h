/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Sockets: their addresses, and which connection speaks over which of them.
 *
 * A connection is bound to one socket. An AEAD key that turns up at another one, which no key of
 * that direction holds yet, has been freed and its place taken: the old connection ends, and a new
 * one begins. (The record that showed it on the sending side was told under the old id; its socket
 * was then still open although its key was gone, which no client we know does.)
 */
#ifndef PROBITY_BPF_SOCK_H
#define PROBITY_BPF_SOCK_H

#include "conn.h"

static __always_inline __u64 cookie_of(struct sock *sk)
{
	__u64 c = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);

	return c ?: (__u64)sk;
}

static __always_inline bool addrs(struct sock *sk, struct event_conn *e)
{
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);

	__builtin_memset(&e->local, 0, sizeof(e->local));
	__builtin_memset(&e->peer, 0, sizeof(e->peer));
	e->local.family = e->peer.family = family;
	e->local.port = BPF_CORE_READ(sk, __sk_common.skc_num);
	e->peer.port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	e->cookie = cookie_of(sk);
	if (family == AF_INET) {
		BPF_CORE_READ_INTO((__u32 *)e->local.addr, sk, __sk_common.skc_rcv_saddr);
		BPF_CORE_READ_INTO((__u32 *)e->peer.addr, sk, __sk_common.skc_daddr);
		return true;
	}
	if (family == AF_INET6) {
		BPF_CORE_READ_INTO((struct in6_addr *)e->local.addr, sk,
				   __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO((struct in6_addr *)e->peer.addr, sk, __sk_common.skc_v6_daddr);
		return true;
	}
	return false;
}

static __noinline void tell(struct sock *sk, __u32 kind, __u64 conn, __u64 start_ns, __u32 flags)
{
	struct event_conn *e = reserve(sizeof(*e));

	if (!e)
		return;
	head(&e->h, kind, sizeof(*e));
	e->h.conn = conn;
	e->h.start_ns = start_ns;
	e->h.flags = flags;
	if (!addrs(sk, e)) {
		bpf_ringbuf_discard(e, BPF_RB_NO_WAKEUP);
		return;
	}
	commit(e);
}

static const struct sock_use no_use;

/* The entry of a socket; one not connected from here was accepted. */
static __noinline struct sock_use *use_of(struct sock *sk, __u64 start_ns)
{
	__u64 key = (__u64)sk, me = bpf_get_current_pid_tgid() & ~0xffffffffull;
	struct sock_use *u = bpf_map_lookup_elem(&socks, &key);

	if (u)
		return u;
	bpf_map_update_elem(&socks, &key, &no_use, BPF_ANY);
	u = bpf_map_lookup_elem(&socks, &key);
	if (u)
		u->owner = me;
	tell(sk, EVENT_ACCEPT, 0, start_ns, 0);
	return u;
}

static __always_inline void bind_conn(struct sock *sk, struct conn *conn, const struct conn_key *k,
				      __u32 flags)
{
	struct sock_use *u = use_of(sk, conn->start_ns);

	for (int i = 0; u && i < SOCK_CONNS; i++)
		if (!u->conn[i].ssl || u->conn[i].ssl == k->ssl || i == SOCK_CONNS - 1) {
			u->conn[i] = *k;
			break;
		}
	conn->sk = (__u64)sk;
	conn->cookie = cookie_of(sk);
	conn->flags |= CONN_BOUND;
	name_by_sock(conn, conn->cookie);
	tell(sk, EVENT_CONN, conn->id, conn->start_ns, (conn->flags & 0xffff) | flags);
}

/* Whether another live handle speaks over the socket; of halves, one of that direction. */
static __always_inline bool taken(struct sock *sk, const struct conn_key *k)
{
	__u64 key = (__u64)sk;
	struct sock_use *u = bpf_map_lookup_elem(&socks, &key);

	for (int i = 0; u && i < SOCK_CONNS; i++) {
		struct conn_key other = u->conn[i];
		struct conn *conn;

		if (!other.ssl || other.ssl == k->ssl || (other.ssl ^ k->ssl) & 1)
			continue;
		conn = bpf_map_lookup_elem(&conns, &other);
		if (conn && conn->sk == key && conn->flags & CONN_BOUND)
			return true;
	}
	return false;
}

/* The connection to go on with: another one when the key's place was taken. */
static __always_inline struct conn *rebind(struct sock *sk, struct conn *conn, struct conn_key *k,
					   __u32 flags)
{
	__u64 start_ns = conn->start_ns;
	__u32 keep = conn->flags & (EVENT_F_HALF | EVENT_F_TLS12 | EVENT_F_TLS13);

	if (conn->sk == (__u64)sk && conn->flags & CONN_BOUND)
		return conn;
	if (conn->flags & CONN_BOUND) {
		if (taken(sk, k))
			return conn;
		conn_end(conn, k);
		conn = conn_new(k, start_ns, keep);
		if (!conn)
			return NULL;
	}
	bind_conn(sk, conn, k, flags);
	return conn;
}

#endif
