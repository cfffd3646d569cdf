// SPDX-License-Identifier: Apache-2.0
/*
 * probity export: the same records in other people's formats, or with what proves them as one bundle
 * (docs/EXPORT.md). The command line is judged here; export_views.c and bundle_make.c do the work.
 */
#include <string.h>

#include "cli.h"
#include "cmd.h"
#include "export_cmd.h"
#include "text.h"

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), k = strlen(end);

	return n >= k && !strcmp(s + n - k, end);
}

static int judge(const struct cli_usage *u, struct export_ask *a)
{
	uint64_t now = time_now();
	bool bundle;

	if (!a->format)
		a->format = a->out && ends_with(a->out, ".tar.zst") ? "bundle" : "json";
	bundle = !strcmp(a->format, "bundle");
	if (!bundle && !export_view_known(a->format))
		return cli_wrong(
			u, "--format: '%s' is none of ocsf, otlp, cloudevents, csv, json, bundle",
			a->format);
	if (a->from && !time_parse(a->from, now, &a->from_ns))
		return cli_wrong(u, "--from: '%s' is no time", a->from);
	if (a->to && !time_parse(a->to, now, &a->to_ns))
		return cli_wrong(u, "--to: '%s' is no time", a->to);
	if (a->to_ns && a->to_ns <= a->from_ns)
		return cli_wrong(u, "--to is not after --from");
	if (a->endpoint && strcmp(a->format, "otlp"))
		return cli_wrong(u, "--endpoint is for --format otlp");
	if (a->endpoint && a->out)
		return cli_wrong(u, "--endpoint or --output, not both");
	if (a->follow && (a->db || bundle))
		return cli_wrong(u, "--follow is for views of a spool");
	if (bundle && a->db)
		return cli_wrong(u, "a bundle is made from a spool (--dir): a store has no tiles");
	if (bundle && (!a->out || !strcmp(a->out, "-")))
		return cli_wrong(u, "a bundle needs --output FILE.tar.zst");
	if (!bundle &&
	    (a->soa || a->registry || a->reports || a->policy || a->sign_key || a->witness))
		return cli_wrong(
			u,
			"--soa, --register, --reports, --policy, --witness and --sign-key are for "
			"a bundle");
	return -1;
}

int cmd_export(int argc, char **argv)
{
	const char *state_dir = CLI_STATE_DIR;
	struct export_ask a = {0};
	char dir[4096], key[4096];
	const struct cli_option options[] = {
		{"format", 'f', CLI_TEXT, &a.format, "NAME",
		 "ocsf, otlp, cloudevents, csv, json (default), bundle"},
		{"from", 's', CLI_TEXT, &a.from, "TIME",
		 "sealed at or after: 1h, 2026-11-21, RFC 3339"},
		{"to", 'u', CLI_TEXT, &a.to, "TIME", "sealed before"},
		{"output", 'o', CLI_TEXT, &a.out, "FILE",
		 "write there (default: stdout); FILE.tar.zst: a bundle"},
		{"dir", 'd', CLI_TEXT, &a.dir, "DIR", "a folder of segments"},
		{"db", 0, CLI_TEXT, &a.db, "FILE", "a collector's store instead"},
		{"chain", 'c', CLI_TEXT, &a.chain, "HEX", "of a store: this chain only"},
		{"follow", 'F', CLI_FLAG, &a.follow, NULL, "go on as records are sealed"},
		{"endpoint", 'e', CLI_TEXT, &a.endpoint, "URL",
		 "otlp: send to a receiver (/v1/logs, /v1/traces)"},
		{"header", 'H', CLI_TEXT, &a.header, "LINE",
		 "otlp: a header for it, \"Name: value\""},
		{"key", 'k', CLI_TEXT, &a.key, "FILE", "bundle: the chain's public key"},
		{"soa", 0, CLI_TEXT, &a.soa, "FILE", "bundle: statement of applicability"},
		{"register", 0, CLI_TEXT, &a.registry, "FILE", "bundle: register of AI systems"},
		{"reports", 0, CLI_TEXT, &a.reports, "DIR", "bundle: reports made before"},
		{"policy", 0, CLI_TEXT, &a.policy, "DIR", "bundle: the policy packs"},
		{"witness", 'w', CLI_TEXT, &a.witness, "VKEY",
		 "bundle: the witness's key, as text"},
		{"sign-key", 0, CLI_TEXT, &a.sign_key, "FILE",
		 "bundle: sign the manifest with this Ed25519 key"},
		CLI_OPT_STATE_DIR(&state_dir),
		{0},
	};
	const struct cli_usage u = {
		"export",
		"",
		"Writes sealed records in another format, or a bundle an auditor can check alone.",
		options,
		"A view is a line per record (csv: a row; otlp: a request per batch). A bundle holds\n"
		"records, proofs, keys, packs and reports under one manifest; probity verify checks it,\n"
		"and its README says how to do so without Probity.\n"
		"Exit code 1: something was damaged, or a receiver rejected something.",
	};
	int first, r = cli_options(&u, argc, argv, &first);

	if (r < 0 && first < argc)
		r = cli_wrong(&u, "takes no argument '%s'", argv[first]);
	if (r < 0)
		r = judge(&u, &a);
	if (r >= 0)
		return r;
	if (!a.dir) {
		snprintf(dir, sizeof(dir), "%s/spool", state_dir);
		snprintf(key, sizeof(key), "%s/keys/chain.pub", state_dir);
		a.dir = dir;
		if (!a.key)
			a.key = key;
	}
	return strcmp(a.format, "bundle") ? export_views(&a) : export_bundle(&a);
}
