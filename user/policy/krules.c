// SPDX-License-Identifier: Apache-2.0
/*
 * Which kill rules the kernel can decide on its own, before the request is encrypted: those that
 * ask, positively, for nothing but host or service, tool and user. The kernel compares hosts as
 * exact names or suffixes and everything else as one bit per rule, hence the limits: hosts with at
 * most a leading "*.", FACTS_LIST_MAX values per word, KRULES_MAX rules. A rule outside them is
 * still decided, by the agent, after the request was seen; why is said for every such rule.
 */
#include <string.h>

#include "pack_impl.h"

#define KRULES_MAX 64

/* Static text per word, so that a reason needs no memory. */
static const char *asks_for(const char *key)
{
	static const char *const late[][2] = {
		{"group", "it asks for group; the kernel compares users, tools and hosts only"},
		{"exe", "it asks for exe; the kernel compares users, tools and hosts only"},
		{"cgroup", "it asks for cgroup; the kernel compares users, tools and hosts only"},
		{"container",
		 "it asks for container; the kernel compares users, tools and hosts only"},
		{"vendor", "it asks for vendor; name the services instead"},
		{"evidence", "it asks for evidence; name the services instead"},
		{"known", "it asks for known; an unknown service is recognised by its request"},
		{"operation", "it asks for operation, which only the request shows"},
		{"model", "it asks for model, which only the request shows"},
		{"dialect", "it asks for dialect, which only the request shows"},
		{"tool_offered", "it asks for tool_offered, which only the request shows"},
		{"data_class", "it asks for data_class, which only the request and answer show"},
		{"tool_call", "it asks for tool_call, which only the answer shows"},
		{"completeness", "it asks for completeness, which only the end of the call shows"},
	};

	for (size_t i = 0; i < sizeof(late) / sizeof(late[0]); i++)
		if (!strcmp(late[i][0], key))
			return late[i][1];
	return "it asks for something only the agent knows";
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
	if (!c->key->in_kernel)
		return asks_for(c->key->name);
	if (c->n > FACTS_LIST_MAX)
		return "it lists more than 64 values for one word";
	for (size_t i = 0; !strcmp(c->key->name, "host") && i < c->n; i++)
		if (!kernel_host(&c->globs[i]))
			return "a host pattern has more than a leading \"*.\"";
	return NULL;
}

static const struct cond *find(const struct rule *rule, const char *key)
{
	for (size_t i = 0; i < rule->all.n; i++)
		if (!strcmp(rule->all.conds[i].key->name, key))
			return &rule->all.conds[i];
	return NULL;
}

static const char *why_not(const struct rule *rule)
{
	if (rule->disposition != DISPOSITION_KILL)
		return "it is not a kill rule";
	for (size_t i = 0; i < rule->all.n; i++) {
		const char *why = why_not_cond(&rule->all.conds[i]);

		if (why)
			return why;
	}
	if (rule->n_none)
		return "it uses not; the kernel compares only what a rule names";
	if (rule->n_any)
		return "it uses any; write one rule for each alternative";
	/* Services become hosts, and the kernel joins hosts by "or". */
	if (find(rule, "host") && find(rule, "service"))
		return "it asks for host and service together; ask for one of them";
	return NULL;
}

void pack_mark_krules(struct pack *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_rules; i++) {
		struct rule *rule = &p->rules[i];

		rule->not_kernel = why_not(rule);
		if (!rule->not_kernel && n++ >= KRULES_MAX)
			rule->not_kernel = "the kernel holds 64 rules, and there are 64 before it";
	}
}

const char *pack_krule_reason(const struct pack *p, size_t i)
{
	return p->rules[i].not_kernel;
}

static bool take(const struct rule *rule, const char *key, struct facts_list *ret)
{
	const struct cond *c = find(rule, key);

	for (size_t i = 0; c && i < c->n; i++)
		ret->v[ret->n++] = c->globs[i].pattern;
	return c;
}

size_t pack_krules(const struct pack *p, struct pack_krule ret[static 64])
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_rules; i++) {
		const struct rule *rule = &p->rules[i];
		struct pack_krule *k = &ret[n];
		bool host, service;

		if (rule->not_kernel)
			continue;
		*k = (struct pack_krule){.index = i};
		host = take(rule, "host", &k->hosts);
		service = take(rule, "service", &k->services);
		k->any_host = !host && !service;
		k->any_tool = !take(rule, "tool", &k->tools);
		k->any_user = !take(rule, "user", &k->users);
		n++;
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
