// SPDX-License-Identifier: Apache-2.0
/*
 * Who runs a file that was not judged when it began, and scripts where the kernel cannot see them
 * opened. Flows in: execs, and files as they are judged. Flows out: SIGKILL by pidfd, to the very
 * process (pid and start time) that began it; a denial for the record, which says that it came after
 * the effect; and, for model-made rules, what is forbidden below a process.
 *
 * What the kernel refused by itself is not looked at again: it has the file, or the path as it was
 * given, under the rules in force. SUSPECTS_MAX at a time; the oldest make room.
 */
#include "exec_gate_int.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "agent/procinfo.h"
#include "base/cleanup.h"
#include "base/log.h"

#define PROCS_MAX 16384

static uint64_t ticks(uint64_t ns)
{
	return ns / KRULE_TICK_NS;
}

/* As lib/exec.h does for the calling process. */
uint64_t late_who(const struct exec_gate *g, uint32_t pid, uint64_t start_ns, uint32_t uid,
		  uint64_t *ret_forbidden)
{
	uint64_t user = g->rules.any_user, tree = g->rules.any_tree;
	struct tree_value t;
	struct proc_mark m;

	*ret_forbidden = 0;
	for (unsigned i = 0; i < g->users; i++)
		if (g->user[i].uid == uid)
			user |= g->user[i].rules;
	if (!bpf_map_lookup_elem(g->marks_fd, &pid, &m) && m.marks & MARK_AI_TREE &&
	    m.ticks == ticks(start_ns))
		tree |= g->rules.in_tree;
	if (!bpf_map_lookup_elem(g->trees_fd, &pid, &t) && t.start_ticks == ticks(start_ns) &&
	    t.generation == g->rules.generation && (!t.until_ns || t.until_ns > exec_now())) {
		*ret_forbidden = t.exec_rules & ~tree;
		tree |= t.exec_rules;
	}
	return user & tree & g->rules.all;
}

static bool end_process(uint32_t pid, uint64_t start_ns)
{
	_cleanup_close_ int fd = pidfd_open(pid, 0);
	struct role_proc p;

	return fd >= 0 && !procinfo_read(pid, &p) && ticks(p.start_ns) == ticks(start_ns) &&
	       !pidfd_send_signal(fd, SIGKILL, NULL, 0);
}

struct late {
	uint32_t pid, uid;
	uint64_t start_ns, dev, ino, rules;
	bool script;
	const char *what;
};

static void act(struct exec_gate *g, const struct late *l)
{
	uint64_t forbidden, bits = l->rules & late_who(g, l->pid, l->start_ns, l->uid, &forbidden);
	uint64_t refuse = bits & (g->rules.deny | g->rules.kill), would = bits & g->rules.watch;
	struct event_deny d = {
		.h = {.version = EVENT_VERSION,
		      .kind = EVENT_DENY,
		      .len = sizeof(d),
		      .boot_ns = exec_now(),
		      .start_ns = l->start_ns,
		      .pid = l->pid,
		      .tid = l->pid,
		      .uid = l->uid},
		.rules = refuse ?: would,
		.policy = g->rules.generation,
		.count = 1,
		.dev = l->dev,
		.ino = l->ino,
		.hook = l->script ? GATE_AT_SCRIPT : GATE_AT_EXEC,
		.evidence = bits & forbidden ? GATE_BY_TREE : GATE_BY_FILE,
		.watched = !refuse,
	};

	if (!d.rules || l->pid <= 1 || g->s.ours(g->s.ctx, l->pid))
		return;
	if (!refuse || g->s.monitor) {
		d.watched = 1;
		g->count.late_would++;
	} else if (end_process(l->pid, l->start_ns)) {
		d.mechanism = GATE_PIDFD;
		g->count.late_kills++;
	} else { /* it had ended: GATE_NONE, nothing was stopped */
		g->count.late_failed++;
	}
	snprintf(d.what, sizeof(d.what), "%s", l->what);
	g->s.tell(g->s.ctx, ROLE_FOLDED, &d, sizeof(d));
}

static void judge(struct exec_gate *g, const struct suspect *s)
{
	const struct xfile *f = s->file;
	uint64_t forbidden, who = late_who(g, s->pid, s->start_ns, s->uid, &forbidden);

	/* The kernel had its verdict, by what it knew of the generation before. */
	if (!s->script && s->stale & who & (g->now.deny | g->now.kill))
		return;
	act(g, &(struct late){.pid = s->pid,
			      .uid = s->uid,
			      .start_ns = s->start_ns,
			      .dev = f->key.dev,
			      .ino = f->key.ino,
			      .rules = f->rules,
			      .script = s->script,
			      .what = f->path});
	if (s->script && s->as_given.path[0])
		xpath_seen(g, s->file, &s->as_given);
}

void late_suspect(struct exec_gate *g, const struct role_proc *p, struct xfile *f, bool script,
		  const struct exec_path *as_given)
{
	struct suspect s = {.pid = p->pid,
			    .uid = p->uid,
			    .start_ns = p->start_ns,
			    .file = f,
			    .stale = f->stale,
			    .script = script};

	if (as_given)
		s.as_given = *as_given;
	if (!xfile_is_judged(g, f)) {
		g->suspect[g->suspects++ % SUSPECTS_MAX] = s;
		if (f->looked)
			xfile_queue(g, f);
		return;
	}
	/* The kernel had its verdict. */
	if (!script || exec_hooks_opens(g->hooks) || (as_given && xpath_known(g, as_given)))
		return;
	judge(g, &s);
}

void late_judged(struct exec_gate *g, struct xfile *f)
{
	for (unsigned i = 0; i < SUSPECTS_MAX; i++) {
		struct suspect s = g->suspect[i];

		if (!s.pid || s.file != f)
			continue;
		g->suspect[i].pid = 0;
		judge(g, &s);
	}
}

void late_package(struct exec_gate *g, const struct asked *a, uint64_t rules)
{
	struct role_proc p;

	if (!rules || procinfo_read(a->pid, &p) || ticks(p.start_ns) != ticks(a->start_ns))
		return;
	act(g, &(struct late){.pid = a->pid,
			      .uid = p.uid,
			      .start_ns = a->start_ns,
			      .rules = rules & ~g->rules.allowlist,
			      .script = true,
			      .what = a->package});
}

/* --- trees ------------------------------------------------------------------------------------------ */

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

int exec_gate_tree(struct exec_gate *g, const struct role_tree *t)
{
	struct tree_value value = {.start_ticks = ticks(t->start_ns),
				   .exec_rules = t->exec_rules,
				   .connect_rules = t->connect_rules,
				   .generation = t->generation,
				   .until_ns = t->until_ns};
	_cleanup_free_ struct line *v = NULL;
	size_t n;

	if (t->pid <= 1 || g->s.ours(g->s.ctx, t->pid))
		return -EPERM;
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
		value.start_ticks = ticks(t->start_ns);
	}
	return 0;
}
