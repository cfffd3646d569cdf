// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes and a verified name in; store rows and an answer out, in one transaction.
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
#include "ingest.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "hole.h"
#include "pbmem.h"
#include "record/printable.h"
#include "record/segment.h"
#include "rows.h"

#define BATCH_VERSION 1
#define UNPACK_MAX (4 * (size_t)INGEST_BODY_MAX)

typedef Probity__V1__Ack__Fault fault_t;
#define F(x) PROBITY__V1__ACK__FAULT__##x

struct ingest {
	struct store *st;
	const struct ingest_peer *peer;
	const Probity__V1__Batch *batch;
	int64_t now_ns;
	struct store_chain chain, committed; /* with this batch; before it */
	bool known, was_known;
	bool dirty; /* the transaction holds something */
	struct chain_state state;
	fault_t fault;
	uint64_t fault_seq;
	char error[200];
	struct ingest_result *ret;
};

/* Steps answer 0 to go on, STOP when a fault ends the batch, -errno when the store failed. */
#define STOP 1

static int fault(struct ingest *in, fault_t f, uint64_t seq, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static int fault(struct ingest *in, fault_t f, uint64_t seq, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(in->error, sizeof(in->error), fmt, ap);
	va_end(ap);
	in->fault = f;
	in->fault_seq = seq;
	return STOP;
}

static void hex16(const uint8_t *p, char out[static 33])
{
	for (size_t i = 0; i < 16; i++)
		snprintf(out + 2 * i, 3, "%02x", p[i]);
}

/* Keeps the refusal and what was refused; rec may be NULL. The text is in->error. */
static int finding(struct ingest *in, enum store_severity severity, const char *kind, uint64_t seq,
		   const Probity__V1__SealedRecord *rec)
{
	struct store_finding f = {.at_ns = in->now_ns, .severity = severity, .seq = seq};
	char chain[33] = "";
	int r;

	snprintf(f.kind, sizeof(f.kind), "%s", kind);
	snprintf(f.cn, sizeof(f.cn), "%s", in->peer->cn);
	snprintf(f.detail, sizeof(f.detail), "%s", in->error);
	memcpy(f.chain, in->batch->chain.data, sizeof(f.chain));
	hex16(f.chain, chain);
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

static int refuse(struct ingest *in, fault_t f, enum store_severity severity, const char *kind,
		  uint64_t seq, const Probity__V1__SealedRecord *rec, const char *text)
{
	int r;

	fault(in, f, seq, "%s", text);
	r = finding(in, severity, kind, seq, rec);
	return r ? r : STOP;
}

static int bad_record(struct ingest *in, uint64_t seq, const Probity__V1__SealedRecord *rec,
		      const char *why)
{
	char text[96];

	snprintf(text, sizeof(text), "record refused: %s", why);
	return refuse(in, F(BAD_RECORD), STORE_HIGH, "bad_record", seq, rec, text);
}

/* Whether the chain's own key made this: tells a host that forks from noise. */
static bool signed_by_chain(struct ingest *in, const Probity__V1__SealedRecord *rec)
{
	struct verifier *v = NULL;
	bool ok = false;

	if (rec->signature.len == RECORD_SIG_LEN && !verifier_new(in->chain.public, &v))
		ok = verifier_ok(v, rec->record.data, rec->record.len, rec->signature.data);
	verifier_free(v);
	return ok;
}

static int fork_or_noise(struct ingest *in, uint64_t seq, const Probity__V1__SealedRecord *rec,
			 const char *why)
{
	if (!signed_by_chain(in, rec))
		return bad_record(in, seq, rec, why);
	return refuse(in, F(FORK), STORE_CRITICAL, "fork", seq, rec,
		      "FORK ALARM: the host's key signed two different histories; "
		      "what was committed first stands, the other is kept as evidence");
}

/* In a hole the host declared. It was accounted for as gone and stays so. */
static int after_loss(struct ingest *in, uint64_t seq, const Probity__V1__SealedRecord *rec)
{
	int r;

	snprintf(in->error, sizeof(in->error), "record was declared gone and came after all");
	r = finding(in, STORE_LOW, "after_loss", seq, rec);
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
		r = refuse(in, F(GAP), STORE_LOW, "before_first", head->seq, NULL,
			   "record is older than the first one held of this chain");
		in->fault_seq = in->chain.last_seq + 1;
		return r;
	}
	r = store_leaf_get(in->st, in->chain.id, head->seq, held);
	if (r == -ENOENT)
		return after_loss(in, head->seq, rec);
	if (r)
		return r;
	record_leaf(rec->record.data, rec->record.len, leaf);
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
	}
	snprintf(in->error, sizeof(in->error),
		 "payload of schema %u is no message this program knows; the record is kept",
		 s.head.schema);
	r = finding(in, STORE_MEDIUM, "unreadable_payload", seq, NULL);
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
	r = chain_append(&in->state, rec->record.data, rec->record.len, rec->signature.data, &head,
			 &why);
	if (r == -EBADMSG && !strcmp(why, "key id"))
		return refuse(in, F(WRONG_KEY), STORE_HIGH, "wrong_key", seq, rec,
			      "record names another key than the chain's");
	if (r == -EBADMSG && in->known && !strcmp(why, "previous hash"))
		return fork_or_noise(in, seq, rec, why);
	if (r == -EBADMSG)
		return bad_record(in, seq, rec, why);
	return r ? r : store_one(in, &head, rec);
}

static void resume_state(struct ingest *in)
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
		return fault(in, F(GAP), 0, "unknown chain: send from its first record");
	if (head->seq) {
		memcpy(c->public, said->data, sizeof(c->public));
		printable_copy(c->host, sizeof(c->host), in->batch->host);
	} else if (!start_key(rec, c->public, c->host, sizeof(c->host))) {
		return bad_record(in, 0, rec, "a chain begins with a start that carries its key");
	} else if (said->len && memcmp(said->data, c->public, sizeof(c->public)) != 0) {
		return refuse(in, F(WRONG_KEY), STORE_HIGH, "wrong_key", 0, rec,
			      "the batch names another key than the chain's start");
	}
	memcpy(c->id, in->batch->chain.data, sizeof(c->id));
	snprintf(c->cn, sizeof(c->cn), "%s", in->peer->cn);
	memcpy(c->cert_sha256, in->peer->cert_sha256, sizeof(c->cert_sha256));
	c->first_seq = head->seq;
	c->created_ns = in->now_ns;
	/* What a later beginning links to is not held: its own word is all there is. */
	memcpy(c->last_leaf, head->prev, sizeof(c->last_leaf));
	resume_state(in);
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
	r = finding(in, STORE_MEDIUM, "chain_begins_late", head->seq, NULL);
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
		return fault(in, F(GAP), h.first_seq, "record %llu came, %llu is not held: %s",
			     (unsigned long long)head->seq, (unsigned long long)h.first_seq, why);
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
	r = finding(in, STORE_MEDIUM, "declared_hole", h.first_seq, in->batch->loss);
	in->error[0] = '\0';
	return r;
}

static int one_record(struct ingest *in, const Probity__V1__SealedRecord *rec)
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

static int may_add(struct ingest *in)
{
	const ProtobufCBinaryData *said = &in->batch->public_key;
	const Probity__V1__SealedRecord *first =
		in->batch->n_records ? in->batch->records[0] : NULL;

	if (strcmp(in->chain.cn, in->peer->cn) != 0)
		return refuse(in, F(WRONG_KEY), STORE_HIGH, "foreign_cn", in->chain.last_seq, first,
			      "this chain belongs to another certificate name");
	if (said->len && memcmp(said->data, in->chain.public, sizeof(in->chain.public)) != 0)
		return refuse(in, F(WRONG_KEY), STORE_HIGH, "wrong_key", in->chain.last_seq, first,
			      "the batch names another key than the chain's");
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
		resume_state(in);
		r = may_add(in);
	}
	for (size_t i = 0; i < in->batch->n_records && !r; i++)
		r = one_record(in, in->batch->records[i]);
	return r;
}

static int transact(struct ingest *in)
{
	int r = store_begin(in->st);

	if (r)
		return r;
	r = all_records(in);
	if (r >= 0 && in->ret->added && in->known)
		r = store_chain_put(in->st, &in->chain);
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
	fault(in, F(BAD_REQUEST), 0, "%s", why);
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
	return NULL;
}

static int store_failed(struct ingest *in, int r)
{
	in->known = in->was_known;
	in->chain = in->committed;
	in->ret->added = in->ret->held = 0;
	in->ret->http = 503;
	fault(in, F(STORE), 0, "the collector's store cannot commit now; keep the records");
	snprintf(in->ret->alarm, sizeof(in->ret->alarm),
		 "%s; the batch is refused and its agent keeps it",
		 store_error(in->st)[0] ? store_error(in->st) : strerror(-r));
	return r;
}

int ingest_batch(struct store *st, const struct ingest_peer *peer, const uint8_t *body, size_t n,
		 int64_t now_ns, struct ingest_result *ret)
{
	struct ingest in = {.st = st, .peer = peer, .now_ns = now_ns, .ret = ret};
	Probity__V1__Batch *b;
	struct pbmem mem;
	const char *why;
	int r;

	memset(ret, 0, sizeof(*ret));
	ret->http = 200;
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
	if (b)
		probity__v1__batch__free_unpacked(b, &mem.allocator);
	return r;
}
