// SPDX-License-Identifier: Apache-2.0
/* Whose file is it: an environment of Python made here, with what its owner may have put into it, and
 * dpkg's own lists where there are some. */
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
#include "base/cleanup.h"

#define SITE "lib/python3.99/site-packages"

static char top[64];

static const char *at(const char *name)
{
	static char path[4][PATH_MAX];
	static unsigned n;

	n++;
	snprintf(path[n % 4], sizeof(path[0]), "%s/%s", top, name);
	return path[n % 4];
}

static void make(const char *name, const char *text)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s", at(name));
	for (char *s = path + strlen(top) + 1; (s = strchr(s, '/')); s++) {
		*s = '\0';
		mkdir(path, 0755);
		*s = '/';
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static int begin(void **state)
{
	snprintf(top, sizeof(top), "/tmp/probity-packages-XXXXXX");
	if (!mkdtemp(top))
		return -1;
	make("bin/aider", "#!");
	make("bin/other", "#!");
	make("bin/interpreter", "#!");
	make(SITE "/aider/__init__.py", "");
	make(SITE "/aider/__main__.py", "");
	make(SITE "/aider/deep/tool.py", "");
	make(SITE "/single.py", "");
	make(SITE "/nobodys/x.py", "");
	make(SITE "/aider_chat-0.86.1.dist-info/RECORD",
	     "aider/__init__.py,sha256=x,0\naider/__main__.py,,\naider/deep/tool.py,,\n"
	     "../../../bin/aider,,\n");
	make(SITE "/Single-2.0.dist-info/RECORD", "single.py,,\n");
	make(SITE "/door_thing-1.dist-info/RECORD", "door/__init__.py,,\n");
	make(SITE "/empty-1.dist-info/RECORD", "");
	make(SITE "/no_record-1.dist-info/METADATA", "");
	make(SITE "/-.dist-info/RECORD", "other/x.py,,\n");
	/* Whoever opens this without a look waits for ever. */
	mkdir(at(SITE "/pipe-1.dist-info"), 0755);
	return mkfifo(at(SITE "/pipe-1.dist-info/RECORD"), 0600);
}

static int drop(const char *path, const struct stat *st, int kind, struct FTW *f)
{
	return remove(path);
}

static int end(void **state)
{
	return nftw(top, drop, 16, FTW_DEPTH | FTW_PHYS);
}

static void test_python(void **state)
{
	static const struct {
		const char *script, *module, *package; /* NULL: none */
	} rows[] = {
		{"bin/aider", "", "aider-chat"},
		{"bin/interpreter", "door", "door-thing"},
		{"bin/other", "", NULL},
		{"bin/other", "missing", NULL},
		{SITE "/aider/__main__.py", "", "aider-chat"},
		{SITE "/aider/deep/tool.py", "", "aider-chat"},
		{SITE "/nobodys/x.py", "", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char got[127] = "";
		bool found = exec_python_package(at(rows[i].script), rows[i].module, got);

		assert_int_equal(found, rows[i].package != NULL);
		if (found)
			assert_string_equal(got, rows[i].package);
	}
}

static void test_strange_paths(void **state)
{
	static char text[PATH_MAX + 600];
	char got[127];

	assert_false(exec_python_package("", "", got));
	assert_false(exec_python_package("noslash", "x", got));
	assert_false(exec_python_package("/", "x", got));
	assert_false(exec_python_package("/x", "x", got));
	assert_false(exec_python_package("/site-packages/", "x", got));
	assert_false(exec_python_package("//site-packages//x", "x", got));
	memset(text, 'a', sizeof(text) - 1);
	memcpy(text, "/x/site-packages/", 17);
	assert_false(exec_python_package(text, "", got));
	memset(text, 'a', sizeof(text) - 1);
	text[0] = text[sizeof(text) - 20] = '/';
	assert_false(exec_python_package(text, "m", got));
}

static void test_modules(void **state)
{
	static const struct {
		const char *module, *file; /* NULL: none */
	} rows[] = {
		{"aider", SITE "/aider/__main__.py"},
		{"aider.deep.tool", SITE "/aider/deep/tool.py"},
		{"single", SITE "/single.py"},
		{"nothing", NULL},
		{"aider.deep", NULL}, /* a folder that cannot be run */
		{"../../../bin/aider", NULL},
		{".single", NULL},
		{"", NULL},
	};
	static char text[PATH_MAX + 1];
	char got[512];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		bool found =
			exec_python_module(at("bin/python3"), rows[i].module, got, sizeof(got));

		assert_int_equal(found, rows[i].file != NULL);
		if (found)
			assert_string_equal(got, at(rows[i].file));
	}
	memset(text, 'm', sizeof(text) - 1);
	assert_false(exec_python_module(at("bin/python3"), text, got, sizeof(got)));
	assert_false(exec_python_module(at("bin/python3"), "single", got, 8)); /* no room */
	assert_false(exec_python_module("python3", "single", got, sizeof(got)));
}

static void test_debian(void **state)
{
	if (access("/var/lib/dpkg/info/dpkg.list", R_OK))
		skip();
	assert_string_equal(exec_debian_package("/usr/bin/dpkg"), "dpkg");
	assert_string_equal(exec_debian_package("/usr/bin/bash"), "bash"); /* listed as either */
	assert_string_equal(exec_debian_package("/bin/bash"), "bash");
	assert_string_equal(exec_debian_package("/usr/bin/no-such-program"), "");
	assert_string_equal(exec_debian_package("/tmp/dpkg"), "");
	assert_string_equal(exec_debian_package(""), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_python),
		cmocka_unit_test(test_strange_paths),
		cmocka_unit_test(test_modules),
		cmocka_unit_test(test_debian),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
