// SPDX-License-Identifier: Apache-2.0
/* The packets of RFC 9001 A.2 and RFC 9369 A.2; a ClientHello in three, in every order; every byte
 * flipped, every length; what no client sends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "feed.h"
#include "flow/quic.h"
#include "quic_vectors.h"

#define PACKET_MAX 2048

static size_t from_hex(const char *hex, uint8_t *ret)
{
	size_t n = strlen(hex) / 2;

	for (size_t i = 0; i < n; i++)
		sscanf(hex + 2 * i, "%2hhx", &ret[i]);
	return n;
}

static enum quic_answer feed_one(struct quic_hello *q, const uint8_t *p, size_t n,
				 struct clienthello *h)
{
	struct guarded g = guarded_copy(p, n);
	enum quic_answer a;

	memset(h, 0, sizeof(*h));
	a = quic_initial(q, g.p, n, h);
	guarded_free(&g);
	return a;
}

static enum quic_answer alone(const uint8_t *p, size_t n, struct clienthello *h)
{
	struct quic_hello *q = quic_hello_new();
	enum quic_answer a = feed_one(q, p, n, h);

	quic_hello_free(q);
	return a;
}

static void test_keys(void **state)
{
	static const struct {
		uint32_t version;
		const char *key, *iv, *hp;
	} rows[] = {
		{1, "1f369613dd76d5467730efcbe3b1a22d", "fa044b2f42a3fd3b46fb255c",
		 "9f50449e04a0e810283a1e9933adedd2"},
		{0x6b3343cf, "8b1a0bc121284290a29e0971b5cd045d", "91f73e2351d8fa91660e909f",
		 "45b95e15235d6f45a6b19cbcb0294ba9"},
	};
	uint8_t dcid[8], want[16];
	struct quic_keys k;

	from_hex("8394c8f03e515708", dcid);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		quic_client_keys(rows[i].version, dcid, sizeof(dcid), &k);
		from_hex(rows[i].key, want);
		assert_memory_equal(k.key, want, 16);
		from_hex(rows[i].iv, want);
		assert_memory_equal(k.iv, want, 12);
		from_hex(rows[i].hp, want);
		assert_memory_equal(k.hp, want, 16);
	}
}

static void test_vectors(void **state)
{
	static const char *const rows[] = {initial_v1, initial_v2};
	uint8_t p[PACKET_MAX];
	struct clienthello h;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t n = from_hex(rows[i], p);

		assert_int_equal(n, 1200);
		assert_int_equal(alone(p, n, &h), QUIC_OK);
		assert_string_equal(h.sni, "example.com");
		assert_string_equal(h.alpn, "alpn");
		assert_int_equal(clienthello_version(&h), 0x304);
	}
}

static void test_every_byte(void **state)
{
	uint8_t p[PACKET_MAX];
	size_t n = from_hex(initial_v1, p);
	struct clienthello h;

	for (size_t i = 0; i < n; i++) {
		p[i] ^= 1 << i % 8;
		assert_int_equal(alone(p, n, &h), QUIC_BAD);
		p[i] ^= 1 << i % 8;
	}
	for (size_t cut = 0; cut < n; cut++)
		assert_int_equal(alone(p, cut, &h), QUIC_BAD);
}

/* The first must come first: the others' keys are of its id. */
static void test_parts(void **state)
{
	static const char *const parts[] = {part_1, part_2, part_3};
	static const int orders[][3] = {{0, 1, 2}, {0, 2, 1}};
	uint8_t p[PACKET_MAX];
	struct clienthello h;

	for (size_t o = 0; o < ARRAY_SIZE(orders); o++) {
		struct quic_hello *q = quic_hello_new();

		for (size_t i = 0; i < 3; i++) {
			size_t n = from_hex(parts[orders[o][i]], p);

			assert_int_equal(feed_one(q, p, n, &h), i < 2 ? QUIC_MORE : QUIC_OK);
			p[n / 2] ^= 1; /* what was not sent by the client changes nothing */
			assert_int_equal(feed_one(q, p, n, &h), QUIC_BAD);
			p[n / 2] ^= 1;
			assert_int_equal(feed_one(q, p, n, &h), i < 2 ? QUIC_MORE : QUIC_OK);
		}
		assert_string_equal(h.sni, "example.com");
		quic_hello_free(q);
	}
	assert_int_equal(alone(p, from_hex(part_2, p), &h), QUIC_BAD);
}

/* Two packets in one datagram; and what follows the Initials is not looked at. */
static void test_together(void **state)
{
	uint8_t p[3 * PACKET_MAX];
	struct clienthello h;
	size_t n = from_hex(part_1, p);

	n += from_hex(part_2, p + n);
	n += from_hex(part_3, p + n);
	assert_int_equal(alone(p, n, &h), QUIC_OK);
	assert_string_equal(h.sni, "example.com");
	memset(p + n, 0xe0, 50);
	assert_int_equal(alone(p, n + 50, &h), QUIC_OK);
}

static void test_other_packets(void **state)
{
	static const char *const rows[] = {
		"",
		"c0",
		"4000000000000000000000000000000000000000000000000000",		  /* short header */
		"c0ff00001d088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec", /* a draft */
		"e000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec", /* Handshake */
		"c00000000115000000000000000000000000000000000000000000000000", /* id of 21 bytes */
		"c000000001000040ffffffffffffffffffffffffffffffffffffffffffff", /* token too long */
	};
	uint8_t p[256];
	struct clienthello h;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(alone(p, from_hex(rows[i], p), &h), QUIC_BAD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),	   cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_every_byte), cmocka_unit_test(test_parts),
		cmocka_unit_test(test_together),   cmocka_unit_test(test_other_packets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
