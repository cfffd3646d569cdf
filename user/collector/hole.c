// SPDX-License-Identifier: Apache-2.0
/*
 * The proof is checked by itself, apart from the chain: it is sealed after the hole and may come
 * with the first batch behind it, long before its own place in the chain is reached. When that
 * place comes it is stored as any record. Ingest asks this before it accepts a hole, audit asks
 * again with the bytes that were kept.
 */
#include "hole.h"

#include <string.h>

#include "record/keys.h"
#include "record/render.h"

static bool is_signed(const struct store_hole *h, const uint8_t *public, const struct record *head)
{
	struct verifier *v = NULL;
	uint8_t id[8];
	bool ok;

	key_id(public, id);
	if (memcmp(id, head->key_id, sizeof(id)) != 0 || h->signature_len != RECORD_SIG_LEN ||
	    verifier_new(public, &v))
		return false;
	ok = verifier_ok(v, h->loss, RECORD_HEADER_LEN, h->signature);
	verifier_free(v);
	return ok;
}

bool hole_proved(const struct store_hole *hole, const uint8_t public[static RECORD_PUBKEY_LEN],
		 const char **ret_why)
{
	_cleanup_sealed_ struct sealed s = {0};
	const Probity__V1__Control *c;

	if (sealed_open(hole->loss, hole->loss_len, NULL, &s, ret_why))
		return false;
	c = s.control;
	if (memcmp(s.head.chain, hole->chain, sizeof(s.head.chain)) != 0)
		*ret_why = "loss record is of another chain";
	else if (!c || c->kind != PROBITY__V1__CONTROL__KIND__LOSS || strcmp(c->what, "records"))
		*ret_why = "not a loss record of records";
	else if (c->first_seq > hole->first_seq || c->last_seq < hole->last_seq)
		*ret_why = "loss record does not cover the hole";
	else if (s.head.seq <= c->last_seq)
		*ret_why = "loss record is older than what it declares";
	else if (!is_signed(hole, public, &s.head))
		*ret_why = "loss record is not signed by the chain's key";
	else
		return true;
	return false;
}
