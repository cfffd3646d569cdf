/* SPDX-License-Identifier: Apache-2.0 */
/* The sockets of a process, as descriptors of our own (pidfd_getfd): works in every network
 * namespace, and no other process can take the pid's place meanwhile. */
#ifndef PROBITY_AGENT_SOCKWALK_H
#define PROBITY_AGENT_SOCKWALK_H

#include <stdint.h>

#define SOCKWALK_FDS 8192 /* descriptors looked at for one process */

/* each: 0 goes on, 1 counts and goes on, 2 counts and ends the walk, -errno ends it. The descriptor
 * is closed after. Returns how many were counted, or -errno. */
int sockwalk(uint32_t pid, int (*each)(void *ctx, int sock), void *ctx);
/* Our own descriptor for the socket of that cookie, or -ENOENT, -errno. */
int sockwalk_find(uint32_t pid, uint64_t cookie);

#endif
