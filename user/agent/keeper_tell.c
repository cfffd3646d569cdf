// SPDX-License-Identifier: Apache-2.0
/*
 * What the worker is told: processes, the kernel's counters. Flows in: /proc, the user
 * database. Flows out: role messages, through a bounded queue, so a worker that
 * does not read never holds the keeper up; a worker that is new is told everything anew. The policy
 * is told by keeper_policy.c.
 */
#include "keeper.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/procinfo.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"
#include "policy/pack.h"

void watch_writes(struct keeper *k)
{
	short want = EV_READ | EV_PERSIST | (outq_waiting(&k->worker.out) ? EV_WRITE : 0);
	int place = worker_place(k);

	if (!k->worker_ev ||
	    (event_get_events(k->worker_ev) == want && event_get_priority(k->worker_ev) == place))
		return;
	event_del(k->worker_ev);
	event_assign(k->worker_ev, k->base, k->worker.fd, want, event_get_callback(k->worker_ev),
		     k);
	event_priority_set(k->worker_ev, place);
	event_add(k->worker_ev, NULL);
}

void tell_worker(struct keeper *k, enum role_kind kind, const void *head, size_t n,
		 const void *tail, size_t m)
{
	if (k->worker.fd < 0)
		return; /* it gets everything anew when it starts */
	outq_send(&k->worker.out, k->worker.fd, kind, head, n, tail, m);
	watch_writes(k);
}

void tell_process(struct keeper *k, struct role_proc *p)
{
	procinfo_names(p);
	exehash_known(k->hashes, p->pid, p->exe_sha256);
	tell_worker(k, ROLE_PROC, p, sizeof(*p), NULL, 0);
}

void tell_pid(struct keeper *k, uint32_t pid)
{
	struct role_proc p;

	if (!procinfo_read(pid, &p))
		tell_process(k, &p);
}

void tell_user(struct keeper *k, uint32_t uid)
{
	struct role_user u = {.uid = uid};

	procinfo_user(uid, u.user, sizeof(u.user), u.groups, sizeof(u.groups));
	u.groups_len = strlen(u.groups);
	tell_worker(k, ROLE_USER, &u, sizeof(u), NULL, 0);
}

void tell_all_processes(struct keeper *k)
{
	_cleanup_free_ struct role_proc *p = malloc(sizeof(*p));
	DIR *d = opendir("/proc");
	struct dirent *e;

	while (p && d && (e = readdir(d)))
		if (e->d_name[0] >= '0' && e->d_name[0] <= '9' &&
		    !procinfo_read(atoi(e->d_name), p) && p->exe[0]) /* not kernel threads */
			tell_process(k, p);
	if (d)
		closedir(d);
}

/* --- the kernel's counters ---------------------------------------------------------------------- */

void tell_drops(struct keeper *k)
{
	struct role_drops d = {};
	uint64_t count[DROP__MAX];

	bpf_drops(k->bpf, count);
	for (unsigned i = 0; i < DROP__MAX; i++)
		d.count[i] = count[i];
	d.sites = k->attach ? attach_sites(k->attach) : 0;
	d.images = k->attach ? attach_images(k->attach) : 0;
	if (!memcmp(&d, &k->told, sizeof(d)))
		return;
	k->unheard |= d.count[DROP_CTL_FULL] > k->told.count[DROP_CTL_FULL];
	k->told = d;
	tell_worker(k, ROLE_DROPS, &d, sizeof(d), NULL, 0);
}
