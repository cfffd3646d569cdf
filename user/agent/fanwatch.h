/* SPDX-License-Identifier: Apache-2.0 */
/* Told by the kernel when a file that was open for writing is closed. */
#ifndef PROBITY_AGENT_FANWATCH_H
#define PROBITY_AGENT_FANWATCH_H

#include <event2/event.h>
#include <stdint.h>

struct fanwatch;
/* written(ctx, fd): fd is not kept. missed(ctx): some were not told. NULL: out of memory; a kernel
 * that refuses gives one that never tells, and says so in its state. */
struct fanwatch *fanwatch_new(struct event_base *base, void (*written)(void *ctx, int fd),
			      void (*missed)(void *ctx), void *ctx);
void fanwatch_free(struct fanwatch *w);
void fanwatch_tick(struct fanwatch *w); /* once a second: new file systems, end of a pause */
const char *fanwatch_state(const struct fanwatch *w); /* "fanotify", or why not */
uint64_t fanwatch_events(const struct fanwatch *w);
uint64_t fanwatch_pauses(const struct fanwatch *w);

#endif
