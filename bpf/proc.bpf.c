// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * Who: processes begin, start images, and end. Raw tracepoints, because they exist on every
 * kernel we support and need neither kprobes nor fentry.
 *
 * exec goes to the worker (in order before any byte of the new image, so that a process which is
 * gone before anyone reads /proc is still known by path, argv and user) and to the keeper (which
 * adds what only /proc and the user database tell). The arguments were just written to the new
 * stack, so reading them does not fault; where it does the record has none and says so.
 */
#include "lib/bound.h"
#include "lib/emit.h"
#include "maps_gate.h"

#define EEXIST 17

char LICENSE[] SEC("license") = "GPL"; /* the one of our two that the kernel asks for */

static __always_inline void fill(struct event_exec *e, struct task_struct *t)
{
	e->ppid = BPF_CORE_READ(t, real_parent, tgid);
	e->loginuid = (__u32)-1;
	if (bpf_core_field_exists(t->loginuid))
		e->loginuid = BPF_CORE_READ(t, loginuid.val);
	e->gid = bpf_get_current_uid_gid() >> 32;
	e->argv_len = 0;
	e->filename[0] = 0;
	bpf_get_current_comm(e->comm, sizeof(e->comm));
}

static __always_inline void read_argv(struct event_exec *e, struct task_struct *t)
{
	__u64 from = BPF_CORE_READ(t, mm, arg_start), to = BPF_CORE_READ(t, mm, arg_end);
	__u64 n = to - from;

	if (to <= from)
		return;
	BOUND(n, EVENT_ARGV_MAX);
	if (bpf_probe_read_user(e->text, n, (void *)from))
		drop(DROP_ARGV);
	else
		e->argv_len = n;
}

static __always_inline void exec_to(void *map, bool to_keeper, struct task_struct *t,
				    const char *filename)
{
	const __u32 size = sizeof(struct event_exec) + EVENT_ARGV_MAX;
	struct event_exec *e = bpf_ringbuf_reserve(map, size, 0);

	if (!e) {
		drop(to_keeper ? DROP_CTL_FULL : DROP_RING_FULL);
		return;
	}
	head(&e->h, EVENT_EXEC, size);
	e->h.start_ns = task_start(t);
	fill(e, t);
	bpf_probe_read_kernel_str(e->filename, sizeof(e->filename), filename);
	read_argv(e, t);
	if (to_keeper)
		bpf_ringbuf_submit(e, 0);
	else
		commit(e);
}

SEC("raw_tp/sched_process_exec")
int proc_exec(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *t = (void *)ctx->args[0];
	struct linux_binprm *bprm = (void *)ctx->args[2];
	const char *filename = BPF_CORE_READ(bprm, filename);
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	__u64 now = bpf_ktime_get_boot_ns();

	/* What was known of its probes is known of the image before. */
	bpf_map_update_elem(&proc_execs, &pid, &now, BPF_ANY);
	exec_to(&events, false, t, filename);
	exec_to(&control, true, t, filename);
	return 0;
}

/* What a model's tool call has forbidden to a process holds for those it makes. */
static __always_inline void spread_tree(struct task_struct *child, __u32 pid, __u32 parent)
{
	struct tree_value *above = bpf_map_lookup_elem(&trees, &parent), below;

	if (!above)
		return;
	below = *above;
	below.start_ticks = BPF_CORE_READ(child, start_boottime) / KRULE_TICK_NS;
	bpf_map_update_elem(&trees, &pid, &below, BPF_ANY);
}

/* A process with probes made another: those that are by process do not cover it. */
static __always_inline void fork_to_keeper(struct task_struct *child, __u32 pid, __u32 parent)
{
	struct event_exec *e = bpf_ringbuf_reserve(&control, sizeof(*e), 0);

	if (!e) {
		drop(DROP_CTL_FULL);
		return;
	}
	head(&e->h, EVENT_FORK, sizeof(*e));
	fill(e, child);
	e->h.pid = pid;
	e->h.tid = pid;
	e->h.start_ns = BPF_CORE_READ(child, start_boottime);
	e->ppid = parent;
	bpf_ringbuf_submit(e, 0);
}

SEC("raw_tp/sched_process_fork")
int proc_fork(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *parent = (void *)ctx->args[0], *child = (void *)ctx->args[1];
	__u32 pid = BPF_CORE_READ(child, tgid), ptgid = BPF_CORE_READ(parent, tgid);
	struct event_exec *e;
	struct krule_proc *parents, rules;
	struct proc_mark *mark, below = {};

	if (pid != BPF_CORE_READ(child, pid))
		return 0; /* a thread */
	parents = bpf_map_lookup_elem(&krule_procs, &ptgid);
	if (parents) {
		rules = *parents;
		rules.ticks = BPF_CORE_READ(child, start_boottime) / KRULE_TICK_NS;
		bpf_map_update_elem(&krule_procs, &pid, &rules, BPF_ANY);
	}
	mark = bpf_map_lookup_elem(&proc_marks, &ptgid);
	if (mark && mark->marks) { /* of its probes nothing is known yet */
		below.marks = mark->marks;
		below.ticks = BPF_CORE_READ(child, start_boottime) / KRULE_TICK_NS;
		bpf_map_update_elem(&proc_marks, &pid, &below, BPF_ANY);
	}
	spread_tree(child, pid, ptgid);
	if (mark && mark->probes == PROBES_IN_PLACE)
		fork_to_keeper(child, pid, ptgid);
	e = reserve(sizeof(*e));
	if (!e)
		return 0;
	head(&e->h, EVENT_FORK, sizeof(*e));
	fill(e, child);
	e->h.pid = pid;
	e->h.tid = pid;
	e->h.start_ns = BPF_CORE_READ(child, start_boottime);
	e->ppid = ptgid;
	commit(e);
	return 0;
}

/* Processes whose end was told, for as long as their last threads need. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct conn_key);
	__type(value, __u8);
} ended SEC(".maps");

/* When two threads end at once, both see that none is left. */
static __always_inline bool told_already(struct task_struct *t, __u32 tgid)
{
	struct conn_key k = {.tgid = tgid, .start = task_start(t) >> 20};
	__u8 one = 1;

	/* An int: before 6.4 the upper half of what map operations return is zero. */
	return (int)bpf_map_update_elem(&ended, &k, &one, BPF_NOEXIST) == -EEXIST;
}

/* A write of this thread that waits for a verdict, by being made again or because its process was
 * stopped, will not be made. One that the keeper has let go on is not ours to end. */
static __always_inline void gate_exit(__u32 tid)
{
	struct call *c = bpf_map_lookup_elem(&calls, &tid);
	struct gate_wait_key k = {};
	struct event_gate_end *e;
	struct gate_waiter *g;

	if (!c || !c->hold.seq)
		return;
	k.seq = c->hold.seq;
	g = bpf_map_lookup_elem(&gate_waits, &k);
	if (c->hold.how == GATE_STOPPED && (!g || g->answered))
		return;
	bpf_map_delete_elem(&gate_waits, &k);
	e = reserve(sizeof(*e));
	if (!e)
		return;
	__builtin_memset(e, 0, sizeof(*e));
	head(&e->h, EVENT_GATE_END, sizeof(*e));
	e->h.conn = c->hold.conn;
	e->h.start_ns = c->hold.start_ns;
	e->seq = c->hold.seq;
	e->waited_ns = bpf_ktime_get_ns() - c->hold.since_ns;
	e->verdict = GATE_TIMEOUT;
	e->refused = 1; /* by its own end */
	commit(e);
}

SEC("raw_tp/sched_process_exit")
int proc_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *t = (void *)ctx->args[0];
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	__u32 flags = 0;
	struct event *e;
	int code;

	gate_exit(tid);
	bpf_map_delete_elem(&calls, &tid);
	if (BPF_CORE_READ(t, signal, live.counter) != 0)
		return 0; /* other threads go on */
	code = BPF_CORE_READ(t, signal, group_exit_code) ?: BPF_CORE_READ(t, exit_code);
	if ((code & 0x7f) == SIGKILL)
		flags = EVENT_F_SIGKILL;
	tid = bpf_get_current_pid_tgid() >> 32;
	if (told_already(t, tid))
		return 0;
	bpf_map_delete_elem(&krule_procs, &tid);
	bpf_map_delete_elem(&proc_marks, &tid);
	bpf_map_delete_elem(&proc_execs, &tid);
	bpf_map_delete_elem(&trees, &tid);
	e = reserve(sizeof(*e));
	if (e) {
		head(e, EVENT_EXIT, sizeof(*e));
		e->flags = flags;
		e->start_ns = task_start(t);
		commit(e);
	}
	e = bpf_ringbuf_reserve(&control, sizeof(*e), 0);
	if (!e) {
		drop(DROP_CTL_FULL);
		return 0;
	}
	head(e, EVENT_EXIT, sizeof(*e));
	e->start_ns = task_start(t);
	bpf_ringbuf_submit(e, 0);
	return 0;
}
