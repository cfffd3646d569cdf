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

/*
 * lists: hosts;services;nets;tools;users, "-" = any; NULL: no bit in the kernel. With a reason and
 * lists it is a content rule: the write waits for the worker.
 */
#define KILL(m) "disposition: kill, match: " m
static const struct {
	const char *rule, *lists, *reason;
} rows[] = {
	{"disposition: kill", "-;-;-", NULL},
	{KILL("{user: [Alice, \"svc-*\"]}"), "-;-;alice,svc-*", NULL},
	{KILL("{tool: [cursor, \"\"]}"), "-;cursor,;-", NULL},
	{KILL("{host: [api.openai.com, \"*.Example.COM\"]}"),
	 "h=api.openai.com,*.example.com s= n=;-;-", NULL},
	{KILL("{service: [openai, \"azure*\"]}"), "h= s=openai,azure* n=;-;-", NULL},
	{KILL("{service: x, tool: a, user: b}"), "h= s=x n=;a;b", NULL},
	{"disposition: deny, match: {service: x}", "h= s=x n=;-;-", NULL},
	{"on: connect, disposition: deny, match: {address: [10.0.0.0/8, \"2001:DB8::/32\"]}",
	 "h= s= n=10.0.0.0/8,2001:db8::/32;-;-", NULL},
	{"on: connect, disposition: kill, match: {host: a.com, user: u}", "h=a.com s= n=;-;u",
	 NULL},
	{"on: connect, disposition: deny", "-;-;-", NULL},
	{"disposition: alert, match: {user: a}", NULL, "it neither denies nor kills"},
	{"disposition: allow", NULL, "it neither denies nor kills"},
	{"disposition: hold, match: {service: x, user: a}", "h= s=x n=;-;a",
	 "it asks whether somebody approved"},
	{"disposition: redact, match: {service: x, data_class: pan}", "h= s=x n=;-;-",
	 "it masks bytes of the request"},
	{"on: tool_call, disposition: kill, match: {tool_call: x}", NULL,
	 "it is about a model's answer"},
	{"on: exec, disposition: kill, match: {exe: x}", NULL, NULL},
/* the host cannot be compared in the kernel: every AI host waits */
#define HOST_REASON "a host pattern has more than a leading \"*.\""
	{KILL("{host: \"*\"}"), "-;-;-", HOST_REASON},
	{KILL("{host: \"*.\"}"), "-;-;-", HOST_REASON},
	{KILL("{host: [a.com, \"api.*.com\"], user: u}"), "-;-;u", HOST_REASON},
	{KILL("{host: \"*openai.com\"}"), "-;-;-", HOST_REASON},
	{KILL("{host: \"a?.com\"}"), "-;-;-", HOST_REASON},
	{KILL("{host: \"\"}"), "-;-;-", HOST_REASON},
	{KILL("{host: {regex: \"a.com\"}, tool: t}"), "-;t;-",
	 "it has a regular expression; the kernel compares names"},
	{KILL("{tool: [a, {regex: \"b+\"}], host: h}"), "h=h s= n=;-;-",
	 "it has a regular expression; the kernel compares names"},
	{KILL("{host: a.com, service: openai}"), "h=a.com s= n=;-;-",
	 "it asks for host and service together; ask for one of them"},
	{KILL("{not: {service: openai}}"), "-;-;-",
	 "it uses not; the kernel compares only what a rule names"},
	{KILL("{user: a, any: [{tool: b}]}"), "-;-;a",
	 "it uses any; write one rule for each alternative"},
	{KILL("{user: a, all: [{tool: b}]}"), "-;-;a",
	 "it uses all; write its conditions side by side"},
	{KILL("{user: a, group: b}"), "-;-;a",
	 "it asks for group; the kernel compares users, tools and hosts only"},
	{KILL("{exe: b}"), "-;-;-",
	 "it asks for exe; the kernel compares users, tools and hosts only"},
	{KILL("{in_tree: true}"), "-;-;-",
	 "it asks for in_tree; the kernel compares users, tools and hosts only"},
	{KILL("{port: 80}"), "-;-;-",
	 "it asks for port; the kernel compares users, tools and hosts only"},
	{KILL("{address: 10.0.0.0/8}"), "h= s= n=10.0.0.0/8;-;-",
	 "an address alone is no AI call; ask for it in a rule on: connect"},
	{KILL("{address: [10.0.0.0/8, 192.0.2.7], model: b}"), "h= s= n=10.0.0.0/8,192.0.2.7;-;-",
	 "it asks for model, which only the request shows"},
	{KILL("{address: 10.0.0.0/8, host: c, model: b}"), "h=c s= n=10.0.0.0/8;-;-",
	 "it asks for model, which only the request shows"},
	{KILL("{not: {address: 10.0.0.0/8}}"), "-;-;-",
	 "it uses not; the kernel compares only what a rule names"},
	{KILL("{cgroup: b}"), "-;-;-",
	 "it asks for cgroup; the kernel compares users, tools and hosts only"},
	{KILL("{container: b}"), "-;-;-",
	 "it asks for container; the kernel compares users, tools and hosts only"},
	{KILL("{known: false}"), "-;-;-",
	 "it asks for known; an unknown service is recognised by its request"},
	{KILL("{vendor: b}"), "-;-;-", "it asks for vendor; name the services instead"},
	{KILL("{evidence: b}"), "-;-;-", "it asks for evidence; name the services instead"},
	{KILL("{operation: b}"), "-;-;-", "it asks for operation, which only the request shows"},
	{KILL("{model: b}"), "-;-;-", "it asks for model, which only the request shows"},
	{KILL("{dialect: b}"), "-;-;-", "it asks for dialect, which only the request shows"},
	{KILL("{tool_offered: b}"), "-;-;-",
	 "it asks for tool_offered, which only the request shows"},
	{KILL("{data_class: b}"), "-;-;-",
	 "it asks for data_class, which only the request and answer show"},
	{KILL("{tool_call: b}"), NULL, "it asks for tool_call, which only the answer shows"},
	{KILL("{completeness: b}"), NULL,
	 "it asks for completeness, which only the end of the call shows"},
	/* what a request can settle, and what only an answer can */
	{KILL("{not: {data_class: b}}"), NULL,
	 "it uses not; the kernel compares only what a rule names"},
	{KILL("{not: {data_class: b, user: c}}"), "-;-;-",
	 "it uses not; the kernel compares only what a rule names"},
	{KILL("{any: [{tool_call: b}, {model: c}]}"), "-;-;-",
	 "it uses any; write one rule for each alternative"},
	{KILL("{any: [{tool_call: b}, {completeness: c}]}"), NULL,
	 "it uses any; write one rule for each alternative"},
	{KILL("{all: [{model: c}, {tool_call: b}]}"), NULL,
	 "it uses all; write its conditions side by side"},
	{KILL("{not: [{not: {model: c}}, {not: {data_class: b}}]}"), "-;-;-",
	 "it uses not; the kernel compares only what a rule names"},
	{"disposition: kill, exceptions: [{match: {user: a}, reason: x, until: 2026-01-01}]",
	 "-;-;-", "it has exceptions; the kernel compares only what a rule names"},
};

static void lists_of(const struct pack_krule *k, char *dst, size_t cap)
{
	char hosts[256], services[256], nets[256], all[800], tools[256], users[256];

	snprintf(all, sizeof(all), "h=%s s=%s n=%s", join(hosts, &k->hosts),
		 join(services, &k->services), join(nets, &k->nets));
	snprintf(dst, cap, "%s;%s;%s", k->any_host ? "-" : all,
		 k->any_tool ? "-" : join(tools, &k->tools),
		 k->any_user ? "-" : join(users, &k->users));
}

static void test_rows(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(pack_freep) struct pack *p = NULL;
		struct pack_krule k[64];
		char rule[256], got[1400];
		const char *why;
		size_t n;

		snprintf(rule, sizeof(rule), "  - {id: r, %s}\n", rows[i].rule);
		p = pack_of(rule);
		n = pack_krules(p, k);
		why = pack_krule_reason(p, 0);
		if (n != (rows[i].lists ? 1 : 0) || !why != !rows[i].reason ||
		    (why && strcmp(why, rows[i].reason)))
			fail_msg("%s: %zu, %s", rows[i].rule, n, why ? why : "in the kernel");
		assert_int_equal(pack_rule_content(p, 0), rows[i].lists && rows[i].reason);
		if (!n)
			continue;
		assert_int_equal(k[0].index, 0);
		assert_int_equal(k[0].content, rows[i].reason != NULL);
		assert_false(k[0].then_only);
		lists_of(&k[0], got, sizeof(got));
		if (strcmp(got, rows[i].lists))
			fail_msg("%s: %s, expected %s", rows[i].rule, got, rows[i].lists);
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

	assert_int_equal(pack_krules(p, k), 1);
	assert_true(k[0].content && k[0].any_user);
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
			"  - {id: e, disposition: kill, match: {completeness: m}}\n"
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
