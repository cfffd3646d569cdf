// SPDX-License-Identifier: Apache-2.0
/* Bounded texts, name lists, verdicts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "flow/interaction.h"

static void test_names_of_enums(void **state)
{
	static const char *const dialects[] = {"",
					       "openai_chat",
					       "openai_responses",
					       "anthropic_messages",
					       "gemini",
					       "ollama",
					       "openai_responses_ws",
					       "openai_realtime_ws",
					       "gemini_live_ws",
					       "bedrock_converse",
					       "bedrock_invoke",
					       "openai_audio",
					       "openai_images",
					       "openai_completions",
					       "openai_embeddings",
					       "gemini_interactions",
					       "ollama_embed",
					       "cohere_v2",
					       "dashscope",
					       "llama_completion",
					       "tgi_generate",
					       "replicate_prediction",
					       "watsonx",
					       "connect_protobuf"};
	static const char *const verdicts[] = {"complete", "truncated", "gap", "late-attach",
					       "undecodable"};

	assert_int_equal(ARRAY_SIZE(dialects), DIALECT__MAX);
	for (unsigned i = 0; i < ARRAY_SIZE(dialects); i++) {
		assert_string_equal(dialect_name(i), dialects[i]);
		assert_int_equal(dialect_by_name(dialects[i]), i);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(verdicts); i++)
		assert_string_equal(completeness_name(i), verdicts[i]);
	assert_string_equal(dialect_name(DIALECT__MAX), "");
	assert_string_equal(dialect_name(-1), "");
	assert_int_equal(dialect_by_name("openai"), DIALECT_NONE);
	assert_int_equal(dialect_by_name(NULL), DIALECT_NONE);
	assert_string_equal(completeness_name(99), "undecodable");
}

static void test_text_copy(void **state)
{
	static const struct {
		const char *in;
		size_t n, cap;
		const char *want;
	} rows[] = {
		{"abc", 3, 8, "abc"},
		{"abc", 3, 4, "abc"},
		{"abcd", 4, 4, "abc"},
		{"abc", 3, 1, ""},
		{"", 0, 4, ""},
		{"a\tb\nc\x7f", 6, 16, "a?b?c?"},
		{"a\0b", 3, 16, "a?b"},
		{"\xc3\xa9", 2, 3, "\xc3\xa9"},
		{"\xc3\xa9", 2, 2, ""},				 /* whole character or none */
		{"a\xe2\x82\xac", 4, 4, "a"},			 /* euro sign does not fit */
		{"\xf0\x9f\x98\x80!", 5, 5, "\xf0\x9f\x98\x80"}, /* 4 bytes fit, '!' does not */
		{"\xc2\x85x", 3, 8, "??x"},			 /* C1 control */
		{"\xc0\xaf", 2, 8, "??"},			 /* overlong */
		{"\xed\xa0\x80", 3, 8, "???"},			 /* surrogate */
		{"\xf4\x90\x80\x80", 4, 8, "????"},		 /* beyond Unicode */
		{"\xe2\x82", 2, 8, "??"}, /* source ends inside a character */
		{"\xff\xfe", 2, 8, "??"},
		{"\xe2(\xa1", 3, 8, "?(?"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char buf[32];

		memset(buf, '#', sizeof(buf));
		text_copy(buf, rows[i].cap, rows[i].in, rows[i].n);
		assert_string_equal(buf, rows[i].want);
		assert_int_equal(buf[rows[i].cap], '#');
	}
}

static void test_text_copy_no_room(void **state)
{
	char c = '#';

	text_copy(&c, 0, "abc", 3);
	assert_int_equal(c, '#');
}

static void test_names(void **state)
{
	struct interaction it;
	struct names *l = &it.tools_offered;
	const char *e;

	interaction_init(&it);
	assert_null(names_next(l, NULL));
	assert_false(names_has(l, ""));
	names_add(l, "bash!", 4);
	names_add(l, "read_file", 9);
	names_add(l, "bash", 4);
	names_add(l, "", 0);
	assert_int_equal(l->count, 2);
	e = names_next(l, NULL);
	assert_string_equal(e, "bash");
	e = names_next(l, e);
	assert_string_equal(e, "read_file");
	assert_null(names_next(l, e));
	assert_true(names_has(l, "read_file"));
	assert_false(names_has(l, "read"));
}

static void test_names_full(void **state)
{
	struct interaction it;
	struct names *l = &it.tools_offered;
	unsigned seen = 0;
	char big[4096];

	interaction_init(&it);
	memset(big, 'x', sizeof(big));
	names_add(l, big, sizeof(big));
	assert_int_equal(strlen(l->text), 127);
	for (int i = 0; i < 1000; i++) {
		char name[16];
		int n = snprintf(name, sizeof(name), "tool_%06d", i);

		names_add(l, name, n);
	}
	assert_int_equal(l->count + l->refused, 1001);
	assert_int_equal(l->count, 1 + (sizeof(l->text) - 128) / 12);
	assert_true(l->used <= sizeof(l->text));
	for (const char *e = names_next(l, NULL); e; e = names_next(l, e))
		seen++;
	assert_int_equal(seen, l->count);
}

static void test_verdict(void **state)
{
	struct interaction it;

	memset(&it, 0xff, sizeof(it));
	interaction_init(&it);
	assert_int_equal(it.tokens.input, -1);
	assert_int_equal(it.tokens.reasoning, -1);
	assert_int_equal(it.start_ns, 0);
	assert_int_equal(it.completeness, COMPLETE);
	interaction_incomplete(&it, COMPLETE, "nothing");
	assert_string_equal(it.incomplete_reason, "");
	interaction_incomplete(&it, GAP, "first");
	interaction_incomplete(&it, TRUNCATED, "second");
	assert_int_equal(it.completeness, GAP);
	assert_string_equal(it.incomplete_reason, "first");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_of_enums),	  cmocka_unit_test(test_text_copy),
		cmocka_unit_test(test_text_copy_no_room), cmocka_unit_test(test_names),
		cmocka_unit_test(test_names_full),	  cmocka_unit_test(test_verdict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
