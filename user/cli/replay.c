// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: a pack and AI calls as they were sealed. Flows out: what would have been decided, and counts
 * of what differs from what was. Only what a record holds is known: rules on exec, connect and tool_call
 * are about what is no AI call, are not replayed, and are named.
 *
 * A rule is compared by its id. Limit: RULES_MAX ids over all records; calls with more go on being
 * counted, their further rules do not.
 */
#include "replay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define RULES_MAX 1024
#define DISPOSITIONS (DISPOSITION_KILL + 1)
#define NONE DISPOSITIONS /* no decision in the record */

struct rule_count {
	char *id;
	bool in_pack;
	uint64_t before, after, added, removed;
};
struct replay {
	const struct pack *pack;
	const char *host_id;
	uint64_t calls, changed, from[DISPOSITIONS + 1][DISPOSITIONS];
	struct rule_count rules[RULES_MAX]; /* those of the pack first, by index */
	size_t n;
};

struct replay *replay_new(const struct pack *p, const char *host_id)
{
	struct replay *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->pack = p;
	r->host_id = host_id;
	for (size_t i = 0; i < pack_rules(p); i++) {
		r->rules[i] = (struct rule_count){strdup(pack_rule_id(p, i)), true, 0, 0, 0, 0};
		r->n++;
		if (!r->rules[i].id) {
			replay_free(r);
			return NULL;
		}
	}
	return r;
}

void replay_free(struct replay *r)
{
	for (size_t i = 0; r && i < r->n; i++)
		free(r->rules[i].id);
	free(r);
}

/* --- facts -------------------------------------------------------------------------------------- */

static const char *text(const char *s)
{
	return s ?: "";
}

static void take(struct facts_list *l, char **v, size_t n)
{
	for (size_t i = 0; i < n && l->n < FACTS_LIST_MAX; i++)
		if (v[i] && v[i][0])
			l->v[l->n++] = v[i];
}

static void facts_who(const Probity__V1__AiCall *c, struct facts *f)
{
	const Probity__V1__Process *p = c->process;

	f->user = f->exe = f->cgroup = f->container = "";
	if (p) {
		f->uid = p->uid;
		f->user = text(p->user);
		f->exe = text(p->exe);
		f->exe_sha256 = p->exe_sha256 && p->exe_sha256[0] ? p->exe_sha256 : NULL;
		f->cgroup = text(p->cgroup);
		f->container = text(p->container_id);
		take(&f->groups, p->groups, p->n_groups);
	}
	f->tool = c->tool ? text(c->tool->id) : "";
	f->in_tree = f->tool[0];
}

static void facts_what(const Probity__V1__AiCall *c, struct facts *f)
{
	const Probity__V1__Service *s = c->service;

	f->host = text(c->server_address);
	f->service = s ? text(s->id) : "";
	f->vendor = s ? text(s->vendor) : "";
	f->evidence = s ? text(s->evidence) : "";
	f->service_known = s && s->known;
	f->operation = text(c->operation);
	f->dialect = text(c->dialect);
	f->model = c->response_model && c->response_model[0] ? c->response_model
							     : text(c->request_model);
	f->completeness = text(c->completeness);
	f->address = text(c->peer_address);
	f->port = c->peer_port;
	f->mcp_server = "";
	take(&f->tools_offered, c->tools_offered, c->n_tools_offered);
	for (size_t i = 0; i < c->n_tool_calls && f->tool_calls.n < FACTS_LIST_MAX; i++)
		f->tool_calls.v[f->tool_calls.n++] = text(c->tool_calls[i]->name);
	for (size_t i = 0; i < c->n_data_classes && f->data_classes.n < FACTS_LIST_MAX; i++)
		f->data_classes.v[f->data_classes.n++] = text(c->data_classes[i]->id);
}

/* --- comparing ---------------------------------------------------------------------------------- */

static unsigned disposition_of(const char *name)
{
	for (unsigned d = 0; d < DISPOSITIONS; d++)
		if (!strcmp(disposition_name(d), name))
			return d;
	return NONE;
}

static int rule_of(struct replay *r, const char *id, struct rule_count **ret)
{
	size_t i = 0;

	while (i < r->n && strcmp(r->rules[i].id, id))
		i++;
	*ret = NULL;
	if (i == RULES_MAX)
		return 0;
	if (i == r->n) {
		char *copy = strdup(id);

		if (!copy)
			return -ENOMEM;
		r->rules[r->n++] = (struct rule_count){.id = copy};
	}
	*ret = &r->rules[i];
	return 0;
}

static bool fired_before(const Probity__V1__Decision *d, const char *id)
{
	for (size_t i = 0; d && i < d->n_rules; i++)
		if (d->rules[i]->triggered && !strcmp(text(d->rules[i]->id), id))
			return true;
	return false;
}

static bool is_call_rule(const struct pack *p, int i)
{
	return i < 0 || pack_rule_action(p, i)->on == FACTS_CALL;
}

/* Rules that fired then: they still do, or not, or are not there any more. */
static int compare_old(struct replay *r, const Probity__V1__Decision *d, const struct decision *now,
		       struct replay_one *ret)
{
	for (size_t i = 0; d && i < d->n_rules; i++) {
		const char *id = text(d->rules[i]->id);
		int at = pack_rule_index(r->pack, id);
		struct rule_count *c;

		if (!d->rules[i]->triggered || !is_call_rule(r->pack, at))
			continue;
		if (rule_of(r, id, &c))
			return -ENOMEM;
		if (c)
			c->before++;
		if (at >= 0 && now->result[at] == RULE_FIRED)
			continue;
		if (c)
			c->removed++;
		if (ret->removed < PACK_RULES_MAX)
			ret->rules_removed[ret->removed++] = id;
	}
	return 0;
}

static void compare_new(struct replay *r, const Probity__V1__Decision *d,
			const struct decision *now, struct replay_one *ret)
{
	for (size_t i = 0; i < now->rules; i++) {
		if (now->result[i] != RULE_FIRED)
			continue;
		r->rules[i].after++;
		if (fired_before(d, r->rules[i].id))
			continue;
		r->rules[i].added++;
		ret->rules_added[ret->added++] = r->rules[i].id;
	}
}

int replay_call(struct replay *r, const Probity__V1__AiCall *c, struct replay_one *ret)
{
	const Probity__V1__Decision *d = c->decision;
	struct facts f = {.subject = FACTS_CALL,
			  .stage = FACTS_DONE,
			  .now_unix_s = c->start_unix_ns / 1000000000,
			  .host_id = r->host_id};
	struct decision now;
	unsigned before;

	memset(ret, 0, sizeof(*ret));
	facts_who(c, &f);
	facts_what(c, &f);
	pack_decide(r->pack, &f, &now);
	before = d ? disposition_of(text(d->disposition)) : NONE;
	ret->before = before == NONE ? "" : disposition_name(before);
	ret->after = disposition_name(now.disposition);
	if (compare_old(r, d, &now, ret))
		return -ENOMEM;
	compare_new(r, d, &now, ret);
	ret->changed = before != now.disposition || ret->added || ret->removed;
	r->calls++;
	r->changed += ret->changed;
	r->from[before][now.disposition]++;
	return 0;
}

/* --- what came of it ---------------------------------------------------------------------------- */

uint64_t replay_calls(const struct replay *r)
{
	return r->calls;
}

uint64_t replay_changed(const struct replay *r)
{
	return r->changed;
}

static json_t *dispositions(const struct replay *r)
{
	json_t *list = json_array();

	for (unsigned b = 0; b <= NONE; b++)
		for (unsigned a = 0; a < DISPOSITIONS; a++)
			if (r->from[b][a])
				json_array_append_new(
					list, json_pack("{s:s, s:s, s:I}", "before",
							b == NONE ? "" : disposition_name(b),
							"after", disposition_name(a), "calls",
							(json_int_t)r->from[b][a]));
	return list;
}

static json_t *rules(const struct replay *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->n; i++) {
		const struct rule_count *c = &r->rules[i];

		if (!is_call_rule(r->pack, c->in_pack ? (int)i : -1))
			continue;
		json_array_append_new(list,
				      json_pack("{s:s, s:b, s:I, s:I, s:I, s:I}", "id", c->id,
						"in_pack", (int)c->in_pack, "before",
						(json_int_t)c->before, "after",
						(json_int_t)c->after, "added", (json_int_t)c->added,
						"removed", (json_int_t)c->removed));
	}
	return list;
}

static json_t *not_replayed(const struct pack *p)
{
	json_t *list = json_array();

	for (size_t i = 0; i < pack_rules(p); i++)
		if (!is_call_rule(p, i))
			json_array_append_new(list, json_string(pack_rule_id(p, i)));
	return list;
}

json_t *replay_json(const struct replay *r)
{
	uint64_t undecided = 0;

	for (unsigned a = 0; a < DISPOSITIONS; a++)
		undecided += r->from[NONE][a];
	return json_pack("{s:s, s:s, s:I, s:I, s:I, s:o, s:o, s:o}", "pack", pack_id(r->pack),
			 "version", pack_version(r->pack), "calls", (json_int_t)r->calls, "changed",
			 (json_int_t)r->changed, "undecided", (json_int_t)undecided, "not_replayed",
			 not_replayed(r->pack), "dispositions", dispositions(r), "rules", rules(r));
}
