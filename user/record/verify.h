/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A directory of segments read as an auditor would: every frame, hash, signature and MAC, the epochs and
 * their seals, the tree against the tiles beside it, and that the signed head and every checkpoint known
 * anywhere are covered. Reads only; on several threads.
 */
#ifndef PROBITY_RECORD_VERIFY_H
#define PROBITY_RECORD_VERIFY_H

#include "note_ecdsa.h"
#include "segment.h"

struct verify_finding {
	char file[256];
	uint64_t offset; /* in that file */
	uint64_t seq;	 /* expected there */
	char kind[32]; /* frame, crc, record, sequence, previous hash, signature, chain id, key id,
			    id order, epoch, seal, seal overdue, tree, time, boot, mac, torn tail, tail
			    cut, head, missing segment, tile, checkpoint, cosignature, uncovered, fork,
			    erased, tpm, io, empty */
	char detail[160];
};
struct verify_result {
	bool ok;
	uint64_t first_seq, last_seq, records, bytes, segments;
	uint64_t by_schema[8];
	uint8_t chain[16], public[32], last_leaf[32]; /* public: of the chain's first epoch */
	bool trusted;	/* public is the caller's, not the chain's own word */
	bool pruned;	/* first_seq > 0: earlier segments were removed within the spool's bound */
	bool live_tail; /* an incomplete last frame while the agent holds the directory's lock */
	uint64_t epochs, seals, late_seals; /* of the segments read */
	uint64_t tiles;			    /* checked */
	uint64_t signatures, macs;	    /* checked */
	uint64_t erased;		    /* records without their payload */
	uint64_t erased_silent;		    /* of these: no ERASE record here names them */
	uint64_t
		unsigned_tail; /* records behind the last signature that covers them; a live agent has some */
	struct tree_hash root; /* of all records; tree_known only */
	bool tree_known;
	uint64_t checkpoint_size; /* largest that is covered; 0 = none is known */
	uint64_t tpm_size;	  /* largest that is covered and has the TPM's line; 0 = none */
	uint64_t witness_size, witness_s; /* largest cosigned one, and when: Unix seconds */
	uint64_t
		cosigned_unchecked; /* largest with a line of a witness that nobody named; 0 = none */
	size_t findings;
	struct verify_finding first;
};
/* A checkpoint from elsewhere (a collector, a bundle, an auditor's own copy): the chain must cover it. */
struct verify_known {
	const char *where; /* for messages */
	const char *note;
	size_t n;
};
#define VERIFY_WITNESSES_MAX 64
struct verify_options {
	const uint8_t *
		expect_public; /* of the first epoch; NULL: DIR/../keys/chain.pub is not looked for,
					 the chain's own START is believed */
	const uint8_t *mac_seed; /* K_0; NULL: MACs are not checked */
	const struct verify_known *known;
	size_t known_n;
	const struct note_key *witnesses; /* each must have cosigned a checkpoint here */
	size_t witnesses_n;		  /* at most VERIFY_WITNESSES_MAX */
	/* Of TPMs, whose line the newest checkpoint must have; none: the one the chain names, if it does */
	const uint8_t (*tpm_keys)[ECDSA_PUBLIC_LEN];
	size_t tpm_keys_n;
	bool tpm_none;	  /* though the chain may name one */
	unsigned threads; /* 0: as many as there are CPUs */
	/* DIR is a copy of some of the chain's records (a bundle, a collector's answer): it needs no head, its
	 * SEALs need not reach the end, and leaves before and behind it are taken from its tiles, if any. */
	bool part;
	/* The tree of all before the first record of such a copy; NULL: not known. */
	const struct tree_edge *before;
	/* Of such a copy: the caller sees to it that each record below `covered` is in a tree that the key of
	 * epoch `covered_epoch` signed. It speaks for records without a signature of that epoch only. */
	uint64_t covered;
	uint32_t covered_epoch;
	/* called in order of seq for each good record, from the calling thread, may be NULL; return
	 * non-zero to stop */
	int (*record)(void *ctx, const struct record *r, const struct frame *f);
	/* called for each finding, may be NULL */
	void (*finding)(void *ctx, const struct verify_finding *f);
	void (*progress)(void *ctx, uint64_t done_bytes, uint64_t all_bytes);
	void *ctx;
};
/* 0 when it could be read (ret->ok tells the verdict); -errno when the directory cannot be. */
int verify_dir(const char *dir, const struct verify_options *o, struct verify_result *ret);

#endif
