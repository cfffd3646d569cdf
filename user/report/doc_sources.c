// SPDX-License-Identifier: Apache-2.0
/* What the report rests on: chains that were read, when the agent watched and when not, what is missing.
 * What speaks against the records is a finding here, before anything is said for them. */
#include <string.h>

#include "doc.h"

static uint64_t seconds(uint64_t ns)
{
	return ns / 1000000000;
}

static void breaks(struct doc *d, json_t *o, const struct tally_source *s)
{
	json_t *list = doc_put(d, o, "broken", json_array());

	doc_num(d, o, "breaks", s->breaks);
	for (size_t i = 0; i < s->breaks && i < TALLY_BREAKS_MAX; i++) {
		json_t *b = doc_add(d, list, json_object());

		doc_text(d, b, "file", s->broken[i].file);
		doc_num(d, b, "offset", s->broken[i].offset);
		doc_num(d, b, "seq", s->broken[i].seq);
		doc_text(d, b, "kind", s->broken[i].kind);
	}
	if (s->breaks)
		doc_finding(
			d, FINDING_HIGH, "records", s->host, s->breaks, "places",
			"where the chain of records does not hold; probity verify tells what it is");
}

static void checkpoint(struct doc *d, json_t *o, const char *key, const struct checkpoint *c,
		       const char *note)
{
	json_t *k;

	if (!c) {
		doc_text(d, o, key, NULL);
		return;
	}
	k = doc_put(d, o, key, json_object());
	doc_text(d, k, "origin", c->origin);
	doc_num(d, k, "size", c->size);
	doc_hex(d, k, "root", c->root.b, sizeof(c->root.b));
	if (note)
		doc_text(d, k, "note", note);
}

/* A signed tree that is larger than what is here: the end was cut off, or another one is shown. */
static void covered(struct doc *d, const struct tally_source *s, uint64_t size, const char *text)
{
	if (size > s->newest_seq + 1)
		doc_finding(d, FINDING_HIGH, "records", s->host, size - s->newest_seq - 1,
			    "records", text);
}

static void stored_witness(struct doc *d, json_t *o, const struct tally_source *s)
{
	json_t *k = doc_put(d, o, "witnessed", json_object());

	doc_num(d, k, "size", s->cosigned_size);
	doc_hex(d, k, "root", s->cosigned_root, sizeof(s->cosigned_root));
	doc_time(d, k, "time", s->cosigned_s * 1000000000);
	covered(d, s, s->cosigned_size, "that the collector has cosigned and does not hold");
}

static void proofs(struct doc *d, json_t *o, size_t i)
{
	const struct inclusion_source *p = d->o->proofs ? d->o->proofs[i] : NULL;
	const struct checkpoint *w = p ? inclusion_witnessed(p) : NULL;
	const struct tally_source *s = &d->t->source[i];

	checkpoint(d, o, "checkpoint", p ? inclusion_checkpoint(p) : NULL,
		   p ? inclusion_note(p) : NULL);
	if (p)
		covered(d, s, inclusion_checkpoint(p)->size,
			"that the host's own checkpoint has and the spool has not");
	if (s->cosigned) {
		stored_witness(d, o, s);
		return;
	}
	checkpoint(d, o, "witnessed", w, NULL);
	if (w)
		covered(d, s, w->size,
			"that the collector has cosigned and the spool has not: the end was cut off");
	else
		doc_finding(
			d, FINDING_MEDIUM, "records", s->host, 1, "chain",
			"without a cosigned checkpoint beside it: that its end was not cut off, only "
			"the collector can say");
}

static uint64_t unknown_s(const struct tally *t, const struct tally_source *s)
{
	return seconds(t->to_ns - t->from_ns) - seconds(s->observed_ns);
}

static void source(struct doc *d, json_t *list, size_t i)
{
	const struct tally_source *s = &d->t->source[i];
	json_t *o = doc_add(d, list, json_object());

	doc_text(d, o, "host", s->host);
	doc_text(d, o, "name", s->name);
	doc_text(d, o, "kernel", s->kernel);
	doc_text(d, o, "agent", s->agent);
	doc_hex(d, o, "chain", s->chain, sizeof(s->chain));
	if (s->public_known)
		doc_hex(d, o, "public_key", s->public, sizeof(s->public));
	else
		doc_text(d, o, "public_key", NULL);
	doc_num(d, o, "records", s->records);
	doc_num(d, o, "in_period", s->in_period);
	doc_num(d, o, "erased", s->erased);
	doc_num(d, o, "first_seq", s->first_seq);
	doc_num(d, o, "last_seq", s->last_seq);
	doc_time(d, o, "first", s->first_ns);
	doc_time(d, o, "last", s->last_ns);
	doc_num(d, o, "starts", s->starts);
	doc_num(d, o, "stops", s->stops);
	doc_num(d, o, "crash_starts", s->crash_starts);
	doc_num(d, o, "seals", s->seals);
	doc_num(d, o, "late_seals", s->late_seals);
	doc_num(d, o, "observed_s", seconds(s->observed_ns));
	doc_num(d, o, "down_ms", s->down_ns / 1000000);
	doc_num(d, o, "unknown_s", unknown_s(d->t, s));
	doc_bool(d, o, "running_at_end", s->running);
	breaks(d, o, s);
	proofs(d, o, i);
}

static void records(struct doc *d)
{
	const struct tally *t = d->t;
	json_t *o = doc_put(d, d->root, "records", json_object()), *by;
	uint64_t erased = 0;

	for (size_t i = 0; i < t->sources; i++)
		erased += t->source[i].erased;
	doc_num(d, o, "read", t->read);
	doc_num(d, o, "in_period", t->in_period);
	doc_num(d, o, "erased", erased);
	doc_num(d, o, "unreadable", t->other);
	doc_num(d, o, "out_of_scope", t->out_of_scope);
	by = doc_put(d, o, "by_sort", json_object());
	for (int s = 0; s < SORTS; s++)
		doc_num(d, by, item_sort_name(s), t->sorts[s]);
	if (!t->in_period)
		doc_finding(d, FINDING_HIGH, "records", NULL, 0, "records",
			    "in this period: nothing can be said about it");
	if (erased)
		doc_finding(d, FINDING_LOW, "records", NULL, erased, "records",
			    "whose content was erased; they are in none of the numbers of use");
	if (t->other)
		doc_finding(d, FINDING_MEDIUM, "records", NULL, t->other, "records",
			    "that this version cannot read; they are in none of the numbers");
}

static void gaps(struct doc *d, json_t *o)
{
	json_t *list = doc_put(d, o, "gaps", json_array());

	doc_num(d, o, "gaps_all", d->t->gaps_all);
	for (size_t i = 0; i < d->t->gaps; i++) {
		const struct tally_gap *g = &d->t->gap[i];
		json_t *x = doc_add(d, list, json_object());

		doc_text(d, x, "host", d->t->source[g->source].host);
		doc_num(d, x, "source", g->source);
		doc_text(d, x, "kind", g->crash ? "crash" : "stop");
		doc_time(d, x, "from", g->from_ns);
		doc_time(d, x, "to", g->to_ns);
		doc_num(d, x, "ms", (g->to_ns - g->from_ns) / 1000000);
		doc_num(d, x, "seq", g->seq);
	}
}

static void operation(struct doc *d)
{
	json_t *o = doc_put(d, d->root, "operation", json_object());
	uint64_t seen = 0, down = 0, no_word = 0, starts = 0, stops = 0, crashed = 0, seals = 0,
		 late = 0, broken = 0;

	for (size_t i = 0; i < d->t->sources; i++) {
		const struct tally_source *s = &d->t->source[i];

		seen += s->observed_ns;
		down += s->down_ns;
		no_word += unknown_s(d->t, s);
		starts += s->starts;
		stops += s->stops;
		crashed += s->crash_starts;
		seals += s->seals;
		late += s->late_seals;
		broken += s->breaks;
	}
	doc_num(d, o, "observed_s", seconds(seen));
	doc_num(d, o, "down_ms", down / 1000000);
	doc_share(d, o, "up_ppm", seen > down ? seen - down : 0, seen);
	doc_share(d, o, "watched_ppm", seen > down ? seen - down : 0,
		  (d->t->to_ns - d->t->from_ns) * d->t->sources);
	doc_num(d, o, "unknown_s", no_word);
	doc_num(d, o, "starts", starts);
	doc_num(d, o, "stops", stops);
	doc_num(d, o, "crash_starts", crashed);
	doc_num(d, o, "seals", seals);
	doc_num(d, o, "late_seals", late);
	doc_num(d, o, "breaks", broken);
	gaps(d, o);
	if (crashed)
		doc_finding(d, FINDING_MEDIUM, "operation", NULL, crashed, "starts",
			    "of the agent without an orderly end before");
	if (down)
		doc_finding(d, FINDING_MEDIUM, "operation", NULL, d->t->gaps_all, "times",
			    "the agent did not run: what happened then is in no record");
	if (late)
		doc_finding(d, FINDING_LOW, "operation", NULL, late, "seals",
			    "came later than due; each says why");
	/* A tenth of the period or more is no edge of it. */
	if (no_word)
		doc_finding(
			d,
			no_word * 10 >= seconds((d->t->to_ns - d->t->from_ns) * d->t->sources)
				? FINDING_MEDIUM
				: FINDING_LOW,
			"operation", NULL, no_word, "seconds",
			"of the period, over all hosts, before a host's first record or behind its last");
}

static void losses(struct doc *d)
{
	json_t *list = doc_put(d, d->root, "losses", json_array());
	const struct row **v = roll_by_events(d->t->dim[DIM_LOSS]);

	if (!v)
		d->oom = true;
	for (size_t i = 0; v && v[i]; i++) {
		json_t *o = doc_add(d, list, json_object());

		doc_text(d, o, "key", v[i]->key);
		doc_num(d, o, "records", v[i]->records);
		doc_num(d, o, "units", v[i]->events);
		doc_finding(d, FINDING_MEDIUM, "completeness", v[i]->key, v[i]->events, "units",
			    "declared lost by the agent itself");
	}
	free(v);
}

/* What was done to the records or the agent. */
static void events(struct doc *d)
{
	json_t *o = doc_put(d, d->root, "events", json_object()),
	       *list = doc_put(d, o, "list", json_array());

	doc_num(d, o, "all", d->t->events_all);
	for (size_t i = 0; i < d->t->event_rows; i++) {
		const struct tally_event *e = &d->t->event[i];
		json_t *x = doc_add(d, list, json_object());

		doc_text(d, x, "host", d->t->source[e->source].host);
		doc_num(d, x, "source", e->source);
		doc_text(d, x, "kind", item_sort_name(e->sort));
		doc_time(d, x, "time", e->wall_ns);
		doc_num(d, x, "seq", e->seq);
		doc_text(d, x, "by", e->by);
		doc_text(d, x, "subject", e->subject);
		if (e->range) {
			doc_num(d, x, "first_seq", e->first_seq);
			doc_num(d, x, "last_seq", e->last_seq);
		}
		doc_text(d, x, "reason", e->reason);
	}
}

void doc_sources(struct doc *d)
{
	json_t *list = doc_put(d, d->root, "sources", json_array());

	for (size_t i = 0; i < d->t->sources; i++)
		source(d, list, i);
	records(d);
	operation(d);
	events(d);
	losses(d);
}
