/* SPDX-License-Identifier: Apache-2.0 */
/* What a collector gives for records that it does not hold, read and not believed. */
#ifndef PROBITY_CLI_COLLECTOR_HOLE_H
#define PROBITY_CLI_COLLECTOR_HOLE_H

#include <stdbool.h>
#include <stddef.h>

#include "record/segment.h"
#include "record/tree.h"

struct collector_hole {
	uint64_t first, last;  /* as it says */
	bool has_edge;	       /* of the tree of all before last + 1 */
	struct tree_edge edge; /* the host's word, until a SEAL behind it signs its root */
	struct tree_hash path[TREE_PATH_MAX]; /* that the tree before the hole begins it */
	size_t path_n;
	bool has_loss; /* a LOSS record of another place in the chain, signed by somebody: */
	uint64_t loss_first, loss_last, loss_seq;
	uint8_t loss_header[RECORD_HEADER_LEN], loss_sig[RECORD_SIG_LEN];
};
/* seal: a SEAL's frame as a segment has it, and its number; ascending, or not: its own answer, non-zero, is
 * returned. 0; -EBADMSG: not what it should be. */
int collector_hole_parse(const uint8_t *p, size_t n, struct collector_hole *ret,
			 int (*seal)(void *ctx, uint64_t seq, const uint8_t *frame, size_t n),
			 void *ctx);
/* The loss record is under this key, and covers first to last. */
bool collector_hole_declared(const struct collector_hole *h,
			     const uint8_t public[static RECORD_PUBKEY_LEN], uint64_t first,
			     uint64_t last);
/* The tree of `size` records with this root, in front of the hole, begins the one behind it. */
bool collector_hole_follows(const struct collector_hole *h, uint64_t size,
			    const struct tree_hash *root);

#endif
