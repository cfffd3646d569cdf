// SPDX-License-Identifier: Apache-2.0
/* Lines to documents: every row whole, in pieces of every size, and against a guard page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "flow/ndjson.h"
#include "docs.h"
#include "feed.h"

static const struct {
	const char *in, *want, *after_gap;
	bool cut;
} rows[] = {
	{"{}\n{\"a\":1}\n", "(|{})(|{\"a\":1})", NULL, 0},
	{"{}\r\n{}\r\n", "(|{}\r)(|{}\r)", NULL, 0},
	{"\n\r\n \t\n{}\n\n", "(|{})", NULL, 0},
	{"  {} \n", "(|{} )", NULL, 0},
	{"{}\n{\"a\"", "(|{})(|{\"a\"~", NULL, 1},
	{"{}\n{}", "(|{})(|{})", NULL, 0},
	{"", "", NULL, 0},
	{"", "", NULL, 1},
	{"{}\n{\"a\":", "(|{})(|{\"a\":~(|[])", "1}\n[]\n", 0},
	{"{}\n", "(|{})(|[])", "{}\n[]\n", 0},
	{"{", "(|{~", "no more lines", 0},
};

static void feed(struct ndjson *s, const char *in, size_t piece)
{
	size_t n = strlen(in);

	for (size_t at = 0, len; at < n; at += len) {
		struct guarded g;

		len = piece && piece < n - at ? piece : n - at;
		g = guarded_copy(in + at, len);
		ndjson_data(s, g.p, len);
		guarded_free(&g);
	}
}

static void test_lines(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (size_t piece = 0; piece < 9; piece++) {
			struct docs got = {0};
			struct doc_sink sink = {docs_begin, docs_data, docs_end, &got};
			struct ndjson s;

			ndjson_init(&s, &sink);
			feed(&s, rows[i].in, piece);
			if (rows[i].after_gap) {
				ndjson_gap(&s);
				feed(&s, rows[i].after_gap, piece);
			}
			ndjson_end(&s, rows[i].cut);
			assert_string_equal(got.text, rows[i].want);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
