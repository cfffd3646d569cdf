// SPDX-License-Identifier: Apache-2.0
/*
 * Charts as inline SVG, drawn here: no library and no script. Each has a title and a text for readers
 * who do not see it, and colours only by class, so that the style sheet has them in light and dark.
 */
#include <string.h>
#include <time.h>

#include "item.h"
#include "page.h"

/* role: img, or group where there are links in it. */
static void open_chart(struct page *p, const char *title, const char *note, const char *role,
		       double w, double h)
{
	page_raw(
		p,
		"<figure%s><figcaption>%s<small>%s</small></figcaption>"
		"<svg viewBox=\"0 0 %.0f %.0f\" role=\"%s\" aria-label=\"%s: %s\"><title>%s</title>\n",
		w > 600 ? " class=\"broad\"" : "", title, note, w, h, role, title, note, title);
}

static void close_chart(struct page *p)
{
	page_raw(p, "</svg></figure>\n");
}

/* --- weeks --------------------------------------------------------------------------------------- */

#define WEEKS 26

static void week(struct page *p, size_t i, double x, double width, json_int_t most)
{
	const json_t *w = page_at(p, "rates.weeks.%zu", i);
	double all = 150.0 * page_int(w, "events") / most,
	       bad = 150.0 * page_int(w, "violations") / most;

	page_raw(
		p,
		"<rect class=\"c-use\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"2\" "
		"data-b=\"rates.weeks.%zu.events\"/>",
		x, 180 - all, width, all, i);
	page_raw(
		p,
		"<rect class=\"c-bad\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"2\" "
		"data-b=\"rates.weeks.%zu.violations\"/>",
		x, 180 - bad, width, bad, i);
	page_num_at(p, x + width / 2, 174 - all, "t-mid t-num", "rates.weeks.%zu.events", i);
	page_raw(p, "<text class=\"t-mid t-small\" x=\"%.1f\" y=\"196\">", x + width / 2);
	page_put(p, page_str(w, "key"));
	page_raw(p, "</text>\n");
}

void chart_weeks(struct page *p)
{
	size_t n = json_array_size(page_at(p, "rates.weeks")), from = n > WEEKS ? n - WEEKS : 0;
	json_int_t most = 1;
	double step, width;

	open_chart(
		p, "Use and violations by ISO week",
		"number of calls, tool requests and denials in a week; the red part broke a rule",
		"img", 520, 210);
	for (size_t i = from; i < n; i++) {
		json_int_t v = page_int(page_at(p, "rates.weeks.%zu", i), "events");

		most = v > most ? v : most;
	}
	page_raw(p, "<line class=\"c-axis\" x1=\"0\" y1=\"180.5\" x2=\"520\" y2=\"180.5\"/>\n");
	if (n == 0)
		page_raw(p,
			 "<text class=\"t-mid\" x=\"260\" y=\"100\">no use in this period</text>");
	step = 520.0 / (n - from > 6 ? n - from : 6);
	width = step * 0.62;
	for (size_t i = from; i < n; i++)
		week(p, i, (520 - step * (n - from)) / 2 + (i - from) * step + (step - width) / 2,
		     width, most);
	close_chart(p);
}

/* --- completeness -------------------------------------------------------------------------------- */

void chart_completeness(struct page *p, const char *what, const char *title)
{
	static const char *const class[WHOLES] = {"c-good", "c-warn", "c-warn2", "c-late",
						  "c-bad",  "c-use",  "c-none"};
	const json_t *o = page_at(p, "completeness.%s", what);
	json_int_t all = page_int(o, "all");
	double x = 0, key = 0;

	open_chart(p, title, "number of records, by what each says of itself", "img", 520, 84);
	page_raw(p,
		 "<rect class=\"c-none\" x=\"0\" y=\"6\" width=\"520\" height=\"26\" rx=\"4\"/>\n");
	for (int w = 0; w < WHOLES; w++) {
		json_int_t n = page_int(o, item_whole_name(w));
		double width = all ? 520.0 * n / all : 0;

		if (!n)
			continue;
		page_raw(p,
			 "<rect class=\"%s\" x=\"%.1f\" y=\"6\" width=\"%.1f\" height=\"26\" "
			 "data-b=\"completeness.%s.%s\"/>\n",
			 class[w], x, width, what, item_whole_name(w));
		page_raw(
			p,
			"<rect class=\"%s\" x=\"%.1f\" y=\"48\" width=\"10\" height=\"10\" rx=\"2\"/>",
			class[w], key);
		page_raw(p, "<text class=\"t-small\" x=\"%.1f\" y=\"57\">%s</text>", key + 15,
			 item_whole_name(w));
		page_num_at(p, key + 15, 75, "t-num", "completeness.%s.%s", what,
			    item_whole_name(w));
		x += width;
		key += 520.0 / WHOLES;
	}
	if (!all)
		page_raw(p, "<text class=\"t-small\" x=\"0\" y=\"57\">none in this period</text>");
	close_chart(p);
}

/* --- controls ------------------------------------------------------------------------------------ */

static void control(struct page *p, size_t i, double x, double y)
{
	const json_t *c = page_at(p, "controls.%zu", i);
	const char *e = page_str(c, "evidence");
	bool has = page_int(c, "records") > 0 || !strcmp(e, "none");

	page_raw(p, "<a href=\"#c%zu\"><g><title>", i);
	page_put(p, page_str(c, "title"));
	page_raw(
		p,
		"</title><rect class=\"k-%s%s\" x=\"%.1f\" y=\"%.1f\" width=\"82\" height=\"34\" rx=\"5\"/>",
		e, has ? "" : " k-empty", x, y);
	page_raw(p, "<text class=\"t-mid k-t-%s%s\" x=\"%.1f\" y=\"%.1f\">", e,
		 has ? "" : " k-t-empty", x + 41, y + 15);
	page_put(p, page_str(c, "id"));
	page_raw(p, "</text>");
	if (strcmp(e, "none") != 0) {
		char class[48];

		snprintf(class, sizeof(class), "t-mid t-small k-t-%s%s", e,
			 has ? "" : " k-t-empty");
		page_num_at(p, x + 41, y + 28, class, "controls.%zu.records", i);
	} else {
		page_raw(
			p,
			"<text class=\"t-mid t-small k-t-none\" x=\"%.1f\" y=\"%.1f\">not here</text>",
			x + 41, y + 28);
	}
	page_raw(p, "</g></a>\n");
}

void chart_controls(struct page *p)
{
	size_t n = json_array_size(page_at(p, "controls")), per = 12;

	open_chart(
		p, "Controls and the records behind them",
		"full colour: direct evidence; pale: supports in part; outline: no record in this "
		"period; grey: host records cannot show it. The number is that of its records",
		"group", 1080, ((n + per - 1) / per) * 42 + 4.0);
	for (size_t i = 0; i < n; i++)
		control(p, i, (i % per) * 90.0 + 1, (i / per) * 42.0 + 2);
	close_chart(p);
}

/* --- when the agent watched ---------------------------------------------------------------------- */

static double place(const struct page *p, const char *time)
{
	const json_t *period = page_at(p, "period");
	struct tm tm = {0}, from = {0};
	double s;

	if (!strptime(time, "%Y-%m-%dT%H:%M:%S", &tm) ||
	    !strptime(page_str(period, "from"), "%Y-%m-%dT%H:%M:%S", &from))
		return 0;
	s = difftime(timegm(&tm), timegm(&from)) / (page_int(period, "seconds") ?: 1);
	return 180 + 890 * (s < 0 ? 0 : s > 1 ? 1 : s);
}

static void host(struct page *p, size_t i, double y)
{
	const json_t *s = page_at(p, "sources.%zu", i), *gaps = page_at(p, "operation.gaps");
	double a = place(p, page_str(s, "first")), b = place(p, page_str(s, "last"));

	page_raw(p, "<text class=\"t-small\" x=\"0\" y=\"%.1f\">", y + 13);
	page_put(p, page_str(s, "host"));
	page_raw(
		p,
		"</text><rect class=\"c-none\" x=\"180\" y=\"%.1f\" width=\"890\" height=\"16\" rx=\"3\"/>",
		y);
	if (page_int(s, "in_period"))
		page_raw(
			p,
			"<rect class=\"c-good\" x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"16\" rx=\"3\"/>",
			a, y, b - a < 2 ? 2 : b - a);
	for (size_t g = 0; g < json_array_size(gaps); g++) {
		const json_t *x = json_array_get(gaps, g);
		double from = place(p, page_str(x, "from")), to = place(p, page_str(x, "to"));

		if (page_int(x, "source") == (json_int_t)i)
			page_raw(
				p,
				"<rect class=\"c-bad\" x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"22\"/>",
				from, y - 3, to - from < 2 ? 2 : to - from);
	}
	page_raw(p, "\n");
}

static void svg_time(struct page *p, const char *which)
{
	char s[32];

	snprintf(s, sizeof(s), "%.10s %.8s UTC", page_str(page_at(p, "period"), which),
		 page_str(page_at(p, "period"), which) + 11);
	page_put(p, s);
}

void chart_watch(struct page *p)
{
	size_t n = json_array_size(page_at(p, "sources"));

	if (n > 40)
		n = 40;
	open_chart(p, "When hosts were watched",
		   "by time; green: records; red: the agent was down; grey: nothing is known",
		   "img", 1080, n * 28 + 24.0);
	for (size_t i = 0; i < n; i++)
		host(p, i, i * 28 + 5);
	page_raw(p, "<text class=\"t-small t-dim\" x=\"180\" y=\"%.1f\">", n * 28 + 18.0);
	svg_time(p, "from");
	page_raw(p, "</text><text class=\"t-small t-dim t-end\" x=\"1070\" y=\"%.1f\">",
		 n * 28 + 18.0);
	svg_time(p, "to");
	page_raw(p, "</text>\n");
	close_chart(p);
}
