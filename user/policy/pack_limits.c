// SPDX-License-Identifier: Apache-2.0
/*
 * When, where and for whom a rule does not hold: its schedule, the share of hosts it is rolled out
 * on, exceptions with a reason and an end, and its own monitor mode.
 */
#include <errno.h>
#include <string.h>

#include "pack_impl.h"
#include "pack_keys.h"
#include "schema.h"

/* --- schedule ---------------------------------------------------------------------------------- */

/* "mon", or "mon-fri"; over the end of the week as well. */
static int read_day(struct reading *rd, const struct doc_node *v, uint8_t *days)
{
	int r = schema_text(rd, v, "days"), from = -1, to = -1;
	size_t n = r ? 0 : strlen(v->text);
	char clip[32];

	for (int i = 0; i < 7 && (n == 3 || n == 7); i++) {
		from = !strncmp(v->text, schedule_days[i], 3) ? i : from;
		to = !strcmp(v->text + n - 3, schedule_days[i]) ? i : to;
	}
	if (r)
		return r;
	if (from < 0 || to < 0 || (n == 7 && v->text[3] != '-'))
		return schema_refuse(
			rd, v->line,
			"days: \"%s\" is no day; expected mon, tue, wed, thu, fri, sat, "
			"sun, or a range like mon-fri",
			doc_clip(clip, sizeof(clip), v->text));
	for (int i = from;; i = (i + 1) % 7) {
		*days |= 1 << i;
		if (i == to)
			return 0;
	}
}

static int read_hours(struct reading *rd, const struct doc_node *v, struct schedule *s)
{
	int r = schema_text(rd, v, "hours");
	char clip[32];

	if (r)
		return r;
	if (s->n == SCHEDULE_RANGES_MAX)
		return schema_refuse_r(rd, v->line, -E2BIG, "hours has more than %d ranges",
				       SCHEDULE_RANGES_MAX);
	if (schedule_hours(v->text, &s->hours[s->n].from, &s->hours[s->n].to))
		return schema_refuse(rd, v->line,
				     "hours: \"%s\" is no range; expected one like \"08:00-18:00\" "
				     "or \"22:00-06:00\"",
				     doc_clip(clip, sizeof(clip), v->text));
	s->n++;
	return 0;
}

static int read_zone(struct reading *rd, const struct doc_node *n, struct schedule *s)
{
	int r = schema_text(rd, n, "zone");
	char clip[32];

	if (!r && schedule_zone(n->text, &s->offset_s))
		r = schema_refuse(rd, n->line,
				  "zone \"%s\" is none; expected UTC or an offset like \"+01:00\"",
				  doc_clip(clip, sizeof(clip), n->text));
	return r;
}

static int read_schedule(struct reading *rd, const struct doc_node *n, struct rule *rule)
{
	const struct doc_node *days, *hours, *zone, *v;
	struct schedule *s = arena_zalloc(&rd->pack->arena, 1, sizeof(*s));
	size_t count = 0;
	int r = s ? schema_map(rd, n, "schedule", keys_schedule) : -ENOMEM;

	if (r)
		return r;
	days = doc_get(n, "days");
	hours = doc_get(n, "hours");
	zone = doc_get(n, "zone");
	if (!days && !hours)
		return schema_refuse(rd, n->line,
				     "schedule has no days and no hours; expected one "
				     "of them");
	if (days)
		r = schema_values(rd, days, "days", 1, &v, &count);
	for (; !r && count; count--, v = v->next)
		r = read_day(rd, v, &s->days);
	if (!days)
		s->days = 0x7f;
	if (hours && !r)
		r = schema_values(rd, hours, "hours", 1, &v, &count);
	for (; !r && hours && count; count--, v = v->next)
		r = read_hours(rd, v, s);
	if (zone && !r)
		r = read_zone(rd, zone, s);
	rule->schedule = s;
	return r;
}

/* --- rollout, mode ----------------------------------------------------------------------------- */

static int read_rollout(struct reading *rd, const struct doc_node *n, struct rule *rule)
{
	const struct doc_node *v;
	uint64_t percent;
	int r = schema_map(rd, n, "rollout", keys_rollout);

	if (!r)
		r = schema_need(rd, n, "rollout", "percent", &v);
	if (!r)
		r = schema_number(rd, v, "percent", 0, 100, &percent);
	if (!r)
		rule->percent = percent;
	return r;
}

static int read_mode(struct reading *rd, const struct doc_node *n, struct rule *rule)
{
	size_t at;
	int r = schema_word(rd, n, "mode", words_mode, &at);

	if (!r)
		rule->monitor = at == 0;
	return r;
}

/* --- exceptions -------------------------------------------------------------------------------- */

static int read_exception(struct reading *rd, const struct doc_node *n, struct rule *rule)
{
	struct exception *e = &rule->exceptions[rule->n_exceptions];
	const struct doc_node *match, *reason, *until;
	char clip[32];
	int r = schema_map(rd, n, "an exception", keys_exception);

	if (!r)
		r = schema_need(rd, n, "an exception", "match", &match);
	if (!r)
		r = pack_read_match(rd, match, "match", rule->action.on, &e->match);
	if (!r)
		r = schema_need(rd, n, "an exception", "reason", &reason);
	if (!r)
		r = schema_text(rd, reason, "reason");
	if (!r && !reason->len)
		r = schema_refuse(rd, reason->line, "reason is empty; expected why");
	if (!r)
		r = schema_need(rd, n, "an exception", "until", &until);
	if (!r)
		r = schema_text(rd, until, "until");
	if (!r && schedule_date(until->text, &e->until))
		r = schema_refuse(rd, until->line,
				  "until \"%s\" is no day; expected the last day it holds, like "
				  "2026-12-31",
				  doc_clip(clip, sizeof(clip), until->text));
	if (r)
		return r;
	e->until += 86400;
	e->until_text = until->text;
	e->reason = reason->text;
	rule->n_exceptions++;
	return 0;
}

static int read_exceptions(struct reading *rd, const struct doc_node *n, struct rule *rule)
{
	int r = schema_list(rd, n, "exceptions");

	if (!r && !n->children)
		r = schema_refuse(rd, n->line,
				  "exceptions is an empty list; expected at least one value");
	if (!r && n->children > EXCEPTIONS_MAX)
		r = schema_refuse_r(rd, n->line, -E2BIG, "%zu exceptions; expected at most %d",
				    n->children, EXCEPTIONS_MAX);
	if (r)
		return r;
	rule->exceptions = arena_zalloc(&rd->pack->arena, n->children, sizeof(*rule->exceptions));
	if (!rule->exceptions)
		return -ENOMEM;
	for (const struct doc_node *c = n->first; !r && c; c = c->next)
		r = read_exception(rd, c, rule);
	return r;
}

int pack_read_limits(struct reading *rd, const struct doc_node *n, struct rule *rule)
{
	static const struct {
		const char *key;
		int (*read)(struct reading *rd, const struct doc_node *n, struct rule *rule);
	} readers[] = {
		{"schedule", read_schedule},
		{"rollout", read_rollout},
		{"mode", read_mode},
		{"exceptions", read_exceptions},
	};
	int r = 0;

	rule->percent = 100;
	for (size_t i = 0; !r && i < sizeof(readers) / sizeof(readers[0]); i++) {
		const struct doc_node *v = doc_get(n, readers[i].key);

		if (v)
			r = readers[i].read(rd, v, rule);
	}
	rule->action.percent = rule->percent;
	rule->action.monitor = rule->monitor;
	return r;
}
