/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by spool.c, spool_recover.c and spool_read.c only. */
#ifndef PROBITY_AGENT_SPOOL_INT_H
#define PROBITY_AGENT_SPOOL_INT_H

#include "base/reader.h"
#include "record/segment_io.h"
#include "spool.h"

#define FRAME_MAX (SEGMENT_FRAME_LEN + RECORD_HEADER_LEN + RECORD_PAYLOAD_MAX + RECORD_SIG_LEN)
#define URGENT_ROOM (64 * 1024) /* of the buffer, for records that say what was lost */

/* One segment: records first to below next, in its first `bytes` bytes. */
struct segment {
	uint64_t first, next, bytes;
};

struct spool {
	struct spool_state st;
	char path[4096];     /* for messages */
	int dir, lock, head; /* head: -1 when it must be made anew */
	struct signer *signer;
	struct spool_io io;
	uint32_t segment_bytes;
	uint8_t boot_id[16], key_id[8], prev[RECORD_HASH_LEN];
	uint8_t durable_leaf[RECORD_HASH_LEN]; /* of durable_seq - 1 */

	struct segment *segs; /* ascending; the last one is being written when fd >= 0 */
	size_t segs_n, segs_cap;
	int fd;
	uint64_t buf_first; /* sequence number of the first record in buf */
	size_t buf_len;	    /* bytes sealed and not durable */
	size_t buf_written; /* of these, bytes given to the file */
	uint8_t *buf;	    /* SPOOL_BUFFER + URGENT_ROOM + FRAME_MAX */

	/* where the last spool_read stopped, so that the next one need not search */
	uint64_t read_seq, read_segment, read_offset;
	struct segment_reader *in;
};

int spool_recover(struct spool *s, char *err, size_t err_len);
int spool_segment_add(struct spool *s, uint64_t first, uint64_t next, uint64_t bytes);
/* Writes head for durable_seq - 1; replaces the file when it cannot be written in place. */
int spool_head_write(struct spool *s);
/* What a LOSS record of cause spool_full declares; false for any other record. */
bool spool_loss_of(const struct record *r, uint64_t *ret_first, uint64_t *ret_last,
		   uint64_t *ret_count);

#endif
