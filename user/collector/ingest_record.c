// SPDX-License-Identifier: Apache-2.0
/*
 * One record of a batch: held already, next in its chain, first of a chain, behind a hole, or
 * refused. Everything is judged against in->chain, which is what is committed plus the records of
 * this batch so far; it moves only with a record that was found right and added to the store.
 */
#include "ingest_int.h"

#include <errno.h>
#include <string.h>

#include "hole.h"
#include "record/printable.h"
#include "rows.h"

static int bad_record(struct ingest *in, uint64_t seq, const Probity__V1__SealedRecord *rec,
		      const char *why)
{
	char text[96];

	snprintf(text, sizeof(text), "record refused: %s", why);
	return ingest_refuse(in, F(BAD_RECORD), STORE_HIGH, "bad_record", seq, rec, text);
}

/* Whether the chain's own key made this: tells a host that forks from noise. */
static bool signed_by_chain(struct ingest *in, const Probity__V1__SealedRecord *rec)
{
	struct verifier *v = NULL;
	bool ok = false;

	if (rec->signature.len == RECORD_SIG_LEN && !verifier_new(in->chain.public, &v))
		ok = rec->record.len >= RECORD_HEADER_LEN &&
		     verifier_ok(v, rec->record.data, RECORD_HEADER_LEN, rec->signature.data);
	verifier_free(v);
	return ok;
}

static int fork_or_noise(struct ingest *in, uint64_t seq, const Probity__V1__SealedRecord *rec,
			 const char *why)
{
	if (!signed_by_chain(in, rec))
		return bad_record(in, seq, rec, why);
	return ingest_refuse(in, F(FORK), STORE_CRITICAL, "fork", seq, rec,
			     "FORK ALARM: the host's key signed two different histories; "
			     "what was committed first stands, the other is kept as evidence");
}

/* In a hole the host declared. It was accounted for as gone and stays so. */
static int after_loss(struct ingest *in, uint64_t seq, const Probity__V1__SealedRecord *rec)
{
	int r;

	snprintf(in->error, sizeof(in->error), "record was declared gone and came after all");
	r = ingest_finding(in, STORE_LOW, "after_loss", seq, rec);
	in->error[0] = '\0';
	return r;
}

/* A record at or below what is committed: the same one again is fine. */
static int seen_before(struct ingest *in, const struct record *head,
		       const Probity__V1__SealedRecord *rec)
{
	uint8_t held[RECORD_HASH_LEN], leaf[RECORD_HASH_LEN];
	int r;

	if (head->seq < in->chain.first_seq) {
		r = ingest_refuse(in, F(GAP), STORE_LOW, "before_first", head->seq, NULL,
				  "record is older than the first one held of this chain");
		in->fault_seq = in->chain.last_seq + 1;
		return r;
	}
	r = store_leaf_get(in->st, in->chain.id, head->seq, held);
	if (r == -ENOENT)
		return after_loss(in, head->seq, rec);
	if (r)
		return r;
	record_leaf(rec->record.data, leaf);
	if (memcmp(held, leaf, sizeof(leaf)) != 0)
		return fork_or_noise(in, head->seq, rec, "not the record held at this sequence");
	in->ret->held++;
	return 0;
}

/* The columns of a payload; one that cannot be read is stored all the same. */
static int add_rows(struct ingest *in, const Probity__V1__SealedRecord *rec, uint64_t seq)
{
	_cleanup_sealed_ struct sealed s = {0};
	const char *why;
	struct store_call call;
	struct store_control control;
	int r;

	if (!sealed_open(rec->record.data, rec->record.len, rec->signature.data, &s, &why)) {
		if (s.call) {
			rows_call(s.call, in->chain.host, &call);
			return store_row_add(in->st, &store_call_table, in->chain.id, seq, &call);
		}
		if (s.control) {
			rows_control(s.control, &control);
			return store_row_add(in->st, &store_control_table, in->chain.id, seq,
					     &control);
		}
		if (s.mcp)
			return 0; /* no columns of its own: it is read from the record */
	}
	snprintf(in->error, sizeof(in->error),
		 "payload of schema %u is no message this program knows; the record is kept",
		 s.head.schema);
	r = ingest_finding(in, STORE_MEDIUM, "unreadable_payload", seq, NULL);
	in->error[0] = '\0';
	return r;
}

static int store_one(struct ingest *in, const struct record *head,
		     const Probity__V1__SealedRecord *rec)
{
	struct store_chain *c = &in->chain;
	struct store_record r = {
		.seq = head->seq,
		.wall_ns = head->wall_ns,
		.schema = head->schema,
		.received_ns = in->now_ns,
		.bytes = rec->record.data,
		.len = rec->record.len,
		.signature = rec->signature.data,
		.signature_len = rec->signature.len,
	};
	int e;

	memcpy(r.chain, c->id, sizeof(r.chain));
	memcpy(r.leaf, in->state.prev, sizeof(r.leaf));
	e = store_record_add(in->st, &r);
	if (e)
		return e;
	in->dirty = true;
	c->last_seq = head->seq;
	c->last_id = in->state.last_id;
	c->records++;
	c->updated_ns = in->now_ns;
	memcpy(c->last_leaf, r.leaf, sizeof(c->last_leaf));
	in->ret->added++;
	return add_rows(in, rec, head->seq);
}

static int append(struct ingest *in, uint64_t seq, const Probity__V1__SealedRecord *rec)
{
	const char *why = "";
	struct record head;
	int r;

	if (rec->signature.len != RECORD_SIG_LEN)
		return bad_record(in, seq, rec, "signature length");
	r = chain_append(&in->state, rec->record.data, rec->record.len,
			 &(struct chain_sealed){.sig = rec->signature.data}, &head, &why);
	if (r == -EBADMSG && !strcmp(why, "key id"))
		return ingest_refuse(in, F(WRONG_KEY), STORE_HIGH, "wrong_key", seq, rec,
				     "record names another key than the chain's");
	if (r == -EBADMSG && in->known && !strcmp(why, "previous hash"))
		return fork_or_noise(in, seq, rec, why);
	if (r == -EBADMSG)
		return bad_record(in, seq, rec, why);
	return r ? r : store_one(in, &head, rec);
}

void ingest_resume(struct ingest *in)
{
	memcpy(in->state.chain, in->chain.id, sizeof(in->state.chain));
	memcpy(in->state.public, in->chain.public, sizeof(in->state.public));
	memcpy(in->state.prev, in->chain.last_leaf, sizeof(in->state.prev));
	in->state.next_seq = in->chain.last_seq + 1;
	in->state.last_id = in->chain.last_id;
	in->state.started = true;
}

/* The key a chain's first record introduces. */
static bool start_key(const Probity__V1__SealedRecord *rec, uint8_t key[static RECORD_PUBKEY_LEN],
		      char *host, size_t host_len)
{
	_cleanup_sealed_ struct sealed s = {0};
	const char *why;

	if (sealed_open(rec->record.data, rec->record.len, NULL, &s, &why) || !s.control ||
	    s.control->kind != PROBITY__V1__CONTROL__KIND__START ||
	    s.control->public_key.len != RECORD_PUBKEY_LEN)
		return false;
	memcpy(key, s.control->public_key.data, RECORD_PUBKEY_LEN);
	printable_copy(host, host_len, s.control->host);
	return true;
}

static int introduce(struct ingest *in, const struct record *head,
		     const Probity__V1__SealedRecord *rec)
{
	const ProtobufCBinaryData *said = &in->batch->public_key;
	struct store_chain *c = &in->chain;

	if (head->seq && !said->len)
		return ingest_fault(in, F(GAP), 0, "unknown chain: send from its first record");
	if (head->seq) {
		memcpy(c->public, said->data, sizeof(c->public));
		printable_copy(c->host, sizeof(c->host), in->batch->host);
	} else if (!start_key(rec, c->public, c->host, sizeof(c->host))) {
		return bad_record(in, 0, rec, "a chain begins with a start that carries its key");
	} else if (said->len && memcmp(said->data, c->public, sizeof(c->public)) != 0) {
		return ingest_refuse(in, F(WRONG_KEY), STORE_HIGH, "wrong_key", 0, rec,
				     "the batch names another key than the chain's start");
	}
	memcpy(c->id, in->batch->chain.data, sizeof(c->id));
	snprintf(c->cn, sizeof(c->cn), "%s", in->peer->cn);
	memcpy(c->cert_sha256, in->peer->cert_sha256, sizeof(c->cert_sha256));
	c->first_seq = head->seq;
	c->created_ns = in->now_ns;
	/* What a later beginning links to is not held: its own word is all there is. */
	memcpy(c->last_leaf, head->prev, sizeof(c->last_leaf));
	ingest_resume(in);
	in->state.next_seq = head->seq;
	if (!head->seq)
		memset(in->state.prev, 0, sizeof(in->state.prev));
	return 0;
}

static int first_record(struct ingest *in, const struct record *head,
			const Probity__V1__SealedRecord *rec)
{
	int r = introduce(in, head, rec);

	if (!r)
		r = append(in, head->seq, rec);
	if (r)
		return r;
	in->known = true;
	if (!head->seq)
		return 0;
	snprintf(in->error, sizeof(in->error),
		 "chain is held from record %llu on; %llu before it are not",
		 (unsigned long long)head->seq, (unsigned long long)head->seq);
	r = ingest_finding(in, STORE_MEDIUM, "chain_begins_late", head->seq, NULL);
	in->error[0] = '\0';
	return r;
}

/* The host's proof that the records before head are gone for good; without one this is a gap. */
static int prove_hole(struct ingest *in, const struct record *head, struct store_hole *ret)
{
	const Probity__V1__SealedRecord *loss = in->batch->loss;
	struct store_hole h = {.first_seq = in->chain.last_seq + 1,
			       .last_seq = head->seq - 1,
			       .at_ns = in->now_ns};
	const char *why = "is missing";

	memcpy(h.chain, in->chain.id, sizeof(h.chain));
	if (loss) {
		h.loss = loss->record.data;
		h.loss_len = loss->record.len;
		h.signature = loss->signature.data;
		h.signature_len = loss->signature.len;
	}
	if (!loss || !hole_proved(&h, in->chain.public, &why))
		return ingest_fault(in, F(GAP), h.first_seq,
				    "record %llu came, %llu is not held: %s",
				    (unsigned long long)head->seq, (unsigned long long)h.first_seq,
				    why);
	*ret = h;
	return 0;
}

/* The hole is kept only with a good record behind it: else the chain has not gone on. */
static int over_hole(struct ingest *in, const struct record *head,
		     const Probity__V1__SealedRecord *rec)
{
	struct store_hole h;
	int r = prove_hole(in, head, &h);

	if (r)
		return r;
	/* What the record behind the hole links to is not held: its own word is all there is. */
	memcpy(in->state.prev, head->prev, sizeof(in->state.prev));
	in->state.next_seq = head->seq;
	r = append(in, head->seq, rec);
	if (!r)
		r = store_hole_add(in->st, &h);
	if (r)
		return r;
	snprintf(in->error, sizeof(in->error),
		 "records %llu to %llu are gone, as the host declared",
		 (unsigned long long)h.first_seq, (unsigned long long)h.last_seq);
	r = ingest_finding(in, STORE_MEDIUM, "declared_hole", h.first_seq, in->batch->loss);
	in->error[0] = '\0';
	return r;
}

int ingest_record(struct ingest *in, const Probity__V1__SealedRecord *rec)
{
	uint64_t next = in->known ? in->chain.last_seq + 1 : 0;
	struct record head;
	const char *why = "";
	int r = record_decode(rec->record.data, rec->record.len, &head, &why);

	if (r)
		return bad_record(in, next, rec, why);
	if (head.seq >= INT64_MAX)
		return bad_record(in, next, rec, "sequence");
	if (memcmp(head.chain, in->batch->chain.data, sizeof(head.chain)) != 0)
		return bad_record(in, next, rec, "chain id");
	if (!in->known)
		return first_record(in, &head, rec);
	if (head.seq < next)
		return seen_before(in, &head, rec);
	return head.seq > next ? over_hole(in, &head, rec) : append(in, next, rec);
}
