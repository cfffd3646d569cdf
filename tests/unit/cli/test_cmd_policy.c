// SPDX-License-Identifier: Apache-2.0
/* probity policy check and test, as called: exit code, what is printed, and the JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "classify/dataclass.h"
#include "cli/cmd.h"
#include "cli/policy_names.h"
#include "policy/pack.h"

#define ARGS 6
static struct pack *observe;
static int top = -1; /* where the tests were started */
static char dir[] = "/tmp/probity-policy-XXXXXX";

static const struct {
	const char *name, *text;
} files[] = {
	{"good.yaml", "pack: good\nversion: 1\nmode: enforce\nrules:\n"
		      "  - {id: k, disposition: kill, match: {user: ci}}\n"
		      "  - {id: a, disposition: kill, match: {model: m}}\n"
		      "tests:\n"
		      "  - {name: one, given: {user: ci}, expect: {rules: k}}\n"},
	{"fails.yaml", "pack: fails\nversion: 1\nrules:\n"
		       "  - {id: k, disposition: kill, match: {user: ci}}\n"
		       "tests:\n"
		       "  - {name: one, given: {user: ci}, expect: {disposition: allow}}\n"
		       "  - {name: two, given: {user: me}, expect: {disposition: allow}}\n"},
	{"odd.yaml", "pack: odd\nversion: 1\nrules:\n"
		     "  - id: r\n    disposition: alert\n"
		     "    match: {service: [openai, oppenai], tool: [claude_code, claude_kode],\n"
		     "            data_class: [pan, pann],\n"
		     "            not: {completeness: [gap, gapp]}}\n"},
	{"bad.yaml", "pack: bad\nversion: 1\nrules: []\n"},
	{"\x1b[1m.yaml", "pack: [\n"},
	{"folder/in.yaml", "pack: in\nversion: 1\nrevision: 4\nrules:\n"
			   "  - {id: k, disposition: alert, match: {user: ci}}\n"
			   "tests:\n"
			   "  - {name: one, given: {user: ci}, expect: {rules: k}}\n"},
	{"folder/prices.yaml", "prices: []\n"}, /* no pack, and nobody says it is one */
	{"folder/more.yaml.bak", "pack: [\n"},
};

static int setup(void **state)
{
	char err[512] = "";
	_cleanup_free_ char *yaml = NULL;
	size_t n;

	if (fs_read("policies/observe.yaml", PACK_FILE_MAX, &yaml, &n) ||
	    pack_parse("observe", yaml, n, &observe, err, sizeof(err)))
		return -1;
	top = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (top < 0 || !mkdtemp(dir) || chdir(dir))
		return -1;
	if (mkdir("folder", 0755) || mkdir("empty", 0755))
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (fs_write_atomic(files[i].name, files[i].text, strlen(files[i].text), 0644))
			return -1;
	return 0;
}

static int teardown(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		unlink(files[i].name);
	unlink("big.yaml");
	unlink("folder/in.yaml.sig");
	unlink("keys/ops.key");
	unlink("keys/ops.key.pub");
	unlink("keys/ops.vkey");
	rmdir("keys");
	rmdir("folder");
	rmdir("empty");
	pack_free(observe);
	return fchdir(top) || close(top) || rmdir(dir);
}

static char *taken(FILE *f, int fd, int saved)
{
	char *text = NULL;

	fflush(NULL);
	assert_true(dup2(saved, fd) >= 0);
	close(saved);
	rewind(f);
	assert_int_equal(fs_read_fd(fileno(f), 1 << 20, &text, NULL), 0);
	fclose(f);
	return text;
}

static FILE *take(int fd, int *saved)
{
	FILE *f = tmpfile();

	assert_non_null(f);
	fflush(NULL);
	*saved = dup(fd);
	assert_true(*saved >= 0 && dup2(fileno(f), fd) >= 0);
	return f;
}

static int run(const char *const args[ARGS], char **ret_out, char **ret_err)
{
	char *argv[ARGS + 2] = {"policy"};
	int argc = 1, code, saved_out, saved_err;
	FILE *out, *err;

	for (; argc <= ARGS && args[argc - 1]; argc++)
		argv[argc] = (char *)args[argc - 1];
	out = take(1, &saved_out);
	err = take(2, &saved_err);
	code = cmd_policy(argc, argv);
	*ret_out = taken(out, 1, saved_out);
	*ret_err = taken(err, 2, saved_err);
	return code;
}

static const struct {
	const char *args[ARGS];
	int code;
	const char *out, *err; /* must be in it; NULL: must be empty */
} rows[] = {
	{{"--help"}, 0, "usage: probity policy VERB", NULL},
	{{"check", "--help"}, 0, "usage: probity policy check", NULL},
	{{"test", "-h"}, 0, "usage: probity policy test", NULL},
	{{NULL}, 2, NULL, "usage: probity policy VERB"},
	{{"chekc", "good.yaml"}, 2, NULL, "unknown verb 'chekc'; did you mean 'check'?"},
	{{"check"}, 2, NULL, "no FILE given"},
	{{"check", "--jsno", "good.yaml"}, 2, NULL, "unknown option --jsno"},
	{{"check", "none.yaml"}, 3, NULL, "none.yaml: cannot be read: No such file"},
	{{"check", "empty"}, 1, NULL, "no pack in there"},
	{{"check", "folder"}, 0, "folder/in.yaml: valid: in 1, ", NULL},
	{{"test", "folder"}, 0, "1 passed, 0 failed\n", NULL},
	{{"check", "big.yaml"}, 1, NULL, "big.yaml:1: larger than 196608 bytes"},
	{{"check", "bad.yaml"},
	 1,
	 NULL,
	 "bad.yaml:3: rules is empty; expected at least one rule\n"},
	{{"check", "\x1b[1m.yaml"}, 1, NULL, "?[1m.yaml:2: "},
	{{"check", "good.yaml"},
	 0,
	 "good.yaml: valid: good 1, enforce, 2 rules, 1 test, sha256 ",
	 NULL},
	{{"check", "good.yaml"},
	 0,
	 "  kill k: decided by the kernel, at connect, ClientHello or write, whichever is first to "
	 "know enough\n",
	 NULL},
	{{"check", "good.yaml"},
	 0,
	 "  kill a: decided by the agent, at the write, which waits for it: it asks for model, "
	 "which only the request shows\n",
	 NULL},
	{{"check", "fails.yaml"}, 0, "mode is monitor: nothing is refused, masked or killed", NULL},
	{{"check", "odd.yaml"},
	 0,
	 "odd.yaml:6: warning: rule r: service \"oppenai\" never matches: ",
	 NULL},
	{{"check", "odd.yaml"},
	 0,
	 "odd.yaml:6: warning: rule r: tool \"claude_kode\" never matches: ",
	 NULL},
	{{"check", "odd.yaml"},
	 0,
	 "odd.yaml:7: warning: rule r: data_class \"pann\" never matches: ",
	 NULL},
	{{"check", "odd.yaml"},
	 0,
	 "odd.yaml:8: warning: rule r: completeness \"gapp\" never matches: ",
	 NULL},
	{{"check", "--strict", "odd.yaml"}, 1, "warning", NULL},
	{{"check", "--strict", "good.yaml"}, 0, "valid", NULL},
	{{"check", "good.yaml", "bad.yaml"}, 1, "good.yaml: valid", "bad.yaml:3"},
	{{"check", "none.yaml", "bad.yaml"}, 3, NULL, "none.yaml"},
	{{"test", "good.yaml"}, 0, "ok - one\n1 passed, 0 failed\n", NULL},
	{{"test", "fails.yaml"},
	 1,
	 "not ok - one\n    disposition: expected allow, got kill\nok - two\n1 passed, 1 failed\n",
	 NULL},
	{{"test", "good.yaml", "fails.yaml"}, 1, "2 passed, 1 failed\n", NULL},
	{{"test", "odd.yaml"}, 0, "odd.yaml: warning: no tests\n0 passed, 0 failed\n", NULL},
	{{"test", "--strict", "odd.yaml"}, 1, "warning: no tests", NULL},
	{{"test", "bad.yaml"}, 1, "0 passed, 0 failed", "bad.yaml:3"},
	{{"test", "none.yaml"}, 3, "0 passed, 0 failed", "none.yaml: cannot be read"},
};

static void test_rows(void **state)
{
	_cleanup_free_ char *big = calloc(1, 200000);

	memset(big, '#', 200000);
	assert_int_equal(fs_write_atomic("big.yaml", big, 200000, 0644), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *out = NULL, *err = NULL;
		int code = run(rows[i].args, &out, &err);
		bool out_ok = rows[i].out ? strstr(out, rows[i].out) != NULL : !*out;
		bool err_ok = rows[i].err ? strstr(err, rows[i].err) != NULL : !*err;

		if (code != rows[i].code || !out_ok || !err_ok)
			fail_msg("row %zu: exit %d\nstdout: %s\nstderr: %s", i, code, out, err);
		assert_null(strchr(out, '\x1b'));
		assert_null(strchr(err, '\x1b'));
	}
}

/* Names that exist raise no warning: exactly the four wrong ones do. */
static void test_warnings_are_exact(void **state)
{
	static const char *const args[ARGS] = {"check", "--json", "odd.yaml"};
	_cleanup_free_ char *out = NULL, *err = NULL;
	json_t *j, *file, *warnings;

	assert_int_equal(run(args, &out, &err), 0);
	j = json_loads(out, 0, NULL);
	assert_non_null(j);
	file = json_array_get(json_object_get(j, "files"), 0);
	warnings = json_object_get(file, "warnings");
	assert_int_equal(json_array_size(warnings), 4);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(warnings, 2), "line")),
			 7);
	json_decref(j);
}

static void test_check_json(void **state)
{
	static const char *const args[ARGS] = {"check", "--json", "good.yaml", "bad.yaml"};
	_cleanup_free_ char *out = NULL, *err = NULL;
	const char *by[2], *error, *id;
	int ok, valid[2], before[2];
	json_t *j;

	assert_int_equal(run(args, &out, &err), 1);
	j = json_loads(out, 0, NULL);
	assert_non_null(j);
	assert_int_equal(json_unpack(j,
				     "{s:b, s:[{s:b, s:s, s:[{s:s, s:b}, {s:s, s:b}]}, "
				     "{s:b, s:s}]}",
				     "ok", &ok, "files", "valid", &valid[0], "pack", &id, "rules",
				     "decided_by", &by[0], "before_bytes_leave", &before[0],
				     "decided_by", &by[1], "before_bytes_leave", &before[1],
				     "valid", &valid[1], "error", &error),
			 0);
	assert_false(ok);
	assert_true(valid[0]);
	assert_string_equal(id, "good");
	assert_string_equal(by[0], "kernel");
	assert_true(before[0]);
	assert_string_equal(by[1], "agent");
	assert_true(before[1]);
	assert_false(valid[1]);
	assert_string_equal(error, "bad.yaml:3: rules is empty; expected at least one rule");
	json_decref(j);
}

static void test_test_json(void **state)
{
	static const char *const args[ARGS] = {"test", "--json", "fails.yaml"};
	_cleanup_free_ char *out = NULL, *err = NULL;
	const char *name, *detail;
	int ok, case_ok[2], passed, failed;
	json_t *j;

	assert_int_equal(run(args, &out, &err), 1);
	j = json_loads(out, 0, NULL);
	assert_non_null(j);
	assert_int_equal(json_unpack(j, "{s:b, s:i, s:i, s:[{s:[{s:s, s:b, s:s}, {s:b}]}]}", "ok",
				     &ok, "passed", &passed, "failed", &failed, "files", "cases",
				     "name", &name, "ok", &case_ok[0], "detail", &detail, "ok",
				     &case_ok[1]),
			 0);
	assert_false(ok || case_ok[0]);
	assert_true(case_ok[1] && passed == 1 && failed == 1);
	assert_string_equal(name, "one");
	assert_string_equal(detail, "disposition: expected allow, got kill");
	json_decref(j);
}

/* In this order: each step stands on those before. */
static void test_signing(void **state)
{
	static const struct {
		const char *args[ARGS];
		int code;
		const char *out, *err;
	} step[] = {
		{{"keygen", "-o", "keys"}, 2, NULL, "--name: one word"},
		{{"keygen", "-o", "keys", "--name", "a/b"}, 2, NULL, "--name: one word"},
		{{"keygen", "-o", "keys", "--name", "ops"}, 0, "ops+", NULL},
		{{"keygen", "-o", "keys", "--name", "ops"}, 1, NULL, "is there already"},
		{{"verify", "folder/in.yaml", "--key", "keys/ops.vkey"},
		 3,
		 NULL,
		 "in.yaml.sig: No"},
		{{"sign", "good.yaml", "--key", "keys/ops.key"}, 1, NULL, "gives no revision"},
		{{"sign", "bad.yaml", "--key", "keys/ops.key"}, 1, NULL, "bad.yaml:3"},
		{{"sign", "folder/in.yaml"}, 2, NULL, "--key"},
		{{"sign", "folder/in.yaml", "--key", "keys/ops.vkey"}, 3, NULL, "not a PEM"},
		{{"sign", "folder/in.yaml", "--key", "keys/ops.key", "--revision", "5"},
		 1,
		 NULL,
		 "the pack says revision 4"},
		{{"sign", "folder/in.yaml", "--key", "keys/ops.key"},
		 0,
		 "folder/in.yaml.sig: in 1, revision 4, signed by ops\n",
		 NULL},
		{{"verify", "folder/in.yaml", "--key", "keys/ops.vkey"},
		 0,
		 "signed by ops\n",
		 NULL},
		{{"verify", "folder/in.yaml", "--key", "keys/ops.key.pub"}, 0, "revision 4", NULL},
		{{"verify", "--json", "folder/in.yaml", "-k", "keys/ops.vkey"},
		 0,
		 "\"signer\": \"ops\"",
		 NULL},
		{{"verify", "folder/in.yaml", "--key", "keys/ops.key"},
		 3,
		 NULL,
		 "not an Ed25519 pub"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(step); i++) {
		_cleanup_free_ char *out = NULL, *err = NULL;
		int code = run(step[i].args, &out, &err);
		bool out_ok = step[i].out ? strstr(out, step[i].out) != NULL : !*out;
		bool err_ok = step[i].err ? strstr(err, step[i].err) != NULL : !*err;

		if (code != step[i].code || !out_ok || !err_ok)
			fail_msg("step %zu: exit %d\nstdout: %s\nstderr: %s", i, code, out, err);
	}
}

/* Every change of the pack or of its signature is seen. */
static void test_tampered(void **state)
{
	static const char *const verify[ARGS] = {"verify", "folder/in.yaml", "--key",
						 "keys/ops.vkey"};
	static const char *const names[] = {"folder/in.yaml", "folder/in.yaml.sig"};

	for (size_t f = 0; f < ARRAY_SIZE(names); f++) {
		_cleanup_free_ char *text = NULL;
		size_t n;

		assert_int_equal(fs_read(names[f], 65536, &text, &n), 0);
		for (size_t i = 0; i < n; i++) {
			_cleanup_free_ char *out = NULL, *err = NULL;

			text[i] ^= 1;
			assert_int_equal(fs_write_atomic(names[f], text, n, 0644), 0);
			assert_int_equal(run(verify, &out, &err), 1);
			assert_string_equal(out, "");
			text[i] ^= 1;
		}
		assert_int_equal(fs_write_atomic(names[f], text, n, 0644), 0);
	}
}

static void test_diff(void **state)
{
	static const char *const same[ARGS] = {"diff", "good.yaml", "good.yaml"};
	static const char *const other[ARGS] = {"diff", "good.yaml", "fails.yaml"};
	static const char *const json[ARGS] = {"diff", "--json", "good.yaml", "fails.yaml"};
	_cleanup_free_ char *out = NULL, *err = NULL, *out2 = NULL, *err2 = NULL, *out3 = NULL,
			    *err3 = NULL;
	json_t *j;

	assert_int_equal(run(same, &out, &err), 0);
	assert_string_equal(out, "no difference in what is decided\n");
	assert_int_equal(run(other, &out2, &err2), 1);
	assert_non_null(strstr(out2, "removed rule a"));
	assert_non_null(strstr(out2, "changed pack: mode\n    - enforce\n    + monitor\n"));
	assert_int_equal(run(json, &out3, &err3), 1);
	j = json_loads(out3, 0, NULL);
	assert_true(json_array_size(json_object_get(j, "changes")) >= 2);
	assert_true(json_is_false(json_object_get(j, "same")));
	json_decref(j);
}

static void test_names(void **state)
{
	static const struct {
		const char *key, *pattern;
		bool possible;
	} row[] = {
		{"service", "openai", true},
		{"service", "azure.ai.openai", true},
		{"service", "unknown", true},
		{"service", "open*", true},
		{"service", "nobody*", false},
		{"tool", "claude_code", true},
		{"tool", "", true},
		{"tool", "?*", true},
		{"tool", "openai_sdk", false},
		{"data_class", "pan", true},
		{"data_class", "*_api_key", true},
		{"data_class", "secret", false},
		{"completeness", "complete", true},
		{"completeness", "late-attach", true},
		{"completeness", "partial", false},
		{"user", "anybody", true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		const char *of = NULL;

		if (policy_name_possible(row[i].key, row[i].pattern, &of) != row[i].possible)
			fail_msg("%s %s", row[i].key, row[i].pattern);
		assert_int_equal(of != NULL, !row[i].possible);
	}
}

/* What we ship uses only names this build knows, and passes its tests. */
static void test_shipped(void **state)
{
	static const char *const args[][ARGS] = {
		{"check", "--strict", "policies"},
		{"test", "--strict", "policies"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(args); i++) {
		_cleanup_free_ char *out = NULL, *err = NULL;
		int code;

		assert_int_equal(fchdir(top), 0);
		code = run(args[i], &out, &err);
		assert_int_equal(chdir(dir), 0);
		if (code)
			fail_msg("exit %d\n%s%s", code, out, err);
	}
}

/* The default pack forgets no data class: each raises exactly the rule of its kind. */
static void test_observe_names_every_class(void **state)
{
	for (size_t i = 0; i < dataclass_count(); i++) {
		const char *id = dataclass_id(i), *want = "personal-identifiers";
		struct facts f = {.stage = FACTS_DONE,
				  .service_known = true,
				  .user = "",
				  .exe = "",
				  .tool = "",
				  .cgroup = "",
				  .container = "",
				  .host = "",
				  .service = "openai",
				  .vendor = "",
				  .evidence = "",
				  .operation = "",
				  .model = "",
				  .dialect = "",
				  .completeness = "complete",
				  .data_classes = {{id}, 1}};
		struct decision d;

		if (!strcmp(id, "email") || !strcmp(id, "phone"))
			want = "contact-data";
		else if (dataclass_kind(i) == DATACLASS_CREDENTIAL)
			want = "credentials";
		else if (dataclass_kind(i) == DATACLASS_FINANCIAL)
			want = "financial-data";
		pack_decide(observe, &f, &d);
		if (d.deciding < 0 || strcmp(pack_rule_id(observe, d.deciding), want))
			fail_msg("%s: expected %s", id, want);
		for (size_t k = 0; k < d.rules; k++)
			assert_int_equal(d.result[k] == RULE_FIRED, (int)k == d.deciding);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_warnings_are_exact),
		cmocka_unit_test(test_check_json),
		cmocka_unit_test(test_test_json),
		cmocka_unit_test(test_signing),
		cmocka_unit_test(test_tampered),
		cmocka_unit_test(test_diff),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_observe_names_every_class),
		cmocka_unit_test(test_shipped),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
