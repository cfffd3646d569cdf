// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: connects, hellos, closes, and which connection speaks over which socket, in any order.
 * Flows out: names, protocols and versions to the connections; at a socket's end, to late.c, that
 * nothing of it was seen.
 *
 * A socket that said hello to a server stays CLOSED_NS beyond its end, because what was read from
 * it may be decrypted a little later. Bound: SOCKS_MAX; the least recently used one then goes as if
 * it had closed. Sockets that were open before the agent, or before this worker, are not here.
 */
#include "socks.h"

#include <stdlib.h>
#include <string.h>

#include "agent/worker/conns.h"
#include "agent/worker/evidence.h"

#define BUCKETS 8192
#define CLOSED_NS 2000000000ull
#define ALIVE_NS 30000000000ull /* a call nobody saw is declared after that, if not at the end */

struct socks {
	struct worker *worker;
	struct sock *by_cookie[BUCKETS], *by_pid[BUCKETS];
	struct sock *newest, *oldest;
	unsigned count;
};

struct socks *socks_new(struct worker *w)
{
	struct socks *ss = calloc(1, sizeof(*ss));

	if (ss)
		ss->worker = w;
	return ss;
}

unsigned socks_count(const struct socks *ss)
{
	return ss->count;
}

struct sock *socks_find(const struct socks *ss, uint64_t cookie)
{
	struct sock *s = ss->by_cookie[cookie % BUCKETS];

	while (s && s->cookie != cookie)
		s = s->next;
	return s;
}

static void lru_remove(struct socks *ss, struct sock *s)
{
	*(s->newer ? &s->newer->older : &ss->newest) = s->older;
	*(s->older ? &s->older->newer : &ss->oldest) = s->newer;
}

static void lru_add(struct socks *ss, struct sock *s)
{
	s->newer = NULL;
	s->older = ss->newest;
	*(ss->newest ? &ss->newest->newer : &ss->oldest) = s;
	ss->newest = s;
}

static void unlink_sock(struct socks *ss, struct sock *s)
{
	struct sock **at = &ss->by_cookie[s->cookie % BUCKETS];

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	at = &ss->by_pid[s->pid % BUCKETS];
	while (*at != s)
		at = &(*at)->next_of_pid;
	*at = s->next_of_pid;
	lru_remove(ss, s);
	ss->count--;
}

static void release(struct sock *s)
{
	hellos_free(s);
	free(s->sni);
	free(s->alpn);
	free(s);
}

/* Nothing more will come of it. */
static void drop(struct socks *ss, struct sock *s, uint64_t ns)
{
	uint64_t start_ns = s->start_ns;
	uint32_t pid = s->pid;

	conns_sock_closed(ss->worker->conns, s, s->closed_ns ?: ns);
	conns_sock_gone(s);
	if (s->hello_ns)
		late_socket(ss->worker, s, s->closed_ns ?: ns);
	unlink_sock(ss, s);
	kept_drop(s);
	release(s);
	evidence_again(ss->worker, pid, start_ns);
}

struct sock *socks_get(struct socks *ss, uint64_t cookie, const struct event *e)
{
	struct sock *s = socks_find(ss, cookie);

	if (s) {
		lru_remove(ss, s);
		lru_add(ss, s);
		return s;
	}
	if (ss->count >= SOCKS_MAX)
		drop(ss, ss->oldest, e->boot_ns);
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->cookie = cookie;
	s->pid = e->pid;
	s->uid = e->uid;
	s->cgroup = e->cgroup;
	s->start_ns = e->start_ns;
	s->first_ns = e->boot_ns;
	s->sent = -1;
	s->next = ss->by_cookie[cookie % BUCKETS];
	ss->by_cookie[cookie % BUCKETS] = s;
	s->next_of_pid = ss->by_pid[s->pid % BUCKETS];
	ss->by_pid[s->pid % BUCKETS] = s;
	lru_add(ss, s);
	ss->count++;
	return s;
}

bool socks_open(const struct socks *ss, uint32_t pid, uint64_t start_ns)
{
	for (const struct sock *s = ss->by_pid[pid % BUCKETS]; s; s = s->next_of_pid)
		if (s->pid == pid && s->start_ns == start_ns && s->hello_ns && !s->judged &&
		    !s->closed_ns)
			return true;
	return false;
}

void socks_connected(struct socks *ss, const struct event_conn *e)
{
	struct sock *s = socks_get(ss, e->cookie, &e->h);

	if (s)
		s->peer = e->peer;
}

void socks_closed(struct socks *ss, const struct event_conn *e, int64_t sent)
{
	struct sock *s = socks_find(ss, e->cookie);

	if (!s)
		return;
	s->closed_ns = e->h.boot_ns;
	s->sent = sent;
	kept_note(ss->worker, s);
	if (!s->hello_ns || s->judged)
		drop(ss, s, e->h.boot_ns);
	else
		conns_sock_closed(ss->worker->conns, s, e->h.boot_ns);
}

/* Alive and silent for long; true once. */
static bool is_old(struct sock *s, uint64_t now_ns)
{
	if (s->old || s->closed_ns || !s->hello_ns || s->seen || s->hello_ns + ALIVE_NS > now_ns)
		return false;
	s->old = true;
	return true;
}

/* Oldest use first, but what lies behind a young one may be due: all are looked at. */
void socks_sweep(struct socks *ss, uint64_t now_ns)
{
	for (struct sock *s = ss->oldest, *next; s; s = next) {
		next = s->newer;
		if (s->closed_ns && s->closed_ns + CLOSED_NS < now_ns)
			drop(ss, s, now_ns);
		else if (is_old(s, now_ns))
			late_socket(ss->worker, s, now_ns);
	}
}

void socks_end(struct socks *ss, uint64_t now_ns)
{
	for (struct sock *s = ss->oldest, *next; s; s = next) {
		next = s->newer;
		if (s->closed_ns)
			drop(ss, s, now_ns);
	}
}

void socks_seen(struct sock *s)
{
	s->seen = true;
	kept_drop(s);
}

void socks_free(struct socks *ss)
{
	if (!ss)
		return;
	while (ss->oldest) {
		struct sock *s = ss->oldest;

		unlink_sock(ss, s);
		release(s);
	}
	free(ss);
}
