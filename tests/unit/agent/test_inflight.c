// SPDX-License-Identifier: Apache-2.0
/* A worker dies at each step of a call's life; what the next one declares lost must be exact. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <unistd.h>

#include "agent/inflight.h"

static struct inflight *fresh(void)
{
	struct inflight *f;
	int fd = inflight_make();

	assert_true(fd >= 0);
	assert_int_equal(inflight_map(fd, &f), 0);
	close(fd);
	inflight_start_ids(f, 1000);
	return f;
}

static void test_ids_are_consecutive(void **state)
{
	struct inflight *f = fresh();

	assert_int_equal(inflight_id(f, -1, false), 1000);
	assert_int_equal(inflight_id(f, -1, true), 1001);
	assert_int_equal(inflight_last_id(f), 1001);
	inflight_start_ids(f, 5); /* never back */
	assert_int_equal(inflight_id(f, -1, true), 1002);
}

static void test_open_call_is_lost(void **state)
{
	struct inflight *f = fresh();

	assert_true(inflight_open(f, 7, 0) >= 0);
	assert_true(inflight_open(f, 8, 100) >= 0);
	assert_int_equal(inflight_inherit(f), 2);
	assert_int_equal(inflight_lost(f, 999, inflight_last_id(f)), 2);
	assert_int_equal(inflight_lost(f, 999, inflight_last_id(f)), 0); /* said once */
}

static void test_call_read_again_is_not_lost(void **state)
{
	struct inflight *f = fresh();

	inflight_open(f, 7, 64);
	inflight_open(f, 8, 0);
	inflight_inherit(f);
	inflight_again(f, 7, 64);
	inflight_again(f, 8, 512); /* a later chunk: its request stays lost */
	assert_int_equal(inflight_lost(f, 999, inflight_last_id(f)), 1);
}

static void test_new_opens_are_not_inherited(void **state)
{
	struct inflight *f = fresh();

	inflight_open(f, 7, 0);
	inflight_inherit(f);
	inflight_open(f, 9, 0); /* by the new worker */
	assert_int_equal(inflight_lost(f, 999, inflight_last_id(f)), 1);
}

static void test_finished_call_is_in_the_ids(void **state)
{
	static const struct {
		uint64_t durable;
		unsigned lost;
	} rows[] = {{999, 2}, {1000, 1}, {1001, 1}, {1002, 0}, {5000, 0}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct inflight *f = fresh();
		int a = inflight_open(f, 7, 0), b = inflight_open(f, 8, 0);

		inflight_id(f, a, true);   /* 1000 */
		inflight_id(f, -1, false); /* 1001, a control record */
		inflight_id(f, b, true);   /* 1002 */
		assert_int_equal(inflight_inherit(f), 0);
		assert_int_equal(inflight_lost(f, rows[i].durable, inflight_last_id(f)),
				 rows[i].lost);
	}
}

static void test_dropped_is_no_call(void **state)
{
	struct inflight *f = fresh();

	inflight_drop(f, inflight_open(f, 7, 0));
	inflight_drop(f, -1);
	assert_int_equal(inflight_inherit(f), 0);
	assert_int_equal(inflight_lost(f, 999, inflight_last_id(f)), 0);
}

static void test_full_table_is_counted(void **state)
{
	struct inflight *f = fresh();

	for (int i = 0; i < INFLIGHT_SLOTS; i++)
		assert_true(inflight_open(f, i + 1, 0) >= 0);
	assert_int_equal(inflight_open(f, 99999, 0), -1);
	assert_int_equal(inflight_refused(f), 1);
	inflight_drop(f, 17);
	assert_int_equal(inflight_open(f, 99999, 0), 17);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ids_are_consecutive),
		cmocka_unit_test(test_open_call_is_lost),
		cmocka_unit_test(test_call_read_again_is_not_lost),
		cmocka_unit_test(test_new_opens_are_not_inherited),
		cmocka_unit_test(test_finished_call_is_in_the_ids),
		cmocka_unit_test(test_dropped_is_no_call),
		cmocka_unit_test(test_full_table_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
