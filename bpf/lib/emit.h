/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Making records: identity of the caller, room in the ring or a counted refusal, wake-ups. */
#ifndef PROBITY_BPF_EMIT_H
#define PROBITY_BPF_EMIT_H

#include "maps.h"

#define SIGKILL 9

/*
 * A function the verifier goes through once, whoever calls it, with arguments it knows nothing of.
 * Each variant of the programs has its own. Old kernels (5.10) take no pointers for arguments (ONCE_AT), and
 * have no loop but the one that is walked through (ONCE_OLD).
 */
#define ONCE(type, name) __weak __noinline type name
#if defined(PROBITY_OLD)
#define ONCE_AT(type, name) static __noinline type name
#define ONCE_OLD(type, name) ONCE(type, name)
#define emit_flight emit_flight_old
#define going_ends going_ends_old
#define sum_of sum_of_old
#else
#define ONCE_AT(type, name) ONCE(type, name)
#define ONCE_OLD(type, name) static __noinline type name
#endif
#if defined(PROBITY_SLEEPS)
#define emit_flight emit_flight_sleeps
#define learn learn_sleeps
#endif

static __always_inline void drop(__u32 cause)
{
	__u64 *n = bpf_map_lookup_elem(&drops, &cause);

	if (n)
		__sync_fetch_and_add(n, 1); /* per CPU, but packets come in between */
}

static __always_inline struct shared *shared_of(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&shared, &zero);
}

static __always_inline __u64 task_start(struct task_struct *t)
{
	return BPF_CORE_READ(t, group_leader, start_boottime);
}

static __always_inline void head(struct event *h, __u16 kind, __u32 len)
{
	__u64 id = bpf_get_current_pid_tgid();

	h->version = EVENT_VERSION;
	h->kind = kind;
	h->len = len;
	h->boot_ns = bpf_ktime_get_boot_ns();
	h->conn = 0;
	h->cgroup = bpf_get_current_cgroup_id();
	h->pid = id >> 32;
	h->tid = (__u32)id;
	h->uid = (__u32)bpf_get_current_uid_gid();
	h->flags = 0;
}

/*
 * A worker that is awake polls; only one that went to sleep needs the (dear) wake-up, once. The
 * record was reserved before `asleep` is read, and the worker looks at the ring's producer
 * position after setting it, so one of the two sees the other; should a CPU reorder the two here,
 * the worker's own limit of a second ends the sleep.
 */
static __always_inline void commit(void *record)
{
	__u32 zero = 0, *sleeps = bpf_map_lookup_elem(&asleep, &zero);

	if (sleeps && *sleeps) {
		*sleeps = 0;
		bpf_ringbuf_submit(record, BPF_RB_FORCE_WAKEUP);
	} else {
		bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
	}
}

/* Whether the worker has read all that was told when the ring was there. */
static __always_inline bool was_read(__u64 position)
{
	return bpf_ringbuf_query(&events, BPF_RB_CONS_POS) >= position;
}

static __always_inline void *reserve(__u64 size)
{
	void *p = bpf_ringbuf_reserve(&events, size, 0);

	if (!p)
		drop(DROP_RING_FULL);
	return p;
}

#endif
