// SPDX-License-Identifier: Apache-2.0
/*
 * probity reveal: whose pseudonym is this? Flows in: a pseudonym and a reason. Flows out: the account's
 * name, after the agent has sealed a record of who asked for it and why. The key stays with the agent.
 */
#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

#include "ask.h"
#include "base/cleanup.h"
#include "cli.h"
#include "cmd.h"
#include "record/private.h"

static const char notes[] =
	"Only root may ask. Who asked, for which pseudonym and why is sealed as a record before the\n"
	"answer is given; without that record there is no answer. Accounts of a directory that cannot\n"
	"be listed are found with --user NAME, which is only said to be right or not.\n"
	"Exit code 1 when nobody is found or the agent refuses, 3 when it does not answer.";

static int print(const json_t *answer, bool json)
{
	char name[512], pseudonym[64];

	if (json) {
		json_dumpf(answer, stdout, JSON_COMPACT);
		putchar('\n');
		return CLI_OK;
	}
	printf("%s is %s (record %lld)\n",
	       ask_text(answer, "pseudonym", pseudonym, sizeof(pseudonym)),
	       ask_text(answer, "name", name, sizeof(name)),
	       (long long)json_integer_value(json_object_get(answer, "seq")));
	return CLI_OK;
}

int cmd_reveal(int argc, char **argv)
{
	const char *run_dir = CLI_RUN_DIR, *reason = NULL, *user = NULL;
	bool json = false;
	const struct cli_option options[] = {
		{"reason", 0, CLI_TEXT, &reason, "TEXT", "why: it stands in the record"},
		{"user", 0, CLI_TEXT, &user, "NAME", "try this account or group too"},
		{"json", 0, CLI_FLAG, &json, NULL, "the answer as JSON"},
		CLI_OPT_RUN_DIR(&run_dir),
		{0},
	};
	const struct cli_usage u = {
		"reveal", "PSEUDONYM", "Says whose pseudonym it is, and seals that it was asked.",
		options,  notes,
	};
	enum pseudonym_kind kind;
	json_t *answer = NULL;
	int first, r = cli_options(&u, argc, argv, &first);

	if (r >= 0)
		return r;
	if (first + 1 != argc)
		return cli_wrong(&u, "takes one pseudonym, like u:abcdefghijklmnop");
	if (!pseudonym_ok(argv[first], &kind) || kind == PSEUDONYM_TEXT)
		return cli_wrong(&u, "'%s' is not the pseudonym of a user or group", argv[first]);
	if (!reason || !*reason)
		return cli_wrong(&u, "--reason TEXT is needed: it stands in the record");
	r = cli_ask(run_dir,
		    json_pack("{s:s, s:s, s:s, s:s*}", "do", "reveal", "pseudonym", argv[first],
			      "reason", reason, "user", user),
		    &answer);
	if (!r)
		r = print(answer, json);
	json_decref(answer);
	return r;
}
