// SPDX-License-Identifier: Apache-2.0
/*
 * Packs as the keeper sends them: which come into force, which are refused with what word, what the
 * keeper and the record hear, what counters do over a change; and what is explained of a process.
 */
#define WORLD_HEARS
#include "world.h"

#include <jansson.h>

#include "agent/worker/exec_rules.h"
#include "agent/worker/policy.h"
#include "policy/needs.h"

static struct {
	struct role_policy head;
	struct policy_needs rule[PACK_RULES_MAX];
} said;
static unsigned saids;
static Probity__V1__Control *sealed_last;
static json_t *explained;

static void heard(enum role_kind kind, const void *p, size_t n)
{
	const struct role_judged *j = p;

	if (kind == ROLE_POLICY && ++saids) {
		assert_true(n <= sizeof(said));
		memcpy(&said, p, n);
		assert_int_equal(n, sizeof(said.head) + said.head.rules * sizeof(said.rule[0]));
	}
	if (kind == ROLE_JUDGED) {
		assert_int_equal(n, sizeof(*j) + j->len);
		assert_int_equal(j->id, 7);
		json_decref(explained);
		explained = json_loadb((const char *)(j + 1), j->len, 0, NULL);
		assert_non_null(explained);
	}
}

static void sealed(uint32_t schema, const uint8_t *payload, size_t n)
{
	if (schema != RECORD_CONTROL)
		return;
	if (sealed_last)
		probity__v1__control__free_unpacked(sealed_last, NULL);
	sealed_last = probity__v1__control__unpack(NULL, n, payload);
	assert_non_null(sealed_last);
}

static int begin(void **state)
{
	if (world_new(state))
		return -1;
	w.exec_rules = exec_rules_new(&w);
	saids = 0;
	return w.exec_rules ? 0 : -1;
}

static int over(void **state)
{
	pack_free(w.pack);
	w.pack = NULL;
	exec_rules_free(w.exec_rules);
	if (sealed_last)
		probity__v1__control__free_unpacked(sealed_last, NULL);
	sealed_last = NULL;
	json_decref(explained);
	explained = NULL;
	return world_free(state);
}

#define PACK(version, more, rules) \
	"pack: t\nversion: " version "\nmode: enforce\n" more "rules:\n" rules
#define A "  - {id: a, match: {model: \"x*\"}, disposition: deny}\n"
#define B "  - {id: b, match: {user: alice, service: openai}, disposition: kill}\n"

static void take(uint64_t generation, uint32_t enforce, const char *text)
{
	struct role_pack p = {.generation = generation,
			      .enforce = enforce,
			      .len = strlen(text),
			      .name = "t.yaml"};

	policy_take(&w, &p, text);
}

static void test_in_force(void **state)
{
	take(5, 2, PACK("1.2.0", "", A B));
	assert_int_equal(saids, 1);
	assert_int_equal(said.head.generation, 5);
	assert_int_equal(said.head.refused, 0);
	assert_int_equal(said.head.enforce, 1);
	assert_string_equal(said.head.set, "t");
	assert_string_equal(said.head.version, "1.2.0");
	assert_int_equal(said.head.rules, 2);
	assert_string_equal(said.rule[1].rule, "b");
	assert_int_equal(said.rule[0].needs, policy_needs_of(w.pack, 0));
	assert_memory_equal(said.head.sha256, pack_sha256(w.pack), 32);
	assert_int_equal(w.generation, 5);
	assert_false(sealed_last->refused);
	assert_string_equal(sealed_last->mode, "enforce");
	assert_int_equal(sealed_last->policy_generation, 5);
	assert_memory_equal(sealed_last->policy_sha256.data, said.head.sha256, 32);
}

/* The command line's word is above the pack's. */
static void test_modes(void **state)
{
	static const struct {
		uint32_t told;
		const char *pack;
		bool want;
	} rows[] = {
		{0, "enforce", false}, {1, "enforce", true}, {2, "enforce", true},
		{0, "monitor", false}, {1, "monitor", true}, {2, "monitor", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char text[256];

		snprintf(text, sizeof(text), "pack: t\nversion: 1.0.0\nmode: %s\nrules:\n" A,
			 rows[i].pack);
		take(i + 1, rows[i].told, text);
		assert_int_equal(w.enforce, rows[i].want);
		assert_int_equal(said.head.enforce, rows[i].want);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *name, *text, *error;
		struct role_pack p;
	} rows[] = {
		{"empty", "", "empty", {.generation = 2}},
		{"broken", "pack: [", "t.yaml", {.generation = 2}},
		{"no rule", PACK("1.0.0", "", " []\n"), "rules", {.generation = 2}},
		{"the keeper's word", "", "not signed by", {.refused = "not signed by ops"}},
		{"older", PACK("1.0.0", "revision: 3\n", A), "older than 4", {.min_revision = 4}},
		{"older by its signature",
		 PACK("1.0.0", "", A),
		 "revision 3 is older",
		 {.min_revision = 4, .revision = 3}},
		{"signed as another",
		 PACK("1.0.0", "revision: 5\n", A),
		 "sign it again",
		 {.revision = 6}},
	};

	take(1, 2, PACK("1.0.0", "", A));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct role_pack p = rows[i].p;

		p.len = strlen(rows[i].text);
		p.enforce = 0;
		strcpy(p.name, "t.yaml");
		policy_take(&w, &p, rows[i].text);
		if (!said.head.refused || !strstr(said.head.error, rows[i].error))
			fail_msg("%s: %s", rows[i].name, said.head.error);
		assert_int_equal(said.head.rules, 0);
		assert_int_equal(said.head.generation, p.generation);
		assert_true(sealed_last->refused);
		assert_string_equal(sealed_last->reason, said.head.error);
		/* The one before stays, whole. */
		assert_string_equal(pack_version(w.pack), "1.0.0");
		assert_int_equal(w.generation, 1);
		assert_true(w.enforce);
		assert_string_equal(w.pack_error, said.head.error);
	}
	take(2, 2, PACK("1.1.0", "", A));
	assert_string_equal(w.pack_error, "");
	assert_int_equal(w.generation, 2);
}

/* The least that is allowed, and a signature's own number. */
static void test_revisions(void **state)
{
	struct role_pack p = {.generation = 1, .min_revision = 4, .revision = 4, .name = "t.yaml"};
	const char *text = PACK("1.0.0", "revision: 4\n", A);

	p.len = strlen(text);
	policy_take(&w, &p, text);
	assert_int_equal(said.head.refused, 0);
	assert_int_equal(said.head.revision, 4);
	text = PACK("1.0.0", "", A); /* it says none, and nor does a signature: not older */
	p = (struct role_pack){.generation = 2,
			       .min_revision = 4,
			       .name = "t",
			       .len = strlen(text)};
	policy_take(&w, &p, text);
	assert_int_equal(said.head.refused, 0);
	assert_int_equal(said.head.revision, 0);
}

static json_int_t counter(const char *rule, const char *what)
{
	json_t *s = policy_status(&w), *v;
	json_int_t n = -1;
	size_t i;

	json_array_foreach(json_object_get(s, "by_rule"), i,
			   v) if (!strcmp(json_string_value(json_object_get(v, "id")), rule)) n =
		json_integer_value(json_object_get(v, what));
	json_decref(s);
	return n;
}

static void test_counters(void **state)
{
	struct decision d = {.rules = 2, .deciding = 0, .result = {RULE_FIRED, RULE_NO}};

	take(1, 2, PACK("1.0.0", "", A B));
	policy_count(&w, &d, "denied");
	policy_count(&w, &d, "would_deny");
	policy_count(&w, &d, "deny_failed");
	policy_count(&w, &d, "none");
	assert_int_equal(counter("a", "fired"), 4);
	assert_int_equal(counter("a", "done"), 1);
	assert_int_equal(counter("a", "would"), 1);
	assert_int_equal(counter("a", "failed"), 1);
	assert_int_equal(counter("b", "fired"), 0);
	/* The rule has another place now. */
	take(2, 2, PACK("1.0.1", "", B A));
	assert_int_equal(counter("a", "fired"), 4);
	assert_int_equal(counter("b", "fired"), 0);
	/* One that was gone begins anew. */
	take(3, 2, PACK("1.0.2", "", B));
	take(4, 2, PACK("1.0.3", "", A B));
	assert_int_equal(counter("a", "fired"), 0);
}

/* The same text under the same generation, as a new keeper sends it: answered, and no second record. */
static void test_the_same_again(void **state)
{
	const struct pack *was;

	take(1, 2, PACK("1.0.0", "", A));
	was = w.pack;
	probity__v1__control__free_unpacked(sealed_last, NULL);
	sealed_last = NULL;
	take(1, 2, PACK("1.0.0", "", A));
	assert_int_equal(saids, 2);
	assert_ptr_equal(w.pack, was);
	assert_null(sealed_last);
	assert_int_equal(said.head.refused, 0);
	assert_int_equal(said.head.rules, 1);
}

/* --- explain.c --------------------------------------------------------------------------------- */

static const char *rule_word(const char *id, const char *key)
{
	size_t i;
	json_t *v;

	json_array_foreach(json_object_get(explained, "rules"), i, v)
	{
		if (!strcmp(json_string_value(json_object_get(v, "id")), id))
			return json_string_value(json_object_get(v, key));
	}
	return "";
}

static void test_explain(void **state)
{
	const struct role_judge q = {.id = 7, .pid = PID};

	take(1, 2,
	     PACK("1.0.0", "",
		  B "  - {id: c, match: {user: carol, model: x}, disposition: deny}\n"
		    "  - {id: d, match: {user: alice}, disposition: alert}\n"
		    "  - {id: e, on: exec, match: {exe: \"*/nc\"}, disposition: deny}\n"));
	explain_process(&w, &q);
	assert_string_equal(json_string_value(json_object_get(explained, "user")), "alice");
	assert_string_equal(json_string_value(json_object_get(explained, "exe")),
			    "/usr/bin/python3");
	assert_string_equal(rule_word("b", "concerns"), "depends");
	assert_string_equal(rule_word("c", "concerns"), "no");
	assert_string_equal(rule_word("d", "concerns"), "yes");
	assert_string_equal(rule_word("e", "on"), "exec");
	assert_int_equal(json_array_size(json_object_get(explained, "rules")), 4);
}

static void test_explain_nobody(void **state)
{
	const struct role_judge q = {.id = 7, .pid = 1};

	explain_process(&w, &q);
	assert_non_null(json_object_get(explained, "error"));
	explain_process(&w, &(struct role_judge){.id = 7, .pid = PID}); /* no pack */
	assert_int_equal(json_array_size(json_object_get(explained, "rules")), 0);
	assert_string_equal(json_string_value(json_object_get(explained, "policy_set")), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, begin, over)
		T(test_in_force), T(test_modes),	  T(test_refused), T(test_revisions),
		T(test_counters), T(test_the_same_again), T(test_explain), T(test_explain_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
