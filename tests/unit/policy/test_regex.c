// SPDX-License-Identifier: Apache-2.0
/* What an expression matches, which are refused, and that none costs much to compile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "policy/regex.h"

DEFINE_CLEANUP(struct regex_space, regex_space_free)

static const struct {
	const char *pattern, *text;
	int hit;
} rows[] = {
	{"gpt-[45].*", "gpt-4o", 1},
	{"gpt-[45].*", "gpt-3.5", 0},
	{"gpt-[45]", "gpt-4o", 0}, /* the whole value */
	{"pt-[45]", "gpt-4", 0},   /* from its beginning */
	{"a|bc", "abc", 0},	   /* and an alternative too */
	{"a|bc", "bc", 1},
	{"^a$", "a", 1}, /* anchors of one's own do no harm */
	{"a", "a\n", 0}, /* $ would take the line's end */
	{"GPT", "gpt", 0},
	{"(?i)GPT", "gpt", 1},
	{"a.c", "a\nc", 1}, /* any byte */
	{"caf\xc3\xa9", "caf\xc3\xa9", 1},
	{"caf..", "caf\xc3\xa9", 1}, /* bytes, not characters */
	{"x[0-9]{2,4}", "x123", 1},
	{"x[0-9]{2,4}", "x1", 0},
	{"x{ab", "x{ab", 1}, /* no count: itself */
	{"[]a]+", "]a]", 1},
	{"[^]]+", "abc", 1},
	{"\\(x\\)", "(x)", 1},
	{"(?:ab)+", "abab", 1},
	{".+", "", 0},
	{"\xff", "\xff", 1}, /* no UTF-8 */
};

static void test_rows(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(regex_space_freep) struct regex_space *sp = regex_space_new();
		struct regex_set *s;
		char err[160] = "";
		size_t bad;

		if (regex_set_new(sp, &rows[i].pattern, 1, &s, &bad, err, sizeof(err)))
			fail_msg("%s: %s", rows[i].pattern, err);
		if (regex_set_hit(s, rows[i].text, strlen(rows[i].text)) != rows[i].hit)
			fail_msg("/%s/ and \"%s\": expected %d", rows[i].pattern, rows[i].text,
				 rows[i].hit);
	}
}

static void test_one_of_many(void **state)
{
	static const char *const patterns[] = {"a+", "b+", "c+"};
	_cleanup_(regex_space_freep) struct regex_space *sp = regex_space_new();
	struct regex_set *s, *other;
	char err[160];
	size_t bad;

	assert_int_equal(regex_set_new(sp, patterns, 3, &s, &bad, err, sizeof(err)), 0);
	assert_int_equal(regex_set_new(sp, patterns, 1, &other, &bad, err, sizeof(err)), 0);
	assert_int_equal(regex_set_hit(s, "ccc", 3), 1);
	assert_int_equal(regex_set_hit(s, "abc", 3), 0);
	assert_int_equal(regex_set_hit(other, "ccc", 3), 0);
	assert_int_equal(regex_set_hit(other, "aaa", 3), 1);
}

/* err: how it begins; NULL: whatever Vectorscan says. */
static const struct {
	const char *pattern, *err;
} refused[] = {
	{"", "it matches the empty text"},
	{"a*", "it matches the empty text"},
	{"a?|b", "it matches the empty text"},
	{".*", "it matches the empty text"},
	{"()", "it matches the empty text"},
	{"^", NULL},
	{"(", "a \"(\" without its \")\""},
	{"a)|(b", "a \")\" without its \"(\""},
	{"[a", NULL},
	{"(?=a)b", NULL},
	{"(?<!a)b", NULL},
	{"(a)\\1", NULL},
	{"a{129}", "it repeats more than 128 times"},
	{"a{1,1000}", "it repeats more than 128 times"},
	{"a{99999999999999999999}", "it repeats more than 128 times"},
	{"(a{20}){20}", "it repeats more than 128 times"},
	{"((a{5}b){5}c){6}", "it repeats more than 128 times"},
	{"a{20}{20}", "it repeats more than 128 times"},
	{"(a{20})?{20}", "it repeats more than 128 times"},
	{"\\Qa{1000}", "\\Q and \\E are not part of it"},
	{"a(?#x)b", "comments are not part of it"},
	{"((((((((((((((((((a))))))))))))))))))", "more than 16 groups in one another"},
	{"a\\", NULL},
};

static void test_refused(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		_cleanup_(regex_space_freep) struct regex_space *sp = regex_space_new();
		const char *patterns[2] = {"fine", refused[i].pattern};
		struct regex_set *s = NULL;
		char err[160] = "";
		size_t bad = 0;
		int r = regex_set_new(sp, patterns, 2, &s, &bad, err, sizeof(err));

		if (r != -EINVAL || s || bad != 1 || !*err ||
		    (refused[i].err && strcmp(err, refused[i].err)))
			fail_msg("%s: %d, %zu, \"%s\"", refused[i].pattern, r, bad, err);
	}
}

static void test_at_most(void **state)
{
	_cleanup_(regex_space_freep) struct regex_space *sp = regex_space_new();
	const char *one[] = {"a"};
	struct regex_set *s;
	char err[160];
	size_t bad;

	for (int i = 0; i < REGEX_PACK_MAX; i++)
		assert_int_equal(regex_set_new(sp, one, 1, &s, &bad, err, sizeof(err)), 0);
	assert_int_equal(regex_set_new(sp, one, 1, &s, &bad, err, sizeof(err)), -E2BIG);
	assert_string_equal(err, "more than 64 expressions in one pack");
}

/* The worst that the limits let through, each in a fraction of what a reload may take. */
static void test_cost_of_compiling(void **state)
{
	static const char *const worst[] = {
		"(.{1,11}){1,11}x",
		"(a|b|c|d).{120,128}(e|f)",
		"(.*a.{100}|.*b.{100}|.*c.{100})",
		"((x{1,3}y{1,3}){1,4}z{1,4}){1,5}.*(p{1,128}|q{1,128})",
		"(?i)(secret|token|password|key|credential).{1,128}(secret|token|password).{1,128}x",
		"([a-z0-9]{1,128}\\.){1}([a-z0-9]{1,128}\\.){1}([a-z0-9]{1,128}\\.){1}com",
	};

	for (size_t i = 0; i < ARRAY_SIZE(worst); i++) {
		_cleanup_(regex_space_freep) struct regex_space *sp = regex_space_new();
		struct timespec from, to;
		struct regex_set *s;
		char err[160] = "";
		size_t bad;
		double ms;
		int r;

		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
		r = regex_set_new(sp, &worst[i], 1, &s, &bad, err, sizeof(err));
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
		ms = (to.tv_sec - from.tv_sec) * 1e3 + (to.tv_nsec - from.tv_nsec) / 1e6;
		printf("%6.1f ms  %s%s%s\n", ms, worst[i], r ? ": " : "", err);
		assert_true(r == 0 || r == -EINVAL);
		assert_true(ms < 2000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_one_of_many),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_at_most),
		cmocka_unit_test(test_cost_of_compiling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
