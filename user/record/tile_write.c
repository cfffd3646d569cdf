// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: leaf hashes in order. Flows out: tiles, whole or of the size of the last writing. In memory
 * stands the right edge of each level: the hashes of its last tile, and full tiles not written yet.
 *
 * Invariant: a tile is written whole under another name and renamed; level 0 before what is above it. So
 * when its writer dies the tiles hold a tree of some size, and opening finds which: as many full tiles as
 * there are one behind the other, and the widest partial one behind them. Whoever has the records adds the
 * rest again.
 *
 * What a power cut leaves of a tile that is not synced may be anything. tiles_sync() syncs before it
 * renames; tiles_write() does not, and tiles_step() makes up for it, one full tile a call, upper levels
 * first. A durable partial tile of level 0 stays until what takes its place is durable; those above can be
 * made from the tiles below. So the first tiles_durable() leaves are safe in any case, and whoever opens
 * with that size takes nothing else for true.
 *
 * Limits: TILES_PENDING leaves between two writings; 2^63 leaves. After a failed fsync nothing is written
 * any more: opened anew, what was not durable is made again, in new files.
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

/* The folder of a tile; of the first one in it, those above it too, which may be new. */
static int sync_dirs(int dir_fd, const char *tile, bool first)
{
	char path[TILE_PATH_MAX], *slash;
	int r = 0;

	snprintf(path, sizeof(path), "%s", tile);
	do {
		_cleanup_close_ int fd = -1;

		slash = strrchr(path, '/');
		if (slash)
			*slash = '\0';
		fd = openat(dir_fd, slash ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = fd < 0 || fsync(fd) < 0 ? -errno : 0;
	} while (!r && first && slash);
	return r;
}

static bool is_first(uint64_t index, unsigned width)
{
	return width < TILE_WIDTH || index % 1000 == 0;
}

static int hashes_write(int fd, const struct tree_hash *h, size_t n)
{
	for (size_t at = 0; at < n;) {
		ssize_t k = pwrite(fd, (const char *)h + at, n - at, at);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return k ? -errno : -EIO;
		at += k;
	}
	return 0;
}

static int tile_write(int dir_fd, unsigned level, uint64_t index, unsigned width,
		      const struct tree_hash *h, bool durable)
{
	char path[TILE_PATH_MAX], temp[] = "tile/.new";
	_cleanup_close_ int fd = -1;
	int r;

	tile_path(level, index, width, path);
	r = make_dirs(dir_fd, path);
	if (r)
		return r;
	fd = openat(dir_fd, temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	r = hashes_write(fd, h, width * sizeof(*h));
	if (!r && ((durable && fsync(fd) < 0) || renameat(dir_fd, temp, dir_fd, path) < 0))
		r = -errno;
	if (r)
		unlinkat(dir_fd, temp, 0); /* its pages are not to be trusted any more */
	return r || !durable ? r : sync_dirs(dir_fd, path, is_first(index, width));
}

/* A full tile that was only written. */
static int tile_sync(int dir_fd, unsigned level, uint64_t index)
{
	char path[TILE_PATH_MAX];
	_cleanup_close_ int fd = -1;

	tile_path(level, index, TILE_WIDTH, path);
	fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fsync(fd) < 0)
		return -errno;
	return sync_dirs(dir_fd, path, is_first(index, TILE_WIDTH));
}

/* --- the writer ------------------------------------------------------------------------------------ */

struct level {
	uint64_t index; /* of the tile that h begins with */
	size_t n, cap;
	struct tree_hash *h; /* full tiles not written yet, and the partial one behind them */
	unsigned on_disk;    /* width of the partial tile `index` that is there; 0 = none */
	uint64_t synced;     /* full tiles before this one are durable */
};
struct tiles {
	int dir;
	bool failed;   /* an fsync did */
	unsigned part; /* of level 0: width of the durable partial of tile `synced`; 0 = none */
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

/* All partial tiles of one that is full. */
static void forget(struct tiles *t, unsigned i, uint64_t index)
{
	char path[TILE_PATH_MAX];

	for (unsigned w; (w = tile_partial(t->dir, i, index));) {
		tile_path(i, index, w, path);
		if (unlinkat(t->dir, path, 0) < 0)
			break;
	}
	tile_path(i, index, 1, path);
	*strrchr(path, '/') = '\0';
	unlinkat(t->dir, path, AT_REMOVEDIR);
}

/* Full tile `index` of level i is durable now. */
static void full_durable(struct tiles *t, unsigned i)
{
	struct level *l = &t->level[i];

	if (!i && t->part) {
		forget(t, 0, l->synced);
		t->part = 0;
	}
	l->synced++;
}

static int full_write(struct tiles *t, unsigned i, const struct tree_hash *h, bool durable)
{
	struct level *l = &t->level[i];
	bool needed = !i && t->part && l->index == l->synced;
	int r = tile_write(t->dir, i, l->index, TILE_WIDTH, h, durable);

	if (r)
		return r;
	if (l->on_disk && !needed)
		forget(t, i, l->index);
	l->on_disk = 0;
	if (durable)
		full_durable(t, i);
	l->index++;
	return 0;
}

static int partial_write(struct tiles *t, unsigned i, bool durable)
{
	struct level *l = &t->level[i];
	unsigned needed = i || l->index != l->synced ? 0 : t->part, old[2] = {l->on_disk, needed};
	char path[TILE_PATH_MAX];
	int r;

	if (!l->n || (l->n == l->on_disk && (i || !durable || l->n == needed)))
		return 0;
	r = tile_write(t->dir, i, l->index, l->n, l->h, durable);
	if (r)
		return r;
	for (int k = 0; k < 2; k++) {
		tile_path(i, l->index, old[k], path);
		if (old[k] && old[k] != l->n && (durable || old[k] != needed))
			unlinkat(t->dir, path, 0);
	}
	l->on_disk = l->n;
	if (durable && !i)
		t->part = l->n;
	return 0;
}

static int level_write(struct tiles *t, unsigned i, bool durable)
{
	struct level *l = &t->level[i];
	size_t full = 0;
	int r = 0;

	while (!r && (full + 1) * TILE_WIDTH <= l->n) {
		r = full_write(t, i, l->h + full * TILE_WIDTH, durable);
		full += !r;
	}
	l->n -= full * TILE_WIDTH;
	memmove(l->h, l->h + full * TILE_WIDTH, l->n * sizeof(*l->h));
	return r ? r : partial_write(t, i, durable);
}

static int write_all(struct tiles *t, bool durable)
{
	int r = t->failed ? -EIO : 0;

	for (unsigned i = 0; !r && i < TILE_LEVELS && (t->level[i].n || t->level[i].index); i++)
		r = level_write(t, i, durable);
	t->failed |= r && durable;
	return r;
}

int tiles_write(struct tiles *t)
{
	return write_all(t, false);
}

int tiles_step(struct tiles *t)
{
	unsigned i = TILE_LEVELS;
	int r;

	if (t->failed)
		return -EIO;
	while (i && t->level[i - 1].synced == t->level[i - 1].index)
		i--;
	if (!i)
		return 0;
	i--;
	r = tile_sync(t->dir, i, t->level[i].synced);
	t->failed = r;
	if (r)
		return r;
	full_durable(t, i);
	return 1;
}

int tiles_sync(struct tiles *t)
{
	int r;

	while ((r = tiles_step(t)) > 0)
		;
	return r ? r : write_all(t, true);
}

uint64_t tiles_durable(const struct tiles *t)
{
	uint64_t n = t->level[0].synced * TILE_WIDTH + t->part;

	/* Only where a writing failed half way an upper level is behind. */
	for (unsigned i = 1; i < TILE_LEVELS; i++)
		if (t->level[i].synced < n >> 8 * i >> 8)
			n = t->level[i].synced << 8 * i << 8;
	return n;
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

/* The roots of tiles first to first + n of the level below i. */
static int roots_load(struct tiles *t, unsigned i, uint64_t first, uint64_t n,
		      struct tree_hash *out)
{
	struct tree_hash tile[TILE_WIDTH];
	int r = 0;

	for (uint64_t k = 0; !r && k < n; k++) {
		r = tile_load(t->dir, i - 1, first + k, TILE_WIDTH, tile);
		if (!r)
			tile_root(tile, TILE_WIDTH, &out[k]);
	}
	return r;
}

/* A crash may have come between a level and the one above it. */
static int full_mend(struct tiles *t, unsigned i)
{
	struct tree_hash tile[TILE_WIDTH];
	int r = 0;

	for (uint64_t k = t->level[i].index; !r && k-- && !there(t->dir, i, k);) {
		r = roots_load(t, i, k * TILE_WIDTH, TILE_WIDTH, tile);
		if (!r)
			r = tile_write(t->dir, i, k, TILE_WIDTH, tile, true);
	}
	return r;
}

/* The hashes of the partial tile of level i: of level 0 from its file, of others from the full tiles below
 * it, so that what is above level 0 need not be there. */
static int level_load(struct tiles *t, unsigned i, uint64_t size)
{
	struct level *l = &t->level[i];
	uint64_t n = size >> 8 * i;
	struct tree_hash tile[TILE_WIDTH];
	int r;

	l->index = l->synced = n / TILE_WIDTH;
	l->n = n % TILE_WIDTH;
	l->on_disk = tile_partial(t->dir, i, l->index);
	r = make_room(l, TILE_WIDTH);
	if (r || (i && (r = full_mend(t, i))) || !l->n)
		return r;
	if (i)
		return roots_load(t, i, l->index * TILE_WIDTH, l->n, l->h);
	r = tile_load(t->dir, 0, l->index, l->n, tile);
	memcpy(l->h, tile, l->n * sizeof(*tile));
	t->part = l->n;
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

	if (l->n && (i || l->on_disk != l->n)) /* above level 0 it may be anything */
		r = tile_write(t->dir, i, l->index, l->n, l->h, true);
	l->on_disk = r ? 0 : l->n;
	if (i) /* it can be made from below at any time */
		r = 0;
	while (there(t->dir, i, end + 1) || tile_partial(t->dir, i, end + 1))
		end++;
	for (; !r && end > l->index; end--)
		r = tile_remove(t->dir, i, end, 0);
	return r ? r : tile_remove(t->dir, i, l->index, l->on_disk);
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
	bool all;
	int r = 0;

	if (!t)
		return -ENOMEM;
	t->dir = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0);
	if (t->dir < 0)
		return -errno;
	full = full_tiles(t->dir);
	have = full * TILE_WIDTH + tile_partial(t->dir, 0, full);
	all = have >= size;
	if (all)
		have = size;
	for (unsigned i = 0; !r && i < TILE_LEVELS; i++)
		r = level_load(t, i, have);
	/* Level 0 last: as long as it holds more, this is done again. With fewer there than are asked for,
	 * nothing is removed: what could not be read may be there. */
	for (unsigned i = TILE_LEVELS; all && !r && i-- > 0;)
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
