// SPDX-License-Identifier: Apache-2.0
/*
 * What a verification found, for people or as JSON. It says on whose word the keys rest and what was not
 * checked, for a verdict is worth no more than that.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "record/printable.h"
#include "record/render.h"
#include "text.h"
#include "verify_trust.h"

static const char *const schema_name[] = {[RECORD_AI_CALL] = "AI calls",
					  [RECORD_CONTROL] = "control",
					  [RECORD_MCP_CALL] = "tool requests",
					  [RECORD_DENIAL] = "denials"};

/* --- JSON ------------------------------------------------------------------------------------------ */

static json_t *finding_json(const struct verify_finding *f)
{
	return json_pack("{so sI sI ss so}", "file", render_text(f->file), "offset",
			 (json_int_t)f->offset, "seq", (json_int_t)f->seq, "kind", f->kind,
			 "detail", render_text(f->detail));
}

static void put(json_t *o, const char *name, uint64_t v)
{
	json_object_set_new(o, name, json_integer((json_int_t)v));
}

static void counts_json(json_t *o, const struct verify_result *v)
{
	put(o, "segments", v->segments);
	put(o, "records", v->records);
	put(o, "bytes", v->bytes);
	put(o, "first_seq", v->first_seq);
	put(o, "last_seq", v->last_seq);
	put(o, "ai_calls", v->by_schema[RECORD_AI_CALL]);
	put(o, "control", v->by_schema[RECORD_CONTROL]);
	put(o, "mcp_calls", v->by_schema[RECORD_MCP_CALL]);
	put(o, "denials", v->by_schema[RECORD_DENIAL]);
	put(o, "epochs", v->epochs);
	put(o, "seals", v->seals);
	put(o, "late_seals", v->late_seals);
	put(o, "signatures", v->signatures);
	put(o, "macs", v->macs);
	put(o, "tiles", v->tiles);
	put(o, "erased", v->erased);
	put(o, "erased_silent", v->erased_silent);
	put(o, "unsigned_tail", v->unsigned_tail);
	put(o, "checkpoint_size", v->checkpoint_size);
	put(o, "tpm_size", v->tpm_size);
	put(o, "witness_size", v->witness_size);
	put(o, "witness_time", v->witness_s);
	put(o, "cosigned_unchecked", v->cosigned_unchecked);
	put(o, "findings", v->findings);
}

static json_t *result_json(const char *name, const struct verify_result *v,
			   const struct verify_trust *t)
{
	json_t *o = json_object();
	uint8_t id[8];

	if (!o)
		return NULL;
	key_id(v->public, id);
	json_object_set_new(o, "dir", render_text(name));
	json_object_set_new(o, "ok", json_boolean(v->ok));
	counts_json(o, v);
	json_object_set_new(o, "chain", render_hex(v->chain, sizeof(v->chain)));
	json_object_set_new(o, "key_id", render_hex(id, sizeof(id)));
	json_object_set_new(o, "public_key", render_hex(v->public, sizeof(v->public)));
	json_object_set_new(o, "last_leaf", render_hex(v->last_leaf, sizeof(v->last_leaf)));
	if (v->tree_known)
		json_object_set_new(o, "root", render_hex(v->root.b, sizeof(v->root.b)));
	json_object_set_new(o, "key_expected", json_boolean(v->trusted && !t->key_beside));
	json_object_set_new(o, "key_beside", json_boolean(v->trusted && t->key_beside));
	json_object_set_new(o, "key_from", t->key_from[0] ? render_text(t->key_from) : json_null());
	json_object_set_new(o, "pruned", json_boolean(v->pruned));
	json_object_set_new(o, "live_tail", json_boolean(v->live_tail));
	if (v->findings)
		json_object_set_new(o, "first", finding_json(&v->first));
	return o;
}

/* --- for people ------------------------------------------------------------------------------------ */

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
	if (!v->records)
		return;
	printf("  %-10s %" PRIu64 " to %" PRIu64 "%s\n", "seq", v->first_seq, v->last_seq,
	       v->pruned ? " (earlier ones were removed within the spool's bound)" : "");
	printf("  %-10s %" PRIu64 ", %" PRIu64 " sealed here", "epochs", v->epochs, v->seals);
	if (v->late_seals)
		printf(", %" PRIu64 " late", v->late_seals);
	putchar('\n');
	if (v->erased)
		printf("  %-10s %" PRIu64 " payloads, %" PRIu64
		       " of them declared; their proofs hold\n",
		       "erased", v->erased, v->erased - v->erased_silent);
}

static void print_checked(const struct verify_result *v, const struct verify_trust *t)
{
	printf("  %-10s %" PRIu64 " signatures, %" PRIu64 " tiles, ", "checked", v->signatures,
	       v->tiles);
	if (t->seed_file)
		printf("%" PRIu64 " MACs\n", v->macs);
	else
		puts("MACs not (give --mac-seed)");
	if (v->unsigned_tail)
		printf("  %-10s %" PRIu64 " records wait for the next signature that covers them\n",
		       "unsigned", v->unsigned_tail);
}

static void print_checkpoints(const struct verify_result *v)
{
	time_t s = v->witness_s;
	char when[32];
	struct tm tm;

	if (v->checkpoint_size)
		printf("  %-10s of %" PRIu64 " records\n", "checkpoint", v->checkpoint_size);
	else
		printf("  %-10s none\n", "checkpoint");
	if (v->tpm_size)
		printf("  %-10s signed the checkpoint of %" PRIu64 " records\n", "TPM",
		       v->tpm_size);
	if (!v->witness_size && v->cosigned_unchecked) {
		printf("  %-10s not checked: a checkpoint of %" PRIu64
		       " records is cosigned; give --witness, the key of who did\n",
		       "witnessed", v->cosigned_unchecked);
		return;
	}
	if (!v->witness_size) {
		printf("  %-10s none: files set back together to an older state would verify too\n",
		       "witnessed");
		return;
	}
	gmtime_r(&s, &tm);
	strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	printf("  %-10s %" PRIu64 " records, at %s UTC\n", "witnessed", v->witness_size, when);
}

static void print_key(const struct verify_result *v, const struct verify_trust *t)
{
	char from[sizeof(t->key_from)];
	uint8_t id[8];

	key_id(v->public, id);
	print_hex("chain", v->chain, sizeof(v->chain));
	print_hex("key id", id, sizeof(id));
	print_hex("last leaf", v->last_leaf, sizeof(v->last_leaf));
	if (v->tree_known)
		print_hex("root", v->root.b, sizeof(v->root.b));
	printable_copy(from, sizeof(from), t->key_from);
	if (t->key_beside)
		printf("  %-10s %s (beside the spool; --key names one you keep)\n", "key from",
		       from);
	else
		printf("  %-10s %s\n", "key from",
		       from[0] ? from : "the chain itself (give --key to expect one)");
}

static void print_finding(const char *name, const struct verify_result *v)
{
	char file[sizeof(v->first.file)], detail[sizeof(v->first.detail)];

	printable_copy(file, sizeof(file), v->first.file[0] ? v->first.file : name);
	printable_copy(detail, sizeof(detail), v->first.detail);
	printf("  %-10s %zu; the first:\n", "findings", v->findings);
	printf("  %s: offset %" PRIu64 ", seq %" PRIu64 ": %s%s%s\n", file, v->first.offset,
	       v->first.seq, v->first.kind, detail[0] ? ": " : "", detail);
}

static void print_result(const char *name, const struct verify_result *v,
			 const struct verify_trust *t)
{
	bool colour = cli_colour(stdout);
	char safe[1024];

	printable_copy(safe, sizeof(safe), name);
	style_on(stdout, v->ok ? GOOD : ALARM, colour);
	fputs(v->ok ? "verified" : "NOT VERIFIED", stdout);
	style_off(stdout, v->ok ? GOOD : ALARM, colour);
	printf("  %s\n", safe);
	print_counts(v);
	if (v->records) {
		print_checked(v, t);
		print_checkpoints(v);
		print_key(v, t);
	}
	if (v->live_tail)
		puts("  the agent is writing: an incomplete last frame was left out");
	if (v->findings)
		print_finding(name, v);
}

int verify_report(const char *name, const struct verify_result *v, const struct verify_trust *t,
		  bool json)
{
	if (!json)
		print_result(name, v, t);
	else if (cli_print_json(result_json(name, v, t), false, stdout))
		return cli_unreadable(name, ENOMEM);
	return v->ok ? CLI_OK : CLI_NEGATIVE;
}
