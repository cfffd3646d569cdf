// SPDX-License-Identifier: Apache-2.0
/* What bundle_verify found, for people and as JSON; one says whose word each claim rests on. */
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "bundle.h"
#include "cli.h"
#include "record/printable.h"
#include "record/render.h"
#include "text.h"

bool bundle_is(const char *path)
{
	static const uint8_t magic[4] = {0x28, 0xb5, 0x2f, 0xfd};
	_cleanup_fclose_ FILE *f = NULL;
	struct stat st;
	uint8_t b[4];

	if (stat(path, &st) || !S_ISREG(st.st_mode))
		return false;
	f = fopen(path, "re");
	return f && fread(b, 1, sizeof(b), f) == sizeof(b) && !memcmp(b, magic, sizeof(b));
}

static json_t *json_of(const char *path, const struct bundle_result *v)
{
	const struct verify_result *r = &v->records;
	json_t *o = json_pack(
		"{so sb sb sI ss ss so sI sI sI sI sI sI sI sI sI sI sI sI sb sb sb so sI}",
		"bundle", render_text(path), "ok", (int)v->ok, "newer", (int)v->newer, "version",
		(json_int_t)v->version, "tool", v->tool, "created", v->created, "host",
		render_text(v->host), "files", (json_int_t)v->files, "bytes", (json_int_t)v->bytes,
		"first_seq", (json_int_t)v->first_seq, "last_seq", (json_int_t)v->last_seq,
		"records", (json_int_t)r->records, "signatures", (json_int_t)r->signatures,
		"erased", (json_int_t)r->erased, "erased_silent", (json_int_t)r->erased_silent,
		"proved", (json_int_t)v->proved, "checkpoint_size", (json_int_t)v->checkpoint_size,
		"witness_size", (json_int_t)v->witness_size, "witness_time",
		(json_int_t)v->witness_s, "signed", (int)v->is_signed, "signer_expected",
		(int)v->signer_expected, "key_expected", (int)v->key_expected, "public_key",
		render_hex(r->public, sizeof(r->public)), "findings", (json_int_t)v->findings);

	if (o && v->is_signed)
		json_object_set_new(o, "signer", render_hex(v->signer, sizeof(v->signer)));
	if (o && v->findings)
		json_object_set_new(o, "first",
				    json_pack("{so sI sI ss so}", "file",
					      render_text(v->first.file), "offset",
					      (json_int_t)v->first.offset, "seq",
					      (json_int_t)v->first.seq, "kind", v->first.kind,
					      "detail", render_text(v->first.detail)));
	return o;
}

static void print_hex(const char *label, const uint8_t *p, size_t n, const char *note)
{
	printf("  %-11s ", label);
	for (size_t i = 0; i < n; i++)
		printf("%02x", p[i]);
	printf("%s\n", note);
}

static void print_proof(const struct bundle_result *v)
{
	char when[32];

	if (!v->checkpoint_size) {
		puts("  checkpoint  none: no record's place in the tree is proved");
		return;
	}
	printf("  checkpoint  of %" PRIu64 " records; %" PRIu64 " of the %" PRIu64
	       " here are proved to be in it\n",
	       v->checkpoint_size, v->proved, v->records.records);
	if (!v->witness_size)
		return;
	time_local(v->witness_s * 1000000000ull, TIME_DATE, when);
	printf("  witness     cosigned %" PRIu64 " records at %s\n", v->witness_size, when);
}

static void print_signer(const struct bundle_result *v)
{
	if (v->is_signed)
		print_hex("packed by", v->signer, sizeof(v->signer),
			  v->signer_expected ? "" : " (the bundle's own word: give --signer)");
	else
		puts("  packed by   NOBODY KNOWN: the manifest is not signed");
}

static void print(const char *path, const struct bundle_result *v)
{
	char file[sizeof(v->first.file)], size[16];
	enum style s = v->ok ? GOOD : ALARM;
	bool colour = cli_colour(stdout);

	style_on(stdout, s, colour);
	fputs(v->ok ? "verified" : "NOT VERIFIED", stdout);
	style_off(stdout, s, colour);
	text_size(v->bytes, size);
	printf("  %s\n", path);
	if (v->newer)
		printf("  version     %u is newer than this program knows; what it knows was checked\n",
		       v->version);
	printf("  made        %s by %s\n", v->created, v->tool);
	printf("  files       %" PRIu64 ", %s\n", v->files, size);
	if (v->host[0])
		printf("  host        %s\n", v->host);
	printf("  records     %" PRIu64 ", seq %" PRIu64 " to %" PRIu64 ", %" PRIu64
	       " signatures\n",
	       v->records.records, v->first_seq, v->last_seq, v->records.signatures);
	if (v->records.erased)
		printf("  erased      %" PRIu64 " payloads; of %" PRIu64
		       " no ERASE record here says so\n",
		       v->records.erased, v->records.erased_silent);
	print_proof(v);
	print_hex("chain key", v->records.public, sizeof(v->records.public),
		  v->key_expected ? "" : " (the bundle's own word: give --key)");
	print_signer(v);
	if (!v->findings)
		return;
	printable_copy(file, sizeof(file), v->first.file);
	printf("  findings    %zu; the first:\n  %s: offset %" PRIu64 ", seq %" PRIu64 ": %s%s%s\n",
	       v->findings, file, v->first.offset, v->first.seq, v->first.kind,
	       v->first.detail[0] ? ": " : "", v->first.detail);
}

int bundle_report(const char *path, const struct bundle_result *v, bool json)
{
	char safe[1024];

	printable_copy(safe, sizeof(safe), path);
	if (!json)
		print(safe, v);
	else if (cli_print_json(json_of(path, v), false, stdout))
		return CLI_UNREACHABLE;
	return v->ok ? CLI_OK : CLI_NEGATIVE;
}
