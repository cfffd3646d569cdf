// SPDX-License-Identifier: Apache-2.0
/* probity policy VERB: a row per verb; each verb in its cmd_policy_*.c. */
#include <string.h>

#include "cli.h"
#include "cmd.h"
#include "policy_cmd.h"
#include "record/printable.h"

static const struct cli_verb verbs[] = {
	{"check", cmd_policy_check, "is the pack valid, who decides its rules, and where"},
	{"test", cmd_policy_test, "run the tests inside the pack"},
	{"diff", cmd_policy_diff, "what another pack would change, rule by rule"},
	{"replay", cmd_policy_replay, "judge recorded calls by another pack"},
	{"keygen", cmd_policy_keygen, "make a key that signs packs"},
	{"sign", cmd_policy_sign, "sign a pack: writes FILE.sig"},
	{"verify", cmd_policy_verify, "check FILE.sig"},
	{"load", cmd_policy_load, "put a pack in force in the running agent"},
	{"status", cmd_policy_status, "the pack in force, and what its rules did"},
	{"explain", cmd_policy_explain, "which rules concern a process, and what they wait for"},
	{NULL, NULL, NULL},
};

static int usage(FILE *f, int code)
{
	fputs("usage: probity policy VERB [options] ...\n\n", f);
	for (const struct cli_verb *v = verbs; v->name; v++)
		fprintf(f, "  %-8s %s\n", v->name, v->summary);
	fputs("\nprobity policy VERB --help tells more.\n", f);
	return code;
}

int cmd_policy(int argc, char **argv)
{
	const char *near;
	char safe[64];

	if (argc < 2)
		return usage(stderr, CLI_USAGE);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return usage(stdout, CLI_OK);
	for (const struct cli_verb *v = verbs; v->name; v++)
		if (!strcmp(v->name, argv[1]))
			return v->run(argc - 1, argv + 1);
	near = cli_nearest(verbs, argv[1]);
	printable_copy(safe, sizeof(safe), argv[1]);
	fprintf(stderr, "probity policy: unknown verb '%s'; %s%s%s\n", safe,
		near ? "did you mean '" : "probity policy --help lists them", near ?: "",
		near ? "'?" : "");
	return CLI_USAGE;
}
