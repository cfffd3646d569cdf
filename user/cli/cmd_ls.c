// SPDX-License-Identifier: Apache-2.0
/*
 * probity ls: the newest records of the spool that pass the filter, oldest first, so that the newest
 * stands next to the prompt. It reads, it does not judge: damage on the way is named and gives exit
 * code 1, and `probity verify` is the tool for it.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "cli.h"
#include "cmd.h"
#include "columns.h"
#include "filter.h"
#include "record/printable.h"
#include "row.h"
#include "spool_view.h"

static const struct column columns[] = {
	{"SEQ", 1, 20, 0, true},	{"TIME", 19, 19, 0, false},   {"USER", 4, 32, 0, false},
	{"TOOL", 6, 32, 0, false},	{"SERVICE", 7, 40, 0, false}, {"MODEL", 8, 44, 0, false},
	{"OPERATION", 4, 20, 5, false}, {"IN", 2, 8, 2, true},	      {"OUT", 3, 8, 2, true},
	{"COST", 4, 9, 6, true},	{"DATA", 4, 40, 3, false},    {"VERDICT", 5, 11, 0, false},
	{"COMPLETE", 8, 12, 4, false},
};
#define N_COLUMNS ARRAY_SIZE(columns)

struct ls {
	struct filter filter;
	const char *state_dir, *since, *until;
	uint64_t limit;
	bool reverse, json;
};

static int print_row(struct table *t, const struct sealed *s)
{
	char seq[24], when[32], in[16], out[16];
	struct row r;

	row_from(s, &r);
	snprintf(seq, sizeof(seq), "%" PRIu64, r.seq);
	time_local(r.wall_ns, TIME_DATE, when);
	text_count(r.in, in);
	text_count(r.out, out);
	const char *const cells[N_COLUMNS] = {
		seq, when, r.user, r.tool,    r.service, r.model,	 r.operation,
		in,  out,  r.cost, r.classes, r.verdict, r.completeness,
	};
	const enum style styles[N_COLUMNS] = {
		[0] = DIM,
		[4] = r.shadow ? BAD : PLAIN,
		[10] = NOTE,
		[11] = row_verdict_style(&r),
		[12] = row_completeness_style(&r),
	};
	if (r.control)
		return table_row(t, cells, 2, styles, r.note);
	return table_row(t, cells, N_COLUMNS, styles, NULL);
}

static int print_all(const struct ls *o, const char *dir, const struct spool_pos *at, size_t n)
{
	_cleanup_(spool_cursor_done) struct spool_cursor c = {.dir = dir};
	_cleanup_(table_freep) struct table *t = NULL;
	int r = 0;

	if (!o->json) {
		t = table_new(columns, N_COLUMNS, cli_width(stdout), cli_colour(stdout), stdout);
		if (!t)
			return -ENOMEM;
	}
	for (size_t i = 0; i < n && !r; i++) {
		_cleanup_sealed_ struct sealed s = {0};
		const char *why;

		r = spool_at(&c, at[o->reverse ? n - 1 - i : i], &s, &why);
		if (r == -ENOENT) { /* pruned by the agent since we looked */
			r = 0;
			continue;
		}
		if (!r)
			r = o->json ? cli_print_json(render_json(&s), true, stdout)
				    : print_row(t, &s);
	}
	return !r && t ? table_flush(t) : r;
}

static bool want(void *ctx, const struct sealed *s)
{
	return filter_match(ctx, s);
}

static int run(struct ls *o)
{
	struct spool_query q = {.want = want, .ctx = &o->filter, .limit = o->limit};
	_cleanup_free_ struct spool_pos *at = NULL;
	struct spool_damage dmg;
	struct spool_pos end;
	char dir[3800];
	size_t n;
	int r;

	snprintf(dir, sizeof(dir), "%s/spool", o->state_dir);
	r = spool_newest(dir, &q, &at, &n, &end, &dmg);
	if (!r && n)
		r = print_all(o, dir, at, n);
	if (r)
		return cli_unreadable(dir, r);
	if (!n && !o->json)
		fputs("no record matches\n", stderr);
	if (!dmg.count)
		return CLI_OK;
	fprintf(stderr,
		"probity ls: %s: %020" PRIu64 ".seg is damaged at offset %" PRIu64
		" (%s): records may be missing here; run probity verify\n",
		dir, dmg.at.segment, dmg.at.offset, dmg.why);
	return CLI_NEGATIVE;
}

static int bounds(const struct cli_usage *u, struct ls *o)
{
	uint64_t now = time_now();

	if (o->since && !time_parse(o->since, now, &o->filter.since_ns))
		return cli_wrong(u, "--since: '%s' is no time", o->since);
	if (o->until && !time_parse(o->until, now, &o->filter.until_ns))
		return cli_wrong(u, "--until: '%s' is no time", o->until);
	return -1;
}

int cmd_ls(int argc, char **argv)
{
	struct ls o = {.state_dir = CLI_STATE_DIR, .limit = 50};
	const struct cli_option options[] = {
		{"since", 's', CLI_TEXT, &o.since, "TIME",
		 "sealed at or after: 1h, 2026-11-21, RFC 3339"},
		{"until", 'u', CLI_TEXT, &o.until, "TIME", "sealed before"},
		{"tool", 't', CLI_TEXT, &o.filter.tool, "GLOB",
		 "AI tool, or program when none is known"},
		{"service", 'S', CLI_TEXT, &o.filter.service, "GLOB",
		 "service id, name or address"},
		{"model", 'm', CLI_TEXT, &o.filter.model, "GLOB", "model asked for or answering"},
		{"user", 'U', CLI_TEXT, &o.filter.user, "GLOB", "user name"},
		{"disposition", 'd', CLI_TEXT, &o.filter.disposition, "GLOB",
		 "allow, alert, kill; killed, \"would kill\""},
		{"incomplete", 'i', CLI_FLAG, &o.filter.incomplete, NULL, "calls not seen whole"},
		{"control", 'c', CLI_FLAG, &o.filter.control, NULL,
		 "control records (start, stop, policy, loss, repair) instead of calls"},
		{"all", 'a', CLI_FLAG, &o.filter.all, NULL, "calls and control records"},
		{"limit", 'n', CLI_NUMBER, &o.limit, "N", "the newest N (default 50; 0: all)"},
		{"reverse", 'r', CLI_FLAG, &o.reverse, NULL, "newest first"},
		CLI_OPT_JSON(&o.json),
		CLI_OPT_STATE_DIR(&o.state_dir),
		{0},
	};
	const struct cli_usage u = {
		"ls",
		"",
		"Lists the newest sealed records; with --json one object per line.",
		options,
		"Globs ignore case. A tool in parentheses is the program, when no AI tool was "
		"recognised.",
	};
	int first, r = cli_options(&u, argc, argv, &first);

	if (r < 0 && first < argc)
		r = cli_wrong(&u, "takes no argument '%s'", argv[first]);
	if (r < 0)
		r = bounds(&u, &o);
	if (r >= 0)
		return r;
	if (o.filter.all)
		o.filter.control = false;
	return run(&o);
}
