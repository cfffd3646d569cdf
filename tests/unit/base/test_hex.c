// SPDX-License-Identifier: Apache-2.0
/* Every byte there and back; what is no digit, too much or too little is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/hex.h"

static void every_byte(void **state)
{
	uint8_t all[256], back[256];
	char text[2 * sizeof(all) + 1];

	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = i;
	hex_encode(all, sizeof(all), text);
	assert_int_equal(strlen(text), 512);
	assert_memory_equal(text + 2 * 0xaf, "af", 2);
	assert_true(hex_decode(text, 512, back, sizeof(back)));
	assert_memory_equal(all, back, sizeof(all));
	hex_encode(all, 0, text);
	assert_string_equal(text, "");
	assert_true(hex_decode("", 0, back, 0));
}

static void every_digit(void **state)
{
	uint8_t b;

	for (int c = 0; c < 256; c++) {
		char two[2] = {c, '1'}, owt[2] = {'1', c};
		bool is = c && strchr("0123456789abcdef", c),
		     typed = is || (c && strchr("ABCDEF", c));

		assert_int_equal(hex_decode(two, 2, &b, 1), is);
		assert_int_equal(hex_decode(owt, 2, &b, 1), is);
		assert_int_equal(hex_decode_typed(two, 2, &b, 1), typed);
		if (!c || !strchr(" \t\r\n", c))
			assert_int_equal(hex_decode_typed(owt, 2, &b, 1), typed);
	}
	assert_true(hex_decode_typed("aF \r\n", 5, &b, 1));
	assert_int_equal(b, 0xaf);
	assert_false(hex_decode_typed("aF\n0", 4, &b, 2));
	assert_false(hex_decode("abc", 3, &b, 1));
	assert_false(hex_decode("a", 1, &b, 1));
	assert_false(hex_decode("abcd", 4, &b, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_byte),
		cmocka_unit_test(every_digit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
