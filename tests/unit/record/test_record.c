// SPDX-License-Identifier: Apache-2.0
/*
 * The layout against bytes made by another program from docs/RECORD-FORMAT.md alone (hashes below
 * were computed with Python's struct and hashlib), every truncation, every flipped byte.
 */
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
#include "record/record.h"

static const char payload[] = "hello, auditor";
#define PAYLOAD_LEN (sizeof(payload) - 1)
#define LEN (RECORD_HEADER_LEN + PAYLOAD_LEN)

static void count_up(uint8_t *p, size_t n, uint8_t from)
{
	while (n--)
		*p++ = from++;
}

static struct record sample(void)
{
	struct record r = {
		.epoch = 3,
		.alg = RECORD_ED25519,
		.seq = 0x0102030405060708,
		.id = 0x1112131415161718,
		.wall_ns = 0x2122232425262728,
		.boot_ns = 0x3132333435363738,
		.schema = RECORD_CONTROL,
		.payload_len = PAYLOAD_LEN,
		.payload = (const uint8_t *)payload,
	};

	count_up(r.chain, sizeof(r.chain), 0);
	count_up(r.boot_id, sizeof(r.boot_id), 0x20);
	count_up(r.key_id, sizeof(r.key_id), 0x40);
	count_up(r.prev, sizeof(r.prev), 0x50);
	return r;
}

static void hex(const uint8_t *p, size_t n, char *out)
{
	for (size_t i = 0; i < n; i++)
		sprintf(out + 2 * i, "%02x", p[i]);
}

static void known_bytes(void **state)
{
	struct record r = sample();
	uint8_t b[LEN], leaf[RECORD_HASH_LEN];
	char text[65];

	assert_int_equal(record_encode(&r, b, sizeof(b)), LEN);
	assert_memory_equal(b, "probity/record/v1\0\0\0\0\0\0\0", 24);
	record_leaf(b, leaf);
	hex(leaf, sizeof(leaf), text);
	assert_string_equal(text,
			    "1ea88ef66c35d3944cbf46c7e7830ca8e6f3bfd60f5fff00645e57ca838a7bd4");
}

static void round_trip(void **state)
{
	static const uint32_t sizes[] = {0, 1, PAYLOAD_LEN, 4096, RECORD_PAYLOAD_MAX};
	_cleanup_free_ uint8_t *big = calloc(1, RECORD_PAYLOAD_MAX);

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		size_t n = RECORD_HEADER_LEN + sizes[i];
		_cleanup_free_ uint8_t *b = malloc(n), *again = malloc(n);
		struct record r = sample(), d;
		const char *why;

		r.payload = big;
		r.payload_len = sizes[i];
		assert_int_equal(record_encode(&r, b, n), n);
		assert_int_equal(record_decode(b, n, &d, &why), 0);
		assert_int_equal(d.seq, r.seq);
		assert_int_equal(d.id, r.id);
		assert_int_equal(d.epoch, r.epoch);
		assert_int_equal(d.wall_ns, r.wall_ns);
		assert_int_equal(d.boot_ns, r.boot_ns);
		assert_int_equal(d.schema, r.schema);
		assert_memory_equal(d.prev, r.prev, 32);
		assert_ptr_equal(d.payload, b + RECORD_HEADER_LEN);
		assert_int_equal(record_encode(&d, again, n), n);
		assert_memory_equal(b, again, n);
	}
}

static void too_small_and_too_large(void **state)
{
	struct record r = sample();
	_cleanup_free_ uint8_t *b = malloc(70000), *big = calloc(1, 70000);

	for (size_t cap = 0; cap < LEN; cap++)
		assert_int_equal(record_encode(&r, b, cap), 0);
	r.payload = big;
	r.payload_len = RECORD_PAYLOAD_MAX + 1;
	assert_int_equal(record_encode(&r, b, 70000), 0);
	r.payload_len = UINT32_MAX;
	assert_int_equal(record_encode(&r, b, 70000), 0);
}

static void truncated_and_extended(void **state)
{
	struct record r = sample(), d;
	uint8_t whole[LEN + 1] = {0};
	const char *why;

	assert_int_equal(record_encode(&r, whole, LEN), LEN);
	for (size_t n = 0; n <= LEN + 1; n++) {
		_cleanup_free_ uint8_t *b = malloc(n ? n : 1); /* so that ASan sees over-reads */

		memcpy(b, whole, n);
		why = NULL;
		if (n == LEN || n == RECORD_HEADER_LEN) { /* the latter: its payload was erased */
			assert_int_equal(record_decode(b, n, &d, &why), 0);
			assert_int_equal(record_erased(b, n), n != LEN);
			assert_true(!d.payload == (n != LEN));
			continue;
		}
		assert_int_equal(record_decode(b, n, &d, &why), -EBADMSG);
		assert_string_equal(why, "length");
	}
}

/* Which field's check finds a flipped byte; NULL: it is a value, and decodes to another one. */
static const struct {
	size_t from, to;
	const char *why;
} fields[] = {
	{0, 24, "context"},
	{24, 44, NULL},
	{44, 45, "algorithm"},
	{45, 48, "reserved bytes"},
	{48, 100, NULL},
	{100, 104, "length"},
	{104, 144, NULL},
	{144, 176, "payload hash"},
	{176, LEN, "payload hash"},
};

static void flipped(void **state)
{
	struct record r = sample();
	uint8_t b[LEN], again[LEN];

	assert_int_equal(record_encode(&r, b, LEN), LEN);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		for (size_t at = fields[i].from; at < fields[i].to; at++)
			for (int bit = 0; bit < 8; bit++) {
				const char *why = NULL;
				struct record d;
				int e;

				b[at] ^= 1 << bit;
				e = record_decode(b, LEN, &d, &why);
				if (at == 44 && b[at] == RECORD_CHECKPOINT) {
					assert_int_equal(e,
							 0); /* an algorithm as well: the signature
								 * over the header holds no more */
				} else if (fields[i].why) {
					assert_int_equal(e, -EBADMSG);
					assert_string_equal(why, fields[i].why);
				} else {
					assert_int_equal(e, 0);
					assert_int_equal(record_encode(&d, again, LEN), LEN);
					assert_memory_equal(b, again, LEN);
				}
				b[at] ^= 1 << bit;
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_bytes),
		cmocka_unit_test(round_trip),
		cmocka_unit_test(too_small_and_too_large),
		cmocka_unit_test(truncated_and_extended),
		cmocka_unit_test(flipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
