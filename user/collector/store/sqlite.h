/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the parts of the SQLite store; nobody else includes this. */
#ifndef PROBITY_COLLECTOR_SQLITE_H
#define PROBITY_COLLECTOR_SQLITE_H

#include <sqlite3.h>

#include "store.h"

/* Prepared once, kept until store_free. */
enum stmt {
	STMT_BEGIN,
	STMT_SNAPSHOT,
	STMT_COMMIT,
	STMT_CHAIN_GET,
	STMT_CHAIN_PUT,
	STMT_RECORD_ADD,
	STMT_LEAF_GET,
	STMT_CALL_ADD,
	STMT_CALL_GET,
	STMT_CONTROL_ADD,
	STMT_CONTROL_GET,
	STMT_HOLE_ADD,
	STMT_HOLE_GET,
	STMT_HOLE_FROM,
	STMT_FINDING_ADD,
	STMT_FINDING_KNOWN,
	STMT_FINDING_COUNT,
	STMT_FINDING_CLOSE,
	STMT_OVERDUE,
	STMT_KEY_ADD,
	STMT_KEY_BY_ID,
	STMT_KEYS_FROM,
	STMT_EDGE_ADD,
	STMT_EDGE_BEFORE,
	STMT_EDGE_FROM,
	STMT_CHAINS_OF,
	STMT_LEDGER_NEWEST,
	STMT_HOLE_BEFORE,
	STMT_WITNESS_GET,
	STMT_WITNESS_PUT,
	STMT_LEDGER_ADD,
	STMT_LEDGER_COUNT,
	STMT__MAX
};

struct store {
	sqlite3 *db;
	char *path;
	sqlite3_stmt *stmt[STMT__MAX];
	char error[512];
};

/* Turns SQLite's answer into -errno and a line in s->error that names the file. */
int sq_fail(struct store *s, int rc);
/* The statement, reset and ready to bind; NULL with s->error set. */
sqlite3_stmt *sq_stmt(struct store *s, enum stmt id);
/* Runs to the end and resets. 0 or -errno. */
int sq_done(struct store *s, sqlite3_stmt *st);
int sq_exec(struct store *s, const char *sql);
int sq_prepare(struct store *s, const char *sql, sqlite3_stmt **ret);
int sq_step(struct store *s, sqlite3_stmt *st); /* 1 with a row, 0 at the end, -errno */
void sq_text(sqlite3_stmt *st, int col, char *out, size_t len);
/* Copies exactly n bytes; false when the column holds another length. */
bool sq_blob(sqlite3_stmt *st, int col, void *out, size_t n);
void sq_bind_row(sqlite3_stmt *st, int first, const struct store_table *t, const void *row);
void sq_read_row(sqlite3_stmt *st, int first, const struct store_table *t, void *row);
bool sq_read_chain(sqlite3_stmt *st, struct store_chain *ret);
#define SQ_CHAIN_COLUMNS                                                                          \
	"id, public_key, cert_sha256, host, cn, first_seq, last_seq, last_id, records, "          \
	"last_leaf, created_ns, updated_ns, state, covered, stopped, due_ns, mac_seed, mac_key, " \
	"mac_epoch"

#define SQ_WITNESS_COLUMNS "name, origin_sha256, chain, size, root, edge, unix_s, wall_ns, note"

void sq_reset(sqlite3_stmt **st);
#define _cleanup_reset_ _cleanup_(sq_reset)
void sq_finalize(sqlite3_stmt **st);
#define _cleanup_finalize_ _cleanup_(sq_finalize)

#endif
