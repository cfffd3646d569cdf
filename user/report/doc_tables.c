// SPDX-License-Identifier: Apache-2.0
/* Tables of a tally as JSON: inventory, rates, totals, completeness, and which of them were full. */
#include <string.h>

#include "doc.h"

static const enum dim inventory[] = {DIM_TOOL, DIM_SERVICE, DIM_MODEL, DIM_PROVIDER, DIM_SUPPLIER,
				     DIM_HOST, DIM_USER,    DIM_CLASS, DIM_SERVER};
static const enum dim rates[] = {DIM_RULE,  DIM_TOOL, DIM_MODEL, DIM_PROVIDER,
				 DIM_CLASS, DIM_USER, DIM_WEEK};

static const enum dim together[] = {DIM_FLOW, DIM_ACCESS, DIM_SENT, DIM_VERSION};

static void row(struct doc *d, json_t *list, const struct row *r)
{
	json_t *o = doc_add(d, list, json_object());

	doc_text(d, o, "key", r->key);
	doc_text(d, o, "label", r->label);
	doc_num(d, o, "records", r->records);
	doc_num(d, o, "events", r->events);
	doc_num(d, o, "calls", r->calls);
	doc_num(d, o, "requests", r->requests);
	doc_num(d, o, "denials", r->denials);
	doc_num(d, o, "violations", r->violations);
	doc_num(d, o, "refused", r->refused);
	doc_num(d, o, "input_tokens", r->input_tokens);
	doc_num(d, o, "output_tokens", r->output_tokens);
	doc_num(d, o, "tokens_unknown_calls", r->tokens_unknown);
	doc_num(d, o, "cost_nano_usd", r->cost_nano_usd);
	doc_num(d, o, "cost_unknown_calls", r->cost_unknown);
	doc_num(d, o, "values", r->values);
	doc_time(d, o, "first", r->first_ns);
	doc_time(d, o, "last", r->last_ns);
	doc_bool(d, o, "new", r->first_ns >= d->t->from_ns);
}

static void rate(struct doc *d, json_t *list, const struct row *r)
{
	json_t *o = doc_add(d, list, json_object());

	doc_text(d, o, "key", r->key);
	doc_text(d, o, "label", r->label);
	doc_num(d, o, "events", r->events);
	doc_num(d, o, "judged", r->judged);
	doc_num(d, o, "violations", r->violations);
	doc_share(d, o, "violation_ppm", r->violations, r->judged);
	doc_num(d, o, "refused", r->refused);
}

static void table(struct doc *d, json_t *to, enum dim dim, bool by_key,
		  void (*each)(struct doc *, json_t *, const struct row *))
{
	const struct roll *r = d->t->dim[dim];
	const struct row **v = by_key ? roll_by_key(r) : roll_by_events(r);
	json_t *list = doc_put(d, to, tally_dim_name(dim), json_array());

	if (!v)
		d->oom = true;
	for (size_t i = 0; v && v[i]; i++)
		if (v[i]->records) /* else seen only before the period */
			each(d, list, v[i]);
	free(v);
}

static void whole(struct doc *d, json_t *to, const char *key, const uint64_t n[WHOLES],
		  const char *unit)
{
	json_t *o = doc_put(d, to, key, json_object());
	uint64_t all = 0, could;

	for (int w = 0; w < WHOLES; w++)
		all += n[w];
	could = all - n[WHOLE_REFUSED];
	doc_num(d, o, "all", all);
	for (int w = 0; w < WHOLES; w++)
		doc_num(d, o, item_whole_name(w), n[w]);
	doc_share(d, o, "complete_ppm", n[WHOLE_COMPLETE], could);
	if (n[WHOLE_COMPLETE] < could)
		doc_finding(d, FINDING_MEDIUM, "completeness", NULL, could - n[WHOLE_COMPLETE],
			    unit,
			    "not seen whole: truncated, with a gap, joined late or not decodable");
}

static uint64_t counted(const struct roll *r)
{
	const struct row **v = roll_by_key(r);
	uint64_t n = 0;

	for (size_t i = 0; v && v[i]; i++)
		n += v[i]->records > 0;
	free(v);
	return n;
}

static void totals(struct doc *d)
{
	const struct tally *t = d->t;
	json_t *o = doc_put(d, d->root, "totals", json_object());

	doc_num(d, o, "calls", t->sorts[SORT_CALL]);
	doc_num(d, o, "requests", t->sorts[SORT_MCP]);
	doc_num(d, o, "denials", t->events - t->sorts[SORT_CALL] - t->sorts[SORT_MCP]);
	doc_num(d, o, "shadow_calls", t->sorts[SORT_SHADOW]);
	doc_num(d, o, "failed_calls", t->sorts[SORT_ERROR]);
	doc_num(d, o, "events", t->events);
	doc_num(d, o, "judged", t->judged);
	doc_num(d, o, "violations", t->violations);
	doc_share(d, o, "violation_ppm", t->violations, t->judged);
	doc_num(d, o, "refused", t->refused);
	doc_num(d, o, "would", t->would);
	doc_num(d, o, "failed", t->failed);
	doc_num(d, o, "overrides", t->overrides);
	doc_num(d, o, "input_tokens", t->input_tokens);
	doc_num(d, o, "output_tokens", t->output_tokens);
	doc_num(d, o, "tokens_unknown_calls", t->tokens_unknown);
	doc_num(d, o, "cost_nano_usd", t->cost_nano_usd);
	doc_num(d, o, "cost_partial_calls", t->cost_partial);
	doc_num(d, o, "cost_unknown_calls", t->cost_unknown);
	for (size_t i = 0; i < ARRAY_SIZE(inventory); i++)
		doc_num(d, o, tally_dim_name(inventory[i]), counted(t->dim[inventory[i]]));
	if (t->failed)
		doc_finding(d, FINDING_HIGH, "enforcement", NULL, t->failed, "actions",
			    "that should have been refused and were not");
	if (t->would)
		doc_finding(d, FINDING_MEDIUM, "enforcement", NULL, t->would, "violations",
			    "only observed: the rules were in monitor mode");
	if (t->sorts[SORT_SHADOW])
		doc_finding(d, FINDING_MEDIUM, "inventory", NULL, t->sorts[SORT_SHADOW], "AI calls",
			    "to services that are in no catalog");
	if (t->sorts[SORT_COLLECTOR])
		doc_finding(d, FINDING_HIGH, "records", NULL, t->sorts[SORT_COLLECTOR], "times",
			    "the collector held less than it had confirmed before");
	if (t->overrides)
		doc_finding(d, FINDING_LOW, "enforcement", NULL, t->overrides, "actions",
			    "let pass by an operator against a rule");
}

static void capped(struct doc *d)
{
	json_t *list = doc_put(d, d->root, "capped", json_array());

	for (int i = 0; i < DIMS; i++) {
		const struct roll *r = d->t->dim[i];
		json_t *o;

		if (!roll_left_out(r))
			continue;
		o = doc_add(d, list, json_object());
		doc_text(d, o, "table", tally_dim_name(i));
		doc_num(d, o, "room", roll_room(r));
		doc_num(d, o, "left_out", roll_left_out(r));
		doc_finding(d, FINDING_MEDIUM, "report", tally_dim_name(i), roll_left_out(r),
			    "records",
			    "are in no row of this table, because it was full; totals hold them");
	}
}

void doc_tables(struct doc *d)
{
	json_t *o;

	totals(d);
	o = doc_put(d, d->root, "completeness", json_object());
	whole(d, o, "calls", d->t->whole_calls, "AI calls");
	whole(d, o, "requests", d->t->whole_requests, "tool requests");
	o = doc_put(d, d->root, "inventory", json_object());
	for (size_t i = 0; i < ARRAY_SIZE(inventory); i++)
		table(d, o, inventory[i], false, row);
	o = doc_put(d, d->root, "rates", json_object());
	for (size_t i = 0; i < ARRAY_SIZE(rates); i++)
		table(d, o, rates[i], rates[i] == DIM_WEEK, rate);
	table(d, d->root, DIM_EFFECT, false, rate);
	o = doc_put(d, d->root, "together", json_object());
	for (size_t i = 0; i < ARRAY_SIZE(together); i++)
		table(d, o, together[i], false, row);
	capped(d);
}
