/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by verify*.c only: the walk over a directory, and what is kept of the files beside the segments. */
#ifndef PROBITY_RECORD_VERIFY_INT_H
#define PROBITY_RECORD_VERIFY_INT_H

#include "checkpoint.h"
#include "erasures.h"
#include "segment_io.h"
#include "tile.h"
#include "verify.h"

/* One SEAL: of the file `seals`, or met in the segments. Ascending, an epoch each. */
struct epoch_end {
	uint64_t seq;
	uint32_t epoch;
	uint8_t next_public[RECORD_PUBKEY_LEN];
	struct tree_hash leaf, root; /* root: of all records before it */
	bool in_file, met;	     /* met in the segments */
};
struct epoch_ends {
	struct epoch_end *end;
	size_t n, cap;
	bool file;   /* there is one */
	bool broken; /* and something in it does not hold */
	bool torn;
	uint64_t torn_at;
	/* The first SEAL, while the key of its epoch is not known. */
	bool first_open;
	uint8_t first_header[RECORD_HEADER_LEN], first_sig[RECORD_SIG_LEN];
};

/* The tree as the walk makes it, a tile of each level at a time, against the files. */
struct tile_walk {
	uint64_t n;    /* leaves so far */
	uint64_t must; /* of so many leaves there must be tiles */
	bool off;      /* a leaf is unknown: from there on nothing can be said */
	bool bad;
	struct tree_hash level[TILE_LEVELS][TILE_WIDTH];
	/* the last tile of level 0 read from its file */
	bool loaded;
	uint64_t loaded_index;
	unsigned loaded_n;
	struct tree_hash file[TILE_WIDTH];
};

struct known_note {
	const char *where;
	char *text; /* ours to free; NULL: the caller's */
	const char *p;
	size_t n;
	struct note note;
	struct checkpoint c;
	bool beside;	       /* a file of the directory */
	uint64_t next_wall_ns; /* of the record behind it, where that was read */
	bool parsed, same, differs;
};
struct known_notes {
	struct known_note *note;
	size_t n;
	uint64_t next; /* the smallest size still to come; UINT64_MAX: none */
	uint64_t seen; /* bit i: witness i cosigned one of them */
};

struct walk {
	const struct verify_options *o;
	struct verify_result *r;
	const char *path;
	int dir;
	uint64_t *names; /* first seq of each segment, ascending */
	size_t n;
	uint64_t all_bytes;
	struct head head;
	bool have_head, head_seen, based, stop;
	uint8_t first_public[RECORD_PUBKEY_LEN]; /* of epoch 0 */
	bool first_known;
	struct chain_state c;
	struct mac_key mac;
	uint64_t covered;		 /* records below are under a signature */
	char file[SEGMENT_NAME_LEN + 1]; /* the segment being read */
	uint64_t done;			 /* bytes of the segments before it */
	uint64_t told;			 /* bytes at the last word on progress */
	struct epoch_ends ends;
	struct tile_walk tiles;
	struct known_notes notes;
	struct tpm_walk {
		bool known, other;     /* other: the chain names more than one, which was said */
		uint64_t seq, wall_ns; /* of the first record that names it */
		uint8_t public[ECDSA_PUBLIC_LEN];
	} tpm;
	struct erasures erasures;
};

/* verify.c */
__attribute__((format(printf, 6, 7))) void verify_found(struct walk *w, const char *file,
							uint64_t offset, uint64_t seq,
							const char *kind, const char *fmt, ...);

/* verify_base.c: the state from which a segment is read when nothing before it is proven. */
void verify_base(struct walk *w, uint64_t name, const struct frame *f);

/* verify_head.c */
bool verify_live(const struct walk *w); /* a recorder holds the directory's lock now */
void verify_head_load(struct walk *w);
/* The spool's bound took the segment `name` of a live spool since the head was read. */
bool verify_pruned_meanwhile(const struct walk *w, uint64_t name);
void verify_head_beginning(struct walk *w); /* the segments are listed */
void verify_head_check(struct walk *w);	    /* and read */

/* verify_seals.c: SEALs and keys. Load: before the segments are listed. */
int verify_ends_load(struct walk *w);
void verify_ends_done(struct walk *w);
/* A SEAL was read in the segments. 0, -ENOMEM. */
int verify_ends_add(struct walk *w, const struct record *r, const struct frame *f);
/* The epoch of record `seq`, and its key; false: not known. */
bool verify_key_at(const struct walk *w, uint64_t seq, uint32_t *ret_epoch,
		   uint8_t ret[static RECORD_PUBKEY_LEN]);
/* The SEAL before record `seq`, or NULL. */
const struct epoch_end *verify_end_before(const struct walk *w, uint64_t seq);
/* What the file must say, once the segments were read: that it is whole and signed. */
void verify_ends_check(struct walk *w);
bool verify_seal_of(const uint8_t *record, size_t n, struct epoch_end *ret);

/* verify_tiles.c: the chain's leaves as they are read; or from the tiles up to `to`, into *edge. */
void verify_tiles_leaf(struct walk *w, const struct tree_hash *leaf);
bool verify_tiles_fill(struct walk *w, uint64_t to, struct tree_edge *edge);
void verify_tiles_end(struct walk *w);

/* verify_notes.c */
int verify_notes_load(struct walk *w);
void verify_notes_done(struct walk *w);
/* The tree of the first `edge->size` records is known. */
void verify_notes_at(struct walk *w, const struct tree_edge *edge);
uint64_t verify_notes_largest(const struct walk *w);
void verify_notes_check(struct walk *w);

/* verify_tpm.c: records as they are read, from `seals` or the segments; at the end, behind the notes */
void verify_tpm_record(struct walk *w, const char *file, const struct record *r);
void verify_tpm_check(struct walk *w);

/* verify_erased.c */
void verify_erased_check(struct walk *w);

#endif
