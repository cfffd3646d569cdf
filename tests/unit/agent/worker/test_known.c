// SPDX-License-Identifier: Apache-2.0
/* Names judged before: per program, for a time, within a bound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "agent/worker/known.h"

static enum known_as get(const struct known *k, const char *program, const char *name, uint64_t now)
{
	return known_get(k, program, strlen(program), name, now);
}

static void set(struct known *k, const char *program, const char *name, enum known_as as,
		uint64_t now)
{
	known_set(k, program, strlen(program), name, as, now);
}

static void test_per_program(void **state)
{
	struct known *k = known_new();

	set(k, "/bin/a", "x.example", KNOWN_NOT_AI, 5);
	assert_int_equal(get(k, "/bin/a", "x.example", 6), KNOWN_NOT_AI);
	assert_int_equal(get(k, "/bin/b", "x.example", 6), KNOWN_NOTHING);
	assert_int_equal(get(k, "/bin/a", "y.example", 6), KNOWN_NOTHING);
	assert_int_equal(get(k, "", "x.example", 6), KNOWN_NOTHING);
	set(k, "/bin/a", "", KNOWN_NOT_AI, 5); /* no name is no name */
	assert_int_equal(get(k, "/bin/a", "", 6), KNOWN_NOTHING);
	set(k, "", "z.example", KNOWN_NOT_AI, 5); /* of a program nobody knows */
	assert_int_equal(get(k, "/bin/a", "z.example", 6), KNOWN_NOTHING);
	known_free(k);
}

static void test_ai_is_for_all(void **state)
{
	struct known *k = known_new();

	set(k, "/bin/a", "x.example", KNOWN_NOT_AI, 5);
	set(k, "/bin/b", "x.example", KNOWN_AI, 5);
	assert_int_equal(get(k, "/bin/a", "x.example", 6), KNOWN_AI);
	assert_int_equal(get(k, "", "x.example", 6), KNOWN_AI);
	known_free(k);
}

static void test_time(void **state)
{
	struct known *k = known_new();

	set(k, "/bin/a", "x.example", KNOWN_NOT_AI, 5);
	assert_int_equal(get(k, "/bin/a", "x.example", 4 + KNOWN_NOT_AI_NS), KNOWN_NOT_AI);
	assert_int_equal(get(k, "/bin/a", "x.example", 5 + KNOWN_NOT_AI_NS), KNOWN_NOTHING);
	set(k, "/bin/a", "x.example", KNOWN_NOT_AI, 7); /* again: from then on */
	assert_int_equal(get(k, "/bin/a", "x.example", 6 + KNOWN_NOT_AI_NS), KNOWN_NOT_AI);
	set(k, "/bin/a", "x.example", KNOWN_AI, 7);
	assert_int_equal(get(k, "/bin/a", "x.example", 6 + KNOWN_AI_NS), KNOWN_AI);
	assert_int_equal(get(k, "/bin/a", "x.example", 7 + KNOWN_AI_NS), KNOWN_NOTHING);
	known_free(k);
}

/* Any number of names: what is forgotten is not taken for something else, and AI stays longest. */
static void test_bound(void **state)
{
	struct known *k = known_new();
	unsigned kept = 0;
	char name[64];

	set(k, "/bin/a", "ai.example", KNOWN_AI, 1);
	for (unsigned i = 0; i < 100000; i++) {
		snprintf(name, sizeof(name), "h%u.example", i);
		set(k, "/bin/a", name, KNOWN_NOT_AI, 2 + i);
	}
	for (unsigned i = 0; i < 100000; i++) {
		snprintf(name, sizeof(name), "h%u.example", i);
		kept += get(k, "/bin/a", name, 200000) == KNOWN_NOT_AI;
	}
	assert_true(kept > 15000 && kept < 16384);
	snprintf(name, sizeof(name), "h%u.example", 99999);
	assert_int_equal(get(k, "/bin/a", name, 200000), KNOWN_NOT_AI);
	assert_int_equal(get(k, "/bin/a", "ai.example", 200000), KNOWN_AI);
	known_free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_per_program),
		cmocka_unit_test(test_ai_is_for_all),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
