// SPDX-License-Identifier: Apache-2.0
/* A Statement of Applicability: whole, or refused by file, line and field. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "report/soa.h"

#define FRAMEWORK                                              \
	"framework: x\ntitle: X\nabout: y\ncontrols:\n"        \
	"  - {id: A.1, title: t, evidence: none, limits: l}\n" \
	"  - {id: A.10.3, title: t, evidence: none, limits: l}\n"
#define HEAD "soa: S\nversion: '1'\ndate: 2026-02-28\ncontrols:\n"
#define A1 "  - {control: A.1, applicable: no, justification: j}\n"
#define A103                                                                                            \
	"  - {control: A.10.3, applicable: yes, justification: j, how: h, status: planned, suppliers: " \
	"[S]}\n"

static struct framework *fw(void)
{
	struct framework *f = NULL;
	char err[256];

	assert_int_equal(framework_parse("f", FRAMEWORK, strlen(FRAMEWORK), &f, err, sizeof(err)),
			 0);
	return f;
}

static void whole(void **state)
{
	_cleanup_(framework_freep) struct framework *f = fw();
	_cleanup_(soa_freep) struct soa *s = NULL;
	char err[256] = "";

	/* The order is the author's. */
	assert_int_equal(soa_parse("s.yaml", HEAD A103 A1, strlen(HEAD A103 A1), f, &s, err,
				   sizeof(err)),
			 0);
	assert_false(s->entries[0].applicable);
	assert_null(s->entries[0].how);
	assert_true(s->entries[1].applicable);
	assert_int_equal(s->entries[1].status, SOA_PLANNED);
	assert_string_equal(s->entries[1].how, "h");
	assert_string_equal(s->suppliers->first->text, "S");
	assert_string_equal(s->date, "2026-02-28");
}

static void refused(void **state)
{
	static const struct {
		const char *yaml, *why;
	} cases[] = {
		{HEAD A1, "s.yaml:4: controls: A.10.3 is missing; expected all 2 controls of X"},
		{HEAD A1 A103 A1, "s.yaml:7: control: A.1 is given twice, first on line 5"},
		{HEAD "  - {control: A.2, applicable: no, justification: j}\n",
		 "s.yaml:5: control: A.2 is no control of X; expected one of its 2 numbers, A.1 to A.10.3"},
		{HEAD "  - control: A.1\n    applicable: no\n",
		 "s.yaml:5: justification: is missing"},
		{HEAD "  - {control: A.1, applicable: yes, justification: j}\n",
		 "s.yaml:5: how: is missing"},
		{HEAD "  - {control: A.1, applicable: yes, justification: j, how: h}\n",
		 "s.yaml:5: status: is missing"},
		{HEAD "  - control: A.1\n    applicable: maybe\n    justification: j\n",
		 "s.yaml:6: applicable: \"maybe\"; expected one of no, yes"},
		{HEAD
		 "  - control: A.1\n    applicable: no\n    justification: j\n    suppliers: [x]\n",
		 "s.yaml:8: suppliers: belongs to A.10.3 only"},
		{HEAD "  - control: A.1\n    applicable: no\n    why: j\n",
		 "s.yaml:7: why: no such field here; expected one of control, applicable, justification, how, "
		 "status, suppliers"},
		{HEAD "  - control: [A.1]\n", "s.yaml:5: control: expected a text"},
		{"soa: S\nversion: '1'\ndate: 2026-02-30\ncontrols: []\n",
		 "s.yaml:3: date: expected a day like 2026-11-21"},
		{"soa: S\nversion: '1'\ndate: 2026-02-28\ncontrols: {}\n",
		 "s.yaml:4: controls: expected a list"},
		{"soa: S\nversion: '1'\ndate: 2026-02-28x\ncontrols: []\n",
		 "s.yaml:3: date: expected a day like 2026-11-21"},
	};
	_cleanup_(framework_freep) struct framework *f = fw();

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct soa *s = NULL;
		char err[256] = "";

		assert_int_equal(soa_parse("s.yaml", cases[i].yaml, strlen(cases[i].yaml), f, &s,
					   err, sizeof(err)),
				 -EINVAL);
		assert_string_equal(err, cases[i].why);
		assert_null(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(whole), cmocka_unit_test(refused)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
