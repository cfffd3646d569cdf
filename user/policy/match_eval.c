// SPDX-License-Identifier: Apache-2.0
/*
 * A match and facts in, one of three answers out: fired, no, unknown (it asks for a fact that is not
 * known yet, and nothing known already says no). No allocation; a match is at most MATCH_DEPTH_MAX
 * deep, so the recursion is bounded.
 *
 * Four things make a fact unknown: its stage has not come; it may still change; it is NULL; or a
 * connection has no name that anybody knows. A list of data classes can grow with the answer, so
 * before that only a hit counts. The service of a host that the catalog does not know may still show
 * in the request (a known dialect: shadow AI), so until then it is neither "unknown" nor anything
 * else; that keeps an allowlist from refusing traffic which is no AI call at all.
 */
#include <string.h>

#include "pack_impl.h"

/* Of a value: does one of the patterns fit? An expression that cannot be asked is no answer. */
static enum rule_result hits(const struct cond *c, const char *s)
{
	size_t n = strlen(s);
	int r;

	for (size_t i = 0; i < c->n; i++)
		if (glob_hit(&c->globs[i], s, n))
			return RULE_FIRED;
	if (!c->regex)
		return RULE_NO;
	r = regex_set_hit(c->regex, s, n);
	return r < 0 ? RULE_UNKNOWN : r ? RULE_FIRED : RULE_NO;
}

static enum rule_result list_hits(const struct cond *c, const struct facts_list *l)
{
	enum rule_result any = RULE_NO;

	for (size_t i = 0; i < l->n; i++) {
		enum rule_result r = hits(c, l->v[i]);

		if (r == RULE_FIRED)
			return r;
		if (r == RULE_UNKNOWN)
			any = r;
	}
	return any;
}

static enum rule_result address_hits(const struct cond *c, const char *s)
{
	for (size_t i = 0; i < c->n; i++)
		if (cidr_hit(&c->nets[i], s))
			return RULE_FIRED;
	return RULE_NO;
}

static enum rule_result port_hits(const struct cond *c, uint16_t port)
{
	if (!port)
		return RULE_UNKNOWN;
	for (size_t i = 0; i < c->n; i++)
		if (port >= c->ports[i].from && port <= c->ports[i].to)
			return RULE_FIRED;
	return RULE_NO;
}

static enum rule_result holds(const struct cond *c, const struct facts *f)
{
	const char *s;

	switch (c->key->kind) {
	case FACT_TEXT:
		s = fact_text(c->key, f);
		return s ? hits(c, s) : RULE_UNKNOWN;
	case FACT_LIST:
		return list_hits(c, fact_list(c->key, f));
	case FACT_BOOL:
		return fact_bool(c->key, f) == c->want ? RULE_FIRED : RULE_NO;
	case FACT_ADDRESS:
		s = fact_text(c->key, f);
		return s && *s ? address_hits(c, s) : RULE_UNKNOWN;
	case FACT_PORT:
		return port_hits(c, fact_port(c->key, f));
	}
	return RULE_UNKNOWN;
}

/* A connection without a name is no connection to "" : its name is what nobody knows. */
static bool nameless(const struct fact_key *k, const struct facts *f)
{
	const char *s = k->of_name && f->subject == FACTS_CONNECT ? fact_text(k, f) : "-";

	return s && !*s;
}

static enum rule_result eval_cond(const struct cond *c, const struct facts *f, bool caller)
{
	const struct fact_key *k = c->key;
	enum rule_result r;

	if (caller && k->of_caller)
		return RULE_FIRED;
	if (f->stage < k->first || nameless(k, f))
		return RULE_UNKNOWN;
	if (k->of_service && (f->stage < FACTS_REQUEST || f->partial) && !f->service_known)
		return RULE_UNKNOWN;
	if (f->unread && k->of_content && k->kind == FACT_TEXT && !*fact_text(k, f))
		return RULE_UNKNOWN;
	r = holds(c, f);
	if (r == RULE_NO && f->unread && k->of_content && k->kind == FACT_LIST)
		return RULE_UNKNOWN;
	if (r == RULE_NO && (f->stage < k->settled || (f->partial && k->first >= FACTS_REQUEST)))
		return RULE_UNKNOWN;
	return r;
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

static enum rule_result eval_group(const struct group *g, const struct facts *f, bool caller)
{
	enum rule_result r = RULE_FIRED;

	/* "any" by its opposite: not all of them are false. */
	for (size_t i = 0; i < g->n && r != RULE_NO; i++) {
		enum rule_result one = match_eval(&g->subs[i], f, caller);

		r = both(r, g->kind == GROUP_ALL ? one : negate(one));
	}
	return g->kind == GROUP_ANY ? negate(r) : r;
}

enum rule_result match_eval(const struct match *m, const struct facts *f, bool caller)
{
	enum rule_result r = RULE_FIRED;

	/* One no decides, whatever is unknown. */
	for (size_t i = 0; i < m->n && r != RULE_NO; i++)
		r = both(r, eval_cond(&m->conds[i], f, caller));
	for (size_t i = 0; i < m->n_groups && r != RULE_NO; i++)
		r = both(r, eval_group(&m->groups[i], f, caller));
	return r;
}

/* --- what a request can settle ----------------------------------------------------------------- */

static bool group_may(const struct group *g, bool yes)
{
	/* all: yes needs every one, no needs one. any: the other way round. not: of what must not. */
	bool sub_yes = g->kind == GROUP_NOT ? !yes : yes;
	bool every = g->kind == GROUP_ANY ? !yes : yes;

	for (size_t i = 0; i < g->n; i++)
		if (match_may(&g->subs[i], sub_yes) != every)
			return !every;
	return every;
}

bool match_may(const struct match *m, bool yes)
{
	for (size_t i = 0; i < m->n; i++) {
		const struct fact_key *k = m->conds[i].key;
		bool may = (yes ? k->first : k->settled) <= FACTS_REQUEST;

		if (may != yes)
			return may;
	}
	for (size_t i = 0; i < m->n_groups; i++)
		if (group_may(&m->groups[i], yes) != yes)
			return !yes;
	return yes;
}
