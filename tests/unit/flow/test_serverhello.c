// SPDX-License-Identifier: Apache-2.0
/*
 * ServerHellos: what OpenSSL answers in each version, cut at every byte, split into records of every
 * size, and with every byte changed; and small ones made by hand with lengths that lie.
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
#include "flow/serverhello.h"
#include "feed.h"

static enum serverhello_answer parse(const uint8_t *p, size_t n, struct serverhello *h)
{
	struct guarded g = guarded_copy(p, n);
	enum serverhello_answer a;

	memset(h, 0, sizeof(*h));
	a = serverhello_parse(g.p, n, h);
	guarded_free(&g);
	return a;
}

/* --- real ones -------------------------------------------------------------------------------- */

struct real {
	const char *name;
	int version;	       /* both sides' */
	const char *groups[2]; /* client's, server's: unequal first choices make a retry */
	const char *ciphers;
	uint16_t cipher;
	const char *alpn; /* seen in clear */
	bool retry, refused;
	uint8_t bytes[8192];
	size_t n;    /* all the server wrote */
	size_t size; /* of the message with its record header, when it is one record */
};
static struct real reals[] = {
	{"1.3", 0x304, {"P-256", "P-256"}, NULL, 0x1302, "", false, false, {0}, 0, 0},
	{"1.3, retry", 0x304, {"P-256:P-384", "P-384"}, NULL, 0x1302, "", true, false, {0}, 0, 0},
	{"1.2",
	 0x303,
	 {"P-256", "P-256"},
	 "ECDHE-ECDSA-AES128-GCM-SHA256",
	 0xc02b,
	 "h2",
	 false,
	 false,
	 {0},
	 0,
	 0},
	{"refused", 0x304, {"P-256", "P-384"}, NULL, 0, "", false, true, {0}, 0, 0},
};

static int choose(SSL *ssl, const unsigned char **out, unsigned char *n, const unsigned char *in,
		  unsigned int in_n, void *arg)
{
	*out = in + 1;
	*n = in[0];
	return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *side(const SSL_METHOD *method, const struct real *r, unsigned which)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	SSL_CTX_set_min_proto_version(ctx, r->version);
	SSL_CTX_set_max_proto_version(ctx, r->version);
	SSL_CTX_set1_groups_list(ctx, r->groups[which]);
	if (r->ciphers)
		SSL_CTX_set_cipher_list(ctx, r->ciphers);
	return ctx;
}

static void certify(SSL_CTX *ctx)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();

	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	X509_sign(x, key, EVP_sha256());
	SSL_CTX_use_certificate(ctx, x);
	SSL_CTX_use_PrivateKey(ctx, key);
	X509_free(x);
	EVP_PKEY_free(key);
}

static void make_real(struct real *r)
{
	SSL_CTX *cc = side(TLS_client_method(), r, 0), *sc = side(TLS_server_method(), r, 1);
	BIO *up = BIO_new(BIO_s_mem()), *down = BIO_new(BIO_s_mem());
	SSL *c = SSL_new(cc), *s;

	certify(sc);
	SSL_CTX_set_alpn_select_cb(sc, choose, NULL);
	s = SSL_new(sc);
	SSL_set_alpn_protos(c, (const uint8_t *)"\x02h2\x08http/1.1", 12);
	BIO_up_ref(up);
	BIO_up_ref(down);
	SSL_set_bio(c, down, up);
	SSL_set_bio(s, up, down);
	SSL_set_connect_state(c);
	SSL_set_accept_state(s);
	SSL_do_handshake(c);
	SSL_do_handshake(s);
	r->n = BIO_read(down, r->bytes, sizeof(r->bytes));
	r->size = 5 + (r->bytes[3] << 8 | r->bytes[4]);
	SSL_free(c);
	SSL_free(s);
	SSL_CTX_free(cc);
	SSL_CTX_free(sc);
}

static int make_reals(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(reals); i++)
		make_real(&reals[i]);
	return 0;
}

static void check_real(const struct real *r, const struct serverhello *h)
{
	assert_int_equal(h->version, r->version);
	assert_int_equal(h->cipher, r->cipher);
	assert_int_equal(h->retry, r->retry);
	assert_string_equal(h->alpn, r->alpn);
}

static void test_real(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(reals); i++) {
		const struct real *r = &reals[i];
		struct serverhello h;

		if (r->refused) {
			assert_int_equal(parse(r->bytes, r->n, &h), SERVERHELLO_ALERT);
			assert_int_equal(h.alert, 40); /* handshake_failure */
			for (size_t n = 0; n < 7; n++)
				assert_int_equal(parse(r->bytes, n, &h), SERVERHELLO_MORE);
			continue;
		}
		assert_true(r->n >= r->size && r->size > 40);
		assert_int_equal(parse(r->bytes, r->n, &h), SERVERHELLO_OK);
		check_real(r, &h);
	}
}

/* Every prefix is MORE until the message ends, and never says more than the whole. */
static void test_every_cut(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(reals); i++) {
		const struct real *r = &reals[i];
		size_t message = 9 + (r->bytes[7] << 8 | r->bytes[8]);
		struct serverhello h;

		if (r->refused)
			continue;
		for (size_t n = 0; n <= r->n; n++) {
			assert_int_equal(parse(r->bytes, n, &h),
					 n < message ? SERVERHELLO_MORE : SERVERHELLO_OK);
			assert_true(!h.cipher || h.cipher == r->cipher);
			assert_true(!h.retry || r->retry);
			assert_true(!*h.alpn || !strcmp(h.alpn, r->alpn));
		}
		check_real(r, &h);
	}
}

static void test_split_records(void **state)
{
	const struct real *r = &reals[0];
	static uint8_t out[sizeof(r->bytes) * 6];

	for (size_t size = 1; size < r->size; size++) {
		struct serverhello h;
		size_t n = 0;

		for (size_t at = 5, len; at < r->size; at += len, n += len) {
			len = size < r->size - at ? size : r->size - at;
			put_be(out + n, 3, 0x160303);
			put_be(out + n + 3, 2, len);
			memcpy(out + n + 5, r->bytes + at, len);
			n += 5;
		}
		assert_int_equal(parse(out, n, &h), SERVERHELLO_OK);
		check_real(r, &h);
		assert_int_equal(parse(out, n - 1, &h), SERVERHELLO_MORE);
	}
}

static void test_every_change(void **state)
{
	static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
	uint64_t seed = 11;

	for (size_t k = 0; k < ARRAY_SIZE(reals); k++) {
		const struct real *r = &reals[k];

		for (size_t i = 0; i < r->size; i++)
			for (size_t v = 0; v < ARRAY_SIZE(values); v++) {
				uint8_t *p = malloc(r->size);
				struct serverhello h = {0};

				memcpy(p, r->bytes, r->size);
				p[i] = values[v];
				p[rnd(&seed) % r->size] = rnd(&seed);
				assert_in_range(serverhello_parse(p, r->size, &h), SERVERHELLO_OK,
						SERVERHELLO_BAD);
				assert_true(strlen(h.alpn) < SERVERHELLO_ALPN_MAX);
				free(p);
			}
	}
}

/* --- by hand ---------------------------------------------------------------------------------- */

/* A ServerHello of 1.2 with these extensions; their length is written with a lie. */
static size_t build(const char *ext, size_t ext_n, int lie, uint8_t *out)
{
	uint8_t *p = out + 9;

	put_be(p, 2, 0x303);
	memset(p + 2, 7, 32);
	p[34] = 0;			 /* session */
	memcpy(p + 35, "\xc0\x2b\0", 3); /* cipher, compression */
	p += 38;
	if (ext_n) {
		put_be(p, 2, ext_n + lie);
		memcpy(p + 2, ext, ext_n);
		p += 2 + ext_n;
	}
	put_be(out, 3, 0x160303);
	put_be(out + 3, 2, p - out - 5);
	put_be(out + 5, 4, 2u << 24 | (p - out - 9));
	return p - out;
}

static void test_extensions(void **state)
{
#define ROW(ext, lie, want, version, alpn)                     \
	{                                                      \
		ext, sizeof(ext) - 1, lie, want, version, alpn \
	}
	static const struct {
		const char *ext;
		size_t n;
		int lie;
		enum serverhello_answer want;
		uint16_t version;
		const char *alpn;
	} rows[] = {
		ROW("", 0, SERVERHELLO_OK, 0x303, ""),
		ROW("\0\x10\0\5\0\3\2h2", 0, SERVERHELLO_OK, 0x303, "h2"),
		ROW("\0\x2b\0\2\3\4", 0, SERVERHELLO_OK, 0x304, ""),
		ROW("\0\x2b\0\2\x7f\x1c", 0, SERVERHELLO_OK, 0x7f1c, ""),
		ROW("\0\x63\0\1x\0\x2b\0\2\3\4", 0, SERVERHELLO_OK, 0x304, ""),
		/* what no server can say */
		ROW("\0\x2b\0\2\x0a\x0a", 0, SERVERHELLO_BAD, 0, ""),
		ROW("\0\x2b\0\4\3\4\3\3", 0, SERVERHELLO_BAD, 0, ""),
		ROW("\0\x10\0\x0e\0\x0c\2h2\x08http/1.1", 0, SERVERHELLO_BAD, 0, ""),
		ROW("\0\x10\0\3\0\1\0", 0, SERVERHELLO_BAD, 0, ""),
		ROW("\0\x10\0\5\0\3\2h\n", 0, SERVERHELLO_BAD, 0, ""),
		/* lengths that lie */
		ROW("\0\x10\0\5\0\4\2h2", 0, SERVERHELLO_BAD, 0, ""),
		ROW("\0\x10\0\5\0\3\3h2", 0, SERVERHELLO_BAD, 0, ""),
		ROW("\0\x10\0\0", 0, SERVERHELLO_BAD, 0, ""),
		ROW("\0\x10\xff\xff\0", 0, SERVERHELLO_BAD, 0, ""),
		ROW("\0\x10\0", 0, SERVERHELLO_BAD, 0, ""),
		ROW("\0\x2b\0\2\3\4", 1, SERVERHELLO_BAD, 0, ""),
		ROW("\0\x2b\0\2\3\4", -1, SERVERHELLO_BAD, 0, ""),
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct serverhello h;
		uint8_t buf[256];
		size_t n = build(rows[i].ext, rows[i].n, rows[i].lie, buf);

		assert_int_equal(parse(buf, n, &h), rows[i].want);
		assert_int_equal(h.version, rows[i].version);
		assert_string_equal(h.alpn, rows[i].alpn);
	}
}

static void test_not_one(void **state)
{
	static const struct {
		const char *in;
		size_t n;
		enum serverhello_answer want;
	} rows[] = {
		{"", 0, SERVERHELLO_MORE},
		{"\x16", 1, SERVERHELLO_MORE},
		{"H", 1, SERVERHELLO_BAD},
		{"HTTP/1.1 400 Bad Request\r\n", 26, SERVERHELLO_BAD},
		{"\x15", 1, SERVERHELLO_MORE},
		{"\x15\2", 2, SERVERHELLO_BAD},
		{"\x15\3\3\0\2\2\x46", 7, SERVERHELLO_ALERT},
		{"\x15\3\3\0\x1a\2\x46", 7, SERVERHELLO_BAD},	  /* encrypted */
		{"\x16\3\3\0\4\1\0\0\1", 9, SERVERHELLO_BAD},	  /* ClientHello */
		{"\x16\3\3\0\4\2\0\xff\xff", 9, SERVERHELLO_BAD}, /* 64 KiB */
		{"\x16\3\3\0\6\2\0\0\2\3\3", 11, SERVERHELLO_BAD},
		{"\x16\3\3\0\6\2\0\0\x40\2\0", 11, SERVERHELLO_BAD},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct serverhello h;

		assert_int_equal(parse((const uint8_t *)rows[i].in, rows[i].n, &h), rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_real),	      cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_split_records), cmocka_unit_test(test_every_change),
		cmocka_unit_test(test_extensions),    cmocka_unit_test(test_not_one),
	};

	return cmocka_run_group_tests(tests, make_reals, NULL);
}
