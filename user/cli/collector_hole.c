// SPDX-License-Identifier: Apache-2.0
/*
 * In: the message Hole of a collector. Out: the SEALs between as frames, the tree's right edge with its proof,
 * and the LOSS record. Nothing is judged while it is read: SEALs are checked by whoever reads the segments
 * behind the hole with them, the edge by the next SEAL's root, the loss by the key those SEALs lead to.
 * Memory: a few times what was received, which the caller bounds.
 */
#include "collector_hole.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "proto/forward.pb-c.h"
#include "proto/record.pb-c.h"

typedef Probity__V1__SealedRecord sealed_record;

DEFINE_CLEANUP(struct verifier, verifier_free)

static bool hashes(const ProtobufCBinaryData *b, size_t n,
		   struct tree_hash out[static TREE_PATH_MAX])
{
	if (n > TREE_PATH_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (b[i].len != TREE_HASH_LEN)
			return false;
		memcpy(out[i].b, b[i].data, TREE_HASH_LEN);
	}
	return true;
}

static bool edge_of(const Probity__V1__Batch *b, struct collector_hole *h)
{
	uint64_t size = h->last + 1;
	struct tree_hash peaks[TREE_PATH_MAX];
	size_t n = 0;

	if (b->n_edge != (size_t)__builtin_popcountll(size) || !hashes(b->edge, b->n_edge, peaks) ||
	    !hashes(b->edge_consistency, b->n_edge_consistency, h->path))
		return false;
	h->path_n = b->n_edge_consistency;
	h->edge = (struct tree_edge){.size = size};
	for (int i = 63; i >= 0; i--)
		if (size >> i & 1)
			h->edge.peak[i] = peaks[n++];
	return true;
}

static void loss_of(const sealed_record *rec, struct collector_hole *h)
{
	Probity__V1__Control *c;
	struct record r;
	const char *why;

	if (!rec || record_decode(rec->record.data, rec->record.len, &r, &why) ||
	    r.schema != RECORD_CONTROL || !r.payload || r.alg != RECORD_ED25519 ||
	    rec->signature.len != RECORD_SIG_LEN)
		return;
	c = probity__v1__control__unpack(NULL, r.payload_len, r.payload);
	if (c && c->kind == PROBITY__V1__CONTROL__KIND__LOSS && !strcmp(c->what, "records")) {
		h->has_loss = true;
		h->loss_first = c->first_seq;
		h->loss_last = c->last_seq;
		h->loss_seq = r.seq;
		memcpy(h->loss_header, rec->record.data, RECORD_HEADER_LEN);
		memcpy(h->loss_sig, rec->signature.data, RECORD_SIG_LEN);
	}
	if (c)
		probity__v1__control__free_unpacked(c, NULL);
}

/* As a segment has it. */
static int frame_of(const sealed_record *rec,
		    int (*seal)(void *ctx, uint64_t seq, const uint8_t *frame, size_t n), void *ctx)
{
	size_t body = rec->record.len + rec->mac.len + rec->signature.len;
	_cleanup_free_ uint8_t *out = NULL;
	struct record r;
	const char *why;
	uint8_t *p;

	if (record_decode(rec->record.data, rec->record.len, &r, &why) || rec->mac.len != MAC_LEN ||
	    rec->signature.len != RECORD_SIG_LEN)
		return -EBADMSG;
	out = malloc(SEGMENT_FRAME_LEN + body);
	if (!out)
		return -ENOMEM;
	p = out + SEGMENT_FRAME_LEN;
	memcpy(p, rec->record.data, rec->record.len);
	memcpy(p + rec->record.len, rec->mac.data, MAC_LEN);
	memcpy(p + rec->record.len + MAC_LEN, rec->signature.data, RECORD_SIG_LEN);
	frame_head(p, rec->record.len, MAC_LEN + RECORD_SIG_LEN, out);
	return seal(ctx, r.seq, out, SEGMENT_FRAME_LEN + body);
}

int collector_hole_parse(const uint8_t *p, size_t n, struct collector_hole *ret,
			 int (*seal)(void *ctx, uint64_t seq, const uint8_t *frame, size_t n),
			 void *ctx)
{
	Probity__V1__Hole *o = probity__v1__hole__unpack(NULL, n, p);
	Probity__V1__Batch *b =
		o ? probity__v1__batch__unpack(NULL, o->proof.len, o->proof.data) : NULL;
	int r = b && o->first_seq <= o->last_seq && o->last_seq < INT64_MAX ? 0 : -EBADMSG;

	memset(ret, 0, sizeof(*ret));
	if (!r) {
		ret->first = o->first_seq;
		ret->last = o->last_seq;
		ret->has_edge = edge_of(b, ret);
		loss_of(b->loss, ret);
	}
	for (size_t i = 0; !r && i < b->n_seals; i++)
		r = frame_of(b->seals[i], seal, ctx);
	if (b)
		probity__v1__batch__free_unpacked(b, NULL);
	if (o)
		probity__v1__hole__free_unpacked(o, NULL);
	return r;
}

bool collector_hole_declared(const struct collector_hole *h,
			     const uint8_t public[static RECORD_PUBKEY_LEN], uint64_t first,
			     uint64_t last)
{
	_cleanup_(verifier_freep) struct verifier *v = NULL;

	return h->has_loss && h->loss_first <= first && h->loss_last >= last &&
	       h->loss_seq > h->loss_last && !verifier_new(public, &v) &&
	       verifier_ok(v, h->loss_header, RECORD_HEADER_LEN, h->loss_sig);
}

bool collector_hole_follows(const struct collector_hole *h, uint64_t size,
			    const struct tree_hash *root)
{
	struct tree_hash behind;

	if (!h->has_edge)
		return false;
	tree_root(&h->edge, &behind);
	return tree_consistency_ok(size, root, h->edge.size, &behind, h->path, h->path_n);
}
