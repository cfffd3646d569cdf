// SPDX-License-Identifier: Apache-2.0
/*
 * Documents of an exchange → messages, each given to ops->mcp with the key of its session.
 *
 * Key of a session: host, target (with its query, which is where the older transport has its
 * session) and Mcp-Session-Id of the request. An answer that names a session for the first time
 * (to `initialize`) gives the key of what follows, too. In the older transport the stream's first
 * event names the target of the requests: what the stream answers belongs to that one.
 *
 * An exchange is MCP's once a message of it is a request or notification of MCP, or, in the older
 * transport, by its `endpoint` event. Before that, answers are not told.
 */
#include "mcp_http.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"

#define TARGET_MAX 1024 /* longer targets are compared by so much */

struct mcp_http {
	const struct flow_ops *ops;
	void *ctx;
	const struct interaction *it;
	struct mcp_where where;
	struct mcp_reader *reader[2];
	bool reading[2];
	bool found, waits, endpoint_event;
	uint64_t ns;
	char target[TARGET_MAX + 1];
	size_t target_n;
	struct lane {
		struct mcp_http *http;
		enum flow_dir dir;
	} lane[2];
};

static uint64_t mix(uint64_t h, const void *data, size_t n)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 0x100000001b3ull; /* FNV-1a */
	return (h ^ 0xff) * 0x100000001b3ull;	   /* where one text ends */
}

/* "http://host/path?query" is known by "/path?query". */
static struct slice path_of(const char *p, size_t n)
{
	const char *host = memmem(p, n, "://", 3), *slash;

	if (!n || *p == '/' || !host)
		return (struct slice){p, n};
	slash = memchr(host + 3, '/', p + n - host - 3);
	return slash ? (struct slice){slash, (size_t)(p + n - slash)} : (struct slice){"/", 1};
}

static uint64_t key_of(const struct mcp_http *m, const char *target, size_t n)
{
	struct slice path = path_of(target, n < TARGET_MAX ? n : TARGET_MAX);
	uint64_t h = 0xcbf29ce484222325ull;

	h = mix(h, m->it->host, strlen(m->it->host));
	h = mix(h, &m->it->port, sizeof(m->it->port));
	h = mix(h, path.p, path.n);
	if (m->where.has_session)
		h = mix(h, m->where.session_sha256, sizeof(m->where.session_sha256));
	return h;
}

static void set_session(struct mcp_http *m, struct slice id)
{
	m->where.has_session =
		id.n && EVP_Digest(id.p, id.n, m->where.session_sha256, NULL, EVP_sha256(), NULL);
}

static bool contains(struct slice s, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i + n <= s.n; i++)
		if (!strncasecmp(s.p + i, word, n))
			return true;
	return false;
}

static void on_message(void *ctx, const struct mcp_msg *msg)
{
	struct lane *l = ctx;
	struct mcp_http *m = l->http;

	m->found |= msg->kind != MCP_ANSWER && mcp_method_known(msg->method);
	if (m->found)
		m->ops->mcp(m->ctx, m->it, &m->where, l->dir, msg, m->ns);
}

struct mcp_http *mcp_http_new(const struct flow_ops *ops, void *ctx, const struct interaction *it,
			      const struct http1_head *h)
{
	bool get = !strcmp(it->method, "GET") && contains(h->accept, "text/event-stream");
	struct mcp_http *m;

	if (!ops->mcp || (!get && strcmp(it->method, "POST")))
		return NULL;
	m = calloc(1, sizeof(*m));
	if (!m)
		return NULL;
	m->ops = ops;
	m->ctx = ctx;
	m->it = it;
	m->waits = get;
	m->where.transport = "http";
	TEXT_SET(m->where.protocol_version, h->mcp_version.p, h->mcp_version.n);
	set_session(m, h->mcp_session);
	m->target_n = h->target.n < TARGET_MAX ? h->target.n : TARGET_MAX;
	if (m->target_n)
		memcpy(m->target, h->target.p, m->target_n);
	m->where.key = m->where.next_key = key_of(m, m->target, m->target_n);
	for (int dir = 0; dir < 2; dir++)
		m->lane[dir] = (struct lane){m, dir};
	return m;
}

void mcp_http_free(struct mcp_http *m)
{
	if (!m)
		return;
	mcp_reader_free(m->reader[0]);
	mcp_reader_free(m->reader[1]);
	free(m);
}

void mcp_http_answer(struct mcp_http *m, const struct http1_head *h)
{
	if (!m)
		return;
	if (!m->where.has_session && h->mcp_session.n) {
		set_session(m, h->mcp_session);
		m->where.next_key = key_of(m, m->target, m->target_n);
	}
	if (m->waits && !contains(h->content_type, "text/event-stream"))
		m->waits = false;
}

/* An answer needs no reader before a request has shown what this is. */
void mcp_http_begin(struct mcp_http *m, enum flow_dir dir, const char *event)
{
	if (!m)
		return;
	m->endpoint_event = m->waits && dir == FLOW_RESPONSE && event && !strcmp(event, "endpoint");
	m->reading[dir] = dir == FLOW_REQUEST || m->found || m->waits;
	if (m->endpoint_event) {
		m->target_n = 0;
		m->reading[dir] = false;
	}
	if (m->reading[dir] && !m->reader[dir])
		m->reader[dir] = mcp_reader_new(on_message, &m->lane[dir]);
	m->reading[dir] &= m->reader[dir] != NULL;
	if (m->reading[dir])
		mcp_reader_begin(m->reader[dir]);
}

void mcp_http_data(struct mcp_http *m, enum flow_dir dir, const uint8_t *p, size_t n, uint64_t ns)
{
	if (!m)
		return;
	m->ns = ns;
	if (m->endpoint_event && dir == FLOW_RESPONSE) {
		size_t room = TARGET_MAX - m->target_n;

		memcpy(m->target + m->target_n, p, n < room ? n : room);
		m->target_n += n < room ? n : room;
	} else if (m->reading[dir]) {
		mcp_reader_data(m->reader[dir], p, n);
	}
}

void mcp_http_doc_end(struct mcp_http *m, enum flow_dir dir, bool cut)
{
	if (!m)
		return;
	if (m->endpoint_event && dir == FLOW_RESPONSE) {
		m->endpoint_event = false;
		m->found |= !cut;
		m->where.transport = "http-sse";
		m->where.key = m->where.next_key = key_of(m, m->target, m->target_n);
	} else if (m->reading[dir]) {
		mcp_reader_end(m->reader[dir], cut);
	}
	m->reading[dir] = false;
}

void mcp_http_end(struct mcp_http *m, uint64_t ns)
{
	if (m && m->found)
		m->ops->mcp(m->ctx, m->it, &m->where, FLOW_RESPONSE, NULL, ns);
}

bool mcp_http_found(const struct mcp_http *m)
{
	return m && m->found;
}

bool mcp_http_waits(const struct mcp_http *m)
{
	return m && m->waits;
}
