// SPDX-License-Identifier: Apache-2.0
/* The page: how numbers are written, that texts of observed programs stay texts, that an empty tally
 * makes a page that says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "report/doc.h"
#include "report/page.h"

static void formats(void **state)
{
	static const struct {
		enum page_unit unit;
		json_int_t v;
		const char *text;
	} cases[] = {
		{UNIT_COUNT, 0, "0"},
		{UNIT_COUNT, 999, "999"},
		{UNIT_COUNT, 1000, "1\u202f000"},
		{UNIT_COUNT, INT64_MAX, "9\u202f223\u202f372\u202f036\u202f854\u202f775\u202f807"},
		{UNIT_SHARE, 1000000, "100.0 %"},
		{UNIT_SHARE, 999999, "99.9 %"}, /* never up to all */
		{UNIT_SHARE, 999, "0.0 %"},
		{UNIT_USD, 7000000, "$0.007000"},
		{UNIT_USD, 999999999, "$0.999999"},
		{UNIT_USD, 1234567890123, "$1234.56"},
		{UNIT_SECONDS, 119, "119 s"},
		{UNIT_SECONDS, 120, "2 min 0 s"},
		{UNIT_SECONDS, 7200, "2 h 0 min"},
		{UNIT_SECONDS, 172800, "2 d 0 h"},
		{UNIT_MS, 999, "999 ms"},
		{UNIT_MS, 1999, "1 s"},
	};
	char out[64];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		page_format(cases[i].unit, cases[i].v, out, sizeof(out));
		assert_string_equal(out, cases[i].text);
	}
}

static char *page_of(const char *host, const char *file)
{
	_cleanup_(framework_freep) struct framework *fw = NULL;
	_cleanup_(tally_freep) struct tally *t = NULL;
	struct tally_options o = {.from_ns = 1, .to_ns = 2000000000};
	struct doc_options d = {.soa_file = file};
	char err[256], *html = NULL;
	json_t *root = NULL;
	unsigned other;
	size_t n;

	assert_int_equal(framework_builtin("iso42001", &fw, err, sizeof(err)), 0);
	o.framework = fw;
	assert_int_equal(tally_new(&o, &t), 0);
	assert_int_equal(tally_begin(t, host, file), 0);
	tally_broken(t, file, 1, 2, host);
	assert_int_equal(tally_end(t, &other), 0);
	d.t = t;
	d.hosts = host;
	assert_int_equal(doc_build(&d, &root), 0);
	assert_int_equal(page_build(root, &html, &n), 0);
	assert_int_equal(strlen(html), n);
	json_decref(root);
	return html;
}

static void hostile_texts(void **state)
{
	static const char bad[] = "</style><script>alert(1)</script>\" onload='x' &\033[2J\u202e";
	_cleanup_free_ char *html = page_of(bad, bad);
	const char *at = html;
	size_t n = 0;

	assert_null(strstr(html, "<script"));
	assert_null(strstr(html, "\033"));
	assert_null(strstr(html, "\u202e"));
	assert_null(strstr(html, "onload='"));
	for (; (at = strstr(at, "&lt;script&gt;alert(1)")); at++)
		n++;
	assert_true(n > 1);
	/* One style sheet, and it is closed once. */
	assert_non_null(strstr(html, "</style>"));
	assert_null(strstr(strstr(html, "</style>") + 1, "</style>"));
}

static void nothing_recorded_is_said(void **state)
{
	_cleanup_free_ char *html = page_of("h", "f");

	assert_non_null(strstr(html, "nothing can be said about it"));
	assert_non_null(strstr(html, "no use in this period"));
	assert_non_null(strstr(html, "the chain is broken"));
	assert_null(strstr(html, "100.0 %"));
	assert_null(strstr(html, "src="));
	assert_null(strstr(html, "http://"));
	assert_null(strstr(html, "https://"));
	assert_null(strstr(html, " style="));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats),
		cmocka_unit_test(hostile_texts),
		cmocka_unit_test(nothing_recorded_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
