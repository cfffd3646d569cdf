// SPDX-License-Identifier: Apache-2.0
/*
 * `tests:` in, cases out, checked whole when the pack is read: a case that names an unknown fact
 * or rule, or expects nothing, makes the pack invalid, so a test that cannot fail does not exist.
 * A case keeps its nodes; the facts are built from them when it runs.
 */
#include <errno.h>
#include <string.h>

#include "pack_case.h"
#include "pack_keys.h"
#include "schema.h"

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

static int read_now(struct reading *rd, const struct doc_node *n, struct facts *f)
{
	char clip[32];
	int r = schema_text(rd, n, "now");

	if (!r && schedule_instant(n->text, &f->now_unix_s))
		r = schema_refuse(rd, n->line,
				  "now \"%s\" is no time; expected one like 2026-03-02T10:00:00Z",
				  doc_clip(clip, sizeof(clip), n->text));
	return r;
}

/* The keys that are no facts to match on. *ret_is: it was one of them. */
static int read_given(struct reading *rd, const struct doc_node *n, struct facts *f, bool *ret_is)
{
	size_t at;
	int r = 0;

	*ret_is = true;
	if (!strcmp(n->key, "on"))
		return 0; /* read before all others */
	if (!strcmp(n->key, "now"))
		return read_now(rd, n, f);
	if (!strcmp(n->key, "host_id")) {
		r = schema_text(rd, n, "host_id");
		f->host_id = r ? NULL : n->text;
		return r;
	}
	if (!strcmp(n->key, "stage")) {
		r = schema_word(rd, n, "stage", words_stage, &at);
		if (!r)
			f->stage = FACTS_PROCESS + at;
		return r;
	}
	*ret_is = false;
	return 0;
}

static const struct fact_key *given_key(struct reading *rd, const struct doc_node *n,
					const struct facts *f)
{
	const struct fact_key *k = fact_key_by_name(n->key);
	char names[400], clip[64];

	if (k && k->subjects >> f->subject & 1)
		return k;
	schema_refuse(rd, n->key_line,
		      "unknown key \"%s\" in given (on: %s); expected one of: on, stage, now, "
		      "host_id, %s",
		      doc_clip(clip, sizeof(clip), n->key), words_on[f->subject],
		      fact_key_names(f->subject, names, sizeof(names)));
	return NULL;
}

static int read_fact(struct reading *rd, const struct doc_node *n, struct facts *f)
{
	const struct fact_key *k;
	char *at = (char *)f;
	uint64_t port;
	bool is;
	int r = read_given(rd, n, f, &is);

	if (r || is)
		return r;
	k = given_key(rd, n, f);
	if (!k)
		return -EINVAL;
	at += k->offset;
	if (k->kind == FACT_BOOL)
		return schema_bool(rd, n, n->key, (bool *)at);
	if (k->kind == FACT_LIST)
		return read_list(rd, n, (struct facts_list *)at);
	if (k->kind == FACT_PORT) {
		r = schema_number(rd, n, "port", 1, 65535, &port);
		if (!r)
			*(uint16_t *)at = port;
		return r;
	}
	r = schema_text(rd, n, n->key);
	if (!r && k->kind == FACT_ADDRESS && !address_valid(n->text))
		r = schema_refuse(rd, n->line, "address is none; expected one like 192.0.2.7");
	if (!r)
		*(const char **)at = n->text;
	return r;
}

static void no_facts(struct facts *f, enum facts_subject subject)
{
	static const enum facts_stage last[] = {
		[FACTS_CALL] = FACTS_DONE,
		[FACTS_EXEC] = FACTS_PROCESS,
		[FACTS_CONNECT] = FACTS_HOST,
		[FACTS_TOOL_CALL] = FACTS_DONE,
	};

	*f = (struct facts){.subject = subject, .stage = last[subject]};
	for (size_t i = 0; fact_key_at(i); i++) {
		const struct fact_key *k = fact_key_at(i);

		if (k->kind == FACT_TEXT || k->kind == FACT_ADDRESS)
			*(const char **)((char *)f + k->offset) = "";
	}
}

int pack_case_facts(struct reading *rd, const struct doc_node *given, struct facts *ret)
{
	const struct doc_node *service = doc_get(given, "service"), *on = doc_get(given, "on");
	size_t subject = FACTS_CALL;
	int r = on ? schema_word(rd, on, "on", words_on, &subject) : 0;

	if (r)
		return r;
	no_facts(ret, subject);
	/* A named service is a known one, unless `known` says otherwise. */
	ret->service_known = service && service->kind == DOC_TEXT && service->len &&
			     strcmp(service->text, "unknown");
	for (const struct doc_node *n = given->first; !r && n; n = n->next)
		r = read_fact(rd, n, ret);
	return r;
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

static int read_disposition(struct reading *rd, const struct doc_node *map, const char *key,
			    int *ret)
{
	const struct doc_node *n = doc_get(map, key);
	size_t at;
	int r = n ? schema_word(rd, n, key, words_disposition, &at) : 0;

	*ret = n && !r ? (int)at : -1;
	return r;
}

static int read_set(struct reading *rd, const struct doc_node *map, const char *key, bool *ret_has,
		    uint8_t ret[PACK_RULES_MAX])
{
	const struct doc_node *n = doc_get(map, key);

	*ret_has = n;
	return n ? read_ids(rd, n, ret) : 0;
}

int pack_case_expect(struct reading *rd, const struct doc_node *n, struct expectation *ret)
{
	const struct doc_node *v;
	int r = schema_map(rd, n, "expect", keys_expect);

	if (r)
		return r;
	if (!n->children)
		return schema_refuse(rd, n->line,
				     "expect is empty; expected disposition, rules, unknown, risk "
				     "or deciding");
	*ret = (struct expectation){.deciding = -1};
	r = read_disposition(rd, n, "disposition", &ret->disposition);
	if (!r)
		r = read_disposition(rd, n, "would", &ret->would);
	if (!r)
		r = read_set(rd, n, "rules", &ret->has_rules, ret->fired);
	if (!r)
		r = read_set(rd, n, "unknown", &ret->has_unknown, ret->unknown);
	if (!r)
		r = read_set(rd, n, "monitored", &ret->has_monitored, ret->monitored);
	if (!r)
		r = read_set(rd, n, "excepted", &ret->has_excepted, ret->excepted);
	v = doc_get(n, "risk");
	ret->has_risk = v;
	if (v && !r)
		r = schema_risk(rd, v, "risk", &ret->risk);
	v = doc_get(n, "deciding");
	if (v && !r)
		r = read_deciding(rd, v, &ret->deciding);
	return r;
}

static int read_case(struct reading *rd, const struct doc_node *n, struct pack_case *c)
{
	const struct doc_node *name;
	struct expectation e;
	struct facts f;
	int r = schema_map(rd, n, "a test", keys_test);

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
