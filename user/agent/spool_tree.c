// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: leaf hashes of records as they become durable. Flows out: the tree of the chain, as tiles, and
 * after a crash again.
 *
 * `tree` is of all that is sealed, `tiles` of what is durable; files of tiles are written at checkpoints.
 * No record waits for them: segments have all of it, so tiles are synced one by one while nothing else is
 * to be done, and in any case before segments go that alone have the leaves. `tiled` says how many leaves
 * are in durable tiles; it is durable itself before segments go. What no tile has yet stands in `leaves` as
 * well, with each commit.
 *
 * At a start tiles behind `tiled` are made again, whatever is there: a power cut may have left anything.
 * Their leaves are looked for in that order: in the segments, in what damage left of them (a record behind
 * the gap names the leaf before it), in `leaves`, in the old tiles. Roots in SEALs must be right. Only where
 * all lack a leaf the tree has no root any more: -ENODATA, and a new chain begins. Where tiles cannot be
 * written they are made again in the same way at the next checkpoint.
 */
#include "spool_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"

/* An entry of `leaves`: seq u64, leaf[32], crc32c u32 of both. */
#define ENTRY_LEN 44

DEFINE_CLEANUP(DIR, closedir)
DEFINE_CLEANUP(struct tile_reader, tile_reader_free)
DEFINE_CLEANUP(struct tiles, tiles_free)

/* --- while it runs --------------------------------------------------------------------------------- */

static int failed(struct spool *s, int r)
{
	if (r && !s->tiles_bad)
		log_warn("spool %s: tiles: %s; made again with the next checkpoint", s->path,
			 strerror(-r));
	s->tiles_bad |= r;
	return r;
}

/* All of them are in tiles now. */
static int written(struct spool *s, struct tiles *t)
{
	_cleanup_close_ int fd = -1;
	int r = tiles_write(t);

	if (!r)
		fd = openat(s->dir, "leaves", O_WRONLY | O_TRUNC | O_CLOEXEC);
	return r;
}

static void leaf_add(struct spool *s, const struct tree_hash *leaf)
{
	int r = s->tiles_bad ? 0 : tiles_add(s->tiles, leaf);

	if (r == -ENOMEM) {
		r = written(s, s->tiles);
		if (!r)
			r = tiles_add(s->tiles, leaf);
	}
	failed(s, r);
}

static void entry(uint64_t seq, const struct tree_hash *leaf, uint8_t out[static ENTRY_LEN])
{
	put_be(out, 8, seq);
	memcpy(out + 8, leaf, sizeof(*leaf));
	put_be(out + 40, 4, crc32c(0, out, 40));
}

/* A hint for recovery: what fails here is not missed while the segments are whole. */
static void note_leaves(struct spool *s, uint64_t first)
{
	_cleanup_close_ int fd =
		openat(s->dir, "leaves", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	uint8_t b[64 * ENTRY_LEN];
	size_t n = 0;

	for (size_t i = 0; fd >= 0 && i < s->leaves_n; i++) {
		entry(first + i, &s->leaves[i], b + n);
		n += ENTRY_LEN;
		if ((n == sizeof(b) || i + 1 == s->leaves_n) && write(fd, b, n) != (ssize_t)n)
			return;
		n %= sizeof(b);
	}
}

void spool_leaves_durable(struct spool *s)
{
	note_leaves(s, s->buf_first);
	for (size_t i = 0; i < s->leaves_n; i++)
		leaf_add(s, &s->leaves[i]);
	s->leaves_n = 0;
}

/* The tiles' own failures are made good here. */
static int mended(struct spool *s)
{
	struct tree_edge tree;
	int r = s->tiles_bad ? spool_tree_load(s, s->st.durable_seq, s->durable_leaf, &tree) : 0;

	return r || !s->tiles_bad ? r : -ENOSPC;
}

int spool_tiles_write(struct spool *s)
{
	int r = mended(s);

	if (!r)
		r = failed(s, written(s, s->tiles));
	if (!r && tiles_durable(s->tiles) > s->tiled_said)
		spool_tiled_write(s, tiles_durable(s->tiles), false);
	return r;
}

bool spool_tiles_step(struct spool *s)
{
	int r = s->tiles_bad ? 0 : tiles_step(s->tiles);

	return failed(s, r < 0 ? r : 0) == 0 && r;
}

int spool_tiles_keep(struct spool *s, uint64_t below)
{
	int r = mended(s);

	if (!r && tiles_durable(s->tiles) < below)
		r = failed(s, tiles_sync(s->tiles));
	if (!r && s->tiled < below)
		r = spool_tiled_write(s, tiles_durable(s->tiles), true);
	return r;
}

/* --- after a crash --------------------------------------------------------------------------------- */

/* Leaves of records from `first` to below `next`, as far as anybody has them. */
struct gathered {
	uint64_t first, next;
	struct tree_hash *leaf;
	uint8_t *have;
};

static void gather(struct gathered *g, uint64_t seq, const uint8_t *leaf)
{
	if (seq < g->first || seq >= g->next || g->have[seq - g->first])
		return;
	memcpy(&g->leaf[seq - g->first], leaf, TREE_HASH_LEN);
	g->have[seq - g->first] = 1;
}

/* Every frame of a file, also behind what is damaged, that is of this chain. */
static void from_file(struct spool *s, const char *file, struct gathered *g)
{
	_cleanup_close_ int fd = openat(s->dir, file, O_RDONLY | O_CLOEXEC);
	struct segment_reader *in = s->in;
	enum segment_answer a;

	if (fd < 0)
		return;
	segment_read(in, fd, 0);
	while ((a = segment_next(in)) != SEGMENT_END && a != SEGMENT_IO) {
		struct tree_hash leaf;
		struct record r;
		const char *why;

		if (a != SEGMENT_FRAME) {
			segment_resync(in);
			continue;
		}
		if (record_decode(in->frame.record, in->frame.record_len, &r, &why) ||
		    memcmp(r.chain, s->st.chain, sizeof(r.chain)))
			continue;
		record_leaf(in->frame.record, leaf.b);
		gather(g, r.seq, leaf.b);
		if (r.seq)
			gather(g, r.seq - 1, r.prev);
	}
}

static void from_segments(struct spool *s, struct gathered *g)
{
	char file[SEGMENT_NAME_LEN + 1];

	for (size_t i = 0; i < s->segs_n; i++) {
		if (s->segs[i].next <= g->first)
			continue;
		segment_name(s->segs[i].first, file);
		from_file(s, file, g);
	}
}

static void from_damaged(struct spool *s, struct gathered *g)
{
	int fd = openat(s->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(closedirp) DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d && fd >= 0)
		close(fd);
	while (d && (e = readdir(d))) {
		size_t n = strlen(e->d_name);

		if (n > 4 && !strcmp(e->d_name + n - 4, ".bad"))
			from_file(s, e->d_name, g);
	}
}

static void from_leaves(struct spool *s, struct gathered *g)
{
	_cleanup_close_ int fd = openat(s->dir, "leaves", O_RDONLY | O_CLOEXEC);
	uint8_t b[ENTRY_LEN];

	for (off_t at = 0; fd >= 0 && pread(fd, b, sizeof(b), at) == sizeof(b); at += sizeof(b)) {
		struct reader in = reader_of(b, sizeof(b));
		uint64_t seq = reader_u64(&in);
		const uint8_t *leaf = reader_take(&in, TREE_HASH_LEN);

		if (reader_u32(&in) == crc32c(0, b, 40))
			gather(g, seq, leaf);
	}
}

/* What a power cut or a hand left of tiles, for what nothing else has. */
static void from_tiles(struct spool *s, struct gathered *g)
{
	struct tree_hash tile[TILE_WIDTH];

	for (uint64_t i = g->first / TILE_WIDTH; i * TILE_WIDTH < g->next; i++) {
		size_t n = tile_leaves(s->dir, i, tile);

		for (size_t k = 0; k < n; k++)
			gather(g, i * TILE_WIDTH + k, tile[k].b);
	}
}

static bool all_there(const struct gathered *g)
{
	return g->first == g->next || !memchr(g->have, 0, g->next - g->first);
}

static void gathered_free(struct gathered *g)
{
	free(g->leaf);
	free(g->have);
}

static int gathered_room(struct gathered *g)
{
	gathered_free(g);
	g->leaf = calloc(g->next - g->first + 1, sizeof(*g->leaf));
	g->have = calloc(g->next - g->first + 1, 1);
	return g->leaf && g->have ? 0 : -ENOMEM;
}

/* `last` is the leaf of the last one. */
static int gather_all(struct spool *s, struct gathered *g, const uint8_t *last)
{
	void (*const from[])(struct spool *, struct gathered *) = {from_segments, from_damaged,
								   from_leaves, from_tiles};
	int r = gathered_room(g);

	if (r || g->first == g->next)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(from) && !all_there(g); i++) {
		from[i](s, g);
		gather(g, g->next - 1, last);
	}
	return all_there(g) ? 0 : -ENODATA;
}

/* The SEAL that is the next leaf, if any, tells the root of those before it. */
static int seal_fits(const struct spool *s, const struct tree_edge *e, size_t *at)
{
	struct tree_hash root;

	while (*at < s->seals_n && s->seals[*at].seq < e->size)
		++*at;
	if (*at == s->seals_n || s->seals[*at].seq != e->size)
		return 0;
	tree_root(e, &root);
	return memcmp(&root, &s->seals[*at].root, sizeof(root)) ? -EBADMSG : 0;
}

/* To tiles and tree. Where there is no room for the files of tiles, to the tree alone: *ret_full. */
static int add_all(struct spool *s, struct tiles *t, const struct gathered *g, struct tree_edge *e,
		   bool *ret_full)
{
	size_t at = 0;
	int r = 0;

	*e = *tiles_edge(t);
	*ret_full = false;
	for (uint64_t i = 0; !r && i < g->next - g->first; i++) {
		r = seal_fits(s, e, &at);
		tree_add(e, &g->leaf[i]);
		if (!r && !*ret_full && tiles_add(t, &g->leaf[i]) == -ENOMEM)
			*ret_full = tiles_write(t) || tiles_add(t, &g->leaf[i]);
	}
	return r;
}

/* The tree of the tiles against the root of the last SEAL, what is behind it against the records. */
static int tiles_fit(struct spool *s, const struct tiles *t)
{
	_cleanup_(tile_reader_freep) struct tile_reader *in = NULL;
	struct gathered g = {.next = tiles_edge(t)->size};
	struct tree_edge e;
	struct tree_hash h;
	size_t i = s->seals_n;
	int r = g.next ? tile_reader_open(s->dir, g.next, &in) : 0;

	while (i && s->seals[i - 1].seq > g.next)
		i--;
	if (!r && g.next && i) {
		g.first = s->seals[i - 1].seq;
		r = tree_edge_read(g.first, tile_reader_hash, in, &e);
		if (!r) {
			tree_root(&e, &h);
			r = memcmp(&h, &s->seals[i - 1].root, sizeof(h)) ? -EBADMSG : 0;
		}
	}
	if (r || !g.next)
		return r == -ENOMEM ? r : r ? -EBADMSG : 0;
	r = gathered_room(&g);
	if (!r)
		from_segments(s, &g);
	for (uint64_t k = 0; !r && k < g.next - g.first; k++)
		if (g.have[k] &&
		    (tile_reader_hash(in, 0, g.first + k, &h) || memcmp(&h, &g.leaf[k], sizeof(h))))
			r = -EBADMSG;
	gathered_free(&g);
	return r;
}

/* How many leaves the tiles have for certain. */
static uint64_t tiled(struct spool *s, uint64_t next)
{
	uint64_t first = s->segs_n ? s->segs[0].first : 0, n = 0;

	/* It was there before a segment went: a hand removed it, no power cut. */
	if (spool_tiled_read(s, &n) && first)
		n = next;
	if (n < first) /* only they have these */
		n = first;
	return n < next ? n : next;
}

struct loaded {
	struct tiles *tiles;
	struct tree_edge tree;
	bool full;
};

/* What is behind `from` leaves in the tiles is made again. */
static int tiles_load(struct spool *s, uint64_t from, uint64_t next, const uint8_t *last,
		      struct loaded *ret)
{
	_cleanup_(tiles_freep) struct tiles *t = NULL;
	struct gathered g = {.first = from, .next = next};
	char err[256];
	int r = gather_all(s, &g, last); /* before they are cut */

	if (!r)
		r = tiles_open(s->dir, from, &t, err, sizeof(err));
	if (!r)
		r = tiles_fit(s, t);
	if (!r && tiles_edge(t)->size < from) { /* a hand removed some */
		g.first = tiles_edge(t)->size;
		r = gather_all(s, &g, last);
	}
	if (!r)
		r = add_all(s, t, &g, &ret->tree, &ret->full);
	gathered_free(&g);
	if (!r)
		ret->tiles = TAKE_PTR(t);
	return r;
}

/* Tiles that are wrong are kept for who wants to look. */
static int tiles_aside(struct spool *s)
{
	char bad[32] = "tile.bad";
	int k = 0;

	while (renameat(s->dir, "tile", s->dir, bad) < 0 && errno != ENOENT) {
		if (++k == 1000)
			return -errno;
		snprintf(bad, sizeof(bad), "tile.%d.bad", k);
	}
	log_warn("spool %s: tiles: not those of the records; kept as %s, made again", s->path, bad);
	return 0;
}

static bool no_room(int r)
{
	return r == -ENOMEM || r == -ENOSPC || r == -EDQUOT || r == -EROFS;
}

int spool_tree_load(struct spool *s, uint64_t next, const uint8_t *last, struct tree_edge *ret)
{
	bool anew = !s->tiles && (!s->segs_n || !s->segs[0].first);
	uint64_t from = tiled(s, next);
	struct loaded l;
	int r = tiles_load(s, from, next, last, &l);

	/* Not by one failed reading is a chain given up. */
	if (r && !no_room(r))
		r = tiles_load(s, from, next, last, &l);
	if (r && !no_room(r) && anew) {
		r = tiles_aside(s);
		if (!r)
			r = tiles_load(s, 0, next, last, &l);
	}
	if (r)
		return no_room(r) ? r : -ENODATA;
	tiles_free(s->tiles);
	s->tiles = l.tiles;
	s->tiles_bad = l.full;
	s->tiled = s->tiled_said = 0; /* what was read may not be durable */
	if (!l.full)
		failed(s, written(s, s->tiles));
	*ret = l.tree;
	return 0;
}
