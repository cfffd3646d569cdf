// SPDX-License-Identifier: Apache-2.0
/* What a confined process may still do, tried by children. Needs root, as the roles do. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/confine.h"
#include "base/cleanup.h"
#include "base/log.h"

static const char *const few[] = {"getppid",   "prctl",	       "getuid", "getgid",
				  "getgroups", "capget",       "openat", "socket",
				  "setuid",    "no_such_call", NULL};

static struct confine plain(void)
{
	struct confine c = {.name = "test", .syscalls = few};
	const char *name = NULL;

	assert_int_equal(confine_user("", &c.uid, &c.gid, &name), 0);
	assert_true(c.uid != 0);
	return c;
}

/* The exit status of `act` in a confined child, or minus the signal that ended it. */
static int in_child(const struct confine *c, int (*act)(void))
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		const char *what;

		if (confine(c, &what))
			_exit(99);
		_exit(act());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static int need_root(void **state)
{
	if (geteuid()) {
		print_message("needs root\n");
		skip();
	}
	return 0;
}

static int allowed(void)
{
	return getppid() > 0 ? 0 : 1;
}
static int forbidden(void)
{
	return syscall(SYS_sethostname, "x", 1) ? 1 : 2;
}
static int starts_programs(void)
{
	return execl("/bin/true", "true", NULL);
}
static int back_to_root(void)
{
	return setuid(0) == 0;
}
static int is_root(void)
{
	return getuid() == 0 || getgid() == 0 || getgroups(0, NULL) > 0;
}
static int dumpable(void)
{
	return prctl(PR_GET_DUMPABLE) || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1;
}
static int reads_shadow(void)
{
	return open("/etc/shadow", O_RDONLY) >= 0;
}
static int has_capabilities(void)
{
	for (int i = 0; i < 41; i++)
		if (prctl(PR_CAPBSET_READ, i) == 1)
			return 1;
	return 0;
}

static void what_is_left(void **state)
{
	static const struct {
		const char *name;
		int (*act)(void);
		int answer;
	} cases[] = {
		{"an allowed call", allowed, 0},
		{"another call", forbidden, -SIGSYS},
		{"exec", starts_programs, -SIGSYS},
		{"root again", back_to_root, 0},
		{"root ids", is_root, 0},
		{"dumpable", dumpable, 0},
		{"bounding set", has_capabilities, 0},
		{"files of root", reads_shadow, 0},
	};

	need_root(state);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct confine c = plain();
		int r = in_child(&c, cases[i].act);

		if (r != cases[i].answer)
			fail_msg("%s: %d, expected %d", cases[i].name, r, cases[i].answer);
	}
}

static int sees_etc(void)
{
	return access("/etc", F_OK) == 0;
}
static int has_loopback_up(void)
{
	/* In a network namespace of its own even loopback is down. */
	struct sockaddr a = {.sa_family = AF_INET, .sa_data = {0, 9, 127, 0, 0, 1}};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	return fd >= 0 && connect(fd, &a, sizeof(a)) == 0;
}

static void network_and_file_tree(void **state)
{
	struct confine c;

	need_root(state);
	c = plain();
	c.no_seccomp = true;
	assert_int_equal(in_child(&c, sees_etc), 1);
	assert_int_equal(in_child(&c, has_loopback_up), 1);
	c.unshare_net = true;
	assert_int_equal(in_child(&c, has_loopback_up), 0);
	c.chroot = "/proc/self/fdinfo";
	assert_int_equal(in_child(&c, sees_etc), 0);
	c.chroot = "/nonexistent";
	assert_int_equal(in_child(&c, sees_etc), 99);
}

static void users(void **state)
{
	const char *name = NULL;
	uid_t uid = 7;
	gid_t gid = 7;

	assert_int_equal(confine_user("no-such-user-here", &uid, &gid, &name), -ENOENT);
	assert_int_equal(uid, 7);
	assert_null(name);
	assert_int_equal(confine_user("root", &uid, &gid, &name), 0);
	assert_int_equal(uid, 0);
	assert_int_equal(confine_user(NULL, &uid, &gid, &name), 0);
	assert_true(!strcmp(name, CONFINE_USER) || !strcmp(name, "nobody"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_left),
		cmocka_unit_test(network_and_file_tree),
		cmocka_unit_test(users),
	};

	log_init("test", LOG_L_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
