// SPDX-License-Identifier: Apache-2.0
/*
 * probity policy replay: the calls in the spool judged by another pack. Flows in: sealed records since a
 * time, a pack. Flows out: how many calls would have been decided otherwise, by disposition and by rule,
 * and with --verbose each of them. It reads beside the agent that writes, changes nothing, and says on a
 * terminal how far it is.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "pack_file.h"
#include "policy_cmd.h"
#include "record/printable.h"
#include "replay.h"
#include "row.h"
#include "spool_view.h"

#define POLICY_FILE "/etc/probity/policy.yaml"
#define PROGRESS_MS 250

DEFINE_CLEANUP(struct replay, replay_free)

struct run {
	const char *state_dir, *policy, *since, *host_id;
	bool verbose, json;
	uint64_t since_ns;
	struct replay *replay;
	json_t *calls; /* of --verbose --json */
};

static bool want(void *ctx, const struct sealed *s)
{
	const struct run *r = ctx;

	return s->call && s->head.wall_ns >= r->since_ns;
}

static void print_names(char sign, const char *const *v, size_t n)
{
	char safe[128];

	for (size_t i = 0; i < n; i++) {
		printable_copy(safe, sizeof(safe), v[i]);
		printf(" %c%s", sign, safe);
	}
}

static void print_call(const struct sealed *s, const struct replay_one *o)
{
	char when[32];
	struct row row;

	row_from(s, &row);
	time_local(row.wall_ns, TIME_DATE, when);
	printf("%" PRIu64 " %s %s %s %s %s: %s -> %s", row.seq, when, row.user, row.tool,
	       row.service, row.model, o->before[0] ? o->before : "not decided", o->after);
	print_names('+', o->rules_added, o->added);
	print_names('-', o->rules_removed, o->removed);
	putchar('\n');
}

static json_t *names(const char *const *v, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, render_text(v[i]));
	return list;
}

static void tell(struct run *r, const struct sealed *s, const struct replay_one *o)
{
	if (!r->verbose || !o->changed)
		return;
	if (!r->json) {
		print_call(s, o);
		return;
	}
	json_array_append_new(r->calls,
			      json_pack("{s:I, s:s, s:s, s:o, s:o}", "seq", (json_int_t)s->head.seq,
					"before", o->before, "after", o->after, "rules_added",
					names(o->rules_added, o->added), "rules_removed",
					names(o->rules_removed, o->removed)));
}

static void progress(const struct run *r, size_t done, size_t all, bool last)
{
	static int64_t next;
	int64_t now = time_steady_ms();

	if (!isatty(STDERR_FILENO) || (!last && now < next))
		return;
	next = now + PROGRESS_MS;
	if (last)
		fputs("\r\033[K", stderr);
	else
		fprintf(stderr, "\rreplaying %zu of %zu calls, %" PRIu64 " differ", done, all,
			replay_changed(r->replay));
}

static int each(struct run *r, const char *dir, const struct spool_pos *at, size_t n)
{
	_cleanup_(spool_cursor_done) struct spool_cursor c = {.dir = dir};
	int k = 0;

	for (size_t i = 0; i < n && !k; i++) {
		_cleanup_sealed_ struct sealed s = {0};
		struct replay_one o;
		const char *why;

		k = spool_at(&c, at[i], &s, &why);
		if (k == -ENOENT) { /* pruned by the agent since we looked */
			k = 0;
			continue;
		}
		if (!k && s.call)
			k = replay_call(r->replay, s.call, &o);
		if (!k && s.call)
			tell(r, &s, &o);
		progress(r, i, n, false);
	}
	progress(r, n, n, true);
	return k;
}

static int64_t number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static void print_summary(const struct run *r, const json_t *j)
{
	size_t i;
	json_t *v;

	printf("%" PRIu64 " calls, %" PRIu64 " would be decided otherwise by %s %s\n",
	       replay_calls(r->replay), replay_changed(r->replay),
	       json_string_value(json_object_get(j, "pack")),
	       json_string_value(json_object_get(j, "version")));
	json_array_foreach(json_object_get(j, "dispositions"), i, v)
	{
		const char *b = json_string_value(json_object_get(v, "before"));
		const char *a = json_string_value(json_object_get(v, "after"));

		printf("  %-11s %s %-7s %8" PRId64 "\n", *b ? b : "not decided",
		       strcmp(a, b) ? "->" : " =", a, number(v, "calls"));
	}
	json_array_foreach(json_object_get(j, "rules"), i, v)
	{
		char id[128];

		if (!number(v, "added") && !number(v, "removed"))
			continue;
		printable_copy(id, sizeof(id), json_string_value(json_object_get(v, "id")));
		printf("  rule %-28s fired %6" PRId64 ", would fire %6" PRId64 ": +%" PRId64
		       " -%" PRId64 "%s\n",
		       id, number(v, "before"), number(v, "after"), number(v, "added"),
		       number(v, "removed"),
		       json_is_true(json_object_get(v, "in_pack")) ? "" : ", not in this pack");
	}
	i = json_array_size(json_object_get(j, "not_replayed"));
	if (i)
		printf("  not replayed: %zu rule%s on exec, connect or tool_call\n", i,
		       i == 1 ? "" : "s");
}

static int finish(struct run *r, const struct spool_damage *dmg)
{
	json_t *j = replay_json(r->replay);

	if (!j)
		return CLI_UNREACHABLE;
	if (dmg->count)
		fprintf(stderr,
			"probity policy replay: %020" PRIu64 ".seg is damaged at offset %" PRIu64
			" (%s): calls may be missing; run probity verify\n",
			dmg->at.segment, dmg->at.offset, dmg->why);
	if (r->json) {
		json_object_set_new(j, "damaged", json_integer(dmg->count));
		if (r->calls)
			json_object_set(j, "differing", r->calls);
		if (cli_print_json(j, false, stdout))
			return CLI_UNREACHABLE;
	} else {
		print_summary(r, j);
		json_decref(j);
	}
	return replay_changed(r->replay) || dmg->count ? CLI_NEGATIVE : CLI_OK;
}

static int replay(struct run *r)
{
	struct spool_query q = {.want = want, .ctx = r};
	_cleanup_(replay_freep) struct replay *rp = NULL;
	_cleanup_(pack_freep) struct pack *p = NULL;
	_cleanup_free_ struct spool_pos *at = NULL;
	struct spool_damage dmg;
	struct spool_pos end;
	char dir[3800], err[1024];
	size_t n;
	int k = pack_file_load(r->policy, &p, err, sizeof(err));

	if (k) {
		fprintf(stderr, "%s\n", err);
		return k;
	}
	rp = replay_new(p, r->host_id);
	if (!rp)
		return CLI_UNREACHABLE;
	r->replay = rp;
	snprintf(dir, sizeof(dir), "%s/spool", r->state_dir);
	k = spool_newest(dir, &q, &at, &n, &end, &dmg);
	if (!k)
		k = each(r, dir, at, n);
	return k ? cli_unreadable(dir, k) : finish(r, &dmg);
}

int cmd_policy_replay(int argc, char **argv)
{
	struct run r = {.state_dir = CLI_STATE_DIR, .policy = POLICY_FILE, .host_id = ""};
	const struct cli_option options[] = {
		{"since", 's', CLI_TEXT, &r.since, "TIME",
		 "calls sealed at or after: 1h, 2026-11-21, RFC 3339 (default: all)"},
		{"policy", 'p', CLI_TEXT, &r.policy, "FILE",
		 "the pack to judge by (default " POLICY_FILE ")"},
		{"verbose", 'v', CLI_FLAG, &r.verbose, NULL, "each call that differs"},
		{"host-id", 0, CLI_TEXT, &r.host_id, "TEXT", "as the agent's, for staged rollouts"},
		CLI_OPT_JSON(&r.json),
		CLI_OPT_STATE_DIR(&r.state_dir),
		{0},
	};
	const struct cli_usage u = {
		"policy replay", "",
		"Judges the AI calls in the spool by another pack, and says what it would have "
		"changed.",
		options,
		"Rules on exec, connect and tool_call are about what is no AI call: not replayed.\n"
		"Exit: 0 nothing changes, 1 something does (or the spool is damaged), 2 wrong command "
		"line, 3 not readable."};
	int first, k = cli_options(&u, argc, argv, &first);

	if (k >= 0)
		return k;
	if (first < argc)
		return cli_wrong(&u, "takes no argument '%s'", argv[first]);
	if (r.since && !time_parse(r.since, time_now(), &r.since_ns))
		return cli_wrong(&u, "--since: '%s' is no time", r.since);
	r.calls = r.verbose && r.json ? json_array() : NULL;
	k = replay(&r);
	json_decref(r.calls);
	return k;
}
