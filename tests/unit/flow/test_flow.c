// SPDX-License-Identifier: Apache-2.0
/* One connection: framing, coding, order, pairing, gaps, late starts, ends. Mostly tables; one file,
 * because every vector runs through every way of cutting it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/cleanup.h"
#include "flow/flow.h"
#include "feed.h"
#include "rig.h"
#include "vectors.h"

/* --- every vector, framed, coded and cut in every way ------------------------------------------ */

static void check_sizes(const struct interaction *it, const struct vector *v,
			const char *request_coding, const char *coding)
{
	uint8_t sum[32];

	assert_int_equal(it->request_body, strlen(v->request));
	assert_int_equal(it->response_body, strlen(v->answer));
	if (!*request_coding)
		assert_int_equal(it->request_wire, strlen(v->request));
	if (!*coding)
		assert_int_equal(it->response_wire, strlen(v->answer));
	else
		assert_true(it->response_wire != it->response_body && it->response_wire);
	assert_string_equal(it->request_encoding, request_coding);
	assert_string_equal(it->response_encoding, coding);
	sha256(v->request, strlen(v->request), sum);
	assert_memory_equal(it->request_sha256, sum, 32);
	sha256(v->answer, strlen(v->answer), sum);
	assert_memory_equal(it->response_sha256, sum, 32);
}

static void check_facts(const struct interaction *it, const struct vector *v)
{
	assert_string_equal(it->incomplete_reason, "");
	assert_int_equal(it->completeness, COMPLETE);
	assert_int_equal(it->dialect, v->dialect);
	assert_int_equal(it->status, v->status);
	assert_string_equal(it->path, v->path);
	assert_string_equal(it->method, "POST");
	assert_string_equal(it->user_agent, "test/1.0");
	assert_string_equal(it->content_type, "application/json");
	assert_string_equal(it->request_model, v->request_model);
	assert_string_equal(it->response_model, v->response_model);
	assert_string_equal(it->finish_reason, v->finish);
	assert_string_equal(it->error_type, v->error);
	assert_int_equal(it->tokens.input, v->input);
	assert_int_equal(it->tokens.output, v->output);
	assert_int_equal(it->stream_answered, v->stream);
	assert_int_equal(it->tool_calls_count, *v->tool ? 1 : 0);
	assert_string_equal(it->tool_calls[0].name, v->tool);
}

static void check_times(const struct interaction *it, uint64_t last)
{
	assert_true(it->start_ns && it->start_ns <= it->request_end_ns);
	assert_true(it->request_end_ns <= it->end_ns && it->first_byte_ns <= it->end_ns);
	assert_true(it->end_ns <= last);
}

enum order { REQUEST_FIRST, ANSWER_FIRST, MIXED };

static void feed_mixed(struct rig *r, const struct wire *q, const struct wire *a, size_t piece)
{
	size_t qa = 0, aa = 0;

	/* The answer runs ahead of the request by a few pieces all the time. */
	while (qa < q->n || aa < a->n) {
		size_t n = a->n - aa < 3 * piece ? a->n - aa : 3 * piece;

		rig_feed(r, FLOW_RESPONSE, a->p + aa, n, piece);
		aa += n;
		n = q->n - qa < piece ? q->n - qa : piece;
		rig_feed(r, FLOW_REQUEST, q->p + qa, n, piece);
		qa += n;
	}
}

static void run_vector(const struct vector *v, const char *host, enum framing framing,
		       const char *request_coding, const char *coding, size_t piece,
		       enum order order)
{
	struct wire *q = calloc(1, sizeof(*q)), *a = calloc(1, sizeof(*a));
	struct rig *r = rig_new(false);

	wire_request(q, v, host, framing == BY_CHUNKS ? BY_CHUNKS : BY_LENGTH, request_coding);
	wire_answer(a, v, framing, coding, 40);
	if (order == MIXED) {
		feed_mixed(r, q, a, piece ? piece : 100);
	} else {
		rig_feed(r, order == REQUEST_FIRST ? FLOW_REQUEST : FLOW_RESPONSE,
			 order == REQUEST_FIRST ? q->p : a->p, order == REQUEST_FIRST ? q->n : a->n,
			 piece);
		rig_feed(r, order == REQUEST_FIRST ? FLOW_RESPONSE : FLOW_REQUEST,
			 order == REQUEST_FIRST ? a->p : q->p, order == REQUEST_FIRST ? a->n : q->n,
			 piece);
	}
	assert_int_equal(r->state, FLOW_MORE);
	assert_int_equal(r->dones, framing == BY_CLOSE ? 0 : 1);
	assert_int_equal(flow_busy(r->f), framing == BY_CLOSE);
	rig_close(r);
	assert_int_equal(r->dones, 1);
	check_facts(&r->done[0], v);
	check_sizes(&r->done[0], v, request_coding, coding);
	if (order == REQUEST_FIRST)
		check_times(&r->done[0], r->now);
	assert_int_equal(r->text_n[FLOW_REQUEST], strlen(v->request));
	assert_memory_equal(r->text[FLOW_REQUEST], v->request, strlen(v->request));
	assert_int_equal(r->text_n[FLOW_RESPONSE], strlen(v->answer));
	assert_memory_equal(r->text[FLOW_RESPONSE], v->answer, strlen(v->answer));
	rig_free(r);
	free(q);
	free(a);
}

static void test_vectors(void **state)
{
	static const char *const codings[] = {"", "gzip", "deflate", "br", "zstd"};

	for (size_t i = 0; i < VECTORS; i++)
		for (enum framing f = BY_LENGTH; f <= BY_CLOSE; f++)
			for (size_t c = 0; c < ARRAY_SIZE(codings); c++)
				for (size_t k = 0; k < ARRAY_SIZE(feed_sizes); k++)
					run_vector(&vectors[i], "ai.example", f,
						   c == 1 ? "zstd" : "", codings[c], feed_sizes[k],
						   REQUEST_FIRST);
}

static void test_vectors_out_of_order(void **state)
{
	for (size_t i = 0; i < VECTORS; i++)
		for (enum framing f = BY_LENGTH; f <= BY_CLOSE; f++)
			for (size_t k = 0; k < ARRAY_SIZE(feed_sizes); k++)
				for (enum order o = ANSWER_FIRST; o <= MIXED; o++)
					run_vector(&vectors[i], "ai.example", f, "", "gzip",
						   feed_sizes[k], o);
}

/* An unknown host is found out by what is said to it. */
static void test_vectors_maybe(void **state)
{
	for (size_t i = 0; i < VECTORS; i++)
		for (size_t k = 0; k < ARRAY_SIZE(feed_sizes); k++)
			run_vector(&vectors[i], "maybe.example", BY_CHUNKS, "", "br", feed_sizes[k],
				   REQUEST_FIRST);
}

/* --- scripts ------------------------------------------------------------------------------------ */

#define Q(path) "POST " path " HTTP/1.1\r\nHost: ai\r\nContent-Type: application/json\r\n"
#define QLEN(path) Q(path) "Content-Length: 13\r\n\r\n{\"model\":\"m\"}"
#define OK200 "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
#define ALEN OK200 "Content-Length: 2\r\n\r\n{}"
#define SSE200 \
	"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

/*
 * What is fed: Q bytes of requests, A bytes of answers, q/a: a number of missing bytes, t: a
 * moment passes, C: the connection ends. W: not in pieces, as it matters where chunks begin.
 */
struct op {
	char what;
	const char *bytes;
	unsigned n;
};

static const struct script {
	const char *name;
	bool late;
	struct op ops[12];
	const char *log;
	enum flow_state state;
	const char *reason; /* of the first done; NULL: not looked at */
} scripts[] = {
	/* order and pairing */
	{"keep-alive",
	 0,
	 {{'Q', QLEN("/a"), 0}, {'A', ALEN, 0}, {'Q', QLEN("/b"), 0}, {'A', ALEN, 0}},
	 "H:ai/a R:m D:/a:200:complete H:ai/b R:m D:/b:200:complete ",
	 FLOW_MORE,
	 ""},
	{"pipeline",
	 0,
	 {{'Q', QLEN("/a") QLEN("/b") QLEN("/c"), 0}, {'A', ALEN ALEN ALEN, 0}},
	 "H:ai/a R:m H:ai/b R:m H:ai/c R:m D:/a:200:complete D:/b:200:complete D:/c:200:complete ",
	 FLOW_MORE,
	 ""},
	{"answers first",
	 0,
	 {{'A', ALEN ALEN, 0}, {'Q', QLEN("/a"), 0}, {'Q', QLEN("/b"), 0}},
	 "H:ai/a R:m D:/a:200:complete H:ai/b R:m D:/b:200:complete ",
	 FLOW_MORE,
	 ""},
	{"empty lines between",
	 0,
	 {{'Q', QLEN("/a") "\r\n" QLEN("/b"), 0}, {'A', ALEN "\r\n" ALEN, 0}},
	 "H:ai/a R:m H:ai/b R:m D:/a:200:complete D:/b:200:complete ",
	 FLOW_MORE,
	 ""},
	{"100 and 103",
	 0,
	 {{'Q', Q("/a") "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n", 0},
	  {'A', "HTTP/1.1 100 Continue\r\n\r\n", 0},
	  {'Q', "{}", 0},
	  {'A', "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" ALEN, 0}},
	 "H:ai/a R: D:/a:200:complete ",
	 FLOW_MORE,
	 ""},
	{"early refusal",
	 0,
	 {{'Q', Q("/a") "Content-Length: 900\r\n\r\n{\"mo", 0},
	  {'A', "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", 0},
	  {'C', NULL, 0}},
	 "H:ai/a D:/a:401:truncated ",
	 FLOW_IGNORE,
	 "connection ended inside the request"},
	{"HEAD, 204, 304",
	 0,
	 {{'Q', "HEAD /a HTTP/1.1\r\nHost: ai\r\n\r\n" QLEN("/b") QLEN("/c") QLEN("/d"), 0},
	  {'A',
	   "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nHTTP/1.1 204 No\r\n\r\nHTTP/1.1 304 Not\r\n"
	   "Content-Length: 7\r\n\r\n" ALEN,
	   0}},
	 "H:ai/a R: H:ai/b R:m H:ai/c R:m H:ai/d R:m D:/a:200:complete D:/b:204:complete D:/c:304:complete "
	 "D:/d:200:complete ",
	 FLOW_MORE,
	 ""},
	{"length and chunked",
	 0,
	 {{'Q',
	   Q("/a") "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nd\r\n{\"model\":\"m\"}\r\n0\r\n\r\n",
	   0},
	  {'A', ALEN, 0}},
	 "H:ai/a R:m D:/a:200:complete ",
	 FLOW_MORE,
	 ""},
	{"not AI later",
	 0,
	 {{'Q', QLEN("/a"), 0},
	  {'A', ALEN, 0},
	  {'Q', "POST /x HTTP/1.1\r\nHost: other\r\nContent-Length: 3\r\n\r\nabc" QLEN("/b"), 0},
	  {'A', ALEN ALEN, 0}},
	 "H:ai/a R:m D:/a:200:complete H:other/x H:ai/b R:m D:/b:200:complete ",
	 FLOW_MORE,
	 ""},
	{"absolute target",
	 0,
	 {{'Q',
	   "POST http://AI.example:8080/a?k HTTP/1.1\r\nHost: other\r\nContent-Length: 0\r\n\r\n",
	   0},
	  {'A', ALEN, 0}},
	 "H:ai.example/a R: D:/a:200:complete ",
	 FLOW_MORE,
	 ""},
	{"HTTP/1.0",
	 0,
	 {{'Q', "POST /a HTTP/1.0\nHost: ai\nContent-Length: 2\n\n{}", 0},
	  {'A', "HTTP/1.0 200 OK\nContent-Type: application/json\n\n{", 0},
	  {'A', "}", 0},
	  {'C', NULL, 0}},
	 "H:ai/a R: D:/a:200:complete ",
	 FLOW_IGNORE,
	 ""},
	/* not for us */
	{"HTTP/2", 0, {{'Q', "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0}}, "", FLOW_MORE, NULL},
	{"nearly HTTP/2", 0, {{'Q', "PRI * HTTP/2.0\r\n\r\nSX\r\n\r\n", 0}}, "", FLOW_IGNORE, NULL},
	{"binary", 0, {{'Q', "\x05\x01\x02", 0}}, "", FLOW_IGNORE, NULL},
	{"server speaks first", 0, {{'A', "220 mail ESMTP\r\n", 0}}, "", FLOW_IGNORE, NULL},
	{"first not AI",
	 0,
	 {{'Q', "GET /x HTTP/1.1\r\nHost: other\r\n\r\n", 0}},
	 "H:other/x ",
	 FLOW_QUIET,
	 NULL},
	{"first maybe, no body",
	 0,
	 {{'Q', "GET /x HTTP/1.1\r\nHost: maybe\r\n\r\n", 0}},
	 "H:maybe/x X:/x ",
	 FLOW_QUIET,
	 NULL},
	{"first maybe, other JSON",
	 0,
	 {{'Q', "POST /x HTTP/1.1\r\nHost: maybe\r\nContent-Length: 9\r\n\r\n{\"a\":", 0},
	  {'Q', "\"b\"}", 0}},
	 "H:maybe/x X:/x ",
	 FLOW_QUIET,
	 NULL},
	{"first maybe, an upload",
	 0,
	 {{'Q', "PUT /x HTTP/1.1\r\nHost: maybe\r\nContent-Length: 999\r\n\r\nPK", 0}},
	 "H:maybe/x X:/x ",
	 FLOW_QUIET,
	 NULL},
	{"maybe later, an upload",
	 0,
	 {{'Q', QLEN("/a"), 0},
	  {'A', ALEN, 0},
	  {'Q', "PUT /x HTTP/1.1\r\nHost: maybe\r\nContent-Length: 5\r\n\r\nPKxxx" QLEN("/b"), 0},
	  {'A', ALEN ALEN, 0}},
	 "H:ai/a R:m D:/a:200:complete H:maybe/x X:/x H:ai/b R:m D:/b:200:complete ",
	 FLOW_MORE,
	 NULL},
	{"maybe, request unreadable, answer is AI",
	 0,
	 {{'Q',
	   "POST /x HTTP/1.1\r\nHost: maybe\r\nContent-Encoding: foo\r\nContent-Length: 3\r\n\r\nabc",
	   0},
	  {'A',
	   OK200
	   "Content-Length: 118\r\n\r\n{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"model\":"
	   "\"m\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\"}}]}      ",
	   0}},
	 "H:maybe/x R: D:/x:200:undecodable ",
	 FLOW_MORE,
	 "content coding is not known"},
	{"maybe, request unreadable, answer is not",
	 0,
	 {{'Q',
	   "POST /x HTTP/1.1\r\nHost: maybe\r\nContent-Encoding: foo\r\nContent-Length: 3\r\n\r\nabc",
	   0},
	  {'A', ALEN, 0}},
	 "H:maybe/x X:/x ",
	 FLOW_QUIET,
	 NULL},
	/* first something else, then AI */
	{"HEAD first",
	 0,
	 {{'Q', "HEAD /hello HTTP/1.1\r\nHost: maybe\r\n\r\n", 0},
	  {'A', OK200 "Content-Length: 99\r\n\r\n", 0},
	  {'Q', QLEN("/a"), 0},
	  {'A', ALEN, 0}},
	 "H:maybe/hello X:/hello H:ai/a R:m D:/a:200:complete ",
	 FLOW_MORE,
	 ""},
	{"of no interest, with contents in chunks",
	 0,
	 {{'Q', "POST /x HTTP/1.1\r\nHost: other\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
	   0},
	  {'Q', "0\r\n\r\n", 0},
	  {'A', SSE200 "3\r\nabc\r\n0\r\n\r\n", 0},
	  {'Q', QLEN("/a"), 0},
	  {'A', ALEN, 0}},
	 "H:other/x H:ai/a R:m D:/a:200:complete ",
	 FLOW_MORE,
	 ""},
	{"an upload with bytes left out",
	 0,
	 {{'Q', "PUT /x HTTP/1.1\r\nHost: maybe\r\nContent-Length: 99\r\n\r\nPK", 0},
	  {'q', NULL, 90},
	  {'Q', "1234567", 0},
	  {'A', ALEN, 0},
	  {'Q', QLEN("/a"), 0},
	  {'A', ALEN, 0}},
	 "H:maybe/x X:/x H:ai/a R:m D:/a:200:complete ",
	 FLOW_MORE,
	 ""},
	{"an upload in chunks with bytes left out",
	 0,
	 {{'Q', "PUT /x HTTP/1.1\r\nHost: maybe\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nPK", 0},
	  {'q', NULL, 90},
	  {'A', ALEN, 0},
	  {'Q', QLEN("/a"), 0},
	  {'A', ALEN, 0}},
	 "H:maybe/x X:/x H:ai/a R:m D:/a:200:complete ",
	 FLOW_MORE,
	 ""},
	{"a download with its end left out",
	 0,
	 {{'Q', "GET /x HTTP/1.1\r\nHost: maybe\r\n\r\n", 0},
	  {'A', OK200 "Content-Length: 50\r\n\r\n1234", 0},
	  {'a', NULL, 46},
	  {'Q', QLEN("/a"), 0},
	  {'A', ALEN, 0}},
	 "H:maybe/x X:/x H:ai/a R:m D:/a:200:complete ",
	 FLOW_MORE,
	 ""},
	{"a download in chunks with its end left out",
	 0,
	 {{'Q', "GET /x HTTP/1.1\r\nHost: maybe\r\n\r\n", 0},
	  {'A', SSE200 "50\r\n1234", 0},
	  {'a', NULL, 460},
	  {'Q', QLEN("/a"), 0},
	  {'A', ALEN, 0}},
	 "H:maybe/x X:/x H:ai/a R:m D:/a:200:complete ",
	 FLOW_MORE,
	 ""},
	{"the next answer's beginning left out as well",
	 0,
	 {{'Q', "GET /x HTTP/1.1\r\nHost: maybe\r\n\r\n", 0},
	  {'A', OK200 "Content-Length: 50\r\n\r\n1234", 0},
	  {'a', NULL, 46},
	  {'Q', QLEN("/a"), 0},
	  {'a', NULL, 10},
	  {'A', "tent-Length: 2\r\n\r\n{}", 0},
	  {'Q', QLEN("/b"), 0},
	  {'A', ALEN, 0}},
	 "H:maybe/x X:/x H:ai/a R:m D:/a:0:gap H:ai/b R:m D:/b:200:complete ",
	 FLOW_MORE,
	 "bytes of the answer are missing"},
	{"websocket",
	 0,
	 {{'Q', "GET /ws HTTP/1.1\r\nHost: ai\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\n\r\n",
	   0},
	  {'A', "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n\x81\x05hello", 0},
	  {'C', "", 0}},
	 "H:ai+ws/ws R: D:/ws:101:complete H:ai+ws/ws D:/ws:101:undecodable ",
	 FLOW_IGNORE,
	 NULL},
	{"websocket refused",
	 0,
	 {{'Q', "GET /ws HTTP/1.1\r\nHost: ai\r\nUpgrade: websocket\r\n\r\n", 0}, {'A', ALEN, 0}},
	 "H:ai+ws/ws R: D:/ws:200:complete ",
	 FLOW_MORE,
	 ""},
	{"CONNECT",
	 0,
	 {{'Q', "CONNECT ai:443 HTTP/1.1\r\nHost: ai:443\r\n\r\n", 0},
	  {'A', "HTTP/1.1 200 OK\r\n\r\n\x16\x03", 0}},
	 "H:ai R: D::200:complete ",
	 FLOW_IGNORE,
	 ""},
	{"CONNECT refused",
	 0,
	 {{'Q', "CONNECT ai:443 HTTP/1.1\r\nHost: ai:443\r\n\r\n", 0},
	  {'A', "HTTP/1.1 407 Proxy\r\nContent-Length: 2\r\n\r\n{}", 0},
	  {'Q', QLEN("/a"), 0},
	  {'A', ALEN, 0}},
	 "H:ai R: D::407:complete H:ai/a R:m D:/a:200:complete ",
	 FLOW_MORE,
	 ""},
	/* ends */
	{"close before the answer",
	 0,
	 {{'Q', QLEN("/a"), 0}, {'C', NULL, 0}},
	 "H:ai/a R:m D:/a:0:truncated ",
	 FLOW_IGNORE,
	 "connection ended before the answer"},
	{"close inside the answer",
	 0,
	 {{'Q', QLEN("/a"), 0}, {'A', OK200 "Content-Length: 9\r\n\r\n{", 0}, {'C', NULL, 0}},
	 "H:ai/a R:m D:/a:200:truncated ",
	 FLOW_IGNORE,
	 "connection ended inside the answer"},
	{"close inside the request",
	 0,
	 {{'Q', Q("/a") "Content-Length: 9\r\n\r\n{", 0}, {'C', NULL, 0}},
	 "H:ai/a D:/a:0:truncated ",
	 FLOW_IGNORE,
	 "connection ended inside the request"},
	{"close inside a head",
	 0,
	 {{'Q', "POST /a HTTP/1.1\r\nHost: a", 0}, {'C', NULL, 0}},
	 "",
	 FLOW_IGNORE,
	 NULL},
	{"chunked cut",
	 0,
	 {{'Q', QLEN("/a"), 0}, {'A', SSE200 "10\r\ndata: {\"a\":1}\n\n\r\n", 0}, {'C', NULL, 0}},
	 "H:ai/a R:m D:/a:200:truncated ",
	 FLOW_IGNORE,
	 "connection ended inside the answer"},
	{"client leaves after [DONE]",
	 0,
	 {{'Q', QLEN("/a"), 0}, {'A', SSE200 "e\r\ndata: [DONE]\n\n\r\n", 0}, {'C', NULL, 0}},
	 "H:ai/a R:m D:/a:200:complete ",
	 FLOW_IGNORE,
	 ""},
	{"open request, others closed",
	 0,
	 {{'Q', QLEN("/a") QLEN("/b"), 0}, {'A', ALEN, 0}, {'C', NULL, 0}},
	 "H:ai/a R:m H:ai/b R:m D:/a:200:complete D:/b:0:truncated ",
	 FLOW_IGNORE,
	 ""},
	/* unreadable */
	{"lengths differ",
	 0,
	 {{'Q', Q("/a") "Content-Length: 1\r\nContent-Length: 2\r\n\r\nx", 0},
	  {'A', ALEN, 0},
	  {'Q', QLEN("/b"), 0},
	  {'A', ALEN, 0}},
	 "H:ai/a D:/a:200:undecodable H:ai/b R:m D:/b:200:complete ",
	 FLOW_MORE,
	 "Content-Length values differ"},
	{"bad request head",
	 0,
	 {{'Q', "POST /a HTTP/1.1\r\nHost: ai\r\nno colon\r\n\r\n", 0}, {'A', ALEN, 0}},
	 "H:ai/a D:/a:200:undecodable ",
	 FLOW_MORE,
	 "request head is not valid HTTP/1"},
	{"answer is not HTTP",
	 0,
	 {{'Q', QLEN("/a"), 0}, {'A', "ICY 200 OK\r\n\r\n", 0}, {'C', NULL, 0}},
	 "H:ai/a R:m D:/a:0:undecodable ",
	 FLOW_IGNORE,
	 "answer is not HTTP/1"},
	{"bad chunk",
	 0,
	 {{'Q', QLEN("/a"), 0}, {'A', SSE200 "zz\r\n", 0}, {'Q', QLEN("/b"), 0}, {'A', ALEN, 0}},
	 "H:ai/a R:m D:/a:200:undecodable H:ai/b R:m D:/b:200:complete ",
	 FLOW_MORE,
	 "chunked framing is broken"},
	{"not JSON",
	 0,
	 {{'Q', QLEN("/a"), 0}, {'A', OK200 "Content-Length: 4\r\n\r\n{]}!", 0}},
	 "H:ai/a R:m D:/a:200:undecodable ",
	 FLOW_MORE,
	 "body is not valid JSON"},
	{"an error page is no bad JSON",
	 0,
	 {{'Q', QLEN("/a"), 0},
	  {'A', "HTTP/1.1 502 Bad\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>",
	   0}},
	 "H:ai/a R:m D:/a:502:complete ",
	 FLOW_MORE,
	 ""},
	{"coded answer is broken",
	 0,
	 {{'Q', QLEN("/a"), 0},
	  {'A', OK200 "Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", 0},
	  {'Q', QLEN("/b"), 0},
	  {'A', ALEN, 0}},
	 "H:ai/a R:m D:/a:200:undecodable H:ai/b R:m D:/b:200:complete ",
	 FLOW_MORE,
	 "content coding is broken"},
	{"coded answer ends early",
	 0,
	 {{'Q', QLEN("/a"), 0},
	  {'A', OK200 "Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08", 0}},
	 "H:ai/a R:m D:/a:200:truncated ",
	 FLOW_MORE,
	 "coded body ends before its end"},
	/* gaps */
	{"gap in a request of known length",
	 0,
	 {{'Q', Q("/a") "Content-Length: 20\r\n\r\n{\"mo", 0},
	  {'q', NULL, 10},
	  {'Q', "123456", 0},
	  {'A', ALEN, 0},
	  {'Q', QLEN("/b"), 0},
	  {'A', ALEN, 0}},
	 "H:ai/a R: D:/a:200:gap H:ai/b R:m D:/b:200:complete ",
	 FLOW_MORE,
	 "bytes of the request are missing"},
	{"gap up to the end of an answer",
	 0,
	 {{'Q', QLEN("/a"), 0},
	  {'A', OK200 "Content-Length: 9\r\n\r\n{", 0},
	  {'a', NULL, 8},
	  {'A', "", 0},
	  {'Q', QLEN("/b"), 0},
	  {'A', ALEN, 0}},
	 "H:ai/a R:m H:ai/b R:m D:/a:200:gap D:/b:200:complete ",
	 FLOW_MORE,
	 "bytes of the answer are missing"},
	{"gap in a chunk",
	 0,
	 {{'Q', QLEN("/a"), 0},
	  {'A', SSE200 "14\r\ndata: ", 0},
	  {'a', NULL, 4},
	  {'A', "0123456789\r\n0\r\n\r\n", 0}},
	 "H:ai/a R:m D:/a:200:gap ",
	 FLOW_MORE,
	 "bytes of the answer are missing"},
	{"gap over chunks, found again",
	 0,
	 {{'Q', QLEN("/a"), 0},
	  {'A', SSE200 "5\r\ndata:\r\n", 0},
	  {'a', NULL, 99},
	  {'A', "8\r\ndata: x\n\r\n0\r\n\r\n", 0},
	  {'Q', QLEN("/b"), 0},
	  {'A', ALEN, 0}},
	 "H:ai/a R:m D:/a:200:gap H:ai/b R:m D:/b:200:complete ",
	 FLOW_MORE,
	 NULL},
	{"gap over the end of an answer",
	 0,
	 {{'Q', QLEN("/a"), 0},
	  {'A', OK200 "Content-Length: 9\r\n\r\n{", 0},
	  {'a', NULL, 500},
	  {'A', "x\r\n", 0},
	  {'Q', QLEN("/b"), 0},
	  {'A', ALEN, 0}},
	 "H:ai/a R:m D:/a:200:gap H:ai/b R:m D:/b:200:complete ",
	 FLOW_MORE,
	 NULL},
	{"answer head missing",
	 0,
	 {{'Q', QLEN("/a"), 0},
	  {'a', NULL, 40},
	  {'A', "rest of it", 0},
	  {'Q', QLEN("/b"), 0},
	  {'A', ALEN, 0}},
	 "H:ai/a R:m D:/a:0:gap H:ai/b R:m D:/b:200:complete ",
	 FLOW_MORE,
	 NULL},
	{"chunks lost, next answer begins",
	 0,
	 {{'W', NULL, 0},
	  {'Q', QLEN("/a") QLEN("/b"), 0},
	  {'A', SSE200 "5\r\ndata:\r\n", 0},
	  {'a', NULL, 99},
	  {'A', ALEN, 0}},
	 "H:ai/a R:m H:ai/b R:m D:/a:200:gap D:/b:200:complete ",
	 FLOW_MORE,
	 NULL},
	{"gap in a request head",
	 0,
	 {{'Q', "POST /a HTTP/1.1\r\nHost: ai\r\nAuthor", 0},
	  {'q', NULL, 100},
	  {'Q', "{\"model\":\"m\"}", 0},
	  {'A', ALEN, 0},
	  {'t', NULL, 0},
	  {'Q', QLEN("/b"), 0},
	  {'A', ALEN, 0}},
	 "H:ai/a D:/a:200:gap H:ai/b R:m D:/b:200:complete ",
	 FLOW_MORE,
	 "bytes of the request are missing"},
	{"request missing, its answer is nobody's",
	 0,
	 {{'Q', QLEN("/a"), 0},
	  {'A', ALEN, 0},
	  {'q', NULL, 200},
	  {'A', ALEN, 0},
	  {'Q', QLEN("/c"), 0},
	  {'A', ALEN, 0}},
	 "H:ai/a R:m D:/a:200:complete H:ai/c R:m D:/c:200:complete ",
	 FLOW_MORE,
	 ""},
	{"gap over the end of a request",
	 0,
	 {{'Q', Q("/a") "Content-Length: 20\r\n\r\n{\"mo", 0},
	  {'q', NULL, 30},
	  {'Q', "tail" QLEN("/b"), 0},
	  {'A', ALEN ALEN, 0}},
	 "H:ai/a H:ai/b R:m D:/a:200:gap D:/b:200:complete ",
	 FLOW_MORE,
	 NULL},
	{"gap in a chunked request",
	 0,
	 {{'Q', Q("/a") "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"mod\r\n", 0},
	  {'q', NULL, 30},
	  {'Q', "3\r\nm\"}\r\n0\r\n\r\n", 0},
	  {'A', ALEN, 0}},
	 "H:ai/a R: D:/a:200:gap ",
	 FLOW_MORE,
	 NULL},
	{"chunked request lost, answer comes",
	 0,
	 {{'Q', Q("/a") "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"mod\r\n", 0},
	  {'q', NULL, 30},
	  {'Q', "garbage", 0},
	  {'A', ALEN, 0},
	  {'Q', QLEN("/b"), 0},
	  {'A', ALEN, 0}},
	 "H:ai/a D:/a:200:gap H:ai/b R:m D:/b:200:complete ",
	 FLOW_MORE,
	 NULL},
	{"gap in a body until close",
	 0,
	 {{'Q', QLEN("/a"), 0},
	  {'A', OK200 "\r\n{", 0},
	  {'a', NULL, 5},
	  {'A', "}", 0},
	  {'C', NULL, 0}},
	 "H:ai/a R:m D:/a:200:gap ",
	 FLOW_IGNORE,
	 NULL},
	{"gap at the very start",
	 0,
	 {{'q', NULL, 50}, {'Q', "tail" QLEN("/b"), 0}, {'A', ALEN, 0}},
	 "H:ai/b R:m D:/b:200:complete ",
	 FLOW_MORE,
	 ""},
	/* late */
	{"late, at a start",
	 1,
	 {{'q', NULL, 1000}, {'a', NULL, 77}, {'Q', QLEN("/a"), 0}, {'A', ALEN, 0}},
	 "H:ai/a R:m D:/a:200:complete ",
	 FLOW_MORE,
	 ""},
	{"late, inside a request",
	 1,
	 {{'Q', "el\":\"gpt\",\"POST /\":1}", 0},
	  {'A', ALEN, 0},
	  {'Q', QLEN("/b"), 0},
	  {'A', ALEN, 0}},
	 "H:ai/b R:m D:/b:200:complete ",
	 FLOW_MORE,
	 ""},
	{"late, inside an answer",
	 1,
	 {{'A', "data: tail\n\n\r\n0\r\n\r\n", 0}, {'Q', QLEN("/b"), 0}, {'A', ALEN, 0}},
	 "H:ai/b R:m D:/b:200:complete ",
	 FLOW_MORE,
	 ""},
	{"late, first line in pieces",
	 1,
	 {{'Q', "}PO", 0},
	  {'Q', "ST /a HT", 0},
	  {'Q', "TP/1.1\r\nHost: ai\r\n\r\n", 0},
	  {'A', "HT", 0},
	  {'A', "TP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0}},
	 "H:ai/a R: D:/a:200:complete ",
	 FLOW_MORE,
	 ""},
	{"late, not AI",
	 1,
	 {{'Q', "x GET /x HTTP/1.1\r\nHost: other\r\n\r\n", 0}},
	 "H:other/x ",
	 FLOW_QUIET,
	 NULL},
	{"late HTTP/2", 1, {{'Q', "", 0}, {'Q', "HTTP2FRAME", 0}}, "", FLOW_MORE, NULL},
};

static void play(const struct script *s, struct rig *r, size_t piece)
{
	static const uint8_t frame[] = {0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 1, 0};

	for (const struct op *o = s->ops; o->what; o++) {
		switch (o->what) {
		case 'Q':
			if (!strcmp(o->bytes, "HTTP2FRAME"))
				rig_feed(r, FLOW_REQUEST, frame, sizeof(frame), 0);
			else
				rig_feed(r, FLOW_REQUEST, o->bytes, strlen(o->bytes), piece);
			break;
		case 'A':
			rig_feed(r, FLOW_RESPONSE, o->bytes, strlen(o->bytes), piece);
			break;
		case 'q':
		case 'a':
			r->next[o->what == 'q' ? FLOW_REQUEST : FLOW_RESPONSE] += o->n;
			break;
		case 'W':
			piece = 0;
			break;
		case 't':
			r->now += 1000;
			break;
		default:
			rig_close(r);
			r->state = flow_data(r->f, FLOW_REQUEST, r->next[0], (const uint8_t *)"x",
					     1, r->now);
		}
	}
}

static void test_scripts(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(feed_sizes); k++) {
			const struct script *s = &scripts[i];
			struct rig *r = rig_new(s->late);

			play(s, r, feed_sizes[k]);
			if (strcmp(r->log, s->log) || r->state != s->state)
				fail_msg("%s, pieces of %zu, state %d, reason '%s':\n  %s\n  %s",
					 s->name, feed_sizes[k], r->state,
					 r->done[0].incomplete_reason, r->log, s->log);
			if (s->reason && r->dones)
				assert_string_equal(r->done[0].incomplete_reason, s->reason);
			rig_free(r);
		}
	}
}

/* --- patience ----------------------------------------------------------------------------------- */

#define DULL "GET /x HTTP/1.1\r\nHost: maybe\r\n\r\n"

static void dull(struct rig *r, unsigned n)
{
	while (n--) {
		rig_say(r, FLOW_REQUEST, DULL);
		if (r->state != FLOW_IGNORE)
			rig_say(r, FLOW_RESPONSE, ALEN);
	}
}

static void test_patience(void **state)
{
	static const struct {
		unsigned patience, dull; /* 0: as it is */
		enum flow_state then;
		bool seen; /* the AI call behind them */
	} rows[] = {
		{0, 1, FLOW_QUIET, true},
		{0, FLOW_PATIENCE - 1, FLOW_QUIET, true},
		{0, FLOW_PATIENCE, FLOW_IGNORE, false},
		{1, 1, FLOW_IGNORE, false},
		{FLOW_PATIENCE_EVER, 60, FLOW_QUIET, true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct rig *r = rig_new(false);

		if (rows[i].patience)
			flow_patience(r->f, rows[i].patience);
		dull(r, rows[i].dull);
		assert_int_equal(r->state, rows[i].then);
		assert_false(flow_busy(r->f));
		rig_say(r, FLOW_REQUEST, QLEN("/a"));
		assert_int_equal(r->state, rows[i].seen ? FLOW_MORE : FLOW_IGNORE);
		rig_say(r, FLOW_RESPONSE, ALEN);
		assert_int_equal(r->dones, rows[i].seen);
		if (rows[i].seen) { /* one of interest is enough for ever */
			assert_int_equal(r->done[0].completeness, COMPLETE);
			for (unsigned k = 0; k < 3 * FLOW_PATIENCE; k++) {
				r->log_n = 0;
				dull(r, 1);
				assert_int_equal(r->state, FLOW_MORE);
			}
		}
		rig_free(r);
	}
}

/* Bytes may be left out only while nothing of interest is going on. */
static void test_quiet(void **state)
{
	struct rig *r = rig_new(false);

	rig_say(r, FLOW_REQUEST, "GET /x HTTP/1.1\r\nHost: may");
	assert_int_equal(r->state, FLOW_MORE);
	rig_say(r, FLOW_REQUEST, "be\r\n\r\n");
	assert_int_equal(r->state, FLOW_QUIET);
	rig_say(r, FLOW_RESPONSE, OK200 "Content-Length: 4\r\n\r\nab");
	assert_int_equal(r->state, FLOW_QUIET);
	rig_say(r, FLOW_RESPONSE, "cd");
	assert_int_equal(r->state, FLOW_QUIET);
	rig_say(r, FLOW_REQUEST,
		"POST /y HTTP/1.1\r\nHost: maybe\r\nContent-Length: 7\r\n\r\n{\"a\"");
	assert_int_equal(r->state, FLOW_MORE);
	rig_say(r, FLOW_REQUEST, ":1}");
	assert_int_equal(r->state, FLOW_QUIET);
	rig_say(r, FLOW_RESPONSE, ALEN);
	rig_say(r, FLOW_REQUEST, "P");
	assert_int_equal(r->state, FLOW_MORE);
	rig_free(r);
}

/* --- one by one --------------------------------------------------------------------------------- */

static void test_host_and_offset(void **state)
{
	static const struct {
		const char *host, *want;
		unsigned port;
	} rows[] = {
		{"AI.Example.COM", "ai.example.com", 0},
		{"ai.example.com:8443", "ai.example.com", 8443},
		{"ai.example.com.", "ai.example.com", 0},
		{"[::1]:11434", "::1", 11434},
		{"[2001:DB8::1]", "2001:db8::1", 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct rig *r = rig_new(false);
		char want[128];

		rig_say(r, FLOW_REQUEST, QLEN("/first"));
		rig_say(r, FLOW_RESPONSE, ALEN);
		rig_say(r, FLOW_REQUEST, "\r\nPOST /a HTTP/1.1\r\nHost: ");
		rig_say(r, FLOW_REQUEST, rows[i].host);
		rig_say(r, FLOW_REQUEST, "\r\nContent-Length: 0\r\n\r\n");
		snprintf(want, sizeof(want), "H:%s/a ", rows[i].want);
		assert_non_null(strstr(r->log, want));
		rig_say(r, FLOW_RESPONSE, ALEN);
		if (r->dones > 1) {
			assert_int_equal(r->done[1].port, rows[i].port);
			assert_int_equal(r->done[1].request_offset, strlen(QLEN("/first")) + 2);
		}
		assert_int_equal(r->dones, !strncmp(rows[i].want, "ai", 2) ? 2 : 1);
		rig_free(r);
	}
}

static void test_overlap_and_repeats(void **state)
{
	static const char q[] = QLEN("/a"), a[] = ALEN;
	struct rig *r = rig_new(false);

	flow_data(r->f, FLOW_REQUEST, 0, (uint8_t *)q, 30, 1);
	flow_data(r->f, FLOW_REQUEST, 0, (uint8_t *)q, 30, 2);
	flow_data(r->f, FLOW_REQUEST, 10, (uint8_t *)q + 10, sizeof(q) - 11, 3);
	flow_data(r->f, FLOW_RESPONSE, 0, (uint8_t *)a, 40, 4);
	flow_data(r->f, FLOW_RESPONSE, 20, (uint8_t *)a + 20, sizeof(a) - 21, 5);
	flow_data(r->f, FLOW_RESPONSE, 20, (uint8_t *)a + 20, sizeof(a) - 21, 6);
	flow_data(r->f, FLOW_RESPONSE, UINT64_MAX - 1, (uint8_t *)a, 20, 7);
	assert_string_equal(r->log, "H:ai/a R:m D:/a:200:complete ");
	assert_int_equal(r->done[0].start_ns, 1);
	assert_int_equal(r->done[0].request_end_ns, 3);
	assert_int_equal(r->done[0].first_byte_ns, 4);
	assert_int_equal(r->done[0].end_ns, 5);
	rig_free(r);
}

/* Requests beyond FLOW_PIPELINE_MAX are reported, and so are all after them. */
static void test_pipeline_too_deep(void **state)
{
	struct rig *r = rig_new(false);

	for (int i = 0; i < FLOW_PIPELINE_MAX; i++)
		rig_say(r, FLOW_REQUEST, QLEN("/a"));
	assert_int_equal(r->dones, 0);
	rig_say(r, FLOW_REQUEST, QLEN("/a"));
	assert_int_equal(r->dones, FLOW_PIPELINE_MAX + 1);
	rig_say(r, FLOW_RESPONSE, ALEN ALEN ALEN);
	rig_say(r, FLOW_REQUEST, QLEN("/a"));
	assert_int_equal(r->dones, FLOW_PIPELINE_MAX + 2);
	assert_int_equal(r->state, FLOW_MORE);
	for (unsigned i = 0; i < r->dones; i++) {
		assert_int_equal(r->done[i].completeness, TRUNCATED);
		assert_string_equal(r->done[i].incomplete_reason,
				    "too many requests without an answer");
		assert_string_equal(r->done[i].request_model, "m");
	}
	rig_close(r);
	assert_int_equal(r->dones, FLOW_PIPELINE_MAX + 2);
	rig_free(r);
}

/* An answer of 64 KiB may come before its request; a byte more is given up, and that is said. */
static void test_hold_limit(void **state)
{
	static char body[65536];
	char head[128];
	int head_n =
		snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: 65000\r\n\r\n");

	memset(body, ' ', sizeof(body));
	for (unsigned over = 0; over < 2; over++) {
		struct rig *r = rig_new(false);
		size_t n = over ? 65536 - head_n + 1 : 65000;

		rig_feed(r, FLOW_RESPONSE, head, head_n, 0);
		rig_feed(r, FLOW_RESPONSE, body, n, 999);
		rig_say(r, FLOW_REQUEST, QLEN("/a"));
		rig_close(r);
		assert_int_equal(r->dones, 1);
		assert_int_equal(r->done[0].completeness, over ? GAP : COMPLETE);
		assert_int_equal(r->done[0].response_body, over ? 0 : 65000);
		rig_free(r);
	}
}

/* Both directions at once: the answer is long and the request does not end. */
static void test_answer_overtakes(void **state)
{
	static char event[] =
		"data: {\"object\":\"chat.completion.chunk\",\"model\":\"gpt\",\"choices\":[]}\n\n";
	struct rig *r = rig_new(false);

	rig_say(r, FLOW_REQUEST,
		Q("/v1/chat/completions") "Content-Length: 41\r\n\r\n{\"model\":\"gp");
	rig_say(r, FLOW_RESPONSE, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
	for (int i = 0; i < 2000; i++)
		rig_say(r, FLOW_RESPONSE, event);
	rig_say(r, FLOW_REQUEST, "t-4o\",\"messages\":[]         }");
	rig_close(r);
	assert_int_equal(r->dones, 1);
	assert_int_equal(r->done[0].completeness, COMPLETE);
	assert_string_equal(r->done[0].request_model, "gpt-4o");
	assert_string_equal(r->done[0].response_model, "gpt");
	assert_int_equal(r->done[0].response_body, 2000 * strlen(event));
	rig_free(r);
}

static void test_body_limit(void **state)
{
	size_t big = FLOW_BODY_MAX + 1000;
	uint8_t *zeros = calloc(1, big);
	struct packed p = pack_one("gzip", zeros, big);
	struct rig *r = rig_new(false);
	char head[128];

	rig_say(r, FLOW_REQUEST, QLEN("/a"));
	snprintf(head, sizeof(head),
		 "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n", p.n);
	rig_say(r, FLOW_RESPONSE, head);
	rig_feed(r, FLOW_RESPONSE, p.p, p.n, 5000);
	rig_say(r, FLOW_REQUEST, QLEN("/b"));
	rig_say(r, FLOW_RESPONSE, ALEN);
	assert_int_equal(r->dones, 2);
	assert_int_equal(r->done[0].completeness, TRUNCATED);
	assert_int_equal(r->done[0].response_body, FLOW_BODY_MAX);
	assert_int_equal(r->done[0].response_wire, p.n);
	assert_int_equal(r->done[1].completeness, COMPLETE);
	rig_free(r);
	free(p.p);
	free(zeros);
}

/* With a gap in a coded body the rest is unreadable; the verdict names the cause. */
static void test_gap_in_coded_body(void **state)
{
	const struct vector *v = &vectors[0];
	struct wire *a = calloc(1, sizeof(*a));
	struct rig *r = rig_new(false);
	size_t cut;

	wire_answer(a, v, BY_LENGTH, "gzip", 0);
	cut = a->n - 100;
	rig_say(r, FLOW_REQUEST, QLEN("/v1/chat/completions"));
	rig_feed(r, FLOW_RESPONSE, a->p, cut, 0);
	r->next[FLOW_RESPONSE] += 20;
	rig_feed(r, FLOW_RESPONSE, a->p + cut + 20, 80, 7);
	assert_int_equal(r->dones, 1);
	assert_int_equal(r->done[0].completeness, GAP);
	assert_true(r->done[0].response_body < strlen(v->answer));
	assert_int_equal(flow_busy(r->f), false);
	rig_free(r);
	free(a);
}

/* A stream with a hole in the middle still gives what comes after it. */
static void test_gap_in_stream(void **state)
{
	const struct vector *v = &vectors[1];
	struct wire *q = calloc(1, sizeof(*q)), *a = calloc(1, sizeof(*a));

	wire_request(q, v, "ai", BY_LENGTH, "");
	wire_answer(a, v, BY_CHUNKS, "", 90);
	for (size_t from = 200; from < 600; from++) {
		struct rig *r = rig_new(false);

		rig_feed(r, FLOW_REQUEST, q->p, q->n, 0);
		rig_feed(r, FLOW_RESPONSE, a->p, from, 0);
		r->next[FLOW_RESPONSE] += 150;
		rig_feed(r, FLOW_RESPONSE, a->p + from + 150, a->n - from - 150, 0);
		assert_int_equal(r->dones, 1);
		assert_int_equal(r->done[0].completeness, GAP);
		assert_int_equal(r->done[0].tokens.input, v->input);
		assert_int_equal(r->done[0].tokens.output, v->output);
		rig_free(r);
	}
	free(q);
	free(a);
}

static void test_sniffed_types(void **state)
{
	static const struct {
		const char *type, *body;
		bool stream;
		const char *model;
	} rows[] = {
		{"", "{\"model\":\"m1\",\"object\":\"chat.completion\",\"choices\":[]}", 0, "m1"},
		{"Content-Type: text/plain\r\n", " \n{\"model\":\"m1\"}", 0, "m1"},
		{"Content-Type: application/vnd.api+json\r\n", "{\"model\":\"m1\"}", 0, "m1"},
		{"", "data: {\"model\":\"m1\",\"object\":\"chat.completion.chunk\"}\n\n", 1, "m1"},
		{"Content-Type: application/json\r\n", "event: x\ndata: {\"model\":\"m1\"}\n\n", 1,
		 "m1"},
		{"Content-Type: text/event-stream\r\n", "{\"model\":\"m1\"}", 0, "m1"},
		{"Content-Type: application/jsonl\r\n", "{\"model\":\"m1\"}\n{\"model\":\"m1\"}\n",
		 1, "m1"},
		{"Content-Type: text/html\r\n", "<p>{\"model\":\"m1\"}", 0, ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(feed_sizes); k++) {
			struct rig *r = rig_new(false);
			char head[256];

			rig_say(r, FLOW_REQUEST, QLEN("/v1/chat/completions"));
			snprintf(head, sizeof(head),
				 "HTTP/1.1 200 OK\r\n%sContent-Length: %zu\r\n\r\n%s", rows[i].type,
				 strlen(rows[i].body), rows[i].body);
			rig_feed(r, FLOW_RESPONSE, head, strlen(head), feed_sizes[k]);
			assert_int_equal(r->dones, 1);
			assert_string_equal(r->done[0].incomplete_reason, "");
			assert_int_equal(r->done[0].stream_answered, rows[i].stream);
			assert_string_equal(r->done[0].response_model, rows[i].model);
			rig_free(r);
		}
	}
}

/* Freeing tells nothing, whatever is open. */
static void test_free_is_silent(void **state)
{
	struct rig *r = rig_new(false);
	char log[sizeof(r->log)];

	flow_free(NULL);
	rig_say(r, FLOW_REQUEST, QLEN("/a") QLEN("/b") "POST /c HTTP");
	rig_say(r, FLOW_RESPONSE, OK200 "Content-Encoding: br\r\n\r\nxx");
	memcpy(log, r->log, sizeof(log));
	flow_free(r->f);
	r->f = NULL;
	assert_memory_equal(log, r->log, sizeof(log));
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_vectors_out_of_order),
		cmocka_unit_test(test_vectors_maybe),
		cmocka_unit_test(test_scripts),
		cmocka_unit_test(test_patience),
		cmocka_unit_test(test_quiet),
		cmocka_unit_test(test_host_and_offset),
		cmocka_unit_test(test_overlap_and_repeats),
		cmocka_unit_test(test_pipeline_too_deep),
		cmocka_unit_test(test_hold_limit),
		cmocka_unit_test(test_answer_overtakes),
		cmocka_unit_test(test_body_limit),
		cmocka_unit_test(test_gap_in_coded_body),
		cmocka_unit_test(test_gap_in_stream),
		cmocka_unit_test(test_sniffed_types),
		cmocka_unit_test(test_free_is_silent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
