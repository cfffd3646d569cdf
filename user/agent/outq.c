// SPDX-License-Identifier: Apache-2.0
/*
 * A role never blocks on another: what its socket does not take is kept here, in order, up to a
 * bound, and refused and counted beyond. The owner calls outq_flush when the socket is writable.
 */
#include "outq.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct outq_msg {
	struct outq_msg *next;
	enum role_kind kind;
	size_t n;
	uint8_t body[];
};

void outq_init(struct outq *q, size_t max_bytes)
{
	*q = (struct outq){.max_bytes = max_bytes};
	q->last = &q->first;
}

void outq_clear(struct outq *q)
{
	while (q->first) {
		struct outq_msg *m = q->first;

		q->first = m->next;
		free(m);
	}
	q->last = &q->first;
	q->bytes = 0;
}

static int keep(struct outq *q, enum role_kind kind, const void *head, size_t n, const void *tail,
		size_t m)
{
	struct outq_msg *msg;

	if (q->bytes + n + m > q->max_bytes || !(msg = malloc(sizeof(*msg) + n + m))) {
		q->refused++;
		return -ENOBUFS;
	}
	msg->next = NULL;
	msg->kind = kind;
	msg->n = n + m;
	if (n)
		memcpy(msg->body, head, n);
	if (m)
		memcpy(msg->body + n, tail, m);
	*q->last = msg;
	q->last = &msg->next;
	q->bytes += msg->n;
	return 0;
}

int outq_send(struct outq *q, int fd, enum role_kind kind, const void *head, size_t n,
	      const void *tail, size_t m)
{
	int r = -EAGAIN;

	if (!q->first && fd >= 0)
		r = role_sendv(fd, kind, head, n, tail, m);
	return r == -EAGAIN ? keep(q, kind, head, n, tail, m) : r;
}

int outq_flush(struct outq *q, int fd)
{
	while (q->first) {
		struct outq_msg *m = q->first;
		int r = role_send(fd, m->kind, m->body, m->n);

		if (r)
			return r;
		q->first = m->next;
		if (!q->first)
			q->last = &q->first;
		q->bytes -= m->n;
		free(m);
	}
	return 0;
}
