// SPDX-License-Identifier: Apache-2.0
/*
 * The table of connections. Flows in: events of the data ring, told by connection id. Flows out:
 * chunks to follow.c, which reads them; to the kernel, by the verdict slots, "ignore this
 * connection", "leave out its bulk" or "watch it".
 *
 * A connection lasts until its handle is freed, its process ends, or its socket was closed a while
 * ago: what a program had read from the socket it may still decrypt. A handle with its socket found
 * beside the call may have got the wrong one, so it is given longer. Hosts whose name a kernel rule
 * has are never ignored there.
 *
 * Bounds: CONNS_MAX connections, CONNS_MEMORY bytes in sum. Beyond either one ends as if it had
 * been closed, and its open call is recorded as truncated: idle ones that are not AI first, then
 * idle ones, then the least recently used. Events of a connection come in order; chunks lost by the
 * kernel are gaps by offset.
 *
 * Long because the table's links, its bounds and what each event does to it are one invariant.
 */
#include "conns.h"

#include <stdlib.h>
#include <string.h>

#include "agent/worker/evidence.h"
#include "agent/worker/gate.h"
#include "agent/worker/halves.h"
#include "agent/worker/judge.h"
#include "agent/worker/plain.h"
#include "agent/worker/socks.h"
#include "agent/worker/users.h"
#include "base/cleanup.h"
#include "flow/flow.h"

#define BUCKETS 4096
#define KEY_GRACE_NS 2000000000ull
#define HANDLE_GRACE_NS 30000000000ull
#define HOLE_NS 1000000000ull /* how long a hole in clear text may be filled */
#define LOOK_MAX 1024	      /* connections looked at to find one that is idle */
#define TRIM_STEP 32	      /* ended between two looks at the memory */

struct conns {
	struct worker *worker;
	struct conn *by_id[BUCKETS], *by_pid[BUCKETS];
	struct conn *newest, *oldest;
	unsigned count;
};

/* --- the table -------------------------------------------------------------------------------- */

struct conns *conns_new(struct worker *w)
{
	struct conns *c = calloc(1, sizeof(*c));

	if (c)
		c->worker = w;
	return c;
}

unsigned conns_count(const struct conns *c)
{
	return c->count;
}

static void lru_remove(struct conns *cs, struct conn *c)
{
	*(c->newer ? &c->newer->older : &cs->newest) = c->older;
	*(c->older ? &c->older->newer : &cs->oldest) = c->newer;
}

static void lru_add(struct conns *cs, struct conn *c)
{
	c->newer = NULL;
	c->older = cs->newest;
	*(cs->newest ? &cs->newest->newer : &cs->oldest) = c;
	cs->newest = c;
}

struct conn *conns_find(const struct conns *cs, uint64_t id)
{
	struct conn *c = cs->by_id[id % BUCKETS];

	while (c && c->id != id)
		c = c->next;
	return c;
}

static void unbind(struct conn *c)
{
	struct conn **at = c->sock ? &c->sock->conns : NULL;

	if (!at)
		return;
	while (*at != c)
		at = &(*at)->next_of_sock;
	*at = c->next_of_sock;
	c->sock = NULL;
}

static void tie(struct conn *c, struct sock *s)
{
	c->sock = s;
	c->next_of_sock = s->conns;
	s->conns = c;
}

static void unlink_conn(struct conns *cs, struct conn *c)
{
	struct conn **at = &cs->by_id[c->id % BUCKETS];

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	at = &cs->by_pid[c->pid % BUCKETS];
	while (*at != c)
		at = &(*at)->next_of_pid;
	*at = c->next_of_pid;
	lru_remove(cs, c);
	unbind(c);
	cs->count--;
}

void conns_drop(struct conns *cs, struct conn *c)
{
	uint64_t start_ns = c->start_ns;
	uint32_t pid = c->pid;

	unlink_conn(cs, c);
	plain_free(c);
	follow_drop(c);
	gate_conn_free(cs->worker->gate, c);
	inflight_drop(cs->worker->inflight, c->slot);
	free(c);
	evidence_again(cs->worker, pid, start_ns);
}

void conns_end(struct conns *cs, struct conn *c, uint64_t ns)
{
	c->closing = true;
	gate_ending(cs->worker->gate, c);
	plain_sweep(c, UINT64_MAX);
	follow_end(c, ns);
	if (c->refused && !c->judged)
		judge_refused(cs->worker, c, ns);
	halves_let_go(c, false);
	conns_drop(cs, c);
}

/* --- room ------------------------------------------------------------------------------------- */

static bool idle(const struct conn *c)
{
	return !c->refused && (!c->flow || !flow_busy(c->flow));
}

/* The one to end when there is no room. */
static struct conn *spare(const struct conns *cs)
{
	struct conn *quiet = NULL, *c = cs->oldest;

	for (unsigned n = 0; c && n < LOOK_MAX; n++, c = c->newer) {
		if (!idle(c))
			continue;
		if (!c->ai)
			return c;
		quiet = quiet ?: c;
	}
	return quiet ?: cs->oldest;
}

static void evict(struct conns *cs, uint64_t ns)
{
	cs->worker->count.evicted++;
	conns_end(cs, spare(cs), ns);
}

void conns_trim(struct conns *cs, size_t (*used)(void), size_t max, uint64_t ns)
{
	while (cs->count && used() > max)
		for (unsigned i = 0; cs->count && i < TRIM_STEP; i++)
			evict(cs, ns);
}

/* What was judged on this connection before is not the refused write. */
static void refuse(struct conn *c)
{
	if (!c->refused)
		c->judged = false;
	c->refused = true;
}

/* A process that changed its user since it was told: the names of the new one are asked for. */
static void check_user(const struct conn *c)
{
	const struct proc *p = procs_find(c->worker->procs, c->pid, c->start_ns);

	if (p && p->named != c->uid)
		users_want(c->worker, c->uid);
}

static void remember(struct conn *c, const struct event *e)
{
	c->flags |= e->flags & ~(EVENT_F_ADJACENT | EVENT_F_REFUSED);
	c->uid = e->uid;
	c->cgroup = e->cgroup;
	if (e->flags & (EVENT_F_TLS12 | EVENT_F_TLS13))
		c->tls = e->flags & EVENT_F_TLS13 ? 0x0304 : 0x0303;
	check_user(c);
}

void conns_touch(struct conns *cs, struct conn *c, const struct event *e)
{
	lru_remove(cs, c);
	lru_add(cs, c);
	if (c->closed_ns)
		c->closed_ns = e->boot_ns;
	remember(c, e);
}

struct conn *conns_get(struct conns *cs, const struct event *e)
{
	struct conn *c = conns_find(cs, e->conn);

	if (c) {
		conns_touch(cs, c, e);
		return c;
	}
	if (cs->count >= CONNS_MAX)
		evict(cs, e->boot_ns);
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->id = e->conn;
	c->pid = e->pid;
	c->start_ns = e->start_ns;
	c->first_ns = e->boot_ns;
	c->slot = -1;
	c->worker = cs->worker;
	remember(c, e);
	c->next = cs->by_id[c->id % BUCKETS];
	cs->by_id[c->id % BUCKETS] = c;
	c->next_of_pid = cs->by_pid[c->pid % BUCKETS];
	cs->by_pid[c->pid % BUCKETS] = c;
	lru_add(cs, c);
	cs->count++;
	return c;
}

static void same_server(struct conn *c, const struct conn *was)
{
	struct sock *s = was->sock;

	c->peer = was->peer;
	c->peer_adjacent = was->peer_adjacent;
	c->sni_given = was->sni_given;
	memcpy(c->sni, was->sni, sizeof(c->sni));
	memcpy(c->alpn, was->alpn, sizeof(c->alpn));
	c->tls = was->tls;
	c->closed_ns = was->closed_ns;
	c->ai = was->ai;
	if (s)
		tie(c, s);
}

void conns_refused(struct conns *cs, struct conn *c, uint64_t ns)
{
	const struct conn was = *c;
	struct event e = {.conn = c->id,
			  .pid = c->pid,
			  .start_ns = c->start_ns,
			  .uid = c->uid,
			  .cgroup = c->cgroup,
			  .flags = c->flags,
			  .boot_ns = ns};

	conns_end(cs, c, ns);
	if (was.halves) /* its keys find each other again */
		return;
	c = conns_get(cs, &e);
	if (c)
		same_server(c, &was);
}

bool conns_open(const struct conns *cs, uint32_t pid, uint64_t start_ns)
{
	for (const struct conn *c = cs->by_pid[pid % BUCKETS]; c; c = c->next_of_pid)
		if (c->pid == pid && c->start_ns == start_ns && !(c->flags & EVENT_F_PLAIN))
			return true;
	return false;
}

/* --- verdicts --------------------------------------------------------------------------------- */

void conns_verdict(struct worker *w, uint64_t id, enum verdict verdict)
{
	struct verdict_slot *v = &w->verdicts[id & (VERDICT_SLOTS - 1)];

	if (v->conn == id && v->verdict == verdict)
		return;
	__atomic_store_n(&v->verdict, VERDICT_NONE, __ATOMIC_SEQ_CST);
	__atomic_store_n(&v->conn, id, __ATOMIC_SEQ_CST);
	__atomic_store_n(&v->verdict, verdict, __ATOMIC_SEQ_CST);
}

static bool has_verdict(const struct worker *w, uint64_t id, enum verdict verdict)
{
	const struct verdict_slot *v = &w->verdicts[id & (VERDICT_SLOTS - 1)];

	return v->conn == id && v->verdict == verdict;
}

bool conns_is_ignored(const struct worker *w, uint64_t id)
{
	return has_verdict(w, id, VERDICT_IGNORE);
}

/* Also what another worker, or this one before the connection was evicted, has said is taken back.
 * Keys of one direction do not know when the other's turn was: they are never left out. */
void conns_quiet(struct conn *c, bool quiet)
{
	quiet = quiet && !c->halves && !c->ai && !c->refused && !gate_holds(c);
	c->quiet = quiet;
	if (quiet) {
		c->skips[EVENT_WRITE] = c->skips[EVENT_READ] = true;
		conns_verdict(c->worker, c->id, VERDICT_QUIET);
	} else if (has_verdict(c->worker, c->id, VERDICT_QUIET)) {
		conns_verdict(c->worker, c->id, VERDICT_NONE);
	}
}

void conns_ignore(struct conns *cs, struct conn *c)
{
	if (c->halves)
		halves_let_go(c, true);
	else
		conns_verdict(cs->worker, c->id, VERDICT_IGNORE);
	cs->worker->count.ignored++;
	conns_drop(cs, c);
}

/* --- events ----------------------------------------------------------------------------------- */

/* The gate looks on while flow reads. */
static void read_chunk(struct conns *cs, struct conn *c, const struct chunk *k)
{
	bool clear = k->flags & EVENT_F_PLAIN && k->dir == EVENT_WRITE &&
		     gate_waits_clear(cs->worker->gate);
	bool gated = cs->worker->gate && (clear || k->flags & EVENT_F_GATED);

	if (gated)
		gate_chunk(cs->worker->gate, c, k);
	if (!(k->flags & EVENT_F_PLAIN ? plain_chunk : follow_chunk)(c, k) && !c->refused) {
		conns_ignore(cs, c);
		return;
	}
	if (gated)
		gate_chunk_over(c);
	if (gated && clear)
		gate_clear(cs->worker->gate, c);
}

void conns_data(struct conns *cs, const struct event_data *e)
{
	struct chunk k = {
		e->dir == EVENT_READ, e->offset, e->h.boot_ns, e->bytes, e->size, e->h.flags};
	struct conn *c;

	if (!(e->h.flags & EVENT_F_GATED) && conns_is_ignored(cs->worker, e->h.conn))
		return; /* on its way up when its connection was given up */
	c = conns_get(cs, &e->h);
	if (c && e->h.flags & EVENT_F_GATED && gate_over_before(cs->worker->gate, c)) {
		conns_refused(cs, c, e->h.boot_ns);
		c = conns_get(cs, &e->h);
	}
	if (!c)
		return;
	if (e->h.flags & EVENT_F_PLAIN && !c->sock) {
		struct sock *s = socks_find(cs->worker->socks, e->h.conn & ~CONN_ID_PLAIN);

		if (s)
			conns_bind(c, s, NULL);
	}
	if (e->h.flags & EVENT_F_REFUSED)
		refuse(c);
	read_chunk(cs, c, &k);
}

void conns_learn(struct conn *c, const struct sock *s)
{
	if (!c->sni_given && s->sni)
		TEXT_SET(c->sni, s->sni, strlen(s->sni));
	if (s->alpn)
		TEXT_SET(c->alpn, s->alpn, strlen(s->alpn));
	c->tls = s->tls ?: c->tls;
}

/* Its plaintext came before its socket. */
static void found_socket(struct conn *c, struct sock *s)
{
	struct proc *p = procs_find(c->worker->procs, c->pid, c->start_ns);

	socks_seen(s);
	if (p && p->tls.loose && !(c->flags & EVENT_F_PLAIN))
		p->tls.loose--;
}

/* e: NULL when the socket is known by another way than a send. */
void conns_bind(struct conn *c, struct sock *s, const struct event_conn *e)
{
	if (c->sock != s) {
		if (c->end[EVENT_WRITE] || c->end[EVENT_READ])
			found_socket(c, s);
		unbind(c);
		tie(c, s);
	}
	c->peer = e && e->peer.family ? e->peer : s->peer;
	c->peer_adjacent = e && e->h.flags & EVENT_F_ADJACENT;
	s->bound = true;
	if (s->kept)
		kept_note(c->worker, s);
	conns_learn(c, s);
}

void conns_bound(struct conns *cs, const struct event_conn *e)
{
	struct sock *s;
	struct conn *c;

	if (conns_is_ignored(cs->worker, e->h.conn))
		return;
	s = socks_get(cs->worker->socks, e->cookie, &e->h);
	c = conns_get(cs, &e->h);
	if (!c || !s)
		return;
	if (e->peer.family)
		s->peer = e->peer;
	if (!(c->flags & EVENT_F_PLAIN))
		s->handle = true;
	/* Keys of the same bytes, seen below this handle. */
	for (struct conn *k = s->conns, *next; k; k = next) {
		next = k->next_of_sock;
		if (k->halves && !k->watches)
			conns_ignore(cs, k);
	}
	conns_bind(c, s, e);
}

void conns_named(struct conns *cs, const struct event_host *e)
{
	struct conn *c = conns_get(cs, &e->h);

	if (!c)
		return;
	text_copy(c->sni, sizeof(c->sni), e->host, strnlen(e->host, sizeof(e->host)));
	c->sni_given = true;
}

void conns_killed(struct conns *cs, const struct event_kill *e)
{
	struct conn *c = conns_get(cs, &e->h);

	cs->worker->count.killed++;
	if (!c)
		return;
	refuse(c);
	c->kill_rules = e->rules;
	c->kill_policy = e->policy;
	c->kill_mechanism = GATE_SIGNAL;
	conns_end(cs, c, e->h.boot_ns);
}

/* As a kill by the kernel, but that the process may live. */
void conns_denied(struct conns *cs, const struct event_deny *e)
{
	struct conn *c = e->h.conn && !e->watched ? conns_get(cs, &e->h) : NULL;

	if (!c)
		return;
	refuse(c);
	c->kill_rules = e->rules;
	c->kill_policy = e->policy;
	c->kill_mechanism = e->mechanism;
	gate_denied(cs->worker->gate, c, e);
	cs->worker->count.killed += e->mechanism == GATE_SIGNAL;
	conns_end(cs, c, e->h.boot_ns);
}

void conns_closed(struct conns *cs, const struct event *e)
{
	struct conn *c = conns_find(cs, e->conn);

	if (c)
		conns_end(cs, c, e->boot_ns);
}

void conns_exit(struct conns *cs, const struct event *e)
{
	for (struct conn *c = cs->by_pid[e->pid % BUCKETS], *next; c; c = next) {
		next = c->next_of_pid;
		if (c->pid == e->pid)
			conns_end(cs, c, e->boot_ns);
	}
}

void conns_sock_closed(struct conns *cs, struct sock *s, uint64_t ns)
{
	for (struct conn *c = s->conns, *next; c; c = next) {
		next = c->next_of_sock;
		c->closed_ns = c->closed_ns ?: ns;
		if (c->flags & EVENT_F_PLAIN)
			conns_end(cs, c, ns);
	}
}

void conns_sock_gone(struct sock *s)
{
	while (s->conns)
		unbind(s->conns);
}

void conns_sweep(struct conns *cs, uint64_t now_ns)
{
	for (struct conn *c = cs->oldest, *next; c; c = next) {
		uint64_t grace = c->halves ? KEY_GRACE_NS : HANDLE_GRACE_NS;

		next = c->newer;
		if (c->waits && !plain_sweep(c, now_ns - HOLE_NS))
			conns_ignore(cs, c);
		else if (c->closed_ns && c->closed_ns + grace < now_ns)
			conns_end(cs, c, c->closed_ns);
	}
}

void conns_close_all(struct conns *cs, uint64_t ns)
{
	while (cs->oldest)
		conns_end(cs, cs->oldest, ns);
}

void conns_free(struct conns *cs)
{
	if (!cs)
		return;
	while (cs->oldest) {
		struct conn *c = cs->oldest;

		unlink_conn(cs, c);
		plain_free(c);
		follow_drop(c);
		gate_conn_free(cs->worker->gate, c);
		free(c);
	}
	free(cs);
}
