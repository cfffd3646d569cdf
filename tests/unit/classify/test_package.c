// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "classify/package.h"

struct row {
	const char *in, *want; /* want NULL: nothing is found */
};

/* The text ends at a page nobody may read. */
static const char *at_guard(const char *s, size_t n)
{
	static char *page;
	long size = sysconf(_SC_PAGESIZE);

	if (!page) {
		page = mmap(NULL, 3 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			    0);
		assert_ptr_not_equal(page, MAP_FAILED);
		assert_int_equal(mprotect(page + 2 * size, size, PROT_NONE), 0);
	}
	assert_true(n <= 2 * (size_t)size);
	return memcpy(page + 2 * size - n, s, n);
}

static void check(const struct row *r, bool found, const char *got)
{
	if (found != (r->want != NULL) || (found && strcmp(got, r->want)))
		fail_msg("%s: got %s, want %s", r->in, found ? got : "nothing",
			 r->want ?: "nothing");
}

static void by_path(void **state)
{
	static const struct row rows[] = {
		{"/usr/lib/node_modules/@openai/codex/bin/codex.js", "@openai/codex"},
		{"/home/a/.npm/_npx/1a2b/node_modules/cowsay/cli.js", "cowsay"},
		{"/x/node_modules/a/node_modules/@b/c/d.js", "@b/c"},
		{"/x/node_modules/.bin/codex", NULL},
		{"/x/node_modules/codex", NULL}, /* a link to its folder, or a file: no package's */
		{"/x/node_modules/@openai/codex", NULL},
		{"/x/node_modules/a/node_modules/.bin/c", "a"},
		{"/v/lib/python3.11/site-packages/Open_Interpreter/core.py", "open-interpreter"},
		{"/usr/lib/python3/dist-packages/six.py", "six"},
		{"/v/site-packages/__pycache__/six.pyc", NULL},
		{"/home/a/.local/share/uv/tools/aider-chat/bin/aider", "aider-chat"},
		{"/home/a/.local/pipx/venvs/llm/bin/llm", "llm"},
		{"/home/a/.local/pipx/venvs/llm/lib/python3.11/site-packages/click/core.py",
		 "click"},
		{"/usr/bin/node", NULL},
		{"node_modules/x/y", NULL}, /* not a whole path */
		{"", NULL},
	};
	char got[PACKAGE_NAME_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check(&rows[i], package_of_path(rows[i].in, got), got);
}

static void long_names(void **state)
{
	char path[512] = "/node_modules/", got[PACKAGE_NAME_MAX] = "same";

	memset(path + 14, 'a', 300);
	strcpy(path + 314, "/x.js");
	assert_false(package_of_path(path, got));
	assert_string_equal(got, "same");
	strcpy(path + 14 + 126, "/x.js");
	assert_true(package_of_path(path, got));
	assert_int_equal(strlen(got), 126);
}

static void by_json(void **state)
{
	static const struct row rows[] = {
		{"{\"name\": \"@openai/codex\", \"version\": \"1\"}", "@openai/codex"},
		{"{\"version\": \"1\"}", NULL},
		{"{\"name\": 7}", NULL},
		{"{\"name\": \"\"}", NULL},
		{"{\"name\": \"a\\u0000b\"}", NULL},
		{"{\"name\": \"a\"", NULL},
		{"[\"name\"]", NULL},
		{"", NULL},
		{"\xff\xfe{}", NULL},
	};
	char got[PACKAGE_NAME_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t n = strlen(rows[i].in);

		check(&rows[i], package_json_name(at_guard(rows[i].in, n), n, got), got);
		for (size_t k = 0; k < n; k++) /* cut anywhere: never a name, never a read beyond */
			assert_false(package_json_name(at_guard(rows[i].in, k), k, got));
	}
}

static void wheels(void **state)
{
	static const char record[] = "aider/__init__.py,sha256=x,1\n"
				     "../../../bin/aider,sha256=y,2\n"
				     "aider/main.py,,";
	static const struct {
		const char *path;
		bool has;
	} rows[] = {
		{"aider/", true},
		{"../../../bin/aider", true},
		{"../../../bin/aide", false},
		{"aider/main.py", true},
		{"ider/", false},
		{"bin/aider", false},
		{"", false},
	};
	static const struct row names[] = {
		{"open_interpreter-0.4.3.dist-info", "open-interpreter"},
		{"Llm-1.dist-info", "llm"},
		{"llm.dist-info", "llm"},
		{".dist-info", NULL},
		{"llm-1.egg-info", NULL},
	};
	char got[PACKAGE_NAME_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(package_record_has(at_guard(record, sizeof(record) - 1),
						    sizeof(record) - 1, rows[i].path),
				 rows[i].has);
	for (size_t k = 0; k < sizeof(record); k++)
		package_record_has(at_guard(record, k), k, "aider/main.py");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		check(&names[i], package_dist_name(names[i].in, got), got);
}

static void specs(void **state)
{
	static const struct row rows[] = {
		{"codex", "codex"},
		{"codex@latest", "codex"},
		{"@openai/codex", "@openai/codex"},
		{"@openai/codex@0.1", "@openai/codex"},
		{"aider-chat[browser]==0.8", "aider-chat"},
		{"./codex", NULL},
		{"/opt/codex", NULL},
		{"--yes", NULL},
		{"github:openai/codex", NULL},
		{"openai/codex", NULL},
		{"https://x.example/a.tgz", NULL},
		{"git+https://x.example/a", NULL},
		{"", NULL},
	};
	char got[PACKAGE_NAME_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t n = strlen(rows[i].in);

		check(&rows[i], package_spec_name(at_guard(rows[i].in, n), n, got), got);
	}
}

static void scripts(void **state)
{
	static const struct row lines[] = {
		{"#!/usr/bin/env node\nx", "node"},
		{"#! /usr/bin/python3.11 -I\n", "python3.11"},
		{"#!/usr/bin/env -S FOO=1 deno run\n", "deno"},
		{"#!/opt/x/bun", "bun"},
		{"#!/usr/bin/env\n", NULL},
		{"#!\n", NULL},
		{"#!", NULL},
		{"\177ELF", NULL},
		{"", NULL},
	};
	static const struct row modules[] = {
		{"#!/v/bin/python\nimport re\nimport sys\nfrom aider.main import main\n", "aider"},
		{"import sys\nimport llm.cli\n", "llm"},
		{"import sys\n", NULL},
		{"from", NULL},
		{"", NULL},
	};
	static const struct {
		const char *path;
		bool is;
	} interpreters[] = {
		{"/usr/bin/node", true},
		{"/usr/bin/python3.11", true},
		{"bun", true},
		{"/usr/bin/nodemon", false},
		{"/usr/bin/python3-config", false},
		{"/bin/bash", false},
		{"", false},
	};
	char got[64];

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		for (size_t n = strlen(lines[i].in), k = 0; k <= n; k++) {
			bool found =
				script_interpreter(at_guard(lines[i].in, k), k, got, sizeof(got));

			if (k == n)
				check(&lines[i], found, got);
		}
	for (size_t i = 0; i < ARRAY_SIZE(modules); i++)
		for (size_t n = strlen(modules[i].in), k = 0; k <= n; k++) {
			bool found = script_module(at_guard(modules[i].in, k), k, got, sizeof(got));

			if (k == n)
				check(&modules[i], found, got);
		}
	for (size_t i = 0; i < ARRAY_SIZE(interpreters); i++)
		assert_int_equal(is_interpreter(interpreters[i].path), interpreters[i].is);
	assert_false(script_interpreter("#!/bin/abcdefgh\n", 16, got, 8));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_path), cmocka_unit_test(long_names), cmocka_unit_test(by_json),
		cmocka_unit_test(wheels),  cmocka_unit_test(specs),	 cmocka_unit_test(scripts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
