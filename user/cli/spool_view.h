/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's spool as a reader sees it: its newest records, one record, its key. */
#ifndef PROBITY_CLI_SPOOL_VIEW_H
#define PROBITY_CLI_SPOOL_VIEW_H

#include "record/render.h"
#include "segread.h"

/* First sequence numbers of all segments, ascending. Caller frees. 0 or -errno. */
int spool_segments(const char *dir, uint64_t **ret, size_t *ret_n);

/* Damage met on the way: the rest of that segment was not read. */
struct spool_damage {
	size_t count;
	struct spool_pos at;
	char why[64];
};
struct spool_query {
	bool (*want)(void *ctx, const struct sealed *s); /* NULL: every record */
	void *ctx;
	size_t limit; /* 0: all */
};
/*
 * The newest records that are wanted, oldest first, and where the spool ends now. A record whose
 * bytes do not decode counts as damage. ret_damage is filled in any case.
 */
int spool_newest(const char *dir, const struct spool_query *q, struct spool_pos **ret,
		 size_t *ret_n, struct spool_pos *ret_end, struct spool_damage *ret_damage);

/* A reader that keeps its segment open between calls: records at ascending or descending places. */
struct spool_cursor {
	const char *dir;
	struct segread *seg;
	struct spool_pos at;
};
/* Opens the record at a place; it borrows from the cursor until the next call. 0, -ENOENT when the
 * segment was removed meanwhile, -EBADMSG, -errno. */
int spool_at(struct spool_cursor *c, struct spool_pos at, struct sealed *ret, const char **ret_why);
void spool_cursor_done(struct spool_cursor *c);

/* The place of one sequence number. 0; -ENOENT: not there; -EBADMSG with the damage before it. */
int spool_find(const char *dir, uint64_t seq, struct spool_pos *ret,
	       struct spool_damage *ret_damage);

/* The public key whose id is in the record: from the signed head, else from the newest START record
 * that names it. 0, -ENOENT. */
int spool_public(const char *dir, const struct record *r, uint8_t ret[static RECORD_PUBKEY_LEN]);

#endif
