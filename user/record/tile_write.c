// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: leaf hashes in order. Flows out: tiles, whole or of the size of the last sync. In memory
 * stands the right edge of each level: the hashes of its last tile, and full tiles not written yet.
 *
 * Invariant: a tile is written whole under another name, synced, and renamed; level 0 before what is
 * above it. So after a crash the tiles hold a tree of some size, and opening finds which: as many full
 * tiles as there are one behind the other, and the widest partial one behind them. Whoever has the
 * records adds the rest again.
 *
 * Limits: TILES_PENDING leaves between two syncs; 2^63 leaves.
 */
#include "tile_int.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

DEFINE_CLEANUP(struct tiles, tiles_free)

/* --- files ----------------------------------------------------------------------------------------- */

static int make_dirs(int dir_fd, char *path)
{
	for (char *p = strchr(path, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdirat(dir_fd, path, 0700) < 0 && errno != EEXIST) {
			*p = '/';
			return -errno;
		}
		*p = '/';
	}
	return 0;
}

static int sync_dir(int dir_fd, const char *path)
{
	char dir[TILE_PATH_MAX];
	_cleanup_close_ int fd = -1;

	snprintf(dir, sizeof(dir), "%s", path);
	*strrchr(dir, '/') = '\0';
	fd = openat(dir_fd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int tile_write(int dir_fd, unsigned level, uint64_t index, unsigned width,
		      const struct tree_hash *h)
{
	char path[TILE_PATH_MAX], temp[] = "tile/.new";
	size_t n = width * sizeof(*h);
	_cleanup_close_ int fd = -1;
	int r;

	tile_path(level, index, width, path);
	r = make_dirs(dir_fd, path);
	if (r)
		return r;
	fd = openat(dir_fd, temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	for (size_t at = 0; at < n;) {
		ssize_t k = pwrite(fd, (const char *)h + at, n - at, at);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return k ? -errno : -EIO;
		at += k;
	}
	if (fsync(fd) < 0 || renameat(dir_fd, temp, dir_fd, path) < 0)
		return -errno;
	return sync_dir(dir_fd, path);
}

/* --- the writer ------------------------------------------------------------------------------------ */

struct level {
	uint64_t index; /* of the tile that h begins with */
	size_t n, cap;
	struct tree_hash *h; /* full tiles not written yet, and the partial one behind them */
	unsigned on_disk;    /* width of the partial tile `index` that is there; 0 = none */
};
struct tiles {
	int dir;
	struct tree_edge edge;
	struct level level[TILE_LEVELS];
};

void tiles_free(struct tiles *t)
{
	if (!t)
		return;
	for (unsigned i = 0; i < TILE_LEVELS; i++)
		free(t->level[i].h);
	if (t->dir >= 0)
		close(t->dir);
	free(t);
}

const struct tree_edge *tiles_edge(const struct tiles *t)
{
	return &t->edge;
}

static int make_room(struct level *l, size_t n)
{
	size_t cap = l->cap ? l->cap : TILE_WIDTH;
	struct tree_hash *more;

	while (cap < l->n + n)
		cap *= 2;
	if (cap == l->cap)
		return 0;
	more = realloc(l->h, cap * sizeof(*more));
	if (!more)
		return -ENOMEM;
	l->h = more;
	l->cap = cap;
	return 0;
}

/* A hash of level i, and of those above whose tile below it ended. There is room. */
static void push(struct tiles *t, unsigned i, const struct tree_hash *h)
{
	struct tree_hash up;

	for (struct level *l = &t->level[i];; l = &t->level[i]) {
		l->h[l->n++] = *h;
		if (l->n % TILE_WIDTH || ++i == TILE_LEVELS)
			return;
		tile_root(l->h + l->n - TILE_WIDTH, TILE_WIDTH, &up);
		h = &up;
	}
}

int tiles_add(struct tiles *t, const struct tree_hash *leaf)
{
	if (t->level[0].n >= TILES_PENDING)
		return -ENOMEM;
	for (unsigned i = 0; i < TILE_LEVELS; i++)
		if (make_room(&t->level[i], 1))
			return -ENOMEM;
	push(t, 0, leaf);
	tree_add(&t->edge, leaf);
	return 0;
}

/* The partial tiles of one that is full now: the last one, and any that a crash left. */
static void forget(struct tiles *t, unsigned i)
{
	char path[TILE_PATH_MAX];
	struct level *l = &t->level[i];

	for (unsigned w; (w = tile_partial(t->dir, i, l->index));) {
		tile_path(i, l->index, w, path);
		if (unlinkat(t->dir, path, 0) < 0)
			break;
	}
	tile_path(i, l->index, 1, path);
	*strrchr(path, '/') = '\0';
	unlinkat(t->dir, path, AT_REMOVEDIR);
	l->on_disk = 0;
}

static int level_sync(struct tiles *t, unsigned i)
{
	struct level *l = &t->level[i];
	size_t full = 0;
	int r = 0;

	while (!r && (full + 1) * TILE_WIDTH <= l->n) {
		r = tile_write(t->dir, i, l->index, TILE_WIDTH, l->h + full * TILE_WIDTH);
		if (!r && l->on_disk)
			forget(t, i);
		if (!r) {
			l->index++;
			full++;
		}
	}
	l->n -= full * TILE_WIDTH;
	memmove(l->h, l->h + full * TILE_WIDTH, l->n * sizeof(*l->h));
	if (r || !l->n || l->n == l->on_disk)
		return r;
	r = tile_write(t->dir, i, l->index, l->n, l->h);
	if (r)
		return r;
	if (l->on_disk) {
		char path[TILE_PATH_MAX];

		tile_path(i, l->index, l->on_disk, path);
		unlinkat(t->dir, path, 0);
	}
	l->on_disk = l->n;
	return 0;
}

int tiles_sync(struct tiles *t)
{
	int r = 0;

	for (unsigned i = 0; !r && i < TILE_LEVELS && (t->level[i].n || t->level[i].index); i++)
		r = level_sync(t, i);
	return r;
}

/* --- finding what is there ------------------------------------------------------------------------- */

static bool there(int dir, unsigned level, uint64_t index)
{
	char path[TILE_PATH_MAX];

	tile_path(level, index, 0, path);
	return faccessat(dir, path, R_OK, 0) == 0;
}

/* Full tiles of level 0, written one after the other. */
static uint64_t full_tiles(int dir)
{
	uint64_t low = 0,
		 high = 1; /* low are there; tile high - 1 is not, once the first loop ended */

	for (; there(dir, 0, high - 1); high *= 2)
		low = high;
	while (high - low > 1) {
		uint64_t mid = low + (high - low) / 2;

		if (there(dir, 0, mid - 1))
			low = mid;
		else
			high = mid;
	}
	return low;
}

/* The hashes of the partial tile of level i: of level 0 from its file, of others from the full tiles below
 * it, so that what is above level 0 need not be there. */
static int level_load(struct tiles *t, unsigned i, uint64_t size)
{
	struct level *l = &t->level[i];
	uint64_t n = size >> 8 * i;
	struct tree_hash tile[TILE_WIDTH];
	int r;

	l->index = n / TILE_WIDTH;
	r = make_room(l, TILE_WIDTH);
	if (r || !(n % TILE_WIDTH))
		return r;
	l->on_disk = tile_partial(t->dir, i, l->index);
	if (!i) {
		r = tile_load(t->dir, 0, l->index, l->on_disk, tile);
		memcpy(l->h, tile, n % TILE_WIDTH * sizeof(*tile));
	}
	for (uint64_t k = 0; i && !r && k < n % TILE_WIDTH; k++) {
		r = tile_load(t->dir, i - 1, l->index * TILE_WIDTH + k, TILE_WIDTH, tile);
		if (!r)
			tile_root(tile, TILE_WIDTH, &l->h[k]);
	}
	l->n = n % TILE_WIDTH;
	return r;
}

/* Tile `index` of a level, but for a partial one of width `keep`. */
static int tile_remove(int dir, unsigned level, uint64_t index, unsigned keep)
{
	char path[TILE_PATH_MAX];

	for (unsigned w = 0;;) {
		tile_path(level, index, w, path);
		if (unlinkat(dir, path, 0) < 0 && (errno != ENOENT || w))
			return -errno;
		w = tile_partial(dir, level, index);
		if (w <= keep)
			return 0;
	}
}

/* What is behind n hashes of a level is of another tree: left there it would be taken for this one once
 * that has grown. What stays of its last tile is written first; the farthest goes first, so that a crash
 * leaves no gap behind which something is left. */
static int level_cut(struct tiles *t, unsigned i)
{
	struct level *l = &t->level[i];
	uint64_t end = l->index;
	int r = 0;

	if (l->n && l->on_disk != l->n)
		r = tile_write(t->dir, i, l->index, l->n, l->h);
	l->on_disk = l->n;
	while (there(t->dir, i, end + 1) || tile_partial(t->dir, i, end + 1))
		end++;
	for (; !r && end > l->index; end--)
		r = tile_remove(t->dir, i, end, 0);
	return r ? r : tile_remove(t->dir, i, l->index, l->n);
}

static void edge_load(struct tiles *t, uint64_t size)
{
	t->edge.size = size;
	for (unsigned i = 0; i < TILE_LEVELS; i++)
		for (unsigned j = 0, n = t->level[i].n; j < 8; j++)
			if (n >> j & 1)
				tile_root(t->level[i].h + (n >> (j + 1) << (j + 1)), 1u << j,
					  &t->edge.peak[8 * i + j]);
}

int tiles_open(int dir_fd, uint64_t size, struct tiles **ret, char *err, size_t err_len)
{
	_cleanup_(tiles_freep) struct tiles *t = calloc(1, sizeof(*t));
	uint64_t full, have;
	bool cut;
	int r = 0;

	if (!t)
		return -ENOMEM;
	t->dir = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0);
	if (t->dir < 0)
		return -errno;
	full = full_tiles(t->dir);
	have = full * TILE_WIDTH + tile_partial(t->dir, 0, full);
	cut = have > size;
	if (cut)
		have = size;
	for (unsigned i = 0; !r && i < TILE_LEVELS; i++)
		r = level_load(t, i, have);
	/* Level 0 last: as long as it holds more, this is done again. */
	for (unsigned i = TILE_LEVELS; cut && !r && i-- > 0;)
		r = level_cut(t, i);
	if (r) {
		snprintf(err, err_len, "tiles: those of %" PRIu64 " leaves: %s", have,
			 r == -EBADMSG ? "a tile has the wrong length" : strerror(-r));
		return r;
	}
	edge_load(t, have);
	*ret = TAKE_PTR(t);
	return 0;
}
