// SPDX-License-Identifier: Apache-2.0
/*
 * A list in order of id: the front part is sent and waits for its ack, the rest waits for room in
 * the socket. ACK frees up to its id. HELLO (the recorder is new) frees up to its id, tells the
 * recorder the last id that will come again, and starts over from the front; the recorder drops
 * what it already has by id. When the bound is reached new records are refused, so ids stay in
 * order and the loss is a count at a known place.
 */
#include "handover.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/role.h"
#include "base/cleanup.h"

struct item {
	struct item *next;
	size_t n;
	struct role_record head;
	uint8_t payload[];
};
struct handover {
	int fd;
	struct item *first, **last, *unsent;
	size_t bytes;
	uint64_t durable, dropped;
	bool told;	/* any ACK or HELLO was seen */
	bool owe_hello; /* our HELLO did not fit into the socket yet */
	_Alignas(8) uint8_t buf[ROLE_BODY_MAX + 1];
};

struct handover *handover_new(int fd)
{
	struct handover *h = calloc(1, sizeof(*h));

	if (h) {
		h->fd = fd;
		h->last = &h->first;
	}
	return h;
}

static void free_up_to(struct handover *h, uint64_t id)
{
	while (h->first && h->first->head.id <= id) {
		struct item *i = h->first;

		if (i == h->unsent)
			h->unsent = i->next;
		h->first = i->next;
		if (!h->first)
			h->last = &h->first;
		h->bytes -= i->n;
		free(i);
	}
}

void handover_free(struct handover *h)
{
	if (!h)
		return;
	free_up_to(h, UINT64_MAX);
	free(h);
}

static int send_waiting(struct handover *h)
{
	if (h->owe_hello) {
		struct role_ack a = {0};
		int r;

		for (struct item *i = h->first; i; i = i->next)
			a.id = i->head.id;
		r = role_send(h->fd, ROLE_HELLO, &a, sizeof(a));
		if (r)
			return r == -EAGAIN ? 0 : r;
		h->owe_hello = false;
	}
	while (h->unsent) {
		int r = role_sendv(h->fd, ROLE_RECORD, &h->unsent->head, sizeof(h->unsent->head),
				   h->unsent->payload, h->unsent->head.len);

		if (r)
			return r == -EAGAIN ? 0 : r;
		h->unsent = h->unsent->next;
	}
	return 0;
}

int handover_add(struct handover *h, uint64_t id, uint64_t boot_ns, uint32_t schema,
		 const uint8_t *payload, size_t n)
{
	struct item *i = NULL;

	if (h->bytes + sizeof(*i) + n <= HANDOVER_MAX)
		i = malloc(sizeof(*i) + n);
	if (!i) {
		h->dropped++;
		return -ENOBUFS;
	}
	*i = (struct item){.n = sizeof(*i) + n,
			   .head = {.id = id, .boot_ns = boot_ns, .schema = schema, .len = n}};
	memcpy(i->payload, payload, n);
	*h->last = i;
	h->last = &i->next;
	if (!h->unsent)
		h->unsent = i;
	h->bytes += i->n;
	return send_waiting(h);
}

static void on_message(struct handover *h, enum role_kind kind)
{
	const struct role_ack *a = (const void *)h->buf;

	if (kind != ROLE_ACK && kind != ROLE_HELLO)
		return;
	h->told = true;
	if (a->id > h->durable)
		h->durable = a->id;
	free_up_to(h, a->id);
	if (kind == ROLE_HELLO) {
		h->owe_hello = true;
		h->unsent = h->first;
	}
}

int handover_run(struct handover *h)
{
	struct role_msg m;
	int r;

	while ((r = role_recv(h->fd, &m, h->buf, ROLE_BODY_MAX)) >= 0)
		on_message(h, m.kind);
	if (r != -EAGAIN)
		return r;
	return send_waiting(h);
}

bool handover_wants_write(const struct handover *h)
{
	return h->unsent || h->owe_hello;
}
bool handover_idle(const struct handover *h)
{
	return !h->first;
}
uint64_t handover_durable(const struct handover *h)
{
	return h->durable;
}
uint64_t handover_dropped(const struct handover *h)
{
	return h->dropped;
}
size_t handover_bytes(const struct handover *h)
{
	return h->bytes;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ll + t.tv_nsec / 1000000;
}

int handover_sync(struct handover *h, uint64_t expected, int limit_ms, uint64_t *ret_durable)
{
	int64_t end = now_ms() + limit_ms;
	int r = role_send(h->fd, ROLE_SYNC, NULL, 0);

	if (r && r != -EAGAIN)
		return r;
	while (!h->told || h->durable < expected) {
		struct pollfd p = {.fd = h->fd, .events = POLLIN};
		int64_t left = end - now_ms();

		if (left <= 0)
			break;
		poll(&p, 1, left);
		r = handover_run(h);
		if (r)
			return r;
		/* A recorder that has spoken and knows less has lost the rest; its own queue needs
		 * no more than this to come to a rest. */
		if (h->told && h->durable < expected && now_ms() + 1500 < end)
			end = now_ms() + 1500;
	}
	if (!h->told)
		return -ETIMEDOUT;
	*ret_durable = h->durable;
	return 0;
}
