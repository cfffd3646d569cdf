// SPDX-License-Identifier: Apache-2.0
/* Command lines and what they name; and the grammar, which must fit the kernel's map. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "classify/launch.h"

struct got {
	char text[512];
};

static void on_name(void *ctx, uint32_t space, const char *word)
{
	static const char *const names[EXEC_HOW__MAX] = {
		[EXEC_HOW_NPM] = "npm", [EXEC_HOW_PYPI] = "pypi", [EXEC_HOW_MODULE] = "module"};
	struct got *g = ctx;
	size_t n = strlen(g->text);

	snprintf(g->text + n, sizeof(g->text) - n, "%s%s:%s", n ? " " : "", names[space], word);
}

static const char *read_line(const char *exe, const char *line)
{
	static struct got g;
	char argv[1024];
	size_t n = snprintf(argv, sizeof(argv), "%s", line) + 1;

	for (size_t i = 0; i < n; i++)
		if (argv[i] == '|')
			argv[i] = '\0';
	g.text[0] = '\0';
	launch_read(launch_start(exe), argv, n, on_name, &g);
	return g.text;
}

static void test_lines(void **state)
{
	static const struct {
		const char *exe, *line, *names;
	} t[] = {
		{"/usr/bin/python3.11", "python3|-m|aider", "module:aider"},
		{"/usr/bin/python3.11", "python3|-m|aider|--model|gpt", "module:aider"},
		{"/usr/bin/python3.11", "python3|-maider", "module:aider"},
		{"/usr/bin/python3.11", "python3|-Im|aider", "module:aider"},
		{"/usr/bin/python3.11", "python3|-Wignore|-m|aider", "module:aider"},
		{"/usr/bin/python3.11", "python3|-W|ignore|-X|dev|-m|aider", "module:aider"},
		{"/usr/bin/python3.11", "python3|-m|a.b.c", "module:a module:a.b module:a.b.c"},
		{"/usr/bin/python3.11", "python3|-m|Open_Interp", "module:Open_Interp"},
		{"/usr/bin/python3.11", "python3|-c|import x|-m|aider", ""},
		{"/usr/bin/python3.11", "python3|x.py|-m|aider", ""},
		{"/usr/bin/python3.11", "python3|-|-m|aider", ""},
		{"/usr/bin/python3.11", "npx|-m|aider", "module:aider"},
		{"/usr/bin/python3.11", "python3|/usr/bin/pipx|run|Aider_chat==1.0",
		 "pypi:aider-chat"},
		{"/usr/bin/python3.11", "python3|-I|/usr/bin/pipx|run|--spec|a.b__c[x]|tool",
		 "pypi:a-b-c pypi:tool"},
		{"/usr/bin/python3.11", "python3|-m|pipx|run|aider", "module:pipx pypi:aider"},
		{"/usr/bin/python3.11", "python3|-m|pipx|install|aider", "module:pipx"},
		{"/usr/bin/uvx", "uvx|aider-chat@0.80", "pypi:aider-chat"},
		{"/usr/bin/uvx", "uvx|--python|3.12|--from=aider-chat>=1|aider|x",
		 "pypi:aider-chat pypi:aider"},
		{"/usr/bin/uvx", "uvx|--from|git+https://x/y|aider", "pypi:aider"},
		{"/usr/bin/uv", "/usr/bin/uv|tool|run|aider-chat", "pypi:aider-chat"},
		{"/usr/bin/uv", "uv|tool|uvx|aider-chat", "pypi:aider-chat"},
		{"/usr/bin/uv", "uv|run|--with|aider-chat|python", "pypi:aider-chat"},
		{"/usr/bin/uv", "uv|pip|install|aider", ""},
		{"/usr/bin/node", "node|/usr/bin/npx|-y|@openai/codex@latest|exec",
		 "npm:@openai/codex"},
		{"/usr/bin/node", "npx|/usr/lib/npm/bin/npx-cli.js|codex", "npm:codex"},
		{"/usr/bin/node", "node|/usr/bin/npx|--package=@x/y|z|codex", "npm:@x/y npm:z"},
		{"/usr/bin/node", "node|/usr/bin/npx|-p|A@1|b", "npm:a npm:b"},
		{"/usr/bin/node", "node|/usr/bin/npx|--cache|/tmp/x|codex", "npm:codex"},
		{"/usr/bin/node", "node|/usr/bin/npx|other|codex", "npm:other"},
		{"/usr/bin/node", "node|/usr/bin/npx|github/repository", ""},
		{"/usr/bin/node", "node|/usr/bin/npx|https://x.example/y.tgz", ""},
		{"/usr/bin/node", "node|/usr/bin/npm|exec|--|codex", "npm:codex"},
		{"/usr/bin/node", "node|/usr/bin/npm|install|codex", ""},
		{"/usr/bin/node", "node|/usr/bin/pnpm|dlx|codex", "npm:codex"},
		{"/usr/bin/node", "node|-r|x|/usr/bin/npx|codex", "npm:codex"},
		{"/usr/bin/node", "node|-e|1|/usr/bin/npx|codex", ""},
		{"/usr/bin/node", "bunx|/usr/bin/npx|codex", "npm:codex"},
		{"/usr/bin/bun", "bunx|codex", "npm:codex"},
		{"/usr/bin/bun", "/usr/bin/bun|x|codex", "npm:codex"},
		{"/usr/bin/bun", "bun|run|codex", ""},
		{"/usr/bin/deno", "deno|run|-A|npm:@openai/codex@1/bin", "npm:@openai/codex"},
		{"/usr/bin/deno", "deno|run|npm:codex/cli", "npm:codex"},
		{"/usr/bin/deno", "deno|run|x.ts|npm:codex", ""},
		{"/usr/bin/bash", "bash|-m|aider", ""},
		{"/usr/bin/pythonic", "pythonic|-m|aider", ""},
		{"/usr/bin/node", "", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		if (strcmp(read_line(t[i].exe, t[i].line), t[i].names))
			fail_msg("%s: got \"%s\", not \"%s\"", t[i].line,
				 read_line(t[i].exe, t[i].line), t[i].names);
}

static void test_bounds(void **state)
{
	char line[1024];
	size_t n;

	(void)state;
	/* A word longer than a name is skipped, and does not shift those behind it. */
	n = snprintf(line, sizeof(line), "uvx|--from|%0300d|aider", 0);
	assert_in_range(n, 300, 400);
	assert_non_null(strstr(read_line("/bin/uvx", line), "pypi:aider"));
	/* Words beyond the bound take no part. */
	n = snprintf(line, sizeof(line), "uvx");
	for (int i = 0; i < EXEC_LINE_WORDS; i++)
		n += snprintf(line + n, sizeof(line) - n, "|-q");
	snprintf(line + n, sizeof(line) - n, "|aider");
	assert_string_equal(read_line("/bin/uvx", line), "");
	/* Not terminated, and empty words. */
	launch_read(launch_start("uvx"), "uvx\0aider", 7, NULL, NULL);
	assert_string_equal(read_line("/bin/uvx", "uvx||aider"), "");
}

static void count(void *ctx, const struct exec_name *key, uint32_t next, uint16_t how,
		  uint16_t flags)
{
	unsigned *n = ctx;

	assert_true(key->space);
	assert_true(key->word[EXEC_NAME_MAX - 1] == '\0');
	assert_true(how < EXEC_HOW__MAX);
	/* Every entry does something, and one thing. */
	if (key->word[0])
		assert_int_equal(!!(flags & EXEC_WORD_SKIP) + !!(flags & EXEC_WORD_END) + !!next,
				 1);
	++*n;
}

static void test_grammar(void **state)
{
	unsigned n = 0;

	(void)state;
	launch_grammar(count, &n);
	assert_in_range(n, 100, 400);
}

static void test_names(void **state)
{
	struct exec_name k;

	(void)state;
	assert_true(launch_name(EXEC_HOW_PYPI, "Aider_.Chat", &k));
	assert_string_equal(k.word, "aider-chat");
	assert_true(launch_name(EXEC_HOW_NPM, "@Scope/A.b_c", &k));
	assert_string_equal(k.word, "@scope/a.b_c");
	assert_true(launch_name(EXEC_HOW_MODULE, "a.B", &k));
	assert_string_equal(k.word, "a.B");
	assert_false(launch_name(EXEC_HOW_NPM, "a/b", &k));
	assert_false(launch_name(EXEC_HOW_PYPI, "", &k));
	assert_false(launch_name(EXEC_HOW_END, "a", &k));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_grammar),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
