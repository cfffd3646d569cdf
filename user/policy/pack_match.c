// SPDX-License-Identifier: Apache-2.0
/*
 * `match:` in, conditions out. A match is a mapping of fact words to patterns, all of which must
 * hold, plus at most one `any` (a list of sub-matches, one must hold) and one `not` (a sub-match or
 * a list of them, none may hold). Sub-matches hold fact words only, so evaluation has one level.
 * An empty match is refused: leaving it out says "every call" on purpose.
 */
#include <errno.h>
#include <string.h>

#include "pack_impl.h"
#include "schema.h"

static bool is_group(const struct doc_node *n)
{
	return !strcmp(n->key, "any") || !strcmp(n->key, "not");
}

static int read_globs(struct reading *rd, const struct doc_node *n, struct cond *c)
{
	const struct doc_node *v;
	int r = schema_values(rd, n, n->key, 1, &v, &c->n);

	if (r)
		return r;
	c->globs = arena_zalloc(&rd->pack->arena, c->n, sizeof(*c->globs));
	if (!c->globs)
		return -ENOMEM;
	for (size_t i = 0; i < c->n; i++, v = v->next) {
		r = schema_text(rd, v, n->key);
		if (r)
			return r;
		glob_compile(v->text, &c->globs[i]);
		c->globs[i].line = v->line;
	}
	return 0;
}

static int read_cond(struct reading *rd, const struct doc_node *n, const char *what, struct cond *c)
{
	char clip[64];

	c->key = fact_key_by_name(n->key);
	if (!c->key && is_group(n))
		return schema_refuse(rd, n->key_line,
				     "\"%s\" inside %s; expected it directly in match", n->key,
				     what);
	if (!c->key)
		return schema_refuse(rd, n->key_line,
				     "unknown key \"%s\" in %s; expected one of: %s, any, not",
				     doc_clip(clip, sizeof(clip), n->key), what, fact_key_names());
	if (c->key->kind == FACT_BOOL)
		return schema_bool(rd, n, n->key, &c->want);
	return read_globs(rd, n, c);
}

/* The fact words of one mapping; `groups`: any and not are left to the caller. */
static int read_conds(struct reading *rd, const struct doc_node *n, const char *what, bool groups,
		      struct match *ret)
{
	int r = schema_map(rd, n, what, NULL);

	if (r)
		return r;
	if (!n->children)
		return schema_refuse(rd, n->line,
				     "%s is an empty mapping; expected a fact to match (a rule "
				     "without match matches every call)",
				     what);
	ret->conds = arena_zalloc(&rd->pack->arena, n->children, sizeof(*ret->conds));
	if (!ret->conds)
		return -ENOMEM;
	for (const struct doc_node *c = n->first; c; c = c->next) {
		if (groups && is_group(c))
			continue;
		r = read_cond(rd, c, what, &ret->conds[ret->n++]);
		if (r)
			return r;
	}
	return 0;
}

static int read_group(struct reading *rd, const struct doc_node *n, struct match **ret,
		      size_t *ret_n)
{
	const struct doc_node *v;
	struct match *m;
	size_t count;
	int r = schema_values(rd, n, n->key, 1, &v, &count);

	if (r)
		return r;
	m = arena_zalloc(&rd->pack->arena, count, sizeof(*m));
	if (!m)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++, v = v->next) {
		r = read_conds(rd, v, n->key, false, &m[i]);
		if (r)
			return r;
	}
	*ret = m;
	*ret_n = count;
	return 0;
}

int pack_read_match(struct reading *rd, const struct doc_node *n, struct rule *rule)
{
	const struct doc_node *any, *none;
	int r = read_conds(rd, n, "match", true, &rule->all);

	if (r)
		return r;
	any = doc_get(n, "any");
	if (any)
		r = schema_list(rd, any, "any");
	if (any && !r)
		r = read_group(rd, any, &rule->any, &rule->n_any);
	none = doc_get(n, "not");
	if (none && !r)
		r = read_group(rd, none, &rule->none, &rule->n_none);
	return r;
}

/* One sub-match or the main one. */
static void each_value(const struct match *m, size_t rule,
		       void (*each)(void *ctx, size_t rule, unsigned line, const char *key,
				    const char *value),
		       void *ctx)
{
	for (size_t i = 0; i < m->n; i++)
		for (size_t k = 0; k < m->conds[i].n; k++)
			each(ctx, rule, m->conds[i].globs[k].line, m->conds[i].key->name,
			     m->conds[i].globs[k].pattern);
}

void pack_values(const struct pack *p,
		 void (*each)(void *ctx, size_t rule, unsigned line, const char *key,
			      const char *value),
		 void *ctx)
{
	for (size_t i = 0; i < p->n_rules; i++) {
		const struct rule *rule = &p->rules[i];

		each_value(&rule->all, i, each, ctx);
		for (size_t k = 0; k < rule->n_any; k++)
			each_value(&rule->any[k], i, each, ctx);
		for (size_t k = 0; k < rule->n_none; k++)
			each_value(&rule->none[k], i, each, ctx);
	}
}
