// SPDX-License-Identifier: Apache-2.0
/*
 * What the SQLite store keeps for the witness: the keys of epochs, the largest tree cosigned of each log,
 * the entries of the collector's own log, and which chains are silent. As elsewhere nothing about a
 * column's type or length is taken for granted. Writing is inside the caller's transaction.
 */
#include "sqlite.h"

#include <errno.h>
#include <string.h>

/* --- keys of epochs -------------------------------------------------------------------------------- */

int store_key_add(struct store *s, const uint8_t chain[static 16], const struct store_key *k)
{
	sqlite3_stmt *st = sq_stmt(s, STMT_KEY_ADD);

	if (!st)
		return -EIO;
	sqlite3_bind_blob(st, 1, chain, 16, SQLITE_STATIC);
	sqlite3_bind_int64(st, 2, k->epoch);
	sqlite3_bind_int64(st, 3, k->seq);
	sqlite3_bind_blob(st, 4, k->public, sizeof(k->public), SQLITE_STATIC);
	return sq_done(s, st);
}

static int key_row(struct store *s, sqlite3_stmt *st, struct store_key *ret)
{
	int r = sq_step(s, st);

	if (r <= 0)
		return r ? r : -ENOENT;
	ret->epoch = sqlite3_column_int64(st, 0);
	ret->seq = sqlite3_column_int64(st, 1);
	return sq_blob(st, 2, ret->public, sizeof(ret->public)) ? 0 : sq_fail(s, SQLITE_CORRUPT);
}

int store_key_by_id(struct store *s, const uint8_t chain[static 16], const uint8_t id[static 8],
		    struct store_key *ret)
{
	_cleanup_reset_ sqlite3_stmt *st = sq_stmt(s, STMT_KEY_BY_ID);
	struct store_key k;
	uint8_t is[8];
	int r;

	if (!st)
		return -EIO;
	sqlite3_bind_blob(st, 1, chain, 16, SQLITE_STATIC);
	while (!(r = key_row(s, st, &k))) {
		key_id(k.public, is);
		if (!memcmp(is, id, sizeof(is))) {
			*ret = k;
			return 0;
		}
	}
	return r;
}

int store_keys_from(struct store *s, const uint8_t chain[static 16], uint64_t size, unsigned max,
		    int (*cb)(void *ctx, const struct store_key *k), void *ctx)
{
	_cleanup_reset_ sqlite3_stmt *st = sq_stmt(s, STMT_KEYS_FROM);
	struct store_key k;
	int r;

	if (!st)
		return -EIO;
	sqlite3_bind_blob(st, 1, chain, 16, SQLITE_STATIC);
	sqlite3_bind_int64(st, 2, size);
	sqlite3_bind_int(st, 3, max);
	while (!(r = key_row(s, st, &k)) && !(r = cb(ctx, &k)))
		;
	return r == -ENOENT ? 0 : r;
}

/* --- leaves ---------------------------------------------------------------------------------------- */

int store_leaves(struct store *s, const uint8_t chain[static 16], uint64_t first, uint64_t end,
		 int (*cb)(void *ctx, const struct tree_hash *leaf), void *ctx)
{
	_cleanup_finalize_ sqlite3_stmt *st = NULL;
	int r = sq_prepare(
		s,
		"SELECT seq, leaf FROM record WHERE chain = ?1 AND seq >= ?2 AND seq < ?3"
		" ORDER BY seq",
		&st);
	struct tree_hash leaf;

	if (r)
		return r;
	sqlite3_bind_blob(st, 1, chain, 16, SQLITE_STATIC);
	sqlite3_bind_int64(st, 2, first);
	sqlite3_bind_int64(st, 3, end);
	while (!r && (r = sq_step(s, st)) > 0) {
		if (!sq_blob(st, 1, leaf.b, sizeof(leaf)))
			return sq_fail(s, SQLITE_CORRUPT);
		r = (uint64_t)sqlite3_column_int64(st, 0) == first++ ? cb(ctx, &leaf) : -ENODATA;
	}
	return r ? r : first < end ? -ENODATA : 0;
}

/* --- what was cosigned ----------------------------------------------------------------------------- */

static size_t edge_write(const struct tree_edge *e, uint8_t out[static 64 * TREE_HASH_LEN])
{
	size_t n = 0;

	for (int i = 63; i >= 0; i--)
		if (e->size >> i & 1) {
			memcpy(out + n, e->peak[i].b, TREE_HASH_LEN);
			n += TREE_HASH_LEN;
		}
	return n;
}

static bool edge_read(const uint8_t *p, size_t n, uint64_t size, struct tree_edge *ret)
{
	*ret = (struct tree_edge){.size = size};
	if (!p || n != (size_t)__builtin_popcountll(size) * TREE_HASH_LEN)
		return false;
	for (int i = 63; i >= 0; i--)
		if (size >> i & 1) {
			memcpy(ret->peak[i].b, p, TREE_HASH_LEN);
			p += TREE_HASH_LEN;
		}
	return true;
}

int store_edge_add(struct store *s, const uint8_t chain[static 16], const struct tree_edge *e)
{
	sqlite3_stmt *st = sq_stmt(s, STMT_EDGE_ADD);
	uint8_t edge[64 * TREE_HASH_LEN];
	size_t n = edge_write(e, edge);

	if (!st)
		return -EIO;
	sqlite3_bind_blob(st, 1, chain, 16, SQLITE_STATIC);
	sqlite3_bind_int64(st, 2, e->size);
	sqlite3_bind_blob(st, 3, edge, n, SQLITE_STATIC);
	return sq_done(s, st);
}

static int find_edge(struct store *s, enum stmt id, const uint8_t *chain, uint64_t size,
		     struct tree_edge *ret)
{
	_cleanup_reset_ sqlite3_stmt *st = sq_stmt(s, id);
	int r;

	if (!st)
		return -EIO;
	sqlite3_bind_blob(st, 1, chain, 16, SQLITE_STATIC);
	sqlite3_bind_int64(st, 2, size);
	r = sq_step(s, st);
	if (r <= 0)
		return r ? r : -ENOENT;
	return edge_read(sqlite3_column_blob(st, 1), sqlite3_column_bytes(st, 1),
			 sqlite3_column_int64(st, 0), ret)
		       ? 0
		       : sq_fail(s, SQLITE_CORRUPT);
}

int store_edge_before(struct store *s, const uint8_t chain[static 16], uint64_t size,
		      struct tree_edge *ret)
{
	return find_edge(s, STMT_EDGE_BEFORE, chain, size, ret);
}

int store_edge_from(struct store *s, const uint8_t chain[static 16], uint64_t size,
		    struct tree_edge *ret)
{
	return find_edge(s, STMT_EDGE_FROM, chain, size, ret);
}

static bool read_witness(sqlite3_stmt *st, struct store_witness *w)
{
	uint64_t size = sqlite3_column_int64(st, 3);

	*w = (struct store_witness){.edge = {.size = size}};
	sq_text(st, 0, w->name, sizeof(w->name));
	w->has_chain = sq_blob(st, 2, w->chain, sizeof(w->chain));
	w->unix_s = sqlite3_column_int64(st, 6);
	w->wall_ns = sqlite3_column_int64(st, 7);
	sq_text(st, 8, w->note, sizeof(w->note));
	return sq_blob(st, 1, w->origin_sha256, sizeof(w->origin_sha256)) &&
	       sq_blob(st, 4, w->root.b, sizeof(w->root)) &&
	       (!w->has_chain ||
		edge_read(sqlite3_column_blob(st, 5), sqlite3_column_bytes(st, 5), size, &w->edge));
}

static int witness_row(struct store *s, sqlite3_stmt *st, struct store_witness *ret)
{
	int r = sq_step(s, st);

	if (r <= 0)
		return r ? r : -ENOENT;
	return read_witness(st, ret) ? 0 : sq_fail(s, SQLITE_CORRUPT);
}

int store_witness_get(struct store *s, const char *name, struct store_witness *ret)
{
	_cleanup_reset_ sqlite3_stmt *st = sq_stmt(s, STMT_WITNESS_GET);

	if (!st)
		return -EIO;
	sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
	return witness_row(s, st, ret);
}

int store_witness_by_origin(struct store *s, const uint8_t sha256[static 32],
			    struct store_witness *ret)
{
	_cleanup_finalize_ sqlite3_stmt *st = NULL;
	int r = sq_prepare(s, "SELECT " SQ_WITNESS_COLUMNS " FROM witness WHERE origin_sha256 = ?1",
			   &st);

	if (r)
		return r;
	sqlite3_bind_blob(st, 1, sha256, 32, SQLITE_STATIC);
	return witness_row(s, st, ret);
}

int store_witness_put(struct store *s, const struct store_witness *w)
{
	sqlite3_stmt *st = sq_stmt(s, STMT_WITNESS_PUT);
	uint8_t edge[64 * TREE_HASH_LEN];
	size_t n = w->has_chain ? edge_write(&w->edge, edge) : 0;

	if (!st)
		return -EIO;
	sqlite3_bind_text(st, 1, w->name, -1, SQLITE_STATIC);
	sqlite3_bind_blob(st, 2, w->origin_sha256, sizeof(w->origin_sha256), SQLITE_STATIC);
	if (w->has_chain)
		sqlite3_bind_blob(st, 3, w->chain, sizeof(w->chain), SQLITE_STATIC);
	sqlite3_bind_int64(st, 4, w->edge.size);
	sqlite3_bind_blob(st, 5, w->root.b, sizeof(w->root), SQLITE_STATIC);
	sqlite3_bind_blob(st, 6, edge, n, SQLITE_STATIC);
	sqlite3_bind_int64(st, 7, w->unix_s);
	sqlite3_bind_int64(st, 8, w->wall_ns);
	sqlite3_bind_text(st, 9, w->note, -1, SQLITE_STATIC);
	return sq_done(s, st);
}

int store_witnesses(struct store *s, int (*cb)(void *ctx, const struct store_witness *w), void *ctx)
{
	_cleanup_finalize_ sqlite3_stmt *st = NULL;
	int r = sq_prepare(s, "SELECT " SQ_WITNESS_COLUMNS " FROM witness ORDER BY name", &st);
	struct store_witness w;

	while (!r && !(r = witness_row(s, st, &w)))
		r = cb(ctx, &w);
	return r == -ENOENT ? 0 : r;
}

/* --- the collector's own log ----------------------------------------------------------------------- */

int store_ledger_add(struct store *s, const char *name, const char *entry, size_t n)
{
	sqlite3_stmt *st = sq_stmt(s, STMT_LEDGER_ADD);
	struct tree_hash leaf;

	if (!st)
		return -EIO;
	tree_leaf(entry, n, &leaf);
	sqlite3_bind_blob(st, 1, leaf.b, sizeof(leaf), SQLITE_STATIC);
	sqlite3_bind_blob(st, 2, entry, n, SQLITE_STATIC);
	sqlite3_bind_text(st, 3, name, -1, SQLITE_STATIC);
	return sq_done(s, st);
}

int store_ledger_newest(struct store *s, const char *name, uint64_t end, uint64_t *ret_index,
			char ret_entry[static STORE_NOTE_MAX])
{
	_cleanup_reset_ sqlite3_stmt *st = sq_stmt(s, STMT_LEDGER_NEWEST);
	size_t n;
	int r;

	if (!st)
		return -EIO;
	sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
	sqlite3_bind_int64(st, 2, end);
	r = sq_step(s, st);
	if (r <= 0)
		return r ? r : -ENOENT;
	n = sqlite3_column_bytes(st, 2);
	if (n >= STORE_NOTE_MAX)
		return sq_fail(s, SQLITE_CORRUPT);
	*ret_index = sqlite3_column_int64(st, 0);
	memcpy(ret_entry, sqlite3_column_blob(st, 2), n);
	ret_entry[n] = '\0';
	return 0;
}

int store_ledger_count(struct store *s, uint64_t *ret)
{
	_cleanup_reset_ sqlite3_stmt *st = sq_stmt(s, STMT_LEDGER_COUNT);
	int r;

	if (!st)
		return -EIO;
	r = sq_step(s, st);
	if (r <= 0)
		return r ? r : sq_fail(s, SQLITE_CORRUPT);
	*ret = sqlite3_column_int64(st, 0);
	return 0;
}

int store_ledger(struct store *s, uint64_t first, uint64_t end,
		 int (*cb)(void *ctx, const struct tree_hash *leaf, const void *entry, size_t n),
		 void *ctx)
{
	_cleanup_finalize_ sqlite3_stmt *st = NULL;
	int r = sq_prepare(s,
			   "SELECT idx, leaf, entry FROM ledger WHERE idx >= ?1 AND idx < ?2"
			   " ORDER BY idx",
			   &st);
	struct tree_hash leaf;

	if (r)
		return r;
	sqlite3_bind_int64(st, 1, first);
	sqlite3_bind_int64(st, 2, end);
	while (!r && (r = sq_step(s, st)) > 0) {
		if ((uint64_t)sqlite3_column_int64(st, 0) != first++ ||
		    !sq_blob(st, 1, leaf.b, sizeof(leaf)))
			return sq_fail(s, SQLITE_CORRUPT);
		r = cb(ctx, &leaf, sqlite3_column_blob(st, 2), sqlite3_column_bytes(st, 2));
	}
	return r;
}

/* --- silence --------------------------------------------------------------------------------------- */

int store_finding_close(struct store *s, const uint8_t chain[static 16], const char *kind,
			int64_t now_ns, bool *ret)
{
	sqlite3_stmt *st = sq_stmt(s, STMT_FINDING_CLOSE);
	int r;

	if (!st)
		return -EIO;
	sqlite3_bind_blob(st, 1, chain, 16, SQLITE_STATIC);
	sqlite3_bind_text(st, 2, kind, -1, SQLITE_STATIC);
	sqlite3_bind_int64(st, 3, now_ns);
	r = sq_done(s, st);
	if (!r)
		*ret = sqlite3_changes(s->db) > 0;
	return r;
}

int store_overdue(struct store *s, int64_t now_ns, struct store_chain *out, size_t max,
		  size_t *ret_n)
{
	_cleanup_reset_ sqlite3_stmt *st = sq_stmt(s, STMT_OVERDUE);
	size_t n = 0;
	int r = 0;

	if (!st)
		return -EIO;
	sqlite3_bind_int64(st, 1, now_ns);
	sqlite3_bind_int64(st, 2, max);
	while (n < max && (r = sq_step(s, st)) > 0)
		if (!sq_read_chain(st, &out[n++]))
			return sq_fail(s, SQLITE_CORRUPT);
	if (r < 0)
		return r;
	*ret_n = n;
	return 0;
}
