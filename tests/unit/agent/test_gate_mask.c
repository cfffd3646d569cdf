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
#include <sys/uio.h>
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
		{"one", 77, 1, 5, {{0, 100, SPAN_PLAIN}}, 0},
		{"two", 77, 2, 5, {{0, 10, SPAN_PLAIN}, {10, 90, SPAN_PLAIN}}, 0},
		{"last byte", 77, 1, 5, {{99, 1, SPAN_PLAIN}}, 0},
		{"another process", 78, 1, 5, {{0, 1, SPAN_PLAIN}}, -EPERM},
		{"another start", 77, 1, 6, {{0, 1, SPAN_PLAIN}}, -EPERM},
		{"none", 77, 0, 5, {{0, 1, SPAN_PLAIN}}, -EPERM},
		{"too many", 77, MASK_SPANS_MAX + 1, 5, {{0, 1, SPAN_PLAIN}}, -EPERM},
		{"beyond the end", 77, 1, 5, {{99, 2, SPAN_PLAIN}}, -EPERM},
		{"behind the end", 77, 1, 5, {{100, 1, SPAN_PLAIN}}, -EPERM},
		{"empty", 77, 1, 5, {{5, 0, SPAN_PLAIN}}, -EPERM},
		{"sum wraps", 77, 1, 5, {{0xffffffff, 2, SPAN_PLAIN}}, -EPERM},
		{"length wraps", 77, 1, 5, {{2, 0xffffffff, SPAN_PLAIN}}, -EPERM},
		{"overlap", 77, 2, 5, {{0, 10, SPAN_PLAIN}, {9, 5, SPAN_PLAIN}}, -EPERM},
		{"out of order", 77, 2, 5, {{20, 5, SPAN_PLAIN}, {0, 5, SPAN_PLAIN}}, -EPERM},
		{"the second is bad",
		 77,
		 3,
		 5,
		 {{0, 5, SPAN_PLAIN}, {200, 5, SPAN_PLAIN}, {6, 1, SPAN_PLAIN}},
		 -EPERM},
		{"in a frame", 77, 1, 5, {{6, 10, 0}}, 0},
		{"a frame behind it", 77, 1, 5, {{6, 10, 7}}, -EPERM},
		{"a frame in its place", 77, 1, 5, {{6, 10, 6}}, -EPERM},
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
	struct role_span spans[] = {{3, 3, SPAN_PLAIN}, {15, 1, SPAN_PLAIN}};
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
	struct role_span spans[] = {{0, 3 * 4096, SPAN_PLAIN}};
	struct gate_waiter w = {.buf = (uintptr_t)page, .len = 3 * 4096};
	int go[2];
	pid_t pid;

	mprotect(page + 4096, 4096, PROT_READ); /* a constant of the program */
	munmap(page + 2 * 4096, 4096);		/* a page that is gone */
	pid = child_with(page, go);
	w.tgid = pid;
	assert_int_equal(procinfo_start(pid, &w.start_ns), 0);
	assert_int_equal(gate_mask_write(&w, spans, 1), -EFAULT);
	spans[0] = (struct role_span){4096, 16, SPAN_PLAIN};
	assert_int_equal(gate_mask_write(&w, spans, 1), -EFAULT);
	spans[0] = (struct role_span){2 * 4096, 16, SPAN_PLAIN};
	assert_int_equal(gate_mask_write(&w, spans, 1), -EFAULT);
	assert_int_equal(ends(pid, go), 1);
	munmap(page, 2 * 4096);
}

/* --- WebSocket frames ---------------------------------------------------------------------------- */

#define ROOM (3 * 4096)

/* A client's frame with this payload, at `at` of the buffer; gives where the payload begins. */
static size_t put_frame(uint8_t *b, size_t at, uint8_t first, const char *text, size_t n)
{
	static const uint8_t key[4] = {0x11, 0xA2, 0x00, 0xFF};
	size_t head = at;

	b[head++] = first;
	b[head++] = 0x80 | (n < 126 ? n : 126);
	if (n >= 126) {
		b[head++] = n >> 8;
		b[head++] = n;
	}
	memcpy(b + head, key, 4);
	for (size_t i = 0; i < n; i++)
		b[head + 4 + i] = text[i] ^ key[i & 3];
	return head + 4;
}

static void take_off(uint8_t *b, size_t payload, size_t n)
{
	for (size_t i = 0; i < n; i++)
		b[payload + i] ^= b[payload - 4 + (i & 3)];
}

/* A child that lets its memory be changed, and then ends; the caller looks into it by `seen`. */
static int masked_by(uint8_t *b, size_t n, const struct role_span *spans, size_t count,
		     uint8_t *seen)
{
	struct gate_waiter w = {.buf = (uintptr_t)b, .len = n};
	struct iovec to = {seen, n}, from = {b, n};
	int go[2], status, r;
	char c;

	assert_int_equal(pipe(go), 0);
	w.tgid = fork();
	if (!w.tgid) {
		close(go[1]);
		_exit(read(go[0], &c, 1) != 0);
	}
	close(go[0]);
	assert_int_equal(procinfo_start(w.tgid, &w.start_ns), 0);
	r = gate_mask_write(&w, spans, count);
	assert_int_equal(process_vm_readv(w.tgid, &to, 1, &from, 1, 0), n);
	close(go[1]);
	assert_int_equal(waitpid(w.tgid, &status, 0), w.tgid);
	return r;
}

/* At every phase of the key, over a border of what is written at once, and beside clear text. */
static void in_frames(void **state)
{
	static uint8_t b[ROOM], seen[ROOM];
	static char text[5000];

	memset(text, 'a', sizeof(text));
	for (uint32_t from = 0; from < 9; from++) {
		size_t first = put_frame(b, 3, 0x81, "card 4111", 9), second, n;
		struct role_span spans[3];

		second = put_frame(b, first + 9, 0x81, text, sizeof(text));
		n = second + sizeof(text);
		memcpy(b, "abc", 3);
		spans[0] = (struct role_span){1, 1, SPAN_PLAIN};
		spans[1] = (struct role_span){first + 5, 4, 3};
		spans[2] = (struct role_span){second + from, sizeof(text) - 2 * from, first + 9};
		assert_int_equal(masked_by(b, n, spans, 3, seen), 0);
		assert_memory_equal(seen, "aXc", 3);
		assert_memory_equal(seen + 3, b + 3, first - 3); /* the head */
		take_off(seen, first, 9);
		assert_memory_equal(seen + first, "card XXXX", 9);
		take_off(seen, second, sizeof(text));
		for (size_t i = 0; i < sizeof(text); i++)
			assert_int_equal(seen[second + i],
					 i < from || i >= sizeof(text) - from ? 'a' : 'X');
	}
}

/* What is no client's frame, or not the one that has the span: nothing is written. */
static void no_such_frame(void **state)
{
	static const struct {
		const char *name;
		uint8_t first;
		struct role_span span;
	} rows[] = {
		{"the head itself", 0x81, {2, 4, 0}},
		{"before the payload", 0x81, {5, 4, 0}},
		{"beyond the payload", 0x81, {10, 6, 0}},
		{"behind the payload", 0x81, {16, 1, 0}},
		{"not a head", 0x81, {12, 2, 7}},
		{"compressed", 0xC1, {6, 4, 0}},
		{"reserved", 0x83, {6, 4, 0}},
		{"a ping", 0x89, {6, 4, 0}},
		{"too near for a head", 0x81, {4, 1, 0}},
	};
	uint8_t b[32], seen[32];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		memset(b, 0, sizeof(b));
		assert_int_equal(put_frame(b, 0, rows[i].first, "abcdefghi", 9), 6);
		if (masked_by(b, sizeof(b), &rows[i].span, 1, seen) != -EBADMSG)
			fail_msg("%s", rows[i].name);
		assert_memory_equal(seen, b, sizeof(b));
	}
	/* A server's frame has no key. */
	b[1] = 9;
	assert_int_equal(masked_by(b, sizeof(b), &rows[0].span, 1, seen), -EBADMSG);
	assert_memory_equal(seen, b, sizeof(b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checked),	 cmocka_unit_test(written),
		cmocka_unit_test(refused_pages), cmocka_unit_test(in_frames),
		cmocka_unit_test(no_such_frame),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
