// SPDX-License-Identifier: Apache-2.0
/*
 * policies/pack.schema.json and the reader's own tables name the same words: every key of every
 * mapping, every fact of every subject, every value of every choice, in both directions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "policy/fact_key.h"
#include "policy/pack_keys.h"

static json_t *schema;

static int setup(void **state)
{
	json_error_t e;

	schema = json_load_file("policies/pack.schema.json", JSON_REJECT_DUPLICATES, &e);
	if (!schema)
		printf("%s:%d: %s\n", e.source, e.line, e.text);
	return schema ? 0 : -1;
}

static int teardown(void **state)
{
	json_decref(schema);
	return 0;
}

/* "$defs/rule/properties", "" = the whole. */
static const json_t *at(const char *path)
{
	const json_t *o = schema;
	char step[64];

	while (*path) {
		size_t n = strcspn(path, "/");

		snprintf(step, sizeof(step), "%.*s", (int)n, path);
		o = json_object_get(o, step);
		if (!o)
			fail_msg("the schema has no %s", path);
		path += n + (path[n] == '/');
	}
	return o;
}

/* The words of an object's keys or of an array. */
static bool in_schema(const json_t *o, const char *word)
{
	const json_t *v;
	size_t i;

	if (json_is_object(o))
		return json_object_get(o, word);
	json_array_foreach(o, i, v) if (!strcmp(json_string_value(v), word)) return true;
	return false;
}

static size_t count(const json_t *o)
{
	return json_is_object(o) ? json_object_size(o) : json_array_size(o);
}

static void same(const char *path, const char *const *words)
{
	const json_t *o = at(path);
	size_t n = 0;

	for (; words[n]; n++)
		if (!in_schema(o, words[n]))
			fail_msg("the reader takes \"%s\", %s of the schema does not", words[n],
				 path);
	if (n != count(o))
		fail_msg("%s of the schema has %zu words, the reader %zu", path, count(o), n);
}

static void test_keys_and_words(void **state)
{
	static const struct {
		const char *path;
		const char *const *words;
	} rows[] = {
		{"properties", keys_pack},
		{"$defs/gate/properties", keys_gate},
		{"$defs/rule/properties", keys_rule},
		{"$defs/schedule/properties", keys_schedule},
		{"$defs/rollout/properties", keys_rollout},
		{"$defs/exception/properties", keys_exception},
		{"$defs/hold/properties", keys_hold},
		{"$defs/then/properties", keys_then},
		{"$defs/regex/properties", keys_regex},
		{"$defs/test/properties", keys_test},
		{"$defs/expect/properties", keys_expect},
		{"properties/mode/enum", words_mode},
		{"properties/coverage/enum", words_coverage},
		{"$defs/rule/properties/on/enum", words_on},
		{"$defs/rule/properties/mode/enum", words_mode},
		{"$defs/rule/properties/severity/enum", words_severity},
		{"$defs/disposition/enum", words_disposition},
		{"$defs/rule/properties/fail/enum", words_fail},
		{"$defs/rule/properties/unknown/enum", words_unknown},
		{"$defs/rule/properties/else/enum", words_else},
		{"$defs/rule/properties/quic/enum", words_quic},
		{"$defs/gate/properties/full/enum", words_full},
		{"$defs/given_call/properties/stage/enum", words_stage},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		same(rows[i].path, rows[i].words);
}

/* A value or a list of it: the words stand in the first of both. */
static void test_words_of_lists(void **state)
{
	static const struct {
		const char *path;
		const char *const *words;
	} rows[] = {
		{"$defs/rule/properties/refuse/oneOf", words_refuse},
		{"$defs/rule/properties/controls/oneOf", words_controls},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const json_t *o = json_object_get(json_array_get(at(rows[i].path), 0), "enum");
		size_t n = 0;

		for (; rows[i].words[n]; n++)
			assert_true(in_schema(o, rows[i].words[n]));
		assert_int_equal(n, json_array_size(o));
	}
}

static void facts(const char *what, size_t subject, const char *const *besides)
{
	size_t n = 0, more = 0;
	const json_t *o;
	char path[64];

	snprintf(path, sizeof(path), "$defs/%s_%s/properties", what, words_on[subject]);
	o = at(path);
	for (size_t i = 0; fact_key_at(i); i++) {
		const struct fact_key *k = fact_key_at(i);
		bool here = k->subjects >> subject & 1;

		if (here != in_schema(o, k->name))
			fail_msg("%s: \"%s\" is in %s only", path, k->name,
				 here ? "the reader" : "the schema");
		n += here;
	}
	for (; besides[more]; more++)
		assert_true(in_schema(o, besides[more]));
	assert_int_equal(count(o), n + more);
}

static void test_facts(void **state)
{
	for (size_t s = 0; words_on[s]; s++) {
		facts("match", s, keys_groups);
		facts("given", s, keys_given);
	}
}

/* ISO/IEC 42001:2023 Annex A has 38 controls. */
static void test_controls(void **state)
{
	size_t n = 0;

	while (words_controls[n])
		n++;
	assert_int_equal(n, 38);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys_and_words),
		cmocka_unit_test(test_words_of_lists),
		cmocka_unit_test(test_facts),
		cmocka_unit_test(test_controls),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
