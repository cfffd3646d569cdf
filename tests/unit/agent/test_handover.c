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

static void expect_sync(uint64_t nonce)
{
	struct role_msg m;

	assert_int_equal(role_recv(fd[1], &m, buf, ROLE_BODY_MAX), sizeof(struct role_sync));
	assert_int_equal(m.kind, ROLE_SYNC);
	assert_int_equal(((struct role_sync *)buf)->nonce, nonce);
}

static void answer_sync(uint64_t nonce, uint64_t id)
{
	struct role_sync s = {.nonce = nonce, .id = id};

	assert_int_equal(role_send(fd[1], ROLE_SYNC, &s, sizeof(s)), 0);
}

static void test_sync_takes_only_its_own_answer(void **state)
{
	struct role_ack a = {3};
	uint64_t durable = 0;

	assert_int_equal(role_send(fd[1], ROLE_ACK, &a, sizeof(a)), 0);
	answer_sync(70, 3); /* to the worker before */
	answer_sync(71, 9);
	assert_int_equal(handover_sync(h, 71, 5000), 0);
	expect_sync(71);
	assert_true(handover_synced(h, &durable));
	assert_int_equal(durable, 9);
}

static void test_sync_without_a_recorder(void **state)
{
	uint64_t durable = 77;

	assert_int_equal(handover_sync(h, 71, 50), -ETIMEDOUT);
	assert_false(handover_synced(h, &durable));
	assert_int_equal(durable, 77);
	expect_sync(71);
	answer_sync(71, 9); /* later */
	assert_int_equal(handover_run(h), 0);
	assert_true(handover_synced(h, &durable));
}

static void test_nothing_is_sent_before_go(void **state)
{
	struct role_msg m;
	uint64_t durable;

	assert_int_equal(handover_sync(h, 71, 0), -ETIMEDOUT);
	expect_sync(71);
	give(5);
	assert_false(handover_wants_write(h));
	say(ROLE_HELLO, 3); /* a new recorder: the one before may have read the question */
	expect_sync(71);
	assert_int_equal(role_recv(fd[1], &m, buf, ROLE_BODY_MAX), sizeof(struct role_ack));
	assert_int_equal(m.kind, ROLE_HELLO);
	assert_int_equal(role_recv(fd[1], &m, buf, ROLE_BODY_MAX), -EAGAIN);
	answer_sync(71, 4);
	assert_int_equal(handover_run(h), 0);
	assert_true(handover_synced(h, &durable));
	assert_int_equal(role_recv(fd[1], &m, buf, ROLE_BODY_MAX), -EAGAIN);
	handover_go(h);
	assert_int_equal(handover_run(h), 0);
	expect_record(5);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_acked_is_forgotten),
		CASE(test_new_recorder_gets_the_rest_again),
		CASE(test_hello_with_nothing_to_resend),
		CASE(test_bound_keeps_order_and_counts),
		CASE(test_sync_takes_only_its_own_answer),
		CASE(test_sync_without_a_recorder),
		CASE(test_nothing_is_sent_before_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
