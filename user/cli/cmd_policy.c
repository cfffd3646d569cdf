// SPDX-License-Identifier: Apache-2.0
/*
 * probity policy check FILE... and probity policy test FILE...: the same reader and the same
 * decision as the agent's, without an agent. check says for every kill rule who decides it and
 * warns of names this build does not know; test runs the cases inside the files. An invalid pack
 * or a failed case is the answer "no" (1); a file that cannot be read is none (3).
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "cli.h"
#include "cmd.h"
#include "policy/pack.h"
#include "policy_names.h"
#include "record/printable.h"

DEFINE_CLEANUP(struct pack, pack_free)

struct run {
	const char *file;
	char shown[512]; /* file, printable */
	const struct pack *pack;
	json_t *out;  /* one object per file; NULL: text */
	json_t *list; /* warnings or cases of this file */
	size_t warnings, passed, failed;
};

static json_t *text_json(const char *s)
{
	_cleanup_free_ char *safe = utf8_dup(s, strlen(s));

	return json_string(safe ?: "");
}

static int load(struct run *r, struct pack **ret, char *err, size_t err_len)
{
	_cleanup_free_ char *yaml = NULL;
	size_t n = 0;
	int k = fs_read(r->file, PACK_FILE_MAX, &yaml, &n);

	printable_copy(r->shown, sizeof(r->shown), r->file);
	if (k == -EFBIG) {
		snprintf(err, err_len, "%s:1: larger than %d bytes; expected a policy pack",
			 r->shown, PACK_FILE_MAX);
		return CLI_NEGATIVE;
	}
	if (k) {
		snprintf(err, err_len, "%s: cannot be read: %s", r->shown, strerror(-k));
		return CLI_UNREACHABLE;
	}
	k = pack_parse(r->shown, yaml, n, ret, err, err_len);
	return k ? CLI_NEGATIVE : CLI_OK;
}

static void hex(const uint8_t *p, size_t n, char *dst)
{
	for (size_t i = 0; i < n; i++)
		sprintf(dst + 2 * i, "%02x", p[i]);
}

static void describe_json(struct run *r)
{
	const struct pack *p = r->pack;
	char sha[65];

	hex(pack_sha256(p), 32, sha);
	json_object_set_new(r->out, "pack", json_string(pack_id(p)));
	json_object_set_new(r->out, "version", json_string(pack_version(p)));
	json_object_set_new(r->out, "mode", json_string(pack_enforce(p) ? "enforce" : "monitor"));
	json_object_set_new(r->out, "sha256", json_string(sha));
	json_object_set_new(r->out, "tests", json_integer(pack_tests(p)));
}

/* --- check ----------------------------------------------------------------------------------- */

static void warn(struct run *r, unsigned line, const char *text)
{
	r->warnings++;
	if (r->out)
		json_array_append_new(r->list, json_pack("{sI so}", "line", (json_int_t)line,
							 "text", text_json(text)));
	else
		printf("%s:%u: warning: %s\n", r->shown, line, text);
}

static void check_value(void *ctx, size_t rule, unsigned line, const char *key, const char *value)
{
	struct run *r = ctx;
	char text[512], shown[256];
	const char *of;

	if (policy_name_possible(key, value, &of))
		return;
	printable_copy(shown, sizeof(shown), value);
	snprintf(text, sizeof(text), "rule %s: %s \"%s\" never matches: %s",
		 pack_rule_id(r->pack, rule), key, shown, of);
	warn(r, line, text);
}

static json_t *rule_json(const struct pack *p, size_t i)
{
	const char *why = pack_krule_reason(p, i);
	json_t *o = json_pack("{ss ss ss sf}", "id", pack_rule_id(p, i), "disposition",
			      disposition_name(pack_rule_disposition(p, i)), "severity",
			      pack_rule_severity(p, i), "risk", pack_rule_risk(p, i));

	if (!o || pack_rule_disposition(p, i) != DISPOSITION_KILL)
		return o;
	json_object_set_new(o, "decided_by", json_string(why ? "agent" : "kernel"));
	json_object_set_new(o, "before_bytes_leave", json_boolean(!why));
	if (why)
		json_object_set_new(o, "reason", json_string(why));
	return o;
}

static void check_json(struct run *r)
{
	json_t *rules = json_array();

	describe_json(r);
	for (size_t i = 0; i < pack_rules(r->pack); i++)
		json_array_append_new(rules, rule_json(r->pack, i));
	json_object_set_new(r->out, "rules", rules);
	r->list = json_array();
	pack_values(r->pack, check_value, r);
	json_object_set_new(r->out, "warnings", r->list);
}

static void check_text(struct run *r)
{
	const struct pack *p = r->pack;
	size_t kills = 0;
	char sha[65];

	hex(pack_sha256(p), 32, sha);
	printf("%s: valid: %s %s, %s, %zu rule%s, %zu test%s, sha256 %.12s\n", r->shown, pack_id(p),
	       pack_version(p), pack_enforce(p) ? "enforce" : "monitor", pack_rules(p),
	       pack_rules(p) == 1 ? "" : "s", pack_tests(p), pack_tests(p) == 1 ? "" : "s", sha);
	for (size_t i = 0; i < pack_rules(p); i++) {
		const char *why = pack_krule_reason(p, i);

		if (pack_rule_disposition(p, i) != DISPOSITION_KILL)
			continue;
		kills++;
		printf("  kill %s: decided by the %s%s\n", pack_rule_id(p, i),
		       why ? "agent, after it has seen what was sent: "
			   : "kernel, before the bytes leave",
		       why ?: "");
	}
	if (kills && !pack_enforce(p))
		puts("  mode is monitor: nothing is killed, records say would_kill");
	pack_values(p, check_value, r);
}

static int check(struct run *r, bool strict)
{
	if (r->out)
		check_json(r);
	else
		check_text(r);
	return strict && r->warnings ? CLI_NEGATIVE : CLI_OK;
}

/* --- test ------------------------------------------------------------------------------------ */

static void one_case(void *ctx, const char *name, bool ok, const char *detail)
{
	struct run *r = ctx;

	r->passed += ok;
	r->failed += !ok;
	if (r->out) {
		json_array_append_new(r->list,
				      json_pack("{so sb so}", "name", text_json(name), "ok",
						(int)ok, "detail", text_json(detail)));
		return;
	}
	printf("%s - %s\n", ok ? "ok" : "not ok", name);
	if (!ok)
		printf("    %s\n", detail);
}

static int test(struct run *r, bool strict)
{
	size_t total;

	if (r->out) {
		describe_json(r);
		r->list = json_array();
	} else {
		printf("# %s: %s %s\n", r->shown, pack_id(r->pack), pack_version(r->pack));
	}
	pack_test(r->pack, one_case, r, &total);
	if (r->out)
		json_object_set_new(r->out, "cases", r->list);
	if (!total && !r->out)
		printf("%s: warning: no tests\n", r->shown);
	return r->failed || (strict && !total) ? CLI_NEGATIVE : CLI_OK;
}

/* --- both ------------------------------------------------------------------------------------ */

struct verb {
	struct cli_usage usage;
	int (*run)(struct run *r, bool strict);
};

static int one_file(const struct verb *v, struct run *r, bool strict)
{
	_cleanup_(pack_freep) struct pack *p = NULL;
	char err[1024] = "";
	int code = load(r, &p, err, sizeof(err));

	if (r->out) {
		json_object_set_new(r->out, "file", text_json(r->file));
		json_object_set_new(r->out, "valid", json_boolean(p != NULL));
		if (!p)
			json_object_set_new(r->out, "error", text_json(err));
	}
	if (!p) {
		fprintf(stderr, "%s\n", err);
		return code;
	}
	r->pack = p;
	return v->run(r, strict);
}

static int finish(const struct verb *v, json_t *files, int code, size_t passed, size_t failed)
{
	json_t *o;

	if (!files) {
		if (v->run == test)
			printf("%zu passed, %zu failed\n", passed, failed);
		return code;
	}
	o = json_pack("{sb so}", "ok", code == CLI_OK, "files", files);
	if (o && v->run == test) {
		json_object_set_new(o, "passed", json_integer(passed));
		json_object_set_new(o, "failed", json_integer(failed));
	}
	if (cli_print_json(o, false, stdout))
		return CLI_UNREACHABLE;
	return code;
}

static int each_file(struct verb *v, int argc, char **argv)
{
	bool json = false, strict = false;
	const struct cli_option options[] = {
		CLI_OPT_JSON(&json),
		{"strict", 0, CLI_FLAG, &strict, NULL, "a warning is an error"},
		{NULL, 0, CLI_FLAG, NULL, NULL, NULL},
	};
	int first = 0, code, worst = CLI_OK;
	size_t passed = 0, failed = 0;
	json_t *files;

	v->usage.options = options;
	code = cli_options(&v->usage, argc, argv, &first);
	if (code >= 0)
		return code;
	if (first >= argc)
		return cli_wrong(&v->usage, "no FILE given");
	files = json ? json_array() : NULL;
	for (int i = first; i < argc; i++) {
		struct run r = {.file = argv[i], .out = json ? json_object() : NULL};

		code = one_file(v, &r, strict);
		worst = code > worst ? code : worst;
		passed += r.passed;
		failed += r.failed;
		if (r.out)
			json_array_append_new(files, r.out);
	}
	return finish(v, files, worst, passed, failed);
}

static int cmd_check(int argc, char **argv)
{
	struct verb v = {{"policy check", "FILE...",
			  "Reads policy packs as the agent does and says what is "
			  "wrong with them, in one line each:\nfile:line: what is "
			  "wrong and what is expected. For every kill rule it says "
			  "who decides it.",
			  NULL,
			  "Exit: 0 valid, 1 not valid, 2 wrong command line, 3 not readable."},
			 check};

	return each_file(&v, argc, argv);
}

static int cmd_test(int argc, char **argv)
{
	struct verb v = {
		{"policy test", "FILE...",
		 "Runs the tests inside policy packs and says what differed.", NULL,
		 "Exit: 0 all passed, 1 one failed or a pack is not valid, 2 wrong command line, 3 "
		 "not readable."},
		test};

	return each_file(&v, argc, argv);
}

static const struct cli_verb verbs[] = {
	{"check", cmd_check, "is the pack valid, and who decides its kill rules"},
	{"test", cmd_test, "run the tests inside the pack"},
	{NULL, NULL, NULL},
};

static int usage(FILE *f, int code)
{
	fputs("usage: probity policy VERB [options] FILE...\n\n", f);
	for (const struct cli_verb *v = verbs; v->name; v++)
		fprintf(f, "  %-8s %s\n", v->name, v->summary);
	fputs("\nprobity policy VERB --help tells more.\n", f);
	return code;
}

int cmd_policy(int argc, char **argv)
{
	const char *near;
	char safe[64];

	if (argc < 2)
		return usage(stderr, CLI_USAGE);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return usage(stdout, CLI_OK);
	for (const struct cli_verb *v = verbs; v->name; v++)
		if (!strcmp(v->name, argv[1]))
			return v->run(argc - 1, argv + 1);
	near = cli_nearest(verbs, argv[1]);
	printable_copy(safe, sizeof(safe), argv[1]);
	fprintf(stderr, "probity policy: unknown verb '%s'; %s%s%s\n", safe,
		near ? "did you mean '" : "probity policy --help lists them", near ?: "",
		near ? "'?" : "");
	return CLI_USAGE;
}
