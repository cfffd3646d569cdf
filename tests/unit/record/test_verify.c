// SPDX-License-Identifier: Apache-2.0
/*
 * Tamper: over real files of the real spool, each flipped byte, each truncation, each deleted
 * segment, and what an attacker who repairs checksums would do, is found and named. And no false
 * alarm on a spool that is being written.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/file.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/reader.h"
#include "chainlet.h"

#define SEGMENTS 3
#define TILE_BYTES 8192
static struct chainlet c;
static struct chainlet_file seg[SEGMENTS + 1], head;
static size_t segs;

static int setup(void **state)
{
	chainlet_new(&c);
	chainlet_open(&c, 700, NULL);
	chainlet_start(&c);
	for (uint64_t i = 1; segs < SEGMENTS || spool_state(c.s)->next_seq < 8; i++) {
		chainlet_add(&c, 1000 + i, 20 + 7 * i);
		segs = spool_state(c.s)->segments;
		assert_true(i < 20);
	}
	chainlet_close(&c);
	assert_int_equal(chainlet_segments(&c, seg, SEGMENTS + 1), SEGMENTS);
	for (size_t i = 0; i < SEGMENTS; i++)
		assert_true(seg[i].frames >= 2);
	chainlet_load(&c, 0, "head", &head);
	assert_int_equal(head.n, HEAD_LEN);
	return 0;
}

/* Each test begins with the untouched files, also after one that failed. */
static int restore_all(void **state)
{
	for (size_t i = 0; i < SEGMENTS; i++)
		chainlet_restore(&seg[i]);
	chainlet_restore(&head);
	return 0;
}

static int teardown(void **state)
{
	for (size_t i = 0; i < SEGMENTS; i++)
		free(seg[i].p);
	free(head.p);
	chainlet_done(&c);
	return 0;
}

static struct verify_result verify(const uint8_t *expect)
{
	const struct verify_options o = {.expect_public = expect};
	struct verify_result r;

	assert_int_equal(verify_dir(c.spool, &o, &r), 0);
	return r;
}

static void expect(const char *what, size_t at, const char *file, uint64_t offset, uint64_t seq,
		   const char *kinds)
{
	struct verify_result r = verify(NULL);

	if (r.ok)
		fail_msg("%s at %zu: not found", what, at);
	if (strcmp(r.first.file, file) || r.first.offset != offset || r.first.seq != seq ||
	    !strstr(kinds, r.first.kind))
		fail_msg("%s at %zu: found %s in %s at %llu, record %llu; expected %s in %s at "
			 "%llu, record %llu",
			 what, at, r.first.kind, r.first.file, (unsigned long long)r.first.offset,
			 (unsigned long long)r.first.seq, kinds, file, (unsigned long long)offset,
			 (unsigned long long)seq);
	assert_true(r.first.detail[0]);
}

static void whole(void **state)
{
	struct verify_result r = verify(signer_public(c.signer));

	assert_true(r.ok);
	assert_int_equal(r.findings, 0);
	assert_int_equal(r.segments, SEGMENTS);
	assert_int_equal(r.first_seq, 0);
	assert_int_equal(r.records, r.last_seq + 1);
	assert_int_equal(r.by_schema[RECORD_CONTROL], 1);
	assert_int_equal(r.by_schema[RECORD_AI_CALL], r.records - 1);
	assert_int_equal(r.bytes, seg[0].n + seg[1].n + seg[2].n);
	assert_memory_equal(r.public, signer_public(c.signer), 32);
	assert_false(r.pruned);
	assert_false(r.live_tail);
}

static size_t frame_of(const struct chainlet_file *f, size_t at)
{
	size_t k = 0;

	while (k < f->frames && f->at[k + 1] <= at)
		k++;
	return k;
}

static void each_flipped_byte(void **state)
{
	for (size_t i = 0; i < SEGMENTS; i++)
		for (size_t at = 0; at < seg[i].n; at++) {
			size_t k = frame_of(&seg[i], at), in = at - seg[i].at[k];

			seg[i].p[at] ^= 1 << at % 8;
			chainlet_restore(&seg[i]);
			expect("flip", at, seg[i].name, seg[i].at[k], seg[i].first + k,
			       in < 4	? "frame"
			       : in < 8 ? "frame,crc,tail cut"
					: "crc");
			seg[i].p[at] ^= 1 << at % 8;
			chainlet_restore(&seg[i]);
		}
	for (size_t at = 0; at < head.n; at++)
		for (int bit = 0; bit < 8; bit++) {
			head.p[at] ^= 1 << bit;
			chainlet_restore(&head);
			if (bit == (int)at % 8)
				expect("head flip", at, "head", 0, 0, "head");
			head.p[at] ^= 1 << bit;
		}
	chainlet_restore(&head);
	assert_true(verify(NULL).ok);
}

static void each_truncation(void **state)
{
	for (size_t i = 0; i < SEGMENTS; i++) {
		for (size_t n = 0; n < seg[i].n; n++) {
			size_t k = frame_of(&seg[i], n);
			bool boundary = n == seg[i].at[k];

			chainlet_write(&seg[i], seg[i].p, n);
			expect("cut", n, seg[i].name, seg[i].at[k], seg[i].first + k,
			       i + 1 == SEGMENTS ? "tail cut"
			       : boundary	 ? "missing segment"
						 : "frame");
		}
		chainlet_restore(&seg[i]);
	}
	for (size_t n = 0; n < head.n; n++) {
		chainlet_write(&head, head.p, n);
		expect("head cut", n, "head", 0, 0, "head");
	}
	chainlet_restore(&head);
	assert_true(verify(NULL).ok);
}

static void each_deleted_file(void **state)
{
	for (size_t i = 0; i < SEGMENTS; i++) {
		const struct chainlet_file *before = i ? &seg[i - 1] : &seg[0];

		assert_int_equal(unlink(seg[i].path), 0);
		expect("deleted", i, before->name, i ? before->n : 0, seg[i].first,
		       i + 1 == SEGMENTS ? "tail cut" : "missing segment");
		chainlet_restore(&seg[i]);
	}
	for (size_t i = 0; i < SEGMENTS; i++)
		unlink(seg[i].path);
	expect("all deleted", 0, seg[0].name, 0, 0, "missing segment");
	unlink(head.path);
	expect("empty", 0, "", 0, 0, "empty");
	for (size_t i = 0; i < SEGMENTS; i++)
		chainlet_restore(&seg[i]);
	expect("no head", 0, "head", 0, seg[2].first + seg[2].frames, "head");
	chainlet_restore(&head);
	assert_true(verify(NULL).ok);
}

static void renamed_segments(void **state)
{
	char other[300];

	snprintf(other, sizeof(other), "%s/%020d.seg", c.spool, 1);
	assert_int_equal(rename(seg[0].path, other), 0);
	expect("renamed", 0, seg[0].name, 0, 0, "missing segment");
	assert_int_equal(rename(other, seg[0].path), 0);
	snprintf(other, sizeof(other), "%s/%020d.seg", c.spool, (int)seg[1].first + 1);
	assert_int_equal(rename(seg[1].path, other), 0);
	expect("renamed", 1, seg[0].name, seg[0].n, seg[1].first, "missing segment");
	assert_int_equal(rename(other, seg[1].path), 0);
	assert_true(verify(NULL).ok);
}

static void swapped_and_doubled_frames(void **state)
{
	struct chainlet_file *f = &seg[1];
	size_t a = f->at[1], b = f->at[2];
	_cleanup_free_ uint8_t *p = malloc(2 * f->n);

	memcpy(p, f->p + a, b - a); /* the second before the first */
	memcpy(p + b - a, f->p, a);
	memcpy(p + b, f->p + b, f->n - b);
	chainlet_write(f, p, f->n);
	expect("swap", 0, f->name, 0, f->first, "sequence");

	memcpy(p, f->p, b); /* the second twice */
	memcpy(p + b, f->p + a, f->n - a);
	chainlet_write(f, p, f->n + b - a);
	expect("double", 0, f->name, b, f->first + 2, "sequence");

	memcpy(p, f->p, a); /* the second left out */
	memcpy(p + a, f->p + b, f->n - b);
	chainlet_write(f, p, f->n - (b - a));
	expect("left out", 0, f->name, a, f->first + 1,
	       f->frames > 2 ? "sequence" : "missing segment");
	chainlet_restore(f);
	assert_true(verify(NULL).ok);
}

/* What a forger does to one frame before the checksum is made right again. */
static const struct forgery {
	const char *name, *kind;
	size_t at; /* in the record */
	bool resign, foreign, rehash;
} forgeries[] = {
	{"payload", "record", RECORD_HEADER_LEN + 3, false, false, false},
	{"payload and its hash", "signature", RECORD_HEADER_LEN + 3, false, false, true},
	{"time", "signature", 64, false, false, false},
	{"signed with another key", "signature", 64, true, true, false},
	{"another key named", "key id", 104, true, true, false},
	{"sequence", "sequence", 55, true, false, false},
	{"chain", "chain id", 24, true, false, false},
	{"previous hash", "previous hash", 112, true, false, false},
	{"id set back", "id order", 62, true, false, false},
};

static void reframe(uint8_t *frame, size_t n, struct signer *key)
{
	uint8_t *record = frame + SEGMENT_FRAME_LEN;
	size_t len = n - SEGMENT_FRAME_LEN - RECORD_SEAL_MAX;

	if (key)
		assert_int_equal(signer_sign(key, record, RECORD_HEADER_LEN,
					     record + len + MAC_LEN),
				 0);
	frame_head(record, len, RECORD_SEAL_MAX, frame);
}

static void forged_frames(void **state)
{
	struct chainlet_file *f = &seg[1];
	size_t a = f->at[1], n = f->at[2] - a;
	struct chainlet other;

	chainlet_new(&other);
	for (size_t i = 0; i < ARRAY_SIZE(forgeries); i++) {
		const struct forgery *g = &forgeries[i];
		_cleanup_free_ uint8_t *p = malloc(f->n);
		uint8_t *record = p + a + SEGMENT_FRAME_LEN;
		struct record r;
		const char *why;

		memcpy(p, f->p, f->n);
		if (g->at == 62)
			put_be(record + 56, 8, 1);
		else
			record[g->at] ^= 1;
		if (g->rehash) {
			size_t len = n - SEGMENT_FRAME_LEN - RECORD_SEAL_MAX;

			memcpy(&r, &(struct record){0}, sizeof(r));
			assert_int_equal(record_decode(f->p + a + SEGMENT_FRAME_LEN, len, &r, &why),
					 0);
			r.payload = record + RECORD_HEADER_LEN;
			_cleanup_free_ uint8_t *made = malloc(len);
			assert_int_equal(record_encode(&r, made, len), len);
			memcpy(record, made, len);
		}
		reframe(p + a, n, g->resign ? g->foreign ? other.signer : c.signer : NULL);
		chainlet_write(f, p, f->n);
		expect(g->name, i, f->name, a, f->first + 1, g->kind);
	}
	chainlet_restore(f);
	chainlet_done(&other);
	assert_true(verify(NULL).ok);
}

static void another_history_of_the_same_key(void **state)
{
	struct chainlet_file *f = &seg[SEGMENTS - 1];
	size_t k = f->frames - 1, a = f->at[k];
	_cleanup_free_ uint8_t *p = malloc(f->n);

	/* The host's own key signs another last record: only the head remembers. */
	memcpy(p, f->p, f->n);
	p[a + SEGMENT_FRAME_LEN + 70] ^= 1;
	reframe(p + a, f->n - a, c.signer);
	chainlet_write(f, p, f->n);
	expect("fork", 0, f->name, a, f->first + k, "head");
	chainlet_restore(f);
}

static void another_key(void **state)
{
	struct chainlet other;
	struct verify_result r;

	chainlet_new(&other);
	r = verify(signer_public(other.signer));
	assert_false(r.ok);
	assert_string_equal(r.first.kind, "key id");
	assert_int_equal(r.first.seq, 0);
	assert_string_equal(r.first.file, seg[0].name);
	chainlet_done(&other);
}

static void live_tail(void **state)
{
	struct chainlet_file *f = &seg[SEGMENTS - 1];
	_cleanup_free_ uint8_t *p = calloc(1, f->n + 4096);
	char lock[200];
	int fd;

	snprintf(lock, sizeof(lock), "%s/lock", c.spool);
	for (size_t extra = 1; extra < 300; extra += extra < 16 ? 1 : 41)
		for (int zero = 0; zero < 2; zero++) {
			struct verify_result r;

			/* The beginning of one more frame (of the first's length), or only zeros. */
			memcpy(p, f->p, f->n);
			memcpy(p + f->n, f->p, extra);
			if (zero)
				memset(p + f->n, 0, extra);
			if (!zero && extra >= f->at[1])
				break;
			chainlet_write(f, p, f->n + extra);
			expect("torn", extra, f->name, f->n, f->first + f->frames, "torn tail");
			fd = open(lock, O_RDWR);
			assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
			r = verify(NULL);
			assert_true(r.ok);
			assert_true(r.live_tail);
			close(fd);
		}
	/* The lock is no excuse for less than the head names. */
	fd = open(lock, O_RDWR);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	chainlet_write(f, f->p, f->n - 1);
	expect("cut while live", 0, f->name, f->at[f->frames - 1], f->first + f->frames - 1,
	       "tail cut");
	close(fd);
	chainlet_restore(f);
	assert_true(verify(NULL).ok);
}

static int stop_at_3(void *ctx, const struct record *r, const struct frame *f)
{
	assert_int_equal(r->seq, *(uint64_t *)ctx);
	assert_int_equal(f->record_len, RECORD_HEADER_LEN + r->payload_len);
	return ++*(uint64_t *)ctx == 3;
}

static void records_are_handed_out(void **state)
{
	uint64_t n = 0;
	const struct verify_options o = {.record = stop_at_3, .ctx = &n};
	struct verify_result r;

	assert_int_equal(verify_dir(c.spool, &o, &r), 0);
	assert_int_equal(n, 3);
	assert_int_equal(r.records, 3);
	assert_int_equal(verify_dir("/nonexistent", &o, &r), -ENOENT);
}

/* --- larger, with all that lies beside the segments ------------------------------------------------ */

#define MANY 620 /* records: two full tiles and a part, many blocks of the reader */

static void many(struct chainlet *m, bool by_checkpoint)
{
	struct spool_config cfg = {.segment_bytes = 40000,
				   .origin = "test/host",
				   .by_checkpoint = by_checkpoint};
	char err[512] = "";
	uint8_t p[64] = {0};

	chainlet_new(m);
	cfg.dir = m->spool;
	cfg.epochs = m->epochs;
	assert_int_equal(spool_open(&cfg, &m->s, err, sizeof(err)), 0);
	chainlet_start(m);
	for (uint64_t i = 1; spool_state(m->s)->next_seq < MANY; i++) {
		p[0] = i;
		assert_int_equal(spool_seal(m->s, RECORD_AI_CALL, i, p, sizeof(p), false), 0);
		if (i % 100 == 0)
			assert_int_equal(spool_end_epoch(m->s, "time", false), 0);
		if (i % 20 == 0)
			assert_int_equal(spool_commit(m->s), 0);
	}
	assert_int_equal(spool_commit(m->s), 0);
	assert_int_equal(spool_checkpoint(m->s), 0);
}

static struct verify_result verify_many(struct chainlet *m, unsigned threads, bool anchored)
{
	uint8_t first[RECORD_PUBKEY_LEN];
	const struct verify_options o = {.expect_public = anchored ? first : NULL,
					 .threads = threads};
	struct verify_result r;

	assert_int_equal(epochs_chain_public(m->epochs, first), 0);
	assert_int_equal(verify_dir(m->spool, &o, &r), 0);
	return r;
}

static void same_with_any_threads(void **state)
{
	static const unsigned threads[] = {1, 2, 5, 16, 200};
	struct chainlet_file f[16];
	struct chainlet m;
	size_t n;

	many(&m, false);
	chainlet_close(&m);
	n = chainlet_segments(&m, f, ARRAY_SIZE(f));
	assert_true(n >= 5);
	/* First whole, then one byte of each segment in turn. */
	for (size_t d = 0; d <= n; d++) {
		struct verify_result want, is;
		size_t at = d ? f[d - 1].n / (d + 1) : 0;

		if (d) {
			f[d - 1].p[at] ^= 0x10;
			chainlet_restore(&f[d - 1]);
		}
		want = verify_many(&m, 1, true);
		assert_int_equal(want.ok, !d);
		if (!d) {
			assert_int_equal(want.records, MANY);
			assert_int_equal(want.epochs, 7);
			assert_int_equal(want.seals, 6);
			assert_true(want.tiles >= 4); /* two of level 0, its rest, one of level 1 */
			assert_int_equal(want.checkpoint_size, MANY);
		} else {
			assert_string_equal(want.first.file, f[d - 1].name);
		}
		for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
			is = verify_many(&m, threads[i], true);
			assert_memory_equal(&is, &want, sizeof(is));
		}
		if (d) {
			f[d - 1].p[at] ^= 0x10;
			chainlet_restore(&f[d - 1]);
		}
	}
	for (size_t i = 0; i < n; i++)
		free(f[i].p);
	chainlet_done(&m);
}

static void flip(struct chainlet *m, const char *name, size_t at)
{
	char path[256];
	uint8_t b;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", m->spool, name);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &b, 1, at), 1);
	b ^= 0x20;
	assert_int_equal(pwrite(fd, &b, 1, at), 1);
	close(fd);
}

static void expect_many(struct chainlet *m, const char *what, bool anchored, const char *kinds)
{
	struct verify_result r = verify_many(m, 1, anchored);

	if (kinds ? r.ok || !strstr(kinds, r.first.kind) : !r.ok)
		fail_msg("%s: %s in %s at %llu (%s); expected %s", what, r.ok ? "ok" : r.first.kind,
			 r.first.file, (unsigned long long)r.first.offset, r.first.detail,
			 kinds ?: "ok");
}

/* Behind segments that are gone: keys from `seals`, leaves from the tiles, back to the first. */
static void pruned(void **state)
{
	static const char *const tiles[] = {"tile/0/000", "tile/0/001", "tile/1/000.p/2"};
	char from[256], to[256];
	struct chainlet m;
	struct verify_result r;

	many(&m, false);
	assert_int_equal(spool_drop(m.s, 500), 0);
	assert_true(spool_state(m.s)->first_seq > 300);
	chainlet_close(&m);
	expect_many(&m, "pruned", true, NULL);
	r = verify_many(&m, 2, true);
	assert_true(r.pruned && r.trusted && r.tree_known);
	assert_int_equal(r.first_seq + r.records, MANY);
	assert_int_equal(r.checkpoint_size, MANY);
	expect_many(&m, "without the anchor", false, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(tiles); i++) {
		for (size_t at = 5; at < 64; at += 32) {
			flip(&m, tiles[i], at);
			expect_many(&m, tiles[i], true, "tile");
			flip(&m, tiles[i], at);
		}
		snprintf(from, sizeof(from), "%s/%s", m.spool, tiles[i]);
		snprintf(to, sizeof(to), "%s/gone", m.dir);
		assert_int_equal(rename(from, to), 0);
		expect_many(&m, tiles[i], true, "tile");
		assert_int_equal(rename(to, from), 0);
	}
	snprintf(from, sizeof(from), "%s/seals", m.spool);
	assert_int_equal(rename(from, to), 0);
	expect_many(&m, "no seals", true, "seal");
	expect_many(&m, "no seals, no anchor", false, "seal");
	assert_int_equal(rename(to, from), 0);
	flip(&m, "seals", 100);
	expect_many(&m, "a SEAL changed", true, "crc");
	flip(&m, "seals", 100);
	expect_many(&m, "whole again", true, NULL);
	chainlet_done(&m);
}

/* A tile of leaves behind the last record: somebody cut the rest away. */
static void tiles_beyond(void **state)
{
	uint8_t zeros[TILE_BYTES] = {0};
	char path[256];
	struct chainlet m;
	int fd;

	many(&m, false);
	chainlet_close(&m);
	snprintf(path, sizeof(path), "%s/tile/0/003", m.spool);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(fs_write_all(fd, zeros, sizeof(zeros)), 0);
	close(fd);
	expect_many(&m, "a tile too many", true, "tile");
	unlink(path);
	expect_many(&m, "whole again", true, NULL);
	chainlet_done(&m);
}

/* Records without a signature: what is signed behind them covers them, else a finding says so. */
static void cover(void **state)
{
	struct chainlet m;
	struct chainlet_file head_before, checkpoint;
	struct verify_result r;
	uint8_t p[8] = {0};
	char lock[200];
	int fd;

	many(&m, true);
	chainlet_load(&m, 0, "head", &head_before);
	chainlet_load(&m, 0, "checkpoint", &checkpoint);
	expect_many(&m, "signed by checkpoint", true, NULL);
	r = verify_many(&m, 1, true);
	assert_true(r.signatures < 40); /* START, SEALs twice, checkpoint */
	for (uint64_t i = 0; i < 5; i++)
		assert_int_equal(spool_seal(m.s, RECORD_AI_CALL, 10000 + i, p, 8, false), 0);
	assert_int_equal(spool_commit(m.s), 0);
	chainlet_close(&m);
	r = verify_many(&m, 1, true); /* the head names the last of them */
	assert_true(r.ok);
	assert_int_equal(r.unsigned_tail, 0);
	chainlet_restore(&head_before); /* as if it had not been written yet */
	r = verify_many(&m, 1, true);
	assert_false(r.ok);
	assert_string_equal(r.first.kind, "uncovered");
	assert_int_equal(r.first.seq, MANY);
	assert_int_equal(r.unsigned_tail, 5);
	snprintf(lock, sizeof(lock), "%s/lock", m.spool);
	fd = open(lock, O_RDWR);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	r = verify_many(&m, 1, true); /* a recorder is on its way there */
	assert_true(r.ok);
	assert_int_equal(r.unsigned_tail, 5);
	close(fd);
	free(head_before.p);
	free(checkpoint.p);
	chainlet_done(&m);
}

/* Records of a copy that is a part: no head, and the tree goes on in the tiles. */
static void a_part(void **state)
{
	struct chainlet_file f[16];
	uint8_t first[RECORD_PUBKEY_LEN];
	struct verify_options o = {.expect_public = first, .part = true};
	char path[256];
	struct verify_result r;
	struct chainlet m;
	size_t n;

	many(&m, false);
	chainlet_close(&m);
	assert_int_equal(epochs_chain_public(m.epochs, first), 0);
	n = chainlet_segments(&m, f, ARRAY_SIZE(f));
	unlink(f[0].path);
	unlink(f[n - 1].path);
	snprintf(path, sizeof(path), "%s/head", m.spool);
	unlink(path);
	assert_int_equal(verify_dir(m.spool, &o, &r), 0);
	if (!r.ok)
		fail_msg("%s in %s: %s", r.first.kind, r.first.file, r.first.detail);
	assert_int_equal(r.checkpoint_size, MANY);
	assert_int_equal(r.records, MANY - f[0].frames - f[n - 1].frames);
	/* The leaves behind the last record are no one's word but the checkpoint's. */
	flip(&m, "tile/0/002.p/108", 107 * 32);
	assert_int_equal(verify_dir(m.spool, &o, &r), 0);
	assert_false(r.ok);
	for (size_t i = 0; i < n; i++)
		free(f[i].p);
	chainlet_done(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(whole, restore_all),
		cmocka_unit_test_setup(each_flipped_byte, restore_all),
		cmocka_unit_test_setup(each_truncation, restore_all),
		cmocka_unit_test_setup(each_deleted_file, restore_all),
		cmocka_unit_test_setup(renamed_segments, restore_all),
		cmocka_unit_test_setup(swapped_and_doubled_frames, restore_all),
		cmocka_unit_test_setup(forged_frames, restore_all),
		cmocka_unit_test_setup(another_history_of_the_same_key, restore_all),
		cmocka_unit_test_setup(another_key, restore_all),
		cmocka_unit_test_setup(live_tail, restore_all),
		cmocka_unit_test_setup(records_are_handed_out, restore_all),
		cmocka_unit_test(same_with_any_threads),
		cmocka_unit_test(pruned),
		cmocka_unit_test(tiles_beyond),
		cmocka_unit_test(cover),
		cmocka_unit_test(a_part),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
