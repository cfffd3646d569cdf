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
#include "tile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

#define OPEN_TILES (TILE_LEVELS * 4)

DEFINE_CLEANUP(DIR, closedir)
DEFINE_CLEANUP(struct tiles, tiles_free)
DEFINE_CLEANUP(struct tile_reader, tile_reader_free)

/* --- paths ----------------------------------------------------------------------------------------- */

size_t tile_path(unsigned level, uint64_t index, unsigned width, char out[static TILE_PATH_MAX])
{
	unsigned part[7], parts = 0;
	size_t n = snprintf(out, TILE_PATH_MAX, "tile/%u", level);

	do
		part[parts++] = index % 1000;
	while ((index /= 1000));
	while (parts--)
		n += snprintf(out + n, TILE_PATH_MAX - n, "/%s%03u", parts ? "x" : "", part[parts]);
	if (width && width < TILE_WIDTH)
		n += snprintf(out + n, TILE_PATH_MAX - n, ".p/%u", width);
	return n;
}

bool tile_path_parse(const char *s, unsigned *ret_level, uint64_t *ret_index, unsigned *ret_width)
{
	unsigned level, width = TILE_WIDTH;
	char again[TILE_PATH_MAX];
	uint64_t index = 0;
	const char *p;
	int n = 0;

	if (sscanf(s, "tile/%2u/%n", &level, &n) != 1 || !n || strlen(s) >= TILE_PATH_MAX)
		return false;
	for (p = s + n; *p && *p != '.'; p++)
		if (*p >= '0' && *p <= '9' &&
		    (__builtin_mul_overflow(index, 10, &index) ||
		     __builtin_add_overflow(index, (uint64_t)(*p - '0'), &index)))
			return false;
	if (*p && (sscanf(p, ".p/%3u", &width) != 1 || !width || width >= TILE_WIDTH))
		return false;
	/* One spelling of each: what is written from what was read must be what was given. */
	tile_path(level, index, width, again);
	if (level > 63 || strcmp(s, again))
		return false;
	*ret_level = level;
	*ret_index = index;
	*ret_width = width;
	return true;
}

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

/* A tile of at least `width` hashes, the full one or that partial one. 0, -ENOENT, -EBADMSG, -errno. */
static int tile_load(int dir_fd, unsigned level, uint64_t index, unsigned width,
		     struct tree_hash out[static TILE_WIDTH])
{
	for (unsigned w = TILE_WIDTH;; w = width) {
		char path[TILE_PATH_MAX];
		_cleanup_close_ int fd = -1;
		struct stat st;

		tile_path(level, index, w, path);
		fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0 && (errno != ENOENT || w == width))
			return -errno;
		if (fd < 0)
			continue;
		if (fstat(fd, &st) < 0)
			return -errno;
		if (st.st_size != (off_t)(w * sizeof(*out)) ||
		    pread(fd, out, w * sizeof(*out), 0) != st.st_size)
			return -EBADMSG;
		return 0;
	}
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

/* The root of 2^k hashes. */
static void root_of(const struct tree_hash *h, size_t n, struct tree_hash *ret)
{
	struct tree_edge e = {0};

	for (size_t i = 0; i < n; i++)
		tree_add(&e, &h[i]);
	tree_root(&e, ret);
}

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
		root_of(l->h + l->n - TILE_WIDTH, TILE_WIDTH, &up);
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

/* The partial tile that has become wider, or full. */
static void forget(struct tiles *t, unsigned i)
{
	char path[TILE_PATH_MAX];
	struct level *l = &t->level[i];

	tile_path(i, l->index, l->on_disk, path);
	unlinkat(t->dir, path, 0);
	*strrchr(path, '/') = '\0';
	unlinkat(t->dir, path, AT_REMOVEDIR); /* of its widths, unless another is in it */
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

static bool there(int dir, uint64_t index)
{
	char path[TILE_PATH_MAX];

	tile_path(0, index, 0, path);
	return faccessat(dir, path, R_OK, 0) == 0;
}

/* Full tiles of level 0, written one after the other. */
static uint64_t full_tiles(int dir)
{
	uint64_t low = 0,
		 high = 1; /* low are there; tile high - 1 is not, once the first loop ended */

	for (; there(dir, high - 1); high *= 2)
		low = high;
	while (high - low > 1) {
		uint64_t mid = low + (high - low) / 2;

		if (there(dir, mid - 1))
			low = mid;
		else
			high = mid;
	}
	return low;
}

/* The widest partial tile; the others are of older sizes and go. */
static unsigned partial_width(int dir, unsigned level, uint64_t index)
{
	char path[TILE_PATH_MAX];
	_cleanup_(closedirp) DIR *d = NULL;
	unsigned best = 0;
	struct dirent *e;
	int fd;

	tile_path(level, index, 1, path);
	*strrchr(path, '/') = '\0';
	fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d && fd >= 0)
		close(fd);
	while (d && (e = readdir(d))) {
		unsigned w = strtoul(e->d_name, NULL, 10);

		best = w < TILE_WIDTH && w > best ? w : best;
	}
	return best;
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
	l->on_disk = partial_width(t->dir, i, l->index);
	if (!i) {
		r = tile_load(t->dir, 0, l->index, l->on_disk, tile);
		memcpy(l->h, tile, n % TILE_WIDTH * sizeof(*tile));
	}
	for (uint64_t k = 0; i && !r && k < n % TILE_WIDTH; k++) {
		r = tile_load(t->dir, i - 1, l->index * TILE_WIDTH + k, TILE_WIDTH, tile);
		if (!r)
			root_of(tile, TILE_WIDTH, &l->h[k]);
	}
	l->n = n % TILE_WIDTH;
	return r;
}

static void edge_load(struct tiles *t, uint64_t size)
{
	t->edge.size = size;
	for (unsigned i = 0; i < TILE_LEVELS; i++)
		for (unsigned j = 0, n = t->level[i].n; j < 8; j++)
			if (n >> j & 1)
				root_of(t->level[i].h + (n >> (j + 1) << (j + 1)), 1u << j,
					&t->edge.peak[8 * i + j]);
}

int tiles_open(int dir_fd, uint64_t size, struct tiles **ret, char *err, size_t err_len)
{
	_cleanup_(tiles_freep) struct tiles *t = calloc(1, sizeof(*t));
	uint64_t full, have;
	int r = 0;

	if (!t)
		return -ENOMEM;
	t->dir = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0);
	if (t->dir < 0)
		return -errno;
	full = full_tiles(t->dir);
	have = full * TILE_WIDTH + partial_width(t->dir, 0, full);
	if (have > size)
		have = size;
	for (unsigned i = 0; !r && i < TILE_LEVELS; i++)
		r = level_load(t, i, have);
	if (r) {
		snprintf(err, err_len, "tiles: those of %" PRIu64 " leaves cannot be read: %s",
			 have, r == -EBADMSG ? "a tile has the wrong length" : strerror(-r));
		return r;
	}
	edge_load(t, have);
	*ret = TAKE_PTR(t);
	return 0;
}

/* --- the reader ------------------------------------------------------------------------------------ */

struct tile_reader {
	int dir;
	uint64_t size, clock;
	struct kept {
		bool is;
		unsigned level;
		uint64_t index, used;
		struct tree_hash h[TILE_WIDTH];
	} kept[OPEN_TILES];
};

int tile_reader_open(int dir_fd, uint64_t size, struct tile_reader **ret)
{
	struct tile_reader *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->size = size;
	r->dir = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0);
	if (r->dir < 0) {
		free(r);
		return -errno;
	}
	*ret = r;
	return 0;
}

void tile_reader_free(struct tile_reader *r)
{
	if (r)
		close(r->dir);
	free(r);
}

static unsigned width_of(uint64_t size, unsigned level, uint64_t index)
{
	uint64_t n = size >> 8 * level;

	if (index < n / TILE_WIDTH)
		return TILE_WIDTH;
	return index == n / TILE_WIDTH ? n % TILE_WIDTH : 0;
}

static int tile_get(struct tile_reader *r, unsigned level, uint64_t index, struct kept **ret)
{
	unsigned width = width_of(r->size, level, index);
	struct kept *k = &r->kept[0];
	int e;

	for (size_t i = 0; i < OPEN_TILES; i++) {
		struct kept *c = &r->kept[i];

		if (c->is && c->level == level && c->index == index) {
			k = c;
			goto found;
		}
		if (c->used < k->used)
			k = c;
	}
	if (!width)
		return -ENOENT;
	k->is = false;
	e = tile_load(r->dir, level, index, width, k->h);
	if (e)
		return e;
	k->is = true;
	k->level = level;
	k->index = index;
found:
	k->used = ++r->clock;
	*ret = k;
	return 0;
}

int tile_reader_hash(void *ctx, unsigned level, uint64_t index, struct tree_hash *ret)
{
	unsigned i = level / 8, j = level % 8;
	uint64_t first = index << j; /* of the hashes of tile level i */
	struct kept *k;
	int r;

	if (level > 63 || first >> j != index ||
	    first + (1ull << j) > ((struct tile_reader *)ctx)->size >> 8 * i)
		return -EINVAL;
	r = tile_get(ctx, i, first / TILE_WIDTH, &k);
	if (!r)
		root_of(k->h + first % TILE_WIDTH, 1u << j, ret);
	return r;
}

/* --- all of them ------------------------------------------------------------------------------------ */

/* One level against the one below it; level 0 is counted into the root. */
static int level_check(struct tile_reader *r, unsigned i, struct tree_edge *e, char *where)
{
	uint64_t n = r->size >> 8 * i;
	struct tree_hash h;

	for (uint64_t at = 0; at < n; at++) {
		struct kept *up, *down;
		int k;

		tile_path(i, at / TILE_WIDTH, width_of(r->size, i, at / TILE_WIDTH), where);
		k = tile_get(r, i, at / TILE_WIDTH, &up);
		if (!k && i) {
			h = up->h[at % TILE_WIDTH];
			k = tile_get(r, i - 1, at, &down);
			if (!k) {
				struct tree_hash is;

				root_of(down->h, TILE_WIDTH, &is);
				k = memcmp(&is, &h, sizeof(h)) ? -EBADMSG : 0;
			}
		} else if (!k) {
			tree_add(e, &up->h[at % TILE_WIDTH]);
		}
		if (k)
			return k;
	}
	return 0;
}

int tiles_check(int dir_fd, uint64_t size, const struct tree_hash *root,
		char where[static TILE_PATH_MAX])
{
	_cleanup_(tile_reader_freep) struct tile_reader *r = NULL;
	struct tree_edge e = {0};
	struct tree_hash is;
	int k = tile_reader_open(dir_fd, size, &r);

	for (unsigned i = 0; !k && i < TILE_LEVELS && size >> 8 * i; i++)
		k = level_check(r, i, &e, where);
	if (k)
		return k;
	tree_root(&e, &is);
	if (!memcmp(&is, root, sizeof(is)))
		return 0;
	snprintf(where, TILE_PATH_MAX, "tile/0");
	return -EBADMSG;
}
