// SPDX-License-Identifier: Apache-2.0
/* A recorded call judged by another pack: what is compared, what is counted, what cannot be known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "cli/replay.h"

static const char yaml[] =
	"pack: t\nversion: 1\nrules:\n"
	"  - {id: user, match: {user: alice}, disposition: deny}\n"
	"  - {id: pan, match: {data_class: pan}, disposition: alert}\n"
	"  - {id: model, match: {model: gpt-4o}, disposition: alert}\n"
	"  - {id: bash, match: {tool_call: Bash}, disposition: kill}\n"
	"  - {id: known, match: {known: false}, disposition: hold}\n"
	"  - {id: night, match: {user: bob}, disposition: deny,\n"
	"     schedule: {days: [mon-sun], hours: [\"00:00-06:00\"], zone: \"+00:00\"}}\n"
	"  - {id: program, on: exec, match: {exe: /x}, disposition: deny}\n";

static struct call {
	const char *user, *model, *class, *tool, *disposition, *fired;
	bool known;
	uint64_t hour;
	/* expected */
	const char *after, *added, *removed;
} rows[] = {
	{"carol", "m", "", "", "allow", "", true, 12, "allow", "", ""},
	{"alice", "m", "", "", "allow", "", true, 12, "deny", "user", ""},
	{"alice", "m", "", "", "deny", "user", true, 12, "deny", "", ""},
	{"carol", "m", "pan", "", "deny", "gone", true, 12, "alert", "pan", "gone"},
	{"carol", "gpt-4o", "", "", "alert", "model", true, 12, "alert", "", ""},
	{"carol", "m", "", "Bash", "alert", "", true, 12, "kill", "bash", ""},
	{"carol", "m", "", "", "allow", "", false, 12, "hold", "known", ""},
	{"bob", "m", "", "", "allow", "", true, 3, "deny", "night", ""},
	{"bob", "m", "", "", "deny", "night", true, 12, "allow", "", "night"},
	{"carol", "m", "", "", NULL, "", true, 12, "allow", "", ""},	       /* never decided */
	{"carol", "m", "", "", "alert", "program", true, 12, "allow", "", ""}, /* not of calls */
};

static void run(struct replay *r, const struct call *c, struct replay_one *o)
{
	Probity__V1__AiCall m = PROBITY__V1__AI_CALL__INIT;
	Probity__V1__Process p = PROBITY__V1__PROCESS__INIT;
	Probity__V1__Service s = PROBITY__V1__SERVICE__INIT;
	Probity__V1__Decision d = PROBITY__V1__DECISION__INIT;
	Probity__V1__DataClass class = PROBITY__V1__DATA_CLASS__INIT, *classes[] = {&class};
	Probity__V1__ToolCall tool = PROBITY__V1__TOOL_CALL__INIT, *tools[] = {&tool};
	Probity__V1__RuleResult rule = PROBITY__V1__RULE_RESULT__INIT, *results[] = {&rule};

	p.user = (char *)c->user;
	s.id = c->known ? "openai" : "unknown";
	s.known = c->known;
	m.process = &p;
	m.service = &s;
	m.request_model = (char *)c->model;
	m.completeness = "complete";
	m.start_unix_ns = (20000ull * 86400 + c->hour * 3600) * 1000000000;
	class.id = (char *)c->class;
	m.n_data_classes = c->class[0] != '\0';
	m.data_classes = classes;
	tool.name = (char *)c->tool;
	m.n_tool_calls = c->tool[0] != '\0';
	m.tool_calls = tools;
	rule.id = (char *)c->fired;
	rule.triggered = true;
	d.n_rules = c->fired[0] != '\0';
	d.rules = results;
	d.disposition = (char *)c->disposition;
	m.decision = c->disposition ? &d : NULL;
	assert_int_equal(replay_call(r, &m, o), 0);
	/* What the record's words are borrowed for ends here. */
	for (size_t i = 0; i < o->removed; i++)
		o->rules_removed[i] = c->fired;
}

static void each(void **state)
{
	char err[256];
	struct replay *r;
	struct pack *p;
	uint64_t changed = 0;
	json_t *j;

	if (pack_parse("t", yaml, strlen(yaml), &p, err, sizeof(err)))
		fail_msg("%s", err);
	r = replay_new(p, "");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct call *c = &rows[i];
		bool differs = !c->disposition || strcmp(c->disposition, c->after) || c->added[0] ||
			       c->removed[0];
		struct replay_one o;

		run(r, c, &o);
		if (strcmp(o.after, c->after) || o.changed != differs ||
		    o.added != (c->added[0] != '\0') || o.removed != (c->removed[0] != '\0') ||
		    (o.added && strcmp(o.rules_added[0], c->added)) ||
		    (o.removed && strcmp(o.rules_removed[0], c->removed)))
			fail_msg("row %zu: %s -> %s, +%zu -%zu", i, o.before, o.after, o.added,
				 o.removed);
		changed += differs;
	}
	assert_int_equal(replay_calls(r), ARRAY_SIZE(rows));
	assert_int_equal(replay_changed(r), changed);
	j = replay_json(r);
	assert_int_equal(json_integer_value(json_object_get(j, "undecided")), 1);
	assert_int_equal(json_array_size(json_object_get(j, "not_replayed")), 1);
	assert_int_equal(json_array_size(json_object_get(j, "rules")), 7); /* six, and "gone" */
	json_decref(j);
	replay_free(r);
	pack_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(each)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
