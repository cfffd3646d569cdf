/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes that the kernel stopped because a write of theirs waits: until when, and how each goes on.
 * Nothing here takes a clock or touches a process: stopped_ops does.
 */
#ifndef PROBITY_AGENT_STOPPED_H
#define PROBITY_AGENT_STOPPED_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/role.h"

struct stopped;

struct stopped_ops {
	/* gate_waits: 0 or -errno. next: seq NULL = the first. put: only one that is there. */
	int (*get)(void *ctx, uint64_t seq, struct gate_waiter *ret);
	int (*next)(void *ctx, const uint64_t *seq, uint64_t *ret);
	int (*put)(void *ctx, uint64_t seq, const struct gate_waiter *w);
	void (*drop)(void *ctx, uint64_t seq);
	void (*going)(void *ctx, uint32_t tgid, uint64_t seq); /* gate_going; 0: taken out */
	void (*slot)(void *ctx, const struct gate_waiter *w, uint64_t seq, uint32_t verdict);
	/* Whether all its threads stand still. */
	bool (*still)(void *ctx, const struct gate_waiter *w);
	/* To that very process. 0 or -errno. */
	int (*signal)(void *ctx, const struct gate_waiter *w, int sig);
	void (*pass)(void *ctx, const struct gate_waiter *w); /* its packets may go again */
	/* None of them may: enum gate_mechanism, or -errno. */
	int (*refuse)(void *ctx, const struct gate_waiter *w);
	bool (*spared)(void *ctx, uint32_t tgid); /* never killed */
	void (*tell)(void *ctx, const struct role_done *d);
};

struct stopped_counts {
	uint64_t stopped, continued, killed, answered, timeouts, refused, failed, blocked, stray,
		untold;
};

int stopped_new(const struct stopped_ops *ops, void *ctx, struct stopped **ret);
/* Every wait that is left ends as without an answer. */
void stopped_free(struct stopped *s);

/* EVENT_GATE_STOP. hold_ns: how long a write may wait; now_ns: CLOCK_BOOTTIME, as all times here. */
void stopped_note(struct stopped *s, const struct event *e, uint64_t hold_ns, uint64_t now_ns);
/* ROLE_CONTINUE. 0, also when it came too late (the answer says so); -EPERM: of another process. */
int stopped_continue(struct stopped *s, const struct role_continue *r, uint64_t now_ns);
/* Ends what is due. When it is to be called again; 0 = nothing waits. */
uint64_t stopped_turn(struct stopped *s, uint64_t now_ns);
void stopped_tick(struct stopped *s); /* once a second: those whose process is gone */

/* How many wait for that approval now, and until when the last of them does. */
unsigned stopped_for(const struct stopped *s, const char *id, uint64_t *ret_until_ns);
unsigned stopped_now(const struct stopped *s);
const struct stopped_counts *stopped_count(const struct stopped *s);

#endif
