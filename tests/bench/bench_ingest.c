// SPDX-License-Identifier: Apache-2.0
/*
 * What the collector takes: records a second of ingest_batch (every hash, signature, MAC, epoch and tree
 * checked, each payload read into its columns) to a bare SQLite insert of the very same rows, with the
 * same schema, the same settings and the same number of records in a transaction. Rows of the bare side
 * are read from the first side's store before the clock runs. Rounds interleaved, wall time, on a real
 * disk. Then what binds: the share of the ingest's time that the signatures alone take on one core.
 *
 * usage: bench_ingest DISK-DIR
 */
#include <sqlite3.h>

#include "collector/ingest.h"
#include "evidence_rig.h"
#include "record/look.h"

#define RECORDS 4096
#define BATCH 512 /* as the agent sends them */
#define COLUMNS_MAX 48

/* --- batches ------------------------------------------------------------------------------------- */

static struct batch {
	uint8_t *p;
	size_t n;
} batches[RECORDS / BATCH];
static struct {
	uint8_t header[RECORD_HEADER_LEN], sig[RECORD_SIG_LEN];
} headers[RECORDS];
static uint8_t public_key[RECORD_PUBKEY_LEN];

static void pack_batch(struct batch *to, struct rig *r, const uint8_t *seed, uint64_t seq)
{
	static uint8_t frames[BATCH * 2048];
	static Probity__V1__SealedRecord rec[BATCH], *list[BATCH];
	Probity__V1__Batch b = PROBITY__V1__BATCH__INIT;
	const uint8_t *at = frames;
	const char *why;
	struct frame f;
	size_t n = 0;
	ssize_t len = spool_read(r->spool, seq, frames, sizeof(frames), BATCH, &n);

	if (len <= 0 || n != BATCH)
		die("a batch cannot be read");
	b.version = 1;
	b.chain = (ProtobufCBinaryData){16, (uint8_t *)spool_state(r->spool)->chain};
	b.public_key = (ProtobufCBinaryData){RECORD_PUBKEY_LEN, public_key};
	b.mac_seed = (ProtobufCBinaryData){MAC_LEN, (uint8_t *)seed};
	b.host = "bench.example";
	for (size_t i = 0; i < n; i++) {
		at += frame_parse(at, frames + len - at, &f, &why);
		probity__v1__sealed_record__init(&rec[i]);
		rec[i].record = (ProtobufCBinaryData){f.record_len, (uint8_t *)f.record};
		rec[i].mac = (ProtobufCBinaryData){MAC_LEN, (uint8_t *)f.mac};
		if (f.sig)
			rec[i].signature = (ProtobufCBinaryData){RECORD_SIG_LEN, (uint8_t *)f.sig};
		list[i] = &rec[i];
		memcpy(headers[seq + i].header, f.record, RECORD_HEADER_LEN);
		if (f.sig)
			memcpy(headers[seq + i].sig, f.sig, RECORD_SIG_LEN);
	}
	b.records = list;
	b.n_records = n;
	to->p = malloc(probity__v1__batch__get_packed_size(&b));
	if (!to->p)
		die("out of memory");
	to->n = probity__v1__batch__pack(&b, to->p);
}

static void make_batches(const char *dir, bool by_checkpoint)
{
	uint8_t seed[MAC_LEN];
	struct rig r;

	rig_open(&r, dir, by_checkpoint ? "host3" : "host", by_checkpoint, NULL);
	memcpy(public_key, signer_public(epochs_signer(r.epochs)), sizeof(public_key));
	if (!epochs_seed(r.epochs, seed))
		die("no seed");
	while (spool_state(r.spool)->next_seq < RECORDS)
		seal_one(&r);
	if (spool_commit(r.spool))
		die("does not commit");
	for (size_t i = 0; i < ARRAY_SIZE(batches); i++) {
		free(batches[i].p);
		pack_batch(&batches[i], &r, seed, i * BATCH);
	}
	spool_free(r.spool);
	epochs_free(r.epochs);
}

/* --- the collector --------------------------------------------------------------------------------- */

static char db_path[400];
static struct witness *witness;
static struct looks *looks;

static double ingest_rate(const char *dir, int round)
{
	const struct ingest_peer peer = {.cn = "bench.example"};
	static struct ingest_result res;
	struct store *st = NULL;
	uint64_t t, added = 0;
	char err[512];

	snprintf(db_path, sizeof(db_path), "%s/ingest-%d.db", dir, round);
	if (store_open(db_path, STORE_WRITE, &st, err, sizeof(err)))
		die(err);
	t = now(CLOCK_MONOTONIC);
	for (size_t i = 0; i < ARRAY_SIZE(batches); i++) {
		int e = ingest_batch(st, witness, looks, &peer, batches[i].p, batches[i].n,
				     now(CLOCK_REALTIME), &res);

		if (e || res.fault)
			die(res.alarm[0] ? res.alarm : store_error(st));
		added += res.added;
	}
	t = now(CLOCK_MONOTONIC) - t;
	store_free(st);
	if (added != RECORDS)
		die("records are missing");
	return (double)RECORDS * SECOND / t;
}

/* --- the same rows, bare ------------------------------------------------------------------------------ */

struct rows {
	const char *table;
	int columns;
	size_t n;
	sqlite3_value *(*v)[COLUMNS_MAX];
};

static sqlite3_stmt *statement(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *st = NULL;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
		die(sqlite3_errmsg(db));
	return st;
}

static void exec(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		die(sqlite3_errmsg(db));
}

static void rows_read(sqlite3 *db, struct rows *r)
{
	char sql[128];
	sqlite3_stmt *st;

	snprintf(sql, sizeof(sql), "SELECT * FROM %s ORDER BY seq", r->table);
	st = statement(db, sql);
	r->columns = sqlite3_column_count(st);
	r->v = calloc(RECORDS, sizeof(*r->v));
	if (!r->v || r->columns > COLUMNS_MAX)
		die("too many columns");
	while (sqlite3_step(st) == SQLITE_ROW && r->n < RECORDS) {
		for (int i = 0; i < r->columns; i++)
			r->v[r->n][i] = sqlite3_value_dup(sqlite3_column_value(st, i));
		r->n++;
	}
	sqlite3_finalize(st);
}

/* Tables and indices as they are there, in an empty file with the collector's settings. */
static sqlite3 *empty_like(const char *from, const char *to)
{
	sqlite3 *db, *was;
	sqlite3_stmt *st;

	if (sqlite3_open(to, &db) || sqlite3_open_v2(from, &was, SQLITE_OPEN_READONLY, NULL))
		die("a database cannot be opened");
	exec(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
	st = statement(was, "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL");
	while (sqlite3_step(st) == SQLITE_ROW)
		exec(db, (const char *)sqlite3_column_text(st, 0));
	sqlite3_finalize(st);
	sqlite3_close(was);
	return db;
}

static sqlite3_stmt *insert_into(sqlite3 *db, const struct rows *r)
{
	char sql[512];
	int n = snprintf(sql, sizeof(sql), "INSERT INTO %s VALUES(?", r->table);

	for (int i = 1; i < r->columns; i++)
		n += snprintf(sql + n, sizeof(sql) - n, ",?");
	snprintf(sql + n, sizeof(sql) - n, ")");
	return statement(db, sql);
}

static void insert(sqlite3_stmt *st, const struct rows *r, size_t at)
{
	for (int i = 0; i < r->columns; i++)
		sqlite3_bind_value(st, i + 1, r->v[at][i]);
	if (sqlite3_step(st) != SQLITE_DONE)
		die("a row is refused");
	sqlite3_reset(st);
}

static struct rows records = {.table = "record"}, calls = {.table = "ai_call"};

static double bare_rate(const char *dir, int round)
{
	sqlite3_stmt *one, *two;
	char path[400];
	size_t c = 0;
	sqlite3 *db;
	uint64_t t;

	snprintf(path, sizeof(path), "%s/bare-%d.db", dir, round);
	db = empty_like(db_path, path);
	one = insert_into(db, &records);
	two = insert_into(db, &calls);
	t = now(CLOCK_MONOTONIC);
	for (size_t i = 0; i < records.n; i += BATCH) {
		size_t end = i + BATCH < records.n ? i + BATCH : records.n;

		exec(db, "BEGIN IMMEDIATE");
		for (size_t k = i; k < end; k++) {
			insert(one, &records, k);
			if (k && c < calls.n) /* the first is no call */
				insert(two, &calls, c++);
		}
		exec(db, "COMMIT");
	}
	t = now(CLOCK_MONOTONIC) - t;
	sqlite3_finalize(one);
	sqlite3_finalize(two);
	sqlite3_close(db);
	return (double)RECORDS * SECOND / t;
}

static void read_rows(void)
{
	sqlite3 *db;

	if (records.n)
		return;
	if (sqlite3_open_v2(db_path, &db, SQLITE_OPEN_READONLY, NULL))
		die("the store cannot be read");
	rows_read(db, &records);
	rows_read(db, &calls);
	sqlite3_close(db);
	if (records.n != RECORDS || calls.n != RECORDS - 1)
		die("rows are missing");
}

/* Seconds that the signatures of all records take here, nothing else. */
static double verify_seconds(void)
{
	struct verifier *v = NULL;
	uint64_t t;

	if (verifier_new(public_key, &v))
		die("no verifier");
	t = now(CLOCK_MONOTONIC);
	for (size_t i = 0; i < RECORDS; i++)
		if (!verifier_ok(v, headers[i].header, RECORD_HEADER_LEN, headers[i].sig))
			die("a signature does not hold");
	t = now(CLOCK_MONOTONIC) - t;
	verifier_free(v);
	return (double)t / SECOND;
}

static void bench(const char *dir, const char *what, bool by_checkpoint, double target)
{
	double share[ROUNDS], rate[ROUNDS], limit[ROUNDS], signatures[ROUNDS];

	make_batches(dir, by_checkpoint);
	for (int i = 0; i < ROUNDS; i++) {
		int name = i + (by_checkpoint ? ROUNDS : 0);

		rate[i] = ingest_rate(dir, name);
		read_rows();
		limit[i] = bare_rate(dir, name);
		share[i] = rate[i] / limit[i];
		signatures[i] = by_checkpoint ? 0 : verify_seconds() * rate[i] / RECORDS;
	}
	report(what, share, rate, limit, target);
	qsort(signatures, ROUNDS, sizeof(*signatures), by_value);
	if (!by_checkpoint)
		printf("  %.0f %% of the ingest's time is what its signatures take on one core; it has %u\n",
		       signatures[ROUNDS / 2] * 100, looks_cpus());
}

int main(int argc, char **argv)
{
	char err[512];

	if (argc != 2) {
		fprintf(stderr, "usage: bench_ingest DISK-DIR\n");
		return 2;
	}
	log_init("bench_ingest", LOG_L_ERR);
	make_payload();
	if (witness_open(argv[1], "bench", &witness, err, sizeof(err)))
		die(err);
	if (looks_new(looks_cpus(), &looks))
		die("out of memory");
	bench(argv[1], "ingest / bare SQLite insert", false, 0.50);
	bench(argv[1], "ingest, checkpoints only / bare insert", true, 0.50);
	looks_free(looks);
	witness_free(witness);
	return 0;
}
