// SPDX-License-Identifier: Apache-2.0
/*
 * Store in, findings out. Each chain is walked in order with chain_append under the key in its
 * row; the columns beside a record, the list rows made from its payload and the numbers in the
 * chain's row are each compared with what the signed bytes say. One read snapshot covers all, so
 * a collector that stores meanwhile does no harm. Memory does not grow with the store.
 *
 * After a record that does not fit, the walk goes on from that record as if its place were right,
 * so that one flipped bit is one or two findings and not one per record behind it.
 */
#include "audit.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "hole.h"
#include "record/segment.h"
#include "rows.h"

struct audit {
	struct store *s;
	void (*cb)(void *ctx, const struct audit_finding *f);
	void *ctx;
	struct audit_result result;
	const struct store_chain *chain;
	struct chain_state state;
	uint64_t records, told; /* of this chain */
	uint64_t hole_end;	/* behind the declared hole just looked up */
};

static void found(struct audit *a, uint64_t seq, const char *kind, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static void found(struct audit *a, uint64_t seq, const char *kind, const char *fmt, ...)
{
	struct audit_finding f = {.seq = seq, .has_chain = a->chain != NULL};
	va_list ap;

	a->result.findings++;
	if (a->told++ >= AUDIT_PER_CHAIN)
		return;
	if (a->chain)
		memcpy(f.chain, a->chain->id, sizeof(f.chain));
	snprintf(f.kind, sizeof(f.kind), "%s", kind);
	va_start(ap, fmt);
	vsnprintf(f.detail, sizeof(f.detail), fmt, ap);
	va_end(ap);
	a->cb(a->ctx, &f);
}

static void check_columns(struct audit *a, const struct store_record *r, const struct record *head)
{
	uint8_t leaf[RECORD_HASH_LEN];

	record_leaf(r->bytes, leaf);
	if (memcmp(leaf, r->leaf, sizeof(leaf)) != 0)
		found(a, r->seq, "column", "leaf is not the hash of the record");
	if (r->schema != head->schema || r->wall_ns != head->wall_ns)
		found(a, r->seq, "column", "schema or time differ from the record");
}

static int check_row(struct audit *a, uint64_t seq, const struct store_table *t, const void *want)
{
	union {
		struct store_call call;
		struct store_control control;
	} have = {0};
	int r = store_row_get(a->s, t, a->chain->id, seq, &have);

	if (r == -ENOENT)
		found(a, seq, "row", "%s has no row for this record", t->name);
	else if (r)
		return r;
	else if (!store_row_equal(t, want, &have))
		found(a, seq, "row", "%s differs from what was signed", t->name);
	return 0;
}

static int check_rows(struct audit *a, const struct store_record *r)
{
	_cleanup_sealed_ struct sealed s = {0};
	struct store_call call;
	struct store_control control;
	const char *why;

	if (sealed_open(r->bytes, r->len, r->signature, &s, &why))
		return 0; /* chain_append has said so */
	if (s.call) {
		rows_call(s.call, a->chain->host, &call);
		return check_row(a, r->seq, &store_call_table, &call);
	}
	if (s.control) {
		rows_control(s.control, &control);
		return check_row(a, r->seq, &store_control_table, &control);
	}
	return 0; /* unreadable: a finding of ingest, no row */
}

/* Takes up after a record that was refused or a hole. */
static void go_on(struct audit *a, const struct store_record *r)
{
	struct record head;
	const char *why;

	memcpy(a->state.prev, r->leaf, sizeof(a->state.prev));
	a->state.next_seq = r->seq + 1;
	if (!record_decode(r->bytes, r->len, &head, &why) && head.id)
		a->state.last_id = head.id;
}

static int check_hole(void *ctx, const struct store_hole *h)
{
	struct audit *a = ctx;
	const char *why = "";

	if (!hole_proved(h, a->chain->public, &why))
		found(a, h->first_seq, "hole", "the declaration of this hole: %s", why);
	a->hole_end = h->last_seq + 1;
	return 0;
}

/* Records are missing before r: declared by the host, or simply gone. */
static int gap(struct audit *a, const struct store_record *r)
{
	struct record head;
	const char *why;
	int e;

	a->hole_end = a->state.next_seq;
	e = store_hole_get(a->s, a->chain->id, a->state.next_seq, check_hole, a);
	if (e && e != -ENOENT)
		return e;
	if (a->hole_end != r->seq)
		found(a, a->hole_end, "gap", "records %llu to %llu are missing",
		      (unsigned long long)a->hole_end, (unsigned long long)r->seq - 1);
	else
		a->result.declared += r->seq - a->state.next_seq;
	/* What it links to is gone: its own word is taken, the hole has been told or declared. */
	a->state.next_seq = r->seq;
	if (!record_decode(r->bytes, r->len, &head, &why))
		memcpy(a->state.prev, head.prev, sizeof(a->state.prev));
	return 0;
}

static int one_record(void *ctx, const struct store_record *r)
{
	struct audit *a = ctx;
	const char *why = "";
	struct record head;
	int e;

	a->records++;
	a->result.records++;
	e = r->seq != a->state.next_seq ? gap(a, r) : 0;
	if (e)
		return e;
	e = chain_append(&a->state, r->bytes, r->len, &(struct chain_sealed){.sig = r->signature},
			 &head, &why);
	if (e && e != -EBADMSG)
		return e;
	if (e) {
		found(a, r->seq, why, "record does not verify: %s", why);
		go_on(a, r);
		return 0;
	}
	check_columns(a, r, &head);
	return check_rows(a, r);
}

static void check_chain_row(struct audit *a)
{
	const struct store_chain *c = a->chain;

	if (a->records != c->records)
		found(a, c->last_seq, "count", "%llu records are there, %llu were stored",
		      (unsigned long long)a->records, (unsigned long long)c->records);
	if (a->state.next_seq != c->last_seq + 1)
		found(a, c->last_seq, "gap", "records end at %lld, %llu was answered to the host",
		      (long long)a->state.next_seq - 1, (unsigned long long)c->last_seq);
	else if (memcmp(a->state.prev, c->last_leaf, sizeof(c->last_leaf)) != 0)
		found(a, c->last_seq, "chain row", "last record is not the one that was answered");
	if (a->state.last_id != c->last_id)
		found(a, c->last_seq, "chain row", "last id differs from the last record's");
}

/* The first record's own word stands for what came before it, when that is not held. */
static int first_prev(void *ctx, const struct store_record *r)
{
	struct audit *a = ctx;
	struct record head;
	const char *why;

	if (!record_decode(r->bytes, r->len, &head, &why))
		memcpy(a->state.prev, head.prev, sizeof(a->state.prev));
	return 1;
}

static int one_chain(void *ctx, const struct store_chain *c)
{
	struct audit *a = ctx;
	int r = 0;

	a->chain = c;
	a->records = a->told = 0;
	a->result.chains++;
	a->state = (struct chain_state){.next_seq = c->first_seq, .started = true};
	memcpy(a->state.chain, c->id, sizeof(a->state.chain));
	memcpy(a->state.public, c->public, sizeof(a->state.public));
	if (c->first_seq)
		r = store_records(a->s, c->id, first_prev, a);
	if (r >= 0)
		r = store_records(a->s, c->id, one_record, a);
	if (r >= 0)
		check_chain_row(a);
	chain_state_done(&a->state);
	a->chain = NULL;
	return r < 0 ? r : 0;
}

static int walk(struct audit *a)
{
	int64_t orphans = 0;
	int r = store_integrity(a->s);

	if (r == -EBADMSG)
		found(a, 0, "file", "%s", store_error(a->s));
	else if (r)
		return r;
	r = store_chains(a->s, one_chain, a);
	if (!r)
		r = store_orphans(a->s, &orphans);
	a->told = 0;
	if (!r && orphans)
		found(a, 0, "orphan", "%lld rows belong to no record or no chain",
		      (long long)orphans);
	return r;
}

int audit_store(struct store *s, void (*cb)(void *ctx, const struct audit_finding *f), void *ctx,
		struct audit_result *ret)
{
	struct audit a = {.s = s, .cb = cb, .ctx = ctx};
	int r = store_snapshot(s);

	if (!r)
		r = walk(&a);
	store_rollback(s);
	/* A page that cannot be read is itself a finding, and the walk ends there. */
	if (r == -EUCLEAN || r == -EIO) {
		found(&a, 0, "file", "%s", store_error(s));
		r = 0;
	}
	if (!r)
		*ret = a.result;
	return r;
}
