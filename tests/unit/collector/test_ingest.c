// SPDX-License-Identifier: Apache-2.0
/*
 * What a batch does to the store and what is answered, case by case; after every step the whole
 * store must verify. Records are named by a letter, see make_records.
 * Long because the cases are tables over one store.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <sys/resource.h>

#include "collector/audit.h"
#include "collector/ingest.h"
#include "host.h"
#include "record/look.h"

#define A(x) PROBITY__V1__ACK__FAULT__##x

static char dir[] = "/tmp/probity-ingest-XXXXXX", db[64];
static struct host alpha, other, good; /* two keys; alpha behind record 5 */
static struct witness *witness;
static struct looks *looks; /* NULL: one signature after the other */
static struct host_record rec[128];

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *f)
{
	return remove(path);
}

static struct host_record clone(const struct host_record *r)
{
	struct host_record c = *r;

	c.bytes = malloc(r->n);
	assert_non_null(c.bytes);
	memcpy(c.bytes, r->bytes, r->n);
	return c;
}

static void sign_again(struct host *h, struct host_record *r)
{
	host_sign(h, r);
}

/*
 * 0..5 the good chain: a start, then calls        f record 2 of another history, same key
 * g record 5 on top of that other history         S record 2, other content, signature wrong
 * s record 3, signature wrong                     w record 3 under another key that says so
 * k record 3 signed by another key                c record 3 of another chain
 * t record 3, last byte missing                   p record 3, payload byte changed
 * i record 3, id not above the last               u record 3, payload is no message
 * z a first record that is no start               Z a start that carries another key
 * L record 3, a loss of AI calls                  h record 6, the loss of records 2 to 3
 * H record 6 signed wrongly, otherwise h          W record 6, the same loss under another key
 * q record 6, a loss of records 3 to 3 only       C record 6, the loss, of another chain
 * x record 4, signature wrong
 * y record 3, the loss of records 2 to 3: it would declare itself
 */
static void make_records(void)
{
	struct host h = alpha, at1, at2, fork, x;
	uint8_t junk[] = {0xff, 0xff, 0xff};

	rec['0'] = host_start(&h, signer_public(h.signer));
	at1 = h;
	rec['1'] = host_call(&h, "ann");
	at2 = h;
	rec['2'] = host_call(&h, "ann");
	at1 = h; /* before record 3 */
	rec['3'] = host_call(&h, "ann");
	rec['4'] = host_call(&h, "ann");
	rec['5'] = host_call(&h, "ann");

	good = h;
	fork = at2;
	rec['f'] = host_call(&fork, "mallory");
	rec['S'] = clone(&rec['f']);
	rec['S'].sig[0] ^= 1;
	rec['g'] = host_call(&fork, "mallory");
	free(rec['g'].bytes);
	rec['g'] = host_call(&fork, "mallory");
	free(rec['g'].bytes);
	rec['g'] = host_call(&fork, "mallory");

	rec['s'] = clone(&rec['3']);
	rec['s'].sig[63] ^= 0x80;
	x = at1;
	x.signer = other.signer;
	rec['w'] = host_call(&x, "ann");
	rec['x'] = clone(&rec['4']);
	rec['x'].sig[7] ^= 4;
	rec['k'] = clone(&rec['3']);
	sign_again(&other, &rec['k']);
	x = at1;
	memset(x.chain, 0xcc, sizeof(x.chain));
	rec['c'] = host_call(&x, "ann");
	rec['t'] = clone(&rec['3']);
	rec['t'].n--;
	sign_again(&alpha, &rec['t']);
	rec['p'] = clone(&rec['3']);
	rec['p'].bytes[RECORD_HEADER_LEN + 5] ^= 1;
	sign_again(&alpha, &rec['p']);
	x = at1;
	x.id -= 1;
	rec['i'] = host_call(&x, "ann");
	x = at1;
	rec['u'] = host_seal(&x, RECORD_AI_CALL, junk, sizeof(junk));
	x = at1;
	rec['L'] = host_loss(&x, "ai_calls", 17, 0, 0);
	x = at1;
	rec['y'] = host_loss(&x, "records", 2, 2, 3);
	x = h;
	rec['h'] = host_loss(&x, "records", 2, 2, 3);
	rec['H'] = clone(&rec['h']);
	rec['H'].sig[5] ^= 1;
	x = h;
	x.signer = other.signer;
	rec['W'] = host_loss(&x, "records", 2, 2, 3);
	x = h;
	rec['q'] = host_loss(&x, "records", 1, 3, 3);
	x = h;
	memset(x.chain, 0xcc, sizeof(x.chain));
	rec['C'] = host_loss(&x, "records", 2, 2, 3);
	x = alpha;
	rec['z'] = host_call(&x, "ann");
	x = alpha;
	rec['Z'] = host_start(&x, signer_public(other.signer));
}

static int set_up(void **state)
{
	char key[64], err[256];

	assert_non_null(mkdtemp(dir));
	snprintf(db, sizeof(db), "%s/probity.db", dir);
	snprintf(key, sizeof(key), "%s/a.key", dir);
	alpha = host_new(key, 0xaa);
	snprintf(key, sizeof(key), "%s/b.key", dir);
	other = host_new(key, 0xaa);
	make_records();
	assert_int_equal(witness_open(dir, "col.example", &witness, err, sizeof(err)), 0);
	return 0;
}

static int tear_down(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rec); i++)
		free(rec[i].bytes);
	host_free(&alpha);
	host_free(&other);
	witness_free(witness);
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static struct store *fresh_store(void)
{
	struct store *s = NULL;
	char err[512], side[80];

	unlink(db);
	snprintf(side, sizeof(side), "%s-wal", db);
	unlink(side);
	snprintf(side, sizeof(side), "%s-shm", db);
	unlink(side);
	assert_int_equal(store_open(db, STORE_WRITE, &s, err, sizeof(err)), 0);
	return s;
}

enum { KEY = 1, OTHER_KEY = 2, VERSION = 4, SHORT_CHAIN = 8, CUT = 16, GARBAGE = 32, BIG = 64 };

static uint8_t *body_of(unsigned flags, const char *records, size_t *ret_n)
{
	const struct host_record *list[32];
	struct host_more more = {.tree = &good};
	const uint8_t *key = flags & KEY	 ? signer_public(alpha.signer)
			     : flags & OTHER_KEY ? signer_public(other.signer)
						 : NULL;
	uint8_t *b;
	size_t n = 0;

	for (; *records && *records != '/'; records++)
		list[n++] = &rec[(int)*records];
	/* All holes here are of records 2 and 3; who begins late begins with the first record given. */
	if (*records) {
		more.loss = &rec[(int)records[1]];
		more.edge_at = 4;
		more.edge_from = 2;
	} else if (key && n && list[0] >= &rec['1'] && list[0] <= &rec['5']) {
		more.edge_at = list[0] - &rec['0'];
	} else if (key && n && list[0] == &rec['s']) {
		more.edge_at = 3;
	}
	b = host_batch(alpha.chain, flags & SHORT_CHAIN ? 15 : 16, key, flags & VERSION ? 2 : 1,
		       list, n, &more, ret_n);
	if (flags & CUT)
		*ret_n -= 3;
	if (flags & GARBAGE)
		memset(b, 0xee, *ret_n);
	if (flags & BIG) {
		b = realloc(b, INGEST_BODY_MAX + 1);
		assert_non_null(b);
		*ret_n = INGEST_BODY_MAX + 1;
	}
	return b;
}

static void no_finding(void *ctx, const struct audit_finding *f)
{
	print_error("audit: seq %llu %s: %s\n", (unsigned long long)f->seq, f->kind, f->detail);
}

static struct audit_result audit(struct store *s)
{
	struct audit_result res;
	struct audit_options o = {.finding = no_finding};

	assert_int_equal(audit_store(s, &o, &res), 0);
	assert_int_equal(res.findings, 0);
	return res;
}

static int newest_kind(void *ctx, const struct store_finding *f)
{
	snprintf(ctx, 32, "%s", f->kind);
	return 1;
}

#define EMPTY UINT64_MAX
struct step {
	const char *name; /* of a case: begins with a new store; NULL: goes on */
	const char *cn;
	unsigned flags;
	const char *records;
	int http;
	int fault;
	uint64_t last; /* EMPTY or last_seq */
	uint64_t fault_seq;
	unsigned added, held;
	const char *kind; /* of the one finding this step adds, NULL: none */
};

/* "45/h": records 4 and 5, and record h as Batch.loss */
static const struct step steps[] = {
	{"whole chain", "alpha", 0, "012345", 200, A(NONE), 5, 0, 6, 0, NULL},
	{"key named as well", "alpha", KEY, "012", 200, A(NONE), 2, 0, 3, 0, NULL},
	{"empty batch asks where we are", "alpha", 0, "", 200, A(NONE), EMPTY, 0, 0, 0, NULL},
	{NULL, "alpha", 0, "01", 200, A(NONE), 1, 0, 2, 0, NULL},
	{NULL, "alpha", 0, "", 200, A(NONE), 1, 0, 0, 0, NULL},
	{"duplicate batch", "alpha", 0, "012", 200, A(NONE), 2, 0, 3, 0, NULL},
	{NULL, "alpha", 0, "012", 200, A(NONE), 2, 0, 0, 3, NULL},
	{"overlapping batch", "alpha", 0, "012", 200, A(NONE), 2, 0, 3, 0, NULL},
	{NULL, "alpha", 0, "1234", 200, A(NONE), 4, 0, 2, 2, NULL},
	{"one record twice in a batch", "alpha", 0, "0112", 200, A(NONE), 2, 0, 3, 1, NULL},
	{"reordered", "alpha", 0, "021", 200, A(GAP), 0, 1, 1, 0, NULL},
	{NULL, "alpha", 0, "12", 200, A(NONE), 2, 0, 2, 0, NULL},
	{"gap between batches", "alpha", 0, "01", 200, A(NONE), 1, 0, 2, 0, NULL},
	{NULL, "alpha", 0, "34", 200, A(GAP), 1, 2, 0, 0, NULL},
	{NULL, "alpha", 0, "234", 200, A(NONE), 4, 0, 3, 0, NULL},
	{"gap in a batch keeps what is before", "alpha", 0, "0134", 200, A(GAP), 1, 2, 2, 0, NULL},
	{"fork", "alpha", 0, "0123", 200, A(NONE), 3, 0, 4, 0, NULL},
	{NULL, "alpha", 0, "f", 200, A(FORK), 3, 2, 0, 0, "fork"},
	{NULL, "alpha", 0, "1f45", 200, A(FORK), 3, 2, 0, 1, "fork"}, /* known: counted again */
	{NULL, "alpha", 0, "45", 200, A(NONE), 5, 0, 2, 0, NULL},
	{"fork inside one batch", "alpha", 0, "012f", 200, A(FORK), 2, 2, 3, 0, "fork"},
	{"fork seen by the previous hash", "alpha", 0, "01234", 200, A(NONE), 4, 0, 5, 0, NULL},
	{NULL, "alpha", 0, "g", 200, A(FORK), 4, 5, 0, 0, "fork"},
	{"other content without the key is no fork", "alpha", 0, "012", 200, A(NONE), 2, 0, 3, 0,
	 NULL},
	{NULL, "alpha", 0, "S", 200, A(BAD_RECORD), 2, 2, 0, 0, "bad_record"},
	{"wrong signature", "alpha", 0, "012s45", 200, A(BAD_RECORD), 2, 3, 3, 0, "bad_record"},
	{NULL, "alpha", 0, "345", 200, A(NONE), 5, 0, 3, 0, NULL},
	{"signed by another key", "alpha", 0, "012k", 200, A(BAD_RECORD), 2, 3, 3, 0, "bad_record"},
	{"wrong key", "alpha", 0, "012w", 200, A(WRONG_KEY), 2, 3, 3, 0, "wrong_key"},
	{"batch names another key", "alpha", 0, "012", 200, A(NONE), 2, 0, 3, 0, NULL},
	{NULL, "alpha", OTHER_KEY, "3", 200, A(WRONG_KEY), 2, 2, 0, 0, "wrong_key"},
	{"first batch names another key", "alpha", OTHER_KEY, "012", 200, A(WRONG_KEY), EMPTY, 0, 0,
	 0, "wrong_key"},
	{NULL, "alpha", 0, "012", 200, A(NONE), 2, 0, 3, 0, NULL},
	{"foreign chain id", "alpha", 0, "012c", 200, A(BAD_RECORD), 2, 3, 3, 0, "bad_record"},
	{"truncated record", "alpha", 0, "012t", 200, A(BAD_RECORD), 2, 3, 3, 0, "bad_record"},
	{"payload changed", "alpha", 0, "012p", 200, A(BAD_RECORD), 2, 3, 3, 0, "bad_record"},
	{"id not above the last", "alpha", 0, "012i", 200, A(BAD_RECORD), 2, 3, 3, 0, "bad_record"},
	{"unreadable payload is kept", "alpha", 0, "012u", 200, A(NONE), 3, 0, 4, 0,
	 "unreadable_payload"},
	{"first record is no start", "alpha", 0, "z", 200, A(BAD_RECORD), EMPTY, 0, 0, 0,
	 "bad_record"},
	{"start carries another key", "alpha", 0, "Z", 200, A(WRONG_KEY), EMPTY, 0, 0, 0,
	 "wrong_key"},
	{"unknown chain begins later", "alpha", 0, "23", 200, A(GAP), EMPTY, 0, 0, 0, NULL},
	{NULL, "alpha", KEY, "23", 200, A(NONE), 3, 0, 2, 0, "chain_begins_late"},
	{NULL, "alpha", KEY, "1234", 200, A(GAP), 3, 4, 0, 0, "before_first"},
	{NULL, "alpha", KEY, "345", 200, A(NONE), 5, 0, 2, 1, NULL},
	{"later beginning under another key", "alpha", OTHER_KEY, "23", 200, A(WRONG_KEY), EMPTY, 2,
	 0, 0, "wrong_key"},
	{"later beginning, signature wrong", "alpha", KEY, "s", 200, A(BAD_RECORD), EMPTY, 3, 0, 0,
	 "bad_record"},
	{"declared hole", "alpha", 0, "01", 200, A(NONE), 1, 0, 2, 0, NULL},
	{NULL, "alpha", 0, "45", 200, A(GAP), 1, 2, 0, 0, NULL},
	{NULL, "alpha", 0, "45/h", 200, A(NONE), 5, 0, 2, 0, "declared_hole"},
	{NULL, "alpha", 0, "45/h", 200, A(NONE), 5, 0, 0, 2, NULL},
	{NULL, "alpha", 0, "h", 200, A(NONE), 6, 0, 1, 0, NULL},
	{NULL, "alpha", 0, "3", 200, A(NONE), 6, 0, 0, 0, "after_loss"},
	{"a hole from inside a batch", "alpha", 0, "0145/h", 200, A(NONE), 5, 0, 4, 0,
	 "declared_hole"},
	{"hole before a refused record is not kept", "alpha", 0, "01x5/h", 200, A(BAD_RECORD), 1, 4,
	 2, 0, "bad_record"},
	{NULL, "alpha", 0, "45/h", 200, A(NONE), 5, 0, 2, 0, "declared_hole"},
	{"loss signed wrongly", "alpha", 0, "0145/H", 200, A(GAP), 1, 2, 2, 0, NULL},
	{"loss under another key", "alpha", 0, "0145/W", 200, A(GAP), 1, 2, 2, 0, NULL},
	{"loss covers a part", "alpha", 0, "0145/q", 200, A(GAP), 1, 2, 2, 0, NULL},
	{"loss of another chain", "alpha", 0, "0145/C", 200, A(GAP), 1, 2, 2, 0, NULL},
	{"loss of calls is none of records", "alpha", 0, "0145/L", 200, A(GAP), 1, 2, 2, 0, NULL},
	{"an AI call is no loss", "alpha", 0, "0145/5", 200, A(GAP), 1, 2, 2, 0, NULL},
	{"loss inside its own range", "alpha", 0, "0145/y", 200, A(GAP), 1, 2, 2, 0, NULL},
	{"loss without need", "alpha", 0, "0123/h", 200, A(NONE), 3, 0, 4, 0, NULL},
	{"foreign CN", "alpha", 0, "012", 200, A(NONE), 2, 0, 3, 0, NULL},
	{NULL, "beta", 0, "345", 200, A(WRONG_KEY), EMPTY, 2, 0, 0, "foreign_cn"},
	{NULL, "beta", 0, "", 200, A(WRONG_KEY), EMPTY, 2, 0, 0, "foreign_cn"},
	{NULL, "alpha", 0, "345", 200, A(NONE), 5, 0, 3, 0, NULL},
	{"truncated protobuf", "alpha", CUT, "012", 400, A(BAD_REQUEST), EMPTY, 0, 0, 0, NULL},
	{"no protobuf", "alpha", GARBAGE, "012", 400, A(BAD_REQUEST), EMPTY, 0, 0, 0, NULL},
	{"other version", "alpha", VERSION, "012", 400, A(BAD_REQUEST), EMPTY, 0, 0, 0, NULL},
	{"chain id of 15 bytes", "alpha", SHORT_CHAIN, "0", 400, A(BAD_REQUEST), EMPTY, 0, 0, 0,
	 NULL},
	{"over 4 MiB", "alpha", BIG, "012", 413, A(BAD_REQUEST), EMPTY, 0, 0, 0, NULL},
	{"a loss is in the chain", "alpha", 0, "012L", 200, A(NONE), 3, 0, 4, 0, NULL},
};

static void check_ack(const struct step *t, const struct ingest_result *res)
{
	Probity__V1__Ack *ack = probity__v1__ack__unpack(NULL, res->ack_len, res->ack);
	uint8_t leaf[RECORD_HASH_LEN];

	assert_non_null(ack);
	assert_int_equal(ack->version, 1);
	assert_int_equal(ack->fault, t->fault);
	assert_int_equal(ack->fault_seq, t->fault_seq);
	assert_int_equal(ack->empty, t->last == EMPTY);
	assert_int_equal(!ack->error[0], t->fault == A(NONE));
	if (t->last != EMPTY) {
		const struct host_record *last = &rec['0' + t->last];

		if (!strcmp(t->records, "012u") || !strcmp(t->records, "012L"))
			last = &rec[(int)t->records[3]];
		if (t->last == 6)
			last = &rec['h'];
		assert_int_equal(ack->last_seq, t->last);
		record_leaf(last->bytes, leaf);
		assert_int_equal(ack->last_leaf.len, sizeof(leaf));
		assert_memory_equal(ack->last_leaf.data, leaf, sizeof(leaf));
	}
	probity__v1__ack__free_unpacked(ack, NULL);
}

static void run_step(struct store *s, const struct step *t)
{
	struct ingest_peer peer = {.cn = t->cn, .cert_sha256 = {1, 2, 3}};
	struct ingest_result res;
	struct store_counts before, after;
	char kind[32] = "";
	size_t n;
	uint8_t *body = body_of(t->flags, t->records, &n);
	int64_t rows = 0;

	assert_int_equal(store_count(s, &before), 0);
	assert_int_equal(ingest_batch(s, witness, looks, &peer, body, n, HOST_NOW_NS, &res), 0);
	free(body);
	assert_int_equal(store_count(s, &after), 0);
	assert_int_equal(res.http, t->http);
	assert_int_equal(res.fault, t->fault);
	assert_int_equal(res.added, t->added);
	assert_int_equal(res.held, t->held);
	assert_int_equal(after.records - before.records, t->added);
	check_ack(t, &res);
	store_findings(s, 1, newest_kind, kind);
	assert_int_equal(after.findings, before.findings + (t->kind ? 1 : 0));
	if (t->kind)
		assert_string_equal(kind, t->kind);
	assert_int_equal(audit(s).records, after.records);
	rows = after.calls + after.controls + (strchr(t->records, 'u') ? 1 : 0);
	assert_int_equal(rows, after.records);
}

static void all_steps(void)
{
	struct store *s = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		if (steps[i].name) {
			store_free(s);
			s = fresh_store();
		}
		print_message("# %s: %s\n", steps[i].name ? steps[i].name : "  then",
			      steps[i].records);
		run_step(s, &steps[i]);
	}
	store_free(s);
}

static void test_steps(void **state)
{
	all_steps();
	print_message("# the same, signatures looked at ahead by three threads\n");
	assert_int_equal(looks_new(3, &looks), 0);
	all_steps();
	looks_free(TAKE_PTR(looks));
}

static void send(struct store *s, const char *records, struct ingest_result *ret)
{
	struct ingest_peer peer = {.cn = "alpha"};
	size_t n;
	uint8_t *body = body_of(0, records, &n);

	ingest_batch(s, witness, looks, &peer, body, n, HOST_NOW_NS, ret);
	free(body);
}

static int is_fork(void *ctx, const struct store_finding *f)
{
	const struct host_record *want = ctx;

	assert_string_equal(f->kind, "fork");
	assert_int_equal(f->severity, STORE_CRITICAL);
	assert_int_equal(f->seq, 2);
	assert_int_equal(f->count, 2);
	assert_int_equal(f->evidence_len, want->n);
	assert_memory_equal(f->evidence, want->bytes, want->n);
	assert_int_equal(f->signature_len, RECORD_SIG_LEN);
	assert_memory_equal(f->signature, want->sig, RECORD_SIG_LEN);
	assert_memory_equal(f->chain, alpha.chain, 16);
	return 0;
}

static int is_record_2(void *ctx, const struct store_record *r)
{
	if (r->seq != 2)
		return 0;
	assert_int_equal(r->len, rec['2'].n);
	assert_memory_equal(r->bytes, rec['2'].bytes, r->len);
	assert_memory_equal(r->signature, rec['2'].sig, RECORD_SIG_LEN);
	return 1;
}

/* Both histories can be shown afterwards, byte for byte. */
static void test_fork_evidence(void **state)
{
	struct store *s = fresh_store();
	struct ingest_result res;

	send(s, "0123", &res);
	assert_string_equal(res.alarm, "");
	send(s, "f", &res);
	assert_non_null(strstr(res.alarm, "FORK ALARM"));
	send(s, "f", &res);
	assert_int_equal(store_findings(s, 9, is_fork, &rec['f']), 0);
	assert_int_equal(store_records(s, alpha.chain, 0, is_record_2, NULL), 1);
	store_free(s);
}

static int first_call(void *ctx, const struct store_line *l)
{
	if (!l->has_call)
		return 0;
	*(struct store_line *)ctx = *l;
	return 1;
}

static int is_17_calls(void *ctx, const char *what, int64_t count)
{
	assert_string_equal(what, "ai_calls");
	assert_int_equal(count, 17);
	return 1;
}

static void test_columns(void **state)
{
	struct store *s = fresh_store();
	struct ingest_result res;
	struct store_counts n;
	struct store_line l = {0};

	send(s, "012L", &res);
	assert_int_equal(store_newest(s, 10, first_call, &l), 1);
	assert_int_equal(l.seq, 2);
	assert_string_equal(l.host, "alpha.example");
	assert_string_equal(l.cn, "alpha");
	assert_string_equal(l.call.user, "ann");
	assert_string_equal(l.call.tool, "claude_code");
	assert_string_equal(l.call.service, "anthropic");
	assert_string_equal(l.call.model, "claude-sonnet-4-5-20250929");
	assert_string_equal(l.call.policy, "baseline 1");
	assert_int_equal(l.call.input_tokens, 1202);
	assert_int_equal(l.call.output_tokens, 34);
	assert_true(l.call.risk == 0.25);
	assert_int_equal(store_count(s, &n), 0);
	assert_int_equal(n.missing, 0);
	assert_int_equal(store_lost(s, is_17_calls, NULL), 1);
	store_free(s);
}

/* No prefix and no flipped byte of a batch may harm: the store verifies after all of them. */
static void test_hostile_bytes(void **state)
{
	struct ingest_peer peer = {.cn = "alpha"};
	struct store *s = fresh_store();
	struct ingest_result res;
	size_t n;
	uint8_t *body = body_of(0, "01234", &n);

	send(s, "0123", &res);
	for (size_t i = 0; i < n; i++) {
		uint8_t *cut = malloc(i + 1); /* so that ASan sees a read past it */

		assert_non_null(cut);
		memcpy(cut, body, i);
		ingest_batch(s, witness, looks, &peer, cut, i, HOST_NOW_NS, &res);
		assert_true(res.ack_len > 0);
		free(cut);
	}
	for (size_t i = 0; i < n; i++) {
		body[i] ^= 1 << i % 8;
		ingest_batch(s, witness, looks, &peer, body, n, HOST_NOW_NS, &res);
		assert_true(res.ack_len > 0);
		body[i] ^= 1 << i % 8;
	}
	audit(s);
	send(s, "01234", &res);
	assert_int_equal(res.fault, A(NONE));
	audit(s);
	free(body);
	store_free(s);
}

/* Two bytes a record: unpacking must stop at its budget, not take 60 times the body. */
static void test_memory_bound(void **state)
{
	struct ingest_peer peer = {.cn = "alpha"};
	struct store *s = fresh_store();
	struct ingest_result res;
	uint8_t *body = malloc(INGEST_BODY_MAX);

	assert_non_null(body);
	for (size_t i = 0; i < INGEST_BODY_MAX; i += 2) {
		body[i] = 0x2a; /* field 5, length-delimited */
		body[i + 1] = 0;
	}
	assert_int_equal(ingest_batch(s, witness, looks, &peer, body, INGEST_BODY_MAX, HOST_NOW_NS,
				      &res),
			 0);
	assert_int_equal(res.http, 400);
	assert_non_null(strstr(res.alarm, "not a batch")); /* not even unpacked */
	free(body);
	store_free(s);
}

/* A disk that takes no more: STORE, nothing half done, and all well once there is room again. */
static void test_store_full(void **state)
{
	struct store *s = fresh_store();
	struct ingest_result res;
	struct rlimit old, small = {.rlim_cur = 8192};
	Probity__V1__Ack *ack;
	struct step after = {"x", "alpha", 0, "12", 200, A(NONE), 2, 0, 2, 0, NULL};

	send(s, "0", &res);
	assert_int_equal(res.fault, A(NONE));
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small.rlim_max = old.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	send(s, "12", &res);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(res.http, 503);
	assert_int_equal(res.fault, A(STORE));
	assert_int_equal(res.added, 0);
	assert_non_null(strstr(res.alarm, db));
	/* The host frees what is named here: it must be what was committed before. */
	ack = probity__v1__ack__unpack(NULL, res.ack_len, res.ack);
	assert_non_null(ack);
	assert_int_equal(ack->empty, 0);
	assert_int_equal(ack->last_seq, 0);
	probity__v1__ack__free_unpacked(ack, NULL);
	assert_int_equal(audit(s).records, 1);
	run_step(s, &after);
	store_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steps),	     cmocka_unit_test(test_fork_evidence),
		cmocka_unit_test(test_columns),	     cmocka_unit_test(test_hostile_bytes),
		cmocka_unit_test(test_memory_bound), cmocka_unit_test(test_store_full),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
