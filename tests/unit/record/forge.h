/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an attacker does who may write to the spool and has stolen the keys of the open epoch: takes records
 * apart, changes them, chains, signs and frames them again, and makes head, `seals` and checkpoint to match.
 */
#ifndef TEST_FORGE_H
#define TEST_FORGE_H

#include "chainlet.h"
#include "proto/record.pb-c.h"
#include "record/checkpoint.h"
#include "record/tile.h"

#define FORGED_MAX 96
struct forged {
	struct record r;
	uint8_t payload[512];
	uint8_t mac[MAC_LEN], sig[RECORD_SIG_LEN]; /* as they were */
	bool keep;				   /* the bytes as they were */
	bool erase;				   /* the header alone is left */
	uint8_t header[RECORD_HEADER_LEN];
};
struct forge {
	struct forged f[FORGED_MAX];
	size_t n;
	struct signer *key;	   /* stolen */
	const struct mac_key *mac; /* stolen too; NULL: MACs stay as they are */
};

/* All records of the spool. */
static inline void forge_load(struct forge *g, struct chainlet *c)
{
	struct chainlet_file file[16];
	size_t n = chainlet_segments(c, file, ARRAY_SIZE(file));

	g->n = 0;
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < file[i].frames; k++) {
			struct forged *o = &g->f[g->n++];
			const char *why;
			struct frame f;

			assert_true(g->n <= FORGED_MAX);
			*o = (struct forged){.keep = true};
			assert_true(frame_parse(file[i].p + file[i].at[k],
						file[i].n - file[i].at[k], &f, &why) > 0);
			assert_int_equal(record_decode(f.record, f.record_len, &o->r, &why), 0);
			assert_true(o->r.payload_len <= sizeof(o->payload));
			memcpy(o->payload, o->r.payload, o->r.payload_len);
			memcpy(o->header, f.record, sizeof(o->header));
			memcpy(o->mac, f.mac, sizeof(o->mac));
			if (f.sig)
				memcpy(o->sig, f.sig, sizeof(o->sig));
		}
		free(file[i].p);
	}
}

static inline Probity__V1__Control *forge_control(const struct forged *o)
{
	return o->r.schema != RECORD_CONTROL
		       ? NULL
		       : probity__v1__control__unpack(NULL, o->r.payload_len, o->payload);
}

static inline bool forge_is(const struct forged *o, Probity__V1__Control__Kind kind)
{
	Probity__V1__Control *c = forge_control(o);
	bool is = c && c->kind == kind;

	if (c)
		probity__v1__control__free_unpacked(c, NULL);
	return is;
}

static inline void forge_payload(struct forged *o, Probity__V1__Control *c)
{
	o->r.payload_len = probity__v1__control__get_packed_size(c);
	assert_true(o->r.payload_len <= sizeof(o->payload));
	probity__v1__control__pack(c, o->payload);
	o->keep = false;
}

/* Of the same kind, with another root, place and next key. */
static inline void forge_seal(struct forged *o, const struct tree_hash *root, uint64_t first,
			      const uint8_t next[static RECORD_PUBKEY_LEN])
{
	Probity__V1__Control *c = forge_control(o);

	c->epoch = o->r.epoch;
	c->epoch_first_seq = first;
	c->tree_size = o->r.seq;
	memcpy(c->tree_root.data, root->b, TREE_HASH_LEN);
	memcpy(c->next_public_key.data, next, RECORD_PUBKEY_LEN);
	forge_payload(o, c);
	probity__v1__control__free_unpacked(c, NULL);
}

static inline void forge_start(struct forged *o, const uint8_t public[static RECORD_PUBKEY_LEN])
{
	Probity__V1__Control *c = forge_control(o);

	memcpy(c->public_key.data, public, RECORD_PUBKEY_LEN);
	forge_payload(o, c);
	probity__v1__control__free_unpacked(c, NULL);
}

static inline void forge_remove(struct forge *g, size_t k)
{
	memmove(&g->f[k], &g->f[k + 1], (g->n - k - 1) * sizeof(g->f[0]));
	g->n--;
}

/* MAC, and signature if it has one, behind a record of n bytes. Length of both. */
static inline size_t forge_sign(struct forge *g, struct forged *o, uint8_t *record, size_t n)
{
	bool own = o->r.alg != RECORD_CHECKPOINT;
	struct tree_hash leaf;

	if (!o->keep && g->mac) {
		record_leaf(record, leaf.b);
		mac_of(g->mac, &leaf, o->mac);
	}
	memcpy(record + n, o->mac, MAC_LEN);
	if (!own)
		return MAC_LEN;
	if (!o->keep)
		assert_int_equal(signer_sign(g->key, record, RECORD_HEADER_LEN, o->sig), 0);
	memcpy(record + n + MAC_LEN, o->sig, RECORD_SIG_LEN);
	return RECORD_SEAL_MAX;
}

static inline size_t forge_frame(struct forge *g, struct forged *o, uint8_t *frame)
{
	uint8_t *record = frame + SEGMENT_FRAME_LEN;
	size_t len = RECORD_HEADER_LEN + o->r.payload_len, sealed;

	o->r.payload = o->payload;
	if (o->keep) {
		memcpy(record, o->header, RECORD_HEADER_LEN);
		memcpy(record + RECORD_HEADER_LEN, o->payload, o->r.payload_len);
	} else {
		assert_int_equal(record_encode(&o->r, record, len), len);
		memcpy(o->header, record, RECORD_HEADER_LEN);
	}
	if (o->erase)
		len = RECORD_HEADER_LEN;
	sealed = forge_sign(g, o, record, len);
	frame_head(record, len, sealed, frame);
	return SEGMENT_FRAME_LEN + len + sealed;
}

enum forge_beside { FORGE_SEGMENTS = 0, FORGE_HEAD = 1, FORGE_SEALS = 2, FORGE_CHECKPOINT = 4 };

static inline void forge_put(struct chainlet *c, const char *name, const void *p, size_t n)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", c->spool, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fs_write_all(fd, p, n), 0);
	close(fd);
}

static inline void forge_clear(struct chainlet *c, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", c->spool, name);
	nftw(path, chainlet_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Tiles and a checkpoint of these leaves, in the place of those that were. */
static inline void forge_checkpoint(struct forge *g, struct chainlet *c,
				    const struct tree_hash *leaves, size_t n)
{
	struct checkpoint p = {.size = n};
	struct tiles *t = NULL;
	char text[512], note[1024], err[256];
	int dir;
	size_t k;

	forge_clear(c, "tile");
	forge_clear(c, "leaves");
	dir = open(c->spool, O_RDONLY | O_DIRECTORY);
	assert_int_equal(tiles_open(dir, 0, &t, err, sizeof(err)), 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(tiles_add(t, &leaves[i]), 0);
	assert_int_equal(tiles_sync(t), 0);
	tree_root(tiles_edge(t), &p.root);
	tiles_free(t);
	close(dir);
	assert_int_equal(checkpoint_origin_of("test/host", g->f[0].r.chain, p.origin), 0);
	k = checkpoint_text(&p, text, sizeof(text));
	k = note_sign(text, k, p.origin, g->key, note, sizeof(note));
	assert_true(k > 0);
	forge_put(c, "checkpoint", note, k);
}

/*
 * Numbers, chains and writes all records into one segment. Those that were changed, and with `rechain` all
 * behind the first of them, are made and signed anew. SEALs among these get the roots of the new tree.
 */
static inline void forge_write(struct forge *g, struct chainlet *c, bool rechain, bool rekey,
			       unsigned beside)
{
	static uint8_t segment[256 * 1024];
	static uint8_t seals[64 * 1024];
	struct tree_edge tree = {0};
	struct tree_hash leaf = {{0}}, root, leaves[FORGED_MAX];
	size_t n = 0, seals_n = 0;
	uint64_t first = 0;
	bool changed = false;

	chainlet_close(c);
	for (size_t i = 0; i < g->n; i++) {
		struct forged *o = &g->f[i];
		bool seal = forge_is(o, PROBITY__V1__CONTROL__KIND__SEAL);
		size_t k;

		changed |= !o->keep || o->r.seq != i;
		if (changed && (rechain || !o->keep)) {
			o->keep = false;
			if (rechain) {
				o->r.seq = i;
				memcpy(o->r.prev, leaf.b, sizeof(leaf));
			}
			if (rekey)
				key_id(signer_public(g->key), o->r.key_id);
			tree_root(&tree, &root);
			if (seal && rechain)
				forge_seal(o, &root, first, signer_public(g->key));
		}
		k = forge_frame(g, o, segment + n);
		record_leaf(segment + n + SEGMENT_FRAME_LEN, leaf.b);
		tree_add(&tree, &leaf);
		leaves[i] = leaf;
		if (seal) {
			memcpy(seals + seals_n, segment + n, k);
			seals_n += k;
			first = i + 1;
		}
		n += k;
		assert_true(n < sizeof(segment) - 1024 && seals_n < sizeof(seals) - 1024);
	}
	{
		struct chainlet_file old[16];
		size_t m = chainlet_segments(c, old, ARRAY_SIZE(old));
		char name[SEGMENT_NAME_LEN + 1];

		while (m--) {
			unlink(old[m].path);
			free(old[m].p);
		}
		segment_name(g->f[0].r.seq, name);
		forge_put(c, name, segment, n);
	}
	if (beside & FORGE_HEAD) {
		struct head h = {.seq = g->n - 1, .wall_ns = 1};
		uint8_t b[HEAD_LEN];

		memcpy(h.chain, g->f[0].r.chain, sizeof(h.chain));
		memcpy(h.leaf, leaf.b, sizeof(h.leaf));
		memcpy(h.public, signer_public(g->key), sizeof(h.public));
		assert_int_equal(head_encode(&h, g->key, b), 0);
		forge_put(c, "head", b, sizeof(b));
	}
	if (beside & FORGE_SEALS)
		forge_put(c, "seals", seals, seals_n);
	if (beside & FORGE_CHECKPOINT)
		forge_checkpoint(g, c, leaves, g->n);
}

#endif
