// SPDX-License-Identifier: Apache-2.0
/* Blocks of a real encoder, read from the first one on and from every later one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "feed.h"
#include "flow/hpack.h"

#define BLOCKS 120
#define FIELDS_MAX 12

struct field {
	char name[24], value[6000];
};

struct block {
	struct field field[FIELDS_MAX];
	unsigned count;
	uint8_t p[32768];
	size_t n;
};

static struct block blocks[BLOCKS];

static void encode(uint64_t seed, size_t table, size_t change)
{
	nghttp2_hd_deflater *d;

	nghttp2_hd_deflate_new(&d, table);
	for (unsigned b = 0; b < BLOCKS; b++) {
		struct block *k = &blocks[b];
		nghttp2_nv nv[FIELDS_MAX];

		if (change && b && b % change == 0)
			nghttp2_hd_deflate_change_table_size(d, rnd(&seed) % (table + 1));
		k->count = 3 + rnd(&seed) % (FIELDS_MAX - 2);
		for (unsigned i = 0; i < k->count; i++) {
			struct field *f = &k->field[i];
			size_t len = rnd(&seed) % 40 ? rnd(&seed) % 60 : rnd(&seed) % 5900;

			if (i == 0) {
				strcpy(f->name, ":method");
				strcpy(f->value, rnd(&seed) % 2 ? "GET" : "PATCH");
			} else {
				snprintf(f->name, sizeof(f->name), "x-%u", rnd(&seed) % 9);
				memset(f->value, (char)('a' + rnd(&seed) % 3), len);
				f->value[len] = '\0';
			}
			nv[i] = (nghttp2_nv){(uint8_t *)f->name, (uint8_t *)f->value,
					     strlen(f->name), strlen(f->value),
					     rnd(&seed) % 10 ? 0 : NGHTTP2_NV_FLAG_NO_INDEX};
		}
		k->n = (size_t)nghttp2_hd_deflate_hd(d, k->p, sizeof(k->p), nv, k->count);
		assert_true(k->n <= sizeof(k->p));
	}
	nghttp2_hd_deflate_del(d);
}

struct reading {
	const struct block *block;
	unsigned at, got;
	bool wrong;
};

/* Fields must come in order; some may be left out. */
static void on_field(void *ctx, const char *name, size_t n, const char *value, size_t value_n)
{
	struct reading *r = ctx;

	r->got++;
	for (; r->at < r->block->count; r->at++) {
		const struct field *f = &r->block->field[r->at];

		if (strlen(f->name) == n && !memcmp(f->name, name, n) &&
		    strlen(f->value) == value_n && !memcmp(f->value, value, value_n)) {
			r->at++;
			return;
		}
	}
	r->wrong = true;
}

/* Gives how many fields were not known. */
static unsigned read_block(struct hpack *h, const struct block *k)
{
	struct guarded g = guarded_copy(k->p, k->n);
	struct reading r = {.block = k};
	unsigned unknown;

	assert_int_equal(hpack_block(h, g.p, k->n, false, on_field, &r, &unknown), 0);
	assert_false(r.wrong);
	assert_int_equal(r.got + unknown, k->count);
	guarded_free(&g);
	return unknown;
}

static const struct {
	size_t table, change;
	uint64_t seed;
} encoders[] = {
	{4096, 0, 11}, {4096, 7, 12}, {65536, 0, 13},	{65536, 5, 14},
	{0, 0, 15},    {300, 0, 16},  {1 << 20, 0, 17},
};

#define ENCODERS (sizeof(encoders) / sizeof(encoders[0]))

static void test_from_the_start(void **state)
{
	for (size_t e = 0; e < ENCODERS; e++) {
		struct hpack *h = hpack_new(false);
		unsigned unknown = 0;

		encode(encoders[e].seed, encoders[e].table, encoders[e].change);
		for (unsigned b = 0; b < BLOCKS; b++)
			unknown += read_block(h, &blocks[b]);
		/* Only of a table larger than what is kept may something be left out. */
		if (encoders[e].table <= HPACK_TABLE_MAX)
			assert_int_equal(unknown, 0);
		hpack_free(h);
	}
}

static void test_joined_at_every_block(void **state)
{
	for (size_t e = 0; e < ENCODERS; e++) {
		unsigned first = 0, firsts = 0, last = 0, lasts = 0;

		encode(encoders[e].seed, encoders[e].table, encoders[e].change);
		for (unsigned join = 1; join < BLOCKS; join += 1 + join / 10) {
			struct hpack *h = hpack_new(true);

			for (unsigned b = join; b < BLOCKS; b++) {
				unsigned unknown = read_block(h, &blocks[b]);

				if (b == join) {
					first += unknown;
					firsts++;
				} else if (join < 20 && b >= BLOCKS - 20) {
					last += unknown;
					lasts++;
				}
			}
			hpack_free(h);
		}
		/* What is not known at first becomes known as the table fills with what was seen. */
		if (encoders[e].table >= 4096) {
			assert_true(first > 0);
			assert_true(last * firsts < first * lasts);
		} else if (!encoders[e].table) {
			assert_int_equal(first + last, 0);
		}
	}
}

static void test_blocks_missed(void **state)
{
	encode(31, 4096, 0);
	for (unsigned missed = 1; missed < 30; missed++) {
		struct hpack *h = hpack_new(false);

		for (unsigned b = 0; b < BLOCKS; b++)
			if (b == missed)
				assert_int_equal(hpack_missed(h), 0);
			else
				read_block(h, &blocks[b]);
		hpack_free(h);
	}
}

static void count(void *ctx, const char *name, size_t n, const char *value, size_t value_n)
{
	++*(unsigned *)ctx;
}

static void test_cut_anywhere(void **state)
{
	encode(32, 4096, 0);
	for (unsigned b = 0; b < 10; b++)
		for (size_t n = 0; n < blocks[b].n; n++) {
			struct guarded g = guarded_copy(blocks[b].p, n);
			struct hpack *h = hpack_new(true);
			struct reading r = {.block = &blocks[b]};
			unsigned unknown;

			assert_int_equal(hpack_block(h, g.p, n, true, on_field, &r, &unknown), 0);
			assert_false(r.wrong);
			assert_true(r.got + unknown <= blocks[b].count);
			/* and the next one is read from a new beginning */
			read_block(h, &blocks[b + 1]);
			hpack_free(h);
			guarded_free(&g);
		}
}

#define BYTES(s) (const uint8_t *)(s), sizeof(s) - 1

static const struct {
	const char *what;
	const uint8_t *p;
	size_t n;
	int ret;
	unsigned fields, unknown;
} bad[] = {
	{"index zero", BYTES("\x82\x80"), -EBADMSG, 1, 0},
	{"index of an empty table", BYTES("\x82\xbe"), 0, 1, 1},
	{"name of an empty table", BYTES("\x7e\x01y\x82"), 0, 1, 1},
	{"... becomes an entry that keeps the count", BYTES("\x7e\x01y\x40\x01z\x01z\xbe\xbf"), 0,
	 2, 2},
	{"endless integer", BYTES("\xff\x80\x80\x80\x80\x80\x80\x80\x80\x01"), -EBADMSG, 0, 0},
	{"huge integer", BYTES("\xff\xff\xff\xff\xff\x7f"), -EBADMSG, 0, 0},
	{"string past the end", BYTES("\x82\x40\x7f"), -EBADMSG, 1, 0},
	{"size after a field", BYTES("\x82\x20"), -EBADMSG, 1, 0},
	{"size before one", BYTES("\x20\x3f\xe1\x1f\x82"), 0, 1, 0},
	{"size of a giant", BYTES("\x3f\xe1\xff\xff\x3f\x82"), 0, 1, 0},
	{"bad Huffman", BYTES("\x82\x40\x84\xff\xff\xff\xff\x01z"), -EBADMSG, 1, 0},
	{"nothing", BYTES(""), 0, 0, 0},
};

static void test_bad_blocks(void **state)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct guarded g = guarded_copy(bad[i].p, bad[i].n);
		struct hpack *h = hpack_new(false);
		unsigned fields = 0, unknown, again;
		int r = hpack_block(h, g.p, bad[i].n, false, count, &fields, &unknown);

		if (r != bad[i].ret || fields != bad[i].fields || unknown != bad[i].unknown)
			fail_msg("%s: %d, %u fields, %u unknown", bad[i].what, r, fields, unknown);
		/* Whatever came, the next block is read. */
		fields = 0;
		assert_int_equal(hpack_block(h, (const uint8_t *)"\x82", 1, false, count, &fields,
					     &again),
				 0);
		assert_int_equal(fields, 1);
		hpack_free(h);
		guarded_free(&g);
	}
}

/* Many small entries, then references to one large entry: neither may take much memory. */
static void test_bombs(void **state)
{
	static uint8_t block[60000];
	struct hpack *h = hpack_new(false);
	unsigned fields = 0, unknown;
	size_t n = 0;

	memcpy(block, "\x3f\xe1\xff\x03", 4); /* 64 KiB of table */
	for (n = 4; n + 3 < sizeof(block); n += 3)
		memcpy(block + n, "\x40\x00\x00", 3);
	hpack_block(h, block, n, false, count, &fields, &unknown);
	assert_true(fields > 1000);
	hpack_free(h);
	h = hpack_new(false);
	fields = 0;
	memset(block, 'v', sizeof(block));
	memcpy(block, "\x40\x01y\x7f\xa1\x1e", 6); /* a value of 4,000 bytes */
	memset(block + 4006, 0xbe, sizeof(block) - 4006);
	assert_int_equal(hpack_block(h, block, sizeof(block), false, count, &fields, &unknown), 0);
	assert_int_equal(fields, 1 + sizeof(block) - 4006);
	assert_int_equal(unknown, 0);
	hpack_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_from_the_start), cmocka_unit_test(test_joined_at_every_block),
		cmocka_unit_test(test_blocks_missed),  cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_bad_blocks),     cmocka_unit_test(test_bombs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
