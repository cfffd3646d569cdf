/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sealed record: bytes are signed, never a re-serialised message. docs/RECORD-FORMAT.md is the
 * contract; this is its implementation, used by agent, collector and CLI. PURE.
 *
 * record = header (fixed, big-endian) ‖ payload (protobuf bytes, kept verbatim)
 * entry  = header: what is logged, chained and signed. It holds the payload's hash, so a payload may be
 *          erased and every proof stays; the payload begins with 16 random bytes (field `salt`), so what
 *          was erased cannot be found by guessing.
 * leaf   = SHA-256(0x00 ‖ entry)              (RFC 6962 §2.1)
 * signature = Ed25519(entry)
 */
#ifndef PROBITY_RECORD_RECORD_H
#define PROBITY_RECORD_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORD_CONTEXT "probity/record/v1" /* NUL-padded to RECORD_CONTEXT_LEN */
#define RECORD_CONTEXT_LEN 24
#define RECORD_HEADER_LEN 176
#define RECORD_PAYLOAD_MAX (64 * 1024 - RECORD_HEADER_LEN - 1)
#define RECORD_SIG_LEN 64
#define RECORD_HASH_LEN 32
#define RECORD_PUBKEY_LEN 32

enum record_schema {
	RECORD_AI_CALL = 1,  /* probity.v1.AiCall */
	RECORD_CONTROL = 2,  /* probity.v1.Control */
	RECORD_MCP_CALL = 3, /* probity.v1.McpCall */
	RECORD_DENIAL = 4,   /* probity.v1.Denial */
};
enum record_alg {
	RECORD_ED25519 = 1,    /* 2 is kept for ML-DSA-44 */
	RECORD_CHECKPOINT = 3, /* no signature of its own: the MAC, and the next signed record or
				* checkpoint, whose tree it is in */
};

/*
 * Offsets: context 0[24], chain 24[16], epoch 40 u32, alg 44 u8, reserved 45[3] zero, seq 48 u64,
 * id 56 u64, wall_ns 64 u64, boot_ns 72 u64, boot_id 80[16], schema 96 u32, payload_len 100 u32,
 * key_id 104[8], prev 112[32], payload_sha256 144[32]; payload at 176.
 */
struct record {
	uint8_t chain[16];
	uint32_t epoch;
	uint8_t alg;
	uint64_t seq; /* from 0, no holes */
	uint64_t
		id; /* the worker's id, strictly increasing over the records where it is not 0: lets
		       * a restarted recorder refuse what it has. 0: made by the recorder itself
		       * (START, STOP, LOSS, REPAIR), so no id of the worker is ever taken by it */
	uint64_t wall_ns, boot_ns; /* of sealing */
	uint8_t boot_id[16];
	uint32_t schema, payload_len;
	uint8_t key_id[8];	       /* first 8 bytes of SHA-256(public key) */
	uint8_t prev[RECORD_HASH_LEN]; /* leaf hash of seq-1; zero for seq 0 */
	const uint8_t *payload;	       /* NULL: erased */
};

/* out must hold RECORD_HEADER_LEN + payload_len; the payload may stand in its place already. Returns the length, or 0 if payload_len is over
 * RECORD_PAYLOAD_MAX or cap too small. Computes payload_sha256 itself. */
size_t record_encode(const struct record *r, uint8_t *out, size_t cap);
/* Points into p. 0; -EBADMSG with *ret_why (static text) naming the first field that is wrong:
 * context, length, reserved bytes, algorithm, payload hash. A record of RECORD_HEADER_LEN bytes whose
 * payload_len is not 0 is one whose payload was erased. */
int record_decode(const uint8_t *p, size_t n, struct record *ret, const char **ret_why);
void record_leaf(const uint8_t *p, uint8_t ret[static RECORD_HASH_LEN]);
/* Its header alone, of a payload that was not empty. */
bool record_erased(const uint8_t *record, size_t n);
/* The algorithm byte of a header. */
uint8_t record_alg(const uint8_t header[static RECORD_HEADER_LEN]);

#endif
