/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A directory of segments read as an auditor would: every frame, hash, signature, the order over
 * segments, and that the signed head is covered.
 */
#ifndef PROBITY_RECORD_VERIFY_H
#define PROBITY_RECORD_VERIFY_H

#include "segment.h"

struct verify_finding {
	char file[256];
	uint64_t offset; /* in that file */
	uint64_t seq;	 /* expected there */
	char kind[32]; /* frame, crc, record, sequence, previous hash, signature, chain id, key id,
			    id order, torn tail, tail cut, head, missing segment, io, empty */
	char detail[160];
};
struct verify_result {
	bool ok;
	uint64_t first_seq, last_seq, records, bytes, segments;
	uint64_t by_schema[8];
	uint8_t chain[16], public[32], last_leaf[32];
	bool pruned;	/* first_seq > 0: earlier segments were removed within the spool's bound */
	bool live_tail; /* an incomplete last frame while the agent holds the directory's lock */
	size_t findings;
	struct verify_finding first;
};
struct verify_options {
	const uint8_t *expect_public; /* NULL: the key named by the first record is trusted */
	/* called for each good record, may be NULL; return non-zero to stop */
	int (*record)(void *ctx, const struct record *r, const struct frame *f);
	/* called for each finding, may be NULL */
	void (*finding)(void *ctx, const struct verify_finding *f);
	void (*progress)(void *ctx, uint64_t done_bytes, uint64_t all_bytes);
	void *ctx;
};
/* 0 when it could be read (ret->ok tells the verdict); -errno when the directory cannot be. */
int verify_dir(const char *dir, const struct verify_options *o, struct verify_result *ret);

#endif
