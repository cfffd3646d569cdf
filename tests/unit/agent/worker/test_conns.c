// SPDX-License-Identifier: Apache-2.0
/*
 * Connections by handle and in clear text: what becomes of them, what the kernel is told, and what
 * happens when there is no room.
 */
#include "agent/discover/resolve.h"
#include "world.h"

#define PLAIN(cookie) (CONN_ID_PLAIN | (cookie))

/* --- handles ------------------------------------------------------------------------------------- */

static void test_call(void **state)
{
	bound(5, EVENT_F_ADJACENT, 10);
	data(5, 0, EVENT_WRITE, 0, request_to(AI_HOST));
	assert_int_equal(verdict_on(5), VERDICT_WATCH);
	data(5, 0, EVENT_READ, 0, answer());
	assert_int_equal(calls_n, 1);
	assert_whole(calls[0]);
	assert_string_equal(calls[0]->capture, "tls");
	assert_string_equal(calls[0]->peer_source, "adjacent");
	assert_int_equal(calls[0]->connection_id, 5);
}

static void test_not_ai_is_ignored(void **state)
{
	static const struct {
		const char *name, *first;
		enum event_dir dir;
		bool served;
	} rows[] = {
		{"no HTTP", "EHLO mail.example.org\r\n", EVENT_WRITE, false},
		{"a request that is read", NOT_AI, EVENT_READ, true},
		{"HTTP/2 that is read", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", EVENT_READ, true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		data(50 + i, 0, rows[i].dir, 0, rows[i].first);
		if (verdict_on(50 + i) != VERDICT_IGNORE)
			fail_msg("%s: not ignored", rows[i].name);
		assert_int_equal(w.count.served, i < 1 ? 0 : i);
		/* A chunk that was on its way. */
		data(50 + i, 0, EVENT_WRITE, 60, request_to(AI_HOST));
		assert_int_equal(conns_count(w.conns), 0);
	}
	assert_int_equal(calls_n, 0);
}

/* By whose functions its bytes went, also where the process has several. */
static void test_capture(void **state)
{
	static const struct {
		unsigned stack;
		const char *stacks, *want;
	} rows[] = {
		{TLS_STACK_OPENSSL, "openssl, gnutls", "openssl"},
		{TLS_STACK_RING, "openssl, rustls-aws-lc, rustls-ring", "rustls-ring"},
		{0, "gnutls", "gnutls"},
		{0, "openssl, gnutls", "tls"},
		{15, "openssl, gnutls", "tls"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint32_t flags = rows[i].stack << EVENT_F_STACK_SHIFT;

		probes(PROBES_IN_PLACE, START, rows[i].stacks, "");
		data(5 + i, flags, EVENT_WRITE, 0, request_to(AI_HOST));
		data(5 + i, flags, EVENT_READ, 0, answer());
		assert_int_equal(calls_n, i + 1);
		assert_string_equal(calls[i]->capture, rows[i].want);
	}
}

/* What is not AI comes before what is: the kernel leaves out its bulk, and no more. */
static void test_ai_after_something_else(void **state)
{
	size_t q = strlen(NOT_AI), a = strlen(NOT_AI_ANSWER);

	for (unsigned n = 1; n < FLOW_PATIENCE; n++) {
		uint64_t id = 100 + n;

		not_ai_times(id, id, 0, n);
		assert_int_equal(verdict_on(id), VERDICT_QUIET);
		data_of(PID, id, 0, EVENT_WRITE, n * q, (const void *)request_to("llm.example"), 9);
		assert_int_equal(verdict_on(id), VERDICT_NONE);
		data(id, 0, EVENT_WRITE, n * q + 9, request_to("llm.example") + 9);
		assert_int_equal(verdict_on(id), VERDICT_WATCH);
		data(id, 0, EVENT_READ, n * a, answer());
		assert_int_equal(calls_n, n);
		assert_whole(calls[n - 1]);
		assert_int_equal(verdict_on(id), VERDICT_WATCH);
	}
	not_ai_times(99, 99, 0, FLOW_PATIENCE);
	assert_int_equal(verdict_on(99), VERDICT_IGNORE);
}

static void test_no_end_of_patience(void **state)
{
	bound(5, 0, 10);
	hello(10, AI_HOST);
	not_ai_times(5, 5, 0, 5 * FLOW_PATIENCE);
	assert_int_equal(verdict_on(5), VERDICT_QUIET);
	tell_of(77, "/usr/bin/claude", "claude", 7);
	for (unsigned i = 0; i < 3 * FLOW_PATIENCE; i++)
		data_of(77, 6, 0, EVENT_WRITE, i * strlen(NOT_AI), (const void *)NOT_AI,
			strlen(NOT_AI));
	assert_int_not_equal(verdict_on(6), VERDICT_IGNORE);
}

/* A verdict of before is not this connection's state: it was evicted, or another worker's. */
static void test_quiet_is_taken_back(void **state)
{
	conns_verdict(&w, 5, VERDICT_QUIET);
	data(5, EVENT_F_LATE, EVENT_WRITE, 7000, "tail of something");
	assert_int_equal(verdict_on(5), VERDICT_NONE);
	conns_verdict(&w, 6 + VERDICT_SLOTS, VERDICT_QUIET); /* of another one in the same slot */
	data(6, 0, EVENT_WRITE, 0, "GET /x");
	assert_int_equal(verdict_on(6 + VERDICT_SLOTS), VERDICT_QUIET);
}

/* A server's SETTINGS may be read before the client has written: that is no request. */
static void test_settings_first(void **state)
{
	static const uint8_t settings[] = {0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100};

	data_of(PID, 5, 0, EVENT_READ, 0, settings, sizeof(settings));
	assert_int_not_equal(verdict_on(5), VERDICT_IGNORE);
	assert_int_equal(conns_count(w.conns), 1);
	assert_int_equal(w.count.served, 0);
}

static void test_name_given_by_the_program(void **state)
{
	struct event_host e = {.host = "given.example.org"};

	e.h = head_of(PID, EVENT_HOST, sizeof(e), 5, 0);
	events_record(&w, &e, sizeof(e));
	hello(10, AI_HOST);
	bound(5, 0, 10);
	data(5, 0, EVENT_WRITE, 0, request_to(AI_HOST));
	data(5, 0, EVENT_READ, 0, answer());
	assert_string_equal(calls[0]->sni, "given.example.org");
	assert_string_equal(calls[0]->alpn, "h2,http/1.1");
}

static void test_hello_after_the_socket(void **state)
{
	bound(5, 0, 10);
	data(5, 0, EVENT_WRITE, 0, request_to(AI_HOST));
	hello(10, AI_HOST);
	answered(10, false);
	data(5, 0, EVENT_READ, 0, answer());
	assert_string_equal(calls[0]->sni, AI_HOST);
	assert_string_equal(calls[0]->tls_version, "1.2");
}

/* A handle whose socket closed lives on for a while: it may be the wrong socket. */
static void test_socket_of_a_handle_closes(void **state)
{
	bound(5, EVENT_F_ADJACENT, 10);
	data(5, 0, EVENT_WRITE, 0, request_to(AI_HOST));
	sock_closed(10, -1);
	pass(10 * SECOND);
	data(5, 0, EVENT_READ, 0, answer());
	assert_int_equal(calls_n, 1);
	assert_whole(calls[0]);
	pass(29 * SECOND);
	assert_int_equal(conns_count(w.conns), 1);
	pass(10 * SECOND);
	assert_int_equal(conns_count(w.conns), 0);
}

/* --- clear text ---------------------------------------------------------------------------------- */

static void clear_begins(uint64_t cookie, uint16_t port)
{
	struct event_conn e = conn_event(PID, EVENT_CONN, PLAIN(cookie), EVENT_F_PLAIN, cookie);

	e.peer = (struct event_addr){.family = 2, .port = port, .addr = {127, 0, 0, 1}};
	events_record(&w, &e, sizeof(e));
}

#define OLLAMA_BODY "{\"model\":\"llama3\",\"stream\":false,\"messages\":[]}"
#define OLLAMA_ANSWER \
	"{\"model\":\"llama3\",\"done\":true,\"prompt_eval_count\":4,\"eval_count\":2}"

static void test_local_runtime(void **state)
{
	char q[512], a[512];

	snprintf(q, sizeof(q),
		 "POST /api/chat HTTP/1.1\r\nHost: localhost:11434\r\n"
		 "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
		 strlen(OLLAMA_BODY), OLLAMA_BODY);
	snprintf(
		a, sizeof(a),
		"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
		strlen(OLLAMA_ANSWER), OLLAMA_ANSWER);
	clear_begins(10, 11434);
	data(PLAIN(10), EVENT_F_PLAIN, EVENT_WRITE, 0, q);
	assert_int_equal(verdict_on(PLAIN(10)), VERDICT_WATCH);
	data(PLAIN(10), EVENT_F_PLAIN, EVENT_READ, 0, a);
	assert_int_equal(calls_n, 1);
	assert_string_equal(calls[0]->completeness, "complete");
	assert_string_equal(calls[0]->service->id, "ollama");
	assert_string_equal(calls[0]->response_model, "llama3");
	assert_string_equal(calls[0]->capture, "socket");
	assert_string_equal(calls[0]->peer_source, "socket");
	assert_string_equal(calls[0]->peer_address, "127.0.0.1");
	assert_int_equal(calls[0]->peer_port, 11434);
	assert_string_equal(calls[0]->tls_version, "");
	sock_closed(10, 500);
	assert_int_equal(conns_count(w.conns), 0);
	assert_int_equal(socks_count(w.socks), 0);
}

static void test_clear_not_ai(void **state)
{
	clear_begins(10, 80);
	not_ai_times(PLAIN(10), PLAIN(10), EVENT_F_PLAIN, FLOW_PATIENCE);
	assert_int_equal(verdict_on(PLAIN(10)), VERDICT_IGNORE);
	assert_int_equal(conns_count(w.conns), 0);
	assert_int_equal(watched_n, 0); /* says nothing of the process's TLS */
}

/* What the kernel left out is no hole that may be filled: nothing waits for it. */
static void test_clear_left_out(void **state)
{
	const char *head = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
	uint64_t end = strlen(head) + 100000;

	clear_begins(10, 80);
	data(PLAIN(10), EVENT_F_PLAIN, EVENT_WRITE, 0, NOT_AI);
	data(PLAIN(10), EVENT_F_PLAIN, EVENT_READ, 0, head);
	assert_int_equal(verdict_on(PLAIN(10)), VERDICT_QUIET);
	data(PLAIN(10), EVENT_F_PLAIN, EVENT_READ, 50000, "in the middle");
	data(PLAIN(10), EVENT_F_PLAIN, EVENT_WRITE, strlen(NOT_AI), request_to(AI_HOST));
	data(PLAIN(10), EVENT_F_PLAIN, EVENT_READ, end, answer());
	assert_int_equal(calls_n, 1);
	assert_whole(calls[0]);
	assert_int_equal(w.count.holes, 0);
}

/* TCP may deliver a hole's bytes late; they are read in their place. */
static void test_clear_out_of_order(void **state)
{
	const char *q = request_to(AI_HOST), *a = answer();
	size_t n = strlen(a);

	clear_begins(10, 80);
	data(PLAIN(10), EVENT_F_PLAIN, EVENT_WRITE, 0, q);
	data_of(PID, PLAIN(10), EVENT_F_PLAIN, EVENT_READ, 0, a, 50);
	data_of(PID, PLAIN(10), EVENT_F_PLAIN, EVENT_READ, 100, a + 100, n - 100);
	assert_int_equal(calls_n, 0);
	data_of(PID, PLAIN(10), EVENT_F_PLAIN, EVENT_READ, 70, a + 70, 30);
	data_of(PID, PLAIN(10), EVENT_F_PLAIN, EVENT_READ, 50, a + 50, 20);
	assert_int_equal(calls_n, 1);
	assert_whole(calls[0]);
}

static void test_clear_hole_stays(void **state)
{
	const char *q = request_to(AI_HOST), *a = answer();
	size_t n = strlen(a);

	clear_begins(10, 80);
	data(PLAIN(10), EVENT_F_PLAIN, EVENT_WRITE, 0, q);
	data_of(PID, PLAIN(10), EVENT_F_PLAIN, EVENT_READ, 0, a, n - 20);
	data_of(PID, PLAIN(10), EVENT_F_PLAIN, EVENT_READ, n - 10, a + n - 10, 10);
	assert_int_equal(calls_n, 0);
	pass(2 * SECOND); /* it will not come any more */
	assert_int_equal(calls_n, 1);
	assert_string_equal(calls[0]->completeness, "gap");
}

static void test_clear_hole_at_the_end(void **state)
{
	const char *q = request_to(AI_HOST), *a = answer();
	size_t n = strlen(a);

	clear_begins(10, 80);
	data(PLAIN(10), EVENT_F_PLAIN, EVENT_WRITE, 0, q);
	data_of(PID, PLAIN(10), EVENT_F_PLAIN, EVENT_READ, 0, a, n - 20);
	data_of(PID, PLAIN(10), EVENT_F_PLAIN, EVENT_READ, n - 10, a + n - 10, 10);
	plain_event(EVENT_CLOSE, PLAIN(10));
	assert_int_equal(calls_n, 1);
	assert_string_equal(calls[0]->completeness, "gap");
}

/* More behind a hole than may wait: the hole is given up. */
static void test_clear_hole_is_bounded(void **state)
{
	static char big[1024];
	const char *q = request_to(AI_HOST);
	char head[256];
	size_t n = snprintf(head, sizeof(head),
			    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
			    "Content-Length: 2000000\r\n\r\n");

	memset(big, ' ', sizeof(big));
	clear_begins(10, 80);
	data(PLAIN(10), EVENT_F_PLAIN, EVENT_WRITE, 0, q);
	data(PLAIN(10), EVENT_F_PLAIN, EVENT_READ, 0, head);
	for (size_t at = n + 100; at < n + 100 + 1500 * 1024; at += sizeof(big))
		data_of(PID, PLAIN(10), EVENT_F_PLAIN, EVENT_READ, at, big, sizeof(big));
	assert_true(w.count.holes > 0);
	plain_event(EVENT_CLOSE, PLAIN(10));
	assert_int_equal(calls_n, 1);
	assert_string_equal(calls[0]->completeness, "gap");
	assert_true(calls[0]->response_wire_bytes > 1500 * 1024);
}

/* --- room ----------------------------------------------------------------------------------------- */

static size_t pretended;

static size_t used(void)
{
	return pretended * conns_count(w.conns);
}

static void test_memory_in_sum(void **state)
{
	/* 1 to 40: open AI calls; 41 to 80: AI, idle; 81 to 120: not judged yet, idle. */
	for (uint64_t id = 1; id <= 120; id++) {
		if (id > 80) {
			bound(id, 0, 1000 + id);
			continue;
		}
		data(id, 0, EVENT_WRITE, 0, request_to(AI_HOST));
		if (id > 40)
			data(id, 0, EVENT_READ, 0, answer());
	}
	assert_int_equal(calls_n, 40);
	assert_int_equal(conns_count(w.conns), 120);
	pretended = 100;
	conns_trim(w.conns, used, 88 * 100, now);
	assert_int_equal(calls_n, 40);
	assert_false(conns_count(w.conns) > 88);
	for (uint64_t id = 41; id <= 80; id++)
		bound(id, 0, 1000 + id); /* of AI: still there */
	assert_int_equal(conns_count(w.conns), 88);
	conns_trim(w.conns, used, 56 * 100, now);
	assert_int_equal(calls_n, 40); /* idle ones only */
	conns_trim(w.conns, used, 24 * 100, now);
	assert_int_equal(conns_count(w.conns), 24);
	assert_int_equal(calls_n, 56); /* the oldest open ones, as truncated */
	assert_string_equal(calls[55]->completeness, "truncated");
	assert_int_equal(w.count.evicted, 96);
}

static void test_number_of_connections(void **state)
{
	data(1, 0, EVENT_WRITE, 0, request_to(AI_HOST)); /* the oldest, and open */
	for (uint64_t id = 2; id < CONNS_MAX + 100; id++)
		bound(id, 0, 100000 + id);
	assert_int_equal(conns_count(w.conns), CONNS_MAX);
	assert_int_equal(w.count.evicted, 99);
	data(1, 0, EVENT_READ, 0, answer());
	assert_int_equal(calls_n, 1);
	assert_whole(calls[0]);
}

/* Evicted while idle: the next call over it is read from its start. */
static void test_evicted_comes_back(void **state)
{
	const char *q = request_to(AI_HOST), *a = answer();

	for (int half = 0; half < 2; half++) {
		uint32_t f = half ? EVENT_F_HALF : 0;
		uint64_t r = half ? 6 : 5;

		world_new(state);
		bound(5, f, 10);
		if (half)
			bound(6, f, 10);
		data(5, f, EVENT_WRITE, 0, q);
		data(r, f, EVENT_READ, 0, a);
		pretended = 1;
		conns_trim(w.conns, used, 0, now);
		assert_int_equal(conns_count(w.conns), 0);
		data(5, f, EVENT_WRITE, strlen(q), q);
		data(r, f, EVENT_READ, strlen(a), a);
		assert_int_equal(calls_n, 2);
		assert_whole(calls[1]);
		world_free(state);
	}
}

static void test_bad_events(void **state)
{
	struct event_hello h = {.cookie = 1, .size = 10};
	struct event_data d = {.size = 1};
	struct event e;

	h.h = head_of(PID, EVENT_HELLO, sizeof(h), 0, 0);
	events_record(&w, &h, sizeof(h)); /* says 10 bytes, has none */
	d.h = head_of(PID, EVENT_DATA, sizeof(d), 1, EVENT_F_HALF);
	events_record(&w, &d, sizeof(d));
	e = head_of(PID, EVENT_CONN, sizeof(e), 1, 0);
	events_record(&w, &e, sizeof(e));
	e = head_of(PID, 77, sizeof(e), 1, 0);
	events_record(&w, &e, sizeof(e));
	events_record(&w, &e, 20);
	assert_int_equal(w.count.bad_events, 5);
	assert_int_equal(conns_count(w.conns), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, world_new, world_free)
	const struct CMUnitTest tests[] = {
		T(test_call),
		T(test_not_ai_is_ignored),
		T(test_capture),
		T(test_ai_after_something_else),
		T(test_no_end_of_patience),
		T(test_quiet_is_taken_back),
		T(test_clear_left_out),
		T(test_settings_first),
		T(test_name_given_by_the_program),
		T(test_hello_after_the_socket),
		T(test_socket_of_a_handle_closes),
		T(test_local_runtime),
		T(test_clear_not_ai),
		T(test_clear_out_of_order),
		T(test_clear_hole_stays),
		T(test_clear_hole_at_the_end),
		T(test_clear_hole_is_bounded),
		T(test_memory_in_sum),
		T(test_number_of_connections),
		cmocka_unit_test(test_evicted_comes_back),
		T(test_bad_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
