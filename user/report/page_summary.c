// SPDX-License-Identifier: Apache-2.0
/* What a reader sees first: what this is, the few numbers that matter, and then what speaks against it,
 * before anything that speaks for it. */
#include <string.h>

#include "page.h"

static void scope(struct page *p)
{
	const json_t *s = page_at(p, "scope"), *period = page_at(p, "period");

	page_raw(p, "<dl class=\"scope\"><div><dt>Period</dt><dd>");
	page_second(p, page_str(period, "from"));
	page_raw(p, " to ");
	page_second(p, page_str(period, "to"));
	page_raw(p, " UTC</dd></div><div><dt>Hosts</dt><dd>");
	if (page_str(s, "hosts")[0])
		page_put(p, page_str(s, "hosts"));
	else
		page_raw(p, "all of the records given");
	page_raw(p, "</dd></div><div><dt>System</dt><dd>");
	if (page_str(s, "system")[0])
		page_put(p, page_str(s, "system"));
	else
		page_raw(p, "all");
	page_raw(p, "</dd></div><div><dt>Records read</dt><dd>");
	page_num(p, UNIT_COUNT, "records.read");
	page_raw(p, ", of them in the period ");
	page_num(p, UNIT_COUNT, "records.in_period");
	page_raw(p, "</dd></div></dl>\n");
}

static void count(struct page *p, const char *path, const char *text)
{
	page_num(p, UNIT_COUNT, "%s", path);
	page_raw(p, "%s", text);
}

static void records(struct page *p)
{
	const char *state = page_str(page_at(p, "verdict"), "records");
	bool none = !strcmp(state, "none"), broken = !strcmp(state, "broken"),
	     gaps = !strcmp(state, "gaps");

	page_raw(p, "<p class=\"%s\"><strong>%s</strong> Chains of records: ",
		 broken || none ? "bad"
		 : gaps		? "warn"
				: "good",
		 none	  ? "No record lies in this period: nothing can be said about it."
		 : broken ? "These records cannot be relied on without an explanation."
		 : gaps	  ? "These records hold, with the gaps stated here."
			  : "These records hold, and no gap is known.");
	count(p, "verdict.chains", ", broken: ");
	count(p, "verdict.chains_broken", ". Of the period, over all hosts, watched: ");
	page_num(p, UNIT_SHARE, "operation.watched_ppm");
	page_raw(p, ". Seen whole, of the AI calls that could be: ");
	page_num(p, UNIT_SHARE, "completeness.calls.complete_ppm");
	page_raw(p, ". Losses declared: ");
	count(p, "records.by_sort.loss", ".</p>\n");
}

/* What an auditor would write first. Nothing here says that anything complies. */
static void verdict(struct page *p)
{
	const json_t *v = page_at(p, "verdict");

	page_raw(p, "<section class=\"verdict\" aria-label=\"In short\">\n");
	records(p);
	page_raw(p, "<p class=\"%s\"><strong>",
		 page_int(v, "high")	 ? "bad"
		 : page_int(v, "medium") ? "warn"
					 : "good");
	page_raw(p, "Findings of high severity: ");
	count(p, "verdict.high", "</strong> Medium: ");
	count(p, "verdict.medium", ", low: ");
	count(p, "verdict.low", ". Controls that host records can support: ");
	count(p, "framework.claimed", "; with records in this period: ");
	count(p, "verdict.controls_with_records", ", without: ");
	count(p, "verdict.controls_without_records", ". Controls that need other evidence: ");
	count(p, "framework.none",
	      ". That a control is fulfilled is said of none.</p>\n</section>\n");
}

/* path: the figure; below: what it is seen beside. */
static void tile(struct page *p, const char *class, const char *title, enum page_unit u,
		 const char *path, const char *below, const char *below_path)
{
	page_raw(p, "<div class=\"tile %s\"><p class=\"name\">%s</p><p class=\"big\">", class,
		 title);
	if (path)
		page_num(p, u, "%s", path);
	else
		page_raw(p, "–");
	page_raw(p, "</p><p>%s: ", below);
	page_num(p, UNIT_COUNT, "%s", below_path);
	page_raw(p, "</p></div>\n");
}

static void tiles(struct page *p)
{
	const json_t *t = page_at(p, "totals"), *o = page_at(p, "operation"),
		     *c = page_at(p, "completeness.calls");
	bool part = page_int(c, "complete") + page_int(c, "refused") < page_int(c, "all"),
	     priced = page_int(t, "cost_unknown_calls") < page_int(t, "calls"),
	     whole = !page_int(o, "unknown_s") && !page_int(o, "down_ms");

	page_raw(p, "<div class=\"tiles\">\n");
	tile(p, "", "AI calls", UNIT_COUNT, "totals.calls", "requests to tool servers",
	     "totals.requests");
	tile(p, "", "Tools and programs", UNIT_COUNT, "totals.tools", "models", "totals.models");
	tile(p, "", "Suppliers used", UNIT_COUNT, "totals.suppliers", "accounts", "totals.users");
	tile(p, "", "List price of use", UNIT_USD, priced ? "totals.cost_nano_usd" : NULL,
	     "calls without a known price", "totals.cost_unknown_calls");
	tile(p, page_int(t, "violations") ? "warn" : "", "Actions that broke a rule", UNIT_SHARE,
	     "totals.violation_ppm", "violations", "totals.violations");
	tile(p, page_int(t, "failed") ? "bad" : "", "Refused", UNIT_COUNT, "totals.refused",
	     "refusals that failed", "totals.failed");
	tile(p, part ? "warn" : "good", "Calls seen whole", UNIT_SHARE,
	     "completeness.calls.complete_ppm", "calls ended by a refusal",
	     "completeness.calls.refused");
	tile(p, whole ? "good" : "warn", "Of the period, watched", UNIT_SHARE,
	     "operation.watched_ppm", "times the agent was down", "operation.gaps_all");
	page_raw(p, "</div>\n");
}

void page_summary(struct page *p)
{
	const json_t *fw = page_at(p, "framework");

	page_raw(p, "<header>\n<p class=\"mark\">Probity · evidence from hosts</p>\n<h1>");
	page_put(p, page_str(fw, "title"));
	page_raw(p, "</h1>\n<p class=\"lead\">");
	page_put(p, page_str(fw, "about"));
	page_raw(p, "</p>\n");
	scope(p);
	verdict(p);
	page_raw(
		p,
		"<nav><a href=\"#findings\">Findings</a><a href=\"#controls\">Controls</a>"
		"<a href=\"#inventory\">Inventory</a><a href=\"#rates\">Violations</a>"
		"<a href=\"#declared\">Declared and observed</a><a href=\"#operation\">Gaps</a>"
		"<a href=\"#policies\">Rules and approvals</a><a href=\"#records\">Proof</a></nav>\n");
	page_raw(p, "<h2 class=\"hidden\">Key figures</h2>\n");
	tiles(p);
	page_raw(p, "</header>\n");
}

/* One of them: without its plural's s. */
static void unit(struct page *p, const char *words, json_int_t count)
{
	char one[64];
	size_t n = strlen(words);

	snprintf(one, sizeof(one), "%.*s",
		 (int)(count == 1 && n && words[n - 1] == 's' ? n - 1 : n), words);
	page_put(p, one);
}

void page_findings(struct page *p)
{
	const json_t *list = page_at(p, "findings");

	page_raw(p, "<section id=\"findings\"><h2>What speaks against it</h2>\n");
	if (!json_array_size(list))
		page_raw(
			p,
			"<p>Nothing in these records. What was not recorded, they cannot tell.</p>\n");
	page_raw(p, "<ul class=\"findings\">\n");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *f = json_array_get(list, i);
		const char *severity = page_str(f, "severity");
		bool time = !strcmp(page_str(f, "unit"), "seconds");

		page_raw(p, "<li class=\"%s\"><span class=\"sev\">%s</span><span class=\"what\">",
			 severity, severity);
		if (page_str(f, "subject")[0]) {
			page_raw(p, "<strong>");
			page_put(p, page_str(f, "subject"));
			page_raw(p, "</strong>: ");
		}
		page_num(p, time ? UNIT_SECONDS : UNIT_COUNT, "findings.%zu.count", i);
		page_raw(p, " ");
		unit(p, time ? "" : page_str(f, "unit"), page_int(f, "count"));
		page_raw(p, " ");
		page_put(p, page_str(f, "text"));
		page_raw(p, "</span><span class=\"area\">");
		page_put(p, page_str(f, "area"));
		page_raw(p, "</span></li>\n");
	}
	page_raw(p, "</ul></section>\n");
}

void page_charts(struct page *p)
{
	page_raw(p, "<section id=\"charts\"><h2>At a glance</h2>\n<div class=\"charts\">\n");
	chart_weeks(p);
	page_raw(p, "<div>\n");
	chart_completeness(p, "calls", "AI calls: how much was seen");
	chart_completeness(p, "requests", "Requests to tool servers: how much was seen");
	page_raw(p, "</div></div>\n");
	chart_controls(p);
	chart_watch(p);
	page_raw(p, "</section>\n");
}
