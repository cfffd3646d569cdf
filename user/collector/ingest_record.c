// SPDX-License-Identifier: Apache-2.0
/*
 * One record of a batch: held already, next in its chain, first of a chain, behind a hole, or
 * refused. Everything is judged against in->chain, which is what is committed plus the records of
 * this batch so far; it moves only with a record that was found right and added to the store.
 */
#include "ingest_int.h"

#include <errno.h>
#include <string.h>

#include "record/printable.h"
#include "rows.h"

/* In a hole the host declared. It was accounted for as gone and stays so. */
static int after_loss(struct ingest *in, uint64_t seq, const Probity__V1__SealedRecord *rec)
{
	int r;

	snprintf(in->error, sizeof(in->error), "record was declared gone and came after all");
	r = ingest_finding(in, STORE_LOW, "after_loss", seq, rec);
	in->error[0] = '\0';
	return r;
}

/* A record at or below what is committed: the same one again is fine, also when one of the two has lost its
 * payload since: what is held stays as it is, with it or without. */
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
		return ingest_fork(in, head->seq, rec, "not the record held at this sequence");
	in->ret->held++;
	return 0;
}

/* Held as what it is. What is missing is the ERASE record's to say, and check's to look for. */
static int came_erased(struct ingest *in, const struct record *head)
{
	int r;

	if (in->told_erased)
		return 0;
	in->told_erased = true;
	snprintf(in->error, sizeof(in->error),
		 "record came without its payload: the host erased it before it was held here");
	r = ingest_finding(in, STORE_MEDIUM, "erased", head->seq, NULL);
	in->error[0] = '\0';
	return r;
}

/* The columns of a payload; one that cannot be read is stored all the same. */
static int add_rows(struct ingest *in, const struct sealed *s)
{
	uint64_t seq = s->head.seq;
	struct store_call call;
	struct store_control control;
	int r;

	if (s->call) {
		rows_call(s->call, in->chain.host, &call);
		return store_row_add(in->st, &store_call_table, in->chain.id, seq, &call);
	}
	if (s->control) {
		rows_control(s->control, &control);
		return store_row_add(in->st, &store_control_table, in->chain.id, seq, &control);
	}
	if (s->mcp || s->denial)
		return 0; /* no columns of its own: it is read from the record */
	if (!s->head.payload)
		return s->head.payload_len ? came_erased(in, &s->head) : 0;
	snprintf(in->error, sizeof(in->error),
		 "payload of schema %u is no message this program knows; the record is kept",
		 s->head.schema);
	r = ingest_finding(in, STORE_MEDIUM, "unreadable_payload", seq, NULL);
	in->error[0] = '\0';
	return r;
}

/* The agent ends with STOP, then the SEAL of the epoch that was open. */
static bool stops(const struct sealed *s, bool before)
{
	if (!s->control)
		return false;
	return s->control->kind == PROBITY__V1__CONTROL__KIND__STOP ||
	       (s->control->kind == PROBITY__V1__CONTROL__KIND__SEAL && before);
}

static int add_record(struct ingest *in, const struct record *head,
		      const Probity__V1__SealedRecord *rec)
{
	struct store_record r = {
		.seq = head->seq,
		.wall_ns = head->wall_ns,
		.schema = head->schema,
		.received_ns = in->now_ns,
		.bytes = rec->record.data,
		.len = rec->record.len,
		.signature = rec->signature.data,
		.signature_len = rec->signature.len,
		.mac = rec->mac.data,
		.mac_len = rec->mac.len,
	};

	memcpy(r.chain, in->chain.id, sizeof(r.chain));
	memcpy(r.leaf, in->state.prev, sizeof(r.leaf));
	return store_record_add(in->st, &r);
}

/* A SEAL names the key of the epoch that begins behind it. */
static int add_key(struct ingest *in)
{
	struct store_key k = {.epoch = in->state.epoch + 1, .seq = in->state.next_seq};

	if (!in->state.sealed)
		return 0;
	memcpy(k.public, in->state.next_public, sizeof(k.public));
	return store_key_add(in->st, in->chain.id, &k);
}

static int store_one(struct ingest *in, const struct record *head,
		     const Probity__V1__SealedRecord *rec)
{
	_cleanup_sealed_ struct sealed s = {0};
	struct store_chain *c = &in->chain;
	const char *why;
	int e = add_record(in, head, rec);

	if (!e)
		e = add_key(in);
	if (e)
		return e;
	in->dirty = true;
	c->last_seq = head->seq;
	c->last_id = in->state.last_id;
	c->records++;
	memcpy(c->last_leaf, in->state.prev, sizeof(c->last_leaf));
	if (rec->signature.len)
		c->covered = head->seq + 1;
	in->ret->added++;
	if (sealed_open(rec->record.data, rec->record.len, rec->signature.data, &s, &why))
		return -EIO; /* it was opened before */
	c->stopped = stops(&s, c->stopped);
	return add_rows(in, &s) ?: ingest_time(in, head, rec);
}

static int append(struct ingest *in, uint64_t seq, const Probity__V1__SealedRecord *rec)
{
	struct chain_sealed seal = {
		.sig = rec->signature.len == RECORD_SIG_LEN ? rec->signature.data : NULL,
		.mac = rec->mac.len == MAC_LEN ? rec->mac.data : NULL,
	};
	const char *why = "";
	struct record head;
	int r;

	if (rec->signature.len && rec->signature.len != RECORD_SIG_LEN)
		return ingest_misfit(in, seq, rec, "signature length");
	if (rec->mac.len != MAC_LEN)
		return ingest_misfit(in, seq, rec, "mac");
	r = chain_append_checked(&in->state, rec->record.data, rec->record.len, &seal, in->checked,
				 &head, &why);
	if (r == -EBADMSG)
		return ingest_misfit(in, seq, rec, why);
	return r ? r : store_one(in, &head, rec);
}

int ingest_resume(struct ingest *in)
{
	if (chain_state_load(in->chain.state, in->chain.state_len, &in->state))
		return -EUCLEAN;
	in->mac = in->chain.mac;
	in->state.mac = in->chain.seeded ? &in->mac : NULL;
	return 0;
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
	int64_t chains = 0;
	int r;

	if (head->seq && !said->len)
		return ingest_fault(in, F(GAP), 0, "unknown chain: send from its first record");
	r = store_chains_of(in->st, in->peer->cn, &chains);
	if (!r && chains >= INGEST_CHAINS_MAX)
		r = ingest_refuse(
			in, F(BAD_RECORD), STORE_HIGH, "many_chains", head->seq, NULL,
			"this certificate name has more chains than one host ever begins");
	if (r)
		return r;
	if (head->seq) {
		memcpy(c->public, said->data, sizeof(c->public));
		printable_copy(c->host, sizeof(c->host), in->batch->host);
	} else if (!start_key(rec, c->public, c->host, sizeof(c->host))) {
		return ingest_misfit(in, 0, rec,
				     "a chain begins with a start that carries its key");
	} else if (said->len && memcmp(said->data, c->public, sizeof(c->public)) != 0) {
		return ingest_refuse(in, F(WRONG_KEY), STORE_HIGH, "wrong_key", 0, rec,
				     "the batch names another key than the chain's start");
	}
	memcpy(c->id, in->batch->chain.data, sizeof(c->id));
	snprintf(c->cn, sizeof(c->cn), "%s", in->peer->cn);
	memcpy(c->cert_sha256, in->peer->cert_sha256, sizeof(c->cert_sha256));
	c->first_seq = head->seq;
	c->created_ns = in->now_ns;
	memcpy(in->state.chain, c->id, sizeof(c->id));
	memcpy(in->state.public, c->public, sizeof(c->public));
	return head->seq ? ingest_cross(in, head) : 0;
}

static int first_record(struct ingest *in, const struct record *head,
			const Probity__V1__SealedRecord *rec)
{
	struct store_key k = {0};
	int r = introduce(in, head, rec);

	if (!r)
		r = append(in, head->seq, rec);
	if (r)
		return r;
	in->known = true;
	memcpy(k.public, in->chain.public, sizeof(k.public));
	r = store_key_add(in->st, in->chain.id, &k);
	return r || !head->seq ? r : ingest_crossed(in, 0, head);
}

static int over_hole(struct ingest *in, const struct record *head,
		     const Probity__V1__SealedRecord *rec)
{
	uint64_t first = in->chain.last_seq + 1;
	struct chain_state before = in->state;
	struct mac_key mac = in->mac;
	int r = ingest_cross(in, head);

	if (!r)
		r = append(in, head->seq, rec);
	if (!r)
		return ingest_crossed(in, first, head);
	/* Without a good record behind it the chain has not gone on. */
	verifier_free(in->state.verifier);
	in->state = before;
	in->state.verifier = NULL; /* the one of before is gone; it is made again */
	in->mac = mac;
	return r;
}

int ingest_record(struct ingest *in, const Probity__V1__SealedRecord *rec)
{
	uint64_t next = in->known ? in->chain.last_seq + 1 : 0;
	struct record head;
	const char *why = "";
	int r = record_decode(rec->record.data, rec->record.len, &head, &why);

	if (r)
		return ingest_misfit(in, next, rec, why);
	if (head.seq >= INT64_MAX)
		return ingest_misfit(in, next, rec, "sequence");
	if (memcmp(head.chain, in->batch->chain.data, sizeof(head.chain)) != 0)
		return ingest_misfit(in, next, rec, "chain id");
	if (!in->known)
		return first_record(in, &head, rec);
	if (head.seq < next)
		return seen_before(in, &head, rec);
	return head.seq > next ? over_hole(in, &head, rec) : append(in, next, rec);
}
