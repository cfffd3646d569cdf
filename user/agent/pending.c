// SPDX-License-Identifier: Apache-2.0
/*
 * In: records that cannot be sealed yet, because the disk does not take them or because older ones
 * may still be resent. Out: the same in order. Invariant: at most PENDING_MAX bytes, counted with
 * their heads; whatever does not fit is dropped from the front and its number told to the caller.
 */
#include "pending.h"

#include <stdlib.h>
#include <string.h>

static size_t size_of(const struct role_record *r)
{
	return sizeof(struct pending_record) + r->len;
}

void pending_pop(struct pending *q)
{
	struct pending_record *p = q->first;

	if (!p)
		return;
	q->first = p->next;
	if (!q->first)
		q->last = NULL;
	q->bytes -= size_of(&p->head);
	q->count--;
	free(p);
}

uint64_t pending_add(struct pending *q, const struct role_record *r, const void *payload)
{
	struct pending_record *p = malloc(size_of(r));
	uint64_t dropped = 0;

	if (!p)
		return 1;
	while (q->first && q->bytes + size_of(r) > PENDING_MAX) {
		pending_pop(q);
		dropped++;
	}
	p->next = NULL;
	p->head = *r;
	memcpy(p->payload, payload, r->len);
	if (q->last)
		q->last->next = p;
	else
		q->first = p;
	q->last = p;
	q->bytes += size_of(r);
	q->count++;
	return dropped;
}

void pending_clear(struct pending *q)
{
	while (q->first)
		pending_pop(q);
}
