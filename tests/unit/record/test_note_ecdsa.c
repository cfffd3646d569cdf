// SPDX-License-Identifier: Apache-2.0
/* Lines of ECDSA keys in notes: a key and note of another implementation, and what no key is. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "record/note_ecdsa.h"

/* The base point of P-256 (SEC 2): whose private key is 1. */
static const uint8_t point[ECDSA_POINT_LEN] = {0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47,
					       0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2,
					       0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0,
					       0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96,
					       0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b,
					       0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16,
					       0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce,
					       0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5};
static char dir[] = "/tmp/probity-ecdsa-XXXXXX";

/* What the openssl program says and does with the same key. */
static void run(const char *command)
{
	char all[1024];

	snprintf(all, sizeof(all), "cd %s && %s", dir, command);
	assert_int_equal(system(all), 0);
}

static void files(void **state)
{
	uint8_t public[ECDSA_PUBLIC_LEN], again[ECDSA_PUBLIC_LEN], sig[NOTE_SIG_MAX + 1];
	_cleanup_free_ char *text = NULL, *der = NULL;
	char pem[512], path[64], line[512], err[256];
	struct note n;
	const char *why;
	size_t len, k;

	assert_int_equal(ecdsa_public_of(point, public), 0);
	k = ecdsa_public_pem(public, pem, sizeof(pem));
	assert_true(k > 1);
	assert_int_equal(ecdsa_public_pem(public, pem, k - 1), 0);
	snprintf(path, sizeof(path), "%s/ours.pem", dir);
	assert_int_equal(fs_write_atomic(path, pem, k - 1, 0644), 0);
	assert_int_equal(ecdsa_public_read(path, again, err, sizeof(err)), 0);
	assert_memory_equal(public, again, sizeof(public));
	run("openssl pkey -pubin -in ours.pem -outform DER -out ours.der && test $(wc -c < ours.der) = 91");
	snprintf(path, sizeof(path), "%s/ours.der", dir);
	assert_int_equal(fs_read(path, 512, &der, &len), 0);
	assert_memory_equal(public, der, sizeof(public));

	run("openssl ecparam -name prime256v1 -genkey -noout -out key.pem && "
	    "openssl pkey -in key.pem -pubout -out pub.pem && printf 'log\\n1\\n' > text && "
	    "openssl dgst -sha256 -sign key.pem -out sig text");
	snprintf(path, sizeof(path), "%s/pub.pem", dir);
	assert_int_equal(ecdsa_public_read(path, public, err, sizeof(err)), 0);
	snprintf(path, sizeof(path), "%s/sig", dir);
	assert_int_equal(fs_read(path, sizeof(sig), &text, &len), 0);
	assert_true(ecdsa_ok(public, (const uint8_t *)"log\n1\n", 6, (uint8_t *)text, len));
	assert_false(ecdsa_ok(public, (const uint8_t *)"log\n2\n", 6, (uint8_t *)text, len));
	snprintf(line, sizeof(line), "log\n1\n\n");
	k = note_line("log", note_ecdsa_id(public), (uint8_t *)text, len, line + 7,
		      sizeof(line) - 7);
	assert_int_equal(note_parse(line, 7 + k, &n, &why), 0);
	assert_int_equal(note_ecdsa_verify(&n, "log", public), 0);
	assert_int_equal(note_ecdsa_verify(&n, "other", public), -ENOKEY);
	assert_int_equal(note_ecdsa_verify(&n, "log", again), -ENOKEY);
	line[4] = '2';
	assert_int_equal(note_ecdsa_verify(&n, "log", public), -EBADMSG);
}

/* The key id of C2SP signed-note's type 0x02: of the key alone. As the public key of a log that is in use
 * is published with its id. */
static void ids(void **state)
{
	static const char rekor[] =
		"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE2G2Y+2tabdTV5BcGiBIx0a9fAFwrkBbm"
		"LSGtks4L3qX6yYY0zufBnhC8Ur/iy55GhWP/9A/bY2LhC30M9+RYtw==";
	uint8_t public[ECDSA_PUBLIC_LEN];

	assert_int_equal(base64_decode(rekor, strlen(rekor), public, sizeof(public)),
			 ECDSA_PUBLIC_LEN);
	assert_true(ecdsa_public_ok(public, sizeof(public)));
	/* Its log id begins with these four bytes. */
	assert_int_equal(note_ecdsa_id(public), 0xc0d23d6a);
}

static void no_keys(void **state)
{
	static const char *const commands[] = {
		"openssl ecparam -name secp384r1 -genkey -noout | openssl pkey -pubout -out bad.pem",
		"openssl genpkey -algorithm ed25519 | openssl pkey -pubout -out bad.pem",
		"cp key.pem bad.pem",
		": > bad.pem",
		"head -c 9000 /dev/zero > bad.pem",
	};
	uint8_t b[ECDSA_POINT_LEN], ret[ECDSA_PUBLIC_LEN];
	char path[64], err[256];

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		run(commands[i]);
		snprintf(path, sizeof(path), "%s/bad.pem", dir);
		assert_int_equal(ecdsa_public_read(path, ret, err, sizeof(err)), -EINVAL);
		assert_non_null(strstr(err, "bad.pem"));
	}
	assert_int_equal(ecdsa_public_read("/none", ret, err, sizeof(err)), -ENOENT);
	for (size_t i = 0; i < sizeof(b); i += 7) {
		memcpy(b, point, sizeof(b));
		b[i] ^= 1; /* not on the curve */
		assert_int_equal(ecdsa_public_of(b, ret), -EINVAL);
	}
	assert_false(ecdsa_public_ok(ret, sizeof(ret) - 1));
}

static void numbers(void **state)
{
	uint8_t ones[32], small[32] = {[31] = 1}, out[NOTE_SIG_MAX];

	memset(ones, 0xff, sizeof(ones));
	assert_int_equal(ecdsa_signature(ones, 32, ones, 32, out), 72);
	assert_int_equal(ecdsa_signature(ones, 32, small, 32, out), 40);
	assert_int_equal(ecdsa_signature(small, 32, small, 32, out), 8);
	assert_memory_equal(out, "\x30\x06\x02\x01\x01\x02\x01\x01", 8);
	assert_int_equal(ecdsa_signature(NULL, 0, NULL, 0, out), 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files),
		cmocka_unit_test(ids),
		cmocka_unit_test(no_keys),
		cmocka_unit_test(numbers),
	};
	int r;

	if (!mkdtemp(dir))
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	run("rm -f ./*.pem ours.der sig text");
	rmdir(dir);
	return r;
}
