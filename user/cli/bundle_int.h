/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of the bundle only: its layout, and the proof in it. */
#ifndef PROBITY_CLI_BUNDLE_INT_H
#define PROBITY_CLI_BUNDLE_INT_H

#include "bundle_stage.h"
#include "record/checkpoint.h"
#include "record/tile.h"
#include "record/verify.h"
#include "sealchain.h"

#define BUNDLE_MANIFEST "manifest.json"
#define BUNDLE_DSSE "manifest.dsse.json"
#define BUNDLE_SUMS "SHA256SUMS"
#define BUNDLE_KEY "keys/chain.pub"
#define BUNDLE_SIGNER "keys/bundle.pub"
#define BUNDLE_WITNESS "keys/witness.vkey"
#define BUNDLE_VKEY "keys/checkpoint.vkey"
#define BUNDLE_RECORDS "records"
#define BUNDLE_SEALS "records/seals"
#define BUNDLE_LATER_SEALS "proof/seals"
#define BUNDLE_CHECKPOINT "proof/checkpoint"
#define BUNDLE_WITNESSED "proof/witnessed"
#define BUNDLE_TILES "proof"

/* The keys of a chain's epochs, in turn from the first: each named by a SEAL signed with the one before. */
struct epoch_keys {
	size_t n, cap;
	uint8_t (*key)[RECORD_PUBKEY_LEN]; /* of epoch i */
	struct seal_chain at;
};
/* Of the chain of the first SEAL. */
int epoch_keys_begin(struct epoch_keys *k, const uint8_t first[static RECORD_PUBKEY_LEN]);
/* The SEALs of a file, which go on where the last did; one already known is passed over. 0; -ENOENT;
 * -EBADMSG: one does not follow; -errno. */
int epoch_keys_add(struct epoch_keys *k, const char *path);
void epoch_keys_done(struct epoch_keys *k);
/* The newest key that signed the note of this origin, and its epoch. 0, -ENOKEY, -EBADMSG. */
int epoch_keys_signed(const struct epoch_keys *k, const struct note *n, const char *origin,
		      struct note_key *ret, uint32_t *ret_epoch);

/* A signed checkpoint read from a file; the note points into *ret_text, which the caller frees. 0; -ENOENT;
 * -EBADMSG with *ret_why; -errno. */
int bundle_note(const char *path, char **ret_text, struct note *ret_note, struct checkpoint *ret,
		const char **ret_why);

/* bundle_records.c: from a spool into the folder. */
struct bundle_range {
	uint64_t from_ns, to_ns;
	uint8_t chain[16];
	uint64_t first, last, records;
	uint64_t damaged;
	bool open; /* its last epoch has no SEAL yet */
};
int bundle_put_records(struct stage *s, const char *dir, struct bundle_range *r);
int bundle_put_proof(struct stage *s, const char *dir, const struct bundle_range *r,
		     const struct epoch_keys *keys);
size_t bundle_readme(const struct manifest *m, bool is_signed, char *out, size_t cap);

/* bundle_proof.c: what the tiles of an unpacked bundle prove. */
struct bundle_proof;
int bundle_proof_open(const char *dir, struct bundle_proof **ret);
void bundle_proof_free(struct bundle_proof *p);
DEFINE_CLEANUP(struct bundle_proof, bundle_proof_free)
/* Is the record in the tree of the checkpoint? 1 yes, 0 behind its end, -EBADMSG no. */
int bundle_proof_record(struct bundle_proof *p, uint64_t seq, const struct tree_hash *leaf);

#endif
