// SPDX-License-Identifier: Apache-2.0
/* Prices: which row, how much, and what the reader refuses. Sums are worked out by hand. */
/* Rows leave out what is not asked for. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "classify/catalog.h"
#include "classify/price.h"
#include "classify/price_load.h"

#define U PRICE_UNKNOWN
#define DOLLAR 1000000

static const struct price fixture[] = {
	/* service, model, hosts, from, to, above, {input, cached, write, 1h, output, thinking,
	   reasoning}, large */
	{"one",
	 "gpt-4o",
	 NULL,
	 20260101,
	 0,
	 0,
	 {5 * DOLLAR / 2, 5 * DOLLAR / 4, U, U, 10 * DOLLAR, U, U}},
	{"one", "gpt-4o-mini", NULL, 20260101, 0, 0, {150000, 75000, U, U, 600000, U, U}},
	{"one",
	 "gpt-4o-2024-05-13",
	 NULL,
	 20260101,
	 0,
	 0,
	 {5 * DOLLAR, U, U, U, 15 * DOLLAR, U, U}},
	{"one", "embed", NULL, 20260101, 0, 0, {20000, U, U, U, 0, U, U}},
	{"one", "dear", NULL, 20260101, 20260331, 0, {DOLLAR, U, U, U, DOLLAR, U, U}},
	{"one", "dear", NULL, 20260401, 0, 0, {2 * DOLLAR, U, U, U, 2 * DOLLAR, U, U}},
	{"two",
	 "claude",
	 NULL,
	 20260101,
	 0,
	 0,
	 {3 * DOLLAR, 300000, 3750000, 6 * DOLLAR, 15 * DOLLAR, U, U}},
	{"two",
	 "anthropic.claude-x",
	 NULL,
	 20260101,
	 0,
	 0,
	 {3 * DOLLAR, U, U, U, 15 * DOLLAR, U, U}},
	{"two",
	 "tiered",
	 NULL,
	 20260101,
	 0,
	 200000,
	 {1250000, 125000, U, U, 10 * DOLLAR, U, U},
	 {2500000, 250000, U, U, 15 * DOLLAR, U, U}},
	{"two", "thinker", NULL, 20260101, 0, 0, {400000, U, U, U, 1200000, 4 * DOLLAR, U}},
	{"two", "apart", NULL, 20260101, 0, 0, {2 * DOLLAR, U, U, U, 8 * DOLLAR, U, 3 * DOLLAR}},
	{"two", "tiny", NULL, 20260101, 0, 0, {8750, U, U, U, 140000, U, U}},
	{"three",
	 "gpt-4o",
	 "api.a.example intl.a.example ",
	 20260101,
	 0,
	 0,
	 {DOLLAR, U, U, U, DOLLAR, U, U}},
};
static const struct price_table table = {fixture, ARRAY_SIZE(fixture)};

static void test_find(void **state)
{
	static const struct {
		const char *service, *host, *model;
		uint32_t day;
		int row; /* -1: none */
	} rows[] = {
		{"one", "", "gpt-4o", 20260701, 0},
		{"one", "", "GPT-4o", 20260701, 0},
		{"one", "", "gpt-4o-2024-08-06", 20260701, 0},
		{"one", "", "gpt-4o-20240806", 20260701, 0},
		{"one", "", "gpt-4o@20240806", 20260701, 0},
		{"one", "", "gpt-4o@default", 20260701, 0},
		{"one", "", "gpt-4o-latest", 20260701, 0},
		{"one", "", "gpt-4o-001", 20260701, 0},
		{"one", "", "models/gpt-4o", 20260701, 0},
		{"one", "", "gpt-4o-mini", 20260701, 1},
		{"one", "", "gpt-4o-mini-2024-07-18", 20260701, 1},
		{"one", "", "gpt-4o-2024-05-13", 20260701, 2},
		/* other models, though they begin alike */
		{"one", "", "gpt-4o-audio-preview", 20260701, -1},
		{"one", "", "gpt-4o-audio-preview-2024-10-01", 20260701, -1},
		{"one", "", "gpt-4o-latest-audio", 20260701, -1},
		{"one", "", "gpt-4o-2024-08", 20260701, -1},
		{"one", "", "gpt-4o-2024-08-06x", 20260701, -1},
		{"one", "", "gpt-4o2", 20260701, -1},
		{"one", "", "gpt-4o-64", 20260701, -1},
		{"one", "", "gpt-4", 20260701, -1},
		{"one", "", "ft:gpt-4o:me::1", 20260701, -1},
		{"one", "", "openai/gpt-4o", 20260701, -1},
		{"one", "", "", 20260701, -1},
		/* who sells it */
		{"two", "", "gpt-4o", 20260701, -1},
		{"unknown", "", "gpt-4o", 20260701, -1},
		{"two", "", "anthropic.claude-x-20250929-v1:0", 20260701, 7},
		{"two", "", "anthropic.claude-x-v2", 20260701, 7},
		{"two", "", "eu.anthropic.claude-x-20250929-v1:0", 20260701, -1},
		{"two", "", "arn:aws:bedrock:eu-west-1:1:inference-profile/anthropic.claude-x-v1:0",
		 20260701, 7},
		{"three", "api.a.example", "gpt-4o", 20260701, 12},
		{"three", "intl.a.example", "gpt-4o", 20260701, 12},
		{"three", "a.example", "gpt-4o", 20260701, -1},
		{"three", "api.a.example.evil", "gpt-4o", 20260701, -1},
		{"three", "", "gpt-4o", 20260701, -1},
		/* when */
		{"one", "", "gpt-4o", 20251231, -1},
		{"one", "", "dear", 20260331, 4},
		{"one", "", "dear", 20260401, 5},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct price *p = price_find(&table, rows[i].service, rows[i].host,
						   rows[i].model, rows[i].day);

		if (p != (rows[i].row < 0 ? NULL : &fixture[rows[i].row]))
			fail_msg("%s %s: row %td", rows[i].service, rows[i].model,
				 p ? p - fixture : -1);
	}
}

static void test_sums(void **state)
{
	static const struct {
		const char *service, *model, *tier;
		int64_t input, output, cached, write, write_1h, reasoning;
		int64_t nano; /* -1: no cost */
		bool partial;
	} rows[] = {
		/* 1287 in, 1024 of them cached, 345 out: 263*2.5 + 1024*1.25 + 345*10 = 5387.5 µ$ */
		{"one", "gpt-4o", "default", 1287, 345, 1024, -1, -1, 320, 5387500},
		{"one", "gpt-4o", "", 1287, 345, -1, -1, -1, -1, 6667500},
		{"one", "gpt-4o", "", 0, 0, -1, -1, -1, -1, 0},
		/* another class of service has other prices */
		{"one", "gpt-4o", "flex", 10, 10, -1, -1, -1, -1, -1},
		{"one", "gpt-4o", "priority", 10, 10, -1, -1, -1, -1, -1},
		/* unknown is not nothing */
		{"one", "gpt-4o", "", -1, 10, -1, -1, -1, -1, -1},
		{"one", "gpt-4o", "", 10, -1, -1, -1, -1, -1, -1},
		{"one", "nope", "", 10, 10, -1, -1, -1, -1, -1},
		{"one", "embed", "", 8, -1, -1, -1, -1, -1, 160},
		/* no price for what was written to the cache: 900 * 2.5 */
		{"one", "gpt-4o", "", 1000, 0, 0, 100, -1, -1, 2250000, true},
		/* 10*3 + 400*0.3 + 100*3.75 + 200*6 + 5*15 = 30+120+375+1200+75 */
		{"two", "claude", "standard", 710, 5, 400, 300, 200, -1, 1800000},
		{"two", "claude", "", 710, 5, 400, 300, 0, -1, 1350000},
		/* not told for how long: at least five minutes */
		{"two", "claude", "", 710, 5, 400, 300, -1, -1, 1350000, true},
		{"two", "claude", "", 410, 5, 400, 0, -1, -1, 225000},
		/* counts that contradict each other */
		{"two", "claude", "", 100, 5, 101, -1, -1, -1, -1},
		{"two", "claude", "", 100, 5, 60, 41, -1, -1, -1},
		{"two", "claude", "", 100, 5, 0, 10, 11, -1, -1},
		{"two", "claude", "", 100, 5, 0, 0, -1, 6, -1},
		/* 200000*1.25 + 100*10; one more token and all of them cost more */
		{"two", "tiered", "", 200000, 100, 0, -1, -1, -1, 251000000},
		{"two", "tiered", "", 200001, 100, 0, -1, -1, -1, 501502500},
		{"two", "tiered", "", 200001, 100, 100000, -1, -1, -1, 276502500},
		/* thinking changes the price of all output: 10*0.4 + 50*4; else 10*0.4 + 50*1.2 */
		{"two", "thinker", "", 10, 50, -1, -1, -1, 20, 204000},
		{"two", "thinker", "", 10, 50, -1, -1, -1, 0, 64000},
		{"two", "thinker", "", 10, 50, -1, -1, -1, -1, 64000, true},
		/* 10*2 + 20*3 + 30*8 */
		{"two", "apart", "", 10, 50, -1, -1, -1, 20, 320000},
		/* 7 * 8.75 n$ = 61.25, 1 * 140 n$: rounded once, at the end */
		{"two", "tiny", "", 7, 1, -1, -1, -1, -1, 201},
		{"two", "tiny", "", 6, 0, -1, -1, -1, -1, 53},
		/* past 64 bits */
		{"one", "gpt-4o", "", INT64_MAX / 2, 1, -1, -1, -1, -1, -1},
		{"one", "gpt-4o", "", 1, 1000000000000000, -1, -1, -1, -1, -1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct price_call c = {
			.service = rows[i].service,
			.host = "",
			.model = rows[i].model,
			.asked = "",
			.tier = rows[i].tier,
			.day = 20260701,
			.input = rows[i].input,
			.output = rows[i].output,
			.cached = rows[i].cached,
			.cache_write = rows[i].write,
			.cache_write_1h = rows[i].write_1h,
			.reasoning = rows[i].reasoning,
		};
		struct price_cost got = {-7, 7, true};
		bool any = price_of(&table, &c, &got);

		if (any != (rows[i].nano >= 0) || (any && got.nano_usd != rows[i].nano) ||
		    (any && got.partial != rows[i].partial))
			fail_msg("row %zu %s: %d %lld %d", i, rows[i].model, any,
				 (long long)got.nano_usd, got.partial);
		if (!any)
			assert_int_equal(got.nano_usd, -7);
		else
			assert_int_equal(got.from, 20260101);
	}
}

/* What was asked for counts only where what was answered has no row. */
static void test_asked(void **state)
{
	struct price_call c = {.service = "one",
			       .host = "",
			       .tier = "",
			       .day = 20260701,
			       .input = 10,
			       .output = 10,
			       .cached = -1,
			       .cache_write = -1,
			       .cache_write_1h = -1,
			       .reasoning = -1};
	struct price_cost got;

	c.model = "gpt-4o-mini-2024-07-18";
	c.asked = "gpt-4o";
	assert_true(price_of(&table, &c, &got));
	assert_int_equal(got.nano_usd, 7500);
	c.model = "inner-name-7";
	assert_true(price_of(&table, &c, &got));
	assert_int_equal(got.nano_usd, 125000);
	c.asked = "inner-name";
	assert_false(price_of(&table, &c, &got));
}

static void test_days(void **state)
{
	char text[11];

	assert_int_equal(price_day(0), 19700101);
	assert_int_equal(price_day(1767225599999999999u), 20251231);
	assert_int_equal(price_day(1767225600000000000u), 20260101);
	price_day_text(20260131, text);
	assert_string_equal(text, "2026-01-31");
}

/* The compiled table: spot checks against the vendors' lists, and that nothing odd is in it. */
static void test_compiled(void **state)
{
	static const struct {
		const char *service, *host, *model;
		int64_t input, cached, output; /* millionths of a dollar per million */
	} rows[] = {
		{"openai", "api.openai.com", "gpt-4o-mini-2024-07-18", 150000, 75000, 600000},
		{"openai", "", "gpt-4.1-2025-04-14", 2000000, 500000, 8000000},
		{"anthropic", "", "claude-sonnet-4-5-20250929", 3000000, 300000, 15000000},
		{"anthropic", "", "claude-haiku-4-5-20251001", 1000000, 100000, 5000000},
		{"gcp.gemini", "", "models/gemini-2.5-pro", 1250000, 125000, 10000000},
		{"gcp.vertex_ai", "", "claude-sonnet-4-5@20250929", 3000000, 300000, 15000000},
		{"aws.bedrock", "", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", 3000000, 300000,
		 15000000},
		{"aws.bedrock", "", "amazon.nova-micro-v1:0", 35000, 8750, 140000},
		{"deepseek", "", "deepseek-chat", 140000, 2800, 280000},
		{"openrouter", "", "anthropic/claude-sonnet-4.5", 3000000, 300000, 15000000},
		{"openrouter", "", "claude-sonnet-4.5", U, U, U},
		{"moonshot_ai", "api.moonshot.ai", "kimi-k2.5", 600000, 100000, 3000000},
		{"moonshot_ai", "api.moonshot.cn", "kimi-k2.5", U, U, U},
		{"ollama", "", "llama3.2", U, U, U},
		{"unknown", "", "gpt-4o", U, U, U},
		{"github_copilot", "", "gpt-4o", U, U, U},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct price *p = price_find(&price_table_compiled, rows[i].service,
						   rows[i].host, rows[i].model, 20261121);

		if (!p != (rows[i].input < 0))
			fail_msg("%s %s", rows[i].service, rows[i].model);
		if (!p)
			continue;
		assert_int_equal(p->rates.input, rows[i].input);
		assert_int_equal(p->rates.cached, rows[i].cached);
		assert_int_equal(p->rates.output, rows[i].output);
	}
	assert_true(price_table_compiled.n > 150);
}

/* --- the reader ------------------------------------------------------------------------------ */

static const char sound[] =
	"meta:\n" /* 1 */
	"  schema_version: 1\n"
	"  sources: {s: {title: x}}\n"
	"prices:\n"
	"  - service: one\n" /* 5 */
	"    from: 2026-02-28\n"
	"    source: s\n"
	"    hosts: [api.one.example, b.example]\n"
	"    rows:\n"
	"      - {model: a, input: 0.5, cached: 0.0028, output: 10}\n" /* 10 */
	"      - {model: a, input: 0.6, output: 10, from: 2026-03-01}\n"
	"      - {model: b, input: 3, cached: 0.3, write: 3.75, write_1h: 6, output: 15,\n"
	"         above: {tokens: 200000, input: 6, cached: 0.6, output: 22.5}}\n"
	"      - {model: c, input: 1, output: 2, thinking: 4, to: 2026-12-31}\n";

static int load(const char *yaml, struct price_source *ret, char *err, size_t err_len)
{
	struct src_service services[] = {{.id = "one"}};
	const struct catalog_source catalog = {.services = services, .services_n = 1};

	return price_source_load("p.yaml", yaml, strlen(yaml), &catalog, ret, err, err_len);
}

static void test_reader(void **state)
{
	struct price_source s;
	char err[256] = "";

	assert_int_equal(load(sound, &s, err, sizeof(err)), 0);
	assert_int_equal(s.n, 4);
	assert_string_equal(s.rows[0].hosts, "api.one.example b.example ");
	assert_int_equal(s.rows[0].rates.input, 500000);
	assert_int_equal(s.rows[0].rates.cached, 2800);
	assert_int_equal(s.rows[0].rates.write, U);
	assert_int_equal(s.rows[0].rates.output, 10000000);
	assert_int_equal(s.rows[0].from, 20260228);
	assert_int_equal(s.rows[1].from, 20260301);
	assert_int_equal(s.rows[2].above, 200000);
	assert_int_equal(s.rows[2].large.output, 22500000);
	assert_int_equal(s.rows[2].large.write, U);
	assert_int_equal(s.rows[3].rates.thinking, 4000000);
	assert_int_equal(s.rows[3].to, 20261231);
	price_source_free(&s);
}

static void test_faults(void **state)
{
	static const struct {
		const char *from, *to, *err;
	} faults[] = {
		{"schema_version: 1", "schema_version: 2", ":2: schema_version"},
		{"service: one", "service: two", ":5: service 'two' is not in the catalog"},
		{"2026-02-28", "2026-02-30", ":6: '2026-02-30' is not a day"},
		{"2026-02-28", "20260228", ":6: '20260228' is not a day"},
		{"source: s", "source: t", ":7: source 't' is not in meta.sources"},
		{"b.example", "'*.example'", ":8: host '*.example': not a name"},
		{"[api.one.example, b.example]", "[]", ":8: hosts: none"},
		{"model: a,", "modell: a,", ":10: row: unknown key 'modell'"},
		{"model: a,", "model: 'a b',", ":10: model 'a b': not a name"},
		{"model: a,", "model: '',", ":10: model '': not a name"},
		{"input: 0.5,", "", ":10: row: key 'input' is missing"},
		{"input: 0.5,", "input: -0.5,", ":10: '-0.5' is not a price"},
		{"input: 0.5,", "input: 1e3,", ":10: '1e3' is not a price"},
		{"input: 0.5,", "input: 0.,", ":10: '0.' is not a price"},
		{"input: 0.5,", "input: 0.1234567,", ":10: '0.1234567' is not a price"},
		{"input: 0.5,", "input: 10000,", ":10: '10000' is not a price"},
		{"input: 0.5,", "input: 0.002,", ":10: cached costs more than input"},
		{"from: 2026-03-01", "note: x", ":11: a of one: line 10 is for the same days"},
		{"from: 2026-03-01", "to: 2026-02-27", ":11: to is before from"},
		{"write_1h: 6", "write_1h: 3", ":12: write_1h costs less than write"},
		{"write: 3.75", "write: 0.1", ":12: write costs less than cached"},
		{"tokens: 200000", "tokens: 0", ":13: '0' is not a number of tokens"},
		{"cached: 0.6", "cached: 60", ":13: cached costs more than input"},
		{"thinking: 4", "thinking: 4, reasoning: 3", ":14: thinking and reasoning"},
		{"meta:\n", "meta: [\n", ":"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		const char *at = strstr(sound, faults[i].from);
		char yaml[2048], err[256] = "";
		struct price_source s;

		assert_non_null(at);
		snprintf(yaml, sizeof(yaml), "%.*s%s%s", (int)(at - sound), sound, faults[i].to,
			 at + strlen(faults[i].from));
		if (load(yaml, &s, err, sizeof(err)) == 0)
			fail_msg("%s: taken", faults[i].to);
		if (strncmp(err, "p.yaml", 6) ||
		    strncmp(err + 6, faults[i].err, strlen(faults[i].err)))
			fail_msg("%s: %s", faults[i].to, err);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),	 cmocka_unit_test(test_sums),
		cmocka_unit_test(test_asked),	 cmocka_unit_test(test_days),
		cmocka_unit_test(test_compiled), cmocka_unit_test(test_reader),
		cmocka_unit_test(test_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
