// SPDX-License-Identifier: Apache-2.0
// covers: user/export/manifest.c user/export/dsse.c
/* The manifest's text and back, what it refuses; DSSE envelopes, each byte of one changed. */
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

#include "export/dsse.h"
#include "export/manifest.h"

static void test_paths(void **state)
{
	static const struct {
		const char *path;
		bool ok;
	} t[] = {
		{"records/00000000000000000000.seg", true},
		{"proof/tile/0/x001/234.p/17", true},
		{"README.md", true},
		{"a-b_c.d", true},
		{"", false},
		{"/etc/passwd", false},
		{"../x", false},
		{"a/../b", false},
		{"a/./b", false},
		{"a//b", false},
		{"a/", false},
		{".hidden", false},
		{"a/.hidden", false},
		{"-rf", false},
		{"a b", false},
		{"a\\b", false},
		{"a\nb", false},
		{"a:b", false},
		{"\xc3\xa4", false},
	};
	char lengthy[BUNDLE_PATH_MAX + 2];

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		if (bundle_path_ok(t[i].path) != t[i].ok)
			fail_msg("'%s'", t[i].path);
	memset(lengthy, 'a', sizeof(lengthy));
	lengthy[BUNDLE_PATH_MAX] = '\0';
	assert_false(bundle_path_ok(lengthy));
	lengthy[BUNDLE_PATH_MAX - 1] = '\0';
	assert_true(bundle_path_ok(lengthy));
}

static void fill(struct manifest *m)
{
	static const char *const paths[] = {"records/b.seg", "README.md", "records/a.seg"};

	memset(m, 0, sizeof(*m));
	m->version = 1;
	strcpy(m->tool, "probity 1");
	strcpy(m->created, "2026-11-21T00:00:00Z");
	strcpy(m->host, "org/host");
	memset(m->chain, 0xcd, sizeof(m->chain));
	memset(m->public, 0xef, sizeof(m->public));
	m->first_seq = 3;
	m->last_seq = 1ull << 60;
	m->checkpoint_size = 12;
	for (size_t i = 0; i < 3; i++) {
		struct manifest_file f = {.size = i * 1000};

		strcpy(f.path, paths[i]);
		memset(f.sha256, i, sizeof(f.sha256));
		assert_int_equal(manifest_add(m, &f), 0);
		assert_int_equal(manifest_add(m, &f), -EEXIST);
	}
}

static void test_round_trip(void **state)
{
	struct manifest m, n = {0};
	char err[200] = "", *a, *b;

	fill(&m);
	assert_string_equal(m.files[0].path, "README.md");
	a = manifest_text(&m);
	assert_int_equal(manifest_parse(a, strlen(a), &n, err, sizeof(err)), 0);
	b = manifest_text(&n);
	assert_string_equal(a, b);
	assert_int_equal(n.last_seq, 1ull << 60);
	assert_int_equal(manifest_find(&n, "records/b.seg")->size, 0);
	assert_null(manifest_find(&n, "records/c.seg"));
	free(a);
	free(b);
	manifest_done(&m);
	manifest_done(&n);
}

#define HEX16 "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
#define HEX32 HEX16 HEX16
#define HEAD                                                              \
	"{\"format\":\"probity/bundle\",\"version\":1,\"chain\":\"" HEX16 \
	"\",\"public_key\":\"" HEX32 "\","
#define RANGE "\"range\":{\"first_seq\":0,\"last_seq\":1},"

static void test_refused(void **state)
{
	static const struct {
		const char *text, *why; /* NULL: taken */
	} t[] = {
		{HEAD RANGE "\"files\":[]}", NULL},
		{HEAD RANGE "\"later\":{},\"files\":[{\"path\":\"a\",\"size\":1,\"sha256\":\"" HEX32
			    "\",\"mode\":3}]}",
		 NULL},
		{"", "line"},
		{"[]", "format"},
		{"{", "line"},
		{"{\"format\":\"other\"}", "format"},
		{"{\"format\":\"probity/bundle\"}", "version"},
		{"{\"format\":\"probity/bundle\",\"version\":0}", "version"},
		{"{\"format\":\"probity/bundle\",\"version\":1}", "chain"},
		{HEAD "\"files\":[]}", "range"},
		{HEAD "\"range\":{\"first_seq\":2,\"last_seq\":1},\"files\":[]}", "range"},
		{HEAD "\"range\":{\"first_seq\":-1,\"last_seq\":1},\"files\":[]}", "range"},
		{HEAD RANGE "\"files\":{}}", "files"},
		{HEAD RANGE "\"files\":[7]}", "files[0]: no path"},
		{HEAD RANGE "\"files\":[{\"path\":\"../a\",\"size\":1,\"sha256\":\"" HEX32 "\"}]}",
		 "files[0]: a path"},
		{HEAD RANGE "\"files\":[{\"path\":\"a\\u0000b\",\"size\":1,\"sha256\":\"" HEX32
			    "\"}]}",
		 "line"},
		{HEAD RANGE "\"files\":[{\"path\":\"a\",\"size\":-1,\"sha256\":\"" HEX32 "\"}]}",
		 "files[0]: no size"},
		{HEAD RANGE "\"files\":[{\"path\":\"a\",\"size\":1,\"sha256\":\"" HEX16 "\"}]}",
		 "files[0]: sha256"},
		{HEAD RANGE "\"files\":[{\"path\":\"a\",\"size\":1,\"sha256\":\"" HEX32
			    "\"},{\"path\":\"a\",\"size\":1,\"sha256\":\"" HEX32 "\"}]}",
		 "files[1]: twice"},
		{HEAD "\"version\":2," RANGE "\"files\":[]}", "line"}, /* a name twice */
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct manifest m = {0};
		char err[200] = "";
		int r = manifest_parse(t[i].text, strlen(t[i].text), &m, err, sizeof(err));

		if ((r == 0) != !t[i].why || (r && !strstr(err, t[i].why)))
			fail_msg("%s: %d %s", t[i].text, r, err);
		manifest_done(&m);
	}
}

static void test_newer(void **state)
{
	struct manifest m;
	char err[200] = "", *a;

	fill(&m);
	m.version = 9;
	a = manifest_text(&m);
	manifest_done(&m);
	assert_int_equal(manifest_parse(a, strlen(a), &m, err, sizeof(err)), 0);
	assert_int_equal(m.version, 9);
	assert_int_equal(m.n, 3);
	manifest_done(&m);
	free(a);
}

/* --- DSSE ------------------------------------------------------------------------------------------ */

static struct signer *key(char path[static 64])
{
	struct signer *s = NULL;
	char err[256] = "";

	strcpy(path, "/tmp/probity-dsse-XXXXXX");
	assert_non_null(mkdtemp(path));
	strcat(path, "/k");
	if (signer_open(path, true, &s, err, sizeof(err)))
		fail_msg("%s", err);
	return s;
}

static void key_done(struct signer *s, char *path)
{
	char pub[80];

	signer_free(s);
	snprintf(pub, sizeof(pub), "%s.pub", path);
	unlink(path);
	unlink(pub);
	*strrchr(path, '/') = '\0';
	rmdir(path);
}

static void test_dsse(void **state)
{
	static const char body[] = "{\"a\": 1}\n";
	const size_t n = sizeof(body) - 1;
	char pa[64], pb[64], *e = NULL;
	struct signer *a = key(pa), *b = key(pb);
	const char *why = "";
	size_t len;

	assert_int_equal(dsse_sign("t/x", body, n, a, &e), 0);
	len = strlen(e);
	assert_int_equal(dsse_verify(e, len, "t/x", body, n, signer_public(a), &why), 0);
	assert_int_equal(dsse_verify(e, len, "t/x", body, n, signer_public(b), &why), -ENOKEY);
	assert_int_equal(dsse_verify(e, len, "t/y", body, n, signer_public(a), &why), -EBADMSG);
	assert_string_equal(why, "of another payload type");
	assert_int_equal(dsse_verify(e, len, "t/x", body, n - 1, signer_public(a), &why), -EBADMSG);
	assert_string_equal(why, "of another payload");
	assert_int_equal(dsse_verify(e, len, "t/x", "{\"a\": 2}\n", n, signer_public(a), &why),
			 -EBADMSG);
	/* Every byte of the envelope: only the key id and white space may change without harm. */
	for (size_t i = 0; i < len; i++) {
		char *c = strdup(e), *id = strstr(e, "\"keyid\"");
		bool hint = id && e + i >= id && e + i < strstr(id, "\"sig\""),
		     blank = strchr(" \n", e[i]);
		int r;

		c[i] ^= 1;
		r = dsse_verify(c, len, "t/x", body, n, signer_public(a), &why);
		if (!r && !hint && !blank)
			fail_msg("byte %zu ('%c') changed and still fine", i, e[i]);
		free(c);
	}
	for (size_t i = 0; i < len; i++)
		assert_true(dsse_verify(e, i, "t/x", body, n, signer_public(a), &why) < 0 ||
			    i + 1 >= len);
	free(e);
	key_done(a, pa);
	key_done(b, pb);
}

/* DSSE's own words: "DSSEv1" SP LEN(type) SP type SP LEN(body) SP body; a signature of anything else is none. */
static void test_pae(void **state)
{
	char path[64], *e = NULL, text[512], sig64[96];
	const char *pae = "DSSEv1 29 http://example.com/HelloWorld 11 hello world", *why = "";
	struct signer *s = key(path);
	uint8_t sig[RECORD_SIG_LEN];

	assert_int_equal(signer_sign(s, (const uint8_t *)pae, strlen(pae), sig), 0);
	{
		static const char d[] =
			"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
		size_t k = 0;

		for (size_t i = 0; i < sizeof(sig); i += 3) {
			uint32_t v = sig[i] << 16 | (i + 1 < 64 ? sig[i + 1] << 8 : 0) |
				     (i + 2 < 64 ? sig[i + 2] : 0);

			for (int j = 3; j >= 0; j--)
				sig64[k++] = d[v >> 6 * j & 63];
		}
		sig64[k] = '\0';
		sig64[k - 1] = sig64[k - 2] = '='; /* 64 bytes end with one */
	}
	snprintf(
		text, sizeof(text),
		"{\"payloadType\":\"http://example.com/HelloWorld\",\"payload\":\"aGVsbG8gd29ybGQ=\","
		"\"signatures\":[{\"sig\":\"%s\"}]}",
		sig64);
	assert_int_equal(dsse_verify(text, strlen(text), "http://example.com/HelloWorld",
				     "hello world", 11, signer_public(s), &why),
			 0);
	free(e);
	key_done(s, path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),	cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_newer),
		cmocka_unit_test(test_dsse),	cmocka_unit_test(test_pae),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
