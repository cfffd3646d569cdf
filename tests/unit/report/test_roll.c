// SPDX-License-Identifier: Apache-2.0
/* Rows by key: one row a key, bounded, in a fixed order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "report/roll.h"

static void one_row_a_key(void **state)
{
	_cleanup_(roll_freep) struct roll *r = NULL;
	char key[16];

	assert_int_equal(roll_new(300, &r), 0);
	for (int round = 0; round < 3; round++)
		for (int i = 0; i < 300; i++) {
			snprintf(key, sizeof(key), "k%d", i);
			roll_at(r, key)->records++;
		}
	assert_int_equal(roll_count(r), 300);
	assert_int_equal(roll_left_out(r), 0);
	for (int i = 0; i < 300; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		assert_int_equal(roll_find(r, key)->records, 3);
	}
	assert_null(roll_find(r, "k300"));
}

static void full(void **state)
{
	_cleanup_(roll_freep) struct roll *r = NULL;

	assert_int_equal(roll_new(2, &r), 0);
	assert_non_null(roll_at(r, "a"));
	assert_non_null(roll_at(r, "b"));
	assert_null(roll_at(r, "c"));
	assert_null(roll_at(r, "d"));
	assert_non_null(roll_at(r, "a"));
	assert_int_equal(roll_left_out(r), 2);
	assert_int_equal(roll_room(r), 2);
}

static void no_room_at_all(void **state)
{
	_cleanup_(roll_freep) struct roll *r = NULL;

	assert_int_equal(roll_new(0, &r), 0);
	assert_null(roll_at(r, ""));
	assert_null(roll_find(r, ""));
}

static void keys_are_printable(void **state)
{
	_cleanup_(roll_freep) struct roll *r = NULL;
	char key[2 * ROLL_KEY_MAX];

	assert_int_equal(roll_new(8, &r), 0);
	assert_string_equal(roll_at(r, "a\033[2J\xff")->key, "a?[2J\xef\xbf\xbd");
	memset(key, 'x', sizeof(key) - 1);
	key[sizeof(key) - 1] = '\0';
	assert_int_equal(strlen(roll_at(r, key)->key), ROLL_KEY_MAX - 1);
	assert_ptr_equal(roll_at(r, key), roll_at(r, key));
}

static void order(void **state)
{
	_cleanup_(roll_freep) struct roll *r = NULL;
	const struct row **v;

	assert_int_equal(roll_new(8, &r), 0);
	roll_at(r, "b")->events = 1;
	roll_at(r, "c")->events = 7;
	roll_at(r, "a")->events = 1;
	v = roll_by_events(r);
	assert_string_equal(v[0]->key, "c");
	assert_string_equal(v[1]->key, "a");
	assert_string_equal(v[2]->key, "b");
	assert_null(v[3]);
	free(v);
	v = roll_by_key(r);
	assert_string_equal(v[0]->key, "a");
	assert_string_equal(v[2]->key, "c");
	free(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_row_a_key),  cmocka_unit_test(full),
		cmocka_unit_test(no_room_at_all), cmocka_unit_test(keys_are_printable),
		cmocka_unit_test(order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
