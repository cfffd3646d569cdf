// SPDX-License-Identifier: Apache-2.0
/*
 * A bundle from anybody, checked in this order: the archive (refused whole when it breaks a rule), the
 * manifest and its signature, every file against the manifest, the records as verify_dir does, and each
 * record's place in the tree of the checkpoint. The first finding is kept with the name of its file in the
 * bundle; nothing stops before the end but what cannot be read at all. It is unpacked into a folder
 * below TMPDIR (/var/tmp), which needs its unpacked size of room and is removed again.
 */
#include "bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/fs.h"
#include "bundle_int.h"
#include "export/archive.h"
#include "export/dsse.h"
#include "record/printable.h"
#include "tidy.h"

DEFINE_CLEANUP(FTS, fts_close)
DEFINE_CLEANUP(struct tile_reader, tile_reader_free)

struct check {
	const struct verify_options *v; /* the caller's, may be NULL */
	const uint8_t *signer;
	struct bundle_result *r;
	char dir[4096];
	struct manifest m;
	uint8_t key[RECORD_PUBKEY_LEN]; /* of the first epoch */
	struct epoch_keys keys;
	struct bundle_proof *proof;
	struct checkpoint at; /* proof/checkpoint, signed by the key of epoch at_epoch */
	uint32_t at_epoch;
	bool have_at;
	uint64_t witnessed; /* bit i: the caller's witness i cosigned one */
	uint64_t seen;	    /* records given by verify_dir */
};

static void found(struct check *c, const char *file, const char *kind, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static void found(struct check *c, const char *file, const char *kind, const char *fmt, ...)
{
	struct verify_finding f = {0};
	char raw[160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	snprintf(f.file, sizeof(f.file), "%s", file);
	snprintf(f.kind, sizeof(f.kind), "%s", kind);
	printable_copy(f.detail, sizeof(f.detail), raw);
	if (!c->r->findings++)
		c->r->first = f;
	if (c->v && c->v->finding)
		c->v->finding(c->v->ctx, &f);
}

static int slurp(const struct check *c, const char *name, size_t max, char **ret, size_t *ret_n)
{
	char path[4400];

	snprintf(path, sizeof(path), "%s/%s", c->dir, name);
	return fs_read(path, max, ret, ret_n);
}

/* --- manifest -------------------------------------------------------------------------------------- */

static void signature(struct check *c, const char *text, size_t n)
{
	_cleanup_free_ char *envelope = NULL;
	char path[4400], err[128];
	const char *why = "by another key";
	size_t k;
	int r = slurp(c, BUNDLE_DSSE, MANIFEST_MAX * 2, &envelope, &k);

	c->r->signer_expected = c->signer;
	if (r == -ENOENT) {
		if (c->signer || manifest_find(&c->m, BUNDLE_SIGNER))
			found(c, BUNDLE_DSSE, "signature", "%s",
			      c->signer ? "the manifest is not signed"
					: "the manifest was signed once and is no more");
		return;
	}
	if (c->signer) {
		memcpy(c->r->signer, c->signer, RECORD_PUBKEY_LEN);
	} else {
		snprintf(path, sizeof(path), "%s/" BUNDLE_SIGNER, c->dir);
		if (public_read(path, c->r->signer, err, sizeof(err))) {
			found(c, BUNDLE_SIGNER, "signature",
			      "the key of the manifest's signer is missing");
			return;
		}
	}
	if (!r)
		r = dsse_verify(envelope, k, DSSE_BUNDLE_TYPE, text, n, c->r->signer, &why);
	if (r)
		found(c, BUNDLE_DSSE, "signature", "%s", why);
	else
		c->r->is_signed = true;
}

static int manifest(struct check *c)
{
	_cleanup_free_ char *text = NULL;
	char err[200];
	size_t n;
	int r = slurp(c, BUNDLE_MANIFEST, MANIFEST_MAX, &text, &n);

	if (r) {
		found(c, BUNDLE_MANIFEST, "manifest", "%s",
		      r == -ENOENT ? "there is none" : strerror(-r));
		return r;
	}
	r = manifest_parse(text, n, &c->m, err, sizeof(err));
	if (r) {
		found(c, BUNDLE_MANIFEST, "manifest", "%s", r == -ENOMEM ? strerror(ENOMEM) : err);
		return r;
	}
	c->r->version = c->m.version;
	c->r->newer = c->m.version > BUNDLE_VERSION;
	c->r->first_seq = c->m.first_seq;
	c->r->last_seq = c->m.last_seq;
	snprintf(c->r->tool, sizeof(c->r->tool), "%s", c->m.tool);
	snprintf(c->r->created, sizeof(c->r->created), "%s", c->m.created);
	signature(c, text, n);
	return 0;
}

/* --- files ----------------------------------------------------------------------------------------- */

static void listed(struct check *c, int dir)
{
	for (size_t i = 0; i < c->m.n; i++) {
		const struct manifest_file *f = &c->m.files[i];
		struct manifest_file is = {0};
		int r = stage_hash(dir, f->path, &is);

		c->r->files++;
		c->r->bytes += is.size;
		if (r == -ENOENT || r == -ENOTDIR)
			found(c, f->path, "file", "named in the manifest and not in the bundle");
		else if (r)
			found(c, f->path, "io", "%s", strerror(-r));
		else if (is.size != f->size || memcmp(is.sha256, f->sha256, sizeof(is.sha256)))
			found(c, f->path, "file", "is not the one the manifest names");
	}
}

static void unlisted(struct check *c)
{
	char *const roots[] = {c->dir, NULL};
	_cleanup_(fts_closep) FTS *t = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	size_t skip = strlen(c->dir) + 1;

	for (FTSENT *e; t && (e = fts_read(t));) {
		const char *name = e->fts_path + skip;

		if (e->fts_info != FTS_F || !strcmp(name, BUNDLE_MANIFEST) ||
		    !strcmp(name, BUNDLE_DSSE) || manifest_find(&c->m, name))
			continue;
		found(c, name, "file", "is not named in the manifest");
	}
}

static void files(struct check *c)
{
	_cleanup_close_ int dir = open(c->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	listed(c, dir);
	unlisted(c);
}

/* --- keys, checkpoints ----------------------------------------------------------------------------- */

static void keys(struct check *c)
{
	static const char *const seals[] = {BUNDLE_SEALS, BUNDLE_LATER_SEALS};
	char path[4400], err[128];

	c->r->key_expected = c->v && c->v->expect_public;
	snprintf(path, sizeof(path), "%s/" BUNDLE_KEY, c->dir);
	if (public_read(path, c->key, err, sizeof(err)))
		found(c, BUNDLE_KEY, "key id", "no public key of the chain is there");
	if (c->r->key_expected) {
		if (memcmp(c->key, c->v->expect_public, sizeof(c->key)))
			found(c, BUNDLE_KEY, "key id", "is not the key that is expected");
		memcpy(c->key, c->v->expect_public, sizeof(c->key));
	}
	if (memcmp(c->key, c->m.public, sizeof(c->key)))
		found(c, BUNDLE_MANIFEST, "key id", "names another key of the chain");
	if (epoch_keys_begin(&c->keys, c->key))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(seals); i++) {
		int r;

		snprintf(path, sizeof(path), "%s/%s", c->dir, seals[i]);
		r = epoch_keys_add(&c->keys, path);
		if (r && r != -ENOENT)
			found(c, seals[i], "seal", "a SEAL does not follow from the key before it");
	}
}

static void witnesses(struct check *c, const char *name, const struct note *n, uint64_t size)
{
	for (size_t i = 0; c->v && i < c->v->witnesses_n; i++) {
		uint64_t t = 0;
		int r = cosignature_verify(n, &c->v->witnesses[i], &t);

		if (r == -EBADMSG)
			found(c, name, "cosignature", "that of %s is wrong",
			      c->v->witnesses[i].name);
		if (!r && size && i < VERIFY_WITNESSES_MAX)
			c->witnessed |= 1ull << i;
		if (!r && size >= c->r->witness_size) {
			c->r->witness_size = size;
			c->r->witness_s = t;
		}
	}
}

/* One checkpoint file: its signature, its chain, and its lines of witnesses. */
static bool checkpoint(struct check *c, const char *name, struct checkpoint *ret,
		       uint32_t *ret_epoch)
{
	_cleanup_free_ char *text = NULL;
	struct note_key key;
	char path[4400];
	struct note n;
	const char *why;
	int r;

	snprintf(path, sizeof(path), "%s/%s", c->dir, name);
	r = bundle_note(path, &text, &n, ret, &why);
	if (r == -ENOENT)
		return false;
	if (r) {
		found(c, name, "checkpoint", "%s", why[0] ? why : strerror(-r));
		return false;
	}
	if (!checkpoint_is_of(ret, c->m.chain)) {
		found(c, name, "checkpoint", "of another chain");
		return false;
	}
	r = epoch_keys_signed(&c->keys, &n, ret->origin, &key, ret_epoch);
	if (r) {
		found(c, name, "checkpoint", "%s",
		      r == -ENOKEY ? "signed by no key of the chain" : "its signature is wrong");
		return false;
	}
	witnesses(c, name, &n, ret->size);
	return true;
}

/* That both are of one tree. Of a checkpoint from elsewhere the bundle may not have the hashes to tell. */
static void consistent(struct check *c, const char *where, const struct checkpoint *a,
		       const struct checkpoint *b)
{
	const struct checkpoint *old = a->size <= b->size ? a : b, *new = old == a ? b : a;
	_cleanup_(tile_reader_freep) struct tile_reader *t = NULL;
	struct tree_hash path[TREE_PATH_MAX];
	_cleanup_close_ int dir = -1;
	char tiles[4400];
	size_t n = 0;

	snprintf(tiles, sizeof(tiles), "%s/" BUNDLE_TILES, c->dir);
	dir = open(tiles, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || tile_reader_open(dir, new->size, &t) ||
	    tree_consistency(old->size, new->size, tile_reader_hash, t, path, &n))
		found(c, where, "uncovered", "the bundle has not the tiles to compare it with");
	else if (!tree_consistency_ok(old->size, &old->root, new->size, &new->root, path, n))
		found(c, where, "fork", "is not of the tree of " BUNDLE_CHECKPOINT);
}

/* The packer's word for the host is a signed checkpoint's, or it is nobody's. */
static void host(struct check *c)
{
	char is[ORIGIN_MAX];
	size_t n = strlen(c->at.origin) - 33; /* "/" and the chain */

	printable_copy(is, sizeof(is), c->at.origin);
	if (c->m.host[0] && (strlen(c->m.host) != n || strncmp(is, c->m.host, n)))
		found(c, BUNDLE_MANIFEST, "checkpoint", "names another host than the checkpoint");
	snprintf(c->r->host, sizeof(c->r->host), "%.*s", (int)n, is);
}

static void checkpoints(struct check *c)
{
	struct checkpoint w;
	uint32_t epoch;
	bool one = checkpoint(c, BUNDLE_CHECKPOINT, &c->at, &c->at_epoch),
	     two = checkpoint(c, BUNDLE_WITNESSED, &w, &epoch);

	c->have_at = one;
	if (one) {
		host(c);
		c->r->checkpoint_size = c->at.size;
		if (bundle_proof_open(c->dir, &c->proof))
			found(c, BUNDLE_TILES, "tile", "no tiles are there");
	} else if (c->m.checkpoint_size) {
		found(c, BUNDLE_CHECKPOINT, "checkpoint", "the manifest promises one");
	}
	if (one && two)
		consistent(c, BUNDLE_WITNESSED, &c->at, &w);
	for (size_t i = 0; c->v && i < c->v->witnesses_n; i++)
		if (i >= VERIFY_WITNESSES_MAX || !(c->witnessed >> i & 1))
			found(c, BUNDLE_WITNESSED, "cosignature",
			      "no checkpoint here is cosigned by %s", c->v->witnesses[i].name);
}

/* --- records --------------------------------------------------------------------------------------- */

static int each(void *ctx, const struct record *r, const struct frame *f)
{
	struct check *c = ctx;
	struct tree_hash leaf;
	int k;

	c->seen++;
	record_leaf(f->record, leaf.b);
	k = c->proof ? bundle_proof_record(c->proof, r->seq, &leaf) : 0;
	c->r->proved += k > 0;
	if (k < 0)
		found(c, BUNDLE_TILES, "tile", "record %llu is not in the tree of the checkpoint",
		      (unsigned long long)r->seq);
	return c->v && c->v->record ? c->v->record(c->v->ctx, r, f) : 0;
}

static void each_finding(void *ctx, const struct verify_finding *f)
{
	struct check *c = ctx;
	struct verify_finding g = *f;
	char file[sizeof(g.file)];

	snprintf(file, sizeof(file), "%s", g.file);
	snprintf(g.file, sizeof(g.file), BUNDLE_RECORDS "/%.200s", file);
	if (!c->r->findings++)
		c->r->first = g;
	if (c->v && c->v->finding)
		c->v->finding(c->v->ctx, &g);
}

static void progress(void *ctx, uint64_t done, uint64_t all)
{
	struct check *c = ctx;

	if (c->v && c->v->progress)
		c->v->progress(c->v->ctx, done, all);
}

static int records(struct check *c)
{
	struct verify_options o = {.expect_public = c->key,
				   .part = true,
				   .record = each,
				   .finding = each_finding,
				   .progress = progress,
				   .ctx = c};
	struct verify_result *v = &c->r->records;
	char path[4400];
	int r;

	if (c->proof) { /* each() sees to it */
		o.covered = c->at.size;
		o.covered_epoch = c->at_epoch;
	}
	if (c->v) {
		o.mac_seed = c->v->mac_seed;
		o.threads = c->v->threads;
	}
	snprintf(path, sizeof(path), "%s/" BUNDLE_RECORDS, c->dir);
	r = verify_dir(path, &o, v);
	if (r == -ENOENT || r == -ENOTDIR) {
		found(c, BUNDLE_RECORDS, "empty", "there are no records");
		return 0;
	}
	if (r)
		return r;
	if (v->records && (v->first_seq != c->m.first_seq || v->last_seq != c->m.last_seq))
		found(c, BUNDLE_MANIFEST, "sequence", "promises records %llu to %llu",
		      (unsigned long long)c->m.first_seq, (unsigned long long)c->m.last_seq);
	if (v->records && memcmp(v->chain, c->m.chain, sizeof(v->chain)))
		found(c, BUNDLE_MANIFEST, "chain id", "names another chain");
	return 0;
}

/* A checkpoint from elsewhere must be of the same tree, and not of more than the proof here reaches. */
static void one_known(struct check *c, const struct verify_known *k)
{
	struct checkpoint is;
	struct note_key key;
	uint32_t epoch;
	struct note n;
	const char *why;

	if (note_parse(k->note, k->n, &n, &why) || checkpoint_parse(n.text, n.text_n, &is, &why)) {
		found(c, k->where, "checkpoint", "%s", why);
		return;
	}
	if (!checkpoint_is_of(&is, c->m.chain)) {
		found(c, k->where, "checkpoint", "of another chain");
		return;
	}
	if (!c->have_at || is.size > c->at.size) {
		found(c, k->where, "uncovered",
		      "is of %" PRIu64 " records; the proof in the bundle is of %" PRIu64, is.size,
		      c->have_at ? c->at.size : 0);
		return;
	}
	consistent(c, k->where, &is, &c->at);
	if (epoch_keys_signed(&c->keys, &n, is.origin, &key, &epoch))
		found(c, k->where, "checkpoint", "not signed by a key of the chain");
}

int bundle_verify(const char *path, const struct bundle_options *o, struct bundle_result *ret,
		  char *err, size_t err_len)
{
	const char *tmp = getenv("TMPDIR");
	struct bundle_result res = {0};
	struct check c = {.v = o ? o->verify : NULL, .signer = o ? o->signer : NULL, .r = &res};
	uint64_t n, bytes;
	int r;

	snprintf(c.dir, sizeof(c.dir), "%.3900s/probity-bundle-XXXXXX",
		 tmp && *tmp ? tmp : "/var/tmp");
	r = tidy_folder(c.dir);
	if (r) {
		snprintf(err, err_len, "%s: %s", c.dir, strerror(-r));
		return r;
	}
	r = archive_extract(path, c.dir, &archive_limits_default, &n, &bytes, err, err_len);
	if (!r && !manifest(&c)) {
		files(&c);
		keys(&c);
		checkpoints(&c);
		r = records(&c);
		if (r)
			snprintf(err, err_len, BUNDLE_RECORDS ": %s", strerror(-r));
		for (size_t i = 0; c.v && i < c.v->known_n; i++)
			one_known(&c, &c.v->known[i]);
	}
	tidy_done();
	bundle_proof_free(c.proof);
	epoch_keys_done(&c.keys);
	manifest_done(&c.m);
	if (r)
		return r;
	res.ok = !res.findings && !res.newer;
	*ret = res;
	return 0;
}
