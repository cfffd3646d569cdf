/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What a TCP send or receive of a thread says about its TLS handles. One for each hook that there
 * may be. */
#ifndef PROBITY_BPF_BIND_H
#define PROBITY_BPF_BIND_H

#include "sock.h"

static __always_inline bool is_tcp(struct sock *sk)
{
	return BPF_CORE_READ_BITFIELD_PROBED(sk, sk_protocol) == IPPROTO_TCP;
}

/* Kernel rules only: what this thread sends to now. */
static __always_inline void note_name(struct sock *sk)
{
	struct shared *sh = shared_of();
	struct sock_rules *r;
	struct call *c;
	__u64 cookie;

	if (!sh || !sh->krule.all)
		return;
	cookie = cookie_of(sk);
	r = bpf_map_lookup_elem(&sock_rules, &cookie);
	c = call_of(r != NULL);
	if (c) {
		c->named.cookie = r ? cookie : 0;
		c->named.sk = (__u64)sk;
	}
	if (r) {
		struct named now = {.cookie = cookie, .sk = (__u64)sk};
		struct conn_key k = {};
		__u64 start_ns;

		key_of(&k, 0, &start_ns);
		bpf_map_update_elem(&proc_named, &k, &now, BPF_ANY);
	}
}

/* The call of this thread that waits to see its socket. Every send of the host asks, so what only
 * an answer needs (the user's stack pointer) is read after it. */
static __always_inline struct call *awaits(struct sock *sk)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	struct call *c = bpf_map_lookup_elem(&calls, &tid);

	note_name(sk);
	return c && c->pending && is_tcp(sk) ? c : NULL;
}

/* sp: of the thread in user mode. */
static __always_inline int sent(struct call *c, struct sock *sk, __u64 sp)
{
	struct conn_key k;
	struct conn *conn;
	__u32 flags;

	c->pending = 0;
	k = c->key;
	/* Below the stack pointer of the TLS call that waits for its socket: inside it. */
	flags = sp < c->sp && c->sp - sp < NEST_WINDOW ? 0 : EVENT_F_ADJACENT;
	conn = bpf_map_lookup_elem(&conns, &k);
	if (!conn)
		return 0;
	/* It has ended, and so has what speaks over it, where nothing else would tell that. */
	if (!(conn->flags & CONN_SHAKEN) && BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_CLOSE)
		conn_end(conn, &k);
	else if (conn->flags & EVENT_F_HALF)
		rebind(sk, conn, &k, flags);
	else if (!(conn->flags & CONN_BOUND))
		bind_conn(sk, conn, &k, flags);
	return 0;
}

static __always_inline int received(struct sock *sk, int n)
{
	__u32 tgid;
	struct call *c;

	if (n <= 0 || !aead_seen)
		return 0;
	tgid = bpf_get_current_pid_tgid() >> 32;
	if (!bpf_map_lookup_elem(&aead_procs, &tgid) || !is_tcp(sk))
		return 0;
	c = call_of(true);
	if (!c)
		return 0;
	c->received = (__u64)sk;
	c->fresh = 1;
	return 0;
}

#endif
