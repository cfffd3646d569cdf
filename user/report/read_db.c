// SPDX-License-Identifier: Apache-2.0
/*
 * A collector's store in, the records of its chains into the tally, chain by chain. Opened read-only,
 * in one read transaction, so a collector at work does not disturb the picture. The store's own
 * columns are not believed where the records say the same; a hole is one only if the host declared it.
 */
#include <errno.h>
#include <sqlite3.h>
#include <string.h>

#include "policy/pack.h"
#include "read.h"

struct db {
	sqlite3 *sql;
	sqlite3_stmt *key, *hole;
	uint8_t chain[16];
};

static void close_db(struct db *d)
{
	sqlite3_finalize(d->key);
	sqlite3_finalize(d->hole);
	sqlite3_close(d->sql);
}

static void finalize(sqlite3_stmt **s)
{
	sqlite3_finalize(*s);
}
#define _cleanup_finalize_ _cleanup_(finalize)

static int prepare(struct db *d, const char *sql, sqlite3_stmt **ret)
{
	return sqlite3_prepare_v2(d->sql, sql, -1, ret, NULL) == SQLITE_OK ? 0 : -EIO;
}

static bool blob(sqlite3_stmt *s, int col, void *out, size_t n)
{
	if ((size_t)sqlite3_column_bytes(s, col) != n)
		return false;
	memcpy(out, sqlite3_column_blob(s, col), n);
	return true;
}

static int key_of_epoch(void *ctx, uint32_t epoch, uint8_t ret[static RECORD_PUBKEY_LEN])
{
	struct db *d = ctx;
	int r = -ENOENT;

	sqlite3_reset(d->key);
	sqlite3_bind_blob(d->key, 1, d->chain, sizeof(d->chain), SQLITE_STATIC);
	sqlite3_bind_int64(d->key, 2, epoch);
	if (sqlite3_step(d->key) == SQLITE_ROW && blob(d->key, 0, ret, RECORD_PUBKEY_LEN))
		r = 0;
	sqlite3_reset(d->key);
	return r;
}

/* Whether the records from `first` to below `next` were declared gone. */
static bool declared(struct db *d, uint64_t first, uint64_t next)
{
	bool yes;

	sqlite3_reset(d->hole);
	sqlite3_bind_blob(d->hole, 1, d->chain, sizeof(d->chain), SQLITE_STATIC);
	sqlite3_bind_int64(d->hole, 2, first);
	yes = sqlite3_step(d->hole) == SQLITE_ROW &&
	      (uint64_t)sqlite3_column_int64(d->hole, 0) + 1 == next;
	sqlite3_reset(d->hole);
	return yes;
}

/* A row of record, as the frame it came in. */
static bool frame_of(sqlite3_stmt *s, struct frame *ret)
{
	*ret = (struct frame){.record = sqlite3_column_blob(s, 1),
			      .record_len = sqlite3_column_bytes(s, 1)};
	if (ret->record_len < RECORD_HEADER_LEN)
		return false;
	if (sqlite3_column_bytes(s, 2) == RECORD_SIG_LEN)
		ret->sig = sqlite3_column_blob(s, 2);
	return true;
}

/* The largest tree of the chain that the collector has cosigned. */
static int witness(struct tally *t, struct db *d)
{
	struct tally_source *src = &t->source[t->sources - 1];
	_cleanup_finalize_ sqlite3_stmt *s = NULL;
	int k = prepare(d, "SELECT size, root, unix_s FROM witness WHERE chain = ?", &s);

	if (k)
		return k;
	sqlite3_bind_blob(s, 1, d->chain, sizeof(d->chain), SQLITE_STATIC);
	if (sqlite3_step(s) == SQLITE_ROW &&
	    blob(s, 1, src->cosigned_root, sizeof(src->cosigned_root))) {
		src->cosigned = true;
		src->cosigned_size = sqlite3_column_int64(s, 0);
		src->cosigned_s = sqlite3_column_int64(s, 2);
	}
	return 0;
}

static int read_chain(struct tally *t, struct db *d)
{
	struct feed f = {.t = t, .key = key_of_epoch, .ctx = d};
	_cleanup_finalize_ sqlite3_stmt *s = NULL;
	struct frame fr;
	unsigned twice;
	int k = prepare(d, "SELECT seq, record, signature FROM record WHERE chain = ? ORDER BY seq",
			&s);

	if (k)
		return k;
	sqlite3_bind_blob(s, 1, d->chain, sizeof(d->chain), SQLITE_STATIC);
	while ((k = sqlite3_step(s)) == SQLITE_ROW) {
		uint64_t seq = sqlite3_column_int64(s, 0);

		if (f.chain.started && seq > f.chain.next_seq && declared(d, f.chain.next_seq, seq))
			feed_restart(&f);
		if (frame_of(s, &fr))
			feed_record(&f, &fr, "record", seq);
		else
			tally_broken(t, "record", seq, seq, "length");
	}
	feed_done(&f);
	return k == SQLITE_DONE ? tally_end(t, &twice) : -EIO;
}

static int read_chains(struct tally *t, struct db *d, const char *hosts)
{
	_cleanup_finalize_ sqlite3_stmt *s = NULL;
	int k = prepare(d, "SELECT id, host, cn FROM chain ORDER BY host, id", &s), step;

	if (k)
		return k;
	while (!k && (step = sqlite3_step(s)) == SQLITE_ROW) {
		const char *host = (const char *)sqlite3_column_text(s, 1);
		const char *cn = (const char *)sqlite3_column_text(s, 2);

		if (!blob(s, 0, d->chain, sizeof(d->chain)))
			return -EBADMSG;
		if (hosts && !glob_match(hosts, host ?: ""))
			continue;
		k = tally_begin(t, host ?: "", cn ?: "");
		k = k ?: witness(t, d);
		k = k ?: read_chain(t, d);
	}
	return k ?: step == SQLITE_DONE ? 0 : -EIO;
}

int read_db(struct tally *t, const char *path, const char *hosts, char *err, size_t err_len)
{
	_cleanup_(close_db) struct db d = {0};
	int k = 0;

	if (sqlite3_open_v2(path, &d.sql, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK ||
	    sqlite3_exec(d.sql, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
		k = -EIO;
	k = k
		    ?: prepare(&d, "SELECT public_key FROM epoch_key WHERE chain = ? AND epoch = ?",
			       &d.key);
	k = k
		    ?: prepare(&d, "SELECT last_seq FROM hole WHERE chain = ? AND first_seq = ?",
			       &d.hole);
	k = k ?: read_chains(t, &d, hosts);
	if (k)
		snprintf(err, err_len, "%s: %s", path,
			 k == -EIO     ? sqlite3_errmsg(d.sql)
			 : k == -E2BIG ? "more chains than a report can name; use --host"
				       : strerror(-k));
	return k;
}
