// SPDX-License-Identifier: Apache-2.0
/*
 * `match:` in, conditions out. A match is a mapping of fact words to patterns, all of which must
 * hold, plus at most one each of `all` and `any` (lists of sub-matches) and `not` (a sub-match or a
 * list of them), which hold matches again, up to MATCH_DEPTH_MAX deep. An empty match is refused:
 * leaving it out says "every call" on purpose. Which facts a match may name depends on what its rule
 * is on: what nobody would ever fill in is refused here.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "pack_impl.h"
#include "pack_keys.h"
#include "schema.h"

struct at {
	struct reading *rd;
	const char *what; /* the mapping, for messages */
	enum facts_subject on;
	unsigned depth;
};

static int group_of(const struct doc_node *n)
{
	for (int i = 0; keys_groups[i]; i++)
		if (!strcmp(keys_groups[i], n->key))
			return i;
	return -1;
}

/* --- values ------------------------------------------------------------------------------------ */

static int read_regex(struct at *at, const struct doc_node *n, const char *what, const char **ret)
{
	const struct doc_node *v;
	int r = schema_map(at->rd, n, what, keys_regex);

	if (!r)
		r = schema_need(at->rd, n, what, "regex", &v);
	if (!r)
		r = schema_text(at->rd, v, "regex");
	if (!r)
		*ret = v->text;
	return r;
}

static int read_cidr(struct at *at, const struct doc_node *n, struct cidr *ret)
{
	char clip[64];
	int r = cidr_parse(n->text, ret);

	if (r == -ERANGE)
		return schema_refuse(at->rd, n->line,
				     "address \"%s\" has bits behind its prefix; expected the "
				     "range's first address",
				     doc_clip(clip, sizeof(clip), n->text));
	if (r)
		return schema_refuse(at->rd, n->line,
				     "address \"%s\" is none; expected one like 192.0.2.7, "
				     "10.0.0.0/8 or 2001:db8::/32",
				     doc_clip(clip, sizeof(clip), n->text));
	return 0;
}

static int read_port(struct at *at, const struct doc_node *n, struct port_range *ret)
{
	char clip[64];

	if (port_range_parse(n->text, ret))
		return schema_refuse(at->rd, n->line,
				     "port \"%s\" is none; expected 1 to 65535, or a range like "
				     "8000-8999",
				     doc_clip(clip, sizeof(clip), n->text));
	return 0;
}

static int read_value(struct at *at, const struct doc_node *v, struct cond *c)
{
	enum fact_kind kind = c->key->kind;
	int r;

	if (v->kind == DOC_MAP && (kind == FACT_TEXT || kind == FACT_LIST)) {
		r = read_regex(at, v, c->key->name, &c->regexes[c->n_regexes]);
		c->n_regexes += !r;
		return r;
	}
	r = schema_text(at->rd, v, c->key->name);
	if (!r && kind == FACT_ADDRESS)
		r = read_cidr(at, v, &c->nets[c->n]);
	if (!r && kind == FACT_PORT)
		r = read_port(at, v, &c->ports[c->n]);
	if (r)
		return r;
	glob_compile(v->text, &c->globs[c->n]);
	c->globs[c->n++].line = v->line;
	return 0;
}

static int make_regex(struct at *at, struct cond *c)
{
	struct pack *p = at->rd->pack;
	char why[160] = "", clip[80];
	size_t bad;
	int r;

	if (!c->n_regexes)
		return 0;
	if (!p->regex)
		p->regex = regex_space_new();
	if (!p->regex)
		return -ENOMEM;
	r = regex_set_new(p->regex, c->regexes, c->n_regexes, &c->regex, &bad, why, sizeof(why));
	if (r == -EINVAL || r == -E2BIG)
		return schema_refuse_r(at->rd, c->line, r,
				       "%s: regex \"%s\": %s; expected an expression of RE2 that "
				       "matches the whole value",
				       c->key->name, doc_clip(clip, sizeof(clip), c->regexes[bad]),
				       why);
	return r;
}

static int read_values(struct at *at, const struct doc_node *n, struct cond *c)
{
	struct arena *a = &at->rd->pack->arena;
	const struct doc_node *v;
	size_t count;
	int r = schema_values(at->rd, n, n->key, 1, &v, &count);

	if (r)
		return r;
	c->globs = arena_zalloc(a, count, sizeof(*c->globs));
	c->regexes = arena_zalloc(a, count, sizeof(*c->regexes));
	c->nets = arena_zalloc(a, count, sizeof(*c->nets));
	c->ports = arena_zalloc(a, count, sizeof(*c->ports));
	if (!c->globs || !c->regexes || !c->nets || !c->ports)
		return -ENOMEM;
	for (size_t i = 0; !r && i < count; i++, v = v->next)
		r = read_value(at, v, c);
	return r ? r : make_regex(at, c);
}

/* --- conditions -------------------------------------------------------------------------------- */

static int read_cond(struct at *at, const struct doc_node *n, struct cond *c)
{
	char names[400], clip[64];

	c->key = fact_key_by_name(n->key);
	c->line = n->line;
	if (!c->key)
		return schema_refuse(at->rd, n->key_line,
				     "unknown key \"%s\" in %s; expected one of: %s, all, any, not",
				     doc_clip(clip, sizeof(clip), n->key), at->what,
				     fact_key_names(at->on, names, sizeof(names)));
	if (!(c->key->subjects >> at->on & 1))
		return schema_refuse(
			at->rd, n->key_line,
			"\"%s\" is not known of on: %s; expected one of: %s, all, any, "
			"not",
			n->key, words_on[at->on], fact_key_names(at->on, names, sizeof(names)));
	if (c->key->kind == FACT_BOOL)
		return schema_bool(at->rd, n, n->key, &c->want);
	return read_values(at, n, c);
}

static int read_match(struct at *at, const struct doc_node *n, struct match *ret);

static int read_group(struct at *at, const struct doc_node *n, struct group *g)
{
	struct at in = {at->rd, n->key, at->on, at->depth + 1};
	const struct doc_node *v;
	size_t count;
	int r = 0;

	g->kind = group_of(n);
	if (in.depth > MATCH_DEPTH_MAX)
		return schema_refuse(at->rd, n->key_line,
				     "\"%s\" is nested deeper than %d; expected fewer levels",
				     n->key, MATCH_DEPTH_MAX);
	if (g->kind != GROUP_NOT)
		r = schema_list(at->rd, n, n->key);
	if (!r)
		r = schema_values(at->rd, n, n->key, 1, &v, &count);
	if (r)
		return r;
	g->subs = arena_zalloc(&at->rd->pack->arena, count, sizeof(*g->subs));
	if (!g->subs)
		return -ENOMEM;
	for (; !r && g->n < count; g->n++, v = v->next)
		r = read_match(&in, v, &g->subs[g->n]);
	return r;
}

static int read_match(struct at *at, const struct doc_node *n, struct match *ret)
{
	struct arena *a = &at->rd->pack->arena;
	int r = schema_map(at->rd, n, at->what, NULL);

	if (r)
		return r;
	if (!n->children)
		return schema_refuse(at->rd, n->line,
				     "%s is an empty mapping; expected a fact to match (a rule "
				     "without match matches every call)",
				     at->what);
	ret->conds = arena_zalloc(a, n->children, sizeof(*ret->conds));
	ret->groups = arena_zalloc(a, n->children, sizeof(*ret->groups));
	if (!ret->conds || !ret->groups)
		return -ENOMEM;
	for (const struct doc_node *c = n->first; !r && c; c = c->next) {
		if (group_of(c) >= 0)
			r = read_group(at, c, &ret->groups[ret->n_groups++]);
		else
			r = read_cond(at, c, &ret->conds[ret->n++]);
	}
	return r;
}

int pack_read_match(struct reading *rd, const struct doc_node *n, const char *what,
		    enum facts_subject on, struct match *ret)
{
	struct at at = {rd, what, on, 0};

	return read_match(&at, n, ret);
}

/* --- walking ----------------------------------------------------------------------------------- */

const struct cond *match_find(const struct match *m, const char *key)
{
	for (size_t i = 0; i < m->n; i++)
		if (!strcmp(m->conds[i].key->name, key))
			return &m->conds[i];
	return NULL;
}

void match_each(const struct match *m, void (*each)(void *ctx, const struct cond *c), void *ctx)
{
	for (size_t i = 0; i < m->n; i++)
		each(ctx, &m->conds[i]);
	for (size_t i = 0; i < m->n_groups; i++)
		for (size_t k = 0; k < m->groups[i].n; k++)
			match_each(&m->groups[i].subs[k], each, ctx);
}

struct asked {
	const char *key;
	bool is;
};

static void is_asked(void *ctx, const struct cond *c)
{
	struct asked *a = ctx;

	a->is |= !strcmp(c->key->name, a->key);
}

bool pack_asks(const struct pack *p, enum facts_subject on, const char *key)
{
	struct asked a = {.key = key};

	for (size_t i = 0; i < p->n_rules; i++) {
		const struct rule *rule = &p->rules[i];

		if (rule->action.on != on)
			continue;
		match_each(&rule->match, is_asked, &a);
		for (size_t k = 0; k < rule->n_exceptions; k++)
			match_each(&rule->exceptions[k].match, is_asked, &a);
	}
	return a.is;
}

struct values {
	size_t rule;
	void (*each)(void *ctx, size_t rule, unsigned line, const char *key, const char *value);
	void *ctx;
};

static void cond_values(void *ctx, const struct cond *c)
{
	char slashed[SCHEMA_TEXT_MAX + 3];
	struct values *v = ctx;

	for (size_t i = 0; i < c->n; i++)
		v->each(v->ctx, v->rule, c->globs[i].line, c->key->name, c->globs[i].pattern);
	for (size_t i = 0; i < c->n_regexes; i++) {
		snprintf(slashed, sizeof(slashed), "/%s/", c->regexes[i]);
		v->each(v->ctx, v->rule, c->line, c->key->name, slashed);
	}
}

void pack_values(const struct pack *p,
		 void (*each)(void *ctx, size_t rule, unsigned line, const char *key,
			      const char *value),
		 void *ctx)
{
	for (size_t i = 0; i < p->n_rules; i++) {
		const struct rule *rule = &p->rules[i];
		struct values v = {i, each, ctx};

		match_each(&rule->match, cond_values, &v);
		for (size_t k = 0; k < rule->n_exceptions; k++)
			match_each(&rule->exceptions[k].match, cond_values, &v);
		for (size_t k = 0; k < rule->action.redact.n; k++)
			each(ctx, i, rule->line, "data_class", rule->action.redact.v[k]);
	}
}
