// SPDX-License-Identifier: Apache-2.0
/*
 * `tests:` in, cases out, checked whole when the pack is read: a case that names an unknown fact
 * or rule, or expects nothing, makes the pack invalid, so a test that cannot fail does not exist.
 * A case keeps its nodes; the facts are built from them when it runs.
 */
#include <errno.h>
#include <string.h>

#include "pack_case.h"
#include "schema.h"

static const char *const stages[] = {"process", "host", "request", "done", NULL};
static const char *const results[] = {"allow", "alert", "kill", NULL};

static int read_list(struct reading *rd, const struct doc_node *n, struct facts_list *l)
{
	const struct doc_node *v;
	size_t count;
	int r = schema_values(rd, n, n->key, 0, &v, &count);

	if (r)
		return r;
	if (count > FACTS_LIST_MAX)
		return schema_refuse_r(rd, n->line, -E2BIG,
				       "%s has %zu values; expected at most %d", n->key, count,
				       FACTS_LIST_MAX);
	for (size_t i = 0; i < count; i++, v = v->next) {
		r = schema_text(rd, v, n->key);
		if (r)
			return r;
		l->v[l->n++] = v->text;
	}
	return 0;
}

static int read_fact(struct reading *rd, const struct doc_node *n, struct facts *f)
{
	const struct fact_key *k = fact_key_by_name(n->key);
	char *at = (char *)f, clip[64];
	size_t stage;
	int r;

	if (!strcmp(n->key, "stage")) {
		r = schema_word(rd, n, "stage", stages, &stage);
		if (!r)
			f->stage = FACTS_PROCESS + stage;
		return r;
	}
	if (!k)
		return schema_refuse(rd, n->key_line,
				     "unknown key \"%s\" in given; expected one of: stage, %s",
				     doc_clip(clip, sizeof(clip), n->key), fact_key_names());
	at += k->offset;
	switch (k->kind) {
	case FACT_BOOL:
		return schema_bool(rd, n, n->key, (bool *)at);
	case FACT_LIST:
		return read_list(rd, n, (struct facts_list *)at);
	case FACT_TEXT:
		break;
	}
	r = schema_text(rd, n, n->key);
	if (!r)
		*(const char **)at = n->text;
	return r;
}

int pack_case_facts(struct reading *rd, const struct doc_node *given, struct facts *ret)
{
	const struct doc_node *service = doc_get(given, "service");

	*ret = (struct facts){
		.stage = FACTS_DONE,
		.user = "",
		.exe = "",
		.tool = "",
		.cgroup = "",
		.container = "",
		.host = "",
		.service = "",
		.vendor = "",
		.evidence = "",
		.operation = "",
		.model = "",
		.dialect = "",
		.completeness = "",
	};
	/* A named service is a known one, unless `known` says otherwise. */
	ret->service_known = service && service->kind == DOC_TEXT && service->len &&
			     strcmp(service->text, "unknown");
	for (const struct doc_node *n = given->first; n; n = n->next) {
		int r = read_fact(rd, n, ret);

		if (r)
			return r;
	}
	return 0;
}

static int read_ids(struct reading *rd, const struct doc_node *n, uint8_t ret[PACK_RULES_MAX])
{
	const struct doc_node *v;
	size_t count;
	char clip[64];
	int r = schema_values(rd, n, n->key, 0, &v, &count);

	if (r)
		return r;
	for (size_t i = 0; i < count; i++, v = v->next) {
		int at;

		r = schema_text(rd, v, n->key);
		if (r)
			return r;
		at = pack_rule_by_id(rd->pack, v->text);
		if (at < 0)
			return schema_refuse(rd, v->line,
					     "no rule has the id \"%s\"; expected one of this pack",
					     doc_clip(clip, sizeof(clip), v->text));
		ret[at] = 1;
	}
	return 0;
}

static int read_deciding(struct reading *rd, const struct doc_node *n, int *ret)
{
	uint8_t one[PACK_RULES_MAX] = {};
	int r = n->kind == DOC_TEXT
			? read_ids(rd, n, one)
			: schema_refuse(rd, n->line, "deciding is no text; expected a rule id");

	if (!r)
		*ret = (uint8_t *)memchr(one, 1, sizeof(one)) - one;
	return r;
}

int pack_case_expect(struct reading *rd, const struct doc_node *n, struct expectation *ret)
{
	static const char *const keys[] = {"disposition", "rules",    "unknown",
					   "risk",	  "deciding", NULL};
	const struct doc_node *v;
	size_t at = 0;
	int r = schema_map(rd, n, "expect", keys);

	if (r)
		return r;
	if (!n->children)
		return schema_refuse(rd, n->line,
				     "expect is empty; expected disposition, rules, unknown, risk "
				     "or deciding");
	*ret = (struct expectation){};
	v = doc_get(n, "disposition");
	if (v)
		r = schema_word(rd, v, "disposition", results, &at);
	ret->disposition = v ? (int)at : -1;
	v = doc_get(n, "rules");
	ret->has_rules = v;
	if (v && !r)
		r = read_ids(rd, v, ret->fired);
	v = doc_get(n, "unknown");
	ret->has_unknown = v;
	if (v && !r)
		r = read_ids(rd, v, ret->unknown);
	v = doc_get(n, "risk");
	ret->has_risk = v;
	if (v && !r)
		r = schema_risk(rd, v, "risk", &ret->risk);
	v = doc_get(n, "deciding");
	ret->deciding = -1;
	if (v && !r)
		r = read_deciding(rd, v, &ret->deciding);
	return r;
}

static int read_case(struct reading *rd, const struct doc_node *n, struct pack_case *c)
{
	static const char *const keys[] = {"name", "given", "expect", NULL};
	const struct doc_node *name;
	struct expectation e;
	struct facts f;
	int r = schema_map(rd, n, "a test", keys);

	if (!r)
		r = schema_need(rd, n, "a test", "name", &name);
	if (!r)
		r = schema_text(rd, name, "name");
	if (!r)
		r = schema_need(rd, n, "a test", "given", &c->given);
	if (!r)
		r = schema_map(rd, c->given, "given", NULL);
	if (!r)
		r = pack_case_facts(rd, c->given, &f);
	if (!r)
		r = schema_need(rd, n, "a test", "expect", &c->expect);
	if (!r)
		r = pack_case_expect(rd, c->expect, &e);
	if (!r)
		c->name = name->text;
	return r;
}

int pack_read_cases(struct reading *rd, const struct doc_node *n)
{
	struct pack *p = rd->pack;
	int r = schema_list(rd, n, "tests");

	if (r)
		return r;
	p->cases = arena_zalloc(&p->arena, n->children, sizeof(*p->cases));
	if (!p->cases)
		return -ENOMEM;
	for (const struct doc_node *c = n->first; c; c = c->next, p->n_cases++) {
		r = read_case(rd, c, &p->cases[p->n_cases]);
		if (r)
			return r;
	}
	return 0;
}
