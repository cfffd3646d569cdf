// SPDX-License-Identifier: Apache-2.0
/* A pack's own tests: each kind of expectation can hold and can fail, and says what differed. Then
 * the packs we ship: they parse, have tests, and pass them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "policy/pack.h"

DEFINE_CLEANUP(struct pack, pack_free)

static const char rules[] =
	"pack: p\nversion: 1\nrules:\n"
	"  - {id: shadow, disposition: alert, risk: 0.6, match: {known: false}}\n"
	"  - {id: card, disposition: kill, risk: 0.3, match: {data_class: pan}}\n"
	"  - {id: bash, disposition: alert, risk: 0.2, match: {tool_call: bash}}\n"
	"tests:\n";

/* detail: NULL = passes. */
static const struct {
	const char *given, *expect, *detail;
} rows[] = {
	{"{service: openai}", "{disposition: allow, rules: [], unknown: [], risk: 0}", NULL},
	{"{}", "{disposition: alert, rules: [shadow], risk: 0.6, deciding: shadow}", NULL},
	{"{service: unknown}", "{rules: shadow}", NULL},
	{"{service: openai, known: false}", "{rules: [shadow]}", NULL},
	{"{known: true}", "{rules: []}", NULL},
	{"{data_class: [pan, email], tool_call: Bash}",
	 "{disposition: kill, rules: [bash, shadow, card], risk: 1, deciding: card}", NULL},
	{"{stage: request, service: openai}", "{unknown: [card, bash], rules: []}", NULL},
	{"{stage: host}", "{unknown: [shadow, card, bash]}", NULL},
	{"{stage: process, user: \"\"}", "{unknown: [shadow, card, bash]}", NULL},
	{"{service: openai, data_class: []}", "{rules: []}", NULL},
	{"{service: openai}", "{disposition: kill}", "disposition: expected kill, got allow"},
	{"{service: openai}", "{rules: [card, bash]}", "rules: missing card missing bash"},
	{"{tool_call: bash}", "{rules: [card]}",
	 "rules: not expected shadow missing card not expected bash"},
	{"{service: openai}", "{unknown: card}", "unknown: missing card"},
	{"{stage: request, service: openai}", "{unknown: []}",
	 "unknown: not expected card not expected bash"},
	{"{}", "{risk: 0.5}", "risk: expected 0.5, got 0.6"},
	{"{service: openai}", "{deciding: card}", "deciding: expected card, got no rule"},
	{"{}", "{deciding: bash}", "deciding: expected bash, got shadow"},
	{"{}", "{disposition: kill, rules: [], unknown: [card], risk: 0, deciding: card}",
	 "disposition: expected kill, got alert; rules: not expected shadow; unknown: missing "
	 "card; risk: expected 0, got 0.6; deciding: expected card, got shadow"},
};

struct seen {
	size_t n;
};

static void check_row(void *ctx, const char *name, bool ok, const char *detail)
{
	struct seen *s = ctx;
	const char *want = rows[s->n].detail;
	char expect[16];

	snprintf(expect, sizeof(expect), "row %zu", s->n);
	assert_string_equal(name, expect);
	if (ok != !want || strcmp(detail, want ?: ""))
		fail_msg("%s: %s: %s", name, ok ? "ok" : "not ok", detail);
	s->n++;
}

static void test_rows(void **state)
{
	_cleanup_(pack_freep) struct pack *p = NULL;
	char yaml[8192], err[512] = "";
	size_t o = snprintf(yaml, sizeof(yaml), "%s", rules), total = 0, bad = 0;
	struct seen s = {};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		o += snprintf(yaml + o, sizeof(yaml) - o,
			      "  - {name: row %zu, given: %s, expect: %s}\n", i, rows[i].given,
			      rows[i].expect);
		bad += rows[i].detail != NULL;
	}
	if (pack_parse("p", yaml, o, &p, err, sizeof(err)))
		fail_msg("%s", err);
	assert_int_equal(pack_test(p, check_row, &s, &total), bad);
	assert_int_equal(total, ARRAY_SIZE(rows));
	assert_int_equal(s.n, ARRAY_SIZE(rows));
}

static void never(void *ctx, const char *name, bool ok, const char *detail)
{
	fail_msg("called for %s", name);
}

static void test_no_tests(void **state)
{
	_cleanup_(pack_freep) struct pack *p = NULL;
	static const char yaml[] = "pack: p\nversion: 1\nrules:\n  - {id: r, disposition: allow}\n";
	char err[512];
	size_t total = 7;

	assert_int_equal(pack_parse("p", yaml, strlen(yaml), &p, err, sizeof(err)), 0);
	assert_int_equal(pack_test(p, never, NULL, &total), 0);
	assert_int_equal(total, 0);
}

/* A detail longer than its buffer is cut, not overrun. */
static void count(void *ctx, const char *name, bool ok, const char *detail)
{
	assert_false(ok);
	*(size_t *)ctx = strlen(detail);
}

static void test_long_detail(void **state)
{
	_cleanup_(pack_freep) struct pack *p = NULL;
	_cleanup_free_ char *yaml = malloc(65536);
	size_t o = sprintf(yaml, "pack: p\nversion: 1\nrules:\n"), total, len = 0;
	char err[512] = "";

	for (int i = 0; i < 200; i++)
		o += sprintf(yaml + o, "  - {id: rule-with-a-long-name-%d, disposition: alert}\n",
			     i);
	o += sprintf(yaml + o, "tests: [{name: t, given: {}, expect: {rules: [], risk: 1}}]\n");
	if (pack_parse("p", yaml, o, &p, err, sizeof(err)))
		fail_msg("%s", err);
	assert_int_equal(pack_test(p, count, &len, &total), 1);
	assert_true(len > 900 && len < 1024);
}

struct last {
	char name[128], detail[512];
	bool ok;
};

static void keep_last(void *ctx, const char *name, bool ok, const char *detail)
{
	struct last *l = ctx;

	snprintf(l->name, sizeof(l->name), "%s", name);
	snprintf(l->detail, sizeof(l->detail), "%s", detail);
	l->ok = ok;
}

/* `coverage: full`: a rule that no case shows both ways is a failure, and its name is said. */
static void test_coverage(void **state)
{
	static const struct {
		const char *tests, *detail; /* NULL: covered */
	} row[] = {
		{"  - {name: a, given: {user: a}, expect: {rules: [a]}}\n"
		 "  - {name: b, given: {on: exec, exe: /b}, expect: {rules: [b]}}\n"
		 "  - {name: c, given: {on: exec, exe: /c}, expect: {rules: []}}\n"
		 "  - {name: d, given: {user: d}, expect: {rules: []}}\n",
		 NULL},
		{"  - {name: a, given: {user: a}, expect: {rules: [a]}}\n"
		 "  - {name: c, given: {on: exec, exe: /c}, expect: {rules: []}}\n"
		 "  - {name: d, given: {user: d}, expect: {rules: []}}\n",
		 "fires in no test: b"},
		/* quiet on another subject is no quiet */
		{"  - {name: a, given: {user: a}, expect: {rules: [a]}}\n"
		 "  - {name: b, given: {on: exec, exe: /b}, expect: {rules: [b]}}\n",
		 "stays quiet in no test of its subject: a b"},
		/* nor is unknown */
		{"  - {name: a, given: {user: d}, expect: {rules: []}}\n"
		 "  - {name: d, given: {stage: process, user: a}, expect: {unknown: [a]}}\n"
		 "  - {name: b, given: {on: exec, exe: /b}, expect: {rules: [b]}}\n"
		 "  - {name: c, given: {on: exec, exe: /c}, expect: {rules: []}}\n",
		 "fires in no test: a"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		_cleanup_(pack_freep) struct pack *p = NULL;
		char yaml[2048], err[512] = "";
		struct last last = {};
		size_t total, failures;

		snprintf(yaml, sizeof(yaml),
			 "pack: p\nversion: 1\ncoverage: full\nrules:\n"
			 "  - {id: a, disposition: alert, match: {user: a, not: {model: m}}}\n"
			 "  - {id: b, on: exec, disposition: deny, match: {exe: /b}}\ntests:\n%s",
			 row[i].tests);
		if (pack_parse("f", yaml, strlen(yaml), &p, err, sizeof(err)))
			fail_msg("%s", err);
		failures = pack_test(p, keep_last, &last, &total);
		assert_int_equal(failures, row[i].detail ? 1 : 0);
		assert_int_equal(total, pack_tests(p) + 1);
		assert_memory_equal(last.name, "coverage", 8);
		assert_int_equal(last.ok, !row[i].detail);
		assert_string_equal(last.detail, row[i].detail ? row[i].detail : "");
	}
}

static void must_pass(void *ctx, const char *name, bool ok, const char *detail)
{
	if (!ok)
		fail_msg("%s: %s: %s", (const char *)ctx, name, detail);
}

static void test_shipped(void **state)
{
	static const struct {
		const char *id;
		bool enforce;
	} row[] = {
		{"observe", false},
		{"allowlist", true},
		{"no-secrets", true},
		{"pii-mask", true},
		{"workstation", true},
		{"server-lockdown", true},
		{"eu-ai-act-high-risk", true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		_cleanup_(pack_freep) struct pack *p = NULL;
		_cleanup_free_ char *yaml = NULL;
		char err[512] = "", file[64];
		size_t n, total;

		snprintf(file, sizeof(file), "policies/%s.yaml", row[i].id);
		assert_int_equal(fs_read(file, PACK_FILE_MAX, &yaml, &n), 0);
		assert_true(pack_looks_like(yaml, n));
		if (pack_parse(file, yaml, n, &p, err, sizeof(err)))
			fail_msg("%s", err);
		assert_string_equal(pack_id(p), row[i].id);
		assert_int_equal(pack_enforce(p), row[i].enforce);
		assert_true(pack_coverage(p));
		assert_int_equal(pack_test(p, must_pass, file, &total), 0);
		assert_int_equal(total, pack_tests(p) + 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),	    cmocka_unit_test(test_no_tests),
		cmocka_unit_test(test_long_detail), cmocka_unit_test(test_coverage),
		cmocka_unit_test(test_shipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
