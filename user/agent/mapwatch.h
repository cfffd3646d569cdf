/* SPDX-License-Identifier: Apache-2.0 */
/* Told by the kernel whenever any process maps a file executable. */
#ifndef PROBITY_AGENT_MAPWATCH_H
#define PROBITY_AGENT_MAPWATCH_H

#include <stdint.h>
#include <sys/types.h>

struct mapwatch;
typedef void (*mapwatch_fn)(void *ctx, pid_t pid, uint64_t start, uint64_t end, const char *path);

int mapwatch_open(mapwatch_fn fn, void *ctx, struct mapwatch **ret); /* 0 or -errno */
void mapwatch_free(struct mapwatch *w);
int mapwatch_fd(const struct mapwatch *w); /* poll for reading: an epoll descriptor */
void mapwatch_read(struct mapwatch *w);
uint64_t mapwatch_lost(const struct mapwatch *w); /* records the kernel had no room for */

#endif
