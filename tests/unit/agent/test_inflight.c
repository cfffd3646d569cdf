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

static unsigned lost(struct inflight *f, uint64_t durable, uint64_t *ret_id)
{
	return inflight_lost(f, durable, inflight_last_id(f), ret_id);
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
	uint64_t id;

	assert_true(inflight_open(f, 7, 0) >= 0);
	assert_true(inflight_open(f, 8, 100) >= 0);
	assert_int_equal(inflight_inherit(f), 2);
	assert_int_equal(lost(f, 999, &id), 2);
	assert_int_equal(id, 1000);
	assert_int_equal(lost(f, 1000, &id), 0); /* said once */
}

static void test_call_read_again_is_not_lost(void **state)
{
	struct inflight *f = fresh();
	uint64_t id;

	inflight_open(f, 7, 64);
	inflight_open(f, 7, 164); /* pipelined, and in the same chunk */
	inflight_open(f, 7, 264);
	inflight_open(f, 8, 0);
	inflight_inherit(f);
	inflight_again(f, 7, 64, 200);
	inflight_again(f, 8, 512, 10); /* a later chunk: its request stays lost */
	assert_int_equal(lost(f, 999, &id), 2);
}

static void test_new_opens_are_not_inherited(void **state)
{
	struct inflight *f = fresh();
	uint64_t id;

	inflight_open(f, 7, 0);
	inflight_inherit(f);
	inflight_open(f, 9, 0); /* by the new worker */
	assert_int_equal(lost(f, 999, &id), 1);
}

/* A socket's entry or its record's id, never both and never neither. */
static void test_sockets(void **state)
{
	const struct inflight_sock first = {.cookie = 70, .pid = 4, .sni = "ai.example"};
	struct inflight *f = fresh();
	struct inflight_sock *s = inflight_sock_open(f, &first), *left;
	unsigned at = 0;

	assert_non_null(s);
	assert_ptr_equal(inflight_sock_next(f, &at), s);
	assert_string_equal(s->sni, "ai.example");
	assert_null(inflight_sock_next(f, &at));
	inflight_sock_told(f, s); /* a death before the id is given out */
	at = 0;
	assert_ptr_equal(inflight_sock_next(f, &at), s);
	inflight_sock_told(f, s);
	inflight_id(f, -1, true); /* and after it */
	at = 0;
	assert_null(inflight_sock_next(f, &at));
	left = inflight_sock_open(f, &first);
	assert_non_null(left);
	inflight_sock_drop(left);
	inflight_sock_drop(NULL);
	at = 0;
	assert_null(inflight_sock_next(f, &at));
}

static void test_sockets_full(void **state)
{
	struct inflight *f = fresh();
	struct inflight_sock k = {};

	for (k.cookie = 1; k.cookie <= INFLIGHT_SOCKS; k.cookie++)
		assert_non_null(inflight_sock_open(f, &k));
	assert_null(inflight_sock_open(f, &k));
	assert_int_equal(inflight_refused(f), 1);
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
		uint64_t id;

		inflight_id(f, a, true);   /* 1000 */
		inflight_id(f, -1, false); /* 1001, a control record */
		inflight_id(f, b, true);   /* 1002 */
		assert_int_equal(inflight_inherit(f), 0);
		assert_int_equal(lost(f, rows[i].durable, &id), rows[i].lost);
	}
}

static void test_dropped_is_no_call(void **state)
{
	struct inflight *f = fresh();
	uint64_t id;

	inflight_drop(f, inflight_open(f, 7, 0));
	inflight_drop(f, -1);
	assert_int_equal(inflight_inherit(f), 0);
	assert_int_equal(lost(f, 999, &id), 0);
	assert_int_equal(inflight_last_id(f), 999); /* and no id was given out for it */
}

/* Worker after worker dies before its declaration is durable: each declares all of it again. */
static void test_lost_declaration_is_declared_again(void **state)
{
	struct inflight *f = fresh();
	uint64_t id, last;

	inflight_id(f, -1, true); /* 1000: durable */
	inflight_id(f, -1, true); /* 1001, 1002: not */
	inflight_id(f, -1, true);
	inflight_open(f, 7, 0);
	inflight_inherit(f);
	assert_int_equal(lost(f, 1000, &id), 3);
	assert_int_equal(id, 1003);

	inflight_inherit(f);
	assert_int_equal(lost(f, 1000, &id), 3);
	assert_int_equal(id, 1004);

	/* This one went on, gave ids to two calls, and died before its own declaration. */
	inflight_inherit(f);
	last = inflight_last_id(f);
	inflight_id(f, -1, true); /* 1005 */
	inflight_id(f, -1, true); /* 1006 */
	assert_int_equal(inflight_lost(f, 1000, last, &id), 3);
	assert_int_equal(id, 1007);
	inflight_open(f, 8, 0);
	inflight_inherit(f);
	assert_int_equal(lost(f, 1005, &id), 3 + 1 + 1); /* of these 1005 is durable */
	inflight_inherit(f);
	assert_int_equal(lost(f, id, &id), 0);
}

static void test_many_ids(void **state)
{
	struct inflight *f = fresh();
	uint64_t id;

	for (int i = 0; i < 3 * INFLIGHT_IDS; i++)
		inflight_id(f, -1, i % 2);
	assert_int_equal(lost(f, 999 + 3 * INFLIGHT_IDS - 100, &id), 50);
	assert_true(id > inflight_last_id(f) - 1);
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

static void test_starts(void **state)
{
	struct inflight *f = fresh();

	assert_int_equal(inflight_starts_at(f, 64), 1);
	assert_int_equal(inflight_starts_at(f, 64), 2);
	assert_int_equal(inflight_starts_at(f, 72), 1);
	assert_int_equal(inflight_starts_at(f, 64), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sockets),
		cmocka_unit_test(test_sockets_full),
		cmocka_unit_test(test_ids_are_consecutive),
		cmocka_unit_test(test_open_call_is_lost),
		cmocka_unit_test(test_call_read_again_is_not_lost),
		cmocka_unit_test(test_new_opens_are_not_inherited),
		cmocka_unit_test(test_finished_call_is_in_the_ids),
		cmocka_unit_test(test_dropped_is_no_call),
		cmocka_unit_test(test_lost_declaration_is_declared_again),
		cmocka_unit_test(test_many_ids),
		cmocka_unit_test(test_full_table_is_counted),
		cmocka_unit_test(test_starts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
