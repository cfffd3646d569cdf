/* SPDX-License-Identifier: Apache-2.0 */
/* Records received and not yet sealed: a bounded queue in memory, in order of arrival. */
#ifndef PROBITY_AGENT_PENDING_H
#define PROBITY_AGENT_PENDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "role.h"

#define PENDING_MAX (16u << 20)

struct pending_record {
	struct pending_record *next;
	struct role_record head;
	uint8_t payload[];
};
struct pending {
	struct pending_record *first, *last;
	size_t bytes;
	uint64_t count;
};

/* Takes a copy. When it does not fit, the oldest go first; returns how many had to go (the new one
 * counts too when there is no memory for it). */
uint64_t pending_add(struct pending *q, const struct role_record *r, const void *payload);
void pending_pop(struct pending *q); /* frees the first */
void pending_clear(struct pending *q);

#endif
