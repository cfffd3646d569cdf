// SPDX-License-Identifier: Apache-2.0
/*
 * probity policy load, status, explain: questions to the running agent. Flows in: its JSON. Flows out: the
 * same, or text; what the agent refuses is exit code 1, with its reason.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "base/cleanup.h"
#include "cli.h"
#include "policy_cmd.h"
#include "record/printable.h"
#include "text.h"

static json_int_t number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static int print_json(json_t *j)
{
	return cli_print_json(j, false, stdout) ? CLI_UNREACHABLE : CLI_OK;
}

/* --- load and status ---------------------------------------------------------------------------- */

static void print_pack(const json_t *o)
{
	char set[128], version[128], mode[32], sha[80], signer[128];

	ask_text(o, "signer", signer, sizeof(signer));
	printf("%s %s, %s, generation %" PRId64 ", revision %" PRId64 ", %s%s, sha256 %.12s\n",
	       ask_text(o, "set", set, sizeof(set)),
	       ask_text(o, "version", version, sizeof(version)),
	       ask_text(o, "mode", mode, sizeof(mode)), (int64_t)number(o, "generation"),
	       (int64_t)number(o, "revision"), signer[0] ? "signed by " : "not signed", signer,
	       ask_text(o, "sha256", sha, sizeof(sha)));
}

static void print_unenforceable(const json_t *o)
{
	size_t i;
	json_t *v;

	json_array_foreach(json_object_get(o, "unenforceable"), i, v)
	{
		char rule[128], need[64], why[256], needs[128];

		ask_text(v, "needs", needs, sizeof(needs));
		printf("  %s cannot be enforced here: %s: %s%s%s\n",
		       ask_text(v, "rule", rule, sizeof(rule)),
		       ask_text(v, "need", need, sizeof(need)),
		       ask_text(v, "why", why, sizeof(why)), needs[0] ? "; it would need " : "",
		       needs);
	}
}

static void print_rules(const json_t *o)
{
	size_t i;
	json_t *v;

	if (!json_array_size(json_object_get(o, "by_rule")))
		return;
	printf("  %-32s %-8s %10s %10s %10s %10s\n", "RULE", "DOES", "FIRED", "DONE", "WOULD",
	       "FAILED");
	json_array_foreach(json_object_get(o, "by_rule"), i, v)
	{
		char id[128], does[32];

		printf("  %-32s %-8s %10" PRId64 " %10" PRId64 " %10" PRId64 " %10" PRId64 "\n",
		       ask_text(v, "id", id, sizeof(id)),
		       ask_text(v, "disposition", does, sizeof(does)), (int64_t)number(v, "fired"),
		       (int64_t)number(v, "done"), (int64_t)number(v, "would"),
		       (int64_t)number(v, "failed"));
	}
}

int cmd_policy_load(int argc, char **argv)
{
	const char *run_dir = CLI_RUN_DIR;
	bool json = false;
	const struct cli_option options[] = {CLI_OPT_JSON(&json), CLI_OPT_RUN_DIR(&run_dir), {0}};
	const struct cli_usage u = {
		"policy load", "FILE",
		"Has the running agent read FILE (and FILE.sig) and put it in force. The agent reads "
		"it itself;\nroot and members of group probity-operators may ask.",
		options,
		"It stays in force over restarts until the configured file changes, or SIGHUP.\n"
		"Exit: 0 in force, 1 refused (the pack before stays), 2 wrong command line, 3 no "
		"answer."};
	char path[PATH_MAX];
	json_t *answer;
	int first, r = cli_options(&u, argc, argv, &first);

	if (r >= 0)
		return r;
	if (first + 1 != argc)
		return cli_wrong(&u, "give one FILE");
	if (!realpath(argv[first], path))
		return cli_unreadable(argv[first], -errno);
	r = cli_ask(run_dir, json_pack("{s:s, s:s}", "do", "policy_load", "path", path), &answer);
	if (r)
		return r;
	if (json)
		return print_json(answer);
	fputs("in force: ", stdout);
	print_pack(answer);
	print_unenforceable(answer);
	json_decref(answer);
	return CLI_OK;
}

static void print_status(const json_t *o)
{
	char text[512];

	if (ask_text(o, "set", text, sizeof(text))[0])
		print_pack(o);
	else
		puts("no pack is in force: calls are recorded as allowed");
	printf("  file: %s\n", ask_text(o, "file", text, sizeof(text)));
	printf("  signatures: %s; highest revision %" PRId64 "\n",
	       ask_text(o, "signatures", text, sizeof(text)),
	       (int64_t)number(o, "highest_revision"));
	if (ask_text(o, "last_error", text, sizeof(text))[0])
		printf("  last error: %s\n", text);
	print_unenforceable(o);
	print_rules(o);
}

int cmd_policy_status(int argc, char **argv)
{
	const char *run_dir = CLI_RUN_DIR;
	bool json = false;
	const struct cli_option options[] = {CLI_OPT_JSON(&json), CLI_OPT_RUN_DIR(&run_dir), {0}};
	const struct cli_usage u = {
		"policy status", "",
		"The pack in force: generation, revision, who signed it, what its rules did since the "
		"agent's\nworker began, what cannot be enforced here, and the last refusal.",
		options,
		"Exit: 0; 1 when the last pack was refused or a rule cannot be enforced; 3 no "
		"answer."};
	json_t *answer, *policy;
	int first, r = cli_options(&u, argc, argv, &first);
	bool bad;

	if (r >= 0)
		return r;
	if (first < argc)
		return cli_wrong(&u, "takes no argument '%s'", argv[first]);
	r = cli_ask(run_dir, json_pack("{s:s}", "do", "status"), &answer);
	if (r)
		return r;
	policy = json_object_get(answer, "policy");
	bad = json_string_length(json_object_get(policy, "last_error")) ||
	      json_array_size(json_object_get(policy, "unenforceable"));
	if (json)
		r = print_json(json_incref(policy) ?: json_object());
	else
		print_status(policy);
	json_decref(answer);
	return r ?: bad ? CLI_NEGATIVE : CLI_OK;
}

/* --- explain ------------------------------------------------------------------------------------ */

static void print_list(const json_t *o, const char *key, const char *head)
{
	char safe[256];
	size_t i;
	json_t *v;

	if (!json_array_size(json_object_get(o, key)))
		return;
	printf("%s", head);
	json_array_foreach(json_object_get(o, key), i, v)
	{
		printable_copy(safe, sizeof(safe), json_string_value(v) ?: "");
		printf("%s%s", i ? ", " : "", safe);
	}
	putchar('\n');
}

static void print_rule(const json_t *v)
{
	char id[128], on[32], does[32], concerns[32];

	if (!strcmp(ask_text(v, "concerns", concerns, sizeof(concerns)), "no"))
		return;
	printf("  %s %s (on %s): %s\n", ask_text(v, "disposition", does, sizeof(does)),
	       ask_text(v, "id", id, sizeof(id)), ask_text(v, "on", on, sizeof(on)),
	       !strcmp(concerns, "yes") ? "it fires whatever it does next" : "it depends");
	print_list(v, "depends_on", "    on: ");
	print_list(v, "needs", "    enforced by: ");
}

static void print_explain(const json_t *o)
{
	const json_t *tool = json_object_get(o, "tool");
	char a[512], b[256], c[256];
	size_t i, none = 0;
	json_t *v;

	printf("process %" PRId64 ": %s\n", (int64_t)number(o, "pid"),
	       ask_text(o, "exe", a, sizeof(a)));
	printf("  user %s (%" PRId64 ")\n", ask_text(o, "user", b, sizeof(b)),
	       (int64_t)number(o, "uid"));
	print_list(o, "groups", "  groups ");
	if (ask_text(tool, "id", b, sizeof(b))[0])
		printf("  AI tool %s (%s), by %s, %" PRId64 " above\n", b,
		       ask_text(tool, "name", a, sizeof(a)), ask_text(tool, "via", c, sizeof(c)),
		       (int64_t)number(tool, "depth"));
	print_list(o, "ancestry", "  below ");
	printf("pack %s %s, generation %" PRId64 ", %s\n", ask_text(o, "policy_set", a, sizeof(a)),
	       ask_text(o, "policy_version", b, sizeof(b)), (int64_t)number(o, "generation"),
	       ask_text(o, "mode", c, sizeof(c)));
	json_array_foreach(json_object_get(o, "rules"), i, v)
	{
		none += !strcmp(ask_text(v, "concerns", a, sizeof(a)), "no");
		print_rule(v);
	}
	printf("  %zu other rule%s cannot concern it\n", none, none == 1 ? "" : "s");
}

int cmd_policy_explain(int argc, char **argv)
{
	const char *run_dir = CLI_RUN_DIR;
	bool json = false;
	uint64_t pid;
	const struct cli_option options[] = {CLI_OPT_JSON(&json), CLI_OPT_RUN_DIR(&run_dir), {0}};
	const struct cli_usage u = {
		"policy explain", "PID",
		"Who the agent takes a process for, which rules of the pack in force concern it, and "
		"what\neach of them still waits for.",
		options,
		"Exit: 0 explained, 1 no such process, 2 wrong command line, 3 no answer."};
	json_t *answer;
	int first, r = cli_options(&u, argc, argv, &first);

	if (r >= 0)
		return r;
	if (first + 1 != argc || !cli_number(argv[first], &pid) || !pid || pid > INT32_MAX)
		return cli_wrong(&u, "give one PID");
	r = cli_ask(run_dir, json_pack("{s:s, s:I}", "do", "explain", "pid", (json_int_t)pid),
		    &answer);
	if (r)
		return r;
	if (json)
		return print_json(answer);
	print_explain(answer);
	json_decref(answer);
	return CLI_OK;
}
