// SPDX-License-Identifier: Apache-2.0
/*
 * In: the numbers of records whose payload is gone, and every record's payload, in order. Out: which of them no
 * ERASE record speaks of: whoever may write to a store can drop payloads, and that must not pass as an erasure
 * that somebody answers for. Neighbours are one stretch.
 */
#include "erasures.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/record.pb-c.h"
#include "record.h"

static int add(struct erasures *e, uint64_t first, uint64_t last)
{
	if (e->n == ERASURES_MAX) {
		e->overflow = true;
		return 0;
	}
	if (e->n == e->cap) {
		size_t cap = e->cap ? 2 * e->cap : 64;
		struct erasure *more = realloc(e->open, cap * sizeof(*more));

		if (!more)
			return -ENOMEM;
		e->open = more;
		e->cap = cap;
	}
	e->open[e->n++] = (struct erasure){first, last};
	return 0;
}

int erasures_erased(struct erasures *e, uint64_t seq)
{
	if (e->n && e->open[e->n - 1].last + 1 == seq) {
		e->open[e->n - 1].last = seq;
		return 0;
	}
	return add(e, seq, seq);
}

/* At most one stretch sticks out on both sides: it becomes two. */
static int declared(struct erasures *e, uint64_t first, uint64_t last)
{
	struct erasure behind = {1, 0};
	size_t kept = 0;

	for (size_t i = 0; i < e->n; i++) {
		struct erasure g = e->open[i];

		if (g.last < first || g.first > last) {
			e->open[kept++] = g;
			continue;
		}
		if (g.last > last)
			behind = (struct erasure){last + 1, g.last};
		if (g.first < first)
			e->open[kept++] = (struct erasure){g.first, first - 1};
		else if (g.last > last)
			e->open[kept++] = behind, behind.last = 0;
	}
	e->n = kept;
	return behind.first <= behind.last ? add(e, behind.first, behind.last) : 0;
}

int erasures_record(struct erasures *e, uint64_t seq, uint32_t schema, const uint8_t *payload,
		    size_t n)
{
	Probity__V1__Control *c;
	int r = 0;

	if (!e->n || schema != RECORD_CONTROL || !payload)
		return 0;
	c = probity__v1__control__unpack(NULL, n, payload);
	if (c && c->kind == PROBITY__V1__CONTROL__KIND__ERASE && c->first_seq <= c->last_seq &&
	    c->last_seq < seq)
		r = declared(e, c->first_seq, c->last_seq);
	if (c)
		probity__v1__control__free_unpacked(c, NULL);
	return r;
}

bool erasures_silent(const struct erasures *e, struct erasure *ret)
{
	*ret = e->n ? e->open[0] : (struct erasure){0};
	return e->n || e->overflow;
}

void erasures_done(struct erasures *e)
{
	free(e->open);
	*e = (struct erasures){0};
}
