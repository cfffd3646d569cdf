// SPDX-License-Identifier: Apache-2.0
/*
 * A call's counts in, nanodollars out.
 *
 * A row is for one service: resellers have prices of their own. Its model is the exact name, or the
 * name before a version (date, revision, "-latest"); the longest row wins, then the one that began
 * last. Where no row fits, or input or output is unknown, or the sums cannot be right (more cached
 * than there was input, more than 64 bits hold), there is no cost: a wrong one is worse.
 *
 * Cached tokens that are not told count as input, which is what they are when there are none. How
 * long something stays in the cache may not be told either: then the shorter, cheaper time counts and
 * the cost is partial, as it is when the row has no price for what was counted.
 */
#include "price.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* --- which row ------------------------------------------------------------------------------- */

static size_t digits(const char *s)
{
	return strspn(s, "0123456789");
}

static bool is_end(char c)
{
	return !c || c == '-' || c == '@' || c == ':';
}

/* Length of one part of a version; 0: something else. */
static size_t version_part(const char *s)
{
	size_t n = digits(s + 1);

	if (!strncmp(s, "-latest", 7) && !s[7])
		return 7;
	if (!strcmp(s, "@default") || !strcmp(s, "@latest"))
		return strlen(s);
	if ((*s == '-' || *s == '@') && (n == 8 || n == 3) && is_end(s[1 + n]))
		return 1 + n;
	if (*s == '-' && n == 4 && s[5] == '-' && digits(s + 6) == 2 && s[8] == '-' &&
	    digits(s + 9) == 2 && is_end(s[11]))
		return 11;
	if (!strncmp(s, "-v", 2) && digits(s + 2) && is_end(s[2 + digits(s + 2)]))
		return 2 + digits(s + 2);
	return *s == ':' && n && !s[1 + n] ? 1 + n : 0;
}

static bool is_version(const char *s)
{
	for (size_t n; *s; s += n) {
		n = version_part(s);
		if (!n)
			return false;
	}
	return true;
}

static bool of_model(const struct price *p, const char *model)
{
	size_t n = strlen(p->model);

	return !strncasecmp(model, p->model, n) && is_version(model + n);
}

static bool at_host(const struct price *p, const char *host)
{
	size_t n = strlen(host);

	for (const char *s = p->hosts; s && *s; s += strcspn(s, " ") + 1)
		if (strcspn(s, " ") == n && !memcmp(s, host, n))
			return true;
	return !p->hosts;
}

/* Names come as resources too: "models/…", "arn:…:inference-profile/…". */
static const char *bare(const char *model)
{
	const char *slash = strrchr(model, '/');

	if (slash && (!strncmp(model, "arn:", 4) || !strncmp(model, "models/", 7) ||
		      !strncmp(model, "publishers/", 11) || !strncmp(model, "projects/", 9)))
		return slash + 1;
	return model;
}

static bool better(const struct price *p, const struct price *than)
{
	size_t n = strlen(p->model), m = than ? strlen(than->model) : 0;

	return !than || n > m || (n == m && p->from > than->from);
}

const struct price *price_find(const struct price_table *t, const char *service, const char *host,
			       const char *model, uint32_t day)
{
	const struct price *best = NULL;

	model = bare(model);
	for (size_t i = 0; *model && i < t->n; i++) {
		const struct price *p = &t->rows[i];

		if (day < p->from || (p->to && day > p->to) || strcmp(p->service, service))
			continue;
		if (of_model(p, model) && at_host(p, host) && better(p, best))
			best = p;
	}
	return best;
}

/* --- how much -------------------------------------------------------------------------------- */

struct sum {
	int64_t pico;
	bool over, partial;
};

static void add(struct sum *s, int64_t tokens, int64_t rate)
{
	int64_t part;

	if (tokens <= 0)
		return;
	if (rate < 0)
		s->partial = true;
	else
		s->over |= __builtin_mul_overflow(tokens, rate, &part) ||
			   __builtin_add_overflow(s->pico, part, &s->pico);
}

static int64_t known(int64_t n)
{
	return n > 0 ? n : 0;
}

static bool add_input(struct sum *s, const struct price_call *c, const struct price_rates *r)
{
	int64_t cached = known(c->cached), write = known(c->cache_write);
	int64_t longer = known(c->cache_write_1h);

	if (cached > c->input || write > c->input - cached || longer > write)
		return false;
	add(s, c->input - cached - write, r->input);
	add(s, cached, r->cached);
	add(s, write - longer, r->write);
	add(s, longer, r->write_1h);
	if (write && c->cache_write_1h < 0 && r->write_1h >= 0 && r->write_1h != r->write)
		s->partial = true;
	return true;
}

static bool add_output(struct sum *s, const struct price_call *c, const struct price_rates *r)
{
	int64_t reasoning = known(c->reasoning);
	bool apart = r->thinking >= 0 || r->reasoning >= 0;

	if (c->output < 0)
		return !r->output; /* nothing but input is paid for */
	if (reasoning > c->output)
		return false;
	if (c->output && c->reasoning < 0 && apart)
		s->partial = true;
	if (reasoning && r->thinking >= 0) {
		add(s, c->output, r->thinking);
	} else if (reasoning && r->reasoning >= 0) {
		add(s, reasoning, r->reasoning);
		add(s, c->output - reasoning, r->output);
	} else {
		add(s, c->output, r->output);
	}
	return true;
}

/* Of the classes of service, the one the list is of. */
static bool is_standard(const char *tier)
{
	static const char *const names[] = {"", "default", "standard", "on_demand", "auto"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcasecmp(tier, names[i]))
			return true;
	return false;
}

bool price_of(const struct price_table *t, const struct price_call *c, struct price_cost *ret)
{
	const struct price *p = price_find(t, c->service, c->host, c->model, c->day);
	const struct price_rates *r;
	struct sum s = {0};

	if (!p)
		p = price_find(t, c->service, c->host, c->asked, c->day);
	if (!p || c->input < 0 || !is_standard(c->tier))
		return false;
	r = p->above && c->input > p->above ? &p->large : &p->rates;
	if (!add_input(&s, c, r) || !add_output(&s, c, r) || s.over || s.pico > INT64_MAX - 500)
		return false;
	*ret = (struct price_cost){(s.pico + 500) / 1000, p->from, s.partial};
	return true;
}

/* --- days ------------------------------------------------------------------------------------ */

/* By arithmetic: gmtime_r reads the time zone's file, which the worker's sandbox kills it for. Years
 * are counted from March, so that the leap day is the last of its year. */
uint32_t price_day(uint64_t unix_ns)
{
	uint64_t day = unix_ns / 86400000000000ull + 719468; /* since 0000-03-01 */
	uint32_t era = day / 146097, of_era = day % 146097;
	uint32_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	uint32_t of_year = of_era - (365 * year + year / 4 - year / 100);
	uint32_t month = (5 * of_year + 2) / 153; /* 0 = March */
	uint32_t of_month = of_year - (153 * month + 2) / 5 + 1;

	year += era * 400 + (month >= 10);
	return year * 10000 + (month < 10 ? month + 3 : month - 9) * 100 + of_month;
}

void price_day_text(uint32_t day, char out[11])
{
	unsigned y = day / 10000 % 10000, m = day / 100 % 100, d = day % 100;

	snprintf(out, 11, "%04u-%02u-%02u", y, m, d);
}
