// SPDX-License-Identifier: Apache-2.0
/* Keys of two directions become one connection, in whatever order the kernel tells of them. */
#include "world.h"

#define WKEY 11
#define RKEY 12
#define COOKIE 900
#define HALF EVENT_F_HALF

/* Steps of one call: sockets of the two keys, hello, data of either direction. */
struct order {
	const char *name, *steps;
};

static void step(char s)
{
	switch (s) {
	case 'h':
		hello(COOKIE, AI_HOST);
		break;
	case 'w':
		bound(WKEY, HALF, COOKIE);
		break;
	case 'r':
		bound(RKEY, HALF, COOKIE);
		break;
	case 'Q':
		data(WKEY, HALF, EVENT_WRITE, 0, request_to(AI_HOST));
		break;
	case 'A':
		data(RKEY, HALF, EVENT_READ, 0, answer());
		break;
	}
}

static void test_orders(void **state)
{
	static const struct order orders[] = {
		{"as it should be", "hwQrA"},
		{"sockets first", "hwrQA"},
		{"hello last", "wQrAh"},
		{"data before both sockets", "hQAwr"},
		{"answer's socket last", "hwQAr"},
		{"request's socket last", "hrQAw"},
		{"answer joins first", "hQArw"},
		{"no hello", "wQrA"},
		{"everything before the sockets", "QAhrw"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
		world_new(state);
		for (const char *s = orders[i].steps; *s; s++)
			step(*s);
		if (calls_n != 1)
			fail_msg("%s: %zu calls", orders[i].name, calls_n);
		assert_whole(calls[0]);
		assert_string_equal(calls[0]->peer_address, "192.0.2.7");
		assert_string_equal(calls[0]->service->id, "anthropic");
		assert_int_equal(conns_count(w.conns), 1);
		assert_int_equal(w.count.unjoined, 0);
		world_free(state);
	}
}

static void test_hello_reaches_the_record(void **state)
{
	hello(COOKIE, AI_HOST);
	answered(COOKIE, true);
	probes(PROBES_IN_PLACE, now - SECOND, "rustls-ring", "");
	for (const char *s = "wrQA"; *s; s++)
		step(*s);
	assert_int_equal(calls_n, 1);
	assert_string_equal(calls[0]->sni, AI_HOST);
	assert_string_equal(calls[0]->alpn, "h2,http/1.1");
	assert_string_equal(calls[0]->tls_version, "1.3");
	assert_string_equal(calls[0]->http_version, "1.1");
	assert_string_equal(calls[0]->wire, "http");
	assert_string_equal(calls[0]->capture, "rustls-ring");
}

static void test_version_by_the_record_layer(void **state)
{
	bound(WKEY, HALF, COOKIE);
	data(WKEY, HALF | EVENT_F_TLS12, EVENT_WRITE, 0, request_to(AI_HOST));
	bound(RKEY, HALF, COOKIE);
	data(RKEY, HALF | EVENT_F_TLS12, EVENT_READ, 0, answer());
	assert_int_equal(calls_n, 1);
	assert_string_equal(calls[0]->tls_version, "1.2");
}

static void send_cut(uint64_t key, enum event_dir dir, const char *text, size_t from, size_t to)
{
	data_of(PID, key, HALF, dir, 0, text + from, to - from);
}

/* Each direction changes its key in the middle of a message; offsets of a key begin at 0. */
static void test_new_keys_go_on(void **state)
{
	const char *q = request_to(AI_HOST), *a = answer();

	bound(WKEY, HALF, COOKIE);
	bound(RKEY, HALF, COOKIE);
	send_cut(WKEY, EVENT_WRITE, q, 0, 30);
	bound(21, HALF, COOKIE);
	send_cut(21, EVENT_WRITE, q, 30, strlen(q));
	plain_event(EVENT_CLOSE, WKEY);
	send_cut(RKEY, EVENT_READ, a, 0, 70);
	send_cut(22, EVENT_READ, a, 70, strlen(a)); /* before its socket is known */
	bound(22, HALF, COOKIE);
	assert_int_equal(calls_n, 1);
	assert_whole(calls[0]);
	assert_int_equal(calls[0]->connection_id, WKEY);
	/* The next call over the same connection. */
	data_of(PID, 21, HALF, EVENT_WRITE, strlen(q) - 30, q, strlen(q));
	data_of(PID, 22, HALF, EVENT_READ, strlen(a) - 70, a, strlen(a));
	assert_int_equal(calls_n, 2);
	assert_whole(calls[1]);
	assert_int_equal(calls[1]->request_offset, strlen(q));
}

static void test_keys_of_the_handshake_carry_nothing(void **state)
{
	bound(1, HALF, COOKIE);
	bound(2, HALF, COOKIE);
	plain_event(EVENT_CLOSE, 1);
	plain_event(EVENT_CLOSE, 2);
	for (const char *s = "wrQA"; *s; s++)
		step(*s);
	assert_int_equal(calls_n, 1);
	assert_whole(calls[0]);
}

/* A key's memory is used again: the kernel's id and offsets go on, over another socket. */
static void test_key_used_again(void **state)
{
	size_t q = strlen(request_to(AI_HOST)), a = strlen(answer());

	for (const char *s = "wrQA"; *s; s++)
		step(*s);
	bound(WKEY, HALF, COOKIE + 1);
	bound(RKEY, HALF, COOKIE + 1);
	data(WKEY, HALF, EVENT_WRITE, q, request_to(AI_HOST));
	data(RKEY, HALF, EVENT_READ, a, answer());
	assert_int_equal(calls_n, 2);
	assert_whole(calls[1]);
}

static void test_lost_chunk_is_a_gap(void **state)
{
	const char *q = request_to(AI_HOST);

	bound(WKEY, HALF, COOKIE);
	bound(RKEY, HALF, COOKIE);
	data_of(PID, WKEY, HALF, EVENT_WRITE, 0, q, strlen(q) - 20);
	data_of(PID, WKEY, HALF, EVENT_WRITE, strlen(q) - 10, q + strlen(q) - 10, 10);
	data(RKEY, HALF, EVENT_READ, 0, answer());
	assert_int_equal(calls_n, 1);
	assert_string_equal(calls[0]->completeness, "gap");
}

/* More than may wait: the first HALF_WAIT_MAX bytes are kept, the rest is a gap. */
static void test_waiting_is_bounded(void **state)
{
	static char big[100 * 1024], head[256];
	size_t at = 0, n = snprintf(head, sizeof(head),
				    "POST /v1/messages HTTP/1.1\r\nHost: " AI_HOST
				    "\r\nContent-Type: application/json\r\n"
				    "Content-Length: %zu\r\n\r\n",
				    sizeof(big));

	memset(big, ' ', sizeof(big));
	memcpy(big, "{\"model\":\"m\"", 12);
	big[sizeof(big) - 1] = '}';
	data_of(PID, WKEY, HALF, EVENT_WRITE, 0, head, n);
	for (; at < sizeof(big); at += 1024)
		data_of(PID, WKEY, HALF, EVENT_WRITE, n + at, big + at, 1024);
	assert_true(w.count.not_waited > 30);
	bound(WKEY, HALF, COOKIE);
	bound(RKEY, HALF, COOKIE);
	data(RKEY, HALF, EVENT_READ, 0, answer());
	plain_event(EVENT_CLOSE, WKEY);
	plain_event(EVENT_CLOSE, RKEY);
	assert_int_equal(calls_n, 1);
	assert_string_not_equal(calls[0]->completeness, "complete");
	assert_int_equal(conns_count(w.conns), 0);
	assert_int_equal(halves_count(w.halves), 0);
}

/* Without a socket a request is recorded without its answer; neither is lost without a word. */
static void test_never_joined(void **state)
{
	step('Q');
	step('A');
	pass(5 * SECOND);
	assert_int_equal(calls_n, 0);
	pass(6 * SECOND);
	assert_int_equal(calls_n, 1);
	assert_string_equal(calls[0]->completeness, "truncated");
	assert_int_equal(w.count.unjoined, 2);
}

static void test_exit_ends_keys(void **state)
{
	bound(WKEY, HALF, COOKIE);
	step('Q');
	step('A');
	plain_event(EVENT_EXIT, 0);
	assert_int_equal(calls_n, 1);
	assert_string_equal(calls[0]->completeness, "truncated");
	assert_int_equal(halves_count(w.halves), 0);
	assert_int_equal(w.count.unjoined, 1); /* what was read */
}

static void test_socket_ends_keys(void **state)
{
	for (const char *s = "hwrQ"; *s; s++)
		step(*s);
	sock_closed(COOKIE, -1);
	step('A'); /* read before the end, decrypted after it */
	assert_int_equal(calls_n, 1);
	assert_whole(calls[0]);
	pass(4 * SECOND);
	pass(4 * SECOND);
	assert_int_equal(conns_count(w.conns), 0);
	assert_int_equal(socks_count(w.socks), 0);
	assert_int_equal(calls_n, 1);
}

static void test_verdicts_reach_every_key(void **state)
{
	for (const char *s = "wrQ"; *s; s++)
		step(*s);
	assert_int_equal(verdict_on(WKEY), VERDICT_WATCH);
	assert_int_equal(verdict_on(RKEY), VERDICT_WATCH);
	bound(33, HALF, COOKIE);
	assert_int_equal(verdict_on(33), VERDICT_WATCH);

	bound(41, HALF, 901);
	bound(42, HALF, 901);
	not_ai_times(41, 42, HALF, 1);
	assert_int_equal(verdict_on(41), VERDICT_NONE); /* keys are never left out */
	assert_int_equal(verdict_on(42), VERDICT_NONE);
	not_ai_times(41, 42, HALF, 2 * FLOW_PATIENCE);
	assert_int_equal(verdict_on(41), VERDICT_IGNORE);
	assert_int_equal(verdict_on(42), VERDICT_IGNORE);
	bound(43, HALF, 901); /* a new key of what is not wanted */
	data(43, HALF, EVENT_WRITE, 0, request_to(AI_HOST));
	assert_int_equal(calls_n, 0);
	assert_int_equal(conns_count(w.conns), 1);
}

static void test_handle_above_keys(void **state)
{
	bound(5, 0, COOKIE);
	bound(WKEY, HALF, COOKIE);
	data(WKEY, HALF, EVENT_WRITE, 0, request_to(AI_HOST));
	data(5, 0, EVENT_WRITE, 0, request_to(AI_HOST));
	data(5, 0, EVENT_READ, 0, answer());
	assert_int_equal(calls_n, 1);
	assert_int_equal(w.count.twice, 1);
	assert_int_equal(verdict_on(WKEY), VERDICT_IGNORE);

	bound(51, HALF, 902); /* the key was told first */
	bound(6, 0, 902);
	data(6, 0, EVENT_WRITE, 0, request_to(AI_HOST));
	data(51, HALF, EVENT_WRITE, 0, request_to(AI_HOST));
	data(6, 0, EVENT_READ, 0, answer());
	assert_int_equal(calls_n, 2);
	assert_whole(calls[1]);
	assert_int_equal(verdict_on(51), VERDICT_IGNORE);
}

/* A call open at a worker's death is found again under the key's own id and offsets. */
static void test_inflight_in_the_kernels_terms(void **state)
{
	const char *q = request_to(AI_HOST), *a = answer();
	uint64_t id = 0, last;

	for (const char *s = "wrQA"; *s; s++)
		step(*s);
	bound(21, HALF, COOKIE);
	data(21, HALF, EVENT_WRITE, 0, q);
	data(RKEY, HALF, EVENT_READ, strlen(a), a);
	data(21, HALF, EVENT_WRITE, strlen(q), q); /* open */
	last = inflight_last_id(w.inflight);
	assert_int_equal(inflight_inherit(w.inflight), 1);
	inflight_again(w.inflight, 21, strlen(q), strlen(q));
	assert_int_equal(inflight_lost(w.inflight, last, last, &id), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_orders),
#define T(f) cmocka_unit_test_setup_teardown(f, world_new, world_free)
		T(test_hello_reaches_the_record),
		T(test_version_by_the_record_layer),
		T(test_new_keys_go_on),
		T(test_keys_of_the_handshake_carry_nothing),
		T(test_key_used_again),
		T(test_lost_chunk_is_a_gap),
		T(test_waiting_is_bounded),
		T(test_never_joined),
		T(test_exit_ends_keys),
		T(test_socket_ends_keys),
		T(test_verdicts_reach_every_key),
		T(test_handle_above_keys),
		T(test_inflight_in_the_kernels_terms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
