// SPDX-License-Identifier: Apache-2.0
// covers: user/export/otlp.c user/export/otlp_attributes.c user/export/cloudevents.c user/export/csv.c
/* OTLP, CloudEvents and CSV of made records. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "made.h"

/* The value of one attribute, as text; NULL: it is not there. Twice is a failure. */
static const char *attribute(json_t *o, const char *key)
{
	json_t *list = json_object_get(o, "attributes"), *a, *v;
	const char *found = NULL;
	size_t i;

	json_array_foreach(list, i, a)
	{
		if (strcmp(json_string_value(json_object_get(a, "key")), key))
			continue;
		assert_null(found);
		v = json_object_get(a, "value");
		found = json_string_value(json_object_get(v, "stringValue"))
				?: json_string_value(json_object_get(v, "intValue"));
		if (!found && json_object_get(v, "arrayValue"))
			found = "array";
		if (!found && json_object_get(v, "boolValue"))
			found = json_is_true(json_object_get(v, "boolValue")) ? "true" : "false";
		assert_non_null(found);
	}
	return found;
}

static void test_span(void **state)
{
	static const struct {
		const char *key, *want;
	} t[] = {
		{"gen_ai.provider.name", "openai"},
		{"gen_ai.operation.name", "chat"},
		{"gen_ai.request.model", "gpt-4o"},
		{"gen_ai.response.model", "gpt-4o-2026"},
		{"gen_ai.usage.input_tokens", "120"},
		{"gen_ai.usage.output_tokens", "48"},
		{"gen_ai.usage.cache_read.input_tokens", NULL}, /* unknown is not 0 */
		{"gen_ai.response.finish_reasons", "array"},
		{"server.address", "api.openai.com"},
		{"server.port", "443"},
		{"process.pid", "4242"},
		{"process.command_args", "array"},
		{"gen_ai.agent.id", "claude_code"},
		{"probity.service.known", "true"},
		{"probity.rule", "no-pan"},
		{"probity.seq", "7"},
		{"gen_ai.system", NULL}, /* the name it had before */
	};
	struct made *k = made_call("gpt-4o", "");
	json_t *o = NULL;

	assert_int_equal(export_otlp_span(&k->c, &k->s, &o), 0);
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		const char *is = attribute(o, t[i].key);

		if (!is != !t[i].want || (is && strcmp(is, t[i].want)))
			fail_msg("%s: %s", t[i].key, is ? is : "(none)");
	}
	assert_string_equal(json_string_value(json_object_get(o, "name")), "chat gpt-4o");
	assert_string_equal(json_string_value(json_object_get(o, "startTimeUnixNano")),
			    "1795300901000000000");
	assert_string_equal(json_string_value(json_object_get(o, "endTimeUnixNano")),
			    "1795300901250000000");
	assert_int_equal(json_string_length(json_object_get(o, "traceId")), 32);
	assert_int_equal(json_string_length(json_object_get(o, "spanId")), 16);
	json_decref(o);
	made_done(k);
}

static void test_mcp_span(void **state)
{
	struct made *k = made_mcp();
	json_t *o = NULL;

	assert_int_equal(export_otlp_span(&k->c, &k->s, &o), 0);
	assert_string_equal(attribute(o, "mcp.method.name"), "tools/call");
	assert_string_equal(attribute(o, "gen_ai.operation.name"), "execute_tool");
	assert_string_equal(attribute(o, "gen_ai.tool.name"), "read_file");
	assert_string_equal(attribute(o, "network.transport"), "pipe");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(o, "status"), "code")),
			 2);
	json_decref(o);
	made_done(k);
}

static void test_no_span(void **state)
{
	struct made *k[] = {made_denial("exec", "denied"),
			    made_control(PROBITY__V1__CONTROL__KIND__STOP)};

	for (size_t i = 0; i < 2; i++) {
		json_t *o = NULL;

		assert_int_equal(export_otlp_span(&k[i]->c, &k[i]->s, &o), -ENODATA);
		assert_int_equal(export_otlp_log(&k[i]->c, &k[i]->s, &o), 0);
		json_decref(o);
		made_done(k[i]);
	}
}

static void test_log_severity(void **state)
{
	struct {
		struct made *k;
		int level;
	} t[] = {
		{made_call("m", ""), 9},
		{made_call("m", "denied"), 13},
		{made_call("m", "would_deny"), 9},
		{made_denial("connect", "denied"), 13},
		{made_control(PROBITY__V1__CONTROL__KIND__LOSS), 17},
		{made_control(PROBITY__V1__CONTROL__KIND__SEAL), 9},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		json_t *o = NULL;

		assert_int_equal(export_otlp_log(&t[i].k->c, &t[i].k->s, &o), 0);
		assert_int_equal(json_integer_value(json_object_get(o, "severityNumber")),
				 t[i].level);
		json_decref(o);
		made_done(t[i].k);
	}
}

static void test_request(void **state)
{
	struct made *k = made_call("m", "");
	json_t *items = json_array(), *o = NULL, *r, *s;

	export_see(&k->c, &k->s);
	json_array_append_new(items, json_object());
	assert_int_equal(export_otlp_request(&k->c, OTLP_SPANS, items, &o), 0);
	r = json_array_get(json_object_get(o, "resourceSpans"), 0);
	s = json_array_get(json_object_get(r, "scopeSpans"), 0);
	assert_string_equal(json_string_value(json_object_get(r, "schemaUrl")), OTEL_SCHEMA_URL);
	assert_string_equal(json_string_value(json_object_get(s, "schemaUrl")), OTEL_SCHEMA_URL);
	assert_int_equal(json_array_size(json_object_get(s, "spans")), 1);
	assert_string_equal(attribute(json_object_get(r, "resource"), "host.name"), "host1");
	json_decref(o);
	made_done(k);
}

static void test_cloudevent(void **state)
{
	struct made *k = made_call("m", "");
	json_t *o = NULL;

	assert_int_equal(export_cloudevent(&k->c, &k->s, &o), 0);
	assert_string_equal(json_string_value(json_object_get(o, "specversion")), "1.0");
	assert_string_equal(json_string_value(json_object_get(o, "id")), "7");
	assert_string_equal(json_string_value(json_object_get(o, "source")),
			    "urn:probity:chain:abababababababababababababababab");
	assert_string_equal(json_string_value(json_object_get(o, "type")), "probity.v1.ai_call");
	assert_string_equal(json_string_value(json_object_get(o, "subject")), "host1");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(o, "data"), "seq")), 7);
	json_decref(o);
	made_done(k);
}

static char *row(struct made *k)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	assert_int_equal(export_csv_row(f, &k->c, &k->s), 0);
	fclose(f);
	made_done(k);
	return text;
}

/* A model named like a formula, or with quotes and line breaks in it. */
static void test_csv_cells(void **state)
{
	static const struct {
		const char *model, *cell;
	} t[] = {
		{"=1+1", "\"'=1+1\""}, {"+1", "\"'+1\""},
		{"-1", "\"'-1\""},     {"@SUM(A1)", "\"'@SUM(A1)\""},
		{"a=1", "\"a=1\""},    {"say \"hi\"", "\"say \"\"hi\"\"\""},
		{"a,b", "\"a,b\""},    {"a\r\nb", "\"a??b\""},
		{"\t=1", "\"?=1\""},   {"", "\"\""},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		char *text = row(made_call(t[i].model, ""));

		if (!strstr(text, t[i].cell))
			fail_msg("%s: not %s in %s", t[i].model, t[i].cell, text);
		assert_non_null(strstr(text, "\r\n"));
		assert_ptr_equal(strstr(text, "\r\n") + 2, text + strlen(text));
		free(text);
	}
}

static size_t cells(const char *line)
{
	size_t n = 1;
	bool in = false;

	for (const char *p = line; *p; p++) {
		in ^= *p == '"';
		n += !in && *p == ',';
	}
	return n;
}

static void test_csv_width(void **state)
{
	char *text = NULL;
	size_t n, want;
	FILE *f = open_memstream(&text, &n);
	struct made *k[] = {made_call("m", ""), made_mcp(), made_denial("exec", "denied"),
			    made_control(PROBITY__V1__CONTROL__KIND__START), made_of(9, NULL)};

	assert_int_equal(export_csv_head(f), 0);
	fclose(f);
	want = cells(text);
	free(text);
	for (size_t i = 0; i < sizeof(k) / sizeof(k[0]); i++) {
		text = row(k[i]);
		assert_int_equal(cells(text), want);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_span),	  cmocka_unit_test(test_mcp_span),
		cmocka_unit_test(test_no_span),	  cmocka_unit_test(test_log_severity),
		cmocka_unit_test(test_request),	  cmocka_unit_test(test_cloudevent),
		cmocka_unit_test(test_csv_cells), cmocka_unit_test(test_csv_width),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
