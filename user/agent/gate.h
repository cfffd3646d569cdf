/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper's part of the gate. It does what the worker asks for, within what the kernel itself says
 * of a waiting write, and never against the agent or in monitor mode.
 */
#ifndef PROBITY_AGENT_GATE_H
#define PROBITY_AGENT_GATE_H

#include <jansson.h>
#include <stdbool.h>

#include "agent/role.h"

struct bpf;
struct keeper_gate;

struct kgate_ops {
	void (*tell)(void *ctx, enum role_kind kind, const void *p, size_t n); /* the worker */
	/* Never touched whatever a pack says: what the built-in list allows. */
	bool (*spared)(void *ctx, uint32_t pid);
};
/* monitor: never refuses, masks or kills. stop_only: no write waits inside of its probe, as if this
 * kernel had no such wait. 0 or -errno. */
int kgate_open(struct bpf *b, bool monitor, bool stop_only, const struct kgate_ops *ops, void *ctx,
	       struct keeper_gate **ret);
void kgate_close(struct keeper_gate *g);
void kgate_tick(struct keeper_gate *g); /* once a second: alive */
bool kgate_on(const struct keeper_gate *g);

/*
 * Messages of the worker. 0, also when it could not be done (the answer says so); -EPERM, -EINVAL:
 * it asked for what it may not.
 *
 * The worker sends ROLE_GATE before the ROLE_KRULES of the same generation. kgate_rules keeps it;
 * kgate_todo tells what the bits do (NULL: nothing is known of that generation, and all bits kill);
 * kgate_swap goes before bpf_set_krules puts both in force, kgate_swapped after.
 */
int kgate_rules(struct keeper_gate *g, const struct role_gate *r);
const struct krule_do *kgate_todo(const struct keeper_gate *g, uint64_t generation);
void kgate_swap(struct keeper_gate *g, uint64_t generation);
void kgate_swapped(struct keeper_gate *g, uint64_t generation);

int kgate_refuse(struct keeper_gate *g, const struct role_refuse *r);
int kgate_mask(struct keeper_gate *g, const struct role_mask *r, const struct role_span *spans);
int kgate_sock(struct keeper_gate *g, const struct role_sock *r);

/* EVENT_GATE_STOP and its answer. After each call of these: when kgate_turn is due, in ns from now;
 * 0 = not before the next. */
void kgate_stopped(struct keeper_gate *g, const struct event *e);
int kgate_continue(struct keeper_gate *g, const struct role_continue *r);
uint64_t kgate_turn(struct keeper_gate *g);
/* How many calls are stopped for that approval, and until when. */
unsigned kgate_blocked(const struct keeper_gate *g, const char *id, uint64_t *ret_until_unix_ns);

/* EVENT_DENY: the kernel refused that socket by itself, and marked it. */
void kgate_refused_by_kernel(struct keeper_gate *g, uint32_t pid, uint64_t cookie);

json_t *kgate_status(const struct keeper_gate *g);

/* gate_mask.c: 0, -ESRCH (no such wait), -EPERM (another's, or outside of its buffer). */
int gate_mask_check(const struct gate_waiter *w, const struct role_mask *r,
		    const struct role_span *spans);
/* Writes the mask; w was looked up just before. 0 or -errno. */
int gate_mask_write(const struct gate_waiter *w, const struct role_span *spans, size_t n);

/* sockdie.c: ends a TCP connection of a process so that its owner fails at once. cookie: which. By
 * SOCK_DESTROY, else by shutdown of our own descriptor of it. enum sock_died, or -errno.
 * SOCK_DIED_BEFORE: it had ended, nothing of it is left. */
enum sock_died { SOCK_DIED_DESTROYED = 1, SOCK_DIED_SHUT, SOCK_DIED_BEFORE };
int sock_die(uint32_t pid, uint64_t cookie);
int sock_end(int sock, uint64_t cookie); /* the same, by a descriptor of ours */
int sock_shut(int sock);		 /* its second way alone */

#endif
