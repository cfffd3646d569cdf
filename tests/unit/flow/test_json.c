// SPDX-License-Identifier: Apache-2.0
/*
 * The scanner by table. Every document runs whole, byte by byte and split in two at every place;
 * every proper prefix must be "more". Events are written as text: { } [ ] key: "string" 1 t f n.
 */
/* Rows leave out what is false. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#include "vector.h"

#include "flow/json.h"

struct sink {
	char text[4096];
	size_t n;
	bool in_string;
};

static void put(struct sink *s, const char *p, size_t n)
{
	assert_true(n < sizeof(s->text) - s->n);
	memcpy(s->text + s->n, p, n);
	s->n += n;
	s->text[s->n] = '\0';
}

static void on_event(void *ctx, enum json_event ev, const char *p, size_t n)
{
	static const char marks[] = {
		[JSON_OBJECT] = '{',	[JSON_OBJECT_END] = '}', [JSON_ARRAY] = '[',
		[JSON_ARRAY_END] = ']', [JSON_STRING_END] = '"', [JSON_TRUE] = 't',
		[JSON_FALSE] = 'f',	[JSON_NULL] = 'n'};
	struct sink *s = ctx;

	if ((ev == JSON_STRING || ev == JSON_STRING_END) && !s->in_string)
		put(s, "\"", 1);
	s->in_string = ev == JSON_STRING;
	if (ev == JSON_STRING)
		assert_true(n > 0);
	if (ev == JSON_STRING || ev == JSON_KEY || ev == JSON_NUMBER)
		put(s, p ? p : "?", p ? n : 1);
	else
		put(s, &marks[ev], 1);
	if (ev == JSON_KEY || ev == JSON_NUMBER)
		put(s, ev == JSON_KEY ? ":" : " ", 1);
}

static const struct row {
	const char *doc;
	enum json_status end;
	const char *events; /* those before the error, if it is one */
	bool many;
} rows[] = {
	{"{}", JSON_DONE, "{}"},
	{"[]", JSON_DONE, "[]"},
	{" \t\r\n[ ] \n", JSON_DONE, "[]"},
	{"null", JSON_DONE, "n"},
	{"[true,false,null]", JSON_DONE, "[tfn]"},
	{"{\"a\":1,\"b\":[2,{\"c\":\"d\"}]}", JSON_DONE, "{a:1 b:[2 {c:\"d\"}]}"},
	{"{ \"a\" : \"\" , \"\" : [ ] }", JSON_DONE, "{a:\"\":[]}"},
	/* numbers */
	{"0", JSON_DONE, "0 "},
	{"-0.50e+10", JSON_DONE, "-0.50e+10 "},
	{"[1E5,-7,0.0]", JSON_DONE, "[1E5 -7 0.0 ]"},
	{"[1234567890123456789012345678901234567890]", JSON_DONE,
	 "[1234567890123456789012345678901234567890 ]"},
	{"[12345678901234567890123456789012345678901]", JSON_DONE, "[? ]"},
	{"01", JSON_BAD, ""},
	{"[1.]", JSON_BAD, "["},
	{"[.5]", JSON_BAD, "["},
	{"[-]", JSON_BAD, "["},
	{"[1e]", JSON_BAD, "["},
	{"[1e+]", JSON_BAD, "["},
	{"[+1]", JSON_BAD, "["},
	{"[1x]", JSON_BAD, "["},
	{"1 2", JSON_BAD, "1 "},
	{"[NaN]", JSON_BAD, "["},
	/* strings */
	{"\"a\\\"b\\\\c\\/d\\b\\f\\n\\r\\te\"", JSON_DONE, "\"a\"b\\c/d\b\f\n\r\te\""},
	{"\"\\u0041\\u00e9\\u20AC\"", JSON_DONE, "\"A\xc3\xa9\xe2\x82\xac\""},
	{"\"\\ud83d\\ude00!\"", JSON_DONE, "\"\xf0\x9f\x98\x80!\""},
	{"\"\\ud83dx\"", JSON_DONE, "\"\xef\xbf\xbdx\""},
	{"\"\\ud83d\"", JSON_DONE, "\"\xef\xbf\xbd\""},
	{"\"\\ud83d\\n\"", JSON_DONE, "\"\xef\xbf\xbd\n\""},
	{"\"\\ud83d\\u0041\"", JSON_DONE,
	 "\"\xef\xbf\xbd"
	 "A\""},
	{"\"\\ud83d\\ud83d\\ude00\"", JSON_DONE, "\"\xef\xbf\xbd\xf0\x9f\x98\x80\""},
	{"\"\\ude00\"", JSON_DONE, "\"\xef\xbf\xbd\""},
	{"\"Gr\xc3\xbc\xc3\x9f\x65 \xff\"", JSON_DONE, "\"Gr\xc3\xbc\xc3\x9f\x65 \xff\""},
	{"{\"\\u0061\\n\":1}", JSON_DONE, "{a\n:1 }"},
	{"\"\\x41\"", JSON_BAD, ""},
	{"\"\\u00g0\"", JSON_BAD, ""},
	{"\"a\nb\"", JSON_BAD, "\"a"},
	/* structure */
	{"", JSON_MORE, ""},
	{"[1,]", JSON_BAD, "[1 "},
	{"[,1]", JSON_BAD, "["},
	{"{\"a\":1,}", JSON_BAD, "{a:1 "},
	{"{\"a\"}", JSON_BAD, "{a:"},
	{"{\"a\":}", JSON_BAD, "{a:"},
	{"{1:2}", JSON_BAD, "{"},
	{"{\"a\":1 \"b\":2}", JSON_BAD, "{a:1 "},
	{"[1}", JSON_BAD, "[1 "},
	{"{]", JSON_BAD, "{"},
	{"]", JSON_BAD, ""},
	{"{} {}", JSON_BAD, "{}"},
	{"{}x", JSON_BAD, "{}"},
	{"<html>", JSON_BAD, ""},
	{"truE", JSON_BAD, ""},
	{"nul", JSON_MORE, ""},
	{"[\"a\"", JSON_MORE, "[\"a\""},
	{"grant_type=x&model=y", JSON_BAD, ""},
	/* several documents */
	{"{}\n[1]\n3", JSON_DONE, "{}[1 ]3 ", true},
	{"{}{}", JSON_DONE, "{}{}", true},
	{"{},{}", JSON_BAD, "{}", true},
};

static enum json_status feed(const char *doc, size_t n, size_t split, bool many, struct sink *s,
			     bool end)
{
	struct json j;
	enum json_status st = JSON_MORE;

	*s = (struct sink){0};
	json_init(&j, on_event, s, many);
	if (!split) {
		for (size_t i = 0; i < n; i++)
			st = json_feed(&j, guarded(doc + i, 1), 1);
	} else {
		st = json_feed(&j, guarded(doc, split), split);
		if (n > split)
			st = json_feed(&j, guarded(doc + split, n - split), n - split);
	}
	return end ? json_end(&j) : st;
}

static void test_table(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		size_t n = strlen(r->doc);
		struct sink s;

		for (size_t split = 0; split <= n; split++) {
			enum json_status st = feed(r->doc, n, split, r->many, &s, true);

			if (st != r->end || strcmp(s.text, r->events))
				fail_msg("%s split at %zu: status %d, events %s", r->doc, split, st,
					 s.text);
		}
		for (size_t cut = 0; cut < n && r->end == JSON_DONE; cut++)
			assert_int_not_equal(feed(r->doc, cut, cut, r->many, &s, false), JSON_BAD);
	}
}

/* What is deeper than the bound is passed over; what comes after it is seen again. */
static void test_deep(void **state)
{
	static const char *const inner[] = {"", "1", "\"]}\\\"[\"", "{\"a\":[true,null]}"};

	for (size_t i = 0; i < sizeof(inner) / sizeof(inner[0]); i++)
		for (size_t depth = 60; depth < 70; depth++) {
			char doc[512] = "";
			size_t shown = depth < JSON_DEPTH_MAX ? depth : JSON_DEPTH_MAX;
			struct sink s;

			for (size_t k = 0; k < depth; k++)
				strcat(doc, "[");
			strcat(doc, inner[i]);
			for (size_t k = 0; k < depth; k++)
				strcat(doc, k + 1 == depth ? ",7]" : "]");
			assert_int_equal(feed(doc, strlen(doc), 0, false, &s, true), JSON_DONE);
			assert_int_equal(strspn(s.text, "["), shown);
			assert_string_equal(s.text + s.n - 3, "7 ]");
		}
}

static void test_too_deep(void **state)
{
	struct sink s = {0};
	struct json j;

	json_init(&j, on_event, &s, false);
	for (uint32_t i = 0; i < JSON_NEST_MAX; i++)
		assert_int_equal(json_feed(&j, (const uint8_t *)"[", 1), JSON_MORE);
	assert_int_equal(s.n, JSON_DEPTH_MAX);
	assert_int_equal(json_feed(&j, (const uint8_t *)"[", 1), JSON_BAD);
	assert_int_equal(json_feed(&j, (const uint8_t *)"]", 1), JSON_BAD);
}

static void test_long_key(void **state)
{
	for (size_t len = JSON_KEY_MAX - 2; len < JSON_KEY_MAX + 3; len++) {
		char doc[128];
		struct sink s;

		snprintf(doc, sizeof(doc), "{\"%0*d\":1}", (int)len, 0);
		assert_int_equal(feed(doc, strlen(doc), 0, false, &s, true), JSON_DONE);
		if (len > JSON_KEY_MAX)
			assert_string_equal(s.text, "{?:1 }");
		else
			assert_int_equal(s.n, len + strlen("{:1 }"));
	}
}

static void test_count(void **state)
{
	static const struct {
		const char *text;
		int64_t value;
	} counts[] = {
		{"0", 0},
		{"18", 18},
		{"12.000", 12},
		{"9223372036854775807", -1}, /* the last digit is not worth the trouble */
		{"922337203685477580", 922337203685477580},
		{"99999999999999999999", -1},
		{"-1", -1},
		{"1.5", -1},
		{"1e3", -1},
		{"", -1},
	};

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		assert_int_equal(json_count(counts[i].text, strlen(counts[i].text)),
				 counts[i].value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),	 cmocka_unit_test(test_deep),
		cmocka_unit_test(test_too_deep), cmocka_unit_test(test_long_key),
		cmocka_unit_test(test_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
