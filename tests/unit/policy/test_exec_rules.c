// SPDX-License-Identifier: Apache-2.0
/* What of an exec rule the kernel compares, and which files the worker says it names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "policy/pack.h"
#include "policy/schedule.h"

DEFINE_CLEANUP(struct pack, pack_free)

static const char yaml[] =
	"pack: p\nversion: 1\nrules:\n"
	"  - {id: call, disposition: deny}\n"
	"  - {id: path, on: exec, disposition: deny, match: {exe: [\"/opt/*\", /x], user: [A, \"b*\"]}}\n"
	"  - {id: tree, on: exec, disposition: kill, match: {in_tree: true, tool: \"?*\"}}\n"
	"  - {id: list, on: exec, disposition: deny, match: {user: ci, not: [{exe: \"/usr/*\"}, "
	"{package: ok}]}}\n"
	"  - {id: digest, on: exec, disposition: deny, match: {exe_sha256: AB12}}\n"
	"  - {id: script, on: exec, disposition: alert, match: {any: [{script: {regex: "
	"\".*/cli\\\\.js\"}}, {package: \"@x/*\"}]}, exceptions: [{match: {script: /ok/cli.js}, "
	"reason: r, until: 2026-03-01}]}\n"
	"  - {id: notlist, on: exec, disposition: deny, match: {tool: a, not: {exe: /x}}}\n";

static struct pack *the_pack(void)
{
	struct pack *p = NULL;
	char err[512] = "";

	if (pack_parse("f", yaml, strlen(yaml), &p, err, sizeof(err)))
		fail_msg("%s", err);
	return p;
}

static void test_rules(void **state)
{
	_cleanup_(pack_freep) struct pack *p = the_pack();
	struct pack_exec_rule r[64];

	assert_int_equal(pack_exec_rules(p, r), 6);
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(r[i].index, i + 1);
		assert_int_equal(r[i].allowlist, i == 2);
		assert_int_equal(r[i].in_tree, i == 1);
		assert_int_equal(r[i].any_user, i != 0 && i != 2);
	}
	assert_int_equal(r[0].users.n, 2);
	assert_string_equal(r[0].users.v[0], "a");
	assert_string_equal(r[0].users.v[1], "b*");
}

/* Bits: path 1, tree 2, list 4, digest 8, script 16, notlist 32. */
static const struct {
	const char *exe, *sha256, *script, *package, *tool;
	const char *now; /* NULL: no clock */
	uint64_t bits, unknown;
} rows[] = {
	{"/usr/bin/ls", "cd", "", "", "", NULL, 0, 0},
	{"/opt/a/b", "cd", "", "", "", NULL, 1 | 4, 0},
	{"/x", "cd", "", "", "a", NULL, 1 | 2 | 4, 0},
	{"/y", "cd", "", "", "a", NULL, 2 | 4 | 32, 0},
	{"/y", "cd", "", "ok", "", NULL, 0, 0},
	{"/usr/bin/x", "ab12", "", "", "", NULL, 8, 0},
	{"/usr/bin/x", NULL, "", "", "", NULL, 0, 8},
	{"/usr/bin/node", "cd", "/a/cli.js", "", "", NULL, 16, 0},
	{"/usr/bin/node", "cd", "/a/xcli.json", "@x/y", "", NULL, 16, 0},
	{"/usr/bin/node", "cd", NULL, "", "", NULL, 0, 16},
	{"/usr/bin/node", "cd", NULL, "@x/y", "", "2026-03-02T00:00:00Z", 16, 0},
	{"/usr/bin/node", "cd", NULL, "@x/y", "", "2026-03-01T00:00:00Z", 0, 16},
	{"/usr/bin/node", "cd", "/ok/cli.js", "", "", "2026-03-01T12:00:00Z", 0, 0},
	{"/usr/bin/node", "cd", "/ok/cli.js", "", "", "2026-03-02T00:00:00Z", 16, 0},
	{"/y", "cd", "", NULL, "", NULL, 0, 4 | 16},
	{"/usr/y", "cd", "", NULL, "", NULL, 0, 16}, /* on the list by its path already */
};

static void test_files(void **state)
{
	_cleanup_(pack_freep) struct pack *p = the_pack();

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct facts f = {.subject = FACTS_EXEC,
				  .stage = FACTS_PROCESS,
				  .user = "nobody else",
				  .exe = rows[i].exe,
				  .tool = rows[i].tool,
				  .exe_sha256 = rows[i].sha256,
				  .script = rows[i].script,
				  .package = rows[i].package};

		if (rows[i].now)
			schedule_instant(rows[i].now, &f.now_unix_s);
		if (pack_exec_file(p, &f) != rows[i].bits ||
		    pack_exec_unknown(p, &f) != rows[i].unknown)
			fail_msg("row %zu: %llx, %llx", i,
				 (unsigned long long)pack_exec_file(p, &f),
				 (unsigned long long)pack_exec_unknown(p, &f));
	}
}

static void test_asks(void **state)
{
	_cleanup_(pack_freep) struct pack *p = the_pack();

	assert_true(pack_asks(p, FACTS_EXEC, "exe_sha256"));
	assert_true(pack_asks(p, FACTS_EXEC, "package")); /* inside not and any */
	assert_true(pack_asks(p, FACTS_EXEC, "script"));
	assert_false(pack_asks(p, FACTS_CALL, "exe_sha256"));
	assert_false(pack_asks(p, FACTS_EXEC, "host"));
}

/* With a user and a tree the whole rule says what the bit and the kernel say together. */
static void test_agrees_with_decide(void **state)
{
	_cleanup_(pack_freep) struct pack *p = the_pack();
	struct facts f = {.subject = FACTS_EXEC,
			  .stage = FACTS_PROCESS,
			  .user = "ci",
			  .exe = "/y",
			  .tool = "t",
			  .exe_sha256 = "",
			  .script = "",
			  .package = ""};
	struct decision d;

	pack_decide(p, &f, &d);
	assert_int_equal(d.result[2], RULE_NO);
	assert_int_equal(d.result[3], RULE_FIRED);
	f.in_tree = true;
	f.user = "root";
	pack_decide(p, &f, &d);
	assert_int_equal(d.result[2], RULE_FIRED);
	assert_int_equal(d.result[3], RULE_NO);
	assert_int_equal(d.disposition, DISPOSITION_KILL);
}

static void test_at_most_64(void **state)
{
	char many[8192], err[512] = "";
	size_t o = sprintf(many, "pack: p\nversion: 1\nrules:\n");
	struct pack *p = NULL;

	for (int i = 0; i < 65; i++)
		o += sprintf(many + o,
			     "  - {id: r%d, on: exec, disposition: deny, match: {exe: a}}\n", i);
	assert_int_not_equal(pack_parse("f", many, o, &p, err, sizeof(err)), 0);
	assert_string_equal(err,
			    "f:68: rule r64 cannot be enforced: the kernel holds 64 rules of a "
			    "kind, and there are 64 before it; expected fewer");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),	   cmocka_unit_test(test_files),
		cmocka_unit_test(test_asks),	   cmocka_unit_test(test_agrees_with_decide),
		cmocka_unit_test(test_at_most_64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
