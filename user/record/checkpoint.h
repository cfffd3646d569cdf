/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C2SP tlog-checkpoint, tlog-cosignature (Ed25519, type 0x04), tlog-witness requests and tlog-proof files.
 * PURE. A checkpoint is the text of a signed note (note.h):
 *   origin "\n" size "\n" base64(root) "\n"
 */
#ifndef PROBITY_RECORD_CHECKPOINT_H
#define PROBITY_RECORD_CHECKPOINT_H

#include "note.h"
#include "tree.h"

#define CHECKPOINT_INTERVAL_S 10 /* an agent signs one so often while records come */
#define ORIGIN_MAX NOTE_NAME_MAX /* "<org>/<host>/<chain in hex>" */
struct checkpoint {
	char origin[ORIGIN_MAX];
	uint64_t size;
	struct tree_hash root;
};
/* A name that can be the key name of a note as well. 0, -EINVAL. */
int checkpoint_origin(const char *org, const char *host, const uint8_t chain[static 16],
		      char out[static ORIGIN_MAX]);
/* The same of "<org>/<host>". */
int checkpoint_origin_of(const char *org_host, const uint8_t chain[static 16],
			 char out[static ORIGIN_MAX]);
/* Its origin ends with this chain. */
bool checkpoint_is_of(const struct checkpoint *c, const uint8_t chain[static 16]);
size_t checkpoint_text(const struct checkpoint *c, char *out, size_t cap); /* 0: does not fit */
/* Extension lines are allowed and left out. 0; -EBADMSG with *ret_why. */
int checkpoint_parse(const char *text, size_t n, struct checkpoint *ret, const char **ret_why);

/* "cosignature/v1\ntime T\n" ‖ text, signed; the line with its newline. Length, 0 on failure. */
size_t cosign(const char *text, size_t n, uint64_t unix_s, const char *name, struct signer *s,
	      char *out, size_t cap);
/* By its shape: 8 bytes of a time that begin with 0, and 64. (ECDSA in DER can be as long, and begins with
 * 0x30.) */
bool cosignature_is(const struct note_sig *s);
/* 0 with the time of this witness's (last) cosignature; -ENOKEY: none; -EBADMSG: one is wrong. Its vkey is
 * of NOTE_COSIGNATURE. */
int cosignature_verify(const struct note *n, const struct note_key *witness, uint64_t *ret_unix_s);

/* Body of add-checkpoint: "old N", proof lines, an empty line, the note. */
struct witness_request {
	uint64_t old;
	struct tree_hash path[TREE_PATH_MAX];
	size_t n;
	const char *note; /* into what was parsed */
	size_t note_n;
};
int witness_request_parse(const char *p, size_t n, struct witness_request *ret,
			  const char **ret_why);
size_t witness_request_text(const struct witness_request *r, char *out, size_t cap);

/* c2sp.org/tlog-proof@v1 */
struct tlog_proof {
	const uint8_t *extra; /* not authenticated; into a buffer of the caller's */
	size_t extra_n;
	uint64_t index;
	struct tree_hash path[TREE_PATH_MAX];
	size_t n;
	const char *note;
	size_t note_n;
};
size_t tlog_proof_text(const struct tlog_proof *p, char *out, size_t cap);
int tlog_proof_parse(const char *p, size_t n, struct tlog_proof *ret, uint8_t *extra,
		     size_t extra_cap, const char **ret_why);

#endif
