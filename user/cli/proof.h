/* SPDX-License-Identifier: Apache-2.0 */
/* The proof that a record is in the tree of a checkpoint, made from the files beside the segments. */
#ifndef PROBITY_CLI_PROOF_H
#define PROBITY_CLI_PROOF_H

#include "record/checkpoint.h"

struct proof {
	char *note; /* the checkpoint as it was signed */
	size_t note_n;
	struct checkpoint checkpoint;
	bool witnessed; /* it is the one that was cosigned last */
	struct tree_hash leaf, path[TREE_PATH_MAX];
	size_t n;
};
/* Of record `seq` of the spool in dir: against `witnessed` when that covers it, else against `checkpoint`. 0;
 * -ENOENT: no checkpoint covers it; -EBADMSG; -errno; each with one line in err. */
int proof_make(const char *dir, uint64_t seq, struct proof *ret, char *err, size_t err_len);
void proof_done(struct proof *p);
/* As a c2sp.org/tlog-proof@v1 with the entry as extra data, when it is not NULL. Caller frees; NULL: out of
 * memory. */
char *proof_text(const struct proof *p, uint64_t seq, const uint8_t *header);
/* The path from record `seq` to the root of the first `size` records, which must be `root`. */
int proof_path(const char *dir, uint64_t seq, uint64_t size, const struct tree_hash *root,
	       struct tree_hash ret[static TREE_PATH_MAX], size_t *ret_n,
	       struct tree_hash *ret_leaf, char *err, size_t err_len);

#endif
