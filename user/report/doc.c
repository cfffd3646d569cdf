// SPDX-License-Identifier: Apache-2.0
/*
 * A finished tally in, one JSON document out. Numbers are integers (shares in parts of a million, money
 * in 1e-9 US dollar, durations in seconds), so that anybody recomputes them exactly. Invariant: a
 * document is whole or there is none; what memory did not suffice for is never left out.
 */
#include "doc.h"

#include <errno.h>
#include <string.h>

json_t *doc_put(struct doc *d, json_t *to, const char *key, json_t *v)
{
	if (!v || !to || json_object_set_new(to, key, v))
		d->oom = true;
	return v;
}

json_t *doc_add(struct doc *d, json_t *list, json_t *v)
{
	if (!v || !list || json_array_append_new(list, v))
		d->oom = true;
	return v;
}

void doc_num(struct doc *d, json_t *to, const char *key, uint64_t v)
{
	doc_put(d, to, key, json_integer(v > INT64_MAX ? INT64_MAX : (json_int_t)v));
}

void doc_text(struct doc *d, json_t *to, const char *key, const char *s)
{
	doc_put(d, to, key, s && s[0] ? render_text(s) : json_null());
}

void doc_bool(struct doc *d, json_t *to, const char *key, bool v)
{
	doc_put(d, to, key, json_boolean(v));
}

void doc_hex(struct doc *d, json_t *to, const char *key, const uint8_t *p, size_t n)
{
	doc_put(d, to, key, render_hex(p, n));
}

void doc_time(struct doc *d, json_t *to, const char *key, uint64_t ns)
{
	char s[40];

	if (ns)
		render_time(ns, s);
	doc_put(d, to, key, ns ? json_string(s) : json_null());
}

void doc_share(struct doc *d, json_t *to, const char *key, uint64_t part, uint64_t all)
{
	if (!all)
		doc_put(d, to, key, json_null());
	else
		doc_num(d, to, key, (uint64_t)((unsigned __int128)part * 1000000 / all));
}

void doc_finding(struct doc *d, enum doc_severity s, const char *area, const char *subject,
		 uint64_t count, const char *unit, const char *text)
{
	static const char *const names[] = {"high", "medium", "low"};
	json_t *f = doc_add(d, d->findings, json_object());

	doc_text(d, f, "severity", names[s]);
	doc_text(d, f, "area", area);
	doc_text(d, f, "subject", subject);
	doc_num(d, f, "count", count);
	doc_text(d, f, "unit", unit);
	doc_text(d, f, "text", text);
}

static void head(struct doc *d)
{
	const struct framework *fw = d->t->fw;
	json_t *o;

	doc_text(d, d->root, "report", REPORT_VERSION);
	doc_text(d, d->root, "program", "probity " PROBITY_VERSION);
	doc_time(d, d->root, "generated", d->o->generated_ns);
	o = doc_put(d, d->root, "framework", json_object());
	doc_text(d, o, "id", fw->id);
	doc_text(d, o, "title", fw->title);
	doc_text(d, o, "about", fw->about);
	doc_num(d, o, "controls", fw->n);
	for (int e = 0; e < 3; e++)
		doc_num(d, o, framework_evidence_name(e), fw->counts[e]);
	doc_num(d, o, "claimed", fw->counts[EVIDENCE_DIRECT] + fw->counts[EVIDENCE_PARTIAL]);
	o = doc_put(d, d->root, "period", json_object());
	doc_time(d, o, "from", d->t->from_ns);
	doc_time(d, o, "to", d->t->to_ns);
	doc_num(d, o, "seconds", (d->t->to_ns - d->t->from_ns) / 1000000000);
	o = doc_put(d, d->root, "scope", json_object());
	doc_text(d, o, "hosts", d->o->hosts);
	doc_text(d, o, "system", d->t->only ? d->t->only->name : NULL);
}

/* Worst first; else as they were found.  */
static void sort_findings(struct doc *d)
{
	size_t n = json_array_size(d->findings);
	json_t *out = json_array();

	for (int s = 0; s < 3 && out; s++)
		for (size_t i = 0; i < n; i++) {
			json_t *f = json_array_get(d->findings, i);
			const char *sev = json_string_value(json_object_get(f, "severity"));

			if (sev && sev[0] == "hml"[s] && json_array_append(out, f))
				d->oom = true;
		}
	doc_put(d, d->root, "findings", out);
}

static uint64_t said(const struct doc *d, const char *severity, const char *area)
{
	uint64_t n = 0;

	for (size_t i = 0; i < json_array_size(d->findings); i++) {
		const json_t *f = json_array_get(d->findings, i);
		const char *s = json_string_value(json_object_get(f, "severity")),
			   *a = json_string_value(json_object_get(f, "area"));

		n += s && a && !strcmp(s, severity) && (!area || !strcmp(a, area));
	}
	return n;
}

/* Two questions apart: whether the records can be relied on, and how much of what they show is a
 * finding. */
static void verdict(struct doc *d)
{
	json_t *o = doc_put(d, d->root, "verdict", json_object());
	static const char *const areas[] = {"records", "operation", "completeness"};
	bool broken = said(d, "high", "records"), gaps = false;
	uint64_t with = 0, claimed = 0, bad = 0;

	for (size_t i = 0; i < ARRAY_SIZE(areas); i++)
		gaps |= said(d, "medium", areas[i]) || said(d, "low", areas[i]);
	for (size_t i = 0; i < d->t->fw->n; i++) {
		bool claims = d->t->fw->controls[i].evidence != EVIDENCE_NONE;

		claimed += claims;
		with += claims && d->t->control[i].records;
	}
	for (size_t i = 0; i < d->t->sources; i++)
		bad += d->t->source[i].breaks > 0;
	doc_text(d, o, "records",
		 !d->t->in_period ? "none"
		 : broken	  ? "broken"
		 : gaps		  ? "gaps"
				  : "whole");
	doc_num(d, o, "high", said(d, "high", NULL));
	doc_num(d, o, "medium", said(d, "medium", NULL));
	doc_num(d, o, "low", said(d, "low", NULL));
	doc_num(d, o, "chains", d->t->sources);
	doc_num(d, o, "chains_broken", bad);
	doc_num(d, o, "controls_with_records", with);
	doc_num(d, o, "controls_without_records", claimed - with);
}

int doc_build(const struct doc_options *o, json_t **ret)
{
	struct doc d = {.o = o, .t = o->t, .root = json_object(), .findings = json_array()};

	if (!d.root || !d.findings)
		d.oom = true;
	head(&d);
	doc_sources(&d);
	doc_tables(&d);
	doc_policies(&d);
	doc_join(&d);
	doc_controls(&d);
	verdict(&d);
	sort_findings(&d);
	json_decref(d.findings);
	if (d.oom) {
		json_decref(d.root);
		return -ENOMEM;
	}
	*ret = d.root;
	return 0;
}
