// SPDX-License-Identifier: Apache-2.0
/* The walk over places that rules name, in a folder of our own; the usual places come along. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/exec_ident.h"
#include "agent/exec_walk.h"
#include "base/cleanup.h"

#define FOUND_MAX 64

static char top[64];

struct seen {
	struct event_base *base;
	char path[FOUND_MAX][128], link[FOUND_MAX][128]; /* below top */
	unsigned n, refused;
	bool done;
};

static const char *at(const char *name)
{
	static char path[4][PATH_MAX];
	static unsigned n;

	n++;
	snprintf(path[n % 4], sizeof(path[0]), "%s/%s", top, name);
	return path[n % 4];
}

static void make(const char *name, mode_t mode)
{
	int fd = open(at(name), O_WRONLY | O_CREAT, mode);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
}

static int begin(void **state)
{
	static const char *const folders[] = {"Bin",   "Bin/deep", "a",		"a/b",
					      "a/b/c", "a/b/c/d",  "a/b/c/d/e", "a/b/c/d/e/f"};

	snprintf(top, sizeof(top), "/tmp/probity-walk-XXXXXX");
	if (!mkdtemp(top))
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		if (mkdir(at(folders[i]), 0755))
			return -1;
	make("Bin/Tool", 0755);
	make("Bin/script.py", 0644);
	make("Bin/text", 0644);
	make("Bin/deep/inner", 0755);
	make("a/b/c/d/e/reach", 0755);
	make("a/b/c/d/e/f/beyond", 0755);
	close(open(at("Bin/empty"), O_WRONLY | O_CREAT, 0755));
	return mkfifo(at("Bin/pipe"), 0777) || symlink("Tool", at("Bin/short")) ||
	       symlink("..", at("Bin/up")) || symlink("nowhere", at("Bin/dangling"));
}

static int drop(const char *path, const struct stat *st, int kind, struct FTW *f)
{
	return remove(path);
}

static int end(void **state)
{
	return nftw(top, drop, 16, FTW_DEPTH | FTW_PHYS);
}

static void on_found(void *ctx, int fd, const char *link)
{
	struct seen *s = ctx;
	char path[PATH_MAX];

	assert_true(exec_path_of(fd, path, sizeof(path)));
	if (strncmp(path, top, strlen(top)) || s->n == FOUND_MAX)
		return;
	snprintf(s->path[s->n], sizeof(s->path[0]), "%.127s", path + strlen(top) + 1);
	snprintf(s->link[s->n++], sizeof(s->link[0]), "%.127s", link ? link + strlen(top) + 1 : "");
}

/* Not ready now and then: the walk has to come back to where it was. */
static bool is_ready(void *ctx)
{
	struct seen *s = ctx;

	return ++s->refused % 97 != 0;
}

static void on_done(void *ctx)
{
	struct seen *s = ctx;

	s->done = true;
	event_base_loopbreak(s->base);
}

static unsigned times(const struct seen *s, const char *path, const char *link)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->n; i++)
		n += !strcmp(s->path[i], path) && !strcmp(s->link[i], link);
	return n;
}

static void walk(const char *pattern, struct seen *s)
{
	static const struct exec_walk_ops ops = {on_found, is_ready, on_done};
	struct timeval limit = {.tv_sec = 30};
	struct exec_walk *w;

	*s = (struct seen){.base = event_base_new()};
	w = exec_walk_new(s->base, &ops, s);
	assert_non_null(w);
	exec_walk_place(w, pattern);
	exec_walk_begin(w);
	assert_false(exec_walk_done(w));
	event_base_loopexit(s->base, &limit);
	event_base_dispatch(s->base);
	assert_true(s->done);
	assert_true(exec_walk_done(w));
	exec_walk_free(w);
	event_base_free(s->base);
}

static void test_folder(void **state)
{
	static struct seen s;

	walk(at("bin"), &s); /* rules are in lower case */
	assert_int_equal(times(&s, "Bin/Tool", ""), 1);
	assert_int_equal(times(&s, "Bin/Tool", "Bin/short"), 1);
	assert_int_equal(times(&s, "Bin/script.py", ""), 1);
	assert_int_equal(times(&s, "Bin/deep/inner", ""), 1);
	assert_int_equal(s.n, 4); /* no text, nothing empty, no pipe, not what a link leads up to */
}

static void test_file(void **state)
{
	static struct seen s;

	walk(at("bin/tool"), &s);
	assert_true(s.n >= 1);
	for (unsigned i = 0; i < s.n; i++)
		assert_string_equal(s.path[i], "Bin/Tool");
}

static void test_stars(void **state)
{
	static struct seen s;

	walk(at("b*/tool"), &s); /* from there on all is looked at, the rule picks */
	assert_int_equal(times(&s, "Bin/Tool", ""), 1);
	assert_int_equal(times(&s, "Bin/Tool", "Bin/short"), 1);
	assert_int_equal(times(&s, "a/b/c/d/reach", ""), 0);
	walk(at("a/*"), &s);
	assert_int_equal(times(&s, "a/b/c/d/e/reach", ""), 1);
	assert_int_equal(times(&s, "a/b/c/d/e/f/beyond", ""), 0); /* too deep */
}

static void test_nothing(void **state)
{
	static struct seen s;

	walk(at("none/at/all"), &s);
	assert_int_equal(s.n, 0);
	walk("relative/path", &s);
	assert_int_equal(s.n, 0);
	walk("", &s);
	assert_int_equal(s.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_folder),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_stars),
		cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
