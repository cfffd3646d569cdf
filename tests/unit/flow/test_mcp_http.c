// SPDX-License-Identifier: Apache-2.0
/* MCP in HTTP exchanges: which messages are told, of which session, and what becomes of exchanges
 * that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "feed.h"
#include "flow/flow.h"
#include "flow/mcp_msg.h"

struct told {
	char log[2048];
	size_t n;
	uint64_t key[8]; /* in the order they were first seen: session "A", "B" … */
	unsigned keys;
};

__attribute__((format(printf, 2, 3))) static void note(struct told *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	t->n += vsnprintf(t->log + t->n, sizeof(t->log) - t->n, fmt, ap);
	va_end(ap);
	assert_true(t->n < sizeof(t->log));
}

static char session(struct told *t, uint64_t key)
{
	for (unsigned i = 0; i < t->keys; i++)
		if (t->key[i] == key)
			return 'A' + i;
	assert_true(t->keys < ARRAY_SIZE(t->key));
	t->key[t->keys] = key;
	return 'A' + t->keys++;
}

static enum flow_interest on_head(void *ctx, const struct interaction *it)
{
	return FLOW_MAYBE;
}
static void on_text(void *ctx, const struct interaction *it, enum flow_dir dir, const uint8_t *p,
		    size_t n)
{
}
static void on_request(void *ctx, const struct interaction *it)
{
	note(ctx, "request ");
}
static void on_done(void *ctx, const struct interaction *it)
{
	note(ctx, "done ");
}
static void on_dropped(void *ctx, const struct interaction *it)
{
	note(ctx, "dropped ");
}
static void on_mcp(void *ctx, const struct interaction *it, const struct mcp_where *w,
		   enum flow_dir dir, const struct mcp_msg *m, uint64_t ns)
{
	struct told *t = ctx;

	if (!m) {
		note(t, "over:%u ", it->status);
		return;
	}
	note(t, "%c%c", dir == FLOW_REQUEST ? '>' : '<', session(t, w->key));
	if (w->next_key != w->key)
		note(t, "(%c)", session(t, w->next_key));
	note(t, ":%s%s#%s", m->method, m->cut ? "!" : "", m->id.text);
	if (strcmp(w->transport, "http"))
		note(t, ":%s", w->transport);
	if (w->protocol_version[0])
		note(t, "@%s", w->protocol_version);
	note(t, " ");
}

static const struct flow_ops ops = {.head = on_head,
				    .text = on_text,
				    .request = on_request,
				    .done = on_done,
				    .dropped = on_dropped,
				    .mcp = on_mcp};

#define POST(target, fields, body) \
	"POST " target " HTTP/1.1\r\nhost: h\r\n" fields "content-type: application/json\r\n", body
#define JSON(fields, body) "HTTP/1.1 200 OK\r\n" fields "content-type: application/json\r\n", body
#define SSE(fields, body) "HTTP/1.1 200 OK\r\n" fields "content-type: text/event-stream\r\n", body
#define MSG(m) "{\"jsonrpc\":\"2.0\"," m "}"

/* Heads and bodies by turns, request and answer by turns; a body gets its length. */
static const struct row {
	const char *name, *says;
	const char *parts[20];
} rows[] = {
	{"a call answered as JSON",
	 ">A:tools/call#1 <A:#1 over:200 dropped ",
	 {POST("/mcp", "", MSG("\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"t\"}")),
	  JSON("", MSG("\"id\":1,\"result\":{}"))}},
	{"as events",
	 ">A:tools/call#1 <A:notifications/progress# <A:#1 over:200 dropped ",
	 {POST("/mcp", "", MSG("\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"t\"}")),
	  SSE("",
	      "event: message\ndata: " MSG("\"method\":\"notifications/progress\"") "\n\nevent: message\ndata: " MSG(
		      "\"id\":1,\"result\":{}") "\n\n")}},
	{"the answer names the session, the next request is of it",
	 ">A:initialize#0 <A(B):#0 over:200 dropped >B:tools/list#1@2025-11-25 <B:#1@2025-11-25 over:200 dropped "
	 ">C:tools/list#2 <C:#2 over:200 dropped ",
	 {POST("/mcp", "",
	       MSG("\"id\":0,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-11-25\"}")),
	  JSON("Mcp-Session-Id: one\r\n", MSG("\"id\":0,\"result\":{}")),
	  POST("/mcp", "mcp-session-id: one\r\nMCP-Protocol-Version: 2025-11-25\r\n",
	       MSG("\"id\":1,\"method\":\"tools/list\"")),
	  JSON("", MSG("\"id\":1,\"result\":{}")),
	  POST("/mcp", "mcp-session-id: two\r\n", MSG("\"id\":2,\"method\":\"tools/list\"")),
	  JSON("", MSG("\"id\":2,\"result\":{}"))}},
	{"a notification",
	 ">A:notifications/initialized# over:202 dropped ",
	 {POST("/mcp", "", MSG("\"method\":\"notifications/initialized\"")),
	  "HTTP/1.1 202 Accepted\r\n", ""}},
	{"the older transport: one stream answers what is posted",
	 ">A:tools/call#1 over:202 dropped <A:#1:http-sse over:200 dropped ",
	 {POST("/messages?sessionId=7", "",
	       MSG("\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"t\"}")),
	  "HTTP/1.1 202 Accepted\r\n", "Accepted",
	  "GET /sse HTTP/1.1\r\nhost: h\r\nAccept: text/event-stream\r\n", "",
	  SSE("", "event: endpoint\ndata: /messages?sessionId=7\n\nevent: message\ndata: " MSG(
			  "\"id\":1,\"result\":{}") "\n\n")}},
	{"its target may be a whole URL",
	 ">A:ping#1 over:202 dropped <A:#1:http-sse over:200 dropped ",
	 {POST("/m?s=7", "", MSG("\"id\":1,\"method\":\"ping\"")), "HTTP/1.1 202 Accepted\r\n", "",
	  "GET /sse HTTP/1.1\r\nhost: h\r\naccept: text/event-stream\r\n", "",
	  SSE("", "event: endpoint\ndata: http://h/m?s=7\n\ndata: " MSG(
			  "\"id\":1,\"result\":{}") "\n\n")}},
	{"a stream that says something else is nobody's",
	 "dropped ",
	 {"GET /sse HTTP/1.1\r\nhost: h\r\naccept: text/event-stream\r\n", "",
	  SSE("", "data: {\"price\":1}\n\n")}},
	{"a page is not waited for",
	 "dropped ",
	 {"GET /sse HTTP/1.1\r\nhost: h\r\naccept: text/event-stream, */*\r\n", "",
	  "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n", "<html>"}},
	{"another JSON-RPC is not MCP",
	 "dropped ",
	 {POST("/rpc", "", MSG("\"id\":1,\"method\":\"eth_call\",\"params\":[]")),
	  JSON("", MSG("\"id\":1,\"result\":\"0x\""))}},
	{"other JSON is not", "dropped ", {POST("/x", "", "{\"a\":1}"), JSON("", "{}")}},
	{"a model's call is none",
	 "request done ",
	 {POST("/v1/chat/completions", "",
	       "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"),
	  JSON("",
	       "{\"id\":\"1\",\"object\":\"chat.completion\",\"choices\":[{\"message\":{\"content\":\"x\"},"
	       "\"finish_reason\":\"stop\"}]}")}},
};

static void feed(struct flow *f, enum flow_dir dir, uint64_t *at, const char *text, size_t n,
		 size_t piece)
{
	for (size_t i = 0; i < n;) {
		size_t k = piece && piece < n - i ? piece : n - i;
		struct guarded g = guarded_copy(text + i, k);

		flow_data(f, dir, at[dir], g.p, k, 1000 + at[dir]);
		guarded_free(&g);
		at[dir] += k;
		i += k;
	}
}

static void run(const struct row *r, size_t piece)
{
	struct told t = {};
	struct flow *f = flow_new(&ops, &t, false);
	uint64_t at[2] = {};

	for (size_t i = 0; r->parts[i]; i += 2) {
		char *text;
		int n = asprintf(&text, "%scontent-length: %zu\r\n\r\n%s", r->parts[i],
				 strlen(r->parts[i + 1]), r->parts[i + 1]);

		feed(f, i / 2 % 2 ? FLOW_RESPONSE : FLOW_REQUEST, at, text, n, piece);
		free(text);
	}
	flow_close(f, 99999);
	flow_free(f);
	if (strcmp(t.log, r->says))
		fail_msg("%s, pieces of %zu:\n got  %s\n want %s", r->name, piece, t.log, r->says);
}

static void test_exchanges(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (size_t k = 0; k < ARRAY_SIZE(feed_sizes); k++)
			run(&rows[i], feed_sizes[k]);
}

/* The answer never comes: the exchange is over all the same. */
static void test_cut(void **state)
{
	static const char text[] =
		"POST /mcp HTTP/1.1\r\nhost: h\r\ncontent-length: 49\r\n\r\n" MSG(
			"\"id\":1,\"method\":\"tools/list\"");
	struct told t = {};
	struct flow *f = flow_new(&ops, &t, false);
	uint64_t at[2] = {};

	feed(f, FLOW_REQUEST, at, text, sizeof(text) - 1, 0);
	flow_close(f, 99999);
	flow_free(f);
	assert_string_equal(t.log, ">A:tools/list#1 over:0 dropped ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exchanges),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
