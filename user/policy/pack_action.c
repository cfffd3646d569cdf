// SPDX-License-Identifier: Apache-2.0
/*
 * What a rule says beyond its match: how a refusal is made, what is done without an answer, what is
 * masked, how long a grant lives. A key that could change nothing is refused: `redact:` in a rule
 * that denies is a mistake and not a wish.
 */
#include <errno.h>
#include <string.h>

#include "pack_impl.h"
#include "pack_keys.h"
#include "proto/gate.h"
#include "schema.h"

#define HOLD_S 3600
#define HOLD_MAX_MS (30ull * 86400000)
#define BLOCK_MAX_MS 300000

_Static_assert(REFUSE_ERROR == 1 && REFUSE_SHUTDOWN == 2 && REFUSE_KILL == 4,
	       "bits by the order of words_refuse");

/* Refuses `key` unless the rule is one it concerns. */
static int only(struct reading *rd, const struct doc_node *n, bool fits, const char *expected)
{
	return fits ? 0
		    : schema_refuse(rd, n->key_line,
				    "\"%s\" changes nothing in this rule; expected %s", n->key,
				    expected);
}

static bool gated(const struct rule *rule)
{
	return rule->disposition >= DISPOSITION_HOLD;
}

static int read_fail(struct reading *rd, const struct doc_node *n, struct rule *rule)
{
	bool fits = gated(rule) && (rule->action.on == FACTS_CALL || rule->action.on == FACTS_EXEC);
	size_t at;
	int r = only(rd, n, fits,
		     "it in a rule on: call or exec that holds, redacts, denies or "
		     "kills");

	if (!r)
		r = schema_word(rd, n, "fail", words_fail, &at);
	if (!r)
		rule->action.fail = at;
	return r;
}

static int read_unknown(struct reading *rd, const struct doc_node *n, struct rule *rule)
{
	static const enum disposition of[] = {DISPOSITION_ALLOW, DISPOSITION_ALERT,
					      DISPOSITION_DENY};
	size_t at;
	int r = schema_word(rd, n, "unknown", words_unknown, &at);

	if (!r && of[at] == DISPOSITION_DENY)
		r = only(rd, n, gated(rule) && rule->action.on != FACTS_TOOL_CALL,
			 "unknown: deny in a rule that refuses");
	if (!r)
		rule->action.unknown = of[at];
	return r;
}

static int read_refuse(struct reading *rd, const struct doc_node *n, struct rule *rule)
{
	enum disposition d = rule->disposition;
	bool fits = rule->action.on == FACTS_CALL &&
		    (d == DISPOSITION_DENY || d == DISPOSITION_HOLD || d == DISPOSITION_REDACT);
	int r = only(rd, n, fits, "it in a rule on: call that holds, redacts or denies");

	return r ? r : schema_words(rd, n, "refuse", words_refuse, &rule->action.refuse);
}

static int read_quic(struct reading *rd, const struct doc_node *n, struct rule *rule)
{
	bool fits =
		gated(rule) && (rule->action.on == FACTS_CALL || rule->action.on == FACTS_CONNECT);
	size_t at;
	int r = only(rd, n, fits,
		     "it in a rule on: call or connect that holds, redacts, denies or "
		     "kills");

	if (!r)
		r = schema_word(rd, n, "quic", words_quic, &at);
	if (!r)
		rule->action.drop_quic = true;
	return r;
}

static int read_else(struct reading *rd, const struct doc_node *n, struct rule *rule)
{
	static const enum disposition of[] = {DISPOSITION_ALLOW, DISPOSITION_ALERT,
					      DISPOSITION_HOLD, DISPOSITION_DENY, DISPOSITION_KILL};
	size_t at;
	int r = only(rd, n, rule->disposition == DISPOSITION_REDACT, "it with disposition: redact");

	if (!r)
		r = schema_word(rd, n, "else", words_else, &at);
	if (!r)
		rule->action.otherwise = of[at];
	return r;
}

static int read_hold(struct reading *rd, const struct doc_node *n, struct rule *rule)
{
	const struct doc_node *v;
	uint64_t ms;
	int r = only(rd, n,
		     rule->disposition == DISPOSITION_HOLD ||
			     rule->action.otherwise == DISPOSITION_HOLD,
		     "it with disposition: hold or else: hold");

	if (!r)
		r = schema_map(rd, n, "hold", keys_hold);
	v = r ? NULL : doc_get(n, "for");
	if (v) {
		r = schema_duration(rd, v, "for", 1000, HOLD_MAX_MS, &ms);
		if (!r && ms % 1000)
			r = schema_refuse(rd, v->line,
					  "for is no whole number of seconds; "
					  "expected one");
		if (!r)
			rule->action.hold_s = ms / 1000;
	}
	v = r ? NULL : doc_get(n, "block");
	if (v)
		r = schema_duration(rd, v, "block", 1, BLOCK_MAX_MS, &ms);
	if (v && !r)
		rule->action.block_ms = ms;
	return r;
}

/* --- lists ------------------------------------------------------------------------------------- */

static int add(struct reading *rd, const struct doc_node *v, const char *what, const char *s,
	       struct facts_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->v[i], s))
			return schema_refuse(rd, v->line, "%s names \"%s\" twice; expected it once",
					     what, s);
	if (l->n == FACTS_LIST_MAX)
		return schema_refuse_r(rd, v->line, -E2BIG, "%s has more than %d values", what,
				       FACTS_LIST_MAX);
	l->v[l->n++] = s;
	return 0;
}

static int read_controls(struct reading *rd, const struct doc_node *n, struct rule *rule)
{
	const struct doc_node *v;
	char clip[64];
	size_t count;
	int r = schema_values(rd, n, "controls", 1, &v, &count);

	for (; !r && count; count--, v = v->next) {
		size_t k = 0;

		r = schema_text(rd, v, "controls");
		while (!r && words_controls[k] && strcmp(words_controls[k], v->text))
			k++;
		if (!r && !words_controls[k])
			r = schema_refuse(rd, v->line,
					  "\"%s\" is no control of ISO/IEC 42001 Annex A; expected "
					  "A.2.2 to A.10.4",
					  doc_clip(clip, sizeof(clip), v->text));
		if (!r)
			r = add(rd, v, "controls", words_controls[k], &rule->action.controls);
	}
	return r;
}

static int read_redact_list(struct reading *rd, const struct doc_node *n, struct rule *rule)
{
	const struct doc_node *v;
	struct glob g;
	size_t count;
	int r = only(rd, n, rule->disposition == DISPOSITION_REDACT, "it with disposition: redact");

	if (!r)
		r = schema_values(rd, n, "redact", 1, &v, &count);
	for (; !r && count; count--, v = v->next) {
		r = schema_text(rd, v, "redact");
		if (!r && !v->len)
			r = schema_refuse(rd, v->line, "redact names \"\"; expected a data class");
		if (r)
			break;
		glob_compile(v->text, &g);
		r = add(rd, v, "redact", v->text, &rule->action.redact);
	}
	return r;
}

/* Without a list of its own a rule masks what it asks for. */
static int default_redact(struct reading *rd, const struct doc_node *n, struct rule *rule)
{
	const struct cond *c = match_find(&rule->match, "data_class");

	if (rule->disposition != DISPOSITION_REDACT || rule->action.redact.n)
		return 0;
	if (!c || c->n_regexes || c->n > FACTS_LIST_MAX)
		return schema_refuse(
			rd, n->line,
			"rule %s says not what to mask; expected \"redact:\" with data "
			"classes, or data_class in its match",
			rule->id);
	for (size_t i = 0; i < c->n; i++)
		rule->action.redact.v[rule->action.redact.n++] = c->globs[i].pattern;
	return 0;
}

/* --- all of it --------------------------------------------------------------------------------- */

static const struct {
	const char *key;
	int (*read)(struct reading *rd, const struct doc_node *n, struct rule *rule);
} readers[] = {
	/* `else` before `hold`, which asks for it */
	{"controls", read_controls}, {"fail", read_fail}, {"unknown", read_unknown},
	{"refuse", read_refuse},     {"quic", read_quic}, {"redact", read_redact_list},
	{"else", read_else},	     {"hold", read_hold},
};

int pack_read_action(struct reading *rd, const struct doc_node *n, struct rule *rule)
{
	struct pack_action *a = &rule->action;
	int r = 0;

	a->otherwise = DISPOSITION_DENY;
	a->refuse = REFUSE_ERROR | REFUSE_SHUTDOWN;
	a->hold_s = HOLD_S;
	for (size_t i = 0; !r && i < sizeof(readers) / sizeof(readers[0]); i++) {
		const struct doc_node *v = doc_get(n, readers[i].key);

		if (v)
			r = readers[i].read(rd, v, rule);
	}
	return r ? r : default_redact(rd, n, rule);
}

/* --- then -------------------------------------------------------------------------------------- */

static int read_ids(struct reading *rd, const struct doc_node *n, enum facts_subject on,
		    struct facts_list *ret)
{
	const struct doc_node *v;
	struct pack *p = rd->pack;
	size_t count;
	char clip[64];
	int r = schema_values(rd, n, n->key, 1, &v, &count);

	for (; !r && count; count--, v = v->next) {
		int i;

		r = schema_text(rd, v, n->key);
		if (r)
			break;
		i = pack_rule_by_id(p, v->text);
		if (i < 0 || p->rules[i].action.on != on)
			return schema_refuse(rd, v->line,
					     "no rule on: %s has the id \"%s\"; expected one of "
					     "this pack",
					     words_on[on], doc_clip(clip, sizeof(clip), v->text));
		if (p->rules[i].disposition < DISPOSITION_DENY)
			return schema_refuse(rd, v->line,
					     "rule %s refuses nothing; expected one that denies or "
					     "kills",
					     p->rules[i].id);
		r = add(rd, v, n->key, p->rules[i].id, ret);
		p->rules[i].then_only = true;
	}
	return r;
}

static int read_then(struct reading *rd, const struct doc_node *n, struct rule *rule)
{
	const struct doc_node *exec, *connect;
	int r = only(rd, n, rule->action.on == FACTS_TOOL_CALL, "it in a rule on: tool_call");

	if (!r)
		r = schema_map(rd, n, "then", keys_then);
	if (!r && !n->children)
		r = schema_refuse(rd, n->line,
				  "then is an empty mapping; expected exec or connect");
	if (r)
		return r;
	exec = doc_get(n, "exec");
	if (exec)
		r = read_ids(rd, exec, FACTS_EXEC, &rule->action.tree_exec);
	connect = doc_get(n, "connect");
	if (connect && !r)
		r = read_ids(rd, connect, FACTS_CONNECT, &rule->action.tree_connect);
	return r;
}

int pack_read_then(struct reading *rd, const struct doc_node *rules)
{
	size_t i = 0;
	int r = 0;

	for (const struct doc_node *c = rules->first; !r && c; c = c->next, i++) {
		const struct doc_node *n = doc_get(c, "then");

		if (n)
			r = read_then(rd, n, &rd->pack->rules[i]);
	}
	return r;
}
