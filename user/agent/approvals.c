// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: calls that the worker parked (hostile: bounded in number and rate, texts made safe), and
 * operators' words. Flows out: the grants in force, to the worker; a line in the store per change;
 * an APPROVAL record per change.
 *
 * Invariant: an answer is in force only after it is in the store, and only until its end, which is
 * both a wall-clock time and a time since boot: whichever comes first. A clock that is set back
 * extends nothing; neither does one set back while the host was down, because the store's lines
 * carry times and the latest of them is taken to have passed. A change that the store does not take
 * is refused (an answer), or in force in the safe direction alone (a grant that ended).
 *
 * What is not sealed yet is offered again each second, in order, and again after a restart: at
 * least once. Limits: APPROVALS_PENDING_MAX calls (the oldest gives way, with a record), NEW_MAX new
 * ones a second (the others are refused without being asked for; their retry comes again),
 * APPROVALS_GRANTS_MAX answers.
 */
#include "approvals.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/approvals_int.h"
#include "agent/procinfo.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"
#include "record/printable.h"

#define CLOCK_S 60	     /* the store's times are not older than this */
#define EXPIRE_MAX 16	     /* a second: each is synced; the worker is told of none that is over */
#define NEW_MAX 32	     /* a second */
#define STORE_MAX (1u << 20) /* larger: written anew, without what is gone */

/* --- clocks ------------------------------------------------------------------------------------------ */

static void system_now(void *ctx, struct approvals_now *ret)
{
	static char boot_id[40];
	struct timespec t;

	if (!boot_id[0]) {
		_cleanup_free_ char *s = NULL;
		size_t n;

		if (!fs_read("/proc/sys/kernel/random/boot_id", 64, &s, &n))
			snprintf(boot_id, sizeof(boot_id), "%.36s", s);
	}
	clock_gettime(CLOCK_REALTIME, &t);
	ret->unix_ns = t.tv_sec * SECOND + t.tv_nsec;
	clock_gettime(CLOCK_BOOTTIME, &t);
	ret->boot_ns = t.tv_sec * SECOND + t.tv_nsec;
	snprintf(ret->boot_id, sizeof(ret->boot_id), "%s", boot_id);
}

struct approvals_now approvals_clock(const struct approvals *a)
{
	struct approvals_now t = {};

	a->ops.now(a->ctx, &t);
	return t;
}

/* Of another boot: what is left by the wall clock, from now. */
static void rebase(const struct approvals *a, struct entry *e, const struct approvals_now *t)
{
	uint64_t passed = t->unix_ns + a->skew_ns;

	if (!strcmp(e->boot_id, t->boot_id))
		return;
	e->until_boot_ns = t->boot_ns;
	if (e->until_unix_ns > passed)
		e->until_boot_ns += e->until_unix_ns - passed;
	memcpy(e->boot_id, t->boot_id, sizeof(e->boot_id));
}

static bool over(const struct entry *e, const struct approvals_now *t)
{
	if (e->state == ENTRY_PENDING)
		return t->unix_ns > e->last_unix_ns + PENDING_S * SECOND;
	if (t->unix_ns >= e->until_unix_ns || t->boot_ns >= e->until_boot_ns)
		return true;
	return e->state == ENTRY_GRANTED && e->scope == GRANT_SESSION &&
	       !procinfo_is(e->p.root_pid, e->p.root_start_ns);
}

/* --- the table --------------------------------------------------------------------------------------- */

struct entry *approvals_by_id(const struct approvals *a, const char *id)
{
	for (size_t i = 0; i < a->n; i++)
		if (!strcmp(a->v[i]->p.id, id))
			return a->v[i];
	return NULL;
}

size_t approvals_count(const struct approvals *a, bool answered)
{
	size_t n = 0;

	for (size_t i = 0; i < a->n; i++)
		n += (a->v[i]->state != ENTRY_PENDING) == answered;
	return n;
}

static void forget(struct approvals *a, const struct entry *e)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->v[i] == e) {
			free(a->v[i]);
			a->v[i] = a->v[--a->n];
			return;
		}
}

static void grant_of(const struct entry *e, struct role_grant *g)
{
	*g = (struct role_grant){.scope = e->scope, .denied = e->state == ENTRY_DENIED};
	memcpy(g->key, e->p.key, sizeof(g->key));
	memcpy(g->id, e->p.id, sizeof(g->id));
	memcpy(g->rule, e->p.rule, sizeof(g->rule));
	memcpy(g->user, e->p.user, sizeof(g->user));
	memcpy(g->tool, e->p.tool, sizeof(g->tool));
	memcpy(g->service, e->p.service, sizeof(g->service));
	memcpy(g->host, e->p.host, sizeof(g->host));
	memcpy(g->by, e->by, sizeof(g->by));
	/* A call's grant ends by being used; its own end is ours to watch. */
	g->until_unix_ns = g->denied || e->scope != GRANT_CALL ? e->until_unix_ns : 0;
	if (e->scope == GRANT_SESSION) {
		g->session_start_ns = e->p.root_start_ns;
		g->session_pid = e->p.root_pid;
	}
}

void approvals_tell(struct approvals *a)
{
	_cleanup_free_ struct role_grant *v = calloc(APPROVALS_GRANTS_MAX, sizeof(*v));
	struct approvals_now t = approvals_clock(a);
	size_t n = 0;

	if (!v) {
		log_err("approvals: out of memory: the worker's grants are not renewed");
		return;
	}
	for (size_t i = 0; i < a->n && n < APPROVALS_GRANTS_MAX; i++)
		if (a->v[i]->state != ENTRY_PENDING && !over(a->v[i], &t))
			grant_of(a->v[i], &v[n++]);
	a->ops.changed(a->ctx, v, n);
}

/* --- the store ----------------------------------------------------------------------------------------- */

static json_t *line_of(struct approvals *a, const struct entry *e, uint64_t n)
{
	json_t *j = entry_json(e);

	json_object_set_new(j, "n", json_integer(n));
	json_object_set_new(j, "at", json_integer(approvals_clock(a).unix_ns));
	return j;
}

static int rewrite(struct approvals *a)
{
	json_t *lines = json_array();
	int r;

	json_array_append_new(lines, json_pack("{s:I, s:I}", "sealed", (json_int_t)a->sealed, "at",
					       (json_int_t)approvals_clock(a).unix_ns));
	for (size_t i = 0; i < a->n; i++)
		json_array_append_new(lines, line_of(a, a->v[i], a->sealed));
	r = a->store ? astore_rewrite(a->store, lines) : -EIO;
	json_decref(lines);
	return r;
}

static int keep(struct approvals *a, const struct entry *e, bool lazy)
{
	json_t *j = line_of(a, e, a->changes + 1);
	int r = a->store ? astore_append(a->store, j, lazy) : -EIO;

	json_decref(j);
	return r;
}

/* One change of an entry: stored, to be sealed. */
int approvals_changed(struct approvals *a, struct entry *e, const char *word, bool lazy)
{
	int r;

	snprintf(e->word, sizeof(e->word), "%s", word);
	r = keep(a, e, lazy);
	if (r)
		return r;
	approvals_to_seal(a, e, ++a->changes);
	return 0;
}

/* It ends, whatever the store says: what is not in it now is when it is written anew. */
bool approvals_gone(struct approvals *a, struct entry *e, const char *word)
{
	bool told = e->state != ENTRY_PENDING, stored;

	e->state = ENTRY_GONE;
	stored = !approvals_changed(a, e, word, !told); /* a call that waits gives nothing */
	if (!stored) {
		log_err("approvals: call %s is %s, which the store does not take", e->p.id, word);
		approvals_to_seal(a, e, ++a->changes);
	}
	forget(a, e);
	if (told)
		approvals_tell(a);
	return stored;
}

/* --- reading it back -------------------------------------------------------------------------------------- */

static bool read_mark(struct approvals *a, const json_t *j)
{
	const json_t *s = json_object_get(j, "sealed");

	if (json_is_integer(s) && json_integer_value(s) >= 0)
		a->sealed = json_integer_value(s);
	return json_is_integer(s);
}

/* What was not sealed is, by what it says; the marks of what was come later and drop it. */
static void read_unsealed(struct approvals *a, const struct entry *e, uint64_t n)
{
	if (n > a->changes)
		a->changes = n;
	if (n > a->sealed)
		approvals_to_seal(a, e, n);
}

static bool put(struct approvals *a, const struct entry *e)
{
	struct entry *was = approvals_by_id(a, e->p.id);

	if (was && e->state == ENTRY_GONE) {
		forget(a, was);
		return true;
	}
	if (e->state == ENTRY_GONE)
		return true;
	if (!was && a->n < ENTRIES_MAX)
		was = a->v[a->n] = malloc(sizeof(*was)), a->n += was != NULL;
	if (!was)
		return false;
	*was = *e;
	return true;
}

static bool on_line(void *ctx, json_t *j)
{
	const json_t *at = json_object_get(j, "at"), *n = json_object_get(j, "n");
	struct approvals *a = ctx;
	struct entry e;

	if (!json_is_integer(at) || json_integer_value(at) < 0)
		return false;
	if ((uint64_t)json_integer_value(at) > a->latest_unix_ns)
		a->latest_unix_ns = json_integer_value(at);
	if (!json_object_get(j, "state"))
		return read_mark(a, j);
	if (!json_is_integer(n) || json_integer_value(n) < 0 || !entry_read(j, &e) || !put(a, &e))
		return false;
	read_unsealed(a, &e, json_integer_value(n));
	return true;
}

/* What the lost line said may have been that one of these is revoked. */
static void on_damaged(void *ctx)
{
	struct approvals *a = ctx;

	for (size_t i = a->n; i--;)
		if (a->v[i]->state != ENTRY_PENDING) {
			log_err("approvals: the answer to call %s is not in force any more",
				a->v[i]->p.id);
			forget(a, a->v[i]);
		}
}

static int load(struct approvals *a, const char *dir)
{
	static const struct astore_reader to = {on_line, on_damaged};
	struct approvals_now t = approvals_clock(a);
	int r = astore_open(dir, &to, a, &a->store);

	if (r)
		return r;
	approvals_drop_sealed(a);
	if (a->changes < a->sealed)
		a->changes = a->sealed;
	if (a->latest_unix_ns > t.unix_ns)
		a->skew_ns = a->latest_unix_ns - t.unix_ns;
	for (size_t i = 0; i < a->n; i++)
		rebase(a, a->v[i], &t);
	a->restored = a->n;
	return astore_broken(a->store) ? rewrite(a) : 0;
}

int approvals_open(const char *state_dir, const struct approvals_ops *ops, void *ctx,
		   struct approvals **ret)
{
	struct approvals *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return -ENOMEM;
	a->ops = *ops;
	a->ops.now = ops->now ?: system_now;
	a->ctx = ctx;
	a->last = &a->first;
	r = load(a, state_dir);
	if (r == -ENOMEM) {
		approvals_close(a);
		return r;
	}
	if (r)
		log_err("%s/approvals: %s: no call can be approved", state_dir, strerror(-r));
	*ret = a;
	return 0;
}

void approvals_close(struct approvals *a)
{
	if (!a)
		return;
	a->sealed = UINT64_MAX;
	approvals_drop_sealed(a);
	for (size_t i = 0; i < a->n; i++)
		free(a->v[i]);
	astore_close(a->store);
	free(a);
}

/* --- once a second -------------------------------------------------------------------------------------------- */

static void expire(struct approvals *a, const struct approvals_now *t)
{
	unsigned n = 0;

	for (size_t i = a->n; i-- && n < EXPIRE_MAX;)
		if (over(a->v[i], t)) {
			approvals_gone(a, a->v[i], "expired");
			n++;
		}
}

/* So that a clock set back while the host is down gives no grant more than this. */
static void keep_time(struct approvals *a, const struct approvals_now *t)
{
	json_t *j;

	if (!approvals_count(a, true) || t->boot_ns < a->clock_ns + CLOCK_S * SECOND)
		return;
	a->clock_ns = t->boot_ns;
	j = json_pack("{s:I, s:I}", "sealed", (json_int_t)a->sealed, "at", (json_int_t)t->unix_ns);
	if (a->store && !astore_broken(a->store))
		astore_append(a->store, j, false);
	json_decref(j);
}

void approvals_tick(struct approvals *a)
{
	struct approvals_now t = approvals_clock(a);

	a->fresh = 0;
	expire(a, &t);
	approvals_seal(a);
	keep_time(a, &t);
	/* What is to be sealed still stands in the old lines. */
	if (a->store && !a->first &&
	    (astore_broken(a->store) || astore_bytes(a->store) > STORE_MAX))
		rewrite(a);
}

void approvals_resend(struct approvals *a)
{
	approvals_tell(a);
	approvals_seal(a);
}

/* --- what the worker says -------------------------------------------------------------------------------------- */

#define SAFE(to, from, field) printable_copy((to).field, sizeof((to).field), (from).field)

static void safe_copy(const struct role_pending *p, struct role_pending *ret)
{
	*ret = *p;
	SAFE(*ret, *p, rule);
	SAFE(*ret, *p, user);
	SAFE(*ret, *p, tool);
	SAFE(*ret, *p, service);
	SAFE(*ret, *p, host);
	SAFE(*ret, *p, model);
	SAFE(*ret, *p, exe);
	SAFE(*ret, *p, why);
	SAFE(*ret, *p, pack);
	SAFE(*ret, *p, pack_version);
}

static void again(struct approvals *a, struct entry *e, const struct role_pending *p)
{
	if (memcmp(e->p.key, p->key, sizeof(p->key))) {
		a->bad++;
		log_warn("approvals: two calls share the id %s: the second cannot be approved",
			 e->p.id);
		return;
	}
	e->tries += e->tries < UINT32_MAX;
	e->last_unix_ns = approvals_clock(a).unix_ns;
}

static void make_room(struct approvals *a)
{
	struct entry *oldest = NULL;

	if (approvals_count(a, false) < APPROVALS_PENDING_MAX)
		return;
	for (size_t i = 0; i < a->n; i++)
		if (a->v[i]->state == ENTRY_PENDING &&
		    (!oldest || a->v[i]->last_unix_ns < oldest->last_unix_ns))
			oldest = a->v[i];
	approvals_gone(a, oldest, "expired");
}

void approvals_pending(struct approvals *a, const struct role_pending *p)
{
	struct entry *e = id_valid(p->id) ? approvals_by_id(a, p->id) : NULL;
	struct approvals_now t = approvals_clock(a);

	/* Its answer ended since the last tick. */
	if (e && e->state != ENTRY_PENDING && over(e, &t)) {
		approvals_gone(a, e, "expired");
		e = NULL;
	}
	if (e) {
		again(a, e, p);
		return;
	}
	if (!id_valid(p->id) || a->fresh++ >= NEW_MAX) {
		a->refused++;
		return;
	}
	make_room(a);
	e = a->n < ENTRIES_MAX ? calloc(1, sizeof(*e)) : NULL;
	if (!e) {
		a->refused++;
		return;
	}
	safe_copy(p, &e->p);
	e->tries = 1;
	e->p.unix_ns = e->last_unix_ns = approvals_clock(a).unix_ns;
	a->v[a->n++] = e;
	/* Not synced: one that a crash takes with it is asked for again by its retry. */
	if (approvals_changed(a, e, "pending", true))
		approvals_to_seal(a, e, ++a->changes);
	log_info("call %s waits for approval: rule %s, to %s", e->p.id, e->p.rule,
		 e->p.service[0] ? e->p.service : e->p.host);
	approvals_seal(a);
}

void approvals_used(struct approvals *a, const char *id)
{
	struct entry *e = approvals_by_id(a, id);

	if (!e || e->state != ENTRY_GRANTED || e->scope != GRANT_CALL)
		return;
	approvals_gone(a, e, "used");
	approvals_seal(a);
}
