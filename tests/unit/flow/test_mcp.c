// SPDX-License-Identifier: Apache-2.0
/* MCP messages over a server's standard input and output, in pieces of every size, against a guard
 * page; and in HTTP exchanges of both transports. A row is a conversation and what it says. */
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
#include "flow/mcp_pipe.h"

#define INIT                                                                                          \
	">{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{\"protocolVersion\":"   \
	"\"2025-06-18\",\"capabilities\":{},\"clientInfo\":{\"name\":\"cli\",\"version\":\"1\"}}}\n", \
		"<{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{\"protocolVersion\":\"2025-06-18\","      \
		"\"serverInfo\":{\"name\":\"srv\",\"version\":\"2.1\"}}}\n"
#define SAYS_INIT "initialize#0 ok [srv 2.1 cli 2025-06-18]; "
#define CALL(id, tool)                                            \
	">{\"jsonrpc\":\"2.0\",\"id\":" id                        \
	",\"method\":\"tools/call\",\"params\":{\"name\":\"" tool \
	"\",\"arguments\":{\"a\": [1, \"}\"]}}}\n"
#define ANSWER(id) "<{\"jsonrpc\":\"2.0\",\"id\":" id ",\"result\":{\"content\":[]}}\n"
#define STEPS_MAX 12

/* A step: '>' to the server, '<' from it, '!' so many bytes from it are missing. */
static const struct row {
	const char *name, *says;
	bool late, ignored;
	const char *steps[STEPS_MAX];
} rows[] = {
	{"handshake and a call", SAYS_INIT "tools/call#1 t args 15 ok; ",
	 .steps = {INIT, CALL("1", "t"), ANSWER("1")}},
	{"ids are numbers or texts", "tools/call#1 a args 15 ok; tools/call#'1' b args 15 ok; ",
	 .steps = {CALL("1", "a"), CALL("\"1\"", "b"), ANSWER("1"), ANSWER("\"1\"")}},
	{"answers out of order", "tools/call#2 b args 15 ok; tools/call#1 a args 15 ok; ",
	 .steps = {CALL("1", "a"), CALL("2", "b"), ANSWER("2"), ANSWER("1")}},
	{"an error by the tool", "tools/call#1 t args 15 error; ",
	 .steps =
		 {CALL("1", "t"),
		  "<{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"isError\":true,\"content\":[{\"isError\":false}]}}\n"}},
	{"an error by the protocol", "tools/call#1 t args 15 code -32602; ",
	 .steps =
		 {CALL("1", "t"),
		  "<{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32602,\"message\":\"x\"},\"id\":1}\n"}},
	{"the list of tools", "tools/list#1 ok tools one,two; ",
	 .steps =
		 {">{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}\n",
		  "<{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"tools\":[{\"name\":\"one\",\"inputSchema\":{\"name\":\"no\"}},"
		  "{\"name\":\"two\"}]}}\n"}},
	{"a batch", "tools/call#1 a args 2 ok; resources/read#2 ok; ",
	 .steps =
		 {">[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"a\",\"arguments\":{}}},"
		  "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"resources/read\",\"params\":{\"uri\":\"x\",\"name\":\"n\"}}]\n",
		  "<[{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}},{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}}]\n"}},
	{"the server asks", "tools/call#1 t args 15 ok; server sampling/createMessage#1 ok; ",
	 .steps = {CALL("1", "t"),
		   "<{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"sampling/createMessage\"}\n",
		   ANSWER("1"), ">{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n"}},
	{"cancelled", "tools/call#7 t args 15 unanswered (cancelled by the one who asked); ",
	 .steps =
		 {CALL("7", "t"),
		  ">{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":7}}\n"}},
	{"signs of life and notifications say nothing", "",
	 .steps = {">{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n",
		   "<{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n",
		   "<{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{}}\n"}},
	{"an id used twice",
	 "tools/call#1 a args 15 unanswered truncated (its id was used again before an answer); "
	 "tools/call#1 b args 15 ok; ",
	 .steps = {CALL("1", "a"), CALL("1", "b"), ANSWER("1")}},
	{"the channel closes",
	 "tools/call#1 t args 15 unanswered truncated (the channel was closed before the answer); ",
	 .steps = {CALL("1", "t")}},
	{"the answer is cut",
	 "tools/call#1 t args 15 ok truncated (the answer was not seen to its end); ",
	 .steps = {CALL("1", "t"),
		   "<{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"content\":[{\"text\":\"abc"}},
	{"missing bytes",
	 "tools/call#1 t args 15 unanswered gap (bytes are missing while it was open); ",
	 .steps = {CALL("1", "t"), "!100", "<cd\"}]}}\n"}},
	{"goes on behind them",
	 "tools/call#2 u args 15 ok; "
	 "tools/call#1 t args 15 unanswered gap (bytes are missing while it was open); ",
	 .steps = {CALL("1", "t"), "!100", "<cd\"}]}}\n", CALL("2", "u"), ANSWER("2")}},
	{"ids in _meta", "tools/call#1 t meta toolu_1 args 2 ok; ",
	 .steps =
		 {">{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"_meta\":{\"progressToken\":1,"
		  "\"x\":{\"y\":\"no\"},\"claudecode/toolUseId\":\"toolu_1\"},\"name\":\"t\",\"arguments\":{}}}\n",
		  ANSWER("1")}},
	{"the stateless era",
	 "server/discover#1 ok [new 3 ua 2026-07-28]; tools/call#2 t args 2 ok [new 3 ua 2026-07-28]; ",
	 .steps =
		 {">{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"server/discover\",\"params\":{\"_meta\":{"
		  "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",\"io.modelcontextprotocol/clientInfo\":"
		  "{\"name\":\"ua\",\"version\":\"1\"}}}}\n",
		  "<{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"resultType\":\"complete\",\"_meta\":{"
		  "\"io.modelcontextprotocol/serverInfo\":{\"name\":\"new\",\"version\":\"3\"}}}}\n",
		  ">{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/call\",\"params\":{\"name\":\"t\",\"arguments\":{}}}\n",
		  ANSWER("2")}},
	{"late, at a line's start", "tools/call#1 t args 15 ok; ", .late = true,
	 .steps = {ANSWER("0"), CALL("1", "t"), ANSWER("1")}},
	{"late, in a line", "tools/call#1 t args 15 ok; ", .late = true,
	 .steps = {"<xt\"}]}}\n", ">\"}}\n", CALL("1", "t"), ANSWER("1")}},
	{"a banner before", "tools/call#1 t args 15 ok; ",
	 .steps = {"<Server is listening on stdio\n", CALL("1", "t"), ANSWER("1")}},
	{"noise between", "tools/call#1 t args 15 ok; tools/call#2 t args 15 ok; ",
	 .steps = {CALL("1", "t"), "<[debug] x\n", ANSWER("1"), CALL("2", "t"),
		   "<{\"level\":\"info\"}\n", ANSWER("2")}},
	{"a file is not MCP", "", .ignored = true, .steps = {">#include <stdio.h>\nint main"}},
	{"other JSON lines are not", "", .ignored = true,
	 .steps = {">{\"level\":\"info\",\"jsonrpc\":\"2.0\"}\n"}},
	{"nor another JSON-RPC", "",
	 .steps = {">{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":"
		   "{\"protocolVersion\":1}}\n",
		   ANSWER("0")}},
	{"nor one with headers", "", .ignored = true, .steps = {">Content-Length: 46\r\n\r\n"}},
};

struct told {
	char log[2048];
	size_t n;
	struct mcp_pipe *p;
	unsigned open;
};

__attribute__((format(printf, 2, 3))) static void note(struct told *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	t->n += vsnprintf(t->log + t->n, sizeof(t->log) - t->n, fmt, ap);
	va_end(ap);
	assert_true(t->n < sizeof(t->log));
}

static void on_opened(void *ctx, struct mcp_call *c)
{
	struct told *t = ctx;

	assert_null(c->user);
	c->user = t;
	t->open++;
}

static void on_done(void *ctx, struct mcp_call *c, const struct names *tools)
{
	struct told *t = ctx;
	const char *comma = " tools ";

	assert_ptr_equal(c->user, t);
	t->open--;
	note(t, "%s%s#%s%s%s", c->from_server ? "server " : "", c->method, c->id.is_text ? "'" : "",
	     c->id.text, c->id.is_text ? "'" : "");
	if (c->tool[0])
		note(t, " %s", c->tool);
	if (c->metas)
		note(t, " meta %s", c->meta[0]);
	if (c->has_arguments)
		note(t, " args %u", (unsigned)c->arguments_bytes);
	if (!c->answered)
		note(t, " unanswered");
	else if (c->has_code)
		note(t, " code %d", (int)c->code);
	else
		note(t, c->is_error ? " error" : " ok");
	for (const char *n = NULL; (n = names_next(tools, n)); comma = ",")
		note(t, "%s%s", comma, n);
	if (c->completeness != COMPLETE)
		note(t, " %s", completeness_name(c->completeness));
	if (c->reason[0])
		note(t, " (%s)", c->reason);
	if (t->p && mcp_session_facts(mcp_pipe_session(t->p))->server_name[0] &&
	    (!strcmp(c->method, "initialize") ||
	     strstr(mcp_session_facts(mcp_pipe_session(t->p))->protocol_version, "2026"))) {
		const struct mcp_facts *f = mcp_session_facts(mcp_pipe_session(t->p));

		note(t, " [%s %s %s %s]", f->server_name, f->server_version, f->client_name,
		     f->protocol_version);
	}
	note(t, "; ");
}

static const struct mcp_ops ops = {.opened = on_opened, .done = on_done};

static enum flow_state feed(struct told *t, enum flow_dir dir, uint64_t *at, const char *text,
			    size_t piece)
{
	enum flow_state st = FLOW_MORE;
	size_t n = strlen(text);

	for (size_t i = 0; i < n;) {
		size_t k = piece && piece < n - i ? piece : n - i;
		struct guarded g = guarded_copy(text + i, k);

		st = mcp_pipe_data(t->p, dir, at[dir], g.p, k, 1000 + at[dir]);
		guarded_free(&g);
		at[dir] += k;
		i += k;
	}
	return st;
}

static void run(const struct row *r, size_t piece)
{
	struct told t = {};
	uint64_t at[2] = {r->late ? 5000 : 0, r->late ? 700 : 0};
	enum flow_state st = FLOW_MORE;

	t.p = mcp_pipe_new(&ops, &t, r->late);
	for (size_t i = 0; i < STEPS_MAX && r->steps[i]; i++) {
		const char *s = r->steps[i];

		if (*s == '!')
			at[FLOW_RESPONSE] += atoi(s + 1);
		else
			st = feed(&t, *s == '>' ? FLOW_REQUEST : FLOW_RESPONSE, at, s + 1, piece);
	}
	if (st == FLOW_MORE)
		mcp_pipe_close(t.p, 99999);
	if (strcmp(t.log, r->says) || (st == FLOW_IGNORE) != r->ignored)
		fail_msg("%s, pieces of %zu:\n got  %s%s\n want %s", r->name, piece, t.log,
			 st == FLOW_IGNORE ? " ignored" : "", r->says);
	assert_int_equal(t.open, 0);
	mcp_pipe_free(t.p);
}

static void test_conversations(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (size_t k = 0; k < ARRAY_SIZE(feed_sizes); k++)
			if (!rows[i].late ||
			    !k) /* late, a chunk's start says where a line begins */
				run(&rows[i], feed_sizes[k]);
}

/* More than is followed: the oldest ends, none is lost without a word. */
static void test_many_open(void **state)
{
	struct told t = {};
	uint64_t at[2] = {};
	char line[128];

	t.p = mcp_pipe_new(&ops, &t, false);
	for (int i = 0; i < MCP_OPEN_MAX + 3; i++) {
		snprintf(line, sizeof(line),
			 "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"prompts/list\"}\n", i);
		feed(&t, FLOW_REQUEST, at, line, 0);
		t.n = i < MCP_OPEN_MAX ? 0 : t.n;
	}
	assert_int_equal(t.open, MCP_OPEN_MAX);
	assert_non_null(
		strstr(t.log, "prompts/list#0 unanswered truncated (more requests are open"));
	assert_non_null(strstr(t.log, "prompts/list#2 "));
	assert_null(strstr(t.log, "prompts/list#3 "));
	mcp_pipe_free(t.p);
}

static void test_too_long(void **state)
{
	static const char head[] =
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"t\","
		"\"arguments\":{\"x\":\"";
	struct told t = {};
	uint64_t at[2] = {};
	_cleanup_free_ char *block = malloc((1 << 20) + 1);

	memset(block, 'x', 1 << 20);
	block[1 << 20] = '\0';
	t.p = mcp_pipe_new(&ops, &t, false);
	feed(&t, FLOW_REQUEST, at, head, 0);
	for (int i = 0; i < 17; i++)
		feed(&t, FLOW_REQUEST, at, block, 0);
	feed(&t, FLOW_REQUEST, at, "\"}}}\n", 0);
	feed(&t, FLOW_RESPONSE, at, ANSWER("1") + 1, 0);
	assert_string_equal(
		t.log, "tools/call#1 t ok truncated (the request is longer than what is read); ");
	mcp_pipe_free(t.p);
}

/* Output that is no MCP is given up after a few KiB, and only then. */
static void test_noise(void **state)
{
	struct told t = {};
	uint64_t at[2] = {};
	char line[101];
	int lines = 0;

	memset(line, 'n', 99);
	memcpy(line + 99, "\n", 2);
	t.p = mcp_pipe_new(&ops, &t, false);
	while (lines < 100 && feed(&t, FLOW_RESPONSE, at, line, 0) == FLOW_MORE)
		lines++;
	assert_in_range(lines, 40, 42);
	mcp_pipe_free(t.p);
}

static void one(void *ctx, const struct mcp_msg *m)
{
	*(struct mcp_msg *)ctx = *m;
}

static void test_message(void **state)
{
	static const char text[] =
		" {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"arguments\" : "
		"{\"path\":\"/tmp/a\"} ,\"name\":\"t\"}} ";
	/* sha256sum of {"path":"/tmp/a"} */
	static const char want[] =
		"15df809ad5fadb66f0b31bafc206dcfe620d8da8767fb76e41d3603a45dc870d";

	for (size_t k = 0; k < ARRAY_SIZE(feed_sizes); k++) {
		struct mcp_msg m = {};
		struct mcp_reader *r = mcp_reader_new(one, &m);
		size_t piece = feed_sizes[k] ?: sizeof(text) - 1;
		char hex[65];

		for (size_t i = 0; i < sizeof(text) - 1; i += piece) {
			size_t n = piece < sizeof(text) - 1 - i ? piece : sizeof(text) - 1 - i;
			struct guarded g = guarded_copy(text + i, n);

			mcp_reader_data(r, g.p, n);
			guarded_free(&g);
		}
		assert_int_equal(mcp_reader_end(r, false), MCP_DOC_RPC);
		assert_int_equal(m.bytes, sizeof(text) - 3);
		assert_int_equal(m.arguments_bytes, 17);
		for (int i = 0; i < 32; i++)
			snprintf(hex + 2 * i, 3, "%02x", m.arguments_sha256[i]);
		assert_string_equal(hex, want);
		mcp_reader_free(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conversations), cmocka_unit_test(test_many_open),
		cmocka_unit_test(test_too_long),      cmocka_unit_test(test_noise),
		cmocka_unit_test(test_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
