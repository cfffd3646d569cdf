// SPDX-License-Identifier: Apache-2.0
/* Reading a spool: the newest, one, while it grows, after damage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>

#include "cli/filter.h"
#include "cli/follow.h"
#include "cli/record_arg.h"
#include "cli/spool_view.h"
#include "fixture.h"

static struct sealed_bytes b;

/* start, then four kinds of call over and over, in segments of four records. */
static void fill(struct fixture *f, unsigned calls)
{
	const struct call_spec *kinds[] = {&fixture_plain, &fixture_alert, &fixture_shadow,
					   &fixture_killed};

	fixture_start(f, &b);
	fixture_append(f, &b);
	for (unsigned i = 0; i < calls; i++) {
		if (f->seq % 4 == 0)
			fixture_rotate(f);
		fixture_write(f, kinds[i % 4]);
	}
}

static bool want(void *ctx, const struct sealed *s)
{
	return filter_match(ctx, s);
}

/* The sequence numbers found, as a text. */
static void seqs(const struct fixture *f, const struct filter *filter, size_t limit, char *ret,
		 size_t cap)
{
	struct spool_query q = {.want = want, .ctx = (void *)filter, .limit = limit};
	struct spool_cursor c = {.dir = f->spool};
	_cleanup_free_ struct spool_pos *at = NULL;
	struct spool_damage dmg;
	struct spool_pos end;
	const char *why;
	size_t n, used = 0;

	assert_int_equal(spool_newest(f->spool, &q, &at, &n, &end, &dmg), 0);
	ret[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		struct sealed s = {0};

		assert_int_equal(spool_at(&c, at[i], &s, &why), 0);
		used += snprintf(ret + used, cap - used, "%s%llu", i ? " " : "",
				 (unsigned long long)s.head.seq);
		sealed_done(&s);
	}
	if (dmg.count)
		snprintf(ret + used, cap - used, " damage");
	spool_cursor_done(&c);
}

static void test_filters(void **state)
{
	static const struct {
		struct filter filter;
		size_t limit;
		const char *want;
	} rows[] = {
		{{0}, 0, "1 2 3 4 5 6 7 8 9 10"},
		{{0}, 3, "8 9 10"},
		{{.all = true}, 0, "0 1 2 3 4 5 6 7 8 9 10"},
		{{.control = true}, 0, "0"},
		{{.user = "ALICE"}, 0, "1 5 9"},
		{{.user = "*o*"}, 0, "2 3 6 7 10"},
		{{.tool = "claude*"}, 2, "5 9"},
		{{.tool = "curl"}, 1, "10"}, /* the program, for no tool was recognised */
		{{.tool = "node"}, 0, ""},   /* but not when one was */
		{{.service = "unknown"}, 0, "3 7"},
		{{.service = "*.deepseek.com"}, 0, "4 8"},
		{{.model = "gpt-*"}, 0, "2 6 10"},
		{{.disposition = "alert"}, 0, "2 3 6 7 10"},
		{{.disposition = "kill"}, 0, "4 8"},
		{{.disposition = "killed"}, 0, "4 8"},
		{{.incomplete = true}, 0, "3 7"},
		{{.incomplete = true, .all = true}, 0, "3 7"},
		{{.user = "alice", .control = true}, 0, ""},
		{{.since_ns = FIXTURE_T0 + 8000000000}, 0, "8 9 10"},
		{{.until_ns = FIXTURE_T0 + 2000000000, .all = true}, 0, "0 1"},
		{{.since_ns = FIXTURE_T0 + 2000000000, .until_ns = FIXTURE_T0 + 4000000000},
		 0,
		 "2 3"},
	};
	struct fixture f;
	char got[256];

	fixture_open(&f);
	fill(&f, 10);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		seqs(&f, &rows[i].filter, rows[i].limit, got, sizeof(got));
		assert_string_equal(got, rows[i].want);
	}
	fixture_close(&f);
}

static void test_find(void **state)
{
	static const struct {
		uint64_t seq;
		int want;
	} rows[] = {{0, 0}, {3, 0}, {4, 0}, {10, 0}, {11, -ENOENT}, {UINT64_MAX, -ENOENT}};
	struct spool_damage dmg;
	struct spool_pos at;
	struct fixture f;

	fixture_open(&f);
	assert_int_equal(spool_find(f.spool, 0, &at, &dmg), -ENOENT); /* an empty segment */
	fill(&f, 10);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(spool_find(f.spool, rows[i].seq, &at, &dmg), rows[i].want);
		if (!rows[i].want)
			assert_true(at.segment == rows[i].seq / 4 * 4);
	}
	assert_int_equal(spool_find("/nonexistent", 1, &at, &dmg), -ENOENT);
	fixture_close(&f);
}

/* Damage ends its segment, is named by place, and hides nothing in the others. */
static void test_damage(void **state)
{
	struct filter all = {.all = true};
	struct spool_damage dmg;
	struct spool_pos at;
	struct fixture f;
	char path[160], got[256];
	int fd;

	fixture_open(&f);
	fill(&f, 10);
	snprintf(path, sizeof(path), "%s/%020d.seg", f.spool, 4);
	assert_int_equal(spool_find(f.spool, 6, &at, &dmg), 0);
	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, "\xFF", 1, at.offset), 1);
	close(fd);
	seqs(&f, &all, 0, got, sizeof(got));
	assert_string_equal(got, "0 1 2 3 4 5 8 9 10 damage");
	assert_int_equal(spool_find(f.spool, 6, &at, &dmg), -EBADMSG);
	assert_int_equal(dmg.count, 1);
	assert_true(dmg.at.segment == 4 && dmg.at.offset > 0 && dmg.why[0]);
	fixture_close(&f);
}

static void test_public(void **state)
{
	uint8_t pub[RECORD_PUBKEY_LEN] = {0};
	struct record r = {0};
	struct fixture f;

	fixture_open(&f);
	fill(&f, 5);
	key_id(signer_public(f.signer), r.key_id);
	assert_int_equal(spool_public(f.spool, &r, pub), 0); /* from the START record */
	assert_memory_equal(pub, signer_public(f.signer), sizeof(pub));
	fixture_head(&f);
	memset(pub, 0, sizeof(pub));
	assert_int_equal(spool_public(f.spool, &r, pub), 0); /* from the head */
	assert_memory_equal(pub, signer_public(f.signer), sizeof(pub));
	r.key_id[0] ^= 1;
	assert_int_equal(spool_public(f.spool, &r, pub), -ENOENT);
	fixture_close(&f);
}

/* --- one record ------------------------------------------------------------------------------ */

static int quiet_open(struct record_arg *a, const char *dir, uint64_t seq, const char *key)
{
	int err = dup(2), null = open("/dev/null", O_WRONLY), r;

	dup2(null, 2);
	r = record_arg_open(a, "show", dir, seq, key);
	dup2(err, 2);
	close(err);
	close(null);
	return r;
}

static void test_record_arg(void **state)
{
	static const struct {
		uint64_t seq;
		const char *key; /* below the state directory */
		int want;
		bool valid;
	} rows[] = {
		{2, NULL, -1, true},
		{2, "host.key.pub", -1, true},
		{2, "other.key.pub", -1, false}, /* shown, and that no key of it vouches for it */
		{2, "missing", CLI_UNREACHABLE, false},
		{3, NULL, -1, false}, /* another record's signature */
		{9, NULL, CLI_NEGATIVE, false},
	};
	struct signer *other = NULL;
	struct fixture f;
	char path[160], err[256];
	uint8_t sig[RECORD_SIG_LEN];

	fixture_open(&f);
	fill(&f, 2);
	memcpy(sig, b.sig, sizeof(sig));
	fixture_call(&f, &fixture_plain, &b);
	memcpy(b.sig, sig, sizeof(sig));
	fixture_append(&f, &b);
	snprintf(path, sizeof(path), "%s/other.key", f.state);
	assert_int_equal(signer_open(path, true, &other, err, sizeof(err)), 0);
	signer_free(other);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct record_arg a = {0};

		snprintf(path, sizeof(path), "%s/%s", f.state, rows[i].key ?: "");
		assert_int_equal(quiet_open(&a, f.state, rows[i].seq, rows[i].key ? path : NULL),
				 rows[i].want);
		assert_int_equal(a.signature_ok, rows[i].valid);
		if (rows[i].want == -1)
			assert_true(a.sealed.head.seq == rows[i].seq);
		record_arg_done(&a);
	}
	assert_int_equal(quiet_open(&(struct record_arg){0}, "/nonexistent", 1, NULL),
			 CLI_UNREACHABLE);
	fixture_close(&f);
}

/* --- following ------------------------------------------------------------------------------- */

static void expect(struct follow *fl, uint64_t from, uint64_t to)
{
	struct spool_pos at;
	struct record r;
	struct frame f;
	const char *why;

	assert_int_equal(follow_wake(fl), 0);
	for (uint64_t seq = from; seq < to; seq++) {
		assert_int_equal(follow_next(fl, &f, &at, &why), 1);
		assert_int_equal(record_decode(f.record, f.record_len, &r, &why), 0);
		assert_true(r.seq == seq);
	}
	assert_int_equal(follow_next(fl, &f, &at, &why), 0);
}

static void test_follow(void **state)
{
	struct follow *fl = NULL;
	struct fixture f;
	struct spool_pos at;
	struct frame fr;
	const char *why;
	uint8_t head[SEGMENT_FRAME_LEN];

	fixture_open(&f);
	assert_int_equal(follow_open(f.spool, NULL, &fl), 0);
	expect(fl, 0, 0);
	fill(&f, 2);
	assert_int_equal(poll(&(struct pollfd){.fd = follow_fd(fl), .events = POLLIN}, 1, 30000),
			 1);
	expect(fl, 0, 3);

	/* A frame that is written in two pieces is seen once, when it is whole. */
	fixture_call(&f, &fixture_plain, &b);
	memcpy(b.record + b.n, b.mac, MAC_LEN);
	memcpy(b.record + b.n + MAC_LEN, b.sig, RECORD_SIG_LEN);
	frame_head(b.record, b.n, RECORD_SEAL_MAX, head);
	assert_int_equal(write(f.fd, head, sizeof(head)), sizeof(head));
	assert_int_equal(write(f.fd, b.record, 50), 50);
	expect(fl, 3, 3);
	assert_int_equal(write(f.fd, b.record + 50, b.n - 50), b.n - 50);
	assert_int_equal(write(f.fd, b.mac, sizeof(b.mac)), sizeof(b.mac));
	assert_int_equal(write(f.fd, b.sig, sizeof(b.sig)), sizeof(b.sig));
	expect(fl, 3, 4);

	/* Segments that come and go between two looks lose nothing. */
	fixture_write(&f, &fixture_plain);
	fixture_rotate(&f);
	fixture_write(&f, &fixture_alert);
	fixture_rotate(&f);
	fixture_rotate(&f);
	fixture_write(&f, &fixture_alert);
	expect(fl, 4, 7);

	/* A torn tail is cut by the agent, and what it writes in its place is read afresh. */
	assert_int_equal(write(f.fd, head, sizeof(head)), sizeof(head));
	expect(fl, 7, 7);
	assert_int_equal(ftruncate(f.fd, lseek(f.fd, 0, SEEK_CUR) - sizeof(head)), 0);
	lseek(f.fd, 0, SEEK_END);
	fixture_write(&f, &fixture_plain);
	expect(fl, 7, 8);

	/* One that is left torn is damage, said once, and the next segment goes on. */
	assert_int_equal(write(f.fd, head, sizeof(head)), sizeof(head));
	fixture_rotate(&f);
	fixture_write(&f, &fixture_plain);
	assert_int_equal(follow_wake(fl), 0);
	assert_int_equal(follow_next(fl, &fr, &at, &why), -EBADMSG);
	expect(fl, 8, 9);
	follow_free(fl);
	fixture_close(&f);
}

static void test_follow_from_the_end(void **state)
{
	struct spool_query q = {.limit = 2};
	_cleanup_free_ struct spool_pos *at = NULL;
	struct spool_damage dmg;
	struct spool_pos end;
	struct follow *fl = NULL;
	struct fixture f;
	size_t n;

	fixture_open(&f);
	fill(&f, 9);
	assert_int_equal(spool_newest(f.spool, &q, &at, &n, &end, &dmg), 0);
	assert_int_equal(n, 2);
	assert_int_equal(follow_open(f.spool, &end, &fl), 0);
	expect(fl, 10, 10);
	fixture_write(&f, &fixture_plain);
	expect(fl, 10, 11);
	follow_free(fl);
	assert_int_equal(follow_open("/nonexistent", NULL, &fl), -ENOENT);
	fixture_close(&f);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_filters),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_public),
		cmocka_unit_test(test_record_arg),
		cmocka_unit_test(test_follow),
		cmocka_unit_test(test_follow_from_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
