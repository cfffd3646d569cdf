// SPDX-License-Identifier: Apache-2.0
/* AWS event streams: documents, checksums, exceptions, missing bytes; alone and as Bedrock's answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/cleanup.h"
#include "flow/eventstream.h"
#include "awsgen.h"
#include "docs.h"
#include "rig.h"

/* --- the parser ------------------------------------------------------------------------------ */

static struct docs docs;

static void on_fault(void *ctx, const char *name)
{
	docs_put(&docs, "!", 1);
	docs_put(&docs, name, strlen(name));
}

static void on_bad(void *ctx, const char *reason)
{
	docs_put(&docs, "?", 1);
}

static const struct eventstream_sink sink = {{docs_begin, docs_data, docs_end, &docs},
					     on_fault,
					     on_bad};

static void feed(struct eventstream *s, const uint8_t *p, size_t n, size_t piece)
{
	for (size_t at = 0, len; at < n; at += len) {
		struct guarded g;

		len = piece && piece < n - at ? piece : n - at;
		g = guarded_copy(p + at, len);
		eventstream_data(s, g.p, len);
		guarded_free(&g);
	}
}

static void check(const struct awsgen *g, size_t skip_from, size_t skip, const char *want,
		  bool whole)
{
	for (size_t k = 0; k < ARRAY_SIZE(feed_sizes); k++) {
		struct eventstream s;

		docs = (struct docs){0};
		eventstream_init(&s, &sink);
		feed(&s, g->p, skip_from, feed_sizes[k]);
		if (skip)
			eventstream_gap(&s);
		feed(&s, g->p + skip_from + skip, g->n - skip_from - skip, feed_sizes[k]);
		assert_int_equal(eventstream_end(&s, false), whole);
		assert_string_equal(docs.text, want);
	}
}

static void test_events(void **state)
{
	static struct awsgen g;

	g.n = 0;
	aws_event(&g, "event", "a", "application/json", "{\"x\":1}");
	aws_event(&g, "event", "none", "application/json", "");
	aws_chunk(&g, "{\"inner\":true}");
	aws_event(&g, "event", "audio", "application/octet-stream", "binary");
	aws_event(&g, "exception", "throttlingException", "application/json",
		  "{\"message\":\"m\"}");
	check(&g, g.n, 0, "(a|{\"x\":1})(chunk|{\"inner\":true})!throttlingException", true);
	g.n -= 3;
	check(&g, g.n, 0, "(a|{\"x\":1})(chunk|{\"inner\":true})!throttlingException", false);
}

static void test_checksums(void **state)
{
	static struct awsgen g;
	size_t first;

	g.n = 0;
	aws_event(&g, "event", "a", "application/json", "{\"x\":1}");
	first = g.n;
	aws_event(&g, "event", "b", "application/json", "{}");
	g.p[first - 6] ^= 1; /* in the payload */
	check(&g, g.n, 0, "(a|{\"x\":0}?~(b|{})", true);
}

static void test_gaps(void **state)
{
	static struct awsgen g;
	size_t first;

	g.n = 0;
	aws_event(&g, "event", "a", "application/json", "{\"x\":1}");
	first = g.n;
	aws_event(&g, "event", "b", "application/json", "{\"y\":2}");
	aws_event(&g, "event", "c", "application/json", "{\"z\":3}");
	check(&g, first - 8, 4, "(a|{\"x~(b|{\"y\":2})(c|{\"z\":3})", true);
	check(&g, first, 5, "(a|{\"x\":1})(c|{\"z\":3})", true);
}

/* A prelude that lies costs no more than a search. */
static void test_lies(void **state)
{
	static struct awsgen g;

	g.n = 0;
	memset(g.p, 0xff, 40);
	g.n = 40;
	aws_event(&g, "event", "a", "application/json", "{}");
	check(&g, g.n, 0, "?(a|{})", true);
	aws_be(g.p, 0x7fffffff); /* with a good checksum */
	aws_be(g.p + 4, 4);
	aws_be(g.p + 8, (uint32_t)crc32(0, g.p, 8));
	check(&g, g.n, 0, "?(a|{})", true);
}

/* --- Bedrock --------------------------------------------------------------------------------- */

static struct rig *answered(const char *path, const char *body, const struct awsgen *g,
			    size_t piece, size_t gap_at)
{
	struct rig *r = rig_new(false);
	char head[512];
	int n = snprintf(
		head, sizeof(head),
		"POST %s HTTP/1.1\r\nHost: ai.bedrock\r\nContent-Type: application/json\r\n"
		"Content-Length: %zu\r\n\r\n%s",
		path, strlen(body), body);

	rig_feed(r, FLOW_REQUEST, head, (size_t)n, piece);
	n = snprintf(head, sizeof(head),
		     "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.amazon.eventstream\r\n"
		     "Content-Length: %zu\r\n\r\n",
		     g->n);
	rig_feed(r, FLOW_RESPONSE, head, (size_t)n, piece);
	if (gap_at) {
		rig_feed(r, FLOW_RESPONSE, g->p, gap_at, piece);
		r->next[1] += 3;
		rig_feed(r, FLOW_RESPONSE, g->p + gap_at + 3, g->n - gap_at - 3, piece);
	} else {
		rig_feed(r, FLOW_RESPONSE, g->p, g->n, piece);
	}
	assert_int_equal(r->dones, 1);
	return r;
}

static void converse(struct awsgen *g)
{
	g->n = 0;
	aws_event(g, "event", "messageStart", "application/json", "{\"role\":\"assistant\"}");
	aws_event(g, "event", "contentBlockDelta", "application/json",
		  "{\"contentBlockIndex\":0,\"delta\":{\"text\":\"Hello\"}}");
	aws_event(
		g, "event", "contentBlockStart", "application/json",
		"{\"contentBlockIndex\":1,\"start\":{\"toolUse\":{\"toolUseId\":\"t1\",\"name\":\"ls\"}}}");
	aws_event(g, "event", "messageStop", "application/json", "{\"stopReason\":\"tool_use\"}");
	aws_event(
		g, "event", "metadata", "application/json",
		"{\"usage\":{\"inputTokens\":10,\"outputTokens\":4,\"totalTokens\":114,"
		"\"cacheReadInputTokens\":80,\"cacheWriteInputTokens\":20},\"metrics\":{\"latencyMs\":5}}");
}

static const char converse_request[] =
	"{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}]}],\"toolConfig\":{\"tools\":["
	"{\"toolSpec\":{\"name\":\"ls\"}}]}}";

static void test_converse(void **state)
{
	static struct awsgen g;

	converse(&g);
	for (size_t k = 0; k < ARRAY_SIZE(feed_sizes); k++) {
		struct rig *r = answered(
			"/model/arn%3Aaws%3Abedrock%3A%3A%3Ainference-profile%2Feu.anthropic.x-v1%3A0/"
			"converse-stream",
			converse_request, &g, feed_sizes[k], 0);
		const struct interaction *it = &r->done[0];

		assert_string_equal(it->incomplete_reason, "");
		assert_int_equal(it->dialect, DIALECT_BEDROCK_CONVERSE);
		assert_string_equal(it->request_model,
				    "arn:aws:bedrock:::inference-profile/eu.anthropic.x-v1:0");
		assert_true(it->stream_requested && it->stream_answered && it->first_token_ns);
		assert_string_equal(it->finish_reason, "tool_use");
		assert_int_equal(it->tool_calls_count, 1);
		assert_string_equal(it->tool_calls[0].name, "ls");
		assert_string_equal(it->tool_calls[0].id, "t1");
		assert_true(names_has(&it->tools_offered, "ls"));
		assert_int_equal(it->tokens.input, 110);
		assert_int_equal(it->tokens.output, 4);
		assert_int_equal(it->tokens.cached, 80);
		assert_int_equal(it->tokens.cache_write, 20);
		assert_int_equal(it->response_body, g.n);
		assert_int_equal(it->messages, 1);
		assert_non_null(strstr(r->text[1], "Hello"));
		rig_free(r);
	}
}

static void test_converse_with_a_gap(void **state)
{
	static struct awsgen g;
	struct rig *r;

	converse(&g);
	r = answered("/model/m/converse-stream", converse_request, &g, 0, 20);
	assert_int_equal(r->done[0].completeness, GAP);
	assert_int_equal(r->done[0].tokens.input, 110);
	rig_free(r);
}

static void test_invoke(void **state)
{
	static struct awsgen g;

	g.n = 0;
	aws_chunk(
		&g,
		"{\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":"
		"\"assistant\",\"model\":\"claude-x\",\"content\":[],\"usage\":{\"input_tokens\":9,"
		"\"cache_read_input_tokens\":5,\"output_tokens\":1}}}");
	aws_chunk(
		&g,
		"{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"tool_use\","
		"\"id\":\"tu_1\",\"name\":\"ls\",\"input\":{}}}");
	aws_chunk(
		&g,
		"{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\","
		"\"text\":\"secret words\"}}");
	aws_chunk(&g,
		  "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{"
		  "\"output_tokens\":12}}");
	aws_chunk(
		&g,
		"{\"type\":\"message_stop\",\"amazon-bedrock-invocationMetrics\":{\"inputTokenCount\":99,"
		"\"outputTokenCount\":98}}");
	for (size_t k = 0; k < ARRAY_SIZE(feed_sizes); k++) {
		struct rig *r =
			answered("/model/anthropic.claude-x/invoke-with-response-stream",
				 "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":9,"
				 "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}",
				 &g, feed_sizes[k], 0);
		const struct interaction *it = &r->done[0];

		assert_string_equal(it->incomplete_reason, "");
		assert_int_equal(it->dialect, DIALECT_BEDROCK_INVOKE);
		assert_string_equal(it->request_model, "anthropic.claude-x");
		assert_string_equal(it->response_model, "claude-x");
		assert_string_equal(it->response_id, "msg_1");
		assert_string_equal(it->finish_reason, "end_turn");
		assert_string_equal(it->tool_calls[0].name, "ls");
		assert_int_equal(it->tool_calls_count, 1);
		assert_int_equal(it->tokens.input, 14);
		assert_int_equal(it->tokens.output, 12);
		assert_non_null(strstr(r->text[1], "secret words"));
		rig_free(r);
	}
}

/* Another vendor's model: only the service's own sums are known. */
static void test_invoke_metrics(void **state)
{
	static struct awsgen g;
	struct rig *r;

	g.n = 0;
	aws_chunk(&g, "{\"something\":\"else\"}");
	aws_chunk(
		&g,
		"{\"amazon-bedrock-invocationMetrics\":{\"inputTokenCount\":99,\"outputTokenCount\":98}}");
	r = answered("/model/other.v1/invoke-with-response-stream", "{\"text\":\"x\"}", &g, 7, 0);
	assert_int_equal(r->done[0].dialect, DIALECT_BEDROCK_INVOKE);
	assert_int_equal(r->done[0].tokens.input, 99);
	assert_int_equal(r->done[0].tokens.output, 98);
	rig_free(r);
}

static void test_exception(void **state)
{
	static struct awsgen g;
	struct rig *r;

	g.n = 0;
	aws_event(&g, "event", "messageStart", "application/json", "{\"role\":\"assistant\"}");
	aws_event(&g, "exception", "modelStreamErrorException", "application/json",
		  "{\"message\":\"x\"}");
	r = answered("/model/m/converse-stream", converse_request, &g, 3, 0);
	assert_string_equal(r->done[0].error_type, "modelStreamErrorException");
	rig_free(r);

	converse(&g);
	g.n -= 10;
	r = answered("/model/m/converse-stream", converse_request, &g, 0, 0);
	assert_string_equal(r->done[0].incomplete_reason, "event stream ends inside an event");
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_events),	  cmocka_unit_test(test_checksums),
		cmocka_unit_test(test_gaps),	  cmocka_unit_test(test_lies),
		cmocka_unit_test(test_converse),  cmocka_unit_test(test_converse_with_a_gap),
		cmocka_unit_test(test_invoke),	  cmocka_unit_test(test_invoke_metrics),
		cmocka_unit_test(test_exception),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
