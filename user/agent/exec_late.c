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

uint64_t exec_ticks(uint64_t ns)
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
	    m.ticks == exec_ticks(start_ns))
		tree |= g->rules.in_tree;
	if (!bpf_map_lookup_elem(g->trees_fd, &pid, &t) && t.start_ticks == exec_ticks(start_ns) &&
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

	return fd >= 0 && !procinfo_read(pid, &p) &&
	       exec_ticks(p.start_ns) == exec_ticks(start_ns) &&
	       !pidfd_send_signal(fd, SIGKILL, NULL, 0);
}

/* As in bpf/maps_gate.h. */
struct fold_key {
	uint64_t subject, rules;
	uint32_t tgid;
	uint16_t hook, mechanism;
};
struct fold {
	uint64_t count, seen_ns;
	struct event_deny last;
};

/* Whether the kernel refused this process something by one of these rules: then that is in a record. */
static bool was_refused(const struct exec_gate *g, const struct late *l, uint64_t rules)
{
	struct fold_key key, next, *at = NULL;
	struct fold f;

	while (!bpf_map_get_next_key(g->folds_fd, at, &next)) {
		key = next;
		at = &key;
		if (key.tgid == l->pid && key.rules & rules && key.hook <= GATE_AT_SCRIPT &&
		    !bpf_map_lookup_elem(g->folds_fd, &key, &f) &&
		    exec_ticks(f.last.h.start_ns) == exec_ticks(l->start_ns))
			return true;
	}
	return false;
}

void late_act(struct exec_gate *g, const struct late *l)
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
		.evidence = bits & forbidden ? GATE_BY_TREE
			    : l->named	     ? GATE_BY_NAME
					     : GATE_BY_FILE,
		.watched = !refuse,
	};

	if (!d.rules || l->pid <= 1 || g->s.ours(g->s.ctx, l->pid))
		return;
	if (!refuse || g->s.monitor) {
		d.watched = 1;
		g->count.late_would++;
	} else if (!l->stopped && was_refused(g, l, refuse)) {
		return; /* it may not be reaped yet */
	} else if (end_process(l->pid, l->start_ns)) {
		d.mechanism = l->stopped ? GATE_STOP_EXEC : GATE_PIDFD;
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
	late_act(g, &(struct late){.pid = s->pid,
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

	if (rules & ~g->rules.allowlist) /* the next is not late */
		xname_seen(g, a->package, "", NULL);
	if (!rules || procinfo_read(a->pid, &p) ||
	    exec_ticks(p.start_ns) != exec_ticks(a->start_ns))
		return;
	late_act(g, &(struct late){.pid = a->pid,
				   .uid = p.uid,
				   .start_ns = a->start_ns,
				   .rules = rules & ~g->rules.allowlist,
				   .script = true,
				   .named = true,
				   .what = a->package});
}
