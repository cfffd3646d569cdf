// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: bodies of messages whose length the table of role.c has bounded. Flows out: whether every
 * count agrees with that length, every text ends in its field, and every word is one there is. What
 * the words mean is checked by who receives them.
 */
#include "role_gate.h"

#include <string.h>

#include "policy/needs.h"

static bool ends(const char *s, size_t cap)
{
	return memchr(s, '\0', cap);
}
#define ENDS(field) ends(field, sizeof(field))

bool role_refuse_ok(const void *p, size_t n)
{
	const struct role_refuse *r = p;

	return ENDS(r->rule) && r->may &&
	       !(r->may & ~(REFUSE_ERROR | REFUSE_SHUTDOWN | REFUSE_KILL));
}

bool role_continue_ok(const void *p, size_t n)
{
	const struct role_continue *r = p;

	return ENDS(r->id) && r->verdict >= GATE_PASS && r->verdict <= GATE_BLOCK &&
	       (r->verdict == GATE_BLOCK || !r->block_ms) &&
	       r->block_ms <= GATE_BLOCK_MAX_S * 1000u;
}

bool role_mask_ok(const void *p, size_t n)
{
	const struct role_mask *r = p;

	return r->spans && r->spans <= MASK_SPANS_MAX &&
	       n == sizeof(*r) + r->spans * sizeof(struct role_span);
}

bool role_pending_ok(const void *p, size_t n)
{
	const struct role_pending *r = p;

	return ENDS(r->id) && ENDS(r->rule) && ENDS(r->user) && ENDS(r->tool) && ENDS(r->service) &&
	       ENDS(r->host) && ENDS(r->model) && ENDS(r->exe) && ENDS(r->why) && ENDS(r->pack) &&
	       ENDS(r->pack_version);
}

bool role_grants_ok(const void *p, size_t n)
{
	const struct role_grants *r = p;
	const struct role_grant *g = (const void *)(r + 1);

	if (n != sizeof(*r) + (uint64_t)r->n * sizeof(*g))
		return false;
	for (uint32_t i = 0; i < r->n; i++)
		if (!ENDS(g[i].id) || !ENDS(g[i].rule) || !ENDS(g[i].user) || !ENDS(g[i].tool) ||
		    !ENDS(g[i].service) || !ENDS(g[i].host) || !ENDS(g[i].by) ||
		    g[i].scope > GRANT_SESSION)
			return false;
	return true;
}

bool role_seal_ok(const void *p, size_t n)
{
	const struct role_seal *r = p;

	return r->len == n - sizeof(*r);
}

bool role_file_ok(const void *p, size_t n)
{
	const struct role_file *r = p;

	return ENDS(r->path) && ENDS(r->sha256) && ENDS(r->package) && ENDS(r->interpreter);
}

bool role_file_rules_ok(const void *p, size_t n)
{
	const struct role_file_rules *r = p;

	return ENDS(r->tool);
}

bool role_exec_rules_ok(const void *p, size_t n)
{
	const struct role_exec_rules *r = p;
	const struct role_exec_user *u = (const void *)(r + 1);
	const struct role_exec_place *at;

	if (n != sizeof(*r) + (uint64_t)r->users * sizeof(*u) + (uint64_t)r->places * sizeof(*at))
		return false;
	for (uint32_t i = 0; i < r->users; i++)
		if (!ENDS(u[i].pattern))
			return false;
	at = (const void *)(u + r->users);
	for (uint32_t i = 0; i < r->places; i++)
		if (!ENDS(at[i].path))
			return false;
	return true;
}

bool role_judged_ok(const void *p, size_t n)
{
	const struct role_judged *r = p;

	return r->len == n - sizeof(*r);
}

bool role_policy_ok(const void *p, size_t n)
{
	const struct role_policy *r = p;
	const struct policy_needs *v = (const void *)(r + 1);

	if (n != sizeof(*r) + (uint64_t)r->rules * sizeof(*v) || r->rules > PACK_RULES_MAX ||
	    !ENDS(r->set) || !ENDS(r->version) || !ENDS(r->error))
		return false;
	for (uint32_t i = 0; i < r->rules; i++)
		if (!ENDS(v[i].rule))
			return false;
	return true;
}

bool role_sock_ok(const void *p, size_t n)
{
	const struct role_sock *r = p;

	return r->verdict == SOCK_PASS || r->verdict == SOCK_DENY;
}
