// SPDX-License-Identifier: Apache-2.0
/*
 * Chunks of one connection in, judged calls out: flow/ reads the bytes and asks here what it has
 * found; judge.c makes the records.
 *
 * A connection is followed while it may speak to AI. It is left alone, and told so to the kernel,
 * when it is ours to serve (the request comes in by a read), when flow cannot read its bytes, or
 * when so many exchanges were not AI that flow's patience is at an end. That is evidence for the
 * keeper as well, and so is one that ends with nothing but such exchanges. There is no end of
 * patience with an AI tool, and with an AI service: a client may ask many things before it calls.
 *
 * While an exchange of no interest goes on, the kernel may leave out what is not the beginning of
 * somebody's turn. A turn is long enough for the verdict to be taken back, by the head of the next
 * request, before anything of that exchange is left out; if it was not, there is a declared gap.
 *
 * Limit: per connection what flow.h says, and one watch per open exchange.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/worker/conns.h"
#include "agent/worker/evidence.h"
#include "agent/worker/gate.h"
#include "agent/worker/halves.h"
#include "agent/worker/judge.h"
#include "agent/worker/mcp.h"
#include "agent/worker/socks.h"
#include "base/cleanup.h"
#include "flow/flow.h"

/* --- watches ----------------------------------------------------------------------------------- */

static void watch_free(struct conn *c, uint64_t offset)
{
	for (struct watch **at = &c->watches, *w; (w = *at); at = &w->next)
		if (w->request_offset == offset) {
			*at = w->next;
			inflight_drop(c->worker->inflight, w->slot);
			gate_watch_free(w);
			explicit_bzero(w, sizeof(*w));
			free(w);
			return;
		}
}

static struct watch *watch_of(const struct conn *c, const struct interaction *it)
{
	struct watch *w = c->watches;

	while (w && w->request_offset != it->request_offset)
		w = w->next;
	return w;
}

/* In the terms of the kernel, so that the next worker finds the same bytes. */
static int open_slot(struct conn *c, uint64_t offset)
{
	uint64_t id = c->id;

	if (c->halves)
		halves_origin(c, offset, &id, &offset);
	return inflight_open(c->worker->inflight, id, offset);
}

/* --- what flow asks and tells ------------------------------------------------------------------ */

static const char *name_of(const struct conn *c, const struct interaction *it)
{
	return it->host[0] ? it->host : c->sni;
}

/* It speaks to AI: the kernel is to lose nothing of it, the keeper to keep its probes. */
static void is_ai(struct conn *c, const struct interaction *it)
{
	if (!c->ai) {
		c->ai = true;
		if (c->halves)
			halves_verdict(c, VERDICT_WATCH);
		else
			conns_verdict(c->worker, c->id, VERDICT_WATCH);
		evidence_ai(c->worker, c, name_of(c, it));
	}
	late_bytes(c, name_of(c, it), it->start_ns);
}

static enum flow_interest on_head(void *ctx, const struct interaction *it)
{
	struct conn *c = ctx;
	struct watch *w = calloc(1, sizeof(*w));
	bool ai;

	if (!w)
		return FLOW_NO;
	c->stray |= !c->headed && it->request_offset > c->first_write;
	c->headed = true;
	w->request_offset = it->request_offset;
	w->it = it;
	w->slot = c->slot >= 0 ? TAKE_FD(c->slot) : open_slot(c, it->request_offset);
	dataclass_begin(&w->request);
	dataclass_begin(&w->response);
	w->next = c->watches;
	c->watches = w;
	gate_head(c, w);
	ai = judge_service(c->worker, c, it, "", &w->service);
	if (!ai && !c->refused)
		return FLOW_MAYBE; /* a known dialect at an unknown host is what we are looking for */
	if (ai)
		is_ai(c, it);
	judge_early(c->worker, c, w, it, FACTS_HOST);
	return FLOW_YES;
}

/* As soon as they are read: clients start a tool while the answer still goes on. */
static void tell_tools(struct conn *c, struct watch *w, const struct interaction *it, uint64_t ns)
{
	if (w->tools_told >= it->tool_calls_count)
		return;
	mcps_model_call(c->worker->mcps, c, it, w->tools_told, ns);
	w->tools_told = it->tool_calls_count;
}

static void on_text(void *ctx, const struct interaction *it, enum flow_dir dir, const uint8_t *p,
		    size_t n)
{
	struct conn *c = ctx;
	struct watch *w = watch_of(c, it);

	if (!w)
		return;
	if (dir == FLOW_REQUEST)
		gate_text(c, w, p, n);
	dataclass_feed(c->worker->classes, dir == FLOW_REQUEST ? &w->request : &w->response, p, n);
}

static void on_bytes(void *ctx, const struct interaction *it, const uint8_t *p, size_t n)
{
	struct conn *c = ctx;
	struct watch *w = c->gate ? watch_of(c, it) : NULL;

	if (w)
		gate_bytes(c, w, p, n);
}

static void on_masked(void *ctx, const struct interaction *it, const uint8_t *p, size_t n,
		      const struct flow_masked *at)
{
	gate_unframed(ctx, p, n, at);
}

static void on_request(void *ctx, const struct interaction *it)
{
	struct conn *c = ctx;
	struct watch *w = watch_of(c, it);

	if (!w)
		return;
	is_ai(c, it);
	dataclass_end(c->worker->classes, &w->request);
	judge_early(c->worker, c, w, it, FACTS_REQUEST);
}

static void on_done(void *ctx, const struct interaction *it)
{
	struct conn *c = ctx;
	struct watch *w = watch_of(c, it);

	if (!w)
		return;
	is_ai(c, it);
	dataclass_end(c->worker->classes, &w->request);
	dataclass_end(c->worker->classes, &w->response);
	tell_tools(c, w, it, it->end_ns);
	judge_done(c->worker, c, w, it);
	c->judged = true;
	watch_free(c, it->request_offset);
}

static void on_dropped(void *ctx, const struct interaction *it)
{
	struct conn *c = ctx;

	c->worker->count.exchanges_not_ai++;
	c->strangers++;
	watch_free(c, it->request_offset);
}

static void on_mcp(void *ctx, const struct interaction *it, const struct mcp_where *w,
		   enum flow_dir dir, const struct mcp_msg *m, uint64_t ns)
{
	struct conn *c = ctx;

	c->tools = true;
	mcps_http(c->worker->mcps, c, it, w, dir, m, ns);
}

static const struct flow_ops ops = {
	.head = on_head,
	.text = on_text,
	.bytes = on_bytes,
	.masked = on_masked,
	.request = on_request,
	.done = on_done,
	.dropped = on_dropped,
	.mcp = on_mcp,
};

/* --- chunks ------------------------------------------------------------------------------------ */

static bool begins(const struct chunk *k, const char *text)
{
	size_t n = strlen(text);

	return !memcmp(k->p, text, k->n < n ? k->n : n);
}

/* The first frame an HTTP/2 server sends; it may be there before the client has written. */
static bool is_settings(const struct chunk *k)
{
	static const uint8_t none[4];

	return k->n >= 9 && !k->p[0] && k->p[2] % 6 == 0 && k->p[3] == 4 && k->p[4] <= 1 &&
	       !memcmp(k->p + 5, none, sizeof(none));
}

static bool is_answer(const struct chunk *k)
{
	return begins(k, "HTTP/") || is_settings(k);
}

/*
 * Whoever reads a request serves it. Seen from the start, that is the first data of all. An answer
 * can come first too: its request was read by a worker that is dead, or the kernel had no room.
 */
static bool serves(const struct conn *c, const struct chunk *k)
{
	if (c->flags & EVENT_F_SERVER)
		return true;
	return !c->flow && k->dir == EVENT_READ && k->offset == 0 && !(k->flags & EVENT_F_LATE) &&
	       !(c->sock && c->sock->hello_ns) && !is_answer(k);
}

/* What comes before the first request is of a call that was under way. */
static void before_head(struct conn *c, const struct chunk *k)
{
	if (k->dir == EVENT_WRITE && !c->wrote) {
		c->wrote = true;
		c->first_write = k->offset;
		c->headed = begins(k, "PRI * HTTP/2.0");
		c->stray &= !c->headed;
	} else if (k->dir == EVENT_READ) {
		c->stray |= !is_settings(k);
	}
}

static void saw(struct conn *c, const struct chunk *k)
{
	struct proc *p;

	if (c->sock)
		socks_seen(c->sock);
	if (!(c->flags & EVENT_F_PLAIN) && !c->end[EVENT_WRITE] && !c->end[EVENT_READ]) {
		p = procs_find(c->worker->procs, c->pid, c->start_ns);
		if (p) {
			p->tls.seen = true;
			p->tls.loose += !c->sock;
		}
	}
	if (!c->headed)
		before_head(c, k);
	if (c->end[k->dir] < k->offset + k->n)
		c->end[k->dir] = k->offset + k->n;
}

static unsigned patience(const struct conn *c)
{
	const struct proc *p = procs_find(c->worker->procs, c->pid, c->start_ns);
	struct catalog_service service;

	if (gate_holds(c) || (p && p->tls.tool) ||
	    (c->sni[0] && catalog_host(c->worker->catalog, c->sni, &service) && service.ai))
		return FLOW_PATIENCE_EVER;
	return FLOW_PATIENCE;
}

static bool feed(struct conn *c, const struct chunk *k)
{
	bool request = k->dir == EVENT_WRITE;
	enum flow_state st;

	if (request && c->slot < 0 && !flow_busy(c->flow)) {
		c->slot = open_slot(c, k->offset);
		flow_patience(c->flow, patience(c));
	}
	st = flow_data(c->flow, request ? FLOW_REQUEST : FLOW_RESPONSE, k->offset, k->p, k->n,
		       k->ns);
	for (struct watch *w = request ? NULL : c->watches; w; w = w->next)
		tell_tools(c, w, w->it, k->ns);
	if (c->slot >= 0 && !flow_busy(c->flow)) {
		inflight_drop(c->worker->inflight, c->slot);
		c->slot = -1;
	}
	if (st != FLOW_IGNORE)
		conns_quiet(c, st == FLOW_QUIET);
	return st != FLOW_IGNORE;
}

/* Its request will not come: a worker that is dead has read it, or the kernel had no room. Of two
 * keys, the one for requests may just not be joined yet. */
static bool lone_answer(const struct conn *c, const struct chunk *k)
{
	return k->dir == EVENT_READ && !c->halves && !is_settings(k);
}

/* What was joined in its middle and could not be read is no evidence. */
static bool not_ai(const struct conn *c)
{
	if (c->ai || c->refused || c->tools || (c->flags & EVENT_F_LATE && !c->headed))
		return false;
	evidence_not_ai(c->worker, c);
	return true;
}

bool follow_chunk(struct conn *c, const struct chunk *k)
{
	bool late = c->flags & EVENT_F_LATE || k->offset > 0;

	if (!k->n)
		return true;
	if (serves(c, k)) {
		c->worker->count.served++;
		return false;
	}
	saw(c, k);
	if (!c->flow)
		c->flow = flow_new(&ops, c, late || lone_answer(c, k));
	if (!c->flow || feed(c, k))
		return true;
	if (not_ai(c) && c->sock)
		c->sock->judged = true;
	return false;
}

void follow_end(struct conn *c, uint64_t ns)
{
	if (c->strangers && !flow_busy(c->flow))
		not_ai(c);
	if (c->flow)
		flow_close(c->flow, ns);
	if (!c->headed && (c->wrote || c->stray)) {
		c->stray = true;
		late_bytes(c, c->sni, ns);
	}
}

void follow_drop(struct conn *c)
{
	while (c->watches)
		watch_free(c, c->watches->request_offset);
	flow_free(c->flow);
	c->flow = NULL;
}
