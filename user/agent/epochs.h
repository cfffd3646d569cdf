/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of a chain's epochs on disk: made, handed over, forgotten. In DIR (mode 0700):
 *   epoch.0, epoch.1  keys of the epochs of even and odd number: the signing key and K_e of the MACs. One
 *                     of them is all zeros, but for the time of a handover
 *   mac.seed          K_0, until somebody has taken it: then empty
 *   chain.pub         public key of the chain's first epoch, in hex: what an auditor trusts
 */
#ifndef PROBITY_AGENT_EPOCHS_H
#define PROBITY_AGENT_EPOCHS_H

#include "kek.h"
#include "record/keys.h"
#include "record/mac.h"

struct epochs;
/* Makes what is not there. Opens all files it ever needs: afterwards the rights to open them may go.
 * err: one line that names the file. 0 or -errno. */
int epochs_open(const char *dir, struct epochs **ret, char *err, size_t err_len);
/* The same with files that are encrypted; kek may be NULL. -ENOKEY, -EKEYREJECTED: they are, with another. */
int epochs_open_with(const char *dir, const struct kek *kek, struct epochs **ret, char *err,
		     size_t err_len);
void epochs_free(struct epochs *e);

/* Where the chain's last record is, after recovery. Finishes a handover that was cut off. 0; -ENOKEY:
 * the keys at hand are not this chain's. */
struct epochs_at {
	uint32_t epoch;
	uint8_t key_id[8]; /* of the last record */
	bool sealed;	   /* it is its epoch's SEAL, which names: */
	uint8_t next_public[RECORD_PUBKEY_LEN];
};
int epochs_resume(struct epochs *e, const struct epochs_at *at, char *err, size_t err_len);
/* Behind damage, where the last record cannot be read: the keys whose public one this is. 0, -ENOKEY. */
int epochs_resume_public(struct epochs *e, const uint8_t public[static RECORD_PUBKEY_LEN]);
/* A new chain: new keys and a new seed; epoch 0. Still with the rights of epochs_open. */
int epochs_begin(struct epochs *e, char *err, size_t err_len);

uint32_t epochs_now(const struct epochs *e);
bool epochs_sealed(const struct epochs *e); /* the file of the open epoch's keys is encrypted */
struct signer *epochs_signer(const struct epochs *e);
const struct mac_key *epochs_mac(const struct epochs *e);

/* Makes the next keys, durable; the SEAL names the public one. May be called again. */
int epochs_prepare(struct epochs *e, uint8_t ret_public[static RECORD_PUBKEY_LEN]);
/* The SEAL is sealed: from now on the next keys, in memory. */
void epochs_switch(struct epochs *e);
/* The SEAL is durable: the old keys are overwritten. What fails here epochs_resume does. */
int epochs_forget(struct epochs *e);

/* Of the chain's first epoch: 0, -ENOENT: no chain has begun. */
int epochs_chain_public(const struct epochs *e, uint8_t ret[static RECORD_PUBKEY_LEN]);

/* K_0 for the collector. False: taken already. */
bool epochs_seed(const struct epochs *e, uint8_t ret[static MAC_LEN]);
int epochs_seed_taken(struct epochs *e);

#endif
