// SPDX-License-Identifier: Apache-2.0
/*
 * probity verify [DIR | CERTIFICATE.json | BUNDLE.tar.zst]: reads evidence as an auditor would and says
 * whether every hash, signature and number holds. What the argument is decides who reads it: a directory of
 * segments (verify_dir), a certificate (cert.h), a bundle (bundle.h). What is trusted is the same for all of
 * them, and the output says which key that was and from where.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "bundle.h"
#include "cert.h"
#include "cmd.h"
#include "verify_collector.h"
#include "verify_trust.h"

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), k = strlen(end);

	return n >= k && !strcmp(s + n - k, end);
}

static void progress(void *ctx, uint64_t done, uint64_t all)
{
	verify_bar_at(ctx, done, all);
}

static int directory(const char *dir, const struct verify_trust *t, bool json)
{
	struct verify_options o = verify_trust_options(t);
	struct verify_result v = {0};
	struct verify_bar bar;
	int r;

	verify_bar_begin(&bar, json);
	o.progress = bar.on ? progress : NULL;
	o.ctx = &bar;
	r = verify_dir(dir, &o, &v);
	verify_bar_end(&bar);
	return r ? cli_unreadable(dir, r) : verify_report(dir, &v, t, json);
}

static int certificate(const char *path, const struct verify_trust *t, bool json)
{
	const struct cert_trust c = {
		.chain_public = t->key_from[0] ? t->public : NULL,
		.witnesses = t->witnesses,
		.witnesses_n = t->witness_keys.n,
	};

	return cert_verify_file(path, &c, json);
}

static int bundle(const char *path, const struct verify_trust *t, const char *signer_file,
		  bool json)
{
	struct verify_options o = verify_trust_options(t);
	struct bundle_options b = {.verify = &o};
	uint8_t signer[RECORD_PUBKEY_LEN];
	struct bundle_result v;
	struct verify_bar bar;
	char err[512] = "";
	int r;

	if (signer_file) {
		if (public_read(signer_file, signer, err, sizeof(err))) {
			fprintf(stderr, "probity verify: %s\n", err);
			return CLI_UNREACHABLE;
		}
		b.signer = signer;
	}
	verify_bar_begin(&bar, json);
	o.progress = bar.on ? progress : NULL;
	o.ctx = &bar;
	r = bundle_verify(path, &b, &v, err, sizeof(err));
	verify_bar_end(&bar);
	if (r) {
		fprintf(stderr, "probity verify: %s\n", err);
		return CLI_UNREACHABLE;
	}
	return bundle_report(path, &v, json);
}

static bool is_dir(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

enum evidence { DIRECTORY, CERTIFICATE, BUNDLE, COLLECTOR };

static enum evidence kind_of(const char *path)
{
	return bundle_is(path) ? BUNDLE
	       : !is_dir(path) && ends_with(path, ".json")
		       ? CERTIFICATE
		       : DIRECTORY; /* which says when it is none */
}

/* What is asked for and would not be looked at must not seem to have held. -1: all of it will be. */
static int in_vain(const struct cli_usage *u, enum evidence kind, const struct verify_trust *t,
		   const char *signer)
{
	if (signer && kind != BUNDLE)
		return cli_wrong(u, "--signer is for a bundle");
	if (kind != CERTIFICATE)
		return -1;
	if (t->seed_file)
		return cli_wrong(u, "--mac-seed: a certificate has no MAC");
	if (t->checkpoints.n)
		return cli_wrong(u, "--checkpoint: a certificate brings its own");
	return -1;
}

int cmd_verify(int argc, char **argv)
{
	const char *state_dir = CLI_STATE_DIR, *signer = NULL;
	struct verify_collector from = {0};
	struct verify_options o;
	struct verify_trust t = {0};
	enum evidence kind;
	bool json = false;
	char path[4096];
	const struct cli_option options[] = {
		{"key", 'k', CLI_TEXT, &t.key_file, "FILE",
		 "the public key of the chain's first epoch, PEM or hex"},
		{"mac-seed", 0, CLI_TEXT, &t.seed_file, "FILE",
		 "the seed of the MACs, as the collector keeps it"},
		{"checkpoint", 0, CLI_LIST, &t.checkpoints, "FILE",
		 "a signed checkpoint that must be covered; may be given again"},
		{"witness", 0, CLI_LIST, &t.witness_keys, "VKEY",
		 "whose cosignature must be there; may be given again"},
		{"tpm-key", 0, CLI_LIST, &t.tpm_files, "FILE",
		 "of a TPM that must have signed the newest checkpoint, PEM, or none; may be given again"},
		{"signer", 0, CLI_TEXT, &signer, "FILE",
		 "of a bundle: the key that must have signed its manifest"},
		{"collector", 0, CLI_TEXT, &from.url, "URL",
		 "read what this collector holds, and trust it in nothing"},
		{"ca", 0, CLI_TEXT, &from.ca, "FILE", "of the collector's certificate"},
		{"cert", 0, CLI_TEXT, &from.cert, "FILE", "an operator's certificate for it"},
		{"cert-key", 0, CLI_TEXT, &from.key, "FILE", "and its private key"},
		{"chain", 0, CLI_TEXT, &from.chain, "HEX", "only this chain of the collector's"},
		{"tsa-ca", 0, CLI_TEXT, &from.tsa_ca, "FILE",
		 "CA of the authority whose time stamps the collector keeps"},
		{"threads", 0, CLI_NUMBER, &t.threads, "N", "default: as many as CPUs"},
		CLI_OPT_JSON(&json),
		CLI_OPT_STATE_DIR(&state_dir),
		{0},
	};
	const struct cli_usage u = {
		"verify",
		"[DIR | CERTIFICATE.json | BUNDLE.tar.zst]\n"
		"       probity verify --collector URL --ca FILE --cert FILE --cert-key FILE [options]",
		"Checks every frame, hash, signature, number, seal and tile of the records in DIR\n"
		"(default: spool in the state directory), and that every checkpoint that is known is\n"
		"covered; or a certificate (probity cert), or a bundle (probity export).",
		options,
		"Without --key the file ../keys/chain.pub beside DIR is taken if there is one, else the\n"
		"chain's own word; the output says which.\n\n"
		"Exit code 0: all of it holds. 1: something does not, named by file and offset. 2: wrong\n"
		"command line. 3: a file cannot be read.",
	};
	int first, r = cli_options(&u, argc, argv, &first);

	if (r >= 0)
		return r;
	if (first + 1 < argc)
		return cli_wrong(&u, "takes one folder or file");
	if (t.threads > 1024)
		return cli_wrong(&u, "--threads: at most 1024");
	if (from.url && first < argc)
		return cli_wrong(&u, "--collector reads no folder or file");
	if (!from.url && (from.ca || from.cert || from.key || from.chain || from.tsa_ca))
		return cli_wrong(
			&u, "--ca, --cert, --cert-key, --chain and --tsa-ca go with --collector");
	if (first < argc)
		snprintf(path, sizeof(path), "%s", argv[first]);
	else
		snprintf(path, sizeof(path), "%s/spool", state_dir);
	kind = from.url ? COLLECTOR : kind_of(path);
	r = in_vain(&u, kind, &t, signer);
	if (r < 0)
		r = verify_trust_load(&t, &u, kind == DIRECTORY ? path : NULL);
	if (r < 0 && kind == COLLECTOR) {
		o = verify_trust_options(&t);
		from.trust = &o;
		from.json = json;
		r = verify_collector(&from);
	}
	if (r < 0)
		r = kind == BUNDLE	  ? bundle(path, &t, signer, json)
		    : kind == CERTIFICATE ? certificate(path, &t, json)
					  : directory(path, &t, json);
	verify_trust_done(&t);
	return r;
}
