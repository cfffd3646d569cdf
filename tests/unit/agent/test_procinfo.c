// SPDX-License-Identifier: Apache-2.0
/* /proc of this very process against what it knows of itself, and container ids in paths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/procinfo.h"
#include "base/cleanup.h"

static void test_self(void **state)
{
	struct role_proc p;
	char exe[PATH_MAX] = "";

	assert_int_equal(procinfo_read(getpid(), &p), 0);
	assert_true(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0);
	assert_string_equal(p.exe, exe);
	assert_int_equal(p.ppid, getppid());
	assert_int_equal(p.uid, getuid());
	assert_true(p.argv_len > 0);
	assert_true(p.start_ns > 0);
	procinfo_names(&p);
	assert_true(p.user[0] != '\0');
	if (getuid() == 0)
		assert_string_equal(p.user, "root");
}

/* Whatever a process's arguments are, the worker takes the message. */
static void test_long_arguments(void **state)
{
	static struct role_proc p, got;
	static char text[8192];
	struct role_msg m;
	int fds[2], start[2];
	pid_t pid;

	memset(text, 'a', sizeof(text) - 1);
	assert_int_equal(pipe(start), 0);
	assert_int_equal(fcntl(start[1], F_SETFD, FD_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		dup2(start[0], 0);
		close(2); /* what cat says of a file of that name */
		execl("/bin/cat", "cat", "-", text, NULL);
		_exit(1);
	}
	for (int i = 0; i < 6000 && (procinfo_read(pid, &p) || p.argv_len < 2000); i++)
		usleep(10000);
	assert_int_equal(p.argv_len, sizeof(p.argv));
	assert_int_equal(role_pair(fds), 0);
	assert_int_equal(role_send(fds[0], ROLE_PROC, &p, sizeof(p)), 0);
	assert_int_equal(role_recv(fds[1], &m, &got, sizeof(got)), sizeof(got));
	close(start[0]);
	close(start[1]);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_gone(void **state)
{
	struct role_proc p;

	assert_int_equal(procinfo_read(0x7ffffff0, &p), -ESRCH);
}

static void test_exec_fills_the_rest(void **state)
{
	struct {
		struct event_exec e;
		char text[16];
	} x = {.e = {.h = {.pid = 77, .start_ns = 123, .uid = 5}, .ppid = 7, .argv_len = 6}};
	struct role_proc p = {};

	strcpy(x.e.filename, "/bin/x");
	memcpy(x.text, "x\0yyy", 6);
	procinfo_from_exec(&x.e, sizeof(x), &p);
	assert_string_equal(p.exe, "/bin/x");
	assert_int_equal(p.argv_len, 6);
	assert_string_equal(p.argv + 2, "yyy");
	x.e.argv_len = 5; /* cut: the last NUL is added */
	memset(&p, 0, sizeof(p));
	procinfo_from_exec(&x.e, sizeof(x), &p);
	assert_int_equal(p.argv_len, 6);
	assert_int_equal(p.argv[5], 0);
	x.e.argv_len = 4096; /* more than the record holds */
	memset(&p, 0, sizeof(p));
	procinfo_from_exec(&x.e, sizeof(x), &p);
	assert_int_equal(p.argv_len, 0);
}

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_container(void **state)
{
	static const char *const rows[][2] = {
		{"/", ""},
		{"/user.slice/user-1000.slice", ""},
		{"/docker/" ID, ID},
		{"/system.slice/docker-" ID ".scope", ID},
		{"/kubepods/besteffort/pod1/" ID, ID},
		{"/libpod-" ID ".scope/container", ID},
		{"/x/0123456789abcdef", ""},
		{"/x/" ID "0", ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char id[80];

		procinfo_container(rows[i][0], id, sizeof(id));
		assert_string_equal(id, rows[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_self),	  cmocka_unit_test(test_long_arguments),
		cmocka_unit_test(test_gone),	  cmocka_unit_test(test_exec_fills_the_rest),
		cmocka_unit_test(test_container),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
