// SPDX-License-Identifier: Apache-2.0
/* Against published values (RFC 3720 B.4), in pieces, and both implementations against each other. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "record/segment.h"

static void known_values(void **state)
{
	uint8_t zeros[32] = {0}, ones[32], up[32], down[32];
	const struct {
		const void *p;
		size_t n;
		uint32_t crc;
	} cases[] = {
		{"", 0, 0x00000000},	      {"123456789", 9, 0xe3069283}, {zeros, 32, 0x8a9136aa},
		{ones, 32, 0x62a8ab43},	      {up, 32, 0x46dd794e},	    {down, 32, 0x113fdb5c},
		{"123456789", 8, 0x6087809a},
	};

	memset(ones, 0xff, sizeof(ones));
	for (int i = 0; i < 32; i++) {
		up[i] = i;
		down[i] = 31 - i;
	}
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(crc32c(0, cases[i].p, cases[i].n), cases[i].crc);
		assert_int_equal(crc32c_portable(0, cases[i].p, cases[i].n), cases[i].crc);
	}
}

static void pieces_and_alignments(void **state)
{
	_cleanup_free_ uint8_t *b = malloc(300);

	for (size_t i = 0; i < 300; i++)
		b[i] = i * 37 + (i >> 3);
	for (size_t from = 0; from < 17; from++)
		for (size_t n = 0; n < 120; n++) {
			uint32_t whole = crc32c_portable(0, b + from, n);

			assert_int_equal(crc32c(0, b + from, n), whole);
			assert_int_equal(crc32c(crc32c(0, b + from, n / 3), b + from + n / 3,
						n - n / 3),
					 whole);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_values),
		cmocka_unit_test(pieces_and_alignments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
