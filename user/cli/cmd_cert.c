// SPDX-License-Identifier: Apache-2.0
/*
 * probity cert SEQ: the decision certificate of one AI call. It is printed only when the record's
 * own signature holds, so a certificate never says what nobody signed.
 */
#include <errno.h>
#include <inttypes.h>

#include "cmd.h"
#include "record_arg.h"

static int no_certificate(const struct record_arg *a)
{
	if (errno != ENODATA)
		return cli_unreadable(a->dir, ENOMEM);
	fprintf(stderr, "probity cert: record %" PRIu64 " %s; only AI calls have certificates\n",
		a->seq, a->sealed.call ? "carries no decision" : "is not an AI call");
	return CLI_NEGATIVE;
}

static int print(const struct record_arg *a)
{
	json_t *cert;

	if (!a->has_public) {
		fprintf(stderr,
			"probity cert: %s names no public key for record %" PRIu64
			"; give it with --key FILE\n",
			a->dir, a->seq);
		return CLI_NEGATIVE;
	}
	if (!a->signature_ok) {
		fprintf(stderr,
			"probity cert: the signature of record %" PRIu64
			" does not hold; run probity verify\n",
			a->seq);
		return CLI_NEGATIVE;
	}
	cert = render_certificate(&a->sealed, a->public);
	if (!cert)
		return no_certificate(a);
	return cli_print_json(cert, false, stdout) ? cli_unreadable(a->dir, ENOMEM) : CLI_OK;
}

int cmd_cert(int argc, char **argv)
{
	_cleanup_(record_arg_done) struct record_arg a = {0};
	const char *state_dir = CLI_STATE_DIR, *key = NULL;
	bool json;
	uint64_t seq;
	const struct cli_option options[] = {
		{"key", 'k', CLI_TEXT, &key, "FILE",
		 "the host's public key, PEM or hex, that must have signed"},
		{"json", 0, CLI_FLAG, &json, NULL, "accepted; the output is always JSON"},
		CLI_OPT_STATE_DIR(&state_dir),
		{0},
	};
	const struct cli_usage u = {
		"cert",
		"SEQ",
		"Prints the decision certificate of an AI call, after checking the record's signature.",
		options,
		"`record` is the signed bytes in base64: the certificate can be checked without this "
		"host.",
	};
	int first, r = cli_options(&u, argc, argv, &first);

	if (r >= 0)
		return r;
	if (first + 1 != argc || !cli_number(argv[first], &seq))
		return cli_wrong(&u, "wants one sequence number");
	r = record_arg_open(&a, "cert", state_dir, seq, key);
	return r >= 0 ? r : print(&a);
}
