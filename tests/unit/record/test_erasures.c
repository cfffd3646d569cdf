// SPDX-License-Identifier: Apache-2.0
/* Which payloads are gone without a word, by a table of what happens to a chain. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "proto/record.pb-c.h"
#include "record/erasures.h"
#include "record/record.h"

/* gone: records without payload, a letter a record from 0 on ('x'). said: ERASE records behind them. */
static const struct row {
	const char *gone;
	struct {
		uint64_t first, last, at;
	} said[4];
	int silent; /* the first that nothing declares; -1: none */
} rows[] = {
	{"....", {{0}}, -1},
	{"..x.", {{0}}, 2},
	{"..x.", {{2, 2, 9}}, -1},
	{"..x.", {{3, 5, 9}}, 2},
	{"..x.", {{5, 0, 9}}, 2}, /* backwards: no stretch */
	{"..x.", {{0, 5, 4}}, 2}, /* it speaks of what comes after it */
	{"xxxx", {{0, 1, 9}}, 2},
	{"xxxx", {{2, 3, 9}}, 0},
	{"xxxx", {{0, 1, 9}, {2, 3, 10}}, -1},
	{"xxxxxx", {{2, 3, 9}, {0, 1, 10}}, 4}, /* the middle first: two stretches are left */
	{"xxxxxx", {{2, 3, 9}, {0, 5, 10}}, -1},
	{"x.x.xx", {{0, 4, 9}}, 5},
	{"x.x.xx", {{4, 9, 20}, {0, 0, 21}, {2, 2, 22}}, -1},
};

static void test_rows(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		struct erasures e = {0};
		struct erasure first;
		uint8_t b[64];

		for (uint64_t k = 0; r->gone[k]; k++)
			if (r->gone[k] == 'x')
				assert_int_equal(erasures_erased(&e, k), 0);
		for (size_t k = 0; k < 4 && r->said[k].at; k++) {
			Probity__V1__Control c = PROBITY__V1__CONTROL__INIT;
			size_t n;

			c.kind = PROBITY__V1__CONTROL__KIND__ERASE;
			c.first_seq = r->said[k].first;
			c.last_seq = r->said[k].last;
			n = probity__v1__control__pack(&c, b);
			/* Of another schema the same bytes say nothing. */
			assert_int_equal(erasures_record(&e, r->said[k].at, RECORD_AI_CALL, b, n),
					 0);
			if (!k && r->silent < 0)
				assert_true(erasures_silent(&e, &first));
			assert_int_equal(erasures_record(&e, r->said[k].at, RECORD_CONTROL, b, n),
					 0);
		}
		if (erasures_silent(&e, &first) != (r->silent >= 0) ||
		    (r->silent >= 0 && first.first != (uint64_t)r->silent))
			fail_msg("row %zu: %llu", i, (unsigned long long)first.first);
		erasures_done(&e);
	}
}

static void test_bound(void **state)
{
	struct erasures e = {0};
	struct erasure first;

	for (uint64_t i = 0; i < 2 * (ERASURES_MAX + 5); i += 2)
		assert_int_equal(erasures_erased(&e, i), 0);
	assert_int_equal(e.n, ERASURES_MAX);
	assert_true(e.overflow);
	e.n = 0; /* all that was followed is declared: the rest is not known, and not passed over */
	assert_true(erasures_silent(&e, &first));
	erasures_done(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
