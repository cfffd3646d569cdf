// SPDX-License-Identifier: Apache-2.0
/*
 * What the worker says of a process, and what becomes of its probes. Flows in: ROLE_WATCH. Flows
 * out: who keeps probes, gets them back or loses them; marks of AI tools and of what is below them.
 *
 * The worker may be wrong or taken over: it can make us attach and detach, at 10 ms each and at most
 * as fast as it can write, and mark a tree as AI; it cannot name a file or a site.
 */
#include <dirent.h>
#include <stdlib.h>

#include "agent/attach/attach_int.h"
#include "base/cleanup.h"

#define FREE_MS 1000  /* a judged flight goes on with its next retransmission */
#define BUSY_JUDGED 3 /* judged names in BUSY_WINDOW_MS: a busy client */
#define BUSY_WINDOW_MS 60000
#define BUSY_MS 600000

struct relative {
	pid_t pid, parent;
	bool below;
};

static int by_pid(const void *a, const void *b)
{
	const struct relative *x = a, *y = b;

	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

static unsigned read_relatives(struct relative *all, unsigned room)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	unsigned n = 0;

	while (d && n < room && (e = readdir(d)))
		if (e->d_name[0] >= '0' && e->d_name[0] <= '9') {
			all[n].pid = atoi(e->d_name);
			n += process_start(all[n].pid, &all[n].parent) != 0;
		}
	if (d)
		closedir(d);
	qsort(all, n, sizeof(*all), by_pid);
	return n;
}

/* Those that are below `top` already; later ones get its mark in the kernel, at their fork. */
static void mark_below(struct attach *a, pid_t top, uint32_t marks)
{
	_cleanup_free_ struct relative *all = calloc(TARGETS_MAX, sizeof(*all));
	unsigned n = all ? read_relatives(all, TARGETS_MAX) : 0;

	for (bool more = n; more;) {
		more = false;
		for (unsigned i = 0; i < n; i++) {
			struct relative key = {.pid = all[i].parent}, *up;

			up = bsearch(&key, all, n, sizeof(*all), by_pid);
			if (all[i].below || (all[i].parent != top && (!up || !up->below)))
				continue;
			all[i].below = more = true;
		}
	}
	for (unsigned i = 0; i < n; i++) {
		struct target *t = all[i].below ? process_get(a, all[i].pid) : NULL;

		if (t && (t->marks & marks) != marks) {
			t->marks |= marks;
			process_mark(a, t);
		}
	}
}

static void on_ai(struct attach *a, struct target *t)
{
	bool marked = t->marks & MARK_AI_TREE;

	if (t->keep == KEEP_AI && marked)
		return;
	t->keep = KEEP_AI;
	t->free_ms = 0;
	t->marks |= MARK_AI_TREE;
	process_mark(a, t);
	a->s.marked(a->s.ctx);
	if (!marked)
		mark_below(a, t->pid, MARK_AI_TREE);
	if (t->state != PROBES_IN_PLACE)
		process_queue(a, t, true);
}

static void on_client(struct attach *a, struct target *t)
{
	if (t->keep == KEEP_AI || t->keep == KEEP_CLIENT)
		return;
	t->keep = KEEP_CLIENT;
	if (t->state != PROBES_IN_PLACE)
		process_queue(a, t, true);
}

/* Its flight is held, and need not be. */
static void let_go(struct attach *a, struct target *t)
{
	uint64_t now = boot_ms();

	if (now - t->judged_ms > BUSY_WINDOW_MS) {
		t->judged_ms = now;
		t->judged = 0;
	}
	if (++t->judged >= BUSY_JUDGED) {
		t->keep = KEEP_BUSY;
		t->until_ms = now + BUSY_MS;
		process_queue(a, t, true);
		return;
	}
	t->free_ms = now + FREE_MS;
	process_mark(a, t);
}

static void on_not_ai(struct attach *a, struct target *t)
{
	bool waits;

	if (t->keep == KEEP_AI || t->keep == KEEP_BUSY || a->s.all)
		return;
	waits = t->held || t->state == PROBES_REMOVED || t->state == PROBES_COMING;
	process_strip(a, t, KEEP_NOT, "did not talk to AI");
	if (waits)
		let_go(a, t);
}

void attach_watch(struct attach *a, const struct role_watch *w)
{
	struct target *t = process_get(a, w->pid);

	if (!t || !same_start(t->start_ns, w->start_ns))
		return;
	t->word_ms = boot_ms();
	t->hellos += w->name[0] != '\0';
	if (w->evidence == WATCH_AI)
		on_ai(a, t);
	else if (w->evidence == WATCH_CLIENT)
		on_client(a, t);
	else
		on_not_ai(a, t);
}
