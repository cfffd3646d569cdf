// SPDX-License-Identifier: Apache-2.0
/* HTTP/1 heads, targets, body framing: every row whole, byte by byte, and against a guard page.
 * Long because it is tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "flow/http1.h"
#include "feed.h"

#define GET "GET / HTTP/1.1\r\n"
#define OK200 "HTTP/1.1 200 OK\r\n"

struct head_row {
	const char *in;
	bool answer;
	enum http1_answer want;
	size_t tail; /* bytes of `in` after the head */
	/* of an OK */
	const char *method, *target, *host, *codings;
	unsigned status;
	int64_t length; /* -1: no Content-Length */
	bool chunked;
	const char *bad;
};

static const struct head_row heads[] = {
	{GET "\r\n", 0, HTTP1_OK, 0, "GET", "/", "", "", 0, -1, 0, NULL},
	{"\r\n\n" GET "\r\n", 0, HTTP1_OK, 0, "GET", "/", "", "", 0, -1, 0, NULL},
	{"POST /v1/chat?x=1 HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 12\r\n\r\n{}", 0,
	 HTTP1_OK, 2, "POST", "/v1/chat?x=1", "api.example.com", "", 0, 12, 0, NULL},
	{"GET / HTTP/1.0\nHOST:h\n\nrest", 0, HTTP1_OK, 4, "GET", "/", "h", "", 0, -1, 0, NULL},
	{GET "Host: a\r\nhost: b\r\n\r\n", 0, HTTP1_OK, 0, "GET", "/", "a", "", 0, -1, 0, NULL},
	{GET "Host : a\r\n\r\n", 0, HTTP1_OK, 0, "GET", "/", "a", "", 0, -1, 0, NULL},
	{GET "X: 1\r\n folded\r\n\tagain\r\nHost: a\r\n\r\n", 0, HTTP1_OK, 0, "GET", "/", "a", "",
	 0, -1, 0, NULL},
	{GET "Content-Length:\r\n 7\r\n\r\n", 0, HTTP1_OK, 0, "GET", "/", "", "", 0, 7, 0, NULL},
	{GET "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 0, HTTP1_OK, 0, "GET", "/", "", "",
	 0, 5, 0, NULL},
	{GET "Content-Length: 5, 5\r\n\r\n", 0, HTTP1_OK, 0, "GET", "/", "", "", 0, 5, 0, NULL},
	{GET "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 0, HTTP1_OK, 0, "GET", "/", "", "",
	 0, 6, 0, "Content-Length values differ"},
	{GET "Content-Length: 5, 6\r\n\r\n", 0, HTTP1_OK, 0, "GET", "/", "", "", 0, 6, 0,
	 "Content-Length values differ"},
	{GET "Content-Length: -1\r\n\r\n", 0, HTTP1_OK, 0, "GET", "/", "", "", 0, -2, 0,
	 "Content-Length is not a length"},
	{GET "Content-Length: +5\r\n\r\n", 0, HTTP1_OK, 0, "GET", "/", "", "", 0, -2, 0,
	 "Content-Length is not a length"},
	{GET "Content-Length: 0x5\r\n\r\n", 0, HTTP1_OK, 0, "GET", "/", "", "", 0, -2, 0,
	 "Content-Length is not a length"},
	{GET "Content-Length: 99999999999999999999\r\n\r\n", 0, HTTP1_OK, 0, "GET", "/", "", "", 0,
	 -2, 0, "Content-Length is not a length"},
	{GET "Content-Length:\r\n\r\n", 0, HTTP1_OK, 0, "GET", "/", "", "", 0, -1, 0,
	 "Content-Length is empty"},
	{GET "Transfer-Encoding: chunked\r\n\r\n", 0, HTTP1_OK, 0, "GET", "/", "", "", 0, -1, 1,
	 NULL},
	{GET "Transfer-Encoding: gzip, Chunked\r\n\r\n", 0, HTTP1_OK, 0, "GET", "/", "", "gzip", 0,
	 -1, 1, NULL},
	{GET "Transfer-Encoding: gzip\r\n\r\n", 0, HTTP1_OK, 0, "GET", "/", "", "gzip", 0, -1, 0,
	 "chunked is not the last transfer coding"},
	{GET "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n", 0, HTTP1_OK, 0, "GET",
	 "/", "", "gzip", 0, -1, 0, "chunked is not the last transfer coding"},
	{GET "Content-Encoding: GZIP\r\nContent-Encoding: br, identity\r\n\r\n", 0, HTTP1_OK, 0,
	 "GET", "/", "", "gzip,br", 0, -1, 0, NULL},
	{GET
	 "Content-Encoding: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n\r\n",
	 0, HTTP1_OK, 0, "GET", "/", "", "too-long", 0, -1, 0, NULL},
	{"CONNECT api.example.com:443 HTTP/1.1\r\n\r\n", 0, HTTP1_OK, 0, "CONNECT",
	 "api.example.com:443", "", "", 0, -1, 0, NULL},
	{OK200 "Content-Length: 3\r\n\r\nabc", 1, HTTP1_OK, 3, NULL, NULL, "", "", 200, 3, 0, NULL},
	{"HTTP/1.1 200\r\n\r\n", 1, HTTP1_OK, 0, NULL, NULL, "", "", 200, -1, 0, NULL},
	{"HTTP/1.0 404 Not\tF\xc3\xb6und\n\n", 1, HTTP1_OK, 0, NULL, NULL, "", "", 404, -1, 0,
	 NULL},
	{"HTTP/1.1 100 Continue\r\n\r\n" OK200, 1, HTTP1_OK, 17, NULL, NULL, "", "", 100, -1, 0,
	 NULL},
	{OK200 "Transfer-Encoding: gzip\r\n\r\n", 1, HTTP1_OK, 0, NULL, NULL, "", "gzip", 200, -1,
	 0, NULL},
	/* not yet */
	{"", 0, HTTP1_MORE, 0, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
	{"\r\n", 0, HTTP1_MORE, 0, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
	{"POS", 0, HTTP1_MORE, 0, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
	{"PRI * HTTP/2", 0, HTTP1_MORE, 0, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
	{GET "Host: a\r\n", 0, HTTP1_MORE, 0, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
	{GET "\r", 0, HTTP1_MORE, 0, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
	{"HTTP/1.1 20", 1, HTTP1_MORE, 0, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
	/* never */
	{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0, HTTP1_BAD, 0, NULL, NULL, NULL, NULL, 0, 0, 0,
	 NULL},
	{"\x16\x03\x01", 0, HTTP1_BAD, 0, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
	{"*1\r\n$4\r\nPING\r\n", 0, HTTP1_BAD, 0, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
	{"EHLO mail\r\n", 0, HTTP1_BAD, 0, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
	{"get / HTTP/1.1\r\n\r\n", 0, HTTP1_BAD, 0, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
	{"AVERYLONGMETHODNAMEINDEED / HTTP/1.1\r\n", 0, HTTP1_BAD, 0, NULL, NULL, NULL, NULL, 0, 0,
	 0, NULL},
	{"GET  HTTP/1.1\r\n\r\n", 0, HTTP1_BAD, 0, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
	{"GET /\x01 HTTP/1.1\r\n\r\n", 0, HTTP1_BAD, 0, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
	{GET "no colon\r\n\r\n", 0, HTTP1_BAD, 0, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
	{GET ": empty\r\n\r\n", 0, HTTP1_BAD, 0, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
	{GET " folded: first\r\n\r\n", 0, HTTP1_BAD, 0, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
	{GET "A: b\r\n\rHost: hidden\r\n\r\n", 0, HTTP1_BAD, 0, NULL, NULL, NULL, NULL, 0, 0, 0,
	 NULL},
	{"HTTP/2 200\r\n\r\n", 1, HTTP1_BAD, 0, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
	{"HTTP/1.1 20x OK\r\n\r\n", 1, HTTP1_BAD, 0, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
	{"HTTP/1.1 2000 OK\r\n\r\n", 1, HTTP1_BAD, 0, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
	{"HTTP/1.1 099 OK\r\n\r\n", 1, HTTP1_BAD, 0, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
	{"SSH-2.0-OpenSSH\r\n", 1, HTTP1_BAD, 0, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
};

static void assert_slice(struct slice s, const char *want)
{
	assert_int_equal(s.n, strlen(want));
	assert_memory_equal(s.n ? s.p : "", want, s.n);
}

static void check_head(const struct head_row *r, const struct http1_head *h)
{
	if (r->answer)
		assert_int_equal(h->status, r->status);
	else
		assert_slice(h->method, r->method);
	assert_slice(h->target, r->answer ? "" : r->target);
	assert_slice(h->host, r->host);
	assert_string_equal(h->codings, r->codings);
	assert_int_equal(h->has_length, r->length != -1);
	if (r->length >= 0)
		assert_int_equal(h->length, r->length);
	assert_int_equal(h->chunked, r->chunked);
	assert_string_equal(h->bad_framing ? h->bad_framing : "", r->bad ? r->bad : "");
}

static void test_heads(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
		const struct head_row *r = &heads[i];
		size_t n = strlen(r->in), seen = 0, used = 777;
		struct guarded g = guarded_copy(r->in, n);
		struct http1_head h;

		assert_int_equal(http1_head_parse(!r->answer, g.p, n, &seen, &h, &used), r->want);
		assert_int_equal(used, r->want == HTTP1_OK ? n - r->tail : 777);
		if (r->want == HTTP1_OK)
			check_head(r, &h);
		guarded_free(&g);
	}
}

static void test_heads_byte_by_byte(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
		const struct head_row *r = &heads[i];
		enum http1_answer a = HTTP1_MORE;
		size_t n = strlen(r->in), seen = 0, used = 0, have = 0;
		struct http1_head h;

		while (have < n && a == HTTP1_MORE) {
			struct guarded g = guarded_copy(r->in, ++have);

			a = http1_head_parse(!r->answer, g.p, have, &seen, &h, &used);
			if (a == HTTP1_OK)
				check_head(r, &h);
			guarded_free(&g);
		}
		assert_int_equal(a, r->want);
		if (a == HTTP1_OK)
			assert_int_equal(have, n - r->tail);
	}
}

static void test_head_too_long(void **state)
{
	static char big[HTTP1_HEAD_MAX + 100];
	struct http1_head h;
	size_t seen = 0, used;

	memset(big, 'a', sizeof(big));
	memcpy(big, GET "X: ", strlen(GET "X: "));
	assert_int_equal(http1_head_parse(true, (uint8_t *)big, HTTP1_HEAD_MAX, &seen, &h, &used),
			 HTTP1_MORE);
	assert_int_equal(http1_head_parse(true, (uint8_t *)big, sizeof(big), &seen, &h, &used),
			 HTTP1_BAD);
	/* also when its end is there */
	memcpy(big + sizeof(big) - 4, "\r\n\r\n", 4);
	seen = 0;
	assert_int_equal(http1_head_parse(true, (uint8_t *)big, sizeof(big), &seen, &h, &used),
			 HTTP1_BAD);
}

static void test_salvage(void **state)
{
	static const struct {
		const char *in, *host;
		enum http1_answer want;
	} rows[] = {
		{"POST /v1 HTTP/1.1\r\nHost: a\r\nAuthoriz", "a", HTTP1_OK},
		{"POST /v1 HTTP/1.1\r\nHost: a\r\n", "a", HTTP1_OK},
		{"POST /v1 HTTP/1.1\r\nHos", "", HTTP1_OK},
		{"POST /v1 HTTP/1.1\r\nno colon\r\n folded\r\nHost: a\r\n\r\n", "a", HTTP1_OK},
		{"POST /v1 HTT", "", HTTP1_BAD},
		{"\r\n", "", HTTP1_BAD},
		{"x\r\n", "", HTTP1_BAD},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct guarded g = guarded_copy(rows[i].in, strlen(rows[i].in));
		struct http1_head h = {0};

		assert_int_equal(http1_head_salvage(true, g.p, strlen(rows[i].in), &h),
				 rows[i].want);
		assert_slice(h.host, rows[i].host);
		guarded_free(&g);
	}
}

static void test_find_start(void **state)
{
	static const struct {
		const char *in;
		bool answer;
		enum http1_answer want;
		size_t at;
	} rows[] = {
		{"POST /a HTTP/1.1\r\n", 0, HTTP1_OK, 0},
		{"\"}POST /a HTTP/1.1\r\nHost", 0, HTTP1_OK, 2},
		{"GET to work\r\nGET /x HTTP/1.0\r\n", 0, HTTP1_OK, 13},
		{"GET /x FTP/1.0\r\nP", 0, HTTP1_MORE, 16},
		{"abc POST /a HTTP", 0, HTTP1_MORE, 4},
		{"abcP", 0, HTTP1_MORE, 3},
		{"PPPOSTPOST /", 0, HTTP1_MORE, 6},
		{"POST /a b HTTP/1.1\r\n", 0, HTTP1_BAD, 0},
		{"\"POST /\":1}POST /b HTTP/1.1\r\n", 0, HTTP1_OK, 11},
		{"nothing here", 0, HTTP1_BAD, 0},
		{"", 0, HTTP1_BAD, 0},
		{"xHTTP/1.1 200 OK\r\n", 1, HTTP1_OK, 1},
		{"HTTP/1.1 2x0 OK\r\nHTTP/1.", 1, HTTP1_MORE, 17},
		{"HTTP/2 200\r\n", 1, HTTP1_BAD, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t n = strlen(rows[i].in), at = 0;
		struct guarded g = guarded_copy(rows[i].in, n);

		assert_int_equal(http1_find_start(!rows[i].answer, g.p, n, &at), rows[i].want);
		assert_int_equal(at, rows[i].at);
		guarded_free(&g);
	}
}

static void test_targets(void **state)
{
	static const struct {
		const char *in;
		bool connect;
		const char *host, *path;
		unsigned port;
	} rows[] = {
		{"/v1/x?key=1", 0, "", "/v1/x", 0},
		{"/a?b?c", 0, "", "/a", 0},
		{"*", 0, "", "*", 0},
		{"http://h.example/p?q", 0, "h.example", "/p", 0},
		{"HTTPS://u:p@H.example:8443/p", 0, "H.example", "/p", 8443},
		{"http://[::1]:11434/api/chat", 0, "::1", "/api/chat", 11434},
		{"http://h", 0, "h", "", 0},
		{"http://h?x=/y", 0, "h", "", 0},
		{"api.example.com:443", 1, "api.example.com", "", 443},
		{"[2001:db8::1]:443", 1, "2001:db8::1", "", 443},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t n = strlen(rows[i].in);
		struct guarded g = guarded_copy(rows[i].in, n);
		struct http1_target t;

		http1_target_split((struct slice){(char *)g.p, n}, rows[i].connect, &t);
		assert_slice(t.host, rows[i].host);
		assert_slice(t.path, rows[i].path);
		assert_int_equal(t.port, rows[i].port);
		guarded_free(&g);
	}
}

static void test_authorities(void **state)
{
	static const struct {
		const char *in, *host;
		unsigned port;
	} rows[] = {
		{"api.example.com", "api.example.com", 0},
		{"api.example.com.", "api.example.com", 0},
		{"api.example.com.:443", "api.example.com", 443},
		{" h:80 ", "h", 80},
		{"h:", "h", 0},
		{"h:x", "h", 0},
		{"h:65535", "h", 65535},
		{"h:65536", "h", 0},
		{"h:99999999999999999999", "h", 0},
		{"[::1]", "::1", 0},
		{"[::1]:8080", "::1", 8080},
		{"[::1", "::1", 0},
		{"[", "", 0},
		{":80", "", 80},
		{"", "", 0},
		{".", ".", 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t n = strlen(rows[i].in);
		struct guarded g = guarded_copy(rows[i].in, n);
		struct slice host;
		uint16_t port = 7;

		http1_authority_split((struct slice){(char *)g.p, n}, &host, &port);
		assert_slice(host, rows[i].host);
		assert_int_equal(port, rows[i].port);
		guarded_free(&g);
	}
}

/* --- bodies --------------------------------------------------------------------------------- */

struct body_row {
	const char *head, *in, *body;
	bool answer, to_head;
	enum http1_answer want; /* after all of `in`; MORE: not over */
	size_t tail;		/* bytes of `in` after the body */
};

#define CH OK200 "Transfer-Encoding: chunked\r\n\r\n"
static const struct body_row bodies[] = {
	{GET "\r\n", "next", "", 0, 0, HTTP1_OK, 4},
	{GET "Content-Length: 0\r\n\r\n", "next", "", 0, 0, HTTP1_OK, 4},
	{GET "Content-Length: 3\r\n\r\n", "abcnext", "abc", 0, 0, HTTP1_OK, 4},
	{GET "Content-Length: 9\r\n\r\n", "abc", "abc", 0, 0, HTTP1_MORE, 0},
	{GET "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", "3\r\nabc\r\n0\r\n\r\n",
	 "abc", 0, 0, HTTP1_OK, 0},
	{OK200 "\r\n", "until the end", "until the end", 1, 0, HTTP1_MORE, 0},
	{OK200 "Transfer-Encoding: gzip\r\nContent-Length: 1\r\n\r\n", "abc", "abc", 1, 0,
	 HTTP1_MORE, 0},
	{OK200 "Content-Length: 3\r\n\r\n", "next", "", 1, 1, HTTP1_OK, 4},
	{"HTTP/1.1 204 No\r\nContent-Length: 3\r\n\r\n", "next", "", 1, 0, HTTP1_OK, 4},
	{"HTTP/1.1 304 Not\r\nTransfer-Encoding: chunked\r\n\r\n", "next", "", 1, 0, HTTP1_OK, 4},
	{"HTTP/1.1 100 C\r\n\r\n", "next", "", 1, 0, HTTP1_OK, 4},
	{CH, "0\r\n\r\nnext", "", 1, 0, HTTP1_OK, 4},
	{CH, "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world", 1, 0, HTTP1_OK, 0},
	{CH, "5\nhello\n0\n\nnext", "hello", 1, 0, HTTP1_OK, 4},
	{CH, "a;name=\"v;w\"\r\n0123456789\r\n0;last\r\n\r\n", "0123456789", 1, 0, HTTP1_OK, 0},
	{CH, "00A \r\n0123456789\r\n000\r\n\r\n", "0123456789", 1, 0, HTTP1_OK, 0},
	{CH, "1\r\nx\r\n0\r\nTrailer: 1\r\nOther:\r\n\r\nnext", "x", 1, 0, HTTP1_OK, 4},
	{CH, "5\r\nhel", "hel", 1, 0, HTTP1_MORE, 0},
	{CH, "1\r\nx\r\n0\r\n", "x", 1, 0, HTTP1_MORE, 0},
	{CH, "5\r\nhelloX", "hello", 1, 0, HTTP1_BAD, 0},
	{CH, "5\r\nhello\r\r", "hello", 1, 0, HTTP1_BAD, 0},
	{CH, "\r\n", "", 1, 0, HTTP1_BAD, 0},
	{CH, "-1\r\n", "", 1, 0, HTTP1_BAD, 0},
	{CH, "xyz\r\n", "", 1, 0, HTTP1_BAD, 0},
	{CH, "fffffffffffffffff\r\n", "", 1, 0, HTTP1_BAD, 0},
};

static void run_body(const struct body_row *r, size_t piece)
{
	struct http1_head h;
	struct http1_body b;
	char got[256];
	size_t seen = 0, used, got_n = 0, n = strlen(r->in), at = 0;
	enum http1_answer a;

	a = http1_head_parse(!r->answer, (uint8_t *)r->head, strlen(r->head), &seen, &h, &used);
	assert_int_equal(a, HTTP1_OK);
	http1_body_init(&b, !r->answer, &h, r->to_head);
	a = http1_body_over(&b) ? HTTP1_OK : HTTP1_MORE;
	while (at < n && a == HTTP1_MORE) {
		size_t len = piece && piece < n - at ? piece : n - at, data_n;
		struct guarded g = guarded_copy(r->in + at, len);
		const uint8_t *data;

		a = http1_body_step(&b, g.p, len, &used, &data, &data_n);
		if (data_n) {
			memcpy(got + got_n, data, data_n);
			got_n += data_n;
		}
		if (a != HTTP1_BAD) {
			assert_in_range(used, 1, len);
			at += used;
		}
		guarded_free(&g);
	}
	assert_int_equal(a, r->want);
	if (a != HTTP1_BAD)
		assert_int_equal(at, n - r->tail);
	assert_int_equal(got_n, strlen(r->body));
	assert_memory_equal(got, r->body, got_n);
}

static void test_bodies(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++)
		for (size_t k = 0; k < ARRAY_SIZE(feed_sizes); k++)
			run_body(&bodies[i], feed_sizes[k]);
}

static void test_endless_trailers(void **state)
{
	struct http1_body b = {.mode = HTTP1_CHUNKED};
	uint8_t line[64];
	const uint8_t *data;
	size_t used, n, total = 0;
	enum http1_answer a;

	assert_int_equal(http1_body_step(&b, (const uint8_t *)"0\r\n", 3, &used, &data, &n),
			 HTTP1_MORE);
	memset(line, 'x', sizeof(line));
	do {
		a = http1_body_step(&b, line, sizeof(line), &used, &data, &n);
		total += sizeof(line);
	} while (a == HTTP1_MORE && total < 10 * HTTP1_HEAD_MAX);
	assert_int_equal(a, HTTP1_BAD);
	assert_in_range(total, HTTP1_HEAD_MAX, HTTP1_HEAD_MAX + 2 * sizeof(line));
}

/* before, n missing, after: what of `after` is given, and how it ends. */
static void test_gaps(void **state)
{
	static const struct {
		const char *head, *before;
		uint64_t missing;
		enum http1_answer gap;
		const char *after, *body;
		enum http1_answer want;
	} rows[] = {
		{OK200 "Content-Length: 10\r\n\r\n", "ab", 3, HTTP1_OK, "fghij", "fghij", HTTP1_OK},
		{OK200 "Content-Length: 10\r\n\r\n", "ab", 8, HTTP1_OK, "", "", HTTP1_OK},
		{OK200 "Content-Length: 10\r\n\r\n", "ab", 9, HTTP1_BAD, "", "", HTTP1_MORE},
		{OK200 "\r\n", "ab", 1000, HTTP1_OK, "cd", "cd", HTTP1_MORE},
		{CH, "a\r\n01", 5, HTTP1_OK, "789\r\n0\r\n\r\n", "789", HTTP1_OK},
		{CH, "a\r\n01", 8, HTTP1_OK, "\r\n1\r\nx\r\n0\r\n\r\n", "x", HTTP1_OK},
		{CH, "a\r\n01", 9, HTTP1_MORE, "\n1\r\nx\r\n0\r\n\r\n", "",
		 HTTP1_OK}, /* finds only "0" */
		{CH, "a\r\n01", 10, HTTP1_MORE, "1\r\nx\r\n0\r\n\r\n", "x", HTTP1_OK},
		{CH, "a\r\n01", 20, HTTP1_MORE, "garbage 12\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "abc",
		 HTTP1_OK},
		{CH, "a\r\n01", 20, HTTP1_MORE, "\r\n\r\r\n2\r\nab\r\n0\r\n\r\n", "ab", HTTP1_OK},
		/* a guess that is wrong is taken back */
		{CH, "a\r\n01", 20, HTTP1_MORE, "2\r\nabXX\r\n3\r\nxyz\r\n0\r\n\r\n", "abxyz",
		 HTTP1_OK},
		{CH, "a\r\n01", 20, HTTP1_MORE, "0\r\nXX\r\n3\r\nxyz\r\n0\r\n\r\n", "xyz",
		 HTTP1_OK},
		{CH, "a", 20, HTTP1_MORE, "no border", "", HTTP1_MORE},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (size_t piece = 1; piece < 40; piece++) {
			size_t n = strlen(rows[i].after), used, seen = 0, data_n, got_n = 0;
			struct http1_head h;
			struct http1_body b;
			const uint8_t *data;
			char got[64];
			enum http1_answer a;

			http1_head_parse(false, (uint8_t *)rows[i].head, strlen(rows[i].head),
					 &seen, &h, &used);
			http1_body_init(&b, false, &h, false);
			for (size_t at = 0; at < strlen(rows[i].before); at += used)
				http1_body_step(&b, (uint8_t *)rows[i].before + at,
						strlen(rows[i].before) - at, &used, &data, &data_n);
			assert_int_equal(http1_body_gap(&b, rows[i].missing), rows[i].gap);
			assert_int_equal(http1_body_lost(&b), rows[i].gap == HTTP1_MORE);
			a = http1_body_over(&b) ? HTTP1_OK : HTTP1_MORE;
			for (size_t at = 0; at < n && a == HTTP1_MORE; at += used) {
				size_t len = piece < n - at ? piece : n - at;

				a = http1_body_step(&b, (uint8_t *)rows[i].after + at, len, &used,
						    &data, &data_n);
				if (data_n)
					memcpy(got + got_n, data, data_n);
				got_n += data_n;
			}
			assert_int_equal(a, rows[i].want);
			assert_int_equal(got_n, strlen(rows[i].body));
			assert_memory_equal(got, rows[i].body, got_n);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_heads),
		cmocka_unit_test(test_heads_byte_by_byte),
		cmocka_unit_test(test_head_too_long),
		cmocka_unit_test(test_salvage),
		cmocka_unit_test(test_find_start),
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_authorities),
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_endless_trailers),
		cmocka_unit_test(test_gaps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
