// SPDX-License-Identifier: Apache-2.0
/*
 * Which pack is in force. Flows in: the configured file (at start and at SIGHUP), files that operators
 * load, the worker's word on each. Flows out: ROLE_PACK with a generation that only grows, also over
 * restarts; refusals, which the worker records; the last good pack, kept by policy_store.c.
 *
 * A pack is in force when the worker says so, and is kept from then on. Whatever is wrong with another
 * (unreadable, unsigned, older, not a pack), the one in force stays; at start that is the kept
 * one. A pack that an operator loaded stays over restarts until the configured file changes or SIGHUP
 * asks for it.
 *
 * Limits: one load at a time; EXPLAINS_MAX questions to the worker, each answered within LIMIT_S. A
 * worker that was taken over can claim a high revision for an unsigned pack and so have later ones
 * refused: --allow-rollback is the way back, and signed packs do not ask the worker.
 */
#include "keeper_policy.h"

#include <errno.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/backends.h"
#include "agent/control.h"
#include "agent/keeper.h"
#include "agent/pins.h"
#include "agent/policy_store.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "policy/pack.h"

#define EXPLAINS_MAX 16
#define LIMIT_S 3

struct explain {
	uint64_t id;
	struct control_call *call; /* NULL: free */
	struct event *limit;
};

struct keeper_policy {
	struct keeper *k;
	struct policy_store *store;
	struct policy_text sent, good; /* waiting for the worker's word; in force */
	uint64_t sent_generation, good_generation;
	bool begun;
	char error[256];     /* of the last refusal; empty once a pack is accepted */
	char owed_name[128]; /* a refusal that no worker was there to record; "" */
	bool sent_replaces;
	uint8_t replaced[32]; /* the configured file, when `sent` was loaded in its place */
	struct role_policy in_force;
	struct policy_needs needs[PACK_RULES_MAX];
	struct control_call *loading;
	struct event *load_limit;
	struct explain explains[EXPLAINS_MAX];
};

/* --- to the worker ------------------------------------------------------------------------------ */

static void send_pack(struct keeper *k, const struct policy_text *t, uint64_t generation,
		      uint64_t min_revision)
{
	struct role_pack p = {.generation = generation,
			      .min_revision = min_revision,
			      .revision = t->revision,
			      .enforce = k->cfg->enforce,
			      .len = t->n};

	snprintf(p.name, sizeof(p.name), "%s", t->name);
	snprintf(p.signer, sizeof(p.signer), "%s", t->signer);
	tell_worker(k, ROLE_PACK, &p, sizeof(p), t->text, t->n);
}

/* The worker logs it and makes the record of it. */
static void send_refusal(struct keeper *k, const char *name, const char *why)
{
	struct role_pack p = {.enforce = k->cfg->enforce};

	if (why != k->policy->error)
		snprintf(k->policy->error, sizeof(k->policy->error), "%s", why);
	if (k->worker.fd < 0)
		snprintf(k->policy->owed_name, sizeof(k->policy->owed_name), "%s", name);
	snprintf(p.name, sizeof(p.name), "%s", name);
	snprintf(p.refused, sizeof(p.refused), "%s", why);
	tell_worker(k, ROLE_PACK, &p, sizeof(p), NULL, 0);
}

static uint64_t next_generation(const struct keeper_policy *p)
{
	uint64_t n = policy_store_generation(p->store);

	n = n > p->good_generation ? n : p->good_generation;
	return (n > p->sent_generation ? n : p->sent_generation) + 1;
}

/* Takes t. replaces: the configured file it stands for, or NULL. */
static void send_new(struct keeper *k, struct policy_text *t, const uint8_t *replaces)
{
	struct keeper_policy *p = k->policy;

	policy_text_done(&p->sent);
	p->sent = *t;
	*t = (struct policy_text){};
	p->sent_generation = next_generation(p);
	p->sent_replaces = replaces;
	if (replaces)
		memcpy(p->replaced, replaces, sizeof(p->replaced));
	send_pack(k, &p->sent, p->sent_generation, policy_store_min_revision(p->store));
}

/* --- which pack --------------------------------------------------------------------------------- */

static void read_file(struct keeper *k)
{
	struct keeper_policy *p = k->policy;
	struct policy_text t = {};
	char err[256];

	if (policy_store_read(p->store, k->cfg->policy, -1, &t, err, sizeof(err))) {
		send_refusal(k, k->cfg->policy, err);
		return;
	}
	send_new(k, &t, NULL);
}

/* The kept pack goes into force again under a generation of its own: kernel rules of the run before
 * may still be pinned under the old one. */
static bool take_kept(struct keeper_policy *p)
{
	char err[256];
	int r = policy_store_good(p->store, &p->good, err, sizeof(err));

	if (r == -EBADMSG)
		log_err("%s; there is no last good pack", err);
	if (r)
		return false;
	p->good_generation = policy_store_generation(p->store) + 1;
	return true;
}

/* The very pack that is in force in the kernel, put there by this very build, which gives its rules the same
 * bits: under another number what the kernel knows by name would have no rules until it is named anew. */
static bool goes_on(struct keeper *k, struct policy_text *t)
{
	struct keeper_policy *p = k->policy;
	uint64_t generation = policy_store_generation(p->store);

	if (!pins_adopted(k->pins) || !bpf_krules_go_on(k->bpf, generation))
		return false;
	p->sent = *t;
	*t = (struct policy_text){};
	p->good_generation = 0;
	p->sent_generation = generation;
	p->sent_replaces = NULL;
	send_pack(k, &p->sent, generation, policy_store_min_revision(p->store));
	return true;
}

/* At start: the file, unless it is bad or an operator loaded another in its place. */
static void begin(struct keeper *k)
{
	struct keeper_policy *p = k->policy;
	struct policy_text t = {};
	char err[256];
	int r = policy_store_read(p->store, k->cfg->policy, -1, &t, err, sizeof(err));
	bool kept = take_kept(p);

	p->begun = true;
	if (!r && kept && policy_store_replaces(p->store, t.sha256)) {
		log_info("policy: the pack loaded by an operator stays in force (%s)",
			 p->good.name);
		send_pack(k, &p->good, p->good_generation, 0);
		policy_text_done(&t);
		return;
	}
	if (!r && kept && !memcmp(t.sha256, p->good.sha256, sizeof(t.sha256))) {
		policy_text_done(&p->good);
		kept = false;
		if (goes_on(k, &t))
			return;
	}
	if (!r) {
		/* Behind the kept one: should the file be no pack, that one is in force. */
		if (kept)
			send_pack(k, &p->good, p->good_generation, 0);
		send_new(k, &t, NULL);
		return;
	}
	if (kept)
		send_pack(k, &p->good, p->good_generation, 0);
	send_refusal(k, k->cfg->policy, err);
}

void tell_policy(struct keeper *k, bool again)
{
	struct keeper_policy *p = k->policy;

	if (!p->begun) {
		begin(k);
		return;
	}
	if (!again) {
		read_file(k);
		return;
	}
	if (p->good.text)
		send_pack(k, &p->good, p->good_generation, 0);
	if (p->sent.text)
		send_pack(k, &p->sent, p->sent_generation, policy_store_min_revision(p->store));
	if (p->owed_name[0] || (!p->good.text && !p->sent.text))
		send_refusal(k, p->owed_name[0] ? p->owed_name : k->cfg->policy, p->error);
	p->owed_name[0] = '\0';
}

/* --- the worker's word -------------------------------------------------------------------------- */

static json_t *unenforceable(const struct keeper_policy *p)
{
	return p->in_force.enforce ? backends_unenforceable(p->needs, p->in_force.rules)
				   : json_array();
}

static void log_unenforceable(const struct keeper_policy *p)
{
	json_t *list = unenforceable(p), *v;
	size_t i;

	json_array_foreach(list, i, v)
	{
		const char *rule, *need, *why, *needs;

		if (!json_unpack(v, "{s:s, s:s, s:s, s:s}", "rule", &rule, "need", &need, "why",
				 &why, "needs", &needs))
			log_warn("rule %s cannot be enforced here: %s: %s%s%s", rule, need, why,
				 needs[0] ? "; it would need " : "", needs);
	}
	json_decref(list);
}

static void load_over(struct keeper_policy *p, json_t *answer)
{
	struct control_call *call = p->loading;

	p->loading = NULL;
	if (p->load_limit)
		event_del(p->load_limit);
	if (call)
		control_reply(call, answer);
	else
		json_decref(answer);
}

/* Under the names of the worker's part of the status. */
static json_t *in_force_json(const struct keeper_policy *p)
{
	const struct role_policy *r = &p->in_force;
	char hex[65];

	for (int i = 0; i < 32; i++)
		snprintf(hex + 2 * i, 3, "%02x", r->sha256[i]);
	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:s, s:s, s:o}", "set", r->set, "version",
			 r->version, "sha256", hex, "generation", (json_int_t)p->good_generation,
			 "revision", (json_int_t)r->revision, "signer", p->good.signer, "mode",
			 r->enforce ? "enforce" : "monitor", "unenforceable", unenforceable(p));
}

static void keep(struct keeper_policy *p, const struct role_policy *r)
{
	int e = policy_store_keep(p->store, &p->good, p->good_generation, r->revision,
				  p->sent_replaces ? p->replaced : NULL);

	if (e)
		log_err("policy: cannot keep the last good pack: %s", strerror(-e));
}

static void accepted(struct keeper_policy *p, const struct role_policy *r)
{
	bool is_new = p->sent.text && r->generation == p->sent_generation;

	if (!is_new && (!p->good.text || r->generation != p->good_generation))
		return; /* of a pack that was sent before the last one */
	p->in_force = *r;
	memcpy(p->needs, r + 1, r->rules * sizeof(p->needs[0]));
	if (is_new) {
		policy_text_done(&p->good);
		p->good = p->sent;
		p->sent = (struct policy_text){};
		p->good_generation = r->generation;
		p->error[0] = '\0';
		keep(p, r);
		log_info("policy: %s %s in force, generation %llu, revision %llu%s%s", r->set,
			 r->version, (unsigned long long)r->generation,
			 (unsigned long long)r->revision, p->good.signer[0] ? ", signed by " : "",
			 p->good.signer);
		log_unenforceable(p);
		load_over(p, in_force_json(p));
	}
}

void policy_told(struct keeper *k, const struct role_policy *r)
{
	struct keeper_policy *p = k->policy;
	bool is_new = p->sent.text && r->generation == p->sent_generation;

	if (!r->refused) {
		accepted(p, r);
		return;
	}
	if (!is_new && p->good.text && r->generation == p->good_generation)
		policy_text_done(&p->good); /* of an agent that knew more words than this one */
	if (!is_new)
		return; /* our own refusal, recorded now; or one that is not waited for */
	policy_text_done(&p->sent);
	snprintf(p->error, sizeof(p->error), "%s", r->error); /* the worker has logged it */
	load_over(p, json_pack("{s:s}", "error", p->error));
}

void policy_status_add(struct keeper *k, json_t *policy)
{
	const struct keeper_policy *p = k->policy;

	json_t *now;

	if (!policy || !p)
		return;
	now = p->good.text ? in_force_json(p) : NULL; /* the worker's part may be a second old */
	json_object_update(policy, now);
	json_decref(now);
	json_object_set_new(policy, "file",
			    json_string(p->good.text ? p->good.name : k->cfg->policy));
	json_object_set_new(policy, "signatures",
			    json_string(policy_store_signed(p->store) ? "required"
								      : "not required"));
	json_object_set_new(policy, "highest_revision",
			    json_integer(policy_store_revision(p->store)));
	json_object_set_new(policy, "unenforceable", unenforceable(p));
	json_object_set_new(policy, "enforcement", backends_json());
	json_object_set_new(policy, "last_error", json_string(p->error) ?: json_string("?"));
}

/* --- verbs -------------------------------------------------------------------------------------- */

static void on_load_limit(evutil_socket_t fd, short what, void *ctx)
{
	load_over(ctx, json_pack("{s:s}", "error",
				 "the worker did not answer in time; see probity policy status"));
}

static void limit(struct event *e)
{
	struct timeval t = {.tv_sec = LIMIT_S};

	event_add(e, &t);
}

void on_policy_load(void *ctx, struct control_call *call)
{
	struct keeper *k = ctx;
	struct keeper_policy *p = k->policy;
	const char *path = json_string_value(json_object_get(control_request(call), "path"));
	struct policy_text t = {}, file = {};
	char err[256], dummy[256];
	bool have_file;

	if (!path || path[0] != '/') {
		control_fail(call, "policy_load needs \"path\", from the root");
		return;
	}
	if (p->loading) {
		control_fail(call, "another pack is being loaded");
		return;
	}
	if (policy_store_read(p->store, path, control_uid(call), &t, err, sizeof(err))) {
		send_refusal(k, path, err);
		control_fail(call, "%s", err);
		return;
	}
	log_info("policy: %s is loaded by %s", t.name, control_user(call));
	have_file = !policy_store_read(p->store, k->cfg->policy, -1, &file, dummy, sizeof(dummy));
	p->loading = call;
	limit(p->load_limit);
	send_new(k, &t, strcmp(path, k->cfg->policy) && have_file ? file.sha256 : NULL);
	policy_text_done(&file);
}

static void explained(struct explain *e, json_t *answer)
{
	struct control_call *call = e->call;

	e->call = NULL;
	event_del(e->limit);
	control_reply(call, answer);
}

static void on_explain_limit(evutil_socket_t fd, short what, void *ctx)
{
	explained(ctx, json_pack("{s:s}", "error", "the worker did not answer in time"));
}

void on_explain(void *ctx, struct control_call *call)
{
	struct keeper *k = ctx;
	struct keeper_policy *p = k->policy;
	json_int_t pid = json_integer_value(json_object_get(control_request(call), "pid"));
	struct role_judge j = {.pid = pid};
	struct explain *e = p->explains;

	while (e < p->explains + EXPLAINS_MAX && e->call)
		e++;
	if (pid <= 0 || pid > INT32_MAX) {
		control_fail(call, "explain needs \"pid\"");
	} else if (e == p->explains + EXPLAINS_MAX ||
		   RAND_bytes((void *)&j.id, sizeof(j.id)) != 1) {
		control_fail(call, "too many questions at once");
	} else {
		tell_pid(k, pid); /* what the worker knows of it may be old */
		e->id = j.id;
		e->call = call;
		limit(e->limit);
		tell_worker(k, ROLE_JUDGE, &j, sizeof(j), NULL, 0);
	}
}

void policy_judged(struct keeper *k, const struct role_judged *r)
{
	struct keeper_policy *p = k->policy;
	json_t *j = json_loadb((const char *)(r + 1), r->len, 0, NULL);

	for (size_t i = 0; i < EXPLAINS_MAX; i++)
		if (p->explains[i].call && p->explains[i].id == r->id) {
			explained(&p->explains[i],
				  json_is_object(j) ? json_incref(j)
						    : json_pack("{s:s}", "error",
								"the worker's answer is none"));
			break;
		}
	json_decref(j);
}

/* --- beginning and end -------------------------------------------------------------------------- */

int policy_open(struct keeper *k)
{
	struct keeper_policy *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	k->policy = p;
	p->k = k;
	if (!k->cfg->gate)
		backend_forbid(NEED_CONTENT_WAIT, "the agent runs with --gate off");
	r = policy_store_open(k->cfg->state_dir, k->cfg->policy_key, k->cfg->allow_rollback,
			      &p->store);
	if (r) {
		log_err("%s/policy: %s", k->cfg->state_dir, strerror(-r));
		return r;
	}
	p->load_limit = event_new(k->base, -1, 0, on_load_limit, p);
	for (size_t i = 0; i < EXPLAINS_MAX; i++) {
		p->explains[i].limit = event_new(k->base, -1, 0, on_explain_limit, &p->explains[i]);
		if (!p->explains[i].limit)
			return -ENOMEM;
	}
	return p->load_limit ? 0 : -ENOMEM;
}

void policy_close(struct keeper *k)
{
	struct keeper_policy *p = k->policy;

	if (!p)
		return;
	if (p->load_limit)
		event_free(p->load_limit);
	for (size_t i = 0; i < EXPLAINS_MAX; i++)
		if (p->explains[i].limit)
			event_free(p->explains[i].limit);
	policy_text_done(&p->sent);
	policy_text_done(&p->good);
	policy_store_free(p->store);
	free(p);
	k->policy = NULL;
}
