// SPDX-License-Identifier: Apache-2.0
/*
 * The line of a TPM's key under checkpoints, as an auditor without anything else demands it: of chains made
 * by the real code, and of what a thief makes of them who has the keys of the open epoch and no TPM. The
 * key is made here; that a TPM signs the same is tests/system/test_keys.
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

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/cleanup.h"
#include "forge.h"
#include "record/note_ecdsa.h"

struct key {
	EVP_PKEY *k;
	uint8_t public[ECDSA_PUBLIC_LEN];
};
static struct key ours, foreign;
static struct chainlet c;
static struct forge g;
static uint8_t first_public[RECORD_PUBKEY_LEN];
static size_t seal; /* of epoch 0, in g */

static void key_new(struct key *k)
{
	uint8_t *p = k->public;

	k->k = EVP_EC_gen("P-256");
	assert_int_equal(i2d_PUBKEY(k->k, NULL), ECDSA_PUBLIC_LEN);
	i2d_PUBKEY(k->k, &p);
}

static size_t line_of(struct key *k, const char *text, size_t n, char *out, size_t cap)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t sig[NOTE_SIG_MAX];
	char name[NOTE_NAME_MAX];
	size_t len;

	do { /* a signature may be shorter than those that are kept, once in 2^48 */
		len = sizeof(sig);
		assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, k->k), 1);
		assert_int_equal(EVP_DigestSign(ctx, sig, &len, (const uint8_t *)text, n), 1);
		EVP_MD_CTX_reset(ctx);
	} while (len < RECORD_SIG_LEN);
	EVP_MD_CTX_free(ctx);
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(text, "\n"), text);
	n = note_line(name, note_ecdsa_id(k->public), sig, len, out, cap);
	assert_true(n);
	return n;
}

/* A checkpoint of what is durable, with this key's line; NULL: without. */
static void checkpoint(struct key *k)
{
	char note[2048];
	size_t n, text;
	uint64_t size;

	assert_int_equal(spool_checkpoint_make(c.s, note, sizeof(note), &n, &text, &size), 0);
	assert_true(n);
	if (k)
		n += line_of(k, note, text, note + n, sizeof(note) - n);
	assert_int_equal(spool_checkpoint_put(c.s, note, n, size), 0);
}

static void open_with(const uint8_t *tpm)
{
	const struct spool_config cfg = {.dir = c.spool,
					 .segment_bytes = 1 << 20,
					 .epochs = c.epochs,
					 .origin = "test/host",
					 .tpm_public = tpm};
	char err[256];

	assert_int_equal(spool_open(&cfg, &c.s, err, sizeof(err)), 0);
}

static void says(const uint8_t *public, const char *cause)
{
	uint8_t note[NOTE_BYTES_MAX];

	assert_int_equal(spool_seal(c.s, RECORD_CONTROL, 0, note,
				    note_tpm(public, cause, "reason", 0, note), true),
			 0);
	assert_int_equal(spool_commit(c.s), 0);
}

static void epoch_ends(void)
{
	assert_int_equal(spool_end_epoch(c.s, "time", false), 0);
	assert_int_equal(spool_commit(c.s), 0);
}

/* START, the key, a record, SEAL; three records; a checkpoint with the line. */
static int setup(void **state)
{
	chainlet_new(&c);
	open_with(ours.public);
	chainlet_start(&c);
	says(ours.public, "");
	chainlet_add(&c, 1, 30);
	epoch_ends();
	checkpoint(&ours);
	for (unsigned i = 2; i < 5; i++)
		chainlet_add(&c, i, 30);
	checkpoint(&ours);
	assert_int_equal(epochs_chain_public(c.epochs, first_public), 0);
	return 0;
}

static int teardown(void **state)
{
	chainlet_done(&c);
	return 0;
}

static struct verify_result verified(const uint8_t (*keys)[ECDSA_PUBLIC_LEN], size_t n, bool none)
{
	const struct verify_options o = {.expect_public = first_public,
					 .tpm_keys = keys,
					 .tpm_keys_n = n,
					 .tpm_none = none,
					 .threads = 1};
	struct verify_result v;

	chainlet_close(&c);
	assert_int_equal(verify_dir(c.spool, &o, &v), 0);
	return v;
}

static void good(const struct verify_result *v, uint64_t size)
{
	if (!v->ok)
		fail_msg("%s %s: %s", v->first.file, v->first.kind, v->first.detail);
	assert_int_equal(v->tpm_size, size);
}

static void bad(const struct verify_result *v, const char *file, const char *detail)
{
	assert_false(v->ok);
	assert_string_equal(v->first.kind, "tpm");
	assert_string_equal(v->first.file, file);
	if (!strstr(v->first.detail, detail))
		fail_msg("%s", v->first.detail);
}

static void has_the_line(void **state)
{
	struct verify_result v = verified(NULL, 0, false);

	good(&v, 7);
	v = verified(&ours.public, 1, false);
	good(&v, 7);
	v = verified(&foreign.public, 1, false);
	bad(&v, "checkpoint", "no signature of the TPM's key");
}

static void newest_without(void **state)
{
	struct verify_result v;

	chainlet_add(&c, 9, 30);
	says(ours.public, "timeout"); /* which excuses nothing */
	checkpoint(NULL);
	v = verified(NULL, 0, false);
	bad(&v, "checkpoint", "no signature of the TPM's key");
	v = verified(NULL, 0, true);
	good(&v, 0);
}

static void line_of_another_key(void **state)
{
	struct verify_result v;

	chainlet_add(&c, 9, 30);
	checkpoint(&foreign);
	v = verified(NULL, 0, false);
	bad(&v, "checkpoint", "no signature of the TPM's key");
}

/* Each byte of the TPM's line, or the line cut: never good, and never a crash. */
static void line_flipped(void **state)
{
	_cleanup_free_ char *text = NULL;
	char path[160], *at;
	size_t n;

	chainlet_close(&c);
	snprintf(path, sizeof(path), "%s/checkpoint", c.spool);
	assert_int_equal(fs_read(path, 4096, &text, &n), 0);
	at = text + n - 2;
	while (at[-1] != '\n')
		at--;
	for (; at < text + n; at++) {
		struct verify_result v;

		*at ^= 1;
		forge_put(&c, "checkpoint", text, n);
		v = verified(NULL, 0, false);
		assert_false(v.ok);
		*at ^= 1;
	}
}

/* --- a thief with the keys of the open epoch ------------------------------------------------------- */

static void steal(void)
{
	chainlet_close(&c);
	forge_load(&g, &c);
	g.key = epochs_signer(c.epochs);
	g.mac = epochs_mac(c.epochs);
	for (seal = 0; !forge_is(&g.f[seal], PROBITY__V1__CONTROL__KIND__SEAL);)
		seal++;
	assert_int_equal(seal, 3);
	assert_int_equal(g.n, 7);
}

static void edit(size_t i)
{
	g.f[i].payload[25] ^= 1;
	g.f[i].keep = false;
}

/* Time passes before record i: more than what a recorder needs for a signature. */
static void later(size_t i)
{
	for (; i < g.n; i++) {
		g.f[i].r.wall_ns += 100000000000ull;
		g.f[i].r.boot_ns += 100000000000ull;
		g.f[i].keep = false;
	}
}

static void resealed(void **state)
{
	struct verify_result v;

	steal();
	edit(seal + 1);
	forge_write(&g, &c, true, false, FORGE_HEAD | FORGE_SEALS | FORGE_CHECKPOINT);
	v = verified(NULL, 0, false);
	bad(&v, "checkpoint", "no signature of the TPM's key");
	/* What it is without that rule: nothing is found. */
	v = verified(NULL, 0, true);
	good(&v, 0);
}

/* With the TPM's line of the checkpoint that was there. */
static void resealed_with_the_old_line(void **state)
{
	_cleanup_free_ char *old = NULL, *made = NULL;
	char path[160], both[4096], *line;
	struct verify_result v;
	size_t n, m;

	snprintf(path, sizeof(path), "%s/checkpoint", c.spool);
	assert_int_equal(fs_read(path, 4096, &old, &n), 0);
	steal();
	edit(seal + 1);
	forge_write(&g, &c, true, false, FORGE_HEAD | FORGE_SEALS | FORGE_CHECKPOINT);
	assert_int_equal(fs_read(path, 4096, &made, &m), 0);
	line = old + n - 1;
	while (line[-1] != '\n')
		line--;
	snprintf(both, sizeof(both), "%s%s", made, line);
	forge_put(&c, "checkpoint", both, strlen(both));
	v = verified(NULL, 0, false);
	bad(&v, "checkpoint", "the TPM's signature is wrong");
}

/* Behind an older checkpoint that has the line, with no newer one: it may not lie far behind. */
static void behind_an_older_checkpoint(void **state)
{
	_cleanup_free_ char *old = NULL;
	char path[160], saved[4096];
	struct verify_result v;
	size_t n, m;

	chainlet_done(&c);
	chainlet_new(&c);
	open_with(ours.public);
	chainlet_start(&c);
	says(ours.public, "");
	chainlet_add(&c, 1, 30);
	epoch_ends();
	checkpoint(&ours);
	snprintf(path, sizeof(path), "%s/checkpoint", c.spool);
	assert_int_equal(fs_read(path, 4096, &old, &n), 0);
	memcpy(saved, old, n);
	m = n;
	for (unsigned i = 2; i < 5; i++)
		chainlet_add(&c, i, 30);
	assert_int_equal(epochs_chain_public(c.epochs, first_public), 0);
	steal();
	edit(seal + 1);
	forge_write(&g, &c, true, false, FORGE_HEAD | FORGE_SEALS | FORGE_CHECKPOINT);
	forge_put(&c, "checkpoint", saved, m);
	v = verified(NULL, 0, false);
	good(&v, 4); /* within the time that a recorder may need */
	later(g.n - 1);
	forge_write(&g, &c, true, false, FORGE_HEAD | FORGE_SEALS | FORGE_CHECKPOINT);
	forge_put(&c, "checkpoint", saved, m);
	v = verified(NULL, 0, false);
	bad(&v, "checkpoint", "3 records behind it");
}

static void no_checkpoint_at_all(void **state)
{
	struct verify_result v;

	steal();
	later(g.n - 1);
	forge_write(&g, &c, true, false, FORGE_HEAD | FORGE_SEALS);
	forge_clear(&c, "checkpoint");
	forge_clear(&c, "tile");
	v = verified(NULL, 0, false);
	bad(&v, "checkpoint", "no checkpoint here");
}

/* A record of the open epoch that names the thief's key, and a line of that. */
static void another_key_named(void **state)
{
	uint8_t both[2][ECDSA_PUBLIC_LEN];
	struct verify_result v;

	says(foreign.public, "");
	checkpoint(&foreign);
	v = verified(NULL, 0, false);
	bad(&v, "00000000000000000000.seg", "name different keys");
	assert_int_equal(v.first.seq, 7);
	/* An auditor who knows of the new one says so. */
	v = verified(&foreign.public, 1, false);
	good(&v, 8);
	memcpy(both[0], ours.public, ECDSA_PUBLIC_LEN);
	memcpy(both[1], foreign.public, ECDSA_PUBLIC_LEN);
	v = verified(both, 2, false);
	good(&v, 8);
}

/* The segment that first named the key is gone: SEALs say it. */
static void behind_pruned_segments(void **state)
{
	struct verify_result v;

	/* Segment by segment, so that there is one to go. */
	chainlet_done(&c);
	chainlet_new(&c);
	{
		const struct spool_config cfg = {.dir = c.spool,
						 .segment_bytes = 600,
						 .epochs = c.epochs,
						 .origin = "test/host",
						 .tpm_public = ours.public};
		char err[256];

		assert_int_equal(spool_open(&cfg, &c.s, err, sizeof(err)), 0);
	}
	chainlet_start(&c);
	says(ours.public, "");
	epoch_ends();
	for (unsigned i = 1; i < 9; i++)
		chainlet_add(&c, i, 200);
	checkpoint(&ours);
	assert_int_equal(spool_drop(c.s, 5), 0);
	assert_true(spool_state(c.s)->first_seq > 2);
	chainlet_add(&c, 20, 30);
	assert_int_equal(epochs_chain_public(c.epochs, first_public), 0);
	checkpoint(NULL);
	v = verified(NULL, 0, false);
	bad(&v, "checkpoint", "no signature of the TPM's key");
}

/* A chain that names none asks for nothing. */
static void no_tpm(void **state)
{
	struct verify_result v;

	chainlet_done(&c);
	chainlet_new(&c);
	open_with(NULL);
	chainlet_start(&c);
	chainlet_add(&c, 1, 30);
	epoch_ends();
	checkpoint(NULL);
	assert_int_equal(epochs_chain_public(c.epochs, first_public), 0);
	v = verified(NULL, 0, false);
	good(&v, 0);
	v = verified(&ours.public, 1, false);
	bad(&v, "checkpoint", "no signature of the TPM's key");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(has_the_line, setup, teardown),
		cmocka_unit_test_setup_teardown(newest_without, setup, teardown),
		cmocka_unit_test_setup_teardown(line_of_another_key, setup, teardown),
		cmocka_unit_test_setup_teardown(line_flipped, setup, teardown),
		cmocka_unit_test_setup_teardown(resealed, setup, teardown),
		cmocka_unit_test_setup_teardown(resealed_with_the_old_line, setup, teardown),
		cmocka_unit_test_setup_teardown(behind_an_older_checkpoint, setup, teardown),
		cmocka_unit_test_setup_teardown(no_checkpoint_at_all, setup, teardown),
		cmocka_unit_test_setup_teardown(another_key_named, setup, teardown),
		cmocka_unit_test_setup_teardown(behind_pruned_segments, setup, teardown),
		cmocka_unit_test_setup_teardown(no_tpm, setup, teardown),
	};
	int r;

	key_new(&ours);
	key_new(&foreign);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	EVP_PKEY_free(ours.k);
	EVP_PKEY_free(foreign.k);
	return r;
}
