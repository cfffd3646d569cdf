/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's own protection (bpf/guard.bpf.c): what is protected, and the window that an operator may
 * open in it. Needs BPF LSM; elsewhere only the kernel's note of the agent's end is in force.
 */
#ifndef PROBITY_AGENT_GUARD_H
#define PROBITY_AGENT_GUARD_H

#include <jansson.h>
#include <stdbool.h>

#include "agent/role.h"

struct bpf;
struct bpf_object;
struct config;
struct control_call;
struct guard;

/* Between open and load: leaves out what this kernel has no use for. */
void guard_prepare(struct bpf_object *obj, bool on);
/* tell: sends to the worker; false: there is none now. on: protect, where possible. Never fails for
 * want of BPF LSM. 0 or -errno. */
int guard_open(struct bpf *b, const struct config *cfg, bool on,
	       bool (*tell)(void *ctx, enum role_kind kind, const void *head, size_t n,
			    const void *tail, size_t m),
	       void *ctx, struct guard **ret);
/* What is pinned stays protected; all else is free. */
void guard_close(struct guard *g);
void guard_tick(struct guard *g); /* once a second */
/* A LOSS record of so many, if any. */
void guard_unread(struct guard *g, unsigned records);

json_t *guard_status(const struct guard *g);
void guard_backends(const struct guard *g, json_t *rows);

/* Verbs of the control socket (guard_unlock.c). */
void guard_challenge(struct guard *g, struct control_call *call); /* {} → {nonce, host, signed} */
void guard_unlock(struct guard *g, struct control_call *call); /* {for_s, note} → {until_unix_ns} */
void guard_lock(struct guard *g, struct control_call *call);   /* {} → {} */

#endif
