// SPDX-License-Identifier: Apache-2.0
/*
 * Times of the week and days of the calendar. A range over midnight belongs to the day it begins
 * on. A zone is a fixed offset: which rule is in force must not depend on the tables of one host,
 * so summer time is not known here.
 */
#include "schedule.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <errno.h>
#include <time.h>

#define DAY_S 86400
#define DAY_MIN 1440

const char *const schedule_days[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun", NULL};

/* --- reading ----------------------------------------------------------------------------------- */

/* `form` with a digit for every 'd', itself otherwise, to its end. */
static bool shaped(const char *s, const char *form)
{
	for (; *form; form++, s++)
		if (*form == 'd' ? !isdigit((unsigned char)*s) : *s != *form)
			return false;
	return !*s;
}

static int two(const char *s)
{
	return (s[0] - '0') * 10 + (s[1] - '0');
}

int schedule_hours(const char *s, uint16_t *ret_from, uint16_t *ret_to)
{
	int from, to;

	if (!shaped(s, "dd:dd-dd:dd") || two(s + 3) > 59 || two(s + 9) > 59)
		return -EINVAL;
	from = two(s) * 60 + two(s + 3);
	to = two(s + 6) * 60 + two(s + 9);
	if (from >= DAY_MIN || to > DAY_MIN || from == to)
		return -EINVAL;
	*ret_from = from;
	*ret_to = to;
	return 0;
}

int schedule_zone(const char *s, int *ret_offset_s)
{
	int east;

	if (!strcmp(s, "UTC")) {
		*ret_offset_s = 0;
		return 0;
	}
	if ((!shaped(s, "+dd:dd") && !shaped(s, "-dd:dd")) || two(s + 4) > 59)
		return -EINVAL;
	east = two(s + 1) * 60 + two(s + 4);
	if (east > 14 * 60)
		return -EINVAL;
	*ret_offset_s = (*s == '-' ? -east : east) * 60;
	return 0;
}

int schedule_date(const char *s, int64_t *ret)
{
	struct tm tm = {}, back;
	time_t t;

	if (!shaped(s, "dddd-dd-dd"))
		return -EINVAL;
	tm.tm_year = two(s) * 100 + two(s + 2) - 1900;
	tm.tm_mon = two(s + 5) - 1;
	tm.tm_mday = two(s + 8);
	t = timegm(&tm);
	/* 30 February would be March. */
	if (tm.tm_year < 100 || !gmtime_r(&t, &back) || back.tm_mon != two(s + 5) - 1 ||
	    back.tm_mday != two(s + 8))
		return -EINVAL;
	*ret = t;
	return 0;
}

int schedule_instant(const char *s, int64_t *ret)
{
	char date[11] = "";
	int64_t day;

	if (!shaped(s, "dddd-dd-ddTdd:dd:ddZ") || two(s + 11) > 23 || two(s + 14) > 59 ||
	    two(s + 17) > 59)
		return -EINVAL;
	memcpy(date, s, 10);
	if (schedule_date(date, &day))
		return -EINVAL;
	*ret = day + two(s + 11) * 3600 + two(s + 14) * 60 + two(s + 17);
	return 0;
}

/* --- holding ----------------------------------------------------------------------------------- */

static bool on_day(const struct schedule *s, int64_t day)
{
	return s->days >> (((day + 3) % 7 + 7) % 7) & 1; /* 1970-01-01 was a Thursday */
}

static int64_t floor_day(int64_t t)
{
	return t / DAY_S - (t % DAY_S < 0);
}

bool schedule_holds(const struct schedule *s, int64_t now)
{
	int64_t local = now + s->offset_s, day = floor_day(local);
	int minute = (local - day * DAY_S) / 60;

	if (!s->n)
		return on_day(s, day);
	for (size_t i = 0; i < s->n; i++) {
		int from = s->hours[i].from, to = s->hours[i].to;

		if (from < to ? minute >= from && minute < to && on_day(s, day)
			      : (minute >= from && on_day(s, day)) ||
					(minute < to && on_day(s, day - 1)))
			return true;
	}
	return false;
}

int64_t schedule_next(const struct schedule *s, int64_t now)
{
	bool is = schedule_holds(s, now);
	int64_t best = INT64_MAX, day = floor_day(now + s->offset_s);

	/* It can change only at midnight and at the ends of ranges, and is the same each week. */
	for (int64_t d = day; d <= day + 8; d++) {
		for (size_t k = 0; k <= 2u * s->n; k++) {
			int minute = !k ? 0 : k & 1 ? s->hours[k / 2].from : s->hours[k / 2 - 1].to;
			int64_t t = d * DAY_S + minute * 60 - s->offset_s;

			if (t > now && t < best && schedule_holds(s, t) != is)
				best = t;
		}
	}
	return best;
}

bool rollout_holds(unsigned percent, const char *pack, const char *rule, const char *host_id)
{
	char text[512];
	uint8_t sha[32];
	unsigned v;
	int n = snprintf(text, sizeof(text), "%.64s\n%.64s\n%.256s", pack, rule, host_id);

	if (percent >= 100)
		return true;
	if (n < 0 || EVP_Digest(text, n, sha, NULL, EVP_sha256(), NULL) != 1)
		return false;
	v = (unsigned)sha[0] << 24 | sha[1] << 16 | sha[2] << 8 | sha[3];
	return v % 100 < percent;
}
