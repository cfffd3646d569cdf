// SPDX-License-Identifier: Apache-2.0
/*
 * The first bytes of a TLS connection, from its packets: which server the client names, which
 * protocols it offers, which version the server chose. Flows out: to the socket, to the connections
 * bound to it already, and, once per ClientHello, to evidence.c.
 *
 * A flight comes in parts when it fills several packets; they are put together here, EVENT_HELLO_MAX
 * bytes of one direction at a time. A part that does not follow, or a flight that is longer, is read
 * as far as it goes. Bytes that are no hello leave the socket as it was.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/worker/conns.h"
#include "agent/worker/denials.h"
#include "agent/worker/evidence.h"
#include "agent/worker/socks.h"
#include "flow/clienthello.h"
#include "flow/serverhello.h"

#define RETRY_MORE 1400 /* a second ClientHello may have a larger key than the first */

struct first_bytes {
	uint32_t n;
	uint8_t dir;
	uint8_t bytes[EVENT_HELLO_MAX];
};

void hellos_free(struct sock *s)
{
	free(s->first);
	s->first = NULL;
}

/* What is there of this flight so far, this part included. */
static const uint8_t *join(struct sock *s, const struct event_hello *e, uint32_t *ret_n)
{
	struct first_bytes *f = s->first;

	*ret_n = e->size;
	if (!e->offset) {
		hellos_free(s);
		f = NULL;
	}
	if (e->offset && (!f || f->dir != e->dir || f->n != e->offset))
		return f && f->dir == e->dir ? (*ret_n = f->n, f->bytes) : NULL;
	if (!f) {
		s->first = f = malloc(sizeof(*f));
		if (!f)
			return e->bytes;
		f->n = 0;
		f->dir = e->dir;
	}
	if (*ret_n > sizeof(f->bytes) - f->n)
		*ret_n = sizeof(f->bytes) - f->n;
	memcpy(f->bytes + f->n, e->bytes, *ret_n);
	f->n += *ret_n;
	*ret_n = f->n;
	return f->bytes;
}

static void tell_conns(struct sock *s)
{
	for (struct conn *c = s->conns; c; c = c->next_of_sock)
		conns_learn(c, s);
}

static void keep(char **at, const char *text)
{
	char *copy = text[0] ? strdup(text) : NULL;

	if (!copy)
		return;
	free(*at);
	*at = copy;
}

static void client(struct worker *w, struct sock *s, const struct event_hello *e)
{
	enum clienthello_answer a;
	struct clienthello h;
	const uint8_t *p;
	uint32_t n;
	bool first = !s->hello_ns;

	p = join(s, e, &n);
	a = p ? clienthello_parse(p, n, &h) : CLIENTHELLO_BAD;
	if (a == CLIENTHELLO_BAD)
		return;
	w->count.hellos += first;
	w->count.held += first && e->h.flags & EVENT_F_HELD;
	s->hello_ns = s->hello_ns ?: e->h.boot_ns;
	s->hello_len = n < 5 ? n : 5u + (p[3] << 8 | p[4]);
	keep(&s->sni, h.sni);
	keep(&s->alpn, h.alpn);
	s->ech |= h.ech;
	tell_conns(s);
	/* The name decides; without it, the end of what there is to read. */
	if (h.sni_seen ? !s->greeted : a == CLIENTHELLO_OK || h.extensions_whole) {
		s->greeted = true;
		evidence_hello(w, s, e->h.flags & EVENT_F_HELD);
		/* Not all in its first packet: the kernel may not have found the name. */
		if (e->offset || !h.sni_seen)
			names_judge(w, &e->h, e->cookie, &e->peer, h.sni, GATE_BY_SNI);
	}
	if (a == CLIENTHELLO_OK)
		hellos_free(s);
}

/* A server that refuses has not answered: nothing can be asked of it. */
static void server(struct sock *s, const struct event_hello *e)
{
	enum serverhello_answer a;
	struct serverhello h;
	const uint8_t *p;
	uint32_t n;

	p = join(s, e, &n);
	a = p ? serverhello_parse(p, n, &h) : SERVERHELLO_BAD;
	if (a != SERVERHELLO_OK && (a != SERVERHELLO_MORE || !h.version))
		return;
	s->tls = h.version;
	if (h.retry && !s->retried) { /* the client says its hello again, with another key */
		s->retried = true;
		s->hello_len += s->hello_len + RETRY_MORE;
	}
	if (a == SERVERHELLO_OK)
		hellos_free(s);
	s->answer_ns = s->answer_ns ?: e->h.boot_ns;
	tell_conns(s);
}

void hellos_told(struct worker *w, const struct event_hello *e)
{
	struct sock *s = socks_get(w->socks, e->cookie, &e->h);

	if (!s)
		return;
	s->peer = e->peer;
	if (e->dir == EVENT_READ)
		server(s, e);
	else
		client(w, s, e);
	kept_note(w, s);
}
