// SPDX-License-Identifier: Apache-2.0
/* Which file is it: keys, paths, and the files that processes name, in a folder of our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent/exec_ident.h"

static char top[64];

static const char *at(const char *name)
{
	static char path[2][PATH_MAX];
	static int n;

	n ^= 1;
	snprintf(path[n], sizeof(path[n]), "%s/%s", top, name);
	return path[n];
}

static int make(const char *name, const char *text)
{
	int fd = open(at(name), O_RDWR | O_CREAT | O_TRUNC, 0755);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

static void test_keys(void **state)
{
	struct stat a, b;
	struct exec_key k, other;
	int one = make("one", "1"), two = make("two", "2");
	int again;

	assert_int_equal(link(at("one"), at("linked")), 0);
	again = open(at("linked"), O_PATH);
	assert_int_equal(fstat(one, &a), 0);
	assert_int_equal(fstat(two, &b), 0);
	k = exec_key_of(one, &a);
	assert_int_equal(k.ino, a.st_ino);
	other = exec_key_of(again, &a);
	assert_memory_equal(&k, &other, sizeof(k)); /* one file under two names */
	other = exec_key_of(two, &b);
	assert_int_equal(k.dev, other.dev);
	assert_int_not_equal(k.ino, other.ino);
	assert_int_equal(exec_ctime_ns(&a), a.st_ctim.tv_sec * 1000000000ull + a.st_ctim.tv_nsec);
	close(one);
	close(two);
	close(again);
}

/* Of procfs, which no disk is behind: as mountinfo has it. */
static void test_key_of_a_mount(void **state)
{
	int fd = open("/proc/self/status", O_RDONLY);
	struct exec_key k;
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	k = exec_key_of(fd, &st);
	assert_int_equal(k.dev, (uint64_t)major(st.st_dev) << 20 | minor(st.st_dev));
	close(fd);
}

static void test_paths(void **state)
{
	char got[PATH_MAX], tiny[4];
	int fd = make("here", "x");
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	assert_true(exec_path_of(fd, got, sizeof(got)));
	assert_string_equal(got, at("here"));
	assert_false(exec_path_of(fd, tiny, sizeof(tiny)));
	assert_true(exec_path_is(at("here"), &st));
	assert_int_equal(symlink("here", at("sym")), 0);
	assert_true(exec_path_is(at("sym"), &st));
	assert_false(exec_path_is(at("nowhere"), &st));
	assert_int_equal(unlink(at("here")), 0);
	assert_true(exec_path_of(fd, got, sizeof(got))); /* where it was */
	assert_string_equal(got, at("here"));
	assert_false(exec_path_is(got, &st));
	close(make("here", "another"));
	assert_false(exec_path_is(got, &st));
	close(fd);
}

static void test_open_as(void **state)
{
	int fd = make("script", "#!"), got;
	char name[PATH_MAX];

	assert_int_equal(mkfifo(at("pipe"), 0600), 0);
	got = exec_open_as(getpid(), at("script"));
	assert_true(got >= 0);
	close(got);
	assert_int_equal(chdir(top), 0);
	got = exec_open_as(getpid(), "./script");
	assert_true(got >= 0);
	close(got);
	snprintf(name, sizeof(name), "/dev/fd/%d", fd);
	got = exec_open_as(getpid(), name);
	assert_true(got >= 0);
	close(got);
	assert_int_equal(exec_open_as(getpid(), at("nothing")), -ENOENT);
	assert_int_equal(exec_open_as(getpid(), top), -EACCES);
	assert_int_equal(exec_open_as(getpid(), at("pipe")), -EACCES); /* and does not wait */
	assert_int_equal(exec_open_as(0x7fffffff, at("script")), -ENOENT);
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(exec_open_as(getpid(), name), -ENAMETOOLONG);
	assert_int_equal(chdir("/"), 0);
	close(fd);
}

static void test_package_json(void **state)
{
	char got[PATH_MAX];
	int fd;

	assert_int_equal(mkdir(at("pkg"), 0755), 0);
	assert_int_equal(mkdir(at("pkg/bin"), 0755), 0);
	close(make("pkg/package.json", "{}"));
	fd = exec_package_json(at("pkg/bin/cli.js"));
	assert_true(fd >= 0);
	assert_true(exec_path_of(fd, got, sizeof(got)));
	assert_string_equal(got, at("pkg/package.json"));
	close(fd);
	/* The nearest; but one that is a link leads who knows where. */
	assert_int_equal(symlink("/etc/passwd", at("pkg/bin/package.json")), 0);
	fd = exec_package_json(at("pkg/bin/cli.js"));
	assert_true(fd >= 0 && exec_path_of(fd, got, sizeof(got)));
	assert_string_equal(got, at("pkg/package.json"));
	close(fd);
	assert_int_equal(unlink(at("pkg/package.json")), 0);
	assert_int_equal(mkfifo(at("pkg/package.json"), 0600), 0);
	assert_int_equal(exec_package_json(at("pkg/bin/cli.js")), -1);
	assert_int_equal(exec_package_json("no/slash/at/front"), -1);
	memset(got, '/', sizeof(got) - 1);
	got[sizeof(got) - 1] = '\0';
	assert_int_equal(exec_package_json(got), -1);
}

static int begin(void **state)
{
	snprintf(top, sizeof(top), "/tmp/probity-ident-XXXXXX");
	return !mkdtemp(top);
}

static int end(void **state)
{
	static const char *const made[] = {
		"one",
		"two",
		"linked",
		"sym",
		"here",
		"script",
		"pipe",
		"pkg/bin/package.json",
		"pkg/package.json",
	};

	for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++)
		unlink(at(made[i]));
	rmdir(at("pkg/bin"));
	rmdir(at("pkg"));
	return rmdir(top);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),	     cmocka_unit_test(test_key_of_a_mount),
		cmocka_unit_test(test_paths),	     cmocka_unit_test(test_open_as),
		cmocka_unit_test(test_package_json),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
