/* SPDX-License-Identifier: Apache-2.0 */
/* RUN_DIR/control.sock: one line asks ("status"), one JSON object answers, then the end. */
#ifndef PROBITY_AGENT_CONTROL_H
#define PROBITY_AGENT_CONTROL_H

#include <event2/event.h>
#include <jansson.h>

struct control;
/* status(ctx) gives a new reference. 0 or -errno with one log line. */
int control_open(struct event_base *base, const char *run_dir, json_t *(*status)(void *ctx),
		 void *ctx, struct control **ret);
void control_free(struct control *c); /* removes the socket */

#endif
