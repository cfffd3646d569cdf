// SPDX-License-Identifier: Apache-2.0
// covers: user/cli/export_source.c user/cli/export_views.c
/* Records out of a collector's store, one the collector's own code wrote, and out of a damaged spool. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../record/chainlet.h"
#include "cli/export_cmd.h"
#include "cli/export_source.h"
#include "collector/store/store.h"

static struct chainlet c;
static char db[128];

struct seen {
	size_t n, idle;
	uint64_t seq[64];
	uint8_t chain[64];
	bool has_sig[64];
	size_t stop;
};

static int see(void *ctx, const struct frame *f)
{
	struct seen *s = ctx;
	struct record r;
	const char *why;

	assert_int_equal(record_decode(f->record, f->record_len, &r, &why), 0);
	assert_true(s->n < 64);
	s->seq[s->n] = r.seq;
	s->chain[s->n] = r.chain[0];
	s->has_sig[s->n] = f->sig != NULL;
	s->n++;
	return s->stop && s->n == s->stop ? 77 : 0;
}

static int idle(void *ctx)
{
	((struct seen *)ctx)->idle++;
	return 0;
}

static int run(struct export_source *s, struct seen *seen)
{
	char err[256];

	memset(seen, 0, offsetof(struct seen, stop));
	s->record = see;
	s->idle = idle;
	s->ctx = seen;
	return export_source_run(s, err, sizeof(err));
}

static void put(struct store *s, uint8_t chain, uint64_t seq, bool sig)
{
	uint8_t bytes[512], signature[RECORD_SIG_LEN] = {1}, mac[MAC_LEN] = {2};
	struct record r = {.alg = sig ? RECORD_ED25519 : RECORD_CHECKPOINT,
			   .seq = seq,
			   .schema = RECORD_AI_CALL,
			   .wall_ns = 1000 + seq,
			   .payload = (const uint8_t *)"xy",
			   .payload_len = 2};
	struct store_record row = {.seq = seq, .wall_ns = 1000 + seq, .schema = r.schema};

	memset(r.chain, chain, sizeof(r.chain));
	memset(row.chain, chain, sizeof(row.chain));
	row.len = record_encode(&r, bytes, sizeof(bytes));
	row.bytes = bytes;
	row.signature = signature;
	row.signature_len = sig ? sizeof(signature) : 0;
	row.mac = mac;
	row.mac_len = sizeof(mac);
	record_leaf(bytes, row.leaf);
	assert_int_equal(store_record_add(s, &row), 0);
}

static int setup(void **state)
{
	struct store *s = NULL;
	char err[256] = "";

	chainlet_new(&c);
	chainlet_open(&c, 4096, NULL);
	chainlet_start(&c);
	for (uint64_t i = 1; i < 12; i++)
		chainlet_add(&c, i, 700);
	snprintf(db, sizeof(db), "%s/collector.db", c.dir);
	if (store_open(db, STORE_WRITE, &s, err, sizeof(err)))
		fail_msg("%s", err);
	assert_int_equal(store_begin(s), 0);
	for (uint8_t chain = 0xab; chain <= 0xac; chain++) {
		struct store_chain k = {.last_seq = 3, .records = 4};

		memset(k.id, chain, sizeof(k.id));
		strcpy(k.host, "h");
		strcpy(k.cn, chain == 0xab ? "a" : "b");
		if (store_chain_put(s, &k))
			fail_msg("%s", store_error(s));
		for (uint64_t i = 0; i < 4; i++)
			put(s, chain, i, i != 2);
	}
	assert_int_equal(store_commit(s), 0);
	store_free(s);
	return 0;
}

static int teardown(void **state)
{
	chainlet_done(&c);
	return 0;
}

static void test_store(void **state)
{
	struct export_source s = {.db = db};
	struct seen seen = {0};

	assert_int_equal(run(&s, &seen), 0);
	assert_int_equal(seen.n, 8);
	assert_int_equal(seen.idle, 1);
	for (size_t i = 0; i < 8; i++) {
		assert_int_equal(seen.seq[i], i % 4);
		assert_int_equal(seen.chain[i], i < 4 ? 0xab : 0xac);
		assert_int_equal(seen.has_sig[i], i % 4 != 2);
	}
	s.chain = "acac";
	assert_int_equal(run(&s, &seen), 0);
	assert_int_equal(seen.n, 4);
	assert_int_equal(seen.chain[0], 0xac);
	s.chain = NULL;
	seen.stop = 3;
	assert_int_equal(run(&s, &seen), 77);
	assert_int_equal(seen.n, 3);
}

static void test_not_a_store(void **state)
{
	struct export_source s = {.db = "/nowhere/x.db"};
	struct seen seen = {0};
	char path[160];

	assert_int_equal(run(&s, &seen), -ENOENT);
	snprintf(path, sizeof(path), "%s/text", c.dir);
	assert_int_equal(fs_write_atomic(path, "no database", 11, 0600), 0);
	s.db = path;
	assert_int_equal(run(&s, &seen), -EBADMSG);
}

static void test_spool(void **state)
{
	struct export_source s = {.dir = c.spool};
	struct chainlet_file f[8];
	struct seen seen = {0};
	size_t n = chainlet_segments(&c, f, 8);

	assert_true(n >= 2);
	assert_int_equal(run(&s, &seen), 0);
	assert_int_equal(seen.n, 12);
	assert_int_equal(s.damaged, 0);
	/* Damage in a segment: the rest of it is not read, which is counted; the next segments are. */
	f[0].p[f[0].at[1] + 20] ^= 1;
	chainlet_restore(&f[0]);
	assert_int_equal(run(&s, &seen), 0);
	assert_int_equal(s.damaged, 1);
	assert_int_equal(seen.n, 12 - f[0].frames + 1);
	f[0].p[f[0].at[1] + 20] ^= 1;
	chainlet_restore(&f[0]);
	for (size_t i = 0; i < n; i++)
		free(f[i].p);
}

/* From the range asked for, no record more; damage is told by the exit code. */
static void test_views(void **state)
{
	static const char *const formats[] = {"json", "ocsf", "otlp", "cloudevents", "csv"};
	char out[160], *text = NULL;
	size_t n, lines;

	snprintf(out, sizeof(out), "%s/out", c.dir);
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		struct export_ask a = {
			.format = formats[i], .db = db, .out = out, .from_ns = 1001, .to_ns = 1003};

		assert_true(export_view_known(formats[i]));
		assert_int_equal(export_views(&a), 0);
		assert_int_equal(fs_read(out, 1 << 20, &text, &n), 0);
		lines = 0;
		for (size_t k = 0; k < n; k++)
			lines += text[k] == '\n';
		/* two of each chain; one request a chain; a head */
		assert_int_equal(lines, !strcmp(formats[i], "otlp")  ? 2
					: !strcmp(formats[i], "csv") ? 5
								     : 4);
		free(text);
	}
	assert_false(export_view_known("xml"));
	{
		struct export_ask a = {.format = "json", .dir = "/nowhere", .out = out};

		assert_int_equal(export_views(&a), 3);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_store),
		cmocka_unit_test(test_not_a_store),
		cmocka_unit_test(test_spool),
		cmocka_unit_test(test_views),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
