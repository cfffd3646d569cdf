/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forward-secure MAC of entries: who takes the host's key learns nothing that forges an earlier epoch.
 *   mac(e, leaf) = HMAC-SHA256(K_e, leaf)     K_{e+1} = HMAC-SHA256(K_e, "probity/ratchet/v1")
 * K_0 is the collector's (or the auditor's); the host forgets it.
 */
#ifndef PROBITY_RECORD_MAC_H
#define PROBITY_RECORD_MAC_H

#include "tree.h"

#define MAC_LEN 32
struct mac_key {
	uint32_t epoch;
	uint8_t k[MAC_LEN];
};
void mac_ratchet(struct mac_key *k); /* to the next epoch; the old is wiped */
/* False: behind it, or farther away than any chain gets (30 years of epochs of 15 minutes), as a hostile
 * record may say. */
#define MAC_EPOCHS_MAX (1u << 20)
bool mac_at(const struct mac_key *from, uint32_t epoch, struct mac_key *ret);
void mac_of(const struct mac_key *k, const struct tree_hash *leaf, uint8_t ret[static MAC_LEN]);
bool mac_ok(const struct mac_key *k, const struct tree_hash *leaf,
	    const uint8_t mac[static MAC_LEN]);

#endif
