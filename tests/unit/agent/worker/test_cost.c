// SPDX-License-Identifier: Apache-2.0
/* A call's cost in its record: by its service, its model and the day it was made. */
#include "world.h"

#include "classify/price.h"

#define CONN 9
#define NOON_2026_11_21 1795262400000000000ull

static void call(uint64_t wall_ns, const char *host)
{
	world_clear();
	w.wall_offset_ns = wall_ns - now;
	data(CONN, 0, EVENT_WRITE, 0, request_to(host));
	data(CONN, 0, EVENT_READ, 0, answer());
	plain_event(EVENT_CLOSE, CONN);
	pass(SECOND);
	assert_int_equal(calls_n, 1);
	assert_whole(calls[0]);
}

/* 11 tokens of input at 3 dollars a million, 3 of output at 15: 33 + 45 millionths. */
static void test_known(void **state)
{
	call(NOON_2026_11_21, AI_HOST);
	assert_int_equal(price_day(NOON_2026_11_21), 20261121);
	assert_non_null(calls[0]->cost);
	assert_int_equal(calls[0]->cost->nano_usd, 78000);
	assert_string_equal(calls[0]->cost->price_date, "2026-07-02");
	assert_false(calls[0]->cost->partial);
}

/* What the table does not say is absent, not nothing. */
static void test_unknown(void **state)
{
	call(NOON_2026_11_21, "llm.example.org"); /* the same model, sold by somebody */
	assert_null(calls[0]->cost);
	call(1735689600000000000ull, AI_HOST); /* 2025: before the table's prices */
	assert_null(calls[0]->cost);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_known, world_new, world_free),
		cmocka_unit_test_setup_teardown(test_unknown, world_new, world_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
