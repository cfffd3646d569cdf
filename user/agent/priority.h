/* SPDX-License-Identifier: Apache-2.0 */
/* Who answers a write that waits is not to wait for a CPU: real-time priority while there is a gate,
 * and locked memory; taken away from who loops. */
#ifndef PROBITY_AGENT_PRIORITY_H
#define PROBITY_AGENT_PRIORITY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* RLIMIT_RTTIME of the worker, set when it is started: so long without a blocking call at most. */
#define PRIORITY_WORKER_US 8000000

struct movers;
struct priority {
	bool first;	   /* the worker has it now */
	bool keeper_first; /* and the keeper */
	unsigned busy;	   /* seconds in a row it left its CPU to nobody */
	unsigned penance;  /* seconds until it may have it again */
	unsigned falls;	   /* how often it lost it */
	uint64_t cpu_ns, at_ns;
	int error; /* why the kernel does not give it, or 0 */
	struct movers *movers;
};

/* The keeper's: once a second, and whenever `wanted` changes. events: the ring where a write waits on
 * its CPU, else -1; waits: the map gate_waits. */
void priority_tick(struct priority *p, pid_t worker, bool wanted, int events, int waits);
void priority_gone(struct priority *p); /* that worker is no more */
json_t *priority_status(const struct priority *p);

/* The worker's, before it gives up privilege: its memory stays where it is. 0 or -errno; *ret_what
 * is said in its status. */
int priority_lock(const char **ret_what);

#endif
