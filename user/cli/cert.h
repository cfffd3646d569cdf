/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A certificate (`probity cert`): made from a spool, checked away from it with nothing but the public key
 * of the chain's first epoch.
 */
#ifndef PROBITY_CLI_CERT_H
#define PROBITY_CLI_CERT_H

#include <jansson.h>

#include "record/note.h"
#include "record/render.h"

struct cert_trust {
	const uint8_t
		*chain_public; /* of the chain's first epoch; NULL: the certificate's own word */
	const struct note_key *witnesses; /* of NOTE_COSIGNATURE; each must have cosigned */
	size_t witnesses_n;		  /* 0: cosignatures are not looked at */
};

enum cert_verdict { CERT_HOLDS, CERT_FAILS, CERT_NOT_CHECKED };
struct cert_step {
	const char
		*name; /* static: form, record, trust anchor, seals, signature, epoch, checkpoint,
			     inclusion, cosignature, fields */
	enum cert_verdict verdict;
	char detail[200]; /* printable */
};
#define CERT_STEPS_MAX 12
struct cert_result {
	bool ok; /* no step fails; behind the first that does none is taken */
	uint64_t version;
	bool newer; /* than this program: fields it does not know were not checked */
	uint8_t chain[16], chain_public[RECORD_PUBKEY_LEN];
	uint64_t seq, wall_ns;
	uint64_t tree_size, witness_s; /* of the checkpoint; when it was cosigned, 0: not known */
	size_t n;
	struct cert_step steps[CERT_STEPS_MAX];
};
/* 0; -ENOMEM. */
int cert_verify(const json_t *cert, const struct cert_trust *t, struct cert_result *ret);

/* `probity verify FILE.json`: reads, checks, prints each step. The exit code (cli.h): CLI_OK, CLI_NEGATIVE,
 * CLI_UNREACHABLE. */
int cert_verify_file(const char *path, const struct cert_trust *t, bool json);

/* What `probity cert` adds to render_certificate() for record s of the spool in dir: the SEALs from the
 * first epoch to the checkpoint's, the path to the SEAL of the record's own epoch, and a tlog-proof. 0;
 * -errno with one line in err. */
int cert_add_proof(json_t *cert, const struct sealed *s, const char *dir,
		   const uint8_t chain_public[static RECORD_PUBKEY_LEN], char *err, size_t err_len);

#endif
