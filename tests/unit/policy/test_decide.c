// SPDX-License-Identifier: Apache-2.0
/*
 * One rule at a time against one set of facts, in every stage: fired, no or unknown. Then whole
 * packs: precedence, risk, the deciding rule.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "policy/pack.h"

DEFINE_CLEANUP(struct pack, pack_free)

static struct pack *pack_of(const char *rules)
{
	struct pack *p = NULL;
	char yaml[8192], err[512] = "";

	snprintf(yaml, sizeof(yaml), "pack: p\nversion: 1\nrules:\n%s", rules);
	if (pack_parse("p", yaml, strlen(yaml), &p, err, sizeof(err)))
		fail_msg("%s", err);
	return p;
}

/* A call of alice's claude_code to Anthropic with a card number in it. */
static const struct facts call = {
	.stage = FACTS_DONE,
	.uid = 1000,
	.user = "alice",
	.exe = "/usr/local/bin/node",
	.tool = "claude_code",
	.cgroup = "/user.slice/user-1000.slice",
	.container = "",
	.groups = {{"alice", "dev"}, 2},
	.host = "api.anthropic.com",
	.service = "anthropic",
	.vendor = "Anthropic",
	.evidence = "dedicated",
	.service_known = true,
	.operation = "chat",
	.model = "claude-sonnet-4",
	.dialect = "anthropic_messages",
	.tools_offered = {{"Bash", "Read"}, 2},
	.tool_calls = {{"Bash"}, 1},
	.data_classes = {{"pan", "email"}, 2},
	.completeness = "complete",
};
/* The same before the catalog or the request told which service it is. */
static struct facts of(const struct facts *f, enum facts_stage stage, bool known)
{
	struct facts g = *f;

	g.stage = stage;
	if (!known) {
		g.service_known = false;
		g.service = stage < FACTS_REQUEST ? "" : "unknown";
		g.vendor = g.evidence = "";
	}
	return g;
}

/* results: N no, F fired, U unknown; in the stages process, host, request, done. */
static const struct {
	const char *match, *known, *unknown; /* service known to the catalog, or not */
} rows[] = {
	{"{user: alice}", "FFFF", "FFFF"},
	{"{user: ALICE}", "FFFF", "FFFF"},
	{"{user: [bob, \"al*\"]}", "FFFF", "FFFF"},
	{"{user: bob}", "NNNN", "NNNN"},
	{"{group: [ops, dev]}", "FFFF", "FFFF"},
	{"{group: ops}", "NNNN", "NNNN"},
	{"{exe: \"*/node\"}", "FFFF", "FFFF"},
	{"{tool: claude_code}", "FFFF", "FFFF"},
	{"{tool: \"\"}", "NNNN", "NNNN"},
	{"{container: \"\"}", "FFFF", "FFFF"},
	{"{container: \"?*\"}", "NNNN", "NNNN"},
	{"{cgroup: \"*/user-1000.slice\"}", "FFFF", "FFFF"},
	{"{host: \"*.anthropic.com\"}", "UFFF", "UFFF"},
	{"{host: api.openai.com}", "UNNN", "UNNN"},
	/* A service the catalog does not know is not settled before the request. */
	{"{service: anthropic}", "UFFF", "UUNN"},
	{"{service: openai}", "UNNN", "UUNN"},
	{"{service: unknown}", "UNNN", "UUFF"},
	{"{vendor: anthropic}", "UFFF", "UUNN"},
	{"{evidence: dedicated}", "UFFF", "UUNN"},
	{"{known: true}", "UFFF", "UUNN"},
	{"{known: false}", "UNNN", "UUFF"},
	{"{operation: chat}", "UUFF", "UUFF"},
	{"{model: \"claude-*\"}", "UUFF", "UUFF"},
	{"{model: \"gpt-*\"}", "UUNN", "UUNN"},
	{"{dialect: anthropic_messages}", "UUFF", "UUFF"},
	{"{tool_offered: bash}", "UUFF", "UUFF"},
	{"{tool_offered: write}", "UUNN", "UUNN"},
	/* Seen in the request it is there; not seen, it may still come with the answer. */
	{"{data_class: pan}", "UUFF", "UUFF"},
	{"{data_class: iban}", "UUUN", "UUUN"},
	{"{data_class: \"*\"}", "UUFF", "UUFF"},
	{"{tool_call: bash}", "UUUF", "UUUF"},
	{"{tool_call: write}", "UUUN", "UUUN"},
	{"{completeness: complete}", "UUUF", "UUUF"},
	{"{completeness: gap}", "UUUN", "UUUN"},
	/* All keys must hold; one no decides whatever is unknown. */
	{"{user: alice, model: \"claude-*\"}", "UUFF", "UUFF"},
	{"{user: bob, model: \"claude-*\"}", "NNNN", "NNNN"},
	{"{model: \"claude-*\", user: bob}", "NNNN", "NNNN"},
	{"{user: alice, tool_call: write}", "UUUN", "UUUN"},
	{"{host: api.openai.com, tool_call: bash}", "UNNN", "UNNN"},
	/* not: turns yes and no around, unknown stays. */
	{"{not: {user: alice}}", "NNNN", "NNNN"},
	{"{not: {user: bob}}", "FFFF", "FFFF"},
	{"{not: {service: [anthropic, openai]}}", "UNNN", "UUFF"},
	{"{not: {service: [openai, gemini]}}", "UFFF", "UUFF"},
	{"{not: {model: \"gpt-*\"}}", "UUFF", "UUFF"},
	{"{not: {data_class: iban}}", "UUUF", "UUUF"},
	{"{not: {data_class: pan}}", "UUNN", "UUNN"},
	/* As one map: not both; as a list: neither. */
	{"{not: {user: alice, service: openai}}", "UFFF", "UUFF"},
	{"{not: {user: alice, service: anthropic}}", "UNNN", "UUFF"},
	{"{not: {user: bob, service: anthropic}}", "FFFF", "FFFF"},
	{"{not: [{user: bob}, {service: anthropic}]}", "UNNN", "UUFF"},
	{"{not: [{user: alice}, {service: openai}]}", "NNNN", "NNNN"},
	{"{not: [{user: bob}, {service: openai}]}", "UFFF", "UUFF"},
	{"{host: \"*.com\", not: {user: alice}}", "NNNN", "NNNN"},
	{"{host: \"*.com\", not: {user: bob}}", "UFFF", "UFFF"},
	{"{user: bob, not: {model: x}}", "NNNN", "NNNN"},
	/* any: one yes decides. */
	{"{any: [{user: alice}, {model: x}]}", "FFFF", "FFFF"},
	{"{any: [{user: bob}, {model: x}]}", "UUNN", "UUNN"},
	{"{any: [{user: bob}, {model: \"claude-*\"}]}", "UUFF", "UUFF"},
	{"{any: [{user: bob}, {exe: x}]}", "NNNN", "NNNN"},
	{"{any: [{user: alice, model: x}, {tool_call: bash}]}", "UUUF", "UUUF"},
	{"{host: api.openai.com, any: [{user: alice}]}", "UNNN", "UNNN"},
	{"{any: [{user: alice}], not: {user: alice}}", "NNNN", "NNNN"},
	{"{any: [{user: alice}, {user: bob}], not: [{user: bob}]}", "FFFF", "FFFF"},
};

static void test_stages(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows) * 8; i++) {
		size_t row = i / 8;
		bool known = i % 8 < 4;
		struct facts f = of(&call, FACTS_PROCESS + i % 4, known);
		_cleanup_(pack_freep) struct pack *p = NULL;
		struct decision d;
		char rule[256], want = (known ? rows[row].known : rows[row].unknown)[i % 4];

		snprintf(rule, sizeof(rule), "  - {id: r, disposition: alert, match: %s}\n",
			 rows[row].match);
		p = pack_of(rule);
		pack_decide(p, &f, &d);
		if ("NFU"[d.result[0]] != want)
			fail_msg("%s, stage %zu, service %sknown: got %c, expected %c",
				 rows[row].match, i % 4 + 1, known ? "" : "un", "NFU"[d.result[0]],
				 want);
		assert_int_equal(d.disposition,
				 want == 'F' ? DISPOSITION_ALERT : DISPOSITION_ALLOW);
		assert_int_equal(d.deciding, want == 'F' ? 0 : -1);
	}
}

#define R(id, disposition, risk, match) \
	"  - {id: " id ", disposition: " disposition ", risk: " risk ", match: {user: " match "}}\n"

static void test_precedence_and_risk(void **state)
{
	static const struct {
		const char *rules;
		enum disposition d;
		int deciding;
		double risk;
	} row[] = {
		{R("a", "alert", "0.5", "bob"), DISPOSITION_ALLOW, -1, 0},
		{R("a", "allow", "0", "alice"), DISPOSITION_ALLOW, 0, 0},
		{R("a", "alert", "0.5", "alice"), DISPOSITION_ALERT, 0, 0.5},
		{R("a", "kill", "1", "alice"), DISPOSITION_KILL, 0, 1},
		/* An allow that fired overrides nothing, wherever it stands. */
		{R("a", "allow", "0", "alice") R("b", "kill", "0", "alice"), DISPOSITION_KILL, 1,
		 0},
		{R("a", "kill", "0", "alice") R("b", "allow", "0", "alice"), DISPOSITION_KILL, 0,
		 0},
		{R("a", "alert", "0", "alice") R("b", "kill", "0", "bob"), DISPOSITION_ALERT, 0, 0},
		/* Deciding is the first of the winning disposition. */
		{R("a", "allow", "0", "alice") R("b", "alert", "0", "alice")
			 R("c", "alert", "0", "alice"),
		 DISPOSITION_ALERT, 1, 0},
		/* Sums are exact in decimal and end at 1; rules that did not fire add nothing. */
		{R("a", "alert", "0.1", "alice") R("b", "alert", "0.2", "alice"), DISPOSITION_ALERT,
		 0, 0.3},
		{R("a", "alert", "0.1", "alice") R("b", "allow", "0.0001", "alice"),
		 DISPOSITION_ALERT, 0, 0.1001},
		{R("a", "alert", "0.7", "alice") R("b", "alert", "0.7", "alice"), DISPOSITION_ALERT,
		 0, 1},
		{R("a", "alert", "0.7", "alice") R("b", "alert", "0.3", "bob"), DISPOSITION_ALERT,
		 0, 0.7},
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		_cleanup_(pack_freep) struct pack *p = pack_of(row[i].rules);
		struct decision d;

		memset(&d, 0xff, sizeof(d));
		pack_decide(p, &call, &d);
		if (d.disposition != row[i].d || d.deciding != row[i].deciding ||
		    d.risk != row[i].risk || d.rules != pack_rules(p))
			fail_msg("row %zu: %s, deciding %d, risk %.17g", i,
				 disposition_name(d.disposition), d.deciding, d.risk);
	}
}

static void test_without_match(void **state)
{
	_cleanup_(pack_freep) struct pack *p = pack_of("  - {id: all, disposition: alert}\n");
	struct facts f = of(&call, FACTS_PROCESS, true);
	struct decision d;

	pack_decide(p, &f, &d);
	assert_int_equal(d.result[0], RULE_FIRED);
	assert_int_equal(d.disposition, DISPOSITION_ALERT);
}

/* Every rule needs all its comparisons. The bound is an order of magnitude above what this build
 * needs: it finds an accident (an allocation, a quadratic match), not a slow day. */
static void test_cost(void **state)
{
	_cleanup_(pack_freep) struct pack *p = NULL;
	char rules[4096];
	size_t o = 0;
	struct timespec a, b;
	struct decision d;
	double us;

	for (int i = 0; i < 20; i++)
		o += snprintf(rules + o, sizeof(rules) - o,
			      "  - {id: r%d, disposition: alert, match: {user: [u%d, \"al*\"], "
			      "host: \"*.anthropic.com\", model: \"*sonnet*\", "
			      "data_class: [iban, pan], not: {service: [a, b, c]}}}\n",
			      i, i);
	p = pack_of(rules);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	for (int i = 0; i < 20000; i++)
		pack_decide(p, &call, &d);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	assert_int_equal(d.result[19], RULE_FIRED);
	us = ((b.tv_sec - a.tv_sec) * 1e9 + (b.tv_nsec - a.tv_nsec)) / 20000 / 1000;
	print_message("20 rules: %.2f us per decision in this build\n", us);
	assert_true(us < 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stages),
		cmocka_unit_test(test_precedence_and_risk),
		cmocka_unit_test(test_without_match),
		cmocka_unit_test(test_cost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
