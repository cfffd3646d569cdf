// SPDX-License-Identifier: Apache-2.0
/*
 * Runs the cases of a pack: given facts through pack_decide, the decision against what is expected.
 * `rules` is the exact set of fired rules in any order, `unknown` the exact set of undecided ones;
 * what is not expected is not looked at. The detail names every difference, cut at its buffer.
 * With `coverage: full` a last case tells which rules no case has shown to fire, or to stay quiet: a
 * rule nobody has seen do both is not known to do what its author meant.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "pack_case.h"

struct diff {
	char text[1024];
	size_t n;
};

static void __attribute__((format(printf, 2, 3))) say(struct diff *d, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(d->text + d->n, sizeof(d->text) - d->n, fmt, ap);
	va_end(ap);
	if (n > 0)
		d->n += n;
	if (d->n >= sizeof(d->text))
		d->n = sizeof(d->text) - 1;
}

static const char *sep(const struct diff *d)
{
	return d->n ? "; " : "";
}

static void diff_set(struct diff *d, const struct pack *p, const char *what, const uint8_t *want,
		     const bool *got)
{
	bool said = false;

	for (size_t i = 0; i < p->n_rules; i++) {
		if (got[i] == want[i])
			continue;
		if (!said)
			say(d, "%s%s:", sep(d), what);
		said = true;
		say(d, " %s %s", got[i] ? "not expected" : "missing", p->rules[i].id);
	}
}

static void diff_results(struct diff *d, const struct pack *p, const char *what,
			 const uint8_t *want, const struct decision *got, enum rule_result result)
{
	bool is[PACK_RULES_MAX];

	for (size_t i = 0; i < p->n_rules; i++)
		is[i] = got->result[i] == result;
	diff_set(d, p, what, want, is);
}

static void diff_disposition(struct diff *d, const char *what, int want, enum disposition got)
{
	if (want >= 0 && (int)got != want)
		say(d, "%s%s: expected %s, got %s", sep(d), what, disposition_name(want),
		    disposition_name(got));
}

static const char *rule_name(const struct pack *p, int i)
{
	return i < 0 ? "no rule" : p->rules[i].id;
}

static void compare(const struct pack *p, const struct expectation *e, const struct decision *got,
		    struct diff *d)
{
	diff_disposition(d, "disposition", e->disposition, got->disposition);
	diff_disposition(d, "would", e->would, got->would);
	if (e->has_rules)
		diff_results(d, p, "rules", e->fired, got, RULE_FIRED);
	if (e->has_unknown)
		diff_results(d, p, "unknown", e->unknown, got, RULE_UNKNOWN);
	if (e->has_monitored)
		diff_set(d, p, "monitored", e->monitored, got->monitored);
	if (e->has_excepted)
		diff_set(d, p, "excepted", e->excepted, got->excepted);
	if (e->has_risk && (double)e->risk / RISK_ONE != got->risk)
		say(d, "%srisk: expected %g, got %g", sep(d), (double)e->risk / RISK_ONE,
		    got->risk);
	if (e->deciding >= 0 && e->deciding != got->deciding)
		say(d, "%sdeciding: expected %s, got %s", sep(d), rule_name(p, e->deciding),
		    rule_name(p, got->deciding));
}

/* Which rules fired in a case, and which stayed quiet in one of their subject. */
struct coverage {
	bool fired[PACK_RULES_MAX], quiet[PACK_RULES_MAX];
};

static void cover(struct coverage *c, const struct pack *p, const struct facts *f,
		  const struct decision *got)
{
	for (size_t i = 0; i < p->n_rules; i++) {
		c->fired[i] |= got->result[i] == RULE_FIRED;
		c->quiet[i] |= got->result[i] == RULE_NO && p->rules[i].action.on == f->subject;
	}
}

static void uncovered(struct diff *d, const struct pack *p, const char *what, const bool *is)
{
	bool said = false;

	for (size_t i = 0; i < p->n_rules; i++) {
		if (is[i])
			continue;
		if (!said)
			say(d, "%s%s", sep(d), what);
		said = true;
		say(d, " %s", p->rules[i].id);
	}
}

static void run_case(const struct pack *p, const struct pack_case *c, struct coverage *cov,
		     struct diff *d)
{
	/* Read once already, when the pack was: it cannot be refused now. */
	struct reading rd = {.pack = (struct pack *)p, .file = ""};
	struct decision got;
	struct expectation e;
	struct facts f;

	if (pack_case_facts(&rd, c->given, &f) || pack_case_expect(&rd, c->expect, &e)) {
		say(d, "the case cannot be read");
		return;
	}
	pack_decide(p, &f, &got);
	cover(cov, p, &f, &got);
	compare(p, &e, &got, d);
}

size_t pack_test(const struct pack *p,
		 void (*each)(void *ctx, const char *name, bool ok, const char *detail), void *ctx,
		 size_t *ret_total)
{
	struct coverage cov = {};
	struct diff d = {};
	size_t failures = 0;

	for (size_t i = 0; i < p->n_cases; i++) {
		d = (struct diff){};
		run_case(p, &p->cases[i], &cov, &d);
		failures += d.n > 0;
		each(ctx, p->cases[i].name, !d.n, d.text);
	}
	*ret_total = p->n_cases + p->coverage;
	if (!p->coverage)
		return failures;
	d = (struct diff){};
	uncovered(&d, p, "fires in no test:", cov.fired);
	uncovered(&d, p, "stays quiet in no test of its subject:", cov.quiet);
	each(ctx, "coverage: every rule fires in one test and stays quiet in another", !d.n,
	     d.text);
	return failures + (d.n > 0);
}
