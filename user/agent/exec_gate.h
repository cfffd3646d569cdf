/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper's part of the exec gate: which files there are, what they are (digest, package), and what
 * the worker says of them, into the kernel's maps. Where the kernel cannot see a script being opened,
 * also who runs one that a rule names, after the fact.
 */
#ifndef PROBITY_AGENT_EXEC_GATE_H
#define PROBITY_AGENT_EXEC_GATE_H

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>

#include "agent/role.h"

struct bpf;
struct exec_gate;

struct exec_gate_setup {
	struct event_base *base;
	struct bpf *bpf;
	bool monitor; /* never denies or kills */
	void (*tell)(void *ctx, enum role_kind kind, const void *p, size_t n); /* the worker */
	bool (*ours)(void *ctx, pid_t pid);
	void *ctx;
};
/* 0 or -errno. */
int exec_gate_new(const struct exec_gate_setup *s, struct exec_gate **ret);
void exec_gate_free(struct exec_gate *g);
void exec_gate_tick(struct exec_gate *g); /* once a second */
void exec_gate_worker(
	struct exec_gate *g); /* the worker is new: what it was asked is asked again */

/* Messages of the worker. 0, or -EPERM / -EINVAL: it asked for what it may not. */
int exec_gate_rules(struct exec_gate *g, const struct role_exec_rules *r,
		    const struct role_exec_user *u);
int exec_gate_file_rules(struct exec_gate *g, const struct role_file_rules *r);
int exec_gate_tree(struct exec_gate *g, const struct role_tree *t);

/* Of the kernel: EVENT_EXEC with what /proc tells; EVENT_EXEC_ASK; EVENT_EXEC_STOP. */
void exec_gate_exec(struct exec_gate *g, const struct role_proc *p);
void exec_gate_ask(struct exec_gate *g, const struct event_exec_ask *e);
void exec_gate_stopped(struct exec_gate *g, const struct event_exec_stop *e);
/* A file that was written or made executable (fanwatch). */
void exec_gate_written(struct exec_gate *g, int fd, const char *path);

json_t *exec_gate_status(const struct exec_gate *g);
void exec_gate_backends(const struct exec_gate *g, json_t *rows); /* {for, backend, note} */

#endif
