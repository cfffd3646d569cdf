// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: the grants in force, as the keeper keeps them, and calls that a rule parks. Flows out:
 * yes, no, or "asked", and then one ROLE_PENDING a second at most for the same call, because clients
 * try again.
 *
 * What a retry has in common with the call that was parked is its key: rule, user, tool, service and
 * host. A grant for a tool or service is wider, one for a session holds below the process it names.
 * A grant for one call is used up here at once, and the keeper told, which takes it from the list.
 *
 * Bounds: as many grants as one message holds; RECENT calls are remembered as asked for.
 */
#include "approve.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define RECENT 256
#define AGAIN_NS 1000000000ull
#define DEFAULT_HOLD_S 3600

struct recent {
	uint8_t key[32];
	uint64_t ns;
};

struct approve {
	struct worker *worker;
	struct role_grant *grants;
	size_t n;
	struct recent recent[RECENT];
};

struct approve *approve_new(struct worker *w)
{
	struct approve *a = calloc(1, sizeof(*a));

	if (a)
		a->worker = w;
	return a;
}

void approve_free(struct approve *a)
{
	if (a)
		free(a->grants);
	free(a);
}

unsigned approve_count(const struct approve *a)
{
	return a->n;
}

void approve_grants(struct approve *a, const struct role_grant *v, size_t n)
{
	struct role_grant *grants = n ? malloc(n * sizeof(*v)) : NULL;

	if (n && !grants)
		return; /* those we have run out by themselves */
	if (n)
		memcpy(grants, v, n * sizeof(*v));
	free(a->grants);
	a->grants = grants;
	a->n = n;
	memset(a->recent, 0, sizeof(a->recent)); /* one that was answered is asked for anew */
}

/* --- what is asked for --------------------------------------------------------------------------- */

static void add(EVP_MD_CTX *md, const char *text)
{
	EVP_DigestUpdate(md, text, strlen(text) + 1);
}

static bool key_of(const struct role_pending *p, uint8_t ret[static 32])
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	bool ok = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL);

	if (ok) {
		add(md, p->rule);
		add(md, p->user);
		add(md, p->tool);
		add(md, p->service);
		add(md, p->host);
		ok = EVP_DigestFinal_ex(md, ret, NULL);
	}
	EVP_MD_CTX_free(md);
	return ok;
}

/* Ten letters and digits that nobody takes for another. */
static void id_of(const uint8_t *key, char ret[static 16])
{
	static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789";
	uint64_t bits = 0;

	for (unsigned i = 0; i < 8; i++)
		bits = bits << 8 | key[i];
	for (unsigned i = 0; i < 10; i++, bits >>= 5)
		ret[i] = letters[bits & 31];
	ret[10] = '\0';
}

#define PUT(field, text) snprintf(field, sizeof(field), "%s", text)

/* The process that a session is: the tool itself, else the caller. */
static void root_of(const struct worker *w, const struct subject *s, struct role_pending *p)
{
	const struct proc *line[ANCESTORS_MAX];
	size_t n = s->proc && s->tool.id[0] ? procs_ancestry(w->procs, s->proc, line) : 0;

	p->root_pid = s->pid;
	p->root_start_ns = s->start_ns;
	if (s->tool.depth < n) {
		p->root_pid = line[s->tool.depth]->pid;
		p->root_start_ns = line[s->tool.depth]->start_ns;
	}
}

static bool fill(const struct approve *a, const struct approve_call *call, struct role_pending *p)
{
	const struct worker *w = a->worker;
	const struct subject *s = call->s;
	const struct pack_action *act = pack_rule_action(w->pack, call->rule);

	*p = (struct role_pending){.unix_ns = boot_now() + w->wall_offset_ns,
				   .pid = s->pid,
				   .start_ns = s->start_ns,
				   .uid = s->uid,
				   .grant_s = act && act->hold_s ? act->hold_s : DEFAULT_HOLD_S};
	PUT(p->rule, pack_rule_id(w->pack, call->rule));
	PUT(p->user, s->user);
	PUT(p->tool, s->tool.id);
	PUT(p->service, call->service);
	PUT(p->host, call->host);
	PUT(p->model, call->model);
	PUT(p->exe, s->proc ? s->proc->exe : "");
	snprintf(p->why, sizeof(p->why), "rule %s", p->rule);
	PUT(p->pack, pack_id(w->pack));
	PUT(p->pack_version, pack_version(w->pack));
	root_of(w, s, p);
	if (!key_of(p, p->key))
		return false;
	id_of(p->key, p->id);
	return true;
}

/* --- answers ------------------------------------------------------------------------------------- */

static bool below(const struct worker *w, const struct subject *s, const struct role_grant *g)
{
	const struct proc *line[ANCESTORS_MAX];
	size_t n = s->proc ? procs_ancestry(w->procs, s->proc, line) : 0;

	if (s->pid == g->session_pid && s->start_ns == g->session_start_ns)
		return true;
	for (size_t i = 0; i < n; i++)
		if (line[i]->pid == g->session_pid && line[i]->start_ns == g->session_start_ns)
			return true;
	return false;
}

static bool covers(const struct worker *w, const struct role_grant *g, const struct subject *s,
		   const struct role_pending *p)
{
	if (g->until_unix_ns && g->until_unix_ns <= p->unix_ns)
		return false;
	if (g->scope != GRANT_SESSION && !memcmp(g->key, p->key, sizeof(g->key)))
		return true;
	if (g->scope == GRANT_CALL || strcmp(g->rule, p->rule) || strcmp(g->user, p->user))
		return false;
	if (g->scope == GRANT_SESSION)
		return below(w, s, g);
	if (g->scope == GRANT_TOOL)
		return g->tool[0] && !strcmp(g->tool, p->tool);
	return !strcmp(g->service, p->service) && (g->service[0] || !strcmp(g->host, p->host));
}

static void used(struct approve *a, size_t i)
{
	struct role_pending done = {.unix_ns = boot_now() + a->worker->wall_offset_ns};

	memcpy(done.id, a->grants[i].id, sizeof(done.id));
	memcpy(done.key, a->grants[i].key, sizeof(done.key));
	tell_keeper(a->worker, ROLE_PENDING, &done, sizeof(done));
	a->recent[done.key[0] % RECENT].ns = 0;
	memmove(&a->grants[i], &a->grants[i + 1], (--a->n - i) * sizeof(*a->grants));
}

static void ask(struct approve *a, const struct role_pending *p)
{
	struct recent *r = &a->recent[p->key[0] % RECENT];
	uint64_t now = boot_now();

	if (!memcmp(r->key, p->key, sizeof(r->key)) && r->ns && now < r->ns + AGAIN_NS)
		return;
	memcpy(r->key, p->key, sizeof(r->key));
	r->ns = now;
	tell_keeper(a->worker, ROLE_PENDING, p, sizeof(*p));
}

enum approve_answer approve_ask(struct approve *a, const struct approve_call *call,
				char ret_id[static 16], char ret_by[static 64])
{
	struct role_pending p;
	size_t yes = a->n;

	ret_by[0] = ret_id[0] = '\0';
	if (!fill(a, call, &p))
		return APPROVE_REFUSED;
	memcpy(ret_id, p.id, 16);
	/* A no counts before any yes; one that is not used up before one that is. */
	for (size_t i = 0; i < a->n; i++) {
		const struct role_grant *g = &a->grants[i];

		if (!covers(a->worker, g, call->s, &p))
			continue;
		if (g->denied) {
			memcpy(ret_id, g->id, 16);
			memcpy(ret_by, g->by, 64);
			return APPROVE_REFUSED;
		}
		if (yes == a->n || (!a->grants[yes].until_unix_ns && g->until_unix_ns))
			yes = i;
	}
	if (yes == a->n) {
		if (!call->again)
			ask(a, &p);
		return APPROVE_ASKED;
	}
	memcpy(ret_id, a->grants[yes].id, 16);
	memcpy(ret_by, a->grants[yes].by, 64);
	if (a->grants[yes].scope == GRANT_CALL && !a->grants[yes].until_unix_ns)
		used(a, yes);
	return APPROVE_YES;
}
