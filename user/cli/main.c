// SPDX-License-Identifier: Apache-2.0
/*
 * probity VERB [options]: a row per verb. Exit codes are the verb's: 0 fine, 1 a negative answer,
 * 2 wrong command line, 3 a file or socket that cannot be read.
 */
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "cmd.h"
#include "record/printable.h"

static int cmd_help(int argc, char **argv);

static const struct cli_verb verbs[] = {
	{"status", cmd_status, "what the agent is doing: features, backends, drops, spool, policy"},
	{"watch", cmd_watch, "AI calls of this host, live"},
	{"ls", cmd_ls, "list sealed records, with filters"},
	{"show", cmd_show, "everything in one record"},
	{"cert", cmd_cert, "the decision certificate of one AI call, as JSON"},
	{"prove", cmd_prove, "the proof that a record is in the log, for other programs"},
	{"verify", cmd_verify, "check every hash, signature and sequence number of a spool"},
	{"export", cmd_export, "records in other formats, or as a bundle for an auditor"},
	{"policy", cmd_policy, "check and test policy packs"},
	{"approvals", cmd_approvals, "calls that wait for an operator, and answers in force"},
	{"approve", cmd_approve, "let a held call pass"},
	{"deny", cmd_deny, "refuse a held call"},
	{"revoke", cmd_revoke, "take an answer back"},
	{"unlock", cmd_unlock, "open a timed window in the agent's protection of itself"},
	{"lock", cmd_lock, "close it"},
	{"reveal", cmd_reveal, "whose pseudonym a record has; that it was asked is a record"},
	{"erase", cmd_erase, "take the content out of records; hashes and proofs stay"},
	{"tls", cmd_tls, "TLS functions in a file: where, how recognised; test of the signatures"},
	{"report", cmd_report,
	 "a report for management and auditors: ISO/IEC 42001, AI Act, NIST AI RMF"},
	{"help", cmd_help, "help for a verb"},
	{NULL, NULL, NULL},
};

static void print_table(FILE *f)
{
	fputs("usage: probity VERB [options]\n\n", f);
	for (const struct cli_verb *v = verbs; v->name; v++)
		fprintf(f, "  %-9s %s\n", v->name, v->summary);
	fputs("\nprobity VERB --help tells more; probity --version names the version.\n"
	      "Exit: 0 fine, 1 negative answer, 2 wrong command line, 3 not readable.\n",
	      f);
}

static const struct cli_verb *find(const char *name)
{
	for (const struct cli_verb *v = verbs; v->name; v++)
		if (!strcmp(v->name, name))
			return v;
	return NULL;
}

static int unknown(const char *word)
{
	const char *near = cli_nearest(verbs, word);
	char safe[64];

	printable_copy(safe, sizeof(safe), word);
	if (near)
		fprintf(stderr, "probity: unknown verb '%s'; did you mean '%s'?\n", safe, near);
	else
		fprintf(stderr, "probity: unknown verb '%s'; probity --help lists them\n", safe);
	return CLI_USAGE;
}

static int cmd_help(int argc, char **argv)
{
	char help[] = "--help", *args[3] = {NULL, help, NULL};
	const struct cli_verb *v;

	if (argc < 2 || argv[1][0] == '-') {
		print_table(stdout);
		return CLI_OK;
	}
	v = find(argv[1]);
	if (!v)
		return unknown(argv[1]);
	if (v->run == cmd_help) {
		puts("usage: probity help VERB\n\nPrints what probity VERB --help prints.");
		return CLI_OK;
	}
	args[0] = argv[1];
	return v->run(2, args);
}

/* Column widths need a UTF-8 locale, also where the environment names none (cron, a bare root
 * shell). Only the character type is set: numbers and messages stay as they are. */
static void set_charset(void)
{
	if (!setlocale(LC_CTYPE, "") || strcmp(nl_langinfo(CODESET), "UTF-8"))
		setlocale(LC_CTYPE, "C.UTF-8");
}

int main(int argc, char **argv)
{
	const struct cli_verb *v;

	set_charset();
	if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		print_table(stdout);
		return CLI_OK;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		puts("probity " PROBITY_VERSION);
		return CLI_OK;
	}
	v = find(argv[1]);
	return v ? v->run(argc - 1, argv + 1) : unknown(argv[1]);
}
