// SPDX-License-Identifier: Apache-2.0
/* What the worker may have masked: only places in the buffer that waits, of that process; and what is
 * written there, in a child's memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/gate.h"
#include "agent/procinfo.h"
#include "base/cleanup.h"

static const struct gate_waiter waits = {.tgid = 77, .start_ns = 5, .buf = 0x1000, .len = 100};

static void checked(void **state)
{
	static const struct {
		const char *name;
		uint32_t pid, spans;
		uint64_t start_ns;
		struct role_span v[3];
		int want;
	} rows[] = {
		{"one", 77, 1, 5, {{0, 100}}, 0},
		{"two", 77, 2, 5, {{0, 10}, {10, 90}}, 0},
		{"last byte", 77, 1, 5, {{99, 1}}, 0},
		{"another process", 78, 1, 5, {{0, 1}}, -EPERM},
		{"another start", 77, 1, 6, {{0, 1}}, -EPERM},
		{"none", 77, 0, 5, {{0, 1}}, -EPERM},
		{"too many", 77, MASK_SPANS_MAX + 1, 5, {{0, 1}}, -EPERM},
		{"beyond the end", 77, 1, 5, {{99, 2}}, -EPERM},
		{"behind the end", 77, 1, 5, {{100, 1}}, -EPERM},
		{"empty", 77, 1, 5, {{5, 0}}, -EPERM},
		{"sum wraps", 77, 1, 5, {{0xffffffff, 2}}, -EPERM},
		{"length wraps", 77, 1, 5, {{2, 0xffffffff}}, -EPERM},
		{"overlap", 77, 2, 5, {{0, 10}, {9, 5}}, -EPERM},
		{"out of order", 77, 2, 5, {{20, 5}, {0, 5}}, -EPERM},
		{"the second is bad", 77, 3, 5, {{0, 5}, {200, 5}, {6, 1}}, -EPERM},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct role_mask m = {.pid = rows[i].pid,
				      .start_ns = rows[i].start_ns,
				      .spans = rows[i].spans};

		if (gate_mask_check(&waits, &m, rows[i].v) != rows[i].want)
			fail_msg("%s", rows[i].name);
	}
}

/* A child with a page of text; it says by its exit whether exactly the spans are masked. */
static pid_t child_with(char *page, int go[2])
{
	pid_t pid;

	assert_int_equal(pipe(go), 0);
	pid = fork();
	if (!pid) {
		char c, want[17] = "abcXXXghijklmnoX";

		_exit(read(go[0], &c, 1) != 1 ? 2 : memcmp(page, want, 16) ? 1 : 0);
	}
	return pid;
}

static int ends(pid_t pid, int go[2])
{
	int status;

	assert_int_equal(write(go[1], "x", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(go[0]);
	close(go[1]);
	return WEXITSTATUS(status);
}

static void written(void **state)
{
	char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct role_span spans[] = {{3, 3}, {15, 1}};
	struct gate_waiter w = {.buf = (uintptr_t)page, .len = 16};
	int go[2];
	pid_t pid;

	memcpy(page, "abcdefghijklmnop", 16);
	pid = child_with(page, go);
	w.tgid = pid;
	assert_int_equal(procinfo_start(pid, &w.start_ns), 0);
	assert_int_equal(gate_mask_write(&w, spans, 2), 0);
	assert_memory_equal(page, "abcdefghijklmnop", 16); /* ours is another */
	assert_int_equal(ends(pid, go), 0);

	/* Another start: the pid is another's now, and nothing is written. */
	pid = child_with(page, go);
	w.tgid = pid;
	assert_int_equal(gate_mask_write(&(struct gate_waiter){.tgid = pid,
							       .start_ns = 5,
							       .buf = w.buf,
							       .len = 16},
					 spans, 2),
			 -ESRCH);
	assert_int_equal(ends(pid, go), 1);
	assert_int_equal(gate_mask_write(&w, spans, 2), -ESRCH);
	munmap(page, 4096);
}

static void refused_pages(void **state)
{
	char *page =
		mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct role_span spans[] = {{0, 3 * 4096}};
	struct gate_waiter w = {.buf = (uintptr_t)page, .len = 3 * 4096};
	int go[2];
	pid_t pid;

	mprotect(page + 4096, 4096, PROT_READ); /* a constant of the program */
	munmap(page + 2 * 4096, 4096);		/* a page that is gone */
	pid = child_with(page, go);
	w.tgid = pid;
	assert_int_equal(procinfo_start(pid, &w.start_ns), 0);
	assert_int_equal(gate_mask_write(&w, spans, 1), -EFAULT);
	spans[0] = (struct role_span){4096, 16};
	assert_int_equal(gate_mask_write(&w, spans, 1), -EFAULT);
	spans[0] = (struct role_span){2 * 4096, 16};
	assert_int_equal(gate_mask_write(&w, spans, 1), -EFAULT);
	assert_int_equal(ends(pid, go), 1);
	munmap(page, 2 * 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checked),
		cmocka_unit_test(written),
		cmocka_unit_test(refused_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
