// SPDX-License-Identifier: Apache-2.0
/* Forms: borders, heads and data cut anywhere; and what an upload to an AI service leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/cleanup.h"
#include "flow/multipart.h"
#include "rig.h"

/* --- the parser ------------------------------------------------------------------------------ */

static char out[2048];

static void on_begin(void *ctx, const struct multipart_part *p)
{
	size_t n = strlen(out);

	snprintf(out + n, sizeof(out) - n, "(%s%s%s|%s|", p->name, p->file ? "@" : "", p->filename,
		 p->type);
}

static void on_data(void *ctx, const uint8_t *p, size_t n)
{
	assert_true(n > 0);
	strncat(out, (const char *)p, n);
}

static void on_end(void *ctx, bool cut)
{
	strcat(out, cut ? "~" : ")");
}

static const struct multipart_sink sink = {on_begin, on_data, on_end, NULL};

static const struct {
	const char *type, *bytes, *want;
	bool whole;
} forms[] = {
	{"multipart/form-data; boundary=XX",
	 "--XX\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--XX\r\n"
	 "content-type: audio/wav\r\nContent-Disposition: form-data; name=file; filename=\"a;b.wav\"\r\n\r\n"
	 "RI\r\nFF\r\n--X\r\n--XXY\r\n--XX--\r\ntail",
	 "(model||whisper-1)(file@a;b.wav|audio/wav|RI\r\nFF\r\n--X\r\n--XXY)", true},
	{"Multipart/Form-Data; charset=x; boundary=\"a b\"",
	 "preamble\r\n--a b  \r\nContent-Disposition: form-data; name=\"a\\\"b\"\r\n\r\n\r\n--a b--",
	 "(a\"b||)", true},
	{"multipart/form-data;boundary=--B", "----B\r\n\r\nno name\r\n----B\r\n\r\ncut",
	 "(||no name)(||cut~", false},
	{"multipart/form-data; boundary=B",
	 "--B\r\nContent-Disposition: form-data; filename=\"\"; name=\"f\"\r\n\r\n\r\r\n\r\n-\r\n--B--",
	 "(f@||\r\r\n\r\n-)", true},
	{"multipart/form-data; boundary=B", "--B--", "", true},
	{"multipart/form-data; boundary=B", "", "", false},
};

static void test_forms(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
		for (size_t k = 0; k < ARRAY_SIZE(feed_sizes); k++) {
			struct multipart m;
			size_t n = strlen(forms[i].bytes), piece = feed_sizes[k];

			*out = '\0';
			assert_true(
				multipart_init(&m, &sink, forms[i].type, strlen(forms[i].type)));
			for (size_t at = 0, len; at < n; at += len) {
				struct guarded g;

				len = piece && piece < n - at ? piece : n - at;
				g = guarded_copy(forms[i].bytes + at, len);
				multipart_data(&m, g.p, len);
				guarded_free(&g);
			}
			assert_int_equal(multipart_end(&m), forms[i].whole);
			assert_string_equal(out, forms[i].want);
		}
}

static void test_no_forms(void **state)
{
	static const char *const types[] = {
		"",
		"application/json",
		"multipart/form-data",
		"multipart/form-data; boundary=",
		"multipart/mixed; boundary=B",
		"multipart/form-data; boundary="
		"12345678901234567890123456789012345678901234567890123456789012345678901",
	};
	struct multipart m;

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		assert_false(multipart_init(&m, &sink, types[i], strlen(types[i])));
}

static void test_gap(void **state)
{
	static const char type[] = "multipart/form-data; boundary=B";
	static const char
		a[] = "--B\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\nabc",
		b[] = "def\r\n--B\r\nContent-Disposition: form-data; name=\"y\"\r\n\r\n1\r\n--B--";
	struct multipart m;

	*out = '\0';
	assert_true(multipart_init(&m, &sink, type, strlen(type)));
	multipart_data(&m, (const uint8_t *)a, strlen(a));
	multipart_gap(&m);
	multipart_data(&m, (const uint8_t *)b, strlen(b));
	assert_true(multipart_end(&m));
	assert_string_equal(out, "(x||abc~(y||1)");
}

/* --- uploads --------------------------------------------------------------------------------- */

#define FORM                                                                                           \
	"--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"C:\\\\dir\\\\talk.mp3\"\r\n" \
	"Content-Type: audio/mpeg\r\n\r\nNOT-TO-BE-KEPT\r\n"                                           \
	"--B\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n"                   \
	"--B\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\nname is Jane\r\n"               \
	"--B\r\nContent-Disposition: form-data; name=\"stream\"\r\n\r\ntrue\r\n--B--\r\n"

static struct rig *uploaded(const char *host, const char *path, const char *form, size_t piece)
{
	static const char answer[] =
		"{\"text\":\"hi\",\"usage\":{\"type\":\"tokens\",\"input_tokens\":14,\"output_tokens\":4}}";
	struct rig *r = rig_new(false);
	char text[2048];
	int n = snprintf(
		text, sizeof(text),
		"POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: multipart/form-data; boundary=B\r\n"
		"Content-Length: %zu\r\n\r\n%s",
		path, host, strlen(form), form);

	rig_feed(r, FLOW_REQUEST, text, (size_t)n, piece);
	n = snprintf(
		text, sizeof(text),
		"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
		strlen(answer), answer);
	rig_feed(r, FLOW_RESPONSE, text, (size_t)n, piece);
	return r;
}

static void check_upload(const struct rig *r)
{
	const struct interaction *it = &r->done[0];

	assert_int_equal(r->dones, 1);
	assert_string_equal(it->incomplete_reason, "");
	assert_int_equal(it->dialect, DIALECT_OPENAI_AUDIO);
	assert_false(it->dialect_by_path);
	assert_string_equal(it->request_model, "whisper-1");
	assert_true(it->stream_requested);
	assert_int_equal(it->tokens.input, 14);
	assert_int_equal(it->tokens.output, 4);
	assert_int_equal(it->uploads_count, 1);
	assert_string_equal(it->uploads[0].name, "talk.mp3");
	assert_string_equal(it->uploads[0].type, "audio/mpeg");
	assert_int_equal(it->uploads[0].size, strlen("NOT-TO-BE-KEPT"));
	assert_int_equal(it->request_body, strlen(FORM));
	assert_null(strstr(r->text[0], "KEPT"));
	assert_non_null(strstr(r->text[0], "Jane"));
}

static void test_upload(void **state)
{
	static const char *const hosts[] = {"ai.example", "maybe.example"};

	for (size_t h = 0; h < ARRAY_SIZE(hosts); h++)
		for (size_t k = 0; k < ARRAY_SIZE(feed_sizes); k++) {
			struct rig *r =
				uploaded(hosts[h], "/v1/audio/transcriptions", FORM, feed_sizes[k]);

			check_upload(r);
			rig_free(r);
		}
}

static void test_upload_elsewhere(void **state)
{
	struct rig *r = uploaded("maybe.example", "/photos", FORM, 0);

	assert_string_equal(r->log, "H:maybe.example/photos X:/photos ");
	assert_int_equal(r->state, FLOW_QUIET);
	rig_free(r);
	r = uploaded("ai.example", "/v1/files", FORM,
		     0); /* no dialect, and still a file that leaves */
	assert_int_equal(r->done[0].dialect, DIALECT_NONE);
	assert_int_equal(r->done[0].uploads_count, 1);
	rig_free(r);
	r = uploaded("ai.example", "/v1/images/edits", "--B\r\n\r\ncut", 0);
	assert_string_equal(r->done[0].incomplete_reason, "form ends before its last border");
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_no_forms),
		cmocka_unit_test(test_gap),
		cmocka_unit_test(test_upload),
		cmocka_unit_test(test_upload_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
