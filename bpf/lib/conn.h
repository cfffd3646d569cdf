/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Connections: whose they are, when they begin and end, and whether anybody wants them. */
#ifndef PROBITY_BPF_CONN_H
#define PROBITY_BPF_CONN_H

#include "emit.h"

/* Whether aead_procs ever held a process: on most hosts every receive ends here. */
__u32 aead_seen __weak;

static __always_inline void key_of(struct conn_key *k, __u64 ssl, __u64 *start_ns)
{
#ifdef PROBITY_OLD
	*start_ns = task_start((void *)bpf_get_current_task());
#else
	*start_ns = bpf_get_current_task_btf()->group_leader->start_boottime;
#endif
	k->ssl = ssl;
	k->tgid = bpf_get_current_pid_tgid() >> 32;
	k->start = *start_ns >> 20;
}

static __always_inline bool is_self(void)
{
	struct shared *s = shared_of();
	__u32 me = bpf_get_current_pid_tgid() >> 32;

	for (int i = 0; s && i < 8; i++)
		if (s->self[i] == me)
			return true;
	return false;
}

/* Old kernels cannot add and fetch at once: there the time and the CPU make a number of its own. */
static __always_inline __u64 new_id(void)
{
#ifdef PROBITY_OLD
	return bpf_ktime_get_boot_ns() << 4 | (bpf_get_smp_processor_id() & 15);
#else
	__u32 zero = 0;
	struct tally *st = bpf_map_lookup_elem(&tally, &zero);

	return st ? __sync_fetch_and_add(&st->next_conn, 1) + 1 : 0;
#endif
}

static __noinline struct conn *conn_new(struct conn_key *k, __u64 start_ns, __u32 flags)
{
	struct conn c = {};

	c.id = new_id();
	c.start_ns = start_ns;
	c.flags = flags;
	c.ignored = is_self();
	if (bpf_map_update_elem(&conns, k, &c, BPF_ANY))
		drop(DROP_CONN_FULL);
	return bpf_map_lookup_elem(&conns, k);
}

/* Also from another process's context, when the socket ends: the key says whose it was. */
static __always_inline void conn_end(struct conn *conn, const struct conn_key *k)
{
	struct event *e;

	if (!conn->ignored) {
		e = reserve(sizeof(*e));
		if (e) {
			head(e, EVENT_CLOSE, sizeof(*e));
			e->conn = conn->id;
			e->start_ns = conn->start_ns;
			if (e->pid != k->tgid)
				e->pid = e->tid = k->tgid;
			commit(e);
		}
	}
	bpf_map_delete_elem(&conns, k);
}

static const struct call no_call; /* too large for the stack */

static __always_inline struct call *call_of(bool make)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	struct call *c = bpf_map_lookup_elem(&calls, &tid);

	if (!c && make) {
		if (bpf_map_update_elem(&calls, &tid, &no_call, BPF_ANY))
			drop(DROP_CONN_FULL);
		c = bpf_map_lookup_elem(&calls, &tid);
	}
	return c;
}

static __always_inline bool unwanted(struct conn *conn)
{
	__u32 slot = conn->id & (VERDICT_SLOTS - 1);
	struct verdict_slot *v;

	if (conn->ignored)
		return true;
	v = bpf_map_lookup_elem(&verdicts, &slot);
	if (v && v->conn == conn->id && v->verdict == VERDICT_IGNORE && !conn->host_rules)
		conn->ignored = 1;
	return conn->ignored;
}

/* The next TCP send of this thread shows the socket. */
static __always_inline void wait_for_send(struct call *c, const struct conn_key *k, __u64 sp)
{
	c->key = *k;
	c->sp = sp;
	c->pending = 1;
}

/* Adds the rules of the name in the hello of its socket, and of its peer's address, to those of the
 * program's own word. Returns whether there are any. */
static __noinline int name_by_sock(struct conn *conn, __u64 cookie)
{
	struct shared *sh = shared_of();
	struct sock_rules *r;

	if (!conn || !sh || !sh->krule.all || conn->sock_generation == sh->krule.generation)
		return 0;
	r = bpf_map_lookup_elem(&sock_rules, &cookie);
	if (!r || r->generation != sh->krule.generation)
		return 0;
	if (conn->host_generation != r->generation)
		conn->host_rules = 0;
	conn->host_rules |= r->rules;
	conn->host_generation = conn->sock_generation = r->generation;
	return 1;
}

/* A socket that is taken for a handle's before a send has shown it (named.h): the worker is told, because
 * a refused write shows no other. */
static __noinline void tell_named(struct conn *conn, __u64 cookie)
{
	struct event_conn *e = conn ? reserve(sizeof(*e)) : NULL;

	if (!e)
		return;
	__builtin_memset(e, 0, sizeof(*e));
	head(&e->h, EVENT_CONN, sizeof(*e));
	e->h.conn = conn->id;
	e->h.start_ns = conn->start_ns;
	e->h.flags = (conn->flags & 0xffff) | EVENT_F_ADJACENT;
	e->cookie = cookie;
	commit(e);
}

/* Whether a socket may be that of a handle: its hello has the rules that the handle's own word has, if that
 * was seen. */
static __noinline int has_its_rules(const struct conn *conn, __u64 cookie)
{
	struct sock_rules *r = bpf_map_lookup_elem(&sock_rules, &cookie);
	struct shared *sh = shared_of();

	if (!conn || !r || !sh || r->generation != sh->krule.generation)
		return 0;
	if (conn->host_generation != r->generation)
		return 1;
	return conn->host_rules && (r->rules & conn->host_rules) == conn->host_rules;
}

static __always_inline void name_by(struct conn *conn, const struct named *n)
{
	if (conn->cookie) {
		name_by_sock(conn, conn->cookie); /* rules may have changed */
	} else if (n->cookie && has_its_rules(conn, n->cookie)) {
		name_by_sock(conn, n->cookie);
		conn->cookie = n->cookie;
		conn->sk = n->sk;
		tell_named(conn, n->cookie);
	}
}

#endif
