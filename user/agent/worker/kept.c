// SPDX-License-Identifier: Apache-2.0
/*
 * Sockets that said hello to AI and of which no plaintext has come up, kept where a worker's death does
 * not reach. Flows in: what socks.c, hellos.c and conns.c learn of a socket. Flows out: to the next
 * worker, at its start, the same sockets, so that a call nobody saw is declared also when the worker
 * that saw the hello is dead by the socket's end.
 *
 * Invariant: an entry is there from the record of the ring that names the service until plaintext of
 * the socket was seen, its record has an id (inflight.c), or nothing is to be said of it. Limit: of a
 * ClientHello in several packets the part that a dead worker has read is lost, and the name with it.
 * With all entries in use a socket is not kept; inflight counts it.
 */
#include <string.h>

#include "agent/worker/conns.h"
#include "agent/worker/socks.h"

static bool is_ai(const struct worker *w, const struct sock *s)
{
	const struct proc *p = procs_find(w->procs, s->pid, s->start_ns);
	struct catalog_service service;

	if (s->sni && catalog_host(w->catalog, s->sni, &service) && service.ai)
		return true;
	return p && p->tls.tool;
}

static struct inflight_sock *begin(struct worker *w, const struct sock *s)
{
	struct inflight_sock k = {.cookie = s->cookie,
				  .start_ns = s->start_ns,
				  .cgroup = s->cgroup,
				  .first_ns = s->first_ns,
				  .hello_ns = s->hello_ns,
				  .pid = s->pid,
				  .uid = s->uid,
				  .sent = -1};

	if (s->sni)
		TEXT_SET(k.sni, s->sni, strlen(s->sni));
	if (s->alpn)
		TEXT_SET(k.alpn, s->alpn, strlen(s->alpn));
	return inflight_sock_open(w->inflight, &k);
}

void kept_note(struct worker *w, struct sock *s)
{
	struct inflight_sock *k;

	if (!s->hello_ns || s->seen || s->judged || s->declared || !is_ai(w, s)) {
		kept_drop(s);
		return;
	}
	if (!s->kept)
		s->kept = begin(w, s);
	k = s->kept;
	if (!k)
		return;
	k->peer = s->peer;
	k->hello_len = s->hello_len;
	k->tls = s->tls;
	k->greeted = s->greeted;
	k->conn = s->conns ? s->conns->id : k->conn;
	k->answer_ns = s->answer_ns;
	k->sent = s->sent;
	k->closed_ns = s->closed_ns;
}

void kept_drop(struct sock *s)
{
	inflight_sock_drop(s->kept);
	s->kept = NULL;
}

static void again(struct worker *w, struct inflight_sock *k)
{
	struct event e = {.boot_ns = k->first_ns,
			  .start_ns = k->start_ns,
			  .cgroup = k->cgroup,
			  .conn = k->conn,
			  .pid = k->pid,
			  .tid = k->pid,
			  .uid = k->uid};
	struct sock *s = socks_get(w->socks, k->cookie, &e);
	struct conn *c;

	if (!s)
		return;
	k->sni[sizeof(k->sni) - 1] = k->alpn[sizeof(k->alpn) - 1] = '\0';
	s->kept = k;
	s->peer = k->peer;
	s->hello_ns = k->hello_ns;
	s->answer_ns = k->answer_ns;
	s->closed_ns = k->closed_ns;
	s->sent = k->sent;
	s->hello_len = k->hello_len;
	s->tls = k->tls;
	s->greeted = k->greeted;
	s->sni = k->sni[0] ? strdup(k->sni) : NULL;
	s->alpn = k->alpn[0] ? strdup(k->alpn) : NULL;
	c = k->conn && !k->closed_ns ? conns_get(w->conns, &e) : NULL;
	if (c)
		conns_bind(c, s, NULL);
}

void kept_again(struct worker *w)
{
	struct inflight_sock *k;
	unsigned at = 0;

	while ((k = inflight_sock_next(w->inflight, &at)))
		again(w, k);
}
