/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The collector as a witness (C2SP tlog-witness): of each log it has cosigned the largest tree, and it
 * cosigns another only when that one begins it. Its keys are its own and stable: PKI/witness.key cosigns,
 * PKI/log.key signs the checkpoints of its own log (ledger.h).
 *
 * The caller has a transaction open: what is judged, what is stored and what is cosigned is one step, and
 * nobody is answered before it is committed.
 */
#ifndef PROBITY_COLLECTOR_WITNESS_H
#define PROBITY_COLLECTOR_WITNESS_H

#include "record/checkpoint.h"
#include "record/note_ecdsa.h"
#include "store/store.h"

#define WITNESS_VKEY_MAX 320
#define WITNESS_LOGS_MAX 1024 /* foreign ones */

struct witness;
/* Makes the keys when absent. name: of the collector, as its certificate says. err: one line. */
int witness_open(const char *pki_dir, const char *name, struct witness **ret, char *err,
		 size_t err_len);
void witness_free(struct witness *w);
DEFINE_CLEANUP(struct witness, witness_free)
const char *witness_vkey(const struct witness *w);
const char *witness_log_vkey(const struct witness *w);
const char *witness_log_origin(const struct witness *w);
struct signer *witness_log_signer(struct witness *w);

/* Foreign logs that are cosigned too, as in C2SP tlog-policy: lines "log VKEY [URL]", "#" begins a comment;
 * a log may have several. 0; -EINVAL with file and line. */
int witness_logs_read(struct witness *w, const char *path, char *err, size_t err_len);
/* The i-th key of a foreign log; NULL: no more. */
const struct note_key *witness_log_key(const struct witness *w, const char *origin, size_t i);

enum witness_verdict {
	WITNESS_FINE,
	WITNESS_TOO_OLD,  /* old size above the checkpoint's: 400 */
	WITNESS_CONFLICT, /* old size is not that of the last one cosigned: 409 */
	WITNESS_FORK,	  /* the same size with another root: 422 */
	WITNESS_BAD_PROOF /* 422 */
};
/* held: NULL when none was cosigned. */
enum witness_verdict witness_judge(const struct store_witness *held, uint64_t old,
				   const struct checkpoint *c, const struct tree_hash *path,
				   size_t n);
/* row: name, chain and edge are the caller's, the rest is set; note is then the checkpoint with the log's
 * signature by `key`, that of `tpm` (NULL: none), and ours. Stores it, and a leaf in the collector's own log. 0, -errno. */
int witness_cosign(struct witness *w, struct store *st, const struct note *n,
		   const struct note_key *key, const uint8_t *tpm, const struct checkpoint *c,
		   int64_t unix_s, struct store_witness *row);
/* Of an origin: what tlog-witness names a log by. */
void witness_origin_hash(const char *origin, uint8_t ret[static 32]);

#endif
