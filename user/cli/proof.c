// SPDX-License-Identifier: Apache-2.0
/*
 * In: a spool's tiles and its newest checkpoints. Out: a path from a record to the root of one of them.
 *
 * Invariant: what is given leads from the leaf that the tiles hold to the root that the checkpoint names;
 * whose signature the checkpoint has is not looked at here. The records themselves are not needed: tiles
 * stay when segments go. Works beside an agent that writes; a checkpoint is replaced whole, and tiles of its
 * size or wider ones are there before it is.
 */
#include "proof.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "record/record.h"
#include "record/tile.h"

DEFINE_CLEANUP(struct tile_reader, tile_reader_free)

int proof_path(const char *dir, uint64_t seq, uint64_t size, const struct tree_hash *root,
	       struct tree_hash ret[static TREE_PATH_MAX], size_t *ret_n,
	       struct tree_hash *ret_leaf, char *err, size_t err_len)
{
	_cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(tile_reader_freep) struct tile_reader *in = NULL;
	struct tree_hash leaf;
	size_t n;
	int r = fd < 0 ? -errno : tile_reader_open(fd, size, &in);

	if (!r)
		r = tile_reader_hash(in, 0, seq, &leaf);
	if (!r)
		r = tree_inclusion(seq, size, tile_reader_hash, in, ret, &n);
	if (!r && !tree_inclusion_ok(seq, &leaf, size, root, ret, n))
		r = -EBADMSG;
	if (r) {
		snprintf(err, err_len,
			 "%s/tile: %s for record %" PRIu64 " of %" PRIu64 "; run probity verify",
			 dir,
			 r == -EBADMSG	? "the tiles do not lead to the signed root"
			 : r == -ENOENT ? "a tile is missing"
					: strerror(-r),
			 seq, size);
		return r;
	}
	*ret_n = n;
	*ret_leaf = leaf;
	return 0;
}

/* A file of the spool that is a signed checkpoint. 0; -ENOENT; -EBADMSG; -errno. */
static int load(const char *dir, const char *file, struct proof *p, char *err, size_t err_len)
{
	_cleanup_free_ char *text = NULL;
	const char *why = NULL;
	char path[4096];
	struct note note;
	size_t n;
	int r;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	r = fs_read(path, NOTE_MAX, &text, &n);
	if (!r)
		r = note_parse(text, n, &note, &why);
	if (!r)
		r = checkpoint_parse(note.text, note.text_n, &p->checkpoint, &why);
	if (r) {
		snprintf(err, err_len, "%s: %s%s", path, why ? "no signed checkpoint: " : "",
			 why ?: strerror(-r));
		return r;
	}
	free(p->note);
	p->note = TAKE_PTR(text);
	p->note_n = n;
	return 0;
}

/* Nothing covers it yet: when will something? */
static void say_uncovered(const char *dir, uint64_t seq, const struct proof *p, char *err,
			  size_t err_len)
{
	char path[4096], when[96] = "";
	struct stat st;
	time_t age;

	snprintf(path, sizeof(path), "%s/checkpoint", dir);
	age = p->note && !stat(path, &st) ? time(NULL) - st.st_mtime : -1;
	if (age >= 0 && age < CHECKPOINT_INTERVAL_S)
		snprintf(when, sizeof(when), "the next comes in %ld s",
			 (long)(CHECKPOINT_INTERVAL_S - age));
	else
		snprintf(when, sizeof(when), "a running agent makes one within %d s",
			 CHECKPOINT_INTERVAL_S);
	if (p->note)
		snprintf(err, err_len,
			 "record %" PRIu64
			 " is not covered by a checkpoint yet: the newest is of the first %" PRIu64
			 " records; %s",
			 seq, p->checkpoint.size, when);
	else
		snprintf(err, err_len,
			 "record %" PRIu64
			 " is not covered by a checkpoint yet: there is none in %s; %s",
			 seq, dir, when);
}

int proof_make(const char *dir, uint64_t seq, struct proof *ret, char *err, size_t err_len)
{
	_cleanup_(proof_done) struct proof p = {0};
	int r = load(dir, "witnessed", &p, err, err_len);

	if (r && r != -ENOENT)
		return r;
	p.witnessed = !r && p.checkpoint.size > seq;
	if (!p.witnessed) {
		r = load(dir, "checkpoint", &p, err, err_len);
		if (r && r != -ENOENT)
			return r;
		if (r || p.checkpoint.size <= seq) {
			say_uncovered(dir, seq, &p, err, err_len);
			return -ENOENT;
		}
	}
	r = proof_path(dir, seq, p.checkpoint.size, &p.checkpoint.root, p.path, &p.n, &p.leaf, err,
		       err_len);
	if (r)
		return r == -ENOENT ? -EBADMSG : r;
	*ret = p;
	p.note = NULL;
	return 0;
}

void proof_done(struct proof *p)
{
	free(p->note);
	p->note = NULL;
}

char *proof_text(const struct proof *p, uint64_t seq, const uint8_t *header)
{
	struct tlog_proof t = {
		.extra = header,
		.extra_n = header ? RECORD_HEADER_LEN : 0,
		.index = seq,
		.n = p->n,
		.note = p->note,
		.note_n = p->note_n,
	};
	size_t cap = p->note_n + 512 + BASE64_LEN(RECORD_HEADER_LEN) + p->n * 45;
	char *out = malloc(cap);
	size_t n;

	if (!out)
		return NULL;
	memcpy(t.path, p->path, sizeof(t.path));
	n = tlog_proof_text(&t, out, cap - 1);
	out[n] = '\0';
	return out;
}
