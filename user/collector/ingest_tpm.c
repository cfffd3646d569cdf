// SPDX-License-Identifier: Apache-2.0
/*
 * The line of a host's TPM under its checkpoint. In: the checkpoint, and the SEAL before the open epoch, which
 * names the key. Out: that key, if its line is there and holds: it is then kept in what is cosigned, which is
 * also the collector's memory that the host had one.
 *
 * A wrong line is refused. One that is missing is cosigned all the same, since a chain without a witness would
 * be worse; it is a finding when it begins, and once an epoch while it lasts. So is a SEAL that names another
 * key, or none, than the one whose line was there before: who has stolen the keys of the open epoch writes its
 * SEAL as he likes. Limit: in a chain's first epoch no key is known yet.
 */
#include "ingest_int.h"

#include <errno.h>
#include <string.h>

#include "proto/record.pb-c.h"

struct named {
	bool is;
	uint8_t public[ECDSA_PUBLIC_LEN];
};

static int name_of(void *ctx, const struct store_record *s)
{
	struct named *n = ctx;
	Probity__V1__Control *c = NULL;
	struct record r;
	const char *why;

	if (!record_decode(s->bytes, s->len, &r, &why) && r.schema == RECORD_CONTROL && r.payload)
		c = probity__v1__control__unpack(NULL, r.payload_len, r.payload);
	if (!c)
		return 1;
	n->is = c->kind == PROBITY__V1__CONTROL__KIND__SEAL &&
		ecdsa_public_ok(c->tpm_public_key.data, c->tpm_public_key.len);
	if (n->is)
		memcpy(n->public, c->tpm_public_key.data, ECDSA_PUBLIC_LEN);
	probity__v1__control__free_unpacked(c, NULL);
	return 1;
}

/* The SEAL before the record that comes next, or -1. */
static int64_t seal_before(const struct chain_state *s)
{
	if (s->sealed)
		return s->next_seq - 1;
	return s->epoch_first && s->epoch_first != UINT64_MAX ? (int64_t)s->epoch_first - 1 : -1;
}

/* The TPM's line in what was cosigned last, if there is one: there is no other so long of the chain's name. */
static bool had(const char *held, const char *origin, uint32_t *ret_id)
{
	struct note n;
	const char *why;

	if (note_parse(held, strlen(held), &n, &why))
		return false;
	for (size_t i = 0; i < n.n; i++)
		if (n.sigs[i].n > RECORD_SIG_LEN && !strcmp(n.sigs[i].name, origin)) {
			*ret_id = n.sigs[i].id;
			return true;
		}
	return false;
}

static int finding(struct ingest *in, uint64_t size, const char *text)
{
	const char *note = in->batch->checkpoint;
	Probity__V1__SealedRecord evidence = PROBITY__V1__SEALED_RECORD__INIT;

	evidence.record = (ProtobufCBinaryData){strlen(note), (uint8_t *)note};
	snprintf(in->error, sizeof(in->error), "%s", text);
	return ingest_finding(in, STORE_HIGH, "tpm", size, &evidence);
}

int ingest_tpm(struct ingest *in, const struct note *n, const struct checkpoint *c,
	       const struct store_witness *held, uint8_t ret[static ECDSA_PUBLIC_LEN], bool *ret_is)
{
	int64_t seal = seal_before(&in->state);
	struct named now = {0};
	uint32_t id = 0;
	bool was = held && had(held->note, c->origin, &id);
	int r;

	*ret_is = false;
	if (seal < 0 || c->size <= (uint64_t)seal)
		return 0;
	r = store_records(in->st, in->chain.id, seal, name_of, &now);
	if (r < 0 || (!now.is && !was))
		return r < 0 ? r : 0;
	r = now.is ? note_ecdsa_verify(n, c->origin, now.public) : -ENOKEY;
	if (r == -EBADMSG)
		return ingest_refuse(
			in, F(CHECKPOINT), STORE_HIGH, "tpm", c->size, NULL,
			"the signature of the host's TPM under its checkpoint is wrong");
	*ret_is = !r;
	if (!r)
		memcpy(ret, now.public, ECDSA_PUBLIC_LEN);
	if (was && now.is && note_ecdsa_id(now.public) != id)
		return finding(in, c->size, "the chain names another key of a TPM than before");
	if (was && !now.is)
		return finding(in, c->size, "the chain names no key of a TPM any more");
	if (r && (was || !held || held->edge.size <= (uint64_t)seal))
		return finding(in, c->size,
			       "the checkpoint has no signature of the TPM the chain names");
	return 0;
}
