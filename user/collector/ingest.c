// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes and a verified name in; store rows and an answer out, in one transaction. What becomes of
 * each record is ingest_record.c's, of one that does not fit ingest_refuse.c's, of a checkpoint
 * ingest_checkpoint.c's.
 *
 * Invariants: a record is stored only after its chain, order, previous hash, payload hash and
 * signature were found right against what is committed; a stored record is never changed; an
 * answer that names last_seq is made after the commit of last_seq. What is refused for cause is
 * kept as a finding with the bytes as received, in the same transaction.
 *
 * Limits: INGEST_BODY_MAX per batch; unpacking takes at most UNPACK_MAX; findings are bounded by
 * the store. When the store is full or fails, everything of this batch is rolled back and the
 * answer is STORE: the agent keeps the records and sends them again.
 */
#include "ingest_int.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "pbmem.h"
#include "silence.h"

#define BATCH_VERSION 1
#define UNPACK_MAX (4 * (size_t)INGEST_BODY_MAX)

int ingest_fault(struct ingest *in, fault_t f, uint64_t seq, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(in->error, sizeof(in->error), fmt, ap);
	va_end(ap);
	in->fault = f;
	in->fault_seq = seq;
	return INGEST_STOP;
}

void ingest_chain_hex(const uint8_t *p, char out[static 33])
{
	for (size_t i = 0; i < 16; i++)
		snprintf(out + 2 * i, 3, "%02x", p[i]);
}

int ingest_finding(struct ingest *in, enum store_severity severity, const char *kind, uint64_t seq,
		   const Probity__V1__SealedRecord *rec)
{
	struct store_finding f = {.at_ns = in->now_ns, .severity = severity, .seq = seq};
	char chain[33] = "";
	int r;

	snprintf(f.kind, sizeof(f.kind), "%s", kind);
	snprintf(f.cn, sizeof(f.cn), "%s", in->peer->cn);
	snprintf(f.detail, sizeof(f.detail), "%s", in->error);
	memcpy(f.chain, in->batch->chain.data, sizeof(f.chain));
	ingest_chain_hex(f.chain, chain);
	if (rec) {
		f.evidence = rec->record.data;
		f.evidence_len = rec->record.len;
		f.signature = rec->signature.data;
		f.signature_len = rec->signature.len;
	}
	r = store_finding_add(in->st, &f);
	if (r)
		return r;
	in->dirty = true;
	snprintf(in->ret->alarm, sizeof(in->ret->alarm),
		 "%s finding %s: certificate %s, chain %s, record %llu: %s",
		 store_severity_name(severity), kind, f.cn, chain, (unsigned long long)seq,
		 in->error);
	return 0;
}

int ingest_refuse(struct ingest *in, fault_t f, enum store_severity severity, const char *kind,
		  uint64_t seq, const Probity__V1__SealedRecord *rec, const char *text)
{
	int r;

	ingest_fault(in, f, seq, "%s", text);
	r = ingest_finding(in, severity, kind, seq, rec);
	return r ? r : INGEST_STOP;
}

static int may_add(struct ingest *in)
{
	const ProtobufCBinaryData *said = &in->batch->public_key;
	const Probity__V1__SealedRecord *first =
		in->batch->n_records ? in->batch->records[0] : NULL;

	if (strcmp(in->chain.cn, in->peer->cn) != 0)
		return ingest_refuse(in, F(WRONG_KEY), STORE_HIGH, "foreign_cn", in->chain.last_seq,
				     first, "this chain belongs to another certificate name");
	if (said->len && memcmp(said->data, in->chain.public, sizeof(in->chain.public)) != 0)
		return ingest_refuse(in, F(WRONG_KEY), STORE_HIGH, "wrong_key", in->chain.last_seq,
				     first, "the batch names another key than the chain's");
	return 0;
}

static int all_records(struct ingest *in)
{
	int r = store_chain_get(in->st, in->batch->chain.data, &in->chain);

	if (r && r != -ENOENT)
		return r;
	in->known = in->was_known = !r;
	in->committed = in->chain;
	r = 0;
	if (in->known) {
		r = may_add(in);
		if (!r)
			r = ingest_resume(in);
	}
	if (!r)
		r = ingest_witnessed(in);
	if (!r && in->batch->mac_seed.len)
		r = ingest_seed(in);
	for (size_t i = 0; i < in->batch->n_records && !r; i++) {
		in->checked = ingest_ahead(in, i);
		r = ingest_record(in, in->batch->records[i]);
	}
	if (!r && in->batch->checkpoint[0])
		r = ingest_checkpoint(in);
	return r;
}

/* What stands in the chain's row, from the state behind the last record. */
static int put_chain(struct ingest *in)
{
	struct store_chain *c = &in->chain;
	bool back;

	c->state_len = chain_state_save(&in->state, c->state, sizeof(c->state));
	if (!c->state_len)
		return -EIO;
	c->mac = in->mac;
	if (!in->ret->added)
		return store_chain_put(in->st, c);
	c->updated_ns = in->now_ns;
	c->due_ns = silence_due(in->state.epoch_ns, in->now_ns);
	return store_finding_close(in->st, c->id, SILENCE_KIND, in->now_ns, &back)
		       ?: ingest_edge(in)
		       ?: store_chain_put(in->st, c);
}

static int transact(struct ingest *in)
{
	int r = store_begin(in->st);

	if (r)
		return r;
	r = all_records(in);
	if (r >= 0 && in->dirty && in->known && in->state.started)
		r = put_chain(in);
	if (r < 0 || !in->dirty) {
		store_rollback(in->st);
		return r < 0 ? r : 0;
	}
	return store_commit(in->st);
}

static void answer(struct ingest *in, const ProtobufCBinaryData *chain)
{
	Probity__V1__Ack ack = PROBITY__V1__ACK__INIT;

	ack.version = BATCH_VERSION;
	if (chain && chain->len == 16)
		ack.chain = *chain;
	ack.empty = !in->known;
	/* To a stranger the answer says nothing about a chain that is not his. */
	if (in->known && !strcmp(in->chain.cn, in->peer->cn)) {
		ack.last_seq = in->chain.last_seq;
		ack.last_leaf.data = in->chain.last_leaf;
		ack.last_leaf.len = sizeof(in->chain.last_leaf);
		ack.seed_held = in->chain.seeded;
		ack.witnessed_size = in->witnessed;
		ack.cosigned = in->cosigned;
		ack.witness_vkey = in->vkey;
	} else if (in->known) {
		ack.empty = true;
	}
	ack.fault = in->fault;
	ack.fault_seq = in->fault_seq;
	ack.error = in->error;
	in->ret->fault = in->fault;
	if (probity__v1__ack__get_packed_size(&ack) <= sizeof(in->ret->ack))
		in->ret->ack_len = probity__v1__ack__pack(&ack, in->ret->ack);
}

static int bad_request(struct ingest *in, int http, const char *why)
{
	ingest_fault(in, F(BAD_REQUEST), 0, "%s", why);
	in->ret->http = http;
	snprintf(in->ret->alarm, sizeof(in->ret->alarm), "request refused: certificate %s: %s",
		 in->peer->cn, why);
	answer(in, NULL);
	return 0;
}

static const char *malformed(const Probity__V1__Batch *b)
{
	if (!b)
		return "body is not a batch";
	if (b->version != BATCH_VERSION)
		return "batch version is not 1";
	if (b->chain.len != 16)
		return "chain id is not 16 bytes";
	if (b->public_key.len && b->public_key.len != RECORD_PUBKEY_LEN)
		return "public key is not 32 bytes";
	if (b->mac_seed.len && b->mac_seed.len != MAC_LEN)
		return "MAC seed is not 32 bytes";
	return NULL;
}

static int store_failed(struct ingest *in, int r)
{
	in->known = in->was_known;
	in->chain = in->committed;
	in->cosigned[0] = '\0';
	in->witnessed = in->was_witnessed;
	in->ret->added = in->ret->held = 0;
	in->ret->http = 503;
	ingest_fault(in, F(STORE), 0, "the collector's store cannot commit now; keep the records");
	snprintf(in->ret->alarm, sizeof(in->ret->alarm),
		 "%s; the batch is refused and its agent keeps it",
		 store_error(in->st)[0] ? store_error(in->st) : strerror(-r));
	return r;
}

int ingest_batch(struct store *st, struct witness *w, struct looks *looks,
		 const struct ingest_peer *peer, const uint8_t *body, size_t n, int64_t now_ns,
		 struct ingest_result *ret)
{
	struct ingest in = {
		.st = st, .witness = w, .looks = looks, .peer = peer, .now_ns = now_ns, .ret = ret};
	Probity__V1__Batch *b;
	struct pbmem mem;
	const char *why;
	int r;

	memset(ret, 0, sizeof(*ret));
	ret->http = 200;
	snprintf(in.vkey, sizeof(in.vkey), "%s", witness_vkey(w));
	if (n > INGEST_BODY_MAX)
		return bad_request(&in, 413, "body is over 4 MiB");
	pbmem_init(&mem, UNPACK_MAX);
	b = probity__v1__batch__unpack(&mem.allocator, n, body);
	why = malformed(b);
	if (why) {
		r = bad_request(&in, 400, why);
	} else {
		in.batch = b;
		r = transact(&in);
		if (r < 0)
			store_failed(&in, r);
		answer(&in, &b->chain);
	}
	chain_state_done(&in.state);
	free(in.keys);
	if (b)
		probity__v1__batch__free_unpacked(b, &mem.allocator);
	return r;
}
