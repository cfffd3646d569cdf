/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every verb shares: exit codes, options, colours, output. A verb is a row in main.c and a
 * cmd_*.c with `int cmd_x(int argc, char **argv)`; argv[0] is the verb. It returns the exit code.
 */
#ifndef PROBITY_CLI_CLI_H
#define PROBITY_CLI_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum cli_exit {
	CLI_OK = 0,
	CLI_NEGATIVE = 1,    /* the answer is no: a finding, a failed test, no such record */
	CLI_USAGE = 2,	     /* the command line is wrong */
	CLI_UNREACHABLE = 3, /* a file or socket cannot be read */
};

struct cli_verb {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
};
/* The name in a table (ended by a NULL name) that is nearest to a mistyped word, or NULL. */
const char *cli_nearest(const struct cli_verb *verbs, const char *word);

/* A row of a verb's options; the table ends with a NULL name. --help comes by itself. */
enum cli_kind {
	CLI_FLAG /* bool */,
	CLI_TEXT /* const char * */,
	CLI_NUMBER /* uint64_t */,
	CLI_LIST /* struct cli_list: may be given again */
};
#define CLI_LIST_MAX 16
struct cli_list {
	const char *v[CLI_LIST_MAX];
	size_t n;
};
struct cli_option {
	const char *name;
	char letter; /* 0: none */
	enum cli_kind kind;
	void *to;
	const char *arg; /* "DIR", for the help; NULL for a flag */
	const char *help;
};
struct cli_usage {
	const char *verb, *args, *about;
	const struct cli_option *options;
	const char *notes; /* more lines of help, may be NULL */
};
#define CLI_STATE_DIR "/var/lib/probity"
#define CLI_RUN_DIR "/run/probity"
#define CLI_OPT_JSON(p)                                      \
	{                                                    \
		"json", 0, CLI_FLAG, (p), NULL, "print JSON" \
	}
#define CLI_OPT_STATE_DIR(p)                                              \
	{                                                                 \
		"state-dir", 0, CLI_TEXT, (p), "DIR",                     \
			"the agent's records (default " CLI_STATE_DIR ")" \
	}
#define CLI_OPT_RUN_DIR(p)                                                     \
	{                                                                      \
		"run-dir", 0, CLI_TEXT, (p), "DIR",                            \
			"the agent's control socket (default " CLI_RUN_DIR ")" \
	}

/* -1: go on, positional arguments start at argv[*ret_first]. Otherwise the exit code: help was
 * printed (0) or the command line is wrong (2, said on stderr). */
int cli_options(const struct cli_usage *u, int argc, char **argv, int *ret_first);
void cli_help(const struct cli_usage *u, FILE *f);
/* "probity VERB: text" and where to find help; gives CLI_USAGE. */
int cli_wrong(const struct cli_usage *u, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Decimal, whole text; false if it is none or too large. */
bool cli_number(const char *s, uint64_t *ret);

/* One line on stderr that names the file and what to do; gives CLI_UNREACHABLE. */
int cli_unreadable(const char *path, int err);

bool cli_colour(FILE *f);    /* a terminal, no NO_COLOR, not dumb */
unsigned cli_width(FILE *f); /* columns; 0 when it is not a terminal */
/* One value and a newline; compact, or indented by 2. Takes the reference. 0 or -errno. */
int cli_print_json(json_t *j, bool compact, FILE *f);

#endif
