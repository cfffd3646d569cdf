// SPDX-License-Identifier: Apache-2.0
// covers: user/record/mac.c
/* The MAC is HMAC-SHA256 of the leaf; its key goes forward only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "record/mac.h"

static void hmac(const uint8_t *k, const void *p, size_t n, uint8_t ret[static MAC_LEN])
{
	unsigned len = 0;

	assert_non_null(HMAC(EVP_sha256(), k, MAC_LEN, p, n, ret, &len));
	assert_int_equal(len, MAC_LEN);
}

static struct mac_key key0(void)
{
	struct mac_key k = {.epoch = 0};

	for (int i = 0; i < MAC_LEN; i++)
		k.k[i] = i;
	return k;
}

/* K_1 of K_0 = 00 01 … 1f, and the MAC of a leaf of 40 41 … 5f under it, by another program:
 * python3: hmac.digest(k0, b"probity/ratchet/v1", "sha256") and hmac.digest(k1, leaf, "sha256") */
static void test_known(void **state)
{
	static const uint8_t k1[MAC_LEN] = {0xf1, 0x94, 0xec, 0x74, 0x0a, 0x60, 0x8e, 0x08,
					    0xec, 0x06, 0x0a, 0xf7, 0x0b, 0x4e, 0x14, 0x22,
					    0xd6, 0x1c, 0x66, 0xf2, 0xa1, 0x6c, 0x21, 0x51,
					    0x20, 0xfa, 0x7c, 0x2a, 0x1a, 0xf8, 0xe8, 0x4a};
	static const uint8_t mac1[MAC_LEN] = {0xd7, 0xa8, 0x71, 0xa0, 0xb7, 0x3b, 0x35, 0xb8,
					      0x4b, 0xbf, 0x54, 0x5d, 0xf8, 0x08, 0x37, 0x9c,
					      0x39, 0xc2, 0xba, 0xb7, 0x30, 0x97, 0xbd, 0x63,
					      0xd5, 0x5e, 0xce, 0x7a, 0x24, 0x58, 0xfa, 0xf3};
	struct mac_key k = key0();
	struct tree_hash leaf;
	uint8_t mac[MAC_LEN];

	for (int i = 0; i < TREE_HASH_LEN; i++)
		leaf.b[i] = 0x40 + i;
	mac_ratchet(&k);
	assert_int_equal(k.epoch, 1);
	assert_memory_equal(k.k, k1, MAC_LEN);
	mac_of(&k, &leaf, mac);
	assert_memory_equal(mac, mac1, MAC_LEN);
}

static void test_ratchet(void **state)
{
	struct mac_key k = key0(), at;
	uint8_t want[MAC_LEN];

	for (uint32_t e = 0; e < 300; e++) {
		const struct mac_key from = key0();

		assert_true(mac_at(&from, e, &at));
		assert_int_equal(at.epoch, e);
		assert_memory_equal(at.k, k.k, MAC_LEN);
		hmac(k.k, "probity/ratchet/v1", 18, want);
		mac_ratchet(&k);
		assert_memory_equal(k.k, want, MAC_LEN);
	}
}

static void test_not_back(void **state)
{
	struct mac_key k = key0(), at = {.epoch = 77}, same;

	assert_true(mac_at(&k, 10, &k)); /* in place */
	assert_false(mac_at(&k, 9, &at));
	assert_false(mac_at(&k, 0, &at));
	assert_false(mac_at(&k, 10 + MAC_EPOCHS_MAX + 1, &at)); /* at once, not in an hour */
	assert_false(mac_at(&k, UINT32_MAX, &at));
	assert_int_equal(at.epoch, 77);
	assert_true(mac_at(&k, 10, &same));
	assert_memory_equal(same.k, k.k, MAC_LEN);
}

static void test_every_bit(void **state)
{
	struct mac_key k = key0(), other;
	struct tree_hash leaf = {{7}};
	uint8_t mac[MAC_LEN];

	mac_of(&k, &leaf, mac);
	assert_true(mac_ok(&k, &leaf, mac));
	for (int i = 0; i < 8 * MAC_LEN; i++) {
		mac[i / 8] ^= 1 << i % 8;
		assert_false(mac_ok(&k, &leaf, mac));
		mac[i / 8] ^= 1 << i % 8;
		leaf.b[i / 8] ^= 1 << i % 8;
		assert_false(mac_ok(&k, &leaf, mac));
		leaf.b[i / 8] ^= 1 << i % 8;
		other = k;
		other.k[i / 8] ^= 1 << i % 8;
		assert_false(mac_ok(&other, &leaf, mac));
	}
	mac_ratchet(&k);
	assert_false(mac_ok(&k, &leaf, mac)); /* another epoch's */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_ratchet),
		cmocka_unit_test(test_not_back),
		cmocka_unit_test(test_every_bit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
