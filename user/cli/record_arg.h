/* SPDX-License-Identifier: Apache-2.0 */
/* The one record that `show SEQ` and `cert SEQ` are about. */
#ifndef PROBITY_CLI_RECORD_ARG_H
#define PROBITY_CLI_RECORD_ARG_H

#include "cli.h"
#include "spool_view.h"

struct record_arg {
	char dir[3800];
	uint64_t seq;
	struct spool_cursor cursor;
	struct sealed sealed;
	bool has_anchor, has_public, signature_ok;
	uint8_t anchor[RECORD_PUBKEY_LEN]; /* of the chain's first epoch */
	uint8_t public[RECORD_PUBKEY_LEN]; /* of the record's */
	char key_why[512];		   /* why has_public is false; may be empty */
};
/*
 * Finds, opens and checks the signature of record `seq` below state_dir, under the key of its epoch, which
 * the chain's SEALs name. key_file: the public key of the chain's first epoch; NULL takes keys/chain.pub of
 * state_dir, and where that is not, the key the record's own START names. signature_ok is false of a
 * record without a signature of its own. -1 when found (signature_ok tells the rest), else
 * the exit code, said on stderr.
 */
int record_arg_open(struct record_arg *a, const char *verb, const char *state_dir, uint64_t seq,
		    const char *key_file);
void record_arg_done(struct record_arg *a);

#endif
