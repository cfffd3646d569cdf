// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: entries that are committed to the store. Flows out: tiles and a signed checkpoint. The store is
 * first: a checkpoint never covers an entry that is not committed, and after a crash the tiles are made up
 * from the store. Invariant: the tree that is signed never gets smaller; where the store holds less than was
 * signed it was put back, and nothing is signed any more.
 */
#include "ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "record/timestamp.h"
#include "stamp.h"

#define AT_ONCE 4096 /* entries between two syncs */

DEFINE_CLEANUP(struct tiles, tiles_free)
DEFINE_CLEANUP(struct tile_reader, tile_reader_free)

struct ledger {
	struct store *store;
	struct witness *witness;
	struct tiles *tiles;
	int dir;
	char path[4096];
	uint64_t signed_size;
	char note[STORE_NOTE_MAX];
};

/* The checkpoint that was signed last; *ret_size 0: none. */
static int read_signed(const char *path, char note[static STORE_NOTE_MAX], struct note *n,
		       struct checkpoint *c)
{
	_cleanup_free_ char *text = NULL;
	const char *why;
	size_t len;
	int r = fs_read(path, STORE_NOTE_MAX - 1, &text, &len);

	*c = (struct checkpoint){.size = 0};
	note[0] = '\0';
	if (r)
		return r == -ENOENT ? 0 : r;
	memcpy(note, text, len);
	note[len] = '\0';
	return note_parse(note, len, n, &why) || checkpoint_parse(n->text, n->text_n, c, &why)
		       ? -EBADMSG
		       : 0;
}

void ledger_free(struct ledger *l)
{
	if (!l)
		return;
	tiles_free(l->tiles);
	if (l->dir >= 0)
		close(l->dir);
	free(l);
}

static int open_dir(struct ledger *l, const char *state_dir)
{
	char dir[2048];
	int r;

	if (snprintf(dir, sizeof(dir), "%s/log", state_dir) >= (int)sizeof(dir))
		return -ENAMETOOLONG;
	snprintf(l->path, sizeof(l->path), "%s/checkpoint", dir);
	r = fs_mkdirs(dir, 0755);
	if (r)
		return r;
	l->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return l->dir < 0 ? -errno : 0;
}

int ledger_open(const char *state_dir, struct store *st, struct witness *w, struct ledger **ret,
		char *err, size_t err_len)
{
	_cleanup_(ledger_freep) struct ledger *l = calloc(1, sizeof(*l));
	struct checkpoint c;
	struct note n;
	uint64_t entries;
	int r;

	if (!l)
		return -ENOMEM;
	l->dir = -1;
	l->store = st;
	l->witness = w;
	r = open_dir(l, state_dir);
	if (!r)
		r = read_signed(l->path, l->note, &n, &c);
	if (!r)
		r = store_ledger_count(st, &entries);
	if (r) {
		snprintf(err, err_len, "%s/log: %s", state_dir, strerror(-r));
		return r;
	}
	if (entries < c.size) {
		snprintf(err, err_len,
			 "%s: %" PRIu64
			 " entries of the collector's own log were signed, the store "
			 "holds %" PRIu64 ": it was put back",
			 l->path, c.size, entries);
		return -EUCLEAN;
	}
	l->signed_size = c.size;
	r = tiles_open(l->dir, entries, &l->tiles, err, err_len);
	if (!r)
		*ret = TAKE_PTR(l);
	return r;
}

static int add_entry(void *ctx, const struct tree_hash *leaf, const void *entry, size_t n)
{
	return tiles_add(ctx, leaf);
}

static int sign(struct ledger *l)
{
	struct checkpoint c = {.size = tiles_edge(l->tiles)->size};
	const char *origin = witness_log_origin(l->witness);
	char text[512], note[STORE_NOTE_MAX];
	size_t n;
	int r;

	tree_root(tiles_edge(l->tiles), &c.root);
	snprintf(c.origin, sizeof(c.origin), "%s", origin);
	n = checkpoint_text(&c, text, sizeof(text));
	n = n ? note_sign(text, n, origin, witness_log_signer(l->witness), note, sizeof(note) - 1)
	      : 0;
	if (!n)
		return -EIO;
	note[n] = '\0';
	r = fs_write_atomic(l->path, note, n, 0644);
	if (r)
		return r;
	memcpy(l->note, note, n + 1);
	l->signed_size = c.size;
	return 0;
}

int ledger_publish(struct ledger *l)
{
	uint64_t entries, at;
	int r = store_ledger_count(l->store, &entries);

	while (!r && (at = tiles_edge(l->tiles)->size) < entries) {
		uint64_t end = entries - at > AT_ONCE ? at + AT_ONCE : entries;

		r = store_ledger(l->store, at, end, add_entry, l->tiles);
		if (!r)
			r = tiles_sync(l->tiles);
	}
	return r || entries == l->signed_size ? r : sign(l);
}

const char *ledger_checkpoint(const struct ledger *l)
{
	return l->note;
}
uint64_t ledger_size(const struct ledger *l)
{
	return l->signed_size;
}

int ledger_tile(struct ledger *l, unsigned level, uint64_t index, unsigned width,
		struct tree_hash out[static TILE_WIDTH])
{
	uint64_t n = level < TILE_LEVELS ? l->signed_size >> 8 * level : 0, there;
	_cleanup_close_ int fd = -1;
	char path[TILE_PATH_MAX];

	if (index > UINT64_MAX / TILE_WIDTH || index * TILE_WIDTH >= n)
		return -ENOENT;
	there = n - index * TILE_WIDTH;
	if (there > TILE_WIDTH)
		there = TILE_WIDTH;
	if (width > there)
		return -ENOENT;
	tile_path(level, index, there, path);
	fd = openat(l->dir, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return pread(fd, out, width * sizeof(*out), 0) == (ssize_t)(width * sizeof(*out)) ? 0
											  : -EIO;
}

/* --- what an authority stamped ----------------------------------------------------------------------- */

#define PROOF_MAX (STORE_NOTE_MAX + 8192)

static int stamp_file(const struct ledger *l, const char *name, const char *end, size_t max,
		      char **ret, size_t *ret_n)
{
	_cleanup_close_ int fd = -1;
	char path[64];

	snprintf(path, sizeof(path), "stamped/%s%s", name, end);
	fd = openat(l->dir, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fs_read_fd(fd, max, ret, ret_n);
}

static int newest_stamp(const struct ledger *l, char **ret_note, size_t *ret_n,
			struct checkpoint *c, struct ledger_stamp *ret)
{
	_cleanup_free_ char *size = NULL;
	struct note note;
	const char *why;
	size_t n;
	int r = stamp_file(l, STAMP_NEWEST, "", 20, &size, &n);

	if (r)
		return r;
	if (!n || strspn(size, "0123456789") != n)
		return -EBADMSG;
	r = stamp_file(l, size, "", STORE_NOTE_MAX - 1, ret_note, ret_n);
	if (!r)
		r = stamp_file(l, size, ".tsr", TIMESTAMP_MAX, &ret->token, &ret->token_n);
	if (!r && (note_parse(*ret_note, *ret_n, &note, &why) ||
		   checkpoint_parse(note.text, note.text_n, c, &why)))
		r = -EBADMSG;
	return r;
}

static int make_stamp(struct ledger *l, const char *name, struct ledger_stamp *s)
{
	_cleanup_(tile_reader_freep) struct tile_reader *tiles = NULL;
	_cleanup_free_ char *note = NULL;
	struct tlog_proof p = {.n = 0};
	struct checkpoint c;
	int r = newest_stamp(l, &note, &p.note_n, &c, s);

	if (r)
		return r;
	if (c.size > l->signed_size)
		return -ENOENT;
	r = store_ledger_newest(l->store, name, c.size, &p.index, s->entry);
	if (!r)
		r = tile_reader_open(l->dir, c.size, &tiles);
	if (!r)
		r = tree_inclusion(p.index, c.size, tile_reader_hash, tiles, p.path, &p.n);
	s->proof = r ? NULL : malloc(PROOF_MAX);
	if (r || !s->proof)
		return r ? r : -ENOMEM;
	p.note = note;
	r = tlog_proof_text(&p, s->proof, PROOF_MAX - 1);
	if (!r)
		return -EMSGSIZE;
	s->proof[r] = '\0';
	return 0;
}

int ledger_stamp(struct ledger *l, const char *name, struct ledger_stamp *ret)
{
	struct ledger_stamp s = {.proof = NULL};
	int r = make_stamp(l, name, &s);

	if (!r) {
		*ret = s;
		return 0;
	}
	free(s.proof);
	free(s.token);
	return r;
}

/* --- checking -------------------------------------------------------------------------------------- */

struct check {
	struct tree_edge edge;
	uint64_t size; /* of the tree that is signed */
	struct tree_hash root;
	uint64_t wrong; /* entries whose leaf is not their hash; from 1, the first */
};

static int check_entry(void *ctx, const struct tree_hash *leaf, const void *entry, size_t n)
{
	struct check *c = ctx;
	struct tree_hash is;

	tree_leaf(entry, n, &is);
	tree_add(&c->edge, &is);
	if (memcmp(&is, leaf, sizeof(is)) && !c->wrong)
		c->wrong = c->edge.size;
	if (c->edge.size == c->size)
		tree_root(&c->edge, &c->root);
	return 0;
}

static const char *ledger_wrong(const struct check *k, const struct note *n,
				const struct checkpoint *c, const struct note_key *log)
{
	if (k->wrong)
		return "an entry is not the one that was logged";
	if (k->edge.size < c->size)
		return "it holds fewer entries than were signed";
	if (c->size && memcmp(&k->root, &c->root, sizeof(c->root)))
		return "its entries are not those that were signed";
	if (c->size && log && note_verify(n, log, NULL))
		return "its checkpoint is not signed by the collector's log key";
	return NULL;
}

int ledger_check(const char *state_dir, struct store *st, const struct note_key *log,
		 uint64_t *ret_size, char *err, size_t err_len)
{
	char dir[2048], path[2100], note[STORE_NOTE_MAX], where[TILE_PATH_MAX] = "";
	_cleanup_close_ int fd = -1;
	struct check k = {.size = 0};
	struct checkpoint c;
	struct note n;
	const char *why;
	int r;

	snprintf(dir, sizeof(dir), "%s/log", state_dir);
	snprintf(path, sizeof(path), "%s/checkpoint", dir);
	r = read_signed(path, note, &n, &c);
	if (r) {
		snprintf(err, err_len, "%s: not a signed checkpoint", path);
		return r;
	}
	k.size = c.size;
	r = store_ledger(st, 0, INT64_MAX, check_entry, &k);
	if (r)
		return r;
	why = ledger_wrong(&k, &n, &c, log);
	if (why) {
		snprintf(err, err_len, "the collector's own log: %s", why);
		return -EBADMSG;
	}
	*ret_size = k.edge.size;
	if (!c.size)
		return 0;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = fd < 0 ? -errno : tiles_check(fd, c.size, &c.root, where);
	if (r)
		snprintf(err, err_len, "%s/%s: tile is missing or wrong", dir, where);
	return r ? -EBADMSG : 0;
}
