/* SPDX-License-Identifier: Apache-2.0 */
/* Who is who: processes by pid and start time, with what the kernel and the keeper told. */
#ifndef PROBITY_AGENT_WORKER_PROCS_H
#define PROBITY_AGENT_WORKER_PROCS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/role.h"
#include "classify/catalog.h"
#include "proto/event.h"

#define PROCS_MAX 16384
#define ANCESTORS_MAX 16

/* Of its TLS: what the keeper told of its probes, and what it was told of the process. */
struct proc_tls {
	uint64_t since_ns, told_ns; /* sites in place since; 0 = not. When the keeper said so. */
	uint32_t state;		    /* enum probe_state; nothing was told while told_ns is 0 */
	char stacks[64], reason[96];
	uint64_t sent_ns;  /* last word to the keeper */
	uint32_t evidence; /* enum role_evidence, 0 = none yet */
	uint32_t not_ai;   /* connections that turned out not to be AI */
	uint32_t loose;	   /* connections with plaintext whose socket is not known */
	bool tool, ai;	   /* an AI tool itself; ai: told, never taken back */
	bool seen;	   /* plaintext came up */
	bool due;	   /* a word was put off */
};

/* Texts never NULL. argv and groups are NUL-separated lists, their lengths beside them. */
struct proc {
	struct proc *next;
	uint64_t start_ns, cgroup, dead_ns; /* dead_ns: CLOCK_BOOTTIME, 0 = alive */
	uint32_t pid, ppid, uid, loginuid;
	uint32_t named; /* the uid that user and groups are of: it may have another by now */
	uint32_t argv_len, groups_len;
	bool full;	/* the keeper has told its part */
	uint64_t rules; /* in-kernel tool rules told to the keeper */
	struct proc_tls tls;
	char exe_sha256[65]; /* empty: not known (yet) */
	const char *exe, *comm, *argv, *user, *login_user, *groups, *cgroup_path, *container;
	char text[];
};

struct procs;
struct procs *procs_new(void);
void procs_free(struct procs *p);

/* All give the entry, or NULL when out of memory. */
struct proc *procs_exec(struct procs *p, const struct event_exec *e, size_t n);
struct proc *procs_fork(struct procs *p, const struct event_exec *e);
struct proc *procs_told(struct procs *p, const struct role_proc *r);
void procs_exit(struct procs *p, const struct event *e);
/* A process nobody has told of gets an entry. */
void procs_probes(struct procs *p, const struct role_probes *r, uint64_t now_ns);

/* start_ns 0 = whatever lives under that pid. */
struct proc *procs_find(const struct procs *p, uint32_t pid, uint64_t start_ns);
/* Itself and its parents, nearest first. */
size_t procs_ancestry(const struct procs *p, const struct proc *of,
		      const struct proc *ret[static ANCESTORS_MAX]);
void procs_tool(const struct procs *p, const struct catalog *c, const struct proc *of,
		struct catalog_tool *ret);
/* Forgets the dead of more than 30 s ago. */
void procs_sweep(struct procs *p, uint64_t now_ns);
void procs_each(struct procs *p, void (*each)(void *ctx, struct proc *p),
		void *ctx); /* the living */
unsigned procs_count(const struct procs *p);

#endif
