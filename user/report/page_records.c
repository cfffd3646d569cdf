// SPDX-License-Identifier: Apache-2.0
/* Gaps and losses, rules in force, approvals, and the chains with what it takes to check them. */
#include <string.h>

#include "item.h"
#include "page.h"

static void row(struct page *p, enum page_unit u, const char *title, const char *path)
{
	page_raw(p, "<div><dt>%s</dt><dd>", title);
	page_num(p, u, "%s", path);
	page_raw(p, "</dd></div>");
}

static void losses(struct page *p)
{
	size_t n = json_array_size(page_at(p, "losses"));

	page_raw(p, "<h3>Losses the agent declared</h3>\n");
	if (!n) {
		page_raw(p, "<p>None in this period.</p>\n");
		return;
	}
	page_raw(
		p,
		"<div class=\"wide\"><table><thead><tr><th scope=\"col\">What, and why</th><th scope=\"col\" "
		"class=\"n\">Records</th><th scope=\"col\" class=\"n\">Units lost</th></tr></thead><tbody>\n");
	for (size_t i = 0; i < n; i++) {
		page_raw(p, "<tr><th scope=\"row\">");
		page_put(p, page_str(page_at(p, "losses.%zu", i), "key"));
		page_raw(p, "</th><td class=\"n\">");
		page_num(p, UNIT_COUNT, "losses.%zu.records", i);
		page_raw(p, "</td><td class=\"n\">");
		page_num(p, UNIT_COUNT, "losses.%zu.units", i);
		page_raw(p, "</td></tr>\n");
	}
	page_raw(p, "</tbody></table></div>\n");
}

static void gaps(struct page *p)
{
	size_t n = json_array_size(page_at(p, "operation.gaps")),
	       shown = n > PAGE_ROWS ? PAGE_ROWS : n;

	page_raw(p, "<h3>Times without an agent</h3>\n");
	if (!n) {
		page_raw(p, "<p>None between the first and the last record of a host.</p>\n");
		return;
	}
	page_raw(
		p,
		"<p>A crash is dated from the last record before it: the agent may have run longer.</p>\n");
	page_raw(
		p,
		"<div class=\"wide\"><table><thead><tr><th scope=\"col\">Host</th><th scope=\"col\">How it ended</th>"
		"<th scope=\"col\">From</th><th scope=\"col\">To</th><th scope=\"col\" class=\"n\">Lasted</th>"
		"<th scope=\"col\" class=\"n\">Start record</th></tr></thead><tbody>\n");
	for (size_t i = 0; i < shown; i++) {
		const json_t *g = page_at(p, "operation.gaps.%zu", i);

		page_raw(p, "<tr><th scope=\"row\">");
		page_put(p, page_str(g, "host"));
		page_raw(p, "</th><td><span class=\"state %s\">%s</span></td><td>",
			 !strcmp(page_str(g, "kind"), "crash") ? "bad" : "warn",
			 page_str(g, "kind"));
		page_minute(p, page_str(g, "from"));
		page_raw(p, "</td><td>");
		page_minute(p, page_str(g, "to"));
		page_raw(p, "</td><td class=\"n\">");
		page_num(p, UNIT_MS, "operation.gaps.%zu.ms", i);
		page_raw(p, "</td><td class=\"n\">");
		page_num(p, UNIT_COUNT, "operation.gaps.%zu.seq", i);
		page_raw(p, "</td></tr>\n");
	}
	page_raw(p, "</tbody></table></div>\n");
	page_more(p, shown, "operation.gaps");
}

static void range(struct page *p, const json_t *e, size_t i)
{
	page_put(p, page_str(e, "subject"));
	if (!json_object_get(e, "first_seq"))
		return;
	page_raw(p, "%srecords ", page_str(e, "subject")[0] ? ", " : "");
	page_num(p, UNIT_COUNT, "events.list.%zu.first_seq", i);
	page_raw(p, " to ");
	page_num(p, UNIT_COUNT, "events.list.%zu.last_seq", i);
}

/* What was done to the records themselves: whoever may do it is named. */
static void events(struct page *p)
{
	size_t n = json_array_size(page_at(p, "events.list")),
	       shown = n > PAGE_ROWS ? PAGE_ROWS : n;

	page_raw(p, "<h3>What was done to the records and the agent</h3>\n");
	if (!n) {
		page_raw(p, "<p>No repair, erasure, revealed name, clock step, late seal, unlocked "
			    "protection or forgetful collector in this period.</p>\n");
		return;
	}
	page_raw(
		p,
		"<div class=\"wide\"><table><thead><tr><th scope=\"col\">Time</th><th "
		"scope=\"col\">Host</th><th scope=\"col\" class=\"n\">Record</th><th "
		"scope=\"col\">Event</th><th scope=\"col\">By</th><th scope=\"col\">Of what</th><th "
		"scope=\"col\">Reason on record</th></tr></thead><tbody>\n");
	for (size_t i = 0; i < shown; i++) {
		const json_t *e = page_at(p, "events.list.%zu", i);

		page_raw(p, "<tr><td>");
		page_second(p, page_str(e, "time"));
		page_raw(p, "</td><th scope=\"row\">");
		page_put(p, page_str(e, "host"));
		page_raw(p, "</th><td class=\"n\">");
		page_num(p, UNIT_COUNT, "events.list.%zu.seq", i);
		page_raw(p, "</td>");
		page_cell(p, item_sort_text(item_sort_of(page_str(e, "kind"))));
		page_cell(p, page_str(e, "by"));
		page_raw(p, "<td>");
		range(p, e, i);
		page_raw(p, "</td>");
		page_cell(p, page_str(e, "reason"));
		page_raw(p, "</tr>\n");
	}
	page_raw(p, "</tbody></table></div>\n");
	page_more(p, shown, "events.list");
}

/* Every sort of record, also those of which there is none. */
static void by_sort(struct page *p)
{
	page_raw(p,
		 "<h3>Records of the period by sort</h3>\n<p>A record may be of several sorts.</p>"
		 "<dl class=\"figures\">");
	for (int s = 0; s < SORTS; s++) {
		page_raw(p, "<div><dt>%s</dt><dd>", item_sort_text(s));
		page_num(p, UNIT_COUNT, "records.by_sort.%s", item_sort_name(s));
		page_raw(p, "</dd></div>");
	}
	page_raw(p, "</dl>\n");
}

void page_operation(struct page *p)
{
	page_raw(p, "<section id=\"operation\"><h2>Gaps</h2>\n<dl class=\"figures\">");
	row(p, UNIT_SECONDS, "between first and last record, all hosts", "operation.observed_s");
	row(p, UNIT_MS, "of it without an agent", "operation.down_ms");
	row(p, UNIT_SECONDS, "of the period without any record", "operation.unknown_s");
	row(p, UNIT_COUNT, "starts", "operation.starts");
	row(p, UNIT_COUNT, "starts after a crash", "operation.crash_starts");
	row(p, UNIT_COUNT, "orderly stops", "operation.stops");
	row(p, UNIT_COUNT, "epoch seals", "operation.seals");
	row(p, UNIT_COUNT, "late seals", "operation.late_seals");
	row(p, UNIT_COUNT, "breaks of a chain", "operation.breaks");
	row(p, UNIT_COUNT, "calls joined late", "completeness.calls.late-attach");
	row(p, UNIT_COUNT, "calls truncated", "completeness.calls.truncated");
	row(p, UNIT_COUNT, "calls not decodable", "completeness.calls.undecodable");
	row(p, UNIT_COUNT, "records erased", "records.erased");
	row(p, UNIT_COUNT, "records this version cannot read", "records.unreadable");
	page_raw(p, "</dl>\n");
	gaps(p);
	losses(p);
	events(p);
	by_sort(p);
	page_raw(p, "</section>\n");
}

/* --- rules and approvals -------------------------------------------------------------------------- */

static void packs(struct page *p)
{
	size_t n = json_array_size(page_at(p, "policies")), shown = n > PAGE_ROWS ? PAGE_ROWS : n;

	page_raw(
		p,
		"<h3>Rule packs in force</h3>\n<div class=\"wide\"><table><thead><tr><th scope=\"col\">Host</th>"
		"<th scope=\"col\">Pack</th><th scope=\"col\">Version</th><th scope=\"col\">Mode</th><th "
		"scope=\"col\">From</th><th scope=\"col\">To</th><th scope=\"col\">SHA-256</th><th "
		"scope=\"col\">Reason on record</th></tr></thead><tbody>\n");
	for (size_t i = 0; i < shown; i++) {
		const json_t *k = page_at(p, "policies.%zu", i);
		bool refused = json_is_true(json_object_get(k, "refused"));

		page_raw(p, "<tr><th scope=\"row\">");
		page_put(p, page_str(k, "host"));
		page_raw(p, "</th>");
		page_cell(p, page_str(k, "set"));
		page_cell(p, page_str(k, "version"));
		page_cell(p, page_str(k, "mode"));
		page_raw(p, "<td>");
		page_minute(p, page_str(k, "from"));
		page_raw(p, "</td><td>");
		if (refused)
			page_raw(p, "<span class=\"state bad\">refused</span>");
		else if (page_str(k, "to")[0])
			page_minute(p, page_str(k, "to"));
		else
			page_raw(p, "<span class=\"state good\">in force</span>");
		page_raw(p, "</td><td><code class=\"hash\">%s</code></td>", page_str(k, "sha256"));
		page_cell(p, page_str(k, "reason"));
		page_raw(p, "</tr>\n");
	}
	page_raw(p, "</tbody></table></div>\n");
	page_more(p, shown, "policies");
}

static void approvals(struct page *p)
{
	size_t n = json_array_size(page_at(p, "approvals.list")),
	       shown = n > PAGE_ROWS ? PAGE_ROWS : n;

	page_raw(p, "<h3>Approvals</h3>\n<p>Steps on record: ");
	page_num(p, UNIT_COUNT, "approvals.all");
	for (size_t i = 0; i < json_array_size(page_at(p, "approvals.states")); i++) {
		page_raw(p, "; ");
		page_put(p, page_str(page_at(p, "approvals.states.%zu", i), "key"));
		page_raw(p, " ");
		page_num(p, UNIT_COUNT, "approvals.states.%zu.records", i);
	}
	page_raw(p, ".</p>\n");
	if (!n)
		return;
	page_raw(
		p,
		"<div class=\"wide\"><table><thead><tr><th scope=\"col\">Time</th><th scope=\"col\">State</th><th "
		"scope=\"col\">Operator</th><th scope=\"col\">Rule</th><th scope=\"col\">What</th></tr></thead><tbody>\n");
	for (size_t i = 0; i < shown; i++) {
		const json_t *a = page_at(p, "approvals.list.%zu", i);

		page_raw(p, "<tr><td>");
		page_minute(p, page_str(a, "time"));
		page_raw(p, "</td>");
		page_cell(p, page_str(a, "state"));
		page_cell(p, page_str(a, "operator"));
		page_cell(p, page_str(a, "rule"));
		page_cell(p, page_str(a, "subject"));
		page_raw(p, "</tr>\n");
	}
	page_raw(p, "</tbody></table></div>\n");
	page_more(p, shown, "approvals.list");
}

void page_policies(struct page *p)
{
	page_raw(p, "<section id=\"policies\"><h2>Rules and approvals</h2>\n");
	packs(p);
	approvals(p);
	page_raw(p, "</section>\n");
}

/* --- chains -------------------------------------------------------------------------------------- */

static void hash(struct page *p, const char *title, const char *v)
{
	if (!v[0])
		return;
	page_raw(p, "<div><dt>%s</dt><dd><code class=\"hash\">", title);
	page_put(p, v);
	page_raw(p, "</code></dd></div>");
}

static void chain(struct page *p, size_t i)
{
	const json_t *s = page_at(p, "sources.%zu", i), *c = json_object_get(s, "checkpoint");

	page_raw(p, "<article><h3>");
	page_put(p, page_str(s, "host"));
	page_raw(p, " <span class=\"ev %s\">%s</span></h3>\n<dl class=\"figures\">",
		 page_int(s, "breaks") ? "ev-bad" : "ev-direct",
		 page_int(s, "breaks") ? "the chain is broken" : "the chain holds");
	page_raw(p, "<div><dt>records</dt><dd>");
	page_num(p, UNIT_COUNT, "sources.%zu.records", i);
	page_raw(p, "</dd></div><div><dt>first</dt><dd>");
	page_num(p, UNIT_COUNT, "sources.%zu.first_seq", i);
	page_raw(p, "</dd></div><div><dt>last</dt><dd>");
	page_num(p, UNIT_COUNT, "sources.%zu.last_seq", i);
	page_raw(p, "</dd></div>");
	if (json_is_object(c)) {
		page_raw(p, "<div><dt>in the checkpoint</dt><dd>");
		page_num(p, UNIT_COUNT, "sources.%zu.checkpoint.size", i);
		page_raw(p, "</dd></div>");
	}
	page_raw(p, "</dl>\n<dl class=\"long\">");
	hash(p, "agent", page_str(s, "agent"));
	hash(p, "kernel", page_str(s, "kernel"));
	hash(p, "chain", page_str(s, "chain"));
	hash(p, "key of its first epoch", page_str(s, "public_key"));
	hash(p, "checkpoint", page_str(c, "origin"));
	hash(p, "root", page_str(c, "root"));
	page_raw(p, "</dl></article>\n");
}

void page_records(struct page *p)
{
	size_t n = json_array_size(page_at(p, "sources"));

	page_raw(
		p,
		"<section id=\"records\"><h2>Where this comes from, and how to check it</h2>\n<p>Every number "
		"was counted from signed records of these chains, in one pass. A chain holds when each record "
		"names the one before it, each signature is right, and every epoch ends with its seal. The key "
		"of the first epoch is worth as much as the way you learnt it: compare it with the one the "
		"host or the collector gave you. That the end of a chain was not cut off, and that there is "
		"no second one, only the collector's cosigned checkpoint can show.</p>\n<ol><li><code>probity "
		"verify DIR</code> checks a spool directory as an auditor would.</li><li><code>probity show "
		"SEQ</code> prints a sampled record.</li><li>A sample's leaf is SHA-256 of a zero byte and the "
		"record's header; with its path it leads to the root of the checkpoint (RFC 6962). "
		"docs/RECORD-FORMAT.md has every byte of it.</li></ol>\n");
	for (size_t i = 0; i < n && i < PAGE_ROWS; i++)
		chain(p, i);
	page_more(p, PAGE_ROWS, "sources");
	page_raw(p, "</section>\n");
}
