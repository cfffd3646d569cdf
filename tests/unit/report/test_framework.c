// SPDX-License-Identifier: Apache-2.0
/* The frameworks that come with Probity, and what is refused in one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "report/framework.h"

/* ISO/IEC 42001:2023, Annex A: the numbers, with what host records can do for each. */
static const struct {
	const char *id;
	char evidence;
} annex_a[] = {
	{"A.2.2", 'n'},	  {"A.2.3", 'n'},   {"A.2.4", 'p'},   {"A.3.2", 'n'},	{"A.3.3", 'n'},
	{"A.4.2", 'p'},	  {"A.4.3", 'p'},   {"A.4.4", 'd'},   {"A.4.5", 'd'},	{"A.4.6", 'n'},
	{"A.5.2", 'p'},	  {"A.5.3", 'n'},   {"A.5.4", 'p'},   {"A.5.5", 'n'},	{"A.6.1.2", 'n'},
	{"A.6.1.3", 'n'}, {"A.6.2.2", 'n'}, {"A.6.2.3", 'n'}, {"A.6.2.4", 'n'}, {"A.6.2.5", 'p'},
	{"A.6.2.6", 'd'}, {"A.6.2.7", 'p'}, {"A.6.2.8", 'd'}, {"A.7.2", 'n'},	{"A.7.3", 'p'},
	{"A.7.4", 'n'},	  {"A.7.5", 'p'},   {"A.7.6", 'n'},   {"A.8.2", 'n'},	{"A.8.3", 'n'},
	{"A.8.4", 'p'},	  {"A.8.5", 'p'},   {"A.9.2", 'p'},   {"A.9.3", 'p'},	{"A.9.4", 'd'},
	{"A.10.2", 'p'},  {"A.10.3", 'd'},  {"A.10.4", 'n'},
};

static void iso42001(void **state)
{
	_cleanup_(framework_freep) struct framework *f = NULL;
	char err[256] = "";

	assert_int_equal(framework_builtin("iso42001", &f, err, sizeof(err)), 0);
	assert_int_equal(f->n, 38);
	assert_int_equal(ARRAY_SIZE(annex_a), 38);
	assert_int_equal(f->counts[EVIDENCE_DIRECT], 6);
	assert_int_equal(f->counts[EVIDENCE_PARTIAL], 14);
	assert_int_equal(f->counts[EVIDENCE_NONE], 18);
	assert_true(f->soa);
	for (size_t i = 0; i < f->n; i++) {
		assert_string_equal(f->controls[i].id, annex_a[i].id);
		assert_int_equal(framework_evidence_name(f->controls[i].evidence)[0],
				 annex_a[i].evidence);
		assert_int_equal(!f->controls[i].sorts, annex_a[i].evidence == 'n');
		assert_int_equal(framework_find(f, annex_a[i].id), i);
	}
	assert_int_equal(framework_find(f, "A.3.4"), -1);
}

static void others(void **state)
{
	static const char *const names[] = {"eu-ai-act", "nist-ai-rmf"};
	char err[256] = "";

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_(framework_freep) struct framework *f = NULL;

		assert_int_equal(framework_builtin(names[i], &f, err, sizeof(err)), 0);
		assert_string_equal(f->id, names[i]);
		assert_false(f->soa);
		assert_true(f->counts[EVIDENCE_NONE] > 0);
	}
}

static void unknown(void **state)
{
	struct framework *f = NULL;
	char err[256];

	assert_int_equal(framework_builtin("iso9001", &f, err, sizeof(err)), -ENOENT);
	assert_int_equal(framework_builtin("style.css", &f, err, sizeof(err)), -ENOENT);
}

#define HEAD "framework: x\ntitle: X\nabout: y\ncontrols:\n"
static void refused(void **state)
{
	static const struct {
		const char *yaml, *why;
	} cases[] = {
		{HEAD "  - {id: a, title: t, evidence: direct, shows: s, limits: l}\n",
		 "f.yaml:5: records: is missing"},
		{HEAD "  - {id: a, title: t, evidence: direct, limits: l, records: [call]}\n",
		 "f.yaml:5: shows: is missing"},
		{HEAD "  - {id: a, title: t, evidence: none, records: [call], limits: l}\n",
		 "f.yaml:5: records: expected at least one with evidence, and none without"},
		{HEAD "  - {id: a, title: t, evidence: none}\n", "f.yaml:5: limits: is missing"},
		{HEAD "  - {id: a, title: t, evidence: full, limits: l}\n",
		 "f.yaml:5: evidence: \"full\"; expected one of direct, partial, none"},
		{HEAD "  - {id: a, title: t, evidence: none, limits: l}\n"
		      "  - {id: a, title: t, evidence: none, limits: l}\n",
		 "f.yaml:6: id: a is given twice"},
		{HEAD
		 "  - {id: a, title: t, evidence: direct, shows: s, limits: l, records: [calls]}\n",
		 "f.yaml:5: records: \"calls\" is no sort of record"},
		{HEAD "  - text\n", "f.yaml:5: controls: expected fields (\"key: value\")"},
		{"controls: []\n", "f.yaml:1: framework: is missing"},
		{"- a\n", "f.yaml:1: expected fields (\"key: value\")"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct framework *f = NULL;
		char err[256] = "";

		assert_int_equal(framework_parse("f.yaml", cases[i].yaml, strlen(cases[i].yaml), &f,
						 err, sizeof(err)),
				 -EINVAL);
		assert_string_equal(err, cases[i].why);
		assert_null(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(iso42001),
		cmocka_unit_test(others),
		cmocka_unit_test(unknown),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
