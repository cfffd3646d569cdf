// SPDX-License-Identifier: Apache-2.0
/*
 * TLS libraries that are only seen at their record layer give a key for each direction, with a
 * connection id and offsets of its own. Flows in: data of keys, and the socket each key's records go
 * over. Flows out: chunks of whole connections, whose offsets go on where the direction's last key
 * ended (a handshake's key gives way to the application's, TLS 1.3 may change keys at any time).
 *
 * Until its socket is known a key's data waits, at most HALF_WAIT_MAX bytes and HALVES_WAIT_MAX of
 * all keys; what does not fit is a gap by its offset. A key that ends, or is not used for a while,
 * without a socket is given a connection of its own: what it wrote are calls without an answer,
 * what it read alone is nothing that can be read, and counted (`unjoined`).
 *
 * A key outlives its connection here, because the kernel tells its socket once: a connection that
 * was evicted comes back with the next chunk. Keys of what is not wanted stay marked so until they
 * end. Bound: HALVES_MAX keys, the least recently used one goes.
 *
 * Limit: bytes lost at the very end of a key that another one follows do not show as a gap.
 */
#include "halves.h"

#include <stdlib.h>
#include <string.h>

#include "agent/worker/evidence.h"
#include "agent/worker/gate.h"
#include "agent/worker/socks.h"
#include "base/cleanup.h"

#define BUCKETS 8192
#define WAIT_NS 10000000000ull

struct waiting {
	struct waiting *next;
	struct chunk k;
	uint8_t bytes[];
};

struct half {
	struct half *next, *next_of_pid, *next_of_conn;
	struct half *newer, *older;
	struct event last; /* whose it is */
	uint64_t id;
	struct event_conn socket; /* as told; cookie 0: not yet */
	struct conn *conn;	  /* NULL: none now */
	bool ignored, used;
	enum event_dir dir; /* once used */
	uint64_t base;	    /* what its offsets begin at in the connection's direction (may wrap) */
	uint64_t start, next_offset; /* own offsets: of its first byte, after its last */
	struct waiting *first, **last_waiting;
	size_t waits;
};

struct halves {
	struct worker *worker;
	struct half *by_id[BUCKETS], *by_pid[BUCKETS];
	struct half *newest, *oldest;
	unsigned count;
	size_t waits;
};

struct halves *halves_new(struct worker *w)
{
	struct halves *hs = calloc(1, sizeof(*hs));

	if (hs)
		hs->worker = w;
	return hs;
}

unsigned halves_count(const struct halves *hs)
{
	return hs->count;
}

/* --- the table --------------------------------------------------------------------------------- */

static struct half *find(const struct halves *hs, uint64_t id)
{
	struct half *h = hs->by_id[id % BUCKETS];

	while (h && h->id != id)
		h = h->next;
	return h;
}

static void lru_remove(struct halves *hs, struct half *h)
{
	*(h->newer ? &h->newer->older : &hs->newest) = h->older;
	*(h->older ? &h->older->newer : &hs->oldest) = h->newer;
}

static void lru_add(struct halves *hs, struct half *h)
{
	h->newer = NULL;
	h->older = hs->newest;
	*(hs->newest ? &hs->newest->newer : &hs->oldest) = h;
	hs->newest = h;
}

static void detach(struct half *h)
{
	struct half **at = h->conn ? &h->conn->halves : NULL;

	if (!at)
		return;
	while (*at != h)
		at = &(*at)->next_of_conn;
	*at = h->next_of_conn;
	h->conn = NULL;
}

static void forget_waiting(struct halves *hs, struct half *h)
{
	for (struct waiting *w; (w = h->first);) {
		h->first = w->next;
		explicit_bzero(w->bytes, w->k.n);
		free(w);
	}
	h->last_waiting = &h->first;
	hs->waits -= h->waits;
	h->waits = 0;
}

static void drop(struct halves *hs, struct half *h)
{
	struct half **at = &hs->by_id[h->id % BUCKETS];

	while (*at != h)
		at = &(*at)->next;
	*at = h->next;
	at = &hs->by_pid[h->last.pid % BUCKETS];
	while (*at != h)
		at = &(*at)->next_of_pid;
	*at = h->next_of_pid;
	lru_remove(hs, h);
	detach(h);
	forget_waiting(hs, h);
	hs->count--;
	free(h);
}

/* --- joining ----------------------------------------------------------------------------------- */

static void attach(struct half *h, struct conn *c)
{
	h->conn = c;
	h->next_of_conn = c->halves;
	c->halves = h;
}

static void deliver(struct half *h, const struct chunk *k)
{
	struct conn *c = h->conn;
	struct chunk at = *k;

	if (!h->used) {
		h->used = true;
		h->dir = k->dir;
		h->base = c->end[k->dir] - h->start;
	}
	if (h->next_offset < k->offset + k->n)
		h->next_offset = k->offset + k->n;
	at.offset += h->base;
	if (k->flags & EVENT_F_GATED && c->worker->gate)
		gate_chunk(c->worker->gate, c, &at);
	if (!follow_chunk(c, &at) && !c->refused)
		conns_ignore(c->worker->conns, c);
	else
		gate_chunk_over(c);
}

/* The connection of keys over that socket. */
static struct conn *conn_over(struct halves *hs, struct half *h, struct sock *s)
{
	struct conn *c = s->conns;

	while (c && !c->halves)
		c = c->next_of_sock;
	return c ?: conns_get(hs->worker->conns, &h->last);
}

/* False: there is none for it. */
static bool join(struct halves *hs, struct half *h)
{
	struct sock *s = socks_get(hs->worker->socks, h->socket.cookie, &h->last);
	struct conn *c;

	if (s && s->judged && !s->conns)
		h->ignored = true;
	if (s && s->handle) { /* a handle above it gives the same bytes */
		hs->worker->count.twice++;
		h->ignored = true;
	}
	if (h->ignored && h->conn)
		conns_ignore(hs->worker->conns, h->conn);
	if (!s || h->ignored) {
		conns_verdict(hs->worker, h->id, VERDICT_IGNORE);
		forget_waiting(hs, h);
		return false;
	}
	s->peer = h->socket.peer;
	c = h->conn ?: conn_over(hs, h, s);
	if (!c)
		return false;
	if (!h->conn)
		attach(h, c);
	conns_bind(c, s, &h->socket);
	if (c->ai)
		conns_verdict(hs->worker, h->id, VERDICT_WATCH);
	return true;
}

/* Delivery may end the connection, and with it the attachment. */
static void flush(struct halves *hs, struct half *h)
{
	for (struct waiting *w; (w = h->first) && h->conn;) {
		h->first = w->next;
		if (!h->first)
			h->last_waiting = &h->first;
		h->waits -= w->k.n;
		hs->waits -= w->k.n;
		deliver(h, &w->k);
		explicit_bzero(w->bytes, w->k.n);
		free(w);
	}
	forget_waiting(hs, h);
}

/* Its socket will not be known any more. */
static void alone(struct halves *hs, struct half *h, uint64_t ns)
{
	struct conn *c;

	if (!h->first || h->conn)
		return;
	hs->worker->count.unjoined++;
	c = h->first->k.dir == EVENT_WRITE ? conns_get(hs->worker->conns, &h->last) : NULL;
	if (!c)
		return;
	attach(h, c);
	flush(hs, h);
	if (h->conn)
		conns_end(hs->worker->conns, h->conn, ns);
}

static void end(struct halves *hs, struct half *h, uint64_t ns)
{
	struct conn *c = h->conn;

	alone(hs, h, ns);
	drop(hs, h);
	if (c && !c->halves)
		conns_end(hs->worker->conns, c, ns);
}

static struct half *get(struct halves *hs, const struct event *e)
{
	struct half *h = find(hs, e->conn);

	if (h) {
		lru_remove(hs, h);
		lru_add(hs, h);
		h->last.boot_ns = e->boot_ns;
		h->last.flags |= e->flags;
		return h;
	}
	if (hs->count >= HALVES_MAX)
		end(hs, hs->oldest, e->boot_ns);
	h = calloc(1, sizeof(*h));
	if (!h)
		return NULL;
	h->id = e->conn;
	h->last = *e;
	h->last_waiting = &h->first;
	h->next = hs->by_id[h->id % BUCKETS];
	hs->by_id[h->id % BUCKETS] = h;
	h->next_of_pid = hs->by_pid[h->last.pid % BUCKETS];
	hs->by_pid[h->last.pid % BUCKETS] = h;
	lru_add(hs, h);
	hs->count++;
	return h;
}

/* --- events ------------------------------------------------------------------------------------ */

static void wait_for_socket(struct halves *hs, struct half *h, const struct chunk *k)
{
	struct waiting *w;

	if (h->waits + k->n > HALF_WAIT_MAX || hs->waits + k->n > HALVES_WAIT_MAX ||
	    !(w = malloc(sizeof(*w) + k->n))) {
		hs->worker->count.not_waited++;
		return; /* its offset is missing then */
	}
	w->next = NULL;
	w->k = *k;
	w->k.p = w->bytes;
	memcpy(w->bytes, k->p, k->n);
	*h->last_waiting = w;
	h->last_waiting = &w->next;
	h->waits += k->n;
	hs->waits += k->n;
}

/* The writer waits for a verdict, and only the send after it would show the socket. */
static void at_once(struct halves *hs, struct half *h)
{
	struct conn *c = conns_get(hs->worker->conns, &h->last);

	if (!c)
		return;
	attach(h, c);
	flush(hs, h);
}

struct conn *halves_conn(struct halves *hs, uint64_t id)
{
	struct half *h = find(hs, id);

	return h ? h->conn : NULL;
}

void halves_data(struct halves *hs, const struct event_data *e)
{
	struct chunk k = {
		e->dir == EVENT_READ, e->offset, e->h.boot_ns, e->bytes, e->size, e->h.flags};
	struct half *h;

	if (!(e->h.flags & EVENT_F_GATED) && conns_is_ignored(hs->worker, e->h.conn))
		return;
	h = get(hs, &e->h);
	if (!h)
		return;
	if (h->ignored) {
		conns_verdict(hs->worker, h->id,
			      VERDICT_IGNORE); /* the slot was another's meanwhile */
		return;
	}
	if (!h->conn && h->socket.cookie && !join(hs, h))
		return;
	if (!h->conn && e->h.flags & EVENT_F_GATED)
		at_once(hs, h);
	if (!h->conn) {
		wait_for_socket(hs, h, &k);
		return;
	}
	conns_touch(hs->worker->conns, h->conn, &e->h);
	deliver(h, &k);
}

/* The key's memory became another one's, over another socket: its offsets go on. */
static struct half *anew(struct halves *hs, struct half *h, const struct event *e)
{
	uint64_t start = h->next_offset;

	end(hs, h, e->boot_ns);
	h = get(hs, e);
	if (h)
		h->start = h->next_offset = start;
	return h;
}

void halves_bound(struct halves *hs, const struct event_conn *e)
{
	struct half *h = find(hs, e->h.conn);

	if (h && h->socket.cookie && h->socket.cookie != e->cookie)
		h = anew(hs, h, &e->h);
	else
		h = get(hs, &e->h);
	if (!h || h->socket.cookie)
		return;
	h->socket = *e;
	if (join(hs, h))
		flush(hs, h);
}

bool halves_closed(struct halves *hs, const struct event *e)
{
	struct half *h = find(hs, e->conn);

	if (h)
		end(hs, h, e->boot_ns);
	return h != NULL;
}

void halves_exit(struct halves *hs, const struct event *e)
{
	for (struct half *h = hs->by_pid[e->pid % BUCKETS], *next; h; h = next) {
		next = h->next_of_pid;
		if (h->last.pid == e->pid)
			end(hs, h, e->boot_ns);
	}
}

void halves_sweep(struct halves *hs, uint64_t now_ns)
{
	for (struct half *h = hs->oldest, *next; h; h = next) {
		next = h->newer;
		if (h->first && h->last.boot_ns + WAIT_NS < now_ns) {
			alone(hs, h, now_ns);
			forget_waiting(hs, h);
		}
	}
}

void halves_let_go(struct conn *c, bool ignored)
{
	while (c->halves) {
		struct half *h = c->halves;

		if (ignored) {
			conns_verdict(c->worker, h->id, VERDICT_IGNORE);
			h->ignored = true;
		}
		detach(h);
	}
}

void halves_verdict(const struct conn *c, enum verdict v)
{
	for (const struct half *h = c->halves; h; h = h->next_of_conn)
		conns_verdict(c->worker, h->id, v);
}

void halves_origin(const struct conn *c, uint64_t offset, uint64_t *ret_id, uint64_t *ret_offset)
{
	const struct half *best = NULL;

	for (const struct half *h = c->halves; h; h = h->next_of_conn)
		if (h->used && h->dir == EVENT_WRITE && offset - h->base >= h->start &&
		    offset - h->base < h->next_offset)
			best = h;
	*ret_id = best ? best->id : c->id;
	*ret_offset = best ? offset - best->base : offset;
}

void halves_free(struct halves *hs)
{
	if (!hs)
		return;
	while (hs->oldest) {
		struct half *h = hs->oldest;

		h->conn = NULL; /* the connections are gone before */
		drop(hs, h);
	}
	free(hs);
}
