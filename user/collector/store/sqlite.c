// SPDX-License-Identifier: Apache-2.0
/*
 * The SQLite store: opening, schema, errors. Writing is in sqlite_write.c, reading in
 * sqlite_read.c.
 *
 * Invariant: WAL with synchronous=FULL, so a transaction that store_commit reported is on the
 * disk, and one it did not report is gone as a whole. A file that is not ours, is newer than this
 * program, or cannot be read as a database is left exactly as it is and refused with one line.
 *
 * When the disk is full or fails, the transaction is rolled back and the caller gets -ENOSPC or
 * -EIO; the next transaction tries again from the start, nothing here remembers the failure.
 */
#include "sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "schema.h"

#define BUSY_MS 5000

static int map_error(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EUCLEAN;
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
		return -EACCES;
	case SQLITE_CONSTRAINT:
		return -EEXIST;
	default:
		return -EIO;
	}
}

static const char *plain_word(int rc)
{
	switch (map_error(rc)) {
	case -ENOSPC:
		return "disk full";
	case -EROFS:
		return "read-only";
	case -EUCLEAN:
		return "damaged, or not a database";
	case -EBUSY:
		return "locked by another process";
	case -EACCES:
		return "cannot be opened";
	default:
		return "store failure";
	}
}

int sq_fail(struct store *s, int rc)
{
	snprintf(s->error, sizeof(s->error), "%s: %s (%s)", s->path, plain_word(rc),
		 s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc));
	return map_error(rc);
}

void sq_reset(sqlite3_stmt **st)
{
	if (!*st)
		return;
	sqlite3_reset(*st);
	sqlite3_clear_bindings(*st);
}

void sq_finalize(sqlite3_stmt **st)
{
	sqlite3_finalize(*st);
}

int sq_exec(struct store *s, const char *sql)
{
	int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : sq_fail(s, rc);
}

int sq_done(struct store *s, sqlite3_stmt *st)
{
	int rc = sqlite3_step(st), r = rc == SQLITE_DONE ? 0 : sq_fail(s, rc);

	sq_reset(&st);
	return r;
}

/* "INSERT INTO t(chain, seq, a, b) VALUES(?1, ?2, ?3, ?4)" or the matching SELECT. */
static void row_sql(const struct store_table *t, bool insert, char *out, size_t len)
{
	size_t n = snprintf(out, len, insert ? "INSERT INTO %s(chain, seq" : "SELECT chain, seq",
			    t->name);

	for (size_t i = 0; i < t->count && n < len; i++)
		n += snprintf(out + n, len - n, ", %s", t->fields[i].name);
	if (!insert && n < len)
		snprintf(out + n, len - n, " FROM %s WHERE chain = ?1 AND seq = ?2", t->name);
	if (!insert)
		return;
	for (size_t i = 0; i < t->count + 2 && n < len; i++)
		n += snprintf(out + n, len - n, "%s?%zu", i ? ", " : ") VALUES(", i + 1);
	if (n < len)
		snprintf(out + n, len - n, ")");
}

static const char *const sql_[STMT__MAX] = {
	[STMT_BEGIN] = "BEGIN IMMEDIATE",
	[STMT_SNAPSHOT] = "BEGIN",
	[STMT_COMMIT] = "COMMIT",
	[STMT_CHAIN_GET] = "SELECT " SQ_CHAIN_COLUMNS " FROM chain WHERE id = ?1",
	[STMT_CHAIN_PUT] = "INSERT INTO chain(" SQ_CHAIN_COLUMNS ")"
			   " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12,"
			   " ?13, ?14, ?15, ?16, ?17, ?18, ?19)"
			   " ON CONFLICT(id) DO UPDATE SET last_seq = ?7, last_id = ?8,"
			   " records = ?9, last_leaf = ?10, updated_ns = ?12, state = ?13,"
			   " covered = ?14, stopped = ?15, due_ns = ?16, mac_seed = ?17,"
			   " mac_key = ?18, mac_epoch = ?19",
	[STMT_RECORD_ADD] = "INSERT INTO record(chain, seq, leaf, record, signature, wall_ns,"
			    " schema, received_ns, mac) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8,"
			    " ?9)",
	[STMT_LEAF_GET] = "SELECT leaf FROM record WHERE chain = ?1 AND seq = ?2",
	[STMT_HOLE_ADD] = "INSERT INTO hole(chain, first_seq, last_seq, at_ns, proof, edge)"
			  " VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
	[STMT_HOLE_GET] = "SELECT first_seq, last_seq, at_ns, proof, edge FROM hole"
			  " WHERE chain = ?1 AND first_seq = ?2",
	[STMT_HOLE_FROM] = "SELECT first_seq, last_seq, at_ns, proof, edge FROM hole"
			   " WHERE chain = ?1 AND first_seq >= ?2 ORDER BY first_seq LIMIT 1",
	[STMT_HOLE_BEFORE] = "SELECT first_seq, last_seq, at_ns, proof, edge FROM hole"
			     " WHERE chain = ?1 AND last_seq < ?2 ORDER BY first_seq DESC LIMIT 1",
	[STMT_FINDING_CLOSE] = "UPDATE finding SET closed_ns = ?3 WHERE chain = ?1 AND kind = ?2"
			       " AND closed_ns IS NULL",
	[STMT_OVERDUE] =
		"SELECT " SQ_CHAIN_COLUMNS " FROM chain c WHERE NOT stopped AND due_ns < ?1"
		" AND NOT EXISTS (SELECT 1 FROM finding f WHERE f.chain = c.id"
		" AND f.kind = 'seal_overdue' AND f.closed_ns IS NULL) LIMIT ?2",
	[STMT_KEY_ADD] = "INSERT INTO epoch_key(chain, epoch, seq, public_key)"
			 " VALUES(?1, ?2, ?3, ?4)",
	[STMT_KEY_BY_ID] = "SELECT epoch, seq, public_key FROM epoch_key WHERE chain = ?1"
			   " ORDER BY epoch DESC",
	/* The newest epoch that began below `size`, and those behind it. */
	[STMT_KEYS_FROM] =
		"SELECT epoch, seq, public_key FROM epoch_key WHERE chain = ?1 AND epoch >="
		" (SELECT epoch FROM epoch_key WHERE chain = ?1 AND seq < ?2"
		" ORDER BY epoch DESC LIMIT 1) ORDER BY epoch LIMIT ?3",
	[STMT_EDGE_ADD] = "INSERT OR IGNORE INTO edge(chain, size, edge) VALUES(?1, ?2, ?3)",
	[STMT_EDGE_BEFORE] = "SELECT size, edge FROM edge WHERE chain = ?1 AND size <= ?2"
			     " ORDER BY size DESC LIMIT 1",
	[STMT_EDGE_FROM] = "SELECT size, edge FROM edge WHERE chain = ?1 AND size >= ?2"
			   " ORDER BY size LIMIT 1",
	[STMT_CHAINS_OF] = "SELECT count(*) FROM chain WHERE cn = ?1",
	[STMT_LEDGER_NEWEST] = "SELECT idx, leaf, entry FROM ledger WHERE name = ?1 AND idx < ?2"
			       " ORDER BY idx DESC LIMIT 1",
	[STMT_WITNESS_GET] = "SELECT " SQ_WITNESS_COLUMNS " FROM witness WHERE name = ?1",
	[STMT_WITNESS_PUT] = "INSERT OR REPLACE INTO witness(" SQ_WITNESS_COLUMNS ")"
			     " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
	[STMT_LEDGER_ADD] = "INSERT INTO ledger(idx, leaf, entry, name)"
			    " VALUES((SELECT coalesce(max(idx), -1) + 1 FROM ledger), ?1, ?2, ?3)",
	[STMT_LEDGER_COUNT] = "SELECT coalesce(max(idx), -1) + 1 FROM ledger",
	[STMT_FINDING_ADD] = "INSERT INTO finding(at_ns, last_ns, count, severity, kind, cn, chain,"
			     " seq, detail, evidence, signature, digest)"
			     " VALUES(?1, ?1, 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
	[STMT_FINDING_KNOWN] = "UPDATE finding SET count = count + 1, last_ns = ?1"
			       " WHERE digest = ?2",
	[STMT_FINDING_COUNT] = "SELECT count(*) FROM finding WHERE cn = ?1 AND kind = ?2",
};

sqlite3_stmt *sq_stmt(struct store *s, enum stmt id)
{
	char row[2048];
	const char *sql = sql_[id];
	int rc;

	if (!s->stmt[id]) {
		if (!sql) {
			bool call = id == STMT_CALL_ADD || id == STMT_CALL_GET;

			row_sql(call ? &store_call_table : &store_control_table,
				id == STMT_CALL_ADD || id == STMT_CONTROL_ADD, row, sizeof(row));
			sql = row;
		}
		rc = sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &s->stmt[id],
					NULL);
		if (rc != SQLITE_OK) {
			sq_fail(s, rc);
			return NULL;
		}
	}
	return s->stmt[id];
}

const char *store_path(const struct store *s)
{
	return s->path;
}
const char *store_error(const struct store *s)
{
	return s->error;
}

static int run_stmt(struct store *s, enum stmt id)
{
	sqlite3_stmt *st = sq_stmt(s, id);

	return st ? sq_done(s, st) : -EIO;
}

int store_begin(struct store *s)
{
	return run_stmt(s, STMT_BEGIN);
}

int store_snapshot(struct store *s)
{
	int r = run_stmt(s, STMT_SNAPSHOT);

	/* The snapshot is taken by the first read, not by BEGIN. */
	return r ? r : sq_exec(s, "SELECT 1 FROM chain LIMIT 1");
}

int store_commit(struct store *s)
{
	int r = run_stmt(s, STMT_COMMIT);

	if (r)
		store_rollback(s);
	return r;
}

void store_rollback(struct store *s)
{
	/* SQLite has rolled back by itself after some errors; then there is nothing to do. */
	if (!sqlite3_get_autocommit(s->db))
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
}

static int pragma_int(struct store *s, const char *sql, int *ret)
{
	_cleanup_finalize_ sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc != SQLITE_ROW)
		return sq_fail(s, rc == SQLITE_DONE ? SQLITE_CORRUPT : rc);
	*ret = sqlite3_column_int(st, 0);
	return 0;
}

static int say(struct store *s, int r, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int say(struct store *s, int r, const char *fmt, ...)
{
	int n = snprintf(s->error, sizeof(s->error), "%s: ", s->path);
	va_list ap;

	va_start(ap, fmt);
	if (n < (int)sizeof(s->error))
		vsnprintf(s->error + n, sizeof(s->error) - n, fmt, ap);
	va_end(ap);
	return r;
}

/* Step 1 leaves behind what it cannot read; there must be nothing. */
static int may_leave(struct store *s)
{
	int chains, r = pragma_int(s, "SELECT count(*) FROM chain", &chains);

	if (r || !chains)
		return r;
	return say(
		s, -EPROTONOSUPPORT,
		"holds %d chains whose records were sealed in the format before the first release,"
		" which this program does not read; it is left as it is: move it away to begin anew",
		chains);
}

/* One step, all or nothing; another process may have done it meanwhile. */
static int migrate_step(struct store *s, int from)
{
	char pragma[128];
	int now, r = sq_exec(s, "BEGIN IMMEDIATE");

	if (!r)
		r = pragma_int(s, "PRAGMA user_version", &now);
	if (!r && now == from) {
		snprintf(pragma, sizeof(pragma),
			 "PRAGMA user_version = %d; PRAGMA application_id = %d", from + 1,
			 SCHEMA_APPLICATION_ID);
		r = from == 1 ? may_leave(s) : 0;
		if (!r)
			r = sq_exec(s, schema_steps[from]);
		if (!r)
			r = sq_exec(s, pragma);
	}
	if (!r)
		r = sq_exec(s, "COMMIT");
	if (r)
		store_rollback(s);
	return r;
}

/* Whose file this is and how old; changes nothing. */
static int identify(struct store *s, enum store_mode mode, int *ret_version)
{
	const int newest = ARRAY_SIZE(schema_steps);
	int app, version, tables, r;

	if ((r = pragma_int(s, "PRAGMA application_id", &app)) ||
	    (r = pragma_int(s, "PRAGMA user_version", &version)) ||
	    (r = pragma_int(s, "SELECT count(*) FROM sqlite_schema", &tables)))
		return r;
	if (app != SCHEMA_APPLICATION_ID && (app || version || tables))
		return say(s, -EMEDIUMTYPE, "a database of another program; it is left as it is");
	if (version < 0 || version > newest)
		return say(s, -EPROTONOSUPPORT,
			   "store version %d, this program knows up to %d; it is left as it is",
			   version, newest);
	if (mode == STORE_READ && version < newest)
		return say(s, -ESTALE,
			   "store version %d; start the collector once to bring it to %d", version,
			   newest);
	*ret_version = version;
	return version == 1 ? may_leave(s) : 0;
}

/* Nothing here writes to the file. */
static int configure(struct store *s)
{
	sqlite3_extended_result_codes(s->db, 1);
	sqlite3_busy_timeout(s->db, BUSY_MS);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	return sq_exec(s, "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;"
			  "PRAGMA temp_store = MEMORY");
}

static int configure_write(struct store *s)
{
	_cleanup_finalize_ sqlite3_stmt *st = NULL;
	int rc;

	if (sqlite3_db_readonly(s->db, "main"))
		return say(s, -EROFS, "read-only: no record can be stored in it");
	rc = sqlite3_prepare_v2(s->db, "PRAGMA journal_mode = WAL", -1, &st, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc != SQLITE_ROW)
		return sq_fail(s, rc);
	if (strcmp((const char *)sqlite3_column_text(st, 0), "wal") != 0)
		return say(s, -EOPNOTSUPP, "this file system cannot hold a write-ahead log");
	return sq_exec(s, "PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864");
}

/* Mode 0600 from the first moment; SQLite gives its side files the same. */
static int make_file(struct store *s)
{
	_cleanup_close_ int fd = open(s->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return errno == EEXIST ? 0 : say(s, -errno, "%s", strerror(errno));
	r = fs_fsync_parent(s->path);
	return r ? say(s, r, "%s", strerror(-r)) : 0;
}

static int open_file(struct store *s, enum store_mode mode)
{
	int flags = mode == STORE_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE, r, rc;
	struct stat st;

	if (mode == STORE_WRITE && (r = make_file(s)))
		return r;
	if (stat(s->path, &st) < 0)
		return say(s, -errno, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return say(s, -EINVAL, "not a regular file");
	rc = sqlite3_open_v2(s->path, &s->db, flags | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc != SQLITE_OK)
		return sq_fail(s, rc);
	return 0;
}

int store_open(const char *path, enum store_mode mode, struct store **ret, char *err,
	       size_t err_len)
{
	_cleanup_(store_freep) struct store *s = calloc(1, sizeof(*s));
	int version = 0, r;

	if (!s || !(s->path = strdup(path))) {
		snprintf(err, err_len, "%s: out of memory", path);
		return -ENOMEM;
	}
	r = open_file(s, mode);
	if (!r)
		r = configure(s);
	if (!r)
		r = identify(s, mode, &version);
	if (!r && mode == STORE_WRITE)
		r = configure_write(s);
	for (; !r && version < (int)ARRAY_SIZE(schema_steps); version++)
		r = migrate_step(s, version);
	if (r) {
		snprintf(err, err_len, "%s", s->error);
		return r;
	}
	*ret = TAKE_PTR(s);
	return 0;
}

void store_free(struct store *s)
{
	if (!s)
		return;
	if (s->db)
		store_rollback(s);
	for (size_t i = 0; i < STMT__MAX; i++)
		sqlite3_finalize(s->stmt[i]);
	sqlite3_close(s->db);
	free(s->path);
	free(s);
}
