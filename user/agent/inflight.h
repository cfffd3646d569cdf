/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker has begun and not yet handed over, in memory that outlives it: so that after its
 * death the next one can say exactly how many calls were lost.
 *
 * A slot is open from the first byte of a request until its record got an id. Ids are given out
 * here, consecutively, so the ids above the last durable one that are neither durable nor coming
 * again are lost as well. Writes are ordered so that a death between any two of them neither
 * loses a count nor counts twice; see inflight.c.
 */
#ifndef PROBITY_AGENT_INFLIGHT_H
#define PROBITY_AGENT_INFLIGHT_H

#include <stdbool.h>
#include <stdint.h>

#define INFLIGHT_SLOTS 4096
#define INFLIGHT_KINDS 16384 /* ids remembered as call or control; a power of two */

struct inflight;

/* The keeper makes it, the worker maps it. */
int inflight_make(void); /* fd or -errno */
int inflight_map(int fd, struct inflight **ret);

/* A slot for the request whose first byte is at `offset` of `conn`; -1 when all are taken. */
int inflight_open(struct inflight *f, uint64_t conn, uint64_t offset);
void inflight_drop(struct inflight *f, int slot); /* it was not a call after all */
/* Gives the next id to the call in `slot` (or to none, slot < 0) and closes the slot. */
uint64_t inflight_id(struct inflight *f, int slot, bool is_call);
uint64_t inflight_last_id(const struct inflight *f); /* 0 = none given out yet */
void inflight_start_ids(struct inflight *f, uint64_t first);

/* At a worker's start: the open slots of the one before it, for inflight_lost. */
unsigned inflight_inherit(struct inflight *f);
/* The chunk at (conn, offset) came again, so its request is not lost. */
void inflight_again(struct inflight *f, uint64_t conn, uint64_t offset);
/* Calls lost by the death: inherited slots not seen again, and ids above `durable` that are calls.
 * Forgets them. */
unsigned inflight_lost(struct inflight *f, uint64_t durable, uint64_t up_to);
uint64_t inflight_refused(const struct inflight *f); /* requests that found no slot */

#endif
