// SPDX-License-Identifier: Apache-2.0
/* The test plays the recorder: acks, dies, comes back. No record is lost or given up too early. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/role.h"
#include "agent/worker/handover.h"

static _Alignas(8) uint8_t buf[ROLE_BODY_MAX + 1];
static int fd[2];
static struct handover *h;

static int setup(void **state)
{
	assert_int_equal(role_pair(fd), 0);
	h = handover_new(fd[0]);
	return 0;
}

static int teardown(void **state)
{
	handover_free(h);
	close(fd[0]);
	close(fd[1]);
	return 0;
}

static void give(uint64_t id)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "record %lu", id);

	assert_int_equal(handover_add(h, id, id * 2, 1, (uint8_t *)text, n), 0);
}

static void expect_record(uint64_t id)
{
	struct role_record r;
	struct role_msg m;
	char text[32];
	int n = role_recv(fd[1], &m, buf, ROLE_BODY_MAX);

	assert_true(n > (int)sizeof(r));
	assert_int_equal(m.kind, ROLE_RECORD);
	memcpy(&r, buf, sizeof(r));
	assert_int_equal(r.id, id);
	assert_int_equal(r.boot_ns, id * 2);
	snprintf(text, sizeof(text), "record %lu", id);
	assert_int_equal(r.len, strlen(text));
	assert_memory_equal(buf + sizeof(r), text, r.len);
}

static void say(enum role_kind kind, uint64_t id)
{
	struct role_ack a = {id};

	assert_int_equal(role_send(fd[1], kind, &a, sizeof(a)), 0);
	assert_int_equal(handover_run(h), 0);
}

static void test_acked_is_forgotten(void **state)
{
	give(5);
	give(6);
	expect_record(5);
	expect_record(6);
	assert_false(handover_idle(h));
	say(ROLE_ACK, 5);
	assert_false(handover_idle(h));
	say(ROLE_ACK, 6);
	assert_true(handover_idle(h));
	assert_int_equal(handover_durable(h), 6);
	assert_int_equal(handover_bytes(h), 0);
}

static void test_new_recorder_gets_the_rest_again(void **state)
{
	struct role_msg m;

	give(5);
	give(6);
	give(7);
	for (uint64_t i = 5; i <= 7; i++)
		expect_record(i);
	say(ROLE_HELLO, 5);
	assert_int_equal(role_recv(fd[1], &m, buf, ROLE_BODY_MAX), sizeof(struct role_ack));
	assert_int_equal(m.kind, ROLE_HELLO); /* the last id that comes again */
	assert_int_equal(((struct role_ack *)buf)->id, 7);
	expect_record(6);
	expect_record(7);
	give(8);
	expect_record(8);
	assert_int_equal(role_recv(fd[1], &m, buf, ROLE_BODY_MAX), -EAGAIN);
}

static void test_hello_with_nothing_to_resend(void **state)
{
	struct role_msg m;

	say(ROLE_HELLO, 99);
	assert_int_equal(role_recv(fd[1], &m, buf, ROLE_BODY_MAX), sizeof(struct role_ack));
	assert_int_equal(((struct role_ack *)buf)->id, 0);
}

static void test_bound_keeps_order_and_counts(void **state)
{
	static uint8_t big[60000];
	uint64_t id = 1;

	while (!handover_add(h, id, 0, 1, big, sizeof(big)))
		id++;
	assert_true(id > 200);
	assert_int_equal(handover_dropped(h), 1);
	assert_true(handover_bytes(h) <= HANDOVER_MAX);
	say(ROLE_ACK, id - 1);
	assert_true(handover_idle(h));
}

static void test_sync_takes_the_last_word(void **state)
{
	struct role_ack a = {3};
	uint64_t durable = 0;

	assert_int_equal(role_send(fd[1], ROLE_ACK, &a, sizeof(a)), 0); /* an older group's */
	a.id = 9;
	assert_int_equal(role_send(fd[1], ROLE_ACK, &a, sizeof(a)), 0);
	assert_int_equal(handover_sync(h, 9, 5000, &durable), 0);
	assert_int_equal(durable, 9);
}

static void test_sync_without_a_recorder(void **state)
{
	uint64_t durable = 77;

	assert_int_equal(handover_sync(h, 9, 50, &durable), -ETIMEDOUT);
	assert_int_equal(durable, 77);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_acked_is_forgotten),
		CASE(test_new_recorder_gets_the_rest_again),
		CASE(test_hello_with_nothing_to_resend),
		CASE(test_bound_keeps_order_and_counts),
		CASE(test_sync_takes_the_last_word),
		CASE(test_sync_without_a_recorder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
