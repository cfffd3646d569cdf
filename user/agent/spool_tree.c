// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: leaf hashes of records as they become durable. Flows out: the tree of the chain, as tiles, and
 * after a crash again.
 *
 * `tree` is of all that is sealed, `tiles` of what is durable; files of tiles are written at checkpoints
 * and before segments go. What no tile has yet stands in `leaves` as well: written with each commit and
 * not synced, since the segments have it too. After a crash the tiles say how far they are, and what is
 * behind is looked for in that order: in the segments, in what damage left of them (a record behind the
 * gap names the leaf before it), in `leaves`. Only where all lack a leaf the tree has no root any more:
 * -ENODATA, and a new chain begins.
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

/* --- while it runs --------------------------------------------------------------------------------- */

int spool_tiles_sync(struct spool *s)
{
	int r = tiles_sync(s->tiles);
	_cleanup_close_ int fd = -1;

	if (r)
		return r;
	fd = openat(s->dir, "leaves",
		    O_WRONLY | O_TRUNC | O_CLOEXEC); /* all of them are in tiles now */
	return 0;
}

static int leaf_add(struct spool *s, const struct tree_hash *leaf)
{
	int r = tiles_add(s->tiles, leaf);

	if (r != -ENOMEM)
		return r;
	r = spool_tiles_sync(s);
	return r ? r : tiles_add(s->tiles, leaf);
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

int spool_leaves_durable(struct spool *s)
{
	int r = 0;

	note_leaves(s, s->buf_first);
	for (size_t i = 0; i < s->leaves_n && !r; i++)
		r = leaf_add(s, &s->leaves[i]);
	s->leaves_n = 0;
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

static bool all_there(const struct gathered *g)
{
	return g->first == g->next || !memchr(g->have, 0, g->next - g->first);
}

static int gathered_add(struct spool *s, struct gathered *g)
{
	int r = all_there(g) ? 0 : -ENODATA;

	for (uint64_t i = 0; !r && i < g->next - g->first; i++)
		r = leaf_add(s, &g->leaf[i]);
	return r;
}

static int gathered_room(struct gathered *g)
{
	g->leaf = calloc(g->next - g->first + 1, sizeof(*g->leaf));
	g->have = calloc(g->next - g->first + 1, 1);
	return g->leaf && g->have ? 0 : -ENOMEM;
}

static void gathered_free(struct gathered *g)
{
	free(g->leaf);
	free(g->have);
}

/* The tree of the tiles against the root of the last SEAL, what is behind it against the records. */
static int tiles_fit(struct spool *s)
{
	_cleanup_(tile_reader_freep) struct tile_reader *in = NULL;
	struct gathered g = {.next = tiles_edge(s->tiles)->size};
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

/* Tiles that are wrong are kept for who wants to look, and made again from the start. */
static int tiles_anew(struct spool *s, uint64_t next, const char *why)
{
	char bad[32] = "tile.bad", err[256];
	int k = 0;

	tiles_free(TAKE_PTR(s->tiles));
	while (renameat(s->dir, "tile", s->dir, bad) < 0 && errno != ENOENT) {
		if (++k == 1000)
			return -errno;
		snprintf(bad, sizeof(bad), "tile.%d.bad", k);
	}
	log_warn("spool %s: tiles: %s; kept as %s, made again", s->path, why, bad);
	return tiles_open(s->dir, next, &s->tiles, err, sizeof(err)) ? -ENODATA : 0;
}

/* What the tiles do not have yet. */
static int tiles_complete(struct spool *s, uint64_t next)
{
	struct gathered g = {.first = tiles_edge(s->tiles)->size, .next = next};
	int r = g.first < next ? gathered_room(&g) : 0;

	if (!r && g.first < next) {
		from_segments(s, &g);
		if (!all_there(&g))
			from_damaged(s, &g);
		if (!all_there(&g))
			from_leaves(s, &g);
		gather(&g, next - 1, s->prev);
		r = gathered_add(s, &g);
	}
	gathered_free(&g);
	return r;
}

static int tiles_load(struct spool *s, uint64_t next)
{
	char err[256];
	int r;

	tiles_free(TAKE_PTR(s->tiles));
	r = tiles_open(s->dir, next, &s->tiles, err, sizeof(err));
	if (!r)
		r = tiles_fit(s);
	return r ? r : tiles_complete(s, next);
}

int spool_tree_load(struct spool *s, uint64_t next)
{
	bool all = !s->segs_n || !s->segs[0].first;
	int r = tiles_load(s, next);

	/* Not by one failed reading is a chain given up. */
	if (r && r != -ENOMEM)
		r = tiles_load(s, next);
	if (r && r != -ENOMEM && all) {
		r = tiles_anew(s, next, "not those of the records");
		if (!r)
			r = tiles_complete(s, next);
	} else if (r && r != -ENOMEM) {
		r = -ENODATA;
	}
	if (!r)
		s->tree = *tiles_edge(s->tiles);
	return r;
}
