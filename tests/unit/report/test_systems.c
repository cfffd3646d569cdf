// SPDX-License-Identifier: Apache-2.0
/* The register: which system a use belongs to, and what is refused in the file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "report/systems.h"

#define REGISTER                                                                                         \
	"register: R\nversion: '1'\nsystems:\n"                                                          \
	"  - {name: coding, purpose: p, owner: o, risk: minimal, tools: ['code*'], models: ['gpt-*'], "  \
	"hosts: [dev], assessments: [{version: b, date: 2026-03-01}, {version: a, date: 2026-01-01}]}\n" \
	"  - {name: files, purpose: p, owner: o, risk: limited, mcp_servers: ['*file*']}\n"              \
	"  - {name: screening, purpose: p, owner: o, risk: high, services: [azure]}\n"

static struct systems *load(void)
{
	struct systems *s = NULL;
	char err[256] = "";
	int r = systems_parse("r.yaml", REGISTER, strlen(REGISTER), &s, err, sizeof(err));

	assert_string_equal(err, "");
	assert_int_equal(r, 0);
	return s;
}

static void belongs(void **state)
{
	static const struct {
		const char *tool, *service, *model, *server, *host;
		const char *system, *near;
		enum system_list differs;
	} cases[] = {
		{"codex", "openai", "gpt-5", NULL, "dev", "coding", NULL, 0},
		{"CODEX", "openai", "GPT-5", NULL, "DEV", "coding", NULL, 0},
		{"codex", "openai", "o3", NULL, "dev", NULL, "coding", LIST_MODELS},
		{"codex", "openai", "gpt-5", NULL, "prod", NULL, "coding", LIST_HOSTS},
		{"codex", "azure", "gpt-5", NULL, "prod", "screening", NULL, 0},
		{"other", "openai", "gpt-5", NULL, "dev", NULL, NULL, 0},
		/* A tool request has no model: that list is passed over. */
		{"codex", "", NULL, "tickets", "dev", "coding", NULL, 0},
		{"other", "", NULL, "filesystem", "dev", "files", NULL, 0},
		{"other", "", NULL, "tickets", "dev", NULL, NULL, 0},
		/* Calls to models are none of a system of tool servers, tool requests none of one of services. */
		{"other", "else", "m", NULL, "dev", NULL, NULL, 0},
	};
	_cleanup_(systems_freep) struct systems *s = load();

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct system_entry *near = NULL, *got;
		enum system_list differs = LISTS;
		struct item it = {.model = cases[i].model, .server = cases[i].server};

		snprintf(it.tool, sizeof(it.tool), "%s", cases[i].tool);
		snprintf(it.service, sizeof(it.service), "%s", cases[i].service);
		got = systems_of(s, &it, cases[i].host, true, &near, &differs);
		assert_string_equal(got ? got->name : "none", cases[i].system ?: "none");
		if (got)
			continue;
		assert_string_equal(near ? near->name : "none", cases[i].near ?: "none");
		if (near)
			assert_int_equal(differs, cases[i].differs);
	}
	assert_int_equal(s->entries[0].pattern[LIST_MODELS][0].used, 2);
	assert_int_equal(s->entries[1].pattern[LIST_SERVERS][0].used, 1);
}

static void newest_assessment(void **state)
{
	_cleanup_(systems_freep) struct systems *s = load();

	assert_string_equal(s->entries[0].assessment, "b");
	assert_int_equal(s->entries[0].assessed_s, 1772323200);
	assert_int_equal(s->entries[1].assessed_s, 0);
	assert_ptr_equal(systems_find(s, "files"), &s->entries[1]);
	assert_null(systems_find(s, "nobody"));
}

#define HEAD "register: R\nversion: '1'\nsystems:\n"
#define ONE "name: a, purpose: p, owner: o, risk: high"
static void refused(void **state)
{
	static const struct {
		const char *yaml, *why;
	} cases[] = {
		{HEAD "  - {" ONE ", tools: [x]}\n  - {" ONE ", tools: [x]}\n",
		 "r.yaml:5: name: \"a\" is given twice"},
		{HEAD "  - {" ONE "}\n",
		 "r.yaml:4: systems: \"a\" names no tools, services, models or mcp_servers"},
		{HEAD "  - {" ONE ", hosts: [x]}\n",
		 "r.yaml:4: systems: \"a\" names no tools, services, models or mcp_servers"},
		{HEAD "  - {" ONE ", tools: []}\n",
		 "r.yaml:4: tools: expected 1 to 512 patterns, or no such list"},
		{HEAD "  - {" ONE ", tools: [[x]]}\n", "r.yaml:4: tools: expected a list of texts"},
		{HEAD "  - {" ONE ", tools: x}\n", "r.yaml:4: tools: expected a list"},
		{HEAD "  - {name: a, purpose: p, owner: o, risk: huge, tools: [x]}\n",
		 "r.yaml:4: risk: \"huge\"; expected one of minimal, limited, high, prohibited"},
		{HEAD "  - {name: a, owner: o, risk: high, tools: [x]}\n",
		 "r.yaml:4: purpose: is missing"},
		{HEAD "  - name: a\n    purpose: p\n    owner: o\n    risk: high\n    tools: [x]\n"
		      "    assessments:\n      - {version: v, date: yesterday}\n",
		 "r.yaml:10: date: expected a day like 2026-11-21"},
		{HEAD "  - name: a\n    purpose: p\n    owner: o\n    risk: high\n    tools: [x]\n"
		      "    assessments:\n      - version: v\n",
		 "r.yaml:10: date: is missing"},
		{"register: R\nversion: '1'\nsystems: []\n",
		 "r.yaml:3: systems: expected 1 to 256"},
		{"register: R\nregister: S\n",
		 "r.yaml:2: key \"register\" is given twice (first on line 1); expected once"},
		{"register: R\nversion: '1'\nsuppliers: OpenAI\nsystems: []\n",
		 "r.yaml:3: suppliers: expected a list"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct systems *s = NULL;
		char err[256] = "";

		assert_int_equal(systems_parse("r.yaml", cases[i].yaml, strlen(cases[i].yaml), &s,
					       err, sizeof(err)),
				 -EINVAL);
		assert_string_equal(err, cases[i].why);
		assert_null(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(belongs),
		cmocka_unit_test(newest_assessment),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
