// SPDX-License-Identifier: Apache-2.0
/*
 * What a model's tool call has forbidden below its agent. Flows in: the worker's word (ROLE_TREE), and
 * each exec as the kernel tells it. Flows out: entries of `trees`, for the processes that are there (the
 * fork hook spreads them to those to come); SIGKILL or a record for what was quicker.
 *
 * The agent may have begun the tool before this came: what was run below it since the model asked
 * (since_ns) is looked at once the marks are in place, by the last RECENT_MAX execs. What the kernel
 * refused meanwhile is in a record already; what had ended is recorded as not stopped.
 */
#include "exec_gate_int.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

#define PROCS_MAX 16384

static struct tree_value value_of(const struct role_tree *t)
{
	return (struct tree_value){.start_ticks = exec_ticks(t->start_ns),
				   .exec_rules = t->exec_rules,
				   .connect_rules = t->connect_rules,
				   .generation = t->generation,
				   .until_ns = t->until_ns};
}

struct line {
	uint32_t pid, ppid;
	uint64_t start_ticks;
	bool below;
};

static bool read_line(uint32_t pid, struct line *ret)
{
	_cleanup_fclose_ FILE *f = NULL;
	char path[64], text[1024];
	unsigned long long start;
	const char *at;
	int ppid;

	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	f = fopen(path, "re");
	at = f && fgets(text, sizeof(text), f) ? strrchr(text, ')') : NULL;
	if (!at || sscanf(at + 2,
			  "%*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d "
			  "%*d %*d %*d %llu",
			  &ppid, &start) != 2)
		return false;
	*ret = (struct line){.pid = pid, .ppid = ppid};
	ret->start_ticks = start * (1000000000ull / sysconf(_SC_CLK_TCK)) / KRULE_TICK_NS;
	return true;
}

static size_t read_all(struct line *v)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	size_t n = 0;

	while (d && n < PROCS_MAX && (e = readdir(d)))
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9' && read_line(atoi(e->d_name), &v[n]))
			n++;
	if (d)
		closedir(d);
	return n;
}

/* Children that were made before; those made from now on get it at the fork. */
static size_t mark_below(struct line *v, size_t n, uint32_t pid)
{
	size_t marked = 0;
	bool more = true;

	for (size_t i = 0; i < n; i++)
		v[i].below = v[i].pid == pid;
	while (more) {
		more = false;
		for (size_t i = 0; i < n; i++)
			for (size_t k = 0; k < n && !v[i].below; k++)
				if (v[k].below && v[k].pid == v[i].ppid &&
				    v[k].start_ticks <= v[i].start_ticks)
					more = v[i].below = true;
	}
	for (size_t i = 0; i < n; i++)
		marked += v[i].below;
	return marked;
}

/* --- what was quicker ---------------------------------------------------------------------------- */

void recent_settled(struct exec_gate *g, uint32_t pid, uint64_t start_ns)
{
	for (unsigned i = 0; i < RECENT_MAX; i++)
		if (g->recent[i].pid == pid &&
		    exec_ticks(g->recent[i].start_ns) == exec_ticks(start_ns))
			g->recent[i].pid = 0;
}

static void judge_recent(struct exec_gate *g, const struct recent *r, struct xfile *f, bool script)
{
	if (!f || !xfile_is_judged(g, f) || !(f->rules & g->rules.then_exec))
		return;
	late_act(g, &(struct late){.pid = r->pid,
				   .uid = r->uid,
				   .start_ns = r->start_ns,
				   .dev = f->key.dev,
				   .ino = f->key.ino,
				   .rules = f->rules & g->rules.then_exec,
				   .script = script,
				   .what = f->path});
}

/* Who has ended by now is in no list: its mark is made here, so that it is judged like the others. */
static void mark_ended(struct exec_gate *g, const struct recent *r, const struct line *v, size_t n,
		       struct tree_value value)
{
	value.start_ticks = exec_ticks(r->start_ns);
	for (size_t i = 0; i < n; i++)
		if (v[i].pid == r->pid && v[i].start_ticks == value.start_ticks)
			return;
	bpf_map_update_elem(g->trees_fd, &r->pid, &value, BPF_ANY);
}

/* The worker's word may come before the kernel's on the exec: both ways are looked at. */
static void look_at_trees(struct exec_gate *g, struct recent *r)
{
	struct tree_value of_parent, value;

	for (unsigned i = 0; i < TREES_MAX && r->pid; i++) {
		const struct role_tree *t = &g->tree[i];

		if (!t->pid || !t->since_ns || t->generation != g->rules.generation ||
		    r->exec_ns < t->since_ns || r->pid == t->pid)
			continue;
		if (r->ppid == t->pid)
			value = value_of(t);
		else if (!bpf_map_lookup_elem(g->trees_fd, &r->ppid, &of_parent))
			value = of_parent;
		else
			continue;
		mark_ended(g, r, NULL, 0, value);
		judge_recent(g, r, r->file, false);
		judge_recent(g, r, r->script, true);
		r->pid = 0;
	}
}

void recent_add(struct exec_gate *g, const struct role_proc *p, struct xfile *file,
		struct xfile *script)
{
	struct recent *r = &g->recent[g->recents % RECENT_MAX];
	uint64_t exec_ns = exec_now();

	if (!g->rules.then_exec)
		return;
	bpf_map_lookup_elem(g->execs_fd, &p->pid, &exec_ns);
	g->recents++;
	*r = (struct recent){.pid = p->pid,
			     .ppid = p->ppid,
			     .uid = p->uid,
			     .start_ns = p->start_ns,
			     .exec_ns = exec_ns,
			     .file = file,
			     .script = script};
	if (!g->s.monitor && ((file && file->rules & g->rules.then_exec) ||
			      (script && script->rules & g->rules.then_exec)))
		look_at_trees(g, r);
}

static bool is_below(const struct line *v, size_t n, const struct exec_gate *g, uint32_t pid,
		     const struct role_tree *t)
{
	for (int depth = 0; depth < 32 && pid > 1; depth++) {
		uint32_t above = 0;

		if (pid == t->pid)
			return true;
		for (size_t i = 0; i < n; i++)
			if (v[i].pid == pid)
				return v[i].below;
		for (unsigned i = 0; i < RECENT_MAX; i++)
			if (g->recent[i].pid == pid)
				above = g->recent[i].ppid;
		pid = above;
	}
	return false;
}

/* What was run before the model asked is not meant. */
static void look_at_recent(struct exec_gate *g, const struct role_tree *t, const struct line *v,
			   size_t n, const struct tree_value *value)
{
	for (unsigned i = 0; i < RECENT_MAX; i++) {
		struct recent *r = &g->recent[i];

		if (!r->pid || !t->since_ns || r->exec_ns < t->since_ns || r->pid == t->pid ||
		    !is_below(v, n, g, r->pid, t))
			continue;
		mark_ended(g, r, v, n, *value);
		judge_recent(g, r, r->file, false);
		judge_recent(g, r, r->script, true);
		r->pid = 0;
	}
}

int exec_gate_tree(struct exec_gate *g, const struct role_tree *t)
{
	struct tree_value value = value_of(t);
	_cleanup_free_ struct line *v = NULL;
	size_t n;

	if (t->pid <= 1 || g->s.ours(g->s.ctx, t->pid))
		return -EPERM;
	g->tree[g->trees++ % TREES_MAX] = *t;
	/* First itself: what it makes from here on has it. */
	bpf_map_update_elem(g->trees_fd, &t->pid, &value, BPF_ANY);
	v = calloc(PROCS_MAX, sizeof(*v));
	if (!v)
		return 0;
	n = read_all(v);
	mark_below(v, n, t->pid);
	for (size_t i = 0; i < n; i++) {
		bool self = v[i].pid == t->pid;

		if (!v[i].below || (self && v[i].start_ticks == value.start_ticks))
			continue;
		if (self) { /* another process by now */
			bpf_map_delete_elem(g->trees_fd, &t->pid);
			return 0;
		}
		if (g->s.ours(g->s.ctx, v[i].pid))
			continue;
		value.start_ticks = v[i].start_ticks;
		bpf_map_update_elem(g->trees_fd, &v[i].pid, &value, BPF_ANY);
		value.start_ticks = exec_ticks(t->start_ns);
	}
	if (!g->s.monitor)
		look_at_recent(g, t, v, n, &value);
	return 0;
}
