// SPDX-License-Identifier: Apache-2.0
/*
 * Times as people type and read them. Records carry UTC nanoseconds; the terminal shows local time.
 * A text that is not wholly understood is refused: a filter with a wrong bound would hide records.
 */
#include <ctype.h>
#include <string.h>
#include <time.h>

#include "text.h"

#define NS 1000000000ull

uint64_t time_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * NS + t.tv_nsec;
}

int64_t time_steady_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ll + t.tv_nsec / 1000000;
}

void time_local(uint64_t unix_ns, enum time_form form, char ret[static 32])
{
	time_t t = unix_ns / NS;
	struct tm tm;

	if (!localtime_r(&t, &tm) ||
	    !strftime(ret, 32, form == TIME_CLOCK ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &tm))
		snprintf(ret, 32, "?");
}

/* Exactly n digits, within bounds. */
static bool digits(const char **s, int n, int least, int most, int *ret)
{
	int v = 0;

	for (int i = 0; i < n; i++) {
		if (!isdigit((unsigned char)(*s)[i]))
			return false;
		v = v * 10 + ((*s)[i] - '0');
	}
	*s += n;
	*ret = v;
	return v >= least && v <= most;
}

static bool skip(const char **s, const char *any)
{
	if (!**s || !strchr(any, **s))
		return false;
	(*s)++;
	return true;
}

/* "1h": before now. */
static bool relative(const char *s, uint64_t now, uint64_t *ret)
{
	static const struct {
		const char *unit;
		uint64_t seconds;
	} units[] = {{"s", 1},	   {"m", 60},	  {"min", 60},	  {"h", 3600},
		     {"d", 86400}, {"w", 604800}, {"y", 31536000}};
	uint64_t v = 0;
	const char *p = s;

	for (; isdigit((unsigned char)*p) && p - s < 9; p++)
		v = v * 10 + (*p - '0');
	if (p == s)
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(p, units[i].unit))
			continue;
		v *= units[i].seconds;
		*ret = v < now / NS ? now - v * NS : 0;
		return true;
	}
	return false;
}

/* "today", "yesterday": local midnight. */
static bool by_name(const char *s, uint64_t now, uint64_t *ret)
{
	time_t t = now / NS;
	struct tm tm;

	if (!strcmp(s, "now")) {
		*ret = now;
		return true;
	}
	if ((strcmp(s, "today") && strcmp(s, "yesterday")) || !localtime_r(&t, &tm))
		return false;
	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	tm.tm_mday -= s[0] == 'y';
	tm.tm_isdst = -1;
	*ret = mktime(&tm) * NS;
	return true;
}

static uint64_t fraction(const char **s)
{
	uint64_t ns = 0, unit = NS / 10;

	for (; isdigit((unsigned char)**s); (*s)++, unit /= 10)
		ns += (**s - '0') * unit;
	return ns;
}

/* What follows the clock: nothing (local), Z, or +hh:mm. */
static bool zone(const char **s, bool *ret_local, int *ret_offset)
{
	int h, m, sign = **s == '-' ? -1 : 1;

	*ret_local = !**s;
	*ret_offset = 0;
	if (*ret_local || skip(s, "Zz"))
		return true;
	if (!skip(s, "+-") || !digits(s, 2, 0, 23, &h))
		return false;
	skip(s, ":");
	if (!digits(s, 2, 0, 59, &m))
		return false;
	*ret_offset = sign * (h * 3600 + m * 60);
	return true;
}

bool time_parse(const char *s, uint64_t now_ns, uint64_t *ret_ns)
{
	struct tm tm = {.tm_isdst = -1};
	bool local = true;
	int offset = 0;
	uint64_t ns = 0;
	time_t t;

	if (relative(s, now_ns, ret_ns) || by_name(s, now_ns, ret_ns))
		return true;
	if (!digits(&s, 4, 1970, 2500, &tm.tm_year) || !skip(&s, "-") ||
	    !digits(&s, 2, 1, 12, &tm.tm_mon) || !skip(&s, "-") ||
	    !digits(&s, 2, 1, 31, &tm.tm_mday))
		return false;
	if (skip(&s, "Tt ")) {
		if (!digits(&s, 2, 0, 23, &tm.tm_hour) || !skip(&s, ":") ||
		    !digits(&s, 2, 0, 59, &tm.tm_min))
			return false;
		if (skip(&s, ":") && !digits(&s, 2, 0, 60, &tm.tm_sec))
			return false;
		if (skip(&s, "."))
			ns = fraction(&s);
		if (!zone(&s, &local, &offset))
			return false;
	}
	if (*s)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	t = local ? mktime(&tm) : timegm(&tm) - offset;
	if (t < 0)
		return false;
	*ret_ns = t * NS + ns;
	return true;
}
