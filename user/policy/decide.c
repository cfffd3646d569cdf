// SPDX-License-Identifier: Apache-2.0
/*
 * Facts in, decision out. No allocation, no state: the same pack and facts give the same decision on
 * every host, but for what says otherwise in the pack: rollout asks for the host's id, schedules
 * and exceptions for the time, and both are facts as well.
 *
 * A rule is asked in this order: is it on this subject, is it in its hours, does it match, does an
 * exception hold. A rule that fired and is monitored alone counts as an alert at most.
 */
#include <string.h>

#include "pack_impl.h"

static bool scheduled(const struct rule *rule, int64_t now)
{
	return !rule->schedule || (now && schedule_holds(rule->schedule, now));
}

static bool monitored(const struct pack *p, const struct rule *rule, const char *host_id)
{
	if (rule->monitor)
		return true;
	return rule->percent < 100 &&
	       !(host_id && *host_id && rollout_holds(rule->percent, p->id, rule->id, host_id));
}

/* Of the exceptions in force: fired = one holds. *ret: which. */
static enum rule_result excepted(const struct rule *rule, const struct facts *f,
				 const struct exception **ret)
{
	enum rule_result any = RULE_NO;

	for (size_t i = 0; i < rule->n_exceptions; i++) {
		const struct exception *e = &rule->exceptions[i];
		enum rule_result r;

		if (!f->now_unix_s || f->now_unix_s >= e->until)
			continue;
		r = match_eval(&e->match, f, false);
		if (r == RULE_FIRED) {
			*ret = e;
			return r;
		}
		if (r == RULE_UNKNOWN)
			any = r;
	}
	return any;
}

static enum rule_result eval_rule(const struct rule *rule, const struct facts *f, bool caller,
				  const struct exception **ret_exception)
{
	enum rule_result r, x;

	*ret_exception = NULL;
	if (rule->action.on != f->subject)
		return RULE_NO;
	r = match_eval(&rule->match, f, caller);
	if (r == RULE_NO || !rule->n_exceptions)
		return r;
	x = excepted(rule, f, ret_exception);
	return x == RULE_FIRED ? RULE_NO : x == RULE_UNKNOWN ? x : r;
}

void pack_decide(const struct pack *p, const struct facts *f, struct decision *ret)
{
	unsigned risk = 0;

	*ret = (struct decision){.rules = p->n_rules, .deciding = -1};
	for (size_t i = 0; i < p->n_rules; i++) {
		const struct rule *rule = &p->rules[i];
		enum disposition d = rule->disposition;
		const struct exception *e;

		if (!scheduled(rule, f->now_unix_s))
			continue;
		ret->result[i] = eval_rule(rule, f, false, &e);
		ret->excepted[i] = e;
		if (ret->result[i] == RULE_NO)
			continue;
		ret->monitored[i] = d > DISPOSITION_ALERT && monitored(p, rule, f->host_id);
		if (ret->result[i] != RULE_FIRED)
			continue;
		risk += rule->risk;
		if (d > ret->would)
			ret->would = d;
		if (ret->monitored[i])
			d = DISPOSITION_ALERT;
		if (ret->deciding < 0 || d > ret->disposition) {
			ret->disposition = d;
			ret->deciding = i;
		}
	}
	ret->risk = (double)(risk < RISK_ONE ? risk : RISK_ONE) / RISK_ONE;
}

enum disposition pack_unknown(const struct pack *p, const struct decision *d, int *ret_rule)
{
	enum disposition most = DISPOSITION_ALLOW;

	*ret_rule = -1;
	for (size_t i = 0; i < p->n_rules; i++) {
		enum disposition u = p->rules[i].action.unknown;

		if (d->monitored[i] && u > DISPOSITION_ALERT)
			u = DISPOSITION_ALERT;
		if (d->result[i] != RULE_UNKNOWN || u <= most)
			continue;
		most = u;
		*ret_rule = i;
	}
	return most;
}

const char *pack_rule_excepted(const struct pack *p, size_t i, const struct facts *f)
{
	const struct exception *e;

	eval_rule(&p->rules[i], f, false, &e);
	return e ? e->reason : NULL;
}

/* --- over time --------------------------------------------------------------------------------- */

enum rule_state pack_rule_state(const struct pack *p, size_t i, int64_t now_unix_s,
				const char *host_id)
{
	const struct rule *rule = &p->rules[i];

	if (!scheduled(rule, now_unix_s))
		return RULE_OFF;
	return rule->disposition <= DISPOSITION_ALERT || monitored(p, rule, host_id) ? RULE_WATCH
										     : RULE_ON;
}

int64_t pack_next_change(const struct pack *p, int64_t now)
{
	int64_t best = INT64_MAX, t;

	for (size_t i = 0; i < p->n_rules; i++) {
		const struct rule *rule = &p->rules[i];

		t = rule->schedule ? schedule_next(rule->schedule, now) : INT64_MAX;
		best = t < best ? t : best;
		for (size_t k = 0; k < rule->n_exceptions; k++) {
			t = rule->exceptions[k].until;
			if (t > now && t < best)
				best = t;
		}
	}
	return best;
}

/* --- files ------------------------------------------------------------------------------------- */

static uint64_t exec_bits(const struct pack *p, const struct facts *f, enum rule_result want)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < p->n_rules; i++) {
		const struct rule *rule = &p->rules[i];
		const struct exception *e;

		if (rule->action.on == FACTS_EXEC && rule->krule >= 0 &&
		    eval_rule(rule, f, true, &e) == want)
			bits |= 1ull << rule->krule;
	}
	return bits;
}

uint64_t pack_exec_file(const struct pack *p, const struct facts *f)
{
	return exec_bits(p, f, RULE_FIRED);
}

uint64_t pack_exec_unknown(const struct pack *p, const struct facts *f)
{
	return exec_bits(p, f, RULE_UNKNOWN);
}
