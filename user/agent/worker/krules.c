// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: the pack's kernel rules and the catalog. Flows out: ROLE_KRULES, the sets of hosts, users
 * and address ranges, each with the bits of the rules that name it.
 *
 * Rules name hosts, services (which the catalog expands into host patterns), addresses or none of
 * them (then every AI host of the catalog). The kernel looks a name or an address up once and gets the
 * longest match only, so each pattern carries the rules of all wider ones that cover it: that union
 * is made here.
 *
 * A host that carries other traffic as well (evidence "shared") is never refused by name. A rule
 * that would gets a second bit for its shared hosts, which makes writes there wait for the worker:
 * krules_split() appends it to the worker's rules, and both bits mean the same rule of the pack.
 * Rules on connections that write such a host out mean it.
 *
 * The sets of one generation are the same at all times, because connections keep what was found in
 * them; `all` says which rules hold now (schedules, rollout).
 *
 * Limits: KRULES_HOSTS_MAX patterns, KRULES_USERS_MAX users, KRULES_NETS_MAX ranges, 64 bits. A rule
 * that does not fit stays out of the kernel in part, is named in one log line, and is decided by
 * the agent like any rule on content.
 */
#include "krules.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/worker/judge.h"
#include "base/cleanup.h"
#include "base/log.h"

#define KRULES_HOSTS_MAX 1200 /* with users and ranges they fit one message */
#define KRULES_USERS_MAX 256
#define KRULES_NETS_MAX 512

struct set {
	struct role_krule_host host[KRULES_HOSTS_MAX];
	struct role_krule_user user[KRULES_USERS_MAX];
	struct role_krule_net net[KRULES_NETS_MAX];
	size_t hosts, users, nets;
	uint64_t bit, full; /* full: rules that did not fit */
};

static int64_t unix_now(const struct worker *w)
{
	return (int64_t)(boot_now() + w->wall_offset_ns) / 1000000000;
}

/* --- hosts that are shared ------------------------------------------------------------------------ */

static void add_to_list(void *ctx, const char *pattern)
{
	struct facts_list *l = ctx;

	if (l->n < FACTS_LIST_MAX)
		l->v[l->n++] = pattern;
}

static void count(void *ctx, const char *pattern)
{
	++*(size_t *)ctx;
}

static bool host_is_shared(const struct worker *w, const char *pattern)
{
	struct catalog_service s;
	const char *name = !strncmp(pattern, "*.", 2) ? pattern + 2 : pattern;

	return catalog_host(w->catalog, name, &s) && !strcmp(s.evidence, "shared");
}

/* Takes a rule's shared hosts out of it and puts them into *ret. */
static bool take_shared(const struct worker *w, struct pack_krule *r, struct pack_krule *ret)
{
	const struct pack_action *a = pack_rule_action(w->pack, r->index);
	size_t n = 0, keep = 0;

	*ret = *r;
	ret->content = true;
	ret->hosts.n = 0;
	for (size_t i = 0; i < r->services.n; i++)
		catalog_shared_hosts(w->catalog, r->services.v[i], count, &n);
	if (r->any_host)
		catalog_shared_hosts(w->catalog, "*", count, &n);
	if (a && a->on == FACTS_CONNECT)
		return false;
	for (size_t i = 0; i < r->hosts.n; i++)
		if (host_is_shared(w, r->hosts.v[i]))
			add_to_list(&ret->hosts, r->hosts.v[i]);
		else
			r->hosts.v[keep++] = r->hosts.v[i];
	r->hosts.n = keep;
	return n || ret->hosts.n;
}

void krules_split(struct worker *w)
{
	size_t n = w->krules;

	w->krules_own = n;
	for (size_t i = 0; i < n; i++) {
		struct pack_krule whole = w->krule[i], shared;

		if (whole.content || !take_shared(w, &w->krule[i], &shared))
			continue;
		if (w->krules < KRULE_MAX) {
			w->krule[w->krules++] = shared;
			continue;
		}
		log_info(
			"rule %s: hosts that other traffic uses too are decided after the request; "
			"the kernel holds %d rules",
			pack_rule_id(w->pack, whole.index), KRULE_MAX);
	}
}

/* --- sets ------------------------------------------------------------------------------------------ */

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

/* Bits beyond the prefix are 0, or the kernel would not find it. */
static void cut(struct role_krule_net *n)
{
	for (unsigned i = 0; i < 16; i++) {
		unsigned keep = n->prefix > i * 8 ? n->prefix - i * 8 : 0;

		n->addr[i] &= keep >= 8 ? 0xff : (uint8_t) ~(0xff >> keep);
	}
}

bool krules_net(const char *cidr, struct role_krule_net *ret)
{
	struct role_krule_net n = {};
	const char *slash = strchr(cidr, '/');
	size_t len = slash ? (size_t)(slash - cidr) : strlen(cidr);
	char addr[64], *end;
	unsigned bits;

	if (len >= sizeof(addr))
		return false;
	memcpy(addr, cidr, len);
	addr[len] = '\0';
	n.family = strchr(addr, ':') ? AF_INET6 : AF_INET;
	bits = n.family == AF_INET ? 32 : 128;
	if (inet_pton(n.family, addr, n.addr) != 1)
		return false;
	n.prefix = slash ? strtoul(slash + 1, &end, 10) : bits;
	if (slash && (end == slash + 1 || *end || n.prefix > bits))
		return false;
	cut(&n);
	*ret = n;
	return true;
}

static void add_net(struct set *s, const char *cidr)
{
	struct role_krule_net n;
	size_t i = 0;

	if (!krules_net(cidr, &n)) {
		s->full |= s->bit;
		return;
	}
	while (i < s->nets && (s->net[i].family != n.family || s->net[i].prefix != n.prefix ||
			       memcmp(s->net[i].addr, n.addr, sizeof(n.addr))))
		i++;
	if (i == KRULES_NETS_MAX) {
		s->full |= s->bit;
		return;
	}
	if (i == s->nets)
		s->net[s->nets++] = n;
	s->net[i].rules |= s->bit;
}

static bool covers(const char *wide, const char *narrow)
{
	size_t w = strlen(wide), n = strlen(narrow);

	/* "*.x.com" covers "a.x.com" and "*.a.x.com", not itself */
	return wide[0] == '*' && n > w - 1 && strcmp(wide, narrow) &&
	       !strcasecmp(narrow + n - (w - 1), wide + 1);
}

static bool net_covers(const struct role_krule_net *wide, const struct role_krule_net *narrow)
{
	struct role_krule_net n = *narrow;

	if (wide->family != n.family || wide->prefix >= n.prefix)
		return false;
	n.prefix = wide->prefix;
	cut(&n);
	return !memcmp(n.addr, wide->addr, sizeof(n.addr));
}

static void spread(struct set *s)
{
	for (size_t i = 0; i < s->hosts; i++)
		for (size_t k = 0; k < s->hosts; k++)
			if (covers(s->host[k].pattern, s->host[i].pattern))
				s->host[i].rules |= s->host[k].rules;
	for (size_t i = 0; i < s->nets; i++)
		for (size_t k = 0; k < s->nets; k++)
			if (net_covers(&s->net[k], &s->net[i]))
				s->net[i].rules |= s->net[k].rules;
}

/* --- rules ----------------------------------------------------------------------------------------- */

static void add_services(struct worker *w, struct set *s, const char *services, bool shared_only,
			 bool shared_too)
{
	size_t n = 0;

	if (!shared_only)
		n += catalog_service_hosts(w->catalog, services, add_host, s);
	if (shared_only || shared_too)
		n += catalog_shared_hosts(w->catalog, services, add_host, s);
	if (!n)
		s->full |= s->bit; /* no host stands for it: content must tell */
}

/* Of a call that only would have been refused by its content its own record says so. */
static bool krules_ever(const struct worker *w, size_t i)
{
	return w->enforce || !w->krule[i].content;
}

/* Now. A rule that only watches is told of where no call's own record says it: at a connection. */
static bool krules_wanted(const struct worker *w, size_t i)
{
	enum rule_state state = pack_rule_state(w->pack, w->krule[i].index, unix_now(w),
						w->host_id[0] ? w->host_id : NULL);

	return state == RULE_ON ? w->enforce || !w->krule[i].content
				: state == RULE_WATCH && !w->krule[i].content;
}

static void add_rule(struct worker *w, struct set *s, size_t at, struct role_krules *head)
{
	const struct pack_krule *r = &w->krule[at];
	bool shared_only = at >= w->krules_own;

	for (size_t i = 0; i < r->hosts.n; i++)
		add_host(s, r->hosts.v[i]);
	for (size_t i = 0; i < r->services.n; i++)
		add_services(w, s, r->services.v[i], shared_only, r->content);
	if (r->any_host)
		add_services(w, s, "*", shared_only, r->content);
	for (size_t i = 0; !shared_only && i < r->nets.n; i++)
		add_net(s, r->nets.v[i]);
	for (size_t i = 0; i < r->users.n; i++)
		add_user(s, r->users.v[i]);
	if (!r->then_only) { /* that is in force below some trees alone */
		head->any_user |= r->any_user ? s->bit : 0;
		head->any_tool |= r->any_tool ? s->bit : 0;
	}
	head->all |= krules_wanted(w, at) ? s->bit : 0;
}

static void judge_again(void *ctx, struct proc *p)
{
	p->rules = 0;
	judge_process(ctx, p);
}

static uint8_t *put(uint8_t *to, const void *from, size_t n)
{
	memcpy(to, from, n);
	return to + n;
}

static void send_set(struct worker *w, const struct set *s, struct role_krules *head)
{
	size_t hosts = s->hosts * sizeof(s->host[0]), users = s->users * sizeof(s->user[0]),
	       nets = s->nets * sizeof(s->net[0]), n = sizeof(*head) + hosts + users + nets;
	_cleanup_free_ uint8_t *msg = malloc(n);
	uint8_t *p = msg;

	if (!msg)
		return;
	head->hosts = s->hosts;
	head->users = s->users;
	head->nets = s->nets;
	p = put(p, head, sizeof(*head));
	p = put(p, s->host, hosts);
	p = put(p, s->user, users);
	put(p, s->net, nets);
	tell_keeper(w, ROLE_KRULES, msg, n);
}

void krules_send(struct worker *w)
{
	_cleanup_free_ struct set *s = calloc(1, sizeof(*s));
	struct role_krules head = {.generation = w->generation};
	uint64_t below = 0;

	if (!s)
		return;
	for (size_t i = 0; w->pack && i < w->krules; i++) {
		if (!krules_ever(w, i))
			continue;
		s->bit = 1ull << i;
		add_rule(w, s, i, &head);
		below |= w->krule[i].then_only ? s->bit : 0;
		if (s->full & s->bit)
			log_info(
				"rule %s is partly or wholly decided by the agent: not all its hosts, "
				"addresses or users can be told to the kernel",
				pack_rule_id(w->pack, w->krule[i].index));
	}
	spread(s);
	w->krules_told = head.all & ~below; /* those come by tree alone */
	send_set(w, s, &head);
	procs_each(w->procs, judge_again, w); /* the kernel forgot who runs which tool */
}
