// SPDX-License-Identifier: Apache-2.0
/*
 * One buffer with all bytes and one table of marks, a mark being a run of bytes that followed
 * each other. Chunks of one time share a mark. When the marks are used up later chunks join the
 * last mark and take its time, which is off by the little that lay between them; a chunk that
 * cannot join because bytes are missing before it is refused, as is one beyond HOLD_MAX.
 */
#include "hold.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MARKS_MAX 64

struct mark {
	uint64_t offset, ns;
	uint32_t n;
};

struct hold {
	uint8_t *buf;
	size_t at, n, cap; /* buf[at..n) is held */
	unsigned first, count;
	struct mark marks[MARKS_MAX]; /* marks[first..count) */
};

static int make_room(struct hold *h, size_t n)
{
	size_t cap = h->cap ? h->cap : 4096;
	uint8_t *buf;

	if (h->at) {
		memmove(h->buf, h->buf + h->at, h->n - h->at);
		h->n -= h->at;
		h->at = 0;
	}
	while (cap < h->n + n)
		cap *= 2;
	if (cap == h->cap)
		return 0;
	buf = realloc(h->buf, cap);
	if (!buf)
		return -ENOMEM;
	h->buf = buf;
	h->cap = cap;
	return 0;
}

static struct mark *mark_for(struct hold *h, uint64_t offset, uint64_t ns)
{
	struct mark *last = h->count ? &h->marks[h->count - 1] : NULL;

	if (h->count == MARKS_MAX && h->first) {
		memmove(h->marks, h->marks + h->first, (h->count - h->first) * sizeof(*h->marks));
		h->count -= h->first;
		h->first = 0;
		last = &h->marks[h->count - 1];
	}
	if (last && last->offset + last->n == offset && (last->ns == ns || h->count == MARKS_MAX))
		return last;
	if (h->count == MARKS_MAX)
		return NULL;
	last = &h->marks[h->count++];
	*last = (struct mark){.offset = offset, .ns = ns};
	return last;
}

int hold_push(struct hold **ph, uint64_t offset, const uint8_t *p, size_t n, uint64_t ns)
{
	struct hold *h = *ph ? *ph : calloc(1, sizeof(*h));
	struct mark *m;
	int r = h ? 0 : -ENOMEM;

	if (!r && (n > HOLD_MAX || h->n - h->at + n > HOLD_MAX))
		r = -ENOBUFS;
	if (!r && h->n + n > h->cap)
		r = make_room(h, n);
	m = r ? NULL : mark_for(h, offset, ns);
	if (!r && !m)
		r = -ENOBUFS;
	if (r) {
		if (!*ph && h)
			free(h->buf), free(h);
		return r;
	}
	memcpy(h->buf + h->n, p, n);
	h->n += n;
	m->n += n;
	*ph = h;
	return 0;
}

bool hold_peek(const struct hold *h, struct held *ret)
{
	const struct mark *m;

	if (!h)
		return false;
	m = &h->marks[h->first];
	*ret = (struct held){h->buf + h->at, m->n, m->offset, m->ns};
	return true;
}

void hold_pop(struct hold **ph, size_t n)
{
	struct hold *h = *ph;
	struct mark *m = &h->marks[h->first];

	h->at += n;
	m->offset += n;
	m->n -= n;
	if (!m->n)
		h->first++;
	if (h->first == h->count) {
		free(h->buf);
		free(h);
		*ph = NULL;
	}
}

uint64_t hold_end(const struct hold *h)
{
	const struct mark *last = &h->marks[h->count - 1];

	return last->offset + last->n;
}
