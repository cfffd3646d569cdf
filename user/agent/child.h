/* SPDX-License-Identifier: Apache-2.0 */
/* A role as the keeper sees it: its process, its socket, its restarts. */
#ifndef PROBITY_AGENT_CHILD_H
#define PROBITY_AGENT_CHILD_H

#include <stdint.h>
#include <sys/types.h>

#include "agent/config.h"
#include "agent/outq.h"

struct child {
	const char *name; /* "worker", "recorder" */
	pid_t pid;	  /* 0 = not running */
	int fd;		  /* our end of its socket */
	struct outq out;
	uint64_t started_ns; /* CLOCK_MONOTONIC */
	unsigned restarts, quick_deaths;
	char *status; /* its last ROLE_STATUS, JSON text, or NULL */
};

void child_init(struct child *c, const char *name);
/* Starts this program again as `role`, with fds[0] = the role's end of a new pair and the given
 * descriptors after it (nfds ≤ 8). 0 or -errno. */
int child_start(struct child *c, const struct config *cfg, const int *fds, unsigned nfds,
		uint32_t ring_bytes);
/* It ended: closes the socket; says why in one log line unless `expected`. Returns how long to wait
 * before the next start, in ms. */
unsigned child_ended(struct child *c, int wait_status, int expected);

#endif
