// SPDX-License-Identifier: Apache-2.0
/* What was observed against what was declared: suppliers used and approved, systems of the register,
 * use that no system declares, declarations that nothing uses, assessments that are out of date. */
#include <string.h>

#include "doc.h"
#include "policy/pack.h"

/* --- suppliers ----------------------------------------------------------------------------------- */

static bool listed(const struct doc_node *list, const char *name)
{
	for (const struct doc_node *n = list ? list->first : NULL; n; n = n->next)
		if (glob_match(n->text, name))
			return true;
	return false;
}

static bool named(const struct doc_node *list, const char *text)
{
	for (const struct doc_node *n = list ? list->first : NULL; n; n = n->next)
		if (!strcmp(n->text, text))
			return true;
	return false;
}

static void supplier(struct doc *d, json_t *list, const struct row *r, const struct doc_node *reg,
		     const struct doc_node *soa)
{
	json_t *o = doc_add(d, list, json_object());
	bool said = reg || soa, approved = listed(reg, r->key) || listed(soa, r->key);

	doc_text(d, o, "key", r->key);
	doc_num(d, o, "events", r->events);
	doc_num(d, o, "calls", r->calls);
	doc_num(d, o, "denials", r->denials);
	doc_time(d, o, "first", r->first_ns);
	doc_text(d, o, "approved", !said ? "not said" : approved ? "yes" : "no");
	if (said && !approved && r->calls)
		doc_finding(d, FINDING_HIGH, "suppliers", r->key, r->calls, "AI calls",
			    "to a supplier that is not on the list of approved ones");
}

/* Those that `also` has by the same text are told there. */
static void unused_suppliers(struct doc *d, json_t *list, const struct doc_node *declared,
			     const struct doc_node *also, const struct row *const *v)
{
	for (const struct doc_node *n = declared ? declared->first : NULL; n; n = n->next) {
		bool used = named(also, n->text);

		for (size_t i = 0; v[i] && !used; i++)
			used = v[i]->calls && glob_match(n->text, v[i]->key);
		if (!used)
			doc_add(d, list, render_text(n->text));
	}
}

static void suppliers(struct doc *d)
{
	const struct doc_node *reg = d->t->systems ? d->t->systems->suppliers : NULL;
	const struct doc_node *soa = d->o->soa ? d->o->soa->suppliers : NULL;
	const struct row **v = roll_by_events(d->t->dim[DIM_SUPPLIER]);
	json_t *o = doc_put(d, d->root, "suppliers", json_object()), *list;

	if (!v) {
		d->oom = true;
		return;
	}
	doc_bool(d, o, "declared", reg || soa);
	list = doc_put(d, o, "used", json_array());
	for (size_t i = 0; v[i]; i++)
		if (v[i]->records)
			supplier(d, list, v[i], reg, soa);
	list = doc_put(d, o, "unused", json_array());
	unused_suppliers(d, list, reg, NULL, v);
	unused_suppliers(d, list, soa, reg, v);
	free(v);
	if (!reg && !soa)
		doc_finding(
			d, FINDING_LOW, "suppliers", NULL, d->t->sorts[SORT_CALL], "AI calls",
			"whose suppliers could not be compared: no list of approved ones was given");
}

/* --- the register -------------------------------------------------------------------------------- */

/* The newest part of a system: a tool, service, model or tool server. */
static const struct row *newest(const struct system_entry *s)
{
	const struct row **v = roll_by_key(s->parts), *best = NULL;

	for (size_t i = 0; v && v[i]; i++)
		if (!best || v[i]->first_ns > best->first_ns)
			best = v[i];
	free(v);
	return best;
}

static void assessment(struct doc *d, json_t *o, const struct system_entry *s)
{
	const struct row *last = newest(s);
	/* A day's assessment stands for what was seen until the day was over. */
	bool old = last && s->assessed_s &&
		   last->first_ns / 1000000000 >= (uint64_t)s->assessed_s + 86400;

	doc_text(d, o, "assessment", s->assessment);
	doc_text(d, o, "assessment_date", s->assessment_date);
	doc_text(d, o, "newest_part", last ? last->key : NULL);
	doc_time(d, o, "newest_part_first", last ? last->first_ns : 0);
	if (roll_left_out(s->parts))
		doc_finding(d, FINDING_MEDIUM, "report", s->name, roll_left_out(s->parts),
			    "sightings",
			    "of parts of this system found no room: its newest may be one of them");
	doc_text(d, o, "assessment_state", !s->assessed_s ? "none" : old ? "outdated" : "current");
	if (old)
		doc_finding(
			d, FINDING_HIGH, "register", s->name, 1, "system",
			"whose impact assessment is older than its newest tool, service or model");
	else if (!s->assessed_s)
		doc_finding(d, FINDING_MEDIUM, "register", s->name, 1, "system",
			    "without an impact assessment");
}

static void unused(struct doc *d, json_t *o, const struct system_entry *s)
{
	json_t *list = doc_put(d, o, "unused", json_array());
	uint64_t n = 0;

	for (int l = 0; l < LISTS; l++)
		for (size_t i = 0; i < s->n[l]; i++) {
			json_t *u;

			if (s->pattern[l][i].used)
				continue;
			u = doc_add(d, list, json_object());
			doc_text(d, u, "list", system_list_name(l));
			doc_text(d, u, "pattern", s->pattern[l][i].glob);
			n++;
		}
	if (!s->calls && !s->requests && !s->denials)
		doc_finding(d, FINDING_LOW, "register", s->name, 1, "system",
			    "declared, and not used in this period");
	else if (n)
		doc_finding(d, FINDING_LOW, "register", s->name, n, "declarations",
			    "that nothing in this period matched");
}

static void system_entry(struct doc *d, json_t *list, const struct system_entry *s)
{
	json_t *o = doc_add(d, list, json_object());

	doc_text(d, o, "name", s->name);
	doc_text(d, o, "purpose", s->purpose);
	doc_text(d, o, "owner", s->owner);
	doc_text(d, o, "risk", s->risk);
	doc_num(d, o, "calls", s->calls);
	doc_num(d, o, "requests", s->requests);
	doc_num(d, o, "denials", s->denials);
	doc_num(d, o, "violations", s->violations);
	doc_num(d, o, "refused", s->refused);
	doc_time(d, o, "first", s->first_ns);
	doc_time(d, o, "last", s->last_ns);
	assessment(d, o, s);
	unused(d, o, s);
}

static void undeclared(struct doc *d, json_t *o)
{
	const struct row **v = roll_by_events(d->t->dim[DIM_UNDECLARED]);
	json_t *list = doc_put(d, o, "undeclared", json_array());

	doc_num(d, o, "undeclared_events", d->t->undeclared);
	if (!v)
		d->oom = true;
	for (size_t i = 0; v && v[i]; i++) {
		json_t *u;

		if (!v[i]->records)
			continue;
		u = doc_add(d, list, json_object());
		doc_text(d, u, "key", v[i]->key);
		doc_num(d, u, "events", v[i]->events);
		doc_text(d, u, "nearest", v[i]->label);
		doc_time(d, u, "first", v[i]->first_ns);
		doc_time(d, u, "last", v[i]->last_ns);
	}
	free(v);
	if (d->t->undeclared)
		doc_finding(d, FINDING_HIGH, "register", NULL, d->t->undeclared, "uses",
			    "of AI that no system of the register declares");
}

static void systems(struct doc *d)
{
	const struct systems *s = d->t->systems;
	json_t *o, *list;

	if (!s) {
		doc_text(d, d->root, "register", NULL);
		doc_finding(d, FINDING_LOW, "register", NULL, d->t->events, "uses",
			    "that could not be compared with declared ones: no register was given");
		return;
	}
	o = doc_put(d, d->root, "register", json_object());
	doc_text(d, o, "file", d->o->systems_file);
	doc_text(d, o, "title", s->title);
	doc_text(d, o, "version", s->version);
	list = doc_put(d, o, "systems", json_array());
	for (size_t i = 0; i < s->n; i++)
		if (!d->t->only || d->t->only == &s->entries[i])
			system_entry(d, list, &s->entries[i]);
	undeclared(d, o);
}

void doc_join(struct doc *d)
{
	suppliers(d);
	systems(d);
}
