// SPDX-License-Identifier: Apache-2.0
/* The names of pinned probes: what differs has another name, and what is read is what was written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/attach/pinned.h"
#include "base/cleanup.h"

static const uint64_t offset[] = {0x1000, 0x2000, 0x3000}, cookie[] = {1, 2, 3};

static void test_sites(void **state)
{
	uint64_t all = pinned_sites("tls", 10, 20, offset, cookie, 3);
	uint64_t moved[] = {0x1000, 0x2000, 0x3001}, other[] = {1, 2, 4};
	const uint64_t differ[] = {
		pinned_sites("tls_sleep", 10, 20, offset, cookie, 3),
		pinned_sites("tls", 11, 20, offset, cookie, 3),
		pinned_sites("tls", 10, 21, offset, cookie, 3),
		pinned_sites("tls", 10, 20, offset, cookie, 2),
		pinned_sites("tls", 10, 20, moved, cookie, 3),
		pinned_sites("tls", 10, 20, offset, other, 3),
	};

	assert_true(all == pinned_sites("tls", 10, 20, offset, cookie, 3));
	for (size_t i = 0; i < ARRAY_SIZE(differ); i++) {
		assert_true(differ[i] != all);
		for (size_t k = 0; k < i; k++)
			assert_true(differ[i] != differ[k]);
	}
}

static void test_names(void **state)
{
	const struct pinned_id id = {4321, 12345 * 10000000ull, 0xfd01, UINT64_MAX, UINT64_MAX};
	const struct pinned_as as = {UINT16_MAX, UINT64_MAX};
	struct pinned_id near[] = {id, id, id, id, id};
	char name[160], begins[160], longer[200];
	struct pinned_as got = {};

	assert_int_equal(pinned_name(name, sizeof(name), &id, &as), 0);
	assert_int_equal(pinned_begins(begins, sizeof(begins), &id), 0);
	assert_memory_equal(name, begins, strlen(begins));
	assert_null(strpbrk(name, "./"));
	assert_true(strlen(name) < 160 - 16);
	snprintf(longer, sizeof(longer), "%s_1f", name);
	assert_int_equal(pinned_read(longer, &got), 0);
	assert_int_equal(got.index, as.index);
	assert_true(got.since_ns == as.since_ns);

	near[0].pid++;
	near[1].start_ns += 10000000;
	near[2].dev++;
	near[3].ino--;
	near[4].sites--;
	for (size_t i = 0; i < ARRAY_SIZE(near); i++) {
		assert_int_equal(pinned_name(longer, sizeof(longer), &near[i], &as), 0);
		assert_true(strncmp(longer, begins, strlen(begins)));
	}
	/* Read by the kernel and from /proc, a start differs below the tick. */
	near[0] = id;
	near[0].start_ns += 9999999;
	assert_int_equal(pinned_name(longer, sizeof(longer), &near[0], &as), 0);
	assert_string_equal(longer, name);
}

static void test_no_room(void **state)
{
	const struct pinned_id id = {1, 1, 1, 1, 1};
	const struct pinned_as as = {1, 1};
	char name[160];
	size_t n;

	assert_int_equal(pinned_name(name, sizeof(name), &id, &as), 0);
	n = strlen(name);
	for (size_t cap = 0; cap <= n; cap++)
		assert_int_equal(pinned_name(name, cap, &id, &as), -ENAMETOOLONG);
	assert_int_equal(pinned_name(name, n + 1, &id, &as), 0);
}

static void test_not_ours(void **state)
{
	static const char *const names[] = {
		"",	      "_",	     "new",	     "1_2_3_4",		  "1_2_3_4_5",
		"1_2_3_4_5_", "1_2_3_4_5_6", "1_2_3_4_5_6_", "1_2_3_4_5_10000_1", "1_2_3_4_5_x_1",
	};
	struct pinned_as as = {7, 7};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(pinned_read(names[i], &as), -EBADMSG);
	assert_int_equal(as.index, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sites),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_not_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
