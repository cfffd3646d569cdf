// SPDX-License-Identifier: Apache-2.0
/*
 * Where each rule is decided, said once when the pack is read: in the kernel on its own, in the
 * kernel by file, while a write waits for the worker, or by the agent after the fact. A rule that
 * would refuse and could not is refused itself, by name and with the reason.
 *
 * The kernel decides alone: deny and kill rules on calls and connections that ask, positively, for
 * nothing but host or service, tool, user and (on: connect) address. It compares hosts as exact
 * names or suffixes, addresses as prefixes and everything else as one bit per rule, hence the
 * limits: hosts with at most a leading "*.", FACTS_LIST_MAX values per word, KRULES_MAX rules.
 */
#include <errno.h>
#include <string.h>

#include "pack_impl.h"
#include "pack_keys.h"
#include "schema.h"

static bool is_key(const struct cond *c, const char *key)
{
	return !strcmp(c->key->name, key);
}

static bool kernel_host(const struct glob *g)
{
	const char *s = g->pattern;

	if (!strncmp(s, "*.", 2))
		s += 2;
	return *s && !strpbrk(s, "*?");
}

static const char *why_not_cond(const struct cond *c)
{
	if (c->key->not_kernel)
		return c->key->not_kernel;
	if (c->n_regexes)
		return "it has a regular expression; the kernel compares names";
	if (c->n > FACTS_LIST_MAX)
		return "it lists more than 64 values for one word";
	for (size_t i = 0; is_key(c, "host") && i < c->n; i++)
		if (!kernel_host(&c->globs[i]))
			return "a host pattern has more than a leading \"*.\"";
	return NULL;
}

static const char *why_not_group(const struct match *m)
{
	static const char *const why[] = {
		[GROUP_ALL] = "it uses all; write its conditions side by side",
		[GROUP_ANY] = "it uses any; write one rule for each alternative",
		[GROUP_NOT] = "it uses not; the kernel compares only what a rule names",
	};
	int worst = GROUP_ALL;

	for (size_t i = 0; i < m->n_groups; i++)
		if ((int)m->groups[i].kind > worst)
			worst = m->groups[i].kind;
	return m->n_groups ? why[worst] : NULL;
}

static const char *why_not_disposition(const struct rule *rule)
{
	switch (rule->disposition) {
	case DISPOSITION_ALLOW:
	case DISPOSITION_ALERT:
		return "it neither denies nor kills";
	case DISPOSITION_HOLD:
		return "it asks whether somebody approved";
	case DISPOSITION_REDACT:
		return "it masks bytes of the request";
	case DISPOSITION_DENY:
	case DISPOSITION_KILL:
		break;
	}
	return rule->action.on == FACTS_TOOL_CALL ? "it is about a model's answer" : NULL;
}

static const char *why_not(const struct rule *rule)
{
	const struct match *m = &rule->match;
	const char *why = why_not_disposition(rule);

	for (size_t i = 0; !why && i < m->n; i++)
		why = why_not_cond(&m->conds[i]);
	if (!why)
		why = why_not_group(m);
	if (!why && rule->action.on == FACTS_CALL && match_find(m, "address"))
		why = "an address alone is no AI call; ask for it in a rule on: connect";
	if (!why && rule->n_exceptions)
		why = "it has exceptions; the kernel compares only what a rule names";
	/* Services become hosts, and the kernel joins hosts and addresses by "or". */
	if (!why && match_find(m, "host") && match_find(m, "service"))
		why = "it asks for host and service together; ask for one of them";
	if (!why && match_find(m, "address") && (match_find(m, "host") || match_find(m, "service")))
		why = "it asks for a name and an address together; ask for one of them";
	return why;
}

/* --- what could never be enforced -------------------------------------------------------------- */

static int refuse(struct reading *rd, const struct rule *rule, const char *why,
		  const char *expected)
{
	return schema_refuse(rd, rule->line, "rule %s cannot be enforced: %s; expected %s",
			     rule->id, why, expected);
}

static void caller_inside(void *ctx, const struct cond *c)
{
	const char **word = ctx;

	if (c->key->of_caller)
		*word = c->key->name;
}

static void file_inside(void *ctx, const struct cond *c)
{
	*(bool *)ctx |= !c->key->of_caller;
}

/* The kernel knows user and tree, the worker knows the file; both are joined by "and". */
static int check_exec(struct reading *rd, const struct rule *rule)
{
	const struct match *m = &rule->match;
	const struct cond *user = match_find(m, "user"), *tree = match_find(m, "in_tree");
	const char *inside = NULL;
	bool file = false;

	if (rule->disposition == DISPOSITION_ALLOW || rule->disposition == DISPOSITION_HOLD ||
	    rule->disposition == DISPOSITION_REDACT)
		return refuse(rd, rule, "a program is run or not", "alert, deny or kill");
	for (size_t i = 0; i < m->n_groups; i++)
		for (size_t k = 0; k < m->groups[i].n; k++)
			match_each(&m->groups[i].subs[k], caller_inside, &inside);
	for (size_t i = 0; i < rule->n_exceptions; i++)
		match_each(&rule->exceptions[i].match, caller_inside, &inside);
	if (inside)
		return schema_refuse(
			rd, rule->line,
			"rule %s cannot be enforced: the kernel compares %s only as it "
			"stands; expected it directly in match",
			rule->id, inside);
	match_each(m, file_inside, &file);
	if (!file)
		return refuse(rd, rule, "it names no program",
			      "exe, exe_sha256, script, package or tool");
	if (tree && !tree->want)
		return refuse(rd, rule,
			      "the kernel knows who is below an AI tool, and not who is "
			      "not",
			      "in_tree: true");
	if (user && (user->n_regexes || user->n > FACTS_LIST_MAX))
		return refuse(rd, rule, "user is compared by the kernel",
			      "up to 64 names or globs");
	return 0;
}

static int check_connect(struct reading *rd, const struct rule *rule)
{
	if (rule->disposition < DISPOSITION_DENY)
		return refuse(rd, rule, "a connection is made or not",
			      "deny or kill (with mode: monitor it only tells)");
	if (rule->not_kernel)
		return refuse(rd, rule, rule->not_kernel, "what the kernel can compare");
	return 0;
}

static int check_call(struct reading *rd, const struct rule *rule)
{
	bool late = rule->disposition >= DISPOSITION_HOLD && rule->not_kernel && !rule->content;

	if (!late || rule->disposition == DISPOSITION_KILL)
		return 0;
	return refuse(rd, rule, "it asks for what only the answer shows, when the request has left",
		      "alert or kill, or a rule on: tool_call");
}

static int check_tool_call(struct reading *rd, const struct rule *rule)
{
	enum disposition d = rule->disposition;

	if (d == DISPOSITION_ALLOW || d == DISPOSITION_ALERT || d == DISPOSITION_KILL)
		return 0;
	return refuse(rd, rule, "the model has asked already",
		      "allow, alert or kill, and \"then:\" for what its agent may not do");
}

/* --- places ------------------------------------------------------------------------------------ */

static bool counts(const struct rule *rule)
{
	return !rule->not_kernel || rule->content;
}

static int place(struct reading *rd, struct rule *rule, size_t *krules, size_t *execs)
{
	size_t *n = rule->action.on == FACTS_EXEC ? execs : krules;

	if (rule->action.on != FACTS_EXEC && !counts(rule))
		return 0;
	if (*n < KRULES_MAX) {
		rule->krule = (*n)++;
		return 0;
	}
	if (rule->action.on == FACTS_CALL && rule->disposition == DISPOSITION_KILL) {
		rule->not_kernel = "the kernel holds 64 rules, and there are 64 before it";
		return 0;
	}
	return refuse(rd, rule, "the kernel holds 64 rules of a kind, and there are 64 before it",
		      "fewer");
}

static uint64_t bits_of(const struct pack *p, const struct facts_list *ids)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < ids->n; i++)
		bits |= 1ull << p->rules[pack_rule_by_id(p, ids->v[i])].krule;
	return bits;
}

int pack_place_rules(struct reading *rd)
{
	static int (*const check[])(struct reading * rd, const struct rule *rule) = {
		[FACTS_CALL] = check_call,
		[FACTS_EXEC] = check_exec,
		[FACTS_CONNECT] = check_connect,
		[FACTS_TOOL_CALL] = check_tool_call,
	};
	struct pack *p = rd->pack;
	size_t krules = 0, execs = 0;
	int r = 0;

	for (size_t i = 0; !r && i < p->n_rules; i++) {
		struct rule *rule = &p->rules[i];

		rule->krule = -1;
		rule->not_kernel = rule->action.on == FACTS_EXEC ? NULL : why_not(rule);
		rule->content = rule->action.on == FACTS_CALL && rule->not_kernel &&
				rule->disposition >= DISPOSITION_HOLD &&
				match_may(&rule->match, true);
		r = check[rule->action.on](rd, rule);
		if (!r)
			r = place(rd, rule, &krules, &execs);
	}
	for (size_t i = 0; !r && i < p->n_rules; i++) {
		struct pack_action *a = &p->rules[i].action;

		a->tree_exec_bits = bits_of(p, &a->tree_exec);
		a->tree_connect_bits = bits_of(p, &a->tree_connect);
	}
	return r;
}

const char *pack_krule_reason(const struct pack *p, size_t i)
{
	return p->rules[i].not_kernel;
}

bool pack_rule_content(const struct pack *p, size_t i)
{
	return p->rules[i].content;
}

/* --- for the kernel ---------------------------------------------------------------------------- */

/* What the kernel can compare of it; of a content rule the rest is left to the worker. */
static bool take(const struct rule *rule, const char *key, struct facts_list *ret)
{
	const struct cond *c = match_find(&rule->match, key);

	if (!c || why_not_cond(c))
		return false;
	for (size_t i = 0; i < c->n; i++)
		ret->v[ret->n++] = c->globs[i].pattern;
	return true;
}

size_t pack_krules(const struct pack *p, struct pack_krule ret[static 64])
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_rules; i++) {
		const struct rule *rule = &p->rules[i];
		struct pack_krule *k;
		bool host;

		if (rule->action.on == FACTS_EXEC || rule->krule < 0)
			continue;
		k = &ret[n++];
		*k = (struct pack_krule){.index = i,
					 .content = rule->content,
					 .then_only = rule->then_only};
		host = take(rule, "host", &k->hosts);
		/* Both: by host alone is too much, which a content rule may. */
		host = host || take(rule, "service", &k->services);
		k->any_host = !take(rule, "address", &k->nets) && !host;
		k->any_tool = !take(rule, "tool", &k->tools);
		k->any_user = !take(rule, "user", &k->users);
	}
	return n;
}

uint64_t pack_krules_tool(const struct pack_krule *r, size_t n, const char *tool)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < n && i < KRULES_MAX; i++) {
		bool hit = r[i].any_tool;

		for (size_t k = 0; !hit && k < r[i].tools.n; k++)
			hit = glob_match(r[i].tools.v[k], tool);
		bits |= (uint64_t)hit << i;
	}
	return bits;
}

/* It names programs only by what they are not. */
static bool is_allowlist(const struct match *m)
{
	for (size_t i = 0; i < m->n; i++)
		if (!m->conds[i].key->of_caller)
			return false;
	for (size_t i = 0; i < m->n_groups; i++)
		if (m->groups[i].kind != GROUP_NOT)
			return false;
	return m->n_groups > 0;
}

size_t pack_exec_rules(const struct pack *p, struct pack_exec_rule ret[static 64])
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_rules; i++) {
		const struct rule *rule = &p->rules[i];
		const struct cond *user = match_find(&rule->match, "user");
		struct pack_exec_rule *e;

		if (rule->action.on != FACTS_EXEC)
			continue;
		e = &ret[n++];
		*e = (struct pack_exec_rule){.index = i,
					     .any_user = !user,
					     .in_tree = match_find(&rule->match, "in_tree"),
					     .allowlist = is_allowlist(&rule->match),
					     .then_only = rule->then_only};
		for (size_t k = 0; user && k < user->n; k++)
			e->users.v[e->users.n++] = user->globs[k].pattern;
	}
	return n;
}
