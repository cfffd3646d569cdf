/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frames of all segments of a directory, in order, with what can be found out about each alone: its
 * fields, its leaf hash, and whether its signature holds under the key it should be under. Read ahead and
 * checked on several threads.
 */
#ifndef PROBITY_RECORD_VERIFY_SOURCE_H
#define PROBITY_RECORD_VERIFY_SOURCE_H

#include "segment_io.h"

struct source_item {
	enum segment_answer answer; /* SEGMENT_FRAME, or how the segment ended */
	size_t segment;		    /* index in the names */
	uint64_t offset;	    /* of the frame, or of what is wrong */
	uint64_t bytes;		    /* read of the file; all of it with the segment's end */
	const char *why;
	int error;     /* SEGMENT_IO: errno */
	bool unopened; /* it was the opening that failed */
	struct frame frame;
	struct chain_checked checked;
};

struct source;
struct source_config {
	int dir;
	const uint64_t *names; /* stay the caller's, until the source is freed */
	size_t n;
	unsigned threads; /* with the caller's own */
	/* The key of record `seq` as far as it is known before reading; false: it is not. A guess: it costs
	 * time when it is wrong, and nothing else. */
	bool (*key_at)(void *ctx, uint64_t seq, uint8_t ret[static RECORD_PUBKEY_LEN]);
	void *ctx;
};
int source_new(const struct source_config *c, struct source **ret);
void source_free(struct source *s);
/* The next in order; valid until the next call. NULL: that was all of them, or source_error is not 0. */
const struct source_item *source_next(struct source *s);
int source_error(const struct source *s);

#endif
