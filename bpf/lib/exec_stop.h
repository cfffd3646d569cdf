/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * An agent that runs a tool as soon as it has read the model's answer may be quicker than the worker,
 * which reads the same answer from the ring. In: images below AI tools that a `then:` could forbid
 * (stop_for), once they were not refused. Out: SIGSTOP before the first instruction and a word to the
 * keeper (gate.h, EXEC_STOP_MS). What cannot be stopped is judged late, by the keeper, when the rule
 * comes into force.
 *
 * Several things of one image may be named: the last that rules name is told, with the bits of all.
 */
#ifndef PROBITY_BPF_EXEC_STOP_H
#define PROBITY_BPF_EXEC_STOP_H

#include "exec.h"

#define SIGSTOP 19
#define ALIVE_NS 3000000000ull

struct stop {
	__u64 rules;
	struct exec_key file;
	__u32 hook, pad;
	char what[EVENT_WHAT_MAX];
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct stop);
} exec_stopping SEC(".maps");

static __always_inline struct stop *stopping(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&exec_stopping, &zero);
}

static __always_inline bool may_be_forbidden(const struct exec_settings *s)
{
	return s->then_exec || s->then_connect;
}

static __always_inline void stop_begin(const struct exec_settings *s)
{
	struct stop *p = may_be_forbidden(s) ? stopping() : NULL;

	if (!p)
		return;
	p->rules = 0;
	p->hook = GATE_AT_EXEC;
	p->file.dev = p->file.ino = 0;
	p->what[0] = 0;
}

static __always_inline void stop_for(const struct exec_settings *s, const struct look *l,
				     __u32 hook, const void *what)
{
	struct stop *p = l->bits & s->then_exec ? stopping() : NULL;

	if (!p || l->flags & EXEC_ALWAYS)
		return;
	p->rules |= l->bits & s->then_exec;
	p->hook = hook;
	p->file = l->key;
	bpf_probe_read_kernel_str(p->what, sizeof(p->what), what);
}

static __always_inline bool below_ai(__u32 tgid, struct task_struct *t)
{
	struct proc_mark *m = bpf_map_lookup_elem(&proc_marks, &tgid);

	return m && m->marks & MARK_AI_TREE && m->ticks == task_start(t) / KRULE_TICK_NS;
}

static __always_inline bool can_stop(const struct exec_settings *s, struct task_struct *t)
{
	return s->alive_ns + ALIVE_NS > bpf_ktime_get_boot_ns() && !BPF_CORE_READ(t, signal, tty) &&
	       !BPF_CORE_READ(t, ptrace);
}

static __noinline int stop_tell(const struct stop *p, __u64 start)
{
	struct event_exec_stop *e;

	if (!p)
		return 0;
	e = bpf_ringbuf_reserve(&control, sizeof(*e), 0);
	if (!e) {
		drop(DROP_CTL_FULL);
		return 0;
	}
	head(&e->h, EVENT_EXEC_STOP, sizeof(*e));
	e->h.start_ns = start;
	e->position = bpf_ringbuf_query(&events, BPF_RB_PROD_POS);
	e->rules = p->rules;
	e->dev = p->file.dev;
	e->ino = p->file.ino;
	e->hook = p->hook;
	e->pad = 0;
	__builtin_memcpy(e->what, p->what, sizeof(e->what));
	bpf_ringbuf_submit(e, 0);
	return 1;
}

/* The image was not refused: does it have to wait? */
static __always_inline void stop_now(const struct exec_settings *s)
{
	struct task_struct *t = (void *)bpf_get_current_task();
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct stop *p = may_be_forbidden(s) ? stopping() : NULL;
	__u64 start = task_start(t);

	if (!p || (!p->rules && !s->then_connect) || !below_ai(tgid, t))
		return;
	if (!can_stop(s, t) || bpf_map_update_elem(&exec_stops, &tgid, &start, BPF_ANY)) {
		count(EXEC_NO_STOP);
		return;
	}
	if (stop_tell(p, start) && !bpf_send_signal(SIGSTOP)) {
		count(EXEC_STOPPED);
		return;
	}
	bpf_map_delete_elem(&exec_stops, &tgid);
	count(EXEC_NO_STOP);
}

#endif
