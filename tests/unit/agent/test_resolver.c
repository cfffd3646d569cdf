// SPDX-License-Identifier: Apache-2.0
/* The resolver as a process of its own: real libraries, hostile files, and that it lives on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/discover/resolve.h"
#include "agent/resolver.h"
#include "agent/role.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"

static int pair[2];
static pid_t pid;
static _Alignas(8) uint8_t body[ROLE_BODY_MAX];

static int start(void **state)
{
	const struct config c = {.no_seccomp = true, .user = ""};

	if (role_pair(pair))
		return -1;
	pid = fork();
	if (!pid) {
		close(pair[0]);
		_exit(resolver_main(&c, pair[1]));
	}
	close(pair[1]);
	return 0;
}

static int stop(void **state)
{
	int status;

	close(pair[0]);
	return waitpid(pid, &status, 0) != pid || status; /* it ends when the keeper does */
}

static const struct role_resolved *ask(int fd, enum resolve_what what,
				       const struct tls_found *known)
{
	static uint64_t id = 100;
	struct role_resolve r = {.id = ++id, .what = what};
	struct pollfd p = {.fd = pair[0], .events = POLLIN};
	const struct role_resolved *a = (const void *)body;
	struct role_msg m;

	assert_int_equal(role_send_fd(pair[0], ROLE_RESOLVE, &r, sizeof(r), known,
				      known ? sizeof(*known) : 0, fd),
			 0);
	assert_int_equal(poll(&p, 1, 30000), 1);
	assert_true(role_recv(pair[0], &m, body, sizeof(body)) >= (int)sizeof(*a));
	assert_true(m.kind == ROLE_RESOLVED && a->id == id && a->what == what);
	return a;
}

static int memory(const void *p, size_t n)
{
	int fd = memfd_create("file", 0);

	assert_true(fd >= 0 && !fs_write_all(fd, p, n));
	return fd;
}

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

static void test_library(void **state)
{
	_cleanup_close_ int fd = open_libssl();
	_cleanup_free_ struct tls_found *found = malloc(sizeof(*found));
	const struct role_resolved *r = ask(fd, RESOLVE_IDENTIFY, NULL);
	char id[65];

	assert_int_equal(r->result, 0);
	assert_true(r->build_id[0]);
	strcpy(id, r->build_id);
	r = ask(fd, RESOLVE_FIND, NULL);
	assert_int_equal(r->result, 1);
	memcpy(found, r + 1, sizeof(*found));
	assert_true(found->sites_n > 10);
	assert_string_equal(r->build_id, id);
	r = ask(fd, RESOLVE_RELOCATE, found);
	assert_int_equal(r->result, 1);
	assert_memory_equal(r + 1, found, sizeof(*found));
}

static void test_bad_files(void **state)
{
	_cleanup_close_ int lib = open_libssl();
	_cleanup_free_ char *text = NULL;
	size_t n;

	assert_int_equal(fs_read_fd(lib, 64 << 20, &text, &n), 0);
	for (size_t cut = 0; cut < n; cut += cut < 128 ? 16 : 60000) {
		_cleanup_close_ int fd = memory(text, cut);

		assert_true(ask(fd, RESOLVE_FIND, NULL)->result <= 1);
	}
	for (size_t at = 16; at < 64; at += 3) { /* its header lies */
		_cleanup_close_ int fd = -1;

		text[at] ^= 0xff;
		fd = memory(text, n);
		assert_true(ask(fd, RESOLVE_FIND, NULL)->result <= 1);
		text[at] ^= 0xff;
	}
}

static void test_too_large(void **state)
{
	_cleanup_close_ int fd = memory("\177ELF", 4);
	const struct role_resolved *r;

	assert_int_equal(ftruncate(fd, RESOLVER_FILE_MAX + 1), 0);
	r = ask(fd, RESOLVE_FIND, NULL);
	assert_true(r->result < 0 && r->why[0]);
}

static void test_relocate_lies(void **state)
{
	_cleanup_close_ int fd = open_libssl();
	_cleanup_free_ struct tls_found *lie = malloc(sizeof(*lie));

	memset(lie, 0xff, sizeof(*lie));
	assert_true(ask(fd, RESOLVE_RELOCATE, lie)->result < 0);
	test_library(state); /* and it is as it was */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_library),
		cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_relocate_lies),
	};

	log_init("test_resolver", LOG_L_ERR);
	return cmocka_run_group_tests(tests, start, stop);
}
