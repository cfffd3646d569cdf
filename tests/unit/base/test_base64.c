// SPDX-License-Identifier: Apache-2.0
// covers: user/base/base64.c
/* The vectors of RFC 4648 §10, against OpenSSL for other lengths, and that no text but one is taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/cleanup.h"

static void test_vectors(void **state)
{
	static const char *const t[][2] = {{"", ""},
					   {"f", "Zg=="},
					   {"fo", "Zm8="},
					   {"foo", "Zm9v"},
					   {"foob", "Zm9vYg=="},
					   {"fooba", "Zm9vYmE="},
					   {"foobar", "Zm9vYmFy"}};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		char text[16], back[16];
		long n = strlen(t[i][0]);

		base64_encode(t[i][0], n, text);
		assert_string_equal(text, t[i][1]);
		assert_int_equal(BASE64_LEN(n), strlen(text));
		assert_int_equal(base64_decode(text, strlen(text), back, sizeof(back)), n);
		assert_memory_equal(back, t[i][0], n);
	}
}

/* Each in a buffer of its own size, so that one byte too far is seen. */
static void test_against_openssl(void **state)
{
	for (size_t n = 1; n < 300; n++) {
		uint8_t *in = malloc(n), *out = malloc(n);
		char *text = malloc(BASE64_LEN(n) + 1), *want = malloc(BASE64_LEN(n) + 1);

		for (size_t i = 0; i < n; i++)
			in[i] = i * 167 + n * 13;
		EVP_EncodeBlock((uint8_t *)want, in, n);
		base64_encode(in, n, text);
		assert_string_equal(text, want);
		assert_int_equal(base64_decode(text, BASE64_LEN(n), out, n), n);
		assert_memory_equal(in, out, n);
		assert_int_equal(base64_decode(text, BASE64_LEN(n), out, n - 1), -1);
		free(in);
		free(out);
		free(text);
		free(want);
	}
}

static void test_refused(void **state)
{
	static const char *const t[] = {
		"Z",	"Zg",	 "Zg=",	     "Zg===",	 "=",	   "==",      "====",	 "Z===",
		"Zh==", "Zm9=",	 "Zm8=Zm8=", "Zg==Zg==", "Zm9v\n", "Zm 9",    " Zm9v",	 "Zm9-",
		"Zm9_", "Zm9v=", "Zm=v",     "Z=9v",	 "=m9v",   "Zm9\x80", "Zm9\xff", "Zm9v====",
	};
	uint8_t out[16];

	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		assert_int_equal(base64_decode(t[i], strlen(t[i]), out, sizeof(out)), -1);
	assert_int_equal(base64_decode("Zm9\0", 4, out, sizeof(out)), -1);
}

/* Every text of four characters out of an alphabet with all that is special: what is taken is what
 * encoding gives. */
static void test_one_spelling(void **state)
{
	static const char c[] = "AQgwZ/+=-_ \n9";
	const size_t k = sizeof(c); /* with the NUL */
	size_t taken = 0;

	for (size_t i = 0; i < k * k * k * k; i++) {
		const char p[4] = {c[i % k], c[i / k % k], c[i / k / k % k], c[i / k / k / k]};
		char again[8];
		uint8_t out[3];
		long n = base64_decode(p, 4, out, sizeof(out));

		if (n < 0)
			continue;
		base64_encode(out, n, again);
		assert_memory_equal(again, p, 4);
		taken++;
	}
	assert_true(taken > 8 * 8 * 8 * 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_against_openssl),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_one_spelling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
