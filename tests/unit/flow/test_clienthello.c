// SPDX-License-Identifier: Apache-2.0
/*
 * ClientHellos: one that OpenSSL writes, cut at every byte, split into records of every size, and
 * with every byte changed; and small ones made by hand with lengths that lie.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/reader.h"
#include "flow/clienthello.h"
#include "feed.h"

#define HOST "api.Example.com"

static uint8_t real[4096];
static size_t real_n;

/* What OpenSSL would send first. */
static int make_real(void **state)
{
	static const uint8_t alpn[] = "\x02h2\x08http/1.1";
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());

	SSL_set_tlsext_host_name(ssl, HOST);
	SSL_set_alpn_protos(ssl, alpn, sizeof(alpn) - 1);
	SSL_set_bio(ssl, in, out);
	SSL_set_connect_state(ssl);
	SSL_do_handshake(ssl);
	real_n = BIO_read(out, real, sizeof(real));
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	return real_n > 100 && real_n < sizeof(real) ? 0 : -1;
}

static enum clienthello_answer parse(const uint8_t *p, size_t n, struct clienthello *h)
{
	struct guarded g = guarded_copy(p, n);
	enum clienthello_answer a;

	memset(h, 0, sizeof(*h));
	a = clienthello_parse(g.p, n, h);
	guarded_free(&g);
	return a;
}

static void check_real(const struct clienthello *h)
{
	assert_string_equal(h->sni, "api.example.com");
	assert_true(h->sni_seen && h->alpn_seen && h->h2 && h->http1 && h->extensions_whole);
	assert_int_equal(h->version, 0x303);
	assert_string_equal(h->alpn, "h2,http/1.1");
	assert_false(h->alpn_cut || h->ech);
	assert_int_equal(clienthello_version(h), 0x304);
	assert_true(h->versions_n >= 2 && h->versions[0] == 0x304);
}

static void test_real(void **state)
{
	struct clienthello h;

	assert_int_equal(parse(real, real_n, &h), CLIENTHELLO_OK);
	check_real(&h);
	/* what follows the message does not matter */
	real[real_n] = 0x14;
	assert_int_equal(parse(real, real_n + 1, &h), CLIENTHELLO_OK);
	check_real(&h);
}

static void test_every_cut(void **state)
{
	bool sni_reached = false;

	for (size_t n = 0; n < real_n; n++) {
		struct clienthello h;

		assert_int_equal(parse(real, n, &h), CLIENTHELLO_MORE);
		assert_false(h.extensions_whole);
		assert_string_equal(h.sni, h.sni_seen ? "api.example.com" : "");
		/* what was reached stays reached */
		assert_true(h.sni_seen >= sni_reached);
		sni_reached = h.sni_seen;
	}
	assert_true(sni_reached);
}

/* The same message in records of at most `size` bytes. */
static size_t resplit(size_t size, uint8_t *out)
{
	size_t n = 0;

	for (size_t at = 5, len; at < real_n; at += len) {
		len = size < real_n - at ? size : real_n - at;
		out[n++] = 22;
		out[n++] = 3;
		out[n++] = 1;
		put_be(out + n, 2, len);
		memcpy(out + n + 2, real + at, len);
		n += 2 + len;
	}
	return n;
}

static void test_split_records(void **state)
{
	static uint8_t out[sizeof(real) * 6];

	for (size_t size = 1; size < real_n; size++) {
		struct clienthello h;
		size_t n = resplit(size, out);

		assert_int_equal(parse(out, n, &h), CLIENTHELLO_OK);
		check_real(&h);
		assert_int_equal(parse(out, n - 1, &h), CLIENTHELLO_MORE);
	}
}

/* No byte and no pair of bytes, whatever it is, leads outside the input. */
static void test_every_change(void **state)
{
	static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
	uint64_t seed = 7;

	for (size_t i = 0; i < real_n; i++) {
		for (size_t k = 0; k < ARRAY_SIZE(values); k++) {
			uint8_t *p = malloc(real_n);
			struct clienthello h = {0};
			enum clienthello_answer a;

			memcpy(p, real, real_n);
			p[i] = values[k];
			p[rnd(&seed) % real_n] = rnd(&seed);
			a = clienthello_parse(p, real_n, &h);
			assert_true(a == CLIENTHELLO_OK || a == CLIENTHELLO_MORE ||
				    a == CLIENTHELLO_BAD);
			assert_true(strlen(h.sni) < CLIENTHELLO_SNI_MAX);
			free(p);
		}
	}
}

/* --- by hand -------------------------------------------------------------------------------- */

#define EXT(type, body)                                        \
	{                                                      \
		type, body, sizeof(body) - 1, sizeof(body) - 1 \
	}
struct ext {
	uint16_t type;
	const char *body;
	size_t n, claimed; /* claimed: length that is written */
};

static size_t build(const struct ext *e, size_t count, int lie, uint8_t *out)
{
	uint8_t *p = out + 9, *len_at;

	memset(p, 0, 34);
	put_be(p, 2, 0x303);
	p += 34;
	*p++ = 0;				  /* session */
	memcpy(p, "\x00\x02\x13\x01\x01\x00", 6); /* suites, compression */
	p += 6;
	len_at = p;
	p += 2;
	for (size_t i = 0; i < count; i++) {
		put_be(p, 2, e[i].type);
		put_be(p + 2, 2, e[i].claimed);
		memcpy(p + 4, e[i].body, e[i].n);
		p += 4 + e[i].n;
	}
	put_be(len_at, 2, p - len_at - 2 + lie);
	out[0] = 22;
	put_be(out + 1, 2, 0x301);
	put_be(out + 3, 2, p - out - 5);
	out[5] = 1;
	put_be(out + 6, 3, p - out - 9);
	return p - out;
}

static void test_extensions(void **state)
{
	static const struct {
		struct ext e[2];
		size_t count;
		int lie;
		enum clienthello_answer want;
		const char *sni;
		bool h2, http1;
	} rows[] = {
		{{}, 0, 0, CLIENTHELLO_OK, "", 0, 0},
		{{EXT(0, "\0\5\0\0\2ab")}, 1, 0, CLIENTHELLO_OK, "ab", 0, 0},
		{{EXT(0, "\0\6\0\0\3ab.")}, 1, 0, CLIENTHELLO_OK, "ab", 0, 0},
		{{EXT(0, "\0\x0a\0\0\2ab\0\0\2cd")}, 1, 0, CLIENTHELLO_OK, "ab", 0, 0},
		{{EXT(0, "\0\x0a\1\0\2xy\0\0\2cd")}, 1, 0, CLIENTHELLO_OK, "cd", 0, 0},
		{{EXT(16, "\0\3\2h2")}, 1, 0, CLIENTHELLO_OK, "", 1, 0},
		{{EXT(16, "\0\x0d\3foo\x08http/1.1")}, 1, 0, CLIENTHELLO_OK, "", 0, 1},
		{{EXT(99, "anything"), EXT(0, "\0\5\0\0\2ab")}, 2, 0, CLIENTHELLO_OK, "ab", 0, 0},
		/* lengths that lie */
		{{EXT(0, "\0\6\0\0\2ab")}, 1, 0, CLIENTHELLO_BAD, "", 0, 0},
		{{EXT(0, "\0\4\0\0\2ab")}, 1, 0, CLIENTHELLO_BAD, "", 0, 0},
		{{EXT(0, "\0\5\0\0\3ab")}, 1, 0, CLIENTHELLO_BAD, "", 0, 0},
		{{EXT(0, "\0\5\0\xff\xff"
			 "ab")},
		 1,
		 0,
		 CLIENTHELLO_BAD,
		 "",
		 0,
		 0},
		{{EXT(0, "")}, 1, 0, CLIENTHELLO_BAD, "", 0, 0},
		{{EXT(0, "\0\3\0\0\0")}, 1, 0, CLIENTHELLO_BAD, "", 0, 0},
		{{EXT(16, "\0\3\3h2")}, 1, 0, CLIENTHELLO_BAD, "", 0, 0},
		{{EXT(16, "\0\1\0")}, 1, 0, CLIENTHELLO_BAD, "", 0, 0},
		{{{99, "abc", 3, 4}}, 1, 0, CLIENTHELLO_BAD, "", 0, 0},
		{{{99, "abc", 3, 65535}}, 1, 0, CLIENTHELLO_BAD, "", 0, 0},
		{{{99, "abc", 3, 1}}, 1, 0, CLIENTHELLO_BAD, "", 0, 0},
		{{EXT(99, "abc")}, 1, 1, CLIENTHELLO_BAD, "", 0, 0},
		{{EXT(99, "abc")}, 1, -1, CLIENTHELLO_BAD, "", 0, 0},
		/* names that are not text */
		{{EXT(0, "\0\5\0\0\2a\0")}, 1, 0, CLIENTHELLO_BAD, "", 0, 0},
		{{EXT(0, "\0\5\0\0\2a ")}, 1, 0, CLIENTHELLO_BAD, "", 0, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t buf[256];
		size_t n = build(rows[i].e, rows[i].count, rows[i].lie, buf);
		struct clienthello h;

		assert_int_equal(parse(buf, n, &h), rows[i].want);
		assert_string_equal(h.sni, rows[i].sni);
		assert_int_equal(h.h2, rows[i].h2);
		assert_int_equal(h.http1, rows[i].http1);
		assert_int_equal(h.extensions_whole, rows[i].want == CLIENTHELLO_OK);
	}
}

/* Lists: protocols, versions, and what means nothing. */
static void test_lists(void **state)
{
	static const struct {
		struct ext e[2];
		size_t count;
		enum clienthello_answer want;
		const char *alpn;
		bool cut, ech;
		uint16_t version; /* the highest */
		unsigned versions;
	} rows[] = {
		{{}, 0, CLIENTHELLO_OK, "", 0, 0, 0x303, 0},
		{{EXT(16, "\0\x0c\2h2\x08http/1.1")},
		 1,
		 CLIENTHELLO_OK,
		 "h2,http/1.1",
		 0,
		 0,
		 0x303,
		 0},
		/* GREASE is no protocol and no version */
		{{EXT(16, "\0\6\2\x0a\x0a\2h2")}, 1, CLIENTHELLO_OK, "h2", 0, 0, 0x303, 0},
		{{EXT(16, "\0\4\3a,b")}, 1, CLIENTHELLO_OK, "", 0, 0, 0x303, 0},
		{{EXT(43, "\6\x3a\x3a\3\4\3\3")}, 1, CLIENTHELLO_OK, "", 0, 0, 0x304, 2},
		{{EXT(43, "\2\3\3")}, 1, CLIENTHELLO_OK, "", 0, 0, 0x303, 1},
		{{EXT(43, "\2\xda\xda")}, 1, CLIENTHELLO_OK, "", 0, 0, 0x303, 0},
		/* more versions than there is room for */
		{{EXT(43, "\x0e\3\0\3\1\3\2\3\3\3\4\3\5\3\6")},
		 1,
		 CLIENTHELLO_OK,
		 "",
		 0,
		 0,
		 0x305,
		 6},
		{{EXT(0xfe0d, "outer"), EXT(0, "\0\5\0\0\2ab")},
		 2,
		 CLIENTHELLO_OK,
		 "",
		 0,
		 1,
		 0x303,
		 0},
		/* more protocols than there is room for: 63 bytes fit, one more does not */
		{{EXT(16, "\0\x40\x3e"
			  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\0")},
		 1,
		 CLIENTHELLO_BAD,
		 "",
		 0,
		 0,
		 0,
		 0},
		{{EXT(16, "\0\x42\x3f"
			  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\1b")},
		 1,
		 CLIENTHELLO_OK,
		 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		 1,
		 0,
		 0x303,
		 0},
		{{EXT(16, "\0\x43\x40"
			  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\1b")},
		 1,
		 CLIENTHELLO_OK,
		 "b",
		 1,
		 0,
		 0x303,
		 0},
		/* lengths that lie */
		{{EXT(43, "\3\3\4\3")}, 1, CLIENTHELLO_BAD, "", 0, 0, 0, 0},
		{{EXT(43, "\4\3\4")}, 1, CLIENTHELLO_BAD, "", 0, 0, 0, 0},
		{{EXT(43, "\2\3\4\3")}, 1, CLIENTHELLO_BAD, "", 0, 0, 0, 0},
		{{EXT(43, "")}, 1, CLIENTHELLO_BAD, "", 0, 0, 0, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t buf[256];
		size_t n = build(rows[i].e, rows[i].count, 0, buf);
		struct clienthello h;

		assert_int_equal(parse(buf, n, &h), rows[i].want);
		assert_string_equal(h.alpn, rows[i].alpn);
		assert_int_equal(h.alpn_cut, rows[i].cut);
		assert_int_equal(h.ech, rows[i].ech);
		assert_int_equal(clienthello_version(&h), rows[i].version);
		assert_int_equal(h.versions_n, rows[i].versions);
	}
}

static void test_long_name(void **state)
{
	char body[5 + 300] = {0};
	uint8_t buf[1024];
	struct clienthello h;

	memset(body + 5, 'a', 300);
	for (size_t len = 250; len <= 260; len++) {
		struct ext e = {0, body, 5 + len, 5 + len};

		put_be((uint8_t *)body, 2, 3 + len);
		put_be((uint8_t *)body + 3, 2, len);
		assert_int_equal(parse(buf, build(&e, 1, 0, buf), &h),
				 len < 256 ? CLIENTHELLO_OK : CLIENTHELLO_BAD);
		assert_int_equal(strlen(h.sni), len < 256 ? len : 0);
	}
}

static void test_not_tls(void **state)
{
	static const struct {
		const char *in;
		size_t n;
		enum clienthello_answer want;
	} rows[] = {
		{"", 0, CLIENTHELLO_MORE},
		{"\x16", 1, CLIENTHELLO_MORE},
		{"G", 1, CLIENTHELLO_BAD},
		{"\x16\x02", 2, CLIENTHELLO_BAD},
		{"GET / HTTP/1.1\r\n", 16, CLIENTHELLO_BAD},
		{"\x17\x03\x03\x00\x01\x01", 6, CLIENTHELLO_BAD},	      /* application data */
		{"\x16\x03\x01\x00\x00", 5, CLIENTHELLO_BAD},		      /* empty record */
		{"\x16\x03\x01\xff\xff", 5, CLIENTHELLO_BAD},		      /* too long */
		{"\x16\x03\x01\x00\x04\x02\x00\x00\x01", 9, CLIENTHELLO_BAD}, /* ServerHello */
		{"\x16\x03\x01\x00\x04\x01\xff\xff\xff", 9, CLIENTHELLO_BAD}, /* 16 MiB message */
		{"\x16\x03\x01\x00\x06\x01\x00\x00\x02\x03\x03", 11, CLIENTHELLO_BAD},
		{"\x16\x03\x01\x00\x06\x01\x00\x00\x40\x02\x00", 11,
		 CLIENTHELLO_BAD}, /* SSL 2 version */
		/* a record that ends and another that is none */
		{"\x16\x03\x01\x00\x01\x01\x15\x03\x01\x00\x02\x02\x28", 13, CLIENTHELLO_BAD},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct clienthello h;

		assert_int_equal(parse((const uint8_t *)rows[i].in, rows[i].n, &h), rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_real),	      cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_split_records), cmocka_unit_test(test_every_change),
		cmocka_unit_test(test_extensions),    cmocka_unit_test(test_long_name),
		cmocka_unit_test(test_not_tls),	      cmocka_unit_test(test_lists),
	};

	return cmocka_run_group_tests(tests, make_real, NULL);
}
