// SPDX-License-Identifier: Apache-2.0
/*
 * Records that are not there: a chain that begins late, or a hole inside one. Whether it may go on behind
 * them is hole.c's; what proves it is kept, with the keys of the epochs in the hole. A batch without the
 * proof is a gap, which is no fault of anybody's yet.
 */
#include "ingest_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hole.h"

static int gap(struct ingest *in, uint64_t first, const struct record *head, const char *why)
{
	return ingest_fault(in, F(GAP), first, "record %llu came, %llu is not held: %s",
			    (unsigned long long)head->seq, (unsigned long long)first, why);
}

int ingest_cross(struct ingest *in, const struct record *head)
{
	uint64_t first = in->state.started ? in->state.next_seq : 0;
	const char *why = "is missing";

	if (in->crossed)
		return gap(in, first, head, "a batch proves one hole only");
	in->keys = calloc(in->batch->n_seals + 1, sizeof(*in->keys));
	if (!in->keys)
		return -ENOMEM;
	in->crossed = true;
	return hole_cross(&in->state, in->batch, head, in->keys, &in->keys_n, &why)
		       ? 0
		       : gap(in, first, head, why);
}

static int keep_keys(struct ingest *in)
{
	int r = 0;

	for (size_t i = 0; i < in->keys_n && !r; i++)
		r = store_key_add(in->st, in->chain.id, &in->keys[i]);
	return r;
}

static int keep_hole(struct ingest *in, uint64_t first, const struct record *head)
{
	struct store_hole h = {.first_seq = first, .last_seq = head->seq - 1, .at_ns = in->now_ns};
	const Probity__V1__Batch *b = in->batch;
	uint8_t edge[TREE_PATH_MAX * TREE_HASH_LEN];
	uint8_t *proof = hole_proof(b, &h.proof_len);
	int r;

	if (!proof)
		return -ENOMEM;
	memcpy(h.chain, in->chain.id, sizeof(h.chain));
	for (size_t i = 0; i < b->n_edge; i++, h.edge_len += TREE_HASH_LEN)
		memcpy(edge + h.edge_len, b->edge[i].data, TREE_HASH_LEN);
	h.proof = proof;
	h.edge = edge;
	r = store_hole_add(in->st, &h);
	free(proof);
	return r;
}

int ingest_crossed(struct ingest *in, uint64_t first, const struct record *head)
{
	int r = keep_keys(in);

	if (!r)
		r = keep_hole(in, first, head);
	if (r)
		return r;
	if (first)
		snprintf(in->error, sizeof(in->error),
			 "records %llu to %llu are gone, as the host declared",
			 (unsigned long long)first, (unsigned long long)head->seq - 1);
	else
		snprintf(in->error, sizeof(in->error),
			 "chain is held from record %llu on; %llu before it are not",
			 (unsigned long long)head->seq, (unsigned long long)head->seq);
	r = ingest_finding(in, STORE_MEDIUM, first ? "declared_hole" : "chain_begins_late",
			   first ? first : head->seq, in->batch->loss);
	in->error[0] = '\0';
	return r;
}

int ingest_seed(struct ingest *in)
{
	const uint8_t *seed = in->batch->mac_seed.data;
	struct store_chain *c = &in->chain;
	int r;

	if (c->seeded && memcmp(c->mac_seed, seed, MAC_LEN) != 0) {
		snprintf(in->error, sizeof(in->error),
			 "the host names another MAC seed than the one held, which stands");
		r = ingest_finding(in, STORE_HIGH, "mac_seed", c->last_seq, NULL);
		in->error[0] = '\0';
		return r;
	}
	if (c->seeded)
		return 0;
	memcpy(c->mac_seed, seed, MAC_LEN);
	memcpy(in->mac.k, seed, MAC_LEN);
	in->mac.epoch = 0;
	mac_at(&in->mac, in->state.epoch, &in->mac);
	in->state.mac = &in->mac;
	c->seeded = in->dirty = true;
	return 0;
}
