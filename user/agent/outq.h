/* SPDX-License-Identifier: Apache-2.0 */
/* Messages to another role that its socket has no room for yet, in order and bounded. */
#ifndef PROBITY_AGENT_OUTQ_H
#define PROBITY_AGENT_OUTQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/role.h"

struct outq_msg;
struct outq {
	struct outq_msg *first, **last;
	size_t bytes, max_bytes;
	uint64_t refused; /* messages dropped because the queue was full */
};

void outq_init(struct outq *q, size_t max_bytes);
void outq_clear(struct outq *q);
/* Sends now when nothing waits and the socket has room, else queues. 0; -ENOBUFS (refused, counted);
 * other -errno from the socket. */
int outq_send(struct outq *q, int fd, enum role_kind kind, const void *head, size_t n,
	      const void *tail, size_t m);
/* Sends what waits. 0 when empty, -EAGAIN when some still waits, other -errno. */
int outq_flush(struct outq *q, int fd);
static inline bool outq_waiting(const struct outq *q)
{
	return q->first != NULL;
}

#endif
