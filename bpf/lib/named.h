/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Which socket a handle will speak over, before its first send shows it (sock.h): a refusal needs one.
 *
 * Most likely it is the one this thread sent to last, which ended the handshake; a program whose tasks
 * change threads has sent to it from another. It counts while it is open, a rule has its name, and no
 * other handle is known to speak over it. (Go: that of its descriptor, see call.h.) When the socket of a
 * handle has ended, what writes at its address is another handle.
 *
 * Limits: of several connections that shake hands at one moment in one process the wrong one may be
 * taken.
 */
#ifndef PROBITY_BPF_NAMED_H
#define PROBITY_BPF_NAMED_H

#include "sock.h"

#define TCP_ESTABLISHED 1
#define TCP_CLOSE_WAIT 8

/* Whether another handle of that process and direction is known to speak over it. */
static __noinline int is_taken(__u64 sk, const struct conn_key *k)
{
	return k ? taken((struct sock *)sk, k) : 1;
}

/* A socket's memory may be another's by now; its cookie is not given twice. */
static __noinline int is_open(__u64 cookie, __u64 at)
{
	struct sock *sk = (struct sock *)at;
	__u8 state;

	if (!cookie || !sk || (cookie != at && cookie_of(sk) != cookie))
		return false;
	state = BPF_CORE_READ(sk, __sk_common.skc_state);
	return state == TCP_ESTABLISHED || state == TCP_CLOSE_WAIT;
}

/* ret: cookie 0 = none that a rule has a name for. */
static __noinline int likely_socket(const struct conn_key *k, struct named *ret)
{
	struct conn_key of_proc = {};
	struct named *n, at = {};
	struct call *c = call_of(false);

	if (!k || !ret)
		return 0;
	if (c)
		at = c->named;
	if (!is_open(at.cookie, at.sk) || is_taken(at.sk, k)) {
		of_proc.tgid = k->tgid;
		of_proc.start = k->start;
		n = bpf_map_lookup_elem(&proc_named, &of_proc);
		at.cookie = 0;
		if (n)
			at = *n;
		if (!is_open(at.cookie, at.sk) || is_taken(at.sk, k))
			at.cookie = 0;
	}
	*ret = at;
	return at.cookie != 0;
}

/* Of a handle that rules have and whose own end no probe shows: its socket has ended, so it has as well. */
static __always_inline bool is_anothers(const struct conn *conn)
{
	return conn->host_rules && !(conn->flags & CONN_SHAKEN) && conn->sk &&
	       !is_open(conn->cookie, conn->sk);
}

/* The name may have come after the socket was bound, or under other rules. */
static __always_inline void name_now(struct conn *conn, const struct conn_key *k)
{
	struct shared *sh = shared_of();
	struct named n = {};

	if (!sh || !sh->krule.all)
		return;
	if (!conn->cookie)
		likely_socket(k, &n);
	name_by(conn, &n);
}

#endif
