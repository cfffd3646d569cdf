// SPDX-License-Identifier: Apache-2.0
/* What is signed to open a guard: the text, what is no text, and that a signature is of one window. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "record/note.h"
#include "record/unlock_note.h"

static void text(void **state)
{
	static const char want[] = "probity/unlock/v1\nhost h1\nnonce 00ff\nfor 300 s\n";
	char out[128];

	assert_int_equal(unlock_note_text("00ff", "h1", 300, out, sizeof(out)), sizeof(want) - 1);
	assert_string_equal(out, want);
}

static void no_text(void **state)
{
	static const struct {
		const char *nonce, *host;
		uint64_t for_s;
	} bad[] = {
		{"", "h", 1},	   {"n", "", 1},     {NULL, "h", 1},  {"n", NULL, 1},
		{"n n", "h", 1},   {"n", "h\nh", 1}, {"n\n", "h", 1}, {"n", "h\t", 1},
		{"n", "h\x7f", 1}, {"n", "h", 0},
	};
	char out[128];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(unlock_note_text(bad[i].nonce, bad[i].host, bad[i].for_s, out,
						  sizeof(out)),
				 0);
}

static void fits_or_not(void **state)
{
	char whole[128], out[128];
	size_t n = unlock_note_text("00ff", "h1", 300, whole, sizeof(whole));

	for (size_t cap = 0; cap <= n; cap++)
		assert_int_equal(unlock_note_text("00ff", "h1", 300, out, cap), 0);
	assert_int_equal(unlock_note_text("00ff", "h1", 300, out, n + 1), n);
}

/* A note over one window verifies, and is over no other. */
static void one_window(void **state)
{
	char dir[] = "/tmp/probity-unlock-XXXXXX", path[64], pub[72], err[256], a[256], b[256];
	char note[1024];
	struct note_key key = {};
	struct signer *s;
	struct note n;
	const char *why;
	size_t len;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/k", dir);
	snprintf(pub, sizeof(pub), "%s.pub", path);
	assert_int_equal(signer_open(path, true, &s, err, sizeof(err)), 0);
	memcpy(key.public, signer_public(s), sizeof(key.public));
	len = unlock_note_text("00ff", "h1", 300, a, sizeof(a));
	assert_true(note_sign(a, len, "operator", s, note, sizeof(note)) > 0);
	assert_int_equal(note_parse(note, strlen(note), &n, &why), 0);
	assert_int_equal(note_verify(&n, &key, NULL), 0);
	assert_int_equal(n.text_n, len);
	assert_memory_equal(n.text, a, len);
	assert_true(unlock_note_text("00ff", "h2", 300, b, sizeof(b)) > 0);
	assert_true(memcmp(a, b, len) != 0);
	note[strlen("probity/unlock/v1\nhost ")] ^= 1;
	assert_int_equal(note_parse(note, strlen(note), &n, &why), 0);
	assert_int_not_equal(note_verify(&n, &key, NULL), 0);
	signer_free(s);
	unlink(path);
	unlink(pub);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text),
		cmocka_unit_test(no_text),
		cmocka_unit_test(fits_or_not),
		cmocka_unit_test(one_window),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
