// SPDX-License-Identifier: Apache-2.0
/* probity policy diff: what another pack would change, in the words of the language (policy/diff.h). */
#include <string.h>

#include "base/cleanup.h"
#include "cli.h"
#include "pack_file.h"
#include "policy/diff.h"
#include "policy_cmd.h"
#include "record/printable.h"

struct out {
	json_t *list; /* NULL: text */
	bool colour;
};

static json_t *text_json(const char *s)
{
	_cleanup_free_ char *safe = utf8_dup(s, strlen(s));

	return json_string(safe ?: "");
}

static void side(char sign, const char *value)
{
	_cleanup_free_ char *safe = printable_dup(value);

	if (*value)
		printf("    %c %s\n", sign, safe ?: "");
}

static void change(void *ctx, const struct pack_change *c)
{
	struct out *o = ctx;

	if (o->list) {
		json_array_append_new(o->list, json_pack("{ss so ss so so}", "change",
							 pack_change_name(c->kind), "rule",
							 text_json(c->rule), "key", c->key,
							 "before", text_json(c->before), "after",
							 text_json(c->after)));
		return;
	}
	printf("%s %s%s%s%s\n", pack_change_name(c->kind), c->rule[0] ? "rule " : "pack", c->rule,
	       c->key[0] ? ": " : "", c->key);
	side('-', c->before);
	side('+', c->after);
}

static int diff(const char *before, const char *after, bool json)
{
	_cleanup_(pack_freep) struct pack *a = NULL, *b = NULL;
	struct out o = {.list = json ? json_array() : NULL};
	char err[1024];
	int r = pack_file_load(before, &a, err, sizeof(err));

	if (!r)
		r = pack_file_load(after, &b, err, sizeof(err));
	if (r) {
		fprintf(stderr, "%s\n", err);
		json_decref(o.list);
		return r;
	}
	r = pack_diff(a, b, change, &o);
	if (r < 0)
		return CLI_UNREACHABLE;
	if (json &&
	    cli_print_json(json_pack("{sb so}", "same", r == 0, "changes", o.list), false, stdout))
		return CLI_UNREACHABLE;
	if (!json && !r)
		puts("no difference in what is decided");
	return r ? CLI_NEGATIVE : CLI_OK;
}

int cmd_policy_diff(int argc, char **argv)
{
	bool json = false;
	const struct cli_option options[] = {CLI_OPT_JSON(&json), {0}};
	const struct cli_usage u = {
		"policy diff", "OLD NEW",
		"What NEW would decide otherwise than OLD, rule by rule. Descriptions, order and "
		"tests are not\ncompared; what it would have changed for calls that were made is for "
		"policy replay.",
		options,
		"Exit: 0 the same, 1 different or not valid, 2 wrong command line, 3 not readable."};
	int first, r = cli_options(&u, argc, argv, &first);

	if (r >= 0)
		return r;
	if (first + 2 != argc)
		return cli_wrong(&u, "give two files, OLD and NEW");
	return diff(argv[first], argv[first + 1], json);
}
