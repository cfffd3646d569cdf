/* SPDX-License-Identifier: Apache-2.0 */
/* Asks the agent over RUN_DIR/control.sock: one request line, one JSON object to the end. */
#ifndef PROBITY_CLI_CONTROL_H
#define PROBITY_CLI_CONTROL_H

#include <jansson.h>
#include <stddef.h>

#define CONTROL_ANSWER_MAX (4 * 1024 * 1024)

/* A question under way; never blocks, so that a live view can wait on its descriptor. */
struct control {
	int fd; /* -1: none under way; poll it for input */
	char *answer;
	size_t n;
};
#define CONTROL_INIT     \
	{                \
		.fd = -1 \
	}

/* 0 or -errno (-ENOENT, -ECONNREFUSED: nobody listens). */
int control_ask(struct control *c, const char *run_dir, const char *request);
/* 1: *ret is the object (the question is over); 0: more to come; -errno: over without an answer,
 * -EBADMSG when it is no JSON object, -EFBIG. */
int control_read(struct control *c, json_t **ret);
void control_done(struct control *c);
/* Asks and waits. */
int control_call(const char *run_dir, const char *request, int timeout_ms, json_t **ret);

#endif
