// SPDX-License-Identifier: Apache-2.0
/*
 * The attack table, as far as it can be told from files: each attack is carried out on a spool made by the
 * real code, with what it takes really chained, signed and framed again. Three readings of each: by an
 * auditor who has the key of the chain's first epoch and nothing else; by one who also has a checkpoint from
 * before, as the witness keeps it; by one who has the seed of the MACs. Where only somebody who remembers can
 * tell, the first reading is expected to verify: that is what the claims say, no more.
 * Long because each row of the table needs an attacker of its own.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/file.h>

#include "base/cleanup.h"
#include "forge.h"

#define EPOCHS 4 /* the last is open: its keys are the stolen ones */
#define HOUR_NS 3600000000000ull

static struct chainlet c;
static struct forge g;
static uint8_t seed[MAC_LEN], first_public[RECORD_PUBKEY_LEN];
static char known[2048]; /* the newest checkpoint, as the witness has it */
static size_t known_n;
static size_t seal[EPOCHS]; /* where each epoch's SEAL is in g */

static void read_known(void)
{
	_cleanup_free_ char *text = NULL;
	char path[160];

	snprintf(path, sizeof(path), "%s/checkpoint", c.spool);
	assert_int_equal(fs_read(path, sizeof(known), &text, &known_n), 0);
	memcpy(known, text, known_n);
}

static void shell(const char *what)
{
	char command[512];

	snprintf(command, sizeof(command), "cd %s && %s", c.dir, what);
	assert_int_equal(system(command), 0);
}

static int setup_of(bool by_checkpoint)
{
	uint64_t id = 0;

	chainlet_new(&c);
	c.by_checkpoint = by_checkpoint;
	assert_true(epochs_seed(c.epochs, seed));
	chainlet_open(&c, 1200, NULL);
	chainlet_start(&c);
	for (unsigned e = 0; e < EPOCHS; e++) {
		for (unsigned i = 0; i < 3; i++, id++)
			chainlet_add(&c, id + 1, 30);
		if (e + 1 == EPOCHS)
			break;
		assert_int_equal(spool_end_epoch(c.s, "time", false), 0);
		assert_int_equal(spool_commit(c.s), 0);
		assert_int_equal(spool_checkpoint(c.s), 0);
		if (e == 1)
			shell("cp -a spool before");
	}
	assert_int_equal(spool_checkpoint(c.s), 0);
	chainlet_close(&c);
	assert_int_equal(epochs_chain_public(c.epochs, first_public), 0);
	read_known();
	forge_load(&g, &c);
	g.key = epochs_signer(c.epochs);
	g.mac = epochs_mac(c.epochs);
	for (size_t i = 0, e = 0; i < g.n; i++)
		if (forge_is(&g.f[i], PROBITY__V1__CONTROL__KIND__SEAL))
			seal[e++] = i;
	assert_int_equal(seal[0], 4);
	assert_int_equal(g.n, seal[2] + 4);
	return 0;
}

static int setup(void **state)
{
	return setup_of(false);
}

static int teardown(void **state)
{
	chainlet_done(&c);
	return 0;
}

/* --- the attacks ----------------------------------------------------------------------------------- */

enum { OLD = 2 }; /* a record of epoch 0 */
#define ALL (FORGE_HEAD | FORGE_SEALS | FORGE_CHECKPOINT)

static size_t newest(void)
{
	return g.n - 2;
}

static void edit(void)
{
	g.f[OLD].payload[25] ^= 1;
	forge_write(&g, &c, false, false, 0);
}

static void edit_and_hash(void) /* the payload's hash made right, and the signature left */
{
	struct signer *mine = g.key;

	g.f[OLD].payload[25] ^= 1;
	g.f[OLD].keep = false;
	g.key = mine;
	forge_write(&g, &c, false, false, 0);
}

static void edit_rechained(void)
{
	g.f[OLD].payload[25] ^= 1;
	g.f[OLD].keep = false;
	forge_write(&g, &c, true, true, ALL);
}

static void edit_open_epoch(void) /* with all that is stolen: the open epoch is the thief's */
{
	g.f[newest()].payload[25] ^= 1;
	g.f[newest()].keep = false;
	forge_write(&g, &c, true, false, ALL);
}

static void edit_open_epoch_without_mac(void)
{
	g.mac = NULL;
	edit_open_epoch();
}

static void middle_delete(void)
{
	forge_remove(&g, seal[1] - 1);
	forge_write(&g, &c, false, false, 0);
}

static void middle_delete_rechained(void)
{
	forge_remove(&g, seal[1] - 1);
	forge_write(&g, &c, true, true, ALL);
}

static void middle_delete_open_epoch(void)
{
	forge_remove(&g, newest());
	forge_write(&g, &c, true, false, ALL);
}

static void tail_cut(void)
{
	g.n -= 2;
	forge_write(&g, &c, false, false, 0);
}

static void tail_cut_with_head(void)
{
	g.n -= 2;
	forge_write(&g, &c, false, false, ALL);
}

/* Behind SEAL 2: the head of then was signed with a key that is still at hand. */
static void tail_cut_of_an_epoch(void)
{
	g.n = seal[1] + 1;
	forge_write(&g, &c, false, false, FORGE_HEAD | FORGE_CHECKPOINT);
}

static void rollback(void)
{
	shell("rm -r spool && mv before spool");
}

static void rollback_but_witnessed(void)
{
	rollback();
	forge_put(&c, "witnessed", known, known_n);
}

static void back_date_old(void)
{
	g.f[seal[0] + 2].r.wall_ns -= HOUR_NS;
	g.f[seal[0] + 2].keep = false;
	forge_write(&g, &c, true, true, ALL);
}

static void back_date_old_same_key_id(void)
{
	g.f[seal[0] + 2].r.wall_ns -= HOUR_NS;
	g.f[seal[0] + 2].keep = false;
	forge_write(&g, &c, true, false, ALL);
}

static void back_date_open_epoch(void)
{
	g.f[newest()].r.wall_ns -= HOUR_NS;
	g.f[newest()].keep = false;
	forge_write(&g, &c, true, false, ALL);
}

/* Everything again under the stolen key, from START on. */
static void reseal(void)
{
	forge_start(&g.f[0], signer_public(g.key));
	g.f[OLD].payload[25] ^= 1;
	forge_write(&g, &c, true, true, ALL);
}

static void empty_epoch(void)
{
	while (g.n && !forge_is(&g.f[seal[0] + 1], PROBITY__V1__CONTROL__KIND__SEAL))
		forge_remove(&g, seal[0] + 1);
	forge_write(&g, &c, true, true, ALL);
}

static void replay_all(void)
{
	for (size_t i = 0; i < g.n; i++) {
		while (i < g.n && forge_is(&g.f[i], PROBITY__V1__CONTROL__KIND__SEAL))
			forge_remove(&g, i);
		if (i == g.n)
			break;
		g.f[i].r.epoch = EPOCHS - 1;
		g.f[i].keep = false;
	}
	forge_write(&g, &c, true, true, ALL);
}

static struct forged *append(const struct forged *of)
{
	struct forged *o = &g.f[g.n], *last = &g.f[g.n - 1];

	*o = *of;
	o->keep = false;
	o->r.seq = g.n++;
	o->r.epoch = last->r.epoch;
	o->r.wall_ns = last->r.wall_ns;
	o->r.boot_ns = last->r.boot_ns;
	memcpy(o->r.key_id, last->r.key_id, sizeof(o->r.key_id));
	record_leaf(last->header, o->r.prev);
	return o;
}

static void replay_one(void)
{
	const struct forged *old = &g.f[OLD];
	struct forged *o = append(old);

	o->r.id = 0;
	o->r.wall_ns = old->r.wall_ns;
	o->r.boot_ns = old->r.boot_ns;
	forge_write(&g, &c, true, false, ALL);
}

static void seal_of_another_tree(void)
{
	struct forged *o = append(&g.f[seal[2]]);
	struct tree_hash root = {{1}};

	forge_seal(o, &root, seal[2] + 1, signer_public(g.key));
	forge_write(&g, &c, false, false, FORGE_HEAD);
}

static void tiles_of_another_tree(void)
{
	struct tree_hash leaves[FORGED_MAX];

	for (size_t i = 0; i < g.n; i++)
		record_leaf(g.f[i].header, leaves[i].b);
	leaves[OLD].b[0] ^= 1;
	forge_checkpoint(&g, &c, leaves, g.n);
}

static void seal_missing(void)
{
	forge_remove(&g, seal[2]);
	forge_write(&g, &c, true, false, ALL);
}

static void seal_overdue(void)
{
	g.f[g.n - 1].r.wall_ns += HOUR_NS;
	g.f[g.n - 1].r.boot_ns += HOUR_NS;
	g.f[g.n - 1].keep = false;
	forge_write(&g, &c, true, false, ALL);
}

static void two_seals(void)
{
	append(&g.f[seal[2]]);
	append(&g.f[seal[2]]);
	forge_write(&g, &c, true, false, ALL);
}

/* In the file `seals`, one of the past names the thief's key. */
static void seals_name_another_key(void)
{
	_cleanup_free_ char *text = NULL;
	struct forged *o = &g.f[seal[0]];
	uint8_t frame[1024];
	char path[160];
	size_t n, k;

	snprintf(path, sizeof(path), "%s/seals", c.spool);
	assert_int_equal(fs_read(path, 1 << 16, &text, &n), 0);
	forge_seal(o, &(struct tree_hash){{0}}, 0, signer_public(g.key));
	k = forge_frame(&g, o, frame);
	memcpy(text, frame, k);
	forge_put(&c, "seals", text, n);
}

static void erase_in_silence(void)
{
	g.f[OLD].erase = true;
	forge_write(&g, &c, false, false, 0);
}

static void control_payload_dropped(void)
{
	g.f[0].erase = true;
	forge_write(&g, &c, false, false, 0);
}

static void seal_payload_dropped(void)
{
	g.f[seal[2]].erase = true;
	forge_write(&g, &c, false, false, 0);
}

/* Without any key: a record that need not be signed. */
static void append_unsigned(void)
{
	struct forged *o = append(&g.f[OLD]);

	o->r.alg = RECORD_CHECKPOINT;
	o->r.id = 0;
	g.mac = NULL;
	forge_write(&g, &c, false, false, 0);
}

static const struct attack {
	const char *name;
	void (*run)(void);
	/* What is found with the key alone, with a checkpoint from before, with the seed; NULL: nothing. */
	const char *alone, *remembered, *macs;
} attacks[] = {
	{"edit", edit, "record", "record", "record"},
	{"edit, hash made right", edit_and_hash, "signature", "signature", "signature"},
	{"edit, chained again with the stolen key", edit_rechained, "key id", "key id", "key id"},
	{"edit in the open epoch with its keys", edit_open_epoch, NULL, "fork", NULL},
	{"the same without the MAC's key", edit_open_epoch_without_mac, NULL, "fork", "mac"},
	{"middle delete", middle_delete, "sequence", "sequence", "sequence"},
	{"middle delete, chained again", middle_delete_rechained, "key id", "key id", "key id"},
	{"middle delete in the open epoch", middle_delete_open_epoch, NULL, "uncovered", NULL},
	{"tail cut", tail_cut, "tail cut", "tail cut", "tail cut"},
	{"tail cut, head and checkpoint made again", tail_cut_with_head, NULL, "uncovered", NULL},
	{"tail cut of an epoch", tail_cut_of_an_epoch, "tail cut", "tail cut", "tail cut"},
	{"rollback", rollback, NULL, "uncovered", NULL},
	{"rollback, the witness's word left", rollback_but_witnessed, "uncovered", "uncovered",
	 "uncovered"},
	{"back-date in an old epoch", back_date_old, "key id", "key id", "key id"},
	{"back-date, the old key named", back_date_old_same_key_id, "signature", "signature",
	 "signature"},
	{"back-date in the open epoch", back_date_open_epoch, "time", "time", "time"},
	{"old epochs sealed again with the stolen key", reseal, "key id", "key id", "key id"},
	{"empty-epoch truncation", empty_epoch, "key id", "key id", "key id"},
	{"everything replayed under a newer key", replay_all, "epoch", "epoch", "epoch"},
	{"an old entry replayed in the open epoch", replay_one, "time", "time", "time"},
	{"SEAL of another tree", seal_of_another_tree, "tree", "tree", "tree"},
	{"tiles and checkpoint of another tree", tiles_of_another_tree, "tile,fork", "tile,fork",
	 "tile,fork"},
	{"SEAL missing", seal_missing, "epoch", "epoch", "epoch"},
	{"SEAL overdue", seal_overdue, "seal overdue", "seal overdue", "seal overdue"},
	{"two SEALs of one epoch", two_seals, "seal", "seal", "seal"},
	{"`seals` names another key", seals_name_another_key, "key id,signature",
	 "key id,signature", "key id,signature"},
	{"payload erased in silence", erase_in_silence, "erased", "erased", "erased"},
	{"START without its payload", control_payload_dropped, "record", "record", "record"},
	{"SEAL without its payload", seal_payload_dropped, "record", "record", "record"},
	{"unsigned record appended", append_unsigned, "uncovered", "uncovered", "mac"},
};

static struct verify_result verify(bool anchor, bool remembered, bool macs)
{
	const struct verify_known k = {"the witness's", known, known_n};
	const struct verify_options o = {
		.expect_public = anchor ? first_public : NULL,
		.known = &k,
		.known_n = remembered,
		.mac_seed = macs ? seed : NULL,
	};
	struct verify_result r;

	assert_int_equal(verify_dir(c.spool, &o, &r), 0);
	return r;
}

static void expect(const char *name, const char *how, const struct verify_result *r,
		   const char *kinds)
{
	if (kinds ? !r->ok && strstr(kinds, r->first.kind) && r->first.detail[0] : r->ok)
		return;
	fail_msg("%s, %s: %s in %s at record %llu (%s); expected %s", name, how,
		 r->ok ? "nothing" : r->first.kind, r->first.file, (unsigned long long)r->first.seq,
		 r->first.detail, kinds ?: "nothing");
}

static void the_table(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(attacks); i++) {
		const struct attack *a = &attacks[i];
		struct verify_result r;

		setup(NULL);
		r = verify(true, true, true);
		expect(a->name, "before", &r, NULL);
		assert_int_equal(r.checkpoint_size, g.n);
		a->run();
		r = verify(true, false, false);
		expect(a->name, "with the key alone", &r, a->alone);
		r = verify(true, true, false);
		expect(a->name, "with a checkpoint from before", &r, a->remembered);
		r = verify(true, false, true);
		expect(a->name, "with the seed", &r, a->macs);
		teardown(NULL);
	}
}

/* What a chain says of itself is worth nothing against who rewrote all of it. */
static void without_the_key(void **state)
{
	struct verify_result r;

	setup(NULL);
	reseal();
	r = verify(false, false, false);
	expect("sealed again", "without the key", &r, NULL);
	assert_false(r.trusted);
	assert_memory_equal(r.public, signer_public(g.key), RECORD_PUBKEY_LEN);
	r = verify(false, true, false);
	expect("sealed again", "without the key, with a checkpoint", &r, "fork");
	teardown(NULL);
}

/* An erasure somebody answers for leaves every proof. */
static void erased_and_declared(void **state)
{
	Probity__V1__Control e = PROBITY__V1__CONTROL__INIT;
	struct verify_result r;
	uint8_t note[256];
	size_t n;

	setup(NULL);
	e.kind = PROBITY__V1__CONTROL__KIND__ERASE;
	e.first_seq = OLD;
	e.last_seq = OLD + 1;
	n = probity__v1__control__pack(&e, note);
	chainlet_open(&c, 1200, NULL);
	assert_int_equal(spool_seal(c.s, RECORD_CONTROL, 0, note, n, true), 0);
	assert_int_equal(spool_commit(c.s), 0);
	chainlet_close(&c);
	forge_load(&g, &c);
	g.f[OLD].erase = g.f[OLD + 1].erase = true;
	forge_write(&g, &c, false, false, 0);
	r = verify(true, true, true);
	expect("erased", "declared", &r, NULL);
	assert_int_equal(r.erased, 2);
	g.f[OLD - 1].erase = true; /* one more than was declared */
	forge_write(&g, &c, false, false, 0);
	r = verify(true, true, true);
	expect("erased", "more than declared", &r, "erased");
	assert_int_equal(r.first.seq, OLD - 1);
	teardown(NULL);
}

static struct verify_result verify_part(size_t witnesses, const struct note_key *key)
{
	const struct verify_options o = {.expect_public = first_public,
					 .part = true,
					 .witnesses = key,
					 .witnesses_n = witnesses};
	struct verify_result r;

	assert_int_equal(verify_dir(c.spool, &o, &r), 0);
	return r;
}

/* The thief of the newest key shows a part of the chain that ends inside an epoch that is over, with a record
 * of it changed that has no signature of its own, under a checkpoint he signed himself. */
static void later_key_covers_nothing_older(void **state)
{
	struct verify_result r;

	setup_of(true);
	r = verify(true, true, true);
	expect("unsigned records", "before", &r, NULL);
	g.n = seal[1];
	assert_int_equal(g.f[g.n - 1].r.alg, RECORD_CHECKPOINT);
	g.f[g.n - 1].payload[25] ^= 1;
	g.f[g.n - 1].keep = false;
	forge_write(&g, &c, false, false, FORGE_CHECKPOINT);
	forge_clear(&c, "head");
	r = verify_part(0, NULL);
	expect("unsigned record of an old epoch", "under a stolen later key", &r, "uncovered");
	teardown(NULL);
}

/* All records taken away, and what is signed left. */
static void nothing_left(void **state)
{
	struct chainlet_file f[16];
	struct verify_result r;
	size_t n;

	setup(NULL);
	n = chainlet_segments(&c, f, ARRAY_SIZE(f));
	for (size_t i = 0; i < n; i++) {
		unlink(f[i].path);
		free(f[i].p);
	}
	r = verify_part(0, NULL);
	expect("nothing", "of a part", &r, "uncovered,empty");
	forge_clear(&c, "checkpoint");
	r = verify_part(0, NULL);
	expect("nothing", "of a part, no checkpoint", &r, "empty");
	forge_put(&c, "00000000000000000000.seg", "", 0);
	r = verify_part(0, NULL);
	expect("an empty segment", "of a part", &r, "empty");
	r = verify(true, false, false);
	expect("an empty segment", "of all", &r, "tail cut");
	teardown(NULL);
}

/* A folder from a stranger may hold anything under a segment's name; a device would never end. */
static void no_plain_file(void **state)
{
	struct verify_result r;

	setup(NULL);
	shell("mv spool/00000000000000000000.seg . && ln -s /dev/zero spool/00000000000000000000.seg");
	r = verify(true, false, false);
	expect("a device", "for a segment", &r, "frame");
	assert_int_equal(r.first.seq, 0);
	teardown(NULL);
}

/* A witness's word about no records is no word about these. */
static void witness_of_nothing(void **state)
{
	struct checkpoint none = {0};
	struct verify_result r;
	struct note_key key = {"witness.example", {0}}, two[2];
	char text[512], note[2048], err[256];
	struct signer *w;
	size_t n, k;

	setup(NULL);
	snprintf(text, sizeof(text), "%s/w.key", c.dir);
	assert_int_equal(signer_open(text, true, &w, err, sizeof(err)), 0);
	memcpy(key.public, signer_public(w), RECORD_PUBKEY_LEN);
	assert_int_equal(checkpoint_origin_of("test/host", g.f[0].r.chain, none.origin), 0);
	tree_root(&(struct tree_edge){0}, &none.root);
	k = checkpoint_text(&none, text, sizeof(text));
	n = note_sign(text, k, none.origin, g.key, note, sizeof(note));
	n += cosign(text, k, 1795300000, key.name, w, note + n, sizeof(note) - n);
	forge_put(&c, "witnessed", note, n);
	r = verify_part(0, &key);
	expect("a witness of nothing", "not asked for", &r, NULL);
	assert_int_equal(r.cosigned_unchecked, 0);
	r = verify_part(1, &key);
	expect("a witness of nothing", "asked for", &r, "cosignature");
	memcpy(note, known, known_n); /* of these records, and of another witness none */
	n = (char *)memmem(known, known_n, "\n\n", 2) + 1 - known;
	k = cosign(known, n, 1795300000, key.name, w, note + known_n, sizeof(note) - known_n);
	forge_put(&c, "witnessed", note, known_n + k);
	r = verify_part(0, NULL);
	expect("a witness", "nobody named", &r, NULL);
	assert_int_equal(r.witness_size, 0);
	assert_true(r.cosigned_unchecked > 0);
	k = r.cosigned_unchecked;
	r = verify_part(1, &key);
	expect("a witness", "asked for", &r, NULL);
	assert_int_equal(r.witness_size, k);
	assert_int_equal(r.cosigned_unchecked, 0);
	two[0] = two[1] = key;
	two[1].public[3] ^= 1;
	r = verify_part(2, two);
	expect("a witness", "and another", &r, "cosignature");
	signer_free(w);
	teardown(NULL);
}

/* What a recorder at work excuses: a last frame on its way, and no more. */
static void live_excuses(void **state)
{
	static const struct {
		const char *what, *kind;
	} row[] = {
		{"true", NULL},
		{"rm spool/head", "head"},
		{"truncate -s -5 spool/seals", "seal"},
	};
	struct verify_result r;
	char path[128];
	int lock;

	for (size_t i = 0; i <= ARRAY_SIZE(row); i++) {
		setup(NULL);
		snprintf(path, sizeof(path), "%s/lock", c.spool);
		lock = open(path, O_RDWR | O_CREAT, 0600);
		assert_int_equal(flock(lock, LOCK_EX | LOCK_NB), 0);
		if (i < ARRAY_SIZE(row))
			shell(row[i].what);
		else
			erase_in_silence();
		r = verify(true, true, true);
		expect("live", i < ARRAY_SIZE(row) ? row[i].what : "erased", &r,
		       i < ARRAY_SIZE(row) ? row[i].kind : "erased");
		close(lock);
		teardown(NULL);
	}
}

/* A part that begins in the open epoch, whose tree no SEAL speaks of yet: chain and tiles must agree. */
static void chain_and_tiles_disagree(void **state)
{
	struct verify_result r;
	char command[200];
	size_t first;

	setup(NULL);
	first = seal[2] + 2;
	memmove(&g.f[0], &g.f[first], (g.n - first) * sizeof(g.f[0]));
	g.n -= first;
	forge_write(&g, &c, false, false, 0);
	forge_clear(&c, "checkpoint");
	r = verify_part(0, NULL);
	expect("a part", "whole", &r, NULL);
	assert_true(r.tree_known);
	assert_int_equal(r.first_seq, first);
	snprintf(
		command, sizeof(command),
		"printf X | dd of=$(ls spool/tile/0/000.p/*) bs=1 seek=%zu conv=notrunc status=none",
		(first - 1) * TREE_HASH_LEN + 5);
	shell(command);
	r = verify_part(0, NULL);
	expect("a part", "another leaf before it", &r, "previous hash");
	teardown(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table),
		cmocka_unit_test(without_the_key),
		cmocka_unit_test(erased_and_declared),
		cmocka_unit_test(later_key_covers_nothing_older),
		cmocka_unit_test(nothing_left),
		cmocka_unit_test(no_plain_file),
		cmocka_unit_test(witness_of_nothing),
		cmocka_unit_test(live_excuses),
		cmocka_unit_test(chain_and_tiles_disagree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
