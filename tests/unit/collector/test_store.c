// SPDX-License-Identifier: Apache-2.0
/*
 * The SQLite store: what it opens and refuses, that a row is never replaced, that findings are
 * bounded, and that `audit` sees each kind of change made to the file behind its back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <sqlite3.h>
#include <unistd.h>

#include "base/fs.h"
#include "collector/audit.h"
#include "collector/ingest.h"
#include "host.h"

static char dir[] = "/tmp/probity-store-XXXXXX", db[64];
static struct witness *witness;

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *f)
{
	return remove(path);
}

static int set_up(void **state)
{
	char err[256];

	assert_non_null(mkdtemp(dir));
	snprintf(db, sizeof(db), "%s/probity.db", dir);
	return witness_open(dir, "col.example", &witness, err, sizeof(err));
}

static int tear_down(void **state)
{
	witness_free(witness);
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void clear(void)
{
	static const char *const tail[] = {"", "-wal", "-shm"};
	char path[80];

	for (size_t i = 0; i < ARRAY_SIZE(tail); i++) {
		snprintf(path, sizeof(path), "%s%s", db, tail[i]);
		unlink(path);
	}
}

static struct store *open_ok(enum store_mode mode)
{
	struct store *s = NULL;
	char err[512] = "";
	int r = store_open(db, mode, &s, err, sizeof(err));

	if (r)
		print_error("%s\n", err);
	assert_int_equal(r, 0);
	return s;
}

/* By other hands: plain SQLite, no store. */
static void sql(const char *text)
{
	sqlite3 *c = NULL;
	char *err = NULL;

	assert_int_equal(sqlite3_open(db, &c), SQLITE_OK);
	if (sqlite3_exec(c, text, NULL, NULL, &err) != SQLITE_OK)
		print_error("%s: %s\n", text, err);
	assert_null(err);
	assert_int_equal(sqlite3_close(c), SQLITE_OK);
}

struct refusal {
	const char *name, *sql; /* NULL sql: bytes */
	const char *bytes;
	enum store_mode mode;
	int r;
	const char *word; /* in the line */
};
static const struct refusal refusals[] = {
	{"absent, to read", NULL, NULL, STORE_READ, -ENOENT, "No such file"},
	{"another program's", "CREATE TABLE t(x)", NULL, STORE_WRITE, -EMEDIUMTYPE,
	 "another program"},
	{"another program's id", "PRAGMA application_id = 77; CREATE TABLE t(x)", NULL, STORE_READ,
	 -EMEDIUMTYPE, "another program"},
	{"newer version",
	 "PRAGMA application_id = 1347568214; PRAGMA user_version = 99;"
	 "CREATE TABLE chain(x)",
	 NULL, STORE_WRITE, -EPROTONOSUPPORT, "version 99"},
	{"older version, to read", "PRAGMA application_id = 1347568214", NULL, STORE_READ, -ESTALE,
	 "version 0"},
	{"records of the format before the first release",
	 "PRAGMA application_id = 1347568214; PRAGMA user_version = 1;"
	 "CREATE TABLE chain(x); INSERT INTO chain VALUES(1), (2)",
	 NULL, STORE_WRITE, -EPROTONOSUPPORT, "holds 2 chains"},
	{"no database", NULL,
	 "this is a text file that is long enough to be read as a header of"
	 " one hundred bytes, and is none of them at all...",
	 STORE_WRITE, -EUCLEAN, "not a database"},
};

static void test_refusals(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		const struct refusal *t = &refusals[i];
		struct store *s = NULL;
		char err[512] = "", *before = NULL, *after = NULL;
		size_t n = 0, m = 0;

		print_message("# %s\n", t->name);
		clear();
		if (t->sql)
			sql(t->sql);
		if (t->bytes)
			assert_int_equal(fs_write_atomic(db, t->bytes, strlen(t->bytes), 0600), 0);
		fs_read(db, 1 << 20, &before, &n);
		assert_int_equal(store_open(db, t->mode, &s, err, sizeof(err)), t->r);
		assert_null(s);
		assert_non_null(strstr(err, db));
		assert_non_null(strstr(err, t->word));
		fs_read(db, 1 << 20, &after, &m);
		assert_int_equal(n, m);
		if (n)
			assert_memory_equal(before, after, n);
		free(before);
		free(after);
	}
}

static void test_new_and_again(void **state)
{
	struct store_chain c = {.id = {1},
				.cn = "alpha",
				.host = "h",
				.last_seq = 4,
				.state_len = 4},
			   got;
	struct store *s;
	struct stat st;

	clear();
	s = open_ok(STORE_WRITE);
	assert_int_equal(stat(db, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(store_chain_get(s, c.id, &got), -ENOENT);
	assert_int_equal(store_begin(s), 0);
	assert_int_equal(store_chain_put(s, &c), 0);
	assert_int_equal(store_commit(s), 0);
	store_free(s);
	s = open_ok(STORE_READ);
	assert_int_equal(store_chain_get(s, c.id, &got), 0);
	assert_string_equal(got.cn, "alpha");
	assert_int_equal(got.last_seq, 4);
	assert_int_equal(store_chain_put(s, &c), -EROFS);
	store_free(s);
}

static void test_rollback_and_twice(void **state)
{
	struct store_record r = {.chain = {9}, .seq = 3, .bytes = (const uint8_t *)"abc", .len = 3};
	uint8_t sig[RECORD_SIG_LEN] = {0}, leaf[RECORD_HASH_LEN];
	struct store *s;

	r.signature = r.mac = sig;
	r.signature_len = sizeof(sig);
	r.mac_len = MAC_LEN;
	clear();
	s = open_ok(STORE_WRITE);
	assert_int_equal(store_begin(s), 0);
	assert_int_equal(store_record_add(s, &r), 0);
	store_rollback(s);
	assert_int_equal(store_leaf_get(s, r.chain, 3, leaf), -ENOENT);
	assert_int_equal(store_begin(s), 0);
	assert_int_equal(store_record_add(s, &r), 0);
	assert_int_equal(store_record_add(s, &r), -EEXIST);
	assert_int_equal(store_commit(s), 0);
	assert_int_equal(store_leaf_get(s, r.chain, 3, leaf), 0);
	store_free(s);
}

static void test_unknown_numbers(void **state)
{
	struct store_call in, out;
	uint8_t chain[16] = {5};
	struct store *s;

	memset(&in, 0, sizeof(in));
	in.input_tokens = STORE_UNKNOWN;
	in.output_tokens = -7;
	in.uid = INT64_MAX;
	in.risk = 0.125;
	snprintf(in.model, sizeof(in.model), "%s", "gr\xc3\xbc\xc3\x9f 'dich\"; --");
	clear();
	s = open_ok(STORE_WRITE);
	assert_int_equal(store_begin(s), 0);
	assert_int_equal(store_row_add(s, &store_call_table, chain, 1, &in), 0);
	assert_int_equal(store_commit(s), 0);
	assert_int_equal(store_row_get(s, &store_call_table, chain, 1, &out), 0);
	assert_true(store_row_equal(&store_call_table, &in, &out));
	out.output_tokens = -6;
	assert_false(store_row_equal(&store_call_table, &in, &out));
	store_free(s);
}

static int last_is_overflow(void *ctx, const struct store_finding *f)
{
	assert_int_equal(f->count, 25);
	assert_int_equal(f->evidence_len, 0);
	assert_non_null(strstr(f->detail, "more findings"));
	return 1;
}

static void test_findings_bounded(void **state)
{
	struct store_finding f = {.severity = STORE_HIGH, .kind = "bad_record", .cn = "mad"};
	struct store_counts n;
	struct store *s;

	clear();
	s = open_ok(STORE_WRITE);
	f.evidence = (const uint8_t *)&f.seq;
	f.evidence_len = sizeof(f.seq);
	assert_int_equal(store_begin(s), 0);
	for (f.seq = 0; f.seq < STORE_FINDINGS_MAX + 25; f.seq++)
		assert_int_equal(store_finding_add(s, &f), 0);
	/* Another host is not silenced by the mad one. */
	snprintf(f.cn, sizeof(f.cn), "sane");
	f.seq = 0;
	assert_int_equal(store_finding_add(s, &f), 0);
	assert_int_equal(store_finding_add(s, &f), 0);
	assert_int_equal(store_commit(s), 0);
	assert_int_equal(store_count(s, &n), 0);
	assert_int_equal(n.findings, STORE_FINDINGS_MAX + 25 + 2);
	assert_int_equal(n.findings_by_severity[STORE_HIGH], n.findings);
	store_free(s);
	sql("DELETE FROM finding WHERE cn = 'sane'");
	s = open_ok(STORE_READ);
	assert_int_equal(store_findings(s, 1, last_is_overflow, NULL), 1);
	store_free(s);
}

static void send(struct store *s, const struct host *h, const struct host_record *rec, size_t from,
		 size_t count, const struct host_record *loss)
{
	uint8_t seed[MAC_LEN];
	struct host_more more = {
		.loss = loss, .seed = seed, .tree = h, .edge_at = loss ? from : 0, .edge_from = 2};
	struct ingest_peer peer = {.cn = "alpha"};
	const struct host_record *list[6];
	struct ingest_result res;
	uint8_t *body;
	size_t n;

	host_seed(h, seed);
	for (size_t i = 0; i < count; i++)
		list[i] = &rec[from + i];
	body = host_batch(h->chain, 16, NULL, 1, list, count, &more, &n);
	assert_int_equal(ingest_batch(s, witness, NULL, &peer, body, n, HOST_NOW_NS, &res), 0);
	assert_int_equal(res.added, count);
	free(body);
}

/* A start, calls, a loss, a call; with a hole records 2 and 3 never come and the loss says so. */
static void fill(bool hole)
{
	char key[64];
	struct host_record rec[6];
	struct host h;
	struct store *s;

	snprintf(key, sizeof(key), "%s/key", dir);
	h = host_new(key, 0xaa);
	for (int i = 0; i < 6; i++)
		rec[i] = i == 0	  ? host_start(&h, signer_public(h.signer))
			 : i == 4 ? host_loss(&h, "records", 2, 2, 3)
				  : host_call(&h, "ann");
	clear();
	s = open_ok(STORE_WRITE);
	if (hole) {
		send(s, &h, rec, 0, 2, NULL);
		send(s, &h, rec, 4, 2, &rec[4]);
	} else {
		send(s, &h, rec, 0, 6, NULL);
	}
	for (int i = 0; i < 6; i++)
		free(rec[i].bytes);
	host_free(&h);
	store_free(s);
}

struct tamper {
	const char *sql;
	const char *kind; /* of the first finding */
	uint64_t seq;
	bool hole;
};
static const struct tamper tampers[] = {
	{"UPDATE record SET record = CAST(substr(record, 1, 63) || x'00' || substr(record, 65) AS"
	 " BLOB) WHERE seq = 2",
	 "id order", 2, false},
	{"UPDATE record SET record = CAST(substr(record, 1, 70) || x'5a' || substr(record, 72) AS"
	 " BLOB) WHERE seq = 2",
	 "signature", 2, false},
	{"UPDATE record SET record = CAST(substr(record, 1, 200) || x'5a' || substr(record, 202) AS"
	 " BLOB) WHERE seq = 3",
	 "payload hash", 3, false},
	{"UPDATE record SET record = x'' WHERE seq = 3", "length", 3, false},
	{"UPDATE record SET signature = zeroblob(64) WHERE seq = 1", "signature", 1, false},
	{"UPDATE record SET leaf = zeroblob(32) WHERE seq = 1", "column", 1, false},
	{"UPDATE record SET wall_ns = wall_ns + 1 WHERE seq = 5", "column", 5, false},
	{"UPDATE record SET schema = 1 WHERE seq = 4", "column", 4, false},
	{"DELETE FROM record WHERE seq = 2", "gap", 2, false},
	{"DELETE FROM record WHERE seq = 5", "count", 5, false},
	{"DELETE FROM record WHERE seq = 0", "gap", 0, false},
	{"DELETE FROM record", "count", 5, false},
	{"DELETE FROM ai_call WHERE seq = 3", "row", 3, false},
	{"UPDATE ai_call SET disposition = 'allow' WHERE seq = 3", "row", 3, false},
	{"UPDATE ai_call SET risk = 0.0 WHERE seq = 3", "row", 3, false},
	{"UPDATE ai_call SET input_tokens = NULL WHERE seq = 2", "row", 2, false},
	{"UPDATE control SET count = 0 WHERE seq = 4", "row", 4, false},
	{"UPDATE chain SET last_leaf = zeroblob(32)", "chain row", 5, false},
	{"UPDATE chain SET last_seq = 7", "gap", 7, false},
	{"UPDATE chain SET records = 7", "count", 5, false},
	{"UPDATE chain SET public_key = randomblob(32)", "key id", 0, false},
	{"DELETE FROM chain", "orphan", 0, false},
	{"DELETE FROM hole", "gap", 2, true},
	{"UPDATE hole SET last_seq = 2", "gap", 3, true},
	{"UPDATE hole SET proof = randomblob(300)", "hole", 2, true},
	{"UPDATE hole SET proof = CAST(substr(proof, 1, 150) || x'5a' || substr(proof, 152) AS"
	 " BLOB)",
	 "hole", 2, true},
	{"UPDATE record SET mac = zeroblob(32) WHERE seq = 2", "mac", 2, false},
	{"UPDATE chain SET state = zeroblob(length(state))", "chain row", 5, false},
	{"UPDATE chain SET covered = 9", "uncovered", 9, false},
	{"DELETE FROM record WHERE seq = 4", "gap", 4, true},
	{"DELETE FROM record WHERE seq = 1", "gap", 1, true},
	{"INSERT INTO ai_call(chain, seq) SELECT id, 99 FROM chain", "orphan", 0, false},
};

static void keep_first(void *ctx, const struct audit_finding *f)
{
	struct audit_finding *first = ctx;

	if (!first->kind[0])
		*first = *f;
}

static void test_tampering_is_found(void **state)
{
	struct audit_result res;
	struct audit_finding first = {0};
	struct audit_options o = {.finding = keep_first, .ctx = &first};
	struct store *s;

	for (int hole = 0; hole < 2; hole++) {
		fill(hole);
		s = open_ok(STORE_READ);
		assert_int_equal(audit_store(s, &o, &res), 0);
		assert_int_equal(res.findings, 0);
		assert_int_equal(res.records, hole ? 4 : 6);
		assert_int_equal(res.declared, hole ? 2 : 0);
		store_free(s);
	}
	for (size_t i = 0; i < ARRAY_SIZE(tampers); i++) {
		memset(&first, 0, sizeof(first));
		fill(tampers[i].hole);
		sql(tampers[i].sql);
		s = open_ok(STORE_READ);
		assert_int_equal(audit_store(s, &o, &res), 0);
		print_message("# %s\n#   %s: %s\n", tampers[i].sql, first.kind, first.detail);
		assert_true(res.findings > 0);
		assert_string_equal(first.kind, tampers[i].kind);
		assert_int_equal(first.seq, tampers[i].seq);
		store_free(s);
	}
}

/* A flipped bit anywhere in the file is a finding, a refusal to open, or in a place that holds
 * nothing; it is never a crash and never a wrong "ok" about a record. */
static void test_damaged_file(void **state)
{
	struct audit_finding first = {0};
	struct audit_result res = {0};
	struct audit_options o = {.finding = keep_first, .ctx = &first};
	struct store *s;
	char *file = NULL, err[512];
	size_t n, found = 0, refused = 0;

	fill(false);
	sql("PRAGMA journal_mode = DELETE");
	assert_int_equal(fs_read(db, 1 << 20, &file, &n), 0);
	for (size_t i = 0; i < n; i += 37) {
		file[i] ^= 0x10;
		clear();
		assert_int_equal(fs_write_atomic(db, file, n, 0600), 0);
		file[i] ^= 0x10;
		memset(&res, 0, sizeof(res));
		if (store_open(db, STORE_READ, &s, err, sizeof(err))) {
			refused++;
			continue;
		}
		if (audit_store(s, &o, &res) || res.findings)
			found++;
		else
			assert_int_equal(res.records, 6);
		store_free(s);
	}
	print_message("# %zu flips found, %zu refused at open, of %zu\n", found, refused, n / 37);
	assert_true(found > 50);
	free(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_new_and_again),
		cmocka_unit_test(test_rollback_and_twice),
		cmocka_unit_test(test_unknown_numbers),
		cmocka_unit_test(test_findings_bounded),
		cmocka_unit_test(test_tampering_is_found),
		cmocka_unit_test(test_damaged_file),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
