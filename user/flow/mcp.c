// SPDX-License-Identifier: Apache-2.0
/*
 * Messages in, calls out. Each side numbers its own requests, so an answer belongs to a request
 * of the other side with the same id. A request that repeats an open id ends the older one.
 *
 * Bound: MCP_OPEN_MAX open requests; the oldest then ends as truncated. An answer without a request
 * (late join, or after that bound) is no call. `ping` is no call either: both eras of the protocol
 * use it as a sign of life only.
 */
#include "mcp.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

struct mcp_session {
	const struct mcp_ops *ops;
	void *ctx;
	struct mcp_facts facts;
	struct mcp_call *oldest, **end;
	unsigned open;
};

struct mcp_session *mcp_session_new(const struct mcp_ops *ops, void *ctx)
{
	struct mcp_session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->ops = ops;
	s->ctx = ctx;
	s->end = &s->oldest;
	return s;
}

void mcp_session_free(struct mcp_session *s)
{
	for (struct mcp_call *c = s ? s->oldest : NULL, *next; c; c = next) {
		next = c->next;
		free(c);
	}
	free(s);
}

struct mcp_facts *mcp_session_facts(struct mcp_session *s)
{
	return &s->facts;
}

unsigned mcp_session_open(const struct mcp_session *s)
{
	return s->open;
}

static void incomplete(struct mcp_call *c, enum completeness v, const char *reason)
{
	if (c->completeness != COMPLETE)
		return;
	c->completeness = v;
	c->reason = reason;
}

static void finish(struct mcp_session *s, struct mcp_call **at, const struct names *tools,
		   uint64_t ns)
{
	static const struct names none;
	struct mcp_call *c = *at;

	*at = c->next;
	if (!c->next)
		s->end = at;
	s->open--;
	c->end_ns = ns > c->start_ns ? ns : c->start_ns;
	s->ops->done(s->ctx, c, tools ?: &none);
	free(c);
}

static struct mcp_call **find(struct mcp_session *s, bool from_server, const struct mcp_id *id)
{
	for (struct mcp_call **at = &s->oldest; *at; at = &(*at)->next)
		if ((*at)->from_server == from_server && mcp_id_equal(&(*at)->id, id))
			return at;
	return NULL;
}

/* Each says only what it knows; what was said last holds. */
static void learn(struct mcp_facts *f, const struct mcp_msg *m)
{
	if (m->server_name[0]) {
		memcpy(f->server_name, m->server_name, sizeof(f->server_name));
		memcpy(f->server_version, m->server_version, sizeof(f->server_version));
	}
	if (m->client_name[0])
		memcpy(f->client_name, m->client_name, sizeof(f->client_name));
	if (m->protocol_version[0])
		memcpy(f->protocol_version, m->protocol_version, sizeof(f->protocol_version));
}

static struct mcp_call *call_from(const struct mcp_msg *m)
{
	struct mcp_call *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->id = m->id;
	memcpy(c->method, m->method, sizeof(c->method));
	if (!strcmp(m->method, "tools/call"))
		memcpy(c->tool, m->tool, sizeof(c->tool));
	memcpy(c->meta, m->meta, sizeof(c->meta));
	c->metas = m->metas;
	c->request_bytes = m->bytes;
	c->has_arguments = m->has_arguments;
	c->arguments_bytes = m->arguments_bytes;
	memcpy(c->arguments_sha256, m->arguments_sha256, sizeof(c->arguments_sha256));
	c->reason = "";
	return c;
}

static void on_request(struct mcp_session *s, bool from_client, const struct mcp_msg *m,
		       uint64_t ns)
{
	struct mcp_call **old = find(s, !from_client, &m->id), *c;

	if (old) {
		incomplete(*old, TRUNCATED, "its id was used again before an answer");
		finish(s, old, NULL, ns);
	}
	if (s->open == MCP_OPEN_MAX) {
		incomplete(s->oldest, TRUNCATED, "more requests are open than are followed");
		finish(s, &s->oldest, NULL, ns);
	}
	c = call_from(m);
	if (!c)
		return;
	c->from_server = !from_client;
	c->start_ns = ns;
	if (m->cut)
		incomplete(c, TRUNCATED, "the request is longer than what is read");
	*s->end = c;
	s->end = &c->next;
	s->open++;
	s->ops->opened(s->ctx, c);
}

static void on_answer(struct mcp_session *s, bool from_client, const struct mcp_msg *m, uint64_t ns)
{
	struct mcp_call **at = find(s, from_client, &m->id), *c;

	if (!at)
		return;
	c = *at;
	c->answered = true;
	c->response_bytes = m->bytes;
	c->is_error = m->is_error;
	c->has_code = m->has_error && m->has_code;
	c->code = m->code;
	if (m->cut)
		incomplete(c, TRUNCATED, "the answer was not seen to its end");
	finish(s, at, &m->tools, ns);
}

/* Other protocols begin with an `initialize` too; only MCP's version is a text. */
static bool is_mcp(const struct mcp_msg *m)
{
	return mcp_method_known(m->method) &&
	       (strcmp(m->method, "initialize") || m->protocol_version[0]);
}

bool mcp_session_message(struct mcp_session *s, bool from_client, const struct mcp_msg *m,
			 uint64_t ns)
{
	struct mcp_call **at;

	if (m->kind != MCP_ANSWER && !is_mcp(m))
		return false;
	learn(&s->facts, m);
	if (m->kind == MCP_REQUEST && strcmp(m->method, "ping")) {
		on_request(s, from_client, m, ns);
	} else if (m->kind == MCP_ANSWER) {
		on_answer(s, from_client, m, ns);
	} else if (!strcmp(m->method, "notifications/cancelled")) {
		at = find(s, !from_client, &m->cancels);
		if (at) {
			(*at)->reason = "cancelled by the one who asked";
			finish(s, at, NULL, ns);
		}
	}
	return true;
}

void mcp_session_gap(struct mcp_session *s, bool from_client)
{
	for (struct mcp_call *c = s->oldest; c; c = c->next)
		if (c->from_server == from_client)
			incomplete(c, GAP, "bytes are missing while it was open");
}

void mcp_session_end(struct mcp_session *s, const char *reason, uint64_t ns)
{
	while (s->oldest) {
		incomplete(s->oldest, TRUNCATED, reason);
		finish(s, &s->oldest, NULL, ns);
	}
}

void mcp_session_end_some(struct mcp_session *s, bool (*of)(const struct mcp_call *c, void *arg),
			  void *arg, const char *reason, uint64_t ns)
{
	for (struct mcp_call **at = &s->oldest; *at;) {
		if (!of(*at, arg)) {
			at = &(*at)->next;
			continue;
		}
		incomplete(*at, TRUNCATED, reason);
		finish(s, at, NULL, ns);
	}
}
