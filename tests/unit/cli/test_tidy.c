// SPDX-License-Identifier: Apache-2.0
/* A folder goes with the program that made it, whichever way that ends; what it was told to ignore it ignores. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/tidy.h"

#define NAME "/tmp/probity-tidy-XXXXXX"

static void fill(const char *dir)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/a", dir);
	mkdir(path, 0700);
	for (int i = 0; i < 20; i++) {
		snprintf(path, sizeof(path), "%s/a/%d", dir, i);
		close(open(path, O_WRONLY | O_CREAT, 0600));
	}
	snprintf(path, sizeof(path), "%s/link", dir);
	if (symlink("/etc", path) && errno == ENOSYS)
		abort();
}

static void done(void **state)
{
	char dir[] = NAME;

	assert_int_equal(tidy_folder(dir), 0);
	fill(dir);
	tidy_done();
	assert_int_equal(access(dir, F_OK), -1);
	assert_int_equal(access("/etc/passwd", F_OK), 0); /* links are not followed */
	tidy_done();
}

/* In a child that is at work when the signal comes. Its end as waitpid has it. */
static int ended_by(int sig, bool ignored, char *dir)
{
	int pipes[2], status;
	pid_t child;

	assert_int_equal(pipe(pipes), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		if (ignored)
			signal(sig, SIG_IGN);
		if (tidy_folder(dir) || write(pipes[1], dir, sizeof(NAME)) != sizeof(NAME))
			_exit(9);
		for (int i = 0; i < (ignored ? 50 : 2000); i++) {
			fill(dir);
			usleep(1000);
		}
		tidy_done();
		_exit(3);
	}
	assert_int_equal(read(pipes[0], dir, sizeof(NAME)), sizeof(NAME));
	usleep(10000);
	kill(child, sig);
	assert_int_equal(waitpid(child, &status, 0), child);
	close(pipes[0]);
	close(pipes[1]);
	return status;
}

static void interrupted(void **state)
{
	static const int sig[] = {SIGINT, SIGTERM, SIGHUP};

	for (size_t i = 0; i < 3; i++) {
		char dir[] = NAME;
		int status = ended_by(sig[i], false, dir);

		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), sig[i]);
		assert_int_equal(access(dir, F_OK), -1);
	}
}

static void ignored(void **state)
{
	char dir[] = NAME;
	int status = ended_by(SIGHUP, true, dir);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 3);
	assert_int_equal(access(dir, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(interrupted),
		cmocka_unit_test(ignored),
		cmocka_unit_test(done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
