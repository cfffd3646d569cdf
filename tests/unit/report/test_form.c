// SPDX-License-Identifier: Apache-2.0
/* Files people write for reports, broken in every way: each is refused whole, by file, line and field. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "report/soa.h"
#include "report/systems.h"

#define R "register: R\nversion: '1'\nsystems:\n"
#define ONE "name: a, purpose: p, owner: o, risk: high"
#define S "soa: S\nversion: '1'\ndate: 2026-02-28\ncontrols:\n"
#define A(id) "  - {control: " id ", applicable: no, justification: j}\n"

static const struct broken {
	char what; /* r: register, s: statement */
	const char *yaml;
	size_t n;
	const char *why;
} cases[] = {
#define CASE(what, yaml, why)                     \
	{                                         \
		what, yaml, sizeof(yaml) - 1, why \
	}
	/* no YAML, or more than is taken of it */
	CASE('r', "", "f:1: the file is empty; expected fields (\"key: value\")"),
	CASE('s', "# only words\n", "f:1: the file is empty; expected fields (\"key: value\")"),
	CASE('r', "- a\n", "f:1: expected fields (\"key: value\")"),
	CASE('r', "just a text\n", "f:1: expected fields (\"key: value\")"),
	CASE('r', "systems: [",
	     "f:2: while parsing a flow node: did not find expected node content; expected YAML"),
	CASE('r', "register: R\n\tversion: 1\n",
	     "f:2: while scanning a plain scalar: found a tab character that violates indentation; expected YAML"),
	CASE('s', "soa: S\nversion:\t'1'\ndate:\t2026-13-01\n",
	     "f:3: date: expected a day like 2026-11-21"),
	CASE('r', "register: \"R\n",
	     "f:2: while scanning a quoted scalar: found unexpected end of stream; expected YAML"),
	CASE('r', "register: R\n  version: 1\n",
	     "f:2: mapping values are not allowed in this context; expected YAML"),
	CASE('r', "register: R\nversion: 1\n---\nregister: R\n",
	     "f:3: a second document; expected one in one file"),
	CASE('r',
	     "\x7f"
	     "ELF\x02\x01\x01\0\0\0",
	     "f:1: control characters are not allowed; expected UTF-8 text"),
	CASE('r', "register: R\nversion: a\0b\n",
	     "f:2: control characters are not allowed; expected UTF-8 text"),
	CASE('r', "register: R\nversion: \"a\\0b\"\n", "f:2: a NUL inside a text; expected none"),
	CASE('r', "register: R\nversion: \xff\xfe\n",
	     "f:2: invalid leading UTF-8 octet; expected UTF-8 text"),
	CASE('r', "register: R\nversion: \xc3(\n",
	     "f:2: invalid trailing UTF-8 octet; expected UTF-8 text"),
	CASE('r',
	     "\xff\xfe"
	     "r\0e\0g\0",
	     "f:1: invalid leading UTF-8 octet; expected UTF-8 text"),
	CASE('r', "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n",
	     "f:1: anchors and aliases are not taken here; quote a text that begins with \"*\" or \"&\""),
	CASE('s', "soa: *title\n",
	     "f:1: anchors and aliases are not taken here; quote a text that begins with \"*\" or \"&\""),
	CASE('r', "register: !!str R\n",
	     "f:1: tags (\"!\") are not taken here; expected a plain value"),
	CASE('r', "? [a]\n: b\n", "f:1: a list or mapping as a key; expected a text"),
	CASE('r', "register: [[[[[[[[[[[[[[[[[[[[[[[[[[x]]]]]]]]]]]]]]]]]]]]]]]]]]\n",
	     "f:1: nested deeper than 24 levels"),
	CASE('r', "register: R\nregister: S\n",
	     "f:2: key \"register\" is given twice (first on line 1); expected once"),
	/* lines of other systems */
	CASE('r', "register: R\r\nversion: '1'\r\nsystems: x\r\n", "f:3: systems: expected a list"),
	CASE('r', "\xef\xbb\xbfregister: R\nversion: '1'\nsystems: x\n",
	     "f:3: systems: expected a list"),
	/* fields */
	CASE('r', "register: R\n", "f:1: version: is missing"),
	CASE('r', "version: '1'\n", "f:1: register: is missing"),
	CASE('r', "register:\nversion: '1'\n", "f:1: register: expected a text"),
	CASE('r', "register: {a: b}\n", "f:1: register: expected a text"),
	CASE('r', "register: R\nversion: [1]\n", "f:2: version: expected a text"),
	CASE('r', "register: R\nversion: '1'\nowner: me\n",
	     "f:3: owner: no such field here; expected one of register, version, suppliers, systems"),
	CASE('r', "register: R\nversion: '1'\n\"a\\nb\": me\n",
	     "f:3: a?b: no such field here; expected one of register, version, suppliers, systems"),
	CASE('r', "register: R\nversion: '1'\nsystems: {}\n", "f:3: systems: expected a list"),
	CASE('r', "register: R\nversion: '1'\nsystems: []\n", "f:3: systems: expected 1 to 256"),
	CASE('r', "register: R\nversion: '1'\nsuppliers: OpenAI\n",
	     "f:3: suppliers: expected a list"),
	CASE('r', "register: R\nversion: '1'\nsuppliers: [{name: OpenAI}]\n",
	     "f:3: suppliers: expected a list of texts"),
	CASE('r', "register: R\nversion: '1'\nsuppliers:\n  - OpenAI\n  - ''\n",
	     "f:5: suppliers: expected a list of texts"),
	CASE('r', R "  - a\n", "f:4: systems: expected fields (\"key: value\")"),
	CASE('r', R "  - {" ONE "}\n",
	     "f:4: systems: \"a\" names no tools, services, models or mcp_servers"),
	CASE('r', R "  - {" ONE ", tools: [x]}\n  - {" ONE ", tools: [y]}\n",
	     "f:5: name: \"a\" is given twice"),
	CASE('r', R "  - {" ONE ", tools: []}\n",
	     "f:4: tools: expected 1 to 512 patterns, or no such list"),
	CASE('r', R "  - {" ONE ", hosts: [[x]]}\n", "f:4: hosts: expected a list of texts"),
	CASE('r', R "  - {" ONE ", tool: [x]}\n",
	     "f:4: tool: no such field here; expected one of name, purpose, owner, risk, assessments, tools, "
	     "services, models, hosts, mcp_servers"),
	CASE('r', R "  - {name: a, purpose: p, owner: o, risk: High, tools: [x]}\n",
	     "f:4: risk: \"High\"; expected one of minimal, limited, high, prohibited"),
	CASE('r', R "  - name: a\n    owner: o\n", "f:4: purpose: is missing"),
	CASE('r', R "  - {" ONE ", tools: [x], assessments: 2026-01-01}\n",
	     "f:4: assessments: expected a list"),
	CASE('r', R "  - {" ONE ", tools: [x], assessments: [2026-01-01]}\n",
	     "f:4: assessments: expected fields (\"key: value\")"),
	CASE('r', R "  - {" ONE ", tools: [x], assessments: [{version: 1}]}\n",
	     "f:4: date: is missing"),
	CASE('r', R "  - {" ONE ", tools: [x], assessments: [{version: 1, date: 2026-02-29}]}\n",
	     "f:4: date: expected a day like 2026-11-21"),
	CASE('r', R "  - {" ONE ", tools: [x], assessments: [{version: 1, date: 01.02.2026}]}\n",
	     "f:4: date: expected a day like 2026-11-21"),
	CASE('r', R "  - {" ONE ", tools: [x], assessments: [{version: 1, date: 2026-1-1}]}\n",
	     "f:4: date: expected a day like 2026-11-21"),
	CASE('r', R "  - {" ONE ", tools: [x], assessments: [{version: 1, date: 1969-12-31}]}\n",
	     "f:4: date: expected a day like 2026-11-21"),
	/* numbers of controls */
	CASE('s', S A("A.2.1"),
	     "f:5: control: A.2.1 is no control of ISO/IEC 42001:2023, Annex A; expected one of its 38 numbers, "
	     "A.2.2 to A.10.4"),
	CASE('s', S A("A.3.4"),
	     "f:5: control: A.3.4 is no control of ISO/IEC 42001:2023, Annex A; expected one of its 38 numbers, "
	     "A.2.2 to A.10.4"),
	CASE('s', S A("a.2.2"),
	     "f:5: control: a.2.2 is no control of ISO/IEC 42001:2023, Annex A; expected one of its 38 numbers, "
	     "A.2.2 to A.10.4"),
	CASE('s', S A("2.2"),
	     "f:5: control: 2.2 is no control of ISO/IEC 42001:2023, Annex A; expected one of its 38 numbers, "
	     "A.2.2 to A.10.4"),
	CASE('s', S A("A.2.2") A("A.2.2"), "f:6: control: A.2.2 is given twice, first on line 5"),
	CASE('s', S A("A.2.2"),
	     "f:4: controls: A.2.3 is missing; expected all 38 controls of ISO/IEC 42001:2023, Annex A"),
	CASE('s', "soa: S\nversion: '1'\ndate: 2026-02-28\ncontrols: []\n",
	     "f:4: controls: A.2.2 is missing; expected all 38 controls of ISO/IEC 42001:2023, Annex A"),
	CASE('s', S "  - {control: A.2.2, applicable: true, justification: j}\n",
	     "f:5: applicable: \"true\"; expected one of no, yes"),
	CASE('s',
	     S "  - {control: A.2.2, applicable: yes, justification: j, how: h, status: done}\n",
	     "f:5: status: \"done\"; expected one of implemented, partial, planned, not_implemented"),
	CASE('s', S "  - {control: A.2.2, applicable: yes, justification: ''}\n",
	     "f:5: justification: expected a text"),
	CASE('s', S "  - {control: A.2.2, applicable: no, justification: j, suppliers: [x]}\n",
	     "f:5: suppliers: belongs to A.10.3 only"),
	CASE('s', "soa: S\nversion: '1'\ndate: tomorrow\n",
	     "f:3: date: expected a day like 2026-11-21"),
	CASE('s', "soa: S\nversion: '1'\n", "f:1: date: is missing"),
};

static void check(char what, const char *yaml, size_t n, const char *why)
{
	_cleanup_(framework_freep) struct framework *fw = NULL;
	struct systems *systems = NULL;
	struct soa *soa = NULL;
	char err[640] = "";
	int r;

	assert_int_equal(framework_builtin("iso42001", &fw, err, sizeof(err)), 0);
	r = what == 's' ? soa_parse("f", yaml, n, fw, &soa, err, sizeof(err))
			: systems_parse("f", yaml, n, &systems, err, sizeof(err));
	assert_string_equal(err, why);
	assert_int_equal(r, -EINVAL);
	assert_null(soa);
	assert_null(systems);
}

static void each(void **state)
{
	assert_true(ARRAY_SIZE(cases) >= 40);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check(cases[i].what, cases[i].yaml, cases[i].n, cases[i].why);
}

/* `before`, then n times `one`. */
static char *many(const char *before, const char *one, size_t n, size_t *ret_n)
{
	size_t a = strlen(before), b = strlen(one);
	char *p = malloc(a + n * b + 1);

	assert_non_null(p);
	memcpy(p, before, a);
	for (size_t i = 0; i < n; i++)
		memcpy(p + a + i * b, one, b);
	*ret_n = a + n * b;
	return p;
}

/* Too much of something. */
static void huge(void **state)
{
	static const struct {
		const char *before, *one;
		size_t times;
		const char *why;
	} big[] = {
		{"register: R\nversion: '1'\nsuppliers:\n", "  - x\n", 40000,
		 "f:32768: more than 32768 values in one file"},
		{R, "  - {name: a, purpose: p}\n", 257, "f:3: systems: expected 1 to 256"},
		{R "  - name: a\n    purpose: p\n    owner: o\n    risk: high\n    tools:\n",
		 "      - x\n", 513, "f:8: tools: expected 1 to 512 patterns, or no such list"},
		{"register: ", "[", 100000, "f:1: nested deeper than 24 levels"},
		{"register: ", "{a: ", 100000, "f:1: nested deeper than 24 levels"},
		{"register: R\nversion: '1'\n# ", "long ", 200000, "f:1: systems: is missing"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(big); i++) {
		_cleanup_free_ char *p = NULL;
		size_t n;

		p = many(big[i].before, big[i].one, big[i].times, &n);
		check('r', p, n, big[i].why);
	}
}

/* A name of a thousand characters is cut in the message, not in the file. */
static void long_names(void **state)
{
	_cleanup_free_ char *p = NULL;
	char why[400];
	size_t n;

	p = many("register: R\nversion: '1'\n", "k", 1000, &n);
	p = realloc(p, n + 5);
	assert_non_null(p);
	memcpy(p + n, ": x\n", 5);
	snprintf(
		why, sizeof(why),
		"f:3: %.63s: no such field here; expected one of register, version, suppliers, systems",
		p + strlen("register: R\nversion: '1'\n"));
	check('r', p, n + 4, why);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each),
		cmocka_unit_test(huge),
		cmocka_unit_test(long_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
