// SPDX-License-Identifier: Apache-2.0
/*
 * Options come from a table per verb, so the parser, --help and the defaults cannot disagree.
 * Errors are one line: what, where, what to do. Nothing here knows a record.
 */
#include "cli.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "record/printable.h"

#define OPTIONS_MAX 32
#define WORD_MAX 24

/* Edit distance; words longer than WORD_MAX are compared by their beginning. */
static unsigned distance(const char *a, const char *b)
{
	size_t n = strnlen(a, WORD_MAX), m = strnlen(b, WORD_MAX);
	unsigned row[WORD_MAX + 1];

	for (size_t j = 0; j <= m; j++)
		row[j] = j;
	for (size_t i = 1; i <= n; i++) {
		unsigned diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			unsigned best = diagonal + (a[i - 1] != b[j - 1]);

			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = row[j];
			row[j] = best;
		}
	}
	return row[m];
}

const char *cli_nearest(const struct cli_verb *verbs, const char *word)
{
	const char *best = NULL;
	unsigned least = 3; /* two slips at most, or it is another word */

	for (const struct cli_verb *v = verbs; v->name; v++) {
		unsigned d = distance(v->name, word);

		if (strlen(word) >= 2 && !strncmp(v->name, word, strlen(word)))
			d = 1;
		if (d < least && d < strlen(v->name)) {
			least = d;
			best = v->name;
		}
	}
	return best;
}

void cli_help(const struct cli_usage *u, FILE *f)
{
	fprintf(f, "usage: probity %s [options]%s%s\n\n%s\n\noptions:\n", u->verb,
		u->args[0] ? " " : "", u->args, u->about);
	for (const struct cli_option *o = u->options; o->name; o++) {
		char left[64], letter[8] = "    ";

		if (o->letter)
			snprintf(letter, sizeof(letter), "-%c, ", o->letter);
		snprintf(left, sizeof(left), "%s--%s%s%s", letter, o->name, o->arg ? " " : "",
			 o->arg ?: "");
		fprintf(f, "  %-26s %s\n", left, o->help);
	}
	fprintf(f, "  %-26s %s\n", "-h, --help", "this text");
	if (u->notes)
		fprintf(f, "\n%s\n", u->notes);
}

int cli_wrong(const struct cli_usage *u, const char *fmt, ...)
{
	char raw[256], line[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	printable_copy(line, sizeof(line), raw);
	fprintf(stderr, "probity %s: %s (see: probity %s --help)\n", u->verb, line, u->verb);
	return CLI_USAGE;
}

bool cli_number(const char *s, uint64_t *ret)
{
	unsigned long long v;
	char *end;

	if (*s < '0' || *s > '9')
		return false;
	errno = 0;
	v = strtoull(s, &end, 10);
	if (errno || *end)
		return false;
	*ret = v;
	return true;
}

static int take(const struct cli_usage *u, const struct cli_option *o, const char *arg)
{
	switch (o->kind) {
	case CLI_FLAG:
		*(bool *)o->to = true;
		return -1;
	case CLI_TEXT:
		*(const char **)o->to = arg;
		return -1;
	case CLI_LIST: {
		struct cli_list *l = o->to;

		if (l->n == CLI_LIST_MAX)
			return cli_wrong(u, "--%s: at most %d of them", o->name, CLI_LIST_MAX);
		l->v[l->n++] = arg;
		return -1;
	}
	case CLI_NUMBER:
		break;
	}
	if (!cli_number(arg, o->to))
		return cli_wrong(u, "--%s: '%s' is not a number", o->name, arg);
	return -1;
}

int cli_options(const struct cli_usage *u, int argc, char **argv, int *ret_first)
{
	struct option longs[OPTIONS_MAX + 2] = {{"help", no_argument, NULL, 'h'}};
	char shorts[2 * OPTIONS_MAX + 4] = ":h", *s = shorts + 2;
	size_t n = 0;

	for (; u->options[n].name && n < OPTIONS_MAX; n++) {
		const struct cli_option *o = &u->options[n];

		longs[n + 1] = (struct option){o->name, o->kind != CLI_FLAG, NULL, 256 + (int)n};
		if (!o->letter)
			continue;
		*s++ = o->letter;
		if (o->kind != CLI_FLAG)
			*s++ = ':';
	}
	opterr = 0;
	optind = 0; /* glibc: start anew */
	for (int c, r; (c = getopt_long(argc, argv, shorts, longs, NULL)) != -1;) {
		size_t i = c >= 256 ? (size_t)c - 256 : 0;

		if (c == 'h') {
			cli_help(u, stdout);
			return CLI_OK;
		}
		if (c == ':')
			return cli_wrong(u, "%s wants a value", argv[optind - 1]);
		if (c == '?')
			return cli_wrong(u, "unknown option %s", argv[optind - 1]);
		while (c < 256 && i < n && u->options[i].letter != c)
			i++;
		r = take(u, &u->options[i], optarg);
		if (r >= 0)
			return r;
	}
	*ret_first = optind;
	return -1;
}

int cli_unreadable(const char *path, int err)
{
	char name[1024];
	const char *hint = "see probity --help";

	err = err < 0 ? -err : err;
	if (err == EACCES || err == EPERM)
		hint = "run as root or join group probity";
	else if (err == ENOENT)
		hint = "is probityd installed and has it run? name another place with --state-dir";
	else if (err == EIO)
		hint = "check the disk";
	printable_copy(name, sizeof(name), path);
	fprintf(stderr, "probity: cannot read %s: %s; %s\n", name, strerror(err), hint);
	return CLI_UNREACHABLE;
}

bool cli_colour(FILE *f)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fileno(f)) && !(no && *no) && !(term && !strcmp(term, "dumb"));
}

unsigned cli_width(FILE *f)
{
	struct winsize w;

	if (!isatty(fileno(f)))
		return 0;
	if (ioctl(fileno(f), TIOCGWINSZ, &w) < 0 || !w.ws_col)
		return 80;
	return w.ws_col;
}

int cli_print_json(json_t *j, bool compact, FILE *f)
{
	_cleanup_free_ char *raw = NULL, *safe = NULL;

	raw = j ? json_dumps(j, (compact ? JSON_COMPACT : JSON_INDENT(2)) | JSON_ENCODE_ANY) : NULL;
	json_decref(j);
	safe = raw ? json_printable(raw) : NULL;
	if (!safe)
		return -ENOMEM;
	return fprintf(f, "%s\n", safe) < 0 ? -errno : 0;
}
