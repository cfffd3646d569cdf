// SPDX-License-Identifier: Apache-2.0
/*
 * A host's checkpoint. Three things must agree before it is cosigned: a key of the chain signed it that was
 * in force at its size or came after, it begins with what was cosigned last (the host proves it), and its
 * root is that of the records held. What disagrees is kept as a finding with the note as evidence; only a
 * host that merely has not heard of the last cosignature is told so without one.
 */
#include "ingest_int.h"

#include <errno.h>
#include <string.h>

#define S_NS INT64_C(1000000000)
#define KEYS_MAX 1024 /* epochs */

struct signed_head {
	struct note note;
	struct checkpoint c;
	struct note_key key;
	struct store_witness held; /* name and chain set; size 0: none */
	bool any;
	struct tree_edge edge; /* of the records held, at its size */
};

static int refuse(struct ingest *in, enum store_severity severity, const char *kind, uint64_t size,
		  const char *text)
{
	const char *note = in->batch->checkpoint;
	Probity__V1__SealedRecord evidence = PROBITY__V1__SEALED_RECORD__INIT;

	evidence.record = (ProtobufCBinaryData){strlen(note), (uint8_t *)note};
	return ingest_refuse(in, F(CHECKPOINT), severity, kind, size, &evidence, text);
}

/* Its origin ends with the chain's id. */
static bool origin_fits(const struct ingest *in, const struct signed_head *h)
{
	size_t n = strlen(h->c.origin), k = strlen(h->held.name);

	return n > k + 1 && h->c.origin[n - k - 1] == '/' &&
	       !strcmp(h->c.origin + n - k, h->held.name);
}

static int open_head(struct ingest *in, struct signed_head *h)
{
	const char *p = in->batch->checkpoint, *why = "";

	if (note_parse(p, strlen(p), &h->note, &why) ||
	    checkpoint_parse(h->note.text, h->note.text_n, &h->c, &why))
		return refuse(in, STORE_MEDIUM, "bad_checkpoint", 0, "not a signed checkpoint");
	if (!origin_fits(in, h))
		return refuse(in, STORE_MEDIUM, "bad_checkpoint", h->c.size,
			      "the checkpoint is of another log");
	if (!h->c.size || h->c.size > in->chain.last_seq + 1)
		return ingest_fault(in, F(CHECKPOINT), h->c.size,
				    "the checkpoint is of %llu records, %llu are held",
				    (unsigned long long)h->c.size,
				    (unsigned long long)in->chain.last_seq + 1);
	return 0;
}

#define BY_THIS_KEY 1

static int is_key(void *ctx, const struct store_key *k)
{
	struct signed_head *h = ctx;
	int r;

	memcpy(h->key.public, k->public, sizeof(k->public));
	r = note_verify(&h->note, &h->key, NULL);
	return r == -ENOKEY ? 0 : r ? r : BY_THIS_KEY;
}

/* Of the epoch that was open at that size, or one not long after: a host that signs a tree of thousands of
 * epochs ago anew only keeps us busy. */
static int by_key(struct ingest *in, struct signed_head *h)
{
	int r;

	snprintf(h->key.name, sizeof(h->key.name), "%s", h->c.origin);
	r = store_keys_from(in->st, in->chain.id, h->c.size, KEYS_MAX, is_key, h);
	if (r == BY_THIS_KEY)
		return 0;
	if (r && r != -EBADMSG)
		return r;
	return refuse(in, STORE_HIGH, "wrong_key", h->c.size,
		      "the checkpoint is not signed by a key of this chain that was in force");
}

/* --- the tree held --------------------------------------------------------------------------------- */

static int add_leaf(void *ctx, const struct tree_hash *leaf)
{
	tree_add(ctx, leaf);
	return 0;
}

static int hole_edge(void *ctx, const struct store_hole *h)
{
	struct tree_edge *e = ctx;
	uint64_t size = h->last_seq + 1;
	const uint8_t *p = h->edge;

	if (size <= e->size)
		return 0;
	if (h->edge_len != (size_t)__builtin_popcountll(size) * TREE_HASH_LEN)
		return -EUCLEAN;
	e->size = size;
	for (int i = 63; i >= 0; i--)
		if (size >> i & 1) {
			memcpy(e->peak[i].b, p, TREE_HASH_LEN);
			p += TREE_HASH_LEN;
		}
	return 0;
}

/* From the last edge kept on: what was cosigned, one of every EDGE_EVERY records, or behind a hole. -ENODATA:
 * the size is in a hole. */
static int tree_held(struct ingest *in, struct signed_head *h)
{
	int r;

	if (in->state.tree_known && in->state.tree.size == h->c.size) {
		h->edge = in->state.tree;
		return 0;
	}
	r = store_edge_before(in->st, in->chain.id, h->c.size, &h->edge);
	if (r && r != -ENOENT)
		return r;
	if (h->held.edge.size <= h->c.size && h->held.edge.size > h->edge.size)
		h->edge = h->held.edge;
	r = store_hole_before(in->st, in->chain.id, h->c.size, hole_edge, &h->edge);
	if (r && r != -ENOENT)
		return r;
	return store_leaves(in->st, in->chain.id, h->edge.size, h->c.size, add_leaf, &h->edge);
}

/* --- the verdict ----------------------------------------------------------------------------------- */

static int against_records(struct ingest *in, struct signed_head *h)
{
	struct tree_hash root;
	int r = tree_held(in, h);

	if (r == -ENODATA)
		return ingest_fault(in, F(CHECKPOINT), h->c.size,
				    "the checkpoint ends where records are not held");
	if (r)
		return r;
	tree_root(&h->edge, &root);
	if (memcmp(&root, &h->c.root, sizeof(root)))
		return refuse(in, STORE_CRITICAL, "fork", h->c.size,
			      "FORK ALARM: the host signed a tree that is not that of the records "
			      "it sent");
	if (h->c.size < h->held.edge.size)
		return refuse(
			in, STORE_CRITICAL, "rollback", h->c.size,
			"ROLLBACK: the host's newest checkpoint is older than the one cosigned "
			"last");
	return 0;
}

static int path_of(const Probity__V1__Batch *b, struct tree_hash *out)
{
	if (b->n_consistency > TREE_PATH_MAX)
		return -EBADMSG;
	for (size_t i = 0; i < b->n_consistency; i++) {
		if (b->consistency[i].len != TREE_HASH_LEN)
			return -EBADMSG;
		memcpy(out[i].b, b->consistency[i].data, TREE_HASH_LEN);
	}
	return 0;
}

static int against_cosigned(struct ingest *in, struct signed_head *h)
{
	struct tree_hash path[TREE_PATH_MAX];
	enum witness_verdict v = WITNESS_BAD_PROOF;

	if (h->any && h->c.size == h->held.edge.size)
		return 0; /* its root is that of the records, as was that: an answer was lost */
	if (!path_of(in->batch, path))
		v = witness_judge(h->any ? &h->held : NULL, in->batch->witnessed_size, &h->c, path,
				  in->batch->n_consistency);
	switch (v) {
	case WITNESS_FINE:
		return 0;
	case WITNESS_CONFLICT:
	case WITNESS_TOO_OLD:
		return ingest_fault(in, F(CHECKPOINT), h->c.size,
				    "%llu records are cosigned, not %llu",
				    (unsigned long long)h->held.edge.size,
				    (unsigned long long)in->batch->witnessed_size);
	default:
		return refuse(in, STORE_LOW, "bad_proof", h->c.size,
			      "the consistency proof is wrong, though the tree is that of the "
			      "records held");
	}
}

static int wall_of(void *ctx, const struct store_record *r)
{
	*(uint64_t *)ctx = r->wall_ns;
	return 1;
}

static int take(struct ingest *in, struct signed_head *h)
{
	struct store_witness *row = &h->held;
	uint8_t tpm[ECDSA_PUBLIC_LEN];
	bool is;
	int r = ingest_tpm(in, &h->note, &h->c, h->any ? row : NULL, tpm, &is);

	if (r)
		return r;
	r = store_records(in->st, in->chain.id, h->c.size - 1, wall_of, &row->wall_ns);
	if (r < 0)
		return r;
	row->has_chain = true;
	row->edge = h->edge;
	memcpy(row->chain, in->chain.id, sizeof(row->chain));
	r = witness_cosign(in->witness, in->st, &h->note, &h->key, is ? tpm : NULL, &h->c,
			   in->now_ns / S_NS, row);
	if (r == -EMSGSIZE)
		return refuse(in, STORE_MEDIUM, "bad_checkpoint", h->c.size,
			      "the checkpoint is too long");
	if (r)
		return r;
	in->dirty = true;
	in->witnessed = h->c.size;
	if (in->chain.covered < h->c.size)
		in->chain.covered = h->c.size;
	snprintf(in->cosigned, sizeof(in->cosigned), "%s", row->note);
	return 0;
}

/* The one cosigned last, once more: its answer was lost. The same answer again, and no new entry anywhere. */
static bool again(struct ingest *in, const struct signed_head *h)
{
	if (!h->any || h->c.size != h->held.edge.size ||
	    strncmp(h->held.note, h->note.text, h->note.text_n) != 0)
		return false;
	snprintf(in->cosigned, sizeof(in->cosigned), "%s", h->held.note);
	return true;
}

int ingest_edge(struct ingest *in)
{
	uint64_t before = in->was_known ? in->committed.last_seq + 1 : 0;

	if (!in->state.tree_known || before / EDGE_EVERY == in->state.tree.size / EDGE_EVERY)
		return 0;
	return store_edge_add(in->st, in->chain.id, &in->state.tree);
}

int ingest_witnessed(struct ingest *in)
{
	struct store_witness held;
	char name[33];
	int r;

	ingest_chain_hex(in->batch->chain.data, name);
	r = store_witness_get(in->st, name, &held);
	if (r)
		return r == -ENOENT ? 0 : r;
	in->witnessed = in->was_witnessed = held.edge.size;
	in->floor_ns = held.wall_ns;
	if (held.unix_s >= 0 && in->floor_ns > (uint64_t)held.unix_s * S_NS)
		in->floor_ns = (uint64_t)held.unix_s * S_NS;
	return 0;
}

int ingest_checkpoint(struct ingest *in)
{
	struct signed_head h = {.any = true};
	char name[33];
	int r;

	if (!in->known)
		return 0;
	ingest_chain_hex(in->chain.id, name);
	r = store_witness_get(in->st, name, &h.held);
	if (r == -ENOENT) {
		h.held = (struct store_witness){0};
		h.any = false;
		r = 0;
	}
	snprintf(h.held.name, sizeof(h.held.name), "%s", name);
	if (!r)
		r = open_head(in, &h);
	if (!r)
		r = by_key(in, &h);
	if (!r)
		r = against_records(in, &h);
	if (!r)
		r = against_cosigned(in, &h);
	return r || again(in, &h) ? r : take(in, &h);
}
