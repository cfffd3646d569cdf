// SPDX-License-Identifier: Apache-2.0
/*
 * In: the fields of one record and its payload. Out: its bytes, or from bytes the fields. The
 * bytes are what is hashed and signed; decode changes none and re-encodes none. Invariant:
 * record_decode accepts exactly what record_encode can make, or that without its payload, so every byte
 * is spoken for: fixed texts and reserved bytes are checked, the payload by its hash, the rest is a value. A payload is
 * at most RECORD_PAYLOAD_MAX bytes, which keeps a record below 2^16.
 */
#include "record.h"

#include <errno.h>
#include <string.h>

#include "base/reader.h"
#include "base/sha256.h"

enum {
	AT_CHAIN = 24,
	AT_EPOCH = 40,
	AT_ALG = 44,
	AT_SEQ = 48,
	AT_ID = 56,
	AT_WALL = 64,
	AT_BOOT = 72,
	AT_BOOT_ID = 80,
	AT_SCHEMA = 96,
	AT_LEN = 100,
	AT_KEY_ID = 104,
	AT_PREV = 112,
	AT_SHA256 = 144
};
_Static_assert(AT_SHA256 + RECORD_HASH_LEN == RECORD_HEADER_LEN, "header has no hole");

static const uint8_t context[RECORD_CONTEXT_LEN] = RECORD_CONTEXT;

size_t record_encode(const struct record *r, uint8_t *out, size_t cap)
{
	if (r->payload_len > RECORD_PAYLOAD_MAX || cap < RECORD_HEADER_LEN + (size_t)r->payload_len)
		return 0;
	memcpy(out, context, sizeof(context));
	memcpy(out + AT_CHAIN, r->chain, sizeof(r->chain));
	put_be(out + AT_EPOCH, 4, r->epoch);
	put_be(out + AT_ALG, 4, (uint32_t)r->alg << 24); /* and three reserved bytes */
	put_be(out + AT_SEQ, 8, r->seq);
	put_be(out + AT_ID, 8, r->id);
	put_be(out + AT_WALL, 8, r->wall_ns);
	put_be(out + AT_BOOT, 8, r->boot_ns);
	memcpy(out + AT_BOOT_ID, r->boot_id, sizeof(r->boot_id));
	put_be(out + AT_SCHEMA, 4, r->schema);
	put_be(out + AT_LEN, 4, r->payload_len);
	memcpy(out + AT_KEY_ID, r->key_id, sizeof(r->key_id));
	memcpy(out + AT_PREV, r->prev, sizeof(r->prev));
	if (r->payload_len && r->payload != out + RECORD_HEADER_LEN)
		memcpy(out + RECORD_HEADER_LEN, r->payload, r->payload_len);
	sha256(out + RECORD_HEADER_LEN, r->payload_len, out + AT_SHA256);
	return RECORD_HEADER_LEN + (size_t)r->payload_len;
}

static const char *check(const struct record *r, const uint8_t *head, size_t n, uint32_t reserved)
{
	bool erased = n == RECORD_HEADER_LEN && r->payload_len;
	uint8_t sum[RECORD_HASH_LEN];

	if (memcmp(head, context, sizeof(context)))
		return "context";
	if (r->payload_len > RECORD_PAYLOAD_MAX ||
	    (!erased && n != RECORD_HEADER_LEN + (size_t)r->payload_len))
		return "length";
	if (reserved)
		return "reserved bytes";
	if (r->alg != RECORD_ED25519 && r->alg != RECORD_CHECKPOINT)
		return "algorithm";
	if (erased)
		return NULL;
	sha256(r->payload, r->payload_len, sum);
	return memcmp(sum, head + AT_SHA256, sizeof(sum)) ? "payload hash" : NULL;
}

int record_decode(const uint8_t *p, size_t n, struct record *ret, const char **ret_why)
{
	struct reader in = reader_of(p, n);
	struct record r = {0};
	uint32_t reserved;
	const char *why;

	reader_take(&in, RECORD_CONTEXT_LEN);
	reader_bytes(&in, r.chain, sizeof(r.chain));
	r.epoch = reader_u32(&in);
	r.alg = reader_u8(&in);
	reserved = reader_u24(&in);
	r.seq = reader_u64(&in);
	r.id = reader_u64(&in);
	r.wall_ns = reader_u64(&in);
	r.boot_ns = reader_u64(&in);
	reader_bytes(&in, r.boot_id, sizeof(r.boot_id));
	r.schema = reader_u32(&in);
	r.payload_len = reader_u32(&in);
	reader_bytes(&in, r.key_id, sizeof(r.key_id));
	reader_bytes(&in, r.prev, sizeof(r.prev));
	reader_take(&in, RECORD_HASH_LEN);
	if (in.bad) {
		*ret_why = "length";
		return -EBADMSG;
	}
	r.payload = n > RECORD_HEADER_LEN || !r.payload_len ? in.p : NULL;
	why = check(&r, p, n, reserved);
	if (why) {
		*ret_why = why;
		return -EBADMSG;
	}
	*ret = r;
	return 0;
}

void record_leaf(const uint8_t *p, uint8_t ret[static RECORD_HASH_LEN])
{
	sha256_tagged(0, p, RECORD_HEADER_LEN, ret);
}

uint8_t record_alg(const uint8_t header[static RECORD_HEADER_LEN])
{
	return header[AT_ALG];
}

bool record_erased(const uint8_t *record, size_t n)
{
	static const uint8_t none[4];

	return n == RECORD_HEADER_LEN && memcmp(record + AT_LEN, none, sizeof(none));
}
