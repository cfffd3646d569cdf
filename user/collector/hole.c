// SPDX-License-Identifier: Apache-2.0
/*
 * In: what is known of a chain, and what a host sends beside the first record behind a hole. Out: the
 * state before that record. Ingest asks this before it accepts a hole; audit asks again with the bytes
 * that were kept.
 *
 * What is proved. That the records are gone: by a LOSS record, sealed after the hole, perhaps in a later
 * epoch, and so long before its own place in the chain is reached. Which key signs behind the hole: by the
 * SEALs, each under the key the one before names. What the tree was: its edge is the host's word, and a
 * consistency proof ties it to the tree held; where nothing is held, the next SEAL signs it. What
 * happened in the hole is not proved, and nothing here says so.
 */
#include "hole.h"

#include <stdlib.h>
#include <string.h>

#include "proto/record.pb-c.h"
#include "record/keys.h"

typedef Probity__V1__Control control;
typedef Probity__V1__SealedRecord sealed_record;

static void control_freep(control **c)
{
	if (*c)
		probity__v1__control__free_unpacked(*c, NULL);
}

/* The key of an epoch, and of its MACs, on the way through the hole. */
struct walk {
	const struct chain_state *state;
	uint32_t epoch;
	uint64_t from; /* a SEAL of it is not before */
	uint8_t public[RECORD_PUBKEY_LEN];
	bool macked;
	struct mac_key mac;
};

static bool signed_by(const uint8_t *public, const sealed_record *rec, const struct record *head)
{
	struct verifier *v = NULL;
	uint8_t id[8];
	bool ok;

	key_id(public, id);
	if (memcmp(id, head->key_id, sizeof(id)) != 0 || rec->signature.len != RECORD_SIG_LEN ||
	    verifier_new(public, &v))
		return false;
	ok = verifier_ok(v, rec->record.data, RECORD_HEADER_LEN, rec->signature.data);
	verifier_free(v);
	return ok;
}

static bool macked_by(const struct walk *w, const sealed_record *rec)
{
	struct tree_hash leaf;
	struct mac_key k;

	record_leaf(rec->record.data, leaf.b);
	return w->macked && rec->mac.len == MAC_LEN && mac_at(&w->mac, w->epoch, &k) &&
	       mac_ok(&k, &leaf, rec->mac.data);
}

/* Ours, a control record of this kind, under the key of the walk's epoch. */
static const char *open_control(const struct walk *w, const sealed_record *rec,
				Probity__V1__Control__Kind kind, struct record *head, control **ret)
{
	const uint8_t *chain = w->state->chain;
	const char *why;

	if (record_decode(rec->record.data, rec->record.len, head, &why))
		return why;
	if (memcmp(head->chain, chain, sizeof(head->chain)))
		return "of another chain";
	if (head->schema != RECORD_CONTROL || !head->payload)
		return "no control record";
	*ret = probity__v1__control__unpack(NULL, head->payload_len, head->payload);
	if (!*ret || (*ret)->kind != kind)
		return "a control record of another kind";
	if (head->epoch != w->epoch)
		return "of another epoch";
	if (head->alg == RECORD_CHECKPOINT ? !macked_by(w, rec) : !signed_by(w->public, rec, head))
		return "not signed by the key of its epoch";
	if (w->macked && !macked_by(w, rec))
		return "its MAC is wrong";
	return NULL;
}

/* --- seals ----------------------------------------------------------------------------------------- */

/* One epoch on. */
static bool take_seal(struct walk *w, const sealed_record *rec, struct record *head,
		      const char **ret_why)
{
	_cleanup_(control_freep) control *c = NULL;
	const char *why = open_control(w, rec, PROBITY__V1__CONTROL__KIND__SEAL, head, &c);

	if (!why && (head->seq < w->from || c->epoch != head->epoch || c->tree_size != head->seq ||
		     c->next_public_key.len != RECORD_PUBKEY_LEN))
		why = "does not fit";
	if (why) {
		*ret_why = "a seal in the hole is wrong";
		return false;
	}
	w->epoch++;
	w->from = head->seq + 1;
	memcpy(w->public, c->next_public_key.data, RECORD_PUBKEY_LEN);
	return true;
}

/* --- the loss record ------------------------------------------------------------------------------- */

static const char *loss_says(const struct walk *w, const sealed_record *loss, uint64_t first,
			     uint64_t last)
{
	_cleanup_(control_freep) control *c = NULL;
	struct record head;
	const char *why = open_control(w, loss, PROBITY__V1__CONTROL__KIND__LOSS, &head, &c);

	if (why)
		return why;
	if (strcmp(c->what, "records") != 0)
		return "the loss is not of records";
	if (c->first_seq > first || c->last_seq < last)
		return "the loss record does not cover the hole";
	return head.seq <= c->last_seq ? "the loss record is older than what it declares" : NULL;
}

static bool epoch_of(const sealed_record *rec, uint32_t *ret)
{
	struct record r;
	const char *why;

	if (!rec || record_decode(rec->record.data, rec->record.len, &r, &why))
		return false;
	*ret = r.epoch;
	return true;
}

/* --- the tree -------------------------------------------------------------------------------------- */

static bool hashes_of(const ProtobufCBinaryData *b, size_t n, struct tree_hash *out)
{
	for (size_t i = 0; i < n; i++) {
		if (b[i].len != TREE_HASH_LEN)
			return false;
		memcpy(out[i].b, b[i].data, TREE_HASH_LEN);
	}
	return true;
}

static bool edge_of(const Probity__V1__Batch *b, uint64_t size, struct tree_edge *ret)
{
	struct tree_hash h[TREE_PATH_MAX];
	size_t n = 0;

	*ret = (struct tree_edge){.size = size};
	if (b->n_edge != (size_t)__builtin_popcountll(size) || !hashes_of(b->edge, b->n_edge, h))
		return false;
	for (int i = 63; i >= 0; i--)
		if (size >> i & 1)
			ret->peak[i] = h[n++];
	return true;
}

static bool tree_goes_on(const struct chain_state *s, const Probity__V1__Batch *b,
			 const struct tree_edge *edge)
{
	struct tree_hash path[TREE_PATH_MAX], old, new;

	if (b->n_edge_consistency > TREE_PATH_MAX ||
	    !hashes_of(b->edge_consistency, b->n_edge_consistency, path))
		return false;
	if (!s->started)
		return b->n_edge_consistency == 0;
	if (!s->tree_known)
		return false;
	tree_root(&s->tree, &old);
	tree_root(edge, &new);
	return tree_consistency_ok(s->tree.size, &old, edge->size, &new, path,
				   b->n_edge_consistency);
}

/* --- all of it ------------------------------------------------------------------------------------- */

static struct walk walk_of(const struct chain_state *s)
{
	struct walk w = {.state = s,
			 .epoch = s->epoch + (s->started && s->sealed),
			 .from = s->started ? s->next_seq : 0};

	memcpy(w.public, s->started && s->sealed ? s->next_public : s->public, sizeof(w.public));
	if (s->mac) {
		w.macked = true;
		w.mac = *s->mac;
	}
	return w;
}

/* Where the chain stands before `head`: in the epoch of `at`, whose SEAL before may be what head follows. */
static bool stand(struct chain_state *s, const struct walk *before, const struct walk *at,
		  const struct record *head, const struct tree_hash *seal_leaf,
		  const struct tree_edge *edge)
{
	bool entered = at->epoch != s->epoch || !s->started; /* in the hole */
	bool behind_seal = at->epoch != before->epoch && at->from == head->seq;

	if (behind_seal && memcmp(seal_leaf->b, head->prev, sizeof(head->prev)))
		return false;
	s->sealed = behind_seal;
	s->epoch = at->epoch - behind_seal;
	memcpy(behind_seal ? s->next_public : s->public, at->public, sizeof(at->public));
	if (entered)
		s->epoch_first = at->from;
	if (s->mac)
		mac_at(&before->mac, s->epoch, s->mac);
	memcpy(s->prev, head->prev, sizeof(s->prev));
	s->next_seq = head->seq;
	s->tree = *edge;
	s->tree_known = s->started = true;
	s->timed = false; /* the time of what came before is not known */
	verifier_free(s->verifier);
	s->verifier = NULL;
	return true;
}

bool hole_cross(struct chain_state *s, const Probity__V1__Batch *b, const struct record *head,
		struct store_key *ret_keys, size_t *ret_keys_n, const char **ret_why)
{
	struct walk before = walk_of(s), w = before, at = before;
	uint64_t first = s->started ? s->next_seq : 0;
	const char *loss_why = "the loss record is of an epoch that no seal leads to";
	struct tree_hash seal_leaf = {{0}};
	struct tree_edge edge;
	struct record seal;
	uint32_t epoch = 0;
	size_t keys = 0;
	bool need = s->started;

	*ret_why = "the loss record is missing";
	if (need && !epoch_of(b->loss, &epoch))
		return false;
	for (size_t i = 0;; i++) {
		if (need && w.epoch == epoch)
			loss_why = loss_says(&w, b->loss, first, head->seq - 1);
		if (i == b->n_seals)
			break;
		if (!take_seal(&w, b->seals[i], &seal, ret_why))
			return false;
		if (seal.seq >= head->seq)
			continue;
		*ret_why = "more seals than are taken at once";
		if (keys == HOLE_SEALS_MAX)
			return false;
		ret_keys[keys] = (struct store_key){.epoch = w.epoch, .seq = w.from};
		memcpy(ret_keys[keys++].public, w.public, sizeof(w.public));
		record_leaf(b->seals[i]->record.data, seal_leaf.b);
		at = w;
	}
	*ret_why = need && loss_why	     ? loss_why
		   : at.epoch != head->epoch ? "the seals do not lead to the epoch behind the hole"
		   : !edge_of(b, head->seq, &edge) ? "the tree's edge is missing"
		   : !tree_goes_on(s, b, &edge)	   ? "the tree's edge is not proved"
		   : !stand(s, &before, &at, head, &seal_leaf, &edge)
			   ? "the record does not follow the seal before it"
			   : NULL;
	if (*ret_why)
		return false;
	*ret_keys_n = keys;
	return true;
}

uint8_t *hole_proof(const Probity__V1__Batch *b, size_t *ret_n)
{
	Probity__V1__Batch p = *b;
	uint8_t *out;

	p.records = NULL;
	p.n_records = 0;
	p.mac_seed = (ProtobufCBinaryData){0};
	p.consistency = NULL;
	p.n_consistency = 0;
	p.witnessed_size = 0;
	p.checkpoint = (char *)protobuf_c_empty_string;
	out = malloc(probity__v1__batch__get_packed_size(&p) + 1);
	if (out)
		*ret_n = probity__v1__batch__pack(&p, out);
	return out;
}
