// SPDX-License-Identifier: Apache-2.0
/*
 * Facts in, decision out. Three answers per rule: fired, no, unknown (it asks for a fact that is
 * not known yet, and nothing known already says no). No allocation, no state: the same pack and
 * facts give the same decision on every host.
 *
 * Two things make a fact unknown: its stage has not come, or it may still change. A list of data
 * classes can grow with the answer, so before that only a hit counts. The service of a host that
 * the catalog does not know may still show in the request (a known dialect: shadow AI), so until
 * then it is neither "unknown" nor anything else; that keeps an allowlist from killing traffic
 * which is no AI call at all.
 */
#include <string.h>

#include "pack_impl.h"

static bool any_hit(const struct cond *c, const char *s)
{
	size_t n = strlen(s);

	for (size_t i = 0; i < c->n; i++)
		if (glob_hit(&c->globs[i], s, n))
			return true;
	return false;
}

static bool holds(const struct cond *c, const struct facts *f)
{
	const struct facts_list *l;

	switch (c->key->kind) {
	case FACT_TEXT:
		return any_hit(c, fact_text(c->key, f));
	case FACT_BOOL:
		return fact_bool(c->key, f) == c->want;
	case FACT_LIST:
		l = fact_list(c->key, f);
		for (size_t i = 0; i < l->n; i++)
			if (any_hit(c, l->v[i]))
				return true;
	}
	return false;
}

static enum rule_result eval_cond(const struct cond *c, const struct facts *f)
{
	if (f->stage < c->key->first)
		return RULE_UNKNOWN;
	if (c->key->of_service && (f->stage < FACTS_REQUEST || f->partial) && !f->service_known)
		return RULE_UNKNOWN;
	if (holds(c, f))
		return RULE_FIRED;
	if (f->partial && c->key->first >= FACTS_REQUEST)
		return RULE_UNKNOWN;
	return f->stage < c->key->settled ? RULE_UNKNOWN : RULE_NO;
}

/* All must hold: one no decides, whatever is unknown. */
static enum rule_result eval_all(const struct match *m, const struct facts *f)
{
	enum rule_result all = RULE_FIRED;

	for (size_t i = 0; i < m->n; i++) {
		enum rule_result r = eval_cond(&m->conds[i], f);

		if (r == RULE_NO)
			return RULE_NO;
		if (r == RULE_UNKNOWN)
			all = RULE_UNKNOWN;
	}
	return all;
}

/* One must hold: one yes decides. */
static enum rule_result eval_any(const struct match *m, size_t n, const struct facts *f)
{
	enum rule_result any = RULE_NO;

	for (size_t i = 0; i < n; i++) {
		enum rule_result r = eval_all(&m[i], f);

		if (r == RULE_FIRED)
			return RULE_FIRED;
		if (r == RULE_UNKNOWN)
			any = RULE_UNKNOWN;
	}
	return any;
}

static enum rule_result negate(enum rule_result r)
{
	return r == RULE_UNKNOWN ? r : r == RULE_NO ? RULE_FIRED : RULE_NO;
}

static enum rule_result both(enum rule_result a, enum rule_result b)
{
	if (a == RULE_NO || b == RULE_NO)
		return RULE_NO;
	return a == RULE_UNKNOWN ? a : b;
}

static enum rule_result eval_rule(const struct rule *rule, const struct facts *f)
{
	enum rule_result r = eval_all(&rule->all, f);

	if (r != RULE_NO && rule->n_any)
		r = both(r, eval_any(rule->any, rule->n_any, f));
	if (r != RULE_NO && rule->n_none)
		r = both(r, negate(eval_any(rule->none, rule->n_none, f)));
	return r;
}

void pack_decide(const struct pack *p, const struct facts *f, struct decision *ret)
{
	unsigned risk = 0;

	*ret = (struct decision){.rules = p->n_rules, .deciding = -1};
	for (size_t i = 0; i < p->n_rules; i++) {
		const struct rule *rule = &p->rules[i];

		ret->result[i] = eval_rule(rule, f);
		if (ret->result[i] != RULE_FIRED)
			continue;
		risk += rule->risk;
		if (ret->deciding < 0 || rule->disposition > ret->disposition) {
			ret->disposition = rule->disposition;
			ret->deciding = i;
		}
	}
	ret->risk = (double)(risk < RISK_ONE ? risk : RISK_ONE) / RISK_ONE;
}
