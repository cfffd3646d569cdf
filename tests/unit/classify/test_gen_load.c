/* SPDX-License-Identifier: Apache-2.0 */
/* The catalog's reader: one sound text, and that text with one fault each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "classify/gen_load.h"

static const char sound[] =
	"meta:\n" /* 1 */
	"  schema_version: 1\n"
	"  compiled: '2026-11-21'\n"
	"  counts: {services: 2, tools: 1, dialects: 1}\n"
	"  conventions: {a: b}\n" /* 5 */
	"  sources: {s1: {title: x}}\n"
	"operations: {chat: chat, health: null}\n"
	"dialects: {openai_chat: {summary: x}}\n"
	"services:\n"
	"  - id: one\n" /* 10 */
	"    name: One\n"
	"    kind: llm_api\n"
	"    hq: null\n"
	"    otel_provider: true\n"
	"    confidence: sourced\n" /* 15 */
	"    source: [s1]\n"
	"    ports: [8080]\n"
	"    domains:\n"
	"      - {pattern: api.one.ai, role: api, evidence: dedicated}\n"
	"      - {pattern: '*.one.ai', role: web, evidence: vendor}\n" /* 20 */
	"    operations:\n"
	"      - {method: POST, path: '/v1/{x}/chat?a=', operation: chat, dialect: openai_chat}\n"
	"      - {method: GET, path: /health, operation: health}\n"
	"  - {id: two, name: Two, vendor: V, kind: gateway, hq: NO, otel_provider: false,\n"
	"     confidence: partial, source: s1, domains: []}\n" /* 25 */
	"tools:\n"
	"  - id: tool\n"
	"    name: Tool\n"
	"    vendor: null\n"
	"    kind: cli_agent\n" /* 30 */
	"    confidence: sourced\n"
	"    source: s1\n"
	"    executables: [tool]\n"
	"    exe_paths: ['~/.tool/*']\n"
	"    argv_patterns: ['(^|/)tool$']\n" /* 35 */
	"    packages: {npm: ['@a/tool'], pypi: [tool]}\n"
	"    talks_to: [one]\n";

static const struct {
	const char *from, *to, *err; /* err: from the line number on */
} faults[] = {
	{"services:\n", "service:\n", ":9: catalog: unknown key 'service'"},
	{"compiled: '2026-11-21'", "compiled: today", ":3: compiled 'today': not a date"},
	{"schema_version: 1", "schema_version: 2", ":2: schema_version '2': this build reads 1"},
	{"services: 2,", "services: 3,", ":4: meta.counts says 3, the file has 2"},
	{"  conventions: {a: b}\n", "", ":2: meta: key 'conventions' is missing"},
	{"id: two", "id: one", ":24: service id 'one' twice"},
	{"    name: One\n", "    name: One\n    name: Uno\n", ":12: service: key 'name' twice"},
	{"    name: One\n", "", ":10: service: key 'name' is missing"},
	{"kind: llm_api", "kind: llm", ":12: unknown kind 'llm'"},
	{"kind: llm_api", "kind: [llm_api]", ":12: kind: not a text"},
	{"hq: NO", "hq: Norway", ":24: hq 'Norway': not an ISO 3166-1 alpha-2 code"},
	{"source: [s1]", "source: {a: b}", ":16: source: neither a text nor a list"},
	{"source: [s1]", "source: [s2]", ":16: source 's2' is not in meta.sources"},
	{"ports: [8080]", "ports: [80800]", ":17: port '80800'"},
	{"role: api", "role: apis", ":19: unknown role 'apis'"},
	{"role: api,", "role: api, rolle: x,", ":19: domain: unknown key 'rolle'"},
	{"evidence: vendor", "evidence: none", ":20: unknown evidence 'none'"},
	{"'*.one.ai'", "api.one.ai", ":20: host 'api.one.ai' twice in one service"},
	{"'*.one.ai'", "'*.one.*'", ":20: host pattern '*.one.*': needs a literal end"},
	{"'*.one.ai'", "'*.One.ai'", ":20: host pattern '*.One.ai': bad character or empty label"},
	{"'*.one.ai'", "'a..ai'", ":20: host pattern 'a..ai': bad character or empty label"},
	{"'*.one.ai'", "'**.one.ai'", ":20: host pattern '**.one.ai': '**'"},
	{"method: GET", "method: HEAD", ":23: unknown method 'HEAD'"},
	{"operation: health}", "operation: well}", ":23: operation 'well' is not in 'operations'"},
	{"dialect: openai_chat}", "dialect: x}", ":22: dialect 'x' is not in 'dialects'"},
	{"path: /health", "path: health", ":23: path 'health': does not begin with '/'"},
	{"/v1/{x}/chat", "/v1/{x y}/chat", ":22: path '/v1/{x y}/chat?a=': bad character ' '"},
	{"/v1/{x}/chat", "/v1/{x", ":22: path '/v1/{x?a=': '{' is not closed"},
	{"/v1/{x}/chat", "/v1/{x}*/chat",
	 ":22: path '/v1/{x}*/chat?a=': two wildcards side by side"},
	{"/v1/{x}/chat", "/v1//chat", ":22: path '/v1//chat?a=': bad segment"},
	{"GET, path: /health", "POST, path: '/v1/{x}/chat?a='",
	 ":23: POST /v1/{x}/chat?a= twice in one service"},
	{"executables: [tool]", "executables: [/bin/tool]",
	 ":33: executable '/bin/tool': not a base name"},
	{"executables: [tool]", "executables: [a, a]", ":33: 'a' twice"},
	{"executables: [tool]", "executables: tool", ":33: executables: not a list"},
	{"executables: [tool]", "exes: [tool]", ":33: tool: unknown key 'exes'"},
	{"'~/.tool/*'", "'.tool'", ":34: exe path '.tool': neither absolute nor a pattern"},
	{"'(^|/)tool$'", "'(tool'", ":35: pattern '(tool': "},
	{"'(^|/)tool$'", "'(?<=a)tool'", ":35: pattern '(?<=a)tool': "},
	{"{npm:", "{cargo: [x], npm:", ":36: packages: unknown key 'cargo'"},
	{"talks_to: [one]", "talks_to: [three]", ":37: talks_to: no service 'three'"},
	{"meta:\n", "meta: [\n", ":3: did not find expected"},
	{"health: null}", "chat: null}", ":7: operations: 'chat' twice"},
};

static void sound_text(void **state)
{
	struct catalog_source s;
	char err[256] = "";

	if (catalog_source_load("c.yaml", sound, strlen(sound), &s, err, sizeof(err)))
		fail_msg("%s", err);
	assert_int_equal(s.services_n, 2);
	assert_string_equal(s.services[0].vendor, "One");
	assert_string_equal(s.services[0].hq, "");
	assert_string_equal(s.services[1].hq, "NO");
	assert_int_equal(s.hosts_n, 2);
	assert_int_equal(s.ops_n, 2);
	assert_string_equal(s.ops[0].otel, "chat");
	assert_string_equal(s.ops[1].otel, "");
	assert_int_equal(s.ports[0].port, 8080);
	assert_string_equal(s.tools[0].vendor, "");
	assert_int_equal(s.texts_n, 5);
	catalog_source_free(&s);
}

static void one_fault_each(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		const char *at = strstr(sound, faults[i].from);
		struct catalog_source s;
		char text[8192], err[256] = "";
		size_t n;

		assert_non_null(at);
		n = at - sound;
		memcpy(text, sound, n);
		strcpy(text + n, faults[i].to);
		strcat(text, at + strlen(faults[i].from));
		if (!catalog_source_load("c.yaml", text, strlen(text), &s, err, sizeof(err)))
			fail_msg("not refused: %s", faults[i].to);
		if (strncmp(err, "c.yaml", 6) ||
		    strncmp(err + 6, faults[i].err, strlen(faults[i].err)))
			fail_msg("\"%s\": [%s], want [c.yaml%s]", faults[i].to, err, faults[i].err);
	}
}

static void emitted(void **state)
{
	struct catalog_source s;
	char err[256] = "", *out = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&out, &n);

	assert_non_null(f);
	assert_int_equal(catalog_source_load("c", sound, strlen(sound), &s, err, sizeof(err)), 0);
	assert_int_equal(catalog_source_emit(&s, "0123456789abcdef", f, err, sizeof(err)), 0);
	fclose(f);
	assert_non_null(strstr(out, "\"2026-11-21.0123456789ab\""));
	assert_non_null(strstr(out, "\"/v1/*/chat\\0\""));
	assert_non_null(strstr(out, "catalog_hosts_n = 2;"));
	free(out);
	catalog_source_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sound_text),
		cmocka_unit_test(one_fault_each),
		cmocka_unit_test(emitted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
