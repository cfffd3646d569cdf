/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spool: a directory of segments, into which records are sealed and from which they are read
 * back for the collector. State is rebuilt from the segments alone; `head` and `acked` are hints
 * to recovery, evidence to verify. Not thread-safe.
 */
#ifndef PROBITY_AGENT_SPOOL_H
#define PROBITY_AGENT_SPOOL_H

#include <sys/types.h>

#include "record/keys.h"
#include "record/segment.h"

#define SPOOL_SALT_LEN 19 /* bytes before each payload: tag, length, 16 random ones */
#define SPOOL_PAYLOAD_MAX (RECORD_PAYLOAD_MAX - SPOOL_SALT_LEN)
#define SPOOL_EPOCH_NS 900000000000ull
#define SPOOL_BUFFER (1u << 20) /* sealed, not yet durable */
/* File space kept for a full disk: for all that is sealed and the LOSS record behind it. */
#define SPOOL_RESERVE (SPOOL_BUFFER + 256 * 1024)

struct spool;
struct epochs;
struct spool_io { /* so that tests can fail them; NULL members are the system's */
	ssize_t (*pwrite)(int fd, const void *p, size_t n, off_t at);
	int (*fdatasync)(int fd);
};
struct spool_config {
	const char *dir;	   /* made when absent */
	uint32_t segment_bytes;	   /* a segment is ended when it is this long */
	struct epochs *epochs;	   /* stays the caller's; must outlive the spool */
	const char *origin;	   /* of checkpoints: "<org>/<host>"; the chain is added */
	const uint8_t *tpm_public; /* of the TPM's key that SEALs name; NULL: none. The caller's */
	uint64_t epoch_ns;	   /* 0: SPOOL_EPOCH_NS */
	bool by_checkpoint; /* records have no signature of their own: MAC, SEAL and checkpoint */
	const struct spool_io *io;
};

/* What recovery had to do; each becomes a signed REPAIR record and, where records are gone, LOSS. */
struct spool_repair {
	char file[64];
	char reason[128];
	uint64_t offset, bytes;
	bool lost; /* lost_first to lost_last are not readable any more */
	uint64_t lost_first, lost_last;
};
#define SPOOL_REPAIRS_MAX 16

struct spool_state {
	uint8_t chain[16];
	uint64_t next_seq;		 /* of the next record to seal */
	uint64_t durable_seq;		 /* records below are on disk */
	uint64_t last_id, durable_id;	 /* newest id that is not 0: sealed, durable */
	uint64_t first_seq;		 /* oldest record kept */
	uint64_t bytes, segments;	 /* on disk */
	uint64_t pending, pending_bytes; /* records sealed and not durable */
	uint64_t groups, failures;	 /* commits done; writes and syncs that failed */
	uint32_t epoch;			 /* of the next record */
	uint64_t epoch_first;		 /* seq of its first record */
	uint64_t epoch_boot_ns;		 /* since when it is open, in this boot */
	uint64_t wall_ns, boot_ns;	 /* of the last record; 0 = of another boot or none */
	uint64_t last_wall_ns;		 /* of the last record found at the start, of any boot */
	uint64_t checkpoint;		 /* tree size of the last one written */
	uint64_t erased;		 /* payloads, by this run */
	/* The newest declared hole known: LOSS record `seq` says that first to last left the spool. */
	struct spool_hole {
		bool valid;
		uint64_t first, last, seq;
	} hole;
	struct spool_repair repairs[SPOOL_REPAIRS_MAX];
	size_t repairs_count;
};

/* Takes the lock, recovers. err: one line naming file and cause. 0 or -errno. */
int spool_open(const struct spool_config *c, struct spool **ret, char *err, size_t err_len);
void spool_free(struct spool *s); /* commits nothing */
const struct spool_state *spool_state(const struct spool *s);
/* Gives everything in the spool to another user. */
int spool_chown(struct spool *s, uid_t uid, gid_t gid);

/*
 * Encode, chain, sign, frame, into memory; 16 random bytes (field `salt`) go before the payload. id 0 = made by the recorder. 0; -EALREADY when an id
 * that is not 0 is not above the last (a duplicate); -ENOBUFS when memory is full: commit first;
 * -EMSGSIZE; -EIO when the key does not sign. A record of `urgent` may use room kept for it.
 */
int spool_seal(struct spool *s, uint32_t schema, uint64_t id, const void *payload, size_t n,
	       bool urgent);
/* Whether the open epoch has lasted its time; how long beyond it, in ns. */
bool spool_epoch_due(const struct spool *s, uint64_t *ret_late_ns);
/* SEAL, and the next epoch. Durable with the next commit, until which no other epoch can end: -EBUSY. */
int spool_end_epoch(struct spool *s, const char *reason, bool late);
/* Tiles and a signed checkpoint of all that is durable; neither is waited for. 0 or -errno. */
int spool_checkpoint(struct spool *s);
/* The same in two steps, so that another may add a line. *ret_n 0: none is due; *ret_text: length of what is
 * signed. Put writes it. */
int spool_checkpoint_make(struct spool *s, char *note, size_t cap, size_t *ret_n, size_t *ret_text,
			  uint64_t *ret_size);
int spool_checkpoint_put(struct spool *s, const char *note, size_t n, uint64_t size);
/* Makes one tile durable, if there is any that is not: to be called when nothing else is to be done. */
bool spool_tiles_step(struct spool *s);
/* Everything sealed becomes durable, then head. 0, or -errno and nothing is lost: the records
 * stay in memory for the next try, which goes on behind what was written, or, after a failed
 * fsync, with a new segment. */
int spool_commit(struct spool *s);
/* Removes segments that hold only records below `seq`; the signed head says so first. */
int spool_drop(struct spool *s, uint64_t seq);
/* The sequence number below which spool_drop frees at least one segment; 0 = only one is left. */
uint64_t spool_oldest_end(const struct spool *s);
/* Sets file space aside for LOSS records. 0 or -errno. */
int spool_reserve(struct spool *s);
/* What is sealed goes into that space with the next commit. */
void spool_reserve_use(struct spool *s);

/*
 * Whole frames of durable records from `seq` on, of one segment, as many as fit and at most
 * max_records. Bytes; 0 when nothing is durable from there on; -ENOENT when `seq` is gone: go on
 * at spool_next_kept(); -errno.
 */
ssize_t spool_read(struct spool *s, uint64_t seq, uint8_t *buf, size_t cap, size_t max_records,
		   size_t *ret_records);
/* The lowest sequence number ≥ seq that is kept; durable_seq if there is none. */
uint64_t spool_next_kept(const struct spool *s, uint64_t seq);
/* LOSS records of cause spool_full in the records from `from` up to below `to`: what they declare. */
uint64_t spool_declared(struct spool *s, uint64_t from, uint64_t to);
/* Notes that LOSS record `seq`, now sealed, declares the hole. */
void spool_note_hole(struct spool *s, uint64_t first, uint64_t last, uint64_t seq);

/* The collector's last word as a hint over restarts. Read: -ENOENT when none fits this chain. */
int spool_acked_read(struct spool *s, uint64_t *ret_seq);
int spool_acked_write(struct spool *s, uint64_t seq);

#endif
