// SPDX-License-Identifier: Apache-2.0
/*
 * Rows and a status object in, lines out. Two lines of state on top, the newest calls below it, the
 * sums at the bottom. What needs attention carries a sign in the first column as well as a colour,
 * so it is seen without colours too: X a kill, ! an alert, ? a shadow service, ~ not seen whole.
 * Limits: the newest VIEW_ROWS records are kept; the sums count all.
 */
#include "view.h"

#include <inttypes.h>
#include <string.h>

#include "columns.h"
#include "record/printable.h"
#include "status_page.h"

/* Narrow screens drop the highest rank first; the sign stays. */
static const struct column columns[] = {
	{"", 1, 1, 0, false},		{"TIME", 8, 8, 2, false},     {"USER", 6, 16, 6, false},
	{"TOOL", 10, 24, 4, false},	{"SERVICE", 9, 32, 3, false}, {"MODEL", 10, 36, 5, false},
	{"OPERATION", 9, 16, 9, false}, {"IN", 4, 7, 7, true},	      {"OUT", 4, 7, 7, true},
	{"COST", 7, 9, 11, true},	{"DATA", 7, 36, 8, false},    {"VERDICT", 7, 11, 1, false},
	{"COMPLETE", 8, 12, 10, false},
};
_Static_assert(ARRAY_SIZE(columns) == VIEW_COLUMNS, "one width for each");
#define COST 9
#define TOP_LINES 3    /* two of state, the titles */
#define BOTTOM_LINES 4 /* a rule, services, verdicts, keys */

/* Writes parts of one line and knows what room is left on it. */
struct pen {
	FILE *f;
	unsigned left;
	bool colour;
};

static void put(struct pen *p, enum style s, const char *text)
{
	style_on(p->f, s, p->colour);
	p->left -= text_cut(p->f, text, p->left);
	style_off(p->f, s, p->colour);
}

static void __attribute__((format(printf, 3, 4)))
putf(struct pen *p, enum style s, const char *fmt, ...)
{
	char b[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(b, sizeof(b), fmt, ap);
	va_end(ap);
	put(p, s, b);
}

static const char *sign(const struct row *r)
{
	if (!strncmp(r->verdict, "kill", 4) || !strcmp(r->verdict, "would kill"))
		return "X";
	if (!strcmp(r->verdict, "alert"))
		return "!";
	return r->shadow ? "?" : strcmp(r->completeness, "complete") ? "~" : " ";
}

struct cells {
	char clock[32], in[16], out[16];
	const char *cell[VIEW_COLUMNS];
};

static void cells_of(const struct row *r, struct cells *ret)
{
	const char *const cell[VIEW_COLUMNS] = {
		sign(r), ret->clock, r->user, r->tool,	  r->service, r->model,	       r->operation,
		ret->in, ret->out,   r->cost, r->classes, r->verdict, r->completeness,
	};

	time_local(r->wall_ns, TIME_CLOCK, ret->clock);
	text_count(r->in, ret->in);
	text_count(r->out, ret->out);
	memcpy(ret->cell, cell, sizeof(cell));
}

static void measure(struct view *v, const struct row *r)
{
	struct cells c;

	cells_of(r, &c);
	for (size_t i = 0; i < VIEW_COLUMNS; i++) {
		unsigned w = text_width(c.cell[i]);

		if (w > v->widest[i])
			v->widest[i] = w;
	}
}

void view_init(struct view *v)
{
	memset(v, 0, sizeof(*v));
	v->seq = v->lag = -1;
}

void view_add(struct view *v, const struct row *r)
{
	v->rows[v->total++ % VIEW_ROWS] = *r;
	v->held += v->paused;
	if ((int64_t)r->seq > v->seq)
		v->seq = r->seq;
	if (r->control)
		return;
	measure(v, r);
	if (r->mcp)
		return; /* the counts are of calls of models */
	v->calls++;
	v->shadow += r->shadow;
	tally_add(&v->service, r->shadow ? "unknown" : r->service);
	tally_add(&v->tool, r->tool);
	tally_add(&v->verdict, r->verdict[0] ? r->verdict : "undecided");
	tally_add(&v->completeness, r->completeness[0] ? r->completeness : "?");
}

void view_status(struct view *v, const json_t *s)
{
	char b[sizeof(v->policy)];

	v->agent = s ? AGENT_UP : AGENT_DOWN;
	if (!s)
		return;
	printable_copy(v->host, sizeof(v->host), status_text(s, "host"));
	printable_copy(v->mode, sizeof(v->mode), status_text(s, "mode"));
	snprintf(b, sizeof(b), "%s %s", status_text(s, "policy.set"),
		 status_text(s, "policy.version"));
	printable_copy(v->policy, sizeof(v->policy), b);
	printable_copy(v->forward, sizeof(v->forward), status_text(s, "recorder.forward.state"));
	v->lag = status_number(s, "recorder.forward.lag_records", -1);
	v->drops = status_sum(status_get(s, "drops"));
	v->lost = status_sum(status_get(s, "recorder.lost"));
}

void view_pause(struct view *v, bool on)
{
	v->paused = on;
	v->held = 0;
}

/* --- the parts ------------------------------------------------------------------------------- */

static void top_line(const struct view *v, struct pen *p)
{
	static const char *const word[] = {"agent not asked yet", "agent running",
					   "agent not reachable"};

	put(p, HEAD, " probity ");
	if (v->host[0])
		putf(p, BOLD, "  %s", v->host);
	putf(p,
	     v->agent == AGENT_UP     ? GOOD
	     : v->agent == AGENT_DOWN ? BAD
				      : DIM,
	     "  %s", word[v->agent]);
	if (v->mode[0])
		putf(p, PLAIN, "  %s", v->mode);
	if (v->policy[0] > ' ')
		putf(p, PLAIN, "  policy %s", v->policy);
	if (v->seq >= 0)
		putf(p, DIM, "  seq %" PRId64, v->seq);
}

static void loss_line(const struct view *v, struct pen *p)
{
	putf(p, PLAIN, " %" PRIu64 " calls", v->calls);
	if (v->agent == AGENT_UP) {
		putf(p, v->drops ? WARN : DIM, "  drops %" PRIu64, v->drops);
		putf(p, v->lost ? BAD : DIM, "  lost %" PRIu64, v->lost);
		if (v->forward[0])
			putf(p, DIM, "  forward %s", v->forward);
		if (v->lag >= 0)
			putf(p, v->lag ? WARN : DIM, ", %" PRId64 " behind", v->lag);
	}
	if (v->note[0])
		putf(p, BAD, "  %s", v->note);
}

static void control_line(const struct row *r, const char *clock, struct pen *p)
{
	putf(p, DIM, "%s  %s  ", r->loss ? "!" : " ", clock);
	put(p, r->loss ? WARN : DIM, r->note);
}

static void row_line(const struct row *r, const unsigned *w, struct pen *p)
{
	struct cells c;
	enum style alarm = row_verdict_style(r);

	cells_of(r, &c);
	if (r->control) {
		control_line(r, c.clock, p);
		return;
	}
	const enum style styles[VIEW_COLUMNS] = {
		[0] = alarm == GOOD ? (r->shadow ? BAD : WARN) : alarm,
		[1] = DIM,
		[4] = r->shadow ? BAD : PLAIN,
		[6] = DIM,
		[10] = NOTE,
		[11] = alarm,
		[12] = row_completeness_style(r),
	};
	columns_row(p->f, columns, VIEW_COLUMNS, w, c.cell, styles, p->colour, true);
}

static void tally_line(const struct tally *t, const char *label, struct pen *p)
{
	putf(p, DIM, " %-9s", label);
	for (size_t i = 0; i < t->n; i++) {
		enum style s = !strcmp(t->e[i].name, "unknown") ? BAD
			       : !strcmp(t->e[i].name, "alert") ? WARN
			       : strstr(t->e[i].name, "kill")	? BAD
								: PLAIN;

		if (p->left < 8)
			break;
		putf(p, s, "  %s", t->e[i].name);
		putf(p, BOLD, " %" PRIu64, t->e[i].count);
	}
	if (t->other)
		putf(p, DIM, "  others %" PRIu64, t->other);
}

static void key_line(const struct view *v, struct pen *p)
{
	put(p, DIM, " q quit   p ");
	put(p, DIM, v->paused ? "go on" : "pause");
	if (v->paused)
		put(p, HEAD, "  PAUSED ");
	if (v->held)
		putf(p, WARN, " %" PRIu64 " new", v->held);
}

static void body_line(const struct view *v, uint64_t i, const unsigned *w, struct pen *p)
{
	uint64_t kept = v->total < VIEW_ROWS ? v->total : VIEW_ROWS;
	uint64_t back = v->held + i;

	if (back < kept)
		row_line(&v->rows[(v->total - 1 - back) % VIEW_ROWS], w, p);
	else if (!i)
		put(p, DIM, " waiting for the first AI call of this host");
}

static void bottom_line(const struct view *v, unsigned i, struct pen *p)
{
	switch (i) {
	case 0:
		style_on(p->f, DIM, p->colour);
		for (unsigned k = 0; k < p->left; k++)
			fputs("\xE2\x94\x80", p->f); /* ─ */
		style_off(p->f, DIM, p->colour);
		break;
	case 1:
		tally_line(&v->service, "services", p);
		break;
	case 2:
		tally_line(&v->verdict, "verdicts", p);
		break;
	default:
		key_line(v, p);
	}
}

/* No column is wider than what has been in it, so the room goes where something is cut. */
static void fit(const struct view *v, unsigned width, unsigned *w)
{
	struct column c[VIEW_COLUMNS];

	memcpy(c, columns, sizeof(c));
	for (size_t i = 0; i < VIEW_COLUMNS; i++) {
		if (c[i].most > v->widest[i])
			c[i].most = v->widest[i];
		if (c[i].most < c[i].least)
			c[i].most = c[i].least;
	}
	if (!v->widest[COST]) /* local runtimes have no prices */
		c[COST].least = c[COST].most = 0;
	columns_fit(c, VIEW_COLUMNS, width, w);
}

void view_render(const struct view *v, unsigned width, unsigned height, bool colour, FILE *f)
{
	unsigned bottom = height > TOP_LINES + BOTTOM_LINES + 2 ? BOTTOM_LINES : 0;
	unsigned w[VIEW_COLUMNS];

	fit(v, width, w);
	for (unsigned y = 0; y < height; y++) {
		struct pen p = {f, width, colour};

		if (y)
			fputc('\n', f);
		if (y == 0)
			top_line(v, &p);
		else if (y == 1)
			loss_line(v, &p);
		else if (y == 2)
			columns_titles(f, columns, VIEW_COLUMNS, w, colour);
		else if (y < height - bottom)
			body_line(v, y - TOP_LINES, w, &p);
		else
			bottom_line(v, y - (height - bottom), &p);
	}
}

/* --- the end --------------------------------------------------------------------------------- */

static void summary_line(const struct tally *t, const char *label, FILE *f)
{
	fprintf(f, "  %-13s", label);
	for (size_t i = 0; i < t->n; i++)
		fprintf(f, "%s%s %" PRIu64, i ? ", " : "", t->e[i].name, t->e[i].count);
	if (t->other)
		fprintf(f, ", others %" PRIu64, t->other);
	fputs(t->n ? "\n" : "none\n", f);
}

void view_summary(const struct view *v, FILE *f)
{
	fprintf(f, "%" PRIu64 " AI call%s\n", v->calls, v->calls == 1 ? "" : "s");
	if (!v->calls)
		return;
	summary_line(&v->service, "service", f);
	summary_line(&v->tool, "tool", f);
	summary_line(&v->verdict, "disposition", f);
	summary_line(&v->completeness, "completeness", f);
}

static json_t *tally_json(const struct tally *t)
{
	json_t *o = json_object();

	for (size_t i = 0; i < t->n; i++)
		json_object_set_new(o, t->e[i].name, json_integer(t->e[i].count));
	return o;
}

json_t *view_summary_json(const struct view *v)
{
	return json_pack("{s{sI sI so so so so}}", "summary", "calls", (json_int_t)v->calls,
			 "shadow", (json_int_t)v->shadow, "service", tally_json(&v->service),
			 "tool", tally_json(&v->tool), "disposition", tally_json(&v->verdict),
			 "completeness", tally_json(&v->completeness));
}
