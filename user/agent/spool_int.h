/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by spool.c, spool_recover.c and spool_read.c only. */
#ifndef PROBITY_AGENT_SPOOL_INT_H
#define PROBITY_AGENT_SPOOL_INT_H

#include "base/reader.h"
#include "epochs.h"
#include "record/checkpoint.h"
#include "record/segment_io.h"
#include "record/tile.h"
#include "spool.h"
#include "spool_erase.h"

#define FRAME_MAX (SEGMENT_FRAME_LEN + RECORD_HEADER_LEN + RECORD_PAYLOAD_MAX + RECORD_SEAL_MAX)
#define URGENT_ROOM (64 * 1024) /* of the buffer, for records that say what was lost */

/* One segment: records first to below next, in its first `bytes` bytes. */
struct segment {
	uint64_t first, next, bytes;
};

/* What a SEAL says, for whoever begins to read behind it. */
struct seal_note {
	uint64_t seq;
	uint32_t epoch; /* that it ends */
	uint8_t next_public[RECORD_PUBKEY_LEN];
	struct tree_hash root; /* of all records before it */
};

struct spool {
	struct spool_state st;
	char path[4096];     /* for messages */
	int dir, lock, head; /* head: -1 when it must be made anew */
	struct epochs *epochs;
	const uint8_t *tpm_public;
	char origin[ORIGIN_MAX];
	uint64_t epoch_ns;
	bool by_checkpoint;
	struct tree_edge tree; /* of all that is sealed */
	struct tiles *tiles;   /* of what is durable, a part of it on disk */
	bool tiles_bad;	       /* they could not be written, or lack some */
	uint64_t tiled,
		tiled_said;	  /* leaves in durable tiles, as the file says: durable, written */
	struct tree_hash *leaves; /* of what is sealed and not durable */
	size_t leaves_n, leaves_cap;
	bool handover;		 /* a SEAL waits to be durable */
	size_t seal_at, seal_n;	 /* its frame in buf */
	struct seal_note *seals; /* all of the chain, ascending */
	size_t seals_n, seals_cap;
	uint64_t seals_bytes; /* good ones of the file `seals` */
	uint8_t *seals_tail;  /* frames it does not have yet */
	size_t seals_tail_n;
	bool seals_new; /* it is to be written anew */
	uint8_t salts[4096];
	size_t salts_used;
	struct spool_io io;
	uint32_t segment_bytes;
	uint8_t boot_id[16], prev[RECORD_HASH_LEN];
	uint8_t durable_leaf[RECORD_HASH_LEN]; /* of durable_seq - 1 */

	struct segment *segs; /* ascending; the last one is being written when fd >= 0 */
	size_t segs_n, segs_cap;
	int fd;
	bool reserve_next, reserved; /* the next file is `reserve`; the open one was */
	uint64_t buf_first;	     /* sequence number of the first record in buf */
	size_t buf_len;		     /* bytes sealed and not durable */
	size_t buf_written;	     /* of these, bytes given to the file */
	uint8_t *buf;		     /* SPOOL_BUFFER + URGENT_ROOM + FRAME_MAX */

	struct { /* spool_erase.c */
		bool on, unsure;
		uint64_t first, last, at;
	} erase;

	/* where the last spool_read stopped, so that the next one need not search */
	uint64_t read_seq, read_segment, read_offset;
	struct segment_reader *in;
};

int spool_recover(struct spool *s, char *err, size_t err_len);
void spool_segment_end(struct spool *s); /* of the one being written */
int spool_segment_add(struct spool *s, uint64_t first, uint64_t next, uint64_t bytes);
/* Writes head for durable_seq - 1; replaces the file when it cannot be written in place. */
int spool_head_write(struct spool *s);
/* spool_epoch.c */
int spool_seals_load(struct spool *s);
int spool_seals_sync(struct spool *s); /* `seals` has all of them */
/* The key and the epoch of record `seq`. */
int spool_key_at(const struct spool *s, uint64_t seq, uint8_t ret[static RECORD_PUBKEY_LEN],
		 uint32_t *ret_epoch);
void spool_epoch_durable(struct spool *s); /* a commit has made a SEAL durable */
/* spool_tree.c. Tiles and tree of all records before `next`, of which `last` is the leaf of the last one. 0;
 * -ENODATA: some leaves are nowhere any more. */
int spool_tree_load(struct spool *s, uint64_t next, const uint8_t *last, struct tree_edge *ret);
void spool_leaves_durable(struct spool *s);
int spool_tiles_write(struct spool *s);		       /* all of them; not synced */
int spool_tiles_keep(struct spool *s, uint64_t below); /* the leaves before `below`, for good */
/* spool_erase.c: an erasure that the run before did not end. */
void spool_erase_resume(struct spool *s);
/* spool_side.c */
int spool_tiled_read(struct spool *s, uint64_t *ret);
int spool_tiled_write(struct spool *s, uint64_t n, bool durable);
/* A whole file in the place of another, not synced: after a power cut it may be empty. */
int spool_replace(struct spool *s, const char *name, const char *text, size_t n);
/* ... and is removed then. */
void spool_replaced_check(struct spool *s);
/* What a LOSS record of cause spool_full declares; false for any other record. */
bool spool_loss_of(const struct record *r, uint64_t *ret_first, uint64_t *ret_last,
		   uint64_t *ret_count);

#endif
