// SPDX-License-Identifier: Apache-2.0
/*
 * Calls of gRPC, gRPC-Web and Connect over both versions of HTTP, whole and in pieces: their
 * messages, their end, and the facts of those whose schema is known.
 *
 * Long because it is mostly rows: cases that share one rig stay in one file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include <zlib.h>

#include "h2frames.h"

/* Rows leave out what they do not need. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

/* --- making messages ------------------------------------------------------------------------------- */

struct buf {
	uint8_t p[65536];
	size_t n;
};

static void put(struct buf *b, const void *p, size_t n)
{
	assert_true(b->n + n <= sizeof(b->p));
	memcpy(b->p + b->n, p, n);
	b->n += n;
}

static void varint(struct buf *b, uint64_t v)
{
	do {
		uint8_t c = (v & 0x7f) | (v > 0x7f ? 0x80 : 0);

		put(b, &c, 1);
		v >>= 7;
	} while (v);
}

static void number(struct buf *b, unsigned field, uint64_t v)
{
	varint(b, field << 3);
	varint(b, v);
}

static void bytes(struct buf *b, unsigned field, const void *p, size_t n)
{
	varint(b, field << 3 | 2);
	varint(b, n);
	put(b, p, n);
}

static void string(struct buf *b, unsigned field, const char *s)
{
	bytes(b, field, s, strlen(s));
}

static void sub(struct buf *b, unsigned field, const struct buf *m)
{
	bytes(b, field, m->p, m->n);
}

static const struct buf none;
#define NEW(name) struct buf *name = memcpy(calloc(1, sizeof(none)), &none, sizeof(none))

/* GenerateContentRequest of either service: the fields of model and tools differ. */
static void ask_gemini(struct buf *b, unsigned model_field, unsigned tools_field)
{
	NEW(part);
	NEW(content);
	NEW(function);
	NEW(tool);

	string(part, 2, "a question with a secret in it");
	sub(content, 1, part);
	string(content, 2, "user");
	string(b, model_field, "models/gemini-9-flash");
	sub(b, 2, content);
	sub(b, 2, content);
	string(function, 1, "look_up");
	string(function, 2, "looks things up");
	sub(tool, 1, function);
	if (tools_field)
		sub(b, tools_field, tool);
	number(b, 900, 5); /* of the future */
	free(part);
	free(content);
	free(function);
	free(tool);
}

static void answer_gemini(struct buf *b, unsigned input, unsigned output)
{
	NEW(call);
	NEW(part);
	NEW(content);
	NEW(candidate);
	NEW(usage);

	string(call, 1, "look_up");
	string(call, 3, "id-1");
	sub(part, 4, call);
	sub(content, 1, part);
	part->n = 0;
	string(part, 2, "text");
	sub(content, 1, part);
	sub(candidate, 1, content);
	number(candidate, 2, 1);
	sub(b, 1, candidate);
	number(usage, 1, input);
	number(usage, 2, output);
	number(usage, 3, input + output + 3);
	number(usage, 4, 2);
	number(usage, 10, 3);
	sub(b, 3, usage);
	string(b, 4, "gemini-9-flash-001");
	free(call);
	free(part);
	free(content);
	free(candidate);
	free(usage);
}

static void answer_vertex(struct buf *b, unsigned input, unsigned output)
{
	NEW(usage);

	number(usage, 1, input);
	number(usage, 2, output);
	sub(b, 4, usage);
	string(b, 11, "gemini-9-pro");
	string(b, 13, "resp-1");
	free(usage);
}

static void frame(struct buf *b, uint8_t flags, const void *p, size_t n)
{
	uint8_t head[5] = {flags, n >> 24, n >> 16, n >> 8, n};

	put(b, head, 5);
	put(b, p, n);
}

static void frame_gzip(struct buf *b, const void *p, size_t n)
{
	static uint8_t out[65536];
	z_stream z = {.next_in = (uint8_t *)p,
		      .avail_in = n,
		      .next_out = out,
		      .avail_out = sizeof(out)};

	deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	frame(b, 1, out, z.total_out);
	deflateEnd(&z);
}

static void frame_text(struct buf *b, uint8_t flags, const char *s)
{
	frame(b, flags, s, strlen(s));
}

/* --- a call ------------------------------------------------------------------------------------------ */

struct call {
	const char *host, *path, *request_type, *answer_type, *status, *trailers, *extra;
	bool http1;
	struct buf *request, *answer;
};

static void over_http2(struct rig *r, const struct call *c, size_t piece)
{
	static struct frames b;
	char fields[600];

	b.n = 0;
	memcpy(b.p, PREFACE, 24);
	b.n = 24;
	frames_add(&b, 4, 0, 0, NULL, 0);
	snprintf(fields, sizeof(fields),
		 ":method POST\n:scheme https\n:authority %s\n:path %s\ncontent-type %s\n%s",
		 c->host, c->path, c->request_type, c->extra ? c->extra : "");
	frames_head(&b, false, 1, fields);
	frames_add(&b, 0, 1, 1, c->request->p, c->request->n);
	rig_feed(r, FLOW_REQUEST, b.p, b.n, piece);
	b.n = 0;
	snprintf(fields, sizeof(fields), ":status %s\ncontent-type %s\n%s",
		 c->status ? c->status : "200", c->answer_type ? c->answer_type : c->request_type,
		 c->extra ? c->extra : "");
	frames_head(&b, false, 1, fields);
	frames_add(&b, 0, c->trailers ? 0 : 1, 1, c->answer->p, c->answer->n);
	if (c->trailers)
		frames_head(&b, true, 1, c->trailers);
	rig_feed(r, FLOW_RESPONSE, b.p, b.n, piece);
}

static void over_http1(struct rig *r, const struct call *c, size_t piece)
{
	char head[600];

	snprintf(
		head, sizeof(head),
		"POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s\r\n",
		c->path, c->host, c->request_type, c->request->n, c->extra ? c->extra : "");
	rig_feed(r, FLOW_REQUEST, head, strlen(head), piece);
	rig_feed(r, FLOW_REQUEST, c->request->p, c->request->n, piece);
	snprintf(head, sizeof(head),
		 "HTTP/1.1 %s X\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
		 c->status ? c->status : "200", c->answer_type ? c->answer_type : c->request_type,
		 c->answer->n);
	rig_feed(r, FLOW_RESPONSE, head, strlen(head), piece);
	rig_feed(r, FLOW_RESPONSE, c->answer->p, c->answer->n, piece);
}

static struct rig *run(const struct call *c, size_t piece)
{
	struct rig *r = rig_new(false);

	if (c->http1)
		over_http1(r, c, piece);
	else
		over_http2(r, c, piece);
	rig_close(r);
	return r;
}

static const size_t pieces[] = {0, 1, 2, 7, 64};
#define FOR_PIECES(i) for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)

#define AI_METHOD "/google.ai.generativelanguage.v1beta.GenerativeService/"
#define VX_METHOD "/google.cloud.aiplatform.v1.PredictionService/"

/* --- tests --------------------------------------------------------------------------------------------- */

static void check_gemini(const struct interaction *it, const char *wire)
{
	assert_int_equal(it->completeness, COMPLETE);
	assert_string_equal(it->wire, wire);
	assert_int_equal(it->grpc_status, 0);
	assert_int_equal(it->dialect, DIALECT_GEMINI);
	assert_string_equal(it->request_model, "gemini-9-flash");
	assert_string_equal(it->response_model, "gemini-9-flash-001");
	assert_string_equal(it->finish_reason, "STOP");
	assert_int_equal(it->messages, 2);
	assert_true(names_has(&it->tools_offered, "look_up"));
	assert_string_equal(it->tool_calls[0].name, "look_up");
	assert_string_equal(it->tool_calls[0].id, "id-1");
	assert_int_equal(it->tokens.input, 100);
	assert_int_equal(it->tokens.output, 20 + 3);
	assert_int_equal(it->tokens.cached, 2);
	assert_int_equal(it->tokens.reasoning, 3);
	assert_true(it->first_token_ns > 0);
}

/* gzip of messages, two of them in the answer; also at a host that is only perhaps of interest. */
static void test_known_schema(void **state)
{
	static struct buf q, a, m, n;
	static const char *const hosts[] = {"ai.example", "maybe.example"};

	q = a = m = n = none;
	ask_gemini(&m, 1, 5);
	frame(&q, 0, m.p, m.n);
	answer_gemini(&n, 50, 1);
	frame_gzip(&a, n.p, n.n);
	n = none;
	number(&n, 77, 1);
	answer_gemini(&n, 100, 20);
	frame_gzip(&a, n.p, n.n);
	for (unsigned h = 0; h < 2; h++)
		FOR_PIECES(i)
		{
			const struct call c = {
				.host = hosts[h],
				.path = AI_METHOD "StreamGenerateContent",
				.request_type = "application/grpc+proto",
				.extra = "grpc-encoding gzip\n",
				.trailers = "grpc-status 0\ngrpc-message fine\n",
				.request = &q,
				.answer = &a,
			};
			struct rig *r = run(&c, pieces[i]);
			uint8_t sum[32];

			assert_int_equal(r->dones, 1);
			r->done[0].tool_calls_count = 1;
			check_gemini(&r->done[0], "grpc");
			assert_true(r->done[0].stream_requested && r->done[0].stream_answered);
			assert_int_equal(r->done[0].request_wire, q.n);
			assert_int_equal(r->done[0].request_body, m.n);
			sha256(m.p, m.n, sum);
			assert_memory_equal(sum, r->done[0].request_sha256, 32);
			/* Texts are given to whoever looks for data. */
			assert_non_null(memmem(r->text[0], r->text_n[0], "with a secret", 13));
			rig_free(r);
		}
}

static void test_vertex(void **state)
{
	static struct buf q, a, m;

	q = a = m = none;
	ask_gemini(&m, 5, 6);
	frame(&q, 0, m.p, m.n);
	m = none;
	answer_vertex(&m, 9, 8);
	frame(&a, 0, m.p, m.n);
	FOR_PIECES(i)
	{
		const struct call c = {"ai",
				       VX_METHOD "GenerateContent",
				       "application/grpc",
				       .trailers = "grpc-status 0\n",
				       .request = &q,
				       .answer = &a};
		struct rig *r = run(&c, pieces[i]);

		assert_int_equal(r->dones, 1);
		assert_int_equal(r->done[0].completeness, COMPLETE);
		assert_string_equal(r->done[0].request_model, "gemini-9-flash");
		assert_string_equal(r->done[0].response_model, "gemini-9-pro");
		assert_string_equal(r->done[0].response_id, "resp-1");
		assert_int_equal(r->done[0].tokens.input, 9);
		assert_int_equal(r->done[0].tokens.output, 8);
		assert_int_equal(r->done[0].messages, 2);
		rig_free(r);
	}
}

/* Connect with one message and no frame. */
static void test_unary_connect(void **state)
{
	static struct buf q, a;

	q = a = none;
	ask_gemini(&q, 1, 5);
	answer_gemini(&a, 100, 20);
	for (unsigned http1 = 0; http1 < 2; http1++)
		FOR_PIECES(i)
		{
			const struct call c = {
				.host = "ai",
				.path = AI_METHOD "GenerateContent",
				.request_type = "application/proto",
				.extra = http1 ? "Connect-Protocol-Version: 1\r\n"
					       : "connect-protocol-version 1\n",
				.http1 = http1,
				.request = &q,
				.answer = &a,
			};
			struct rig *r = run(&c, pieces[i]);

			assert_int_equal(r->dones, 1);
			check_gemini(&r->done[0], "connect");
			rig_free(r);
		}
}

static void base64(struct buf *b)
{
	static struct buf out;
	size_t half = b->n / 2;

	/* Two pieces, each with its own padding. */
	out.n = EVP_EncodeBlock(out.p, b->p, (int)half);
	out.n += EVP_EncodeBlock(out.p + out.n, b->p + half, (int)(b->n - half));
	*b = out;
}

static void test_web(void **state)
{
	static struct buf q, a, m;

	for (unsigned text = 0; text < 2; text++) {
		q = a = m = none;
		ask_gemini(&m, 1, 5);
		frame(&q, 0, m.p, m.n);
		m = none;
		answer_gemini(&m, 100, 20);
		frame(&a, 0, m.p, m.n);
		frame_text(&a, 0x80, "grpc-message: x\r\ngrpc-status: 0\r\n");
		if (text) {
			base64(&q);
			base64(&a);
		}
		for (unsigned http1 = 0; http1 < 2; http1++)
			FOR_PIECES(i)
			{
				const struct call c = {
					.host = "ai",
					.path = AI_METHOD "GenerateContent",
					.request_type = text ? "application/grpc-web-text"
							     : "application/grpc-web+proto",
					.http1 = http1,
					.request = &q,
					.answer = &a,
				};
				struct rig *r = run(&c, pieces[i]);

				assert_int_equal(r->dones, 1);
				check_gemini(&r->done[0], "grpc-web");
				rig_free(r);
			}
	}
}

#define CHAT "{\"model\":\"m-1\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}"
#define CHUNK                                                                                \
	"{\"object\":\"chat.completion.chunk\",\"model\":\"m-1\",\"choices\":[{\"index\":0," \
	"\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}],\"usage\":{"             \
	"\"prompt_tokens\":11,\"completion_tokens\":2}}"

static void test_connect_json(void **state)
{
	static struct buf q, a;

	q = a = none;
	frame_text(&q, 0, CHAT);
	frame_text(&a, 0, CHUNK);
	frame_gzip(&a, CHUNK, strlen(CHUNK));
	frame_text(&a, 2, "{\"error\":{\"code\":\"resource_exhausted\",\"message\":\"no\"}}");
	FOR_PIECES(i)
	{
		const struct call c = {"maybe",
				       "/chat.v1.Chat/Talk",
				       "application/connect+json",
				       .extra = "connect-content-encoding gzip\n",
				       .request = &q,
				       .answer = &a};
		struct rig *r = run(&c, pieces[i]);

		assert_int_equal(r->dones, 1);
		assert_int_equal(r->done[0].completeness, COMPLETE);
		assert_string_equal(r->done[0].wire, "connect");
		assert_string_equal(r->done[0].path, "/chat.v1.Chat/Talk");
		assert_int_equal(r->done[0].dialect, DIALECT_OPENAI_CHAT);
		assert_string_equal(r->done[0].request_model, "m-1");
		assert_int_equal(r->done[0].tokens.input, 11);
		assert_int_equal(r->done[0].grpc_status, 8);
		assert_string_equal(r->done[0].error_type, "resource_exhausted");
		rig_free(r);
	}
}

/* What happens with a service that nothing is known of. */
static const struct {
	const char *what, *host, *type, *extra, *trailers, *q, *a;
	size_t q_n, a_n;
	const char *log;
	int32_t status;
	const char *reason;
} others[] = {
#define S(s) s, sizeof(s) - 1
#define M(q, a) q, a, sizeof(q) - 1, sizeof(a) - 1
	{"of interest", "ai", "application/grpc", NULL, "grpc-status 0\n",
	 M("\0\0\0\0\3abc", "\0\0\0\0\2\x08\x01\0\0\0\0\0"), "H:ai/s/m R: D:/s/m:200:complete ", 0,
	 ""},
	{"perhaps of interest", "maybe", "application/grpc", NULL, "grpc-status 0\n",
	 M("\0\0\0\0\3abc", "\0\0\0\0\2\x08\x01"), "H:maybe/s/m X:/s/m ", -2, NULL},
	{"an error", "ai", "application/grpc", NULL, "grpc-status 14\n", M("\0\0\0\0\0", ""),
	 "H:ai/s/m R: D:/s/m:200:complete ", 14, ""},
	{"no status", "ai", "application/grpc", NULL, NULL, M("\0\0\0\0\0", "\0\0\0\0\0"),
	 "H:ai/s/m R: D:/s/m:200:complete ", -1, ""},
	{"a message ends early", "ai", "application/grpc", NULL, "grpc-status 0\n",
	 M("\0\0\0\0\0", "\0\0\0\0\5abc"), "H:ai/s/m R: D:/s/m:200:truncated ", 0,
	 "a message of the call ends early"},
	{"a message's head ends early", "ai", "application/grpc", NULL, NULL,
	 M("\0\0\0\0\0", "\0\0"), "H:ai/s/m R: D:/s/m:200:truncated ", -1,
	 "a message of the call ends early"},
	{"compression not named", "ai", "application/grpc", NULL, "grpc-status 0\n",
	 M("\1\0\0\0\1x", "\0\0\0\0\0"), "H:ai/s/m R: D:/s/m:200:undecodable ", 0,
	 "compression of a message is not known"},
	{"compression of another kind", "ai", "application/grpc", "grpc-encoding snappy\n",
	 "grpc-status 0\n", M("\1\0\0\0\1x", "\0\0\0\0\0"), "H:ai/s/m R: D:/s/m:200:undecodable ",
	 0, "compression of a message is not known"},
	{"compression broken", "ai", "application/grpc", "grpc-encoding gzip\n", "grpc-status 0\n",
	 M("\1\0\0\0\3xyz\0\0\0\0\0", "\0\0\0\0\0"), "H:ai/s/m R: D:/s/m:200:undecodable ", 0,
	 "compression of a message is broken"},
	{"base64 broken", "ai", "application/grpc-web-text", NULL, NULL, M("AAAAAAA=", "A***"),
	 "H:ai/s/m R: D:/s/m:200:undecodable ", -1, "base64 of a content is broken"},
	{"end of a stream without error", "ai", "application/connect+proto", NULL, NULL,
	 M("\0\0\0\0\0", "\2\0\0\0\2{}"), "H:ai/s/m R: D:/s/m:200:complete ", 0, ""},
	{"end of a stream with a code of its own", "ai", "application/connect+proto", NULL, NULL,
	 M("\0\0\0\0\0", "\2\0\0\0\x1c{\"error\":{\"code\":\"strange\"}}"),
	 "H:ai/s/m R: D:/s/m:200:complete ", 2, ""},
};

static void test_other_services(void **state)
{
	static struct buf q, a;

	for (size_t k = 0; k < sizeof(others) / sizeof(others[0]); k++)
		FOR_PIECES(i)
		{
			const struct call c = {others[k].host,
					       "/s/m",
					       others[k].type,
					       .extra = others[k].extra,
					       .trailers = others[k].trailers,
					       .request = &q,
					       .answer = &a};
			struct rig *r;

			q = a = none;
			put(&q, others[k].q, others[k].q_n);
			put(&a, others[k].a, others[k].a_n);
			r = run(&c, pieces[i]);
			if (strcmp(r->log, others[k].log) ||
			    (r->dones && (r->done[0].grpc_status != others[k].status ||
					  strcmp(r->done[0].incomplete_reason, others[k].reason))))
				fail_msg("%s, pieces of %zu: %s status %d %s", others[k].what,
					 pieces[i], r->log, r->done[0].grpc_status,
					 r->done[0].incomplete_reason);
			if (r->dones && *others[k].reason == '\0') {
				assert_int_equal(r->done[0].request_wire, q.n);
				assert_int_equal(r->done[0].response_wire, a.n);
				assert_int_equal(r->done[0].tokens.input, -1);
			}
			rig_free(r);
		}
}

/* Bytes lost in a message: the next one is still read. */
static void test_gap(void **state)
{
	static struct frames b;
	static struct buf q, a, m;
	struct rig *r = rig_new(false);
	char fields[] = ":method POST\n:authority ai\n:path " AI_METHOD
			"GenerateContent\ncontent-type application/grpc\n";

	q = a = m = none;
	ask_gemini(&m, 1, 5);
	frame(&q, 0, m.p, m.n);
	m = none;
	answer_gemini(&m, 100, 20);
	frame_text(&a, 0,
		   "\x12\x40 and much more that is not known here, at least sixty-five bytes");
	frame(&a, 0, m.p, m.n);
	memcpy(b.p, PREFACE, 24);
	b.n = 24;
	frames_head(&b, false, 1, fields);
	frames_add(&b, 0, 1, 1, q.p, q.n);
	rig_feed(r, FLOW_REQUEST, b.p, b.n, 0);
	b.n = 0;
	frames_head(&b, false, 1, ":status 200\ncontent-type application/grpc\n");
	rig_feed(r, FLOW_RESPONSE, b.p, b.n, 0);
	b.n = 0;
	frames_add(&b, 0, 0, 1, a.p, a.n);
	rig_feed(r, FLOW_RESPONSE, b.p, 9 + 5 + 10, 0);
	r->next[1] += 30;
	rig_feed(r, FLOW_RESPONSE, b.p + 9 + 5 + 40, b.n - 9 - 5 - 40, 0);
	b.n = 0;
	frames_head(&b, true, 1, "grpc-status 0\n");
	rig_feed(r, FLOW_RESPONSE, b.p, b.n, 0);
	assert_int_equal(r->dones, 1);
	assert_int_equal(r->done[0].completeness, GAP);
	assert_int_equal(r->done[0].tokens.input, 100);
	assert_int_equal(r->done[0].grpc_status, 0);
	assert_int_equal(r->done[0].response_wire, a.n);
	rig_free(r);
}

/* Whatever bytes a message has, nothing breaks and the call is complete. */
static void test_not_protobuf(void **state)
{
	static struct buf q, a, m;
	uint64_t seed = 5;

	for (unsigned i = 0; i < 2000; i++) {
		const struct call c = {"ai",
				       AI_METHOD "GenerateContent",
				       "application/grpc",
				       .trailers = "grpc-status 0\n",
				       .request = &q,
				       .answer = &a};
		struct rig *r;

		q = a = m = none;
		answer_gemini(&m, 1, 1);
		for (unsigned k = 1 + i % 6; k; k--)
			m.p[rnd(&seed) % m.n] = rnd(&seed);
		frame(&a, 0, m.p, rnd(&seed) % (m.n + 1));
		m = none;
		ask_gemini(&m, 1, 5);
		for (unsigned k = 1 + i % 6; k; k--)
			m.p[rnd(&seed) % m.n] = rnd(&seed);
		frame(&q, 0, m.p, m.n);
		r = run(&c, i % 2 ? 0 : 3);
		assert_int_equal(r->dones, 1);
		assert_int_equal(r->done[0].completeness, COMPLETE);
		rig_free(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_schema),  cmocka_unit_test(test_vertex),
		cmocka_unit_test(test_unary_connect), cmocka_unit_test(test_web),
		cmocka_unit_test(test_connect_json),  cmocka_unit_test(test_other_services),
		cmocka_unit_test(test_gap),	      cmocka_unit_test(test_not_protobuf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
