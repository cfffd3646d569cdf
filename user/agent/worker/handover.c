// SPDX-License-Identifier: Apache-2.0
/*
 * A list in order of id: the front part is sent and waits for its ack, the rest waits for room in
 * the socket. ACK frees up to its id. HELLO (the recorder is new) frees up to its id, tells the
 * recorder the last id that will come again, and starts over from the front; the recorder drops
 * what it already has by id. After SYNC no record is sent before handover_go, so that whatever is in
 * the socket before a SYNC is of a worker that is dead. When the bound is reached new records are refused, so ids stay in
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
	uint64_t nonce, synced_id;
	bool wait, owe_sync, synced; /* for handover_go; question not sent yet; answer is there */
	bool owe_hello;		     /* our HELLO did not fit into the socket yet */
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
	if (h->owe_sync) {
		struct role_sync q = {.nonce = h->nonce};
		int r = role_send(h->fd, ROLE_SYNC, &q, sizeof(q));

		if (r)
			return r == -EAGAIN ? 0 : r;
		h->owe_sync = false;
	}
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
	while (h->unsent && !h->wait) {
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
	const struct role_sync *s = (const void *)h->buf;
	const struct role_ack *a = (const void *)h->buf;

	if (kind == ROLE_SYNC && h->nonce && s->nonce == h->nonce) {
		h->synced = true;
		h->synced_id = s->id;
	}
	if (kind != ROLE_ACK && kind != ROLE_HELLO)
		return;
	if (a->id > h->durable)
		h->durable = a->id;
	free_up_to(h, a->id);
	if (kind == ROLE_HELLO) {
		h->owe_hello = true;
		h->unsent = h->first;
		h->owe_sync = h->nonce && !h->synced; /* the one before it may have read it */
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
	return (h->unsent && !h->wait) || h->owe_hello || h->owe_sync;
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

int handover_sync(struct handover *h, uint64_t nonce, int limit_ms)
{
	int64_t end = now_ms() + limit_ms, left = limit_ms;
	int r;

	h->nonce = nonce;
	h->owe_sync = h->wait = true;
	while (!(r = handover_run(h)) && !h->synced && left > 0) {
		struct pollfd p = {.fd = h->fd, .events = POLLIN};

		poll(&p, 1, left < 100 ? left : 100);
		left = end - now_ms();
	}
	return r ? r : h->synced ? 0 : -ETIMEDOUT;
}

bool handover_synced(const struct handover *h, uint64_t *ret_durable)
{
	if (h->synced)
		*ret_durable = h->synced_id;
	return h->synced;
}

void handover_go(struct handover *h)
{
	h->wait = false;
}
