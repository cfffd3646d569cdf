// SPDX-License-Identifier: Apache-2.0
/*
 * Logs in the C2SP formats for other programs, and theirs for ours: tests/system/test_interop.
 *
 *   logtool make DIR SIZE...  a log of each size: its tiles in DIR/SIZE, everything else in DIR/made.json
 *   logtool check FILE        says of each part of such a file whether it is taken, and whether it should be
 *
 * Entry i of every log is the text "entry i". The file: {"vkey", "witness_vkey", "logs": [{"size", "root",
 * "notes", "inclusion": [{"index", "path"}], "consistency": [{"old", "old_root", "path"}], "proofs",
 * "requests"}]}; of each part "good" says whether it is one, and "text" is its text.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "record/checkpoint.h"
#include "record/render.h"
#include "record/tile.h"

#define ORIGIN "interop.example/log"
#define WITNESS "interop.example/witness"
#define MADE_AT 1795248000 /* when the witness says it saw them */

DEFINE_CLEANUP(struct tiles, tiles_free)
DEFINE_CLEANUP(struct tile_reader, tile_reader_free)
DEFINE_CLEANUP(struct signer, signer_free)

static void entry_leaf(uint64_t i, struct tree_hash *ret)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "entry %" PRIu64, i);

	tree_leaf(text, n, ret);
}

/* --- make ------------------------------------------------------------------------------------------ */

static json_t *path_json(const struct tree_hash *path, size_t n)
{
	json_t *a = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(a, render_base64(path[i].b, TREE_HASH_LEN));
	return a;
}

static json_t *text_json(const char *text, size_t n)
{
	return json_pack("{ss% sb}", "text", text, n, "good", 1);
}

/* Some numbers below size, the first and the last among them. */
static uint64_t pick(uint64_t size, unsigned i)
{
	return i == 0 ? 0 : i == 1 ? size - 1 : (size * i * 7919 + i * i) / 11 % size;
}
#define PICKS 12

static int add_proofs(json_t *log, uint64_t size, struct tile_reader *in, const char *note,
		      const struct signer *s)
{
	json_t *inclusion = json_array(), *consistency = json_array(), *proofs = json_array();
	json_t *requests = json_array();
	char text[16384];
	int r = 0;

	for (unsigned i = 0; i < PICKS && !r; i++) {
		struct tlog_proof p = {.index = pick(size, i),
				       .note = note,
				       .note_n = strlen(note)};
		struct witness_request q = {.old = pick(size, i) + 1,
					    .note = note,
					    .note_n = strlen(note)};
		struct tree_edge e;
		struct tree_hash old;

		r = tree_inclusion(p.index, size, tile_reader_hash, in, p.path, &p.n);
		if (!r)
			r = tree_consistency(q.old, size, tile_reader_hash, in, q.path, &q.n);
		if (!r)
			r = tree_edge_read(q.old, tile_reader_hash, in, &e);
		if (r)
			break;
		tree_root(&e, &old);
		json_array_append_new(inclusion,
				      json_pack("{sI so sb}", "index", (json_int_t)p.index, "path",
						path_json(p.path, p.n), "good", 1));
		json_array_append_new(consistency,
				      json_pack("{sI so so sb}", "old", (json_int_t)q.old,
						"old_root", render_base64(old.b, 32), "path",
						path_json(q.path, q.n), "good", 1));
		json_array_append_new(proofs,
				      text_json(text, tlog_proof_text(&p, text, sizeof(text))));
		json_array_append_new(requests,
				      text_json(text,
						witness_request_text(&q, text, sizeof(text))));
		json_object_set_new(json_array_get(requests, i), "old_root",
				    render_base64(old.b, TREE_HASH_LEN));
	}
	json_object_set_new(log, "inclusion", inclusion);
	json_object_set_new(log, "consistency", consistency);
	json_object_set_new(log, "proofs", proofs);
	json_object_set_new(log, "requests", requests);
	return r;
}

static int make_log(const char *dir, uint64_t size, struct signer *s, struct signer *witness,
		    json_t *logs)
{
	_cleanup_(tile_reader_freep) struct tile_reader *in = NULL;
	_cleanup_(tiles_freep) struct tiles *t = NULL;
	_cleanup_close_ int fd = -1;
	char path[4096], err[256] = "", text[512], note[2048];
	struct checkpoint c = {.origin = ORIGIN, .size = size};
	json_t *log = json_object();
	struct tree_hash leaf;
	size_t n, k;
	int r;

	snprintf(path, sizeof(path), "%s/%" PRIu64, dir, size);
	if (mkdir(path, 0755) < 0)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY);
	r = tiles_open(fd, 0, &t, err, sizeof(err));
	for (uint64_t i = 0; i < size && !r; i++) {
		entry_leaf(i, &leaf);
		r = tiles_add(t, &leaf);
		if (r == -ENOMEM && !(r = tiles_sync(t)))
			r = tiles_add(t, &leaf);
	}
	if (!r)
		r = tiles_sync(t);
	if (!r)
		r = tile_reader_open(fd, size, &in);
	if (r)
		return r;
	tree_root(tiles_edge(t), &c.root);
	n = checkpoint_text(&c, text, sizeof(text));
	k = note_sign(text, n, ORIGIN, s, note, sizeof(note));
	n = k ? cosign(text, n, MADE_AT, WITNESS, witness, note + k, sizeof(note) - k) : 0;
	if (!n)
		return -EIO;
	note[k + n] = '\0';
	json_object_set_new(log, "size", json_integer(size));
	json_object_set_new(log, "root", render_base64(c.root.b, TREE_HASH_LEN));
	json_object_set_new(log, "notes", json_pack("[o]", text_json(note, k + n)));
	r = add_proofs(log, size, in, note, s);
	json_array_append_new(logs, log);
	return r;
}

static int make_vkey(json_t *o, const char *key, const char *name, const struct signer *s,
		     enum note_type type)
{
	struct note_key k = {0};
	char vkey[400];

	snprintf(k.name, sizeof(k.name), "%s", name);
	memcpy(k.public, signer_public(s), RECORD_PUBKEY_LEN);
	if (note_vkey_of(&k, type, vkey, sizeof(vkey)))
		return -EINVAL;
	return json_object_set_new(o, key, json_string(vkey)) ? -ENOMEM : 0;
}

static int make(const char *dir, int sizes, char **size)
{
	_cleanup_(signer_freep) struct signer *s = NULL, *w = NULL;
	json_auto_t *o = json_object(), *logs = json_array();
	char path[4096], err[512] = "";
	int r;

	snprintf(path, sizeof(path), "%s/log.key", dir);
	r = signer_open(path, true, &s, err, sizeof(err));
	snprintf(path, sizeof(path), "%s/witness.key", dir);
	if (!r)
		r = signer_open(path, true, &w, err, sizeof(err));
	if (!r)
		r = make_vkey(o, "vkey", ORIGIN, s, NOTE_ED25519);
	if (!r)
		r = make_vkey(o, "witness_vkey", WITNESS, w, NOTE_COSIGNATURE);
	for (int i = 0; i < sizes && !r; i++)
		r = make_log(dir, strtoull(size[i], NULL, 10), s, w, logs);
	json_object_set(o, "logs", logs);
	snprintf(path, sizeof(path), "%s/made.json", dir);
	if (!r && json_dump_file(o, path, JSON_INDENT(1)))
		r = -EIO;
	if (r)
		fprintf(stderr, "logtool: %s %s\n", strerror(-r), err);
	return r != 0;
}

/* --- check ----------------------------------------------------------------------------------------- */

struct checking {
	struct note_key log, witness;
	uint64_t size;
	struct tree_hash root;
	size_t taken, refused, wrong;
};

static void judged(struct checking *c, const json_t *o, bool is, const char *what)
{
	bool good = json_is_true(json_object_get(o, "good"));

	c->taken += good && is;
	c->refused += !good && !is;
	if (good == is)
		return;
	c->wrong++;
	printf("wrong: %s of size %" PRIu64 " %s: %s\n", what, c->size, is ? "taken" : "refused",
	       json_string_value(json_object_get(o, "why")) ?: "");
}

static bool hash_of(const json_t *v, struct tree_hash *ret)
{
	return json_is_string(v) && base64_decode(json_string_value(v), json_string_length(v),
						  ret->b, TREE_HASH_LEN) == TREE_HASH_LEN;
}

static bool path_of(const json_t *o, struct tree_hash ret[static TREE_PATH_MAX], size_t *ret_n)
{
	const json_t *a = json_object_get(o, "path");
	size_t n = json_array_size(a);

	for (size_t i = 0; i < n; i++)
		if (n > TREE_PATH_MAX || !hash_of(json_array_get(a, i), &ret[i]))
			return false;
	*ret_n = n;
	return true;
}

/* Signed by the log, seen by the witness, of this size and root. */
static bool note_ok(const struct checking *c, const char *p, size_t n)
{
	struct checkpoint is;
	struct note note;
	const char *why;
	uint64_t t = 0;

	return !note_parse(p, n, &note, &why) && !note_verify(&note, &c->log, NULL) &&
	       !checkpoint_parse(note.text, note.text_n, &is, &why) &&
	       !cosignature_verify(&note, &c->witness, &t) && t && is.size == c->size &&
	       !strcmp(is.origin, c->log.name) && !memcmp(is.root.b, c->root.b, TREE_HASH_LEN);
}

static bool inclusion_ok(const struct checking *c, const json_t *o)
{
	uint64_t i = json_integer_value(json_object_get(o, "index"));
	struct tree_hash path[TREE_PATH_MAX], leaf;
	size_t n;

	entry_leaf(i, &leaf);
	return path_of(o, path, &n) && tree_inclusion_ok(i, &leaf, c->size, &c->root, path, n);
}

static bool consistency_ok(const struct checking *c, const json_t *o)
{
	uint64_t old = json_integer_value(json_object_get(o, "old"));
	struct tree_hash path[TREE_PATH_MAX], was;
	size_t n;

	return hash_of(json_object_get(o, "old_root"), &was) && path_of(o, path, &n) &&
	       tree_consistency_ok(old, &was, c->size, &c->root, path, n);
}

static bool proof_ok(const struct checking *c, const json_t *o)
{
	const json_t *text = json_object_get(o, "text");
	struct tlog_proof p;
	struct tree_hash leaf;
	const char *why;

	if (tlog_proof_parse(json_string_value(text), json_string_length(text), &p, NULL, 0, &why))
		return false;
	entry_leaf(p.index, &leaf);
	return note_ok(c, p.note, p.note_n) &&
	       tree_inclusion_ok(p.index, &leaf, c->size, &c->root, p.path, p.n);
}

/* As a witness that holds the old tree, whose root stands beside the request. */
static bool request_ok(const struct checking *c, const json_t *o)
{
	const json_t *text = json_object_get(o, "text");
	struct witness_request q;
	struct tree_hash was;
	const char *why;

	return !witness_request_parse(json_string_value(text), json_string_length(text), &q,
				      &why) &&
	       note_ok(c, q.note, q.note_n) && hash_of(json_object_get(o, "old_root"), &was) &&
	       tree_consistency_ok(q.old, &was, c->size, &c->root, q.path, q.n);
}

static void check_log(struct checking *c, const json_t *log)
{
	const json_t *o;
	size_t i;

	c->size = json_integer_value(json_object_get(log, "size"));
	if (!hash_of(json_object_get(log, "root"), &c->root))
		c->wrong++;
	json_array_foreach(json_object_get(log, "notes"), i, o)
	{
		const json_t *t = json_object_get(o, "text");

		judged(c, o, note_ok(c, json_string_value(t), json_string_length(t)), "note");
	}
	json_array_foreach(json_object_get(log, "inclusion"), i, o)
		judged(c, o, inclusion_ok(c, o), "inclusion");
	json_array_foreach(json_object_get(log, "consistency"), i, o)
		judged(c, o, consistency_ok(c, o), "consistency");
	json_array_foreach(json_object_get(log, "proofs"), i, o)
		judged(c, o, proof_ok(c, o), "proof");
	json_array_foreach(json_object_get(log, "requests"), i, o)
		judged(c, o, request_ok(c, o), "request");
}

static int check(const char *file)
{
	json_auto_t *o = json_load_file(file, 0, NULL);
	const char *vkey = json_string_value(json_object_get(o, "vkey"));
	const char *witness = json_string_value(json_object_get(o, "witness_vkey"));
	struct checking c = {0};
	const json_t *log;
	size_t i;

	if (!vkey || !witness || note_vkey_parse(vkey, strlen(vkey), &c.log) ||
	    note_vkey_parse_of(witness, strlen(witness), NOTE_COSIGNATURE, &c.witness)) {
		fprintf(stderr, "logtool: %s: no such file, or a vkey that is none\n", file);
		return 1;
	}
	json_array_foreach(json_object_get(o, "logs"), i, log) check_log(&c, log);
	printf("taken %zu refused %zu wrong %zu\n", c.taken, c.refused, c.wrong);
	return c.wrong != 0;
}

int main(int argc, char **argv)
{
	if (argc > 3 && !strcmp(argv[1], "make"))
		return make(argv[2], argc - 3, argv + 3);
	if (argc == 3 && !strcmp(argv[1], "check"))
		return check(argv[2]);
	fprintf(stderr, "usage: logtool make DIR SIZE... | check FILE\n");
	return 2;
}
