/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An evidence bundle (docs/EXPORT.md): one .tar.zst with records, the seals that lead to their keys,
 * proofs, public keys, policy packs and reports, all named in a manifest. Made by `probity export`,
 * checked by `probity verify FILE.tar.zst` or, without us, as its README says.
 */
#ifndef PROBITY_CLI_BUNDLE_H
#define PROBITY_CLI_BUNDLE_H

#include "record/verify.h"

/* A Zstandard frame: what `verify` takes for a bundle. */
bool bundle_is(const char *path);

struct bundle_options {
	/* As for a directory: expect_public, mac_seed, known, witnesses, threads and callbacks. Without
	 * expect_public the bundle's own keys/chain.pub is believed, and the result says so. */
	const struct verify_options *verify; /* NULL: none of them */
	const uint8_t *signer; /* who must have signed the manifest; NULL: anybody or nobody */
};
struct bundle_result {
	bool ok;
	bool newer; /* of a format we do not know: what is known of it was checked, ok is false */
	unsigned version;
	char tool[64], created[40];
	char host[256];		      /* "<org>/<host>" of the signed checkpoint; "" without one */
	uint64_t first_seq, last_seq; /* as the manifest says */
	uint64_t files, bytes;	      /* named in the manifest and checked */
	bool is_signed;		      /* and the signature holds under `signer` */
	uint8_t signer[RECORD_PUBKEY_LEN];
	bool signer_expected, key_expected; /* the caller's, not the bundle's own word */
	uint64_t proved;		    /* records shown to be in the tree of the checkpoint */
	uint64_t checkpoint_size, witness_size, witness_s;
	struct verify_result records; /* verify_dir's word on the records */
	size_t findings;	      /* of the bundle and of the records */
	struct verify_finding first;  /* file: the name in the bundle */
};
/* 0 when it could be read (ret->ok is the verdict); -errno with one line in err when not: no such file,
 * no archive, one that is refused (a path outside of it, a link, too many files, too large). */
int bundle_verify(const char *path, const struct bundle_options *o, struct bundle_result *ret,
		  char *err, size_t err_len);
/* The result for people or as JSON on stdout, with the exit code of `verify`. */
int bundle_report(const char *path, const struct bundle_result *v, bool json);

#endif
