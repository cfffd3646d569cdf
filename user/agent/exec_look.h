/* SPDX-License-Identifier: Apache-2.0 */
/* What is in a file: digest, kind, names. Read by a child that has nothing but the open files. */
#ifndef PROBITY_AGENT_EXEC_LOOK_H
#define PROBITY_AGENT_EXEC_LOOK_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

struct exec_seen {
	uint8_t sha256[32];
	uint8_t has_digest, script; /* script: it begins with #! */
	char interpreter[64];	    /* of the #! line */
	char package[127];	    /* of the package.json */
	char module[64];	    /* that a Python script is a door to */
};

#define EXEC_LOOK_QUEUE 128 /* files that may wait */

struct exec_look;
/* seen NULL: the file could not be read. */
struct exec_look *exec_look_new(struct event_base *base,
				void (*done)(void *ctx, uint64_t tag, const struct exec_seen *seen),
				void *ctx);
void exec_look_free(struct exec_look *l);
/* Takes fd and json (a package.json, or -1), also when it fails. 0, or -ENOBUFS: EXEC_LOOK_QUEUE wait. */
int exec_look_add(struct exec_look *l, int fd, int json, uint64_t tag, bool digest);
unsigned exec_look_waiting(const struct exec_look *l);

#endif
