// SPDX-License-Identifier: Apache-2.0
/* The live view as text: golden screens, and that no screen is ever larger than it was asked to be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <locale.h>
#include <time.h>

#include "cli/view.h"
#include "fixture.h"

static struct view v;

static const char status_json[] =
	"{\"host\":\"web-01\",\"mode\":\"monitor\",\"policy\":{\"set\":\"observe\",\"version\":"
	"\"1.0.0\"},\"drops\":{\"ring_full\":2,\"read_fault\":1},\"recorder\":{\"lost\":{},\"forward\":"
	"{\"state\":\"connected\",\"lag_records\":4}}}";

static void status(void)
{
	json_t *o = json_loads(status_json, 0, NULL);

	assert_non_null(o);
	view_status(&v, o);
	json_decref(o);
}

/* One record of a spec through the real path: sealed, opened, made a row. NULL: a LOSS record. */
static void add(struct fixture *f, const struct call_spec *c)
{
	static struct sealed_bytes b;
	_cleanup_sealed_ struct sealed s = {0};
	struct row row;
	const char *why;

	if (c)
		fixture_call(f, c, &b);
	else
		fixture_loss(f, &b);
	assert_int_equal(sealed_open(b.record, b.n, b.sig, &s, &why), 0);
	row_from(&s, &row);
	view_add(&v, &row);
}

static void fill(struct fixture *f)
{
	view_init(&v);
	add(f, &fixture_plain);
	add(f, &fixture_alert);
	add(f, &fixture_shadow);
	add(f, NULL);
	add(f, &fixture_killed);
}

static char *screen(unsigned width, unsigned height, bool colour)
{
	return CAPTURE(f, view_render(&v, width, height, colour, f));
}

#define RULE20 "────────────────────"
#define RULE120 RULE20 RULE20 RULE20 RULE20 RULE20 RULE20

static void test_golden_empty(void **state)
{
	_cleanup_free_ char *got = NULL;

	view_init(&v);
	got = screen(40, 6, false);
	assert_string_equal(got, " probity   agent not asked yet\n"
				 " 0 calls\n"
				 "   TIME      SERVICE    VERDICT\n"
				 " waiting for the first AI call of this …\n"
				 "\n");
}

static void test_golden_wide(void **state)
{
	_cleanup_free_ char *got = NULL;
	struct fixture f;

	fixture_open(&f);
	fill(&f);
	status();
	got = screen(120, 13, false);
	assert_string_equal(
		got,
		" probity   web-01  agent running  monitor  policy observe 1.0.0  seq 4\n"
		" 4 calls  drops 3  lost 0  forward connected, 4 behind\n"
		"   TIME      USER    TOOL          SERVICE           MODEL            OPERATION    IN   OUT  DATA     VERDICT  COMPLETE\n"
		"X  08:00:04  dave    cursor        deepseek          deepseek-chat    chat          0     -  iban 1   killed   complete\n"
		"!  08:00:03  loss 7 chunks for ring_full: the ring was full\n"
		"!  08:00:02  carol   (python3.11)  unknown llm.int…  qwen3            chat          -     -           alert    truncated\n"
		"!  08:00:01  bob     (curl)        openai            gpt-4o           chat         12  3400  email 2  alert    complete\n"
		"   08:00:00  alice   claude_code   anthropic         claude-sonnet-4  chat       1234    56           allow    complete\n"
		"\n" RULE120 "\n"
		" services   anthropic 1  openai 1  unknown 1  deepseek 1\n"
		" verdicts   alert 2  allow 1  killed 1\n"
		" q quit   p pause");
	fixture_close(&f);
}

static void test_golden_80(void **state)
{
	_cleanup_free_ char *got = NULL;
	struct fixture f;

	fixture_open(&f);
	fill(&f);
	view_status(&v, NULL);
	got = screen(80, 8, false);
	assert_string_equal(
		got,
		" probity   agent not reachable  seq 4\n"
		" 4 calls\n"
		"   TIME      USER    TOOL          SERVICE      MODEL          IN   OUT  VERDICT\n"
		"X  08:00:04  dave    cursor        deepseek     deepseek-c…     0     -  killed\n"
		"!  08:00:03  loss 7 chunks for ring_full: the ring was full\n"
		"!  08:00:02  carol   (python3.11)  unknown ll…  qwen3           -     -  alert\n"
		"!  08:00:01  bob     (curl)        openai       gpt-4o         12  3400  alert\n"
		"   08:00:00  alice   claude_code   anthropic    claude-son…  1234    56  allow");
	fixture_close(&f);
}

/* Costs are shown where there are any. */
static void test_cost(void **state)
{
	static const struct {
		int64_t nano;
		bool partial;
		const char *text;
	} rows[] = {
		{0, false, "$0.0000"},	       {1, false, "<$0.0001"},
		{99999, true, "<$0.0001+"},    {78000000, false, "$0.0780"},
		{5387500, true, "$0.0054+"},   {1234567890, false, "$1.2346"},
		{123456789012, false, "$123"}, {-5, false, "$0.0000"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		Probity__V1__AiCall c = PROBITY__V1__AI_CALL__INIT;
		Probity__V1__Cost cost = PROBITY__V1__COST__INIT;
		struct sealed s = {.call = &c};
		_cleanup_free_ char *got = NULL;
		struct row row;

		row_from(&s, &row);
		assert_string_equal(row.cost, "");
		c.cost = &cost;
		cost.nano_usd = rows[i].nano;
		cost.partial = rows[i].partial;
		row_from(&s, &row);
		assert_string_equal(row.cost, rows[i].text);
		view_init(&v);
		view_add(&v, &row);
		got = screen(160, 8, false);
		assert_non_null(strstr(got, rows[i].text));
		assert_non_null(strstr(got, "COST"));
	}
}

static size_t lines_of(const char *s)
{
	size_t n = 1;

	for (; *s; s++)
		n += *s == '\n';
	return n;
}

/* The widest line in columns, colour sequences not counted. */
static size_t widest(const char *s)
{
	size_t most = 0;
	char line[4096];
	size_t n = 0;

	for (;; s++) {
		if (*s == '\033') {
			s += strcspn(s, "m");
		} else if (*s && *s != '\n') {
			line[n++] = *s;
		} else {
			line[n] = '\0';
			n = 0;
			if (text_width(line) > most)
				most = text_width(line);
			if (!*s)
				return most;
		}
	}
}

static void test_every_size(void **state)
{
	struct fixture f;

	fixture_open(&f);
	fill(&f);
	status();
	view_pause(&v, true);
	add(&f, &fixture_plain);
	for (unsigned width = 1; width <= 200; width += width < 40 ? 1 : 7) {
		for (unsigned height = 1; height <= 30; height += 3) {
			_cleanup_free_ char *got = screen(width, height, width % 2);

			assert_int_equal(lines_of(got), height);
			assert_true(widest(got) <= width);
		}
	}
	fixture_close(&f);
}

/* A pause holds the table, counts what came, and lets the sums go on. */
static void test_pause(void **state)
{
	_cleanup_free_ char *before = NULL, *after = NULL, *end = NULL;
	struct fixture f;

	fixture_open(&f);
	fill(&f);
	view_pause(&v, true);
	before = screen(120, 14, false);
	add(&f, &fixture_alert);
	add(&f, &fixture_alert);
	after = screen(120, 14, false);
	assert_non_null(strstr(before, "go on  PAUSED "));
	assert_non_null(strstr(after, "PAUSED  2 new"));
	assert_non_null(strstr(after, "\n 6 calls"));
	assert_int_equal(strncmp(strstr(before, "\nX  "), strstr(after, "\nX  "), 100), 0);
	view_pause(&v, false);
	end = screen(120, 14, false);
	assert_null(strstr(end, "PAUSED"));
	assert_non_null(strstr(end, "\n!  08:00:06  bob"));
	fixture_close(&f);
}

/* The ring keeps the newest rows; a pause longer than the ring shows what is left, and no garbage. */
static void test_ring(void **state)
{
	struct row r = {.in = -1, .out = -1};
	_cleanup_free_ char *got = NULL;

	view_init(&v);
	strcpy(r.completeness, "complete");
	for (unsigned i = 0; i < VIEW_ROWS + 10; i++) {
		r.seq = i;
		snprintf(r.user, sizeof(r.user), "u%u", i);
		view_add(&v, &r);
	}
	got = screen(120, VIEW_ROWS + 20, false);
	assert_non_null(strstr(got, " u521 "));
	assert_non_null(strstr(got, " u10 "));
	assert_null(strstr(got, " u9 "));
	free(got);
	view_pause(&v, true);
	for (unsigned i = 0; i < VIEW_ROWS - 1; i++)
		view_add(&v, &r);
	got = screen(120, 12, false);
	assert_non_null(strstr(got, " u521 "));
	assert_null(strstr(got, " u520 "));
	view_add(&v, &r);
	free(got);
	got = screen(120, 12, false);
	assert_null(strstr(got, " u52"));
	assert_int_equal(lines_of(got), 12);
}

static void test_signs_and_colours(void **state)
{
	static const struct {
		const struct call_spec *call;
		const char *plain, *coloured;
	} rows[] = {
		{&fixture_plain, "\n   08:", "\033[32mallow  \033[0m"},
		{&fixture_alert, "\n!  08:", "\033[33malert  \033[0m"},
		{&fixture_shadow, "\n!  08:", "\033[1;31munknown llm.internal\033[0m"},
		{&fixture_killed, "\nX  08:", "\033[1;37;41mkilled \033[0m"},
	};
	struct fixture f;

	fixture_open(&f);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *plain = NULL, *coloured = NULL;

		view_init(&v);
		add(&f, rows[i].call);
		plain = screen(120, 6, false);
		coloured = screen(160, 6, true);
		assert_non_null(strstr(plain, rows[i].plain));
		assert_null(strchr(plain, '\033'));
		assert_non_null(strstr(coloured, rows[i].coloured));
	}
	fixture_close(&f);
}

static void test_sign_of_a_quiet_shadow(void **state)
{
	struct call_spec shadow = fixture_shadow, cut = fixture_plain;
	_cleanup_free_ char *got = NULL;
	struct fixture f;

	fixture_open(&f);
	view_init(&v);
	shadow.disposition = shadow.effect = "allow";
	cut.completeness = "gap";
	add(&f, &shadow);
	add(&f, &cut);
	got = screen(120, 6, false);
	assert_non_null(strstr(got, "\n?  08:"));
	assert_non_null(strstr(got, "\n~  08:"));
	fixture_close(&f);
}

static void test_summary(void **state)
{
	_cleanup_free_ char *got = NULL, *json = NULL;
	struct fixture f;
	json_t *o;

	fixture_open(&f);
	fill(&f);
	add(&f, &fixture_alert);
	got = CAPTURE(out, view_summary(&v, out));
	assert_string_equal(got,
			    "5 AI calls\n"
			    "  service      openai 2, anthropic 1, unknown 1, deepseek 1\n"
			    "  tool         (curl) 2, claude_code 1, (python3.11) 1, cursor 1\n"
			    "  disposition  alert 3, allow 1, killed 1\n"
			    "  completeness complete 4, truncated 1\n");
	o = view_summary_json(&v);
	json = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	assert_string_equal(
		json,
		"{\"summary\":{\"calls\":5,\"shadow\":1,\"service\":{\"openai\":2,\"anthropic\":1,"
		"\"unknown\":1,\"deepseek\":1},\"tool\":{\"(curl)\":2,\"claude_code\":1,"
		"\"(python3.11)\":1,\"cursor\":1},\"disposition\":{\"alert\":3,\"allow\":1,"
		"\"killed\":1},\"completeness\":{\"complete\":4,\"truncated\":1}}}");
	fixture_close(&f);
}

static void test_tally_is_bounded(void **state)
{
	static struct tally t;
	char name[32];

	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "n%d", i % 100);
		tally_add(&t, name);
	}
	assert_int_equal(t.n, TALLY_MAX);
	assert_int_equal(t.other, (100 - TALLY_MAX) * 10);
	for (size_t i = 0; i < t.n; i++)
		assert_int_equal(t.e[i].count, 10);
	tally_add(&t, "n63");
	assert_string_equal(t.e[0].name, "n63"); /* the most frequent first */
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden_empty),
		cmocka_unit_test(test_golden_wide),
		cmocka_unit_test(test_golden_80),
		cmocka_unit_test(test_cost),
		cmocka_unit_test(test_every_size),
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_ring),
		cmocka_unit_test(test_signs_and_colours),
		cmocka_unit_test(test_sign_of_a_quiet_shadow),
		cmocka_unit_test(test_summary),
		cmocka_unit_test(test_tally_is_bounded),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
