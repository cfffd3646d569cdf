// SPDX-License-Identifier: Apache-2.0
/* Who is who over exec, fork, exit and reused pids, in any order of kernel and keeper. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "agent/worker/procs.h"
#include "base/cleanup.h"

#define MS 1000000ull

static struct procs *p;

static int setup(void **state)
{
	p = procs_new();
	return 0;
}

static int teardown(void **state)
{
	procs_free(p);
	return 0;
}

static void exec(uint32_t pid, uint32_t ppid, uint64_t start, const char *file, const char *argv,
		 size_t n)
{
	_cleanup_free_ struct event_exec *e = calloc(1, sizeof(*e) + EVENT_ARGV_MAX);

	e->h = (struct event){.kind = EVENT_EXEC, .pid = pid, .start_ns = start, .uid = 1000};
	e->ppid = ppid;
	e->loginuid = 1000;
	strcpy(e->filename, file);
	strcpy(e->comm, "comm");
	memcpy(e->text, argv, n);
	e->argv_len = n;
	assert_non_null(procs_exec(p, e, sizeof(*e) + EVENT_ARGV_MAX));
}

static void fork_of(uint32_t parent, uint32_t child, uint64_t start)
{
	struct event_exec e = {.h = {.kind = EVENT_FORK, .pid = child, .start_ns = start},
			       .ppid = parent,
			       .loginuid = (uint32_t)-1};

	assert_non_null(procs_fork(p, &e));
}

static void test_exec_then_told(void **state)
{
	struct role_proc r = {.pid = 10,
			      .ppid = 1,
			      .start_ns = 120 * MS,
			      .uid = 1000,
			      .user = "alice",
			      .groups = "alice,dev",
			      .exe = "/usr/bin/curl"};
	const struct proc *e;

	exec(10, 1, 123456789, "/bin/curl", "curl\0-v", 8);
	e = procs_find(p, 10, 123456789);
	assert_string_equal(e->exe, "/bin/curl");
	assert_false(e->full);
	assert_non_null(procs_told(p, &r)); /* /proc rounds the start to 10 ms */
	e = procs_find(p, 10, 123456789);
	assert_true(e->full);
	assert_string_equal(e->exe, "/usr/bin/curl");
	assert_string_equal(e->user, "alice");
	assert_int_equal(e->groups_len, 9);
	assert_string_equal(e->groups + 6, "dev");
	assert_int_equal(procs_count(p), 1);
}

/* setuid, then exec: the names that were told are of the user it began with. */
static void test_names_are_of_a_uid(void **state)
{
	struct role_proc r = {.pid = 10, .ppid = 1, .start_ns = 120 * MS, .user = "root"};
	const struct proc *e;

	assert_non_null(procs_told(p, &r));
	exec(10, 1, 120 * MS, "/bin/curl", "curl", 5);
	e = procs_find(p, 10, 120 * MS);
	assert_int_equal(e->uid, 1000);
	assert_int_equal(e->named, 0);
	fork_of(10, 11, 130 * MS);
	assert_int_equal(procs_find(p, 11, 130 * MS)->named, 0);
	r.uid = 1000;
	strcpy(r.user, "alice");
	assert_non_null(procs_told(p, &r));
	e = procs_find(p, 10, 120 * MS);
	assert_int_equal(e->named, 1000);
	assert_string_equal(e->user, "alice");
	exec(12, 1, 140 * MS, "/bin/curl", "curl", 5);
	assert_int_equal(procs_find(p, 12, 140 * MS)->named, (uint32_t)-1); /* nobody's yet */
}

static void test_reused_pid_is_another(void **state)
{
	struct event x = {.pid = 10, .start_ns = 100 * MS, .boot_ns = 200 * MS};

	exec(10, 1, 100 * MS, "/bin/a", "a", 2);
	procs_exit(p, &x);
	exec(10, 1, 300 * MS, "/bin/b", "b", 2);
	assert_string_equal(procs_find(p, 10, 100 * MS)->exe, "/bin/a");
	assert_string_equal(procs_find(p, 10, 300 * MS)->exe, "/bin/b");
	assert_string_equal(procs_find(p, 10, 0)->exe, "/bin/b");
	assert_null(procs_find(p, 10, 500 * MS));
	procs_sweep(p, 200 * MS + 31000 * MS);
	assert_null(procs_find(p, 10, 100 * MS));
	assert_int_equal(procs_count(p), 1);
}

static void test_fork_inherits_and_ancestry(void **state)
{
	const struct proc *line[ANCESTORS_MAX];

	exec(20, 1, 100 * MS, "/usr/bin/bash", "bash", 5);
	exec(21, 20, 200 * MS, "/opt/claude", "claude", 7);
	fork_of(21, 22, 300 * MS);
	assert_string_equal(procs_find(p, 22, 300 * MS)->exe, "/opt/claude");
	exec(22, 21, 300 * MS, "/usr/bin/curl", "curl", 5);
	assert_int_equal(procs_ancestry(p, procs_find(p, 22, 0), line), 3);
	assert_string_equal(line[0]->exe, "/usr/bin/curl");
	assert_string_equal(line[1]->exe, "/opt/claude");
	assert_string_equal(line[2]->exe, "/usr/bin/bash");
}

static void test_younger_parent_is_none(void **state)
{
	const struct proc *line[ANCESTORS_MAX];

	exec(31, 30, 100 * MS, "/bin/child", "c", 2);
	exec(30, 1, 900 * MS, "/bin/later", "l", 2);
	assert_int_equal(procs_ancestry(p, procs_find(p, 31, 0), line), 1);
}

static void test_bound(void **state)
{
	struct event_exec e = {.h = {.kind = EVENT_FORK, .pid = 5, .start_ns = MS}, .ppid = 1};

	for (uint32_t i = 0; i < PROCS_MAX; i++)
		fork_of(1, 100000 + i, i * 20 * MS + MS);
	e.h.start_ns = (PROCS_MAX + 1) * 20 * MS;
	assert_non_null(procs_fork(p, &e));
	assert_int_equal(procs_count(p), PROCS_MAX);
	assert_null(procs_find(p, 100000, MS)); /* the oldest went */
	assert_non_null(procs_find(p, 100001, 21 * MS));
}

static void test_bound_takes_the_dead_first(void **state)
{
	struct event x = {.pid = 100005, .start_ns = 5 * 20 * MS + MS, .boot_ns = 1};

	for (uint32_t i = 0; i < PROCS_MAX; i++)
		fork_of(1, 100000 + i, i * 20 * MS + MS);
	procs_exit(p, &x);
	exec(5, 1, 7 * MS, "/bin/new", "n", 2);
	assert_non_null(procs_find(p, 5, 7 * MS));
	assert_null(procs_find(p, 100005, x.start_ns));
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_exec_then_told),
		CASE(test_names_are_of_a_uid),
		CASE(test_reused_pid_is_another),
		CASE(test_fork_inherits_and_ancestry),
		CASE(test_younger_parent_is_none),
		CASE(test_bound),
		CASE(test_bound_takes_the_dead_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
