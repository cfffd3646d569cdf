// SPDX-License-Identifier: Apache-2.0
/* The framework, control by control: claim and limit side by side, the numbers, the samples. Controls
 * for which host records are no evidence stand last, by name. */
#include <string.h>

#include "page.h"

static void statement(struct page *p, const json_t *c)
{
	const json_t *s = json_object_get(c, "soa");

	if (!json_is_object(s))
		return;
	page_raw(p, "<p class=\"soa\"><b>Statement of Applicability:</b> ");
	if (!json_is_true(json_object_get(s, "applicable")))
		page_raw(p, "not applicable");
	else
		page_put(p, page_str(s, "status"));
	page_raw(p, ". ");
	page_put(p, page_str(s, "justification"));
	page_raw(p, " ");
	page_put(p, page_str(s, "how"));
	page_raw(p, "</p>");
}

static void path(struct page *p, const json_t *s)
{
	const json_t *list = json_object_get(s, "path");

	page_put(p, page_str(s, "proof"));
	if (!json_array_size(list))
		return;
	page_raw(p, "<details><summary>path</summary><code>");
	for (size_t i = 0; i < json_array_size(list); i++)
		page_raw(p, "%s<br>", json_string_value(json_array_get(list, i)));
	page_raw(p, "</code></details>");
}

static void samples(struct page *p, const json_t *c, size_t at)
{
	const json_t *list = json_object_get(c, "samples");

	if (!json_array_size(list))
		return;
	page_raw(
		p,
		"<div class=\"wide\"><table class=\"samples\"><thead><tr><th scope=\"col\">Sample</th>"
		"<th scope=\"col\" class=\"n\">Record</th><th scope=\"col\">Leaf</th><th scope=\"col\">Proof</th>"
		"</tr></thead><tbody>\n");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *s = json_array_get(list, i);

		page_raw(p, "<tr><td>");
		page_minute(p, page_str(s, "time"));
		page_raw(p, " <b>");
		page_put(p, page_str(s, "host"));
		page_raw(p, "</b> ");
		page_put(p, page_str(s, "line"));
		page_raw(p, "</td><td class=\"n\">");
		page_num(p, UNIT_COUNT, "controls.%zu.samples.%zu.seq", at, i);
		page_raw(p, "</td><td><code class=\"hash\">%s</code></td><td>",
			 page_str(s, "leaf"));
		path(p, s);
		page_raw(p, "</td></tr>\n");
	}
	page_raw(p, "</tbody></table></div>\n");
}

static void figure(struct page *p, size_t i, const char *key, const char *title)
{
	page_raw(p, "<div><dt>%s</dt><dd>", title);
	page_num(p, UNIT_COUNT, "controls.%zu.%s", i, key);
	page_raw(p, "</dd></div>");
}

static void control(struct page *p, size_t i)
{
	const json_t *c = page_at(p, "controls.%zu", i);
	const char *e = page_str(c, "evidence");

	page_raw(p, "<article id=\"c%zu\"><h3><span class=\"id\">", i);
	page_put(p, page_str(c, "id"));
	page_raw(p, "</span> ");
	page_put(p, page_str(c, "title"));
	page_raw(p,
		 " <span class=\"ev ev-%s\">%s</span></h3>\n<div class=\"claim\"><p><b>Shown:</b> ",
		 e, !strcmp(e, "direct") ? "direct evidence" : "supports in part");
	page_put(p, page_str(c, "shows"));
	page_raw(p, "</p><p><b>Not shown:</b> ");
	page_put(p, page_str(c, "limits"));
	page_raw(p, "</p></div>\n<dl class=\"figures\">");
	figure(p, i, "records", "records");
	figure(p, i, "denials", "denials");
	figure(p, i, "violations", "violations");
	figure(p, i, "attributed", "of rules for this control");
	figure(p, i, "refused", "refused");
	figure(p, i, "would", "only observed");
	figure(p, i, "approvals", "steps of approvals");
	figure(p, i, "overrides", "let pass by a person");
	figure(p, i, "incomplete", "not seen whole");
	page_raw(p, "</dl>\n");
	statement(p, c);
	samples(p, c, i);
	page_raw(p, "</article>\n");
}

static void not_here(struct page *p, size_t n)
{
	page_raw(p, "<h3>What host records cannot show</h3>\n<p>Of the controls considered here, ");
	page_num(p, UNIT_COUNT, "framework.none");
	page_raw(
		p,
		" need other evidence:</p>\n<div class=\"wide\"><table><thead><tr><th scope=\"col\">Control</th>"
		"<th scope=\"col\">Title</th><th scope=\"col\">Why not</th><th scope=\"col\">Statement of "
		"Applicability</th></tr></thead><tbody>\n");
	for (size_t i = 0; i < n; i++) {
		const json_t *c = page_at(p, "controls.%zu", i), *s = json_object_get(c, "soa");

		if (strcmp(page_str(c, "evidence"), "none") != 0)
			continue;
		page_raw(p, "<tr id=\"c%zu\"><th scope=\"row\" class=\"no\">", i);
		page_put(p, page_str(c, "id"));
		page_raw(p, "</th>");
		page_cell(p, page_str(c, "title"));
		page_cell(p, page_str(c, "limits"));
		page_cell(p, !json_is_object(s) ? ""
			     : json_is_true(json_object_get(s, "applicable"))
				     ? page_str(s, "status")
				     : "not applicable");
		page_raw(p, "</tr>\n");
	}
	page_raw(p, "</tbody></table></div>\n");
}

void page_controls(struct page *p)
{
	size_t n = json_array_size(page_at(p, "controls"));

	page_raw(p, "<section id=\"controls\"><h2>Controls</h2>\n<p>Host records support ");
	page_num(p, UNIT_COUNT, "framework.claimed");
	page_raw(p, " of the ");
	page_num(p, UNIT_COUNT, "framework.controls");
	page_raw(p, " considered here: ");
	page_num(p, UNIT_COUNT, "framework.direct");
	page_raw(p, " directly, ");
	page_num(p, UNIT_COUNT, "framework.partial");
	page_raw(
		p,
		" in part. Whether a control is effective is for its auditor to judge. Samples are not chosen: "
		"they are the records with the smallest SHA-256 over the control's number and the record's "
		"leaf.</p>\n");
	for (size_t i = 0; i < n; i++)
		if (strcmp(page_str(page_at(p, "controls.%zu", i), "evidence"), "none") != 0)
			control(p, i);
	not_here(p, n);
	page_raw(p, "</section>\n");
}
