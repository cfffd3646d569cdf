/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A segment file: frames one after the other, nothing else; named by its first sequence number,
 * "%020llu.seg". frame = magic u32 'PBR1' · len u32 · crc32c u32 of what follows (len bytes) · record ·
 * MAC[32] · signature[64], which a record of RECORD_CHECKPOINT has not. A record whose payload was erased
 * is its header, in a frame of magic 'PBE1'. A torn tail (incomplete or all-zero last frame of the last
 * segment) is cut by the recorder and logged; damage elsewhere is a finding.
 *
 * `head` beside the segments: signed checkpoint of the last durable record, written after the
 * segment's fdatasync: context[24] "probity/head/v1" · chain[16] · seq u64 · first_seq u64 (oldest kept) · wall ns u64 ·
 * leaf[32] · public key[32] · signature[64] over all before. It lets verify see a cut tail, and
 * by first_seq a removed first segment.
 */
#ifndef PROBITY_RECORD_SEGMENT_H
#define PROBITY_RECORD_SEGMENT_H

#include "keys.h"
#include "mac.h"
#include "record.h"

#define SEGMENT_MAGIC 0x50425231u
#define SEGMENT_ERASED_MAGIC 0x50424531u
#define RECORD_SEAL_MAX (MAC_LEN + RECORD_SIG_LEN) /* behind a record */
#define SEGMENT_FRAME_LEN 12
#define HEAD_LEN (24 + 16 + 8 + 8 + 8 + 32 + 32 + 64)

enum frame_answer { FRAME_BAD = -1, FRAME_MORE = 0 /* > 0: bytes consumed */ };
struct frame {
	const uint8_t *record, *mac, *sig; /* sig NULL: none of its own */
	size_t record_len;
	size_t len; /* of the whole frame */
};
/* Three answers: bytes consumed, FRAME_MORE (p[n] ends inside), FRAME_BAD (*ret_why). */
long frame_parse(const uint8_t *p, size_t n, struct frame *ret, const char **ret_why);
/* Writes the frame head of a record of n bytes and the MAC, and signature if any, behind it: seal_n bytes
 * in all. */
void frame_head(const uint8_t *record, size_t n, size_t seal_n,
		uint8_t out[static SEGMENT_FRAME_LEN]);
uint32_t crc32c(uint32_t crc, const void *p, size_t n);
uint32_t crc32c_portable(uint32_t crc, const void *p,
			 size_t n); /* the same, without the instruction */

struct head {
	uint8_t chain[16];
	uint64_t seq, first_seq, wall_ns;
	uint8_t leaf[32], public[32];
};
int head_encode(const struct head *h, struct signer *s, uint8_t out[static HEAD_LEN]);
int head_decode(const uint8_t *p, size_t n, struct head *ret,
		const char **ret_why); /* checks the signature */

/*
 * One pass over a chain, a record at a time, in order. Used by verify, collector and recorder.
 * Start from zeros. To continue a known chain set chain, public, prev, next_seq, last_id, epoch, sealed
 * with next_public, started, and tree with tree_known. Not started, the first record fixes chain, seq,
 * epoch and prev; its key is `public` when that is not zero, else the one a START or SEAL record names.
 *
 * Epochs: the last record of an epoch is its SEAL, which names the next epoch's key and the tree of all
 * records before it. Time: within a boot it does not go back, and wall and boot time stay together but
 * for a CLOCK_STEP; another boot begins with START.
 */
#define EPOCH_GRACE_NS 120000000000ull /* a seal may come so much later than it is due */
#define CLOCK_TOLERANCE_NS 1000000000ull
struct chain_state {
	uint8_t chain[16], public[32], prev[32];
	uint64_t next_seq, last_id; /* last_id: newest id that is not 0 */
	bool started;		    /* chain, key and prev are known */
	struct verifier *verifier;

	uint32_t epoch;
	bool sealed; /* the last record was the epoch's SEAL */
	uint8_t next_public[32];
	uint64_t epoch_ns;		     /* an epoch is no longer; 0 = not told yet */
	uint64_t epoch_first, epoch_boot_ns; /* seq and time of its first record in this boot */
	uint64_t seals, late_seals;

	bool timed; /* the three below are known */
	uint8_t boot_id[16];
	uint64_t wall_ns, boot_ns; /* of the last record */

	bool tree_known;
	struct tree_edge tree;

	struct mac_key
		*mac;  /* NULL: not checked. Ratcheted as epochs pass; behind them: not checked */
	uint64_t macs; /* checked */
};
struct chain_sealed {	    /* what stands behind a record */
	const uint8_t *sig; /* NULL: none of its own */
	const uint8_t *mac; /* NULL: not at hand */
};
/* 0, or -EBADMSG with *ret_why naming the kind: "sequence", "previous hash", "signature", "chain id",
 * "key id", "id order", "epoch", "seal", "seal overdue", "tree", "time", "boot", "mac", or
 * record_decode's. Nothing changes on failure. A record without a signature of its own is taken: what
 * covers it is the caller's to see (verify.c). */
int chain_append(struct chain_state *c, const uint8_t *record, size_t n,
		 const struct chain_sealed *s, struct record *ret, const char **ret_why);
/* The same, with what another thread found out about the record before. Of that only what was asked of the
 * key it must be under counts; the rest is done here. */
struct chain_checked {
	bool decoded; /* record_decode took it: */
	struct record record;
	struct tree_hash leaf;
	bool looked; /* at its signature, under `key`: */
	bool holds;
	uint8_t key[RECORD_PUBKEY_LEN];
};
int chain_append_checked(struct chain_state *c, const uint8_t *record, size_t n,
			 const struct chain_sealed *s, const struct chain_checked *k,
			 struct record *ret, const char **ret_why);
void chain_state_done(struct chain_state *c);
/* The state between two runs, without verifier and MAC key, as bytes of our own (versioned; big-endian).
 * Length, or 0: does not fit. Load: 0; -EBADMSG, state untouched. */
#define CHAIN_STATE_MAX 2560
size_t chain_state_save(const struct chain_state *c, uint8_t *out, size_t cap);
int chain_state_load(const uint8_t *p, size_t n, struct chain_state *ret);

#endif
