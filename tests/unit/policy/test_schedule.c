// SPDX-License-Identifier: Apache-2.0
/* Hours of a week, zones, midnights; and a rollout that only ever grows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "policy/schedule.h"

#define WEEK 0x1f /* mon-fri */

static int64_t t(const char *s)
{
	int64_t v;

	if (schedule_instant(s, &v))
		fail_msg("%s", s);
	return v;
}

static struct schedule of(uint8_t days, const char *hours, const char *zone)
{
	struct schedule s = {.days = days};

	if (hours) {
		assert_int_equal(schedule_hours(hours, &s.hours[0].from, &s.hours[0].to), 0);
		s.n = 1;
	}
	assert_int_equal(schedule_zone(zone, &s.offset_s), 0);
	return s;
}

/* 2 March 2026 is a Monday. next: "" = never. */
static const struct {
	uint8_t days;
	const char *hours, *zone, *now;
	bool holds;
	const char *next;
} rows[] = {
	{WEEK, "08:00-18:00", "UTC", "2026-03-02T08:00:00Z", true, "2026-03-02T18:00:00Z"},
	{WEEK, "08:00-18:00", "UTC", "2026-03-02T07:59:59Z", false, "2026-03-02T08:00:00Z"},
	{WEEK, "08:00-18:00", "UTC", "2026-03-02T18:00:00Z", false, "2026-03-03T08:00:00Z"},
	{WEEK, "08:00-18:00", "UTC", "2026-03-06T18:00:00Z", false, "2026-03-09T08:00:00Z"},
	{WEEK, "08:00-18:00", "UTC", "2026-03-07T12:00:00Z", false, "2026-03-09T08:00:00Z"},
	{WEEK, NULL, "UTC", "2026-03-06T23:59:59Z", true, "2026-03-07T00:00:00Z"},
	{WEEK, NULL, "UTC", "2026-03-07T00:00:00Z", false, "2026-03-09T00:00:00Z"},
	{WEEK, "08:00-18:00", "+01:00", "2026-03-02T07:00:00Z", true, "2026-03-02T17:00:00Z"},
	{WEEK, "08:00-18:00", "-05:30", "2026-03-02T13:29:59Z", false, "2026-03-02T13:30:00Z"},
	/* over midnight: of the day it begins on */
	{0x01, "22:00-06:00", "UTC", "2026-03-02T22:00:00Z", true, "2026-03-03T06:00:00Z"},
	{0x01, "22:00-06:00", "UTC", "2026-03-03T05:59:59Z", true, "2026-03-03T06:00:00Z"},
	{0x01, "22:00-06:00", "UTC", "2026-03-02T05:00:00Z", false, "2026-03-02T22:00:00Z"},
	{0x40, "22:00-06:00", "UTC", "2026-03-09T05:00:00Z", true, "2026-03-09T06:00:00Z"},
	{0x7f, "00:00-24:00", "UTC", "2026-03-02T12:00:00Z", true, ""},
	{0x7f, NULL, "+14:00", "2026-03-02T12:00:00Z", true, ""},
	/* a day that began in this zone already */
	{0x02, NULL, "+14:00", "2026-03-02T10:00:00Z", true, "2026-03-03T10:00:00Z"},
	{0x01, NULL, "-14:00", "2026-03-02T13:59:59Z", false, "2026-03-02T14:00:00Z"},
	{0x20, NULL, "UTC", "2000-01-01T00:00:00Z", true, "2000-01-02T00:00:00Z"},
};

static void test_rows(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct schedule s = of(rows[i].days, rows[i].hours, rows[i].zone);
		int64_t next = rows[i].next[0] ? t(rows[i].next) : INT64_MAX;

		if (schedule_holds(&s, t(rows[i].now)) != rows[i].holds ||
		    schedule_next(&s, t(rows[i].now)) != next)
			fail_msg("row %zu: %d, %lld, expected %lld", i,
				 schedule_holds(&s, t(rows[i].now)),
				 (long long)schedule_next(&s, t(rows[i].now)), (long long)next);
	}
}

/* schedule_next() names every change and nothing else: minute by minute over ten days. */
static void test_next_is_every_change(void **state)
{
	struct schedule s = of(0x2d, "21:30-04:15", "+05:45");
	int64_t at = t("2026-02-27T00:00:00Z"), end = at + 10 * 86400, next;

	schedule_hours("09:00-12:00", &s.hours[1].from, &s.hours[1].to);
	s.n = 2;
	next = schedule_next(&s, at);
	for (bool is = schedule_holds(&s, at); at < end; at += 60) {
		if (schedule_holds(&s, at) == is)
			continue;
		is = !is;
		assert_int_equal(at, next);
		next = schedule_next(&s, at);
	}
}

static void test_bad(void **state)
{
	static const char *const hours[] = {"",
					    "8:00-18:00",
					    "08:00-08:00",
					    "24:00-06:00",
					    "08:00-24:01",
					    "08:60-09:00",
					    "08:00-18:00 ",
					    "08.00-18.00"};
	static const char *const zones[] = {"", "CET", "utc", "+15:00", "+1:00", "+01:60", "01:00"};
	static const char *const dates[] = {"",		  "2026-02-29", "2026-13-01",
					    "2026-00-01", "2026-1-1",	"2026-04-31",
					    "26-01-01",	  "1969-12-31", "2026-01-01x"};
	static const char *const instants[] = {"2026-03-02", "2026-03-02T24:00:00Z",
					       "2026-03-02T10:00:00", "2026-02-30T10:00:00Z",
					       "2026-03-02T10:00:60Z"};
	uint16_t from, to;
	int64_t v;
	int z;

	for (size_t i = 0; i < ARRAY_SIZE(hours); i++)
		assert_int_equal(schedule_hours(hours[i], &from, &to), -EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(zones); i++)
		assert_int_equal(schedule_zone(zones[i], &z), -EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(dates); i++)
		if (schedule_date(dates[i], &v) != -EINVAL)
			fail_msg("%s", dates[i]);
	for (size_t i = 0; i < ARRAY_SIZE(instants); i++)
		assert_int_equal(schedule_instant(instants[i], &v), -EINVAL);
	assert_int_equal(schedule_date("2028-02-29", &v), 0);
	assert_int_equal(v, 1835395200);
}

static void test_rollout(void **state)
{
	unsigned before = 0, at50 = 0;

	for (int host = 0; host < 2000; host++) {
		char id[32];
		bool was = false;

		snprintf(id, sizeof(id), "host-%d", host);
		assert_false(rollout_holds(0, "p", "r", id));
		assert_true(rollout_holds(100, "p", "r", id));
		for (unsigned n = 1; n <= 100; n++) {
			bool is = rollout_holds(n, "p", "r", id);

			assert_true(is || !was);
			was = is;
		}
		before += rollout_holds(10, "p", "r", id);
		at50 += rollout_holds(50, "p", "r", id);
	}
	assert_in_range(before, 150, 250);
	assert_in_range(at50, 900, 1100);
	/* another rule, another set */
	assert_true(
		rollout_holds(50, "p", "r", "host-1") != rollout_holds(50, "p", "q", "host-1") ||
		rollout_holds(50, "p", "r", "host-2") != rollout_holds(50, "p", "q", "host-2") ||
		rollout_holds(50, "p", "r", "host-3") != rollout_holds(50, "p", "q", "host-3") ||
		rollout_holds(50, "p", "r", "host-4") != rollout_holds(50, "p", "q", "host-4"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_next_is_every_change),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_rollout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
