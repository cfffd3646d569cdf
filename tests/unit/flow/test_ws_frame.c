// SPDX-License-Identifier: Apache-2.0
/* Heads of WebSocket frames, what is taken for one, and Sec-WebSocket-Extensions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/cleanup.h"
#include "flow/ws_frame.h"
#include "feed.h"

static const struct {
	const char *name;
	bool client, deflate;
	uint8_t p[WS_HEAD_MAX];
	size_t n;
	enum ws_answer answer;
	uint64_t len;
} heads[] = {
	{"text", false, false, {0x81, 5}, 2, WS_OK, 5},
	{"from a client", true, false, {0x81, 0x85, 1, 2, 3, 4}, 6, WS_OK, 5},
	{"client without a mask", true, false, {0x81, 5}, 2, WS_BAD, 0},
	{"server with a mask", false, false, {0x81, 0x85, 1, 2, 3, 4}, 6, WS_BAD, 0},
	{"two bytes of length", false, false, {0x82, 126, 0, 126}, 4, WS_OK, 126},
	{"length not in its shortest form", false, false, {0x82, 126, 0, 125}, 4, WS_BAD, 0},
	{"eight bytes of length",
	 false,
	 false,
	 {0x02, 127, 0, 0, 0, 0, 0, 1, 0, 0},
	 10,
	 WS_OK,
	 65536},
	{"eight bytes for a short one",
	 false,
	 false,
	 {2, 127, 0, 0, 0, 0, 0, 0, 255, 255},
	 10,
	 WS_BAD,
	 0},
	{"top bit of the length", false, false, {2, 127, 0x80, 0, 0, 0, 0, 1, 0, 0}, 10, WS_BAD, 0},
	{"reserved bit 2", false, false, {0xa1, 0}, 2, WS_BAD, 0},
	{"reserved bit 3", false, false, {0x91, 0}, 2, WS_BAD, 0},
	{"compressed", false, true, {0xc1, 1}, 2, WS_OK, 1},
	{"compressed, not agreed", false, false, {0xc1, 1}, 2, WS_BAD, 0},
	{"compressed continuation", false, true, {0x40, 1}, 2, WS_BAD, 0},
	{"reserved opcode", false, false, {0x83, 0}, 2, WS_BAD, 0},
	{"reserved control", false, false, {0x8b, 0}, 2, WS_BAD, 0},
	{"ping", false, false, {0x89, 125}, 2, WS_OK, 125},
	{"ping too long", false, false, {0x89, 126, 0, 126}, 4, WS_BAD, 0},
	{"ping in fragments", false, false, {0x09, 0}, 2, WS_BAD, 0},
	{"compressed ping", false, true, {0xc9, 0}, 2, WS_BAD, 0},
};

static void test_heads(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(heads); i++)
		for (size_t n = 0; n <= heads[i].n; n++) {
			struct guarded g = guarded_copy(heads[i].p, n);
			struct ws_frame f;
			size_t used = 0;
			enum ws_answer a = ws_frame_parse(heads[i].client, heads[i].deflate, g.p, n,
							  &f, &used);

			if (n == heads[i].n && a != heads[i].answer)
				fail_msg("%s: %d", heads[i].name, a);
			if (n < heads[i].n && a != WS_MORE && heads[i].answer != WS_BAD)
				fail_msg("%s, %zu bytes: %d", heads[i].name, n, a);
			if (a == WS_OK) {
				assert_int_equal(f.len, heads[i].len);
				assert_int_equal(used, n);
			}
			guarded_free(&g);
		}
}

static void test_unmask(void **state)
{
	static const struct ws_frame f = {.mask = {1, 2, 3, 4}};
	uint8_t out[4];

	ws_unmask(&f, 3, out, (const uint8_t *)"abcd", 4);
	assert_memory_equal(out, ((uint8_t[]){'a' ^ 4, 'b' ^ 1, 'c' ^ 2, 'd' ^ 3}), 4);
}

static const struct {
	const char *bytes;
	size_t n;
	bool plausible;
} runs[] = {
	{"\x81\x02hi", 4, true},
	{"\x81\x02hi\x89\x00", 6, true},
	{"\x81\x02hi\x81", 5, true},
	{"\x81\x02hi\xff", 5, true}, /* a byte more says nothing yet */
	{"\x81\x02hi\xff\x00", 6, false},
	{"\x81\x7e\x01\x00{\"type\":", 12, true}, /* goes on after the chunk */
	{"\x81\x7e\x01\x00plain text", 14, false},
	{"\x81\x7e\x01\x00", 4, false},
	{"HTTP/1.1 200 OK\r\n\r\n", 19, false},
	{"{\"type\":\"x\"}", 12, false},
	{"", 0, false},
};

static void test_plausible(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(runs); i++) {
		struct guarded g = guarded_copy(runs[i].bytes, runs[i].n);

		if (ws_frame_plausible(false, false, g.p, runs[i].n) != runs[i].plausible)
			fail_msg("run %zu", i);
		guarded_free(&g);
	}
}

/* Bytes that are no frames are hardly ever taken for some. */
static void test_random_bytes(void **state)
{
	uint64_t seed = 3;
	unsigned taken = 0;
	uint8_t p[600];

	for (int i = 0; i < 200000; i++) {
		for (int k = 0; k < 24; k++)
			p[k] = (uint8_t)rnd(&seed);
		taken += ws_frame_plausible(true, true, p, sizeof(p));
	}
	assert_true(taken < 20);
}

static const struct {
	const char *value;
	bool known, on, client, server;
} extensions[] = {
	{"", true, false, false, false},
	{"permessage-deflate", true, true, false, false},
	{"Permessage-Deflate; client_no_context_takeover", true, true, true, false},
	{"permessage-deflate ;server_max_window_bits=10; server_no_context_takeover ", true, true,
	 false, true},
	{"x-webkit-deflate-frame", false, false, false, false},
	{" , permessage-deflate, permessage-bzip2", false, true, false, false},
};

static void test_extensions(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(extensions); i++) {
		size_t n = strlen(extensions[i].value);
		struct guarded g = guarded_copy(extensions[i].value, n);
		struct ws_deflate d;

		assert_int_equal(ws_extensions((const char *)g.p, n, &d), extensions[i].known);
		assert_int_equal(d.on, extensions[i].on);
		assert_int_equal(d.no_context[0], extensions[i].client);
		assert_int_equal(d.no_context[1], extensions[i].server);
		guarded_free(&g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_heads),	   cmocka_unit_test(test_unmask),
		cmocka_unit_test(test_plausible),  cmocka_unit_test(test_random_bytes),
		cmocka_unit_test(test_extensions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
