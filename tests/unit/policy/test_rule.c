// SPDX-License-Identifier: Apache-2.0
/*
 * What a rule says beyond its match: taken as it stands, or refused with exactly this line. Then what
 * comes of it: exceptions, schedules, rollout, precedence, what is never known.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "policy/pack.h"
#include "policy/schedule.h"
#include "proto/gate.h"

DEFINE_CLEANUP(struct pack, pack_free)

static int parse(const char *rules, struct pack **ret, char err[1024])
{
	static char yaml[65536];

	err[0] = '\0';
	snprintf(yaml, sizeof(yaml), "pack: p\nversion: 1\nrules:\n%s", rules);
	return pack_parse("f", yaml, strlen(yaml), ret, err, 1024);
}

static struct pack *pack_of(const char *rules)
{
	struct pack *p = NULL;
	char err[1024];

	if (parse(rules, &p, err))
		fail_msg("%s", err);
	return p;
}

/* --- what is refused --------------------------------------------------------------------------- */

#define R(text) "  - {id: r, " text "}\n"
#define ONLY_REFUSING "it in a rule on: call that holds, redacts or denies"
static const struct {
	const char *rules, *err;
} bad[] = {
	{R("disposition: deny, on: write"),
	 "on is \"write\"; expected one of: call, exec, connect, "
	 "tool_call"},
	/* facts that nobody fills in for this subject */
	{R("on: exec, disposition: deny, match: {host: a}"),
	 "\"host\" is not known of on: exec; expected one of: user, exe, exe_sha256, script, package, "
	 "tool, in_tree, all, any, not"},
	{R("on: connect, disposition: deny, match: {group: a}"),
	 "\"group\" is not known of on: connect; expected one of: user, tool, host, service, address, "
	 "all, any, not"},
	{R("disposition: deny, match: {not: [{mcp_server: a}]}"),
	 "\"mcp_server\" is not known of on: call; expected one of: user, group, exe, exe_sha256, "
	 "script, package, tool, in_tree, cgroup, container, host, service, vendor, evidence, known, "
	 "address, port, operation, model, dialect, tool_offered, data_class, tool_call, "
	 "completeness, all, any, not"},
	/* values */
	{R("disposition: alert, match: {port: [80, https]}"),
	 "port \"https\" is none; expected 1 to 65535, or a range like 8000-8999"},
	{R("disposition: alert, match: {address: 10.0.0.1/8}"),
	 "address \"10.0.0.1/8\" has bits behind its prefix; expected the range's first address"},
	{R("disposition: alert, match: {address: a.com}"),
	 "address \"a.com\" is none; expected one like 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32"},
	{R("disposition: alert, match: {address: {regex: a}}"),
	 "address is a mapping; expected a text"},
	{R("disposition: alert, match: {model: [a, {regex: \"b(\"}]}"),
	 "model: regex \"b(\": a \"(\" without its \")\"; expected an expression of RE2 that matches "
	 "the whole value"},
	{R("disposition: alert, match: {model: {regex: \"b*\"}}"),
	 "model: regex \"b*\": it matches the empty text; expected an expression of RE2 that matches "
	 "the whole value"},
	{R("disposition: alert, match: {model: {regex: [a]}}"), "regex is a list; expected a text"},
	{R("disposition: alert, controls: A.9.1"),
	 "\"A.9.1\" is no control of ISO/IEC 42001 Annex A; expected A.2.2 to A.10.4"},
	{R("disposition: alert, controls: [A.9.2, A.9.2]"),
	 "controls names \"A.9.2\" twice; expected it once"},
	{R("disposition: deny, refuse: [error, error]"),
	 "refuse has \"error\" twice; expected it once"},
	{R("disposition: deny, refuse: drop"),
	 "refuse is \"drop\"; expected one of: error, shutdown, kill"},
	{R("disposition: deny, refuse: []"),
	 "refuse is an empty list; expected at least one value"},
	{R("disposition: hold, hold: {for: 1y}"),
	 "for is out of range or no duration; expected 1s to 30d, like 20ms, 30s, 5m, 1h or 7d"},
	{R("disposition: hold, hold: {for: 31d}"),
	 "for is out of range or no duration; expected 1s to 30d, like 20ms, 30s, 5m, 1h or 7d"},
	{R("disposition: hold, hold: {for: 1500ms}"),
	 "for is no whole number of seconds; expected one"},
	{R("disposition: hold, hold: {block: 6m}"),
	 "block is out of range or no duration; expected 1ms to 5m, like 20ms, 30s, 5m, 1h or 7d"},
	{R("disposition: alert, rollout: {percent: 101}"),
	 "percent is out of range or no number; expected 0 to 100"},
	{R("disposition: alert, rollout: {}"), "rollout has no key \"percent\"; expected one"},
	{R("disposition: alert, schedule: {zone: UTC}"),
	 "schedule has no days and no hours; expected one of them"},
	{R("disposition: alert, schedule: {days: monday}"),
	 "days: \"monday\" is no day; expected mon, tue, wed, thu, fri, sat, sun, or a range like "
	 "mon-fri"},
	{R("disposition: alert, schedule: {days: mon_fri}"),
	 "days: \"mon_fri\" is no day; expected mon, tue, wed, thu, fri, sat, sun, or a range like "
	 "mon-fri"},
	{R("disposition: alert, schedule: {hours: \"8-18\"}"),
	 "hours: \"8-18\" is no range; expected one like \"08:00-18:00\" or \"22:00-06:00\""},
	{R("disposition: alert, schedule: {days: mon, zone: Europe/Berlin}"),
	 "zone \"Europe/Berlin\" is none; expected UTC or an offset like \"+01:00\""},
	{R("disposition: alert, exceptions: []"),
	 "exceptions is an empty list; expected at least one value"},
	{R("disposition: alert, exceptions: [{match: {user: a}, until: 2026-01-01}]"),
	 "an exception has no key \"reason\"; expected one"},
	{R("disposition: alert, exceptions: [{match: {user: a}, reason: \"\", until: 2026-01-01}]"),
	 "reason is empty; expected why"},
	{R("disposition: alert, exceptions: [{match: {user: a}, reason: x}]"),
	 "an exception has no key \"until\"; expected one"},
	{R("disposition: alert, exceptions: [{match: {user: a}, reason: x, until: 2026-02-30}]"),
	 "until \"2026-02-30\" is no day; expected the last day it holds, like 2026-12-31"},
	/* keys that would change nothing */
	{R("disposition: deny, redact: pan"),
	 "\"redact\" changes nothing in this rule; expected it with disposition: redact"},
	{R("disposition: deny, else: deny"),
	 "\"else\" changes nothing in this rule; expected it with disposition: redact"},
	{R("disposition: deny, hold: {for: 1h}"),
	 "\"hold\" changes nothing in this rule; expected it with disposition: hold or else: hold"},
	{R("disposition: alert, refuse: kill"),
	 "\"refuse\" changes nothing in this rule; expected " ONLY_REFUSING},
	{R("disposition: kill, refuse: kill"),
	 "\"refuse\" changes nothing in this rule; expected " ONLY_REFUSING},
	{R("disposition: alert, quic: drop"),
	 "\"quic\" changes nothing in this rule; expected it in a rule on: call or connect that "
	 "holds, redacts, denies or kills"},
	{R("disposition: alert, fail: closed"),
	 "\"fail\" changes nothing in this rule; expected it in a rule on: call or exec that holds, "
	 "redacts, denies or kills"},
	{R("disposition: alert, unknown: deny"),
	 "\"unknown\" changes nothing in this rule; expected unknown: deny in a rule that refuses"},
	{R("disposition: alert, then: {exec: r}"),
	 "\"then\" changes nothing in this rule; expected it in a rule on: tool_call"},
	/* redact: what */
	{R("disposition: redact"),
	 "rule r says not what to mask; expected \"redact:\" with data classes, or data_class in its "
	 "match"},
	{R("disposition: redact, match: {data_class: {regex: a}}"),
	 "rule r says not what to mask; expected \"redact:\" with data classes, or data_class in its "
	 "match"},
	{R("disposition: redact, redact: [pan, PAN]"),
	 "redact names \"pan\" twice; expected it once"},
	/* what could never be enforced */
	{R("on: exec, disposition: redact, redact: pan, match: {exe: a}"),
	 "rule r cannot be enforced: a program is run or not; expected alert, deny or kill"},
	{R("on: exec, disposition: deny"),
	 "rule r cannot be enforced: it names no program; expected exe, exe_sha256, script, package "
	 "or tool"},
	{R("on: exec, disposition: deny, match: {user: a, in_tree: true}"),
	 "rule r cannot be enforced: it names no program; expected exe, exe_sha256, script, package "
	 "or tool"},
	{R("on: exec, disposition: deny, match: {exe: a, not: {user: b}}"),
	 "rule r cannot be enforced: the kernel compares user only as it stands; expected it directly "
	 "in match"},
	{R("on: exec, disposition: deny, match: {exe: a}, "
	   "exceptions: [{match: {in_tree: true}, reason: x, until: 2026-01-01}]"),
	 "rule r cannot be enforced: the kernel compares in_tree only as it stands; expected it "
	 "directly in match"},
	{R("on: exec, disposition: deny, match: {exe: a, in_tree: false}"),
	 "rule r cannot be enforced: the kernel knows who is below an AI tool, and not who is not; "
	 "expected in_tree: true"},
	{R("on: exec, disposition: deny, match: {exe: a, user: {regex: b}}"),
	 "rule r cannot be enforced: user is compared by the kernel; expected up to 64 names or "
	 "globs"},
	{R("on: connect, disposition: alert, match: {host: a}"),
	 "rule r cannot be enforced: a connection is made or not; expected deny or kill (with mode: "
	 "monitor it only tells)"},
	{R("on: connect, disposition: deny, match: {not: {host: a}}"),
	 "rule r cannot be enforced: it uses not; the kernel compares only what a rule names; "
	 "expected what the kernel can compare"},
	{R("on: connect, disposition: deny, match: {host: a, address: 10.0.0.0/8}"),
	 "rule r cannot be enforced: it asks for a name and an address together; ask for one of them; "
	 "expected what the kernel can compare"},
	{R("disposition: deny, match: {tool_call: bash}"),
	 "rule r cannot be enforced: it asks for what only the answer shows, when the request has "
	 "left; expected alert or kill, or a rule on: tool_call"},
	{R("disposition: redact, redact: pan, match: {not: {data_class: email}}"),
	 "rule r cannot be enforced: it asks for what only the answer shows, when the request has "
	 "left; expected alert or kill, or a rule on: tool_call"},
	{R("on: tool_call, disposition: deny, match: {tool_call: bash}"),
	 "rule r cannot be enforced: the model has asked already; expected allow, alert or kill, and "
	 "\"then:\" for what its agent may not do"},
	/* then */
	{R("on: tool_call, disposition: alert, then: {}"),
	 "then is an empty mapping; expected exec or connect"},
	{R("on: tool_call, disposition: alert, then: {exec: x}"),
	 "no rule on: exec has the id \"x\"; expected one of this pack"},
	{R("on: tool_call, disposition: alert, then: {exec: r}"),
	 "no rule on: exec has the id \"r\"; expected one of this pack"},
	{R("on: tool_call, disposition: alert, then: {exec: x}") "  - {id: x, on: exec, disposition: alert, match: {exe: a}}\n",
	 "rule x refuses nothing; expected one that denies or kills"},
	{R("on: tool_call, disposition: alert, then: {exec: [x, x]}") "  - {id: x, on: exec, disposition: kill, match: {exe: a}}\n",
	 "exec names \"x\" twice; expected it once"},
};

static void test_bad(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct pack *p = NULL;
		char err[1024], *what;
		int r = parse(bad[i].rules, &p, err);

		what = strncmp(err, "f:4: ", 5) ? err : err + 5;
		if (r != -EINVAL || p || strcmp(what, bad[i].err))
			fail_msg("%s  %d\n  expected %s\n  got      %s", bad[i].rules, r,
				 bad[i].err, what);
	}
}

static void test_head(void **state)
{
	static const struct {
		const char *head, *err; /* NULL: taken */
	} rows[] = {
		{"revision: 7", NULL},
		{"revision: 0",
		 "f:3: revision is out of range or no number; expected 1 to 999999999999"},
		{"revision: 1.5",
		 "f:3: revision is out of range or no number; expected 1 to 999999999999"},
		{"gate: {hold: 50ms, full: refuse}", NULL},
		{"gate: {hold: 1s}", "f:3: hold is out of range or no duration; expected 1ms to "
				     "200ms, like 20ms, 30s, 5m, 1h or 7d"},
		{"gate: {}", "f:3: gate is an empty mapping; expected hold or full"},
		{"gate: {full: park}",
		 "f:3: full is \"park\"; expected one of: pass, refuse, stop"},
		{"coverage: full", NULL},
		{"coverage: half", "f:3: coverage is \"half\"; expected one of: full"},
		{"gate: {full: stop}", NULL},
		{"gate: {full: pass}", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(pack_freep) struct pack *p = NULL;
		char yaml[256], err[512] = "";
		int r;

		snprintf(yaml, sizeof(yaml),
			 "pack: p\nversion: 1\n%s\nrules:\n  - {id: r, disposition: alert}\n",
			 rows[i].head);
		r = pack_parse("f", yaml, strlen(yaml), &p, err, sizeof(err));
		if (r != (rows[i].err ? -EINVAL : 0) || (rows[i].err && strcmp(err, rows[i].err)))
			fail_msg("%s: %d, %s", rows[i].head, r, err);
		if (r)
			continue;
		assert_int_equal(pack_revision(p), i == 0 ? 7 : 0);
		assert_int_equal(pack_gate(p).hold_ms, i == 3 ? 50 : 0);
		assert_int_equal(pack_gate(p).full, i == 9    ? GATE_FULL_STOP
						    : i == 10 ? GATE_FULL_PASS
							      : GATE_FULL_REFUSE);
		assert_int_equal(pack_coverage(p), i == 7);
	}
}

/* --- what is taken ----------------------------------------------------------------------------- */

static void test_actions(void **state)
{
	_cleanup_(pack_freep) struct pack *p = pack_of(
		"  - {id: plain, disposition: deny}\n"
		"  - id: all\n    disposition: redact\n    match: {data_class: [PAN, \"*_token\"]}\n"
		"    else: hold\n    hold: {for: 90m, block: 30s}\n    fail: closed\n"
		"    unknown: deny\n    refuse: [kill, error]\n    quic: drop\n    mode: monitor\n"
		"    controls: [A.9.2, A.6.2.8]\n    rollout: {percent: 20}\n"
		"  - {id: t, on: tool_call, disposition: alert, then: {exec: e2, connect: [c]}}\n"
		"  - {id: e1, on: exec, disposition: deny, match: {exe: a}}\n"
		"  - {id: e2, on: exec, disposition: deny, match: {exe: b}}\n"
		"  - {id: c, on: connect, disposition: kill, match: {host: x.example}}\n");
	const struct pack_action *a = pack_rule_action(p, 0);
	struct pack_exec_rule e[64];
	struct pack_krule k[64];

	assert_int_equal(a->on, FACTS_CALL);
	assert_int_equal(a->fail, PACK_FAIL_OPEN);
	assert_int_equal(a->unknown, DISPOSITION_ALLOW);
	assert_int_equal(a->otherwise, DISPOSITION_DENY);
	assert_int_equal(a->refuse, REFUSE_ERROR | REFUSE_SHUTDOWN);
	assert_int_equal(a->hold_s, 3600);
	assert_int_equal(a->block_ms, 0);
	assert_int_equal(a->percent, 100);
	assert_false(a->drop_quic || a->monitor);

	a = pack_rule_action(p, 1);
	assert_int_equal(a->fail, PACK_FAIL_CLOSED);
	assert_int_equal(a->unknown, DISPOSITION_DENY);
	assert_int_equal(a->otherwise, DISPOSITION_HOLD);
	assert_int_equal(a->refuse, REFUSE_ERROR | REFUSE_KILL);
	assert_int_equal(a->hold_s, 5400);
	assert_int_equal(a->block_ms, 30000);
	assert_int_equal(a->percent, 20);
	assert_true(a->drop_quic && a->monitor);
	assert_int_equal(a->redact.n, 2);
	assert_string_equal(a->redact.v[0], "pan");
	assert_string_equal(a->redact.v[1], "*_token");
	assert_int_equal(a->controls.n, 2);
	assert_string_equal(a->controls.v[1], "A.6.2.8");

	a = pack_rule_action(p, 2);
	assert_int_equal(a->on, FACTS_TOOL_CALL);
	assert_string_equal(a->tree_exec.v[0], "e2");
	assert_int_equal(pack_exec_rules(p, e), 2);
	assert_int_equal(a->tree_exec_bits, 2);
	assert_false(e[0].then_only);
	assert_true(e[1].then_only);
	assert_int_equal(pack_krules(p, k), 3); /* plain, all, c */
	assert_int_equal(a->tree_connect_bits, 4);
	assert_true(k[2].then_only && !k[0].then_only);
	assert_int_equal(pack_rule_index(p, "c"), 5);
	assert_int_equal(pack_rule_index(p, "d"), -1);
}

/* --- what comes of it -------------------------------------------------------------------------- */

static struct facts facts(enum facts_subject on)
{
	return (struct facts){.subject = on,
			      .stage = FACTS_DONE,
			      .user = "u",
			      .exe = "",
			      .tool = "",
			      .cgroup = "",
			      .container = "",
			      .host = "",
			      .service = "",
			      .vendor = "",
			      .evidence = "",
			      .operation = "",
			      .model = "",
			      .dialect = "",
			      .completeness = ""};
}

static void test_precedence(void **state)
{
	_cleanup_(pack_freep) struct pack *p =
		pack_of("  - {id: a, disposition: alert, match: {tool: a}}\n"
			"  - {id: h, disposition: hold, match: {tool: [a, h]}}\n"
			"  - {id: r, disposition: redact, redact: pan, match: {tool: [a, h, r]}}\n"
			"  - {id: d, disposition: deny, match: {tool: [a, h, r, d]}}\n"
			"  - {id: k, disposition: kill, match: {tool: [a, h, r, d, k]}}\n"
			"  - {id: x, disposition: allow}\n");
	static const char *const want[] = {"kill", "kill", "kill", "kill", "kill", "allow"};
	static const char *const tools[] = {"a", "h", "r", "d", "k", ""};
	struct facts f = facts(FACTS_CALL);
	struct decision d;

	for (size_t i = 0; i < ARRAY_SIZE(tools); i++) {
		f.tool = tools[i];
		pack_decide(p, &f, &d);
		assert_string_equal(disposition_name(d.disposition), want[i]);
	}
	assert_true(DISPOSITION_KILL > DISPOSITION_DENY && DISPOSITION_DENY > DISPOSITION_REDACT &&
		    DISPOSITION_REDACT > DISPOSITION_HOLD && DISPOSITION_HOLD > DISPOSITION_ALERT);
}

static void test_subjects_apart(void **state)
{
	_cleanup_(pack_freep) struct pack *p =
		pack_of("  - {id: c, disposition: alert, match: {tool: x}}\n"
			"  - {id: e, on: exec, disposition: deny, match: {tool: x}}\n"
			"  - {id: n, on: connect, disposition: deny, match: {tool: x}}\n"
			"  - {id: t, on: tool_call, disposition: alert, match: {tool: x}}\n");

	for (int on = FACTS_CALL; on <= FACTS_TOOL_CALL; on++) {
		struct facts f = facts(on);
		struct decision d;

		f.tool = "x";
		pack_decide(p, &f, &d);
		for (int i = 0; i < 4; i++)
			assert_int_equal(d.result[i], i == on ? RULE_FIRED : RULE_NO);
	}
}

/* A fact that nobody knows is neither there nor not. */
static void test_unknown(void **state)
{
	_cleanup_(pack_freep) struct pack *p = pack_of(
		"  - {id: h, on: connect, disposition: deny, match: {host: a.com}, "
		"unknown: deny}\n"
		"  - {id: s, on: connect, disposition: deny, match: {service: b}, "
		"unknown: alert}\n"
		"  - {id: m, on: connect, disposition: deny, match: {service: b, user: v}, "
		"unknown: deny}\n"
		"  - {id: n, on: connect, disposition: deny, match: {address: 10.0.0.0/8}}\n");
	struct facts f = facts(FACTS_CONNECT);
	struct decision d;
	int who;

	pack_decide(p, &f, &d);
	assert_int_equal(d.result[0], RULE_UNKNOWN);
	assert_int_equal(d.result[1], RULE_UNKNOWN);
	assert_int_equal(d.result[2], RULE_NO); /* another user */
	assert_int_equal(d.result[3], RULE_UNKNOWN);
	assert_int_equal(pack_unknown(p, &d, &who), DISPOSITION_DENY);
	assert_int_equal(who, 0);
	f.host = "b.com";
	f.address = "10.1.2.3";
	pack_decide(p, &f, &d);
	assert_int_equal(d.result[0], RULE_NO);
	assert_int_equal(d.result[1], RULE_UNKNOWN);
	assert_int_equal(d.result[3], RULE_FIRED);
	assert_int_equal(pack_unknown(p, &d, &who), DISPOSITION_ALERT);
	assert_int_equal(who, 1);
	f.service = "c";
	f.service_known = true;
	pack_decide(p, &f, &d);
	assert_int_equal(d.result[1], RULE_NO);
	assert_int_equal(pack_unknown(p, &d, &who), DISPOSITION_ALLOW);
	assert_int_equal(who, -1);
}

static void test_nested(void **state)
{
	_cleanup_(pack_freep) struct pack *p = pack_of(
		"  - id: r\n    disposition: alert\n    match:\n      user: u\n"
		"      all: [{any: [{tool: a}, {tool: b, not: {exe: /x}}]}, {not: [{host: h}, {not: "
		"{any: [{exe: /x}, {exe: /y}]}}]}]\n");
	static const struct {
		const char *tool, *exe, *host;
		enum rule_result r;
	} rows[] = {
		{"a", "/x", "", RULE_FIRED}, {"a", "/y", "", RULE_FIRED}, {"a", "/z", "", RULE_NO},
		{"b", "/y", "", RULE_FIRED}, {"b", "/x", "", RULE_NO},	  {"c", "/y", "", RULE_NO},
		{"a", "/x", "h", RULE_NO},
	};
	struct facts f = facts(FACTS_CALL);
	struct decision d;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		f.tool = rows[i].tool;
		f.exe = rows[i].exe;
		f.host = rows[i].host;
		pack_decide(p, &f, &d);
		if (d.result[0] != rows[i].r)
			fail_msg("row %zu: %d", i, d.result[0]);
	}
	f = facts(FACTS_CALL);
	f.tool = "a";
	f.exe = "/x";
	f.stage = FACTS_PROCESS;
	pack_decide(p, &f, &d);
	assert_int_equal(d.result[0], RULE_UNKNOWN); /* no host yet */
	f.tool = "c";
	pack_decide(p, &f, &d);
	assert_int_equal(d.result[0], RULE_NO); /* whatever the host */
}

static void test_exceptions(void **state)
{
	_cleanup_(pack_freep) struct pack *p =
		pack_of("  - id: r\n    disposition: deny\n    exceptions:\n"
			"      - {match: {user: a}, reason: first, until: 2026-03-01}\n"
			"      - {match: {model: m}, reason: second, until: 2026-04-01}\n");
	struct facts f = facts(FACTS_CALL);
	int64_t march, april;
	struct decision d;

	schedule_instant("2026-03-01T23:59:59Z", &march);
	schedule_instant("2026-04-02T00:00:00Z", &april);
	f.now_unix_s = march;
	pack_decide(p, &f, &d);
	assert_int_equal(d.result[0], RULE_FIRED);
	f.user = "a";
	pack_decide(p, &f, &d);
	assert_int_equal(d.result[0], RULE_NO);
	assert_true(d.excepted[0]);
	assert_string_equal(pack_rule_excepted(p, 0, &f), "first");
	f.now_unix_s = march + 1;
	pack_decide(p, &f, &d);
	assert_int_equal(d.result[0], RULE_FIRED);
	f.stage = FACTS_HOST; /* which model, nobody knows yet */
	pack_decide(p, &f, &d);
	assert_int_equal(d.result[0], RULE_UNKNOWN);
	f.stage = FACTS_REQUEST;
	f.model = "m";
	pack_decide(p, &f, &d);
	assert_string_equal(pack_rule_excepted(p, 0, &f), "second");
	assert_int_equal(d.disposition, DISPOSITION_ALLOW);
	f.now_unix_s = april;
	pack_decide(p, &f, &d);
	assert_int_equal(d.disposition, DISPOSITION_DENY);
	assert_null(pack_rule_excepted(p, 0, &f));
	f.now_unix_s = 0; /* without a clock none holds */
	pack_decide(p, &f, &d);
	assert_int_equal(d.disposition, DISPOSITION_DENY);
	assert_int_equal(pack_next_change(p, march), march + 1);
	assert_int_equal(pack_next_change(p, march + 1), april);
	assert_int_equal(pack_next_change(p, april), INT64_MAX);
}

static void test_states(void **state)
{
	_cleanup_(pack_freep) struct pack *p =
		pack_of("  - {id: on, disposition: deny, match: {user: u}}\n"
			"  - {id: tell, disposition: alert}\n"
			"  - {id: mon, disposition: deny, match: {user: u}, mode: monitor}\n"
			"  - {id: none, disposition: kill, rollout: {percent: 0}}\n"
			"  - {id: day, disposition: deny, schedule: {hours: \"08:00-18:00\"}}\n"
			"  - {id: most, on: exec, disposition: deny, match: {exe: a}, rollout: "
			"{percent: 99}}\n");
	struct facts f = facts(FACTS_CALL);
	struct decision d;
	int64_t noon;

	schedule_instant("2026-03-02T12:00:00Z", &noon);
	assert_int_equal(pack_rule_state(p, 0, noon, NULL), RULE_ON);
	assert_int_equal(pack_rule_state(p, 1, noon, "h"), RULE_WATCH);
	assert_int_equal(pack_rule_state(p, 2, noon, "h"), RULE_WATCH);
	assert_int_equal(pack_rule_state(p, 3, noon, "h"), RULE_WATCH);
	assert_int_equal(pack_rule_state(p, 5, noon, ""), RULE_WATCH); /* no id: not rolled out */
	assert_int_equal(pack_rule_state(p, 5, noon, NULL), RULE_WATCH);
	assert_int_equal(pack_rule_state(p, 5, noon, "h"), RULE_ON);
	assert_int_equal(pack_rule_state(p, 4, noon, "h"), RULE_ON);
	assert_int_equal(pack_rule_state(p, 4, noon + 6 * 3600, "h"), RULE_OFF);
	assert_int_equal(pack_rule_state(p, 4, 0, "h"), RULE_OFF);
	assert_int_equal(pack_next_change(p, noon), noon + 6 * 3600);

	f.user = "v";
	f.now_unix_s = noon;
	f.host_id = "h";
	pack_decide(p, &f, &d);
	assert_int_equal(d.disposition, DISPOSITION_DENY); /* day */
	assert_int_equal(d.would, DISPOSITION_KILL);
	assert_int_equal(d.deciding, 4);
	assert_true(d.monitored[3] && !d.monitored[4] && !d.monitored[2]);
	f.now_unix_s = 0;
	pack_decide(p, &f, &d);
	assert_int_equal(d.disposition, DISPOSITION_ALERT);
	assert_int_equal(d.deciding, 1);
	assert_int_equal(d.result[4], RULE_NO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_head),
		cmocka_unit_test(test_actions),
		cmocka_unit_test(test_precedence),
		cmocka_unit_test(test_subjects_apart),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_nested),
		cmocka_unit_test(test_exceptions),
		cmocka_unit_test(test_states),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
