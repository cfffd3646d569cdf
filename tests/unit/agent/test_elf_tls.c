// SPDX-License-Identifier: Apache-2.0
/* The real libraries of this machine, files without TLS, and damaged ELF files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/discover/elf_tls.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "proto/event.h"

static int open_libssl(void)
{
	glob_t g = {};
	int fd = -1;

	if (!glob("/usr/lib/*/libssl.so.3", 0, NULL, &g))
		fd = open(g.gl_pathv[0], O_RDONLY | O_CLOEXEC);
	globfree(&g);
	assert_true(fd >= 0);
	return fd;
}

static uint32_t bit_of(const char *name)
{
	for (size_t i = 0; elf_tls_function(i); i++)
		if (!strcmp(elf_tls_function(i), name))
			return 1u << i;
	fail_msg("%s is not in the table", name);
	return 0;
}

static void test_libssl(void **state)
{
	static const char *const want[] = {"SSL_write",	  "SSL_write_ex",     "SSL_read",
					   "SSL_read_ex", "SSL_do_handshake", "SSL_free",
					   "SSL_ctrl"};
	_cleanup_close_ int fd = open_libssl();
	struct tls_sites s;
	uint8_t byte;

	assert_int_equal(elf_tls_find(fd, &s), 1);
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		assert_true(s.functions & bit_of(want[i]));
	assert_int_equal(s.refused, 0);
	for (size_t i = 0; i < s.n; i++) { /* what is called a return is one */
		assert_int_equal(pread(fd, &byte, 1, s.offset[i]), 1);
		if (s.cookie[i] == TLS_RETURN)
			assert_true(byte == 0xc3 || byte == 0xc2 || byte == 0xf3);
		else
			assert_true(byte != 0xc3);
		for (size_t k = 0; k < i; k++)
			assert_true(s.offset[k] != s.offset[i]);
	}
}

static void test_files_without_tls(void **state)
{
	static const struct {
		const char *path;
		int answer;
	} rows[] = {
		{"/bin/true", 0},
		{"/etc/passwd", -ENOEXEC},
		{"/dev/null", -ENOEXEC},
		{"/bin", -ENOEXEC},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_close_ int fd = open(rows[i].path, O_RDONLY | O_CLOEXEC);
		struct tls_sites s;

		assert_int_equal(elf_tls_find(fd, &s), rows[i].answer);
	}
}

/* Cut at many lengths, and with bytes of the headers and symbol tables changed: any answer will
 * do, as long as no site lies outside the file and nothing is read outside it (ASan). */
static void test_damaged(void **state)
{
	_cleanup_close_ int fd = open_libssl();
	_cleanup_free_ char *b = NULL;
	size_t n;
	uint32_t seed = 1;

	assert_int_equal(fs_read_fd(fd, 64 << 20, &b, &n), 0);
	for (int round = 0; round < 300; round++) {
		_cleanup_close_ int m = memfd_create("elf", MFD_CLOEXEC);
		size_t len = round < 100 ? n * round / 100 : n;
		struct tls_sites s = {};

		assert_int_equal(fs_write_all(m, b, len), 0);
		for (int k = 0; round >= 100 && k < 8; k++) {
			uint8_t v;

			seed = seed * 1103515245 + 12345;
			v = seed >> 16;
			assert_int_equal(pwrite(m, &v, 1, (seed >> 8) % (round % 2 ? 4096 : n)), 1);
		}
		if (elf_tls_find(m, &s) == 1)
			for (size_t i = 0; i < s.n; i++)
				assert_true(s.offset[i] < len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_libssl),
		cmocka_unit_test(test_files_without_tls),
		cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
