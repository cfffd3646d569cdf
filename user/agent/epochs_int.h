/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by epochs.c and epochs_file.c only. */
#ifndef PROBITY_AGENT_EPOCHS_INT_H
#define PROBITY_AGENT_EPOCHS_INT_H

#include "epochs.h"

#define SEED_NAME "mac.seed"

struct slot {
	const char *name;
	int fd;
	struct signer *signer; /* NULL: empty */
	struct mac_key mac;
	bool sealed; /* with the KEK */
};
struct epochs {
	char path[4000];
	struct slot slot[2];
	unsigned now; /* which of them */
	int seed;
	bool chain;
	struct kek kek;
	uint8_t chain_public[RECORD_PUBKEY_LEN];
};

void epochs_slot_clear(struct slot *s); /* in memory */
int epochs_slot_wipe(struct slot *s);	/* and in its file */
int epochs_slot_make(const struct kek *kek, struct slot *s, const struct mac_key *mac);
int epochs_slot_load(const struct kek *kek, struct slot *s);
int epochs_seed_put(const struct epochs *e, int fd, const uint8_t k0[static MAC_LEN]);
int epochs_seed_get(const struct epochs *e, struct keyfile *ret);
int epochs_seed_reseal(struct epochs *e, const uint8_t k0[static MAC_LEN]);

#endif
