// SPDX-License-Identifier: Apache-2.0
/*
 * A sealed record as JSON, line, page and certificate; and that nothing in it reaches a terminal raw.
 *
 * Long because it is mostly rows: cases that share one rig stay in one file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <openssl/evp.h>

#include "fixture.h"
#include "record/printable.h"

static struct fixture fix;
static struct sealed_bytes b;

static int setup(void **state)
{
	fixture_open(&fix);
	return 0;
}
static int teardown(void **state)
{
	fixture_close(&fix);
	return 0;
}

static void open_call(const struct call_spec *c, struct sealed *ret)
{
	const char *why;

	fixture_call(&fix, c, &b);
	assert_int_equal(sealed_open(b.record, b.n, b.sig, ret, &why), 0);
	assert_non_null(ret->call);
}

static void test_printable(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{"plain", "plain"},
		{"a\033[2Jb\r\n\tc", "a?[2Jb???c"},
		{"\177", "?"},
		{"\xC2\x9B\x33m", "?3m"}, /* C1 CSI */
		{"\xE2\x80\xAE"
		 "exe.txt",
		 "?exe.txt"},		   /* right-to-left override */
		{"\xE2\x80\x8B", "?"},	   /* zero width */
		{"\xF3\xA0\x81\x81", "?"}, /* tag characters */
		{"\xC3\xA9\xE4\xB8\xAD\xF0\x9F\x98\x80", "\xC3\xA9\xE4\xB8\xAD\xF0\x9F\x98\x80"},
		{"\xFF\xC3", "\xEF\xBF\xBD\xEF\xBF\xBD"},		  /* broken, cut */
		{"\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD"},		  /* over-long */
		{"\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"}, /* surrogate */
		{"\xF4\x90\x80\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
		{"", ""},
	};
	char d[64];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *dup = printable_dup(rows[i].in);

		assert_int_equal(printable_copy(d, sizeof(d), rows[i].in), strlen(rows[i].out));
		assert_string_equal(d, rows[i].out);
		assert_string_equal(dup, rows[i].out);
	}
	/* Cut between characters, whatever the room; never past it. */
	for (size_t cap = 1; cap < 8; cap++) {
		memset(d, 'x', sizeof(d));
		printable_copy(d, cap, "\xC3\xA9\xE4\xB8\xAD");
		assert_string_equal(d, cap < 3	 ? ""
				       : cap < 6 ? "\xC3\xA9"
						 : "\xC3\xA9\xE4\xB8\xAD");
		assert_int_equal(d[cap], 'x');
	}
	assert_int_equal(printable_copy(d, sizeof(d), NULL), 0);
}

static void test_line(void **state)
{
	static const struct {
		const struct call_spec *call;
		const char *want;
	} rows[] = {
		{&fixture_plain,
		 " alice claude_code -> anthropic chat claude-sonnet-4 in 1234 out 56 "
		 "allow; complete"},
		{&fixture_alert, " bob curl -> openai chat gpt-4o in 12 out 3400 [email 2] alert: "
				 "rule-hit; complete"},
		{&fixture_shadow, " carol python3.11 -> unknown at llm.internal chat qwen3 alert: "
				  "rule-hit; truncated"},
		{&fixture_killed,
		 " dave cursor -> deepseek chat deepseek-chat in 0 [iban 1] killed: "
		 "rule-hit; complete"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_sealed_ struct sealed s = {0};
		_cleanup_free_ char *line = NULL;
		char want[256];

		open_call(rows[i].call, &s);
		line = render_line(&s);
		snprintf(want, sizeof(want), "#%llu%s", (unsigned long long)s.head.seq,
			 rows[i].want);
		assert_string_equal(line, want);
	}
}

struct wire_row {
	const char *http, *wire, *tls, *alpn;
	uint32_t turn;
	int grpc; /* -1: none */
	bool sizes;
	const char *want[4];
};

static void wire_page(const struct wire_row *r)
{
	Probity__V1__AiCall c = PROBITY__V1__AI_CALL__INIT;
	_cleanup_sealed_ struct sealed s = {0};
	_cleanup_free_ char *page = NULL;
	uint8_t payload[1024];
	const char *why;

	c.http_version = (char *)r->http;
	c.wire = (char *)r->wire;
	c.tls_version = (char *)r->tls;
	c.alpn = (char *)r->alpn;
	c.turn = r->turn;
	if (r->grpc >= 0) {
		c.has_grpc_status_case = PROBITY__V1__AI_CALL__HAS_GRPC_STATUS_GRPC_STATUS;
		c.grpc_status = r->grpc;
	}
	if (r->sizes)
		c.has_request_wire_bytes_case =
			PROBITY__V1__AI_CALL__HAS_REQUEST_WIRE_BYTES_REQUEST_WIRE_BYTES;
	fixture_seal(&fix, RECORD_AI_CALL, payload, probity__v1__ai_call__pack(&c, payload), &b);
	assert_int_equal(sealed_open(b.record, b.n, b.sig, &s, &why), 0);
	page = render_detail(&s);
	for (unsigned i = 0; i < ARRAY_SIZE(r->want) && r->want[i]; i++)
		if (!strstr(page, r->want[i]))
			fail_msg("no \"%s\" in\n%s", r->want[i], page);
}

/* How the call was carried; and of a call nobody saw, that nothing of it was seen. */
static void test_wire(void **state)
{
	static const struct wire_row rows[] = {
		{"1.1",
		 "http",
		 "1.3",
		 "h2,http/1.1",
		 0,
		 -1,
		 true,
		 {"wire               http over HTTP/1.1\n",
		  "TLS                1.3, offers h2,http/1.1\n", "none found"}},
		{"1.1",
		 "websocket",
		 "1.2",
		 "",
		 7,
		 -1,
		 true,
		 {"websocket over HTTP/1.1, turn 7\n", "TLS                1.2\n"}},
		{"2",
		 "grpc",
		 "1.3",
		 "h2",
		 0,
		 14,
		 true,
		 {"grpc over HTTP/2\n", "gRPC status        14\n"}},
		{"2", "grpc", "1.3", "h2", 0, 0, true, {"gRPC status        0\n"}},
		{"",
		 "",
		 "",
		 "h2",
		 0,
		 -1,
		 false,
		 {"version not seen, offers h2\n", "bytes              not seen\n",
		  "Data classes\n  not seen\n"}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		wire_page(&rows[i]);
}

static void test_verdict(void **state)
{
	static const struct {
		const char *disposition, *effect, *want;
	} rows[] = {
		{"allow", "none", "allow"},
		{"alert", "none", "alert"},
		{"kill", "would_kill", "would kill"},
		{"kill", "killed", "killed"},
		{"kill", "kill_failed", "kill failed"},
		{NULL, NULL, ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_sealed_ struct sealed s = {0};
		struct call_spec c = fixture_plain;

		c.disposition = rows[i].disposition;
		c.effect = rows[i].effect;
		open_call(&c, &s);
		assert_string_equal(render_verdict(s.call), rows[i].want);
	}
}

static const char *text_at(const json_t *o, const char *a, const char *k)
{
	const char *s = json_string_value(json_object_get(a ? json_object_get(o, a) : o, k));

	return s ?: "(absent)";
}

static void test_json_call(void **state)
{
	_cleanup_sealed_ struct sealed s = {0};
	json_t *o, *u;
	uint8_t sig[72];

	open_call(&fixture_shadow, &s);
	o = render_json(&s);
	assert_int_equal(json_integer_value(json_object_get(o, "seq")), s.head.seq);
	assert_string_equal(text_at(o, NULL, "kind"), "ai_call");
	assert_string_equal(text_at(o, "process", "user"), "carol");
	assert_string_equal(text_at(o, "service", "id"), "unknown");
	assert_string_equal(text_at(o, "tool", "id"), "(absent)"); /* empty = unknown = left out */
	assert_string_equal(text_at(o, NULL, "connection_id"), "18446744073709551615");
	assert_true(json_is_false(json_object_get(json_object_get(o, "service"), "known")));
	u = json_object_get(o, "usage");
	assert_true(json_is_object(u));
	assert_null(json_object_get(u, "input_tokens")); /* not seen is not 0 */
	assert_true(json_is_array(json_object_get(o, "data_classes")));
	assert_int_equal(json_array_size(json_object_get(json_object_get(o, "decision"), "rules")),
			 2);
	assert_int_equal(EVP_DecodeBlock(sig, (uint8_t *)text_at(o, "record", "signature"), 88),
			 66);
	assert_memory_equal(sig, b.sig, RECORD_SIG_LEN);
	json_decref(o);
	sealed_done(&s);

	open_call(&fixture_killed, &s); /* 0 tokens are 0 */
	o = render_json(&s);
	u = json_object_get(o, "usage");
	assert_true(json_is_integer(json_object_get(u, "input_tokens")));
	assert_int_equal(json_integer_value(json_object_get(u, "input_tokens")), 0);
	assert_null(json_object_get(u, "output_tokens"));
	json_decref(o);
}

static void test_json_control(void **state)
{
	_cleanup_sealed_ struct sealed s = {0};
	_cleanup_free_ char *line = NULL;
	const char *why;
	json_t *o;

	fixture_loss(&fix, &b);
	assert_int_equal(sealed_open(b.record, b.n, b.sig, &s, &why), 0);
	o = render_json(&s);
	assert_string_equal(text_at(o, NULL, "kind"), "control");
	assert_string_equal(text_at(o, NULL, "control"), "loss");
	assert_string_equal(text_at(o, NULL, "cause"), "ring_full");
	assert_int_equal(json_integer_value(json_object_get(o, "count")), 7);
	json_decref(o);
	line = render_line(&s);
	assert_non_null(strstr(line, " loss 7 chunks for ring_full: the ring was full"));
}

/* A payload that is no message, and a schema of a later version, are still shown as records. */
static void test_unreadable_payload(void **state)
{
	static const struct {
		uint32_t schema;
		const char *kind;
	} rows[] = {{RECORD_AI_CALL, "ai_call"}, {RECORD_CONTROL, "control"}, {7, "unknown"}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_sealed_ struct sealed s = {0};
		_cleanup_free_ char *line = NULL, *page = NULL;
		const char *why;
		json_t *o;

		fixture_seal(&fix, rows[i].schema, (const uint8_t *)"\xFF\xFF\xFF", 3, &b);
		assert_int_equal(sealed_open(b.record, b.n, b.sig, &s, &why), 0);
		assert_true(!s.call && !s.control);
		o = render_json(&s);
		assert_string_equal(text_at(o, NULL, "kind"), rows[i].kind);
		assert_string_equal(text_at(o, NULL, "payload_error"), "not readable");
		assert_string_not_equal(text_at(o, "record", "leaf"), "(absent)");
		json_decref(o);
		line = render_line(&s);
		page = render_detail(&s);
		assert_non_null(strstr(line, "payload not readable"));
		assert_non_null(strstr(page, "not readable by this version"));
		o = render_certificate(&s, signer_public(fix.signer));
		assert_true(json_is_null(json_object_get(o, "payload")));
		assert_true(json_is_false(json_object_get(o, "erased")));
		json_decref(o);
	}
}

static void test_broken_record(void **state)
{
	struct sealed s = {0};
	const char *why = NULL;

	fixture_call(&fix, &fixture_plain, &b);
	b.record[b.n - 1] ^= 1;
	assert_int_equal(sealed_open(b.record, b.n, b.sig, &s, &why), -EBADMSG);
	assert_non_null(why);
	assert_null(s.call);
}

static bool is_safe(const char *s, bool lines)
{
	for (size_t n = strlen(s); n;) {
		uint32_t c;
		size_t k = utf8_next(s, n, &c);

		if (c == 0xFFFFFFFF || (unsafe_char(c) && !(lines && c == '\n')))
			return false;
		s += k;
		n -= k;
	}
	return true;
}

static void test_hostile_texts(void **state)
{
	static const char *const hostile[] = {
		"\033]0;owned\a",
		"a\nfake line",
		"\xC2\x9B"
		"2J",
		"\xFF\xFE",
		"\xE2\x80\xAE"
		"gnp.exe",
		"%s%n%s%n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
		const char *h = hostile[i];
		struct call_spec c = {h, h, h, "unknown", h, h, h, 1, 2, h, 3, "alert", h, h};
		_cleanup_sealed_ struct sealed s = {0};
		_cleanup_free_ char *line = NULL, *page = NULL, *classes = NULL, *json = NULL,
				    *shown = NULL;
		json_t *o, *cert;

		open_call(&c, &s);
		line = render_line(&s);
		page = render_detail(&s);
		classes = render_classes(s.call);
		assert_true(is_safe(line, false));
		assert_true(is_safe(classes, false));
		assert_true(is_safe(page, true));
		assert_null(strstr(page, "\nfake line"));
		o = render_json(&s);
		cert = render_certificate(&s, signer_public(fix.signer));
		assert_true(o && cert);
		json = json_dumps(o, JSON_COMPACT);
		shown = json_printable(json);
		assert_true(is_safe(shown, false));
		json_decref(o);
		json_decref(cert);
	}
}

/* Every byte of a payload wrong in several ways: always a record, never a crash. */
static void test_mutated_payloads(void **state)
{
	static uint8_t payload[RECORD_PAYLOAD_MAX];
	static const uint8_t flips[] = {0x01, 0x07, 0x80, 0xFF};
	struct sealed whole = {0};
	size_t n, readable = 0;

	open_call(&fixture_killed, &whole);
	n = whole.head.payload_len;
	memcpy(payload, whole.head.payload, n);
	sealed_done(&whole);
	for (size_t i = 0; i < n * ARRAY_SIZE(flips); i++) {
		_cleanup_sealed_ struct sealed s = {0};
		_cleanup_free_ char *line = NULL, *page = NULL, *json = NULL;
		const char *why;
		json_t *o;

		payload[i / 4] ^= flips[i % 4];
		fixture_seal(&fix, RECORD_AI_CALL, payload, n, &b);
		payload[i / 4] ^= flips[i % 4];
		assert_int_equal(sealed_open(b.record, b.n, b.sig, &s, &why), 0);
		line = render_line(&s);
		page = render_detail(&s);
		o = render_json(&s);
		json = json_dumps(o, JSON_COMPACT);
		assert_true(is_safe(line, false));
		assert_true(is_safe(page, true));
		assert_non_null(json);
		json_decref(o);
		json_decref(render_certificate(&s, signer_public(fix.signer)));
		readable += s.call != NULL;
	}
	assert_true(readable > n); /* most flips leave a message that is merely different */
}

static void test_detail(void **state)
{
	static const char *const parts[] = {
		"\nWho\n  user               bob (uid 1000)\n",
		"\n  AI tool            none recognised\n",
		"\n  input tokens       12\n  output tokens      3400\n",
		"\nData classes\n  email              2 in the request, 0 in the response\n",
		"\n  verdict            alert (monitor mode), risk 0.50\n",
		"\n  rules              fired   rule-hit (alert, high)\n",
		"\n                     unknown rule-miss (alert, low)\n",
		"\n  completeness       complete\n",
		"\n  evaluated at       2026-11-21T08:00:00.000000500Z\n",
	};
	_cleanup_sealed_ struct sealed s = {0};
	_cleanup_free_ char *page = NULL;

	open_call(&fixture_alert, &s);
	page = render_detail(&s);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (!strstr(page, parts[i]))
			fail_msg("not on the page: %s\n%s", parts[i], page);
}

/* What the certificate is for: checked with nothing but itself. */
static void test_certificate(void **state)
{
	_cleanup_sealed_ struct sealed s = {0};
	_cleanup_free_ char *one = NULL, *two = NULL;
	static uint8_t bytes[sizeof(b.record) + 3];
	uint8_t sig[72], pub[32], leaf[32];
	struct verifier *v = NULL;
	json_t *o, *again;
	const char *text;
	char id[48];
	size_t n;

	open_call(&fixture_killed, &s);
	o = render_certificate(&s, signer_public(fix.signer));
	again = render_certificate(&s, signer_public(fix.signer));
	one = json_dumps(o, JSON_COMPACT);
	two = json_dumps(again, JSON_COMPACT);
	assert_string_equal(one, two);

	text = text_at(o, NULL, "record");
	n = EVP_DecodeBlock(bytes, (const uint8_t *)text, strlen(text));
	n -= (text[strlen(text) - 1] == '=') + (text[strlen(text) - 2] == '=');
	assert_int_equal(n, b.n);
	assert_memory_equal(bytes, b.record, n);
	assert_int_equal(EVP_DecodeBlock(sig, (const uint8_t *)text_at(o, NULL, "signature"), 88),
			 66);
	for (int i = 0; i < 32; i++)
		assert_int_equal(sscanf(text_at(o, NULL, "public_key") + 2 * i, "%2hhx", &pub[i]),
				 1);
	assert_int_equal(verifier_new(pub, &v), 0);
	assert_true(verifier_ok(v, bytes, RECORD_HEADER_LEN, sig));
	bytes[100] ^= 1;
	assert_false(verifier_ok(v, bytes, RECORD_HEADER_LEN, sig));
	verifier_free(v);

	record_leaf(b.record, leaf);
	strcpy(id, "pcert-");
	for (int i = 0; i < 16; i++)
		sprintf(id + 6 + 2 * i, "%02x", leaf[i]);
	assert_string_equal(text_at(o, NULL, "certificate_id"), id);
	assert_string_equal(text_at(o, NULL, "policy_set"), "observe");
	assert_string_equal(text_at(o, NULL, "policy_version"), "1.0.0");
	assert_string_equal(text_at(o, NULL, "disposition"), "kill");
	assert_string_equal(text_at(o, NULL, "effect"), "killed");
	assert_string_equal(text_at(o, NULL, "evaluated_at"), "2026-11-21T08:00:00.000000500Z");
	assert_int_equal(json_array_size(json_object_get(o, "rules_evaluated")), 2);
	assert_int_equal(json_integer_value(
				 json_object_get(json_object_get(o, "issued_for"), "seq")),
			 s.head.seq);
	json_decref(o);
	json_decref(again);
}

static void test_no_decision(void **state)
{
	_cleanup_sealed_ struct sealed s = {0};
	struct call_spec c = fixture_plain;
	json_t *cert;

	c.disposition = NULL;
	open_call(&c, &s);
	cert = render_certificate(&s, signer_public(fix.signer));
	assert_null(json_object_get(cert, "disposition"));
	assert_string_equal(text_at(cert, NULL, "kind"), "ai_call");
	assert_true(json_is_object(json_object_get(cert, "payload")));
	json_decref(cert);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_printable),	 cmocka_unit_test(test_line),
		cmocka_unit_test(test_printable),	 cmocka_unit_test(test_wire),
		cmocka_unit_test(test_verdict),		 cmocka_unit_test(test_json_call),
		cmocka_unit_test(test_json_control),	 cmocka_unit_test(test_unreadable_payload),
		cmocka_unit_test(test_broken_record),	 cmocka_unit_test(test_hostile_texts),
		cmocka_unit_test(test_mutated_payloads), cmocka_unit_test(test_detail),
		cmocka_unit_test(test_certificate),	 cmocka_unit_test(test_no_decision),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
