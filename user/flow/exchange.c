// SPDX-License-Identifier: Apache-2.0
/*
 * Heads and contents of one exchange in, the caller's callbacks out, in this order:
 * head, text…, request, text…, then done or dropped, exactly one of them if of interest.
 *
 * An exchange of no interest keeps only what framing its answer needs. A MAYBE becomes YES when a
 * body shows a dialect; it is dropped when its whole request was read and shows none, or at once
 * when the request's content is no JSON. When the request could not be read (unknown coding, missing bytes) the answer decides.
 */
#include "exchange.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "extract.h"
#include "ws.h"
#include "mcp_http.h"
#include "grpc.h"

static void forget(struct exchange *x)
{
	body_free(x->body[FLOW_REQUEST]);
	body_free(x->body[FLOW_RESPONSE]);
	extract_free(x->extract);
	mcp_http_free(x->mcp);
	free(x->it);
	x->body[FLOW_REQUEST] = x->body[FLOW_RESPONSE] = NULL;
	x->extract = NULL;
	x->mcp = NULL;
	x->it = NULL;
	x->interest = FLOW_NO;
}

void exchange_free(struct exchange *x)
{
	if (x)
		forget(x);
	free(x);
}
DEFINE_CLEANUP(struct exchange, exchange_free)

static void drop(struct exchange *x)
{
	x->ops->dropped(x->ctx, x->it);
	forget(x);
}

/* A body may just have shown its dialect. */
static void settle(struct exchange *x)
{
	if (x->interest == FLOW_MAYBE && mcp_http_found(x->mcp)) {
		x->interest = FLOW_YES;
		x->only_mcp = true;
	}
	if (x->interest != FLOW_MAYBE || x->it->dialect == DIALECT_NONE || x->it->dialect_by_path)
		return;
	x->interest = FLOW_YES;
	if (x->request_whole)
		x->ops->request(x->ctx, x->it);
}

static bool slice_eq(struct slice s, const char *text)
{
	return s.n == strlen(text) && !memcmp(s.p, text, s.n);
}

static void lower(char *s)
{
	for (; *s; s++)
		if (*s >= 'A' && *s <= 'Z')
			*s |= 0x20;
}

static void fill_request(struct interaction *it, const struct http1_head *h)
{
	struct http1_target t;
	struct slice host;
	uint16_t port;

	http1_target_split(h->target, slice_eq(h->method, "CONNECT"), &t);
	http1_authority_split(h->host, &host, &port);
	if (t.host.n) { /* a target with a host overrides the field, RFC 9112 3.2.2 */
		host = t.host;
		port = t.port;
	}
	TEXT_SET(it->method, h->method.p, h->method.n);
	TEXT_SET(it->host, host.p, host.n);
	lower(it->host);
	it->port = port;
	TEXT_SET(it->path, t.path.p, t.path.n);
	TEXT_SET(it->user_agent, h->user_agent.p, h->user_agent.n);
	TEXT_SET(it->content_type, h->content_type.p, h->content_type.n);
	TEXT_SET(it->request_encoding, h->codings, strlen(h->codings));
	snprintf(it->http_version, sizeof(it->http_version), h->version < 20 ? "%u.%u" : "%u",
		 h->version / 10, h->version % 10);
	it->stream_id = h->stream;
	strcpy(it->wire, grpc_wire(h));
	it->websocket = h->upgrade.n == 9 && !strncasecmp(h->upgrade.p, "websocket", 9);
	it->dialect = it->websocket ? ws_dialect_by_path(it->path)
				    : extract_dialect_by_path(it->method, it->path);
	if (it->websocket)
		ws_model_by_query(h->target.p, h->target.n, it->request_model,
				  sizeof(it->request_model));
	it->dialect_by_path = it->dialect != DIALECT_NONE;
}

struct exchange *exchange_new(const struct flow_ops *ops, void *ctx, const struct http1_head *h,
			      uint64_t offset, uint64_t ns)
{
	_cleanup_(exchange_freep) struct exchange *x = calloc(1, sizeof(*x));
	struct interaction *it = x ? malloc(sizeof(*it)) : NULL;

	if (!it)
		return NULL;
	x->ops = ops;
	x->ctx = ctx;
	x->it = it;
	x->start_ns = ns;
	x->to_head = slice_eq(h->method, "HEAD");
	x->to_connect = slice_eq(h->method, "CONNECT");
	interaction_init(it);
	it->start_ns = ns;
	it->request_offset = offset;
	fill_request(it, h);
	x->interest = ops->head(ctx, it);
	if (x->interest == FLOW_NO)
		forget(x);
	else
		x->mcp = mcp_http_new(ops, ctx, it, h);
	return TAKE_PTR(x);
}

void exchange_content(struct exchange *x, enum flow_dir dir, const struct http1_head *h)
{
	if (!x->it)
		return;
	if (!x->extract)
		x->extract = extract_new(x->it);
	if (x->extract) {
		struct body_out out = {x->ops, x->ctx, x->it, x->extract, x->mcp, dir};

		x->body[dir] = body_new(&out, h->content_type, h->codings);
		if (x->body[dir] && grpc_messages(h))
			body_messages(x->body[dir], h);
	}
	if (!x->body[dir])
		interaction_incomplete(x->it, UNDECODABLE, "out of memory");
}

void exchange_rest(struct exchange *x)
{
	if (!x->request_over || x->answer_begun)
		return;
	extract_free(x->extract);
	x->extract = NULL;
}

void exchange_answer(struct exchange *x, const struct http1_head *h, uint64_t ns)
{
	bool waited = mcp_http_waits(x->mcp);

	x->answer_begun = true;
	if (!x->it)
		return;
	x->it->status = h->status;
	x->it->first_byte_ns = ns;
	x->it->websocket &= h->status == 101;
	TEXT_SET(x->it->response_encoding, h->codings, strlen(h->codings));
	exchange_trailers(x, h);
	grpc_http_status(x->it);
	mcp_http_answer(x->mcp, h);
	if (x->interest == FLOW_MAYBE && waited && !mcp_http_waits(x->mcp))
		drop(x);
}

void exchange_trailers(struct exchange *x, const struct http1_head *h)
{
	if (x->it && h->grpc_status.n)
		grpc_status_set(x->it, grpc_status_parse(h->grpc_status));
}

void exchange_data(struct exchange *x, enum flow_dir dir, const uint8_t *p, size_t n, uint64_t ns)
{
	if (!x->body[dir])
		return;
	body_data(x->body[dir], p, n, ns);
	settle(x);
	/* Uploads to anywhere are common: one look at the first bytes is enough for them. */
	if (x->interest == FLOW_MAYBE && dir == FLOW_REQUEST && body_opaque(x->body[dir]))
		drop(x);
}

void exchange_gap(struct exchange *x, enum flow_dir dir, uint64_t n)
{
	exchange_incomplete(x, GAP,
			    dir == FLOW_REQUEST ? "bytes of the request are missing"
						: "bytes of the answer are missing");
	if (x->body[dir])
		body_gap(x->body[dir], n);
}

/* Gives whether all of it was read. */
static bool content_over(struct exchange *x, enum flow_dir dir, bool cut)
{
	bool readable = true;

	if (x->body[dir]) {
		body_end(x->body[dir], cut);
		readable = body_readable(x->body[dir]);
		body_free(x->body[dir]);
		x->body[dir] = NULL;
		settle(x);
	}
	return readable && !cut;
}

void exchange_request_over(struct exchange *x, bool cut, uint64_t ns)
{
	bool read = content_over(x, FLOW_REQUEST, cut);

	x->request_over = true;
	if (!x->it || cut)
		return;
	x->it->request_end_ns = ns;
	x->request_whole = true;
	if (x->interest == FLOW_YES && !x->only_mcp)
		x->ops->request(x->ctx, x->it);
	else if (read && !x->it->websocket && !x->only_mcp && !mcp_http_waits(x->mcp))
		drop(x);
}

void exchange_answer_over(struct exchange *x, bool cut, uint64_t ns)
{
	content_over(x, FLOW_RESPONSE, cut);
	x->answer_over = true;
	if (x->it)
		x->it->end_ns = ns;
}

void exchange_incomplete(struct exchange *x, enum completeness c, const char *reason)
{
	if (x->it)
		interaction_incomplete(x->it, c, reason);
}

bool exchange_stream_done(const struct exchange *x)
{
	return x->it && x->extract && x->it->stream_answered && extract_stream_done(x->extract);
}

/* Over is when both messages are. An answer that was delivered before its request may carry an
 * earlier time; no interval may come out negative. */
static void order_times(struct interaction *it)
{
	uint64_t *const later[] = {&it->request_end_ns, &it->first_byte_ns, &it->first_token_ns,
				   &it->end_ns};

	for (size_t i = 0; i < ARRAY_SIZE(later); i++)
		if (*later[i] && *later[i] < it->start_ns)
			*later[i] = it->start_ns;
	if (it->end_ns < it->request_end_ns)
		it->end_ns = it->request_end_ns;
}

void exchange_finish(struct exchange *x)
{
	if (x->it)
		order_times(x->it);
	if (x->it)
		mcp_http_end(x->mcp, x->it->end_ns ?: x->it->start_ns);
	if (x->it && x->interest == FLOW_YES && !x->only_mcp)
		x->ops->done(x->ctx, x->it);
	else if (x->it)
		x->ops->dropped(x->ctx, x->it);
	exchange_free(x);
}
