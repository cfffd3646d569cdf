// SPDX-License-Identifier: Apache-2.0
/*
 * The spool over crashes, failing disks and damage. After each, the same questions: does it open,
 * does the chain go on where it must, does verify agree, and is every durable record still there
 * or named as lost. Long because each case is a story of its own, told whole.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#include "../record/chainlet.h"
#include "base/cleanup.h"
#include "agent/spool_erase.h"
#include "base/log.h"

static struct chainlet c;

static int setup(void **state)
{
	chainlet_new(&c);
	return 0;
}

static int teardown(void **state)
{
	chainlet_done(&c);
	return 0;
}

static struct verify_result verify(void)
{
	uint8_t public[RECORD_PUBKEY_LEN];
	const struct verify_options o = {.expect_public = public};
	struct verify_result r;

	assert_int_equal(epochs_chain_public(c.epochs, public), 0);
	assert_int_equal(verify_dir(c.spool, &o, &r), 0);
	return r;
}

static void assert_verifies(uint64_t records)
{
	struct verify_result r = verify();

	if (!r.ok)
		fail_msg("%s in %s at %llu, record %llu: %s", r.first.kind, r.first.file,
			 (unsigned long long)r.first.offset, (unsigned long long)r.first.seq,
			 r.first.detail);
	assert_int_equal(r.records, records);
}

static void fill(uint64_t from_id, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		chainlet_add(&c, from_id + i, 30);
}

/* Keys as a recorder that starts finds them. */
static void keys_again(void)
{
	epochs_free(c.epochs);
	assert_int_equal(epochs_open(c.key, &c.epochs, (char[256]){0}, 256), 0);
}

/* As if somebody had removed the folder of keys. */
static void other_keys(void)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "rm -r '%s'", c.key);
	assert_int_equal(system(cmd), 0);
	keys_again();
}

static void continues_after_reopen(void **state)
{
	for (uint64_t run = 0; run < 5; run++) {
		chainlet_open(&c, 1500, NULL);
		assert_int_equal(spool_state(c.s)->next_seq, run * 4);
		assert_int_equal(spool_state(c.s)->durable_id, run ? 1000 * run + 2 : 0);
		assert_int_equal(spool_state(c.s)->repairs_count, 0);
		chainlet_start(&c);
		assert_int_equal(spool_commit(c.s), 0);
		fill(1000 * (run + 1), 3);
		chainlet_close(&c);
	}
	assert_verifies(20);
}

static void duplicates_are_refused(void **state)
{
	chainlet_open(&c, 1 << 20, NULL);
	fill(50, 1);
	assert_int_equal(spool_seal(c.s, 1, 50, "x", 1, false), -EALREADY);
	assert_int_equal(spool_seal(c.s, 1, 49, "x", 1, false), -EALREADY);
	assert_int_equal(spool_seal(c.s, 2, 0, "x", 1, false), 0); /* the recorder's own */
	assert_int_equal(spool_seal(c.s, 1, 50, "x", 1, false), -EALREADY);
	assert_int_equal(spool_seal(c.s, 1, 51, "x", 1, false), 0);
	assert_int_equal(spool_commit(c.s), 0);
	chainlet_close(&c);
	chainlet_open(&c, 1 << 20, NULL);
	assert_int_equal(spool_seal(c.s, 1, 51, "x", 1, false), -EALREADY);
	assert_int_equal(spool_state(c.s)->next_seq, 3);
}

static void id_is_found_in_older_segments(void **state)
{
	chainlet_open(&c, 400, NULL);
	fill(7, 2);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(spool_seal(c.s, 2, 0, "y", 1, true), 0);
		assert_int_equal(spool_commit(c.s), 0);
	}
	assert_true(spool_state(c.s)->segments > 3);
	chainlet_close(&c);
	chainlet_open(&c, 400, NULL);
	assert_int_equal(spool_state(c.s)->last_id, 8);
}

static void buffer_is_bounded(void **state)
{
	_cleanup_free_ uint8_t *big = calloc(1, SPOOL_PAYLOAD_MAX + 1);
	uint64_t n = 0;
	int e;

	chainlet_open(&c, 8 << 20, NULL);
	chainlet_start(&c);
	assert_int_equal(spool_seal(c.s, 1, 1, big, SPOOL_PAYLOAD_MAX + 1, false), -EMSGSIZE);
	while (!(e = spool_seal(c.s, 1, n + 1, big, SPOOL_PAYLOAD_MAX, false)))
		n++;
	assert_int_equal(e, -ENOBUFS);
	assert_int_equal(n, SPOOL_BUFFER / 65700);
	assert_int_equal(spool_seal(c.s, 2, 0, big, 4000, true), 0); /* room is kept for it */
	assert_int_equal(spool_commit(c.s), 0);
	assert_int_equal(spool_seal(c.s, 1, n + 1, big, SPOOL_PAYLOAD_MAX, false), 0);
	assert_int_equal(spool_commit(c.s), 0);
	chainlet_close(&c);
	assert_verifies(n + 3);
}

/* A group that was written but whose head was not: what a power cut may leave of it. */
static void torn_tails(void **state)
{
	struct chainlet_file head, before, after;

	chainlet_open(&c, 1 << 20, NULL);
	chainlet_start(&c);
	fill(1, 2);
	chainlet_load(&c, 0, "head", &head);
	chainlet_load(&c, 0, NULL, &before);
	fill(3, 2);
	chainlet_close(&c);
	chainlet_load(&c, 0, NULL, &after);
	for (size_t n = before.n; n <= after.n; n++)
		for (int kind = 0; kind < 3; kind++) {
			_cleanup_free_ uint8_t *p = calloc(1, after.n);
			size_t whole = 0, seen = n;
			const struct spool_state *s;

			/* Zeros behind are no loss where zeros were: a signature may end in one. */
			while (kind == 1 && seen < after.n && !after.p[seen])
				seen++;
			if (kind == 1 && seen == after.n)
				continue;
			memcpy(p, after.p, n);
			if (kind == 2 && n > before.n) /* a sector of it was never written */
				p[n - 1] ^= 0xff;
			chainlet_write(&after, p, kind == 1 ? after.n : n); /* 1: zeros behind */
			chainlet_restore(&head);
			chainlet_open(&c, 1 << 20, NULL);
			s = spool_state(c.s);
			while (whole < after.frames && after.at[whole + 1] <= seen)
				whole++;
			if (kind == 2 && n > before.n && after.at[whole] == n)
				whole--;
			assert_int_equal(s->next_seq, whole);
			assert_int_equal(s->repairs_count,
					 kind == 1 || n != after.at[whole] ? 1 : 0);
			if (s->repairs_count) {
				assert_string_equal(s->repairs[0].file, after.name);
				assert_int_equal(s->repairs[0].offset, after.at[whole]);
				assert_false(s->repairs[0].lost);
			}
			chainlet_start(&c);
			assert_int_equal(spool_commit(c.s), 0);
			chainlet_close(&c);
			if (n % 16 == 0 || n == after.at[whole])
				assert_verifies(whole + 1);
		}
	free(head.p);
	free(before.p);
	free(after.p);
}

static size_t size_of(const char *name)
{
	char p[512];
	struct stat st;

	snprintf(p, sizeof(p), "%s/%s", c.spool, name);
	return stat(p, &st) ? 0 : st.st_size;
}

static void clear_spool(void)
{
	nftw(c.spool, chainlet_remove_one, 8, FTW_DEPTH | FTW_PHYS);
	mkdir(c.spool, 0700);
}

/* Damage below the head, in the last segment: kept apart, declared, and the chain never forks. */
static void damage_is_kept_apart(void **state)
{
	struct chainlet_file head, first, last;
	uint64_t next;

	chainlet_open(&c, 700, NULL);
	chainlet_start(&c);
	fill(1, 5);
	next = spool_state(c.s)->next_seq;
	chainlet_close(&c);
	chainlet_load(&c, 0, "head", &head);
	chainlet_load(&c, 0, NULL, &first);
	chainlet_load(&c, first.frames, NULL, &last);
	assert_true(last.frames >= 2);
	for (int with_head = 0; with_head < 2; with_head++)
		for (size_t at = 0; at < last.n; at += with_head ? 3 : 7) {
			const struct spool_state *s;
			char bad[80];
			size_t k = 0;

			clear_spool();
			chainlet_restore(&first);
			last.p[at] ^= 0x40;
			chainlet_restore(&last);
			last.p[at] ^= 0x40;
			if (with_head)
				chainlet_restore(&head);
			while (last.at[k + 1] <= at)
				k++;
			chainlet_open(&c, 700, NULL);
			s = spool_state(c.s);
			assert_true(s->repairs_count >= 1);
			snprintf(bad, sizeof(bad), "%s.bad", last.name);
			if (with_head || s->next_seq == next) {
				assert_int_equal(s->next_seq, next);
				assert_string_equal(s->repairs[0].file, bad);
				assert_int_equal(s->repairs[0].offset, last.at[k]);
				assert_int_equal(size_of(bad), last.n); /* not one byte is gone */
				assert_true(s->repairs[1].lost);
				assert_int_equal(s->repairs[1].lost_first, last.first + k);
				assert_int_equal(s->repairs[1].lost_last, next - 1);
				assert_int_equal(size_of(last.name), last.at[k]);
				assert_int_equal(spool_next_kept(c.s, last.first + k), next);
			} else { /* the last frame, and nothing remembers it */
				assert_int_equal(k, last.frames - 1);
				assert_int_equal(s->next_seq, last.first + k);
			}
			assert_int_equal(spool_state(c.s)->durable_id >= 3, true);
			chainlet_start(&c);
			assert_int_equal(spool_commit(c.s), 0);
			chainlet_close(&c);
			if (with_head) {
				struct verify_result r = verify();

				assert_false(r.ok);
				assert_string_equal(r.first.kind, "missing segment");
				assert_int_equal(r.first.seq, last.first + k);
			}
		}
	free(head.p);
	free(first.p);
	free(last.p);
}

static void lost_side_files(void **state)
{
	static const char *const gone[] = {"head", "acked", "reserve", "lock"};
	char p[256];

	chainlet_open(&c, 700, NULL);
	chainlet_start(&c);
	fill(1, 5);
	assert_int_equal(spool_reserve(c.s), 0);
	assert_int_equal(spool_acked_write(c.s, 3), 0);
	chainlet_close(&c);
	for (size_t i = 0; i < ARRAY_SIZE(gone); i++)
		for (int garbage = 0; garbage < 2; garbage++) {
			uint64_t next;

			snprintf(p, sizeof(p), "%s/%s", c.spool, gone[i]);
			unlink(p);
			if (garbage)
				assert_int_equal(fs_write_atomic(p, "garbage", 7, 0600), 0);
			chainlet_open(&c, 700, NULL);
			next = spool_state(c.s)->next_seq;
			assert_int_equal(spool_state(c.s)->repairs_count, 0);
			chainlet_start(&c);
			assert_int_equal(spool_commit(c.s), 0);
			chainlet_close(&c);
			assert_verifies(next + 1);
		}
}

static void all_segments_gone(void **state)
{
	struct chainlet_file seg[8], head;
	const struct spool_state *s;
	size_t n;

	chainlet_open(&c, 700, NULL);
	chainlet_start(&c);
	fill(1, 5);
	chainlet_close(&c);
	n = chainlet_segments(&c, seg, 8);
	chainlet_load(&c, 0, "head", &head);
	for (size_t i = 0; i < n; i++) {
		unlink(seg[i].path);
		free(seg[i].p);
	}
	chainlet_open(&c, 700, NULL);
	s = spool_state(c.s);
	assert_int_equal(s->next_seq, 6); /* the head remembers: no second record 0 to 5 */
	assert_memory_equal(s->chain, head.p + 24, 16);
	assert_int_equal(s->repairs_count, 1);
	assert_true(s->repairs[0].lost);
	assert_int_equal(s->repairs[0].lost_first, 0);
	assert_int_equal(s->repairs[0].lost_last, 5);
	free(head.p);
}

/* --- a failing disk --------------------------------------------------------------------------- */

static int fail_syncs, fail_writes, short_writes;

static int bad_fdatasync(int fd)
{
	if (fail_syncs > 0) {
		fail_syncs--;
		errno = EIO;
		return -1;
	}
	return fdatasync(fd);
}

static ssize_t bad_pwrite(int fd, const void *p, size_t n, off_t at)
{
	if (short_writes > 0) {
		short_writes--;
		return pwrite(fd, p, n / 2 + 1, at);
	}
	if (fail_writes > 0) {
		fail_writes--;
		errno = ENOSPC;
		return -1;
	}
	return pwrite(fd, p, n, at);
}
static const struct spool_io bad_io = {bad_pwrite, bad_fdatasync};

static void a_failed_fsync_moves_to_a_new_file(void **state)
{
	static const struct {
		uint64_t before; /* records in the segment whose fsync fails */
		int failures, commit;
	} cases[] = {{0, 1, 0}, {3, 1, 0}, {0, 2, -EIO}, {3, 2, -EIO}, {3, 3, -EIO}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t n = 1 + cases[i].before, segments;
		struct stat st;
		char p[256];

		clear_spool();
		chainlet_open(&c, 1 << 20, &bad_io);
		if (cases[i].before) {
			chainlet_start(&c);
			fill(1, cases[i].before);
		}
		segments = spool_state(c.s)->segments;
		snprintf(p, sizeof(p), "%s/%020d.seg", c.spool, 0);
		fail_syncs = cases[i].failures;
		if (!cases[i].before)
			chainlet_start(&c);
		else
			assert_int_equal(spool_seal(c.s, 1, 99, "z", 1, false), 0), n++;
		assert_int_equal(spool_commit(c.s), cases[i].commit);
		assert_true(spool_state(c.s)->failures > 0);
		if (cases[i].commit) {
			assert_int_equal(spool_state(c.s)->pending, 1); /* nothing is lost */
			while (spool_commit(c.s))
				assert_int_equal(spool_state(c.s)->pending, 1);
		}
		assert_int_equal(spool_state(c.s)->segments, segments + 1);
		assert_int_equal(stat(p, &st), 0);
		chainlet_close(&c);
		assert_verifies(n);
		chainlet_open(&c, 1 << 20, NULL);
		assert_int_equal(spool_state(c.s)->next_seq, n);
		assert_int_equal(spool_state(c.s)->repairs_count, 0);
		chainlet_close(&c);
	}
}

static void a_full_disk_loses_nothing_sealed(void **state)
{
	chainlet_open(&c, 1 << 20, &bad_io);
	chainlet_start(&c);
	fill(1, 2);
	for (uint64_t i = 0; i < 5; i++) {
		assert_int_equal(spool_seal(c.s, 1, 10 + i, "0123456789", 10, false), 0);
		short_writes = 1; /* half of it fits */
		fail_writes = 1;
		assert_int_equal(spool_commit(c.s), -ENOSPC);
		assert_int_equal(spool_state(c.s)->durable_seq, 3);
		assert_int_equal(spool_state(c.s)->durable_id, 2);
	}
	assert_int_equal(spool_commit(c.s), 0);
	assert_int_equal(spool_state(c.s)->durable_seq, 8);
	chainlet_close(&c);
	assert_verifies(8);
}

/* The space is not given back for others to take: the file itself becomes the next segment. */
static void reserve_becomes_a_segment(void **state)
{
	struct chainlet_file seg[4];
	char p[256];
	struct stat st, is;
	size_t n;

	chainlet_open(&c, 1 << 20, &bad_io);
	chainlet_start(&c);
	fill(1, 2);
	snprintf(p, sizeof(p), "%s/reserve", c.spool);
	assert_int_equal(spool_reserve(c.s), 0);
	assert_int_equal(stat(p, &st), 0);
	assert_true(st.st_blocks * 512 >= SPOOL_RESERVE);
	assert_int_equal(spool_seal(c.s, 1, 10, "0123456789", 10, false), 0);
	short_writes = 1;
	fail_writes = 1;
	assert_int_equal(spool_commit(c.s), -ENOSPC);
	spool_reserve_use(c.s);
	assert_int_equal(spool_commit(c.s), 0);
	assert_int_equal(size_of("reserve"), 0);
	n = chainlet_segments(&c, seg, 4);
	assert_int_equal(n, 2);
	assert_int_equal(stat(seg[1].path, &is), 0);
	assert_int_equal(is.st_ino, st.st_ino);
	assert_int_equal(is.st_size, seg[1].n);
	assert_true(is.st_blocks * 512 >= SPOOL_RESERVE);
	fill(11, 3);
	assert_verifies(7);
	/* Without one it is a file like any other, and what is left of the space goes with the end. */
	spool_reserve_use(c.s);
	fill(20, 2);
	assert_int_equal(spool_reserve(c.s), 0);
	chainlet_close(&c);
	chainlet_open(&c, 1 << 20, NULL);
	assert_int_equal(spool_state(c.s)->repairs_count, 0);
	chainlet_close(&c);
	assert_verifies(9);
	for (size_t i = 0; i < n; i++)
		free(seg[i].p);
}

/* What a failed fsync leaves when the cut back did not become durable either. */
static void records_written_twice_are_cut(void **state)
{
	struct chainlet_file a, b;
	_cleanup_free_ uint8_t *p = NULL;

	chainlet_open(&c, 800, NULL);
	chainlet_start(&c);
	fill(1, 4);
	chainlet_close(&c);
	chainlet_load(&c, 0, NULL, &a);
	chainlet_load(&c, a.frames, NULL, &b);
	p = malloc(a.n + b.n);
	memcpy(p, a.p, a.n);
	memcpy(p + a.n, b.p, b.n);
	chainlet_write(&a, p, a.n + b.n);
	chainlet_open(&c, 800, NULL);
	assert_int_equal(spool_state(c.s)->repairs_count, 1);
	assert_int_equal(spool_state(c.s)->repairs[0].offset, a.n);
	chainlet_close(&c);
	assert_verifies(5);
	free(a.p);
	free(b.p);
}

/* --- bounds, reading back, other hands --------------------------------------------------------- */

static void dropping_is_told_by_the_head(void **state)
{
	struct chainlet_file seg[16];
	uint64_t end;
	size_t n;

	chainlet_open(&c, 600, NULL);
	chainlet_start(&c);
	fill(1, 11);
	assert_true(spool_state(c.s)->segments >= 4);
	end = spool_oldest_end(c.s);
	assert_int_equal(spool_drop(c.s, end - 1), 0); /* frees nothing: not a whole segment */
	assert_int_equal(spool_state(c.s)->first_seq, 0);
	assert_int_equal(spool_drop(c.s, end), 0);
	assert_int_equal(spool_state(c.s)->first_seq, end);
	assert_true(verify().ok);
	assert_true(verify().pruned);
	assert_int_equal(verify().first_seq, end);
	chainlet_close(&c);
	chainlet_open(&c, 600, NULL);
	assert_int_equal(spool_state(c.s)->first_seq, end);
	assert_int_equal(spool_drop(c.s, UINT64_MAX), 0);
	assert_int_equal(spool_state(c.s)->segments, 1); /* the last one stays */
	fill(100, 6);
	chainlet_close(&c);
	assert_true(verify().ok);
	/* One more than the head says: found. */
	n = chainlet_segments(&c, seg, 16);
	assert_true(n >= 2);
	unlink(seg[0].path);
	assert_false(verify().ok);
	assert_string_equal(verify().first.kind, "missing segment");
	assert_string_equal(verify().first.file, seg[0].name);
	for (size_t i = 0; i < n; i++)
		free(seg[i].p);
}

static void reads_back_what_is_durable(void **state)
{
	_cleanup_free_ uint8_t *buf = malloc(1 << 20);
	static const struct {
		size_t cap, max;
	} cases[] = {{1 << 20, 512}, {1 << 20, 1}, {900, 512}, {400, 2}};
	size_t k;

	chainlet_open(&c, 900, NULL);
	chainlet_start(&c);
	fill(1, 20);
	assert_int_equal(spool_seal(c.s, 1, 99, "pending", 7, false), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t seq = 0;

		while (seq < 21) {
			ssize_t n = spool_read(c.s, seq, buf, cases[i].cap, cases[i].max, &k);
			struct frame f;
			const char *why;

			assert_true(n > 0 && k > 0 && k <= cases[i].max);
			for (ssize_t at = 0; at < n;) {
				struct record r;
				long used = frame_parse(buf + at, n - at, &f, &why);

				assert_true(used > 0);
				assert_int_equal(record_decode(f.record, f.record_len, &r, &why),
						 0);
				assert_int_equal(r.seq, seq);
				seq++;
				at += used;
			}
		}
		assert_int_equal(spool_read(c.s, seq, buf, 1 << 20, 9, &k), 0);
	}
	/* from anywhere, in any order */
	for (uint64_t seq = 20; seq < 21; seq -= 3)
		assert_true(spool_read(c.s, seq, buf, 1 << 20, 3, &k) > 0);
	assert_int_equal(spool_drop(c.s, spool_oldest_end(c.s)), 0);
	assert_int_equal(spool_read(c.s, 0, buf, 1 << 20, 9, &k), -ENOENT);
	assert_int_equal(spool_next_kept(c.s, 0), spool_state(c.s)->first_seq);
	assert_int_equal(spool_next_kept(c.s, 21), 21);
}

static void damage_met_while_reading(void **state)
{
	_cleanup_free_ uint8_t *buf = malloc(1 << 20);
	struct chainlet_file f;
	size_t k;

	chainlet_open(&c, 900, NULL);
	chainlet_start(&c);
	fill(1, 8);
	chainlet_load(&c, 0, NULL, &f);
	f.p[f.at[1] + 40] ^= 1;
	chainlet_restore(&f);
	assert_true(spool_read(c.s, 0, buf, 1 << 20, 9, &k) > 0);
	assert_int_equal(k, 1);
	assert_int_equal(spool_read(c.s, 1, buf, 1 << 20, 9, &k), -ENOENT);
	assert_int_equal(spool_next_kept(c.s, 1), f.frames);
	free(f.p);
}

static void declared_losses_are_summed(void **state)
{
	uint8_t note[NOTE_BYTES_MAX];

	chainlet_open(&c, 900, NULL);
	for (uint64_t i = 0; i < 6; i++) {
		fill(10 * (i + 1), 2);
		assert_int_equal(spool_seal(c.s, RECORD_CONTROL, 0, note,
					    note_loss("r", i & 1 ? "spool_full" : "memory_full",
						      100 + i, 0, 5, note),
					    true),
				 0);
		assert_int_equal(spool_commit(c.s), 0);
	}
	assert_int_equal(spool_declared(c.s, 0, 18), 101 + 103 + 105);
	assert_int_equal(spool_declared(c.s, 6, 17), 103);
	assert_int_equal(spool_declared(c.s, 18, 18), 0);
	/* The newest is known again after a restart, and what it declares is not kept. */
	chainlet_close(&c);
	chainlet_open(&c, 900, NULL);
	assert_true(spool_state(c.s)->hole.valid);
	assert_int_equal(spool_state(c.s)->hole.last, 5);
	assert_int_equal(spool_state(c.s)->hole.seq, 17);
	assert_true(spool_state(c.s)->first_seq > 0);
}

static void acked_is_a_hint_of_this_chain(void **state)
{
	uint64_t seq = 77;

	chainlet_open(&c, 900, NULL);
	fill(1, 5);
	assert_int_equal(spool_acked_read(c.s, &seq), -ENOENT);
	assert_int_equal(spool_acked_write(c.s, 4), 0);
	assert_int_equal(spool_acked_read(c.s, &seq), 0);
	assert_int_equal(seq, 4);
	assert_int_equal(spool_acked_write(c.s, 5), 0); /* more than there is: not believed */
	assert_int_equal(spool_acked_read(c.s, &seq), -ENOENT);
	assert_int_equal(spool_acked_write(c.s, 4), 0);
	chainlet_close(&c);
	other_keys();
	chainlet_open(&c, 900, NULL);
	assert_int_equal(spool_acked_read(c.s, &seq), -ENOENT);
}

static void another_key_begins_another_chain(void **state)
{
	uint8_t chain[16];
	char old[256];
	struct verify_result r;

	chainlet_open(&c, 700, NULL);
	chainlet_start(&c);
	fill(1, 5);
	memcpy(chain, spool_state(c.s)->chain, 16);
	chainlet_close(&c);
	other_keys();
	chainlet_open(&c, 700, NULL);
	assert_int_equal(spool_state(c.s)->next_seq, 0);
	assert_memory_not_equal(spool_state(c.s)->chain, chain, 16);
	assert_int_equal(spool_state(c.s)->repairs_count, 1);
	chainlet_start(&c);
	assert_int_equal(spool_commit(c.s), 0);
	chainlet_close(&c);
	assert_verifies(1);
	snprintf(old, sizeof(old), "%s/%s", c.spool, "chain-before.0");
	assert_int_equal(verify_dir(old, NULL, &r), 0);
	assert_true(r.ok);
	assert_int_equal(r.records, 6);
	assert_memory_equal(r.chain, chain, 16);
}

static void one_recorder_at_a_time(void **state)
{
	struct spool_config cfg = {.dir = c.spool, .segment_bytes = 700, .epochs = c.epochs};
	struct spool *second = NULL;
	char err[512] = "";

	chainlet_open(&c, 700, NULL);
	assert_int_equal(spool_open(&cfg, &second, err, sizeof(err)), -EBUSY);
	assert_null(second);
	assert_non_null(strstr(err, c.spool));
}

/* --- erasure ----------------------------------------------------------------------------------- */

static void erase_note(uint64_t first, uint64_t last)
{
	const struct note_erase n = {.first = first, .last = last, .reason = "r", .operator= "o" };
	uint8_t note[NOTE_BYTES_MAX];

	assert_int_equal(spool_seal(c.s, RECORD_CONTROL, 0, note, note_erase(&n, note), true), 0);
	assert_int_equal(spool_commit(c.s), 0);
}

/* No byte of any file has the text. */
static bool anywhere(const char *text)
{
	struct chainlet_file seg[32];
	size_t n = chainlet_segments(&c, seg, 32);
	bool is = false;

	for (size_t i = 0; i < n; i++) {
		is = is || memmem(seg[i].p, seg[i].n, text, strlen(text));
		free(seg[i].p);
	}
	return is;
}

static void fill_text(uint64_t n)
{
	char text[32];

	for (uint64_t i = 0; i < n; i++) {
		uint64_t id = spool_state(c.s)->last_id + 1;

		snprintf(text, sizeof(text), "secret %03llu end", (unsigned long long)id);
		assert_int_equal(spool_seal(c.s, RECORD_AI_CALL, id, text, strlen(text), false), 0);
		assert_int_equal(spool_commit(c.s), 0);
	}
}

static void erased_payloads_leave_all_proofs(void **state)
{
	static const struct {
		uint64_t first, last;
	} cases[] = {{1, 1}, {3, 9}, {2, 12}, {12, 12}, {4, 4}};
	uint64_t gone = 0, first, last;

	chainlet_open(&c, 900, NULL);
	chainlet_start(&c);
	fill_text(12);
	assert_true(spool_state(c.s)->segments > 3);
	assert_int_equal(spool_erase_begin(c.s, 5, 99), -EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t bytes = spool_state(c.s)->bytes, sealed = spool_state(c.s)->next_seq;
		int e;

		assert_int_equal(spool_erase_begin(c.s, cases[i].first, cases[i].last), 0);
		assert_int_equal(spool_erase_begin(c.s, 1, 1), -EBUSY);
		erase_note(cases[i].first, cases[i].last);
		while ((e = spool_erase_step(c.s)) == 1)
			;
		assert_int_equal(e, 0);
		assert_false(spool_erasing(c.s));
		gone = i < 2 ? gone + cases[i].last - cases[i].first + 1 : 12;
		assert_int_equal(verify().erased, gone);
		assert_true(spool_state(c.s)->bytes < bytes + 1000);
		assert_int_equal(spool_state(c.s)->next_seq, sealed + 1);
		assert_verifies(sealed + 1);
	}
	assert_false(anywhere("secret 001 end"));
	assert_false(anywhere("secret"));
	assert_false(spool_bodies(c.s, 0, 12, &first, &last));
	fill_text(3);
	assert_true(spool_bodies(c.s, 0, UINT64_MAX, &first, &last));
	assert_int_equal(last - first, 2);
	chainlet_close(&c);
	chainlet_open(&c, 900, NULL);
	assert_int_equal(spool_state(c.s)->repairs_count, 0);
	assert_false(spool_erase_unsure(c.s, &first, &last));
	fill_text(1);
	chainlet_close(&c);
	assert_verifies(1 + 12 + 5 + 4);
	assert_true(anywhere("secret"));
}

static void an_erasure_cut_off_is_ended_by_the_next_start(void **state)
{
	uint64_t first, last;

	chainlet_open(&c, 900, NULL);
	chainlet_start(&c);
	fill_text(10);
	assert_int_equal(spool_erase_begin(c.s, 2, 8), 0);
	erase_note(2, 8);
	assert_int_equal(spool_erase_step(c.s), 1); /* one segment of several */
	chainlet_close(&c);
	assert_true(anywhere("secret 008 end"));
	chainlet_open(&c, 900, NULL);
	assert_false(spool_erasing(c.s)); /* not before its record is sealed */
	assert_true(spool_erase_unsure(c.s, &first, &last));
	assert_int_equal(first, 2);
	assert_int_equal(last, 8);
	erase_note(first, last);
	spool_erase_sure(c.s);
	while (spool_erase_step(c.s) == 1)
		;
	assert_false(anywhere("secret 008 end"));
	assert_true(anywhere("secret 009 end"));
	assert_int_equal(verify().erased, 7);
	assert_true(verify().ok);
}

static void records_are_found_by_their_time(void **state)
{
	uint64_t t[3];

	chainlet_open(&c, 900, NULL);
	chainlet_start(&c);
	for (int i = 0; i < 3; i++) {
		struct timespec now;

		clock_gettime(CLOCK_REALTIME, &now);
		t[i] = now.tv_sec * 1000000000ull + now.tv_nsec;
		fill_text(4);
		usleep(2000);
	}
	assert_int_equal(spool_seq_before(c.s, 0), 0);
	assert_int_equal(spool_seq_before(c.s, t[0]), 1);
	assert_int_equal(spool_seq_before(c.s, t[1]), 5);
	assert_int_equal(spool_seq_before(c.s, t[2]), 9);
	assert_int_equal(spool_seq_before(c.s, UINT64_MAX), 13);
}

/* --- side files --------------------------------------------------------------------------------- */

static void gone_or_garbage(const char *name, int how)
{
	char p[400], cmd[500];

	snprintf(p, sizeof(p), "%s/%s", c.spool, name);
	if (!strcmp(name, "tile") && how) { /* each tile of it */
		snprintf(cmd, sizeof(cmd), "find '%s' -type f -exec sh -c 'echo x >\"$0\"' {} ';'",
			 p);
		assert_int_equal(system(cmd), 0);
		return;
	}
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", p);
	assert_int_equal(system(cmd), 0);
	if (how)
		assert_int_equal(fs_write_atomic(p, "garbage that is no file of ours", 31, 0600),
				 0);
}

/* Segments alone rebuild all state: each file beside them missing, damaged, and all at once. */
static void segments_alone_are_enough(void **state)
{
	static const char *const files[] = {"head",  "seals",	   "leaves",  "tile",
					    "acked", "checkpoint", "reserve", "tiled"};
	uint64_t next, epoch;

	for (size_t i = 0; i <= ARRAY_SIZE(files); i++)
		for (int how = 0; how < 2; how++) {
			uint8_t chain[16];

			clear_spool();
			keys_again();
			chainlet_open(&c, 900, NULL);
			chainlet_start(&c);
			for (int k = 0; k < 3; k++) {
				fill(10 * k + 1, 5);
				assert_int_equal(spool_end_epoch(c.s, "t", false), 0);
				assert_int_equal(spool_commit(c.s), 0);
				assert_int_equal(spool_checkpoint(c.s), 0);
			}
			fill(100, 2);
			assert_int_equal(spool_acked_write(c.s, 3), 0);
			assert_int_equal(spool_reserve(c.s), 0);
			next = spool_state(c.s)->next_seq;
			epoch = spool_state(c.s)->epoch;
			memcpy(chain, spool_state(c.s)->chain, 16);
			chainlet_close(&c);
			for (size_t k = 0; k < ARRAY_SIZE(files); k++)
				if (i == k || i == ARRAY_SIZE(files))
					gone_or_garbage(files[k], how);
			keys_again();
			chainlet_open(&c, 900, NULL);
			if (memcmp(spool_state(c.s)->chain, chain, 16))
				fail_msg("another chain without %s (%d)",
					 i < ARRAY_SIZE(files) ? files[i] : "all", how);
			assert_int_equal(spool_state(c.s)->next_seq, next);
			assert_int_equal(spool_state(c.s)->epoch, epoch);
			assert_int_equal(spool_state(c.s)->last_id, 101);
			chainlet_start(&c);
			assert_int_equal(spool_end_epoch(c.s, "again", true), 0);
			assert_int_equal(spool_commit(c.s), 0);
			assert_int_equal(spool_checkpoint(c.s), 0);
			chainlet_close(&c);
			assert_verifies(next + 2);
		}
}

static void open_quick(void)
{
	struct spool_config cfg = {.dir = c.spool,
				   .segment_bytes = 4 << 20,
				   .epochs = c.epochs,
				   .origin = "test/host",
				   .by_checkpoint = true};
	char err[512] = "";

	if (spool_open(&cfg, &c.s, err, sizeof(err)))
		fail_msg("%s", err);
	c.signer = epochs_signer(c.epochs);
}

static void fill_quick(uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		int e = spool_seal(c.s, 1, spool_state(c.s)->last_id + 1, "x", 1, false);

		if (e == -ENOBUFS) {
			assert_int_equal(spool_commit(c.s), 0);
			i--;
		}
	}
	assert_int_equal(spool_commit(c.s), 0);
}

/* Tiles cannot be written, for as many records as may wait for them and more: records go on, no checkpoint
 * is signed, segments stay; and when there is room again all is made good, while it runs or by a start. */
static void tiles_that_cannot_be_written(void **state)
{
	char p[256], cmd[300];

	snprintf(p, sizeof(p), "%s/tile", c.spool);
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", p);
	for (int restart = 0; restart < 2; restart++) {
		clear_spool();
		keys_again();
		open_quick();
		assert_int_equal(fs_write_atomic(p, "in the way", 10, 0600), 0);
		chainlet_start(&c);
		fill_quick(300);
		assert_int_equal(spool_checkpoint(c.s), -ENOTDIR);
		fill_quick(70000);
		assert_true(spool_checkpoint(c.s) < 0);
		assert_true(spool_drop(c.s, spool_oldest_end(c.s)) < 0);
		assert_int_equal(spool_state(c.s)->first_seq, 0);
		if (restart) {
			chainlet_close(&c);
			keys_again();
			open_quick(); /* it is set aside: no chain is given up for that */
			assert_int_equal(spool_state(c.s)->next_seq, 70301);
		} else {
			assert_int_equal(system(cmd), 0);
		}
		fill_quick(10);
		assert_int_equal(spool_checkpoint(c.s), 0);
		fill_quick(300);
		assert_int_equal(spool_checkpoint(c.s), 0);
		assert_int_equal(spool_drop(c.s, spool_oldest_end(c.s)), 0);
		assert_true(spool_state(c.s)->first_seq > 0);
		assert_int_equal(spool_end_epoch(c.s, "t", false), 0);
		assert_int_equal(spool_commit(c.s), 0);
		assert_int_equal(spool_checkpoint(c.s), 0);
		chainlet_close(&c);
		assert_true(verify().ok);
		assert_true(verify().pruned);
	}
}

/* Damage at a place of the chain that ends an epoch, or lies in the one that is open: the chain goes on in a
 * new epoch behind a late SEAL, with keys that are there, and what is readable verifies. */
static void damage_ends_its_epoch(void **state)
{
	for (int with_head = 0; with_head < 2; with_head++)
		for (int cut_seals = 0; cut_seals < 2; cut_seals++)
			for (uint64_t hit = 0; hit < 4; hit++) {
				const struct spool_state *s;
				struct chainlet_file last;
				struct verify_result r;
				uint64_t next, first;

				clear_spool();
				keys_again();
				chainlet_open(&c, 4000, NULL);
				chainlet_start(&c);
				fill(1, 12);
				assert_int_equal(spool_end_epoch(c.s, "t", false), 0);
				fill(21, 3);
				assert_int_equal(spool_end_epoch(c.s, "t", false), 0);
				fill(31, 1);
				next = spool_state(c.s)->next_seq;
				chainlet_close(&c);
				{
					uint64_t *names = NULL;
					size_t n;
					int dir = open(c.spool, O_RDONLY | O_DIRECTORY);

					assert_int_equal(segment_list(dir, &names, &n, NULL), 0);
					first = names[n - 1];
					free(names);
					close(dir);
				}
				chainlet_load(&c, first, NULL, &last);
				assert_true(last.frames >= 5);
				last.p[last.at[last.frames - 2 - hit] + 20] ^= 4;
				chainlet_restore(&last);
				if (!with_head)
					gone_or_garbage("head", 0);
				if (cut_seals)
					gone_or_garbage("seals", 0);
				free(last.p);
				keys_again();
				chainlet_open(&c, 4000, NULL);
				s = spool_state(c.s);
				assert_true(s->repairs_count > 0);
				if (s->next_seq != next) /* never given twice */
					fail_msg(
						"head %d, seals gone %d, hit %d: next is %d, not %d; %s",
						with_head, cut_seals, (int)hit, (int)s->next_seq,
						(int)next, s->repairs[s->repairs_count - 1].reason);
				chainlet_start(&c);
				assert_int_equal(spool_end_epoch(c.s, "late", true), 0);
				assert_int_equal(spool_commit(c.s), 0);
				fill(1000, 2);
				assert_int_equal(spool_checkpoint(c.s), 0);
				chainlet_close(&c);
				r = verify();
				assert_false(r.ok); /* what was lost is found */
				/* The SEAL that names the key was the only thing that did: nobody can
				 * tell what is behind it, and the next start begins a chain. */
				if (cut_seals && !hit)
					continue;
				assert_int_equal(r.last_seq, next + 3);
				/* And a clean start goes on from there. */
				keys_again();
				chainlet_open(&c, 4000, NULL);
				assert_int_equal(spool_state(c.s)->next_seq, next + 4);
				assert_int_equal(spool_state(c.s)->repairs_count, 0);
				chainlet_close(&c);
			}
}

/* --- SIGKILL at any moment --------------------------------------------------------------------- */

static void seal_until_killed(volatile uint64_t *durable)
{
	for (;;) {
		const struct spool_state *s = spool_state(c.s);

		for (int i = 0; i < 5; i++)
			if (spool_seal(c.s, 1, s->last_id + 1, "0123456789abcdef", 16, false))
				_exit(1);
		if (spool_commit(c.s))
			_exit(2);
		*durable = s->durable_seq;
	}
}

static void killed_at_any_moment(void **state)
{
	volatile uint64_t *durable =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t next;

	assert_true(durable != MAP_FAILED);
	for (int run = 0; run < 25; run++) {
		uint64_t before = *durable;
		pid_t pid = fork();
		int status;

		if (!pid) {
			struct spool_config cfg = {.dir = c.spool,
						   .segment_bytes = 3000,
						   .epochs = c.epochs};
			char err[512];

			if (spool_open(&cfg, &c.s, err, sizeof(err)))
				_exit(3);
			seal_until_killed(durable);
		}
		usleep(4000 + 1700 * run);
		/* A busy machine may not let it begin in that time: some die with work done. */
		for (int i = 0; i < 6000 && run % 8 == 7 && *durable == before; i++)
			usleep(10000);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		assert_true(WIFSIGNALED(status));
		keys_again(); /* it may have begun the chain */
		chainlet_open(&c, 3000, NULL);
		next = spool_state(c.s)->next_seq;
		assert_true(next >= *durable); /* what was reported durable is there */
		assert_int_equal(spool_state(c.s)->last_id, next);
		chainlet_close(&c);
	}
	assert_true(*durable > 0);
	{
		const struct verify_options o = {.expect_public = signer_public(c.signer)};
		struct verify_result r;

		/* No START here: the key is the one expected. */
		assert_int_equal(verify_dir(c.spool, &o, &r), 0);
		assert_true(r.ok);
		assert_int_equal(r.records, next);
	}
	munmap((void *)durable, 4096);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(continues_after_reopen),
		TEST(duplicates_are_refused),
		TEST(id_is_found_in_older_segments),
		TEST(buffer_is_bounded),
		TEST(torn_tails),
		TEST(damage_is_kept_apart),
		TEST(lost_side_files),
		TEST(all_segments_gone),
		TEST(a_failed_fsync_moves_to_a_new_file),
		TEST(a_full_disk_loses_nothing_sealed),
		TEST(reserve_becomes_a_segment),
		TEST(records_written_twice_are_cut),
		TEST(dropping_is_told_by_the_head),
		TEST(reads_back_what_is_durable),
		TEST(damage_met_while_reading),
		TEST(declared_losses_are_summed),
		TEST(acked_is_a_hint_of_this_chain),
		TEST(another_key_begins_another_chain),
		TEST(one_recorder_at_a_time),
		TEST(erased_payloads_leave_all_proofs),
		TEST(an_erasure_cut_off_is_ended_by_the_next_start),
		TEST(records_are_found_by_their_time),
		TEST(segments_alone_are_enough),
		TEST(tiles_that_cannot_be_written),
		TEST(damage_ends_its_epoch),
		TEST(killed_at_any_moment),
	};

	log_init("test", LOG_L_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
