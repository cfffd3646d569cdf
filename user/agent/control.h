/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's socket, RUN-DIR/control.sock: one line asks, one line of JSON answers. A line is the
 * word "status" or an object {"do": verb, …}. Who asks is known by the kernel (SO_PEERCRED).
 */
#ifndef PROBITY_AGENT_CONTROL_H
#define PROBITY_AGENT_CONTROL_H

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

struct control;
struct control_call;

struct control_verb {
	const char *name;
	bool changes; /* root alone, or the group probity-operators; others may ask */
	/* Answers by control_reply(), at once or later. */
	void (*fn)(void *ctx, struct control_call *call);
};

/* verbs: ends with a NULL name; stays the caller's. 0 or -errno. */
int control_open(struct event_base *base, const char *run_dir, const struct control_verb *verbs,
		 void *ctx, struct control **ret);
void control_free(struct control *c);

const json_t *control_request(const struct control_call *c);
uid_t control_uid(const struct control_call *c);
pid_t control_pid(const struct control_call *c);
const char *control_user(const struct control_call *c); /* login name, or the number */
/* Takes `answer` (NULL: out of memory) and ends the call; a client that has gone is no error. */
void control_reply(struct control_call *c, json_t *answer);
/* {"error": text}. */
void control_fail(struct control_call *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
