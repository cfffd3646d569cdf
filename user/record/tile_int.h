/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by tile.c and tile_write.c only. */
#ifndef PROBITY_RECORD_TILE_INT_H
#define PROBITY_RECORD_TILE_INT_H

#include "tile.h"

/* Width of the widest partial tile; 0: there is none. */
unsigned tile_partial(int dir, unsigned level, uint64_t index);
/* A tile of at least `width` hashes: that one, the full one, or a wider one, which begins with the same
 * hashes. 0, -ENOENT, -EBADMSG, -errno. */
int tile_load(int dir_fd, unsigned level, uint64_t index, unsigned width,
	      struct tree_hash out[static TILE_WIDTH]);
/* The root of 2^k hashes. */
void tile_root(const struct tree_hash *h, size_t n, struct tree_hash *ret);

#endif
