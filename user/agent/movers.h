/* SPDX-License-Identifier: Apache-2.0 */
/* Takes who answers a waiting write away from a CPU that a waiting write holds. */
#ifndef PROBITY_AGENT_MOVERS_H
#define PROBITY_AGENT_MOVERS_H

#include <stdint.h>
#include <sys/types.h>

#define MOVERS_MAX 16 /* and so many writes, less one, wait at once in the kernel */

struct movers;
/* events: the ring whose wake-ups say that somebody waits; waits: the map gate_waits, who does. The
 * calling thread is one of those moved. 0 or -errno. */
int movers_start(int events, int waits, struct movers **ret);
void movers_stop(struct movers *m);		    /* takes NULL */
void movers_worker(struct movers *m, pid_t worker); /* 0: none */
uint64_t movers_moved(const struct movers *m);
unsigned movers_count(void); /* CPUs there are for them, at most MOVERS_MAX */
/* In a child of the keeper: every CPU that the keeper was given. */
void movers_forget(void);

#endif
