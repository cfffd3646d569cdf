/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host as the collector meets it, for tests and for tests/system/mkbatch.c: a key, a chain and
 * real sealed records, made with the same code the agent uses.
 */
#ifndef PROBITY_TESTS_COLLECTOR_HOST_H
#define PROBITY_TESTS_COLLECTOR_HOST_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/forward.pb-c.h"
#include "proto/record.pb-c.h"
#include "record/checkpoint.h"
#include "record/segment.h"

#define HOST_FIRST_WALL_NS UINT64_C(1790000000000000000)
#define HOST_FIRST_BOOT_NS UINT64_C(1000000000000)
#define HOST_NOW_NS ((int64_t)HOST_FIRST_WALL_NS + INT64_C(3600000000000)) /* when it is received */
#define HOST_EPOCH_NS UINT64_C(900000000000)
#define HOST_EPOCHS 8
#define HOST_RECORDS 4096

struct host {
	struct signer *signer, *keys[HOST_EPOCHS]; /* of the epoch that is open; of all */
	char key_path[128];
	uint8_t chain[16], prev[RECORD_HASH_LEN], boot_id[16];
	uint64_t seq, id, epoch_first;
	uint32_t epoch;
	uint8_t alg;
	int64_t wall_off_ns, boot_off_ns;
	struct mac_key mac;
	const uint8_t *tpm; /* public key that SEALs name; NULL: none */
	size_t tpm_len;
	struct tree_hash leaf[HOST_RECORDS];
};
struct host_record {
	uint8_t *bytes;
	size_t n;
	uint8_t sig[RECORD_SIG_LEN], mac[MAC_LEN];
	bool bare; /* without a signature of its own */
};

static inline void host_die(const char *what)
{
	fprintf(stderr, "%s\n", what);
	abort();
}

static inline void host_seed(const struct host *h, uint8_t seed[static MAC_LEN])
{
	memset(seed, h->chain[0] ^ 0x5a, MAC_LEN);
}

/* Its keys are made at once, so that a copy of the host has the same. */
static inline struct host host_new(const char *key_path, uint8_t chain)
{
	struct host h = {.id = 1000, .alg = RECORD_ED25519};
	char err[256], path[160];

	snprintf(h.key_path, sizeof(h.key_path), "%s", key_path);
	for (int i = 0; i < HOST_EPOCHS; i++) {
		snprintf(path, sizeof(path), i ? "%s.%d" : "%s", key_path, i);
		if (signer_open(path, true, &h.keys[i], err, sizeof(err)))
			host_die(err);
	}
	h.signer = h.keys[0];
	memset(h.chain, chain, sizeof(h.chain));
	host_seed(&h, h.mac.k);
	return h;
}

static inline void host_free(struct host *h)
{
	for (int i = 0; i < HOST_EPOCHS; i++)
		signer_free(h->keys[i]);
}

static inline void host_sign(struct host *h, struct host_record *r)
{
	struct tree_hash leaf;

	if (signer_sign(h->signer, r->bytes, RECORD_HEADER_LEN, r->sig))
		host_die("record cannot be signed");
	record_leaf(r->bytes, leaf.b);
	mac_of(&h->mac, &leaf, r->mac);
}

/* Seals one record on top of the last; a copy of the host made before gives a second history. */
static inline struct host_record host_seal(struct host *h, uint32_t schema, const void *payload,
					   size_t n)
{
	struct record r = {.alg = h->alg, .seq = h->seq, .id = h->id, .schema = schema};
	struct host_record out = {.bytes = malloc(RECORD_HEADER_LEN + n)};

	memcpy(r.chain, h->chain, sizeof(r.chain));
	memcpy(r.prev, h->prev, sizeof(r.prev));
	memcpy(r.boot_id, h->boot_id, sizeof(r.boot_id));
	r.epoch = h->epoch;
	r.wall_ns = HOST_FIRST_WALL_NS + h->seq * 1000000000 + h->wall_off_ns;
	r.boot_ns = HOST_FIRST_BOOT_NS + h->seq * 1000000000 + h->boot_off_ns;
	r.payload = payload;
	r.payload_len = n;
	key_id(signer_public(h->signer), r.key_id);
	out.n = out.bytes ? record_encode(&r, out.bytes, RECORD_HEADER_LEN + n) : 0;
	if (!out.n || h->seq == HOST_RECORDS)
		host_die("record cannot be sealed");
	host_sign(h, &out);
	out.bare = h->alg == RECORD_CHECKPOINT;
	record_leaf(out.bytes, h->prev);
	memcpy(h->leaf[h->seq].b, h->prev, sizeof(h->prev));
	h->seq++;
	h->id++;
	return out;
}

/* As the recorder makes it: an id of 0, for no worker asked for it. */
static inline struct host_record host_control(struct host *h, const Probity__V1__Control *c)
{
	struct host_record out;
	uint64_t id = h->id;
	uint8_t buf[1024];

	h->id = 0;
	out = host_seal(h, RECORD_CONTROL, buf, probity__v1__control__pack(c, buf));
	h->id = id;
	return out;
}

/* A tree_read of the first records of a host. */
static inline int host_tree(void *ctx, unsigned level, uint64_t index, struct tree_hash *ret)
{
	const struct host *h = ctx;
	struct tree_edge e = {0};

	for (uint64_t i = index << level; i < (index + 1) << level; i++)
		tree_add(&e, &h->leaf[i]);
	tree_root(&e, ret);
	return 0;
}

static inline void host_root(const struct host *h, uint64_t size, struct tree_hash *ret)
{
	struct tree_edge e;

	tree_edge_read(size, host_tree, (void *)h, &e);
	tree_root(&e, ret);
}

/* The open epoch's last record; then the next is open. */
static inline struct host_record host_end_epoch(struct host *h)
{
	Probity__V1__Control c = PROBITY__V1__CONTROL__INIT;
	struct host_record out;
	struct tree_hash root;
	uint8_t alg = h->alg;

	host_root(h, h->seq, &root);
	c.kind = PROBITY__V1__CONTROL__KIND__SEAL;
	c.epoch = h->epoch;
	c.epoch_first_seq = h->epoch_first;
	c.tree_size = h->seq;
	c.tree_root = (ProtobufCBinaryData){sizeof(root), root.b};
	c.next_public_key = (ProtobufCBinaryData){RECORD_PUBKEY_LEN,
						  (uint8_t *)signer_public(h->keys[h->epoch + 1])};
	c.epoch_ns = HOST_EPOCH_NS;
	c.tpm_public_key = (ProtobufCBinaryData){h->tpm_len, (uint8_t *)h->tpm};
	h->alg = RECORD_ED25519;
	out = host_control(h, &c);
	h->alg = alg;
	h->signer = h->keys[++h->epoch];
	h->epoch_first = h->seq;
	mac_ratchet(&h->mac);
	return out;
}

/* The signed checkpoint of the first `size` records, under the key that is in force now. */
static inline size_t host_checkpoint(const struct host *h, uint64_t size, char *out, size_t cap)
{
	struct checkpoint c = {.size = size};
	char text[512];
	size_t n;

	if (checkpoint_origin("example.org", "alpha", h->chain, c.origin))
		host_die("origin");
	host_root(h, size, &c.root);
	n = checkpoint_text(&c, text, sizeof(text));
	n = note_sign(text, n, c.origin, h->signer, out, cap - 1);
	if (!n)
		host_die("checkpoint cannot be signed");
	out[n] = '\0';
	return n;
}

static inline struct host_record host_start(struct host *h, const uint8_t *public_key)
{
	Probity__V1__Control c = PROBITY__V1__CONTROL__INIT;

	c.kind = PROBITY__V1__CONTROL__KIND__START;
	c.reason = "agent started";
	c.host = "alpha.example";
	c.public_key.data = (uint8_t *)public_key;
	c.public_key.len = RECORD_PUBKEY_LEN;
	c.epoch_ns = HOST_EPOCH_NS;
	return host_control(h, &c);
}

static inline struct host_record host_stop(struct host *h)
{
	Probity__V1__Control c = PROBITY__V1__CONTROL__INIT;

	c.kind = PROBITY__V1__CONTROL__KIND__STOP;
	c.reason = "agent ends";
	return host_control(h, &c);
}

/* The clock is set by so much from this record on. */
static inline struct host_record host_clock_step(struct host *h, int64_t step_ns)
{
	Probity__V1__Control c = PROBITY__V1__CONTROL__INIT;

	c.kind = PROBITY__V1__CONTROL__KIND__CLOCK_STEP;
	c.clock_step_ns = step_ns;
	h->wall_off_ns += step_ns;
	return host_control(h, &c);
}

static inline struct host_record host_loss(struct host *h, const char *what, uint64_t count,
					   uint64_t first, uint64_t last)
{
	Probity__V1__Control c = PROBITY__V1__CONTROL__INIT;

	c.kind = PROBITY__V1__CONTROL__KIND__LOSS;
	c.what = (char *)what;
	c.count = count;
	c.first_seq = first;
	c.last_seq = last;
	c.cause = "spool_full";
	return host_control(h, &c);
}

static inline struct host_record host_call(struct host *h, const char *user)
{
	Probity__V1__AiCall c = PROBITY__V1__AI_CALL__INIT;
	Probity__V1__Process p = PROBITY__V1__PROCESS__INIT;
	Probity__V1__Tool t = PROBITY__V1__TOOL__INIT;
	Probity__V1__Service s = PROBITY__V1__SERVICE__INIT;
	Probity__V1__Usage u = PROBITY__V1__USAGE__INIT;
	Probity__V1__Decision d = PROBITY__V1__DECISION__INIT;
	uint8_t buf[2048], hash[32] = {7};

	p.pid = 4711;
	p.uid = 1000;
	p.user = (char *)user;
	p.exe = "/usr/bin/python3.11";
	p.exe_sha256 = "6c11e2cbd1a4a8a3b1d5f6d8f7a0a3c5e1b2d4f6a8c0e2f4a6b8d0c2e4f60718";
	t.id = "claude_code";
	s.id = "anthropic";
	s.known = true;
	u.has_input_tokens_case = PROBITY__V1__USAGE__HAS_INPUT_TOKENS_INPUT_TOKENS;
	u.input_tokens = 1200 + (int64_t)h->seq;
	u.has_output_tokens_case = PROBITY__V1__USAGE__HAS_OUTPUT_TOKENS_OUTPUT_TOKENS;
	u.output_tokens = 34;
	d.policy_set = "baseline";
	d.policy_version = "1";
	d.disposition = "alert";
	d.effect = "none";
	d.risk_score = 0.25;
	c.process = &p;
	c.tool = &t;
	c.service = &s;
	c.usage = &u;
	c.decision = &d;
	c.operation = "chat";
	c.operation_name = "chat";
	c.dialect = "anthropic_messages";
	c.request_model = "claude-sonnet-4-5";
	c.response_model = "claude-sonnet-4-5-20250929";
	c.server_address = "api.anthropic.com";
	c.server_port = 443;
	c.http_method = "POST";
	c.http_path = "/v1/messages";
	c.http_status = 200;
	c.user_agent = "anthropic-sdk-python/0.40";
	c.request_sha256.data = c.response_sha256.data = hash;
	c.request_sha256.len = c.response_sha256.len = sizeof(hash);
	c.start_unix_ns = HOST_FIRST_WALL_NS;
	c.completeness = "complete";
	return host_seal(h, RECORD_AI_CALL, buf, probity__v1__ai_call__pack(&c, buf));
}

/* What goes beside the records of a batch. */
struct host_more {
	const struct host_record *loss;
	const struct host_record *const *seals;
	size_t seals_n;
	const struct host *tree;     /* whose edge, consistency and checkpoint; NULL: none */
	uint64_t edge_at, edge_from; /* edge of the records below, proved from there; at 0: none */
	const uint8_t *seed;	     /* MAC_LEN bytes */
	const char *checkpoint;	     /* of `size` records, with the proof from `witnessed` on */
	uint64_t size, witnessed;
};

static inline Probity__V1__SealedRecord host_sealed(const struct host_record *r)
{
	Probity__V1__SealedRecord s = PROBITY__V1__SEALED_RECORD__INIT;

	s.record = (ProtobufCBinaryData){r->n, r->bytes};
	s.signature = (ProtobufCBinaryData){r->bare ? 0 : RECORD_SIG_LEN, (uint8_t *)r->sig};
	s.mac = (ProtobufCBinaryData){MAC_LEN, (uint8_t *)r->mac};
	return s;
}

static inline size_t host_hashes(const struct tree_hash *h, size_t n, ProtobufCBinaryData *out)
{
	for (size_t i = 0; i < n; i++)
		out[i] = (ProtobufCBinaryData){TREE_HASH_LEN, (uint8_t *)h[i].b};
	return n;
}

/* Right edge, largest first. */
static inline size_t host_edge(const struct host *h, uint64_t size,
			       struct tree_hash out[static TREE_PATH_MAX])
{
	struct tree_edge e;
	size_t n = 0;

	tree_edge_read(size, host_tree, (void *)h, &e);
	for (int i = 63; i >= 0; i--)
		if (size >> i & 1)
			out[n++] = e.peak[i];
	return n;
}

/* Batch bytes; the caller frees. public_key and more may be NULL. */
static inline uint8_t *host_batch(const uint8_t *chain, size_t chain_len, const uint8_t *public_key,
				  uint32_t version, const struct host_record *const *recs,
				  size_t count, const struct host_more *more, size_t *ret_n)
{
	const struct host_more none = {0}, *m = more ? more : &none;
	size_t all = count + m->seals_n + 1;
	Probity__V1__SealedRecord *rec = calloc(all, sizeof(*rec));
	Probity__V1__SealedRecord **list = calloc(all, sizeof(*list));
	struct tree_hash edge[TREE_PATH_MAX], proof[TREE_PATH_MAX], path[TREE_PATH_MAX];
	ProtobufCBinaryData edges[TREE_PATH_MAX], proofs[TREE_PATH_MAX], paths[TREE_PATH_MAX];
	Probity__V1__Batch b = PROBITY__V1__BATCH__INIT;
	size_t n = 0;
	uint8_t *out;

	if (!rec || !list)
		host_die("out of memory");
	b.version = version;
	b.chain.data = (uint8_t *)chain;
	b.chain.len = chain_len;
	b.host = "alpha.example";
	if (public_key) {
		b.public_key.data = (uint8_t *)public_key;
		b.public_key.len = RECORD_PUBKEY_LEN;
	}
	for (size_t i = 0; i < all; i++)
		list[i] = &rec[i];
	for (size_t i = 0; i < count; i++)
		rec[i] = host_sealed(recs[i]);
	for (size_t i = 0; i < m->seals_n; i++)
		rec[count + i] = host_sealed(m->seals[i]);
	if (m->loss) {
		rec[all - 1] = host_sealed(m->loss);
		b.loss = &rec[all - 1];
	}
	b.n_records = count;
	b.records = list;
	b.n_seals = m->seals_n;
	b.seals = list + count;
	if (m->edge_at) {
		b.edge = edges;
		b.n_edge = host_hashes(edge, host_edge(m->tree, m->edge_at, edge), edges);
		tree_consistency(m->edge_from, m->edge_at, host_tree, (void *)m->tree, proof, &n);
		b.edge_consistency = proofs;
		b.n_edge_consistency = host_hashes(proof, n, proofs);
	}
	if (m->seed)
		b.mac_seed = (ProtobufCBinaryData){MAC_LEN, (uint8_t *)m->seed};
	if (m->checkpoint) {
		b.checkpoint = (char *)m->checkpoint;
		b.witnessed_size = m->witnessed;
		if (!tree_consistency(m->witnessed, m->size, host_tree, (void *)m->tree, path, &n))
			b.n_consistency = host_hashes(path, n, paths);
		b.consistency = paths;
	}
	out = malloc(probity__v1__batch__get_packed_size(&b) + 1);
	if (!out)
		host_die("out of memory");
	*ret_n = probity__v1__batch__pack(&b, out);
	free(list);
	free(rec);
	return out;
}

#endif
