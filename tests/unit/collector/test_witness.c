// SPDX-License-Identifier: Apache-2.0
/*
 * The collector as a witness: epochs and their keys, MACs, holes over several epochs, what is cosigned and
 * what is refused with which finding, silence, and the collector's own log. The attacks are a table: each
 * builds a second history with the host's own keys and hands it in. After each the store must verify.
 * Long because the cases share one host.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "collector/audit.h"
#include "collector/ingest.h"
#include "collector/ledger.h"
#include "collector/silence.h"
#include "host.h"
#include "record/look.h"

#define A(x) PROBITY__V1__ACK__FAULT__##x
#define CALLS 5 /* in each of the epochs */
#define SEAL(e) (1 + CALLS + (e) * (CALLS + 1))

static char dir[] = "/tmp/probity-witness-XXXXXX", db[64];
static struct witness *witness;
static struct looks *looks;
static struct host start, at[64],
	end; /* the host before each record of the good chain, and behind it */
static struct host_record rec[64];
static size_t recs;
static uint8_t seed[MAC_LEN];
static struct ingest_result res;
static Probity__V1__Ack *ack;

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *f)
{
	return remove(path);
}

static void one(struct host *h, struct host_record r)
{
	at[recs + 1] = *h;
	rec[recs++] = r;
}

/* Three epochs of a start or nothing, CALLS calls and a seal; then two calls of a fourth. */
static void make_chain(void)
{
	struct host *h = &end;

	*h = start;
	at[0] = *h;
	one(h, host_start(h, signer_public(h->signer)));
	for (int e = 0; e < 3; e++) {
		for (int i = 0; i < CALLS; i++)
			one(h, host_call(h, "ann"));
		one(h, host_end_epoch(h));
	}
	one(h, host_call(h, "ann"));
	one(h, host_call(h, "ann"));
}

static int set_up(void **state)
{
	char key[64], err[256];

	assert_non_null(mkdtemp(dir));
	snprintf(db, sizeof(db), "%s/probity.db", dir);
	snprintf(key, sizeof(key), "%s/a.key", dir);
	start = host_new(key, 0xaa);
	host_seed(&start, seed);
	make_chain();
	assert_int_equal(looks_new(2, &looks), 0);
	return witness_open(dir, "col.example", &witness, err, sizeof(err));
}

static int tear_down(void **state)
{
	looks_free(looks);
	for (size_t i = 0; i < recs; i++)
		free(rec[i].bytes);
	host_free(&start);
	witness_free(witness);
	probity__v1__ack__free_unpacked(ack, NULL);
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static struct store *fresh_store(void)
{
	static const char *const tail[] = {"", "-wal", "-shm"};
	struct store *s = NULL;
	char err[512], path[80];

	for (size_t i = 0; i < ARRAY_SIZE(tail); i++) {
		snprintf(path, sizeof(path), "%s%s", db, tail[i]);
		unlink(path);
	}
	assert_int_equal(store_open(db, STORE_WRITE, &s, err, sizeof(err)), 0);
	return s;
}

static void send_at(struct store *s, const struct host_record *const *list, size_t n,
		    const struct host_more *more, int64_t now_ns)
{
	struct ingest_peer peer = {.cn = "alpha"};
	size_t len;
	uint8_t *body =
		host_batch(start.chain, 16, signer_public(start.keys[0]), 1, list, n, more, &len);

	assert_int_equal(ingest_batch(s, witness, looks, &peer, body, len, now_ns, &res), 0);
	free(body);
	probity__v1__ack__free_unpacked(ack, NULL);
	ack = probity__v1__ack__unpack(NULL, res.ack_len, res.ack);
	assert_non_null(ack);
	assert_string_equal(ack->witness_vkey, ack->empty || ack->fault == A(BAD_REQUEST)
						       ? ""
						       : witness_vkey(witness));
}

static void send(struct store *s, size_t from, size_t n, const struct host_more *more)
{
	const struct host_record *list[64];

	for (size_t i = 0; i < n; i++)
		list[i] = &rec[from + i];
	send_at(s, list, n, more, HOST_NOW_NS);
}

static void say(void *ctx, const struct audit_finding *f)
{
	struct audit_finding *first = ctx;

	print_message("#   audit: seq %llu %s: %s\n", (unsigned long long)f->seq, f->kind,
		      f->detail);
	if (!first->kind[0])
		*first = *f;
}

static struct audit_result audit(struct store *s, int64_t now_ns, struct audit_finding *first)
{
	struct note_key key;
	struct audit_options o = {.witness = &key, .now_ns = now_ns, .finding = say, .ctx = first};
	struct audit_result r;
	const char *vkey = witness_vkey(witness);

	memset(first, 0, sizeof(*first));
	assert_int_equal(note_vkey_parse_of(vkey, strlen(vkey), NOTE_COSIGNATURE, &key), 0);
	assert_int_equal(audit_store(s, &o, &r), 0);
	return r;
}

static struct audit_result verified(struct store *s)
{
	struct audit_finding first;
	struct audit_result r = audit(s, 0, &first);

	assert_int_equal(r.findings, 0);
	return r;
}

static int keep_newest(void *ctx, const struct store_finding *f)
{
	struct store_finding *out = ctx;

	*out = *f;
	out->evidence = out->signature = NULL;
	return 1;
}

static struct store_finding newest(struct store *s)
{
	struct store_finding f = {.kind = ""};

	store_findings(s, 1, keep_newest, &f);
	return f;
}

static struct host_more checkpoint(const struct host *h, uint64_t size, uint64_t witnessed,
				   char note[static 1024])
{
	host_checkpoint(h, size, note, 1024);
	return (struct host_more){
		.tree = h, .seed = seed, .checkpoint = note, .size = size, .witnessed = witnessed};
}

/* --- epochs ---------------------------------------------------------------------------------------- */

static int keys_seen;

static int keep_key(void *ctx, const struct store_key *k)
{
	keys_seen++;
	*(struct store_key *)ctx = *k;
	return 0;
}

static void test_epochs_and_macs(void **state)
{
	struct store *s = fresh_store();
	struct host_more more = {.seed = seed};
	struct store_chain c;
	struct store_key k;
	struct audit_result r;

	/* Split everywhere: the state between two batches is what was kept of it. */
	for (size_t i = 0; i < recs; i++) {
		send(s, i, 1, i ? NULL : &more);
		assert_int_equal(ack->fault, A(NONE));
		assert_true(ack->seed_held);
		assert_int_equal(res.added, 1);
	}
	r = verified(s);
	assert_int_equal(r.records, recs);
	assert_int_equal(r.macs, recs);
	assert_int_equal(store_chain_get(s, start.chain, &c), 0);
	assert_int_equal(c.covered, recs);
	assert_int_equal(c.mac.epoch, 3);
	keys_seen = 0;
	assert_int_equal(store_keys_from(s, start.chain, recs, 99, keep_key, &k), 0);
	assert_int_equal(keys_seen, 1);
	assert_int_equal(k.epoch, 3);
	assert_memory_equal(k.public, signer_public(start.keys[3]), RECORD_PUBKEY_LEN);
	/* Of the first record's tree all four, and no more than was asked for. */
	keys_seen = 0;
	assert_int_equal(store_keys_from(s, start.chain, 1, 3, keep_key, &k), 0);
	assert_int_equal(keys_seen, 3);
	assert_int_equal(k.epoch, 2);
	store_free(s);
}

static void test_records_without_signature(void **state)
{
	static struct host h;
	char note[1024];
	struct host_record r[8];
	const struct host_record *list[8];
	struct host_more more;
	struct store *s = fresh_store();
	struct store_chain c;

	h = start;
	r[0] = host_start(&h, signer_public(h.signer));
	h.alg = RECORD_CHECKPOINT;
	for (int i = 1; i < 6; i++)
		r[i] = host_call(&h, "ann");
	for (int i = 0; i < 6; i++)
		list[i] = &r[i];
	more = checkpoint(&h, 4, 0, note);
	send_at(s, list, 6, &more, HOST_NOW_NS);
	assert_int_equal(ack->fault, A(NONE));
	assert_int_equal(ack->witnessed_size, 4);
	assert_int_equal(store_chain_get(s, h.chain, &c), 0);
	assert_int_equal(c.covered, 4); /* by the checkpoint; 5 of 6 have no signature */
	verified(s);
	/* Nobody without the host's MAC key can add one. */
	r[6] = host_call(&h, "ann");
	r[6].mac[3] ^= 1;
	list[0] = &r[6];
	send_at(s, list, 1, NULL, HOST_NOW_NS);
	assert_int_equal(ack->fault, A(BAD_RECORD));
	assert_string_equal(newest(s).kind, "mac");
	r[6].mac[3] ^= 1;
	r[7] = host_end_epoch(&h);
	list[1] = &r[7];
	send_at(s, list, 2, NULL, HOST_NOW_NS);
	assert_int_equal(ack->fault, A(NONE));
	assert_int_equal(store_chain_get(s, h.chain, &c), 0);
	assert_int_equal(c.covered, 8); /* by the seal */
	verified(s);
	for (int i = 0; i < 8; i++)
		free(r[i].bytes);
	store_free(s);
}

/* --- payloads that were erased ---------------------------------------------------------------------- */

/* The same record without its payload. */
static struct host_record bare(const struct host_record *r)
{
	struct host_record b = *r;

	b.n = RECORD_HEADER_LEN;
	return b;
}

static int length_of(void *ctx, const struct store_record *r)
{
	*(size_t *)ctx = r->len;
	return 1;
}

static size_t held_bytes(struct store *s, uint64_t seq)
{
	size_t n = 0;

	assert_int_equal(store_records(s, start.chain, seq, length_of, &n), 1);
	return n;
}

static void test_erased_after_it_was_held(void **state)
{
	struct host_record without[3] = {bare(&rec[1]), bare(&rec[2]), bare(&rec[3])};
	const struct host_record *list[] = {&without[0], &without[1], &without[2]};
	struct host_more more = {.seed = seed};
	struct store *s = fresh_store();

	send(s, 0, 5, &more);
	send_at(s, list, 3, NULL, HOST_NOW_NS);
	assert_int_equal(ack->fault, A(NONE));
	assert_int_equal(res.held, 3);
	assert_string_equal(newest(s).kind, "");
	for (int i = 1; i < 4; i++)
		assert_int_equal(held_bytes(s, i), rec[i].n);
	verified(s);
	store_free(s);
}

static void test_erased_before_it_was_held(void **state)
{
	static struct host h;
	Probity__V1__Control c = PROBITY__V1__CONTROL__INIT;
	struct host_record without[2] = {bare(&rec[1]), bare(&rec[2])}, erase[2];
	const struct host_record *list[] = {&rec[0], &without[0], &without[1], &rec[3]};
	const struct host_record *word[] = {&erase[0], &erase[1]}, *with[] = {&rec[1], &rec[2]};
	struct host_more more = {.seed = seed};
	struct audit_finding first;
	struct store *s = fresh_store();

	send_at(s, list, 4, &more, HOST_NOW_NS);
	assert_int_equal(ack->fault, A(NONE));
	assert_int_equal(res.added, 4);
	assert_string_equal(newest(s).kind, "erased");
	assert_int_equal(newest(s).seq, 1);
	assert_int_equal(newest(s).count, 1); /* one word for all of a batch */
	assert_int_equal(audit(s, 0, &first).findings, 1);
	assert_string_equal(first.kind, "erased");
	assert_int_equal(first.seq, 1);
	/* With their payloads they come too late: what is held stays what it is. */
	send_at(s, with, 2, NULL, HOST_NOW_NS);
	assert_int_equal(res.held, 2);
	assert_int_equal(held_bytes(s, 1), RECORD_HEADER_LEN);
	/* The host answers for one, then for the other. */
	h = at[4];
	c.kind = PROBITY__V1__CONTROL__KIND__ERASE;
	c.first_seq = c.last_seq = 2;
	erase[0] = host_control(&h, &c);
	c.first_seq = 0;
	erase[1] = host_control(&h, &c);
	send_at(s, word, 1, NULL, HOST_NOW_NS);
	assert_int_equal(audit(s, 0, &first).findings, 1);
	assert_int_equal(first.seq, 1);
	send_at(s, word + 1, 1, NULL, HOST_NOW_NS);
	assert_int_equal(ack->fault, A(NONE));
	verified(s);
	free(erase[0].bytes);
	free(erase[1].bytes);
	store_free(s);
}

/* --- bounds ------------------------------------------------------------------------------------------ */

/* A checkpoint far behind what is held is judged from an edge that was kept, not from the first record: the
 * leaves below that edge are not even there. */
static void test_edges(void **state)
{
	struct store *s = fresh_store();
	struct host_more more = {.seed = seed};
	struct tree_edge e = {0}, kept;
	struct tree_hash root, want;
	struct audit_finding first;
	const uint64_t size = SEAL(1);
	char note[1024];

	send(s, 0, recs, &more);
	assert_int_equal(store_edge_before(s, start.chain, recs, &kept), -ENOENT);
	for (uint64_t i = 0; i < size; i++)
		tree_add(&e, &end.leaf[i]);
	assert_int_equal(store_begin(s), 0);
	assert_int_equal(store_edge_add(s, start.chain, &e), 0);
	assert_int_equal(store_commit(s), 0);
	assert_int_equal(store_edge_before(s, start.chain, size - 1, &kept), -ENOENT);
	assert_int_equal(store_edge_before(s, start.chain, recs, &kept), 0);
	assert_int_equal(kept.size, size);
	tree_root(&e, &want);
	tree_root(&kept, &root);
	assert_memory_equal(&root, &want, sizeof(root));
	more = checkpoint(&at[size + 3], size + 2, 0, note);
	send(s, 0, 0, &more);
	assert_int_equal(ack->fault, A(NONE));
	assert_int_equal(ack->witnessed_size, size + 2);
	verified(s);
	/* One that is not of these records is found. */
	e.peak[0].b[0] ^= 1;
	for (int i = 1; i < 64; i++)
		e.peak[i].b[0] ^= 1;
	e.size = size + 1;
	assert_int_equal(store_begin(s), 0);
	assert_int_equal(store_edge_add(s, start.chain, &e), 0);
	assert_int_equal(store_commit(s), 0);
	assert_int_equal(audit(s, 0, &first).findings, 1);
	assert_string_equal(first.kind, "tree");
	assert_int_equal(first.seq, size + 1);
	store_free(s);
}

static void test_many_chains(void **state)
{
	struct store *s = fresh_store();
	struct store_chain c = {.cn = "alpha", .state_len = 1};
	struct host_more more = {.seed = seed};
	int64_t n;

	assert_int_equal(store_begin(s), 0);
	for (uint32_t i = 0; i < INGEST_CHAINS_MAX; i++) {
		memcpy(c.id, &i, sizeof(i));
		assert_int_equal(store_chain_put(s, &c), 0);
	}
	assert_int_equal(store_commit(s), 0);
	assert_int_equal(store_chains_of(s, "alpha", &n), 0);
	assert_int_equal(n, INGEST_CHAINS_MAX);
	send(s, 0, 3, &more);
	assert_int_equal(ack->fault, A(BAD_RECORD));
	assert_true(ack->empty);
	assert_string_equal(newest(s).kind, "many_chains");
	/* Another name has room. */
	assert_int_equal(store_begin(s), 0);
	memset(c.id, 0, sizeof(c.id));
	assert_int_equal(store_chains_of(s, "beta", &n), 0);
	assert_int_equal(n, 0);
	store_rollback(s);
	store_free(s);
}

static void test_second_seed(void **state)
{
	struct store *s = fresh_store();
	uint8_t other[MAC_LEN] = {9};
	struct host_more more = {.seed = seed};

	send(s, 0, 3, &more);
	more.seed = other;
	send(s, 3, 2, &more);
	assert_int_equal(ack->fault, A(NONE));
	assert_int_equal(res.added, 2);
	assert_string_equal(newest(s).kind, "mac_seed");
	verified(s);
	store_free(s);
}

/* --- holes over epochs ----------------------------------------------------------------------------- */

/* Seals of the good chain: behind the calls of each epoch. */

struct hole_case {
	const char *name;
	size_t held, next; /* records below are held; comes next */
	int seals[4];	   /* record numbers, 0 ends */
	bool good, edge, short_edge;
};
static const struct hole_case holes[] = {
	{"inside an epoch", 2, 5, {0}, true, true, false},
	{"over a seal", 3, SEAL(0) + 3, {SEAL(0)}, true, true, false},
	{"over two seals", 3, SEAL(1) + 2, {SEAL(0), SEAL(1)}, true, true, false},
	{"up to a seal", 3, SEAL(0) + 1, {SEAL(0)}, true, true, false},
	{"begins with an epoch", SEAL(0) + 1, SEAL(0) + 4, {0}, true, true, false},
	{"a whole epoch", SEAL(0) + 1, SEAL(1) + 1, {SEAL(1)}, true, true, false},
	{"a seal is missing", 3, SEAL(1) + 2, {SEAL(1)}, false, true, false},
	{"the seals stop short", 3, SEAL(1) + 2, {SEAL(0)}, false, true, false},
	{"no seals", 3, SEAL(0) + 3, {0}, false, true, false},
	{"no edge", 3, SEAL(0) + 3, {SEAL(0)}, false, false, false},
	{"an edge of another size", 3, SEAL(0) + 3, {SEAL(0)}, false, true, true},
	{"begins late", 0, SEAL(1) + 3, {SEAL(0), SEAL(1)}, true, true, false},
	{"begins late with an epoch", 0, SEAL(0) + 1, {SEAL(0)}, true, true, false},
	{"begins late, a seal is missing", 0, SEAL(1) + 3, {SEAL(0)}, false, true, false},
};

static void run_hole(const struct hole_case *t)
{
	static struct host later;
	const struct host_record *seals[4];
	struct store *s = fresh_store();
	struct host_more more = {.seed = seed, .tree = &end};
	struct host_record loss;
	struct audit_result r;
	char note[1024];

	print_message("# %s\n", t->name);
	if (t->held)
		send(s, 0, t->held, &more);
	later = end; /* it says so in its last epoch */
	loss = host_loss(&later, "records", t->next - t->held, t->held, t->next - 1);
	for (; t->seals[more.seals_n]; more.seals_n++)
		seals[more.seals_n] = &rec[t->seals[more.seals_n]];
	more.seals = seals;
	if (t->held) {
		more.loss = &loss;
		/* On to the epoch of the loss record. */
		for (int e = 0; e < 3; e++)
			if ((size_t)SEAL(e) >= t->next)
				seals[more.seals_n++] = &rec[SEAL(e)];
	}
	more.edge_at = t->edge ? t->next - t->short_edge : 0;
	more.edge_from = t->held;
	send(s, t->next, recs - t->next, &more);
	assert_int_equal(ack->fault, t->good ? A(NONE) : A(GAP));
	assert_int_equal(res.added, t->good ? recs - t->next : 0);
	r = verified(s);
	assert_int_equal(r.declared, t->good ? t->next - t->held : 0);
	if (t->good) {
		/* The tree goes on behind it: a checkpoint of the whole is taken. */
		more = checkpoint(&end, recs, 0, note);
		send(s, recs, 0, &more);
		assert_int_equal(ack->fault, A(NONE));
		assert_int_equal(ack->witnessed_size, recs);
		verified(s);
	}
	free(loss.bytes);
	store_free(s);
}

static void test_holes(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(holes); i++)
		run_hole(&holes[i]);
}

/* A hole's edge that is not the tree's: the consistency proof does not fit. */
static void test_false_edge(void **state)
{
	static struct host liar;
	struct store *s = fresh_store();
	struct host_more more = {.seed = seed, .tree = &liar, .edge_at = 5, .edge_from = 2};
	struct host_record loss;

	liar = at[5];
	liar.leaf[1].b[0] ^= 1;
	send(s, 0, 2, NULL);
	loss = host_loss(&liar, "records", 3, 2, 4);
	more.loss = &loss;
	send(s, 5, 1, &more);
	assert_int_equal(ack->fault, A(GAP));
	assert_non_null(strstr(ack->error, "edge"));
	verified(s);
	free(loss.bytes);
	store_free(s);
}

/* --- attacks by the host's own keys ----------------------------------------------------------------- */

/* Each gives the record it hands in behind the first `held`; h is the host before record `held`. */
static struct host_record edited(struct host *h)
{
	*h = at[3];
	return host_call(h, "mallory");
}
static struct host_record started_again(struct host *h)
{
	*h = at[4];
	return host_start(h, signer_public(h->keys[0]));
}
static struct host_record resealed(struct host *h)
{
	*h = at[3];
	h->signer = h->keys[2]; /* the stolen one */
	h->epoch = 2;
	return host_call(h, "mallory");
}
static struct host_record second_seal(struct host *h)
{
	struct host_record r;

	*h = at[SEAL(0)];
	r = host_end_epoch(h);
	free(r.bytes);
	h->signer = h->keys[0];
	h->epoch = 0;
	h->epoch_first = 0;
	memcpy(h->mac.k, seed, MAC_LEN);
	h->mac.epoch = 0;
	return host_end_epoch(h);
}
static struct host_record no_seal(struct host *h)
{
	*h = at[4];
	h->signer = h->keys[1];
	h->epoch = 1;
	mac_ratchet(&h->mac);
	return host_call(h, "ann");
}
static struct host_record old_epoch(struct host *h)
{
	*h = at[SEAL(0) + 1];
	h->signer = h->keys[0];
	h->epoch = 0;
	return host_call(h, "ann");
}
static struct host_record old_key(struct host *h)
{
	*h = at[SEAL(0) + 2];
	h->signer = h->keys[0];
	return host_call(h, "ann");
}
static struct host_record new_key(struct host *h)
{
	*h = at[4];
	h->signer = h->keys[5];
	return host_call(h, "ann");
}
static struct host_record back_dated(struct host *h)
{
	*h = at[4];
	h->wall_off_ns -= 5000000000;
	return host_call(h, "ann");
}
static struct host_record other_boot(struct host *h)
{
	*h = at[4];
	h->boot_id[0] = 7;
	return host_call(h, "ann");
}
static struct host_record too_late(struct host *h)
{
	*h = at[4];
	h->wall_off_ns = h->boot_off_ns = HOST_EPOCH_NS + EPOCH_GRACE_NS;
	return host_call(h, "ann");
}
static struct host_record false_tree(struct host *h)
{
	*h = at[4];
	h->leaf[1].b[0] ^= 1;
	return host_end_epoch(h);
}
static struct host_record false_epoch_first(struct host *h)
{
	*h = at[4];
	h->epoch_first = 2;
	return host_end_epoch(h);
}
static struct host_record false_mac(struct host *h)
{
	struct host_record r;

	*h = at[4];
	r = host_call(h, "ann");
	r.mac[31] ^= 1;
	return r;
}

static const struct attack {
	const char *name;
	struct host_record (*make)(struct host *h);
	size_t held;
	int fault;
	const char *kind;
	enum store_severity severity;
} attacks[] = {
	{"edit", edited, 10, A(FORK), "fork", STORE_CRITICAL},
	{"tail cut, and started again", started_again, 10, A(FORK), "rollback", STORE_CRITICAL},
	{"history sealed anew with a stolen current key", resealed, SEAL(2) + 2, A(FORK),
	 "resealed", STORE_CRITICAL},
	{"two seals of one epoch", second_seal, SEAL(0) + 1, A(BAD_RECORD), "two_seals",
	 STORE_CRITICAL},
	{"an epoch without a seal", no_seal, 4, A(BAD_RECORD), "missing_seal", STORE_CRITICAL},
	{"a record of a sealed epoch", old_epoch, SEAL(0) + 1, A(BAD_RECORD), "epoch", STORE_HIGH},
	{"the key of an epoch that has ended", old_key, SEAL(0) + 2, A(WRONG_KEY), "old_key",
	 STORE_HIGH},
	{"a key nobody named", new_key, 4, A(WRONG_KEY), "wrong_key", STORE_HIGH},
	{"back-dated", back_dated, 4, A(BAD_RECORD), "back_dated", STORE_HIGH},
	{"another boot without a start", other_boot, 4, A(BAD_RECORD), "back_dated", STORE_HIGH},
	{"a seal overdue", too_late, 4, A(BAD_RECORD), "missing_seal", STORE_CRITICAL},
	{"a seal of another tree", false_tree, 4, A(BAD_RECORD), "tree", STORE_CRITICAL},
	{"a seal that hides the epoch's beginning", false_epoch_first, 4, A(BAD_RECORD), "bad_seal",
	 STORE_CRITICAL},
	{"a MAC that is wrong", false_mac, 4, A(BAD_RECORD), "mac", STORE_CRITICAL},
};

static void test_attacks(void **state)
{
	static struct host h;

	for (size_t i = 0; i < ARRAY_SIZE(attacks); i++) {
		const struct attack *t = &attacks[i];
		struct store *s = fresh_store();
		struct host_more more = {.seed = seed};
		struct host_record r = t->make(&h);
		const struct host_record *list[] = {&r};
		struct store_finding f;

		print_message("# %s\n", t->name);
		send(s, 0, t->held, &more);
		assert_int_equal(res.added, t->held);
		send_at(s, list, 1, NULL, HOST_NOW_NS);
		f = newest(s);
		assert_int_equal(ack->fault, t->fault);
		assert_string_equal(f.kind, t->kind);
		assert_int_equal(f.severity, t->severity);
		assert_int_equal(f.evidence_len, r.n);
		assert_true(res.alarm[0]);
		assert_int_equal(ack->last_seq, t->held - 1);
		verified(s);
		/* The good history goes on as if nothing had been. */
		send(s, t->held, recs - t->held, NULL);
		assert_int_equal(ack->fault, A(NONE));
		verified(s);
		free(r.bytes);
		store_free(s);
	}
}

/* --- checkpoints ----------------------------------------------------------------------------------- */

static void check_cosigned(uint64_t size, int64_t unix_s)
{
	const char *vkey = witness_vkey(witness), *why;
	struct note_key key;
	struct checkpoint c;
	struct note n;
	uint64_t when;

	assert_int_equal(ack->fault, A(NONE));
	assert_int_equal(ack->witnessed_size, size);
	assert_int_equal(note_parse(ack->cosigned, strlen(ack->cosigned), &n, &why), 0);
	assert_int_equal(checkpoint_parse(n.text, n.text_n, &c, &why), 0);
	assert_int_equal(c.size, size);
	assert_int_equal(note_vkey_parse_of(vkey, strlen(vkey), NOTE_COSIGNATURE, &key), 0);
	assert_int_equal(cosignature_verify(&n, &key, &when), 0);
	assert_int_equal(when, unix_s);
}

static void test_cosigned(void **state)
{
	const int64_t now_s = HOST_NOW_NS / 1000000000;
	struct store *s = fresh_store();
	struct host_more more;
	char note[1024];
	uint64_t entries;

	more = checkpoint(&at[5], 5, 0, note);
	send(s, 0, 5, &more);
	check_cosigned(5, now_s);
	/* Its answer was lost: the same again, from where the host thinks it is. */
	send(s, 0, 0, &more);
	check_cosigned(5, now_s);
	/* The next, over a seal, of a size inside what is sent. */
	more = checkpoint(&at[SEAL(0) + 3], SEAL(0) + 2, 5, note);
	send(s, 5, SEAL(0), &more);
	check_cosigned(SEAL(0) + 2, now_s);
	/* From a size that is not ours: told so, and no finding. */
	more = checkpoint(&at[SEAL(0) + 4], SEAL(0) + 4, 5, note);
	send(s, 0, 0, &more);
	assert_int_equal(ack->fault, A(CHECKPOINT));
	assert_int_equal(ack->witnessed_size, SEAL(0) + 2);
	assert_string_equal(newest(s).kind, "");
	more = checkpoint(&at[SEAL(0) + 4], SEAL(0) + 4, SEAL(0) + 2, note);
	send(s, 0, 0, &more);
	check_cosigned(SEAL(0) + 4, now_s);
	/* Of records that are not held yet. */
	more = checkpoint(&end, recs, SEAL(0) + 4, note);
	send(s, 0, 0, &more);
	assert_int_equal(ack->fault, A(CHECKPOINT));
	assert_string_equal(newest(s).kind, "");
	verified(s);
	assert_int_equal(store_ledger_count(s, &entries), 0);
	assert_int_equal(entries, 3); /* what was answered twice is there once */
	store_free(s);
}

enum trick {
	OLDER,
	OTHER_ROOT,
	SAME_SIZE_OTHER_ROOT,
	FORMER_KEY,
	NO_KEY,
	BAD_PROOF,
	OTHER_LOG,
	NO_NOTE
};
static const struct refusal {
	const char *name;
	enum trick trick;
	const char *kind;
	enum store_severity severity;
} refusals[] = {
	{"rollback: an older one", OLDER, "rollback", STORE_CRITICAL},
	{"fork: another tree", OTHER_ROOT, "fork", STORE_CRITICAL},
	{"fork: another tree of the size cosigned", SAME_SIZE_OTHER_ROOT, "fork", STORE_CRITICAL},
	{"signed with the key of an epoch that had ended", FORMER_KEY, "wrong_key", STORE_HIGH},
	{"signed with a key nobody named", NO_KEY, "wrong_key", STORE_HIGH},
	{"a proof that is wrong", BAD_PROOF, "bad_proof", STORE_LOW},
	{"of another log", OTHER_LOG, "bad_checkpoint", STORE_MEDIUM},
	{"no note", NO_NOTE, "bad_checkpoint", STORE_MEDIUM},
};

/* Behind a store that holds all but two records, of which SEAL(1) + 3 are cosigned. */
static struct host_more trick_of(enum trick t, struct host *h, char note[static 1024])
{
	const uint64_t held = SEAL(1) + 3, size = SEAL(2);
	struct host_more more;

	*h = at[size];
	switch (t) {
	case OLDER:
		return checkpoint(h, held - 2, held, note);
	case OTHER_ROOT:
		h->leaf[size - 2].b[0] ^= 1;
		break;
	case SAME_SIZE_OTHER_ROOT:
		h->leaf[2].b[0] ^= 1;
		return checkpoint(h, held, held, note);
	case FORMER_KEY:
		h->signer = h->keys[1];
		break;
	case NO_KEY:
		h->signer = h->keys[6];
		break;
	case BAD_PROOF:
		more = checkpoint(h, size, held, note);
		more.size--; /* the proof of another size */
		return more;
	case OTHER_LOG:
		h->chain[0]++;
		break;
	case NO_NOTE:
		more = checkpoint(h, size, held, note);
		strchr(note, '\n')[0] = ' ';
		return more;
	}
	return checkpoint(h, size, held, note);
}

static void test_refused_checkpoints(void **state)
{
	static struct host h;

	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		const struct refusal *t = &refusals[i];
		struct store *s = fresh_store();
		struct host_more more;
		struct store_finding f;
		char note[1024];

		print_message("# %s\n", t->name);
		more = checkpoint(&at[SEAL(1) + 3], SEAL(1) + 3, 0, note);
		send(s, 0, recs - 2, &more);
		check_cosigned(SEAL(1) + 3, HOST_NOW_NS / 1000000000);
		more = trick_of(t->trick, &h, note);
		send(s, recs - 2, 1, &more);
		assert_int_equal(ack->fault, A(CHECKPOINT));
		assert_int_equal(res.added, 1); /* the record is taken all the same */
		assert_int_equal(ack->witnessed_size, SEAL(1) + 3);
		assert_string_equal(ack->cosigned, "");
		f = newest(s);
		assert_string_equal(f.kind, t->kind);
		assert_int_equal(f.severity, t->severity);
		assert_int_equal(f.evidence_len, strlen(note));
		verified(s);
		store_free(s);
	}
}

/* A clock that is set back, as the host itself says, to before what was cosigned. */
static void test_back_dated_with_a_word(void **state)
{
	static struct host h;
	struct store *s = fresh_store();
	struct host_more more;
	struct host_record r[2];
	const struct host_record *list[] = {&r[0], &r[1]};
	char note[1024];

	more = checkpoint(&at[5], 5, 0, note);
	send(s, 0, 5, &more);
	h = at[5];
	r[0] = host_clock_step(&h, -2 * INGEST_CLOCK_NS);
	r[1] = host_call(&h, "ann");
	send_at(s, list, 2, NULL, HOST_NOW_NS);
	assert_int_equal(ack->fault, A(NONE));
	assert_int_equal(res.added, 2);
	assert_string_equal(newest(s).kind, "back_dated");
	assert_int_equal(newest(s).seq, 5);
	verified(s);
	free(r[0].bytes);
	free(r[1].bytes);
	/* And one from the future. */
	send_at(s, (const struct host_record *const[]){&rec[5]}, 0, NULL, HOST_NOW_NS);
	store_free(s);
	s = fresh_store();
	send_at(s, (const struct host_record *const[]){&rec[0]}, 1, NULL,
		HOST_FIRST_WALL_NS - INGEST_CLOCK_NS - 2);
	assert_int_equal(ack->fault, A(NONE));
	assert_string_equal(newest(s).kind, "future_time");
	store_free(s);
}

/* --- silence --------------------------------------------------------------------------------------- */

static unsigned said;

static void on_said(const char *line)
{
	print_message("#   %s\n", line);
	said++;
}

static void test_silence(void **state)
{
	const int64_t due = HOST_NOW_NS + (int64_t)(HOST_EPOCH_NS + EPOCH_GRACE_NS);
	static struct host h;
	struct store *s = fresh_store();
	struct host_record r[2];
	const struct host_record *list[] = {&r[0], &r[1]};
	struct audit_finding first;

	said = 0;
	send(s, 0, 5, NULL);
	assert_int_equal(silence_check(s, due, on_said), 0);
	assert_int_equal(said, 0);
	assert_int_equal(audit(s, due, &first).findings, 0);
	assert_int_equal(silence_check(s, due + 1, on_said), 0);
	assert_int_equal(said, 1);
	assert_int_equal(audit(s, due + 1, &first).findings, 1);
	assert_string_equal(first.kind, SILENCE_KIND);
	/* Once, until it is heard of again. */
	assert_int_equal(silence_check(s, due + 2, on_said), 0);
	assert_int_equal(said, 1);
	assert_string_equal(newest(s).kind, SILENCE_KIND);
	assert_int_equal(newest(s).closed_ns, 0);
	send_at(s, (const struct host_record *const[]){&rec[5]}, 1, NULL, due + 10);
	assert_int_equal(newest(s).closed_ns, due + 10);
	assert_int_equal(silence_check(s, due + 11, on_said), 0);
	assert_int_equal(said, 1);
	assert_int_equal(silence_check(s, 2 * due, on_said), 0);
	assert_int_equal(said, 2);
	/* An agent that says that it ends may be silent. */
	h = at[6];
	r[0] = host_stop(&h);
	r[1] = host_end_epoch(&h);
	send_at(s, list, 2, NULL, due + 20);
	assert_int_equal(ack->fault, A(NONE));
	assert_int_equal(silence_check(s, 3 * due, on_said), 0);
	assert_int_equal(said, 2);
	assert_int_equal(audit(s, 3 * due, &first).findings, 0);
	free(r[0].bytes);
	free(r[1].bytes);
	store_free(s);
}

/* --- the collector's own log ------------------------------------------------------------------------ */

static void test_ledger(void **state)
{
	struct store *s = fresh_store();
	struct ledger *l = NULL;
	struct tree_hash h[TILE_WIDTH], want;
	const char *vkey = witness_log_vkey(witness), *why;
	struct note_key key;
	struct checkpoint c;
	struct note n;
	char err[512], note[1024];
	struct host_more more;
	uint64_t size, last = 0;

	assert_int_equal(note_vkey_parse(vkey, strlen(vkey), &key), 0);
	send(s, 0, recs, NULL);
	assert_int_equal(ledger_open(dir, s, witness, &l, err, sizeof(err)), 0);
	assert_int_equal(ledger_publish(l), 0);
	assert_string_equal(ledger_checkpoint(l), "");
	for (uint64_t i = 3; i < recs; i += 3) {
		more = checkpoint(&end, i, last, note);
		last = i;
		send(s, 0, 0, &more);
		assert_int_equal(ack->fault, A(NONE));
		assert_int_equal(ledger_publish(l), 0);
		assert_int_equal(ledger_size(l), i / 3);
		/* As after a restart. */
		ledger_free(l);
		assert_int_equal(ledger_open(dir, s, witness, &l, err, sizeof(err)), 0);
	}
	assert_int_equal(note_parse(ledger_checkpoint(l), strlen(ledger_checkpoint(l)), &n, &why),
			 0);
	assert_int_equal(note_verify(&n, &key, NULL), 0);
	assert_int_equal(checkpoint_parse(n.text, n.text_n, &c, &why), 0);
	assert_string_equal(c.origin, "col.example/log");
	/* What was cosigned last is its last entry, and a narrower tile is the beginning of a wider. */
	tree_leaf(ack->cosigned, strlen(ack->cosigned), &want);
	assert_int_equal(ledger_tile(l, 0, 0, c.size, h), 0);
	assert_memory_equal(&h[c.size - 1], &want, sizeof(want));
	assert_int_equal(ledger_tile(l, 0, 0, 2, h), 0);
	assert_int_equal(ledger_tile(l, 0, 0, c.size + 1, h), -ENOENT);
	assert_int_equal(ledger_tile(l, 0, UINT64_MAX / 2, 1, h), -ENOENT);
	assert_int_equal(ledger_check(dir, s, &key, &size, err, sizeof(err)), 0);
	assert_int_equal(size, c.size);
	ledger_free(l);
	/* A store that was put back behind what was signed is seen, and nothing is signed on it. */
	store_free(s);
	s = fresh_store();
	assert_int_equal(ledger_open(dir, s, witness, &l, err, sizeof(err)), -EUCLEAN);
	assert_int_equal(ledger_check(dir, s, &key, &size, err, sizeof(err)), -EBADMSG);
	print_message("# %s\n", err);
	store_free(s);
}

/* --- judging, as C2SP says -------------------------------------------------------------------------- */

static void test_judge(void **state)
{
	static const struct {
		bool held;
		uint64_t held_size, old, size;
		bool other_root, proof;
		enum witness_verdict want;
	} t[] = {
		{false, 0, 0, 9, false, false, WITNESS_FINE},
		{false, 0, 0, 0, false, false, WITNESS_FINE},
		{false, 0, 0, 0, true, false, WITNESS_FORK},
		{false, 0, 0, 9, false, true, WITNESS_BAD_PROOF},
		{false, 0, 4, 9, false, true, WITNESS_CONFLICT},
		{true, 5, 5, 9, false, true, WITNESS_FINE},
		{true, 5, 5, 9, true, true, WITNESS_BAD_PROOF},
		{true, 5, 5, 9, false, false, WITNESS_BAD_PROOF},
		{true, 5, 4, 9, false, true, WITNESS_CONFLICT},
		{true, 5, 0, 9, false, false, WITNESS_CONFLICT},
		{true, 5, 5, 5, false, false, WITNESS_FINE},
		{true, 5, 5, 5, true, false, WITNESS_FORK},
		{true, 9, 9, 5, false, false, WITNESS_TOO_OLD},
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct store_witness w = {.edge = {.size = t[i].held_size}};
		struct checkpoint c = {.size = t[i].size};
		struct tree_hash path[TREE_PATH_MAX] = {{{0}}};
		size_t n = 0;

		print_message("# row %zu\n", i);
		host_root(&end, t[i].held_size, &w.root);
		host_root(&end, t[i].size, &c.root);
		if (t[i].other_root)
			c.root.b[5] ^= 1;
		if (t[i].proof)
			assert_int_equal(tree_consistency(t[i].old ?: 1, t[i].size, host_tree, &end,
							  path, &n),
					 0);
		assert_int_equal(witness_judge(t[i].held ? &w : NULL, t[i].old, &c, path, n),
				 t[i].want);
	}
}

static void test_logs_file(void **state)
{
	char path[80], err[256], text[1024];
	const char *own = witness_log_vkey(witness);
	struct witness *w = NULL;
	int lines[] = {0, 3, 1};

	for (int i = 0; i < 3; i++) {
		snprintf(text, sizeof(text),
			 i == 1 ? "# logs\nlog %s\nlogs %s\n" : "%slog %s https://a.example/\n",
			 i == 2 ? "witness x\n"
			 : i	? own
				: "\n # none\n",
			 own);
		snprintf(path, sizeof(path), "%s/logs", dir);
		assert_int_equal(fs_write_atomic(path, text, strlen(text), 0600), 0);
		assert_int_equal(witness_open(dir, "col.example", &w, err, sizeof(err)), 0);
		if (!lines[i]) {
			assert_int_equal(witness_logs_read(w, path, err, sizeof(err)), 0);
			assert_non_null(witness_log_key(w, "col.example/log", 0));
			assert_null(witness_log_key(w, "col.example/log", 1));
			assert_null(witness_log_key(w, "col.example", 0));
		} else {
			char want[16];

			assert_int_equal(witness_logs_read(w, path, err, sizeof(err)), -EINVAL);
			snprintf(want, sizeof(want), "line %d:", lines[i]);
			assert_non_null(strstr(err, want));
		}
		witness_free(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_epochs_and_macs),
		cmocka_unit_test(test_records_without_signature),
		cmocka_unit_test(test_erased_after_it_was_held),
		cmocka_unit_test(test_erased_before_it_was_held),
		cmocka_unit_test(test_edges),
		cmocka_unit_test(test_many_chains),
		cmocka_unit_test(test_second_seed),
		cmocka_unit_test(test_holes),
		cmocka_unit_test(test_false_edge),
		cmocka_unit_test(test_attacks),
		cmocka_unit_test(test_cosigned),
		cmocka_unit_test(test_refused_checkpoints),
		cmocka_unit_test(test_back_dated_with_a_word),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_ledger),
		cmocka_unit_test(test_judge),
		cmocka_unit_test(test_logs_file),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
