// SPDX-License-Identifier: Apache-2.0
/*
 * One rule: what it is called, what it is about, which facts it asks for, what it does. `on` is read
 * before everything else, because it says which facts there are.
 */
#include <errno.h>
#include <string.h>

#include "pack_impl.h"
#include "pack_keys.h"
#include "schema.h"

/* For people only: not kept, but still text. May be long and have several lines. */
int pack_read_description(struct reading *rd, const struct doc_node *map)
{
	const struct doc_node *n = doc_get(map, "description");

	if (n && n->kind != DOC_TEXT)
		return schema_refuse(rd, n->line, "description is no text; expected a text");
	return 0;
}

static int read_severity(struct reading *rd, const struct doc_node *map, struct rule *rule)
{
	const struct doc_node *n = doc_get(map, "severity");
	size_t at = 2; /* medium */
	int r = n ? schema_word(rd, n, "severity", words_severity, &at) : 0;

	if (!r)
		rule->severity = words_severity[at];
	return r;
}

static int read_disposition(struct reading *rd, const struct doc_node *map, struct rule *rule)
{
	const struct doc_node *n;
	size_t at;
	int r = schema_need(rd, map, "a rule", "disposition", &n);

	if (!r)
		r = schema_word(rd, n, "disposition", words_disposition, &at);
	if (!r)
		rule->disposition = at;
	return r;
}

static int read_on(struct reading *rd, const struct doc_node *map, struct rule *rule)
{
	const struct doc_node *n = doc_get(map, "on");
	size_t at = FACTS_CALL;
	int r = n ? schema_word(rd, n, "on", words_on, &at) : 0;

	if (!r)
		rule->action.on = at;
	return r;
}

static int read_rule_id(struct reading *rd, const struct doc_node *map, struct rule *rule)
{
	const struct doc_node *n;
	int r = schema_need(rd, map, "a rule", "id", &n), before;

	if (!r)
		r = schema_id(rd, n, "id");
	if (r)
		return r;
	before = pack_rule_by_id(rd->pack, n->text);
	if (before >= 0)
		return schema_refuse(rd, n->line,
				     "rule id \"%s\" is used twice (first on line %u); expected a "
				     "new one",
				     n->text, rd->pack->rules[before].line);
	rule->id = n->text;
	rule->line = n->line;
	return 0;
}

int pack_read_rule(struct reading *rd, const struct doc_node *n, struct rule *rule)
{
	const struct doc_node *match, *risk;
	int r = schema_map(rd, n, "a rule", keys_rule);

	if (!r)
		r = read_rule_id(rd, n, rule);
	if (!r)
		r = pack_read_description(rd, n);
	if (!r)
		r = read_severity(rd, n, rule);
	if (!r)
		r = read_on(rd, n, rule);
	if (!r)
		r = read_disposition(rd, n, rule);
	if (r)
		return r;
	risk = doc_get(n, "risk");
	if (risk)
		r = schema_risk(rd, risk, "risk", &rule->risk);
	match = doc_get(n, "match");
	if (match && !r)
		r = pack_read_match(rd, match, "match", rule->action.on, &rule->match);
	if (!r)
		r = pack_read_action(rd, n, rule);
	return r ? r : pack_read_limits(rd, n, rule);
}
