// SPDX-License-Identifier: Apache-2.0
/*
 * Rules name hosts, services (which the catalog expands into host patterns) or neither (then every
 * AI host of the catalog). The kernel looks a name up once and gets the longest match only, so each
 * pattern must carry the rules of all wider patterns that cover it: that union is made here.
 *
 * Limit: KRULES_HOSTS_MAX patterns. A rule that does not fit stays out of the kernel entirely, is
 * named in one log line, and is decided by the agent like any rule on content.
 */
#include "krules.h"

#include <stdlib.h>
#include <string.h>

#include "agent/worker/judge.h"
#include "base/cleanup.h"
#include "base/log.h"

#define KRULES_HOSTS_MAX 1200 /* with users they fit one message */
#define KRULES_USERS_MAX 256

struct set {
	struct role_krule_host host[KRULES_HOSTS_MAX];
	struct role_krule_user user[KRULES_USERS_MAX];
	size_t hosts, users;
	uint64_t bit, full; /* full: rules that did not fit */
};

static void add_host(void *ctx, const char *pattern)
{
	struct set *s = ctx;
	size_t i = 0;

	if (strlen(pattern) >= sizeof(s->host[0].pattern) - 1 || strchr(pattern + 1, '*')) {
		s->full |= s->bit; /* the kernel knows only "name" and "*.suffix" */
		return;
	}
	while (i < s->hosts && strcmp(s->host[i].pattern, pattern))
		i++;
	if (i == KRULES_HOSTS_MAX) {
		s->full |= s->bit;
		return;
	}
	if (i == s->hosts) {
		s->hosts++;
		strcpy(s->host[i].pattern, pattern);
		s->host[i].rules = 0;
	}
	s->host[i].rules |= s->bit;
}

static void add_user(struct set *s, const char *pattern)
{
	if (s->users == KRULES_USERS_MAX || strlen(pattern) >= sizeof(s->user[0].pattern)) {
		s->full |= s->bit;
		return;
	}
	strcpy(s->user[s->users].pattern, pattern);
	s->user[s->users++].rules = s->bit;
}

static bool covers(const char *wide, const char *narrow)
{
	size_t w = strlen(wide), n = strlen(narrow);

	/* "*.x.com" covers "a.x.com" and "*.a.x.com", not itself */
	return wide[0] == '*' && n > w - 1 && strcmp(wide, narrow) &&
	       !strcasecmp(narrow + n - (w - 1), wide + 1);
}

static void spread(struct set *s)
{
	for (size_t i = 0; i < s->hosts; i++)
		for (size_t k = 0; k < s->hosts; k++)
			if (covers(s->host[k].pattern, s->host[i].pattern))
				s->host[i].rules |= s->host[k].rules;
}

static void add_rule(struct worker *w, struct set *s, const struct pack_krule *r,
		     struct role_krules *head)
{
	for (size_t i = 0; i < r->hosts.n; i++)
		add_host(s, r->hosts.v[i]);
	for (size_t i = 0; i < r->services.n; i++)
		if (!catalog_service_hosts(w->catalog, r->services.v[i], add_host, s))
			s->full |= s->bit; /* no host stands for it: content must tell */
	if (r->any_host)
		catalog_service_hosts(w->catalog, "*", add_host, s);
	for (size_t i = 0; i < r->users.n; i++)
		add_user(s, r->users.v[i]);
	head->any_user |= r->any_user ? s->bit : 0;
	head->any_tool |= r->any_tool ? s->bit : 0;
	head->all |= s->bit;
}

static void judge_again(void *ctx, struct proc *p)
{
	p->rules = 0;
	judge_process(ctx, p);
}

void krules_send(struct worker *w)
{
	_cleanup_free_ struct set *s = calloc(1, sizeof(*s));
	struct role_krules head = {.generation = w->generation};
	_cleanup_free_ uint8_t *msg = NULL;
	size_t hosts, users;

	if (!s)
		return;
	for (size_t i = 0; w->enforce && i < w->krules; i++) {
		/* A bit without krule_do kills: no other rule may be sent like that. */
		if (w->krule[i].content || w->krule[i].then_only ||
		    pack_rule_disposition(w->pack, w->krule[i].index) != DISPOSITION_KILL)
			continue;
		s->bit = 1ull << i;
		add_rule(w, s, &w->krule[i], &head);
		if (s->full & s->bit)
			log_info(
				"rule %s is partly or wholly decided by the agent: not all its hosts or "
				"users can be told to the kernel",
				pack_rule_id(w->pack, w->krule[i].index));
	}
	spread(s);
	head.hosts = s->hosts;
	head.users = s->users;
	hosts = s->hosts * sizeof(s->host[0]);
	users = s->users * sizeof(s->user[0]);
	msg = malloc(sizeof(head) + hosts + users);
	if (!msg)
		return;
	memcpy(msg, &head, sizeof(head));
	memcpy(msg + sizeof(head), s->host, hosts);
	memcpy(msg + sizeof(head) + hosts, s->user, users);
	tell_keeper(w, ROLE_KRULES, msg, sizeof(head) + hosts + users);
	procs_each(w->procs, judge_again, w); /* the kernel forgot who runs which tool */
}
