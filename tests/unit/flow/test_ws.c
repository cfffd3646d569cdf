// SPDX-License-Identifier: Apache-2.0
/* A WebSocket through a flow: turns of every dialect, in every framing, cut in every way; what is
 * missing, what is not known, what began before it could be seen.
 *
 * Long because it is mostly rows: cases that share one rig stay in one file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/cleanup.h"
#include "flow/ws.h"
#include "rig.h"
#include "wsgen.h"

struct line {
	char who; /* c client, s server, b server binary, C client binary; 0 ends */
	const char *text;
};

struct want {
	const char *model, *response_model, *id, *finish, *error, *call;
	int64_t input, output, cached;
	unsigned messages, offered;
};

struct conversation {
	const char *name, *target;
	enum dialect dialect;
	struct line lines[24];
	unsigned turns;
	struct want want[4];
};

#define CREATED(id)                                                 \
	"{\"type\":\"response.created\",\"response\":{\"id\":\"" id \
	"\",\"object\":\"response\",\"status\":\"in_progress\",\"model\":\"gpt-5-x\",\"output\":[]}}"
#define DELTA(t) "{\"type\":\"response.output_text.delta\",\"item_id\":\"m\",\"delta\":\"" t "\"}"
#define USAGE(in, out, c)                                                                   \
	"\"usage\":{\"input_tokens\":" in ",\"input_tokens_details\":{\"cached_tokens\":" c \
	"},\"output_tokens\":" out                                                          \
	",\"output_tokens_details\":{\"reasoning_tokens\":2},\"total_tokens\":0}"
#define COMPLETED(id, in, out, c)                                                                         \
	"{\"type\":\"response.completed\",\"response\":{\"id\":\"" id                                     \
	"\",\"object\":\"response\",\"status\":\"completed\",\"model\":\"gpt-5-x\",\"output\":[]," USAGE( \
		in, out, c) "}}"
#define RT_CREATED(id)                                                                               \
	"{\"type\":\"response.created\",\"response\":{\"object\":\"realtime.response\",\"id\":\"" id \
	"\",\"status\":\"in_progress\",\"output\":[]}}"
#define RT_DONE(id, in, out, c)                                                                        \
	"{\"type\":\"response.done\",\"response\":{\"object\":\"realtime.response\",\"id\":\"" id      \
	"\",\"status\":\"completed\",\"output\":[],\"usage\":{\"total_tokens\":1,\"input_tokens\":" in \
	",\"output_tokens\":" out ",\"input_token_details\":{\"cached_tokens\":" c "}}}}"

static const struct conversation conversations[] = {
	{.name = "responses",
	 .target = "/v1/responses",
	 .dialect = DIALECT_OPENAI_RESPONSES_WS,
	 .lines =
		 {{'c',
		   "{\"type\":\"response.create\",\"model\":\"gpt-5\",\"stream_id\":null,\"input\":[{\"role\":\"user\",\"content\":\"one\"}],\"tools\":[{\"type\":\"function\",\"name\":\"shell\"}]}"},
		  {'s', "{\"type\":\"codex.rate_limits\",\"plan\":\"x\"}"},
		  {'s', CREATED("resp_1")},
		  {'s', DELTA("Hel")},
		  {'s', DELTA("lo")},
		  {'s',
		   "{\"type\":\"response.output_item.done\",\"item\":{\"type\":\"function_call\",\"id\":\"fc\",\"call_id\":\"call_1\",\"name\":\"shell\",\"arguments\":\"{}\"}}"},
		  {'s', COMPLETED("resp_1", "11", "7", "3")},
		  {'c',
		   "{\"type\":\"response.create\",\"model\":\"gpt-5\",\"previous_response_id\":\"resp_1\",\"input\":[{\"type\":\"function_call_output\",\"call_id\":\"call_1\",\"output\":\"ok\"}]}"},
		  {'s', CREATED("resp_2")},
		  {'s',
		   "{\"type\":\"response.failed\",\"response\":{\"id\":\"resp_2\",\"object\":\"response\",\"status\":\"failed\",\"error\":{\"code\":\"server_error\",\"message\":\"x\"}}}"},
		  {'c', "{\"type\":\"response.create\",\"model\":\"nope\",\"input\":\"three\"}"},
		  {'s',
		   "{\"type\":\"error\",\"status\":400,\"error\":{\"type\":\"invalid_request_error\",\"code\":\"model_not_found\",\"message\":\"x\"}}"}},
	 .turns = 3,
	 .want = {{"gpt-5", "gpt-5-x", "resp_1", "completed", "", "shell", 11, 7, 3, 1, 1},
		  {"gpt-5", "gpt-5-x", "resp_2", "failed", "server_error", "", -1, -1, -1, 1, 0},
		  {"nope", "", "", "", "invalid_request_error", "", -1, -1, -1, 1, 0}}},
	{.name = "responses, steered: the server goes on by itself",
	 .target = "/backend-api/codex/responses",
	 .dialect = DIALECT_OPENAI_RESPONSES_WS,
	 .lines =
		 {{'c', "{\"type\":\"response.create\",\"model\":\"m\",\"input\":\"a\"}"},
		  {'s', CREATED("r1")},
		  {'c', "{\"type\":\"response.steer\",\"input\":\"other way\"}"},
		  {'s', "{\"type\":\"response.steer.accepted\",\"steer\":{\"id\":\"st\"}}"},
		  {'s',
		   "{\"type\":\"response.incomplete\",\"response\":{\"id\":\"r1\",\"object\":\"response\",\"status\":\"incomplete\",\"incomplete_details\":{\"reason\":\"steered\"}," USAGE(
			   "1", "2", "0") "}}"},
		  {'s', CREATED("r2")},
		  {'s', COMPLETED("r2", "5", "6", "1")}},
	 .turns = 2,
	 .want = {{"m", "gpt-5-x", "r1", "steered", "", "", 1, 2, 0, 1, 0},
		  {"", "gpt-5-x", "r2", "completed", "", "", 5, 6, 1, 1, 0}}},
	{.name = "responses, two lanes at once",
	 .target = "/v1/responses",
	 .dialect = DIALECT_OPENAI_RESPONSES_WS,
	 .lines =
		 {{'c',
		   "{\"type\":\"response.create\",\"stream_id\":\"A\",\"model\":\"ma\",\"input\":\"a\"}"},
		  {'c',
		   "{\"type\":\"response.create\",\"stream_id\":\"B\",\"model\":\"mb\",\"input\":\"b\"}"},
		  {'s',
		   "{\"type\":\"response.created\",\"stream_id\":\"B\",\"response\":{\"id\":\"rb\"}}"},
		  {'s',
		   "{\"type\":\"response.created\",\"stream_id\":\"A\",\"response\":{\"id\":\"ra\"}}"},
		  {'s',
		   "{\"type\":\"response.output_text.delta\",\"stream_id\":\"A\",\"delta\":\"x\"}"},
		  {'s', COMPLETED("rb", "3", "4", "0")},
		  {'s', COMPLETED("ra", "1", "2", "0")}},
	 .turns = 2,
	 .want = {{"mb", "gpt-5-x", "rb", "completed", "", "", 3, 4, 0, 1, 0},
		  {"ma", "gpt-5-x", "ra", "completed", "", "", 1, 2, 0, 1, 0}}},
	{.name = "realtime: asked, then heard",
	 .target = "/v1/realtime?call_id=1&model=gpt%2Drealtime&x=y",
	 .dialect = DIALECT_OPENAI_REALTIME_WS,
	 .lines =
		 {{'s',
		   "{\"type\":\"session.created\",\"session\":{\"object\":\"realtime.session\",\"model\":\"gpt-realtime\"}}"},
		  {'c',
		   "{\"type\":\"session.update\",\"session\":{\"instructions\":\"x\",\"tools\":[{\"type\":\"function\",\"name\":\"weather\"}]}}"},
		  {'s', "{\"type\":\"session.updated\",\"session\":{}}"},
		  {'c',
		   "{\"type\":\"conversation.item.create\",\"item\":{\"type\":\"message\",\"role\":\"user\",\"content\":[]}}"},
		  {'s',
		   "{\"type\":\"conversation.item.created\",\"item\":{\"type\":\"function_call\",\"name\":\"not_called\",\"call_id\":\"zz\"}}"},
		  {'c', "{\"type\":\"response.create\"}"},
		  {'s', RT_CREATED("resp_a")},
		  {'s',
		   "{\"type\":\"response.output_item.done\",\"response_id\":\"resp_a\",\"item\":{\"type\":\"function_call\",\"name\":\"weather\",\"call_id\":\"c9\"}}"},
		  {'c', "{\"type\":\"input_audio_buffer.append\",\"audio\":\"AAAA\"}"},
		  {'s',
		   "{\"type\":\"response.audio.delta\",\"response_id\":\"resp_a\",\"delta\":\"UUUU\"}"},
		  {'s', RT_DONE("resp_a", "20", "5", "8")},
		  {'s', "{\"type\":\"rate_limits.updated\",\"rate_limits\":[]}"},
		  {'c', "{\"type\":\"input_audio_buffer.append\",\"audio\":\"BBBB\"}"},
		  {'s', "{\"type\":\"input_audio_buffer.speech_stopped\"}"},
		  {'s', RT_CREATED("resp_b")},
		  {'s', RT_DONE("resp_b", "30", "6", "9")},
		  {'s', "{\"type\":\"input_audio_buffer.timeout_triggered\"}"},
		  {'s', RT_CREATED("resp_c")},
		  {'s', RT_DONE("resp_c", "1", "1", "0")}},
	 .turns = 3,
	 .want = {{"gpt-realtime", "", "resp_a", "completed", "", "weather", 20, 5, 8, 1, 1},
		  {"gpt-realtime", "", "resp_b", "completed", "", "", 30, 6, 9, 0, 1},
		  {"gpt-realtime", "", "resp_c", "completed", "", "", 1, 1, 0, 0, 1}}},
	{.name = "gemini live, tool call, counts by themselves",
	 .target =
		 "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent?key=SECRET",
	 .dialect = DIALECT_GEMINI_LIVE_WS,
	 .lines =
		 {{'c',
		   "{\"setup\":{\"model\":\"models/gemini-live\",\"tools\":[{\"functionDeclarations\":[{\"name\":\"lamp\"}]}]}}"},
		  {'b', "{\"setupComplete\":{}}"},
		  {'c',
		   "{\"clientContent\":{\"turns\":[{\"role\":\"user\",\"parts\":[{\"text\":\"on\"}]}],\"turnComplete\":true}}"},
		  {'b',
		   "{\"toolCall\":{\"functionCalls\":[{\"id\":\"f1\",\"name\":\"lamp\",\"args\":{}}]}}"},
		  {'c',
		   "{\"toolResponse\":{\"functionResponses\":[{\"id\":\"f1\",\"response\":{}}]}}"},
		  {'b', "{\"serverContent\":{\"modelTurn\":{\"parts\":[{\"text\":\"done\"}]}}}"},
		  {'b', "{\"serverContent\":{\"turnComplete\":true}}"},
		  {'b',
		   "{\"usageMetadata\":{\"promptTokenCount\":522,\"responseTokenCount\":42,\"thoughtsTokenCount\":136,\"totalTokenCount\":564}}"},
		  {'C', "{\"realtimeInput\":{\"audio\":{\"data\":\"AAAA\"}}}"},
		  {'b',
		   "{\"serverContent\":{\"modelTurn\":{\"parts\":[{\"inlineData\":{\"data\":\"QQ\"}}]}}}"},
		  {'b', "{\"serverContent\":{\"interrupted\":true}}"},
		  {'b',
		   "{\"serverContent\":{\"turnComplete\":true},\"usageMetadata\":{\"promptTokenCount\":7,\"responseTokenCount\":3,\"cachedContentTokenCount\":1}}"}},
	 .turns = 3,
	 .want = {{"models/gemini-live", "", "", "", "", "lamp", -1, -1, -1, 1, 1},
		  {"models/gemini-live", "", "", "", "", "", 522, 178, -1, 1, 1},
		  {"models/gemini-live", "", "", "interrupted", "", "", 7, 3, 1, 0, 1}}},
};

/* --- framing --------------------------------------------------------------------------------- */

struct framing {
	const char *name, *extensions;
	bool deflate, no_context[2], pings;
	unsigned fragment;
};

static const struct framing framings[] = {
	{"plain", NULL, false, {false, false}, false, 0},
	{"fragments and pings", NULL, false, {false, false}, true, 13},
	{"deflate", "permessage-deflate", true, {false, false}, false, 0},
	{"deflate, no context",
	 "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
	 "server_max_window_bits=15",
	 true,
	 {true, true},
	 false,
	 0},
	{"deflate in fragments",
	 "permessage-deflate;client_no_context_takeover",
	 true,
	 {true, false},
	 true,
	 20},
};

struct ends {
	struct wsgen g[2];
	uint64_t seed;
};

static void ends_init(struct ends *e, const struct framing *f)
{
	*e = (struct ends){.seed = 9};
	for (int i = 0; i < 2; i++)
		e->g[i] = (struct wsgen){.client = i == 0,
					 .deflate = f->deflate,
					 .no_context = f->no_context[i],
					 .fragment = f->fragment,
					 .pings = f->pings,
					 .level = 6,
					 .seed = &e->seed};
}

static void ends_free(struct ends *e)
{
	wsgen_free(&e->g[0]);
	wsgen_free(&e->g[1]);
}

static void upgrade(struct rig *r, const char *host, const char *target, const char *extensions,
		    size_t piece)
{
	char text[1024];
	int n = snprintf(
		text, sizeof(text),
		"GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: test/1.0\r\nConnection: Upgrade\r\n"
		"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n",
		target, host);

	rig_feed(r, FLOW_REQUEST, text, n, piece);
	n = snprintf(
		text, sizeof(text),
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		"%s%s%s\r\n",
		extensions ? "Sec-WebSocket-Extensions: " : "", extensions ? extensions : "",
		extensions ? "\r\n" : "");
	rig_feed(r, FLOW_RESPONSE, text, n, piece);
}

static bool by_client(const struct line *l)
{
	return l->who == 'c' || l->who == 'C';
}

static void say(struct rig *r, struct ends *e, const struct line *l, size_t piece)
{
	enum flow_dir dir = by_client(l) ? FLOW_REQUEST : FLOW_RESPONSE;
	struct wsgen *g = &e->g[dir];

	wsgen_message(g, l->who == 'b' || l->who == 'C' ? 2 : 1, l->text, strlen(l->text));
	rig_feed(r, dir, g->p, g->n, piece);
	g->n = 0;
}

static struct rig *converse(const struct conversation *c, const struct framing *f, const char *host,
			    size_t piece)
{
	struct rig *r = rig_new(false);
	struct ends e;

	ends_init(&e, f);
	upgrade(r, host, c->target, f->extensions, piece);
	for (const struct line *l = c->lines; l->who; l++)
		say(r, &e, l, piece);
	ends_free(&e);
	rig_close(r);
	return r;
}

static void check_turn(const struct interaction *it, const struct conversation *c,
		       const struct want *w)
{
	assert_string_equal(it->incomplete_reason, "");
	assert_int_equal(it->completeness, COMPLETE);
	assert_int_equal(it->dialect, c->dialect);
	assert_false(it->dialect_by_path);
	assert_string_equal(it->wire, "websocket");
	assert_true(it->websocket && it->turn);
	assert_string_equal(it->user_agent, "test/1.0");
	assert_int_equal(it->status, 101);
	assert_null(strstr(it->path, "SECRET"));
	assert_string_equal(it->request_model, w->model);
	assert_string_equal(it->response_model, w->response_model);
	assert_string_equal(it->response_id, w->id);
	assert_string_equal(it->finish_reason, w->finish);
	assert_string_equal(it->error_type, w->error);
	assert_int_equal(it->tool_calls_count, *w->call ? 1 : 0);
	assert_string_equal(it->tool_calls[0].name, w->call);
	assert_int_equal(it->tokens.input, w->input);
	assert_int_equal(it->tokens.output, w->output);
	assert_int_equal(it->tokens.cached, w->cached);
	assert_int_equal(it->messages, w->messages);
	assert_int_equal(it->tools_offered.count, w->offered);
	assert_true(it->end_ns >= it->first_byte_ns && it->first_byte_ns >= it->start_ns);
	assert_true(it->stream_answered && it->response_body);
}

static void test_conversations(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(conversations); i++)
		for (size_t k = 0; k < ARRAY_SIZE(framings); k++)
			for (size_t p = 0; p < ARRAY_SIZE(feed_sizes); p++) {
				const struct conversation *c = &conversations[i];
				struct rig *r =
					converse(c, &framings[k], "ai.example", feed_sizes[p]);

				if (r->dones != c->turns + 1)
					fail_msg("%s, %s, %zu: %u interactions\n%s", c->name,
						 framings[k].name, feed_sizes[p], r->dones, r->log);
				assert_int_equal(r->done[0].turn, 0);
				assert_int_equal(r->done[0].completeness, COMPLETE);
				for (unsigned t = 0; t < c->turns; t++) {
					check_turn(&r->done[t + 1], c, &c->want[t]);
					for (unsigned u = 0; u < t + 1; u++)
						assert_true(r->done[u].request_offset !=
							    r->done[t + 1].request_offset);
				}
				rig_free(r);
			}
}

/* Found at a host that nobody knows, by what is said, also on a path that says nothing. */
static void test_maybe(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(conversations); i++) {
		struct conversation c = conversations[i];
		struct rig *r;

		if (c.dialect != DIALECT_OPENAI_REALTIME_WS)
			c.target = "/socket";
		r = converse(&c, &framings[0], "maybe.example", 0);
		assert_int_equal(r->dones, c.turns);
		for (unsigned t = 0; t < c.turns; t++)
			check_turn(&r->done[t], &c, &c.want[t]);
		rig_free(r);
	}
}

static void test_sizes(void **state)
{
	const struct conversation *c = &conversations[0];
	uint8_t sum[32];
	size_t n = 0;
	char all[4096];

	for (size_t k = 0; k < ARRAY_SIZE(framings); k++) {
		struct rig *r = converse(c, &framings[k], "ai.example", 3);
		const struct interaction *it = &r->done[1];

		assert_int_equal(it->request_body, strlen(c->lines[0].text));
		sha256(c->lines[0].text, strlen(c->lines[0].text), sum);
		assert_memory_equal(it->request_sha256, sum, 32);
		n = 0;
		for (int l = 1; l < 7; l++)
			n += snprintf(all + n, sizeof(all) - n, "%s", c->lines[l].text);
		assert_int_equal(it->response_body, n);
		sha256(all, n, sum);
		assert_memory_equal(it->response_sha256, sum, 32);
		if (!framings[k].deflate)
			assert_int_equal(it->response_wire, n);
		else
			assert_true(it->response_wire < n && it->response_wire);
		assert_non_null(strstr(r->text[0], "function_call_output"));
		assert_non_null(strstr(r->text[1], "\"lo\""));
		rig_free(r);
	}
}

/* --- ends ------------------------------------------------------------------------------------ */

static const struct line ask = {'c',
				"{\"type\":\"response.create\",\"model\":\"m\",\"input\":\"a\"}"};
static const struct line created = {'s', CREATED("r")};
static const struct line completed = {'s', COMPLETED("r", "1", "2", "0")};

struct rig_ends {
	struct rig *r;
	struct ends e;
};

static struct rig_ends begun(const char *host, const char *target, const struct framing *f)
{
	struct rig_ends x = {rig_new(false), {{{0}}, 0}};

	ends_init(&x.e, f);
	upgrade(x.r, host, target, f->extensions, 0);
	return x;
}

/* The seed's address changes when the struct is returned. */
static void settle_seed(struct rig_ends *x)
{
	x->e.g[0].seed = x->e.g[1].seed = &x->e.seed;
}

static void over(struct rig_ends *x)
{
	ends_free(&x->e);
	rig_free(x->r);
}

#define BEGUN(x, host, target, framing)                              \
	struct rig_ends x = begun(host, target, &framings[framing]); \
	settle_seed(&x)

static void verdict(const struct interaction *it, enum completeness c, const char *reason)
{
	assert_string_equal(it->incomplete_reason, reason);
	assert_int_equal(it->completeness, c);
}

static void test_ends(void **state)
{
	BEGUN(x, "ai", "/v1/responses", 0);
	BEGUN(y, "ai", "/v1/responses", 0);
	BEGUN(z, "ai", "/v1/responses", 0);
	static const uint8_t bye[] = {0x88, 2, 0x03, 0xf3};

	say(x.r, &x.e, &ask, 0);
	assert_true(flow_busy(x.r->f));
	rig_close(x.r);
	verdict(&x.r->done[1], TRUNCATED, "connection ended before the answer");
	over(&x);

	say(y.r, &y.e, &ask, 0);
	say(y.r, &y.e, &created, 0);
	rig_feed(y.r, FLOW_RESPONSE, bye, sizeof(bye), 1);
	assert_int_equal(y.r->dones, 2);
	verdict(&y.r->done[1], TRUNCATED,
		"WebSocket closed with code 1011 before the answer's end");
	rig_close(y.r);
	assert_int_equal(y.r->dones, 2);
	over(&y);

	say(z.r, &z.e, &ask, 0);
	say(z.r, &z.e, &created, 0);
	say(z.r, &z.e, &completed, 0);
	assert_false(flow_busy(z.r->f));
	rig_feed(z.r, FLOW_RESPONSE, bye, sizeof(bye), 1);
	rig_close(z.r);
	assert_int_equal(z.r->dones, 2);
	over(&z);
}

/* Hundreds of turns on one socket; none stays behind. */
static void test_many_turns(void **state)
{
	BEGUN(x, "ai", "/v1/responses", 2);

	for (int i = 0; i < 300; i++) {
		say(x.r, &x.e, &ask, 0);
		say(x.r, &x.e, &created, 0);
		say(x.r, &x.e, &completed, 0);
		x.r->log_n = 0;
		if (x.r->dones > 3)
			x.r->dones = 3;
	}
	assert_false(flow_busy(x.r->f));
	assert_int_equal(x.r->done[2].turn, 2);
	verdict(&x.r->done[2], COMPLETE, "");
	over(&x);
}

static void test_too_many_asked(void **state)
{
	BEGUN(x, "ai", "/v1/responses", 0);

	for (int i = 0; i < WS_TURNS_MAX + 1; i++)
		say(x.r, &x.e, &ask, 0);
	assert_int_equal(x.r->dones, 2);
	verdict(&x.r->done[1], TRUNCATED, "too many turns without an answer");
	rig_close(x.r);
	assert_int_equal(x.r->dones, WS_TURNS_MAX + 2);
	over(&x);
}

static void test_unknown(void **state)
{
	static const struct line a = {'c', "{\"op\":\"subscribe\",\"channel\":1}"},
				 b = {'s', "{\"price\":12}"}, bin = {'b', "\x01\x02 audio"};
	BEGUN(x, "ai", "/socket", 1);
	BEGUN(y, "maybe", "/socket", 0);

	say(x.r, &x.e, &a, 0);
	say(x.r, &x.e, &b, 0);
	say(x.r, &x.e, &bin, 0);
	rig_close(x.r);
	assert_int_equal(x.r->dones, 2);
	verdict(&x.r->done[1], UNDECODABLE, "WebSocket messages of no known dialect");
	assert_int_equal(x.r->done[1].turn, 0);
	assert_int_equal(x.r->done[1].messages, 3);
	assert_int_equal(x.r->done[1].request_body, strlen(a.text));
	assert_int_equal(x.r->done[1].response_body, strlen(b.text) + strlen(bin.text));
	assert_null(strstr(x.r->text[1], "audio"));
	over(&x);

	for (int i = 0; i < 15; i++) {
		say(y.r, &y.e, i & 1 ? &a : &b, 0);
		assert_int_equal(y.r->state, FLOW_MORE);
	}
	say(y.r, &y.e, &a, 0);
	assert_int_equal(y.r->state, FLOW_IGNORE);
	assert_int_equal(y.r->dones, 0);
	rig_close(y.r);
	assert_string_equal(y.r->log, "H:maybe+ws/socket X:/socket H:maybe+ws/socket X:/socket ");
	over(&y);
}

/* A message over the bound, and one that unpacks to more than it. */
static void test_bounds(void **state)
{
	static const char head[] = "{\"type\":\"response.create\",\"model\":\"m\",\"input\":\"";
	size_t n = (16u << 20) + 5000;
	char *big = malloc(n + 1);

	for (int packed = 0; packed < 2; packed++) {
		BEGUN(x, "ai", "/v1/responses", packed ? 2 : 0);
		struct line huge = {'c', big};

		memset(big, 'a', n);
		big[n] = '\0';
		memcpy(big, head, strlen(head));
		strcpy(big + n - 2, "\"}");
		say(x.r, &x.e, &huge, 0);
		say(x.r, &x.e, &created, 0);
		say(x.r, &x.e, &completed, 0);
		assert_int_equal(x.r->dones, 2);
		verdict(&x.r->done[1], TRUNCATED,
			"WebSocket message is larger than the 16 MiB that are read");
		assert_int_equal(x.r->done[1].request_body, 16u << 20);
		assert_string_equal(x.r->done[1].request_model, "m");
		assert_string_equal(x.r->done[1].response_id, "r");
		over(&x);
	}
	free(big);
}

/* --- missing bytes --------------------------------------------------------------------------- */

static void lose(struct rig *r, struct ends *e, const struct line *l, size_t from, size_t n)
{
	enum flow_dir dir = by_client(l) ? FLOW_REQUEST : FLOW_RESPONSE;
	struct wsgen *g = &e->g[dir];

	wsgen_say(g, l->text);
	n = n < g->n - from ? n : g->n - from;
	rig_feed(r, dir, g->p, from, 0);
	r->next[dir] += n;
	rig_feed(r, dir, g->p + from + n, g->n - from - n, 0);
	g->n = 0;
}

static void test_gap_inside_a_frame(void **state)
{
	BEGUN(x, "ai", "/v1/responses", 0);

	lose(x.r, &x.e, &ask, 48, 3);
	say(x.r, &x.e, &created, 0);
	say(x.r, &x.e, &completed, 0);
	verdict(&x.r->done[1], GAP, "bytes of a WebSocket message are missing");
	assert_string_equal(x.r->done[1].response_id, "r");
	/* The frame's length was known, so the next turn is whole. */
	say(x.r, &x.e, &ask, 0);
	say(x.r, &x.e, &created, 0);
	say(x.r, &x.e, &completed, 0);
	verdict(&x.r->done[2], COMPLETE, "");
	over(&x);
}

static void test_gap_between(void **state)
{
	BEGUN(x, "ai", "/v1/responses", 0);

	lose(x.r, &x.e, &ask, 0, SIZE_MAX); /* not a byte of it was seen */
	say(x.r, &x.e, &created, 0);
	say(x.r, &x.e, &completed, 0);
	assert_int_equal(x.r->dones, 2);
	verdict(&x.r->done[1], GAP, "what the client asked was not seen");
	say(x.r, &x.e, &ask, 0);
	say(x.r, &x.e, &created, 0);
	say(x.r, &x.e, &completed, 0);
	verdict(&x.r->done[2], GAP, "bytes of a WebSocket message are missing");
	say(x.r, &x.e, &ask, 0);
	say(x.r, &x.e, &created, 0);
	say(x.r, &x.e, &completed, 0);
	verdict(&x.r->done[3], COMPLETE, "");
	over(&x);
}

/* A whole turn is missing and nothing comes after it but the end. */
static void test_gap_at_the_end(void **state)
{
	BEGUN(x, "ai", "/v1/responses", 0);
	static const struct line pong = {'s', "{\"type\":\"codex.rate_limits\"}"};

	say(x.r, &x.e, &ask, 0);
	say(x.r, &x.e, &created, 0);
	say(x.r, &x.e, &completed, 0);
	lose(x.r, &x.e, &completed, 0, SIZE_MAX);
	say(x.r, &x.e, &pong, 0);
	assert_int_equal(x.r->dones, 2);
	rig_close(x.r);
	assert_int_equal(x.r->dones, 3);
	verdict(&x.r->done[2], GAP, "bytes of a WebSocket message are missing");
	over(&x);
}

/* The window is gone: what refers to it is not readable, and says so; what does not, is. */
static void test_gap_in_deflate(void **state)
{
	for (int no_context = 0; no_context < 2; no_context++) {
		BEGUN(x, "ai", "/v1/responses", no_context ? 3 : 2);

		say(x.r, &x.e, &ask, 0);
		say(x.r, &x.e, &created, 0);
		lose(x.r, &x.e, &created, 4, 2);
		say(x.r, &x.e, &completed, 0);
		rig_close(x.r);
		assert_int_equal(x.r->dones, 2);
		verdict(&x.r->done[1], GAP, "bytes of a WebSocket message are missing");
		assert_int_equal(x.r->done[1].tokens.input, no_context ? 1 : -1);
		over(&x);
	}
}

static void test_bad_deflate(void **state)
{
	BEGUN(x, "ai", "/v1/responses", 2);
	static const uint8_t bad[] = {0xc1, 4, 0xff, 0xff, 0xff, 0xff};

	say(x.r, &x.e, &ask, 0);
	rig_feed(x.r, FLOW_RESPONSE, bad, sizeof(bad), 0);
	rig_close(x.r);
	verdict(&x.r->done[1], UNDECODABLE, "WebSocket compression is broken");
	over(&x);
}

static void test_unknown_extension(void **state)
{
	struct framing f = {"x", "x-future; a=b", true, {false, false}, false, 0};
	struct rig_ends x = begun("ai", "/v1/responses", &f);

	settle_seed(&x);
	say(x.r, &x.e, &ask, 0);
	rig_close(x.r);
	assert_int_equal(x.r->dones, 2);
	verdict(&x.r->done[1], UNDECODABLE, "WebSocket extension is not known");
	over(&x);
}

/* --- late ------------------------------------------------------------------------------------ */

static void test_late(void **state)
{
	for (int packed = 0; packed < 2; packed++) {
		struct rig_ends x = {rig_new(true), {{{0}}, 0}};
		static const struct line delta = {'s', DELTA("x")};

		ends_init(&x.e, &framings[packed ? 3 : 0]);
		x.r->next[0] = 5000;
		x.r->next[1] = 70000;
		say(x.r, &x.e, &delta, 0); /* says too little to be taken for anything */
		assert_int_equal(x.r->state, FLOW_MORE);
		say(x.r, &x.e, &completed, 0);
		say(x.r, &x.e, &ask, 0);
		say(x.r, &x.e, &created, 0);
		say(x.r, &x.e, &completed, 0);
		assert_int_equal(x.r->dones, 2);
		for (int i = 0; i < 2; i++)
			verdict(&x.r->done[i], LATE_ATTACH,
				"the WebSocket began before it could be seen");
		assert_string_equal(x.r->done[1].request_model, "m");
		assert_int_equal(x.r->done[1].tokens.output, 2);
		assert_int_equal(x.r->done[1].request_offset, 5000);
		over(&x);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conversations),
		cmocka_unit_test(test_maybe),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_many_turns),
		cmocka_unit_test(test_too_many_asked),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_gap_inside_a_frame),
		cmocka_unit_test(test_gap_between),
		cmocka_unit_test(test_gap_at_the_end),
		cmocka_unit_test(test_gap_in_deflate),
		cmocka_unit_test(test_bad_deflate),
		cmocka_unit_test(test_unknown_extension),
		cmocka_unit_test(test_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
