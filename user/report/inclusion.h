/* SPDX-License-Identifier: Apache-2.0 */
/* Proofs that sampled records stand in a spool's newest signed checkpoint. Reads only. */
#ifndef PROBITY_REPORT_INCLUSION_H
#define PROBITY_REPORT_INCLUSION_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "record/checkpoint.h"

struct inclusion_source;
/* A spool directory. -ENOENT: it has no checkpoint; -EBADMSG: one that is none. */
int inclusion_open(const char *dir, struct inclusion_source **ret);
void inclusion_close(struct inclusion_source *p);
DEFINE_CLEANUP(struct inclusion_source, inclusion_close)
const struct checkpoint *inclusion_checkpoint(const struct inclusion_source *p);
/* The note as it stands, NUL-terminated. */
const char *inclusion_note(const struct inclusion_source *p);
/* The cosigned one beside it; NULL: none. */
const struct checkpoint *inclusion_witnessed(const struct inclusion_source *p);
/* The path of a leaf, checked against the root. 0; -ERANGE: the checkpoint is older than the record;
 * -ENOENT: its tiles are not kept; -EBADMSG: the tree says otherwise. */
int inclusion_path(struct inclusion_source *p, uint64_t index, const struct tree_hash *leaf,
		   struct tree_hash ret[static TREE_PATH_MAX], size_t *ret_n);

#endif
