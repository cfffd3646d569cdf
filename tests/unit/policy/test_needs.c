// SPDX-License-Identifier: Apache-2.0
/* What each kind of rule needs of a host, and where it is decided. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "policy/needs.h"

#define B(n) NEED_BIT(NEED_##n)

static void rows(void **state)
{
	static const struct {
		const char *rule;
		uint32_t needs;
		const char *by;
		bool before;
	} row[] = {
		{"disposition: alert, match: {user: a}", 0, "kernel", true},
		{"disposition: deny, match: {user: a}", B(CALL_DENY), "kernel", true},
		{"disposition: kill, match: {user: a}", B(KILL), "kernel", true},
		{"disposition: deny, match: {data_class: pan}", B(CONTENT_WAIT) | B(REFUSE),
		 "agent", true},
		{"disposition: deny, refuse: [error, kill], match: {data_class: pan}",
		 B(CONTENT_WAIT) | B(KILL), "agent", true},
		{"disposition: kill, match: {model: m}", B(CONTENT_WAIT) | B(KILL), "agent", true},
		{"disposition: redact, redact: pan, match: {data_class: pan}",
		 B(CONTENT_WAIT) | B(MASK), "agent", true},
		{"disposition: hold, match: {model: m}", B(CONTENT_WAIT) | B(REFUSE), "agent",
		 true},
		{"disposition: kill, match: {tool_call: Bash}", B(KILL_AFTER), "agent", false},
		{"on: exec, disposition: deny, match: {exe: /opt/x}", B(EXEC_DENY), "kernel", true},
		{"on: exec, disposition: deny, match: {package: x}", B(EXEC_DENY) | B(SCRIPT_DENY),
		 "kernel", true},
		{"on: connect, disposition: deny, match: {address: 192.0.2.0/24}", B(CONNECT_ADDR),
		 "kernel", true},
		{"on: connect, disposition: deny, match: {host: a.example}", B(CONNECT_NAME),
		 "kernel", true},
		{"on: connect, disposition: deny, quic: drop, match: {host: a.example}",
		 B(CONNECT_NAME) | B(QUIC_DROP), "kernel", true},
		{"on: tool_call, disposition: alert, match: {tool_call: Bash}", 0, "agent", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		char yaml[512], err[256] = "";
		struct policy_place at;
		struct pack *p;
		int n = snprintf(yaml, sizeof(yaml),
				 "pack: t\nversion: 1\nrules:\n  - {id: r, %s}\n", row[i].rule);

		if (pack_parse("t", yaml, n, &p, err, sizeof(err)))
			fail_msg("row %zu: %s", i, err);
		at = policy_place_of(p, 0);
		if (policy_needs_of(p, 0) != row[i].needs)
			fail_msg("row %zu: needs %x", i, policy_needs_of(p, 0));
		if (row[i].needs && (strcmp(at.by, row[i].by) || at.before != row[i].before))
			fail_msg("row %zu: by %s %s", i, at.by, at.where);
		pack_free(p);
	}
}

static void then(void **state)
{
	static const char yaml[] =
		"pack: t\nversion: 1\nrules:\n"
		"  - {id: e, on: exec, disposition: deny, match: {exe: /opt/x}}\n"
		"  - {id: c, on: connect, disposition: deny, match: {host: a.example}}\n"
		"  - {id: t, on: tool_call, disposition: alert, match: {tool_call: x},\n"
		"     then: {exec: [e], connect: [c]}}\n";
	char err[256];
	struct pack *p;

	assert_int_equal(pack_parse("t", yaml, strlen(yaml), &p, err, sizeof(err)), 0);
	assert_int_equal(policy_needs_of(p, 2), B(TREE) | B(EXEC_DENY) | B(CONNECT_NAME));
	pack_free(p);
}

/* What the pack says of writes that cannot wait, and a rule of its operator. */
static void waits(void **state)
{
	static const struct {
		const char *gate, *rule;
		uint32_t needs;
	} row[] = {
		{"", "disposition: redact", B(CONTENT_WAIT) | B(MASK)},
		{"gate: {full: refuse}", "disposition: redact", B(CONTENT_WAIT) | B(MASK)},
		{"gate: {full: stop}", "disposition: redact", B(CONTENT_STOP) | B(MASK)},
		{"gate: {full: stop}", "disposition: deny", B(CONTENT_STOP) | B(REFUSE)},
		{"", "disposition: hold, hold: {block: 30s}",
		 B(CONTENT_WAIT) | B(REFUSE) | B(BLOCK)},
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		char yaml[512], err[256] = "";
		struct pack *p;
		int n = snprintf(yaml, sizeof(yaml),
				 "pack: t\nversion: 1\n%s\nrules:\n"
				 "  - {id: r, match: {data_class: pan}, %s}\n",
				 row[i].gate, row[i].rule);

		if (pack_parse("t", yaml, n, &p, err, sizeof(err)))
			fail_msg("row %zu: %s", i, err);
		if (policy_needs_of(p, 0) != row[i].needs)
			fail_msg("row %zu: needs %x", i, policy_needs_of(p, 0));
		pack_free(p);
	}
}

static void names(void **state)
{
	for (unsigned i = 0; i < NEED__MAX; i++) {
		assert_true(policy_need_name(i)[0] && policy_need_about(i)[0]);
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(policy_need_name(i), policy_need_name(k));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(rows), cmocka_unit_test(then),
					   cmocka_unit_test(waits), cmocka_unit_test(names)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
