/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Saying that something was refused. The verdict was given before and does not depend on any of this.
 * The first of a kind is told at once. More of the same process on the same subject within FOLD_NS
 * are counted; the count goes with the next one told, or the keeper tells it. Where the table of
 * counts is full, each is told.
 */
#ifndef PROBITY_BPF_DENY_H
#define PROBITY_BPF_DENY_H

#include "../maps_gate.h"
#include "emit.h"

#define FOLD_NS 1000000000ull

/* d lies in the caller's frame or map: everything but h and count is filled in. Programs that may
 * sleep cannot use a map that allocates on kernels before 6.1: they tell each (fold = false). */
static __noinline int deny_send(const struct event_deny *d, __u64 count)
{
	struct event_deny *e = d ? reserve(sizeof(*e)) : NULL;
	__u64 start_ns;

	if (!e)
		return 0; /* counted by reserve() */
	__builtin_memcpy(e, d, sizeof(*e));
	start_ns = d->h.start_ns;
	head(&e->h, EVENT_DENY, sizeof(*e));
	e->h.conn = d->h.conn;
	e->h.start_ns = start_ns ?: task_start((void *)bpf_get_current_task());
	e->count = count;
	commit(e);
	return 0;
}

static __noinline int deny_tell(struct event_deny *d, __u64 subject)
{
	struct fold_key k = {};
	struct fold *f;
	__u64 now = bpf_ktime_get_boot_ns(), count;

	if (!d)
		return 0;
	k.subject = subject;
	k.rules = d->rules;
	k.tgid = bpf_get_current_pid_tgid() >> 32;
	k.hook = d->hook;
	k.mechanism = d->mechanism;
	f = bpf_map_lookup_elem(&folds, &k);
	if (f && now - f->told_ns < FOLD_NS) {
		__sync_fetch_and_add(&f->count, 1);
		return 0;
	}
	count = f ? __sync_lock_test_and_set(&f->count, 0) : 0;
	if (f)
		f->told_ns = now;
	return deny_send(d, count + 1);
}

#endif
