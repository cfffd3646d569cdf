// SPDX-License-Identifier: Apache-2.0
/*
 * Control by control: the claim, what it rests on, samples with their proofs, and what the Statement of
 * Applicability says beside it. A control that the framework's data gives no evidence for gets none here,
 * whatever was observed.
 */
#include <errno.h>
#include <string.h>

#include "doc.h"

static void path(struct doc *d, json_t *o, const struct tally_sample *s)
{
	struct inclusion_source *p = d->o->proofs ? d->o->proofs[s->source] : NULL;
	struct tree_hash way[TREE_PATH_MAX], leaf;
	json_t *list;
	size_t n = 0;
	int r;

	memcpy(leaf.b, s->leaf, sizeof(leaf.b));
	r = p ? inclusion_path(p, s->seq, &leaf, way, &n) : -ENODATA;
	doc_text(d, o, "proof",
		 !r		 ? "in the checkpoint"
		 : r == -ENODATA ? "no tree at hand"
		 : r == -ERANGE	 ? "newer than the checkpoint"
		 : r == -ENOENT	 ? "tiles not kept"
				 : "not proven");
	if (r == -EBADMSG)
		doc_finding(d, FINDING_HIGH, "records", d->t->source[s->source].host, 1,
			    "sampled record", "that the tree of its host does not hold");
	if (r) {
		doc_text(d, o, "path", NULL);
		return;
	}
	list = doc_put(d, o, "path", json_array());
	for (size_t i = 0; i < n; i++)
		doc_add(d, list, render_hex(way[i].b, sizeof(way[i].b)));
}

static void samples(struct doc *d, json_t *o, const struct tally_control *c)
{
	json_t *list = doc_put(d, o, "samples", json_array());

	for (size_t i = 0; i < c->samples; i++) {
		const struct tally_sample *s = &c->sample[i];
		json_t *x = doc_add(d, list, json_object());

		doc_text(d, x, "host", d->t->source[s->source].host);
		doc_num(d, x, "source", s->source);
		doc_num(d, x, "seq", s->seq);
		doc_text(d, x, "kind", s->kind);
		doc_time(d, x, "time", s->wall_ns);
		doc_hex(d, x, "leaf", s->leaf, sizeof(s->leaf));
		doc_text(d, x, "line", s->line);
		path(d, x, s);
	}
}

static void applicability(struct doc *d, json_t *o, size_t i)
{
	const struct soa_entry *e = d->o->soa ? &d->o->soa->entries[i] : NULL;
	const struct framework_control *f = &d->t->fw->controls[i];
	const struct tally_control *c = &d->t->control[i];
	json_t *s;
	bool done;

	if (!e) {
		doc_text(d, o, "soa", NULL);
		return;
	}
	s = doc_put(d, o, "soa", json_object());
	doc_bool(d, s, "applicable", e->applicable);
	doc_text(d, s, "status", e->applicable ? soa_status_name(e->status) : NULL);
	doc_text(d, s, "justification", e->justification);
	doc_text(d, s, "how", e->how);
	done = e->applicable && (e->status == SOA_IMPLEMENTED || e->status == SOA_PARTIAL);
	if (done && f->evidence != EVIDENCE_NONE && !c->records)
		doc_finding(d, FINDING_HIGH, "statement", f->id, 0, "records",
			    "behind a control that the statement says is implemented");
	if (!e->applicable && f->evidence == EVIDENCE_DIRECT && c->records)
		doc_finding(d, FINDING_MEDIUM, "statement", f->id, c->records, "records",
			    "of what the statement says is not applicable");
}

static void control(struct doc *d, json_t *list, size_t i)
{
	const struct framework_control *f = &d->t->fw->controls[i];
	const struct tally_control *c = &d->t->control[i];
	json_t *o = doc_add(d, list, json_object()), *sorts;

	doc_text(d, o, "id", f->id);
	doc_text(d, o, "title", f->title);
	doc_text(d, o, "evidence", framework_evidence_name(f->evidence));
	doc_text(d, o, "shows", f->shows);
	doc_text(d, o, "limits", f->limits);
	sorts = doc_put(d, o, "rests_on", json_array());
	for (int s = 0; s < SORTS; s++)
		if (f->sorts >> s & 1)
			doc_add(d, sorts, json_string(item_sort_name(s)));
	doc_num(d, o, "records", c->records);
	doc_num(d, o, "events", c->events);
	doc_num(d, o, "denials", c->denials);
	doc_num(d, o, "violations", c->violations);
	doc_num(d, o, "attributed", c->attributed);
	doc_num(d, o, "refused", c->refused);
	doc_num(d, o, "would", c->would);
	doc_num(d, o, "approvals", c->approvals);
	doc_num(d, o, "overrides", c->overrides);
	doc_num(d, o, "incomplete", c->incomplete);
	samples(d, o, c);
	applicability(d, o, i);
}

static void statement(struct doc *d)
{
	const struct soa *s = d->o->soa;
	uint64_t applicable = 0, implemented = 0, beyond = 0;
	json_t *o;

	if (!s) {
		doc_text(d, d->root, "soa", NULL);
		return;
	}
	for (size_t i = 0; i < d->t->fw->n; i++) {
		bool done = s->entries[i].applicable && s->entries[i].status == SOA_IMPLEMENTED;

		applicable += s->entries[i].applicable;
		implemented += done;
		beyond += done && d->t->fw->controls[i].evidence == EVIDENCE_NONE;
	}
	o = doc_put(d, d->root, "soa", json_object());
	doc_text(d, o, "file", d->o->soa_file);
	doc_text(d, o, "title", s->title);
	doc_text(d, o, "version", s->version);
	doc_text(d, o, "date", s->date);
	doc_num(d, o, "applicable", applicable);
	doc_num(d, o, "implemented", implemented);
	doc_num(d, o, "beyond_host_evidence", beyond);
	if (beyond)
		doc_finding(
			d, FINDING_LOW, "statement", NULL, beyond, "controls",
			"that the statement says are implemented cannot be shown by a host's records; "
			"other evidence is needed");
}

void doc_controls(struct doc *d)
{
	json_t *list = doc_put(d, d->root, "controls", json_array());

	for (size_t i = 0; i < d->t->fw->n; i++)
		control(d, list, i);
	statement(d);
}
