/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finished records on their way to the recorder, kept until it says they are durable and sent
 * again when it was started anew. Never blocks.
 */
#ifndef PROBITY_AGENT_WORKER_HANDOVER_H
#define PROBITY_AGENT_WORKER_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HANDOVER_MAX (16u << 20) /* bytes kept at most */

struct handover;
struct handover *handover_new(int fd);
void handover_free(struct handover *h);

/* -ENOBUFS: the bound is reached; the record is dropped and counted. */
int handover_add(struct handover *h, uint64_t id, uint64_t boot_ns, uint32_t schema,
		 const uint8_t *payload, size_t n);
/* Reads what the recorder sent and sends what waits. 0, or -errno when the pair is gone. */
int handover_run(struct handover *h);
bool handover_wants_write(const struct handover *h);
bool handover_idle(const struct handover *h);	     /* everything given is durable */
uint64_t handover_durable(const struct handover *h); /* last id, 0 = not told yet */
uint64_t handover_dropped(const struct handover *h); /* records, since the start */
size_t handover_bytes(const struct handover *h);
/*
 * At a worker's start: asks the recorder which ids of the workers before have come; `nonce` is this
 * worker's own and not 0. Waits up to limit_ms: 0, or -ETIMEDOUT, and handover_synced tells later.
 */
int handover_sync(struct handover *h, uint64_t nonce, int limit_ms);
/* Whether the answer is there: those up to this id have come, no other ones ever will. */
bool handover_synced(const struct handover *h, uint64_t *ret_durable);
/* Sends records from now on. After handover_sync nothing is sent until then: the ids that never
 * came must have been declared before a later one is durable. */
void handover_go(struct handover *h);

#endif
