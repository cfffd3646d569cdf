/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Which kernel rules concern a process and a set of host rules, and what they do before a write:
 * at a connection, a ClientHello, a QUIC Initial. What is decided by content is the write gate's.
 */
#ifndef PROBITY_BPF_KRULE_H
#define PROBITY_BPF_KRULE_H

#include "../maps_gate.h"
#include "emit.h"

#define KRULE_CHANGE_NS 500000000ull

struct krule_who {
	__u64 start_ns;
	__u32 tgid, uid;
};

static __always_inline struct krule_do *krule_does(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&krule_todo, &zero);
}

/* The agent, pid 1, and what no pack can refuse: by its file, as the keeper found it. */
static __always_inline bool krule_exempt(struct task_struct *t, __u32 tgid)
{
	struct inode *file = BPF_CORE_READ(t, mm, exe_file, f_inode);
	struct shared *s = shared_of();
	struct exec_value *v;
	struct exec_key k;

	for (int i = 0; s && i < 8; i++)
		if (s->self[i] == tgid)
			return true;
	if (tgid <= 1 || !file)
		return true; /* kernel threads have no file */
	k.ino = BPF_CORE_READ(file, i_ino);
	k.dev = BPF_CORE_READ(file, i_sb, s_dev);
	v = bpf_map_lookup_elem(&exec_files, &k);
	return v && v->flags & EXEC_ALWAYS;
}

/* Rules that concern this process, whatever the host: by tool or by what a model's tool call has
 * forbidden to its tree, and by user. */
static __always_inline __u64 krule_mine(const struct krule_who *w, const struct shared *s)
{
	struct krule_proc *tool = bpf_map_lookup_elem(&krule_procs, &w->tgid);
	struct tree_value *tree = bpf_map_lookup_elem(&trees, &w->tgid);
	__u64 *user = bpf_map_lookup_elem(&krule_users, &w->uid);
	__u64 ticks = w->start_ns / KRULE_TICK_NS, tools = s->krule.tool, below = 0;

	if (tool && tool->ticks == ticks && tool->generation == s->krule.generation)
		tools |= tool->rules;
	if (tree && tree->start_ticks == ticks && tree->generation == s->krule.generation &&
	    (!tree->until_ns || tree->until_ns > bpf_ktime_get_boot_ns()))
		below = tree->connect_rules; /* whoever the user is */
	return s->krule.all & ((tools & (s->krule.user | (user ? *user : 0))) | below);
}

/* A socket that was refused: none of its packets leaves, and from now on all are looked up. A count, so
 * that the keeper, which takes it back when no such socket is left, sees one that came meanwhile; and
 * counted before as well, because who closes a socket looks for its mark only while there are any. */
static __always_inline bool refuse_socket(struct shared *s, __u64 cookie)
{
	__u32 deny = SOCK_DENY;

	bool marked;

	__sync_fetch_and_add(&s->denied, 1);
	marked = !bpf_map_update_elem(&sock_verdicts, &cookie, &deny, BPF_ANY);
	__sync_fetch_and_add(&s->denied, 1);
	return marked;
}

/* While the keeper changes the rules nothing is known of them; it takes some milliseconds. */
static __always_inline bool krule_changes(const struct shared *s)
{
	return !s->krule.all && s->changing_ns &&
	       bpf_ktime_get_boot_ns() - s->changing_ns < KRULE_CHANGE_NS;
}

#endif
