// SPDX-License-Identifier: Apache-2.0
/*
 * In: bytes. Out: their hash, or their MAC under a key of 32 bytes (FIPS 180-4, RFC 2104). Why not
 * SHA256() and HMAC() of OpenSSL 3: each call looks the algorithm up and allocates, which for a record's
 * header takes longer than the hash itself. What is used here are the functions below them; they use the
 * processor's instructions all the same.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "sha256.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <string.h>

_Static_assert(SHA256_LEN == SHA256_DIGEST_LENGTH, "a hash");

void sha256(const void *p, size_t n, uint8_t ret[static SHA256_LEN])
{
	SHA256_CTX c;

	SHA256_Init(&c);
	SHA256_Update(&c, p, n);
	SHA256_Final(ret, &c);
}

void sha256_tagged(uint8_t tag, const void *p, size_t n, uint8_t ret[static SHA256_LEN])
{
	SHA256_CTX c;

	SHA256_Init(&c);
	SHA256_Update(&c, &tag, 1);
	SHA256_Update(&c, p, n);
	SHA256_Final(ret, &c);
}

static void keyed(SHA256_CTX *c, const uint8_t *key, uint8_t pad)
{
	uint8_t block[SHA256_CBLOCK];

	memset(block, pad, sizeof(block));
	for (size_t i = 0; i < SHA256_LEN; i++)
		block[i] ^= key[i];
	SHA256_Init(c);
	SHA256_Update(c, block, sizeof(block));
	OPENSSL_cleanse(block, sizeof(block));
}

void hmac_sha256(const uint8_t key[static SHA256_LEN], const void *p, size_t n,
		 uint8_t ret[static SHA256_LEN])
{
	uint8_t inner[SHA256_LEN];
	SHA256_CTX c;

	keyed(&c, key, 0x36);
	SHA256_Update(&c, p, n);
	SHA256_Final(inner, &c);
	keyed(&c, key, 0x5c);
	SHA256_Update(&c, inner, sizeof(inner));
	SHA256_Final(ret, &c);
	OPENSSL_cleanse(&c, sizeof(c));
	OPENSSL_cleanse(inner, sizeof(inner));
}
