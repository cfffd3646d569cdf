/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines as real clients have them; '|' stands for the NUL between arguments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "classify/catalog.h"

static struct catalog *catalog;

static int setup(void **state)
{
	catalog = catalog_new();
	return !catalog;
}

static int teardown(void **state)
{
	catalog_free(catalog);
	return 0;
}

struct row {
	const char *exe, *argv, *want; /* "id via" or "" */
};

static const struct row rows[] = {
	/* Claude Code: native installer (the file's name is a version), npm, old npm, SDK. */
	{"/home/ann/.local/share/claude/versions/2.1.32", "claude|-p|hi", "claude_code exe"},
	{"/root/.local/share/claude/versions/2.1.32", "/root/.local/bin/claude", "claude_code exe"},
	{"/srv/agents/bot/.local/share/claude/versions/2.1.329", "claude", "claude_code exe"},
	{"/home/ann/.local/share/claude/versions/2.1.32 (deleted)", "claude", "claude_code exe"},
	{"/home/ann/.local/share/claude/versions/notes", "cat", ""},
	{"/usr/lib/node_modules/@anthropic-ai/claude-code/bin/claude.exe", "claude",
	 "claude_code exe"},
	{"/x/node_modules/@anthropic-ai/claude-code-linux-x64/claude", "claude|-p",
	 "claude_code exe"},
	{"/usr/bin/node", "node|/usr/lib/node_modules/@anthropic-ai/claude-code/cli.js|-p|hi",
	 "claude_code package"},
	{"/usr/bin/node", "node|/usr/local/bin/claude|-p|hi", "claude_code argv"},
	{"/usr/bin/node", "claude", "claude_code argv"},
	{"/usr/bin/node",
	 "node|/a/node_modules/@anthropic-ai/claude-agent-sdk/cli.js|--output-format",
	 "claude_code argv"},
	{"/x/node_modules/@anthropic-ai/claude-code/vendor/ripgrep/x64-linux/rg", "rg|x",
	 "claude_code package"},

	/* Codex: node stays as the parent of a static binary. */
	{"/usr/bin/node", "node|/usr/lib/node_modules/@openai/codex/bin/codex.js|exec|hi",
	 "codex_cli package"},
	{"/usr/lib/node_modules/@openai/codex/node_modules/@openai/codex-linux-x64/vendor/"
	 "x86_64-unknown-linux-musl/bin/codex",
	 "/usr/lib/node_modules/@openai/codex/vendor/codex|exec|hi", "codex_cli exe"},
	{"/usr/local/bin/codex", "codex|exec|--skip-git-repo-check|hi", "codex_cli exe"},

	{"/usr/bin/node", "node|/usr/local/bin/gemini|-p|hi", "gemini_cli argv"},
	{"/usr/bin/node",
	 "node|--max-old-space-size=8192|"
	 "/usr/lib/node_modules/@google/gemini-cli/bundle/gemini.js|-p|hi",
	 "gemini_cli package"},
	{"/usr/bin/node", "node|/usr/lib/node_modules/@github/copilot/npm-loader.js|-p|hi",
	 "copilot_cli package"},
	{"/usr/lib/node_modules/@github/copilot/node_modules/@github/copilot-linux-x64/copilot",
	 "copilot|-p|hi", "copilot_cli exe"},
	{"/usr/bin/node", "node|/x/node_modules/@qwen-code/qwen-code/cli.js|-p|hi",
	 "qwen_code package"},
	{"/usr/bin/node", "node|/x/node_modules/@continuedev/cli/dist/cn.js|-p|hi",
	 "continue package"},
	{"/x/node_modules/opencode-ai/bin/opencode.exe", "opencode|run|hi", "opencode exe"},
	{"/x/node_modules/@kilocode/cli-linux-x64/bin/kilo", "kilo|run|hi", "kilo_code exe"},
	{"/usr/local/bin/cline", "cline|--cline-hub-daemon", "cline exe"},
	{"/home/a/.local/share/cursor-agent/versions/2026.1/node",
	 "/home/a/.local/bin/agent|--use-system-ca|/home/a/.local/share/cursor-agent/versions/2026.1/"
	 "index.js",
	 "cursor_cli argv"},

	/* Python: script, module, pipx, uv, site-packages. */
	{"/usr/bin/python3.11", "/usr/bin/python3|/home/a/.local/bin/aider|--model|x",
	 "aider argv"},
	{"/usr/bin/python3.11", "python3|-m|aider|--model|x", "aider package"},
	{"/usr/bin/python3.11",
	 "/home/a/.local/share/pipx/venvs/aider-chat/bin/python|/home/a/.local/bin/x",
	 "aider package"},
	{"/home/a/.local/share/uv/tools/aider-chat/bin/python3", "python3|x.py", "aider package"},
	{"/usr/bin/python3.11", "python3|-W|ignore|-m|vllm.entrypoints.openai.api_server|--model|x",
	 "vllm_bin package"},
	{"/usr/bin/python3.11", "python3|/v/lib/python3.11/site-packages/litellm/proxy/x.py",
	 "litellm_srv package"},
	{"/usr/bin/python3.11", "/usr/bin/python3|/opt/ComfyUI/main.py|--listen",
	 "comfyui_bin argv"},
	{"/usr/bin/python3.11", "python3|server.py|--api", ""},

	/* Runtimes. */
	{"/usr/local/bin/ollama", "/usr/local/bin/ollama|serve", "ollama_bin exe"},
	{"/opt/llama/llama-server", "./llama-server|-m|/m/x.gguf", "llama_cpp_bin exe"},
	{"/home/a/.ape-1.10", "/home/a/.ape-1.10|./llava.llamafile|--server", "llamafile_bin argv"},

	/* MCP servers started by package runners. */
	{"/usr/bin/node", "npm exec @modelcontextprotocol/server-filesystem /tmp",
	 "mcp_stdio_launch argv"},
	{"/usr/bin/node",
	 "node|/root/.npm/_npx/a1/node_modules/.bin/mcp-remote|https://mcp.example.com/sse",
	 "mcp_remote package"},
	{"/usr/bin/node", "node|/usr/bin/npx|-y|@acme/mcp-server", "mcp_stdio_launch argv"},
	{"/usr/bin/uv", "uv|tool|uvx|mcp-server-git", "mcp_stdio_launch argv"},
	{"/usr/bin/uvx", "uvx|mcp-server-git", "mcp_stdio_launch argv"},
	{"/usr/bin/docker", "docker|run|-i|--rm|mcp/fetch", "mcp_stdio_launch argv"},
	{"/usr/bin/docker", "docker|run|-i|-e|GITHUB_TOKEN|ghcr.io/github/github-mcp-server",
	 "github_mcp_server argv"},
	{"/usr/bin/docker", "docker|run|-v|/src/mcp/x:/y|debian", ""},

	/* Names that other programs have too. */
	{"/usr/local/bin/goose", "goose|session", "goose exe"},
	{"/usr/local/bin/goose", "goose|run|-t|hi", "goose exe"},
	{"/usr/local/bin/goose", "goose|-dir|migrations|postgres|dsn|up", ""},
	{"/usr/local/bin/goose", "goose|up", ""},
	{"/usr/bin/q", "q|SELECT * FROM x", ""},
	{"/usr/local/bin/q", "q|chat", "kiro_cli exe"},
	{"/usr/bin/pi", "pi|100", ""},
	{"/home/a/.pi/agent/bin/pi", "pi", "pi_agent exe"},
	{"/usr/bin/agent", "agent", ""},
	{"/usr/bin/python3.11", "python3|/home/a/.local/bin/llm|chat", "llm_cli argv"},
	{"/usr/bin/python3.11", "python3|/opt/own/llm|train.yaml", ""},
	{"/usr/local/bin/forge", "forge|build", ""},
	{"/usr/bin/mods", "mods", ""},

	/* Talk about a tool is not the tool. */
	{"/usr/bin/git", "git|commit|-m|switch to codex exec mode", ""},
	{"/usr/bin/grep", "grep|-r|opencode run|.", ""},
	{"/usr/bin/vim", "vim|/src/mcp-server-git/a.c", ""},
	{"/usr/bin/bash", "bash|-c|claude -p hi", ""},
	{"/usr/bin/node", "node|-e|require('@openai/codex/bin/codex.js')", ""},
	{"/usr/bin/python3.11", "python3|-c|import aider", ""},
	{"/usr/bin/sleep", "claude", ""},
	{"/usr/bin/cp", "cp|/usr/local/bin/claude|/tmp", ""},
	{"/usr/bin/cat", "/usr/local/bin/codex", ""},

	/* A library inside one's own program is not a tool. */
	{"/usr/bin/node", "node|/srv/app/index.js", ""},
	{"/usr/bin/node", "node|/srv/app/node_modules/openai/bin/cli", ""},
	{"/usr/bin/python3.11", "python3|-m|openai|api", ""},
	{"/usr/bin/curl", "curl|https://api.openai.com/v1/models", ""},

	/* The executable may be unknown; then argv is all there is. */
	{"", "claude", "claude_code argv"},
	{NULL, "node|/x/node_modules/@openai/codex/bin/codex.js", "codex_cli package"},
	{"", "", ""},
	{NULL, NULL, ""},
};

static size_t nul_separated(const char *argv, char *out)
{
	size_t n = argv ? strlen(argv) : 0;

	for (size_t i = 0; i <= n; i++)
		out[i] = argv && argv[i] != '|' ? argv[i] : '\0';
	return n + 1;
}

static void processes(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char argv[512], got[128];
		/* comm is a claim that nobody may believe. */
		struct catalog_process p = {.exe = rows[i].exe, .comm = "claude", .argv = argv};
		struct catalog_tool t;
		bool found;

		p.argv_len = nul_separated(rows[i].argv, argv);
		found = catalog_tool(catalog, &p, 1, &t);
		snprintf(got, sizeof(got), "%s%s%s", t.id, *t.id ? " " : "", t.via);
		if (strcmp(got, rows[i].want))
			fail_msg("%s [%s]: [%s], want [%s]", rows[i].exe, rows[i].argv, got,
				 rows[i].want);
		assert_int_equal(found, *t.id != '\0');
	}
}

static void ancestors(void **state)
{
	struct catalog_process p[] = {
		{"/usr/bin/curl", "curl", "curl\0https://x", 14},
		{"/usr/bin/bash", "bash", "bash\0-c\0curl", 12},
		{"/root/.local/share/claude/versions/2.1.32", "2.1.32", "claude", 6},
		{"/usr/local/bin/codex", "codex", "codex", 5},
	};
	struct catalog_tool t;

	assert_true(catalog_tool(catalog, p, 4, &t));
	assert_string_equal(t.id, "claude_code");
	assert_string_equal(t.name, "Claude Code");
	assert_string_equal(t.vendor, "Anthropic");
	assert_string_equal(t.kind, "cli_agent");
	assert_string_equal(t.via, "ancestor");
	assert_int_equal(t.depth, 2);
	assert_false(catalog_tool(catalog, p, 2, &t));
	assert_string_equal(t.id, "");
	/* A tool of its own is itself, whoever started it. */
	assert_true(catalog_tool(catalog, p + 3, 1, &t));
	assert_string_equal(t.id, "codex_cli");
	assert_int_equal(t.depth, 0);
	assert_false(catalog_tool(catalog, p, 0, &t));
}

static void long_command_lines(void **state)
{
	static char argv[100000], exe[9000];
	struct catalog_process p = {.exe = exe, .comm = "", .argv = argv, .argv_len = sizeof(argv)};
	struct catalog_tool t;

	memset(argv, 'a', sizeof(argv));
	memset(exe, '/', sizeof(exe) - 1);
	assert_false(catalog_tool(catalog, &p, 1, &t));
	for (size_t i = 0; i < sizeof(argv); i += 2)
		argv[i] = '\0';
	p.exe = "/usr/bin/node";
	assert_false(catalog_tool(catalog, &p, 1, &t));
	memset(argv, 0, sizeof(argv));
	assert_false(catalog_tool(catalog, &p, 1, &t));
	strcpy(argv, "node");
	strcpy(argv + 5, "/x/node_modules/@openai/codex/bin/codex.js");
	assert_true(catalog_tool(catalog, &p, 1, &t));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(processes),
		cmocka_unit_test(ancestors),
		cmocka_unit_test(long_command_lines),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
