/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policy packs as files: read, checked for who signed them and for being no older than what was in
 * force, and the last good one kept in STATE-DIR/policy. Whether the text is a pack is for the worker
 * to say; this never parses it.
 */
#ifndef PROBITY_AGENT_POLICY_STORE_H
#define PROBITY_AGENT_POLICY_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct policy_text {
	char *text, *sig; /* NULL: none */
	size_t n, sig_n;
	uint64_t revision; /* of its signature; 0: not signed, or not checked */
	char signer[64];   /* name of the key that signed it; "" */
	char name[128];	   /* of the file, for people */
	uint8_t sha256[32];
};
void policy_text_done(struct policy_text *t);

struct policy_store;
/* key: file of a public key (PEM, vkey or hex), NULL: packs need no signature. A key that cannot be
 * read refuses every pack, and the last good one stays. 0 or -errno. */
int policy_store_open(const char *state_dir, const char *key, bool allow_rollback,
		      struct policy_store **ret);
void policy_store_free(struct policy_store *s);

/*
 * Reads FILE and FILE.sig, and checks them. owner: the file is this user's or root's, and one that is
 * root's may be read by everybody (so that who cannot read it learns nothing of it); -1: whoever's.
 * 0; -errno with one line in err.
 */
int policy_store_read(const struct policy_store *s, const char *path, uid_t owner,
		      struct policy_text *ret, char *err, size_t err_len);
/* What was kept, once; 0, -ENOENT, -EBADMSG with err. */
int policy_store_good(const struct policy_store *s, struct policy_text *ret, char *err,
		      size_t err_len);
/*
 * t came into force as `generation`. revision: its own, when no signature gave one. file: SHA-256 of the
 * configured file when t was loaded in its place, NULL: t is that file. 0 or -errno.
 */
int policy_store_keep(struct policy_store *s, const struct policy_text *t, uint64_t generation,
		      uint64_t revision, const uint8_t *file);

uint64_t policy_store_generation(const struct policy_store *s);	  /* the highest ever in force */
uint64_t policy_store_revision(const struct policy_store *s);	  /* the same */
uint64_t policy_store_min_revision(const struct policy_store *s); /* 0 with --allow-rollback */
bool policy_store_signed(const struct policy_store *s);		  /* packs need a signature */
/* Whether the kept pack was loaded in place of a configured file with this SHA-256. */
bool policy_store_replaces(const struct policy_store *s, const uint8_t sha256[static 32]);

#endif
