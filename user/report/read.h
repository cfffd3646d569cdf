/* SPDX-License-Identifier: Apache-2.0 */
/* Records out of a spool directory or a collector's store into a tally. Reads only. */
#ifndef PROBITY_REPORT_READ_H
#define PROBITY_REPORT_READ_H

#include "record/segment.h"
#include "tally.h"

/* hosts: a glob over host names, NULL: all. A source of another host is left out. err: one line that
 * names the file. 0 or -errno. */
int read_dir(struct tally *t, const char *dir, const char *hosts, char *err, size_t err_len);
int read_db(struct tally *t, const char *path, const char *hosts, char *err, size_t err_len);

/* One chain's records, in order; where the chain does not hold is told to the tally. */
struct feed {
	struct tally *t;
	struct chain_state chain;
	/* The public key of an epoch, where reading begins behind the record that names it. 0, -ENOENT. */
	int (*key)(void *ctx, uint32_t epoch, uint8_t ret[static RECORD_PUBKEY_LEN]);
	void *ctx;
};
void feed_record(struct feed *f, const struct frame *fr, const char *file, uint64_t offset);
/* What follows comes behind a declared hole, or behind damage: its first record is taken as given. */
void feed_restart(struct feed *f);
void feed_done(struct feed *f);

#endif
