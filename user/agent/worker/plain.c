// SPDX-License-Identifier: Apache-2.0
/*
 * Packets come in the order of the wire, and TCP sends again what was lost: a segment that fills a
 * hole comes after what lies behind it. So that waits here, by offset, until the hole is filled, is
 * older than the caller allows, or PLAIN_WAIT_MAX bytes wait; then the hole is a gap (`holes`).
 * Overlaps are cut by flow/, which reads no byte twice. Invariant: what waits lies behind the end
 * of what was read of its direction.
 */
#include "plain.h"

#include <stdlib.h>
#include <string.h>

struct waiting {
	struct waiting *next; /* by offset */
	struct chunk k;
	uint8_t bytes[];
};

static void pop(struct conn *c, struct waiting **at)
{
	struct waiting *w = *at;

	*at = w->next;
	c->waits -= w->k.n;
	explicit_bzero(w->bytes, w->k.n);
	free(w);
}

static bool hold(struct conn *c, const struct chunk *k)
{
	struct waiting *w = malloc(sizeof(*w) + k->n), **at = &c->waiting[k->dir];

	if (!w)
		return false;
	w->k = *k;
	w->k.p = w->bytes;
	memcpy(w->bytes, k->p, k->n);
	while (*at && (*at)->k.offset <= k->offset)
		at = &(*at)->next;
	w->next = *at;
	*at = w;
	c->waits += k->n;
	return true;
}

/* Reads what has no hole before it. */
static bool drain(struct conn *c, enum event_dir dir)
{
	struct waiting **first = &c->waiting[dir];
	bool more = true;

	while (more && *first && (*first)->k.offset <= c->end[dir]) {
		more = follow_chunk(c, &(*first)->k);
		pop(c, first);
	}
	return more;
}

/* Reads over the first hole. */
static bool skip(struct conn *c, enum event_dir dir)
{
	bool more;

	c->worker->count.holes++;
	more = follow_chunk(c, &c->waiting[dir]->k);
	pop(c, &c->waiting[dir]);
	return more && drain(c, dir);
}

bool plain_chunk(struct conn *c, const struct chunk *k)
{
	bool more = true;

	/* The very first one of a connection begins it, wherever that is. What the kernel may have
	 * left out does not come. */
	if (c->skips[k->dir]) {
		c->skips[k->dir] = c->quiet;
		return follow_chunk(c, k);
	}
	if (k->offset > c->end[k->dir] && c->flow && hold(c, k)) {
		while (more && c->waits > PLAIN_WAIT_MAX)
			more = skip(c, c->waiting[k->dir] ? k->dir : (enum event_dir) !k->dir);
		return more;
	}
	return follow_chunk(c, k) && drain(c, k->dir);
}

bool plain_sweep(struct conn *c, uint64_t before_ns)
{
	bool more = true;

	for (unsigned dir = 0; dir < 2; dir++)
		while (more && c->waiting[dir] && c->waiting[dir]->k.ns < before_ns)
			more = skip(c, dir);
	return more;
}

void plain_free(struct conn *c)
{
	for (unsigned dir = 0; dir < 2; dir++)
		while (c->waiting[dir])
			pop(c, &c->waiting[dir]);
}
