// SPDX-License-Identifier: Apache-2.0
/*
 * What a pack may be: accepted packs give what they say; each row of `bad` is refused with exactly
 * this line. Every prefix of a good pack and every single changed byte is either taken or refused
 * with one clean line, never half taken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "policy/pack.h"
#include "policy/yaml_doc.h"

DEFINE_CLEANUP(struct pack, pack_free)

#define HEAD "pack: p\nversion: 1\nrules:\n"
#define RULE "  - id: r\n    disposition: alert\n"

static const char full[] =
	"pack: observe\n"
	"version: 1.0.0\n"
	"description: |\n"
	"  two\n"
	"  lines\n"
	"mode: enforce\n"
	"rules:\n"
	"  - id: no-shadow-ai\n"
	"    description: text\n"
	"    severity: high\n"
	"    risk: 0.6\n"
	"    match:\n"
	"      user: [alice, \"svc-*\"]\n"
	"      known: false\n"
	"      data_class: [pan, iban]\n"
	"      not: {tool: claude_code}\n"
	"      any: [{exe: /usr/bin/curl}, {group: [dev, ops]}]\n"
	"    disposition: alert\n"
	"  - {id: x.y_z-1, disposition: kill, match: {host: \"*.Example.com\"}}\n"
	"  - id: last\n"
	"    disposition: allow\n"
	"tests:\n"
	"  - name: text\n"
	"    given: {user: alice, known: false, exe: /usr/bin/curl,\n"
	"            data_class: pan}\n"
	"    expect: {disposition: alert, rules: [no-shadow-ai, last], risk: 0.6}\n";

static int parse(const char *yaml, size_t n, struct pack **ret, char err[512])
{
	err[0] = '\0';
	return pack_parse("f.yaml", yaml, n, ret, err, 512);
}

static void count_value(void *ctx, size_t rule, unsigned line, const char *key, const char *value)
{
	char(*out)[1024] = ctx;
	size_t n = strlen(*out);

	snprintf(*out + n, sizeof(*out) - n, "%zu:%u:%s=%s ", rule, line, key, value);
}

static void test_full(void **state)
{
	_cleanup_(pack_freep) struct pack *p = NULL;
	char err[512], values[1024] = "";
	uint8_t sha[32];

	assert_int_equal(parse(full, strlen(full), &p, err), 0);
	assert_string_equal(err, "");
	assert_string_equal(pack_id(p), "observe");
	assert_string_equal(pack_version(p), "1.0.0");
	assert_true(pack_enforce(p));
	SHA256((const uint8_t *)full, strlen(full), sha);
	assert_memory_equal(pack_sha256(p), sha, 32);
	assert_int_equal(pack_rules(p), 3);
	assert_int_equal(pack_tests(p), 1);
	assert_string_equal(pack_rule_id(p, 0), "no-shadow-ai");
	assert_string_equal(pack_rule_severity(p, 0), "high");
	assert_true(pack_rule_risk(p, 0) == 0.6);
	assert_int_equal(pack_rule_disposition(p, 0), DISPOSITION_ALERT);
	assert_string_equal(pack_rule_id(p, 1), "x.y_z-1");
	assert_string_equal(pack_rule_severity(p, 1), "medium");
	assert_int_equal(pack_rule_disposition(p, 1), DISPOSITION_KILL);
	assert_int_equal(pack_rule_disposition(p, 2), DISPOSITION_ALLOW);
	pack_values(p, count_value, &values);
	assert_string_equal(values,
			    "0:13:user=alice 0:13:user=svc-* 0:15:data_class=pan "
			    "0:15:data_class=iban 0:16:tool=claude_code 0:17:exe=/usr/bin/curl "
			    "0:17:group=dev 0:17:group=ops 1:19:host=*.example.com ");
}

static void test_monitor_is_the_default(void **state)
{
	_cleanup_(pack_freep) struct pack *p = NULL;
	char err[512];

	assert_int_equal(parse(HEAD RULE, strlen(HEAD RULE), &p, err), 0);
	assert_false(pack_enforce(p));
}

#define CALL_FACTS                                                                                \
	"user, group, exe, exe_sha256, script, package, tool, in_tree, cgroup, container, host, " \
	"service, vendor, evidence, known, address, port, operation, model, dialect, "            \
	"tool_offered, data_class, tool_call, completeness"

/* Each is refused with this line and nothing is taken. */
static const struct {
	const char *yaml, *err;
} bad[] = {
	{"", "f.yaml:1: the file is empty; expected fields (\"key: value\")"},
	{"# only a comment\n", "f.yaml:1: the file is empty; expected fields (\"key: value\")"},
	{"---\n", "f.yaml:2: the pack is nothing; expected a mapping"},
	{"- a\n", "f.yaml:1: the pack is a list; expected a mapping"},
	{"text\n", "f.yaml:1: the pack is a text; expected a mapping"},
	{HEAD RULE "---\npack: q\n", "f.yaml:6: a second document; expected one in one file"},
	{"pack: p\npack: q\n", "f.yaml:2: key \"pack\" is given twice (first on line 1); expected "
			       "once"},
	{HEAD RULE "rulez: 1\n", "f.yaml:6: unknown key \"rulez\" in the pack; expected one of: "
				 "pack, version, revision, description, mode, gate, rules, "
				 "tests, coverage"},
	{"version: 1\nrules:\n" RULE, "f.yaml:1: the pack has no key \"pack\"; expected one"},
	{"pack: p\nrules:\n" RULE, "f.yaml:1: the pack has no key \"version\"; expected one"},
	{"pack: p\nversion: 1\n", "f.yaml:1: the pack has no key \"rules\"; expected one"},
	{"pack: P\nversion: 1\nrules:\n" RULE,
	 "f.yaml:1: pack \"P\" is no id; expected up to 64 of a-z 0-9 . _ -, beginning with a "
	 "letter or digit"},
	{"pack: [p]\nversion: 1\nrules:\n" RULE, "f.yaml:1: pack is a list; expected a text"},
	{"pack:\nversion: 1\nrules:\n" RULE,
	 "f.yaml:1: pack has no value; expected a text (\"\" for the empty one)"},
	{"pack: p\nversion: a b\nrules:\n" RULE,
	 "f.yaml:2: version is not like 1.2.3; expected up to 64 of letters, digits, \".\", \"+\" "
	 "and \"-\""},
	{"pack: p\nversion: 1\nmode: on\nrules:\n" RULE,
	 "f.yaml:3: mode is \"on\"; expected one of: monitor, enforce"},
	{"pack: p\nversion: 1\ndescription: [a]\nrules:\n" RULE,
	 "f.yaml:3: description is no text; expected a text"},
	{"pack: p\nversion: 1\nrules: {}\n", "f.yaml:3: rules is a mapping; expected a list"},
	{"pack: p\nversion: 1\nrules: []\n",
	 "f.yaml:3: rules is empty; expected at least one rule"},
	{"pack: p\nversion: 1\nrules:\n", "f.yaml:3: rules is nothing; expected a list"},
	{HEAD "  - r\n", "f.yaml:4: a rule is a text; expected a mapping"},
	{HEAD "  - id: r\n", "f.yaml:4: a rule has no key \"disposition\"; expected one"},
	{HEAD "  - disposition: kill\n", "f.yaml:4: a rule has no key \"id\"; expected one"},
	{HEAD "  - id: r\n    disposition: block\n",
	 "f.yaml:5: disposition is \"block\"; expected one of: allow, alert, hold, "
	 "redact, deny, kill"},
	{HEAD "  - id: r\n    disposition:\n",
	 "f.yaml:5: disposition is \"\"; expected one of: allow, alert, hold, "
	 "redact, deny, kill"},
	{HEAD "  - id: r\n    disposition: [kill]\n",
	 "f.yaml:5: disposition is a list; expected one of: allow, alert, hold, "
	 "redact, deny, kill"},
	{HEAD RULE "    severity: urgent\n", "f.yaml:6: severity is \"urgent\"; expected one of: "
					     "info, low, medium, high, critical"},
	{HEAD RULE RULE, "f.yaml:6: rule id \"r\" is used twice (first on line 4); expected a new "
			 "one"},
	{HEAD RULE "    when: x\n",
	 "f.yaml:6: unknown key \"when\" in a rule; expected one of: id, "
	 "description, on, severity, risk, controls, match, disposition, mode, schedule, rollout, "
	 "exceptions, fail, unknown, refuse, quic, redact, else, hold, then"},
#define BAD_RISK(v)                                                                          \
	{                                                                                    \
		HEAD RULE "    risk: " v "\n",                                               \
			"f.yaml:6: risk is out of range or no number; expected 0 to 1 with " \
			"at most four decimals, like 0.25"                                   \
	}
	BAD_RISK("1.1"),
	BAD_RISK("1.0001"),
	BAD_RISK("-0.1"),
	BAD_RISK("2"),
	BAD_RISK("0.12345"),
	BAD_RISK("0."),
	BAD_RISK(".5"),
	BAD_RISK("5e-1"),
	BAD_RISK("0.5x"),
	BAD_RISK("\"0.5\""),
	BAD_RISK("[0.5]"),
	BAD_RISK("nan"),
	BAD_RISK(""),
	{HEAD RULE "    match: openai\n", "f.yaml:6: match is a text; expected a mapping"},
	{HEAD RULE "    match:\n", "f.yaml:6: match is nothing; expected a mapping"},
	{HEAD RULE "    match: {}\n",
	 "f.yaml:6: match is an empty mapping; expected a fact to match (a rule without match "
	 "matches every call)"},
	{HEAD RULE "    match:\n      usr: a\n",
	 "f.yaml:7: unknown key \"usr\" in match; expected one of: " CALL_FACTS ", all, any, not"},
	{HEAD RULE "    match: {user: []}\n",
	 "f.yaml:6: user is an empty list; expected at least one value"},
	{HEAD RULE "    match: {user: [a, [b]]}\n", "f.yaml:6: user is a list; expected a text"},
	{HEAD RULE "    match: {user: {a: b}}\n",
	 "f.yaml:6: unknown key \"a\" in user; expected one of: regex"},
	{HEAD RULE "    match: {user: [a, null]}\n",
	 "f.yaml:6: user has no value; expected a text (\"\" for the empty one)"},
	{HEAD RULE "    match: {user: \"a\\tb\"}\n",
	 "f.yaml:6: user holds a control character; expected one line of text"},
	{HEAD RULE "    match: {user: \"a\\Nb\"}\n",
	 "f.yaml:6: user holds a control character; expected one line of text"},
	{HEAD RULE "    match: {user: \"a\\0b\"}\n",
	 "f.yaml:6: a NUL inside a text; expected none"},
	{HEAD RULE "    match: {known: no}\n",
	 "f.yaml:6: known is not true or false; expected one of these"},
	{HEAD RULE "    match: {known: \"true\"}\n",
	 "f.yaml:6: known is not true or false; expected one of these"},
	{HEAD RULE "    match: {not: openai}\n", "f.yaml:6: not is a text; expected a mapping"},
	{HEAD RULE "    match: {not: {}}\n",
	 "f.yaml:6: not is an empty mapping; expected a fact to match (a rule without match matches "
	 "every call)"},
	{HEAD RULE "    match: {not: []}\n",
	 "f.yaml:6: not is an empty list; expected at least one value"},
	{HEAD RULE "    match: {not: {not: {not: {not: {not: {not: {not: {user: a}}}}}}}}\n",
	 "f.yaml:6: \"not\" is nested deeper than 6; expected fewer levels"},
	{HEAD RULE "    match: {all: {user: a}}\n", "f.yaml:6: all is a mapping; expected a list"},
	{HEAD RULE "    match: {any: {user: a}}\n", "f.yaml:6: any is a mapping; expected a list"},
	{HEAD RULE "    match: {user: *.x}\n",
	 "f.yaml:6: while scanning an alias: did not find expected alphabetic or numeric character; "
	 "expected YAML"},
	{HEAD RULE "    match: {user: *x}\n",
	 "f.yaml:6: anchors and aliases are not taken here; quote a text that begins with "
	 "\"*\" or \"&\""},
	{HEAD RULE "    match: {user: &a b}\n",
	 "f.yaml:6: anchors and aliases are not taken here; quote a text that begins with "
	 "\"*\" or \"&\""},
	{HEAD RULE "    match: &a {user: b}\n",
	 "f.yaml:6: anchors and aliases are not taken here; quote a text that begins with "
	 "\"*\" or \"&\""},
	{HEAD RULE "    match: {user: !!str b}\n",
	 "f.yaml:6: tags (\"!\") are not taken here; expected a plain value"},
	{HEAD RULE "    match: !!map {user: b}\n",
	 "f.yaml:6: tags (\"!\") are not taken here; expected a plain value"},
	{HEAD RULE "    match: {[a]: b}\n",
	 "f.yaml:6: a list or mapping as a key; expected a text"},
	{HEAD RULE "    match: {user: a, user: b}\n",
	 "f.yaml:6: key \"user\" is given twice (first on line 6); expected once"},
	{HEAD "\t- id: r\n", "f.yaml:4: while scanning for the next token: found character that "
			     "cannot start any token; expected YAML"},
	{HEAD RULE "    match: {user: [a}\n", "f.yaml:6: while parsing a flow sequence: did not "
					      "find expected ',' or ']'; expected YAML"},
	{HEAD RULE "    match: {user: \xff}\n",
	 "f.yaml:6: invalid leading UTF-8 octet; expected UTF-8 text"},
	{HEAD RULE "    match: {user: \xc3(}\n",
	 "f.yaml:6: invalid trailing UTF-8 octet; expected UTF-8 text"},
	{HEAD RULE "    match: {user: a\x1b[0m}\n",
	 "f.yaml:6: control characters are not allowed; expected UTF-8 text"},
	{"\xff\xfep\0a\0", "f.yaml:1: invalid leading UTF-8 octet; expected UTF-8 text"},
	{HEAD RULE "tests: 3\n", "f.yaml:6: tests is a text; expected a list"},
	{HEAD RULE "tests:\n  - name: t\n    given: {user: a}\n",
	 "f.yaml:7: a test has no key \"expect\"; expected one"},
	{HEAD RULE "tests:\n  - name: t\n    expect: {risk: 0}\n",
	 "f.yaml:7: a test has no key \"given\"; expected one"},
	{HEAD RULE "tests:\n  - given: {user: a}\n    expect: {risk: 0}\n",
	 "f.yaml:7: a test has no key \"name\"; expected one"},
	{HEAD RULE "tests:\n  - {name: t, given: {}, expect: {}}\n",
	 "f.yaml:7: expect is empty; expected disposition, rules, unknown, risk or deciding"},
	{HEAD RULE "tests:\n  - {name: t, given: {uid: 1}, expect: {risk: 0}}\n",
	 "f.yaml:7: unknown key \"uid\" in given (on: call); expected one of: on, stage, now, host_id, " CALL_FACTS},
	{HEAD RULE "tests:\n  - {name: t, given: {user: [a, b]}, expect: {risk: 0}}\n",
	 "f.yaml:7: user is a list; expected a text"},
	{HEAD RULE "tests:\n  - {name: t, given: {stage: end}, expect: {risk: 0}}\n",
	 "f.yaml:7: stage is \"end\"; expected one of: process, host, request, done"},
	{HEAD RULE "tests:\n  - {name: t, given: {}, expect: {rules: [q]}}\n",
	 "f.yaml:7: no rule has the id \"q\"; expected one of this pack"},
	{HEAD RULE "tests:\n  - {name: t, given: {}, expect: {deciding: [r]}}\n",
	 "f.yaml:7: deciding is no text; expected a rule id"},
	{HEAD RULE "tests:\n  - {name: t, given: {}, expect: {result: kill}}\n",
	 "f.yaml:7: unknown key \"result\" in expect; expected one of: disposition, would, rules, "
	 "unknown, monitored, excepted, risk, deciding"},
};

static void test_bad(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct pack *p = (struct pack *)&bad; /* must stay untouched */
		char err[512];
		int r = parse(bad[i].yaml, strlen(bad[i].yaml), &p, err);

		if (r != -EINVAL || strcmp(err, bad[i].err))
			fail_msg("row %zu: %d\n  expected %s\n  got      %s", i, r, bad[i].err,
				 err);
		assert_ptr_equal(p, &bad);
	}
}

/* Limits: one more is refused with -E2BIG, and as many as allowed are taken. */
static int with_rules(size_t n, char err[512])
{
	_cleanup_(pack_freep) struct pack *p = NULL;
	_cleanup_free_ char *y = malloc(64 + n * 64);
	size_t o = sprintf(y, HEAD);

	for (size_t i = 0; i < n; i++)
		o += sprintf(y + o, "  - {id: r%zu, disposition: alert}\n", i);
	return parse(y, o, &p, err);
}

static int with_values(size_t n, char err[512])
{
	_cleanup_(pack_freep) struct pack *p = NULL;
	_cleanup_free_ char *y = malloc(128 + n * 16);
	size_t o = sprintf(y, HEAD RULE "    match: {user: [");

	for (size_t i = 0; i < n; i++)
		o += sprintf(y + o, "%su%zu", i ? "," : "", i);
	o += sprintf(y + o, "]}\n");
	return parse(y, o, &p, err);
}

static int with_depth(size_t n, char err[512])
{
	_cleanup_(pack_freep) struct pack *p = NULL;
	_cleanup_free_ char *y = calloc(1, n + 2);

	memset(y, '[', n);
	return parse(y, n, &p, err);
}

static int with_bytes(size_t n, char err[512])
{
	_cleanup_(pack_freep) struct pack *p = NULL;
	_cleanup_free_ char *y = malloc(n + 1);

	memset(y, '#', n);
	memcpy(y, HEAD RULE, strlen(HEAD RULE));
	return parse(y, n, &p, err);
}

static int with_nodes(size_t n, char err[512])
{
	_cleanup_(pack_freep) struct pack *p = NULL;
	_cleanup_free_ char *y = malloc(2 * n + 1);

	for (size_t i = 0; i < n; i++)
		memcpy(y + 2 * i, i ? "a," : "[ ", 2);
	return parse(y, 2 * n, &p, err);
}

static int with_keys(size_t n, char err[512])
{
	_cleanup_(pack_freep) struct pack *p = NULL;
	_cleanup_free_ char *y = malloc(16 * n + 1);
	size_t o = 0;

	for (size_t i = 0; i < n; i++)
		o += sprintf(y + o, "k%zu: 1\n", i);
	return parse(y, o, &p, err);
}

static void test_limits(void **state)
{
	static const struct {
		int (*run)(size_t n, char err[512]);
		size_t n;
		int r;
		const char *err;
	} limit[] = {
		{with_rules, PACK_RULES_MAX, 0, ""},
		{with_rules, PACK_RULES_MAX + 1, -E2BIG,
		 "f.yaml:4: 257 rules; expected at most 256"},
		{with_values, 256, 0, ""},
		{with_values, 257, -E2BIG, "f.yaml:6: user has 257 values; expected at most 256"},
		{with_depth, DOC_DEPTH_MAX + 1, -E2BIG, "f.yaml:1: nested deeper than 24 levels"},
		{with_depth, 100000, -E2BIG, "f.yaml:1: nested deeper than 24 levels"},
		{with_bytes, PACK_FILE_MAX + 1, -E2BIG,
		 "f.yaml:1: 196609 bytes; expected at most 196608"},
		{with_nodes, DOC_NODES_MAX + 10, -E2BIG,
		 "f.yaml:1: more than 32768 values in one file"},
		{with_keys, DOC_KEYS_MAX + 1, -E2BIG,
		 "f.yaml:65: more than 64 keys in one mapping"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(limit); i++) {
		char err[512];
		int r = limit[i].run(limit[i].n, err);

		if (r != limit[i].r || strcmp(err, limit[i].err))
			fail_msg("row %zu: %d %s", i, r, err);
	}
}

/* Taken whole or refused with one line: no control byte, valid prefix, and nothing returned. */
static void whole_or_nothing(const char *yaml, size_t n)
{
	_cleanup_free_ char *exact = n ? malloc(n) : NULL; /* an over-read is seen */
	struct pack *p = NULL;
	char err[512];
	int r;

	if (n)
		memcpy(exact, yaml, n);
	r = parse(exact, n, &p, err);
	if (!r) {
		assert_non_null(p);
		pack_free(p);
		return;
	}
	assert_null(p);
	assert_true(r == -EINVAL || r == -E2BIG);
	assert_memory_equal(err, "f.yaml:", 7);
	for (const char *c = err; *c; c++)
		assert_true((unsigned char)*c >= 0x20);
}

static void test_truncated(void **state)
{
	for (size_t n = 0; n <= strlen(full); n++)
		whole_or_nothing(full, n);
}

static void test_changed_bytes(void **state)
{
	static const char with[] = "\0\n\t \"'*&!-:[]{}#|>%@0a\x80\xff";
	char y[sizeof(full)];

	for (size_t i = 0; i < strlen(full); i++) {
		for (size_t k = 0; k < sizeof(with); k++) {
			memcpy(y, full, sizeof(full));
			y[i] = with[k];
			whole_or_nothing(y, strlen(full));
		}
	}
}

static void test_short_error_buffer(void **state)
{
	struct pack *p = NULL;
	char err[8] = "unset..";

	assert_int_equal(pack_parse("f.yaml", "", 0, &p, err, sizeof(err)), -EINVAL);
	assert_string_equal(err, "f.yaml:");
	assert_int_equal(pack_parse("f.yaml", "", 0, &p, NULL, 0), -EINVAL);
}

/* Texts of the file never reach the line as control bytes or half characters. */
static void test_clip(void **state)
{
	static const struct {
		const char *in;
		size_t cap;
		const char *out;
	} row[] = {
		{"abc", 8, "abc"},
		{"abc", 3, "ab"},
		{"a\nb\x1b\x7f", 8, "a?b??"},
		{"a\xc3\xa9", 3, "a"},
		{"a\xc3\xa9", 4, "a\xc3\xa9"},
		{"\xc2\x9b"
		 "x",
		 8, "?x"},
		{"\xc3", 8, "?"},
		{"\xe2\x82", 8, "??"},
		{"\xe2\x82\xac", 8, "\xe2\x82\xac"},
		{"\x80", 8, "?"},
		{"", 1, ""},
		{"abc", 1, ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		char out[8];

		assert_string_equal(doc_clip(out, row[i].cap, row[i].in), row[i].out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_monitor_is_the_default),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_changed_bytes),
		cmocka_unit_test(test_short_error_buffer),
		cmocka_unit_test(test_clip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
