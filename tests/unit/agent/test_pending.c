// SPDX-License-Identifier: Apache-2.0
/* Order, bound and count of the records that wait. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/pending.h"

static uint64_t add(struct pending *q, uint64_t id, uint32_t len)
{
	struct role_record r = {.id = id, .len = len};
	uint8_t *p = malloc(len ? len : 1);
	uint64_t dropped;

	memset(p, (int)id, len);
	dropped = pending_add(q, &r, p);
	free(p);
	return dropped;
}

static void in_order(void **state)
{
	struct pending q = {0};

	pending_pop(&q); /* nothing there: nothing happens */
	for (uint64_t i = 1; i <= 100; i++)
		assert_int_equal(add(&q, i, i), 0);
	assert_int_equal(q.count, 100);
	for (uint64_t i = 1; i <= 100; i++) {
		assert_int_equal(q.first->head.id, i);
		assert_int_equal(q.first->payload[i - 1], i);
		pending_pop(&q);
	}
	assert_int_equal(q.bytes, 0);
	assert_null(q.first);
	assert_null(q.last);
}

static void oldest_go_first(void **state)
{
	struct pending q = {0};
	uint64_t dropped = 0, n = 2000;

	for (uint64_t i = 1; i <= n; i++) {
		dropped += add(&q, i, 60000 + i % 50);
		assert_true(q.bytes <= PENDING_MAX);
		assert_int_equal(q.last->head.id, i);
		assert_int_equal(q.first->head.id, dropped + 1);
		assert_int_equal(q.count + dropped, i);
	}
	assert_true(dropped > 0);
	pending_clear(&q);
	assert_int_equal(q.count, 0);
	assert_int_equal(q.bytes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_order),
		cmocka_unit_test(oldest_go_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
