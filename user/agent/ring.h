/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reading side of a BPF ring buffer, from its descriptor alone. A record counts as consumed
 * only after `fn` returned, so one that was being handled when its reader died is read again.
 */
#ifndef PROBITY_AGENT_RING_H
#define PROBITY_AGENT_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring;
typedef void (*ring_fn)(void *ctx, const void *record, size_t n);

int ring_open(int map_fd, size_t size, struct ring **ret); /* size = max_entries; 0 or -errno */
void ring_free(struct ring *r);
/* Handles up to `max` records that are ready. Returns how many. */
unsigned ring_consume(struct ring *r, ring_fn fn, void *ctx, unsigned max);
/* Shows the record that ring_consume will begin with, if it is ready; it stays. */
void ring_peek(const struct ring *r, ring_fn fn, void *ctx);
/* Where the next record to consume begins; grows for ever. */
uint64_t ring_position(const struct ring *r);
/* Whether the producer has room taken that is not consumed, finished or not. */
bool ring_pending(const struct ring *r);
size_t ring_used(const struct ring *r); /* bytes */

#endif
