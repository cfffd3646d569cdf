// SPDX-License-Identifier: Apache-2.0
/*
 * In: the file `seals`, and SEAL records as they are met in the segments. Out: the key of every epoch, each
 * named by the SEAL before it, back to the key of the first, which is the caller's or the chain's own word.
 *
 * The file is read before the segments are listed, so that whatever it names is in them. It must hold every
 * SEAL up to the one the signed head has reached; only the newest may be on its way. Memory: 120 bytes an
 * epoch, four MB for a year of epochs of a quarter of an hour.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "proto/record.pb-c.h"
#include "verify_int.h"

#define FILE_NAME "seals"

DEFINE_CLEANUP(struct verifier, verifier_free)

bool verify_seal_of(const uint8_t *record, size_t n, struct epoch_end *ret)
{
	Probity__V1__Control *c;
	struct record r;
	const char *why;
	bool is;

	if (record_decode(record, n, &r, &why) || r.schema != RECORD_CONTROL || !r.payload ||
	    r.alg == RECORD_CHECKPOINT)
		return false;
	c = probity__v1__control__unpack(NULL, r.payload_len, r.payload);
	is = c && c->kind == PROBITY__V1__CONTROL__KIND__SEAL &&
	     c->next_public_key.len == RECORD_PUBKEY_LEN && c->tree_root.len == TREE_HASH_LEN &&
	     c->epoch == r.epoch && c->tree_size == r.seq;
	if (is) {
		*ret = (struct epoch_end){.seq = r.seq, .epoch = r.epoch};
		memcpy(ret->next_public, c->next_public_key.data, RECORD_PUBKEY_LEN);
		memcpy(ret->root.b, c->tree_root.data, TREE_HASH_LEN);
		record_leaf(record, ret->leaf.b);
	}
	if (c)
		probity__v1__control__free_unpacked(c, NULL);
	return is;
}

static int push(struct epoch_ends *e, const struct epoch_end *one)
{
	if (e->n == e->cap) {
		size_t cap = e->cap ? 2 * e->cap : 64;
		struct epoch_end *more = realloc(e->end, cap * sizeof(*more));

		if (!more)
			return -ENOMEM;
		e->end = more;
		e->cap = cap;
	}
	e->end[e->n++] = *one;
	return 0;
}

/* --- looking up ------------------------------------------------------------------------------------ */

/* How many lie before record `seq`. */
static size_t before(const struct epoch_ends *e, uint64_t seq)
{
	size_t lo = 0, hi = e->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (e->end[mid].seq < seq)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const struct epoch_end *verify_end_before(const struct walk *w, uint64_t seq)
{
	size_t i = before(&w->ends, seq);

	return i ? &w->ends.end[i - 1] : NULL;
}

bool verify_key_at(const struct walk *w, uint64_t seq, uint32_t *ret_epoch,
		   uint8_t ret[static RECORD_PUBKEY_LEN])
{
	const struct epoch_end *e = verify_end_before(w, seq);

	if (e) {
		*ret_epoch = e->epoch + 1;
		memcpy(ret, e->next_public, RECORD_PUBKEY_LEN);
		return true;
	}
	if (!w->first_known || (w->ends.n && w->ends.end[0].epoch))
		return false;
	*ret_epoch = 0;
	memcpy(ret, w->first_public, RECORD_PUBKEY_LEN);
	return true;
}

/* --- the file -------------------------------------------------------------------------------------- */

static const char *signed_by(const uint8_t public[static RECORD_PUBKEY_LEN], const uint8_t *header,
			     const uint8_t *sig)
{
	_cleanup_(verifier_freep) struct verifier *v = NULL;
	uint8_t id[8];

	key_id(public, id);
	if (memcmp(id, header + 104, sizeof(id)))
		return "key id";
	if (verifier_new(public, &v) || !verifier_ok(v, header, RECORD_HEADER_LEN, sig))
		return "signature";
	return NULL;
}

/* One SEAL of the file against the one before it. NULL, or the kind of finding. */
static const char *follows(struct walk *w, const struct frame *f, struct epoch_end *ret)
{
	struct epoch_ends *e = &w->ends;
	const struct epoch_end *last = e->n ? &e->end[e->n - 1] : NULL;
	const uint8_t *public = last		      ? last->next_public
				: w->o->expect_public ? w->o->expect_public
						      : NULL;

	if (!verify_seal_of(f->record, f->record_len, ret) || !f->sig)
		return "seal";
	if (last && (ret->seq <= last->seq || ret->epoch != last->epoch + 1))
		return "seal";
	if (!last && ret->epoch)
		return "seal";
	if (public)
		return signed_by(public, f->record, f->sig);
	e->first_open = true;
	memcpy(e->first_header, f->record, RECORD_HEADER_LEN);
	memcpy(e->first_sig, f->sig, RECORD_SIG_LEN);
	return NULL;
}

static const char *mac_of_seal(struct walk *w, struct mac_key *k, const struct frame *f,
			       const struct epoch_end *e)
{
	if (!w->o->mac_seed)
		return NULL;
	while (k->epoch < e->epoch)
		mac_ratchet(k);
	w->r->macs++;
	return mac_ok(k, &e->leaf, f->mac) ? NULL : "mac";
}

static void broken(struct walk *w, uint64_t offset, const char *kind, const char *what)
{
	w->ends.broken = true;
	verify_found(w, FILE_NAME, offset, w->ends.n ? w->ends.end[w->ends.n - 1].seq + 1 : 0, kind,
		     "SEAL of epoch %u: %s", w->ends.n ? w->ends.end[w->ends.n - 1].epoch + 1 : 0,
		     what);
}

static int frames(struct walk *w, struct segment_reader *in)
{
	struct mac_key k = {0};
	enum segment_answer a;
	int r = 0;

	if (w->o->mac_seed)
		memcpy(k.k, w->o->mac_seed, sizeof(k.k));
	while (!r && (a = segment_next(in)) == SEGMENT_FRAME) {
		struct epoch_end e;
		const char *kind = follows(w, &in->frame, &e), *why;
		struct record rec;

		if (!kind)
			kind = mac_of_seal(w, &k, &in->frame, &e);
		if (kind) {
			broken(w, in->offset, kind, "it is not the one that follows");
			return 0;
		}
		w->r->signatures += !w->ends.first_open || w->ends.n;
		e.in_file = true;
		if (!record_decode(in->frame.record, in->frame.record_len, &rec, &why))
			verify_tpm_record(w, FILE_NAME, &rec);
		r = push(&w->ends, &e);
	}
	if (r || a == SEGMENT_END)
		return r;
	if (a == SEGMENT_TORN) {
		w->ends.torn = true;
		w->ends.torn_at = in->offset;
	} else if (a == SEGMENT_IO) {
		broken(w, in->offset, "io", strerror(in->error));
	} else {
		broken(w, in->offset, strcmp(in->why, "crc") ? "frame" : "crc", in->why);
	}
	return 0;
}

int verify_ends_load(struct walk *w)
{
	_cleanup_close_ int fd =
		openat(w->dir, FILE_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	_cleanup_free_ struct segment_reader *in = NULL;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0) {
		broken(w, 0, "io", strerror(errno));
		return 0;
	}
	in = malloc(sizeof(*in));
	if (!in)
		return -ENOMEM;
	w->ends.file = true;
	segment_read(in, fd, 0);
	return frames(w, in);
}

void verify_ends_done(struct walk *w)
{
	free(w->ends.end);
}

/* --- against the segments -------------------------------------------------------------------------- */

int verify_ends_add(struct walk *w, const struct record *r, const struct frame *f)
{
	struct epoch_ends *e = &w->ends;
	size_t i = before(e, r->seq);
	struct epoch_end one;

	if (!verify_seal_of(f->record, f->record_len, &one))
		return 0;
	if (i < e->n && e->end[i].seq == r->seq) {
		e->end[i].met = true;
		if (memcmp(&e->end[i].leaf, &one.leaf, sizeof(one.leaf)))
			verify_found(w, FILE_NAME, 0, r->seq, "fork",
				     "SEAL record %llu is another one in %s",
				     (unsigned long long)r->seq, w->file);
		return 0;
	}
	one.met = true;
	/* The head is written when the SEAL is in the file. Behind a broken place the file was not read. */
	if (!e->broken && !w->o->part && w->have_head && r->seq <= w->head.seq &&
	    (!e->torn || verify_live(w)))
		verify_found(w, FILE_NAME, 0, r->seq, "seal",
			     "SEAL record %llu, which the signed head has reached, is not in it",
			     (unsigned long long)r->seq);
	return i == e->n ? push(e, &one) : 0;
}

void verify_ends_check(struct walk *w)
{
	struct epoch_ends *e = &w->ends;
	const char *kind = NULL;

	if (e->first_open && w->first_known) {
		kind = signed_by(w->first_public, e->first_header, e->first_sig);
		w->r->signatures++;
	}
	if (kind)
		verify_found(w, FILE_NAME, 0, e->end[0].seq, kind,
			     "the first SEAL is not under the key of the chain's START");
	if (e->torn && !verify_live(w))
		verify_found(w, FILE_NAME, e->torn_at, e->n ? e->end[e->n - 1].seq + 1 : 0,
			     "torn tail", "incomplete last frame");
	for (size_t i = 0; i < e->n && !w->o->part; i++) {
		const struct epoch_end *s = &e->end[i];

		if (s->in_file && s->seq >= w->c.next_seq) {
			verify_found(w, FILE_NAME, 0, s->seq, "tail cut",
				     "has SEAL record %llu; the last record here is before %llu",
				     (unsigned long long)s->seq, (unsigned long long)w->c.next_seq);
			return;
		}
		if (s->in_file && !s->met && s->seq >= w->r->first_seq && !w->r->findings) {
			verify_found(w, FILE_NAME, 0, s->seq, "fork",
				     "has a SEAL record %llu that the segments have not",
				     (unsigned long long)s->seq);
			return;
		}
	}
}
