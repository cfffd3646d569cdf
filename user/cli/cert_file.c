// SPDX-License-Identifier: Apache-2.0
/*
 * A certificate's file, read and judged for people or as JSON. In: a path and keys. Out: every step with its
 * verdict, and the exit code. Limits: CERT_BYTES_MAX, which is some eight years of SEALs.
 */
#include "cert.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "cli.h"
#include "record/printable.h"
#include "text.h"

#define CERT_BYTES_MAX (256u << 20)

static const char *const verdict[] = {
	[CERT_HOLDS] = "holds", [CERT_FAILS] = "FAILS", [CERT_NOT_CHECKED] = "not checked"};

static json_t *steps_json(const struct cert_result *r)
{
	json_t *a = json_array();

	for (size_t i = 0; a && i < r->n; i++) {
		const struct cert_step *s = &r->steps[i];

		if (json_array_append_new(a, json_pack("{ss ss so}", "step", s->name, "verdict",
						       verdict[s->verdict], "detail",
						       render_text(s->detail)))) {
			json_decref(a);
			return NULL;
		}
	}
	return a;
}

static json_t *result_json(const char *path, const struct cert_result *r)
{
	json_t *o =
		json_pack("{so sb sI sb so so sI sI sI sI so}", "certificate", render_text(path),
			  "ok", (int)r->ok, "version", (json_int_t)r->version, "newer",
			  (int)r->newer, "chain", render_hex(r->chain, sizeof(r->chain)),
			  "chain_public_key", render_hex(r->chain_public, sizeof(r->chain_public)),
			  "seq", (json_int_t)r->seq, "wall_unix_ns", (json_int_t)r->wall_ns,
			  "tree_size", (json_int_t)r->tree_size, "witnessed_unix_s",
			  (json_int_t)r->witness_s, "steps", steps_json(r));

	if (o && !r->ok)
		json_object_set_new(o, "failed", json_string(r->steps[r->n - 1].name));
	return o;
}

static void print(const char *path, const struct cert_result *r)
{
	bool colour = cli_colour(stdout);
	_cleanup_free_ char *name = printable_dup(path);

	style_on(stdout, r->ok ? GOOD : ALARM, colour);
	fputs(r->ok ? "verified" : "NOT VERIFIED", stdout);
	style_off(stdout, r->ok ? GOOD : ALARM, colour);
	printf("  %s\n", name ?: "");
	for (size_t i = 0; i < r->n; i++)
		printf("  %-13s %-12s %s\n", r->steps[i].name, verdict[r->steps[i].verdict],
		       r->steps[i].detail);
}

int cert_verify_file(const char *path, const struct cert_trust *t, bool json)
{
	_cleanup_free_ char *text = NULL;
	struct cert_result res = {0};
	json_error_t e;
	json_t *cert;
	size_t n;
	int r = fs_read(path, CERT_BYTES_MAX, &text, &n);

	if (r)
		return cli_unreadable(path, r);
	cert = json_loadb(text, n, JSON_REJECT_DUPLICATES, &e);
	if (!cert) {
		_cleanup_free_ char *why = printable_dup(e.text);

		fprintf(stderr, "probity verify: %s: line %d: not JSON: %s\n", path, e.line,
			why ?: "");
		return CLI_NEGATIVE;
	}
	r = cert_verify(cert, t, &res);
	json_decref(cert);
	if (r)
		return cli_unreadable(path, r);
	if (!json)
		print(path, &res);
	else if (cli_print_json(result_json(path, &res), false, stdout))
		return cli_unreadable(path, -ENOMEM);
	return res.ok ? CLI_OK : CLI_NEGATIVE;
}
