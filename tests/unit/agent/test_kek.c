// SPDX-License-Identifier: Apache-2.0
/* Files of keys, plain and sealed: each byte flipped, cut at each length, under another name and key. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/kek.h"
#include "base/cleanup.h"
#include "record/segment.h"

static const struct kek kek = {.is = true, .k = "0123456789abcdef0123456789abcdE"};
static const struct kek other = {.is = true, .k = "0123456789abcdef0123456789abcdF"};
static const struct {
	const struct kek *kek;
	enum keyfile_kind kind;
	size_t n, secret;
} forms[] = {{NULL, KEYFILE_EPOCH, 80, 64},
	     {NULL, KEYFILE_SEED, 48, 32},
	     {&kek, KEYFILE_EPOCH, 108, 64},
	     {&kek, KEYFILE_SEED, 76, 32}};

static struct keyfile some(void)
{
	struct keyfile k = {.epoch = 7};

	for (size_t i = 0; i < sizeof(k.secret); i++)
		k.secret[i] = i + 1;
	return k;
}

static void there_and_back(void **state)
{
	const struct keyfile k = some();

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		uint8_t b[KEYFILE_MAX] = {0}, again[KEYFILE_MAX] = {0};
		size_t n = keyfile_pack(forms[i].kek, forms[i].kind, "f", &k, b);
		struct keyfile got;

		assert_int_equal(n, forms[i].n);
		/* As it stands alone, and before the zeros of a longer one that was wiped. */
		for (size_t len = n; len <= sizeof(b); len++) {
			assert_int_equal(keyfile_parse(&kek, forms[i].kind, "f", b, len, &got), 0);
			assert_int_equal(got.epoch, 7);
			assert_int_equal(got.sealed, forms[i].kek != NULL);
			assert_memory_equal(got.secret, k.secret, forms[i].secret);
		}
		if (!forms[i].kek)
			continue;
		/* The secret is nowhere in it, and no two writings are the same. */
		for (size_t at = 0; at + 8 <= n; at++)
			assert_memory_not_equal(b + at, k.secret, 8);
		keyfile_pack(forms[i].kek, forms[i].kind, "f", &k, again);
		assert_memory_not_equal(again + 12, b + 12, n - 12);
	}
}

static void other_keys(void **state)
{
	const struct kek none = {0};
	const struct keyfile k = some();

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		uint8_t b[KEYFILE_MAX] = {0};
		size_t n = keyfile_pack(forms[i].kek, forms[i].kind, "epoch.0", &k, b);
		struct keyfile got = {.epoch = 99};
		bool sealed = forms[i].kek;
		const struct {
			const struct kek *kek;
			const char *name;
			int ret;
		} rows[] = {
			{&kek, "epoch.0", 0},
			{&other, "epoch.0", sealed ? -EKEYREJECTED : 0},
			{&none, "epoch.0", sealed ? -ENOKEY : 0},
			{NULL, "epoch.0", sealed ? -ENOKEY : 0},
			{&kek, "epoch.1", sealed ? -EKEYREJECTED : 0},
		};

		for (size_t j = 0; j < ARRAY_SIZE(rows); j++) {
			got.epoch = 99;
			assert_int_equal(keyfile_parse(rows[j].kek, forms[i].kind, rows[j].name, b,
						       n, &got),
					 rows[j].ret);
			assert_int_equal(got.epoch, rows[j].ret ? 99 : 7);
		}
		/* And no kind is taken for the other. */
		assert_int_equal(keyfile_parse(&kek, !forms[i].kind, "epoch.0", b, n, &got),
				 -EINVAL);
	}
}

/* A byte that is wrong: no key comes of it, whichever it is. */
static void flips(void **state)
{
	const struct keyfile k = some();

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		uint8_t b[KEYFILE_MAX] = {0};
		size_t n = keyfile_pack(forms[i].kek, forms[i].kind, "f", &k, b);

		for (size_t at = 0; at < n; at++) {
			struct keyfile got = {.epoch = 99};
			int r;

			b[at] ^= 1 << at % 8;
			r = keyfile_parse(&kek, forms[i].kind, "f", b, n, &got);
			assert_int_equal(r, at < 8 ? -EINVAL : -EILSEQ);
			assert_int_equal(got.epoch, 99);
			b[at] ^= 1 << at % 8;
		}
	}
}

/* Sealed again with its CRC made right: the tag is what holds. */
static void forged(void **state)
{
	const struct keyfile k = some();
	uint8_t b[KEYFILE_MAX], crc[4];
	size_t n = keyfile_pack(&kek, KEYFILE_EPOCH, "f", &k, b);

	for (size_t at = 8; at < n - 4; at++) {
		struct keyfile got;
		uint32_t sum;

		b[at] ^= 0x40;
		sum = crc32c(0, b, n - 4);
		for (int i = 0; i < 4; i++)
			crc[i] = sum >> (24 - 8 * i);
		memcpy(b + n - 4, crc, 4);
		assert_int_equal(keyfile_parse(&kek, KEYFILE_EPOCH, "f", b, n, &got),
				 -EKEYREJECTED);
		b[at] ^= 0x40;
	}
}

/* Cut off at each length, the rest as it was before: nothing, or zeros. */
static void cuts(void **state)
{
	const struct keyfile k = some();

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		uint8_t b[KEYFILE_MAX] = {0}, zeros[KEYFILE_MAX];
		size_t n = keyfile_pack(forms[i].kek, forms[i].kind, "f", &k, b);

		for (size_t cut = 0; cut < n; cut++) {
			struct keyfile got;
			int want = cut ? -EILSEQ : -ENODATA;

			memset(zeros, 0, sizeof(zeros));
			memcpy(zeros, b, cut);
			assert_int_equal(keyfile_parse(&kek, forms[i].kind, "f", b, cut, &got),
					 want);
			/* The last byte of a CRC may be zero anyway. */
			if (cut < n - 1 || b[cut])
				assert_int_equal(keyfile_parse(&kek, forms[i].kind, "f", zeros,
							       sizeof(zeros), &got),
						 want);
			/* Wiping that was cut off. */
			memcpy(zeros, b, sizeof(zeros));
			memset(zeros, 0, cut + 1);
			assert_int_equal(keyfile_parse(&kek, forms[i].kind, "f", zeros,
						       sizeof(zeros), &got),
					 -ENODATA);
		}
	}
}

static void where(void **state)
{
	char dir[] = "/tmp/probity-kek-XXXXXX", path[64], name[64], err[512];
	struct kek k;
	int fd;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/%s", dir, KEK_CREDENTIAL);
	unsetenv("CREDENTIALS_DIRECTORY");
	assert_int_equal(kek_open(NULL, &k, err, sizeof(err)), 0);
	assert_false(k.is);
	assert_int_equal(kek_open("mine", &k, err, sizeof(err)), -ENOENT);
	assert_non_null(strstr(err, "mine"));
	setenv("CREDENTIALS_DIRECTORY", dir, 1);
	assert_int_equal(kek_open(NULL, &k, err, sizeof(err)), 0);
	assert_false(k.is);
	assert_int_equal(kek_open(KEK_CREDENTIAL, &k, err, sizeof(err)), -ENOENT);
	assert_non_null(strstr(err, path));
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, kek.k, KEK_LEN - 1), KEK_LEN - 1);
	assert_int_equal(kek_open(NULL, &k, err, sizeof(err)), -EINVAL);
	assert_non_null(strstr(err, "32 bytes"));
	assert_int_equal(write(fd, kek.k + KEK_LEN - 1, 1), 1);
	assert_int_equal(kek_open(NULL, &k, err, sizeof(err)), 0);
	assert_true(k.is);
	assert_memory_equal(k.k, kek.k, KEK_LEN);
	assert_int_equal(kek_open(path, &k, err, sizeof(err)), 0);
	assert_int_equal(fchmod(fd, 0640), 0);
	assert_int_equal(kek_open(path, &k, err, sizeof(err)), -EPERM);
	assert_false(k.is);
	assert_int_equal(write(fd, "\n", 1), 1);
	assert_int_equal(kek_open(NULL, &k, err, sizeof(err)), -EINVAL);
	close(fd);
	unlink(path);
	snprintf(name, sizeof(name), "%s/none", dir);
	assert_int_equal(kek_open(name, &k, err, sizeof(err)), -ENOENT);
	rmdir(dir);
	unsetenv("CREDENTIALS_DIRECTORY");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back), cmocka_unit_test(other_keys),
		cmocka_unit_test(flips),	  cmocka_unit_test(forged),
		cmocka_unit_test(cuts),		  cmocka_unit_test(where),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
