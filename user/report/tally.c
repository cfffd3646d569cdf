// SPDX-License-Identifier: Apache-2.0
/*
 * Records in, in the order of their chains; numbers out. Each record is looked at once and forgotten.
 * Invariant: what is counted lies in the period by the time of its sealing; what was before it only
 * says when something was first seen, which pack was in force and whether the agent ran. Full: a
 * table that has no room for another row counts what it left out, and the report names it.
 */
#include "tally.h"

#include <errno.h>
#include <string.h>

#include "record/printable.h"

#define TICK 8192 /* records */

static const struct {
	const char *name;
	size_t room;
} dims[DIMS] = {
	[DIM_TOOL] = {"tools", 4096},
	[DIM_SERVICE] = {"services", 4096},
	[DIM_MODEL] = {"models", 4096},
	[DIM_PROVIDER] = {"providers", 1024},
	[DIM_SUPPLIER] = {"suppliers", 4096},
	[DIM_HOST] = {"hosts", 4096},
	[DIM_USER] = {"users", 16384},
	[DIM_CLASS] = {"data_classes", 512},
	[DIM_SERVER] = {"tool_servers", 4096},
	[DIM_WEEK] = {"weeks", 1024},
	[DIM_RULE] = {"rules", 4096},
	[DIM_EFFECT] = {"effects", 64},
	[DIM_APPROVAL] = {"approval_states", 64},
	[DIM_LOSS] = {"losses", 512},
	[DIM_UNDECLARED] = {"undeclared", 4096},
	[DIM_FLOW] = {"flows", 8192},
	[DIM_ACCESS] = {"access", 16384},
	[DIM_SENT] = {"data_sent", 4096},
	[DIM_VERSION] = {"versions", 4096},
};

const char *tally_dim_name(enum dim d)
{
	return dims[d].name;
}

int tally_new(const struct tally_options *o, struct tally **ret)
{
	_cleanup_(tally_freep) struct tally *t = calloc(1, sizeof(*t));
	int r = t ? 0 : -ENOMEM;

	for (int d = 0; d < DIMS && !r; d++)
		r = roll_new(dims[d].room, &t->dim[d]);
	if (r)
		return r;
	t->from_ns = o->from_ns;
	t->to_ns = o->to_ns;
	t->fw = o->framework;
	t->systems = o->systems;
	t->only = o->only;
	t->tick = o->tick;
	t->ctx = o->ctx;
	*ret = TAKE_PTR(t);
	return 0;
}

void tally_free(struct tally *t)
{
	if (!t)
		return;
	for (int d = 0; d < DIMS; d++)
		roll_free(t->dim[d]);
	free(t->source);
	free(t);
}

bool tally_within(const struct tally *t, uint64_t wall_ns)
{
	return wall_ns >= t->from_ns && wall_ns < t->to_ns;
}

/* --- rows ---------------------------------------------------------------------------------------- */

/* One event of an item in one row; within: of the period. */
struct row *tally_count(struct tally *t, enum dim d, const char *key, const struct item *it,
			bool within)
{
	struct row *r = roll_at(t->dim[d], key[0] ? key : "(not known)");
	uint64_t at = it->rec->head.wall_ns;

	if (!r)
		return NULL;
	if (!r->first_ns || at < r->first_ns)
		r->first_ns = at;
	if (!within)
		return r;
	if (at > r->last_ns)
		r->last_ns = at;
	r->records++;
	r->events += it->weight;
	r->calls += it->sorts >> SORT_CALL & 1;
	r->requests += it->sorts >> SORT_MCP & 1;
	r->denials += it->sorts >> SORT_DENIAL & 1 ? it->weight : 0;
	r->judged += it->decision ? it->weight : 0;
	r->violations += it->violated ? it->weight : 0;
	r->refused += it->refused ? it->weight : 0;
	r->input_tokens += it->input_tokens;
	r->output_tokens += it->output_tokens;
	r->cost_nano_usd += it->cost_nano_usd;
	if (it->sorts >> SORT_CALL & 1) {
		r->tokens_unknown += !it->tokens_known;
		r->cost_unknown += !it->cost_known;
	}
	return r;
}

static void label(struct row *r, const char *text)
{
	if (r && text && text[0])
		printable_copy(r->label, sizeof(r->label), text);
}

static bool is_new(const struct tally *t, enum dim d, const char *key)
{
	char k[ROLL_KEY_MAX];

	if (!key || !key[0])
		return false;
	printable_copy(k, sizeof(k), key);
	/* Of a full table nobody knows what it has not; `capped` says that it is. */
	return !roll_find(t->dim[d], k) && roll_count(t->dim[d]) < roll_room(t->dim[d]);
}

static void rows(struct tally *t, struct item *it, bool within)
{
	const char *host = t->source[t->sources - 1].host;

	if (is_new(t, DIM_TOOL, it->tool) || is_new(t, DIM_SERVICE, it->service) ||
	    is_new(t, DIM_MODEL, it->model))
		it->sorts |= 1u << SORT_NEW;
	label(tally_count(t, DIM_TOOL, it->tool, it, within), it->tool_name);
	tally_count(t, DIM_HOST, host, it, within);
	tally_count(t, DIM_USER, it->user, it, within);
	if (it->service[0]) {
		label(tally_count(t, DIM_SERVICE, it->service, it, within), it->service_name);
		tally_count(t, DIM_SUPPLIER, it->supplier, it, within);
		tally_count(t, DIM_PROVIDER, it->provider, it, within);
	}
	if (it->model)
		tally_count(t, DIM_MODEL, it->model, it, within);
	if (it->server)
		tally_count(t, DIM_SERVER, it->server, it, within);
	if (within)
		tally_count(t, DIM_WEEK, it->week, it, true);
	tally_pairs(t, it, host, within);
}

static void classes(struct tally *t, const struct item *it, bool within)
{
	const Probity__V1__AiCall *c = it->rec->call;

	for (size_t i = 0; c && i < c->n_data_classes; i++) {
		struct row *r = tally_count(t, DIM_CLASS, c->data_classes[i]->id, it, within);

		if (r && within)
			r->values += (uint64_t)c->data_classes[i]->request +
				     c->data_classes[i]->response;
	}
}

/* A rule's row counts what it judged, not what else fired beside it. */
static void rules(struct tally *t, const struct item *it)
{
	const Probity__V1__Decision *d = it->decision;
	char what[96];

	for (size_t i = 0; d && i < d->n_rules; i++) {
		struct item one = *it;
		struct row *r;

		one.violated = item_fired(d->rules[i]);
		one.refused = it->refused && one.violated;
		r = tally_count(t, DIM_RULE, d->rules[i]->id, &one, true);
		snprintf(what, sizeof(what), "%s, %s", d->rules[i]->disposition,
			 d->rules[i]->severity);
		label(r, what);
	}
	if (d && d->effect[0])
		tally_count(t, DIM_EFFECT, d->effect, it, true);
}

/* --- the register -------------------------------------------------------------------------------- */

static void part(struct system_entry *s, enum system_list l, const char *text, uint64_t at)
{
	struct row *r = text && text[0] ? roll_at(s->parts, text) : NULL;

	if (!r)
		return;
	if (!r->first_ns || at < r->first_ns)
		r->first_ns = at;
	r->slot = l;
}

static void of_system(struct system_entry *s, const struct item *it, bool within)
{
	uint64_t at = it->rec->head.wall_ns;

	part(s, LIST_TOOLS, it->tool, at);
	part(s, LIST_SERVICES, it->service, at);
	part(s, LIST_MODELS, it->model, at);
	part(s, LIST_SERVERS, it->server, at);
	if (!s->first_ns || at < s->first_ns)
		s->first_ns = at;
	if (!within)
		return;
	if (at > s->last_ns)
		s->last_ns = at;
	s->calls += it->sorts >> SORT_CALL & 1;
	s->requests += it->sorts >> SORT_MCP & 1;
	s->denials += it->sorts >> SORT_DENIAL & 1 ? it->weight : 0;
	s->violations += it->violated ? it->weight : 0;
	s->refused += it->refused ? it->weight : 0;
}

static void undeclared(struct tally *t, const struct item *it, const char *host,
		       const struct system_entry *near, enum system_list differs, bool within)
{
	char key[ROLL_KEY_MAX], what[96];
	struct row *r;

	tally_flow(it, host, key);
	r = tally_count(t, DIM_UNDECLARED, key, it, within);
	t->undeclared += within ? it->weight : 0;
	if (!r || !near)
		return;
	snprintf(what, sizeof(what), "%s: other %s", near->name, system_list_name(differs));
	label(r, what);
}

/* False: of another system than the one that is asked for. What was refused is no use of a system,
 * but an attempt: it counts for the one it would have belonged to, and is never undeclared. */
static bool joined(struct tally *t, const struct item *it, bool within)
{
	const char *host = t->source[t->sources - 1].host;
	const struct system_entry *near;
	struct system_entry *s;
	enum system_list differs = LISTS;

	if (!t->systems)
		return true;
	s = systems_of(t->systems, it, host, within, &near, &differs);
	if (t->only && s != t->only)
		return false;
	if (s)
		of_system(s, it, within);
	else if (!(it->sorts >> SORT_DENIAL & 1))
		undeclared(t, it, host, near, differs, within);
	return true;
}

/* --- a record ------------------------------------------------------------------------------------ */

static void totals(struct tally *t, const struct item *it)
{
	const Probity__V1__Decision *d = it->decision;
	bool is_call = it->sorts >> SORT_CALL & 1;

	t->events += it->weight;
	t->judged += d ? it->weight : 0;
	t->violations += it->violated ? it->weight : 0;
	t->refused += it->refused ? it->weight : 0;
	if (d && !strncmp(d->effect, "would_", 6))
		t->would += it->weight;
	if (d && strstr(d->effect, "_failed"))
		t->failed += it->weight;
	t->overrides += it->sorts >> SORT_OVERRIDE & 1 ? it->weight : 0;
	if (it->sorts >> SORT_MCP & 1)
		t->whole_requests[it->whole]++;
	if (!is_call)
		return;
	t->whole_calls[it->whole]++;
	t->input_tokens += it->input_tokens;
	t->output_tokens += it->output_tokens;
	t->tokens_unknown += !it->tokens_known;
	t->cost_nano_usd += it->cost_nano_usd;
	t->cost_partial += it->cost_partial;
	t->cost_unknown += !it->cost_known;
}

static void use(struct tally *t, struct item *it, bool within)
{
	if (!joined(t, it, within)) {
		t->out_of_scope += within;
		it->use = false;
		it->sorts = 0;
		return;
	}
	rows(t, it, within);
	classes(t, it, within);
	if (!within)
		return;
	rules(t, it);
	totals(t, it);
}

static void place(struct tally *t, const struct record *head)
{
	struct tally_source *s = &t->source[t->sources - 1];

	if (!(++t->read % TICK) && t->tick)
		t->tick(t->ctx, t->read);
	if (!s->known) {
		s->known = true;
		s->first_seq = head->seq;
		s->first_ns = head->wall_ns;
		memcpy(s->chain, head->chain, sizeof(s->chain));
		s->running = head->seq > 0; /* pruned: it ran before */
	}
	s->records++;
	s->last_seq = head->seq;
	s->last_ns = head->wall_ns;
	if (tally_within(t, head->wall_ns)) {
		t->in_period++;
		s->in_period++;
	}
}

void tally_record(struct tally *t, const struct sealed *s)
{
	bool within = tally_within(t, s->head.wall_ns);
	struct tally_source *src = &t->source[t->sources - 1];
	struct item it;

	src->newest_seq = s->head.seq;
	if (s->head.wall_ns >= t->to_ns)
		return;
	place(t, &s->head);
	item_of(s, &it);
	if (it.use)
		use(t, &it, within);
	if (s->control)
		tally_control_record(t, s, within);
	src->left_ns = s->head.wall_ns;
	src->left_seq = s->head.seq;
	if (!within)
		return;
	t->other += !s->call && !s->mcp && !s->denial && !s->control;
	for (int i = 0; i < SORTS; i++)
		t->sorts[i] += it.sorts >> i & 1;
	tally_controls(t, &it);
}

void tally_erased(struct tally *t, const struct record *head)
{
	struct tally_source *src = &t->source[t->sources - 1];

	src->newest_seq = head->seq;
	if (head->wall_ns >= t->to_ns)
		return;
	place(t, head);
	src->erased += tally_within(t, head->wall_ns);
	src->left_ns = head->wall_ns;
	src->left_seq = head->seq;
}
