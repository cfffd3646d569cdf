// SPDX-License-Identifier: Apache-2.0
/* Signed notes: the published example, every way a note can be none, and every bit of a good one. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "record/note.h"

/* The key and note that golang.org/x/mod/sumdb/note documents: other programs wrote them. */
static const char vkey[] = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
static const char text[] = "If you think cryptography is the answer to your problem,\n"
			   "then you don't know what your problem is.\n";
static const char peter[] =
	"\xe2\x80\x94 PeterNeumann "
	"x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

static char *join(const char *const *parts)
{
	char *s = calloc(1, 8192);

	for (; *parts; parts++)
		strcat(s, *parts);
	return s;
}
#define JOIN(...) join((const char *const[]){__VA_ARGS__, NULL})

static void published(void **state)
{
	_cleanup_free_ char *all = JOIN(text, "\n", peter);
	struct note_key k;
	struct note n;
	const char *why, *by;
	char again[256];

	assert_int_equal(note_vkey_parse(vkey, strlen(vkey), &k), 0);
	assert_string_equal(k.name, "PeterNeumann");
	assert_int_equal(note_vkey(&k, again, sizeof(again)), 0);
	assert_string_equal(again, vkey);
	assert_int_equal(note_parse(all, strlen(all), &n, &why), 0);
	assert_int_equal(n.text_n, strlen(text));
	assert_int_equal(n.n, 1);
	assert_int_equal(note_verify(&n, &k, &by), 0);
	assert_string_equal(by, "PeterNeumann");
	/* A PEM file has no name: the signature's own is taken. */
	k.name[0] = '\0';
	assert_int_equal(note_verify(&n, &k, &by), 0);
	snprintf(k.name, sizeof(k.name), "Other");
	assert_int_equal(note_verify(&n, &k, &by), -ENOKEY);
}

static void flips(void **state)
{
	_cleanup_free_ char *all = JOIN(text, "\n", peter);
	size_t len = strlen(all);
	struct note_key k;

	assert_int_equal(note_vkey_parse(vkey, strlen(vkey), &k), 0);
	for (size_t i = 0; i < len * 8; i++) {
		struct note n;
		const char *why;

		all[i / 8] ^= 1 << i % 8;
		if (!note_parse(all, len, &n, &why) && !note_verify(&n, &k, NULL))
			fail_msg("bit %zu of byte %zu does not matter", i % 8, i / 8);
		all[i / 8] ^= 1 << i % 8;
	}
}

static void cut(void **state)
{
	_cleanup_free_ char *all = JOIN(text, "\n", peter);
	size_t page = sysconf(_SC_PAGESIZE);
	char *p = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	assert_int_equal(mprotect(p + page, page, PROT_NONE), 0);
	for (size_t n = 0; n < strlen(all); n++) {
		struct note note;
		const char *why;

		memcpy(p + page - n, all, n);
		assert_int_equal(note_parse(p + page - n, n, &note, &why), -EBADMSG);
		assert_true(why[0]);
	}
	for (size_t n = 0; n < strlen(vkey); n++) {
		struct note_key k;

		memcpy(p + page - n, vkey, n);
		assert_int_equal(note_vkey_parse(p + page - n, n, &k), -EINVAL);
	}
	munmap(p, 2 * page);
}

#define DASH "\xe2\x80\x94 "
static void hostile(void **state)
{
	static const struct {
		const char *note;
		int ret;
		size_t sigs;
	} rows[] = {
		{"", -EBADMSG, 0},
		{"\n", -EBADMSG, 0},
		{"\n\n", -EBADMSG, 0},
		{"text\n\n", -EBADMSG, 0},
		{"text\n\nno signature\n", -EBADMSG, 0},
		{"text\n" DASH "a AAAAAAA=\n", -EBADMSG, 0}, /* no empty line */
		{"text\n\n" DASH "a AAAAAAA=\n", 0, 0},	     /* another algorithm's, left out */
		{"text\n\n" DASH "a AAAAAAA=", -EBADMSG, 0},
		{"text\n\n" DASH "a AAAAAA==\n", -EBADMSG, 0}, /* four bytes: no signature */
		{"text\n\n" DASH "a AAAAAAB=\n", -EBADMSG, 0}, /* bits behind the last byte */
		{"text\n\n" DASH "a AAAA\n", -EBADMSG, 0},
		{"text\n\n" DASH "a AAAAAAA\n", -EBADMSG, 0},
		{"text\n\n" DASH "a  AAAAAAA=\n", -EBADMSG, 0},
		{"text\n\n" DASH "a AAAAAAA= \n", -EBADMSG, 0},
		{"text\n\n" DASH "a+b AAAAAAA=\n", -EBADMSG, 0},
		{"text\n\n" DASH " AAAAAAA=\n", -EBADMSG, 0},
		{"text\n\n" DASH "a\n", -EBADMSG, 0},
		{"text\n\n" DASH "a \n", -EBADMSG, 0},
		{"text\n\n- a AAAAAAA=\n", -EBADMSG, 0}, /* a hyphen is no dash */
		{"text\r\n\n" DASH "a AAAAAAA=\n", -EBADMSG, 0},
		{"te\txt\n\n" DASH "a AAAAAAA=\n", -EBADMSG, 0},
		{"te\xff\n\n" DASH "a AAAAAAA=\n", -EBADMSG, 0},
		{"a\n\nb\n\n" DASH "a AAAAAAA=\n", 0, 0}, /* the last empty line counts */
		{"text\n\n" DASH "a AAAAAAA=\n\n", -EBADMSG, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct note n = {};
		const char *why;
		int r = note_parse(rows[i].note, strlen(rows[i].note), &n, &why);

		if (r != rows[i].ret || (!r && n.n != rows[i].sigs))
			fail_msg("row %zu: %d %s", i, r, why);
	}
}

static void many(void **state)
{
	char all[8192] = "text\n\n";
	struct note n;
	const char *why;

	for (int i = 0; i < NOTE_SIGS_MAX; i++)
		strcat(all, DASH "a AAAAAAA=\n");
	assert_int_equal(note_parse(all, strlen(all), &n, &why), 0);
	strcat(all, DASH "a AAAAAAA=\n");
	assert_int_equal(note_parse(all, strlen(all), &n, &why), -EBADMSG);
}

/* Signatures of algorithms that are not known here, up to the size of those to come, are left out, or, of a
 * length that one of ours may have, taken for nobody's. */
static void foreign(void **state)
{
	static const size_t sizes[] = {1, 63, 65, 71, 73, 512, 2428, 4627, 8188};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		size_t raw = 4 + sizes[i];
		_cleanup_free_ char *blob = calloc(1, raw), *b64 = malloc(raw * 2 + 8);
		_cleanup_free_ char *all = NULL;
		struct note_key k;
		struct note n;
		const char *why;

		base64_encode(blob, raw, b64);
		assert_true(asprintf(&all, "%s\n" DASH "pq.example %s\n%s", text, b64, peter) > 0);
		assert_int_equal(note_parse(all, strlen(all), &n, &why), 0);
		assert_int_equal(n.n, 1 + (sizes[i] > 64 && sizes[i] <= NOTE_SIG_MAX));
		assert_int_equal(note_vkey_parse(vkey, strlen(vkey), &k), 0);
		assert_int_equal(note_verify(&n, &k, NULL), 0);
	}
}

static void names(void **state)
{
	static const struct {
		const char *name;
		bool ok;
	} t[] = {
		{"a", true},
		{"example.com/log", true},
		{"\xc3\xa9", true},
		{"\xe2\x80\x8b", true}, /* of no width, and no White_Space */
		{"", false},
		{"a b", false},
		{"a+b", false},
		{"a\nb", false},
		{"a\tb", false},
		{"a\x7f", false},
		{"a\xc2\x85", false},
		{"\xc2\xa0", false},
		{"a\xe1\x9a\x80", false},
		{"a\xe2\x80\x80", false},
		{"a\xe2\x80\x8a", false},
		{"a\xe2\x80\xa8", false},
		{"a\xe2\x80\xa9", false},
		{"a\xe2\x80\xaf", false},
		{"a\xe2\x81\x9f", false},
		{"a\xe3\x80\x80", false},
		{"\xff", false},
		{"\xc3", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		if (note_name_ok(t[i].name) != t[i].ok)
			fail_msg("name %zu", i);
}

static void vkeys(void **state)
{
	static const char *const bad[] = {
		"",
		"+",
		"a+b+c",
		"PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", /* id */
		"PeterNeumans+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", /* name */
		"PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
		"PeterNeumann+c74f20a3+AhpcRQcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", /* type */
		"Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
		"PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW\n\n",
	};
	struct note_key k;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(note_vkey_parse(bad[i], strlen(bad[i]), &k), -EINVAL);
	assert_int_equal(note_vkey_parse(vkey, strlen(vkey) - 1, &k), -EINVAL);
}

static void ours(void **state)
{
	char path[] = "/tmp/probity-note-XXXXXX", key[64], err[256], out[1024], t[512];
	struct policy_note p = {.pack = "no-secrets", .version = "1.0.0", .revision = 7}, q;
	struct note_key k = {.name = "ops"};
	struct signer *s;
	struct note n;
	const char *why;
	size_t len;

	assert_non_null(mkdtemp(path));
	snprintf(key, sizeof(key), "%s/k", path);
	assert_int_equal(signer_open(key, true, &s, err, sizeof(err)), 0);
	memset(p.sha256, 0xa5, sizeof(p.sha256));
	len = policy_note_text(&p, t, sizeof(t));
	assert_true(len);
	assert_int_equal(policy_note_parse(t, len, &q), 0);
	assert_memory_equal(&p, &q, sizeof(p));
	for (size_t i = 0; i < len; i++) /* no prefix of it is one */
		assert_int_equal(policy_note_parse(t, i, &q), -EBADMSG);
	assert_int_equal(note_sign(t, len, "o p", s, out, sizeof(out)), 0);
	assert_int_equal(note_sign(t, len - 1, "ops", s, out, sizeof(out)), 0);
	assert_int_equal(note_sign(t, len, "ops", s, out, 100), 0);
	len = note_sign(t, len, "ops", s, out, sizeof(out));
	assert_true(len);
	memcpy(k.public, signer_public(s), sizeof(k.public));
	assert_int_equal(note_parse(out, len, &n, &why), 0);
	assert_int_equal(note_verify(&n, &k, NULL), 0);
	assert_int_equal(policy_note_parse(n.text, n.text_n, &q), 0);
	signer_free(s);
	unlink(key);
	strcat(key, ".pub");
	unlink(key);
	rmdir(path);
}

static void policy_texts(void **state)
{
#define SHA "a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5"
#define HEAD "probity/policy/v1\npack a\nversion 1\n"
	static const struct {
		const char *text;
		int ret;
	} rows[] = {
		{HEAD "revision 1\nsha256 " SHA "\n", 0},
		{HEAD "revision 18446744073709551615\nsha256 " SHA "\n", 0},
		{HEAD "revision 18446744073709551616\nsha256 " SHA "\n", -EBADMSG},
		{HEAD "revision 0\nsha256 " SHA "\n", -EBADMSG},
		{HEAD "revision 01\nsha256 " SHA "\n", -EBADMSG},
		{HEAD "revision +1\nsha256 " SHA "\n", -EBADMSG},
		{HEAD "revision -1\nsha256 " SHA "\n", -EBADMSG},
		{HEAD "revision 1\nsha256 A5" SHA "\n", -EBADMSG},
		{HEAD "revision 1\nsha256 " SHA "\nmore\n", -EBADMSG},
		{HEAD "sha256 " SHA "\nrevision 1\n", -EBADMSG},
		{"probity/policy/v2\npack a\nversion 1\nrevision 1\nsha256 " SHA "\n", -EBADMSG},
		{"probity/policy/v1\npack a b\nversion 1\nrevision 1\nsha256 " SHA "\n", -EBADMSG},
		{"probity/policy/v1\npack \nversion 1\nrevision 1\nsha256 " SHA "\n", -EBADMSG},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct policy_note p;

		if (policy_note_parse(rows[i].text, strlen(rows[i].text), &p) != rows[i].ret)
			fail_msg("row %zu", i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published),	cmocka_unit_test(flips), cmocka_unit_test(cut),
		cmocka_unit_test(hostile),	cmocka_unit_test(many),	 cmocka_unit_test(foreign),
		cmocka_unit_test(names),	cmocka_unit_test(vkeys), cmocka_unit_test(ours),
		cmocka_unit_test(policy_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
