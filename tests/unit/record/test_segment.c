// SPDX-License-Identifier: Apache-2.0
/* Frames, the head, the rules of a chain one by one, and the reader over files of any shape.
 * Long because each rule is broken by itself, on one rig. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/reader.h"
#include "chainlet.h"

static struct chainlet c;
static struct chainlet_file file;

static int setup(void **state)
{
	chainlet_new(&c);
	chainlet_open(&c, 1 << 20, NULL);
	chainlet_start(&c);
	for (uint64_t i = 1; i <= 6; i++)
		chainlet_add(&c, 100 * i, 10 * i);
	chainlet_close(&c);
	chainlet_load(&c, 0, NULL, &file);
	assert_int_equal(file.frames, 7);
	return 0;
}

static int teardown(void **state)
{
	free(file.p);
	chainlet_done(&c);
	return 0;
}

static void frame_prefixes(void **state)
{
	struct frame f;
	const char *why;

	for (size_t n = 0; n <= file.at[1]; n++) {
		_cleanup_free_ uint8_t *b = malloc(n ? n : 1); /* so that ASan sees over-reads */

		memcpy(b, file.p, n);
		assert_int_equal(frame_parse(b, n, &f, &why),
				 n < file.at[1] ? FRAME_MORE : (long)file.at[1]);
	}
	assert_int_equal(frame_parse(file.p, file.n, &f, &why), file.at[1]);
	assert_int_equal(f.record_len, file.at[1] - SEGMENT_FRAME_LEN - RECORD_SEAL_MAX);
	assert_int_equal(f.len, file.at[1]);
	assert_ptr_equal(f.mac, f.record + f.record_len);
	assert_ptr_equal(f.record, file.p + SEGMENT_FRAME_LEN);
	assert_ptr_equal(f.sig, f.mac + MAC_LEN);
}

static void frame_flips(void **state)
{
	size_t n = file.at[1];
	_cleanup_free_ uint8_t *b = malloc(n);
	struct frame f;
	const char *why;

	for (size_t at = 0; at < n; at++)
		for (int bit = 0; bit < 8; bit++) {
			long k;

			memcpy(b, file.p, n);
			b[at] ^= 1 << bit;
			why = NULL;
			k = frame_parse(b, n, &f, &why);
			if (at >= 4 && at < 8 && k == FRAME_MORE)
				continue; /* a longer frame may still come */
			assert_int_equal(k, FRAME_BAD);
			assert_string_equal(why,
					    at < 4   ? "frame magic"
					    : at < 8 ? strcmp(why, "crc") ? "frame length" : "crc"
						     : "crc");
		}
}

static void frame_length_bounds(void **state)
{
	static const struct {
		uint32_t len;
		long answer;
	} cases[] = {
		{0, FRAME_BAD},
		{RECORD_HEADER_LEN + MAC_LEN - 1, FRAME_BAD},
		{RECORD_HEADER_LEN + MAC_LEN, FRAME_MORE},
		{RECORD_HEADER_LEN + RECORD_PAYLOAD_MAX + RECORD_SEAL_MAX, FRAME_MORE},
		{RECORD_HEADER_LEN + RECORD_PAYLOAD_MAX + RECORD_SEAL_MAX + 1, FRAME_BAD},
		{UINT32_MAX, FRAME_BAD},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t b[SEGMENT_FRAME_LEN];
		struct frame f;
		const char *why;

		put_be(b, 4, SEGMENT_MAGIC);
		put_be(b + 4, 4, cases[i].len);
		put_be(b + 8, 4, 0);
		assert_int_equal(frame_parse(b, sizeof(b), &f, &why), cases[i].answer);
	}
}

static void heads(void **state)
{
	struct head h = {.seq = 77, .first_seq = 5, .wall_ns = 123}, d;
	uint8_t b[HEAD_LEN + 1] = {0};
	const char *why;

	memcpy(h.public, signer_public(c.signer), 32);
	memset(h.chain, 0xaa, sizeof(h.chain));
	memset(h.leaf, 0xbb, sizeof(h.leaf));
	assert_int_equal(head_encode(&h, c.signer, b), 0);
	assert_int_equal(head_decode(b, HEAD_LEN, &d, &why), 0);
	assert_memory_equal(&h, &d, sizeof(h));
	for (size_t n = 0; n <= HEAD_LEN + 1; n++)
		if (n != HEAD_LEN)
			assert_int_equal(head_decode(b, n, &d, &why), -EBADMSG);
	for (size_t at = 0; at < HEAD_LEN; at++) {
		b[at] ^= 1 << at % 8;
		assert_int_equal(head_decode(b, HEAD_LEN, &d, &why), -EBADMSG);
		b[at] ^= 1 << at % 8;
	}
}

static struct frame frame_at(size_t k)
{
	struct frame f;
	const char *why;

	assert_true(frame_parse(file.p + file.at[k], file.n - file.at[k], &f, &why) > 0);
	return f;
}

static int append(struct chain_state *s, size_t k, const char **why)
{
	struct frame f = frame_at(k);
	struct record r;

	return chain_append(s, f.record, f.record_len, &(struct chain_sealed){f.sig, f.mac}, &r,
			    why);
}

static void chain_in_order(void **state)
{
	struct chain_state s = {0};
	const char *why;

	for (size_t k = 0; k < file.frames; k++) {
		assert_int_equal(append(&s, k, &why), 0);
		assert_int_equal(s.next_seq, k + 1);
		assert_int_equal(s.last_id, 100 * k);
	}
	assert_memory_equal(s.public, signer_public(c.signer), 32);
	chain_state_done(&s);
}

static void nothing_changes_on_failure(void **state)
{
	struct chain_state s = {0}, before;
	const char *why = NULL;

	assert_int_equal(append(&s, 0, &why), 0);
	before = s;
	assert_int_equal(append(&s, 2, &why), -EBADMSG);
	assert_string_equal(why, "sequence");
	assert_memory_equal(&s, &before, sizeof(s));
	assert_int_equal(append(&s, 1, &why), 0);
	chain_state_done(&s);
}

static void a_first_record_must_bring_a_key(void **state)
{
	struct chain_state s = {0};
	const char *why = NULL;

	assert_int_equal(append(&s, 1, &why), -EBADMSG); /* no START */
	assert_string_equal(why, "key id");
	assert_false(s.started);
	memcpy(s.public, signer_public(c.signer), 32);
	assert_int_equal(append(&s, 1, &why), 0);
	chain_state_done(&s);
	s = (struct chain_state){0};
	memset(s.public, 7, 32);
	assert_int_equal(append(&s, 0, &why), -EBADMSG); /* START of another key than expected */
	assert_string_equal(why, "key id");
	chain_state_done(&s);
}

/* One rule broken at a time, by what the state expects. */
static void set_chain(struct chain_state *s)
{
	s->chain[0] ^= 1;
}
static void set_prev(struct chain_state *s)
{
	s->prev[31] ^= 1;
}
static void set_seq(struct chain_state *s)
{
	s->next_seq++;
}
static void set_id(struct chain_state *s)
{
	s->last_id = 200;
}
static void set_nothing(struct chain_state *s) {}

static void each_rule(void **state)
{
	static const struct {
		void (*set)(struct chain_state *s);
		const char *why;
	} cases[] = {
		{set_chain, "chain id"}, {set_prev, "previous hash"}, {set_seq, "sequence"},
		{set_id, "id order"},	 {set_nothing, NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct chain_state s = {0};
		const char *why = NULL;

		assert_int_equal(append(&s, 0, &why), 0);
		assert_int_equal(append(&s, 1, &why), 0);
		cases[i].set(&s);
		assert_int_equal(append(&s, 2, &why), cases[i].why ? -EBADMSG : 0);
		if (cases[i].why)
			assert_string_equal(why, cases[i].why);
		chain_state_done(&s);
	}
}

/* A SEAL directly behind a SEAL, made here with a key of ours that the one before is said to have named. */
static int idle_seal(struct chain_state *s, struct signer *mine, const struct record *last,
		     uint64_t first, uint32_t epoch, uint64_t size, const char **why)
{
	struct note_seal n = {.epoch = epoch, .first_seq = first, .tree_size = size, .reason = ""};
	uint8_t payload[NOTE_BYTES_MAX], b[RECORD_HEADER_LEN + NOTE_BYTES_MAX], sig[RECORD_SIG_LEN];
	struct record r = *last, got;
	size_t len;

	tree_root(&s->tree, &n.root);
	r.epoch = last->epoch + 1;
	r.seq = last->seq + 1;
	r.payload_len = note_seal(&n, payload);
	r.payload = payload;
	memcpy(r.prev, s->prev, sizeof(r.prev));
	key_id(signer_public(mine), r.key_id);
	len = record_encode(&r, b, sizeof(b));
	assert_true(len > 0);
	assert_int_equal(signer_sign(mine, b, RECORD_HEADER_LEN, sig), 0);
	*why = NULL;
	return chain_append(s, b, len, &(struct chain_sealed){.sig = sig}, &got, why);
}

/* Nothing happened in an epoch: its SEAL is all there is of it. Behind any SEAL, also a late one, and any
 * number of them; and it may only speak of itself. */
static void idle_epochs(void **state)
{
	static const struct {
		int64_t first, epoch, size; /* beside what is right */
		const char *why;
	} rows[] = {
		{-1, 0, 0, "seal"}, {1, 0, 0, "seal"}, {0, 1, 0, "seal"}, {0, -1, 0, "seal"},
		{0, 0, -1, "tree"}, {0, 0, 1, "tree"}, {0, 0, 0, NULL},
	};
	uint8_t seed[32] = {9};
	struct signer *mine;

	assert_int_equal(signer_of(seed, &mine), 0);
	for (int late = 0; late < 2; late++)
		for (uint64_t idle = 0; idle <= 5; idle++) {
			struct chain_state s = {0};
			struct chainlet d;
			struct chainlet_file f;
			struct record last = {0};
			const char *why = "";

			chainlet_new(&d);
			chainlet_open(&d, 1 << 20, NULL);
			chainlet_start(&d);
			chainlet_add(&d, 1, 10);
			for (uint64_t k = 0; k <= idle; k++) {
				assert_int_equal(spool_end_epoch(d.s, "t", late && !k), 0);
				assert_int_equal(spool_commit(d.s), 0);
			}
			chainlet_load(&d, 0, NULL, &f);
			assert_int_equal(f.frames, 2 + 1 + idle);
			for (size_t k = 0; k < f.frames; k++) {
				struct frame fr;

				assert_true(frame_parse(f.p + f.at[k], f.n - f.at[k], &fr, &why) >
					    0);
				if (chain_append(&s, fr.record, fr.record_len,
						 &(struct chain_sealed){fr.sig, fr.mac}, &last,
						 &why))
					fail_msg("%d late, %d idle, record %zu: %s", late,
						 (int)idle, k, why);
			}
			assert_int_equal(s.seals, 1 + idle);
			assert_int_equal(s.late_seals, late);
			assert_int_equal(s.epoch, idle);
			assert_true(s.sealed);
			memcpy(s.next_public, signer_public(mine), RECORD_PUBKEY_LEN);
			for (size_t k = 0; k < ARRAY_SIZE(rows); k++) {
				int r = idle_seal(&s, mine, &last, last.seq + 1 + rows[k].first,
						  last.epoch + 1 + rows[k].epoch,
						  last.seq + 1 + rows[k].size, &why);

				assert_int_equal(r, rows[k].why ? -EBADMSG : 0);
				if (rows[k].why)
					assert_string_equal(why, rows[k].why);
			}
			assert_int_equal(s.seals, 2 + idle);
			chain_state_done(&s);
			free(f.p);
			chainlet_done(&d);
		}
	signer_free(mine);
}

static void names(void **state)
{
	static const struct {
		const char *name;
		bool ok;
		uint64_t seq;
	} cases[] = {
		{"00000000000000000000.seg", true, 0},
		{"18446744073709551615.seg", true, UINT64_MAX},
		{"18446744073709551616.seg", false, 0},
		{"99999999999999999999.seg", false, 0},
		{"0000000000000000000.seg", false, 0},
		{"000000000000000000000.seg", false, 0},
		{"0000000000000000000x.seg", false, 0},
		{"00000000000000000001.bad", false, 0},
		{"00000000000000000001.seg.bad", false, 0},
		{"", false, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t seq = 1234;

		assert_int_equal(segment_name_parse(cases[i].name, &seq), cases[i].ok);
		assert_int_equal(seq, cases[i].ok ? cases[i].seq : 1234);
	}
}

static struct segment_reader in;

static int temp(const uint8_t *p, size_t n)
{
	FILE *f = tmpfile();
	int fd = dup(fileno(f));

	fclose(f);
	assert_int_equal(fs_write_all(fd, p, n), 0);
	return fd;
}

/* The file, what follows it, and what the reader says after `frames` frames. */
static void reader_ends(void **state)
{
	_cleanup_free_ uint8_t *b = calloc(1, 600000);
	static const struct {
		size_t cut, zeros, junk;
		enum segment_answer answer;
	} cases[] = {
		{0, 0, 0, SEGMENT_END},	      {1, 0, 0, SEGMENT_TORN},	   {0, 1, 0, SEGMENT_TORN},
		{0, 500000, 0, SEGMENT_TORN}, {0, 500000, 1, SEGMENT_BAD}, {0, 0, 1, SEGMENT_BAD},
		{0, 3, 1, SEGMENT_BAD},	      {5, 300000, 0, SEGMENT_BAD},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t n = file.n - cases[i].cut, frames = 0;
		_cleanup_close_ int fd = -1;
		enum segment_answer a;

		memset(b, 0, 600000);
		memcpy(b, file.p, n);
		memset(b + n + cases[i].zeros, 'x', cases[i].junk);
		fd = temp(b, n + cases[i].zeros + cases[i].junk);
		segment_read(&in, fd, 0);
		while ((a = segment_next(&in)) == SEGMENT_FRAME)
			assert_int_equal(in.offset, file.at[frames++]);
		assert_int_equal(frames, file.frames - (cases[i].cut ? 1 : 0));
		assert_int_equal(a, cases[i].answer);
		assert_int_equal(in.offset, cases[i].cut ? file.at[frames] : file.n);
	}
}

static void resync_finds_the_next_frame(void **state)
{
	_cleanup_free_ uint8_t *b = malloc(file.n + 400000);
	_cleanup_close_ int fd = -1;
	size_t found = 0;

	/* Junk with false magics in it, longer than the window, and then the good frames. */
	for (size_t i = 0; i < 400000; i++)
		b[i] = "PBR1xPBR"[i % 8];
	memcpy(b + 400000, file.p, file.n);
	fd = temp(b, file.n + 400000);
	segment_read(&in, fd, 0);
	while (found < file.frames) {
		enum segment_answer a = segment_next(&in);

		if (a == SEGMENT_BAD)
			segment_resync(&in);
		else if (a == SEGMENT_FRAME)
			assert_int_equal(in.offset, 400000 + file.at[found++]);
		else
			fail_msg("answer %d", a);
	}
	assert_int_equal(segment_next(&in), SEGMENT_END);
}

/* --- the state between two runs -------------------------------------------------------------------- */

/* A chain of three epochs; each record is one step. */
struct steps {
	struct chainlet c;
	struct chainlet_file file[8];
	size_t files;
};

static void steps_make(struct steps *s)
{
	chainlet_new(&s->c);
	chainlet_open(&s->c, 2000, NULL);
	chainlet_start(&s->c);
	for (unsigned e = 0; e < 3; e++) {
		for (unsigned i = 0; i < 4; i++)
			chainlet_add(&s->c, 4 * e + i + 1, 20);
		assert_int_equal(spool_end_epoch(s->c.s, "time", false), 0);
		assert_int_equal(spool_commit(s->c.s), 0);
	}
	chainlet_close(&s->c);
	s->files = chainlet_segments(&s->c, s->file, ARRAY_SIZE(s->file));
}

static void steps_done(struct steps *s)
{
	for (size_t i = 0; i < s->files; i++)
		free(s->file[i].p);
	chainlet_done(&s->c);
}

/* The bytes of frame k of the whole chain, a copy. */
static size_t step_frame(const struct steps *s, size_t k, uint8_t out[static 1024])
{
	for (size_t i = 0; i < s->files; i++) {
		const struct chainlet_file *f = &s->file[i];

		if (k < f->first + f->frames) {
			size_t at = f->at[k - f->first], n = f->at[k - f->first + 1] - at;

			assert_true(n <= 1024);
			memcpy(out, f->p + at, n);
			return n;
		}
	}
	return 0;
}

/* Frame k with one byte of the record flipped and the checksum made right; flip 0: as it was. */
static int step(struct chain_state *to, const struct steps *s, size_t k, size_t flip,
		const char **why)
{
	uint8_t b[1024];
	size_t n = step_frame(s, k, b);
	struct record r;
	struct frame f;

	if (flip) {
		b[SEGMENT_FRAME_LEN + flip] ^= 1;
		put_be(b + 8, 4, crc32c(0, b + SEGMENT_FRAME_LEN, n - SEGMENT_FRAME_LEN));
	}
	assert_true(frame_parse(b, n, &f, why) > 0);
	*why = "";
	return chain_append(to, f.record, f.record_len, &(struct chain_sealed){f.sig, f.mac}, &r,
			    why);
}

static void saved_at_each_record(void **state)
{
	struct chain_state one = {0};
	struct steps s = {0};
	uint8_t p[CHAIN_STATE_MAX], seed[MAC_LEN];
	struct mac_key mac = {0};
	const char *why;
	size_t n, k, frames;

	steps_make(&s);
	assert_true(epochs_seed(s.c.epochs, seed));
	memcpy(mac.k, seed, sizeof(seed));
	one.mac = &mac;
	frames = s.file[s.files - 1].first + s.file[s.files - 1].frames;
	assert_int_equal(frames, 16);
	for (k = 0; k <= frames; k++) {
		struct chain_state two;
		struct mac_key mac2 = mac;

		n = chain_state_save(&one, p, sizeof(p));
		assert_true(n > 0);
		assert_int_equal(chain_state_save(&one, p, n - 1), 0);
		assert_int_equal(chain_state_load(p, n, &two), 0);
		assert_null(two.verifier);
		assert_null(two.mac);
		two.mac = &mac2;
		/* Each wrong next record is refused for the same reason by both, and the rest is taken. */
		for (size_t flip = 24; flip < RECORD_HEADER_LEN && k < frames; flip += 7) {
			const char *why2;

			assert_int_equal(step(&one, &s, k, flip, &why), -EBADMSG);
			assert_int_equal(step(&two, &s, k, flip, &why2), -EBADMSG);
			assert_string_equal(why, why2);
		}
		for (size_t j = k; j < frames; j++)
			assert_int_equal(step(&two, &s, j, 0, &why), 0);
		assert_int_equal(two.next_seq, frames);
		assert_int_equal(two.seals, 3);
		assert_int_equal(two.epoch, 2);
		assert_true(two.sealed);
		chain_state_done(&two);
		if (k < frames)
			assert_int_equal(step(&one, &s, k, 0, &why), 0);
	}
	chain_state_done(&one);
	steps_done(&s);
}

static void a_damaged_state_is_none(void **state)
{
	struct chain_state one = {0}, two;
	struct steps s = {0};
	uint8_t p[CHAIN_STATE_MAX], b[CHAIN_STATE_MAX + 1];
	const char *why;
	size_t n;

	steps_make(&s);
	for (size_t k = 0; k < 11; k++)
		assert_int_equal(step(&one, &s, k, 0, &why), 0);
	n = chain_state_save(&one, p, sizeof(p));
	memset(&two, 0x5a, sizeof(two));
	for (size_t at = 0; at < n; at++) {
		memcpy(b, p, n);
		b[at] ^= 1 << at % 8;
		assert_int_equal(chain_state_load(b, n, &two), -EBADMSG);
		assert_int_equal(chain_state_load(p, at, &two), -EBADMSG);
	}
	memcpy(b, p, n);
	assert_int_equal(chain_state_load(b, n + 1, &two), -EBADMSG);
	for (size_t i = 0; i < sizeof(two); i++)
		assert_int_equal(((uint8_t *)&two)[i], 0x5a);
	/* The largest there can be fits. */
	one.tree.size = one.next_seq = UINT64_MAX;
	n = chain_state_save(&one, p, sizeof(p));
	assert_true(n > 0 && n <= CHAIN_STATE_MAX);
	assert_int_equal(chain_state_load(p, n, &two), 0);
	assert_int_equal(two.tree.size, UINT64_MAX);
	chain_state_done(&one);
	steps_done(&s);
}

/* What another thread looked at counts only under the key the chain demands. */
static void checked_elsewhere(void **state)
{
	struct chain_checked k = {.decoded = true, .looked = true, .holds = true};
	struct frame f = frame_at(1);
	struct chain_state c1 = {0};
	uint8_t sig[RECORD_SIG_LEN];
	const char *why;
	struct record r;

	assert_int_equal(append(&c1, 0, &why), 0);
	memcpy(sig, f.sig, sizeof(sig));
	sig[3] ^= 1;
	assert_int_equal(record_decode(f.record, f.record_len, &k.record, &why), 0);
	record_leaf(f.record, k.leaf.b);
	memset(k.key, 7, sizeof(k.key)); /* it was looked at under another key: that is no word */
	assert_int_equal(chain_append_checked(&c1, f.record, f.record_len,
					      &(struct chain_sealed){sig, f.mac}, &k, &r, &why),
			 -EBADMSG);
	assert_string_equal(why, "signature");
	memcpy(k.key, c1.public, sizeof(k.key));
	k.holds = false;
	assert_int_equal(chain_append_checked(&c1, f.record, f.record_len,
					      &(struct chain_sealed){f.sig, f.mac}, &k, &r, &why),
			 -EBADMSG);
	k.holds = true;
	assert_int_equal(chain_append_checked(&c1, f.record, f.record_len,
					      &(struct chain_sealed){f.sig, f.mac}, &k, &r, &why),
			 0);
	chain_state_done(&c1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frame_prefixes),
		cmocka_unit_test(frame_flips),
		cmocka_unit_test(frame_length_bounds),
		cmocka_unit_test(heads),
		cmocka_unit_test(chain_in_order),
		cmocka_unit_test(nothing_changes_on_failure),
		cmocka_unit_test(a_first_record_must_bring_a_key),
		cmocka_unit_test(each_rule),
		cmocka_unit_test(idle_epochs),
		cmocka_unit_test(saved_at_each_record),
		cmocka_unit_test(a_damaged_state_is_none),
		cmocka_unit_test(checked_elsewhere),
		cmocka_unit_test(names),
		cmocka_unit_test(reader_ends),
		cmocka_unit_test(resync_finds_the_next_frame),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
