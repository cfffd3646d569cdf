// SPDX-License-Identifier: Apache-2.0
/*
 * One pass over a chain. In: records in order, with what seals them. Out: 0 for each that follows
 * the one before it, else the first rule it breaks, and then the state is as if it had not been
 * offered. Invariant: after n good records `prev` is the leaf hash of the last, next_seq its
 * successor's number and `tree` the tree of all, so memory does not grow with the chain.
 *
 * Of payloads only START, SEAL and CLOCK_STEP are understood; no control record is ever erased.
 */
#include "segment.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "proto/record.pb-c.h"

typedef Probity__V1__Control control;

static void control_freep(control **c)
{
	if (*c)
		probity__v1__control__free_unpacked(*c, NULL);
}

static bool is_zero(const uint8_t *p, size_t n)
{
	while (n--)
		if (*p++)
			return false;
	return true;
}

static bool is(const control *c, Probity__V1__Control__Kind kind)
{
	return c && c->kind == kind;
}
#define IS(c, kind) is(c, PROBITY__V1__CONTROL__KIND__##kind)

static const char *order(const struct chain_state *c, const struct record *r)
{
	if (!c->started) /* a first record may be any but must not claim an impossible past */
		return r->seq				    ? NULL
		       : r->epoch			    ? "epoch"
		       : !is_zero(r->prev, sizeof(r->prev)) ? "previous hash"
							    : NULL;
	if (memcmp(r->chain, c->chain, sizeof(c->chain)))
		return "chain id";
	if (r->seq != c->next_seq)
		return "sequence";
	if (memcmp(r->prev, c->prev, sizeof(c->prev)))
		return "previous hash";
	if (r->epoch != c->epoch + c->sealed)
		return "epoch";
	return r->id && r->id <= c->last_id ? "id order" : NULL;
}

/* --- the key ------------------------------------------------------------------------------------- */

/* Sets up the verifier once the key is known; `pub` is the key this record must be under. */
static const char *key(struct chain_state *c, const struct record *r, const control *ctl,
		       uint8_t pub[static 32], struct verifier **ret)
{
	bool next = c->started && c->sealed,
	     named = IS(ctl, START) && ctl->public_key.len == RECORD_PUBKEY_LEN;
	uint8_t id[8];

	if (next)
		memcpy(pub, c->next_public, RECORD_PUBKEY_LEN);
	else if (!is_zero(c->public, sizeof(c->public)))
		memcpy(pub, c->public, RECORD_PUBKEY_LEN);
	else if (named)
		memcpy(pub, ctl->public_key.data, RECORD_PUBKEY_LEN);
	else
		return "key id";
	key_id(pub, id);
	if (memcmp(id, r->key_id, sizeof(id)))
		return "key id";
	*ret = next ? NULL : c->verifier;
	return !*ret && verifier_new(pub, ret) ? "key id" : NULL;
}

/* --- time ---------------------------------------------------------------------------------------- */

static uint64_t apart(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

static const char *time_of(const struct chain_state *c, const struct record *r, const control *ctl)
{
	bool late_now = c->epoch_ns && !c->sealed && c->timed &&
			r->boot_ns > c->epoch_boot_ns + c->epoch_ns + EPOCH_GRACE_NS;

	if (!c->timed)
		return NULL;
	if (memcmp(r->boot_id, c->boot_id, sizeof(c->boot_id))) {
		if (!IS(ctl, START))
			return "boot";
		return r->wall_ns < c->wall_ns && !ctl->clock_step_ns ? "time" : NULL;
	}
	if (r->boot_ns < c->boot_ns)
		return "time";
	if (apart(r->wall_ns - r->boot_ns, c->wall_ns - c->boot_ns) > CLOCK_TOLERANCE_NS &&
	    !IS(ctl, CLOCK_STEP) && !(IS(ctl, START) && ctl->clock_step_ns))
		return "time";
	/* What is sealed before the late SEAL may only tell why it is late. */
	if (late_now && !IS(ctl, CLOCK_STEP) && !IS(ctl, START) && !IS(ctl, REPAIR) &&
	    !IS(ctl, LOSS) && !(IS(ctl, SEAL) && ctl->late))
		return "seal overdue";
	return NULL;
}

/* --- seals --------------------------------------------------------------------------------------- */

static const char *seal(const struct chain_state *c, const struct record *r, const control *ctl)
{
	struct tree_hash root;
	uint64_t first;

	if (!IS(ctl, SEAL))
		return NULL;
	if (ctl->epoch != r->epoch || ctl->next_public_key.len != RECORD_PUBKEY_LEN ||
	    ctl->tree_root.len != TREE_HASH_LEN || r->alg == RECORD_CHECKPOINT)
		return "seal";
	/* Behind a SEAL this one is all there is of its epoch. */
	first = c->sealed ? r->seq : c->epoch_first;
	if (c->started && first != UINT64_MAX && ctl->epoch_first_seq != first)
		return "seal";
	if (ctl->tree_size != r->seq)
		return "tree";
	if (!c->tree_known)
		return NULL;
	tree_root(&c->tree, &root);
	return memcmp(root.b, ctl->tree_root.data, TREE_HASH_LEN) ? "tree" : NULL;
}

/* The MAC, where its key reaches. *ret_key: of this record's epoch. */
static const char *mac(const struct chain_state *c, const struct record *r,
		       const struct chain_sealed *s, const struct tree_hash *leaf,
		       struct mac_key *ret_key, bool *ret_checked)
{
	*ret_checked = false;
	if (!c->mac || !s->mac || r->epoch < c->mac->epoch || r->epoch > c->mac->epoch + 1)
		return NULL;
	*ret_key = *c->mac;
	if (r->epoch > ret_key->epoch)
		mac_ratchet(ret_key);
	*ret_checked = true;
	return mac_ok(ret_key, leaf, s->mac) ? NULL : "mac";
}

/* --- one record ---------------------------------------------------------------------------------- */

static void note_time(struct chain_state *c, const struct record *r, bool first)
{
	if (first || !c->timed || memcmp(c->boot_id, r->boot_id, sizeof(c->boot_id)))
		c->epoch_boot_ns = r->boot_ns;
	memcpy(c->boot_id, r->boot_id, sizeof(c->boot_id));
	c->wall_ns = r->wall_ns;
	c->boot_ns = r->boot_ns;
	c->timed = true;
}

static void note_control(struct chain_state *c, const control *ctl)
{
	c->sealed = IS(ctl, SEAL);
	if (ctl && ctl->epoch_ns)
		c->epoch_ns = ctl->epoch_ns;
	if (!c->sealed)
		return;
	memcpy(c->next_public, ctl->next_public_key.data, RECORD_PUBKEY_LEN);
	c->seals++;
	c->late_seals += ctl->late;
}

static void taken(struct chain_state *c, const struct record *r, const control *ctl,
		  const struct tree_hash *leaf)
{
	bool first = !c->started || c->sealed;

	if (!c->started) {
		c->tree_known = c->tree_known || !r->seq;
		c->epoch_first = r->seq ? UINT64_MAX : 0; /* of a later one it is not known */
	} else if (c->sealed) {
		c->epoch_first = r->seq;
	}
	note_time(c, r, first);
	memcpy(c->chain, r->chain, sizeof(r->chain));
	memcpy(c->prev, leaf, sizeof(c->prev));
	c->epoch = r->epoch;
	c->next_seq = r->seq + 1;
	if (r->id)
		c->last_id = r->id;
	if (c->tree_known)
		tree_add(&c->tree, leaf);
	note_control(c, ctl);
	c->started = true;
}

static bool holds(struct verifier *v, const uint8_t pub[static 32], const uint8_t *record,
		  const struct chain_sealed *s, const struct chain_checked *k)
{
	if (!s->sig)
		return false;
	if (k && k->looked && !memcmp(k->key, pub, sizeof(k->key)))
		return k->holds;
	return verifier_ok(v, record, RECORD_HEADER_LEN, s->sig);
}

int chain_append(struct chain_state *c, const uint8_t *record, size_t n,
		 const struct chain_sealed *s, struct record *ret, const char **ret_why)
{
	return chain_append_checked(c, record, n, s, NULL, ret, ret_why);
}

int chain_append_checked(struct chain_state *c, const uint8_t *record, size_t n,
			 const struct chain_sealed *s, const struct chain_checked *k,
			 struct record *ret, const char **ret_why)
{
	_cleanup_(control_freep) control *ctl = NULL;
	struct verifier *v = NULL;
	struct mac_key mac_now;
	struct tree_hash leaf;
	uint8_t pub[RECORD_PUBKEY_LEN];
	struct record r;
	const char *why;
	bool macked;

	if (k && k->decoded) {
		r = k->record;
		leaf = k->leaf;
	} else {
		if (record_decode(record, n, &r, ret_why))
			return -EBADMSG;
		record_leaf(record, leaf.b);
	}
	if (r.schema == RECORD_CONTROL && r.payload)
		ctl = probity__v1__control__unpack(NULL, r.payload_len, r.payload);
	why = order(c, &r);
	if (!why)
		why = key(c, &r, ctl, pub, &v);
	if (!why && r.schema == RECORD_CONTROL && !r.payload)
		why = "payload: control records are never erased";
	if (!why && r.alg != RECORD_CHECKPOINT && !holds(v, pub, record, s, k))
		why = "signature";
	if (!why)
		why = mac(c, &r, s, &leaf, &mac_now, &macked);
	if (!why)
		why = seal(c, &r, ctl);
	if (!why)
		why = time_of(c, &r, ctl);
	if (why) {
		if (v != c->verifier)
			verifier_free(v);
		*ret_why = why;
		return -EBADMSG;
	}
	if (v != c->verifier)
		verifier_free(c->verifier);
	c->verifier = v;
	memcpy(c->public, pub, sizeof(pub));
	if (macked) {
		*c->mac = mac_now;
		c->macs++;
	}
	taken(c, &r, ctl, &leaf);
	*ret = r;
	return 0;
}

void chain_state_done(struct chain_state *c)
{
	verifier_free(c->verifier);
	c->verifier = NULL;
}
