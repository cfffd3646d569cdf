// SPDX-License-Identifier: Apache-2.0
/* Content codings made by the real compressors, in pieces, cut, joined, broken and as bombs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "flow/decode.h"
#include "feed.h"
#include "pack.h"

#define TEXT_SIZE 100000
static char text[TEXT_SIZE];

static void make_text(void)
{
	uint64_t seed = 1;

	for (size_t i = 0; i < TEXT_SIZE; i++)
		text[i] = rnd(&seed) % 4 ? "{\"role\":\"user\"}"[i % 15] : (char)rnd(&seed);
}

/* Decodes all; gives the error, the bytes, and whether all that began has ended. */
static int run(const char *codings, struct packed in, size_t piece, size_t cap, char *out,
	       size_t *ret_n, bool *ret_whole)
{
	struct decode *d;
	size_t total = 0, got = 0;
	int r = decode_new(codings, &d);

	for (size_t at = 0, len; !r && at < in.n; at += len) {
		struct guarded g;
		const uint8_t *p;
		size_t left;

		len = left = piece && piece < in.n - at ? piece : in.n - at;
		g = guarded_copy(in.p + at, len);
		p = g.p;
		do {
			uint8_t buf[70000];

			r = decode_next(d, &p, &left, buf, cap, &got);
			assert_true(got <= cap && total + got <= 2 * TEXT_SIZE);
			memcpy(out + total, buf, got);
			total += got;
		} while (!r && (left || got == cap));
		guarded_free(&g);
	}
	*ret_n = total;
	*ret_whole = !r && decode_whole(d);
	if (r != -ENOTSUP)
		decode_free(d);
	return r;
}

static const struct {
	const char *name, *pack;
} codings[] = {
	{"gzip", "gzip"},   {"x-gzip", "gzip"}, {"deflate", "deflate"},
	{"deflate", "raw"}, {"br", "br"},	{"zstd", "zstd"},
};

static void test_pieces(void **state)
{
	static char out[2 * TEXT_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(codings); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(feed_sizes); k++) {
			/* one byte at a time needs a page each: a shorter text will do */
			size_t len = feed_sizes[k] && feed_sizes[k] < 64 ? 3000 : TEXT_SIZE, n;
			struct packed p = pack_one(codings[i].pack, text, len);
			bool whole;

			assert_int_equal(run(codings[i].name, p, feed_sizes[k], 16384, out, &n,
					     &whole),
					 0);
			assert_int_equal(n, len);
			assert_memory_equal(out, text, len);
			assert_true(whole);
			free(p.p);
		}
	}
}

static void test_small_output(void **state)
{
	static char out[2 * TEXT_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(codings); i++) {
		for (size_t cap = 1; cap < 6; cap++) {
			struct packed p = pack_one(codings[i].pack, text, 2000);
			size_t n;
			bool whole;

			assert_int_equal(run(codings[i].name, p, 5, cap, out, &n, &whole), 0);
			assert_int_equal(n, 2000);
			assert_memory_equal(out, text, n);
			assert_true(whole);
			free(p.p);
		}
	}
}

static void test_tiny_and_empty(void **state)
{
	static char out[2 * TEXT_SIZE];
	struct packed none = {NULL, 0};
	size_t n;
	bool whole;

	for (size_t i = 0; i < ARRAY_SIZE(codings); i++) {
		for (size_t len = 0; len < 4; len++) {
			struct packed p = pack_one(codings[i].pack, text, len);

			assert_int_equal(run(codings[i].name, p, 1, 100, out, &n, &whole), 0);
			assert_int_equal(n, len);
			assert_memory_equal(out, text, len);
			assert_true(whole);
			free(p.p);
		}
		assert_int_equal(run(codings[i].name, none, 0, 100, out, &n, &whole), 0);
		assert_true(whole);
	}
}

/* Every cut gives a true beginning and is not whole. */
static void test_cut(void **state)
{
	static char out[2 * TEXT_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(codings); i++) {
		struct packed p = pack_one(codings[i].pack, text, 400);

		for (size_t cut = 1; cut < p.n; cut++) {
			struct packed part = {p.p, cut};
			size_t n;
			bool whole;

			assert_int_equal(run(codings[i].name, part, 0, 100, out, &n, &whole), 0);
			assert_memory_equal(out, text, n);
			/* a cut in gzip's checksum loses no text */
			assert_false(whole);
		}
		free(p.p);
	}
}

static void test_joined(void **state)
{
	static char out[2 * TEXT_SIZE];
	static const char *const twice[] = {"gzip", "zstd"}, *const once[] = {"deflate", "br"};

	for (size_t i = 0; i < 2; i++) {
		for (size_t piece = 0; piece < 4; piece++) {
			struct packed p = pack_join(pack_one(twice[i], text, 1000),
						    pack_one(twice[i], text + 1000, 500));
			size_t n;
			bool whole;

			assert_int_equal(run(twice[i], p, piece, 64, out, &n, &whole), 0);
			assert_int_equal(n, 1500);
			assert_memory_equal(out, text, n);
			assert_true(whole);
			/* the second one cut */
			p.n -= 9;
			assert_int_equal(run(twice[i], p, piece, 64, out, &n, &whole), 0);
			assert_false(whole);
			free(p.p);

			p = pack_join(pack_one(once[i], text, 1000), pack_one(once[i], text, 500));
			assert_int_equal(run(once[i], p, piece, 64, out, &n, &whole), -EBADMSG);
			assert_int_equal(n, 1000);
			assert_memory_equal(out, text, n);
			free(p.p);
		}
	}
}

static void test_stacked(void **state)
{
	static const char *const names[] = {"gzip", "deflate", "br", "zstd"};
	static char out[2 * TEXT_SIZE];

	for (size_t a = 0; a < 4; a++) {
		for (size_t b = 0; b < 4; b++) {
			struct packed in = pack_one(names[a], text, 20000);
			struct packed p = pack_one(names[b], in.p, in.n);
			char list[32];
			size_t n;
			bool whole;

			strcpy(list, names[a]);
			strcat(list, ",");
			strcat(list, names[b]);
			for (size_t piece = 0; piece < 2000; piece = piece * 3 + 11) {
				assert_int_equal(run(list, p, piece, 999, out, &n, &whole), 0);
				assert_int_equal(n, 20000);
				assert_memory_equal(out, text, n);
				assert_true(whole);
			}
			free(in.p);
			free(p.p);
		}
	}
}

static void test_broken(void **state)
{
	static const uint8_t junk[] = "this is not compressed at all, not even a little";
	static char out[2 * TEXT_SIZE];
	struct packed p = {(uint8_t *)junk, sizeof(junk)};
	size_t n;
	bool whole;

	assert_int_equal(run("gzip", p, 0, 64, out, &n, &whole), -EBADMSG);
	assert_int_equal(run("zstd", p, 1, 64, out, &n, &whole), -EBADMSG);
	assert_int_equal(run("deflate", p, 1, 64, out, &n, &whole), -EBADMSG);
	assert_int_equal(run("br", p, 7, 64, out, &n, &whole), -EBADMSG);
	/* a good member, then something else */
	p = pack_join(pack_one("gzip", text, 100), pack_zlib("x", 1, 15));
	assert_int_equal(run("gzip", p, 1, 64, out, &n, &whole), -EBADMSG);
	assert_int_equal(n, 100);
	/* the last byte of the checksum is wrong */
	free(p.p);
	p = pack_one("gzip", text, 100);
	p.p[p.n - 5] ^= 1;
	assert_int_equal(run("gzip", p, 0, 64, out, &n, &whole), -EBADMSG);
	free(p.p);
}

static void test_names(void **state)
{
	static const char *const unknown[] = {"compress", "gzip,br,zstd", "GZIP",  "gzip,",
					      ",",	  "gzi",	  "gzipp", "too-long"};
	struct decode *d = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++)
		assert_int_equal(decode_new(unknown[i], &d), -ENOTSUP);
	assert_null(d);
	decode_free(NULL);
}

/* 64 MiB of nothing in a few KiB: the caller gets one buffer at a time and may stop. */
static void test_bomb(void **state)
{
	static const char *const names[] = {"gzip", "br", "zstd"};
	size_t big = 64 << 20;
	void *zeros = calloc(1, big);

	for (size_t i = 0; i < 3; i++) {
		struct packed p = pack_one(names[i], zeros, big);
		struct decode *d;
		const uint8_t *at = p.p;
		uint8_t buf[16384];
		size_t left = p.n, got, total = 0;

		assert_true(p.n < 100000);
		assert_int_equal(decode_new(names[i], &d), 0);
		do {
			assert_int_equal(decode_next(d, &at, &left, buf, sizeof(buf), &got), 0);
			assert_true(got <= sizeof(buf));
			total += got;
		} while (total < 1 << 20);
		assert_int_equal(total, 1 << 20);
		decode_free(d);
		free(p.p);
	}
	free(zeros);
}

/* A frame that asks for a window of 128 MiB is refused before any of it is allocated. */
static void test_zstd_window(void **state)
{
	static const uint8_t frame[] = {0x28,		0xb5, 0x2f, 0xfd, 0x00,
					(27 - 10) << 3, 0x01, 0x00, 0x00};
	struct packed p = {(uint8_t *)frame, sizeof(frame)};
	char out[64];
	size_t n;
	bool whole;

	assert_int_equal(run("zstd", p, 0, 64, out, &n, &whole), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces),	       cmocka_unit_test(test_small_output),
		cmocka_unit_test(test_tiny_and_empty), cmocka_unit_test(test_cut),
		cmocka_unit_test(test_joined),	       cmocka_unit_test(test_stacked),
		cmocka_unit_test(test_broken),	       cmocka_unit_test(test_names),
		cmocka_unit_test(test_bomb),	       cmocka_unit_test(test_zstd_window),
	};

	make_text();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
