// SPDX-License-Identifier: Apache-2.0
/*
 * One pass over a chain. In: records in order, with their signatures. Out: 0 for each that follows
 * the one before it, else the first rule it breaks, and then the state is as if it had not been
 * offered. Invariant: after n good records `prev` is the leaf hash of the last and next_seq its
 * successor's number, so memory does not grow with the chain.
 */
#include "segment.h"

#include <errno.h>
#include <string.h>

#include "proto/record.pb-c.h"

static bool is_zero(const uint8_t *p, size_t n)
{
	while (n--)
		if (*p++)
			return false;
	return true;
}

/* The key a START record introduces; the only payload a chain has to understand. */
static bool start_key(const struct record *r, uint8_t ret[static RECORD_PUBKEY_LEN])
{
	Probity__V1__Control *c;
	bool ok;

	if (r->schema != RECORD_CONTROL)
		return false;
	c = probity__v1__control__unpack(NULL, r->payload_len, r->payload);
	ok = c && c->kind == PROBITY__V1__CONTROL__KIND__START &&
	     c->public_key.len == RECORD_PUBKEY_LEN;
	if (ok)
		memcpy(ret, c->public_key.data, RECORD_PUBKEY_LEN);
	probity__v1__control__free_unpacked(c, NULL);
	return ok;
}

static const char *order(const struct chain_state *c, const struct record *r)
{
	if (!c->started) /* a first record may be any but must not claim an impossible past */
		return r->seq == 0 && !is_zero(r->prev, sizeof(r->prev)) ? "previous hash" : NULL;
	if (memcmp(r->chain, c->chain, sizeof(c->chain)))
		return "chain id";
	if (r->seq != c->next_seq)
		return "sequence";
	if (memcmp(r->prev, c->prev, sizeof(c->prev)))
		return "previous hash";
	return r->id && r->id <= c->last_id ? "id order" : NULL;
}

/* Sets up the verifier once the key is known; `pub` is the key this record must be under. */
static const char *key(struct chain_state *c, const struct record *r, uint8_t pub[static 32],
		       struct verifier **ret)
{
	uint8_t id[8];

	if (!is_zero(c->public, sizeof(c->public)))
		memcpy(pub, c->public, sizeof(c->public));
	else if (!start_key(r, pub))
		return "key id";
	key_id(pub, id);
	if (memcmp(id, r->key_id, sizeof(id)))
		return "key id";
	*ret = c->verifier;
	return !c->verifier && verifier_new(pub, ret) ? "key id" : NULL;
}

int chain_append(struct chain_state *c, const uint8_t *record, size_t n,
		 const uint8_t sig[static RECORD_SIG_LEN], struct record *ret, const char **ret_why)
{
	struct verifier *v = NULL;
	uint8_t pub[RECORD_PUBKEY_LEN];
	struct record r;
	const char *why;

	if (record_decode(record, n, &r, ret_why))
		return -EBADMSG;
	why = order(c, &r);
	if (!why)
		why = key(c, &r, pub, &v);
	if (!why && !verifier_ok(v, record, n, sig))
		why = "signature";
	if (why) {
		if (v != c->verifier)
			verifier_free(v);
		*ret_why = why;
		return -EBADMSG;
	}
	c->verifier = v;
	memcpy(c->public, pub, sizeof(pub));
	memcpy(c->chain, r.chain, sizeof(r.chain));
	record_leaf(record, n, c->prev);
	c->next_seq = r.seq + 1;
	if (r.id)
		c->last_id = r.id;
	c->started = true;
	*ret = r;
	return 0;
}

void chain_state_done(struct chain_state *c)
{
	verifier_free(c->verifier);
	c->verifier = NULL;
}
