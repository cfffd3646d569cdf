// SPDX-License-Identifier: Apache-2.0
/*
 * In: the key of an epoch. Out: MACs of its entries, and the key of the next. Invariant: from a key
 * only later keys can be had; the caller sees to it that the old one is nowhere else.
 */
#include "mac.h"

#include <openssl/crypto.h>
#include <string.h>

#include "base/sha256.h"

static const char ratchet[] = "probity/ratchet/v1";

void mac_ratchet(struct mac_key *k)
{
	uint8_t next[MAC_LEN];

	hmac_sha256(k->k, ratchet, strlen(ratchet), next);
	memcpy(k->k, next, MAC_LEN);
	OPENSSL_cleanse(next, sizeof(next));
	k->epoch++;
}

bool mac_at(const struct mac_key *from, uint32_t epoch, struct mac_key *ret)
{
	struct mac_key k = *from;

	if (epoch < from->epoch || epoch - from->epoch > MAC_EPOCHS_MAX)
		return false;
	while (k.epoch < epoch)
		mac_ratchet(&k);
	*ret = k;
	OPENSSL_cleanse(&k, sizeof(k));
	return true;
}

void mac_of(const struct mac_key *k, const struct tree_hash *leaf, uint8_t ret[static MAC_LEN])
{
	hmac_sha256(k->k, leaf->b, TREE_HASH_LEN, ret);
}

bool mac_ok(const struct mac_key *k, const struct tree_hash *leaf,
	    const uint8_t mac[static MAC_LEN])
{
	uint8_t is[MAC_LEN];

	mac_of(k, leaf, is);
	return !CRYPTO_memcmp(is, mac, MAC_LEN);
}
