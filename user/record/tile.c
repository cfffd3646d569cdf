// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: a folder of tiles, which may be any. Flows out: the hashes of subtrees, and whether all tiles
 * agree with each other and with a root.
 *
 * A checkpoint may be older than the newest tiles, so a wider partial tile stands in for the one that is
 * looked for: it begins with the same hashes. Nothing read is believed before a root says so; files of a
 * wrong length are refused. Limits: TILE_LEVELS levels, which is 2^64 leaves; OPEN_TILES tiles in memory.
 */
#include "tile_int.h"

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

/* The hashes of one file, of exactly w of them. 0, -ENOENT, -EBADMSG, -errno. */
static int file_load(int dir_fd, unsigned level, uint64_t index, unsigned w,
		     struct tree_hash out[static TILE_WIDTH])
{
	char path[TILE_PATH_MAX];
	_cleanup_close_ int fd = -1;
	struct stat st;

	tile_path(level, index, w, path);
	fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size != (off_t)(w * sizeof(*out)) ||
	    pread(fd, out, w * sizeof(*out), 0) != st.st_size)
		return -EBADMSG;
	return 0;
}

unsigned tile_partial(int dir, unsigned level, uint64_t index)
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

#define LOAD_TRIES \
	3 /* a writer beside us may put a wider tile in the place of the one we look for */

int tile_load(int dir_fd, unsigned level, uint64_t index, unsigned width,
	      struct tree_hash out[static TILE_WIDTH])
{
	int r = -ENOENT;

	for (int i = 0; i < LOAD_TRIES && r == -ENOENT; i++) {
		unsigned wider;

		r = file_load(dir_fd, level, index, width, out);
		if (r == -ENOENT && width < TILE_WIDTH)
			r = file_load(dir_fd, level, index, TILE_WIDTH, out);
		if (r != -ENOENT || width == TILE_WIDTH)
			return r;
		wider = tile_partial(dir_fd, level, index);
		if (wider > width)
			r = file_load(dir_fd, level, index, wider, out);
	}
	return r;
}

size_t tile_leaves(int dir_fd, uint64_t index, struct tree_hash out[static TILE_WIDTH])
{
	unsigned width = tile_partial(dir_fd, 0, index);

	if (!file_load(dir_fd, 0, index, TILE_WIDTH, out))
		return TILE_WIDTH;
	return width && !file_load(dir_fd, 0, index, width, out) ? width : 0;
}

void tile_root(const struct tree_hash *h, size_t n, struct tree_hash *ret)
{
	struct tree_edge e = {0};

	for (size_t i = 0; i < n; i++)
		tree_add(&e, &h[i]);
	tree_root(&e, ret);
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
		tile_root(k->h + first % TILE_WIDTH, 1u << j, ret);
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

				tile_root(down->h, TILE_WIDTH, &is);
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
