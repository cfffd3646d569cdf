// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: exec, fork and exit in the order of the data ring, and the keeper's messages in any
 * order. Flows out: an answer to "who made this call", also for a process that is gone.
 *
 * Invariant: one entry per (pid, start). A dead one is kept for 30 s, for its children's ancestry
 * and for records still being made. Start times of /proc are in clock ticks (10 ms), the kernel's
 * in nanoseconds: compared in ticks. When the table is full, dead entries go first, then the oldest;
 * a call by an unknown process is recorded with what its events carry (pid, uid, cgroup).
 */
#include "procs.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

#define BUCKETS 8192
#define KEEP_DEAD_NS 30000000000ull
#define TICK_NS 10000000ull

struct procs {
	struct proc *bucket[BUCKETS];
	unsigned count;
};

struct procs *procs_new(void)
{
	return calloc(1, sizeof(struct procs));
}

void procs_free(struct procs *p)
{
	if (!p)
		return;
	for (unsigned b = 0; b < BUCKETS; b++)
		while (p->bucket[b]) {
			struct proc *e = p->bucket[b];

			p->bucket[b] = e->next;
			free(e);
		}
	free(p);
}

unsigned procs_count(const struct procs *p)
{
	return p->count;
}

struct proc *procs_find(const struct procs *p, uint32_t pid, uint64_t start_ns)
{
	struct proc *any = NULL;

	for (struct proc *e = p->bucket[pid % BUCKETS]; e; e = e->next) {
		if (e->pid != pid)
			continue;
		if (start_ns && e->start_ns / TICK_NS == start_ns / TICK_NS)
			return e;
		if (!start_ns && !e->dead_ns && !any)
			any = e;
	}
	return any;
}

static void unlink_entry(struct procs *p, struct proc *e)
{
	struct proc **at = &p->bucket[e->pid % BUCKETS];

	while (*at && *at != e)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = e->next;
	p->count--;
	free(e);
}

void procs_sweep(struct procs *p, uint64_t now_ns)
{
	for (unsigned b = 0; b < BUCKETS; b++)
		for (struct proc **at = &p->bucket[b], *e; (e = *at);) {
			if (!e->dead_ns || e->dead_ns + KEEP_DEAD_NS > now_ns) {
				at = &e->next;
				continue;
			}
			*at = e->next;
			p->count--;
			free(e);
		}
}

void procs_each(struct procs *p, void (*each)(void *ctx, struct proc *p), void *ctx)
{
	for (unsigned b = 0; b < BUCKETS; b++)
		for (struct proc *e = p->bucket[b]; e; e = e->next)
			if (!e->dead_ns)
				each(ctx, e);
}

/* Makes room: a dead entry, else the one that started first (it may be a ghost whose end was lost). */
static void drop_one(struct procs *p)
{
	struct proc *worst = NULL;

	for (unsigned b = 0; b < BUCKETS; b++)
		for (struct proc *e = p->bucket[b]; e; e = e->next)
			if (!worst || (!worst->dead_ns && e->dead_ns) ||
			    (!worst->dead_ns == !e->dead_ns && e->start_ns < worst->start_ns))
				worst = e;
	if (worst)
		unlink_entry(p, worst);
}

/* Text fields of an entry in the making. */
struct texts {
	const char *exe, *comm, *argv, *user, *login_user, *groups, *cgroup_path, *container;
	uint32_t argv_len, groups_len, named;
};

static const char *put(char **at, const char *s, size_t n)
{
	char *here = *at;

	memcpy(here, s, n);
	here[n] = '\0';
	*at += n + 1;
	return here;
}

/* Replaces `old` (or adds when NULL) by an entry with these texts and old's numbers. */
static struct proc *store(struct procs *p, struct proc *old, uint32_t pid, const struct texts *t)
{
	size_t n = strlen(t->exe) + strlen(t->comm) + t->argv_len + strlen(t->user) +
		   strlen(t->login_user) + t->groups_len + strlen(t->cgroup_path) +
		   strlen(t->container) + 8;
	struct proc *e = malloc(sizeof(*e) + n);
	char *at;

	if (!e)
		return NULL;
	*e = old ? *old : (struct proc){.pid = pid, .loginuid = (uint32_t)-1};
	at = e->text;
	e->exe = put(&at, t->exe, strlen(t->exe));
	e->comm = put(&at, t->comm, strlen(t->comm));
	e->argv = put(&at, t->argv, t->argv_len);
	e->user = put(&at, t->user, strlen(t->user));
	e->login_user = put(&at, t->login_user, strlen(t->login_user));
	e->groups = put(&at, t->groups, t->groups_len);
	e->cgroup_path = put(&at, t->cgroup_path, strlen(t->cgroup_path));
	e->container = put(&at, t->container, strlen(t->container));
	e->argv_len = t->argv_len;
	e->groups_len = t->groups_len;
	e->named = t->named;
	if (old)
		unlink_entry(p, old);
	else if (p->count >= PROCS_MAX)
		drop_one(p);
	e->next = p->bucket[pid % BUCKETS];
	p->bucket[pid % BUCKETS] = e;
	p->count++;
	return e;
}

static struct texts texts_of(const struct proc *e)
{
	return (struct texts){.exe = e->exe,
			      .comm = e->comm,
			      .argv = e->argv,
			      .user = e->user,
			      .login_user = e->login_user,
			      .groups = e->groups,
			      .cgroup_path = e->cgroup_path,
			      .container = e->container,
			      .argv_len = e->argv_len,
			      .groups_len = e->groups_len,
			      .named = e->named};
}

static const struct texts no_texts = {"", "", "", "", "", "", "", "", 0, 0, (uint32_t)-1};

/* What was told since the exec is of the new image already: messages may be ahead of the ring. */
static void new_image(struct proc_tls *t, uint64_t exec_ns)
{
	struct proc_tls told = *t;

	*t = (struct proc_tls){0};
	if (told.told_ns < exec_ns)
		return;
	t->since_ns = told.since_ns;
	t->told_ns = told.told_ns;
	t->state = told.state;
	memcpy(t->stacks, told.stacks, sizeof(t->stacks));
	memcpy(t->reason, told.reason, sizeof(t->reason));
}

struct proc *procs_exec(struct procs *p, const struct event_exec *ev, size_t n)
{
	struct proc *old = procs_find(p, ev->h.pid, ev->h.start_ns), *e;
	struct texts t = old ? texts_of(old) : no_texts;
	char exe[sizeof(ev->filename) + 1] = "", comm[sizeof(ev->comm) + 1] = "";

	memcpy(exe, ev->filename, sizeof(ev->filename));
	memcpy(comm, ev->comm, sizeof(ev->comm));
	t.exe = exe;
	t.comm = comm;
	if (n >= sizeof(*ev) && ev->argv_len <= n - sizeof(*ev)) {
		t.argv = ev->text;
		t.argv_len = ev->argv_len;
	}
	e = store(p, old, ev->h.pid, &t);
	if (!e)
		return NULL;
	e->start_ns = ev->h.start_ns;
	e->cgroup = ev->h.cgroup;
	e->uid = ev->h.uid;
	e->ppid = ev->ppid;
	e->loginuid = ev->loginuid;
	e->exe_sha256[0] = '\0';
	new_image(&e->tls, ev->h.boot_ns);
	e->full = false; /* the keeper's word on the new image is on its way */
	return e;
}

struct proc *procs_fork(struct procs *p, const struct event_exec *ev)
{
	struct proc *parent = procs_find(p, ev->ppid, 0), *e;
	struct texts t = parent ? texts_of(parent) : no_texts;
	bool full = parent && parent->full, tool = parent && parent->tls.tool;
	char sha256[65] = "";

	if (parent)
		memcpy(sha256, parent->exe_sha256, sizeof(sha256));
	e = store(p, procs_find(p, ev->h.pid, ev->h.start_ns), ev->h.pid, &t);
	if (!e)
		return NULL;
	e->start_ns = ev->h.start_ns;
	e->cgroup = ev->h.cgroup;
	e->uid = ev->h.uid;
	e->ppid = ev->ppid;
	e->loginuid = ev->loginuid;
	e->full = full;
	e->tls.tool |= tool; /* the same image */
	e->rules = 0;	     /* judged anew: what the kernel copied at the fork may be older */
	memcpy(e->exe_sha256, sha256, sizeof(sha256));
	return e;
}

struct proc *procs_told(struct procs *p, const struct role_proc *r)
{
	struct proc *old = procs_find(p, r->pid, r->start_ns), *e;
	struct texts t = {.exe = r->exe,
			  .comm = old ? old->comm : "",
			  .argv = r->argv,
			  .user = r->user,
			  .login_user = r->login_user,
			  .cgroup_path = r->cgroup_path,
			  .container = r->container,
			  .argv_len = r->argv_len,
			  .named = r->uid};
	char groups[sizeof(r->groups)];

	memcpy(groups, r->groups, sizeof(groups));
	t.groups = groups;
	t.groups_len = strlen(groups);
	for (char *s = groups; *s; s++)
		if (*s == ',')
			*s = '\0';
	e = store(p, old, r->pid, &t);
	if (!e)
		return NULL;
	if (!old)
		e->start_ns = r->start_ns;
	e->uid = r->uid;
	e->ppid = r->ppid;
	e->loginuid = r->loginuid;
	if (r->cgroup)
		e->cgroup = r->cgroup;
	memcpy(e->exe_sha256, r->exe_sha256, sizeof(e->exe_sha256));
	e->full = true;
	return e;
}

void procs_probes(struct procs *p, const struct role_probes *r, uint64_t now_ns)
{
	struct proc *e = procs_find(p, r->pid, r->start_ns);

	if (!e) {
		e = store(p, NULL, r->pid, &no_texts);
		if (!e)
			return;
		e->start_ns = r->start_ns;
	}
	e->tls.since_ns = r->since_ns;
	e->tls.told_ns = now_ns;
	e->tls.state = r->state;
	memcpy(e->tls.stacks, r->stacks, sizeof(e->tls.stacks));
	memcpy(e->tls.reason, r->reason, sizeof(e->tls.reason));
}

void procs_exit(struct procs *p, const struct event *ev)
{
	struct proc *e = procs_find(p, ev->pid, ev->start_ns);

	if (e)
		e->dead_ns = ev->boot_ns;
}

size_t procs_ancestry(const struct procs *p, const struct proc *of,
		      const struct proc *ret[static ANCESTORS_MAX])
{
	size_t n = 0;

	while (of && n < ANCESTORS_MAX) {
		const struct proc *up;

		ret[n++] = of;
		if (of->ppid <= 1)
			break;
		up = procs_find(p, of->ppid, 0);
		if (up && (up == of || up->start_ns / TICK_NS > of->start_ns / TICK_NS))
			break; /* the pid was given out again: not its parent */
		of = up;
	}
	return n;
}

void procs_tool(const struct procs *p, const struct catalog *c, const struct proc *of,
		struct catalog_tool *ret)
{
	const struct proc *line[ANCESTORS_MAX];
	struct catalog_process view[ANCESTORS_MAX];
	size_t n = procs_ancestry(p, of, line);

	for (size_t i = 0; i < n; i++)
		view[i] = (struct catalog_process){.exe = line[i]->exe,
						   .comm = line[i]->comm,
						   .argv = line[i]->argv,
						   .argv_len = line[i]->argv_len};
	*ret = (struct catalog_tool){"", "", "", "", "", 0};
	catalog_tool(c, view, n, ret);
}
