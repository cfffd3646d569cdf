// SPDX-License-Identifier: Apache-2.0
/*
 * In: where the collector is, and where the spool begins again. Out: what lets it go on there although the
 * records between are gone: the signed LOSS record that declares them, the SEALs that hand the key on, and
 * the tree of all that is left out, as its right edge, with the proof that what it holds begins it.
 *
 * A collector that holds nothing needs no LOSS record: the earlier ones left within the spool's bound. Limit:
 * the SEALs must fit into one request, which at the usual 15 minutes is 70 days in one piece; beyond it
 * forwarding stays where it is and the status says so.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "forward_int.h"
#include "spool_proof.h"

DEFINE_CLEANUP(struct tile_reader, tile_reader_free)

void forward_sealed(const struct frame *fr, Probity__V1__SealedRecord *ret)
{
	probity__v1__sealed_record__init(ret);
	ret->record = (ProtobufCBinaryData){fr->record_len, (uint8_t *)fr->record};
	ret->signature = (ProtobufCBinaryData){fr->sig ? RECORD_SIG_LEN : 0, (uint8_t *)fr->sig};
	ret->mac = (ProtobufCBinaryData){MAC_LEN, (uint8_t *)fr->mac};
}

/* The LOSS record that covers the hole, made now if there is none. */
static int loss(struct forward *f, uint64_t first, uint64_t kept, struct forward_gap *ret)
{
	const struct spool_state *s = spool_state(f->c.spool);
	uint64_t confirmed = 0;
	const char *why;
	struct frame fr;
	ssize_t n;
	size_t one;

	if (!s->hole.valid || s->hole.first > first || s->hole.last + 1 < kept ||
	    s->hole.seq < s->first_seq) {
		if (f->acked_end > first)
			confirmed = (f->acked_end < kept ? f->acked_end : kept) - first;
		if (f->c.declare(f->c.ctx, first, kept - 1, confirmed))
			return -EAGAIN;
	}
	n = spool_read(f->c.spool, s->hole.seq, f->loss, sizeof(f->loss), 1, &one);
	if (n <= 0 || frame_parse(f->loss, n, &fr, &why) <= 0)
		return -EAGAIN;
	forward_sealed(&fr, &ret->loss);
	ret->has_loss = true;
	return 0;
}

static int seals(struct forward *f, uint64_t from, uint64_t below, struct forward_gap *ret)
{
	struct frame fr;
	const char *why;
	size_t n = 0, k = 0;
	long used;
	int r = spool_seals_read(f->c.spool, from, below, SEALS_BYTES_MAX, &ret->frames, &n);

	if (r || !n)
		return r;
	for (size_t at = 0; at < n && (used = frame_parse(ret->frames + at, n - at, &fr, &why)) > 0;
	     at += used)
		k++;
	ret->seals = calloc(k, sizeof(*ret->seals));
	ret->seal_list = calloc(k, sizeof(*ret->seal_list));
	if (!ret->seals || !ret->seal_list)
		return -ENOMEM;
	for (size_t at = 0; ret->seals_n < k; at += used) {
		used = frame_parse(ret->frames + at, n - at, &fr, &why);
		forward_sealed(&fr, &ret->seals[ret->seals_n]);
		ret->seal_list[ret->seals_n] = &ret->seals[ret->seals_n];
		ret->seals_n++;
	}
	return 0;
}

static int tree(struct forward *f, uint64_t held, uint64_t kept, struct forward_gap *ret)
{
	_cleanup_(tile_reader_freep) struct tile_reader *tiles = NULL;
	int r = spool_tree_open(f->c.spool, &tiles);

	if (!r)
		r = tree_edge_read(kept, tile_reader_hash, tiles, &ret->edge);
	if (!r)
		r = tree_consistency(held, kept, tile_reader_hash, tiles, ret->path, &ret->proof_n);
	if (r)
		return r;
	for (int i = 63; i >= 0; i--)
		if (kept >> i & 1)
			ret->peaks[ret->peaks_n++] =
				(ProtobufCBinaryData){TREE_HASH_LEN, ret->edge.peak[i].b};
	for (size_t i = 0; i < ret->proof_n; i++)
		ret->proof[i] = (ProtobufCBinaryData){TREE_HASH_LEN, ret->path[i].b};
	return 0;
}

int forward_gap_of(struct forward *f, uint64_t held, uint64_t kept, bool with_loss,
		   struct forward_gap *ret, const char **ret_why)
{
	uint64_t below = kept;
	int r = 0;

	memset(ret, 0, sizeof(*ret));
	*ret_why = "the loss record it needs cannot be sealed now";
	if (with_loss) {
		r = loss(f, held, kept, ret);
		below = spool_state(f->c.spool)->hole.seq;
	}
	if (!r) {
		*ret_why = "the records it lacks span more epochs than one request can tell of";
		r = seals(f, held, below, ret);
		if (r && r != -E2BIG)
			*ret_why = "the seals of the records it lacks cannot be read";
	}
	if (!r) {
		*ret_why = "the tree of the records it lacks cannot be read";
		r = tree(f, held, kept, ret);
	}
	return r;
}

void forward_gap_done(struct forward_gap *g)
{
	free(g->seals);
	free(g->seal_list);
	free(g->frames);
}
