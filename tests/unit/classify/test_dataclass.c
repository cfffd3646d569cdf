/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every text of the tables is scanned whole, cut in two at every byte, and byte by byte, bare and
 * between other text: the counts must be the same each time. Secrets here are made up or are the
 * issuers' own documentation examples; they are joined from parts so that no scanner of source
 * code takes them for real.
 */
#include <setjmp.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "classify/dataclass.h"

#define A10 "aB3dE6gH9k"
#define A40 A10 A10 A10 A10

struct row {
	const char *text;
	const char *found; /* "class=count class=count", in the order of classes */
};

static const struct row values[] = {
	{"Write to jane.doe@example.com today.", "email=1"},
	{"a+b@x.co.uk, <b@y.org>; {\"to\":\"c@z.de\"}", "email=3"},
	{"line\\njane@example.com\\nend", "email=1"},
	{"jane@example.com,jane@example.com", "email=2"},
	{"mail me at jane@example.com.", "email=1"},

	{"Call +49 30 1234567 or +14155552671", "phone=2"},
	{"+33 1 23 45 67 89", "phone=1"},
	{"+44 (0)20 7946 0958", "phone=1"},
	{"(415) 555-2671, 415-555-2671 and 1-415-555-2671", "phone=3"},
	{"Tel.: 030 / 1234567", "phone=1"},
	{"{\"phone_number\":\"0301234567\"}", "phone=1"},
	{"Mobil 0171-1234567", "phone=1"},
	{"06 12 34 56 78 ou 06.12.34.56.78", "phone=2"},

	{"4111 1111 1111 1111", "pan=1"},
	{"card 4111111111111111, exp 12/27, cvv 123", "pan=1"},
	{"4111-1111-1111-1111", "pan=1"},
	{"3782 822463 10005", "pan=1"},
	{"amex 378282246310005 diners 30569309025904", "pan=2"},
	{"{\"number\":5555555555554444}", "pan=1"},
	{"4111 1111 1111 1111 12/27 737", "pan=1"},
	{"4111111111111111\\n5555555555554444\\n", "pan=2"},

	{"IBAN DE89 3704 0044 0532 0130 00.", "iban=1"},
	{"DE89370400440532013000", "iban=1"},
	{"GB29 NWBK 6016 1331 9268 19 and NO9386011117947", "iban=2"},
	{"FR1420041010050500013M02606", "iban=1"},

	{"SSN: 536-22-8726", "us_ssn=1"},
	{"ssn 536228726", "us_ssn=1"},
	{"{\"userSsn\": \"536 22 8726\"}", "us_ssn=1"},

	{"Steuer-ID 86 095 742 719", "de_national_id=1"},
	{"Steuer-ID: 86095742719", "de_national_id=1"},
	{"2 55 08 14 168 025 38", "fr_national_id=1"},
	{"NIR 255081416802538", "fr_national_id=1"},
	{"1 73 03 2A 004 002 54", "fr_national_id=1"},
	{"DNI 12345678Z, NIE X1234567L, 12345678-Z", "es_national_id=3"},
	{"RSSMRA85T10A562S", "it_national_id=1"},
	{"BSN 111222333", "nl_national_id=1"},
	{"85.07.30-033.28", "be_national_id=1"},
	{"PESEL: 44051401359", "pl_national_id=1"},
	{"NIF 501442600", "pt_national_id=1"},
	{"640823-3234 and 19640823-3234", "se_national_id=2"},
	{"131052-308T", "fi_national_id=1"},
	{"fnr 15076500565", "no_national_id=1"},
	{"756.9217.0769.85", "ch_national_id=1"},
	{"AHV 7569217076985", "ch_national_id=1"},
	{"SVNR 1237 010180", "at_national_id=1"},
	{"NHS number 943 476 5919", "gb_national_id=1"},
	{"529.982.247-25", "br_national_id=1"},
	{"CPF 52998224725", "br_national_id=1"},
	{"11.222.333/0001-81", "br_cnpj=1"},
	{"2341 2341 2346", "in_national_id=1"},
	{"Aadhaar 234123412346", "in_national_id=1"},
	{"11010519491231002X", "cn_national_id=1"},
	{"900101-1234568", "kr_national_id=1"},
	{"TCKN 10000000146", "tr_national_id=1"},
	{"TFN 123 456 782", "au_national_id=1"},
	{"SIN: 130 692 544", "ca_national_id=1"},

	{"-----BEGIN RSA "
	 "PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7\n",
	 "private_key=1"},
	{"\"-----BEGIN "
	 "PRIVATE KEY-----\\nMIIEvQIBADANBgkqhkiG\\n\"",
	 "private_key=1"},
	{"-----BEGIN OPENSSH "
	 "PRIVATE KEY-----\r\nb3BlbnNzaC1rZXktdjE\r\n",
	 "private_key=1"},
	{"-----BEGIN PGP "
	 "PRIVATE KEY BLOCK-----\n\nlQOYBF0aB3dE6gH9k\n",
	 "private_key=1"},
	{"-----BEGIN EC "
	 "PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n",
	 "private_key=1"},
	{"key=AKIA"
	 "IOSFODNN7EXAMPLE",
	 "aws_access_key=1"},
	{"aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/"
	 "bPxRfiCYEXAMPLEKEY",
	 "aws_secret_key=1"},
	{"{\\\"SecretAccessKey\\\":\\\"wJalrXUtnFEMI/K7MDENG/"
	 "bPxRfiCYEXAMPLEKEY\\\"}",
	 "aws_secret_key=1"},
	{"AIza"
	 "SyA1234567890abcdefghijklmnopqrstuv",
	 "gcp_api_key=1"},
	{"\"private_key_id\": \"0123456789abcdef0123456789abcdef"
	 "01234567\"",
	 "gcp_service_account=1"},
	{"AccountName=x;AccountKey=" A40 A40 "abcdef==;", "azure_storage_key=1"},
	{"OPENAI_API_KEY=sk-"
	 "proj-" A40 A40 A40,
	 "openai_api_key=1"},
	{"sk-" A10 A10 "T3Blbk"
	 "FJ" A10 A10,
	 "openai_api_key=1"},
	{"sk-"
	 "ant-api03-" A40 A40 "-AA",
	 "anthropic_api_key=1"},
	{"gh"
	 "p_" A10 A10 A10 "abcdef",
	 "github_token=1"},
	{"github_"
	 "pat_" A10 A10 "ab_" A40 A10 "abcdefghi",
	 "github_token=1"},
	{"glp"
	 "at-" A10 A10,
	 "gitlab_token=1"},
	{"xo"
	 "xb-123456789012-1234567890123-" A10 A10 "abcd",
	 "slack_token=1"},
	{"sk_"
	 "live_" A10 A10 "abcd",
	 "stripe_key=1"},
	{"hf"
	 "_" A10 A10 A10 "abcd",
	 "huggingface_token=1"},
	{"npm"
	 "_" A10 A10 A10 "abcdef",
	 "npm_token=1"},
	{"GOC"
	 "SPX-" A10 A10 "abcdefgh",
	 "google_oauth=1"},
	{"Authorization: Bearer eyJhbGciOiJIUzI1NiJ9"
	 ".eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc",
	 "jwt=1"},
};

/* One occurrence is one value, and the one of its kind. */
static const struct row overlaps[] = {
	/* The account part of this IBAN passes as a card and, in pieces, as phone numbers. */
	{"GB33BUKB20201555555555", "iban=1"},
	{"Tel 030 1234567 IBAN DE02120300000000202051", "phone=1 iban=1"},
	{"phone: 415-555-2671", "phone=1"},
	{"CPF 529.982.247-25", "br_national_id=1"},
	{"PESEL 44051401359 tel. +48 22 123 45 67", "phone=1 pl_national_id=1"},
	{"card 4111 1111 1111 1111 phone +14155552671", "phone=1 pan=1"},
	{"fax: +49 30 1234567", "phone=1"},
	/* Its first sixteen digits are a valid card as well, and are known first. */
	{"6212 3456 7890 1232 118", "pan=1"},
};

static const char *const nothing[] = {
	"550e8400-e29b-41d4-a716-446655440000",
	"41111111-1111-1111-1111-111111111111",
	"2026-11-21T08:52:00.123456789Z",
	"{\"created\":1763715120,\"created_ms\":1763715120123,\"ns\":1763715120123456789}",
	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	"sha1 4111111111111111aabbccddeeff001122334455",
	"UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=",
	"v1.2.3.4 10.0.0.1 192.168.178.254:8443 1.23456789012345",
	"{\"tokens\":[464,1917,318,257,1332,50256,11,4111]}",
	"{\"id\":\"chatcmpl-9nKZ41111111111111112\",\"n\":123456789}",
	"user@localhost root@host git@github.com:org/repo.git lodash@4.17.21 @types/node",
	"icon@2x.png pkg@2.0.0-rc.beta",
	"price 4.111.111.111,00 and 4,111,111,111.00",
	"order 4111 1111 1111 1112",
	"/var/log/4111111111111111/x https://h/536-22-8726x",
	"0.4111111111111111 1e4111111111111111",
	"000-12-3456 666-12-3456 900-12-3456 123-45-67890",
	"123456789 987654321 111222333 12345678901 9434765919 130692544",
	"in business 111222333, using 130692544, hotel 0301234567",
	"943 476 5919",
	"1 234 567 890 and 130 692 544",
	"DE00 3704 0044 0532 0130 00, DEADBEEF, AB12CDEF",
	"+0 123 456, +1 123 456 7890, a+4930123456, @@ -1,5 +10,8 @@, 2026-01-01T00:00:00+0100",
	"123-456-7890 (123) 456-7890",
	"the header is -----BEGIN PRIVATE "
	"KEY----- and so on",
	"\"-----BEGIN PUBLIC KEY-----\\nMIIBIjANBgkqhkiG9w0B\"",
	"-----BEGIN CERTIFICATE-----\nMIIEpAIBAAKCAQEA7aaa\n",
	"AKIA"
	"IOSFODNN7EXAMPL AKIAIOSFODNN7EXAMPLEX xAKIAIOSFODNN7EXAMPLE",
	"secret_access_key: ${AWS_SECRET_ACCESS_KEY} aws_secret_key=/usr/share/keys",
	"sk-proj-short sk-ant-api03-short ghp_short hf_short risk-"
	"proj-" A40,
	"task-"
	"ant-api03-" A40,
	"eyJhbGciOiJIUzI1NiJ9 eyJhbGci.eyJzdWIi",
	"RSSMRA85T10A562T",
	"131052-308U 85.07.30-033.29 529.982.247-26 756.9217.0769.84",
	"20231301-1234 230101-1235",
	"",
	"4",
	"@",
};

static struct dataclass_db *db;

static int setup(void **state)
{
	char err[256] = "";

	db = dataclass_db_new(err, sizeof(err));
	if (!db)
		print_error("%s\n", err);
	return !db;
}

static int teardown(void **state)
{
	dataclass_db_free(db);
	return 0;
}

static void describe(const struct dataclass_scan *s, char *out, size_t cap)
{
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < dataclass_count(); i++) {
		if (s->count[i])
			n += snprintf(out + n, cap - n, "%s%s=%u", n ? " " : "", dataclass_id(i),
				      s->count[i]);
	}
}

/* In pieces of the given sizes, repeated; each in memory of its own, so that reading past one is
 * an error. */
static void scan_in(const char *text, size_t n, const size_t *sizes, size_t sizes_n,
		    struct dataclass_scan *s)
{
	size_t at = 0;

	dataclass_begin(s);
	for (size_t i = 0; at < n; i++) {
		size_t k = sizes[i < sizes_n ? i : sizes_n - 1];
		uint8_t *piece;

		k = k < n - at ? k : n - at;
		piece = malloc(k ? k : 1);
		assert_non_null(piece);
		memcpy(piece, text + at, k);
		dataclass_feed(db, s, piece, k);
		free(piece);
		at += k;
	}
	dataclass_end(db, s);
	assert_int_equal(s->errors, 0);
	assert_int_equal(s->bytes, n);
}

static void expect(const char *text, size_t n, const size_t *sizes, size_t sizes_n,
		   const char *found)
{
	struct dataclass_scan s;
	char got[512];

	scan_in(text, n, sizes, sizes_n, &s);
	describe(&s, got, sizeof(got));
	if (strcmp(got, found))
		fail_msg("\"%s\" (first cut %zu): [%s], want [%s]", text, sizes[0], got, found);
	for (size_t i = 0; i < sizeof(s.seam); i++)
		assert_int_equal(s.seam[i], 0);
}

static void every_cut(const char *text, const char *found)
{
	size_t n = strlen(text);

	for (size_t cut = 0; cut <= n; cut++)
		expect(text, n, (size_t[]){cut, n + 1}, 2, found);
	expect(text, n, (size_t[]){1}, 1, found);
	expect(text, n, (size_t[]){3}, 1, found);
}

static void padded(const char *text, const char *found)
{
	char *long_text = malloc(4096);
	size_t n = 0;

	assert_non_null(long_text);
	for (int i = 0; i < 40; i++)
		n += sprintf(long_text + n, "lorem ipsum, ");
	n += sprintf(long_text + n, "%s", text);
	for (int i = 0; i < 40; i++)
		n += sprintf(long_text + n, ", dolor sit");
	for (size_t cut = 250; cut <= n - 100; cut += 7)
		expect(long_text, n, (size_t[]){cut, n}, 2, found);
	expect(long_text, n, (size_t[]){64}, 1, found);
	expect(long_text, n, (size_t[]){257}, 1, found);
	free(long_text);
}

static void values_are_found(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		every_cut(values[i].text, values[i].found);
		padded(values[i].text, values[i].found);
	}
}

static void overlaps_count_once(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(overlaps); i++) {
		every_cut(overlaps[i].text, overlaps[i].found);
		padded(overlaps[i].text, overlaps[i].found);
	}
}

static void nothing_is_found(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(nothing); i++)
		every_cut(nothing[i], "");
}

/* Each class has a row above. */
static void every_class_is_tried(void **state)
{
	for (size_t c = 0; c < dataclass_count(); c++) {
		bool tried = false;

		for (size_t i = 0; i < ARRAY_SIZE(values) && !tried; i++) {
			const char *p = strstr(values[i].found, dataclass_id(c));

			tried = p && p[strlen(dataclass_id(c))] == '=';
		}
		if (!tried)
			fail_msg("no value of class %s", dataclass_id(c));
	}
}

/* All values behind one another, in pieces of all kinds of sizes. */
static void one_long_text(void **state)
{
	static const size_t sizes[][3] = {{1, 1, 1},	 {2, 3, 5},    {7, 255, 11},
					  {256, 257, 1}, {4096, 9, 9}, {55, 56, 57}};
	struct dataclass_scan want, got;
	char *text = malloc(1 << 18);
	size_t n = 0;

	assert_non_null(text);
	for (size_t round = 0; round < 4; round++) {
		for (size_t i = 0; i < ARRAY_SIZE(values); i++)
			n += sprintf(text + n, "%s%.*s", values[i].text, (int)(1 + (i + round) % 3),
				     "\n, ");
	}
	scan_in(text, n, (size_t[]){n}, 1, &want);
	assert_true(want.count[0] >= 4 * 8);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		scan_in(text, n, sizes[i], 3, &got);
		assert_memory_equal(got.count, want.count, sizeof(want.count));
	}
	free(text);
}

/* Any bytes, cut anywhere, give the same counts: the rule itself, without expectations. */
static void random_text(void **state)
{
	static const char alphabet[] = "0123456789012345678901234567890123456789 -.+/()@:=\"\\nAX"
				       "eyJ.DE89AKIAsk-abc";
	uint64_t seed = 88172645463325252u;
	struct dataclass_scan want, got;
	char text[3000];

	for (int round = 0; round < 60; round++) {
		for (size_t i = 0; i < sizeof(text); i++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			text[i] = alphabet[seed % (sizeof(alphabet) - 1)];
		}
		scan_in(text, sizeof(text), (size_t[]){sizeof(text)}, 1, &want);
		for (size_t cut = 1; cut < 3000; cut += 61) {
			scan_in(text, sizeof(text), (size_t[]){cut, 41 + cut % 300}, 2, &got);
			assert_memory_equal(got.count, want.count, sizeof(want.count));
		}
	}
}

static void ids(void **state)
{
	assert_true(dataclass_count() <= DATACLASS_MAX);
	for (size_t i = 0; i < dataclass_count(); i++)
		assert_int_equal(dataclass_by_id(dataclass_id(i)), i);
	assert_int_equal(dataclass_by_id("no_such_class"), -1);
	assert_string_equal(dataclass_id(DATACLASS_MAX), "");
	assert_int_equal(dataclass_kind(dataclass_by_id("email")), DATACLASS_PERSONAL);
	assert_int_equal(dataclass_kind(dataclass_by_id("pan")), DATACLASS_FINANCIAL);
	assert_int_equal(dataclass_kind(dataclass_by_id("github_token")), DATACLASS_CREDENTIAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_found),
		cmocka_unit_test(overlaps_count_once),
		cmocka_unit_test(nothing_is_found),
		cmocka_unit_test(every_class_is_tried),
		cmocka_unit_test(one_long_text),
		cmocka_unit_test(random_text),
		cmocka_unit_test(ids),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
