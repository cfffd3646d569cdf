// SPDX-License-Identifier: Apache-2.0
/* Which rules the kernel gets, with which lists, and what is said about the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "policy/pack.h"

DEFINE_CLEANUP(struct pack, pack_free)

static struct pack *pack_of(const char *rules)
{
	static char yaml[65536];
	struct pack *p = NULL;
	char err[512] = "";

	snprintf(yaml, sizeof(yaml), "pack: p\nversion: 1\nrules:\n%s", rules);
	if (pack_parse("p", yaml, strlen(yaml), &p, err, sizeof(err)))
		fail_msg("%s", err);
	return p;
}

static char *join(char *dst, const struct facts_list *l)
{
	dst[0] = '\0';
	for (size_t i = 0; i < l->n; i++) {
		strcat(dst, i ? "," : "");
		strcat(dst, l->v[i]);
	}
	return dst;
}

/* lists: hosts;services;tools;users, "-" = any. */
static const struct {
	const char *rule, *lists, *reason;
} rows[] = {
	{"disposition: kill", "-;-;-", NULL},
	{"disposition: kill, match: {user: [Alice, \"svc-*\"]}", "-;-;alice,svc-*", NULL},
	{"disposition: kill, match: {tool: [cursor, \"\"]}", "-;cursor,;-", NULL},
	{"disposition: kill, match: {host: [api.openai.com, \"*.Example.COM\"]}",
	 "h=api.openai.com,*.example.com s=;-;-", NULL},
	{"disposition: kill, match: {service: [openai, \"azure*\"]}", "h= s=openai,azure*;-;-",
	 NULL},
	{"disposition: kill, match: {service: x, tool: a, user: b}", "h= s=x;a;b", NULL},
	{"disposition: alert, match: {user: a}", NULL, "it is not a kill rule"},
	{"disposition: allow", NULL, "it is not a kill rule"},
	{"disposition: kill, match: {host: \"*\"}", NULL,
	 "a host pattern has more than a leading \"*.\""},
	{"disposition: kill, match: {host: \"*.\"}", NULL,
	 "a host pattern has more than a leading \"*.\""},
	{"disposition: kill, match: {host: [a.com, \"api.*.com\"]}", NULL,
	 "a host pattern has more than a leading \"*.\""},
	{"disposition: kill, match: {host: \"*openai.com\"}", NULL,
	 "a host pattern has more than a leading \"*.\""},
	{"disposition: kill, match: {host: \"a?.com\"}", NULL,
	 "a host pattern has more than a leading \"*.\""},
	{"disposition: kill, match: {host: \"\"}", NULL,
	 "a host pattern has more than a leading \"*.\""},
	{"disposition: kill, match: {host: a.com, service: openai}", NULL,
	 "it asks for host and service together; ask for one of them"},
	{"disposition: kill, match: {not: {service: openai}}", NULL,
	 "it uses not; the kernel compares only what a rule names"},
	{"disposition: kill, match: {user: a, any: [{tool: b}]}", NULL,
	 "it uses any; write one rule for each alternative"},
	{"disposition: kill, match: {user: a, group: b}", NULL,
	 "it asks for group; the kernel compares users, tools and hosts only"},
	{"disposition: kill, match: {exe: b}", NULL,
	 "it asks for exe; the kernel compares users, tools and hosts only"},
	{"disposition: kill, match: {cgroup: b}", NULL,
	 "it asks for cgroup; the kernel compares users, tools and hosts only"},
	{"disposition: kill, match: {container: b}", NULL,
	 "it asks for container; the kernel compares users, tools and hosts only"},
	{"disposition: kill, match: {known: false}", NULL,
	 "it asks for known; an unknown service is recognised by its request"},
	{"disposition: kill, match: {vendor: b}", NULL,
	 "it asks for vendor; name the services instead"},
	{"disposition: kill, match: {evidence: b}", NULL,
	 "it asks for evidence; name the services instead"},
	{"disposition: kill, match: {operation: b}", NULL,
	 "it asks for operation, which only the request shows"},
	{"disposition: kill, match: {model: b}", NULL,
	 "it asks for model, which only the request shows"},
	{"disposition: kill, match: {dialect: b}", NULL,
	 "it asks for dialect, which only the request shows"},
	{"disposition: kill, match: {tool_offered: b}", NULL,
	 "it asks for tool_offered, which only the request shows"},
	{"disposition: kill, match: {data_class: b}", NULL,
	 "it asks for data_class, which only the request and answer show"},
	{"disposition: kill, match: {tool_call: b}", NULL,
	 "it asks for tool_call, which only the answer shows"},
	{"disposition: kill, match: {completeness: b}", NULL,
	 "it asks for completeness, which only the end of the call shows"},
};

static void test_rows(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(pack_freep) struct pack *p = NULL;
		struct pack_krule k[64];
		char rule[256], hosts[256], services[256], tools[256], users[256], got[1200];
		const char *why;
		size_t n;

		snprintf(rule, sizeof(rule), "  - {id: r, %s}\n", rows[i].rule);
		p = pack_of(rule);
		n = pack_krules(p, k);
		why = pack_krule_reason(p, 0);
		if (n != (rows[i].reason ? 0 : 1) || !why != !rows[i].reason ||
		    (why && strcmp(why, rows[i].reason)))
			fail_msg("%s: %zu, %s", rows[i].rule, n, why ? why : "in the kernel");
		if (!n)
			continue;
		assert_int_equal(k[0].index, 0);
		snprintf(hosts, sizeof(hosts), "h=%s s=%s", join(tools, &k[0].hosts),
			 join(services, &k[0].services));
		snprintf(got, sizeof(got), "%s;%s;%s", k[0].any_host ? "-" : hosts,
			 k[0].any_tool ? "-" : join(tools, &k[0].tools),
			 k[0].any_user ? "-" : join(users, &k[0].users));
		assert_string_equal(got, rows[i].lists);
	}
}

static void test_too_many_values(void **state)
{
	char rule[2048];
	size_t o = sprintf(rule, "  - {id: r, disposition: kill, match: {user: [");

	for (int i = 0; i < 65; i++)
		o += sprintf(rule + o, "%su%d", i ? "," : "", i);
	sprintf(rule + o, "]}}\n");
	_cleanup_(pack_freep) struct pack *p = pack_of(rule);
	struct pack_krule k[64];

	assert_int_equal(pack_krules(p, k), 0);
	assert_string_equal(pack_krule_reason(p, 0), "it lists more than 64 values for one word");
}

/* Bits are the kernel rules in file order; the 65th is left to the agent and says so. */
static void test_at_most_64(void **state)
{
	char rules[8192];
	struct pack_krule k[64];
	size_t o = sprintf(rules, "  - {id: first, disposition: alert}\n");

	for (int i = 0; i < 66; i++)
		o += sprintf(rules + o, "  - {id: r%d, disposition: kill, match: {user: u}}\n", i);
	_cleanup_(pack_freep) struct pack *p = pack_of(rules);

	assert_int_equal(pack_krules(p, k), 64);
	for (size_t i = 0; i < 64; i++)
		assert_int_equal(k[i].index, i + 1);
	assert_null(pack_krule_reason(p, 64));
	assert_string_equal(pack_krule_reason(p, 65),
			    "the kernel holds 64 rules, and there are 64 before it");
	assert_non_null(pack_krule_reason(p, 66));
}

static void test_tool_bits(void **state)
{
	_cleanup_(pack_freep) struct pack *p =
		pack_of("  - {id: a, disposition: kill, match: {tool: [cursor, \"claude*\"]}}\n"
			"  - {id: b, disposition: kill, match: {user: u}}\n"
			"  - {id: c, disposition: kill, match: {tool: \"\"}}\n"
			"  - {id: d, disposition: kill, match: {tool: \"?*\"}}\n"
			"  - {id: e, disposition: kill, match: {model: m}}\n"
			"  - {id: f, disposition: kill, match: {tool: \"*\"}}\n");
	static const struct {
		const char *tool;
		uint64_t bits; /* a b c d f */
	} row[] = {
		{"claude_code", 0x1b},
		{"cursor", 0x1b},
		{"", 0x16},
		{"aider", 0x1a},
	};
	struct pack_krule k[64];
	size_t n = pack_krules(p, k);

	assert_int_equal(n, 5);
	for (size_t i = 0; i < ARRAY_SIZE(row); i++)
		assert_int_equal(pack_krules_tool(k, n, row[i].tool), row[i].bits);
}

/* What the kernel kills, the agent must call a kill too: the same facts, the same rule. */
static void test_agrees_with_decide(void **state)
{
	_cleanup_(pack_freep) struct pack *p = pack_of(
		"  - {id: a, disposition: kill, match: {host: \"*.x.com\", tool: cursor, user: u}}\n");
	struct facts f = {.stage = FACTS_HOST,
			  .user = "u",
			  .exe = "",
			  .tool = "cursor",
			  .cgroup = "",
			  .container = "",
			  .host = "api.x.com",
			  .service = "",
			  .vendor = "",
			  .evidence = "",
			  .operation = "",
			  .model = "",
			  .dialect = "",
			  .completeness = ""};
	struct decision d;

	pack_decide(p, &f, &d);
	assert_int_equal(d.disposition, DISPOSITION_KILL);
	f.host = "x.com";
	pack_decide(p, &f, &d);
	assert_int_equal(d.disposition, DISPOSITION_ALLOW);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_too_many_values),
		cmocka_unit_test(test_at_most_64),
		cmocka_unit_test(test_tool_bits),
		cmocka_unit_test(test_agrees_with_decide),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
