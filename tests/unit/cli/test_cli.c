// SPDX-License-Identifier: Apache-2.0
/* The shared helpers of the verbs: words, options, numbers, times, columns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <locale.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/columns.h"
#include "fixture.h"

#define NOW (FIXTURE_T0 + 3600 * 1000000000ull) /* 2026-11-21T09:00:00Z */

static void test_nearest(void **state)
{
	static const struct cli_verb verbs[] = {
		{"status", NULL, ""}, {"watch", NULL, ""}, {"ls", NULL, ""},
		{"verify", NULL, ""}, {NULL, NULL, NULL},
	};
	static const struct {
		const char *word, *want;
	} rows[] = {
		{"statsu", "status"},
		{"wtach", "watch"},
		{"lss", "ls"},
		{"l", "ls"},
		{"vrfy", "verify"},
		{"ver", "verify"},
		{"xyzzy", NULL},
		{"", NULL},
		{"q", NULL},
		{"stat", "status"},
		{"a-very-long-word-that-is-none", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *got = cli_nearest(verbs, rows[i].word);

		if (rows[i].want)
			assert_string_equal(got ?: "(none)", rows[i].want);
		else
			assert_null(got);
	}
}

struct options {
	bool json;
	const char *dir;
	uint64_t n;
};

static int parse(struct options *o, const char *line, int *ret_first)
{
	const struct cli_option options[] = {
		CLI_OPT_JSON(&o->json),
		{"dir", 'd', CLI_TEXT, &o->dir, "DIR", "a folder"},
		{"limit", 'n', CLI_NUMBER, &o->n, "N", "how many"},
		{0},
	};
	const struct cli_usage u = {"test", "SEQ", "About.", options, "Notes."};
	static char words[256];
	char *argv[16] = {NULL}, *save = NULL;
	int argc = 0;

	snprintf(words, sizeof(words), "%s", line);
	for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	return cli_options(&u, argc, argv, ret_first);
}

static void test_options(void **state)
{
	static const struct {
		const char *line;
		int answer, first;
		bool json;
		const char *dir;
		uint64_t n;
	} rows[] = {
		{"test", -1, 1, false, "", 7},
		{"test --json 12", -1, 2, true, "", 7},
		{"test 12 --json", -1, 2, true, "", 7}, /* options after arguments */
		{"test -d /a --limit=3", -1, 4, false, "/a", 3},
		{"test -n18446744073709551615", -1, 2, false, "", UINT64_MAX},
		{"test -n 18446744073709551616", CLI_USAGE, 0, false, "", 7},
		{"test -n -1", CLI_USAGE, 0, false, "", 7},
		{"test -n 1x", CLI_USAGE, 0, false, "", 7},
		{"test --dir", CLI_USAGE, 0, false, "", 7},
		{"test --nonsense", CLI_USAGE, 0, false, "", 7},
		{"test -- --json", -1, 2, false, "", 7},
		{"test --help", CLI_OK, 0, false, "", 7},
	};
	int out = dup(1), err = dup(2), null = open("/dev/null", O_WRONLY);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct options o = {.dir = "", .n = 7};
		int first = 0, r;

		fflush(stdout);
		dup2(null, 1);
		dup2(null, 2);
		r = parse(&o, rows[i].line, &first);
		fflush(stdout);
		dup2(out, 1);
		dup2(err, 2);
		assert_int_equal(r, rows[i].answer);
		if (r >= 0)
			continue;
		assert_int_equal(first, rows[i].first);
		assert_int_equal(o.json, rows[i].json);
		assert_string_equal(o.dir, rows[i].dir);
		assert_true(o.n == rows[i].n);
	}
	close(out);
	close(err);
	close(null);
}

static void test_help_names_every_option(void **state)
{
	bool flag;
	const struct cli_option options[] = {
		CLI_OPT_JSON(&flag),
		{"long-name", 'l', CLI_FLAG, &flag, NULL, "what it does"},
		{0},
	};
	const struct cli_usage u = {"verb", "SEQ", "About it.", options, "A note."};
	_cleanup_free_ char *text = CAPTURE(f, cli_help(&u, f));

	assert_string_equal(text, "usage: probity verb [options] SEQ\n\nAbout it.\n\noptions:\n"
				  "      --json                 print JSON\n"
				  "  -l, --long-name            what it does\n"
				  "  -h, --help                 this text\n\nA note.\n");
}

static void test_json_is_safe(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"plain", "\"plain\"\n"},
		{"\033[31m", "\"\\u001B[31m\"\n"},
		{"\177\xC2\x9B", "\"\\u007f\\u009b\"\n"},
		{"\xE2\x80\xAE", "\"\\u202e\"\n"},
		{"\xF3\xA0\x81\x81", "\"\\udb40\\udc41\"\n"},
		{"\xC3\xA9", "\"\xC3\xA9\"\n"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *got =
			CAPTURE(f, cli_print_json(json_string(rows[i].text), true, f));
		json_t *back = json_loads(got, JSON_DECODE_ANY, NULL);

		assert_string_equal(got, rows[i].want);
		assert_string_equal(json_string_value(back), rows[i].text); /* the same value */
		json_decref(back);
	}
}

/* --- text ------------------------------------------------------------------------------------ */

static void test_numbers(void **state)
{
	static const struct {
		uint64_t n;
		const char *size, *count, *duration;
	} rows[] = {
		{0, "0 B", "0", "0 s"},
		{59, "59 B", "59", "59 s"},
		{60, "60 B", "60", "1 min 0 s"},
		{1023, "1023 B", "1023", "17 min 3 s"},
		{1024, "1.0 KiB", "1024", "17 min 4 s"},
		{9999, "9.8 KiB", "9999", "2 h 46 min"},
		{10000, "9.8 KiB", "10.0k", "2 h 46 min"},
		{1048575, "1.0 MiB", "1.0M", "12 d 3 h"},
		{123456789, "117.7 MiB", "123.5M", "1428 d 21 h"},
		{INT64_MAX, "8.0 EiB", "9.2E", "106751991167300 d 15 h"},
	};
	char b[24];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		text_size(rows[i].n, b);
		assert_string_equal(b, rows[i].size);
		text_count(rows[i].n, b);
		assert_string_equal(b, rows[i].count);
		text_duration(rows[i].n, b);
		assert_string_equal(b, rows[i].duration);
	}
	text_count(-1, b);
	assert_string_equal(b, "-");
}

static void test_cells(void **state)
{
	static const struct {
		const char *text;
		unsigned width;
		bool right;
		const char *want;
	} rows[] = {
		{"abc", 5, false, "abc  "},
		{"abc", 5, true, "  abc"},
		{"abc", 3, false, "abc"},
		{"abcd", 3, false, "ab\xE2\x80\xA6"},
		{"abcd", 3, true, "ab\xE2\x80\xA6"},
		{"abcd", 1, false, "\xE2\x80\xA6"},
		{"abcd", 0, false, ""},
		{"", 2, false, "  "},
		{"\xC3\xA9t\xC3\xA9", 4, false, "\xC3\xA9t\xC3\xA9 "},
		{"\xE4\xB8\xAD\xE6\x96\x87", 4, false, "\xE4\xB8\xAD\xE6\x96\x87"}, /* two wide */
		{"\xE4\xB8\xAD\xE6\x96\x87", 3, false, "\xE4\xB8\xAD\xE2\x80\xA6"},
		{"\xE4\xB8\xAD\xE6\x96\x87", 2, false, "\xE2\x80\xA6 "},
		{"\xE4\xB8\xAD\xE6\x96\x87", 2, true, "\xE2\x80\xA6 "},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *got =
			CAPTURE(f, text_cell(f, rows[i].text, rows[i].width, rows[i].right));

		assert_string_equal(got, rows[i].want);
		assert_int_equal(text_width(got), rows[i].width);
	}
}

static void test_times(void **state)
{
	static const uint64_t s = 1000000000ull, h = 3600 * 1000000000ull;
	static const struct {
		const char *text;
		bool ok;
		uint64_t want;
	} rows[] = {
		{"1h", true, NOW - h},
		{"90s", true, NOW - 90 * s},
		{"5m", true, NOW - 300 * s},
		{"5min", true, NOW - 300 * s},
		{"2d", true, NOW - 48 * h},
		{"1w", true, NOW - 168 * h},
		{"999y", true, 0},
		{"now", true, NOW},
		{"today", true, NOW - 10 * h}, /* 00:00 at +01:00 is 23:00Z of the day before */
		{"yesterday", true, NOW - 34 * h},
		{"2026-11-21", true, NOW - 10 * h},
		{"2026-11-21 10:00", true, NOW},
		{"2026-11-21 10:00:01", true, NOW + s},
		{"2026-11-21T09:00:00Z", true, NOW},
		{"2026-11-21t09:00:00.25z", true, NOW + s / 4},
		{"2026-11-21T09:00:00.123456789Z", true, NOW + 123456789},
		{"2026-11-21T11:30:00+02:30", true, NOW},
		{"2026-11-21T04:00:00-0500", true, NOW},
		{"2026-11-21T09:00:00+", false, 0},
		{"2026-11-21T09:00:00Zx", false, 0},
		{"2026-13-21", false, 0},
		{"2026-1-21", false, 0},
		{"2026-11-21T", false, 0},
		{"2026-11-21T25:00", false, 0},
		{"h", false, 0},
		{"1", false, 0},
		{"1x", false, 0},
		{"-1h", false, 0},
		{"", false, 0},
		{"99999999999999h", false, 0},
	};
	char b[32];

	setenv("TZ", "CET-1", 1); /* one hour east, no summer time */
	tzset();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t got = 42;

		assert_int_equal(time_parse(rows[i].text, NOW, &got), rows[i].ok);
		assert_true(got == (rows[i].ok ? rows[i].want : 42));
	}
	time_local(NOW, TIME_CLOCK, b);
	assert_string_equal(b, "10:00:00");
	time_local(NOW, TIME_DATE, b);
	assert_string_equal(b, "2026-11-21 10:00:00");
}

/* --- columns --------------------------------------------------------------------------------- */

static const struct column three[] = {
	{"A", 2, 4, 0, false},
	{"BB", 3, 20, 2, false},
	{"CCC", 3, 6, 1, true},
};

static void test_fit(void **state)
{
	static const struct {
		unsigned width, want[3];
	} rows[] = {
		{0, {4, 20, 6}}, /* no limit */
		{100, {4, 20, 6}}, {34, {4, 20, 6}}, {33, {4, 19, 6}}, {12, {2, 3, 3}},
		{13, {3, 3, 3}},   {16, {4, 4, 4}},  {11, {4, 0, 5}},  {6, {4, 0, 0}},
		{3, {3, 0, 0}},	   {1, {2, 0, 0}}, /* rank 0 is never dropped */
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		unsigned w[3];

		columns_fit(three, 3, rows[i].width, w);
		assert_memory_equal(w, rows[i].want, sizeof(w));
	}
}

static void test_table(void **state)
{
	static const char *const a[] = {"one", "x", "1"}, *const b[] = {"seventeen", "yy", "12345"};
	static const enum style styles[] = {PLAIN, BAD, PLAIN};
	char *got = CAPTURE(f, struct table *t = table_new(three, 3, 0, false, f);
			    assert_non_null(t); assert_int_equal(table_row(t, a, 3, NULL, NULL), 0);
			    assert_int_equal(table_row(t, b, 3, styles, NULL), 0);
			    assert_int_equal(table_row(t, a, 1, NULL, "all the rest"), 0);
			    assert_int_equal(table_flush(t), 0); table_free(t));

	assert_string_equal(got, "A     BB    CCC\n"
				 "one   x       1\n"
				 "sev\xE2\x80\xA6  yy  12345\n"
				 "one   all the rest\n");
	free(got);
	got = CAPTURE(f, struct table *t = table_new(three, 3, 12, true, f);
		      table_row(t, b, 3, styles, NULL);
		      table_row(t, a, 1, NULL, "a long text here"); table_flush(t); table_free(t));
	assert_string_equal(got, "\033[2mA  \033[0m  \033[2mBB\033[0m  \033[2mCCC\033[0m\n"
				 "se\xE2\x80\xA6  \033[1;31myy\033[0m  12\xE2\x80\xA6\n"
				 "one  \033[2ma long\xE2\x80\xA6\033[0m\n");
	free(got);
}

/* Past the batch the widths of the first rows stay; nothing is lost. */
static void test_table_batch(void **state)
{
	static const char *const a[] = {"a", "b", "c"}, *const wide[] = {"aaaaaaa", "b", "c"};
	size_t lines = 0;
	_cleanup_free_ char *got =
		CAPTURE(f, struct table *t = table_new(three, 3, 0, false, f);
			for (int i = 0; i < TABLE_BATCH + 1; i++)
				table_row(t, i == TABLE_BATCH ? wide : a, 3, NULL, NULL);
			table_flush(t); table_free(t));

	for (char *p = got; (p = strchr(p, '\n')); p++)
		lines++;
	assert_int_equal(lines, TABLE_BATCH + 2);
	assert_non_null(strstr(got, "\n\xE2\x80\xA6  b     c\n"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_help_names_every_option),
		cmocka_unit_test(test_json_is_safe),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_cells),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_fit),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_table_batch),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
