/* SPDX-License-Identifier: Apache-2.0 */
/* What `probity verify` is told to trust and to compare with: keys, seed, checkpoints, witnesses. */
#ifndef PROBITY_CLI_VERIFY_TRUST_H
#define PROBITY_CLI_VERIFY_TRUST_H

#include "cli.h"
#include "record/verify.h"

struct verify_trust {
	/* as on the command line */
	const char *key_file, *seed_file;
	struct cli_list checkpoints, witness_keys, tpm_files;
	uint64_t threads;

	/* as loaded */
	char key_from[4200]; /* whose word the public key is, for people; "" = the chain's own */
	bool key_beside;     /* it was found beside the spool, not named */
	uint8_t public[RECORD_PUBKEY_LEN], seed[MAC_LEN];
	struct note_key witnesses[CLI_LIST_MAX];
	uint8_t tpm_keys[CLI_LIST_MAX][ECDSA_PUBLIC_LEN];
	bool tpm_none;
	struct verify_known known[CLI_LIST_MAX];
	char *notes[CLI_LIST_MAX];
};
/* dir: where chain.pub is looked for (../keys), may be NULL. -1: go on; else the exit code, said on
 * stderr. */
int verify_trust_load(struct verify_trust *t, const struct cli_usage *u, const char *dir);
/* The options that follow from it; they point into t. */
struct verify_options verify_trust_options(const struct verify_trust *t);
void verify_trust_done(struct verify_trust *t);

/* Bytes done, rate and time left, on one line of stderr. */
struct verify_bar {
	bool on; /* a terminal, and nobody asked for JSON */
	uint64_t from_ms, last_ms;
};
void verify_bar_begin(struct verify_bar *b, bool json);
void verify_bar_at(struct verify_bar *b, uint64_t done, uint64_t all);
void verify_bar_end(struct verify_bar *b);

/* The result for people or as JSON on stdout, and its exit code. name: the directory, or what was read. */
int verify_report(const char *name, const struct verify_result *v, const struct verify_trust *t,
		  bool json);

#endif
