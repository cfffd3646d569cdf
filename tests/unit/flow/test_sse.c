// SPDX-License-Identifier: Apache-2.0
/* Event streams: every row whole, in pieces of every size, and against a guard page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "flow/sse.h"
#include "docs.h"
#include "feed.h"

struct row {
	const char *in, *want;
	const char *after_gap; /* not NULL: bytes are missing, then this */
	bool cut;
};

static const struct row rows[] = {
	{"data: {\"a\":1}\n\n", "(|{\"a\":1})", NULL, 0},
	{"data: a\r\n\r\ndata: b\r\n\r\n", "(|a)(|b)", NULL, 0},
	{"data: a\r\rdata: b\r\r", "(|a)(|b)", NULL, 0},
	{"data: a\r\n\rdata: b\n\r\n", "(|a)(|b)", NULL, 0},
	{"data:a\n\ndata:  b\n\n", "(|a)(| b)", NULL, 0},
	{"\xef\xbb\xbf"
	 "data: a\n\n",
	 "(|a)", NULL, 0},
	{"event: delta\ndata: a\n\ndata: b\n\n", "(delta|a)(|b)", NULL, 0},
	{"event: one\nevent: two\ndata: a\n\n", "(two|a)", NULL, 0},
	{"event:\ndata: a\n\n", "(|a)", NULL, 0},
	{"event: never\n\ndata: a\n\n", "(|a)", NULL, 0},
	{"data: a\ndata: b\ndata: c\n\n", "(|a\nb\nc)", NULL, 0},
	{"data: a\nevent: late\ndata: b\n\n", "(|a\nb)", NULL, 0},
	{"data:\n\ndata\n\ndata: \n\n", "", NULL, 0},
	{"data\ndata: x\ndata\n\n", "(|\nx\n)", NULL, 0},
	{": comment\n:\ndata: a\n: another\n\n", "(|a)", NULL, 0},
	{"id: 1\nretry: 10\nfoo: bar\nfoo\ndata: a\n\n", "(|a)", NULL, 0},
	{"dataX: no\nDATA: no\n data: no\n\n", "", NULL, 0},
	{"database: no\neventfully: no\n\n", "", NULL, 0},
	{"data: [DONE]\n\n", "(|[DONE])", NULL, 0},
	{"data: a: b: c\n\n", "(|a: b: c)", NULL, 0},
	{"\n\n\r\r\n\ndata: a\n\n\n\n", "(|a)", NULL, 0},
	/* the stream ends without an empty line */
	{"data: a", "(|a)", NULL, 0},
	{"data: a\n", "(|a)", NULL, 0},
	{"data: a\n", "(|a~", NULL, 1},
	{"data: a\n\ndata: b", "(|a)(|b~", NULL, 1},
	{"event: x\n", "", NULL, 1},
	{"", "", NULL, 1},
	/* names longer than SSE_EVENT_MAX are cut */
	{"event: 0123456789012345678901234567890123456789012345678901234567890123456789\ndata: a\n\n",
	 "(012345678901234567890123456789012345678901234567890123456789012|a)", NULL, 0},
	/* gaps */
	{"data: {\"a\":", "(|{\"a\":~(|b)", "2}\n\ndata: b\n\n", 0},
	{"data: a\n\nda", "(|a)(|c)", "ta: b\n\ndata: c\n\n", 0},
	{"data: a\n\n", "(|a)(|b)", "data: b\n\n", 0},
	{"event: e\ndata: a\n", "(e|a~(f|b)", "event: f\ndata: b\n\n", 0},
	{"data: a", "(|a~(|b)", "\n\ndata: b\n\n", 0},
	{"data: a", "(|a~(|d)", " data: b\n: c\nid: 1\n\ndata: d\n\n", 0},
	{"data: a", "(|a~", "never again", 0},
};

static void feed(struct sse *s, const char *in, size_t piece)
{
	size_t n = strlen(in);

	for (size_t at = 0, len; at < n; at += len) {
		struct guarded g;

		len = piece && piece < n - at ? piece : n - at;
		g = guarded_copy(in + at, len);
		sse_data(s, g.p, len);
		guarded_free(&g);
	}
}

static void test_events(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (size_t piece = 0; piece < 9; piece++) {
			struct docs got = {0};
			struct doc_sink sink = {docs_begin, docs_data, docs_end, &got};
			struct sse s;

			sse_init(&s, &sink);
			feed(&s, rows[i].in, piece);
			if (rows[i].after_gap) {
				sse_gap(&s);
				feed(&s, rows[i].after_gap, piece);
			}
			sse_end(&s, rows[i].cut);
			assert_string_equal(got.text, rows[i].want);
		}
	}
}

static size_t streamed;
static unsigned ends;
static void count_begin(void *ctx, const char *event) {}
static void count_data(void *ctx, const uint8_t *p, size_t n)
{
	streamed += n;
}
static void count_end(void *ctx, bool cut)
{
	ends++;
}

/* One event of 64 MiB passes through; nothing of it is kept (struct sse has no pointer to it). */
static void test_large_event(void **state)
{
	static const struct doc_sink sink = {count_begin, count_data, count_end, NULL};
	static uint8_t block[65536];
	struct sse s;

	memset(block, 'x', sizeof(block));
	sse_init(&s, &sink);
	sse_data(&s, (const uint8_t *)"data: ", 6);
	for (int i = 0; i < 1024; i++)
		sse_data(&s, block, sizeof(block));
	assert_int_equal(ends, 0);
	sse_data(&s, (const uint8_t *)"\n\n", 2);
	assert_int_equal(streamed, 64 << 20);
	assert_int_equal(ends, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_large_event),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
