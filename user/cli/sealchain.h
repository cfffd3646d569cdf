/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of a chain's epochs, learnt from its SEAL records one after the other. */
#ifndef PROBITY_CLI_SEALCHAIN_H
#define PROBITY_CLI_SEALCHAIN_H

#include "record/segment.h"

struct seal {
	uint64_t seq; /* also the size of the tree that root is of */
	uint32_t epoch;
	uint8_t public[RECORD_PUBKEY_LEN]; /* of its epoch */
	uint8_t next_public[RECORD_PUBKEY_LEN];
	struct tree_hash root;
};
/* Begin with chain, and public: the key of its first epoch; the rest zeros. */
struct seal_chain {
	uint8_t chain[16], public[RECORD_PUBKEY_LEN]; /* of `epoch` */
	uint32_t epoch;
	uint64_t next_seq; /* the lowest the next SEAL may have */
};
/* The SEAL of c->epoch. 0, and c is at the next epoch; -EBADMSG with *ret_why (static), c as it was;
 * -ENOMEM. */
int seal_chain_next(struct seal_chain *c, const uint8_t *record, size_t n, const uint8_t *sig,
		    struct seal *ret, const char **ret_why);

/* Every SEAL of the spool's file `seals`, checked. `each` gives 0 to go on, > 0 to stop, -errno. 0;
 * -errno, -EBADMSG: one line in err that names the file. */
int seals_read(const char *dir, struct seal_chain *c,
	       int (*each)(void *ctx, const struct seal *s, const struct frame *f), void *ctx,
	       char *err, size_t err_len);

/* The key of the chain's first epoch: of key_file, or DIR/../keys/chain.pub when that is NULL. 0; -ENOENT:
 * there is none and none was named; else -errno, both with one line in err. */
int anchor_read(const char *dir, const char *key_file, uint8_t ret[static RECORD_PUBKEY_LEN],
		char *err, size_t err_len);

#endif
