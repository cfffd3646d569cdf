/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The collector's own log: each checkpoint it cosigned is an entry. The store holds the entries; in
 * STATE/log stand its tiles (C2SP tlog-tiles) and its newest signed checkpoint, origin "<name>/log".
 */
#ifndef PROBITY_COLLECTOR_LEDGER_H
#define PROBITY_COLLECTOR_LEDGER_H

#include "record/tile.h"
#include "witness.h"

struct ledger;
/* Makes the folder; takes up where the tiles are. err: one line. -EUCLEAN: the store holds fewer entries
 * than were signed. */
int ledger_open(const char *state_dir, struct store *st, struct witness *w, struct ledger **ret,
		char *err, size_t err_len);
void ledger_free(struct ledger *l);
DEFINE_CLEANUP(struct ledger, ledger_free)
/* Tiles, then the checkpoint, of all that is committed. 0 or -errno; what fails is done the next time. */
int ledger_publish(struct ledger *l);
/* The signed checkpoint; "" before the first. */
const char *ledger_checkpoint(const struct ledger *l);
uint64_t ledger_size(const struct ledger *l);
/* The bytes of a tile, narrower than what is there if that is asked for. -ENOENT. */
int ledger_tile(struct ledger *l, unsigned level, uint64_t index, unsigned width,
		struct tree_hash out[static TILE_WIDTH]);

/* Of the newest entry of that name under the newest time stamp (stamp.h): the proof that it is in what was
 * stamped (C2SP tlog-proof), the entry, and the authority's answer. -ENOENT: there is none. */
struct ledger_stamp {
	char *proof; /* free both */
	char *token;
	size_t token_n;
	char entry[STORE_NOTE_MAX];
};
int ledger_stamp(struct ledger *l, const char *name, struct ledger_stamp *ret);

/* Reads all of it: entries, tiles and checkpoint against each other. 0 with the number of entries; -EBADMSG
 * with one line; -errno. */
int ledger_check(const char *state_dir, struct store *st, const struct note_key *log,
		 uint64_t *ret_size, char *err, size_t err_len);

#endif
