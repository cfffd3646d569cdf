/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper's part of the gate. It does what the worker asks for, within what the kernel itself says
 * of a waiting write, and never against the agent or in monitor mode.
 */
#ifndef PROBITY_AGENT_GATE_H
#define PROBITY_AGENT_GATE_H

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>

#include "agent/role.h"

struct bpf;
struct keeper_gate;

/* tell: sends to the worker. monitor: never refuses, masks or kills. 0 or -errno. */
int kgate_open(struct bpf *b, bool monitor,
	       void (*tell)(void *ctx, enum role_kind kind, const void *p, size_t n), void *ctx,
	       struct keeper_gate **ret);
void kgate_close(struct keeper_gate *g);
void kgate_tick(struct keeper_gate *g); /* once a second: alive */

/* Messages of the worker. 0, or -EPERM / -EINVAL: it asked for what it may not. */
int kgate_rules(struct keeper_gate *g, const struct role_gate *r);
int kgate_refuse(struct keeper_gate *g, const struct role_refuse *r);
int kgate_mask(struct keeper_gate *g, const struct role_mask *r, const struct role_span *spans);
int kgate_sock(struct keeper_gate *g, const struct role_sock *r);

json_t *kgate_status(const struct keeper_gate *g);
void kgate_backends(const struct keeper_gate *g, json_t *rows); /* {for, backend, note} */

/* sockdie.c: ends a TCP connection of a process so that its owner fails at once. cookie: which. By
 * SOCK_DESTROY, else by pidfd_getfd and shutdown. GATE_SHUTDOWN …, or -errno. */
int sock_die(uint32_t pid, uint64_t cookie);

#endif
