/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The server's name as the program gave it. */
#ifndef PROBITY_BPF_RULES_H
#define PROBITY_BPF_RULES_H

#include "chunk.h"
#include "conn.h"
#include "hostkey.h"

/* On the stack, because a probe can be preempted by another one on the same CPU. */
static __noinline long rules_for(__u64 name, __u64 *ret)
{
	struct krule_host_key k = {};
	long n = bpf_probe_read_user_str(k.name, sizeof(k.name), (void *)name);
	__u64 *rules;

	if (n <= 1 || n >= KRULE_HOST_MAX)
		return n;
	rules = host_rules(&k, n - 1);
	if (rules && ret)
		*ret = *rules;
	return n;
}

/* False when the name is not in memory. */
ONCE_AT(int, learn)(struct conn *conn, __u64 name)
{
	struct shared *sh = shared_of();
	struct event_host *e;
	__u64 rules = 0;

	if (!conn || !sh)
		return true;
	if (rules_for(name, &rules) < 0)
		return false;
	conn->host_generation = sh->krule.generation;
	conn->sock_generation = 0;
	conn->host_rules = sh->krule.all ? rules : 0;
	e = reserve(sizeof(*e));
	if (!e)
		return true;
	if (bpf_probe_read_user_str(e->host, sizeof(e->host), (void *)name) <= 1) {
		bpf_ringbuf_discard(e, BPF_RB_NO_WAKEUP);
		return true;
	}
	head(&e->h, EVENT_HOST, sizeof(*e));
	e->h.conn = conn->id;
	e->h.start_ns = conn->start_ns;
	commit(e);
	return true;
}

/*
 * A name nobody has read yet, a text in the program's file, may not be mapped. Where a probe cannot
 * wait for it, the library copies it next, so at the next call it is there.
 */
static __always_inline void learn_again(struct conn *conn)
{
	if (!conn->name)
		return;
	if (!learn(conn, conn->name))
		drop(DROP_READ_FAULT);
	conn->name = 0;
}

static __always_inline void learn_first(struct conn *conn, __u64 name)
{
#ifdef PROBITY_SLEEPS
	char c;

	bpf_copy_from_user(&c, 1, (void *)name);
#endif
	conn->host_rules = 0;
	conn->name = learn(conn, name) ? 0 : name;
}

#endif
