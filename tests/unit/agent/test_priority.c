// SPDX-License-Identifier: Apache-2.0
/* A worker that loops at real-time priority loses it, and one that waits keeps it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/priority.h"

static int policy(pid_t pid)
{
	return sched_getscheduler(pid) & ~SCHED_RESET_ON_FORK;
}

static void watched(bool loops)
{
	struct priority p = {};
	pid_t child = fork();
	json_t *s;

	if (!child)
		for (volatile unsigned i = 0;; i++)
			if (!loops)
				pause();
	priority_tick(&p, child, true, -1, -1);
	if (p.error) { /* no right to it: then that is what it says */
		assert_int_equal(policy(child), SCHED_OTHER);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		skip();
	}
	assert_int_equal(policy(child), SCHED_FIFO);
	/* On a busy machine others of real-time priority may take a second of the loop's away. */
	for (int i = 0; i < (loops ? 60 : 3) && policy(child) == SCHED_FIFO; i++) {
		sleep(1);
		priority_tick(&p, child, true, -1, -1);
	}
	assert_int_equal(policy(child), loops ? SCHED_OTHER : SCHED_FIFO);
	s = priority_status(&p);
	assert_int_equal(json_integer_value(json_object_get(s, "falls")), loops);
	json_decref(s);
	priority_tick(&p, child, false, -1, -1);
	assert_int_equal(policy(child), SCHED_OTHER);
	assert_int_equal(policy(0), SCHED_OTHER);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static void who_loops_falls(void **state)
{
	watched(true);
}

static void who_waits_stays(void **state)
{
	watched(false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_loops_falls),
		cmocka_unit_test(who_waits_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
