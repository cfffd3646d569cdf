// SPDX-License-Identifier: Apache-2.0
// covers: user/record/checkpoint.c
/*
 * The texts of the C2SP formats: written and read again, and every way they can be none. What other programs
 * make of them is tests/system/test_interop's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "record/checkpoint.h"

#define H0 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define H1 "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
#define SIG "\xe2\x80\x94 w AAAAAAAA\n"

static const uint8_t chain[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255};
static struct signer *signer;
static char key_dir[64], key_path[96];

static int setup(void **state)
{
	char err[256];

	strcpy(key_dir, "/tmp/probity-checkpoint-XXXXXX");
	if (!mkdtemp(key_dir))
		return -1;
	snprintf(key_path, sizeof(key_path), "%s/key", key_dir);
	return signer_open(key_path, true, &signer, err, sizeof(err));
}

static int teardown(void **state)
{
	char pub[112];

	snprintf(pub, sizeof(pub), "%s.pub", key_path);
	unlink(pub);
	unlink(key_path);
	signer_free(signer);
	return rmdir(key_dir);
}

/* The text in a buffer of its own length, so that a byte too far is seen. */
static char *exact(const char *text, size_t n)
{
	char *p = malloc(n ? n : 1);

	memcpy(p, text, n);
	return p;
}

/* --- origins --------------------------------------------------------------------------------------- */

static void test_origin(void **state)
{
	static const struct {
		const char *org, *host, *origin;
	} t[] = {
		{"acme", "web-01", "acme/web-01/000102030405060708090a0b0c0d0eff"},
		{"a b+c", "h\nx", "a-b-c/h-x/000102030405060708090a0b0c0d0eff"},
		{"\xc3\xa9", "h", "--/h/000102030405060708090a0b0c0d0eff"},
		{"..", "a/b", "../a-b/000102030405060708090a0b0c0d0eff"},
	};
	char out[ORIGIN_MAX] = "untouched", longer[300];

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		assert_int_equal(checkpoint_origin(t[i].org, t[i].host, chain, out), 0);
		assert_string_equal(out, t[i].origin);
		assert_true(note_name_ok(out));
	}
	assert_int_equal(checkpoint_origin("", "h", chain, out), -EINVAL);
	assert_int_equal(checkpoint_origin("o", "", chain, out), -EINVAL);
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(checkpoint_origin_of(longer, chain, out), -EINVAL);
	/* Too long a name is cut, and still one. */
	if (!checkpoint_origin(longer, longer, chain, out))
		assert_true(note_name_ok(out));
}

/* --- checkpoints ----------------------------------------------------------------------------------- */

static void test_text(void **state)
{
	struct checkpoint c = {.origin = "example.com/behind-the-sofa", .size = 20852163}, back;
	const char *want = "example.com/behind-the-sofa\n20852163\n" H1 "\n", *why;
	char out[256];
	size_t n = strlen(want);

	assert_int_equal(base64_decode(H1, 44, c.root.b, 32), 32);
	assert_int_equal(checkpoint_text(&c, out, sizeof(out)), n);
	assert_memory_equal(out, want, n);
	for (size_t cap = 0; cap <= n; cap++)
		assert_int_equal(checkpoint_text(&c, out, cap), 0);
	assert_int_equal(checkpoint_text(&c, out, n + 1), n);
	assert_int_equal(checkpoint_parse(want, n, &back, &why), 0);
	assert_string_equal(back.origin, c.origin);
	assert_int_equal(back.size, c.size);
	assert_memory_equal(back.root.b, c.root.b, 32);
}

static void test_parse(void **state)
{
	static const struct {
		const char *text, *why; /* NULL: a checkpoint */
	} t[] = {
		{"o\n0\n" H0 "\n", NULL},
		{"o\n9223372036854775807\n" H0 "\n", NULL},
		{"o with spaces\n1\n" H0 "\n", NULL},
		{"o\n1\n" H0 "\nextension\n", NULL},
		{"o\n1\n" H0 "\none\ntwo\n", NULL},
		{"", "origin"},
		{"o", "origin"},
		{"\n1\n" H0 "\n", "origin"},
		{"o\n", "tree size"},
		{"o\n\n" H0 "\n", "tree size"},
		{"o\n01\n" H0 "\n", "tree size"},
		{"o\n00\n" H0 "\n", "tree size"},
		{"o\n+1\n" H0 "\n", "tree size"},
		{"o\n-1\n" H0 "\n", "tree size"},
		{"o\n 1\n" H0 "\n", "tree size"},
		{"o\n1 \n" H0 "\n", "tree size"},
		{"o\n0x1\n" H0 "\n", "tree size"},
		{"o\n1\r\n" H0 "\n", "tree size"},
		{"o\n9223372036854775808\n" H0 "\n", "tree size"},
		{"o\n18446744073709551616\n" H0 "\n", "tree size"},
		{"o\n99999999999999999999999999\n" H0 "\n", "tree size"},
		{"o\n1\n", "root hash"},
		{"o\n1\n" H0, "root hash"},
		{"o\n1\n\n", "root hash"},
		{"o\n1\nAAAA\n", "root hash"},
		{"o\n1\n" H0 "A\n", "root hash"},
		{"o\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=\n", "root hash"},
		{"o\n1\n" H0 "\n\n", "extension line"},
		{"o\n1\n" H0 "\nx", "extension line"},
		{"o\n1\n" H0 "\nx\n\ny\n", "extension line"},
	};
	char longer[ORIGIN_MAX + 80], zero[] = "a_b\n1\n" H0 "\n";
	struct checkpoint c;
	const char *why;

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		size_t n = strlen(t[i].text);
		_cleanup_free_ char *p = exact(t[i].text, n);
		int r = checkpoint_parse(p, n, &c, &why);

		if (r != (t[i].why ? -EBADMSG : 0) || (t[i].why && strcmp(why, t[i].why)))
			fail_msg("%s: %d %s", t[i].text, r, why);
	}
	zero[1] = '\0';
	assert_int_equal(checkpoint_parse(zero, sizeof(zero) - 1, &c, &why), -EBADMSG);
	memset(longer, 'o', sizeof(longer));
	strcpy(longer + ORIGIN_MAX, "\n1\n" H0 "\n");
	assert_int_equal(checkpoint_parse(longer, strlen(longer), &c, &why), -EBADMSG);
	strcpy(longer + ORIGIN_MAX - 1, "\n1\n" H0 "\n");
	assert_int_equal(checkpoint_parse(longer, strlen(longer), &c, &why), 0);
	assert_int_equal(strlen(c.origin), ORIGIN_MAX - 1);
}

/* --- cosignatures ---------------------------------------------------------------------------------- */

static size_t cosigned(const char *name, uint64_t unix_s, char *out, size_t cap)
{
	const char text[] = "o/h\n7\n" H1 "\n";
	size_t n = note_sign(text, strlen(text), "o/h", signer, out, cap), m;

	assert_true(n > 0);
	m = cosign(text, strlen(text), unix_s, name, signer, out + n, cap - n);
	return m ? n + m : 0;
}

static void test_cosign(void **state)
{
	struct note_key w = {.name = "witness.example/w1"}, other;
	char out[1024], vkey[300];
	struct note note;
	const char *why;
	uint64_t t = 5;
	size_t n;

	memcpy(w.public, signer_public(signer), RECORD_PUBKEY_LEN);
	n = cosigned(w.name, 1700000000, out, sizeof(out));
	assert_true(n > 0);
	assert_int_equal(note_parse(out, n, &note, &why), 0);
	assert_int_equal(note.n, 2);
	assert_int_equal(note.sigs[1].n, 72);
	assert_int_equal(cosignature_verify(&note, &w, &t), 0);
	assert_int_equal(t, 1700000000);
	/* The same key and name as a signer of notes: another id, so none is by it. */
	assert_int_equal(note_verify(&note, &w, NULL), -ENOKEY);
	assert_int_equal(note_vkey_of(&w, NOTE_COSIGNATURE, vkey, sizeof(vkey)), 0);
	assert_int_equal(note_vkey_parse_of(vkey, strlen(vkey), NOTE_COSIGNATURE, &other), 0);
	assert_string_equal(other.name, w.name);
	assert_int_equal(note_vkey_parse(vkey, strlen(vkey), &other), -EINVAL);

	other = w;
	strcpy(other.name, "witness.example/w2");
	assert_int_equal(cosignature_verify(&note, &other, &t), -ENOKEY);
	other = w;
	other.public[0] ^= 1;
	assert_int_equal(cosignature_verify(&note, &other, &t), -ENOKEY);

	/* The time is signed, every bit of it and of the signature, and so is the text. */
	for (size_t i = 0; i < 72 * 8; i++) {
		note.sigs[1].sig[i / 8] ^= 1 << i % 8;
		t = 5;
		assert_int_equal(cosignature_verify(&note, &w, &t), -EBADMSG);
		assert_int_equal(t, 5);
		note.sigs[1].sig[i / 8] ^= 1 << i % 8;
	}
	out[4] = '8';
	assert_int_equal(cosignature_verify(&note, &w, &t), -EBADMSG);
	/* No time, and names that are none. */
	assert_int_equal(cosigned(w.name, 1ull << 63, out, sizeof(out)), 0);
	assert_int_equal(cosigned("a b", 1, out, sizeof(out)), 0);
	assert_int_equal(cosigned("", 1, out, sizeof(out)), 0);
	assert_true(cosigned(w.name, 0, out, sizeof(out)) > 0);
}

/* --- requests to a witness ------------------------------------------------------------------------- */

static void test_request(void **state)
{
	static const struct {
		const char *text, *why; /* NULL: a request */
		uint64_t old;
		size_t n;
	} t[] = {
		{"old 0\n\no\n1\n" H0 "\n\n" SIG, NULL, 0, 0},
		{"old 20852163\n" H0 "\n" H1 "\n\nnote\n", NULL, 20852163, 2},
		{"old 18446744073709551615\n\nx", NULL, UINT64_MAX, 0},
		{"", "old size", 0, 0},
		{"old \n\nx\n", "old size", 0, 0},
		{"old 01\n\nx\n", "old size", 0, 0},
		{"old -1\n\nx\n", "old size", 0, 0},
		{"old 18446744073709551616\n\nx\n", "old size", 0, 0},
		{"Old 1\n\nx\n", "old size", 0, 0},
		{"old  1\n\nx\n", "old size", 0, 0},
		{"old 1", "old size", 0, 0},
		{"old 1\n", "consistency proof", 0, 0},
		{"old 1\n" H0, "consistency proof", 0, 0},
		{"old 1\n" H0 "\n", "consistency proof", 0, 0},
		{"old 1\nAAAA\n\nx\n", "consistency proof", 0, 0},
		{"old 1\n" H0 " \n\nx\n", "consistency proof", 0, 0},
		{"old 1\n\n", "no checkpoint", 0, 0},
	};
	struct witness_request r;
	char out[8192];
	const char *why;
	size_t n;

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		size_t len = strlen(t[i].text);
		_cleanup_free_ char *p = exact(t[i].text, len);
		int e = witness_request_parse(p, len, &r, &why);

		if (e != (t[i].why ? -EBADMSG : 0) || (e && strcmp(why, t[i].why)))
			fail_msg("%s: %d %s", t[i].text, e, why);
		if (e)
			continue;
		assert_int_equal(r.old, t[i].old);
		assert_int_equal(r.n, t[i].n);
		assert_int_equal(witness_request_text(&r, out, sizeof(out)), len);
		assert_memory_equal(out, p, len);
		assert_int_equal(witness_request_text(&r, out, len), 0);
	}
	/* 63 hashes are as many as a proof can have. */
	for (size_t hashes = 62; hashes <= 66; hashes++) {
		n = sprintf(out, "old 5\n");
		for (size_t i = 0; i < hashes; i++)
			n += sprintf(out + n, "%s\n", H1);
		n += sprintf(out + n, "\nx\n");
		assert_int_equal(witness_request_parse(out, n, &r, &why),
				 hashes <= 63 ? 0 : -EBADMSG);
	}
}

/* --- proofs for a file ----------------------------------------------------------------------------- */

#define HEAD "c2sp.org/tlog-proof@v1\n"

static void test_proof(void **state)
{
	static const struct {
		const char *text, *why; /* NULL: a proof */
		uint64_t index;
		size_t n, extra;
	} t[] = {
		{HEAD "index 0\n\nnote\n", NULL, 0, 0, 0},
		{HEAD "index 73894\n" H0 "\n" H1 "\n\nnote\n", NULL, 73894, 2, 0},
		{HEAD "extra QUJD\nindex 1\n" H0 "\n\nnote\n", NULL, 1, 1, 3},
		{"", "not a c2sp.org/tlog-proof@v1", 0, 0, 0},
		{"c2sp.org/tlog-proof@v1", "not a c2sp.org/tlog-proof@v1", 0, 0, 0},
		{"c2sp.org/tlog-proof@v2\nindex 0\n\nx\n", "not a c2sp.org/tlog-proof@v1", 0, 0, 0},
		{"\n" HEAD "index 0\n\nx\n", "not a c2sp.org/tlog-proof@v1", 0, 0, 0},
		{HEAD, "extra data", 0, 0, 0},
		{HEAD "extra \nindex 0\n\nx\n", "extra data", 0, 0, 0},
		{HEAD "extra QUJ\nindex 0\n\nx\n", "extra data", 0, 0, 0},
		{HEAD "extra QUJDREVGR0hJ\nindex 0\n\nx\n", "extra data", 0, 0, 0}, /* over cap */
		{HEAD "extra QUJD\nextra QUJD\nindex 0\n\nx\n", "index", 0, 0, 0},
		{HEAD "index\n\nx\n", "index", 0, 0, 0},
		{HEAD "index 00\n\nx\n", "index", 0, 0, 0},
		{HEAD "index 0", "extra data", 0, 0, 0},
		{HEAD "index 0\nextra QUJD\n\nx\n", "inclusion proof", 0, 0, 0},
		{HEAD "index 0\n", "inclusion proof", 0, 0, 0},
		{HEAD "index 0\n" H0 "\nx\n", "inclusion proof", 0, 0, 0},
		{HEAD "index 0\n" H0 "\n\n", "no checkpoint", 0, 0, 0},
	};
	struct tlog_proof p;
	uint8_t extra[8];
	char out[8192];
	const char *why;
	size_t n;

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		size_t len = strlen(t[i].text);
		_cleanup_free_ char *in = exact(t[i].text, len);
		int e = tlog_proof_parse(in, len, &p, extra, sizeof(extra), &why);

		if (e != (t[i].why ? -EBADMSG : 0) || (e && strcmp(why, t[i].why)))
			fail_msg("%s: %d %s", t[i].text, e, why);
		if (e)
			continue;
		assert_int_equal(p.index, t[i].index);
		assert_int_equal(p.n, t[i].n);
		assert_int_equal(p.extra_n, t[i].extra);
		assert_int_equal(tlog_proof_text(&p, out, sizeof(out)), len);
		assert_memory_equal(out, in, len);
		for (size_t cap = 0; cap <= len; cap++)
			assert_int_equal(tlog_proof_text(&p, out, cap), 0);
		/* No room for extra data: only a proof without any is taken. */
		assert_int_equal(tlog_proof_parse(in, len, &p, NULL, 0, &why),
				 t[i].extra ? -EBADMSG : 0);
	}
	for (size_t hashes = 63; hashes <= 66; hashes++) {
		n = sprintf(out, HEAD "index 5\n");
		for (size_t i = 0; i < hashes; i++)
			n += sprintf(out + n, "%s\n", H1);
		n += sprintf(out + n, "\nx\n");
		assert_int_equal(tlog_proof_parse(out, n, &p, NULL, 0, &why),
				 hashes <= TREE_PATH_MAX ? 0 : -EBADMSG);
	}
}

/* The example of the specification, whose signatures are shortened there: the form is taken as it stands. */
static void test_published(void **state)
{
	static const char text[] =
		HEAD "index 73894\n"
		     "gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=\n"
		     "B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=\n\n"
		     "example.com/behind-the-sofa\n20852163\n" H1 "\n\n"
		     "\xe2\x80\x94 example.com/behind-the-sofa "
		     "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+"
		     "zyWE+xeMcTOAYQ8=\n";
	struct tlog_proof p;
	struct checkpoint c;
	struct note note;
	const char *why;

	assert_int_equal(tlog_proof_parse(text, strlen(text), &p, NULL, 0, &why), 0);
	assert_int_equal(note_parse(p.note, p.note_n, &note, &why), 0);
	assert_int_equal(checkpoint_parse(note.text, note.text_n, &c, &why), 0);
	assert_string_equal(c.origin, "example.com/behind-the-sofa");
	assert_int_equal(c.size, 20852163);
	assert_int_equal(note.n, 1);
	assert_int_equal(note.sigs[0].id, 0x033de0ae);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_origin),	  cmocka_unit_test(test_text),
		cmocka_unit_test(test_parse),	  cmocka_unit_test(test_cosign),
		cmocka_unit_test(test_request),	  cmocka_unit_test(test_proof),
		cmocka_unit_test(test_published),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
