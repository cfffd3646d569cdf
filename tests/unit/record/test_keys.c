// SPDX-License-Identifier: Apache-2.0
/* Key files good and bad, signatures against RFC 8032 §7.1. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "record/keys.h"

static char dir[64], path[128], pub[160];

static int setup(void **state)
{
	strcpy(dir, "/tmp/probity-keys-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/host.key", dir);
	snprintf(pub, sizeof(pub), "%s.pub", path);
	return 0;
}

static int teardown(void **state)
{
	unlink(path);
	unlink(pub);
	return rmdir(dir);
}

static void put(const char *text, mode_t mode)
{
	unlink(path);
	assert_int_equal(fs_write_atomic(path, text, strlen(text), mode), 0);
}

#define RFC8032_1                                                            \
	"-----BEGIN PRIVATE KEY-----\n"                                      \
	"MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n" \
	"-----END PRIVATE KEY-----\n"
static const uint8_t rfc8032_public[] = {0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7,
					 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a,
					 0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25,
					 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a};
static const uint8_t rfc8032_sig[] = {/* of the empty message */
				      0xe5, 0x56, 0x43, 0x00, 0xc3, 0x60, 0xac, 0x72, 0x90, 0x86,
				      0xe2, 0xcc, 0x80, 0x6e, 0x82, 0x8a, 0x84, 0x87, 0x7f, 0x1e,
				      0xb8, 0xe5, 0xd9, 0x74, 0xd8, 0x73, 0xe0, 0x65, 0x22, 0x49,
				      0x01, 0x55, 0x5f, 0xb8, 0x82, 0x15, 0x90, 0xa3, 0x3b, 0xac,
				      0xc6, 0x1e, 0x39, 0x70, 0x1c, 0xf9, 0xb4, 0x6b, 0xd2, 0x5b,
				      0xf5, 0xf0, 0x59, 0x5b, 0xbe, 0x24, 0x65, 0x51, 0x41, 0x43,
				      0x8e, 0x7a, 0x10, 0x0b};

static void known_signature(void **state)
{
	struct signer *s = NULL;
	struct verifier *v = NULL;
	uint8_t sig[RECORD_SIG_LEN];
	char err[256];

	put(RFC8032_1, 0600);
	assert_int_equal(signer_open(path, false, &s, err, sizeof(err)), 0);
	assert_memory_equal(signer_public(s), rfc8032_public, 32);
	for (int i = 0; i < 3; i++) { /* one context, used again */
		assert_int_equal(signer_sign(s, (const uint8_t *)"", 0, sig), 0);
		assert_memory_equal(sig, rfc8032_sig, sizeof(sig));
		assert_int_equal(signer_sign(s, (const uint8_t *)"x", 1, sig), 0);
		assert_memory_not_equal(sig, rfc8032_sig, sizeof(sig));
	}
	assert_int_equal(verifier_new(rfc8032_public, &v), 0);
	for (size_t i = 0; i < sizeof(sig); i++) {
		memcpy(sig, rfc8032_sig, sizeof(sig));
		assert_true(verifier_ok(v, (const uint8_t *)"", 0, sig));
		sig[i] ^= 0x10;
		assert_false(verifier_ok(v, (const uint8_t *)"", 0, sig));
	}
	assert_true(verifier_ok(v, (const uint8_t *)"", 0, rfc8032_sig));
	assert_false(verifier_ok(v, (const uint8_t *)"x", 1, rfc8032_sig));
	verifier_free(v);
	signer_free(s);
}

static void created_once(void **state)
{
	struct signer *a = NULL, *b = NULL;
	uint8_t read[RECORD_PUBKEY_LEN];
	char err[256] = "";
	struct stat st;

	assert_int_equal(signer_open(path, false, &a, err, sizeof(err)), -ENOENT);
	assert_non_null(strstr(err, path));
	assert_null(a);
	assert_int_equal(signer_open(path, true, &a, err, sizeof(err)), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(signer_open(path, true, &b, err, sizeof(err)), 0);
	assert_memory_equal(signer_public(a), signer_public(b), RECORD_PUBKEY_LEN);
	assert_int_equal(public_read(pub, read, err, sizeof(err)), 0);
	assert_memory_equal(read, signer_public(a), sizeof(read));
	signer_free(b);
	/* The public half is made again from the private one. */
	unlink(pub);
	assert_int_equal(signer_open(path, true, &b, err, sizeof(err)), 0);
	assert_int_equal(public_read(pub, read, err, sizeof(err)), 0);
	assert_memory_equal(read, signer_public(a), sizeof(read));
	signer_free(a);
	signer_free(b);
}

static char *pem_of(const char *type, const char *password)
{
	EVP_PKEY *k = !strcmp(type, "RSA") ? EVP_PKEY_Q_keygen(NULL, NULL, type, (size_t)2048)
					   : EVP_PKEY_Q_keygen(NULL, NULL, type);
	BIO *out = BIO_new(BIO_s_mem());
	char *p, *text;
	long n;

	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(out, k, password ? EVP_aes_128_cbc() : NULL,
						       password, password ? strlen(password) : 0,
						       NULL, NULL),
			 1);
	n = BIO_get_mem_data(out, &p);
	text = strndup(p, n);
	BIO_free(out);
	EVP_PKEY_free(k);
	return text;
}

static void bad_files_are_named(void **state)
{
	_cleanup_free_ char *rsa = pem_of("RSA", NULL), *x = pem_of("X25519", NULL),
			    *locked = pem_of("ED25519", "secret"), *large = calloc(1, 5001);
	const struct {
		const char *text;
		mode_t mode;
		int e;
		const char *says;
	} cases[] = {
		{"", 0600, -EINVAL, "not a PEM private key"},
		{"hello\n", 0600, -EINVAL, "not a PEM private key"},
		{large, 0600, -EINVAL, "not a PEM private key"},
		{rsa, 0600, -EINVAL, "not an Ed25519 key"},
		{x, 0600, -EINVAL, "not an Ed25519 key"},
		{locked, 0600, -EINVAL, "not a PEM private key"},
		{RFC8032_1, 0644, -EPERM, "readable by others"},
		{RFC8032_1, 0640, -EPERM, "readable by others"},
		{RFC8032_1, 0601, -EPERM, "readable by others"},
	};

	memset(large, 'A', 5000);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (int create = 0; create < 2; create++) {
			struct signer *s = NULL;
			char err[256] = "";

			put(cases[i].text, cases[i].mode);
			assert_int_equal(signer_open(path, create, &s, err, sizeof(err)),
					 cases[i].e);
			assert_null(s);
			assert_non_null(strstr(err, path));
			assert_non_null(strstr(err, cases[i].says));
			assert_null(strchr(err, '\n'));
		}
}

static void public_files(void **state)
{
	static const struct {
		const char *text;
		int e;
	} cases[] = {
		{"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", 0},
		{"D75A980182B10AB7D54BFED3C964073A0EE172F3DAA62325AF021A68F707511A\r\n", 0},
		{"-----BEGIN PUBLIC KEY-----\n"
		 "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
		 "-----END PUBLIC KEY-----\n",
		 0},
		{"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f70751", -EINVAL},
		{"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511g", -EINVAL},
		{"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a00", -EINVAL},
		{"", -EINVAL},
		{RFC8032_1, -EINVAL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t k[RECORD_PUBKEY_LEN] = {0};
		char err[256] = "";

		put(cases[i].text, 0644);
		assert_int_equal(public_read(path, k, err, sizeof(err)), cases[i].e);
		if (cases[i].e)
			assert_non_null(strstr(err, path));
		else
			assert_memory_equal(k, rfc8032_public, sizeof(k));
	}
}

/* Under these a signature can be made by anybody; OpenSSL takes it. */
static void weak_keys(void **state)
{
	static const char *const weak[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0000000000000000000000000000000000000000000000000000000000000080",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000080",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
	};
	static const uint8_t nobodys[RECORD_SIG_LEN] = {1}; /* R the neutral point, S = 0 */
	size_t taken = 0;

	for (size_t i = 0; i < ARRAY_SIZE(weak); i++) {
		uint8_t k[RECORD_PUBKEY_LEN];
		struct verifier *v = NULL;
		EVP_PKEY *key;
		char err[256] = "";

		for (size_t j = 0; j < sizeof(k); j++)
			sscanf(weak[i] + 2 * j, "%2hhx", &k[j]);
		key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, k, sizeof(k));
		for (uint8_t m = 0; key && m < 100; m++) {
			EVP_MD_CTX *x = EVP_MD_CTX_new();

			EVP_DigestVerifyInit(x, NULL, NULL, NULL, key);
			m = EVP_DigestVerify(x, nobodys, sizeof(nobodys), &m, 1) == 1 ? 200 : m;
			EVP_MD_CTX_free(x);
			taken += m == 200;
		}
		EVP_PKEY_free(key);
		assert_int_equal(verifier_new(k, &v), -EINVAL);
		put(weak[i], 0644);
		assert_int_equal(public_read(path, k, err, sizeof(err)), -EINVAL);
	}
	assert_true(taken >= 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(known_signature, setup, teardown),
		cmocka_unit_test_setup_teardown(created_once, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_files_are_named, setup, teardown),
		cmocka_unit_test_setup_teardown(public_files, setup, teardown),
		cmocka_unit_test_setup_teardown(weak_keys, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
