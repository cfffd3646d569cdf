// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: what servers of AI tools' process trees read and write on their standard input and
 * output (pipe.bpf.c), and MCP messages that flow/ found in HTTP exchanges. Flows out: one record per
 * request of the protocol, linked to the tool_use that asked for it and to what the server did
 * meanwhile; to the kernel, "ignore this channel" for pipes that carry something else.
 *
 * A channel belongs to one image of one process and ends with it. Its client is who holds the
 * other end; where the kernel could not say, the parent. An HTTP session is known by its client and
 * key; its requests end with their exchange, but for the older transport, whose answers come in another one.
 *
 * Bounds: MCP_CHANNELS_MAX channels, MCP_SESSIONS_MAX sessions; the one not used for longest ends
 * as if it had been closed. What was open in a worker that died is counted by its inflight slots.
 */
#include "mcp.h"

#include <stdlib.h>
#include <string.h>

#include "agent/worker/conns.h"
#include "agent/worker/trees.h"
#include "base/cleanup.h"
#include "flow/mcp_pipe.h"
#include "record/record.h"

#define BUCKETS 256

struct channel { /* stdio of one image, or a session over HTTP */
	struct channel *next;
	struct mcps *mcps;
	uint64_t id, last_ns; /* id: connection id of a pipe, key of a session */
	struct who client, server;
	uint32_t client_uid, server_uid;
	const char *transport;
	struct mcp_pipe *pipe; /* stdio */
	struct mcp_session *session;
	bool own_session; /* not the pipe's */
	char address[256];
	bool has_sha256;
	uint8_t sha256[32];
	/* The exchange in hand, of HTTP. */
	uint64_t conn, offset;
};

struct mcps {
	struct worker *worker;
	struct links *links;
	struct channel *channel[BUCKETS], *session[BUCKETS];
	unsigned channels, sessions;
	struct mcp_counts count;
};

/* What we keep of an open request. */
struct open_call {
	struct effects *effects;
	struct tool_use use;
	const char *how; /* NULL: not linked */
	int slot;
	uint64_t conn, offset; /* its exchange */
};

struct mcps *mcps_new(struct worker *w)
{
	struct mcps *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->worker = w;
	m->links = links_new(w->procs);
	if (!m->links)
		free(TAKE_PTR(m));
	return m;
}

const struct mcp_counts *mcps_counts(const struct mcps *m)
{
	return &m->count;
}

/* --- requests ---------------------------------------------------------------------------------- */

static void find_use(struct channel *c, const struct mcp_call *call, struct open_call *o)
{
	const struct tool_use *use;

	if (o->how || strcmp(call->method, "tools/call"))
		return;
	use = links_find(c->mcps->links, &c->client, &c->server,
			 mcp_session_facts(c->session)->server_name, call, &o->how);
	if (use)
		o->use = *use;
}

static void on_opened(void *ctx, struct mcp_call *call)
{
	struct channel *c = ctx;
	struct open_call *o = calloc(1, sizeof(*o));

	call->user = o;
	if (!o)
		return;
	o->conn = c->conn;
	o->offset = c->offset;
	o->slot = inflight_open(c->mcps->worker->inflight, c->id, call->start_ns);
	if (c->server.pid && !call->from_server)
		o->effects = links_watch(c->mcps->links, &c->server);
	find_use(c, call, o);
	if (!call->from_server && !strcmp(call->method, "tools/call"))
		trees_mcp_call(c->mcps->worker->trees, &c->client,
			       mcp_session_facts(c->session)->server_name, call->tool,
			       o->how ? o->use.id : "", call->start_ns);
}

static void on_done(void *ctx, struct mcp_call *call, const struct names *tools)
{
	static uint8_t payload[RECORD_PAYLOAD_MAX];
	struct channel *c = ctx;
	struct mcps *m = c->mcps;
	struct worker *w = m->worker;
	_cleanup_free_ struct open_call *o = call->user;
	struct mcp_party p = {.client = c->client,
			      .server = c->server,
			      .client_uid = c->client_uid,
			      .server_uid = c->server_uid,
			      .transport = c->transport,
			      .server_address = c->address,
			      .session_sha256 = c->has_sha256 ? c->sha256 : NULL,
			      .facts = mcp_session_facts(c->session)};
	size_t n;

	if (o) {
		find_use(c, call, o); /* the model's answer may have ended after the request */
		p.use = o->how ? &o->use : NULL;
		p.use_how = o->how;
		p.effects = o->effects;
	}
	m->count.unlinked += !p.use && !strcmp(call->method, "tools/call");
	m->count.calls++;
	n = mcp_record(w, &p, call, tools, payload, sizeof(payload));
	handover_add(w->handover, inflight_id(w->inflight, o ? o->slot : -1, o && o->slot >= 0),
		     call->start_ns, RECORD_MCP_CALL, payload, n);
	if (o)
		links_unwatch(m->links, o->effects);
}

static const struct mcp_ops ops = {.opened = on_opened, .done = on_done};

/* --- tables ------------------------------------------------------------------------------------ */

static void channel_free(struct channel *c)
{
	mcp_pipe_free(c->pipe);
	if (c->own_session)
		mcp_session_free(c->session);
	free(c);
}

static void channel_end(struct channel *c, uint64_t ns)
{
	if (c->pipe)
		mcp_pipe_close(c->pipe, ns);
	else
		mcp_session_end(c->session, "the client was gone before the answer", ns);
	channel_free(c);
}

/* *at leaves its table; what is open in it ends. */
static void take_out(struct channel **at, unsigned *count, uint64_t ns)
{
	struct channel *c = *at;

	*at = c->next;
	(*count)--;
	channel_end(c, ns);
}

static void evict(struct mcps *m, struct channel **table, unsigned *count, uint64_t ns)
{
	struct channel **worst = NULL;

	for (unsigned b = 0; b < BUCKETS; b++)
		for (struct channel **at = &table[b]; *at; at = &(*at)->next)
			if (!worst || (*at)->last_ns < (*worst)->last_ns)
				worst = at;
	if (!worst)
		return;
	m->count.evicted++;
	take_out(worst, count, ns);
}

static struct channel **place_of(struct channel **table, uint64_t id, const struct who *client)
{
	struct channel **at = &table[id % BUCKETS];

	while (*at && ((*at)->id != id || (client && ((*at)->client.pid != client->pid ||
						      (*at)->client.start_ns != client->start_ns))))
		at = &(*at)->next;
	return at;
}

static struct channel *insert(struct channel **table, unsigned *count, struct channel *c)
{
	struct channel **at = &table[c->id % BUCKETS];

	c->next = *at;
	*at = c;
	(*count)++;
	return c;
}

void mcps_close_all(struct mcps *m, uint64_t ns)
{
	if (!m)
		return;
	for (unsigned b = 0; b < BUCKETS; b++) {
		while (m->channel[b])
			take_out(&m->channel[b], &m->channels, ns);
		while (m->session[b])
			take_out(&m->session[b], &m->sessions, ns);
	}
}

static void drop_all(struct channel **table)
{
	for (unsigned b = 0; b < BUCKETS; b++)
		for (struct channel *c = table[b], *next; c; c = next) {
			next = c->next;
			channel_free(c);
		}
}

void mcps_free(struct mcps *m)
{
	if (!m)
		return;
	drop_all(m->channel);
	drop_all(m->session);
	links_free(m->links);
	free(m);
}

/* --- stdio ------------------------------------------------------------------------------------- */

/* Until the kernel has said who writes the other end, it is taken for the parent. */
static void guess_client(struct mcps *m, struct channel *c)
{
	const struct proc *p = procs_find(m->worker->procs, c->server.pid, c->server.start_ns);
	const struct proc *up = p ? procs_find(m->worker->procs, p->ppid, 0) : NULL;

	if (!up)
		return;
	c->client = (struct who){up->pid, up->start_ns};
	c->client_uid = up->uid;
}

static struct channel *channel_get(struct mcps *m, const struct event *e)
{
	struct channel **at = place_of(m->channel, e->conn, NULL), *c = *at;

	if (c)
		return c;
	if (m->channels == MCP_CHANNELS_MAX)
		evict(m, m->channel, &m->channels, e->boot_ns);
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->mcps = m;
	c->id = c->conn = e->conn;
	c->server = (struct who){e->pid, e->start_ns};
	c->server_uid = e->uid;
	c->transport = "stdio-pipe";
	c->pipe = mcp_pipe_new(&ops, c, e->flags & EVENT_F_LATE);
	if (!c->pipe) {
		free(c);
		return NULL;
	}
	c->session = mcp_pipe_session(c->pipe);
	guess_client(m, c);
	return insert(m->channel, &m->channels, c);
}

void mcps_peer(struct mcps *m, const struct event_pipe *e)
{
	struct channel *c = m ? channel_get(m, &e->h) : NULL;
	const struct proc *p;

	if (!c)
		return;
	c->last_ns = e->h.boot_ns;
	if (e->kind == PIPE_SOCKET)
		c->transport = "stdio-socket";
	/* Who feeds itself, or is below its own pipe, is not asking anybody. */
	if (!e->peer_pid || e->peer_pid == e->h.pid)
		return;
	p = procs_find(m->worker->procs, e->peer_pid, e->peer_start_ns);
	c->client = (struct who){e->peer_pid, p ? p->start_ns : e->peer_start_ns};
	c->client_uid = p ? p->uid : e->h.uid;
}

void mcps_data(struct mcps *m, const struct event_data *e)
{
	struct channel *c;

	if (!m || conns_is_ignored(m->worker, e->h.conn))
		return;
	c = channel_get(m, &e->h);
	if (!c)
		return;
	c->last_ns = e->h.boot_ns;
	c->offset = e->offset;
	/* The server's reads are requests. */
	if (mcp_pipe_data(c->pipe, e->dir == EVENT_READ ? FLOW_REQUEST : FLOW_RESPONSE, e->offset,
			  e->bytes, e->size, e->h.boot_ns) == FLOW_MORE)
		return;
	conns_verdict(m->worker, e->h.conn, VERDICT_IGNORE);
	m->count.ignored++;
	take_out(place_of(m->channel, e->h.conn, NULL), &m->channels, e->h.boot_ns);
}

static bool is(const struct who *w, const struct event *e)
{
	return w->pid == e->pid && w->start_ns / KRULE_TICK_NS == e->start_ns / KRULE_TICK_NS;
}

static void end_of(struct channel **table, unsigned *count, const struct event *e, bool of_server)
{
	for (unsigned b = 0; b < BUCKETS; b++)
		for (struct channel **at = &table[b]; *at;)
			if (is(of_server ? &(*at)->server : &(*at)->client, e))
				take_out(at, count, e->boot_ns);
			else
				at = &(*at)->next;
}

void mcps_exec(struct mcps *m, const struct event_exec *e)
{
	if (!m)
		return;
	end_of(m->channel, &m->channels, &e->h, true);
	links_exec(m->links, e);
}

void mcps_exit(struct mcps *m, const struct event *e)
{
	if (!m)
		return;
	end_of(m->channel, &m->channels, e, true);
	end_of(m->session, &m->sessions, e, false);
}

void mcps_file(struct mcps *m, const struct event_file *e)
{
	if (m)
		links_file(m->links, e);
}

void mcps_connect(struct mcps *m, const struct event_conn *e)
{
	if (m)
		links_connect(m->links, e);
}

/* --- HTTP -------------------------------------------------------------------------------------- */

static struct channel *session_get(struct mcps *m, const struct conn *c,
				   const struct interaction *it, const struct mcp_where *w,
				   uint64_t key, uint64_t ns)
{
	struct who client = {c->pid, c->start_ns};
	struct channel *s = *place_of(m->session, key, &client);

	if (s)
		return s;
	if (m->sessions == MCP_SESSIONS_MAX)
		evict(m, m->session, &m->sessions, ns);
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->mcps = m;
	s->id = key;
	s->client = client;
	s->client_uid = c->uid;
	s->transport = w->transport;
	text_copy(s->address, sizeof(s->address), it->host, strlen(it->host));
	s->session = mcp_session_new(&ops, s);
	s->own_session = true;
	if (!s->session) {
		free(s);
		return NULL;
	}
	return insert(m->session, &m->sessions, s);
}

static bool of_exchange(const struct mcp_call *call, void *arg)
{
	const struct open_call *o = call->user;
	const struct channel *s = arg;

	return o && o->conn == s->conn && o->offset == s->offset;
}

/* The answer to the first request named the session that the next ones are of. */
static void go_on(struct mcps *m, const struct conn *c, const struct interaction *it,
		  const struct mcp_where *w, struct channel *s, uint64_t ns)
{
	struct mcp_facts facts = *mcp_session_facts(s->session);
	struct channel *next = session_get(m, c, it, w, w->next_key, ns);

	if (!next || !facts.server_name[0])
		return;
	*mcp_session_facts(next->session) = facts;
	next->last_ns = ns;
}

void mcps_http(struct mcps *m, const struct conn *c, const struct interaction *it,
	       const struct mcp_where *w, enum flow_dir dir, const struct mcp_msg *msg, uint64_t ns)
{
	struct channel *s = m ? session_get(m, c, it, w, w->key, ns) : NULL;
	struct mcp_facts *f;

	if (!s)
		return;
	s->last_ns = ns;
	s->conn = c->id;
	s->offset = it->request_offset;
	if (!strcmp(w->transport, "http-sse")) /* only its stream shows it, not the requests */
		s->transport = w->transport;
	s->has_sha256 = w->has_session;
	memcpy(s->sha256, w->session_sha256, sizeof(s->sha256));
	f = mcp_session_facts(s->session);
	if (!f->protocol_version[0])
		memcpy(f->protocol_version, w->protocol_version, sizeof(f->protocol_version));
	if (msg) {
		mcp_session_message(s->session, dir == FLOW_REQUEST, msg, ns);
		if (dir == FLOW_RESPONSE && w->next_key != w->key)
			go_on(m, c, it, w, s, ns);
	} else if (it->status != 202) { /* accepted: the answer comes in the session's stream */
		mcp_session_end_some(s->session, of_exchange, s,
				     "its exchange ended before the answer", ns);
	}
}

void mcps_model_call(struct mcps *m, const struct conn *c, const struct interaction *it,
		     uint32_t from, uint64_t ns)
{
	struct who client = {c->pid, c->start_ns};

	if (m)
		links_model_call(m->links, &client, c->id, it, from, ns);
	if (m)
		trees_model_call(m->worker->trees, &client, &c->peer, it, from, ns);
}
