// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: events of the data ring. Flows out: through judge.c one record per AI call; to the
 * kernel, by the verdict slots, "ignore this connection".
 *
 * A connection is followed while it may speak to AI. It is left alone, and told so to the kernel,
 * when it is ours to serve (the request comes in by a read), when its first bytes are not HTTP/1,
 * or when its first exchange turned out not to be AI. Hosts whose name a kernel rule has are never
 * ignored there.
 *
 * Bound: CONNS_MAX connections; the least recently used one then ends as if it had been closed,
 * and its open call is recorded as truncated. Events of a connection come in order; chunks lost by
 * the kernel are gaps by offset.
 */
#include "conns.h"

#include <stdlib.h>
#include <string.h>

#include "agent/worker/judge.h"
#include "agent/worker/users.h"
#include "base/cleanup.h"
#include "flow/flow.h"

#define BUCKETS 4096

struct conns {
	struct worker *worker;
	struct conn *by_id[BUCKETS], *by_pid[BUCKETS];
	struct conn *newest, *oldest;
	unsigned count;
};

/* --- the tables ------------------------------------------------------------------------------- */

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

static struct conn *find(const struct conns *cs, uint64_t id)
{
	struct conn *c = cs->by_id[id % BUCKETS];

	while (c && c->id != id)
		c = c->next;
	return c;
}

static void watch_free(struct conn *c, uint64_t offset)
{
	for (struct watch **at = &c->watches, *w; (w = *at); at = &w->next)
		if (w->request_offset == offset) {
			*at = w->next;
			inflight_drop(c->worker->inflight, w->slot);
			explicit_bzero(w, sizeof(*w));
			free(w);
			return;
		}
}

static void drop(struct conns *cs, struct conn *c)
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
	while (c->watches)
		watch_free(c, c->watches->request_offset);
	inflight_drop(cs->worker->inflight, c->slot);
	flow_free(c->flow);
	free(c);
	cs->count--;
}

static void end(struct conns *cs, struct conn *c, uint64_t ns)
{
	if (c->flow) {
		c->closing = true;
		flow_close(c->flow, ns);
	}
	if (c->refused && !c->judged)
		judge_refused(cs->worker, c, ns);
	drop(cs, c);
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

	if (p && p->uid != c->uid)
		users_want(c->worker, c->uid);
}

static void remember(struct conn *c, const struct event *e)
{
	c->flags |= e->flags & ~EVENT_F_ADJACENT;
	c->uid = e->uid;
	c->cgroup = e->cgroup;
	check_user(c);
}

static struct conn *get(struct conns *cs, const struct event *e)
{
	struct conn *c = find(cs, e->conn);

	if (c) {
		lru_remove(cs, c);
		lru_add(cs, c);
		remember(c, e);
		return c;
	}
	if (cs->count >= CONNS_MAX) {
		cs->worker->count.evicted++;
		end(cs, cs->oldest, e->boot_ns);
	}
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->id = e->conn;
	c->pid = e->pid;
	c->start_ns = e->start_ns;
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

static void ignore(struct conns *cs, struct conn *c)
{
	struct verdict_slot *v = &cs->worker->verdicts[c->id & (VERDICT_SLOTS - 1)];

	__atomic_store_n(&v->verdict, VERDICT_NONE, __ATOMIC_SEQ_CST);
	__atomic_store_n(&v->conn, c->id, __ATOMIC_SEQ_CST);
	__atomic_store_n(&v->verdict, VERDICT_IGNORE, __ATOMIC_SEQ_CST);
	cs->worker->count.ignored++;
	drop(cs, c);
}

/* --- what flow asks and tells ------------------------------------------------------------------ */

static struct watch *watch_of(const struct conn *c, const struct interaction *it)
{
	struct watch *w = c->watches;

	while (w && w->request_offset != it->request_offset)
		w = w->next;
	return w;
}

static enum flow_interest on_head(void *ctx, const struct interaction *it)
{
	struct conn *c = ctx;
	struct watch *w = calloc(1, sizeof(*w));
	bool ai;

	if (!w)
		return FLOW_NO;
	w->request_offset = it->request_offset;
	w->slot = c->slot >= 0 ? TAKE_FD(c->slot)
			       : inflight_open(c->worker->inflight, c->id, it->request_offset);
	dataclass_begin(&w->request);
	dataclass_begin(&w->response);
	w->next = c->watches;
	c->watches = w;
	ai = judge_service(c->worker, c, it, "", &w->service);
	if (!ai && !c->refused)
		return FLOW_MAYBE; /* a known dialect at an unknown host is what we are looking for */
	judge_early(c->worker, c, w, it, FACTS_HOST);
	return FLOW_YES;
}

static void on_text(void *ctx, const struct interaction *it, enum flow_dir dir, const uint8_t *p,
		    size_t n)
{
	struct conn *c = ctx;
	struct watch *w = watch_of(c, it);

	if (w)
		dataclass_feed(c->worker->classes, dir == FLOW_REQUEST ? &w->request : &w->response,
			       p, n);
}

static void on_request(void *ctx, const struct interaction *it)
{
	struct conn *c = ctx;
	struct watch *w = watch_of(c, it);

	if (!w)
		return;
	dataclass_end(c->worker->classes, &w->request);
	judge_early(c->worker, c, w, it, FACTS_REQUEST);
}

static void on_done(void *ctx, const struct interaction *it)
{
	struct conn *c = ctx;
	struct watch *w = watch_of(c, it);

	if (!w)
		return;
	dataclass_end(c->worker->classes, &w->request);
	dataclass_end(c->worker->classes, &w->response);
	judge_done(c->worker, c, w, it);
	c->judged = true;
	watch_free(c, it->request_offset);
}

static void on_dropped(void *ctx, const struct interaction *it)
{
	struct conn *c = ctx;

	c->worker->count.exchanges_not_ai++;
	watch_free(c, it->request_offset);
}

static const struct flow_ops ops = {
	.head = on_head,
	.text = on_text,
	.request = on_request,
	.done = on_done,
	.dropped = on_dropped,
};

/* --- events ------------------------------------------------------------------------------------ */

/* Not "HTTP/", or as much of it as there is. */
static bool no_answer(const struct event_data *e)
{
	return memcmp(e->bytes, "HTTP/", e->size < 5 ? e->size : 5);
}

/*
 * Whoever reads a request serves it. Seen from the start, that is the first data of all. An answer
 * can come first too: its request was read by a worker that is dead, or the kernel had no room.
 */
static bool serves(const struct conn *c, const struct event_data *e)
{
	return c->flags & EVENT_F_SERVER || (!c->flow && e->dir == EVENT_READ && e->offset == 0 &&
					     !(e->h.flags & EVENT_F_LATE) && no_answer(e));
}

static void feed(struct conns *cs, struct conn *c, const struct event_data *e)
{
	bool request = e->dir == EVENT_WRITE;
	enum flow_state st;

	if (request && c->slot < 0 && !flow_busy(c->flow))
		c->slot = inflight_open(cs->worker->inflight, c->id, e->offset);
	st = flow_data(c->flow, request ? FLOW_REQUEST : FLOW_RESPONSE, e->offset, e->bytes,
		       e->size, e->h.boot_ns);
	if (c->slot >= 0 && !flow_busy(c->flow)) {
		inflight_drop(cs->worker->inflight, c->slot);
		c->slot = -1;
	}
	if (st == FLOW_IGNORE && !c->refused)
		ignore(cs, c);
}

void conns_data(struct conns *cs, const struct event_data *e)
{
	struct conn *c;

	/* A chunk on its way up when its connection was given up. */
	struct verdict_slot *v = &cs->worker->verdicts[e->h.conn & (VERDICT_SLOTS - 1)];

	if (v->conn == e->h.conn && v->verdict == VERDICT_IGNORE)
		return;
	c = get(cs, &e->h);
	if (!c)
		return;
	if (e->h.flags & EVENT_F_REFUSED)
		refuse(c);
	if (serves(c, e)) {
		cs->worker->count.served++;
		ignore(cs, c);
		return;
	}
	if (!c->flow)
		c->flow =
			flow_new(&ops, c,
				 c->flags & EVENT_F_LATE || e->offset > 0 || e->dir == EVENT_READ);
	if (c->flow)
		feed(cs, c, e);
}

void conns_bound(struct conns *cs, const struct event_conn *e)
{
	struct conn *c = get(cs, &e->h);

	if (!c)
		return;
	c->peer = e->peer;
	c->peer_adjacent = e->h.flags & EVENT_F_ADJACENT;
}

void conns_named(struct conns *cs, const struct event_host *e)
{
	struct conn *c = get(cs, &e->h);

	if (c)
		text_copy(c->sni, sizeof(c->sni), e->host, strnlen(e->host, sizeof(e->host)));
}

void conns_killed(struct conns *cs, const struct event_kill *e)
{
	struct conn *c = get(cs, &e->h);

	cs->worker->count.killed++;
	if (!c)
		return;
	refuse(c);
	c->kill_rules = e->rules;
	c->kill_policy = e->policy;
	end(cs, c, e->h.boot_ns);
}

void conns_closed(struct conns *cs, const struct event *e)
{
	struct conn *c = find(cs, e->conn);

	if (c)
		end(cs, c, e->boot_ns);
}

void conns_exit(struct conns *cs, const struct event *e)
{
	for (struct conn *c = cs->by_pid[e->pid % BUCKETS], *next; c; c = next) {
		next = c->next_of_pid;
		if (c->pid == e->pid)
			end(cs, c, e->boot_ns);
	}
}

void conns_close_all(struct conns *cs, uint64_t ns)
{
	while (cs->oldest)
		end(cs, cs->oldest, ns);
}

void conns_free(struct conns *cs)
{
	if (!cs)
		return;
	while (cs->oldest)
		drop(cs, cs->oldest);
	free(cs);
}
