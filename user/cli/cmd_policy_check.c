// SPDX-License-Identifier: Apache-2.0
/*
 * probity policy check FILE... and probity policy test FILE...: the same reader and the same
 * decision as the agent's, without an agent. check says for every rule that does something who decides
 * it and where at the earliest, and warns of names this build does not know; with --host the running
 * agent is asked what enforces each rule here. test runs the cases inside the files. An invalid pack,
 * a failed case or a rule that cannot be enforced is the answer "no" (1); a file that cannot be
 * read is none (3).
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "ask.h"
#include "cli.h"
#include "pack_file.h"
#include "policy/needs.h"
#include "policy_cmd.h"
#include "policy_names.h"
#include "record/printable.h"

struct run {
	const char *file;
	char shown[512]; /* file, printable */
	const struct pack *pack;
	json_t *out;	    /* one object per file; NULL: text */
	json_t *list;	    /* warnings or cases of this file */
	const json_t *host; /* what the agent says this host can do; NULL: not asked */
	size_t warnings, passed, failed, lacks;
};

static json_t *text_json(const char *s)
{
	_cleanup_free_ char *safe = utf8_dup(s, strlen(s));

	return json_string(safe ?: "");
}

static void describe_json(struct run *r)
{
	const struct pack *p = r->pack;
	char sha[65];

	hex_text(pack_sha256(p), 32, sha);
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

/* --- what a rule does, and by what ----------------------------------------------------------- */

static bool acts(const struct pack *p, size_t i)
{
	return policy_needs_of(p, i) != 0;
}

/* What the agent says of one need. False: it cannot be met here. */
static bool host_can(const json_t *host, enum policy_need n, const char **ret_backend,
		     const char **ret_why)
{
	size_t i;
	json_t *v;

	*ret_backend = "";
	*ret_why = "the agent does not know it";
	json_array_foreach(host, i, v)
	{
		const char *name = json_string_value(json_object_get(v, "need"));

		if (!name || strcmp(name, policy_need_name(n)))
			continue;
		*ret_backend = json_string_value(json_object_get(v, "backend")) ?: "";
		*ret_why = json_string_value(json_object_get(v, "why")) ?: "";
		return json_is_true(json_object_get(v, "can"));
	}
	return false;
}

static json_t *host_json(struct run *r, size_t i)
{
	uint32_t bits = policy_needs_of(r->pack, i);
	json_t *list = json_array();

	for (unsigned n = 0; n < NEED__MAX; n++) {
		const char *backend, *why;
		bool can;

		if (!(bits & NEED_BIT(n)))
			continue;
		can = host_can(r->host, n, &backend, &why);
		r->lacks += !can;
		json_array_append_new(list, json_pack("{ss sb so so}", "need", policy_need_name(n),
						      "can", (int)can, "backend",
						      text_json(backend), "why", text_json(why)));
	}
	return list;
}

static void host_text(struct run *r, size_t i)
{
	uint32_t bits = policy_needs_of(r->pack, i);

	for (unsigned n = 0; n < NEED__MAX; n++) {
		const char *backend, *why;
		char name[128], reason[256];

		if (!(bits & NEED_BIT(n)))
			continue;
		if (host_can(r->host, n, &backend, &why)) {
			printable_copy(name, sizeof(name), backend);
			printf("    %s: %s\n", policy_need_name(n), name);
			continue;
		}
		r->lacks++;
		printable_copy(name, sizeof(name), backend);
		printable_copy(reason, sizeof(reason), why);
		printf("    %s: cannot be enforced here: %s%s%s\n", policy_need_name(n), reason,
		       name[0] ? "; it would need " : "", name);
	}
}

static json_t *rule_json(struct run *r, size_t i)
{
	const struct pack *p = r->pack;
	struct policy_place at = policy_place_of(p, i);
	json_t *o = json_pack("{ss ss ss sf}", "id", pack_rule_id(p, i), "disposition",
			      disposition_name(pack_rule_disposition(p, i)), "severity",
			      pack_rule_severity(p, i), "risk", pack_rule_risk(p, i));

	if (!o || !acts(p, i))
		return o;
	json_object_set_new(o, "decided_by", json_string(at.by));
	json_object_set_new(o, "where", json_string(at.where));
	json_object_set_new(o, "before_bytes_leave", json_boolean(at.before));
	if (at.reason[0])
		json_object_set_new(o, "reason", json_string(at.reason));
	if (r->host)
		json_object_set_new(o, "here", host_json(r, i));
	return o;
}

static void check_json(struct run *r)
{
	json_t *rules = json_array();

	describe_json(r);
	for (size_t i = 0; i < pack_rules(r->pack); i++)
		json_array_append_new(rules, rule_json(r, i));
	json_object_set_new(r->out, "rules", rules);
	r->list = json_array();
	pack_values(r->pack, check_value, r);
	json_object_set_new(r->out, "warnings", r->list);
}

static void rule_text(struct run *r, size_t i)
{
	const struct pack *p = r->pack;
	struct policy_place at = policy_place_of(p, i);

	printf("  %s %s: decided by the %s, %s%s%s\n",
	       disposition_name(pack_rule_disposition(p, i)), pack_rule_id(p, i), at.by, at.where,
	       at.reason[0] ? ": " : "", at.reason);
	if (r->host)
		host_text(r, i);
}

static void check_text(struct run *r)
{
	const struct pack *p = r->pack;
	size_t n = 0;
	char sha[65];

	hex_text(pack_sha256(p), 32, sha);
	printf("%s: valid: %s %s, %s, %zu rule%s, %zu test%s, sha256 %.12s\n", r->shown, pack_id(p),
	       pack_version(p), pack_enforce(p) ? "enforce" : "monitor", pack_rules(p),
	       pack_rules(p) == 1 ? "" : "s", pack_tests(p), pack_tests(p) == 1 ? "" : "s", sha);
	for (size_t i = 0; i < pack_rules(p); i++)
		if (acts(p, i)) {
			n++;
			rule_text(r, i);
		}
	if (n && !pack_enforce(p))
		puts("  mode is monitor: nothing is refused, masked or killed, records say "
		     "would_...");
	pack_values(p, check_value, r);
}

static int check(struct run *r, bool strict)
{
	if (r->out)
		check_json(r);
	else
		check_text(r);
	return r->lacks || (strict && r->warnings) ? CLI_NEGATIVE : CLI_OK;
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
	int code;

	printable_copy(r->shown, sizeof(r->shown), r->file);
	code = pack_file_load(r->file, &p, err, sizeof(err));

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

/* What the agent says this host can do. */
static int ask_host(const char *run_dir, json_t **ret)
{
	json_t *status = NULL;
	int code = cli_ask(run_dir, json_pack("{s:s}", "do", "status"), &status);

	if (code)
		return code;
	*ret = json_incref(json_object_get(json_object_get(status, "policy"), "enforcement"));
	json_decref(status);
	if (json_is_array(*ret))
		return CLI_OK;
	json_decref(*ret);
	*ret = NULL;
	fputs("probity policy check: the agent does not say what it can enforce\n", stderr);
	return CLI_UNREACHABLE;
}

static int all_files(const struct verb *v, const struct pack_files *f, const json_t *host,
		     bool json, bool strict)
{
	json_t *files = json ? json_array() : NULL;
	size_t passed = 0, failed = 0;
	int worst = CLI_OK;

	for (size_t i = 0; i < f->n; i++) {
		struct run r = {.file = f->v[i], .out = json ? json_object() : NULL, .host = host};
		int code = one_file(v, &r, strict);

		worst = code > worst ? code : worst;
		passed += r.passed;
		failed += r.failed;
		if (r.out)
			json_array_append_new(files, r.out);
	}
	return finish(v, files, worst, passed, failed);
}

static int each_file(struct verb *v, int argc, char **argv)
{
	bool json = false, strict = false, host = false;
	const char *run_dir = CLI_RUN_DIR;
	const struct cli_option options[] = {
		CLI_OPT_JSON(&json),
		{"strict", 0, CLI_FLAG, &strict, NULL, "a warning is an error"},
		/* of check alone: the table of test ends here */
		{v->run == check ? "host" : NULL, 0, CLI_FLAG, &host, NULL,
		 "ask the running agent what enforces each rule here"},
		CLI_OPT_RUN_DIR(&run_dir),
		{NULL, 0, CLI_FLAG, NULL, NULL, NULL},
	};
	_cleanup_(pack_files_done) struct pack_files files = {};
	json_t *can = NULL;
	int first = 0, code;

	v->usage.options = options;
	code = cli_options(&v->usage, argc, argv, &first);
	if (code >= 0)
		return code;
	if (first >= argc)
		return cli_wrong(&v->usage, "no FILE given");
	for (int i = first; i < argc; i++)
		if (pack_files_add(&files, argv[i]))
			return CLI_UNREACHABLE;
	if (!files.n) {
		fputs("probity policy: no pack in there\n", stderr);
		return CLI_NEGATIVE;
	}
	code = host ? ask_host(run_dir, &can) : CLI_OK;
	if (!code)
		code = all_files(v, &files, can, json, strict);
	json_decref(can);
	return code;
}

int cmd_policy_check(int argc, char **argv)
{
	struct verb v = {
		{"policy check", "FILE...",
		 "Reads policy packs as the agent does and says what is wrong with them, in "
		 "one line each:\nfile:line: what is wrong and what is expected. A folder "
		 "stands for the packs in it. For\nevery rule that refuses, masks, holds or "
		 "kills it says who decides it, and where.",
		 NULL,
		 "Exit: 0 valid, 1 not valid or not enforceable here, 2 wrong command line, "
		 "3 not readable."},
		check};

	return each_file(&v, argc, argv);
}

int cmd_policy_test(int argc, char **argv)
{
	struct verb v = {
		{"policy test", "FILE...",
		 "Runs the tests inside policy packs and says what differed. A folder stands for the "
		 "packs in it.",
		 NULL,
		 "Exit: 0 all passed, 1 one failed or a pack is not valid, 2 wrong command line, 3 "
		 "not readable."},
		test};

	return each_file(&v, argc, argv);
}
