// SPDX-License-Identifier: Apache-2.0
/* What a full socket does not take arrives later, whole and in order; beyond the bound it is
 * refused and counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "agent/outq.h"

static _Alignas(8) uint8_t buf[ROLE_BODY_MAX + 1];

static void test_order_over_a_full_socket(void **state)
{
	struct role_tool t = {};
	struct role_msg m;
	struct outq q;
	uint32_t sent = 0, got = 0;
	int fd[2];

	outq_init(&q, 1 << 20);
	assert_int_equal(role_pair(fd), 0);
	while (!outq_waiting(&q) || sent % 1000) {
		t.pid = sent++;
		assert_int_equal(outq_send(&q, fd[0], ROLE_TOOL, &t, sizeof(t), NULL, 0), 0);
	}
	while (got < sent) {
		int r = role_recv(fd[1], &m, buf, ROLE_BODY_MAX);

		if (r == -EAGAIN) {
			int f = outq_flush(&q, fd[0]);

			assert_true(f == 0 || f == -EAGAIN);
			continue;
		}
		assert_int_equal(r, sizeof(t));
		assert_int_equal(m.kind, ROLE_TOOL);
		memcpy(&t, buf, sizeof(t));
		assert_int_equal(t.pid, got++);
	}
	assert_false(outq_waiting(&q));
	assert_int_equal(q.bytes, 0);
	close(fd[0]);
	close(fd[1]);
}

static void test_bound(void **state)
{
	struct role_tool t = {};
	struct outq q;

	outq_init(&q, 3 * sizeof(t));
	for (int i = 0; i < 3; i++)
		assert_int_equal(outq_send(&q, -1, ROLE_TOOL, &t, sizeof(t), NULL, 0), 0);
	assert_int_equal(outq_send(&q, -1, ROLE_TOOL, &t, sizeof(t), NULL, 0), -ENOBUFS);
	assert_int_equal(q.refused, 1);
	outq_clear(&q);
	assert_false(outq_waiting(&q));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_over_a_full_socket),
		cmocka_unit_test(test_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
