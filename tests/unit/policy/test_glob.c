// SPDX-License-Identifier: Apache-2.0
/* Every row is asked twice: as text at match time, and compiled. Both must agree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "policy/glob.h"
#include "policy/pack.h"

static const struct {
	const char *pattern, *text;
	bool hit;
	enum glob_kind kind;
} rows[] = {
	{"", "", true, GLOB_LITERAL},
	{"", "a", false, GLOB_LITERAL},
	{"*", "", true, GLOB_ANY},
	{"*", "any/thing.at all", true, GLOB_ANY},
	{"?*", "", false, GLOB_GENERAL},
	{"?*", "x", true, GLOB_GENERAL},
	{"openai", "openai", true, GLOB_LITERAL},
	{"openai", "OpenAI", true, GLOB_LITERAL},
	{"OpenAI", "openai", true, GLOB_LITERAL},
	{"openai", "openai2", false, GLOB_LITERAL},
	{"openai", "opena", false, GLOB_LITERAL},
	{"gpt-*", "gpt-4o", true, GLOB_PREFIX},
	{"gpt-*", "gpt-", true, GLOB_PREFIX},
	{"gpt-*", "gpt", false, GLOB_PREFIX},
	{"gpt-*", "xgpt-4", false, GLOB_PREFIX},
	{"*.openai.com", "api.openai.com", true, GLOB_SUFFIX},
	{"*.openai.com", "eu.api.OPENAI.com", true, GLOB_SUFFIX},
	{"*.openai.com", "openai.com", false, GLOB_SUFFIX},
	{"*.openai.com", "openai.com.evil.example", false, GLOB_SUFFIX},
	{"*claude*", "anthropic.claude-3", true, GLOB_GENERAL},
	{"*claude*", "anthropic.claud", false, GLOB_GENERAL},
	{"a*b*c", "a--b--b--c", true, GLOB_GENERAL},
	{"a*b*c", "a--b--b--", false, GLOB_GENERAL},
	{"a*bc", "abcbc", true, GLOB_GENERAL},
	{"**", "", true, GLOB_GENERAL},
	{"a**", "abc", true, GLOB_GENERAL},
	{"/usr/*/node", "/usr/local/bin/node", true, GLOB_GENERAL},
	{"user?", "user1", true, GLOB_GENERAL},
	{"user?", "user", false, GLOB_GENERAL},
	{"user?", "user12", false, GLOB_GENERAL},
	{"?", "\xc3\xa9", true, GLOB_GENERAL},	 /* one character of two bytes */
	{"??", "\xc3\xa9", false, GLOB_GENERAL}, /* and not two of one */
	{"*??", "\xc3\xa9", false, GLOB_GENERAL},
	{"?", "\xff", true, GLOB_GENERAL}, /* no UTF-8: a byte is a character */
	{"caf\xc3\xa9", "CAF\xc3\xa9", true, GLOB_LITERAL},
	{"[a]", "a", false, GLOB_LITERAL}, /* no character sets */
	{"\\*", "\\x", true, GLOB_PREFIX}, /* no escapes */
};

static void test_rows(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char pattern[64];
		struct glob g;

		snprintf(pattern, sizeof(pattern), "%s", rows[i].pattern);
		glob_compile(pattern, &g);
		if (glob_match(rows[i].pattern, rows[i].text) != rows[i].hit ||
		    glob_hit(&g, rows[i].text, strlen(rows[i].text)) != rows[i].hit)
			fail_msg("\"%s\" and \"%s\": expected %s", rows[i].pattern, rows[i].text,
				 rows[i].hit ? "a match" : "none");
		if (g.kind != rows[i].kind)
			fail_msg("\"%s\": kind %d, expected %d", rows[i].pattern, g.kind,
				 rows[i].kind);
	}
}

/* The worst a pattern can do is length × length, not exponential. */
static void test_many_stars_end(void **state)
{
	char text[4001], pattern[] = "*a*a*a*a*a*a*a*a*a*a*a*a*b";

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_false(glob_match(pattern, text));
	text[sizeof(text) - 2] = 'b';
	assert_true(glob_match(pattern, text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_many_stars_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
