/* SPDX-License-Identifier: Apache-2.0 */
/* As much of cmocka's interface as tests/unit/agent/discover needs, for the cross-built test: Debian
 * has no cmocka for another machine without making it a foreign architecture of this one. A failed
 * assertion ends the program, and the test that was running is the one that failed. */
#ifndef PROBITY_TESTS_AARCH64_CMOCKA_H
#define PROBITY_TESTS_AARCH64_CMOCKA_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct CMUnitTest {
	const char *name;
	void (*run)(void **state);
};
#define cmocka_unit_test(f) \
	{                   \
#f, f       \
	}

static const char *cmocka_running;

#define fail_msg(...)                                             \
	do {                                                      \
		printf("not ok - aarch64: %s, ", cmocka_running); \
		printf(__VA_ARGS__);                              \
		puts("");                                         \
		exit(1);                                          \
	} while (0)
#define print_error(...) fprintf(stderr, __VA_ARGS__)
#define assert_true(x)                                    \
	do {                                              \
		if (!(x))                                 \
			fail_msg("%d: %s", __LINE__, #x); \
	} while (0)
#define assert_int_equal(a, b)                                                         \
	do {                                                                           \
		long long a_ = (a), b_ = (b);                                          \
		if (a_ != b_)                                                          \
			fail_msg("%d: %s is %lld and not %lld", __LINE__, #a, a_, b_); \
	} while (0)
#define assert_non_null(p) assert_true((p) != NULL)
#define assert_ptr_not_equal(a, b) assert_true((a) != (b))
#define assert_string_equal(a, b) assert_true(!strcmp(a, b))

static inline int cmocka_run(const struct CMUnitTest *t, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		cmocka_running = t[i].name;
		t[i].run(NULL);
		printf("ok %zu - aarch64: %s\n", i + 1, t[i].name);
	}
	return 0;
}
#define cmocka_run_group_tests(tests, setup, teardown) \
	cmocka_run(tests, sizeof(tests) / sizeof((tests)[0]))

#endif
