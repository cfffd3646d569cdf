// SPDX-License-Identifier: Apache-2.0
/*
 * Reading the SQLite store. The file may have been changed by other hands, so nothing about a
 * column's type or length is taken for granted: what does not fit is -EUCLEAN, never a guess.
 */
#include "sqlite.h"

#include <errno.h>
#include <string.h>

void sq_text(sqlite3_stmt *st, int col, char *out, size_t len)
{
	const unsigned char *t = sqlite3_column_text(st, col);

	snprintf(out, len, "%s", t ? (const char *)t : "");
}

bool sq_blob(sqlite3_stmt *st, int col, void *out, size_t n)
{
	const void *p = sqlite3_column_blob(st, col);

	if (!p || (size_t)sqlite3_column_bytes(st, col) != n)
		return false;
	memcpy(out, p, n);
	return true;
}

void sq_read_row(sqlite3_stmt *st, int first, const struct store_table *t, void *row)
{
	for (size_t i = 0; i < t->count; i++) {
		char *p = (char *)row + t->fields[i].offset;
		bool null = sqlite3_column_type(st, first + i) == SQLITE_NULL;
		int64_t v = null ? STORE_UNKNOWN : sqlite3_column_int64(st, first + i);
		double d = sqlite3_column_double(st, first + i);

		switch (t->fields[i].kind) {
		case STORE_TEXT:
			sq_text(st, first + i, p, STORE_TEXT_LEN);
			break;
		case STORE_INTEGER:
			memcpy(p, &v, sizeof(v));
			break;
		case STORE_REAL:
			memcpy(p, &d, sizeof(d));
			break;
		}
	}
}

bool sq_read_chain(sqlite3_stmt *st, struct store_chain *ret)
{
	struct store_chain c = {0};

	if (!sq_blob(st, 0, c.id, sizeof(c.id)) || !sq_blob(st, 1, c.public, sizeof(c.public)) ||
	    !sq_blob(st, 2, c.cert_sha256, sizeof(c.cert_sha256)) ||
	    !sq_blob(st, 9, c.last_leaf, sizeof(c.last_leaf)))
		return false;
	sq_text(st, 3, c.host, sizeof(c.host));
	sq_text(st, 4, c.cn, sizeof(c.cn));
	c.first_seq = sqlite3_column_int64(st, 5);
	c.last_seq = sqlite3_column_int64(st, 6);
	c.last_id = sqlite3_column_int64(st, 7);
	c.records = sqlite3_column_int64(st, 8);
	c.created_ns = sqlite3_column_int64(st, 10);
	c.updated_ns = sqlite3_column_int64(st, 11);
	c.state_len = sqlite3_column_bytes(st, 12);
	if (c.state_len > sizeof(c.state) || !sq_blob(st, 12, c.state, c.state_len))
		return false;
	c.covered = sqlite3_column_int64(st, 13);
	c.stopped = sqlite3_column_int(st, 14);
	c.due_ns = sqlite3_column_int64(st, 15);
	c.seeded = sq_blob(st, 16, c.mac_seed, MAC_LEN) && sq_blob(st, 17, c.mac.k, MAC_LEN);
	c.mac.epoch = sqlite3_column_int64(st, 18);
	*ret = c;
	return true;
}

int sq_prepare(struct store *s, const char *sql, sqlite3_stmt **ret)
{
	int rc = sqlite3_prepare_v2(s->db, sql, -1, ret, NULL);

	return rc == SQLITE_OK ? 0 : sq_fail(s, rc);
}

int sq_step(struct store *s, sqlite3_stmt *st)
{
	int rc = sqlite3_step(st);

	if (rc == SQLITE_ROW)
		return 1;
	return rc == SQLITE_DONE ? 0 : sq_fail(s, rc);
}

int store_chain_get(struct store *s, const uint8_t id[static 16], struct store_chain *ret)
{
	_cleanup_reset_ sqlite3_stmt *st = sq_stmt(s, STMT_CHAIN_GET);
	int r;

	if (!st)
		return -EIO;
	sqlite3_bind_blob(st, 1, id, 16, SQLITE_STATIC);
	r = sq_step(s, st);
	if (r <= 0)
		return r ? r : -ENOENT;
	return sq_read_chain(st, ret) ? 0 : sq_fail(s, SQLITE_CORRUPT);
}

int store_leaf_get(struct store *s, const uint8_t chain[static 16], uint64_t seq,
		   uint8_t ret[static RECORD_HASH_LEN])
{
	_cleanup_reset_ sqlite3_stmt *st = sq_stmt(s, STMT_LEAF_GET);
	int r;

	if (!st)
		return -EIO;
	sqlite3_bind_blob(st, 1, chain, 16, SQLITE_STATIC);
	sqlite3_bind_int64(st, 2, seq);
	r = sq_step(s, st);
	if (r <= 0)
		return r ? r : -ENOENT;
	return sq_blob(st, 0, ret, RECORD_HASH_LEN) ? 0 : sq_fail(s, SQLITE_CORRUPT);
}

int store_row_get(struct store *s, const struct store_table *t, const uint8_t chain[static 16],
		  uint64_t seq, void *ret_row)
{
	_cleanup_reset_ sqlite3_stmt *st =
		sq_stmt(s, t == &store_call_table ? STMT_CALL_GET : STMT_CONTROL_GET);
	int r;

	if (!st)
		return -EIO;
	sqlite3_bind_blob(st, 1, chain, 16, SQLITE_STATIC);
	sqlite3_bind_int64(st, 2, seq);
	r = sq_step(s, st);
	if (r <= 0)
		return r ? r : -ENOENT;
	sq_read_row(st, 2, t, ret_row);
	return 0;
}

static int one_hole(struct store *s, sqlite3_stmt *st, const uint8_t *chain,
		    int (*cb)(void *ctx, const struct store_hole *h), void *ctx)
{
	struct store_hole h = {0};
	int r = sq_step(s, st);

	if (r <= 0)
		return r ? r : -ENOENT;
	memcpy(h.chain, chain, sizeof(h.chain));
	h.first_seq = sqlite3_column_int64(st, 0);
	h.last_seq = sqlite3_column_int64(st, 1);
	h.at_ns = sqlite3_column_int64(st, 2);
	h.proof = sqlite3_column_blob(st, 3);
	h.proof_len = sqlite3_column_bytes(st, 3);
	h.edge = sqlite3_column_blob(st, 4);
	h.edge_len = sqlite3_column_bytes(st, 4);
	return cb(ctx, &h);
}

static int find_hole(struct store *s, enum stmt id, const uint8_t *chain, uint64_t at,
		     int (*cb)(void *ctx, const struct store_hole *h), void *ctx)
{
	_cleanup_reset_ sqlite3_stmt *st = sq_stmt(s, id);

	if (!st)
		return -EIO;
	sqlite3_bind_blob(st, 1, chain, 16, SQLITE_STATIC);
	sqlite3_bind_int64(st, 2, at > INT64_MAX ? INT64_MAX : (int64_t)at);
	return one_hole(s, st, chain, cb, ctx);
}

int store_hole_get(struct store *s, const uint8_t chain[static 16], uint64_t first_seq,
		   int (*cb)(void *ctx, const struct store_hole *h), void *ctx)
{
	return find_hole(s, STMT_HOLE_GET, chain, first_seq, cb, ctx);
}

int store_hole_from(struct store *s, const uint8_t chain[static 16], uint64_t first_seq,
		    int (*cb)(void *ctx, const struct store_hole *h), void *ctx)
{
	return find_hole(s, STMT_HOLE_FROM, chain, first_seq, cb, ctx);
}

int store_hole_before(struct store *s, const uint8_t chain[static 16], uint64_t size,
		      int (*cb)(void *ctx, const struct store_hole *h), void *ctx)
{
	return find_hole(s, STMT_HOLE_BEFORE, chain, size, cb, ctx);
}

int store_chains(struct store *s, int (*cb)(void *ctx, const struct store_chain *c), void *ctx)
{
	_cleanup_finalize_ sqlite3_stmt *st = NULL;
	int r = sq_prepare(s, "SELECT " SQ_CHAIN_COLUMNS " FROM chain ORDER BY created_ns, id",
			   &st);
	struct store_chain c;

	while (!r && (r = sq_step(s, st)) > 0)
		r = sq_read_chain(st, &c) ? cb(ctx, &c) : sq_fail(s, SQLITE_CORRUPT);
	return r;
}

int store_chains_after(struct store *s, const uint8_t *after, unsigned max,
		       int (*cb)(void *ctx, const struct store_chain *c), void *ctx)
{
	_cleanup_finalize_ sqlite3_stmt *st = NULL;
	int r = sq_prepare(s,
			   "SELECT " SQ_CHAIN_COLUMNS
			   " FROM chain WHERE id > ?1 ORDER BY id LIMIT ?2",
			   &st);
	struct store_chain c;

	if (r)
		return r;
	sqlite3_bind_blob(st, 1, after ?: (const uint8_t *)"", after ? 16 : 0, SQLITE_STATIC);
	sqlite3_bind_int64(st, 2, max);
	while (!r && (r = sq_step(s, st)) > 0)
		r = sq_read_chain(st, &c) ? cb(ctx, &c) : sq_fail(s, SQLITE_CORRUPT);
	return r;
}

int store_chains_of(struct store *s, const char *cn, int64_t *ret)
{
	_cleanup_reset_ sqlite3_stmt *st = sq_stmt(s, STMT_CHAINS_OF);
	int r;

	if (!st)
		return -EIO;
	sqlite3_bind_text(st, 1, cn, -1, SQLITE_STATIC);
	r = sq_step(s, st);
	if (r <= 0)
		return r ? r : sq_fail(s, SQLITE_CORRUPT);
	*ret = sqlite3_column_int64(st, 0);
	return 0;
}

int store_records(struct store *s, const uint8_t chain[static 16], uint64_t from,
		  int (*cb)(void *ctx, const struct store_record *r), void *ctx)
{
	_cleanup_finalize_ sqlite3_stmt *st = NULL;
	int r = sq_prepare(s,
			   "SELECT seq, leaf, record, signature, wall_ns, schema, received_ns, mac"
			   " FROM record WHERE chain = ?1 AND seq >= ?2 ORDER BY seq",
			   &st);
	struct store_record rec = {0};

	if (r)
		return r;
	memcpy(rec.chain, chain, sizeof(rec.chain));
	sqlite3_bind_blob(st, 1, chain, 16, SQLITE_STATIC);
	sqlite3_bind_int64(st, 2, from > INT64_MAX ? INT64_MAX : (int64_t)from);
	while (!r && (r = sq_step(s, st)) > 0) {
		rec.seq = sqlite3_column_int64(st, 0);
		rec.bytes = sqlite3_column_blob(st, 2);
		rec.len = sqlite3_column_bytes(st, 2);
		rec.signature = sqlite3_column_blob(st, 3);
		rec.signature_len = sqlite3_column_bytes(st, 3);
		rec.wall_ns = sqlite3_column_int64(st, 4);
		rec.schema = sqlite3_column_int64(st, 5);
		rec.received_ns = sqlite3_column_int64(st, 6);
		rec.mac = sqlite3_column_blob(st, 7);
		rec.mac_len = sqlite3_column_bytes(st, 7);
		if (!sq_blob(st, 1, rec.leaf, sizeof(rec.leaf)) ||
		    (rec.signature_len && rec.signature_len != RECORD_SIG_LEN) ||
		    (rec.mac_len && rec.mac_len != MAC_LEN))
			r = sq_fail(s, SQLITE_CORRUPT);
		else
			r = cb(ctx, &rec);
	}
	return r;
}

static bool read_line(sqlite3_stmt *st, struct store_line *l)
{
	*l = (struct store_line){0};
	if (!sq_blob(st, 0, l->chain, sizeof(l->chain)))
		return false;
	l->seq = sqlite3_column_int64(st, 1);
	l->received_ns = sqlite3_column_int64(st, 2);
	l->wall_ns = sqlite3_column_int64(st, 3);
	l->schema = sqlite3_column_int64(st, 4);
	sq_text(st, 5, l->host, sizeof(l->host));
	sq_text(st, 6, l->cn, sizeof(l->cn));
	return true;
}

static int line_rows(struct store *s, struct store_line *l)
{
	int r = store_row_get(s, &store_call_table, l->chain, l->seq, &l->call);

	l->has_call = !r;
	if (r == -ENOENT)
		r = store_row_get(s, &store_control_table, l->chain, l->seq, &l->control);
	l->has_control = !l->has_call && !r;
	return r == -ENOENT ? 0 : r;
}

int store_newest(struct store *s, uint64_t limit, int (*cb)(void *ctx, const struct store_line *l),
		 void *ctx)
{
	_cleanup_finalize_ sqlite3_stmt *st = NULL;
	int r = sq_prepare(s,
			   "SELECT r.chain, r.seq, r.received_ns, r.wall_ns, r.schema, c.host, c.cn"
			   " FROM record r LEFT JOIN chain c ON c.id = r.chain"
			   " ORDER BY r.rowid DESC LIMIT ?1",
			   &st);
	struct store_line l;

	if (r)
		return r;
	sqlite3_bind_int64(st, 1, limit > INT64_MAX ? INT64_MAX : (int64_t)limit);
	while (!r && (r = sq_step(s, st)) > 0) {
		if (!read_line(st, &l))
			return sq_fail(s, SQLITE_CORRUPT);
		r = line_rows(s, &l);
		if (!r)
			r = cb(ctx, &l);
	}
	return r;
}

int store_findings(struct store *s, uint64_t limit,
		   int (*cb)(void *ctx, const struct store_finding *f), void *ctx)
{
	_cleanup_finalize_ sqlite3_stmt *st = NULL;
	int r = sq_prepare(
		s,
		"SELECT id, at_ns, last_ns, count, severity, kind, cn, chain, seq, detail,"
		" evidence, signature, closed_ns FROM finding ORDER BY id DESC LIMIT ?1",
		&st);

	if (r)
		return r;
	sqlite3_bind_int64(st, 1, limit > INT64_MAX ? INT64_MAX : (int64_t)limit);
	while (!r && (r = sq_step(s, st)) > 0) {
		struct store_finding f = {
			.id = sqlite3_column_int64(st, 0),
			.at_ns = sqlite3_column_int64(st, 1),
			.last_ns = sqlite3_column_int64(st, 2),
			.count = sqlite3_column_int64(st, 3),
			.severity = sqlite3_column_int(st, 4),
			.seq = sqlite3_column_int64(st, 8),
			.closed_ns = sqlite3_column_int64(st, 12),
		};

		sq_text(st, 5, f.kind, sizeof(f.kind));
		sq_text(st, 6, f.cn, sizeof(f.cn));
		sq_text(st, 9, f.detail, sizeof(f.detail));
		f.evidence = sqlite3_column_blob(st, 10);
		f.evidence_len = sqlite3_column_bytes(st, 10);
		f.signature = sqlite3_column_blob(st, 11);
		f.signature_len = sqlite3_column_bytes(st, 11);
		r = sq_blob(st, 7, f.chain, sizeof(f.chain)) ? cb(ctx, &f)
							     : sq_fail(s, SQLITE_CORRUPT);
	}
	return r;
}

static int number(struct store *s, const char *sql, int64_t *ret)
{
	_cleanup_finalize_ sqlite3_stmt *st = NULL;
	int r = sq_prepare(s, sql, &st);

	if (!r)
		r = sq_step(s, st);
	if (r <= 0)
		return r ? r : sq_fail(s, SQLITE_CORRUPT);
	*ret = sqlite3_column_int64(st, 0);
	return 0;
}

int store_count(struct store *s, struct store_counts *ret)
{
	struct store_counts c = {0};
	const struct {
		const char *sql;
		int64_t *out;
	} q[] = {
		{"SELECT count(*) FROM chain", &c.chains},
		{"SELECT count(*) FROM record", &c.records},
		{"SELECT count(*) FROM ai_call", &c.calls},
		{"SELECT count(*) FROM control", &c.controls},
		{"SELECT coalesce(sum(count), 0) FROM finding", &c.findings},
		{"SELECT coalesce(sum(count), 0) FROM finding WHERE severity = 1",
		 &c.findings_by_severity[1]},
		{"SELECT coalesce(sum(count), 0) FROM finding WHERE severity = 2",
		 &c.findings_by_severity[2]},
		{"SELECT coalesce(sum(count), 0) FROM finding WHERE severity = 3",
		 &c.findings_by_severity[3]},
		{"SELECT coalesce(sum(count), 0) FROM finding WHERE severity = 4",
		 &c.findings_by_severity[4]},
		/* total() cannot overflow: a hostile count must not make the status fail */
		{"SELECT CAST((SELECT total(last_seq - first_seq + 1) FROM hole) AS INTEGER)",
		 &c.missing},
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(q) && !r; i++)
		r = number(s, q[i].sql, q[i].out);
	if (!r)
		*ret = c;
	return r;
}

int store_lost(struct store *s, int (*cb)(void *ctx, const char *what, int64_t count), void *ctx)
{
	_cleanup_finalize_ sqlite3_stmt *st = NULL;
	int r = sq_prepare(s,
			   "SELECT what, CAST(total(count) AS INTEGER) FROM control"
			   " WHERE kind = 'loss' GROUP BY what ORDER BY 2 DESC LIMIT 32",
			   &st);
	char what[STORE_TEXT_LEN];

	while (!r && (r = sq_step(s, st)) > 0) {
		sq_text(st, 0, what, sizeof(what));
		r = cb(ctx, what, sqlite3_column_int64(st, 1));
	}
	return r;
}

int store_orphans(struct store *s, int64_t *ret)
{
	return number(s,
		      "SELECT (SELECT count(*) FROM record WHERE chain NOT IN (SELECT id FROM"
		      " chain)) + (SELECT count(*) FROM ai_call a WHERE NOT EXISTS (SELECT 1 FROM"
		      " record r WHERE r.chain = a.chain AND r.seq = a.seq)) +"
		      " (SELECT count(*) FROM control a WHERE NOT EXISTS (SELECT 1 FROM record r"
		      " WHERE r.chain = a.chain AND r.seq = a.seq))",
		      ret);
}

int store_integrity(struct store *s)
{
	_cleanup_finalize_ sqlite3_stmt *st = NULL;
	char first[200];
	int r = sq_prepare(s, "PRAGMA integrity_check(1)", &st);

	if (!r)
		r = sq_step(s, st);
	if (r <= 0)
		return r ? r : sq_fail(s, SQLITE_CORRUPT);
	sq_text(st, 0, first, sizeof(first));
	if (!strcmp(first, "ok"))
		return 0;
	snprintf(s->error, sizeof(s->error), "%s: damaged (%s)", s->path, first);
	return -EBADMSG;
}
