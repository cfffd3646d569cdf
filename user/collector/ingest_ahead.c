// SPDX-License-Identifier: Apache-2.0
/*
 * The next records of a batch, looked at by all processors before they are taken one after the other. A block
 * that begins with a record held already is not: a batch sent again would cost as much as a new one. What is
 * found out decides nothing by itself (look.h); a block at a time, so that a batch which is refused early
 * has cost no more than that.
 */
#include "ingest_int.h"

#include <string.h>

/* The key of the next record, as far as the chain is known. */
static struct look_guess guess_of(const struct ingest *in)
{
	const ProtobufCBinaryData *said = &in->batch->public_key;
	struct look_guess g = {.keyed = in->known || said->len};

	if (!in->known && said->len)
		memcpy(g.key, said->data, RECORD_PUBKEY_LEN);
	else if (in->known)
		memcpy(g.key, in->state.sealed ? in->state.next_public : in->state.public,
		       RECORD_PUBKEY_LEN);
	return g;
}

static bool is_held(const struct ingest *in, const Probity__V1__SealedRecord *rec)
{
	struct record head;
	const char *why;

	return in->known && !record_decode(rec->record.data, rec->record.len, &head, &why) &&
	       head.seq <= in->chain.last_seq;
}

static void look_ahead(struct ingest *in, size_t from)
{
	struct look_item *item = looks_items(in->looks);
	struct look_guess g = guess_of(in);
	size_t n = 0;

	in->ahead_from = from;
	in->ahead_to = from + LOOK_ITEMS;
	in->ahead = !is_held(in, in->batch->records[from]);
	for (; in->ahead && n < LOOK_ITEMS && from + n < in->batch->n_records; n++) {
		const Probity__V1__SealedRecord *rec = in->batch->records[from + n];
		struct look_item *it = &item[n];

		it->record = rec->record.data;
		it->n = rec->record.len;
		it->sig = rec->signature.len == RECORD_SIG_LEN ? rec->signature.data : NULL;
		look_guess(&g, it->record, it->n, &it->checked);
	}
	if (n)
		looks_run(in->looks, n);
}

const struct chain_checked *ingest_ahead(struct ingest *in, size_t i)
{
	if (!in->looks)
		return NULL;
	if (i >= in->ahead_to)
		look_ahead(in, i);
	return in->ahead ? &looks_items(in->looks)[i - in->ahead_from].checked : NULL;
}
