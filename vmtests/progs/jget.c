// SPDX-License-Identifier: Apache-2.0
/*
 * Picks values out of JSON for the shell cases, whose guest has no jq.
 *
 *   jget [-w PATH=GLOB]... PATH... < objects
 *
 * In: JSON values one after the other. Out: for each value in which every -w PATH matches GLOB, one
 * line with the PATHs' values between tabs. A PATH is names and array indexes joined by dots; the
 * empty PATH is the whole value. Texts are printed as they are, everything else as compact JSON, a
 * missing value as "-". Exit 0 if at least one line was printed, 1 if none, 2 on a syntax error.
 */
#include <fnmatch.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHERE_MAX 16

static const json_t *walk(const json_t *v, const char *path, size_t n)
{
	while (v && n) {
		const char *dot = memchr(path, '.', n);
		size_t part = dot ? (size_t)(dot - path) : n;

		if (json_is_array(v))
			v = json_array_get(v, strtoul(path, NULL, 10));
		else
			v = json_object_getn(v, path, part);
		n -= dot ? part + 1 : part;
		path += dot ? part + 1 : part;
	}
	return v;
}

/* The caller frees. */
static char *text(const json_t *v)
{
	if (!v)
		return strdup("-");
	if (json_is_string(v))
		return strdup(json_string_value(v));
	return json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
}

static int matches(const json_t *v, const char *where)
{
	const char *eq = strchr(where, '=');
	char *s;
	int yes;

	if (!eq)
		return 0;
	s = text(walk(v, where, (size_t)(eq - where)));
	yes = s && fnmatch(eq + 1, s, 0) == 0;
	free(s);
	return yes;
}

static int all_match(const json_t *v, char *const *where, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!matches(v, where[i]))
			return 0;
	return 1;
}

static void print_line(const json_t *v, char *const *paths, int n)
{
	for (int i = 0; i < n; i++) {
		char *s = text(walk(v, paths[i], strlen(paths[i])));

		printf("%s%s", i ? "\t" : "", s ? s : "-");
		free(s);
	}
	printf("\n");
}

static int at_end(FILE *f)
{
	int c;

	do
		c = getc(f);
	while (c == ' ' || c == '\t' || c == '\n' || c == '\r');
	return c == EOF || ungetc(c, f) == EOF;
}

int main(int argc, char **argv)
{
	char *where[WHERE_MAX];
	size_t n_where = 0, printed = 0;
	int arg = 1;

	while (arg + 1 < argc && strcmp(argv[arg], "-w") == 0 && n_where < WHERE_MAX) {
		where[n_where++] = argv[arg + 1];
		arg += 2;
	}
	if (arg >= argc) {
		fprintf(stderr, "usage: jget [-w PATH=GLOB]... PATH... < objects\n");
		return 2;
	}
	while (!at_end(stdin)) {
		json_error_t err;
		json_t *v = json_loadf(stdin, JSON_DISABLE_EOF_CHECK | JSON_DECODE_ANY, &err);

		if (!v) {
			fprintf(stderr, "jget: %s at byte %d\n", err.text, err.position);
			return 2;
		}
		if (all_match(v, where, n_where)) {
			print_line(v, argv + arg, argc - arg);
			printed++;
		}
		json_decref(v);
	}
	return printed ? 0 : 1;
}
