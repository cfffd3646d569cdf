// SPDX-License-Identifier: Apache-2.0
/* What the rows of a table are made of; inventory and rates of violation. */
#include <string.h>

#include "page.h"

void page_table(struct page *p, const char *title, const char *heads)
{
	page_raw(p, "<h3>%s</h3>\n<div class=\"wide\"><table><thead><tr>", title);
	for (const char *h = heads; *h;) {
		size_t n = strcspn(h, "|");
		bool num = *h == '#';

		page_raw(p, "<th scope=\"col\"%s>%.*s</th>", num ? " class=\"n\"" : "",
			 (int)(n - num), h + num);
		h += n + (h[n] == '|');
	}
	page_raw(p, "</tr></thead><tbody>\n");
}

void page_table_end(struct page *p, size_t shown, const char *path)
{
	page_raw(p, "</tbody></table></div>\n");
	page_more(p, shown, path);
}

void page_table_num(struct page *p, enum page_unit u, const char *path, size_t i, const char *key)
{
	page_raw(p, "<td class=\"n\">");
	page_num(p, u, "%s.%zu.%s", path, i, key);
	page_raw(p, "</td>");
}

/* Nothing known is not nothing paid. */
static void price(struct page *p, const char *path, size_t i, const json_t *r)
{
	if (page_int(r, "cost_unknown_calls") == page_int(r, "calls"))
		page_raw(p, "<td class=\"n\">–</td>");
	else
		page_table_num(p, UNIT_USD, path, i, "cost_nano_usd");
}

void page_table_name(struct page *p, const json_t *r)
{
	page_raw(p, "<th scope=\"row\">");
	page_put(p, page_str(r, "key"));
	if (page_str(r, "label")[0] && strcmp(page_str(r, "label"), page_str(r, "key")) != 0) {
		page_raw(p, " <small>");
		page_put(p, page_str(r, "label"));
		page_raw(p, "</small>");
	}
	if (json_is_true(json_object_get(r, "new")))
		page_raw(p, " <em class=\"new\">new</em>");
	page_raw(p, "</th>");
}

size_t page_rows(const struct page *p, const char *path)
{
	size_t n = json_array_size(page_at(p, "%s", path));

	return n > PAGE_ROWS ? PAGE_ROWS : n;
}

/* What is not there is said, so that nobody looks for it. */
static void none(struct page *p, const char *title)
{
	page_raw(p, "<h3>%s</h3>\n<p>None on record in this period.</p>\n", title);
}

/* --- inventory ----------------------------------------------------------------------------------- */

static void inventory(struct page *p, const char *table, const char *title)
{
	char path[64];
	size_t n;

	snprintf(path, sizeof(path), "inventory.%s", table);
	n = page_rows(p, path);
	if (!n) {
		none(p, title);
		return;
	}
	page_table(
		p, title,
		"Name|#AI calls|#Tool requests|#Denials|#Violations|#Tokens in|#Tokens out|#List price|First "
		"seen|Last seen");
	for (size_t i = 0; i < n; i++) {
		const json_t *r = page_at(p, "%s.%zu", path, i);

		page_raw(p, "<tr>");
		page_table_name(p, r);
		page_table_num(p, UNIT_COUNT, path, i, "calls");
		page_table_num(p, UNIT_COUNT, path, i, "requests");
		page_table_num(p, UNIT_COUNT, path, i, "denials");
		page_table_num(p, UNIT_COUNT, path, i, "violations");
		page_table_num(p, UNIT_COUNT, path, i, "input_tokens");
		page_table_num(p, UNIT_COUNT, path, i, "output_tokens");
		price(p, path, i, r);
		page_raw(p, "<td>");
		page_day(p, page_str(r, "first"));
		page_raw(p, "</td><td>");
		page_day(p, page_str(r, "last"));
		page_raw(p, "</td></tr>\n");
	}
	page_table_end(p, n, path);
}

static void classes(struct page *p)
{
	size_t n = page_rows(p, "inventory.data_classes");

	if (!n) {
		none(p, "Classes of data in AI calls");
		return;
	}
	page_table(p, "Classes of data in AI calls",
		   "Class|#AI calls|#Values found|#Violations|First seen|Last seen");
	for (size_t i = 0; i < n; i++) {
		const json_t *r = page_at(p, "inventory.data_classes.%zu", i);

		page_raw(p, "<tr>");
		page_table_name(p, r);
		page_table_num(p, UNIT_COUNT, "inventory.data_classes", i, "calls");
		page_table_num(p, UNIT_COUNT, "inventory.data_classes", i, "values");
		page_table_num(p, UNIT_COUNT, "inventory.data_classes", i, "violations");
		page_raw(p, "<td>");
		page_day(p, page_str(r, "first"));
		page_raw(p, "</td><td>");
		page_day(p, page_str(r, "last"));
		page_raw(p, "</td></tr>\n");
	}
	page_table_end(p, n, "inventory.data_classes");
}

/* What went with what. */
static void together(struct page *p, const char *table, const char *title, const char *heads,
		     const char *const *keys)
{
	char path[64];
	size_t n;

	snprintf(path, sizeof(path), "together.%s", table);
	n = page_rows(p, path);
	if (!n) {
		none(p, title);
		return;
	}
	page_table(p, title, heads);
	for (size_t i = 0; i < n; i++) {
		const json_t *r = page_at(p, "%s.%zu", path, i);

		page_raw(p, "<tr>");
		page_table_name(p, r);
		for (const char *const *k = keys; *k; k++)
			page_table_num(p, UNIT_COUNT, path, i, *k);
		page_raw(p, "<td>");
		page_day(p, page_str(r, "first"));
		page_raw(p, "</td><td>");
		page_day(p, page_str(r, "last"));
		page_raw(p, "</td></tr>\n");
	}
	page_table_end(p, n, path);
}

static void pairs(struct page *p)
{
	static const char *const use[] = {"calls", "requests", "denials", "violations", NULL},
				 *const sent[] = {"calls", "values", "refused", NULL};

	together(p, "versions", "Versions they gave",
		 "Tool · its client, tool server · its version|#AI calls|#Tool requests|#Denials|"
		 "#Violations|First seen|Last seen",
		 use);
	together(p, "flows", "Data flows observed",
		 "Tool · service · model · host · tool server|#AI calls|#Tool requests|#Denials|"
		 "#Violations|First seen|Last seen",
		 use);
	together(
		p, "access", "Who used what",
		"Account · service or tool server|#AI calls|#Tool requests|#Denials|#Violations|First "
		"seen|Last seen",
		use);
	together(p, "data_sent", "Classes of data in requests, and to whom",
		 "Class · supplier|#AI calls|#Values found|#Calls refused|First seen|Last seen",
		 sent);
}

void page_inventory(struct page *p)
{
	page_raw(
		p,
		"<section id=\"inventory\"><h2>Inventory as observed</h2>\n<p>What took part in the period. "
		"<em class=\"new\">new</em>: seen for the first time in it, as far as the records at hand "
		"reach back. Tokens and price are sums of what is known: of ");
	page_num(p, UNIT_COUNT, "totals.tokens_unknown_calls");
	page_raw(p, " AI calls the tokens are not known, of ");
	page_num(p, UNIT_COUNT, "totals.cost_unknown_calls");
	page_raw(
		p,
		" the price is not. A name in parentheses is a program in which no AI tool was recognised.</p>\n");
	inventory(p, "tools", "Tools");
	inventory(p, "services", "Services");
	inventory(p, "models", "Models");
	inventory(p, "providers", "Providers");
	inventory(p, "tool_servers", "Tool servers (MCP)");
	inventory(p, "hosts", "Hosts");
	inventory(p, "users", "Accounts");
	classes(p);
	pairs(p);
	page_raw(p, "</section>\n");
}

/* --- rates --------------------------------------------------------------------------------------- */

static void rate(struct page *p, const char *table, const char *title)
{
	char path[64];
	size_t n;

	snprintf(path, sizeof(path), "rates.%s", table);
	n = page_rows(p, path);
	if (!n) {
		none(p, title);
		return;
	}
	page_table(p, title, "Name|#Judged|#Violations|#Refused|#Rate|Of judged");
	for (size_t i = 0; i < n; i++) {
		const json_t *r = page_at(p, "%s.%zu", path, i);
		double share = page_int(r, "violation_ppm") / 10000.0;

		page_raw(p, "<tr>");
		page_table_name(p, r);
		page_table_num(p, UNIT_COUNT, path, i, "judged");
		page_table_num(p, UNIT_COUNT, path, i, "violations");
		page_table_num(p, UNIT_COUNT, path, i, "refused");
		page_table_num(p, UNIT_SHARE, path, i, "violation_ppm");
		page_raw(
			p,
			"<td class=\"bar\"><svg viewBox=\"0 0 100 8\" preserveAspectRatio=\"none\" "
			"aria-hidden=\"true\"><rect class=\"c-none\" width=\"100\" height=\"8\"/><rect "
			"class=\"c-bad\" width=\"%.2f\" height=\"8\" "
			"data-b=\"%s.%zu.violation_ppm\"/></svg></td></tr>\n",
			share, path, i);
	}
	page_table_end(p, n, path);
}

void page_rates(struct page *p)
{
	page_raw(
		p,
		"<section id=\"rates\"><h2>Violations of rules</h2>\n<p>A violation is an action for which a "
		"rule fired that does not merely allow, whether it was refused or only observed. Judged: "
		"actions with a decision on record. A denial that was folded counts as often as it happened. "
		"Observed only, because rules were in monitor mode: ");
	page_num(p, UNIT_COUNT, "totals.would");
	page_raw(p, ".</p>\n<div class=\"two\">\n<div>");
	rate(p, "rules", "By rule");
	rate(p, "providers", "By provider");
	rate(p, "weeks", "By ISO week");
	rate(p, "data_classes", "By class of data");
	page_raw(p, "</div><div>");
	rate(p, "tools", "By tool");
	rate(p, "models", "By model");
	rate(p, "users", "By account");
	page_raw(p, "</div></div></section>\n");
}
