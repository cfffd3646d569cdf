/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Erasing payloads. Order, so that what an ERASE record says is done in the end and nothing is erased
 * without one: begin, seal the record, make it durable, then step until it gives 0. After a start with
 * spool_erase_unsure() the record is sealed again, then sure, then steps.
 */
#ifndef PROBITY_AGENT_SPOOL_ERASE_H
#define PROBITY_AGENT_SPOOL_ERASE_H

#include "spool.h"

/* Notes on disk what is to be erased. 0; -EBUSY: another stretch is being erased; -EINVAL; -errno. */
int spool_erase_begin(struct spool *s, uint64_t first, uint64_t last);
int spool_erase_cancel(struct spool *s);
/* Erases in one segment. 1: more to do; 0: nothing is left; -EAGAIN after a commit; -errno: try again. */
int spool_erase_step(struct spool *s);
bool spool_erasing(const struct spool *s);

/* A run before ended while it erased this; whether its record was sealed is not known. */
bool spool_erase_unsure(const struct spool *s, uint64_t *ret_first, uint64_t *ret_last);
void spool_erase_sure(struct spool *s);

/* The first kept record whose time is not before wall_ns, by the order of records; durable_seq at most. */
uint64_t spool_seq_before(struct spool *s, uint64_t wall_ns);
/* First and last record from first to last that has a payload to erase. False: none. */
bool spool_bodies(struct spool *s, uint64_t first, uint64_t last, uint64_t *ret_first,
		  uint64_t *ret_last);

#endif
