// SPDX-License-Identifier: Apache-2.0
/*
 * In: a spool, maybe one an agent writes to. Out: the frames of a range, byte for byte, in new segments; the
 * SEALs that lead to their keys; the newest signed checkpoint, and of the tree's tiles those that prove the
 * range under it. Frames are copied and not judged: what is wrong with them is for the auditor to find, so
 * a bundle hides no damage; it is counted and said.
 *
 * The range is of sequence numbers without a gap: from the first record sealed at or after `from` to the SEAL
 * of the epoch in which the last one before `to` stands, so that everything in it is under a signature.
 *
 * Tiles: of each level those above the range, those at the right edge of the checkpoint's tree, and those at
 * the right edge of the cosigned one: 8 KiB per 256 records of the range and some ten more, however long the
 * chain is.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "base/fs.h"
#include "bundle_int.h"
#include "export_source.h"
#include "record/render.h"
#include "record/segment_io.h"

#define SEGMENT_BYTES (16u << 20)
#define TRIES 5 /* a live agent may write a checkpoint between our reading of it and of the tiles */

DEFINE_CLEANUP(struct tile_reader, tile_reader_free)

/* --- records --------------------------------------------------------------------------------------- */

struct copy {
	struct stage *s;
	struct bundle_range *r;
	FILE *f;
	char path[64];
	uint64_t bytes; /* of the open segment */
	bool begun, ending;
};

static int segment_end(struct copy *c)
{
	FILE *f = TAKE_PTR(c->f);

	return f ? stage_close(c->s, c->path, f) : 0;
}

static int put(struct copy *c, const struct frame *f, uint64_t seq)
{
	char name[SEGMENT_NAME_LEN + 1];
	int r = 0;

	if (c->f && c->bytes + f->len > SEGMENT_BYTES)
		r = segment_end(c);
	if (!r && !c->f) {
		segment_name(seq, name);
		snprintf(c->path, sizeof(c->path), BUNDLE_RECORDS "/%s", name);
		c->bytes = 0;
		r = stage_create(c->s, c->path, &c->f);
	}
	if (r)
		return r;
	c->bytes += f->len;
	return fwrite(f->record - SEGMENT_FRAME_LEN, 1, f->len, c->f) == f->len ? 0 : -EIO;
}

static bool is_seal(const struct frame *f)
{
	_cleanup_sealed_ struct sealed s = {0};
	const char *why;

	return !sealed_open(f->record, f->record_len, f->sig, &s, &why) && s.control &&
	       s.control->kind == PROBITY__V1__CONTROL__KIND__SEAL;
}

#define ENDED 1 /* the range is complete */

static int take(void *ctx, const struct frame *f)
{
	struct copy *c = ctx;
	struct record h;
	const char *why;
	int r;

	if (record_decode(f->record, f->record_len, &h, &why)) {
		c->r->damaged++;
		/* Inside the range it is copied: the auditor is to see it. */
		return c->begun ? put(c, f, c->r->last + 1) : 0;
	}
	if (!c->begun && h.wall_ns < c->r->from_ns)
		return 0;
	if (c->r->to_ns && h.wall_ns >= c->r->to_ns) {
		if (!c->begun || !c->r->open)
			return ENDED;
		c->ending = true; /* as far as the epoch's SEAL */
	}
	if (!c->begun) {
		c->begun = true;
		c->r->first = h.seq;
		memcpy(c->r->chain, h.chain, sizeof(h.chain));
	}
	c->r->last = h.seq;
	c->r->records++;
	c->r->open = h.schema != RECORD_CONTROL || !is_seal(f);
	r = put(c, f, h.seq);
	return r ?: c->ending && !c->r->open ? ENDED : 0;
}

/* The file's SEALs up to record `last` here, later ones there. */
static int put_seals(struct stage *s, const char *dir, uint64_t last)
{
	_cleanup_free_ struct segment_reader *in = malloc(sizeof(*in));
	_cleanup_close_ int fd = -1;
	FILE *out = NULL;
	const char *path = BUNDLE_SEALS;
	char from[4400];
	int r = 0;

	snprintf(from, sizeof(from), "%s/seals", dir);
	fd = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!in)
		return -ENOMEM;
	segment_read(in, fd, 0);
	while (!r && segment_next(in) == SEGMENT_FRAME) {
		const struct frame *f = &in->frame;
		struct record h;
		const char *why;

		if (!record_decode(f->record, f->record_len, &h, &why) && h.seq > last &&
		    !strcmp(path, BUNDLE_SEALS)) {
			r = out ? stage_close(s, path, TAKE_PTR(out)) : 0;
			path = BUNDLE_LATER_SEALS;
		}
		if (!r && !out)
			r = stage_create(s, path, &out);
		if (!r && fwrite(f->record - SEGMENT_FRAME_LEN, 1, f->len, out) != f->len)
			r = -EIO;
	}
	if (out) {
		int k = stage_close(s, path, out);

		r = r ?: k;
	}
	return r;
}

int bundle_put_records(struct stage *s, const char *dir, struct bundle_range *range)
{
	struct copy c = {.s = s, .r = range};
	struct export_source src = {.dir = dir, .record = take, .ctx = &c};
	int r, k;

	r = export_source_run(&src, s->err, sizeof(s->err));
	k = segment_end(&c);
	range->damaged += src.damaged;
	if (r < 0 || k)
		return r < 0 ? r : k;
	if (!c.begun)
		return -ENODATA;
	s->err[0] = '\0';
	return put_seals(s, dir, range->last);
}

/* --- the proof ------------------------------------------------------------------------------------- */

static int put_tile(struct stage *s, struct tile_reader *t, uint64_t size, unsigned level,
		    uint64_t index)
{
	uint64_t all = size >> 8 * level, first = index * TILE_WIDTH;
	unsigned width = all - first < TILE_WIDTH ? all - first : TILE_WIDTH;
	struct tree_hash h[TILE_WIDTH];
	char path[TILE_PATH_MAX + 16] = BUNDLE_TILES "/";

	for (unsigned i = 0; i < width; i++) {
		int r = tile_reader_hash(t, 8 * level, first + i, &h[i]);

		if (r)
			return r;
	}
	tile_path(level, index, width, path + strlen(path));
	if (manifest_find(&s->manifest, path))
		return 0;
	return stage_bytes(s, path, h, width * sizeof(*h));
}

static int put_tiles(struct stage *s, struct tile_reader *t, const struct bundle_range *range,
		     uint64_t size, uint64_t witnessed)
{
	uint64_t last = range->last < size ? range->last : size - 1;

	for (unsigned i = 0; i < TILE_LEVELS && size >> 8 * i; i++) {
		uint64_t n = size >> 8 * i, count = (n + TILE_WIDTH - 1) / TILE_WIDTH;
		uint64_t a = range->first >> 8 * i >> 8, z = last >> 8 * i >> 8;
		uint64_t edges[] = {n / TILE_WIDTH, (witnessed >> 8 * i) / TILE_WIDTH};
		int r = 0;

		for (uint64_t at = a; at <= z && at < count && !r && range->first < size; at++)
			r = put_tile(s, t, size, i, at);
		for (size_t k = 0; k < ARRAY_SIZE(edges) && !r; k++)
			if (edges[k] < count)
				r = put_tile(s, t, size, i, edges[k]);
		if (r)
			return r;
	}
	return 0;
}

static int put_note(struct stage *s, const char *path, const char *text)
{
	return stage_bytes(s, path, text, strlen(text));
}

static int put_vkey(struct stage *s, const struct epoch_keys *keys, const struct note *n,
		    const struct checkpoint *c)
{
	char line[NOTE_NAME_MAX + 128];
	struct note_key k;
	uint32_t epoch;

	if (epoch_keys_signed(keys, n, c->origin, &k, &epoch) ||
	    note_vkey(&k, line, sizeof(line) - 1))
		return 0; /* by a key no SEAL here names: verify says so */
	strcat(line, "\n");
	return stage_bytes(s, BUNDLE_VKEY, line, strlen(line));
}

static int proof_once(struct stage *s, const char *dir, const struct bundle_range *range,
		      const struct epoch_keys *keys)
{
	_cleanup_free_ char *text = NULL, *wtext = NULL;
	_cleanup_(tile_reader_freep) struct tile_reader *t = NULL;
	_cleanup_close_ int d = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct checkpoint c = {0}, w = {0};
	struct note note, wnote;
	char path[4400];
	const char *why;
	int r;

	snprintf(path, sizeof(path), "%s/checkpoint", dir);
	r = bundle_note(path, &text, &note, &c, &why);
	if (r)
		return r;
	snprintf(path, sizeof(path), "%s/witnessed", dir);
	r = bundle_note(path, &wtext, &wnote, &w, &why);
	if (r && r != -ENOENT)
		return r;
	/* The cosigned one proves what it covers; where it covers all, no other is needed. */
	if (!r && w.size > range->last) {
		free(text);
		text = strdup(wtext);
		c = w;
		note = wnote;
		if (!text)
			return -ENOMEM;
	}
	r = d < 0 ? -errno : tile_reader_open(d, c.size, &t);
	if (!r)
		r = put_tiles(s, t, range, c.size, w.size);
	if (!r)
		r = put_note(s, BUNDLE_CHECKPOINT, text);
	if (!r && wtext)
		r = put_note(s, BUNDLE_WITNESSED, wtext);
	if (!r)
		r = put_vkey(s, keys, &note, &c);
	if (!r)
		s->manifest.checkpoint_size = c.size;
	return r;
}

int bundle_put_proof(struct stage *s, const char *dir, const struct bundle_range *range,
		     const struct epoch_keys *keys)
{
	int r = 0;

	for (int i = 0; i < TRIES; i++) {
		r = proof_once(s, dir, range, keys);
		if (r != -ENOENT && r != -EBADMSG)
			return r;
		if (s->manifest.checkpoint_size || manifest_find(&s->manifest, BUNDLE_CHECKPOINT))
			return r;
		usleep(20000);
	}
	return r;
}
