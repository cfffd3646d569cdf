/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C2SP tlog-tiles in a directory: DIR/tile/<level>/<index>[.p/<width>], 256 hashes a full tile. A full
 * tile never changes. Level 0 holds the leaf hashes, and alone rebuilds the others; where records are
 * still at hand, they rebuild level 0.
 */
#ifndef PROBITY_RECORD_TILE_H
#define PROBITY_RECORD_TILE_H

#include "tree.h"

#define TILE_WIDTH 256
#define TILE_LEVELS 8
#define TILE_PATH_MAX 64

/* "tile/L/xNNN/NNN", with ".p/W" when width is below TILE_WIDTH. Length. */
size_t tile_path(unsigned level, uint64_t index, unsigned width, char out[static TILE_PATH_MAX]);
/* Exactly what tile_path writes. */
bool tile_path_parse(const char *s, unsigned *ret_level, uint64_t *ret_index, unsigned *ret_width);

/* --- writing ------------------------------------------------------------------------------------- */

struct tiles;
/* The tree as far as the directory's tiles hold it, at most `size` leaves; 0 leaves in an empty one. */
int tiles_open(int dir_fd, uint64_t size, struct tiles **ret, char *err, size_t err_len);
void tiles_free(struct tiles *t);
/* In memory, until written. -ENOMEM: more than TILES_PENDING leaves wait; write first. */
#define TILES_PENDING 65536
int tiles_add(struct tiles *t, const struct tree_hash *leaf);
const struct tree_edge *tiles_edge(const struct tiles *t);
/* All that was added is durable, with the partial tiles of this size; older partial tiles go. */
int tiles_sync(struct tiles *t);
/* The same without waiting for the disk: a power cut may leave anything of what is written so. */
int tiles_write(struct tiles *t);
/* Makes one full tile durable that was only written. 1; 0: there is none; -errno. */
int tiles_step(struct tiles *t);
/* So many leaves, from the first on, a power cut cannot take: open with this size after one. */
uint64_t tiles_durable(const struct tiles *t);

/* The leaves of tile `index` of level 0, from the widest file of it: how many. */
size_t tile_leaves(int dir_fd, uint64_t index, struct tree_hash out[static TILE_WIDTH]);

/* --- reading ------------------------------------------------------------------------------------- */

struct tile_reader; /* keeps TILE_LEVELS × 4 tiles */
int tile_reader_open(int dir_fd, uint64_t size, struct tile_reader **ret);
void tile_reader_free(struct tile_reader *r);
/* A tree_read of the first `size` leaves; ctx is the reader. -ENOENT: not kept; -EBADMSG: a tile of
 * another length. What was read is not to be trusted before a root says so. */
int tile_reader_hash(void *ctx, unsigned level, uint64_t index, struct tree_hash *ret);
/* Every tile of the first `size` leaves against the root, each above level 0 against what is below. 0, or
 * -EBADMSG, -ENOENT with the tile in `where`. */
int tiles_check(int dir_fd, uint64_t size, const struct tree_hash *root,
		char where[static TILE_PATH_MAX]);

#endif
