// SPDX-License-Identifier: Apache-2.0
/*
 * probity tls --selftest. In: the signatures; perhaps a folder and a list of known files. Out: TAP,
 * exit code 1 when something does not hold.
 *
 * Three parts. (1) Images made from each row. (2) Files below the folder whose build-id or SHA-256
 * the list has: each function listed is found at its address by its method, and no other of the
 * listed kind. (3) Up to 200 ordinary system files, spread over /usr/bin and /usr/lib: what works
 * without names (error codes, references, assembly) must find nothing there.
 *
 * A line of the list: ID METHOD FUNCTION ADDRESS; the ID is a build-id or sha256:HEX; # begins a
 * comment.
 */
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/discover/selftest.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "cli.h"
#include "record/printable.h"
#include "tls_file.h"

#define EXPECT_MAX 1024
#define SYSTEM_FILES 200
#define LIST_MAX (1 << 20)

struct expect {
	char id[80], method[32], function[40];
	unsigned long long vaddr;
};

struct test {
	const struct tls_signatures *s;
	struct tls_file *file;
	struct expect *expect;
	size_t expect_n;
	unsigned good, bad, known;
	bool quiet;
};

static void result(void *arg, const char *what, bool ok, const char *why)
{
	struct test *t = arg;
	char safe[SELFTEST_WHAT_MAX + 256];

	if (ok)
		t->good++;
	else
		t->bad++;
	if (ok && t->quiet)
		return;
	printable_copy(safe, sizeof(safe), what);
	printf("%sok %u - %s%s%s\n", ok ? "" : "not ", t->good + t->bad, safe, *why ? ": " : "",
	       why);
}

/* --- known files ----------------------------------------------------------------------------- */

static int read_list(struct test *t, const char *path)
{
	_cleanup_free_ char *text = NULL;
	size_t n = 0, lines = 0;
	int r = fs_read(path, LIST_MAX, &text, &n);

	if (r < 0)
		return cli_unreadable(path, -r);
	t->expect = calloc(EXPECT_MAX, sizeof(*t->expect));
	for (char *save, *line = strtok_r(text, "\n", &save); t->expect && line;
	     line = strtok_r(NULL, "\n", &save)) {
		struct expect *e = &t->expect[t->expect_n];

		lines++;
		if (*line == '#')
			continue;
		if (t->expect_n == EXPECT_MAX || sscanf(line, "%79s %31s %39s %llx", e->id,
							e->method, e->function, &e->vaddr) != 4) {
			fprintf(stderr,
				"probity tls: %s: line %zu is not ID METHOD FUNCTION ADDRESS\n",
				path, lines);
			return CLI_UNREACHABLE;
		}
		t->expect_n++;
	}
	return t->expect ? -1 : CLI_UNREACHABLE;
}

static bool is_id(const struct expect *e, const struct tls_file *f)
{
	if (!strncmp(e->id, "sha256:", 7))
		return !strcmp(e->id + 7, f->sha256);
	return *f->found.build_id && !strcmp(e->id, f->found.build_id);
}

static bool found(const struct tls_found *f, const struct expect *e)
{
	for (int i = 0; i < f->functions_n; i++)
		if (!strcmp(f->functions[i].name, e->function) &&
		    !strcmp(f->functions[i].method, e->method) && f->functions[i].vaddr == e->vaddr)
			return true;
	return false;
}

static const struct expect *expected(const struct test *t, const struct tls_function *fn)
{
	for (size_t i = 0; i < t->expect_n; i++)
		if (is_id(&t->expect[i], t->file) && !strcmp(t->expect[i].function, fn->name) &&
		    t->expect[i].vaddr == fn->vaddr)
			return &t->expect[i];
	return NULL;
}

static void compare(struct test *t, const char *path)
{
	const struct tls_found *f = &t->file->found;
	bool known = false;

	for (size_t i = 0; i < t->expect_n; i++) {
		const struct expect *e = &t->expect[i];
		char what[SELFTEST_WHAT_MAX + 200];

		if (!is_id(e, t->file))
			continue;
		known = true;
		snprintf(what, sizeof(what), "%.200s: %s %s at %#llx", path, e->method, e->function,
			 e->vaddr);
		result(t, what, found(f, e), "");
	}
	t->known += known;
	for (int i = 0; known && i < f->functions_n; i++)
		if (strcmp(f->functions[i].method, "symbol") && !expected(t, &f->functions[i]))
			result(t, f->functions[i].name, false, "is found and not in the list");
}

static struct test *walking; /* nftw has no argument of its own */

static int visit(const char *path, const struct stat *st, int type, struct FTW *w)
{
	if (type == FTW_F && st->st_size >= 64 &&
	    tls_file_read(path, walking->s, true, walking->file) == 0 && walking->file->result >= 0)
		compare(walking, path);
	return 0;
}

static int known_files(struct test *t, const char *dir, const char *list)
{
	char path[4096];
	int r;

	snprintf(path, sizeof(path), "%s/expected", dir);
	r = read_list(t, list ? list : path);
	if (r >= 0)
		return r;
	walking = t;
	if (nftw(dir, visit, 16, FTW_PHYS) < 0)
		return cli_unreadable(dir, errno);
	printf("# %u known files below %s\n", t->known, dir);
	return -1;
}

/* --- ordinary files -------------------------------------------------------------------------- */

static bool without_names(const struct tls_function *fn)
{
	return !strcmp(fn->method, "error-reasons") || !strcmp(fn->method, "aead-errors") ||
	       !strcmp(fn->method, "func-name") || !strcmp(fn->method, "asm-caller");
}

static bool ordinary(struct test *t, const char *path)
{
	char what[SELFTEST_WHAT_MAX + 200];
	const char *wrong = "";

	if (tls_file_read(path, t->s, false, t->file) < 0 || t->file->result == -ENOEXEC)
		return false;
	for (int i = 0; i < t->file->found.functions_n; i++)
		if (without_names(&t->file->found.functions[i]))
			wrong = t->file->found.functions[i].name;
	if (t->file->result < 0)
		wrong = t->file->why;
	snprintf(what, sizeof(what), "nothing in %.200s", path);
	result(t, what, !*wrong, wrong);
	return true;
}

static void system_files(struct test *t)
{
	glob_t g = {0};
	unsigned n = 0;

	glob("/usr/bin/*", 0, NULL, &g);
	glob("/usr/lib/*/*.so*", g.gl_pathc ? GLOB_APPEND : 0, NULL, &g);
	/* Every k-th, from k starts, until there are enough: spread, and the same on each run. */
	for (size_t step = g.gl_pathc / SYSTEM_FILES + 1, from = 0; from < step; from++)
		for (size_t i = from; i < g.gl_pathc && n < SYSTEM_FILES; i += step)
			n += ordinary(t, g.gl_pathv[i]);
	printf("# %u system files\n", n);
	globfree(&g);
}

int tls_selftest(const struct tls_signatures *s, const char *dir, const char *list, bool quiet)
{
	_cleanup_free_ struct tls_file *file = malloc(sizeof(*file));
	struct test t = {.s = s, .file = file, .quiet = quiet};
	int r = -1;

	if (!file || selftest_run(s, result, &t) < 0)
		return cli_unreadable("memory", ENOMEM);
	printf("# %zu signatures, version %u\n", s->n, s->version);
	if (dir)
		r = known_files(&t, dir, list);
	if (r < 0)
		system_files(&t);
	free(t.expect);
	if (r >= 0)
		return r;
	printf("1..%u\n# %u hold, %u do not\n", t.good + t.bad, t.good, t.bad);
	return t.bad ? CLI_NEGATIVE : CLI_OK;
}
