// SPDX-License-Identifier: Apache-2.0
/*
 * Rules in, text out, one key at a time; two packs differ where their texts do. The text is made
 * from what was read and not from the file, so that a list written on three lines is the same as one
 * on one line, and a value that is the default is the same as none. It is near the language, for
 * people; it is not read back.
 *
 * Limits: none on the length while comparing (the text grows as needed); pack_rule_text() cuts.
 */
#include "diff.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "pack_impl.h"
#include "pack_keys.h"
#include "proto/gate.h"

struct text {
	char *s;
	size_t n, cap;
	bool failed;
};

static void __attribute__((format(printf, 2, 3))) put(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || t->failed)
		return;
	if (t->n + n + 1 > t->cap) {
		size_t cap = 2 * (t->n + n + 1);
		char *s = realloc(t->s, cap);

		if (!s) {
			t->failed = true;
			return;
		}
		t->s = s;
		t->cap = cap;
	}
	va_start(ap, fmt);
	vsnprintf(t->s + t->n, t->cap - t->n, fmt, ap);
	va_end(ap);
	t->n += n;
}

/* --- lists ------------------------------------------------------------------------------------- */

/* "a", or "[a, b]"; `n` is known before the first. */
static void open_list(struct text *t, size_t n)
{
	put(t, "%s", n == 1 ? "" : "[");
}

static void item(struct text *t, size_t i, const char *s)
{
	bool plain = *s && !strpbrk(s, " ,:[]{}\"'#&*?!|>%@`") && !strchr("-~", *s);

	put(t, plain ? "%s%s" : "%s\"%s\"", i ? ", " : "", s);
}

static void close_list(struct text *t, size_t n)
{
	put(t, "%s", n == 1 ? "" : "]");
}

static void put_list(struct text *t, const struct facts_list *l)
{
	if (!l->n)
		return;
	open_list(t, l->n);
	for (size_t i = 0; i < l->n; i++)
		item(t, i, l->v[i]);
	close_list(t, l->n);
}

/* --- match ------------------------------------------------------------------------------------- */

static void put_cond(struct text *t, const struct cond *c)
{
	size_t n = c->n + c->n_regexes;

	put(t, "%s: ", c->key->name);
	if (c->key->kind == FACT_BOOL) {
		put(t, c->want ? "true" : "false");
		return;
	}
	open_list(t, n);
	for (size_t i = 0; i < c->n; i++)
		item(t, i, c->globs[i].pattern);
	for (size_t i = 0; i < c->n_regexes; i++)
		put(t, "%s{regex: \"%s\"}", c->n + i ? ", " : "", c->regexes[i]);
	close_list(t, n);
}

static void put_match(struct text *t, const struct match *m);

static void put_group(struct text *t, const struct group *g)
{
	bool list = g->n > 1 || g->kind != GROUP_NOT;

	put(t, "%s: %s", keys_groups[g->kind], list ? "[" : "");
	for (size_t i = 0; i < g->n; i++) {
		put(t, i ? ", {" : "{");
		put_match(t, &g->subs[i]);
		put(t, "}");
	}
	put(t, "%s", list ? "]" : "");
}

static void put_match(struct text *t, const struct match *m)
{
	for (size_t i = 0; i < m->n; i++) {
		put(t, "%s", i ? ", " : "");
		put_cond(t, &m->conds[i]);
	}
	for (size_t i = 0; i < m->n_groups; i++) {
		put(t, "%s", m->n + i ? ", " : "");
		put_group(t, &m->groups[i]);
	}
}

/* --- keys -------------------------------------------------------------------------------------- */

static void put_duration(struct text *t, uint64_t ms)
{
	if (ms % 1000)
		put(t, "%llums", (unsigned long long)ms);
	else if (ms % 60000)
		put(t, "%llus", (unsigned long long)ms / 1000);
	else if (ms % 3600000)
		put(t, "%llum", (unsigned long long)ms / 60000);
	else
		put(t, "%lluh", (unsigned long long)ms / 3600000);
}

static void on_text(struct text *t, const struct rule *r)
{
	put(t, "%s", words_on[r->action.on]);
}
static void severity_text(struct text *t, const struct rule *r)
{
	put(t, "%s", r->severity);
}
static void risk_text(struct text *t, const struct rule *r)
{
	put(t, "%g", (double)r->risk / RISK_ONE);
}
static void controls_text(struct text *t, const struct rule *r)
{
	put_list(t, &r->action.controls);
}
static void match_text(struct text *t, const struct rule *r)
{
	put_match(t, &r->match);
}
static void disposition_text(struct text *t, const struct rule *r)
{
	put(t, "%s", disposition_name(r->disposition));
}
static void mode_text(struct text *t, const struct rule *r)
{
	if (r->monitor)
		put(t, "monitor");
}

static void put_zone(struct text *t, int offset_s)
{
	int min = offset_s / 60, east = min < 0 ? -min : min;

	if (min)
		put(t, ", zone: \"%c%02d:%02d\"", min < 0 ? '-' : '+', east / 60, east % 60);
}

static void schedule_text(struct text *t, const struct rule *r)
{
	const struct schedule *s = r->schedule;
	size_t n = 0, k = 0;

	if (!s)
		return;
	for (int i = 0; i < 7; i++)
		n += s->days >> i & 1;
	put(t, "days: ");
	open_list(t, n);
	for (int i = 0; i < 7; i++)
		if (s->days >> i & 1)
			item(t, k++, schedule_days[i]);
	close_list(t, n);
	for (size_t i = 0; i < s->n; i++)
		put(t, "%s%02u:%02u-%02u:%02u", i ? ", " : ", hours: ", s->hours[i].from / 60,
		    s->hours[i].from % 60, s->hours[i].to / 60, s->hours[i].to % 60);
	put_zone(t, s->offset_s);
}

static void rollout_text(struct text *t, const struct rule *r)
{
	if (r->percent < 100)
		put(t, "percent: %u", r->percent);
}

static void exceptions_text(struct text *t, const struct rule *r)
{
	for (size_t i = 0; i < r->n_exceptions; i++) {
		put(t, "%s{match: {", i ? ", " : "");
		put_match(t, &r->exceptions[i].match);
		put(t, "}, reason: \"%s\", until: %s}", r->exceptions[i].reason,
		    r->exceptions[i].until_text);
	}
}

static void fail_text(struct text *t, const struct rule *r)
{
	if (r->action.fail == PACK_FAIL_CLOSED)
		put(t, "closed");
}
static void unknown_text(struct text *t, const struct rule *r)
{
	if (r->action.unknown != DISPOSITION_ALLOW)
		put(t, "%s", disposition_name(r->action.unknown));
}

static void refuse_text(struct text *t, const struct rule *r)
{
	size_t n = 0;

	if (r->action.refuse == (REFUSE_ERROR | REFUSE_SHUTDOWN))
		return;
	for (size_t i = 0; words_refuse[i]; i++)
		if (r->action.refuse >> i & 1)
			item(t, n++, words_refuse[i]);
}

static void quic_text(struct text *t, const struct rule *r)
{
	if (r->action.drop_quic)
		put(t, "drop");
}
static void redact_text(struct text *t, const struct rule *r)
{
	put_list(t, &r->action.redact);
}
static void else_text(struct text *t, const struct rule *r)
{
	if (r->disposition == DISPOSITION_REDACT)
		put(t, "%s", disposition_name(r->action.otherwise));
}

static void hold_text(struct text *t, const struct rule *r)
{
	if (r->disposition != DISPOSITION_HOLD && r->action.otherwise != DISPOSITION_HOLD)
		return;
	put(t, "for: ");
	put_duration(t, r->action.hold_s * 1000ull);
	if (r->action.block_ms) {
		put(t, ", block: ");
		put_duration(t, r->action.block_ms);
	}
}

static void then_text(struct text *t, const struct rule *r)
{
	if (r->action.tree_exec.n) {
		put(t, "exec: ");
		put_list(t, &r->action.tree_exec);
	}
	if (r->action.tree_connect.n) {
		put(t, "%sconnect: ", r->action.tree_exec.n ? ", " : "");
		put_list(t, &r->action.tree_connect);
	}
}

static const char *const keys[] = {
	"disposition", "on",	  "match",	"mode", "severity", "risk", "controls",
	"fail",	       "unknown", "refuse",	"quic", "redact",   "else", "hold",
	"schedule",    "rollout", "exceptions", "then", NULL,
};
static void (*const texts[])(struct text *t, const struct rule *r) = {
	disposition_text, on_text,   match_text,    mode_text,	  severity_text,   risk_text,
	controls_text,	  fail_text, unknown_text,  refuse_text,  quic_text,	   redact_text,
	else_text,	  hold_text, schedule_text, rollout_text, exceptions_text, then_text,
};
_Static_assert(ARRAY_SIZE(keys) == ARRAY_SIZE(texts) + 1, "a text for every key");

const char *const *pack_rule_keys(void)
{
	return keys;
}

char *pack_rule_text(const struct pack *p, size_t i, const char *key, char *dst, size_t cap)
{
	struct text t = {};

	for (size_t k = 0; keys[k]; k++) {
		if (strcmp(keys[k], key))
			continue;
		texts[k](&t, &p->rules[i]);
		snprintf(dst, cap, "%s", t.s ? t.s : "");
		free(t.s);
		return dst;
	}
	return NULL;
}

/* --- two packs --------------------------------------------------------------------------------- */

struct diff {
	void (*each)(void *ctx, const struct pack_change *c);
	void *ctx;
	struct text before, after;
	int n;
};

static void tell(struct diff *d, enum pack_change_kind kind, const char *rule, const char *key)
{
	struct pack_change c = {kind, rule, key, d->before.s ? d->before.s : "",
				d->after.s ? d->after.s : ""};

	d->n++;
	d->each(d->ctx, &c);
}

static void clear(struct text *t)
{
	t->n = 0;
	if (t->s)
		t->s[0] = '\0';
}

static void summary(struct text *t, const struct rule *r)
{
	put(t, "%s on: %s%s", disposition_name(r->disposition), words_on[r->action.on],
	    r->match.n || r->match.n_groups ? ", " : "");
	put_match(t, &r->match);
}

static void one_rule(struct diff *d, const struct rule *a, const struct rule *b)
{
	for (size_t k = 0; keys[k]; k++) {
		clear(&d->before);
		clear(&d->after);
		texts[k](&d->before, a);
		texts[k](&d->after, b);
		if (strcmp(d->before.s ? d->before.s : "", d->after.s ? d->after.s : ""))
			tell(d, PACK_CHANGED, b->id, keys[k]);
	}
}

static void all_rules(struct diff *d, const struct pack *before, const struct pack *after)
{
	for (size_t i = 0; i < after->n_rules; i++) {
		const struct rule *r = &after->rules[i];
		int was = pack_rule_by_id(before, r->id);

		if (was >= 0) {
			one_rule(d, &before->rules[was], r);
			continue;
		}
		clear(&d->before);
		clear(&d->after);
		summary(&d->after, r);
		tell(d, PACK_ADDED, r->id, "");
	}
	for (size_t i = 0; i < before->n_rules; i++) {
		if (pack_rule_by_id(after, before->rules[i].id) >= 0)
			continue;
		clear(&d->before);
		clear(&d->after);
		summary(&d->before, &before->rules[i]);
		tell(d, PACK_REMOVED, before->rules[i].id, "");
	}
}

static void head(struct text *t, const struct pack *p, const char *key)
{
	clear(t);
	if (!strcmp(key, "pack"))
		put(t, "%s", p->id);
	else if (!strcmp(key, "version"))
		put(t, "%s", p->version);
	else if (!strcmp(key, "revision") && p->revision)
		put(t, "%llu", (unsigned long long)p->revision);
	else if (!strcmp(key, "mode"))
		put(t, "%s", p->enforce ? "enforce" : "monitor");
	else if (!strcmp(key, "gate")) {
		if (p->gate.hold_ms)
			put(t, "hold: %ums, ", p->gate.hold_ms);
		put(t, "full: %s", words_full[p->gate.full]);
	}
}

int pack_diff(const struct pack *before, const struct pack *after,
	      void (*each)(void *ctx, const struct pack_change *c), void *ctx)
{
	static const char *const heads[] = {"pack", "version", "revision", "mode", "gate"};
	struct diff d = {.each = each, .ctx = ctx};
	bool failed;

	/* Both texts are there from now on. */
	put(&d.before, "%s", "");
	put(&d.after, "%s", "");
	for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
		head(&d.before, before, heads[i]);
		head(&d.after, after, heads[i]);
		if (d.before.s && d.after.s && strcmp(d.before.s, d.after.s))
			tell(&d, PACK_CHANGED, "", heads[i]);
	}
	all_rules(&d, before, after);
	failed = d.before.failed || d.after.failed;
	free(d.before.s);
	free(d.after.s);
	return failed ? -ENOMEM : d.n;
}

const char *pack_change_name(enum pack_change_kind k)
{
	static const char *const names[] = {"added", "removed", "changed"};

	return names[k];
}
