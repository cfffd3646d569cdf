// SPDX-License-Identifier: Apache-2.0
/*
 * In: the leaf hashes of all records in order. Out: whether the tiles beside them are of the same tree.
 *
 * As the walk goes on the tiles of each level are made again, one of each in memory, and each is compared
 * when it is full with its file, at the end those that are not; so every byte of every tile is looked at
 * and memory does not grow. Leaves of records that are not here any more are taken from the tiles of level
 * 0 themselves: the levels above, the roots in SEALs and every checkpoint say then whether they are right.
 *
 * Tiles are written at checkpoints: what the newest checkpoint covers, or is behind removed segments, must
 * be there; what is there may reach farther, but not beyond the last record. A partial tile of an older
 * size is a beginning of the newer one and is checked like it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "verify_int.h"

#define TRIES 3 /* a live recorder replaces a partial tile by a wider one */

DEFINE_CLEANUP(DIR, closedir)

static void root_of(const struct tree_hash *h, struct tree_hash *ret)
{
	struct tree_edge e = {0};

	for (size_t i = 0; i < TILE_WIDTH; i++)
		tree_add(&e, &h[i]);
	tree_root(&e, ret);
}

static void bad(struct walk *w, const char *file, uint64_t offset, uint64_t seq, const char *what)
{
	w->tiles.bad = true;
	verify_found(w, file, offset, seq, "tile", "%s", what);
}

/* --- files ----------------------------------------------------------------------------------------- */

/* 0; -ENOENT; -EBADMSG: not of `width` hashes; -errno. */
static int tile_file(int dir, const char *path, unsigned width, struct tree_hash *out)
{
	_cleanup_close_ int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size != (off_t)(width * sizeof(*out)))
		return -EBADMSG;
	return pread(fd, out, width * sizeof(*out), 0) == st.st_size ? 0 : -EIO;
}

static DIR *partials(const struct walk *w, unsigned level, uint64_t index)
{
	char path[TILE_PATH_MAX];
	DIR *d;
	int fd;

	tile_path(level, index, 1, path);
	*strrchr(path, '/') = '\0';
	fd = openat(w->dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d && fd >= 0)
		close(fd);
	return d;
}

/* The width a file name of a partial tile says; 0: none. */
static unsigned width_of(const char *name)
{
	unsigned v = 0;

	if (*name == '0' || strlen(name) > 3)
		return 0;
	for (; *name; name++) {
		if (*name < '0' || *name > '9')
			return 0;
		v = v * 10 + (*name - '0');
	}
	return v < TILE_WIDTH ? v : 0;
}

/* --- one tile against its files -------------------------------------------------------------------- */

/* True: the file is there, of this width, and begins the tile. `have` hashes of it are known. */
static bool same(struct walk *w, unsigned level, uint64_t index, unsigned width, unsigned have)
{
	const struct tree_hash *is = w->tiles.level[level];
	struct tree_hash file[TILE_WIDTH];
	char path[TILE_PATH_MAX];
	unsigned i = 0;
	int r;

	tile_path(level, index, width, path);
	r = tile_file(w->dir, path, width, file);
	if (r == -ENOENT)
		return false;
	if (r) {
		bad(w, path, 0, (index * TILE_WIDTH) << 8 * level,
		    r == -EBADMSG ? "not as long as its name says" : strerror(-r));
		return true;
	}
	if (width > have) /* of a live chain that went on: only its beginning can be told */
		width = have;
	while (i < width && !memcmp(&file[i], &is[i], sizeof(*is)))
		i++;
	if (i < width)
		bad(w, path, i * sizeof(*is), (index * TILE_WIDTH + i) << 8 * level,
		    level ? "not the root of the tile below" : "not the leaf of this record");
	return true;
}

/* The widest that is there of at most `have` hashes; while an agent writes, also of more. */
static unsigned widest(struct walk *w, unsigned level, uint64_t index, unsigned have)
{
	_cleanup_(closedirp) DIR *d = partials(w, level, index);
	unsigned best = 0, most = have < TILE_WIDTH && verify_live(w) ? TILE_WIDTH : have;
	struct dirent *e;

	if (most == TILE_WIDTH && same(w, level, index, TILE_WIDTH, have))
		best = TILE_WIDTH;
	while (d && (e = readdir(d))) {
		unsigned width = width_of(e->d_name);

		if (width && width <= most && same(w, level, index, width, have) && width > best)
			best = width;
	}
	return best;
}

static void compare(struct walk *w, unsigned level, uint64_t index, unsigned have)
{
	uint64_t all = w->tiles.must >> 8 * level, first = index * TILE_WIDTH;
	unsigned need = all <= first		   ? 0
			: all - first < TILE_WIDTH ? all - first
						   : TILE_WIDTH,
		 is = widest(w, level, index, have);
	char path[TILE_PATH_MAX];

	for (int i = 1; i < TRIES && is < need && verify_live(w); i++)
		is = widest(w, level, index, have);
	w->r->tiles += is > 0;
	if (is >= need ||
	    need > have) /* the latter: a checkpoint beyond the chain says so itself */
		return;
	tile_path(level, index, need, path);
	bad(w, path, 0, first << 8 * level, "missing: a checkpoint or removed segments need it");
}

void verify_tiles_leaf(struct walk *w, const struct tree_hash *leaf)
{
	struct tile_walk *t = &w->tiles;
	struct tree_hash up = *leaf;

	if (t->off)
		return;
	t->n++;
	for (unsigned i = 0; i < TILE_LEVELS; i++) {
		uint64_t at = (t->n >> 8 * i) - 1; /* of `up` in this level */

		t->level[i][at % TILE_WIDTH] = up;
		if (at % TILE_WIDTH != TILE_WIDTH - 1)
			return;
		compare(w, i, at / TILE_WIDTH, TILE_WIDTH);
		root_of(t->level[i], &up);
	}
}

/* --- leaves that only the tiles have --------------------------------------------------------------- */

static int load(struct walk *w, uint64_t index)
{
	struct tile_walk *t = &w->tiles;
	char path[TILE_PATH_MAX];
	unsigned best = 0;
	struct dirent *e;
	int r;

	if (t->loaded && t->loaded_index == index)
		return 0;
	t->loaded = false;
	tile_path(0, index, TILE_WIDTH, path);
	r = tile_file(w->dir, path, TILE_WIDTH, t->file);
	t->loaded_n = TILE_WIDTH;
	if (r == -ENOENT) {
		_cleanup_(closedirp) DIR *d = partials(w, 0, index);

		while (d && (e = readdir(d)))
			if (width_of(e->d_name) > best)
				best = width_of(e->d_name);
		if (!best)
			return -ENOENT;
		tile_path(0, index, best, path);
		r = tile_file(w->dir, path, best, t->file);
		t->loaded_n = best;
	}
	t->loaded = !r;
	t->loaded_index = index;
	return r;
}

static int leaf_from(struct walk *w, uint64_t seq, struct tree_hash *ret)
{
	int r = load(w, seq / TILE_WIDTH);

	if (r)
		return r;
	if (seq % TILE_WIDTH >= w->tiles.loaded_n)
		return -ENOENT;
	*ret = w->tiles.file[seq % TILE_WIDTH];
	return 0;
}

/* The SEAL that is the next leaf tells the root of those before. */
static bool sealed_so(struct walk *w, const struct tree_edge *edge)
{
	const struct epoch_end *s = verify_end_before(w, edge->size + 1);
	struct tree_hash root;
	char path[TILE_PATH_MAX];

	if (!s || s->seq != edge->size)
		return true;
	tree_root(edge, &root);
	if (!memcmp(&root, &s->root, sizeof(root)))
		return true;
	tile_path(0, edge->size / TILE_WIDTH, TILE_WIDTH, path);
	verify_found(w, path, 0, edge->size, "tile",
		     "SEAL record %" PRIu64 " has another root for the leaves before it", s->seq);
	return false;
}

/* What was missed is only told where nothing else was found: behind damage it is no wonder. */
static bool gone(struct walk *w, uint64_t seq, int e)
{
	char path[TILE_PATH_MAX];

	w->tiles.off = true;
	if (w->r->findings || w->o->part)
		return false;
	tile_path(0, seq / TILE_WIDTH, TILE_WIDTH, path);
	bad(w, path, seq % TILE_WIDTH * TREE_HASH_LEN, seq,
	    e == -EBADMSG  ? "not as long as its name says"
	    : e == -ENOENT ? "missing: leaves of removed records are in it"
			   : strerror(-e));
	return false;
}

bool verify_tiles_fill(struct walk *w, uint64_t to, struct tree_edge *edge)
{
	struct tree_hash leaf;

	if (w->tiles.off || edge->size != w->tiles.n)
		return false;
	while (edge->size < to) {
		int r = leaf_from(w, edge->size, &leaf);

		if (r)
			return gone(w, edge->size, r);
		if (!sealed_so(w, edge)) {
			w->tiles.off = true;
			return false;
		}
		tree_add(edge, &leaf);
		verify_tiles_leaf(w, &leaf);
		verify_notes_at(w, edge);
	}
	return true;
}

/* --- the end --------------------------------------------------------------------------------------- */

/* Tiles of records that are not here. */
static void beyond(struct walk *w)
{
	char root[4200], *const roots[] = {root, NULL};
	size_t skip = strlen(w->path) + 1;
	FTS *f;

	if (snprintf(root, sizeof(root), "%s/tile", w->path) >= (int)sizeof(root))
		return;
	f = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	for (FTSENT *e; f && !w->tiles.bad && (e = fts_read(f));) {
		unsigned level, width;
		uint64_t index;

		if (e->fts_info != FTS_F || e->fts_pathlen < skip ||
		    !tile_path_parse(e->fts_path + skip, &level, &index, &width))
			continue;
		if (level >= TILE_LEVELS || index > (w->tiles.n >> 8 * level) / TILE_WIDTH ||
		    index * TILE_WIDTH + width > w->tiles.n >> 8 * level)
			bad(w, e->fts_path + skip, 0, w->tiles.n,
			    "has leaves of records that are not here");
	}
	if (f)
		fts_close(f);
}

void verify_tiles_end(struct walk *w)
{
	struct tile_walk *t = &w->tiles;

	if (t->off)
		return;
	for (unsigned i = 0; i < TILE_LEVELS; i++) {
		uint64_t n = t->n >> 8 * i;

		if (n % TILE_WIDTH)
			compare(w, i, n / TILE_WIDTH, n % TILE_WIDTH);
	}
	if (!t->bad && !w->o->part && !verify_live(w))
		beyond(w);
}
