// SPDX-License-Identifier: Apache-2.0
/* Against vectors of FIPS 180-4 and RFC 4231's construction, and against OpenSSL's own at every length. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/sha256.h"

static void test_vectors(void **state)
{
	static const uint8_t abc[] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
				      0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
				      0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
				      0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
	uint8_t got[SHA256_LEN];

	sha256("abc", 3, got);
	assert_memory_equal(got, abc, sizeof(abc));
	sha256_tagged('a', "bc", 2, got);
	assert_memory_equal(got, abc, sizeof(abc));
}

static void test_lengths(void **state)
{
	uint8_t p[300], key[SHA256_LEN], got[SHA256_LEN], want[SHA256_LEN];

	for (size_t i = 0; i < sizeof(p); i++)
		p[i] = i * 7 + 1;
	for (size_t n = 0; n <= sizeof(p); n++) {
		memset(key, (int)n, sizeof(key));
		assert_int_equal(EVP_Digest(p, n, want, NULL, EVP_sha256(), NULL), 1);
		sha256(p, n, got);
		assert_memory_equal(got, want, sizeof(want));
		assert_non_null(HMAC(EVP_sha256(), key, sizeof(key), p, n, want, NULL));
		hmac_sha256(key, p, n, got);
		assert_memory_equal(got, want, sizeof(want));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
