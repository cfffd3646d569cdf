// SPDX-License-Identifier: Apache-2.0
/*
 * probity approvals, approve, deny, revoke: what waits for an operator, and the operator's word. Flows
 * in: the agent's list; a command line. Flows out: a table or JSON; one request whose author the
 * kernel tells the agent. The texts of a parked call were chosen by the program that made it: they
 * are made safe before a terminal sees them.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "ask.h"
#include "base/cleanup.h"
#include "cli.h"
#include "cmd.h"
#include "columns.h"
#include "record/printable.h"
#include "text.h"

#define CELL 160

static const struct column columns[] = {
	{"ID", 8, 15, 0, false},    {"STATE", 7, 7, 0, false}, {"UNTIL", 8, 19, 3, false},
	{"USER", 4, 16, 0, false},  {"TOOL", 4, 16, 2, false}, {"SERVICE", 6, 30, 0, false},
	{"MODEL", 4, 24, 5, false}, {"RULE", 6, 28, 1, false}, {"SCOPE", 5, 7, 4, false},
	{"BY", 2, 16, 3, false},    {"TRIES", 5, 5, 6, true},  {"WHY", 3, 60, 7, false},
};
#define N_COLUMNS ARRAY_SIZE(columns)

/* --- approvals -------------------------------------------------------------------------------------- */

static uint64_t number(const json_t *o, const char *key)
{
	json_int_t v = json_integer_value(json_object_get(o, key));

	return v > 0 ? v : 0;
}

static const char *service(const json_t *o, char *dst)
{
	const char *s = ask_text(o, "service", dst, CELL);

	return s[0] ? s : ask_text(o, "host", dst, CELL);
}

static int row(struct table *t, const json_t *o)
{
	char text[10][CELL], until[32], tries[16];
	bool waits = !strcmp(ask_text(o, "state", text[0], CELL), "pending");
	const char *cells[N_COLUMNS] = {
		ask_text(o, "id", text[1], CELL),
		text[0],
		until,
		ask_text(o, "user", text[2], CELL),
		ask_text(o, "tool", text[3], CELL),
		service(o, text[4]),
		ask_text(o, "model", text[5], CELL),
		ask_text(o, "rule", text[6], CELL),
		ask_text(o, "scope", text[7], CELL),
		ask_text(o, "by", text[8], CELL),
		tries,
		ask_text(o, "why", text[9], CELL),
	};
	const enum style styles[N_COLUMNS] = {[1] = waits ? WARN : PLAIN};
	bool now = number(o, "waiting_now"); /* a call is stopped until it is answered */

	if (now)
		cells[1] = "waiting";
	time_local(number(o, now ? "waits_until_unix_ns" : "until_unix_ns"), TIME_DATE, until);
	text_count(number(o, "tries"), tries);
	return table_row(t, cells, N_COLUMNS, styles, NULL);
}

static int rows(struct table *t, const json_t *list)
{
	const json_t *o;
	size_t i;
	int r = 0;

	json_array_foreach(list, i, o) if (!r) r = row(t, o);
	return r;
}

static int show(const json_t *all)
{
	const json_t *pending = json_object_get(all, "pending");
	const json_t *grants = json_object_get(all, "grants");
	_cleanup_(table_freep) struct table *t = NULL;

	if (!json_array_size(pending) && !json_array_size(grants)) {
		puts("nothing waits for approval, and no answer is in force");
		return CLI_OK;
	}
	t = table_new(columns, N_COLUMNS, cli_width(stdout), cli_colour(stdout), stdout);
	if (!t || rows(t, pending) || rows(t, grants) || table_flush(t))
		return cli_unreadable("standard output", -ENOMEM);
	return CLI_OK;
}

/* --- watching: one line per change -------------------------------------------------------------------- */

static json_t *by_id(const json_t *all)
{
	static const char *const lists[] = {"pending", "grants"};
	json_t *o, *map = json_object();
	size_t i;

	for (size_t l = 0; l < ARRAY_SIZE(lists); l++)
		json_array_foreach(json_object_get(all, lists[l]), i, o)
			json_object_set(map, json_string_value(json_object_get(o, "id")) ?: "", o);
	return map;
}

static void change(const json_t *o, const char *state, bool json)
{
	char at[32], t[6][CELL];

	if (json) {
		json_t *copy = json_copy((json_t *)o);

		json_object_set_new(copy, "state", json_string(state));
		cli_print_json(copy, true, stdout);
		return;
	}
	time_local(time_now(), TIME_CLOCK, at);
	printf("%s  %-8s %s  %s%s%s to %s  %s%s%s\n", at, state, ask_text(o, "id", t[0], CELL),
	       ask_text(o, "user", t[1], CELL), ask_text(o, "tool", t[2], CELL)[0] ? " by " : "",
	       t[2], service(o, t[3]), ask_text(o, "rule", t[4], CELL),
	       ask_text(o, "by", t[5], CELL)[0] ? ", by " : "", t[5]);
}

static const char *state_of(const json_t *o)
{
	return json_string_value(json_object_get(o, "state")) ?: "";
}

static void changes(json_t *before, json_t *after, bool json)
{
	const char *id;
	json_t *o;

	json_object_foreach(after, id,
			    o) if (strcmp(state_of(o), state_of(json_object_get(before, id))))
		change(o, state_of(o), json);
	json_object_foreach(before, id, o) if (!json_object_get(after, id))
		change(o, "ended", json);
	fflush(stdout);
}

static int watch(const char *run_dir, bool json)
{
	json_t *before = json_object(), *all, *after;
	int r;

	while (!(r = cli_ask(run_dir, json_pack("{s:s}", "do", "approvals"), &all))) {
		struct timespec second = {.tv_sec = 1};

		after = by_id(all);
		json_decref(all);
		changes(before, after, json);
		json_decref(before);
		before = after;
		if (ferror(stdout))
			break;
		nanosleep(&second, NULL);
	}
	json_decref(before);
	return r;
}

int cmd_approvals(int argc, char **argv)
{
	const char *run_dir = CLI_RUN_DIR;
	bool json = false, live = false;
	const struct cli_option options[] = {
		{"watch", 'w', CLI_FLAG, &live, NULL, "a line for each change, until Ctrl-C"},
		CLI_OPT_JSON(&json),
		CLI_OPT_RUN_DIR(&run_dir),
		{0},
	};
	const struct cli_usage u = {
		"approvals",
		"",
		"Lists calls that a rule holds until an operator answers, and answers in force.",
		options,
		"Answer with probity approve ID or probity deny ID; take back with probity revoke ID.",
	};
	json_t *all;
	int first, r = cli_options(&u, argc, argv, &first);

	if (r >= 0)
		return r;
	if (first < argc)
		return cli_wrong(&u, "takes no argument '%s'", argv[first]);
	if (live)
		return watch(run_dir, json);
	r = cli_ask(run_dir, json_pack("{s:s}", "do", "approvals"), &all);
	if (r)
		return r;
	if (json)
		return cli_print_json(all, false, stdout) ? CLI_UNREACHABLE : CLI_OK;
	r = show(all);
	json_decref(all);
	return r;
}

/* --- answers ----------------------------------------------------------------------------------------------- */

/* "90s", "5m", "1h", "2d", "1w"; a number alone is seconds. */
static bool seconds(const char *s, uint64_t *ret)
{
	static const struct {
		const char *unit;
		uint64_t s;
	} units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}, {"w", 604800}};
	size_t n = strspn(s, "0123456789");
	char digits[12];
	uint64_t v;

	if (!n || n >= sizeof(digits))
		return false;
	memcpy(digits, s, n);
	digits[n] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (!strcmp(s + n, units[i].unit) && cli_number(digits, &v) && v) {
			*ret = v * units[i].s;
			return true;
		}
	return false;
}

static int print_answer(const json_t *answer)
{
	char t[3][CELL], until[32];

	time_local(number(answer, "until_unix_ns"), TIME_DATE, until);
	printf("%s %s", ask_text(answer, "id", t[0], CELL), ask_text(answer, "state", t[1], CELL));
	if (number(answer, "until_unix_ns"))
		printf(" until %s, scope %s", until, ask_text(answer, "scope", t[2], CELL));
	puts("");
	return CLI_OK;
}

struct words {
	const char *run_dir, *time, *scope, *reason;
	bool json;
};

static int send(const char *verb, const char *id, const struct words *w, uint64_t for_s)
{
	json_t *ask = json_pack("{s:s, s:s}", "do", verb, "id", id), *answer;
	int r;

	if (!ask)
		return cli_unreadable("the id", -EILSEQ); /* no UTF-8 */
	if (w->time)
		json_object_set_new(ask, "for_s", json_integer(for_s));
	if (w->scope)
		json_object_set_new(ask, "scope", json_string(w->scope));
	if (w->reason)
		json_object_set_new(ask, "reason", json_string(w->reason));
	r = cli_ask(w->run_dir, ask, &answer);
	if (r)
		return r;
	if (w->json)
		return cli_print_json(answer, false, stdout) ? CLI_UNREACHABLE : CLI_OK;
	r = print_answer(answer);
	json_decref(answer);
	return r;
}

static int say(const struct cli_usage *u, struct words *w, int argc, char **argv)
{
	uint64_t for_s = 0;
	int first, r = cli_options(u, argc, argv, &first);

	if (r >= 0)
		return r;
	if (argc - first != 1)
		return cli_wrong(u, "takes one ID; probity approvals lists them");
	if (w->time && !seconds(w->time, &for_s))
		return cli_wrong(u, "--for '%s' is no time, such as 30m, 1h or 2d", w->time);
	return send(u->verb, argv[first], w, for_s);
}

static const char notes[] =
	"Root and the members of group probity-operators may answer; who did is sealed as a record.\n"
	"Exit code 1 when the agent refuses, 3 when it does not answer.";

int cmd_approve(int argc, char **argv)
{
	struct words w = {.run_dir = CLI_RUN_DIR};
	const struct cli_option options[] = {
		{"for", 0, CLI_TEXT, &w.time, "TIME",
		 "how long: 30m, 1h, 2d (default: the rule's)"},
		{"scope", 0, CLI_TEXT, &w.scope, "SCOPE",
		 "call (default), tool, service or session"},
		{"reason", 0, CLI_TEXT, &w.reason, "TEXT", "for the record"},
		CLI_OPT_JSON(&w.json),
		CLI_OPT_RUN_DIR(&w.run_dir),
		{0},
	};
	const struct cli_usage u = {
		"approve",
		"ID",
		"Lets a held call pass when it is tried again: once, or, for a time, whatever the same\n"
		"user sends by that tool, to that service, or in that session under the same rule.",
		options,
		notes,
	};

	return say(&u, &w, argc, argv);
}

int cmd_deny(int argc, char **argv)
{
	struct words w = {.run_dir = CLI_RUN_DIR};
	const struct cli_option options[] = {
		{"for", 0, CLI_TEXT, &w.time, "TIME",
		 "how long: 30m, 1h, 2d (default: the rule's)"},
		{"reason", 0, CLI_TEXT, &w.reason, "TEXT", "for the record"},
		CLI_OPT_JSON(&w.json),
		CLI_OPT_RUN_DIR(&w.run_dir),
		{0},
	};
	const struct cli_usage u = {
		"deny",	 "ID",	"Refuses a held call, without asking again until that time.",
		options, notes,
	};

	return say(&u, &w, argc, argv);
}

int cmd_revoke(int argc, char **argv)
{
	struct words w = {.run_dir = CLI_RUN_DIR};
	const struct cli_option options[] = {
		{"reason", 0, CLI_TEXT, &w.reason, "TEXT", "for the record"},
		CLI_OPT_JSON(&w.json),
		CLI_OPT_RUN_DIR(&w.run_dir),
		{0},
	};
	const struct cli_usage u = {
		"revoke", "ID",	 "Takes an answer back: the next call like it is held again.",
		options,  notes,
	};

	return say(&u, &w, argc, argv);
}
