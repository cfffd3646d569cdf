/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A segment file: frames one after the other, nothing else; named by its first sequence number,
 * "%020llu.seg". frame = magic u32 'PBR1' · len u32 (record + signature) · crc32c u32 of what
 * follows · record · signature. A torn tail (incomplete or all-zero last frame of the last
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
#include "record.h"

#define SEGMENT_MAGIC 0x50425231u
#define SEGMENT_FRAME_LEN 12
#define HEAD_LEN (24 + 16 + 8 + 8 + 8 + 32 + 32 + 64)

enum frame_answer { FRAME_BAD = -1, FRAME_MORE = 0 /* > 0: bytes consumed */ };
struct frame {
	const uint8_t *record, *sig;
	size_t record_len;
};
/* Three answers: bytes consumed, FRAME_MORE (p[n] ends inside), FRAME_BAD (*ret_why). */
long frame_parse(const uint8_t *p, size_t n, struct frame *ret, const char **ret_why);
/* Writes the frame head for a record of this length; crc over record ‖ sig. */
void frame_head(const uint8_t *record, size_t n, const uint8_t sig[static RECORD_SIG_LEN],
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
 * Start from zeros. To continue a known chain set chain, public, prev, next_seq, last_id and
 * started. Not started, the first record fixes chain, seq and prev; its key is `public` when that
 * is not zero, else the one a START record names.
 */
struct chain_state {
	uint8_t chain[16], public[32], prev[32];
	uint64_t next_seq, last_id; /* last_id: newest id that is not 0 */
	bool started;		    /* chain, key and prev are known */
	struct verifier *verifier;
};
/* 0, or -EBADMSG with *ret_why naming the kind: "sequence", "previous hash", "signature",
 * "chain id", "key id", "id order", or record_decode's. Nothing changes on failure. */
int chain_append(struct chain_state *c, const uint8_t *record, size_t n,
		 const uint8_t sig[static RECORD_SIG_LEN], struct record *ret,
		 const char **ret_why);
void chain_state_done(struct chain_state *c);

#endif
