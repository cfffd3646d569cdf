// SPDX-License-Identifier: Apache-2.0
/*
 * probity verify [DIR]: reads a spool as an auditor would and says whether every hash, signature and
 * number holds. Without --key the chain is checked against the key it names itself, which proves
 * that nobody changed a part; with --key also that this host's key made it. The output says which.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "cli.h"
#include "cmd.h"
#include "record/printable.h"
#include "record/render.h"
#include "record/verify.h"
#include "text.h"

static const char *const schema_name[] = {[RECORD_AI_CALL] = "AI calls",
					  [RECORD_CONTROL] = "control",
					  [RECORD_MCP_CALL] = "tool requests",
					  [RECORD_DENIAL] = "denials"};

static void progress(void *ctx, uint64_t done, uint64_t all)
{
	unsigned *last = ctx, percent = all ? done * 100 / all : 100;
	char bar[41], a[16], b[16];

	if (percent == *last || percent > 100)
		return;
	*last = percent;
	memset(bar, ' ', 40);
	memset(bar, '=', percent * 40 / 100);
	bar[40] = '\0';
	text_size(done, a);
	text_size(all, b);
	fprintf(stderr, "\r[%s] %3u %%  %s of %s\033[K", bar, percent, a, b);
}

static json_t *finding_json(const struct verify_finding *f)
{
	return json_pack("{so sI sI ss so}", "file", render_text(f->file), "offset",
			 (json_int_t)f->offset, "seq", (json_int_t)f->seq, "kind", f->kind,
			 "detail", render_text(f->detail));
}

static json_t *result_json(const char *dir, const struct verify_result *v, const char *key_file)
{
	uint8_t id[8];
	json_t *o;

	key_id(v->public, id);
	o = json_pack("{so sb sI sI sI sI sI sI sI sI so so so so sb sb sb sI}", "dir",
		      render_text(dir), "ok", (int)v->ok, "segments", (json_int_t)v->segments,
		      "records", (json_int_t)v->records, "bytes", (json_int_t)v->bytes, "first_seq",
		      (json_int_t)v->first_seq, "last_seq", (json_int_t)v->last_seq, "ai_calls",
		      (json_int_t)v->by_schema[RECORD_AI_CALL], "control",
		      (json_int_t)v->by_schema[RECORD_CONTROL], "mcp_calls",
		      (json_int_t)v->by_schema[RECORD_MCP_CALL], "chain", render_hex(v->chain, 16),
		      "key_id", render_hex(id, sizeof(id)), "public_key",
		      render_hex(v->public, sizeof(v->public)), "last_leaf",
		      render_hex(v->last_leaf, sizeof(v->last_leaf)), "key_expected",
		      key_file != NULL, "pruned", (int)v->pruned, "live_tail", (int)v->live_tail,
		      "findings", (json_int_t)v->findings);
	if (o && v->findings)
		json_object_set_new(o, "first", finding_json(&v->first));
	return o;
}

static void print_hex(const char *label, const uint8_t *p, size_t n)
{
	printf("  %-10s ", label);
	for (size_t i = 0; i < n; i++)
		printf("%02x", p[i]);
	putchar('\n');
}

static void print_counts(const struct verify_result *v)
{
	char size[16];

	text_size(v->bytes, size);
	printf("  %-10s %" PRIu64 " in %" PRIu64 " segment%s, %s\n", "records", v->records,
	       v->segments, v->segments == 1 ? "" : "s", size);
	for (size_t i = 0; i < ARRAY_SIZE(v->by_schema); i++)
		if (v->by_schema[i])
			printf("  %-10s %" PRIu64 "\n",
			       i < ARRAY_SIZE(schema_name) && schema_name[i] ? schema_name[i]
									     : "other",
			       v->by_schema[i]);
	if (v->records)
		printf("  %-10s %" PRIu64 " to %" PRIu64 "%s\n", "seq", v->first_seq, v->last_seq,
		       v->pruned ? " (earlier ones were removed within the spool's bound)" : "");
}

static void print_result(const char *dir, const struct verify_result *v, const char *key_file)
{
	char file[sizeof(v->first.file)], detail[sizeof(v->first.detail)];
	bool colour = cli_colour(stdout);
	uint8_t id[8];

	style_on(stdout, v->ok ? GOOD : ALARM, colour);
	fputs(v->ok ? "verified" : "NOT VERIFIED", stdout);
	style_off(stdout, v->ok ? GOOD : ALARM, colour);
	printf("  %s\n", dir);
	print_counts(v);
	if (v->records) {
		key_id(v->public, id);
		print_hex("chain", v->chain, sizeof(v->chain));
		print_hex("key id", id, sizeof(id));
		print_hex("last leaf", v->last_leaf, sizeof(v->last_leaf));
		printf("  %-10s %s\n", "key from",
		       key_file ?: "the chain itself (give --key to expect one)");
	}
	if (v->live_tail)
		puts("  the agent is writing: an incomplete last frame was left out");
	if (!v->findings)
		return;
	printable_copy(file, sizeof(file), v->first.file[0] ? v->first.file : dir);
	printable_copy(detail, sizeof(detail), v->first.detail);
	printf("  %-10s %zu; the first:\n", "findings", v->findings);
	printf("  %s: offset %" PRIu64 ", seq %" PRIu64 ": %s%s%s\n", file, v->first.offset,
	       v->first.seq, v->first.kind, detail[0] ? ": " : "", detail);
}

static int run(const char *dir, const char *key_file, bool json)
{
	uint8_t pub[RECORD_PUBKEY_LEN];
	unsigned percent = 101;
	bool bar = !json && cli_width(stderr);
	struct verify_options o = {.progress = bar ? progress : NULL, .ctx = &percent};
	struct verify_result v = {0};
	char err[512];
	int r;

	if (key_file) {
		if (public_read(key_file, pub, err, sizeof(err))) {
			fprintf(stderr, "probity verify: %s\n", err);
			return CLI_UNREACHABLE;
		}
		o.expect_public = pub;
	}
	r = verify_dir(dir, &o, &v);
	if (bar)
		fputs("\r\033[K", stderr);
	if (r)
		return cli_unreadable(dir, r);
	if (!json)
		print_result(dir, &v, key_file);
	else if (cli_print_json(result_json(dir, &v, key_file), false, stdout))
		return cli_unreadable(dir, ENOMEM);
	return v.ok ? CLI_OK : CLI_NEGATIVE;
}

int cmd_verify(int argc, char **argv)
{
	const char *state_dir = CLI_STATE_DIR, *key = NULL;
	bool json = false;
	char dir[4096];
	const struct cli_option options[] = {
		{"key", 'k', CLI_TEXT, &key, "FILE",
		 "the public key that must have signed, PEM or hex"},
		CLI_OPT_JSON(&json),
		CLI_OPT_STATE_DIR(&state_dir),
		{0},
	};
	const struct cli_usage u = {
		"verify",
		"[DIR]",
		"Checks every frame, hash, signature and number of the segments in DIR\n"
		"(default: spool in the state directory), and that the signed head is covered.",
		options,
		"Exit code 0: all of it holds. 1: something does not, named by file and offset. 3: the\n"
		"folder cannot be read.",
	};
	int first, r = cli_options(&u, argc, argv, &first);

	if (r >= 0)
		return r;
	if (first + 1 < argc)
		return cli_wrong(&u, "takes one folder");
	if (first < argc)
		snprintf(dir, sizeof(dir), "%s", argv[first]);
	else
		snprintf(dir, sizeof(dir), "%s/spool", state_dir);
	return run(dir, key, json);
}
