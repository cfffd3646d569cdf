// SPDX-License-Identifier: Apache-2.0
/*
 * probity cert SEQ: the certificate of one record, of whatever kind. It is printed only when it verifies with the
 * key of the chain's first epoch, so a certificate never says what nobody signed.
 */
#include <errno.h>
#include <inttypes.h>

#include "cert.h"
#include "cmd.h"
#include "record_arg.h"

/* Why it cannot be checked or does not hold; -1: it can, and does as far as it has a signature. */
static int refused(const struct record_arg *a)
{
	if (!a->has_anchor)
		fprintf(stderr,
			"probity cert: %s/../keys/chain.pub, the public key of the chain's first epoch, is not "
			"readable; give it with --key FILE\n",
			a->dir);
	else if (!a->has_public)
		fprintf(stderr, "probity cert: no key for record %" PRIu64 ": %s\n", a->seq,
			a->key_why);
	else if (a->sealed.head.alg != RECORD_CHECKPOINT && !a->signature_ok)
		fprintf(stderr,
			"probity cert: the signature of record %" PRIu64
			" does not hold; run probity verify\n",
			a->seq);
	else
		return -1;
	return CLI_NEGATIVE;
}

/* What is printed verifies: the reader's check is made here first. */
static int print(const struct record_arg *a)
{
	struct cert_trust trust = {.chain_public = a->anchor};
	struct cert_result res = {0};
	char err[4600] = "";
	json_t *cert;
	int r = refused(a);

	if (r >= 0)
		return r;
	cert = render_certificate(&a->sealed, a->public);
	if (!cert)
		return cli_unreadable(a->dir, ENOMEM);
	r = cert_add_proof(cert, &a->sealed, a->dir, a->anchor, err, sizeof(err));
	if (!r)
		r = cert_verify(cert, &trust, &res);
	if (!r && res.ok)
		return cli_print_json(cert, false, stdout) ? cli_unreadable(a->dir, ENOMEM)
							   : CLI_OK;
	json_decref(cert);
	if (!r && res.n)
		snprintf(err, sizeof(err), "%s: %s; run probity verify", res.steps[res.n - 1].name,
			 res.steps[res.n - 1].detail);
	fprintf(stderr, "probity cert: record %" PRIu64 ": %s\n", a->seq, err);
	return r == -ENOMEM ? CLI_UNREACHABLE : CLI_NEGATIVE;
}

int cmd_cert(int argc, char **argv)
{
	_cleanup_(record_arg_done) struct record_arg a = {0};
	const char *state_dir = CLI_STATE_DIR, *key = NULL;
	bool json;
	uint64_t seq;
	const struct cli_option options[] = {
		{"key", 'k', CLI_TEXT, &key, "FILE",
		 "the public key of the chain's first epoch, PEM or hex (default: keys/chain.pub)"},
		{"json", 0, CLI_FLAG, &json, NULL, "accepted; the output is always JSON"},
		CLI_OPT_STATE_DIR(&state_dir),
		{0},
	};
	const struct cli_usage u = {
		"cert",
		"SEQ",
		"Prints the certificate of a record (of an AI call: the decision on it) with everything that\n"
		"proves it, after checking it: the record, the keys of the epochs, and the path to a signed checkpoint.",
		options,
		"probity verify FILE.json --key chain.pub checks it on any host.",
	};
	int first, r = cli_options(&u, argc, argv, &first);

	if (r >= 0)
		return r;
	if (first + 1 != argc || !cli_number(argv[first], &seq))
		return cli_wrong(&u, "wants one sequence number");
	r = record_arg_open(&a, "cert", state_dir, seq, key);
	return r >= 0 ? r : print(&a);
}
