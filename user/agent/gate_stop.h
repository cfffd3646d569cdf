/* SPDX-License-Identifier: Apache-2.0 */
/* stopped.c on the kernel's maps and real processes; and what is done when no keeper is there. */
#ifndef PROBITY_AGENT_GATE_STOP_H
#define PROBITY_AGENT_GATE_STOP_H

#include <jansson.h>
#include <stdbool.h>

#include "agent/role.h"

struct gate_stop;

struct gate_stop_setup {
	int waits, going, slots, marks; /* maps; slots may be -1 */
	/* enum gate_mechanism, or -errno: it is told to the kernel and its socket ended. */
	int (*refuse)(void *ctx, const struct gate_waiter *w);
	bool (*spared)(void *ctx, uint32_t tgid);
	void (*tell)(void *ctx, const struct role_done *d);
	void *ctx;
};

/* What a former keeper left is continued first. */
int gate_stop_new(const struct gate_stop_setup *setup, struct gate_stop **ret);
void gate_stop_free(struct gate_stop *s);
void gate_stop_note(struct gate_stop *s, const struct event *e, uint64_t hold_ns);
int gate_stop_continue(struct gate_stop *s, const struct role_continue *r);
/* When it is to be called again, in ns from now; 0: when something else was called. */
uint64_t gate_stop_turn(struct gate_stop *s);
void gate_stop_tick(struct gate_stop *s);
unsigned gate_stop_for(const struct gate_stop *s, const char *id, uint64_t *ret_until_unix_ns);
json_t *gate_stop_status(const struct gate_stop *s);

/* Continues all that stand stopped in these maps since before upto_ns (CLOCK_BOOTTIME), as their rules
 * say without an answer. How many waits. */
unsigned gate_stop_release(int waits, int marks, uint64_t upto_ns);

/* releaser.c: the role that does that when the keeper ends. fds: waits, marks. */
int releaser_main(int keeper, int waits, int marks);

#endif
