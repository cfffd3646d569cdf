// SPDX-License-Identifier: Apache-2.0
/*
 * probity prove SEQ: a c2sp.org/tlog-proof@v1 for one record: its index, the path to the root of a
 * checkpoint, and that checkpoint with its cosignatures. The entry itself, the record's header, stands in the
 * proof as extra data while the record is kept; a record that left the spool is proved by its leaf, which the
 * tiles keep.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/fs.h"
#include "cmd.h"
#include "cli.h"
#include "proof.h"
#include "spool_view.h"

/* 1: the header of the record as kept; 0: it is no longer; -1: it is damaged, said. */
static int entry(const char *dir, uint64_t seq, const struct tree_hash *leaf,
		 uint8_t ret[static RECORD_HEADER_LEN])
{
	_cleanup_(spool_cursor_done) struct spool_cursor c = {.dir = dir};
	_cleanup_sealed_ struct sealed s = {0};
	struct spool_damage dmg;
	struct spool_pos at;
	const char *why = "";
	int r = spool_find(dir, seq, &at, &dmg);

	if (!r)
		r = spool_at(&c, at, &s, &why);
	if (r == -ENOENT)
		return 0;
	if (!r && !memcmp(s.leaf, leaf->b, TREE_HASH_LEN)) {
		memcpy(ret, s.bytes, RECORD_HEADER_LEN);
		return 1;
	}
	fprintf(stderr,
		"probity prove: record %" PRIu64 " in %s is not the one that was logged%s%s; "
		"run probity verify\n",
		seq, dir, *why ? ": " : "", why);
	return -1;
}

static int put(const char *text, const char *out)
{
	int r;

	if (!out)
		return fputs(text, stdout) < 0 || fflush(stdout) ? cli_unreadable("stdout", -EIO)
								 : CLI_OK;
	r = fs_write_atomic(out, text, strlen(text), 0644);
	return r ? cli_unreadable(out, r) : CLI_OK;
}

static int run(const char *dir, uint64_t seq, const char *out)
{
	_cleanup_(proof_done) struct proof p = {0};
	_cleanup_free_ char *text = NULL;
	uint8_t header[RECORD_HEADER_LEN];
	char err[4600] = "";
	int r, kept;

	if (access(dir, R_OK | X_OK) < 0)
		return cli_unreadable(dir, -errno);
	r = proof_make(dir, seq, &p, err, sizeof(err));
	if (r) {
		fprintf(stderr, "probity prove: %s\n", err);
		return r == -ENOENT || r == -EBADMSG ? CLI_NEGATIVE : CLI_UNREACHABLE;
	}
	kept = entry(dir, seq, &p.leaf, header);
	if (kept < 0)
		return CLI_NEGATIVE;
	if (!kept) {
		fprintf(stderr,
			"probity prove: record %" PRIu64 " is no longer in %s; proved is its leaf ",
			seq, dir);
		for (size_t i = 0; i < TREE_HASH_LEN; i++)
			fprintf(stderr, "%02x", p.leaf.b[i]);
		fputc('\n', stderr);
	}
	text = proof_text(&p, seq, kept ? header : NULL);
	return text ? put(text, out) : cli_unreadable(dir, -ENOMEM);
}

int cmd_prove(int argc, char **argv)
{
	const char *state_dir = CLI_STATE_DIR, *dir = NULL, *out = NULL;
	char spool[4000];
	uint64_t seq;
	const struct cli_option options[] = {
		{"dir", 0, CLI_TEXT, &dir, "DIR",
		 "the folder of segments and tiles (default: spool in the state directory)"},
		{"output", 'o', CLI_TEXT, &out, "FILE", "write it there instead of printing it"},
		CLI_OPT_STATE_DIR(&state_dir),
		{0},
	};
	const struct cli_usage u = {
		"prove",
		"SEQ",
		"Prints the proof that a record is in the log: a c2sp.org/tlog-proof@v1 with its index, the\n"
		"path to the root, and the newest cosigned checkpoint that covers it, else the newest.",
		options,
		"The line `extra` is the log entry: the record's header, of 176 bytes, in base64.",
	};
	int first, r = cli_options(&u, argc, argv, &first);

	if (r >= 0)
		return r;
	if (first + 1 != argc || !cli_number(argv[first], &seq))
		return cli_wrong(&u, "wants one sequence number");
	snprintf(spool, sizeof(spool), "%s/spool", state_dir);
	return run(dir ?: spool, seq, out);
}
