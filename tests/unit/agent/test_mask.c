// SPDX-License-Identifier: Apache-2.0
/* No secret of a command line survives; ordinary arguments do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "agent/worker/mask.h"
#include "base/cleanup.h"

static struct dataclass_db *db;

static const struct {
	const char *in, *out; /* arguments separated by | */
} rows[] = {
	{"curl|-v|https://api.openai.com/v1", "curl|-v|https://api.openai.com/v1"},
	{"curl|-H|Authorization: Bearer abc", "curl|-H|Authorization:[masked]"},
	{"tool|--api-key|abc|run", "tool|--api-key|[masked]|run"},
	{"tool|--api-key=abc|run", "tool|--api-key=[masked]|run"},
	{"tool|--token|--verbose", "tool|--token|--verbose"},
	{"tool|--token|-x9", "tool|--token|[masked]"},
	{"curl|-u|bob:pw|-s", "curl|-u|[masked]|-s"},
	{"sshpass|-p|pw|ssh", "sshpass|-p|[masked]|ssh"},
	{"env|OPENAI_API_KEY=abc|node|x.js", "env|OPENAI_API_KEY=[masked]|node|x.js"},
	{"git|clone|https://bob:pw@host/x", "git|clone|https://[masked]@host/x"},
	{"curl|https://host/p?key=abc&x=1", "curl|https://host/p?[masked]"},
	{"mysql|-u|root|--password|p4ss", "mysql|-u|[masked]|--password|[masked]"},
	{"claude|--print|tell me all about our customers", "claude|--print|[text, 31 bytes]"},
	{"curl|-d|{\"model\":\"x\"}", "curl|-d|[text, 13 bytes]"},
	{"curl|-H|content-type: application/json", "curl|-H|content-type: application/json"},
	{"", ""},
	{"a||b", "a||b"},
};

static size_t pack(const char *s, char *out)
{
	size_t n = strlen(s);

	for (size_t i = 0; i < n; i++)
		out[i] = s[i] == '|' ? '\0' : s[i];
	out[n] = '\0';
	return n ? n + 1 : 0;
}

static void test_rows(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char in[256], want[256], out[256];
		size_t n = pack(rows[i].in, in), m = pack(rows[i].out, want);

		assert_int_equal(mask_argv(db, in, n, out, sizeof(out)), m);
		assert_memory_equal(out, want, m);
	}
}

/* A key of a known form is masked wherever it stands. Made here, so that none is in this file. */
static void test_known_key(void **state)
{
	char in[128], out[256];
	size_t n;

	strcpy(in, "run");
	snprintf(in + 4, sizeof(in) - 4, "%s%s", "ghp_", "16C7e42F292c6912E7710c838347Ae178B4a");
	n = mask_argv(db, in, 4 + strlen(in + 4) + 1, out, sizeof(out));
	assert_int_equal(n, 4 + strlen("[masked]") + 1);
	assert_string_equal(out + 4, "[masked]");
}

static void test_bound(void **state)
{
	char in[300], out[64];

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = i % 3 ? 'a' : '\0';
	assert_int_equal(mask_argv(db, in, sizeof(in), out, sizeof(out)), sizeof(out));
}

static int setup(void **state)
{
	char err[128];

	db = dataclass_db_new(err, sizeof(err));
	return db ? 0 : -1;
}

static int teardown(void **state)
{
	dataclass_db_free(db);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_known_key),
		cmocka_unit_test(test_bound),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
