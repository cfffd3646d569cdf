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
#include "record/segment.h"

#define HOST_FIRST_WALL_NS UINT64_C(1790000000000000000)

struct host {
	struct signer *signer;
	uint8_t chain[16], prev[RECORD_HASH_LEN];
	uint64_t seq, id;
};
struct host_record {
	uint8_t *bytes;
	size_t n;
	uint8_t sig[RECORD_SIG_LEN];
};

static inline void host_die(const char *what)
{
	fprintf(stderr, "%s\n", what);
	abort();
}

static inline struct host host_new(const char *key_path, uint8_t chain)
{
	struct host h = {.id = 1000};
	char err[256];

	if (signer_open(key_path, true, &h.signer, err, sizeof(err)))
		host_die(err);
	memset(h.chain, chain, sizeof(h.chain));
	return h;
}

/* Seals one record on top of the last; a copy of the host made before gives a second history. */
static inline struct host_record host_seal(struct host *h, uint32_t schema, const void *payload,
					   size_t n)
{
	struct record r = {.alg = RECORD_ED25519, .seq = h->seq, .id = h->id, .schema = schema};
	struct host_record out = {.bytes = malloc(RECORD_HEADER_LEN + n)};

	memcpy(r.chain, h->chain, sizeof(r.chain));
	memcpy(r.prev, h->prev, sizeof(r.prev));
	r.wall_ns = HOST_FIRST_WALL_NS + h->seq * 1000000000;
	r.payload = payload;
	r.payload_len = n;
	key_id(signer_public(h->signer), r.key_id);
	out.n = out.bytes ? record_encode(&r, out.bytes, RECORD_HEADER_LEN + n) : 0;
	if (!out.n || signer_sign(h->signer, out.bytes, RECORD_HEADER_LEN, out.sig))
		host_die("record cannot be sealed");
	record_leaf(out.bytes, h->prev);
	h->seq++;
	h->id++;
	return out;
}

static inline struct host_record host_start(struct host *h, const uint8_t *public_key)
{
	Probity__V1__Control c = PROBITY__V1__CONTROL__INIT;
	uint8_t buf[512];

	c.kind = PROBITY__V1__CONTROL__KIND__START;
	c.reason = "agent started";
	c.host = "alpha.example";
	c.public_key.data = (uint8_t *)public_key;
	c.public_key.len = RECORD_PUBKEY_LEN;
	return host_seal(h, RECORD_CONTROL, buf, probity__v1__control__pack(&c, buf));
}

/* As the recorder makes it: an id of 0, for no worker asked for it. */
static inline struct host_record host_loss(struct host *h, const char *what, uint64_t count,
					   uint64_t first, uint64_t last)
{
	struct host_record out;
	uint64_t id = h->id;
	Probity__V1__Control c = PROBITY__V1__CONTROL__INIT;
	uint8_t buf[512];

	c.kind = PROBITY__V1__CONTROL__KIND__LOSS;
	c.what = (char *)what;
	c.count = count;
	c.first_seq = first;
	c.last_seq = last;
	c.cause = "spool_full";
	h->id = 0;
	out = host_seal(h, RECORD_CONTROL, buf, probity__v1__control__pack(&c, buf));
	h->id = id;
	return out;
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

/* Batch bytes; the caller frees. public_key may be NULL. */
static inline uint8_t *host_batch(const uint8_t *chain, size_t chain_len, const uint8_t *public_key,
				  uint32_t version, const struct host_record *const *recs,
				  size_t count, const struct host_record *loss, size_t *ret_n)
{
	Probity__V1__SealedRecord proof = PROBITY__V1__SEALED_RECORD__INIT;
	Probity__V1__Batch b = PROBITY__V1__BATCH__INIT;
	Probity__V1__SealedRecord *rec = calloc(count + 1, sizeof(*rec));
	Probity__V1__SealedRecord **list = calloc(count + 1, sizeof(*list));
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
	if (loss) {
		proof.record.data = loss->bytes;
		proof.record.len = loss->n;
		proof.signature.data = (uint8_t *)loss->sig;
		proof.signature.len = RECORD_SIG_LEN;
		b.loss = &proof;
	}
	for (size_t i = 0; i < count; i++) {
		probity__v1__sealed_record__init(&rec[i]);
		rec[i].record.data = recs[i]->bytes;
		rec[i].record.len = recs[i]->n;
		rec[i].signature.data = (uint8_t *)recs[i]->sig;
		rec[i].signature.len = RECORD_SIG_LEN;
		list[i] = &rec[i];
	}
	b.n_records = count;
	b.records = list;
	out = malloc(probity__v1__batch__get_packed_size(&b) + 1);
	if (!out)
		host_die("out of memory");
	*ret_n = probity__v1__batch__pack(&b, out);
	free(list);
	free(rec);
	return out;
}

#endif
