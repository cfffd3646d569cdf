// SPDX-License-Identifier: Apache-2.0
/* Coded request bodies, as Codex sends them: every coding and stack, frames one after the other, in
 * every way of cutting; broken and unknown ones say so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/cleanup.h"
#include "pack.h"
#include "rig.h"

static const char body[] =
	"{\"model\":\"gpt-5\",\"instructions\":\"be brief\",\"stream\":true,\"input\":[{\"role\":\"user\","
	"\"content\":\"PROMPT PROMPT PROMPT PROMPT PROMPT PROMPT PROMPT PROMPT\"}],\"tools\":[{\"type\":"
	"\"function\",\"name\":\"shell\"}]}";
#define BODY (sizeof(body) - 1)
#define HALF (BODY / 2)

static struct packed plain(const void *p, size_t n)
{
	struct packed r = {malloc(n), n};

	memcpy(r.p, p, n);
	return r;
}

/* As a client writes that does not know how much will come: no size in the frame's head. */
static struct packed zstd_stream(const void *p, size_t n)
{
	struct packed r = {malloc(n + 4096), 0};
	ZSTD_CCtx *c = ZSTD_createCCtx();
	ZSTD_outBuffer o = {r.p, n + 4096, 0};

	for (size_t at = 0; at < n; at += 50) {
		ZSTD_inBuffer in = {(const uint8_t *)p + at, n - at < 50 ? n - at : 50, 0};

		while (ZSTD_compressStream2(c, &o, &in, at + 50 >= n ? ZSTD_e_end : ZSTD_e_flush))
			;
	}
	ZSTD_freeCCtx(c);
	r.n = o.pos;
	return r;
}

static struct packed zstd_frames(void)
{
	return pack_join(pack_zstd(body, HALF), pack_zstd(body + HALF, BODY - HALF));
}

static struct packed zstd_skippable(void)
{
	static const uint8_t skip[] = {0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'x', 'y', 'z'};

	return pack_join(pack_join(plain(skip, sizeof(skip)), pack_zstd(body, HALF)),
			 pack_join(plain(skip, sizeof(skip)), pack_zstd(body + HALF, BODY - HALF)));
}

static struct packed zstd_unsized(void)
{
	return zstd_stream(body, BODY);
}

static struct packed gzip_members(void)
{
	return pack_join(pack_one("gzip", body, HALF), pack_one("gzip", body + HALF, BODY - HALF));
}

static struct packed gzip_in_zstd(void)
{
	struct packed in = pack_one("gzip", body, BODY), r = pack_zstd(in.p, in.n);

	free(in.p);
	return r;
}

static const struct {
	const char *header, *pack;
	struct packed (*make)(void); /* else by its name */
} good[] = {
	{"gzip", "gzip", NULL},
	{"x-gzip", "gzip", NULL},
	{"deflate", "deflate", NULL},
	{"deflate", "raw", NULL},
	{"br", "br", NULL},
	{"zstd", "zstd", NULL},
	{"ZSTD", "zstd", NULL},
	{"identity, zstd", "zstd", NULL},
	{"zstd", NULL, zstd_frames},
	{"zstd", NULL, zstd_skippable},
	{"zstd", NULL, zstd_unsized},
	{"gzip", NULL, gzip_members},
	{"gzip, zstd", NULL, gzip_in_zstd},
};

static struct rig *post(const char *coding, struct packed p, size_t piece, bool chunked)
{
	struct rig *r = rig_new(false);
	char head[512], length[64];
	int n;

	snprintf(length, sizeof(length),
		 chunked ? "Transfer-Encoding: chunked\r\n\r\n%zx" : "Content-Length: %zu\r\n",
		 p.n);
	n = snprintf(
		head, sizeof(head),
		"POST /backend-api/codex/responses HTTP/1.1\r\nHost: ai\r\nContent-Encoding: %s\r\n"
		"Content-Type: application/json\r\n%s\r\n",
		coding, length);
	rig_feed(r, FLOW_REQUEST, head, (size_t)n, piece);
	rig_feed(r, FLOW_REQUEST, p.p, p.n, piece);
	if (chunked)
		rig_say(r, FLOW_REQUEST, "\r\n0\r\n\r\n");
	rig_say(r, FLOW_RESPONSE, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(r->dones, 1);
	return r;
}

static void check(const struct rig *r, size_t wire)
{
	const struct interaction *it = &r->done[0];
	uint8_t sum[32];

	assert_string_equal(it->incomplete_reason, "");
	assert_int_equal(it->dialect, DIALECT_OPENAI_RESPONSES);
	assert_string_equal(it->request_model, "gpt-5");
	assert_true(it->stream_requested && names_has(&it->tools_offered, "shell"));
	assert_int_equal(it->messages, 1);
	assert_int_equal(it->request_wire, wire);
	assert_int_equal(it->request_body, BODY);
	sha256(body, BODY, sum);
	assert_memory_equal(it->request_sha256, sum, 32);
	assert_int_equal(r->text_n[0], BODY);
	assert_memory_equal(r->text[0], body, BODY);
}

static void test_good(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		for (size_t k = 0; k < ARRAY_SIZE(feed_sizes); k++)
			for (int chunked = 0; chunked < 2; chunked++) {
				struct packed p = good[i].make ? good[i].make()
							       : pack_one(good[i].pack, body, BODY);
				struct rig *r = post(good[i].header, p, feed_sizes[k], chunked);

				check(r, p.n);
				rig_free(r);
				free(p.p);
			}
}

static void bad(const char *coding, struct packed p, const char *reason)
{
	struct rig *r = post(coding, p, 0, false);

	assert_string_equal(r->done[0].incomplete_reason, reason);
	assert_int_equal(r->done[0].request_wire, p.n);
	rig_free(r);
	free(p.p);
}

static void test_bad(void **state)
{
	struct packed cut = pack_zstd(body, BODY), joined = zstd_frames(), other;

	cut.n -= 5;
	bad("zstd", cut, "coded body ends before its end");
	joined.n -= 2;
	bad("zstd", joined, "coded body ends before its end");
	bad("zstd", plain(body, BODY), "content coding is broken");
	bad("gzip", pack_zstd(body, BODY), "content coding is broken");
	bad("zstd", pack_join(pack_zstd(body, BODY), plain("tail", 4)), "content coding is broken");
	bad("future", plain(body, BODY), "content coding is not known");
	other = pack_zstd("[1,", 3);
	bad("zstd", other, "a JSON document ends early");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
