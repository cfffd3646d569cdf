// SPDX-License-Identifier: Apache-2.0
/*
 * In: signed checkpoints, beside the segments and from elsewhere. Out: whether the chain that was read
 * covers each: it is as long, its tree had that root at that size, a key of the chain signed the checkpoint
 * that was that of its last record or a later one, and a witness's line that is looked for holds.
 *
 * The notes are read before the segments are listed: what they cover is durable by then. Roots are compared
 * as the walk passes each size.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "verify_int.h"

static const char *const beside[] = {"checkpoint", "witnessed"};

/* --- reading --------------------------------------------------------------------------------------- */

static void parse(struct walk *w, struct known_note *k)
{
	const char *why;

	if (note_parse(k->p, k->n, &k->note, &why) ||
	    checkpoint_parse(k->note.text, k->note.text_n, &k->c, &why))
		verify_found(w, k->where, 0, 0, "checkpoint", "not a signed checkpoint: %s", why);
	else
		k->parsed = true;
	if (k->parsed && k->beside && k->c.size > w->tiles.must)
		w->tiles.must = k->c.size;
}

static int file(struct walk *w, const char *name)
{
	struct known_note *k = &w->notes.note[w->notes.n];
	_cleanup_close_ int fd =
		openat(w->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	int r;

	if (fd < 0 && errno == ENOENT)
		return 0;
	k->where = name;
	k->beside = true;
	r = fd < 0 ? -errno : fs_read_fd(fd, NOTE_MAX, &k->text, &k->n);
	if (r == -ENOMEM)
		return r;
	w->notes.n++;
	k->p = k->text;
	if (r)
		verify_found(w, name, 0, 0, r == -EFBIG ? "checkpoint" : "io", "%s", strerror(-r));
	else
		parse(w, k);
	return 0;
}

static void next_size(struct known_notes *n, uint64_t behind)
{
	n->next = UINT64_MAX;
	for (size_t i = 0; i < n->n; i++)
		if (n->note[i].parsed && n->note[i].c.size > behind && n->note[i].c.size < n->next)
			n->next = n->note[i].c.size;
}

int verify_notes_load(struct walk *w)
{
	struct known_notes *n = &w->notes;
	int r = 0;

	n->note = calloc(ARRAY_SIZE(beside) + w->o->known_n, sizeof(*n->note));
	if (!n->note)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(beside) && !r; i++)
		r = file(w, beside[i]);
	for (size_t i = 0; i < w->o->known_n && !r; i++) {
		const struct verify_known *v = &w->o->known[i];
		struct known_note *k = &n->note[n->n++];

		k->where = v->where;
		k->p = v->note;
		k->n = v->n;
		parse(w, k);
	}
	next_size(n, 0);
	/* Of no records: there is one root, and no walk passes it. */
	verify_notes_at(w, &(struct tree_edge){0});
	return r;
}

void verify_notes_done(struct walk *w)
{
	for (size_t i = 0; i < w->notes.n; i++)
		free(w->notes.note[i].text);
	free(w->notes.note);
}

/* --- on the way ------------------------------------------------------------------------------------ */

void verify_notes_at(struct walk *w, const struct tree_edge *edge)
{
	struct tree_hash root;

	if (edge->size && edge->size != w->notes.next)
		return;
	tree_root(edge, &root);
	for (size_t i = 0; i < w->notes.n; i++) {
		struct known_note *k = &w->notes.note[i];

		if (!k->parsed || k->c.size != edge->size)
			continue;
		k->same = !memcmp(&root, &k->c.root, sizeof(root));
		k->differs = !k->same;
		if (k->differs)
			verify_found(w, k->where, 0, k->c.size, "fork",
				     "names another tree of %" PRIu64 " records", k->c.size);
	}
	next_size(&w->notes, edge->size);
}

/* --- at the end ------------------------------------------------------------------------------------ */

/* 0; -ENOKEY: none of this key; -EBADMSG. */
static int by_key(const struct known_note *k, const uint8_t public[static RECORD_PUBKEY_LEN])
{
	struct note_key key;

	memcpy(key.name, k->c.origin, sizeof(key.name));
	memcpy(key.public, public, RECORD_PUBKEY_LEN);
	for (size_t i = 0; i < k->note.n; i++)
		if (k->note.sigs[i].n == RECORD_SIG_LEN &&
		    !strcmp(k->note.sigs[i].name, key.name) &&
		    k->note.sigs[i].id == note_key_id(key.name, public))
			return note_verify(&k->note, &key, NULL);
	return -ENOKEY;
}

/* By the key of its last record's epoch, or of a later one: the next is in use when its SEAL is sealed. */
static int by_chain(const struct walk *w, const struct known_note *k, uint32_t *ret_epoch)
{
	uint64_t last = k->c.size ? k->c.size - 1 : 0;
	uint8_t public[RECORD_PUBKEY_LEN];
	int r = verify_key_at(w, last, ret_epoch, public) ? by_key(k, public) : -ENOKEY;

	for (size_t i = 0; i < w->ends.n && r == -ENOKEY; i++) {
		if (w->ends.end[i].seq < last)
			continue;
		*ret_epoch = w->ends.end[i].epoch + 1;
		r = by_key(k, w->ends.end[i].next_public);
	}
	return r;
}

static void cosigned(struct walk *w, const struct known_note *k)
{
	size_t lines = 0, known = 0;

	for (size_t i = 0; i < k->note.n; i++)
		lines += cosignature_is(&k->note.sigs[i]);
	for (size_t i = 0; i < w->o->witnesses_n; i++) {
		uint64_t t;
		int r = cosignature_verify(&k->note, &w->o->witnesses[i], &t);

		if (r == -EBADMSG)
			verify_found(w, k->where, 0, k->c.size, "cosignature",
				     "that of the witness %.80s is wrong", w->o->witnesses[i].name);
		if (r)
			continue;
		known++;
		w->notes.seen |= i < VERIFY_WITNESSES_MAX ? 1ull << i : 0;
		w->r->signatures++;
		if (k->c.size > w->r->witness_size ||
		    (k->c.size == w->r->witness_size && t > w->r->witness_s)) {
			w->r->witness_size = k->c.size;
			w->r->witness_s = t;
		}
	}
	if (lines > known && k->c.size > w->r->cosigned_unchecked)
		w->r->cosigned_unchecked = k->c.size;
}

/* One that was not passed: too long, or of a size at which the tree is not known. */
static void not_covered(struct walk *w, const struct known_note *k)
{
	if (k->c.size > w->c.next_seq)
		verify_found(w, k->where, 0, w->c.next_seq, "uncovered",
			     "is of %" PRIu64
			     " records; the chain here ends before record %" PRIu64,
			     k->c.size, w->c.next_seq);
	else if (!w->r->findings)
		verify_found(w, k->where, 0, k->c.size, "uncovered",
			     "the tree of %" PRIu64 " records cannot be made from what is here",
			     k->c.size);
}

static void check(struct walk *w, struct known_note *k)
{
	uint32_t epoch;
	int r;

	if (!k->parsed)
		return;
	if (!checkpoint_is_of(&k->c, w->c.chain)) {
		verify_found(w, k->where, 0, 0, "checkpoint", "of another chain: %.100s",
			     k->c.origin);
		return;
	}
	if (!k->same && !k->differs)
		not_covered(w, k);
	r = by_chain(w, k, &epoch);
	if (r && (k->same || k->c.size <= w->c.next_seq))
		verify_found(w, k->where, 0, k->c.size, "checkpoint", "%s",
			     r == -ENOKEY ? "not signed by the chain's key of its time"
					  : "the chain's signature is wrong");
	if (r)
		return;
	w->r->signatures++;
	if (k->same && k->c.size > w->r->checkpoint_size)
		w->r->checkpoint_size = k->c.size;
	/* A later key, which may be stolen, speaks for no unsigned record of an epoch that ended. */
	if (k->same && k->c.size > w->covered && epoch == w->c.epoch)
		w->covered = k->c.size;
	if (k->c.size) /* of no records it says nothing */
		cosigned(w, k);
}

uint64_t verify_notes_largest(const struct walk *w)
{
	uint64_t n = 0;

	for (size_t i = 0; i < w->notes.n; i++)
		if (w->notes.note[i].parsed && w->notes.note[i].c.size > n)
			n = w->notes.note[i].c.size;
	return n;
}

void verify_notes_check(struct walk *w)
{
	for (size_t i = 0; i < w->notes.n; i++)
		check(w, &w->notes.note[i]);
	for (size_t i = 0; i < w->o->witnesses_n; i++)
		if (i >= VERIFY_WITNESSES_MAX || !(w->notes.seen >> i & 1))
			verify_found(w, "witnessed", 0, 0, "cosignature",
				     "no checkpoint here is cosigned by %.80s",
				     w->o->witnesses[i].name);
}
