// SPDX-License-Identifier: Apache-2.0
/*
 * Writing into the SQLite store, inside the caller's transaction. Nothing here replaces a record:
 * a second (chain, seq) answers -EEXIST. Unsigned 64-bit numbers are kept as the same 64 bits.
 * Findings are bounded per certificate name and kind (see store.h).
 */
#include "sqlite.h"

#include <errno.h>
#include <string.h>

#include <openssl/evp.h>

void sq_bind_row(sqlite3_stmt *st, int first, const struct store_table *t, const void *row)
{
	for (size_t i = 0; i < t->count; i++) {
		const void *p = (const char *)row + t->fields[i].offset;
		int64_t v;
		double d;

		switch (t->fields[i].kind) {
		case STORE_TEXT:
			sqlite3_bind_text(st, first + i, p, -1, SQLITE_STATIC);
			break;
		case STORE_INTEGER:
			memcpy(&v, p, sizeof(v));
			if (v != STORE_UNKNOWN)
				sqlite3_bind_int64(st, first + i, v);
			break;
		case STORE_REAL:
			memcpy(&d, p, sizeof(d));
			sqlite3_bind_double(st, first + i, d);
			break;
		}
	}
}

/* Not there is empty, not NULL. */
static void bind_bytes(sqlite3_stmt *st, int col, const void *p, size_t n)
{
	sqlite3_bind_blob(st, col, p && n ? p : "", n, SQLITE_STATIC);
}

int store_chain_put(struct store *s, const struct store_chain *c)
{
	sqlite3_stmt *st = sq_stmt(s, STMT_CHAIN_PUT);

	if (!st)
		return -EIO;
	sqlite3_bind_blob(st, 1, c->id, sizeof(c->id), SQLITE_STATIC);
	sqlite3_bind_blob(st, 2, c->public, sizeof(c->public), SQLITE_STATIC);
	sqlite3_bind_blob(st, 3, c->cert_sha256, sizeof(c->cert_sha256), SQLITE_STATIC);
	sqlite3_bind_text(st, 4, c->host, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 5, c->cn, -1, SQLITE_STATIC);
	sqlite3_bind_int64(st, 6, c->first_seq);
	sqlite3_bind_int64(st, 7, c->last_seq);
	sqlite3_bind_int64(st, 8, c->last_id);
	sqlite3_bind_int64(st, 9, c->records);
	sqlite3_bind_blob(st, 10, c->last_leaf, sizeof(c->last_leaf), SQLITE_STATIC);
	sqlite3_bind_int64(st, 11, c->created_ns);
	sqlite3_bind_int64(st, 12, c->updated_ns);
	sqlite3_bind_blob(st, 13, c->state, c->state_len, SQLITE_STATIC);
	sqlite3_bind_int64(st, 14, c->covered);
	sqlite3_bind_int(st, 15, c->stopped);
	sqlite3_bind_int64(st, 16, c->due_ns);
	if (c->seeded) {
		sqlite3_bind_blob(st, 17, c->mac_seed, MAC_LEN, SQLITE_STATIC);
		sqlite3_bind_blob(st, 18, c->mac.k, MAC_LEN, SQLITE_STATIC);
	}
	sqlite3_bind_int64(st, 19, c->mac.epoch);
	return sq_done(s, st);
}

int store_record_add(struct store *s, const struct store_record *r)
{
	sqlite3_stmt *st = sq_stmt(s, STMT_RECORD_ADD);

	if (!st)
		return -EIO;
	sqlite3_bind_blob(st, 1, r->chain, sizeof(r->chain), SQLITE_STATIC);
	sqlite3_bind_int64(st, 2, r->seq);
	sqlite3_bind_blob(st, 3, r->leaf, sizeof(r->leaf), SQLITE_STATIC);
	sqlite3_bind_blob(st, 4, r->bytes, r->len, SQLITE_STATIC);
	bind_bytes(st, 5, r->signature, r->signature_len);
	sqlite3_bind_int64(st, 6, r->wall_ns);
	sqlite3_bind_int64(st, 7, r->schema);
	sqlite3_bind_int64(st, 8, r->received_ns);
	bind_bytes(st, 9, r->mac, r->mac_len);
	return sq_done(s, st);
}

int store_row_add(struct store *s, const struct store_table *t, const uint8_t chain[static 16],
		  uint64_t seq, const void *row)
{
	sqlite3_stmt *st = sq_stmt(s, t == &store_call_table ? STMT_CALL_ADD : STMT_CONTROL_ADD);

	if (!st)
		return -EIO;
	sqlite3_bind_blob(st, 1, chain, 16, SQLITE_STATIC);
	sqlite3_bind_int64(st, 2, seq);
	sq_bind_row(st, 3, t, row);
	return sq_done(s, st);
}

int store_hole_add(struct store *s, const struct store_hole *h)
{
	sqlite3_stmt *st = sq_stmt(s, STMT_HOLE_ADD);

	if (!st)
		return -EIO;
	sqlite3_bind_blob(st, 1, h->chain, sizeof(h->chain), SQLITE_STATIC);
	sqlite3_bind_int64(st, 2, h->first_seq);
	sqlite3_bind_int64(st, 3, h->last_seq);
	sqlite3_bind_int64(st, 4, h->at_ns);
	bind_bytes(st, 5, h->proof, h->proof_len);
	bind_bytes(st, 6, h->edge, h->edge_len);
	return sq_done(s, st);
}

/* Names a finding by what it is about, so that the same one is kept once. */
static int digest_of(const struct store_finding *f, bool overflow, uint8_t out[32])
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	uint8_t rest = overflow;
	int ok = c && EVP_DigestInit_ex(c, EVP_sha256(), NULL) &&
		 EVP_DigestUpdate(c, f->cn, strlen(f->cn) + 1) &&
		 EVP_DigestUpdate(c, f->kind, strlen(f->kind) + 1) && EVP_DigestUpdate(c, &rest, 1);

	if (ok && !overflow)
		ok = EVP_DigestUpdate(c, f->chain, sizeof(f->chain)) &&
		     EVP_DigestUpdate(c, &f->seq, sizeof(f->seq)) &&
		     EVP_DigestUpdate(c, f->evidence, f->evidence_len);
	ok = ok && EVP_DigestFinal_ex(c, out, NULL);
	EVP_MD_CTX_free(c);
	return ok ? 0 : -ENOMEM;
}

static int count_again(struct store *s, int64_t at_ns, const uint8_t digest[32], bool *ret_known)
{
	sqlite3_stmt *st = sq_stmt(s, STMT_FINDING_KNOWN);
	int r;

	if (!st)
		return -EIO;
	sqlite3_bind_int64(st, 1, at_ns);
	sqlite3_bind_blob(st, 2, digest, 32, SQLITE_STATIC);
	r = sq_done(s, st);
	if (!r)
		*ret_known = sqlite3_changes(s->db) > 0;
	return r;
}

static int count_of(struct store *s, const struct store_finding *f, int64_t *ret)
{
	_cleanup_reset_ sqlite3_stmt *st = sq_stmt(s, STMT_FINDING_COUNT);
	int rc;

	if (!st)
		return -EIO;
	sqlite3_bind_text(st, 1, f->cn, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 2, f->kind, -1, SQLITE_STATIC);
	rc = sqlite3_step(st);
	if (rc != SQLITE_ROW)
		return sq_fail(s, rc);
	*ret = sqlite3_column_int64(st, 0);
	return 0;
}

static int insert_finding(struct store *s, const struct store_finding *f, bool overflow,
			  const uint8_t digest[32])
{
	static const char more[] = "more findings of this kind than are kept one by one";
	static const uint8_t no_chain[16];
	sqlite3_stmt *st = sq_stmt(s, STMT_FINDING_ADD);

	if (!st)
		return -EIO;
	sqlite3_bind_int64(st, 1, f->at_ns);
	sqlite3_bind_int64(st, 2, f->severity);
	sqlite3_bind_text(st, 3, f->kind, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 4, f->cn, -1, SQLITE_STATIC);
	sqlite3_bind_blob(st, 5, overflow ? no_chain : f->chain, 16, SQLITE_STATIC);
	sqlite3_bind_int64(st, 6, overflow ? 0 : f->seq);
	sqlite3_bind_text(st, 7, overflow ? more : f->detail, -1, SQLITE_STATIC);
	if (f->evidence && !overflow)
		sqlite3_bind_blob(st, 8, f->evidence, f->evidence_len, SQLITE_STATIC);
	if (f->signature && !overflow)
		sqlite3_bind_blob(st, 9, f->signature, f->signature_len, SQLITE_STATIC);
	sqlite3_bind_blob(st, 10, digest, 32, SQLITE_STATIC);
	return sq_done(s, st);
}

int store_finding_add(struct store *s, const struct store_finding *f)
{
	uint8_t digest[32];
	bool known = false, overflow = false;
	int64_t n;
	int r;

	for (;;) {
		r = digest_of(f, overflow, digest);
		if (!r)
			r = count_again(s, f->at_ns, digest, &known);
		if (r || known)
			return r;
		if (overflow)
			break;
		r = count_of(s, f, &n);
		if (r)
			return r;
		if (n < STORE_FINDINGS_MAX)
			break;
		overflow = true;
	}
	return insert_finding(s, f, overflow, digest);
}
