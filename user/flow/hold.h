/* SPDX-License-Identifier: Apache-2.0 */
/* Chunks of an answer that came before their request, kept in order with offset and time. */
#ifndef PROBITY_FLOW_HOLD_H
#define PROBITY_FLOW_HOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOLD_MAX (64 * 1024) /* bytes */

struct hold;
/* Creates *h when it is NULL. -ENOBUFS: full, nothing of it was taken; -ENOMEM. */
int hold_push(struct hold **h, uint64_t offset, const uint8_t *p, size_t n, uint64_t ns);
/* The first chunk; false when there is none. Valid until the next call. */
struct held {
	const uint8_t *p;
	size_t n;
	uint64_t offset, ns;
};
bool hold_peek(const struct hold *h, struct held *ret);
/* n bytes of the first chunk are done with. Frees *h with the last. */
void hold_pop(struct hold **h, size_t n);
uint64_t hold_end(const struct hold *h); /* offset after the last byte; h is not NULL */

#endif
