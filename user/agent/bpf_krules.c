// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: rules on hosts, networks, users and tools that the kernel decides by itself (ROLE_KRULES).
 * Flows out: their maps, and what is in force.
 *
 * They change in this order: all = 0 (none in force), maps, then generation and all. A connection whose
 * name was looked up under another generation matches nothing in the kernel and is left to the agent's
 * own decision. A schedule, which only turns rules of one generation on and off, has no such moment.
 */
#include "bpf_int.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/net.h"
#include "base/log.h"
#include "policy/pack.h"

static void empty(int fd, void *key, size_t key_size)
{
	while (!bpf_map_get_next_key(fd, NULL, key) && !bpf_map_delete_elem(fd, key))
		;
}

static int put_host(int fd, const struct role_krule_host *h)
{
	struct krule_host_key k = {};
	const char *p = h->pattern;
	size_t n = strnlen(p, sizeof(h->pattern));
	bool suffix = n > 2 && p[0] == '*' && p[1] == '.';

	if (suffix) { /* "*.x.com": reversed "moc.x." */
		p++;
		n--;
	}
	if (!n || n >= KRULE_HOST_MAX)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		char c = p[n - 1 - i];

		k.name[i] = c >= 'A' && c <= 'Z' ? c + 'a' - 'A' : c;
	}
	return bpf_map_update_elem(fd, &k, &h->rules, BPF_ANY);
}

static int put_net(int fd, const struct role_krule_net *n)
{
	unsigned bits = n->family == AF_INET ? 32 : n->family == AF_INET6 ? 128 : 0;
	struct net_key k = {.prefix = 32 + n->prefix, .family = htonl(n->family)};

	if (!bits || n->prefix > bits)
		return -EINVAL;
	memcpy(k.addr, n->addr, sizeof(k.addr));
	return bpf_map_update_elem(fd, &k, &n->rules, BPF_ANY);
}

static void put_user(int fd, uint32_t uid, uint64_t rules)
{
	uint64_t have = 0;

	bpf_map_lookup_elem(fd, &uid, &have);
	have |= rules;
	bpf_map_update_elem(fd, &uid, &have, BPF_ANY);
}

static void put_users(int fd, const struct role_krule_user *u, size_t n)
{
	struct passwd *pw;

	setpwent();
	while ((pw = getpwent()))
		for (size_t i = 0; i < n; i++)
			if (glob_match(u[i].pattern, pw->pw_name))
				put_user(fd, pw->pw_uid, u[i].rules);
	endpwent();
	for (size_t i = 0; i < n; i++) {
		char *end;
		unsigned long uid = strtoul(u[i].pattern, &end, 10);

		if (end != u[i].pattern && !*end)
			put_user(fd, uid, u[i].rules);
	}
}

/* A schedule: which of the rules hold, and no set is another. Without a moment with none. */
static int switch_krules(struct bpf *b, const struct role_krules *k, const struct krule_do *todo)
{
	int does = bpf_map_named(b, "krule_todo");
	uint64_t had = b->shared->krule.all;
	uint32_t zero = 0;

	if (k->all)
		net_rules(b->net, true);
	__atomic_store_n(&b->shared->krule.all, had & k->all, __ATOMIC_SEQ_CST);
	if (does >= 0 && bpf_map_update_elem(does, &zero, todo, BPF_ANY))
		return -errno;
	__atomic_store_n(&b->shared->krule.all, k->all, __ATOMIC_SEQ_CST);
	if (!k->all)
		net_rules(b->net, false);
	return 0;
}

bool bpf_krules_go_on(struct bpf *b, uint64_t generation)
{
	const struct shared *s = b->shared;

	if (!generation || s->krule.generation != generation || !s->krule.all || s->changing_ns)
		return false;
	b->krules_set = generation;
	return true;
}

int bpf_set_krules(struct bpf *b, const struct role_krules *k, const struct krule_do *todo,
		   const struct role_krule_host *h, const struct role_krule_user *u)
{
	int does = bpf_map_named(b, "krule_todo");
	int hosts = bpf_map__fd(b->skel->maps.krule_hosts);
	int users = bpf_map__fd(b->skel->maps.krule_users);
	int procs = bpf_map__fd(b->skel->maps.krule_procs);
	int nets = bpf_map__fd(b->skel->maps.deny_nets);
	const struct role_krule_net *net = (const void *)(u + k->users);
	struct krule_host_key host_key;
	struct net_key net_key;
	struct timespec now;
	uint32_t key, zero = 0;
	int r = 0;

	if (k->generation && b->krules_set == k->generation)
		return switch_krules(b, k, todo);
	b->krules_set = 0;
	if (k->all)
		net_rules(b->net, true);
	clock_gettime(CLOCK_BOOTTIME, &now);
	b->shared->changing_ns = now.tv_sec * 1000000000ull + now.tv_nsec;
	__atomic_store_n(&b->shared->krule.all, 0, __ATOMIC_SEQ_CST);
	empty(nets, &net_key, sizeof(net_key));
	empty(hosts, &host_key, sizeof(host_key));
	empty(users, &key, sizeof(key));
	empty(procs, &key, sizeof(key));
	for (uint32_t i = 0; i < k->hosts && !r; i++)
		r = put_host(hosts, &h[i]);
	for (uint32_t i = 0; i < k->nets && !r; i++)
		r = put_net(nets, &net[i]);
	if (!r && does >= 0)
		r = bpf_map_update_elem(does, &zero, todo, BPF_ANY);
	if (r) {
		log_err("kernel rules cannot be put in force (%s): kill rules are decided by the agent, "
			"after the request was seen",
			strerror(-r));
		return r;
	}
	put_users(users, u, k->users);
	b->shared->krule.tool = k->any_tool;
	b->shared->krule.user = k->any_user;
	__atomic_store_n(&b->shared->krule.generation, k->generation, __ATOMIC_SEQ_CST);
	__atomic_store_n(&b->shared->krule.all, k->all, __ATOMIC_SEQ_CST);
	b->shared->changing_ns = 0;
	b->krules_set = k->generation;
	if (!k->all)
		net_rules(b->net, false);
	return 0;
}

void bpf_set_tool(struct bpf *b, const struct role_tool *t)
{
	int fd = bpf_map__fd(b->skel->maps.krule_procs);
	struct krule_proc v = {.rules = t->rules,
			       .ticks = t->start_ns / KRULE_TICK_NS,
			       .generation = t->generation};

	if (t->rules)
		bpf_map_update_elem(fd, &t->pid, &v, BPF_ANY);
	else
		bpf_map_delete_elem(fd, &t->pid);
}
