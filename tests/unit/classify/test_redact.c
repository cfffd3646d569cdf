/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A text is scanned, its values located in a write that has other bytes around and between the
 * pieces of it, and masked there. Every row runs with the text whole and cut into runs at each byte:
 * the outcome is the same. Secrets are made up and joined from parts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "classify/dataclass.h"
#include "classify/redact.h"

#define SPANS 64
#define JUNK "\r\n4111111111111111\r\n" /* between runs: never touched */

static struct dataclass_db *db;

struct found {
	struct {
		unsigned class;
		uint64_t start, end;
	} v[SPANS];
	size_t n;
};

static void on_value(void *ctx, unsigned class, uint64_t start, uint64_t end)
{
	struct found *f = ctx;

	assert_true(f->n < SPANS);
	f->v[f->n].class = class;
	f->v[f->n].start = start;
	f->v[f->n++].end = end;
}

struct row {
	const char *text, *masked; /* NULL: cannot be */
	int error;
};

static const struct row rows[] = {
	{"{\"a\":\"card 4111111111111111 end\"}", "{\"a\":\"card XXXXXXXXXXXXXXXX end\"}", 0},
	{"{\"a\":\"4111 1111 1111 1111\"}", "{\"a\":\"XXXXXXXXXXXXXXXXXXX\"}", 0},
	{"{\"a\":4111111111111111}", NULL, -EILSEQ},
	{"[1,{\"k\":[\"x\",\"jane@example.com\"]}]", "[1,{\"k\":[\"x\",\"XXXXXXXXXXXXXXXX\"]}]", 0},
	{"{\"a\":\"line\\njane@example.com\\nend\"}", "{\"a\":\"line\\nXXXXXXXXXXXXXXXX\\nend\"}",
	 0},
	{"{\"a\":\"say \\\"jane@example.com\\\"\"}", "{\"a\":\"say \\\"XXXXXXXXXXXXXXXX\\\"\"}", 0},
	{"{\"a\":\"\\u00e9 jane@example.com \xc3\xa9\"}",
	 "{\"a\":\"\\u00e9 XXXXXXXXXXXXXXXX \xc3\xa9\"}", 0},
	{"plain words: jane@example.com.", "plain words: XXXXXXXXXXXXXXXX.", 0},
	{" \n {\"jane@example.com\":\"jane@example.com\"}",
	 " \n {\"XXXXXXXXXXXXXXXX\":\"XXXXXXXXXXXXXXXX\"}", 0},
	{"{\"a\":\"x\"}", "{\"a\":\"x\"}", 0},
	{"{\"k\":\"-----BEGIN "
	 "RSA PRIVATE KEY-----\\nMIIabcdefghijklmdefghijkl+/\\nQQ==\\n-----END RSA PRIVATE KEY-----\\n\"}",
	 "{\"k\":\"XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX\\nXXXXXXXXXXXXXXXXXXXXXXXXXXX\\nXXXX\\nXXXXXXXXXXXXXXXXXXXXXXXXXXXXX\\n\"}",
	 0},
	{"{\"k\":\"-----BEGIN "
	 "PRIVATE KEY-----\\nMIIabcdefghijklm\",\"b\":1}",
	 "{\"k\":\"XXXXXXXXXXXXXXXXXXXXXXXXXXX\\nXXXXXXXXXXXXXXXX\",\"b\":1}", 0},
	{"{\"t\":\"Bearer eyJhbGciOiJIUzI1NiJ9."
	 "eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmN\"}",
	 "{\"t\":\"Bearer XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX\"}", 0},
};

/* The write: the text in runs of `step` bytes with junk around each. */
struct write {
	uint8_t bytes[8192], kind[8192];
	struct redact_run run[512];
	struct redact_write w;
};

static void make(struct write *x, const char *text, size_t step)
{
	size_t len = strlen(text), n = 0, runs = 0;
	struct redact_text t = {0};

	memset(x, 0, sizeof(*x));
	for (size_t at = 0; at < len; at += step) {
		size_t k = len - at < step ? len - at : step;

		memcpy(x->bytes + n, JUNK, strlen(JUNK));
		n += strlen(JUNK);
		memcpy(x->bytes + n, text + at, k);
		redact_feed(&t, x->bytes + n, k, x->kind + n);
		x->run[runs++] = (struct redact_run){at, n, k};
		n += k;
	}
	x->w = (struct redact_write){x->bytes, x->kind, n, x->run, runs, true};
}

static int mask(struct write *x, struct found f_copy)
{
	struct redact_span span[256];
	struct found *f = &f_copy;
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; !r && i < f->n; i++)
		r = redact_value(&x->w, f->v[i].class, f->v[i].start, &f->v[i].end, span,
				 ARRAY_SIZE(span), &n);
	for (size_t i = 0; i < n; i++)
		for (uint32_t k = 0; k < span[i].n; k++) {
			assert_int_equal(x->kind[span[i].at + k], REDACT_MAY);
			x->bytes[span[i].at + k] = REDACT_CHAR;
		}
	return r;
}

static void find(const char *text, struct found *f)
{
	struct dataclass_scan s;

	*f = (struct found){0};
	dataclass_begin(&s);
	s.value = on_value;
	s.ctx = f;
	dataclass_feed(db, &s, (const uint8_t *)text, strlen(text));
	dataclass_end(db, &s);
}

static void test_rows(void **state)
{
	static struct write x, before;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];
		struct found f;

		find(r->text, &f);
		for (size_t step = 1; step <= strlen(r->text); step += step < 8 ? 1 : 23) {
			char got[4096];
			size_t n = 0;

			make(&x, r->text, step);
			before = x;
			assert_int_equal(mask(&x, f), r->error);
			for (size_t k = 0; k < x.w.runs; k++) {
				memcpy(got + n, x.bytes + x.run[k].raw, x.run[k].n);
				n += x.run[k].n;
				memcpy(x.bytes + x.run[k].raw, before.bytes + x.run[k].raw,
				       x.run[k].n);
			}
			got[n] = '\0';
			if (r->masked)
				assert_string_equal(got, r->masked);
			/* and nothing else was */
			assert_memory_equal(x.bytes, before.bytes, x.w.n);
		}
	}
}

/* The scan gives the same places however the text comes, and peek what is not settled. */
static void test_places(void **state)
{
	static const char text[] = "a jane@example.com b 4111111111111111 c";
	struct found whole, cut = {0}, peeked = {0};
	struct dataclass_scan s;

	find(text, &whole);
	assert_int_equal(whole.n, 2);
	assert_int_equal(whole.v[0].start, 2);
	assert_int_equal(whole.v[0].end, 18);
	dataclass_begin(&s);
	s.value = on_value;
	s.ctx = &cut;
	for (size_t i = 0; i < strlen(text); i++)
		dataclass_feed(db, &s, (const uint8_t *)text + i, 1);
	assert_int_equal(cut.n, 0); /* all of it is within the reach of what may come */
	dataclass_peek(db, &s, on_value, &peeked);
	assert_int_equal(peeked.n, 2);
	assert_int_equal(cut.n, 0);
	dataclass_end(db, &s);
	assert_int_equal(cut.n, 2);
	assert_int_equal(cut.v[1].start, whole.v[1].start);
	assert_int_equal(cut.v[1].end, whole.v[1].end);
	assert_int_equal(peeked.v[1].start, whole.v[1].start);
}

/* What is not all in this write cannot be masked, and nothing of it is. */
static void test_split(void **state)
{
	static const char text[] = "{\"a\":\"jane@example.com\"}";
	struct redact_span span[8] = {{0, 0}};
	static struct write x;
	struct found f;
	size_t n = 0;

	find(text, &f);
	make(&x, text, 10);
	assert_int_equal(x.w.runs, 3);
	x.w.runs = 2;
	assert_int_equal(redact_value(&x.w, f.v[0].class, f.v[0].start, &f.v[0].end, span, 8, &n),
			 -ERANGE);
	assert_int_equal(n, 0);
	make(&x, text, 10);
	x.w.run++;
	x.w.runs--;
	assert_int_equal(redact_value(&x.w, f.v[0].class, f.v[0].start, &f.v[0].end, span, 8, &n),
			 -ERANGE);
	make(&x, text, 1);
	assert_int_equal(redact_value(&x.w, f.v[0].class, f.v[0].start, &f.v[0].end, span, 8, &n),
			 -ENOBUFS);
	assert_int_equal(n, 0);
}

/* A key whose end is not here may go on in the next write. */
static void test_open_end(void **state)
{
	static const char text[] = "{\"k\":\"-----BEGIN "
				   "PRIVATE KEY-----\\nMIIabcdefghijklm";
	struct redact_span span[8];
	static struct write x;
	struct found f;
	size_t n = 0;

	find(text, &f);
	assert_int_equal(f.n, 1);
	make(&x, text, 4096);
	x.w.over = false;
	assert_int_equal(redact_value(&x.w, f.v[0].class, f.v[0].start, &f.v[0].end, span, 8, &n),
			 -ERANGE);
	x.w.over = true;
	assert_int_equal(redact_value(&x.w, f.v[0].class, f.v[0].start, &f.v[0].end, span, 8, &n),
			 0);
	assert_int_equal(n, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_open_end),
	};
	char err[256];
	int r;

	db = dataclass_db_new(err, sizeof(err));
	assert_non_null(db);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	dataclass_db_free(db);
	return r;
}
