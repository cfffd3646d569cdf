/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Merkle tree of RFC 6962 §2.1 over leaf hashes (SHA-256): its root, grown a leaf at a time, and
 * its proofs. PURE: whoever has the hashes gives them through a tree_read.
 */
#ifndef PROBITY_RECORD_TREE_H
#define PROBITY_RECORD_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TREE_HASH_LEN 32
#define TREE_PATH_MAX 64 /* hashes of a proof */

struct tree_hash {
	uint8_t b[TREE_HASH_LEN];
};

/* leaf = SHA-256(0x00 ‖ entry); node = SHA-256(0x01 ‖ left ‖ right) */
void tree_leaf(const void *entry, size_t n, struct tree_hash *ret);
void tree_node(const struct tree_hash *left, const struct tree_hash *right, struct tree_hash *ret);

/* The right edge: peak[i] is the root of the full subtree of 2^i leaves, where bit i of size is set. */
struct tree_edge {
	uint64_t size;
	struct tree_hash peak[64];
};
void tree_add(struct tree_edge *e, const struct tree_hash *leaf);
/* Of no leaves: SHA-256 of nothing. */
void tree_root(const struct tree_edge *e, struct tree_hash *ret);

/* The root of the full subtree of 2^level leaves that begins with leaf index × 2^level. 0 or -errno. */
typedef int (*tree_read)(void *ctx, unsigned level, uint64_t index, struct tree_hash *ret);

/* The edge of the first `size` leaves. 0, or what `read` said. */
int tree_edge_read(uint64_t size, tree_read read, void *ctx, struct tree_edge *ret);
/* Inclusion of leaf `index` in the first `size`: -EINVAL when index >= size. */
int tree_inclusion(uint64_t index, uint64_t size, tree_read read, void *ctx,
		   struct tree_hash ret[static TREE_PATH_MAX], size_t *ret_n);
bool tree_inclusion_ok(uint64_t index, const struct tree_hash *leaf, uint64_t size,
		       const struct tree_hash *root, const struct tree_hash *path, size_t n);
/* That the first `old` leaves of `size` are those of then: -EINVAL when old > size; no hashes when old
 * is 0 or size. */
int tree_consistency(uint64_t old, uint64_t size, tree_read read, void *ctx,
		     struct tree_hash ret[static TREE_PATH_MAX], size_t *ret_n);
bool tree_consistency_ok(uint64_t old, const struct tree_hash *old_root, uint64_t size,
			 const struct tree_hash *root, const struct tree_hash *path, size_t n);

#endif
