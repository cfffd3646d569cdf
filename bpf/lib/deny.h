/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Saying that something was refused. The verdict was given before and does not depend on any of this.
 *
 * The first of a kind (process, hook, mechanism, rules, subject) is told at once, by who puts its
 * entry into `folds`: exactly one can. All others are counted in that entry, and the keeper tells
 * what was added, once a second (user/agent/folds.c): no count is ever reset, so none is lost and
 * none is told twice. What found no room in the ring is counted there as well. Where `folds` has no
 * room, each is told.
 *
 * Any program can call it: the maps take their memory at the start, and nothing is compared and
 * exchanged, which 5.10 cannot.
 */
#ifndef PROBITY_BPF_DENY_H
#define PROBITY_BPF_DENY_H

#include "../maps_gate.h"
#include "emit.h"

/* In the caller's frame; what is not set is 0. */
struct deny {
	__u64 subject; /* inode, cookie or a hash of an address: what floods are folded by */
	__u64 rules, policy;
	__u64 conn, cookie;
	__u64 dev, ino;
	__u64 start_ns, cgroup; /* whose it is; deny_me() fills them in */
	__u32 tgid, tid, uid;
	__u16 hook, mechanism;
	__u16 evidence;
	__u8 watched, pad[5];
	struct event_addr peer;
};

/* Programs in the context of who is refused. */
static __always_inline void deny_me(struct deny *d)
{
	__u64 id = bpf_get_current_pid_tgid();

	d->start_ns = task_start((void *)bpf_get_current_task());
	d->cgroup = bpf_get_current_cgroup_id();
	d->tgid = id >> 32;
	d->tid = (__u32)id;
	d->uid = (__u32)bpf_get_current_uid_gid();
}

static const struct fold no_fold; /* 0s */

/* what: a text in memory the kernel can read, or NULL. */
static __always_inline void deny_fill(struct event_deny *e, const struct deny *d, const void *what)
{
	e->h.version = EVENT_VERSION;
	e->h.kind = EVENT_DENY;
	e->h.len = sizeof(*e);
	e->h.boot_ns = bpf_ktime_get_boot_ns();
	e->h.conn = d->conn;
	e->h.start_ns = d->start_ns;
	e->h.cgroup = d->cgroup;
	e->h.pid = d->tgid;
	e->h.tid = d->tid;
	e->h.uid = d->uid;
	e->h.flags = 0;
	e->rules = d->rules;
	e->policy = d->policy;
	e->cookie = d->cookie;
	e->count = 1;
	e->dev = d->dev;
	e->ino = d->ino;
	e->peer = d->peer;
	e->hook = d->hook;
	e->mechanism = d->mechanism;
	e->evidence = d->evidence;
	e->watched = d->watched;
	e->pad = 0;
	bpf_probe_read_kernel(e->what, sizeof(e->what), no_fold.last.what);
	if (what)
		bpf_probe_read_kernel_str(e->what, sizeof(e->what), what);
}

/* False: there was no room in the ring. */
static __always_inline bool deny_now(const struct deny *d, const void *what)
{
	struct event_deny *e = d ? bpf_ringbuf_reserve(&events, sizeof(*e), 0) : NULL;

	if (!e)
		return false;
	deny_fill(e, d, what);
	commit(e);
	return true;
}

static __noinline int deny_tell(const struct deny *d, const void *what)
{
	struct fold_key k = {};
	struct fold *f;
	bool told;
	long r;

	if (!d)
		return 0;
	k.subject = d->subject;
	k.rules = d->rules;
	k.tgid = d->tgid;
	k.hook = d->hook;
	k.mechanism = d->mechanism;
	r = bpf_map_update_elem(&folds, &k, &no_fold, BPF_NOEXIST);
	f = bpf_map_lookup_elem(&folds, &k);
	if (f && !r)
		deny_fill(&f->last, d, what);
	/* At one place, and so without a frame of its own: some callers are deep already. */
	told = (!f || !r) && deny_now(d, what);
	if (!f && !told)
		drop(DROP_RING_FULL);
	if (!f)
		return 0;
	if (!told)
		__sync_fetch_and_add(&f->count, 1);
	f->seen_ns = bpf_ktime_get_boot_ns();
	return 0;
}

#endif
