// SPDX-License-Identifier: Apache-2.0
/* What another pack changes, in the words of the language; the same pack written otherwise: nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "policy/diff.h"

DEFINE_CLEANUP(struct pack, pack_free)

static struct pack *pack_of(const char *yaml)
{
	struct pack *p = NULL;
	char err[512] = "";

	if (pack_parse("f", yaml, strlen(yaml), &p, err, sizeof(err)))
		fail_msg("%s", err);
	return p;
}

static const char before[] =
	"pack: p\nversion: 1\nmode: monitor\nrules:\n"
	"  - {id: same, disposition: alert, match: {user: [a, \"b *\"]}}\n"
	"  - {id: gone, disposition: kill, match: {host: x.example}}\n"
	"  - id: r\n    disposition: redact\n    match: {data_class: pan}\n    risk: 0.5\n"
	"  - {id: e, on: exec, disposition: deny, match: {exe: /x}}\n";
static const char after[] =
	"pack: p\nversion: 2\nmode: enforce\nrevision: 3\ngate: {hold: 50ms, full: refuse}\nrules:\n"
	"  - id: new\n    on: connect\n    disposition: deny\n    match: {address: 10.0.0.0/8}\n"
	"  - id: same\n    severity: medium # the default\n    disposition: alert\n    match:\n"
	"      user:\n        - a\n        - \"b *\"\n"
	"  - id: r\n    disposition: redact\n    else: hold\n    hold: {for: 90m, block: 30s}\n"
	"    match: {data_class: [pan, iban], any: [{known: false}, {model: {regex: \"a+\"}}],\n"
	"      not: {port: 80-90}}\n    risk: 0.25\n    controls: [A.9.2, A.6.2.8]\n"
	"    refuse: [shutdown, kill]\n    quic: drop\n    fail: closed\n    unknown: deny\n"
	"    schedule: {days: mon-wed, hours: [\"08:00-12:00\", \"22:00-06:00\"], zone: \"-05:30\"}\n"
	"    rollout: {percent: 10}\n    mode: monitor\n    severity: high\n"
	"    exceptions: [{match: {user: a}, reason: why, until: 2026-01-31}]\n"
	"  - {id: e, on: exec, disposition: deny, match: {exe: /x}}\n"
	"  - {id: t, on: tool_call, disposition: alert, then: {exec: e}}\n";

static void line(void *ctx, const struct pack_change *c)
{
	char(*out)[4096] = ctx;
	size_t n = strlen(*out);

	snprintf(*out + n, sizeof(*out) - n, "%s %s %s| %s| %s\n", pack_change_name(c->kind),
		 c->rule, c->key, c->before, c->after);
}

static const char want[] =
	"changed  version| 1| 2\n"
	"changed  revision| | 3\n"
	"changed  mode| monitor| enforce\n"
	"changed  gate| full: refuse| hold: 50ms, full: refuse\n"
	"added new | | deny on: connect, address: 10.0.0.0/8\n"
	"changed r match| data_class: pan| data_class: [pan, iban], any: [{known: false}, {model: "
	"{regex: \"a+\"}}], not: {port: 80-90}\n"
	"changed r mode| | monitor\n"
	"changed r severity| medium| high\n"
	"changed r risk| 0.5| 0.25\n"
	"changed r controls| | [A.9.2, A.6.2.8]\n"
	"changed r fail| | closed\n"
	"changed r unknown| | deny\n"
	"changed r refuse| | shutdown, kill\n"
	"changed r quic| | drop\n"
	"changed r redact| pan| [pan, iban]\n"
	"changed r else| deny| hold\n"
	"changed r hold| | for: 90m, block: 30s\n"
	"changed r schedule| | days: [mon, tue, wed], hours: 08:00-12:00, 22:00-06:00, zone: "
	"\"-05:30\"\n"
	"changed r rollout| | percent: 10\n"
	"changed r exceptions| | {match: {user: a}, reason: \"why\", until: 2026-01-31}\n"
	"added t | | alert on: tool_call\n"
	"removed gone | kill on: call, host: x.example| \n";

static void test_changes(void **state)
{
	_cleanup_(pack_freep) struct pack *a = pack_of(before), *b = pack_of(after);
	char got[4096] = "";

	assert_int_equal(pack_diff(a, b, line, &got), 22);
	assert_string_equal(got, want);
}

static void test_same(void **state)
{
	_cleanup_(pack_freep) struct pack *a = pack_of(after), *b = pack_of(after);
	char got[4096] = "";

	assert_int_equal(pack_diff(a, b, line, &got), 0);
	assert_string_equal(got, "");
}

static void test_rule_text(void **state)
{
	_cleanup_(pack_freep) struct pack *p = pack_of(before);
	char text[64], cut[8];

	assert_string_equal(pack_rule_text(p, 0, "match", text, sizeof(text)),
			    "user: [a, \"b *\"]");
	assert_string_equal(pack_rule_text(p, 0, "match", cut, sizeof(cut)), "user: [");
	assert_null(pack_rule_text(p, 0, "id", text, sizeof(text)));
	for (const char *const *k = pack_rule_keys(); *k; k++)
		assert_non_null(pack_rule_text(p, 2, *k, text, sizeof(text)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_rule_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
