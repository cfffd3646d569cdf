// SPDX-License-Identifier: Apache-2.0
/*
 * Store in, findings out. Each chain is walked in order with chain_append from the key in its
 * row on, through its seals, its MACs when the seed is held, and its tree up to what was cosigned; the columns beside a record, the list rows made from its payload and the numbers in the
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
#include "record/erasures.h"
#include "record/segment.h"
#include "rows.h"
#include "silence.h"

struct audit {
	struct store *s;
	void (*cb)(void *ctx, const struct audit_finding *f);
	void *ctx;
	struct audit_result result;
	const struct store_chain *chain;
	struct chain_state state;
	uint64_t records, told; /* of this chain */
	uint64_t covered;
	struct mac_key mac;
	struct store_witness witness; /* of this chain, when cosigned */
	bool cosigned, seen;	      /* its tree came by */
	const struct note_key *key;
	int64_t now_ns;
	struct erasures erasures;
	struct tree_edge edge; /* the next one kept; size 0: none */
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

/* --- the chain ------------------------------------------------------------------------------------- */

/* Takes up after a record that was refused. */
static void go_on(struct audit *a, const struct store_record *r)
{
	struct record head;
	struct tree_hash leaf;
	const char *why;

	memcpy(leaf.b, r->leaf, sizeof(leaf));
	memcpy(a->state.prev, r->leaf, sizeof(a->state.prev));
	a->state.next_seq = r->seq + 1;
	a->state.started = true;
	if (a->state.tree_known)
		tree_add(&a->state.tree, &leaf);
	if (!record_decode(r->bytes, r->len, &head, &why) && head.id)
		a->state.last_id = head.id;
}

/* Into the epoch a record says it is of, by the key kept for it: its seal was refused or is gone. */
static bool enter_epoch(struct audit *a, const struct store_record *r)
{
	struct mac_key seed = {.epoch = 0};
	struct store_key k;
	struct record head;
	const char *why;

	if (record_decode(r->bytes, r->len, &head, &why) ||
	    head.epoch == a->state.epoch + a->state.sealed ||
	    store_key_by_id(a->s, a->chain->id, head.key_id, &k) || k.epoch != head.epoch)
		return false;
	a->state.epoch = k.epoch;
	a->state.sealed = false;
	a->state.epoch_first = UINT64_MAX;
	a->state.tree_known = false;
	memcpy(a->state.public, k.public, sizeof(k.public));
	verifier_free(a->state.verifier);
	a->state.verifier = NULL;
	memcpy(seed.k, a->chain->mac_seed, MAC_LEN);
	if (a->chain->seeded)
		mac_at(&seed, k.epoch, &a->mac);
	return true;
}

struct crossing {
	struct audit *a;
	const struct record *head;
	bool ok;
};

static int check_hole(void *ctx, const struct store_hole *h)
{
	static struct store_key keys[HOLE_SEALS_MAX];
	struct crossing *x = ctx;
	struct audit *a = x->a;
	Probity__V1__Batch *b = probity__v1__batch__unpack(NULL, h->proof_len, h->proof);
	const char *why = "is not readable";
	size_t n;

	if (h->last_seq + 1 < x->head->seq)
		found(a, h->last_seq + 1, "gap", "records %llu to %llu are missing",
		      (unsigned long long)h->last_seq + 1, (unsigned long long)x->head->seq - 1);
	else if (h->last_seq >= x->head->seq)
		why = "is of another hole";
	else if (b)
		x->ok = hole_cross(&a->state, b, x->head, keys, &n, &why);
	if (b)
		probity__v1__batch__free_unpacked(b, NULL);
	if (!x->ok && h->last_seq + 1 >= x->head->seq)
		found(a, h->first_seq, "hole", "what proves this hole: %s", why);
	return 0;
}

/* Records are missing before r: declared by the host, never held, or simply gone. */
static int gap(struct audit *a, const struct store_record *r)
{
	uint64_t first = a->state.next_seq;
	struct record head;
	struct crossing x = {.a = a, .head = &head};
	const char *why;
	int e;

	if (record_decode(r->bytes, r->len, &head, &why) || head.seq != r->seq)
		return 0; /* chain_append will say so */
	e = store_hole_get(a->s, a->chain->id, first, check_hole, &x);
	if (e && e != -ENOENT)
		return e;
	if (e)
		found(a, first, "gap", "records %llu to %llu are missing",
		      (unsigned long long)first, (unsigned long long)r->seq - 1);
	if (x.ok) {
		a->result.declared += r->seq - first;
		return 0;
	}
	/* What it links to is gone: its own word is taken, the hole has been told. */
	a->state.next_seq = r->seq;
	a->state.started = true;
	a->state.tree_known = a->state.timed = false;
	memcpy(a->state.prev, head.prev, sizeof(a->state.prev));
	enter_epoch(a, r);
	return 0;
}

static int append(struct audit *a, const struct store_record *r, struct record *head,
		  const char **ret_why)
{
	struct chain_sealed seal = {.sig = r->signature_len ? r->signature : NULL,
				    .mac = r->mac_len ? r->mac : NULL};

	*ret_why = "mac";
	if (!seal.mac)
		return -EBADMSG;
	return chain_append(&a->state, r->bytes, r->len, &seal, head, ret_why);
}

/* The key a SEAL names is the one kept for what follows. */
static int check_key(struct audit *a, uint64_t seq)
{
	struct store_key k;
	uint8_t id[8];
	int r;

	if (!a->state.sealed)
		return 0;
	key_id(a->state.next_public, id);
	r = store_key_by_id(a->s, a->chain->id, id, &k);
	if (r && r != -ENOENT)
		return r;
	if (r || k.epoch != a->state.epoch + 1 || k.seq != seq + 1)
		found(a, seq, "key", "the key kept for the next epoch is not the one sealed here");
	return 0;
}

/* The tree that was cosigned is that of the records. */
static void check_cosigned(struct audit *a)
{
	struct tree_hash root;

	if (!a->cosigned || !a->state.tree_known || a->state.tree.size != a->witness.edge.size)
		return;
	a->seen = true;
	tree_root(&a->state.tree, &root);
	if (memcmp(&root, &a->witness.root, sizeof(root)))
		found(a, a->state.tree.size - 1, "witness",
		      "the tree cosigned last is not that of the records");
}

static int next_edge(struct audit *a, uint64_t from)
{
	int r = store_edge_from(a->s, a->chain->id, from, &a->edge);

	if (r == -ENOENT)
		a->edge.size = 0;
	return r == -ENOENT ? 0 : r;
}

/* An edge that was kept is that of the records' tree. */
static int check_edge(struct audit *a)
{
	struct tree_hash root, kept;
	uint64_t size = a->edge.size;

	if (!size || a->state.next_seq < size)
		return 0;
	tree_root(&a->state.tree, &root);
	tree_root(&a->edge, &kept);
	if (a->state.next_seq > size || (a->state.tree_known && memcmp(&root, &kept, sizeof(root))))
		found(a, size, "tree", "the edge kept of the first %llu records is not theirs",
		      (unsigned long long)size);
	return next_edge(a, a->state.next_seq + 1);
}

static int one_record(void *ctx, const struct store_record *r)
{
	struct audit *a = ctx;
	const char *why = "";
	struct record head;
	int e;

	a->records++;
	a->result.records++;
	if (r->signature_len)
		a->covered = r->seq + 1;
	e = r->seq != a->state.next_seq ? gap(a, r) : 0;
	if (e)
		return e;
	check_cosigned(a); /* where it ends before a hole's end is no tree */
	e = append(a, r, &head, &why);
	if (e && e != -EBADMSG)
		return e;
	if (e) {
		found(a, r->seq, why, "record does not verify: %s", why);
		if (!enter_epoch(a, r) || append(a, r, &head, &why)) {
			go_on(a, r);
			return 0;
		}
	}
	check_columns(a, r, &head);
	check_cosigned(a);
	e = record_erased(r->bytes, r->len) ? erasures_erased(&a->erasures, r->seq)
					    : erasures_record(&a->erasures, r->seq, head.schema,
							      head.payload, head.payload_len);
	if (!e)
		e = check_edge(a);
	if (!e)
		e = check_key(a, r->seq);
	return e ? e : check_rows(a, r);
}

static void check_state(struct audit *a)
{
	uint8_t state[CHAIN_STATE_MAX];
	size_t n = chain_state_save(&a->state, state, sizeof(state));

	if (n != a->chain->state_len || memcmp(state, a->chain->state, n))
		found(a, a->chain->last_seq, "chain row",
		      "the state kept is not the one behind the last record");
}

static void check_chain_row(struct audit *a)
{
	const struct store_chain *c = a->chain;
	struct erasure gone;

	if (erasures_silent(&a->erasures, &gone))
		found(a, gone.first, "erased",
		      "payloads of records %llu to %llu are gone and no ERASE record says so",
		      (unsigned long long)gone.first, (unsigned long long)gone.last);
	if (a->records != c->records)
		found(a, c->last_seq, "count", "%llu records are there, %llu were stored",
		      (unsigned long long)a->records, (unsigned long long)c->records);
	if (a->state.next_seq != c->last_seq + 1)
		found(a, c->last_seq, "gap", "records end at %lld, %llu was answered to the host",
		      (long long)a->state.next_seq - 1, (unsigned long long)c->last_seq);
	else if (memcmp(a->state.prev, c->last_leaf, sizeof(c->last_leaf)) != 0)
		found(a, c->last_seq, "chain row", "last record is not the one that was answered");
	else if (!a->told)
		check_state(a);
	if (a->state.last_id != c->last_id)
		found(a, c->last_seq, "chain row", "last id differs from the last record's");
	if (a->cosigned && a->covered < a->witness.edge.size)
		a->covered = a->witness.edge.size;
	if (c->covered > a->covered)
		found(a, c->covered, "uncovered", "records from %llu on are under no signature",
		      (unsigned long long)a->covered);
	if (a->cosigned && !a->seen)
		found(a, c->last_seq, "witness", "%llu records were cosigned, which are not there",
		      (unsigned long long)a->witness.edge.size);
	if (a->now_ns && !c->stopped && c->due_ns < a->now_ns)
		found(a, c->last_seq + 1, SILENCE_KIND,
		      "nothing has come for %lld s, and the agent did not say that it ends",
		      (long long)(a->now_ns - c->updated_ns) / 1000000000);
}

/* --- what was cosigned ----------------------------------------------------------------------------- */

static const char *note_wrong(const struct audit *a, const struct store_witness *w)
{
	struct checkpoint c;
	struct note n;
	const char *why;
	uint64_t when;

	if (note_parse(w->note, strlen(w->note), &n, &why) ||
	    checkpoint_parse(n.text, n.text_n, &c, &why))
		return "what was cosigned is no checkpoint";
	if (c.size != w->edge.size || memcmp(&c.root, &w->root, sizeof(c.root)))
		return "size or root differ from what was cosigned";
	if (a->key && (cosignature_verify(&n, a->key, &when) || (int64_t)when != w->unix_s))
		return "it is not under our cosignature of that time";
	return NULL;
}

static int one_witness(void *ctx, const struct store_witness *w)
{
	struct audit *a = ctx;
	const char *why = note_wrong(a, w);

	a->result.cosigned++;
	if (why)
		found(a, w->edge.size, "witness", "%s: %s", w->name, why);
	return 0;
}

static int load_witness(struct audit *a)
{
	char hex[33];
	int r;

	for (size_t i = 0; i < 16; i++)
		snprintf(hex + 2 * i, 3, "%02x", a->chain->id[i]);
	r = store_witness_get(a->s, hex, &a->witness);
	a->cosigned = !r;
	return r == -ENOENT ? 0 : r;
}

static int one_chain(void *ctx, const struct store_chain *c)
{
	struct audit *a = ctx;
	int r;

	a->chain = c;
	a->records = a->told = a->covered = 0;
	a->seen = false;
	a->result.chains++;
	a->state = (struct chain_state){0};
	memcpy(a->state.chain, c->id, sizeof(a->state.chain));
	memcpy(a->state.public, c->public, sizeof(a->state.public));
	a->mac.epoch = 0;
	memcpy(a->mac.k, c->mac_seed, MAC_LEN);
	a->state.mac = c->seeded ? &a->mac : NULL;
	r = load_witness(a);
	if (r >= 0)
		r = next_edge(a, 0);
	if (r >= 0)
		r = store_records(a->s, c->id, 0, one_record, a);
	a->result.macs += a->state.macs;
	if (r >= 0)
		check_chain_row(a);
	chain_state_done(&a->state);
	erasures_done(&a->erasures);
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
	a->told = 0;
	if (!r)
		r = store_witnesses(a->s, one_witness, a);
	if (!r)
		r = store_orphans(a->s, &orphans);
	a->told = 0;
	if (!r && orphans)
		found(a, 0, "orphan", "%lld rows belong to no record or no chain",
		      (long long)orphans);
	return r;
}

int audit_store(struct store *s, const struct audit_options *o, struct audit_result *ret)
{
	struct audit a = {
		.s = s, .cb = o->finding, .ctx = o->ctx, .key = o->witness, .now_ns = o->now_ns};
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
