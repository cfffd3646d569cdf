// SPDX-License-Identifier: Apache-2.0
#include "agent/attach/reentry.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "proto/event.h"

static const struct {
	const char *name;
	uint8_t n, before[12];
	unsigned want;
} rows[] = {
	{"nop", 2, {0xc3, 0x90}, 1},
	{"66 nop", 3, {0xc3, 0x66, 0x90}, 1},
	{"3 bytes", 4, {0xc3, 0x0f, 0x1f, 0x00}, 3},
	{"4 bytes", 5, {0xc3, 0x0f, 0x1f, 0x40, 0x00}, 4},
	{"5 bytes", 6, {0xc3, 0x0f, 0x1f, 0x44, 0x00, 0x00}, 5},
	{"6 bytes end with 5", 7, {0xc3, 0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00}, 5},
	{"7 bytes", 8, {0xc3, 0x0f, 0x1f, 0x80, 0, 0, 0, 0}, 7},
	{"8 bytes", 9, {0xc3, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0}, 8},

	{"10 bytes", 10, {0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0}, 8},
	{"endbr64", 4, {0xf3, 0x0f, 0x1e, 0xfa}, 4},
	{"endbr32", 4, {0xf3, 0x0f, 0x1e, 0xfb}, 0},
	{"int3", 4, {0xcc, 0xcc, 0xcc, 0xcc}, 0},
	{"a nop that names other memory", 4, {0x0f, 0x1f, 0x40, 0x01}, 0},
	{"cut", 2, {0x1f, 0x00}, 0},
	{"nothing before", 0, {}, 0},
};

static void test_rows(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		unsigned got = reentry_before(rows[i].before + rows[i].n, rows[i].n);

		if (got != rows[i].want)
			fail_msg("%s: %u, wanted %u", rows[i].name, got, rows[i].want);
	}
}

/* Not a byte before the n that there are is looked at. */
static void test_guard(void **state)
{
	size_t page = getpagesize();
	uint8_t *p =
		mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(mprotect(p, page, PROT_NONE), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (size_t n = 0; n <= rows[i].n; n++) {
			memcpy(p + page, rows[i].before + rows[i].n - n, n);
			reentry_before(p + page + n, n);
		}
	munmap(p, 2 * page);
}

static const uint8_t mark[] = {0xf3, 0x0f, 0x1e, 0xfa};

static void put(uint8_t *p, uint64_t at, const void *what, size_t n)
{
	memcpy(p + at, what, n);
}

static void test_file(void **state)
{
	static const uint8_t nop3[] = {0x0f, 0x1f, 0x00};
	enum { SIZE = 3 * 4096 };
	uint8_t *code = malloc(SIZE);
	_cleanup_close_ int fd = memfd_create("code", 0);
	uint64_t offset[] = {256, 512, 768, 1024, 4096, 8192 - 4, SIZE - 2, SIZE + 4096, 1280};
	uint64_t cookie[ARRAY_SIZE(offset)];
	static const struct {
		uint64_t offset;
		unsigned step;
	} want[] = {
		{256, 3},	  /* behind padding */
		{516, 4},	  /* marked: behind the mark */
		{768, 3},	  /* both: the padding will do */
		{1024, 0},	  /* neither */
		{4096, 0},	  /* padding in another page */
		{8192 - 4, 0},	  /* the mark reaches the next page */
		{SIZE - 2, 0},	  /* the file ends */
		{SIZE + 4096, 0}, /* beyond it */
		{1280, 0},	  /* a site that does not write */
	};

	assert_non_null(code);
	memset(code, 0xcc, SIZE);
	put(code, 253, nop3, 3);
	put(code, 512, mark, 4);
	put(code, 765, nop3, 3);
	put(code, 768, mark, 4);
	put(code, 4093, nop3, 3);
	put(code, 8192 - 4, mark, 4);
	put(code, 1277, nop3, 3);
	assert_int_equal(write(fd, code, SIZE), SIZE);
	for (size_t i = 0; i < ARRAY_SIZE(offset); i++)
		cookie[i] = TLS_COOKIE(i & 1 ? TLS_SEAL : TLS_WRITE, 1, 2, 3, 4, 5, 6, 0, 1) |
			    0xabcull << 48;
	cookie[8] = TLS_COOKIE(TLS_OPEN, 1, 2, 3, 4, 5, 6, 7, 1);
	reentry_fit(fd, offset, cookie, ARRAY_SIZE(offset));
	for (size_t i = 0; i < ARRAY_SIZE(offset) - 1; i++) {
		assert_int_equal(offset[i], want[i].offset);
		assert_int_equal(TLS_COOKIE_SKIP(cookie[i]), want[i].step);
		assert_int_equal(TLS_COOKIE_IMAGE(cookie[i]), 0xabc);
		assert_int_equal(TLS_COOKIE_AADLEN(cookie[i]), 6);
		assert_int_equal(TLS_COOKIE_FLAGS(cookie[i]), 1);
	}
	assert_int_equal(offset[8], 1280);
	assert_int_equal(TLS_COOKIE_SKIP(cookie[8]), 7);
	free(code);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_guard),
		cmocka_unit_test(test_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
