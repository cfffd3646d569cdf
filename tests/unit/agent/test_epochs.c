// SPDX-License-Identifier: Apache-2.0
/* Keys of epochs over restarts, with and without a key encryption key: nothing is ever lost by a wrong one,
 * and what can be sealed is. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/epochs.h"
#include "base/cleanup.h"
#include "base/fs.h"

static const struct kek none = {0}, kek = {.is = true, .k = "key A"},
			other = {.is = true, .k = "key B"};
static const char *const files[] = {"epoch.0", "epoch.1", "mac.seed", "chain.pub"};

struct dir {
	char path[64];
	struct epochs *e;
};

static void dir_new(struct dir *d)
{
	strcpy(d->path, "/tmp/probity-epochs-XXXXXX");
	assert_non_null(mkdtemp(d->path));
	d->e = NULL;
}

static void dir_done(struct dir *d)
{
	char path[128];

	epochs_free(d->e);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", d->path, files[i]);
		unlink(path);
	}
	assert_int_equal(rmdir(d->path), 0); /* no other file is left behind */
}

static int reopen(struct dir *d, const struct kek *k, char *err)
{
	epochs_free(TAKE_PTR(d->e));
	return epochs_open_with(d->path, k, &d->e, err, 256);
}

static void content(const struct dir *d, size_t i, char **ret, size_t *ret_n)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", d->path, files[i]);
	if (fs_read(path, 4096, ret, ret_n)) {
		*ret = NULL;
		*ret_n = 0;
	}
}

static bool starts(const struct dir *d, size_t i, const char *magic)
{
	_cleanup_free_ char *p = NULL;
	size_t n;

	content(d, i, &p, &n);
	return n >= 8 && !memcmp(p, magic, 8);
}

/* One epoch ends: prepared, sealed, durable. */
static void next(struct dir *d)
{
	uint8_t public[RECORD_PUBKEY_LEN];

	assert_int_equal(epochs_prepare(d->e, public), 0);
	epochs_switch(d->e);
	assert_int_equal(epochs_forget(d->e), 0);
}

static void sealed_from_the_start(void **state)
{
	uint8_t public[RECORD_PUBKEY_LEN], seed[MAC_LEN], again[MAC_LEN];
	struct mac_key mac;
	char err[256] = "";
	struct dir d;

	dir_new(&d);
	assert_int_equal(reopen(&d, &kek, err), 0);
	assert_int_equal(epochs_begin(d.e, err, sizeof(err)), 0);
	assert_true(epochs_sealed(d.e));
	assert_true(epochs_seed(d.e, seed));
	for (int i = 0; i < 3; i++) {
		assert_true(starts(&d, i & 1, "PBRKEK1"));
		assert_true(starts(&d, 2, "PBRMAK1"));
		memcpy(public, signer_public(epochs_signer(d.e)), sizeof(public));
		mac = *epochs_mac(d.e);
		assert_int_equal(reopen(&d, &kek, err), 0);
		assert_memory_equal(signer_public(epochs_signer(d.e)), public, sizeof(public));
		assert_memory_equal(epochs_mac(d.e)->k, mac.k, sizeof(mac.k));
		assert_int_equal(epochs_now(d.e), i);
		assert_true(epochs_seed(d.e, again));
		assert_memory_equal(seed, again, sizeof(seed));
		next(&d);
		assert_false(starts(&d, i & 1, "PBRKEK1")); /* wiped, all of it */
	}
	assert_int_equal(epochs_seed_taken(d.e), 0);
	assert_int_equal(reopen(&d, &kek, err), 0);
	assert_false(epochs_seed(d.e, again));
	dir_done(&d);
}

/* Refused by name, and not a byte of any file is another one afterwards. */
static void wrong_kek(void **state)
{
	static const struct {
		const struct kek *kek;
		int ret;
		const char *says;
	} rows[] = {
		{&none, -ENOKEY, "--key-encryption-key"},
		{NULL, -ENOKEY, "probity-kek"},
		{&other, -EKEYREJECTED, "another key encryption key"},
	};
	struct dir d;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (int epochs = 0; epochs < 2; epochs++) {
			char *before[ARRAY_SIZE(files)], err[256] = "";
			uint8_t public[RECORD_PUBKEY_LEN];
			size_t n[ARRAY_SIZE(files)];

			dir_new(&d);
			assert_int_equal(reopen(&d, &kek, err), 0);
			assert_int_equal(epochs_begin(d.e, err, sizeof(err)), 0);
			if (epochs)
				next(&d);
			memcpy(public, signer_public(epochs_signer(d.e)), sizeof(public));
			for (size_t f = 0; f < ARRAY_SIZE(files); f++)
				content(&d, f, &before[f], &n[f]);
			assert_int_equal(reopen(&d, rows[i].kek, err), rows[i].ret);
			assert_non_null(strstr(err, epochs ? "epoch.1" : "epoch.0"));
			assert_non_null(strstr(err, rows[i].says));
			for (size_t f = 0; f < ARRAY_SIZE(files); f++) {
				_cleanup_free_ char *after = NULL;
				size_t m;

				content(&d, f, &after, &m);
				assert_int_equal(n[f], m);
				assert_memory_equal(before[f], after, m);
				free(before[f]);
			}
			assert_int_equal(reopen(&d, &kek, err), 0);
			assert_memory_equal(signer_public(epochs_signer(d.e)), public,
					    sizeof(public));
			dir_done(&d);
		}
	}
}

/* Plain keys are read, and from the next epoch on they are sealed; the seed at once. */
static void taken_over(void **state)
{
	uint8_t public[RECORD_PUBKEY_LEN], seed[MAC_LEN], again[MAC_LEN];
	char err[256] = "", path[128];
	struct dir d;

	dir_new(&d);
	assert_int_equal(reopen(&d, &none, err), 0);
	assert_int_equal(epochs_begin(d.e, err, sizeof(err)), 0);
	assert_true(epochs_seed(d.e, seed));
	memcpy(public, signer_public(epochs_signer(d.e)), sizeof(public));
	assert_true(starts(&d, 0, "PBRKEY1"));
	assert_true(starts(&d, 2, "PBRMAC1"));
	/* What a start left that was killed while it made the seed anew. */
	snprintf(path, sizeof(path), "%s/mac.seed.tmp", d.path);
	assert_int_equal(
		fs_write_atomic(path,
				"PBRM and more than a seed is long ...........................", 60,
				0600),
		0);
	assert_int_equal(reopen(&d, &kek, err), 0);
	assert_int_equal(access(path, F_OK), -1);
	assert_memory_equal(signer_public(epochs_signer(d.e)), public, sizeof(public));
	assert_false(epochs_sealed(d.e));
	assert_true(starts(&d, 2, "PBRMAK1"));
	assert_true(epochs_seed(d.e, again));
	assert_memory_equal(seed, again, sizeof(seed));
	next(&d);
	assert_true(epochs_sealed(d.e));
	assert_true(starts(&d, 1, "PBRKEK1"));
	assert_int_equal(reopen(&d, &none, err), -ENOKEY);
	assert_int_equal(reopen(&d, &kek, err), 0);
	dir_done(&d);
}

/* A slot whose writing was cut off at any place counts as empty: the chain goes on with the other one. */
static void cut_off(void **state)
{
	_cleanup_free_ char *whole = NULL;
	uint8_t public[RECORD_PUBKEY_LEN], after[RECORD_PUBKEY_LEN];
	char err[256] = "", path[128];
	struct epochs_at at = {0};
	struct dir d;
	size_t n;

	dir_new(&d);
	assert_int_equal(reopen(&d, &kek, err), 0);
	assert_int_equal(epochs_begin(d.e, err, sizeof(err)), 0);
	memcpy(public, signer_public(epochs_signer(d.e)), sizeof(public));
	key_id(public, at.key_id);
	assert_int_equal(epochs_prepare(d.e, after), 0);
	content(&d, 1, &whole, &n);
	assert_true(n > 100);
	snprintf(path, sizeof(path), "%s/epoch.1", d.path);
	for (size_t cut = 0; cut < n; cut += 3) {
		int fd = open(path, O_WRONLY | O_TRUNC);

		assert_int_equal(fs_write_all(fd, whole, cut), 0);
		close(fd);
		assert_int_equal(reopen(&d, &kek, err), 0);
		assert_int_equal(epochs_resume(d.e, &at, err, sizeof(err)), 0);
		assert_memory_equal(signer_public(epochs_signer(d.e)), public, sizeof(public));
		assert_int_equal(epochs_prepare(d.e, after), 0);
	}
	/* Whole, and the SEAL that names it was durable: it is the one that is resumed. */
	at.sealed = true;
	memcpy(at.next_public, after, sizeof(after));
	assert_int_equal(reopen(&d, &kek, err), 0);
	assert_int_equal(epochs_resume(d.e, &at, err, sizeof(err)), 0);
	assert_memory_equal(signer_public(epochs_signer(d.e)), after, sizeof(after));
	dir_done(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sealed_from_the_start),
		cmocka_unit_test(wrong_kek),
		cmocka_unit_test(taken_over),
		cmocka_unit_test(cut_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
