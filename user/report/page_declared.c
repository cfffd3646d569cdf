// SPDX-License-Identifier: Apache-2.0
/* What was declared beside what was observed: suppliers, the systems of the register, use of no system. */
#include <string.h>

#include "page.h"

static void suppliers(struct page *p)
{
	const json_t *unused = page_at(p, "suppliers.unused");
	size_t n = page_rows(p, "suppliers.used");

	if (!n)
		return;
	page_table(p, "Suppliers used against suppliers approved",
		   "Supplier|Approved|#AI calls|#Denials|First seen");
	for (size_t i = 0; i < n; i++) {
		const json_t *r = page_at(p, "suppliers.used.%zu", i);
		const char *a = page_str(r, "approved");

		page_raw(p, "<tr>");
		page_table_name(p, r);
		page_raw(p, "<td><span class=\"state %s\">%s</span></td>",
			 !strcmp(a, "yes")  ? "good"
			 : !strcmp(a, "no") ? "bad"
					    : "",
			 a);
		page_table_num(p, UNIT_COUNT, "suppliers.used", i, "calls");
		page_table_num(p, UNIT_COUNT, "suppliers.used", i, "denials");
		page_raw(p, "<td>");
		page_day(p, page_str(r, "first"));
		page_raw(p, "</td></tr>\n");
	}
	page_table_end(p, n, "suppliers.used");
	if (!json_array_size(unused))
		return;
	page_raw(p, "<p>Approved, and not used in this period: ");
	for (size_t i = 0; i < json_array_size(unused); i++) {
		page_raw(p, "%s", i ? ", " : "");
		page_put(p, json_string_value(json_array_get(unused, i)));
	}
	page_raw(p, ".</p>\n");
}

static void systems(struct page *p)
{
	size_t n = json_array_size(page_at(p, "register.systems"));

	page_table(
		p, "Systems of the register",
		"System|Owner|Risk class|#AI calls|#Tool requests|#Violations|Impact assessment|Newest part");
	for (size_t i = 0; i < n; i++) {
		const json_t *s = page_at(p, "register.systems.%zu", i);
		const char *state = page_str(s, "assessment_state");

		page_raw(p, "<tr><th scope=\"row\">");
		page_put(p, page_str(s, "name"));
		page_raw(p, " <small>");
		page_put(p, page_str(s, "purpose"));
		page_raw(p, "</small></th>");
		page_cell(p, page_str(s, "owner"));
		page_cell(p, page_str(s, "risk"));
		page_table_num(p, UNIT_COUNT, "register.systems", i, "calls");
		page_table_num(p, UNIT_COUNT, "register.systems", i, "requests");
		page_table_num(p, UNIT_COUNT, "register.systems", i, "violations");
		page_raw(p, "<td>");
		page_put(p, page_str(s, "assessment_date"));
		page_raw(p, " <span class=\"state %s\">%s</span></td><td>",
			 !strcmp(state, "current")    ? "good"
			 : !strcmp(state, "outdated") ? "bad"
						      : "warn",
			 state);
		page_put(p, page_str(s, "newest_part"));
		page_raw(p, " ");
		page_day(p, page_str(s, "newest_part_first"));
		page_raw(p, "</td></tr>\n");
	}
	page_table_end(p, n, "register.systems");
}

static void unused(struct page *p)
{
	bool any = false;

	for (size_t i = 0; i < json_array_size(page_at(p, "register.systems")); i++) {
		const json_t *s = page_at(p, "register.systems.%zu", i),
			     *u = json_object_get(s, "unused");

		for (size_t k = 0; k < json_array_size(u); k++) {
			const json_t *x = json_array_get(u, k);

			page_raw(p, "%s",
				 any ? "; " : "<p>Declared, and not seen in this period: ");
			any = true;
			page_put(p, page_str(s, "name"));
			page_raw(p, ": ");
			page_put(p, page_str(x, "list"));
			page_raw(p, " <code>");
			page_put(p, page_str(x, "pattern"));
			page_raw(p, "</code>");
		}
	}
	if (any)
		page_raw(p, ".</p>\n");
}

static void undeclared(struct page *p)
{
	size_t n = page_rows(p, "register.undeclared");

	page_raw(p, "<p>Uses that no system declares: ");
	page_num(p, UNIT_COUNT, "register.undeclared_events");
	page_raw(p, ".</p>\n");
	if (!n)
		return;
	page_table(p, "Undeclared use",
		   "Tool, service, model, host, tool server|#Uses|Nearest declaration|First seen");
	for (size_t i = 0; i < n; i++) {
		const json_t *r = page_at(p, "register.undeclared.%zu", i);

		page_raw(p, "<tr><th scope=\"row\">");
		page_put(p, page_str(r, "key"));
		page_raw(p, "</th>");
		page_table_num(p, UNIT_COUNT, "register.undeclared", i, "events");
		page_cell(p, page_str(r, "nearest"));
		page_raw(p, "<td>");
		page_day(p, page_str(r, "first"));
		page_raw(p, "</td></tr>\n");
	}
	page_table_end(p, n, "register.undeclared");
}

void page_declared(struct page *p)
{
	page_raw(p, "<section id=\"declared\"><h2>Declared and observed</h2>\n");
	suppliers(p);
	if (json_is_object(page_at(p, "register"))) {
		systems(p);
		unused(p);
		undeclared(p);
	} else {
		page_raw(
			p,
			"<p>No register of AI systems was given, so what was observed could not be compared "
			"with what is declared.</p>\n");
	}
	page_raw(p, "</section>\n");
}
