// SPDX-License-Identifier: Apache-2.0
/* Payloads a host may send, as list rows: odd numbers, hostile texts, absent parts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "collector/rows.h"

static void test_empty(void **state)
{
	Probity__V1__AiCall c = PROBITY__V1__AI_CALL__INIT;
	struct store_call row, again;

	rows_call(&c, "host", &row);
	assert_string_equal(row.host, "host");
	assert_string_equal(row.user, "");
	assert_true(row.uid == STORE_UNKNOWN);
	assert_true(row.input_tokens == STORE_UNKNOWN);
	assert_true(row.http_status == STORE_UNKNOWN);
	assert_int_equal(row.service_known, 0);
	rows_call(&c, "host", &again);
	assert_memory_equal(&row, &again, sizeof(row));
}

static void test_hostile_text(void **state)
{
	Probity__V1__AiCall c = PROBITY__V1__AI_CALL__INIT;
	Probity__V1__Process p = PROBITY__V1__PROCESS__INIT;
	struct store_call row;
	char long_name[1000];

	memset(long_name, 'x', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	long_name[STORE_TEXT_LEN - 2] = '\xc3'; /* a character across the column's end */
	long_name[STORE_TEXT_LEN - 1] = '\xa4';
	c.process = &p;
	c.response_model = "\x1b[2Jgpt\n\xff\xe2\x80\xae";
	p.exe = long_name;
	rows_call(&c, "", &row);
	assert_null(strpbrk(row.model, "\x1b\n"));
	assert_null(strstr(row.model, "\xff"));
	assert_null(strstr(row.model, "\xe2\x80\xae"));
	assert_non_null(strstr(row.model, "gpt"));
	assert_int_equal(strlen(row.exe), STORE_TEXT_LEN - 2);
}

static void test_odd_numbers(void **state)
{
	static const struct {
		double in, out;
	} risks[] = {{0.5, 0.5}, {-1, 0}, {2, 1}, {NAN, 0}, {INFINITY, 1}, {-INFINITY, 0}};
	Probity__V1__AiCall c = PROBITY__V1__AI_CALL__INIT;
	Probity__V1__Decision d = PROBITY__V1__DECISION__INIT;
	struct store_call row;

	c.decision = &d;
	c.start_unix_ns = UINT64_MAX;
	for (size_t i = 0; i < sizeof(risks) / sizeof(risks[0]); i++) {
		d.risk_score = risks[i].in;
		rows_call(&c, "", &row);
		assert_true(row.risk == risks[i].out);
		assert_true(row.time_ns == INT64_MAX);
	}
}

static void test_which_name(void **state)
{
	Probity__V1__AiCall c = PROBITY__V1__AI_CALL__INIT;
	struct store_call row;

	c.request_model = "asked";
	c.operation_name = "chat";
	rows_call(&c, "", &row);
	assert_string_equal(row.model, "asked");
	assert_string_equal(row.operation, "chat");
	c.response_model = "answered";
	c.operation = "messages";
	rows_call(&c, "", &row);
	assert_string_equal(row.model, "answered");
	assert_string_equal(row.operation, "messages");
}

static void test_control(void **state)
{
	Probity__V1__Control c = PROBITY__V1__CONTROL__INIT;
	struct store_control row;

	c.kind = PROBITY__V1__CONTROL__KIND__LOSS;
	c.what = "ai_calls";
	c.cause = "ring_full";
	c.count = UINT64_MAX;
	rows_control(&c, &row);
	assert_string_equal(row.kind, "loss");
	assert_string_equal(row.what, "ai_calls");
	assert_string_equal(row.cause, "ring_full");
	assert_true(row.count == INT64_MAX);
	c.kind = 77; /* a kind this version does not know */
	rows_control(&c, &row);
	assert_string_equal(row.kind, "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),	    cmocka_unit_test(test_hostile_text),
		cmocka_unit_test(test_odd_numbers), cmocka_unit_test(test_which_name),
		cmocka_unit_test(test_control),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
