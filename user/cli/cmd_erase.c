// SPDX-License-Identifier: Apache-2.0
/*
 * probity erase: takes the content out of records. Flows in: a time or a stretch of numbers, and a reason.
 * Flows out: what the agent sealed about it. The records' places, hashes, signatures and proofs stay.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "base/cleanup.h"
#include "cli.h"
#include "cmd.h"
#include "text.h"

static const char notes[] =
	"Only root may erase. An ERASE record with the operator and the reason is on disk before the\n"
	"first payload goes; control records keep theirs. What the collector has not confirmed yet is\n"
	"kept, unless --force is given; copies that left this host are not reached from here.\n"
	"Exit code 1 when the agent refuses or there is nothing to erase, 3 when it does not answer.";

/* "A-B" or "A". */
static bool stretch(const char *s, uint64_t *ret_first, uint64_t *ret_last)
{
	char first[24];
	const char *dash = strchr(s, '-');
	size_t n = dash ? (size_t)(dash - s) : strlen(s);

	if (n >= sizeof(first))
		return false;
	memcpy(first, s, n);
	first[n] = '\0';
	return cli_number(first, ret_first) && cli_number(dash ? dash + 1 : first, ret_last) &&
	       *ret_first <= *ret_last && *ret_last < INT64_MAX;
}

static int ask(const char *run_dir, json_t *question, bool json)
{
	json_t *answer = NULL;
	int r = cli_ask(run_dir, question, &answer);

	if (!r && json)
		r = cli_print_json(json_incref(answer), true, stdout) ? CLI_UNREACHABLE : CLI_OK;
	else if (!r)
		printf("payloads of records %" JSON_INTEGER_FORMAT " to %" JSON_INTEGER_FORMAT
		       " are being erased; record %" JSON_INTEGER_FORMAT " says so\n",
		       json_integer_value(json_object_get(answer, "first_seq")),
		       json_integer_value(json_object_get(answer, "last_seq")),
		       json_integer_value(json_object_get(answer, "seq")));
	json_decref(answer);
	return r;
}

int cmd_erase(int argc, char **argv)
{
	const char *run_dir = CLI_RUN_DIR, *reason = NULL, *seq = NULL, *before = NULL;
	bool json = false, force = false;
	const struct cli_option options[] = {
		{"before", 0, CLI_TEXT, &before, "TIME", "all that is older: 2026-11-21, 90d, ..."},
		{"seq", 0, CLI_TEXT, &seq, "A-B", "these records"},
		{"reason", 0, CLI_TEXT, &reason, "TEXT", "why: it stands in the record"},
		{"force", 0, CLI_FLAG, &force, NULL, "also what the collector does not have yet"},
		CLI_OPT_JSON(&json),
		CLI_OPT_RUN_DIR(&run_dir),
		{0},
	};
	const struct cli_usage u = {
		"erase", "", "Erases the payloads of records; every proof stays.", options, notes,
	};
	uint64_t first = 0, last = 0, ns = 0;
	int at, r = cli_options(&u, argc, argv, &at);

	if (r >= 0)
		return r;
	if (at != argc || !seq == !before)
		return cli_wrong(&u, "takes either --before TIME or --seq A-B");
	if (seq && !stretch(seq, &first, &last))
		return cli_wrong(&u, "--seq '%s' is not like 10-20", seq);
	if (before && (!time_parse(before, time_now(), &ns) || !ns || ns > INT64_MAX))
		return cli_wrong(&u, "--before '%s' is no time", before);
	if (!reason || !*reason)
		return cli_wrong(&u, "--reason TEXT is needed: it stands in the record");
	return ask(run_dir,
		   seq ? json_pack("{s:s, s:I, s:I, s:s, s:b}", "do", "erase", "first_seq",
				   (json_int_t)first, "last_seq", (json_int_t)last, "reason",
				   reason, "force", (int)force)
		       : json_pack("{s:s, s:I, s:s, s:b}", "do", "erase", "before_unix_ns",
				   (json_int_t)ns, "reason", reason, "force", (int)force),
		   json);
}
