/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What the exec rules say of one file for the calling process. In: an inode, and who runs it. Out: the
 * bits that refuse. The file's part of it was worked out in user space for one generation of the file
 * (device, inode, size, time of change): another is a file nobody has looked at, of which only the
 * rules in `closed` say anything, and those that refused the generation before. A file without a name
 * (memfd, deleted) is on no list.
 */
#ifndef PROBITY_BPF_EXEC_H
#define PROBITY_BPF_EXEC_H

#include "deny.h"

#define EACCES 13
#define PROT_EXEC 4
#define S_IWGRP_OTH 022
#define CTIME_NSEC 0x7fffffff /* the highest bit is the kernel's own, since 6.13 */

/* What exec.bpf.c did; index of `exec_counts`. */
enum exec_count {
	EXEC_CHECKED,
	EXEC_UNKNOWN, /* files nobody had looked at */
	EXEC_WAITED,  /* ... and the exec waited for the keeper */
	EXEC_EXPIRED, /* ... in vain */
	EXEC_REFUSED,
	EXEC_WOULD, /* monitor mode */
	EXEC_NAMED, /* command lines that were read for names */
	EXEC_STOPPED,
	EXEC_NO_STOP, /* a terminal, a tracer, or no room to tell */
	EXEC_COUNT__MAX
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, EXEC_COUNT__MAX);
	__type(key, __u32);
	__type(value, __u64);
} exec_counts SEC(".maps");

static __always_inline void count(__u32 what)
{
	__u64 *n = bpf_map_lookup_elem(&exec_counts, &what);

	if (n)
		__sync_fetch_and_add(n, 1);
}

/* --- the file ---------------------------------------------------------------------------------- */

struct inode___before_6_6 {
	struct timespec64 i_ctime;
} __attribute__((preserve_access_index));
struct inode___before_6_11 {
	struct timespec64 __i_ctime;
} __attribute__((preserve_access_index));

#define BY_NAME (1u << 31) /* look.flags: a package or module, no file */

struct look {
	struct exec_key key;
	__u64 ctime_ns, size;
	__u64 bits;	 /* rules that name it, or named the generation before */
	__u64 forbidden; /* those that only a tool call of a model put in force here */
	__u32 flags;	 /* EXEC_*; 0 = nobody has looked at it */
	__u32 nlink, uid, mode;
	__u32 starts; /* its command line names what runs (names.h) */
};

static __always_inline __u64 ctime_of(struct inode *i)
{
	struct inode___before_6_6 *old = (void *)i;
	struct inode___before_6_11 *mid = (void *)i;

	if (bpf_core_field_exists(old->i_ctime))
		return BPF_CORE_READ(old, i_ctime.tv_sec) * 1000000000ull +
		       BPF_CORE_READ(old, i_ctime.tv_nsec);
	if (bpf_core_field_exists(mid->__i_ctime))
		return BPF_CORE_READ(mid, __i_ctime.tv_sec) * 1000000000ull +
		       (BPF_CORE_READ(mid, __i_ctime.tv_nsec) & CTIME_NSEC);
	return BPF_CORE_READ(i, i_ctime_sec) * 1000000000ull +
	       (BPF_CORE_READ(i, i_ctime_nsec) & CTIME_NSEC);
}

static __always_inline void look_at(struct look *l, struct file *f)
{
	struct inode *i = BPF_CORE_READ(f, f_inode);

	l->key.dev = BPF_CORE_READ(i, i_sb, s_dev);
	l->key.ino = BPF_CORE_READ(i, i_ino);
	l->ctime_ns = ctime_of(i);
	l->size = BPF_CORE_READ(i, i_size);
	l->nlink = BPF_CORE_READ(i, __i_nlink);
	l->uid = BPF_CORE_READ(i, i_uid.val);
	l->mode = BPF_CORE_READ(i, i_mode);
}

static __always_inline bool rules_of(const struct exec_rules_of of[2], __u64 generation, __u64 *ret)
{
	if (of[0].generation == generation)
		*ret = of[0].rules;
	else if (of[1].generation == generation)
		*ret = of[1].rules;
	else
		return false;
	return true;
}

static __noinline int find_file(struct look *l, __u64 generation)
{
	struct exec_value *v = l ? bpf_map_lookup_elem(&exec_files, &l->key) : NULL;

	if (!l || !v || !rules_of(v->of, generation, &l->bits))
		return 0;
	/* Touched, linked or written: what refused it refuses it until it was looked at again. */
	if (v->ctime_ns != l->ctime_ns || v->size != l->size)
		return 0;
	l->flags = v->flags;
	l->starts = v->starts;
	return 1;
}

/* --- who ---------------------------------------------------------------------------------------- */

/* The bits that hold for this user and this place in the process tree. */
static __noinline __u64 who_bits(const struct exec_settings *s, struct look *l)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32, uid = (__u32)bpf_get_current_uid_gid();
	__u64 ticks = task_start((void *)bpf_get_current_task()) / KRULE_TICK_NS;
	struct proc_mark *m = bpf_map_lookup_elem(&proc_marks, &tgid);
	struct tree_value *t = bpf_map_lookup_elem(&trees, &tgid);
	struct exec_user *u = bpf_map_lookup_elem(&exec_users, &uid);
	__u64 user = 0, tree;

	if (!s || !l)
		return 0;
	tree = s->any_tree;
	if (m && m->marks & MARK_AI_TREE && m->ticks == ticks)
		tree |= s->in_tree;
	if (t && t->start_ticks == ticks && t->generation == s->generation &&
	    (!t->until_ns || t->until_ns > bpf_ktime_get_boot_ns())) {
		l->forbidden = t->exec_rules & ~tree;
		tree |= t->exec_rules;
	}
	if (u)
		rules_of(u->of, s->generation, &user);
	return (user | s->any_user) & tree & s->all;
}

/* The agent repairs what is wrong with the rules, and the first process brings the host up and down. */
static __always_inline bool never(void)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct shared *sh = shared_of();

	if (tgid <= 1 || !sh)
		return true;
	for (int i = 0; i < 8; i++)
		if (sh->self[i] == tgid)
			return true;
	return false;
}

static __always_inline const struct exec_settings *settings(void)
{
	const struct exec_settings *s;
	__u32 zero = 0;

	s = bpf_map_lookup_elem(&exec_settings, &zero);
	return s && s->all ? s : NULL;
}

/* --- the verdict -------------------------------------------------------------------------------- */

/* Not in its callers: each has a frame nearly full. how: hook, mechanism << 16; 0 of those = watched. */
static __noinline int tell_refused(const struct look *l, __u64 rules, __u64 policy, __u32 how,
				   const void *path)
{
	__u32 mechanism = how >> 16;
	struct deny d;

	if (!l)
		return 0;
	d = (struct deny){
		.subject = l->key.ino ^ l->key.dev << 32,
		.rules = rules,
		.policy = policy,
		.dev = l->key.dev,
		.ino = l->key.ino,
		.hook = how & 0xffff,
		.mechanism = mechanism,
		.evidence = rules & l->forbidden ? GATE_BY_TREE
			    : l->flags & BY_NAME ? GATE_BY_NAME
						 : GATE_BY_FILE,
		.watched = !mechanism,
	};
	deny_me(&d);
	deny_tell(&d, path);
	count(mechanism ? EXEC_REFUSED : EXEC_WOULD);
	return 0;
}

/* bits: rules on this file for this process. The answer: whether it is refused. */
static __always_inline int verdict(const struct look *l, const struct exec_settings *s, __u64 bits,
				   __u32 hook, __u32 mechanism, const void *path)
{
	__u64 refuse = bits & (s->deny | s->kill), would = bits & s->watch & ~refuse;

	if (would && !refuse)
		tell_refused(l, would, s->generation, hook, path);
	if (!refuse)
		return 0;
	if (refuse & s->kill && mechanism != GATE_SIGNAL_EXEC && bpf_send_signal(SIGKILL))
		drop(DROP_SIGNAL);
	tell_refused(l, refuse, s->generation, hook | mechanism << 16, path);
	return 1;
}

/* Of a file in l: the bits of rules on it, for this process. */
static __always_inline __u64 bits_on(const struct look *l, const struct exec_settings *s, __u64 who)
{
	if (l->flags & EXEC_ALWAYS)
		return 0;
	if (l->flags)
		return l->bits & who;
	return who & (l->bits | s->closed | (l->nlink ? 0 : s->allowlist));
}

#endif
