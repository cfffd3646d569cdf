// SPDX-License-Identifier: Apache-2.0
/* What the keeper is told of processes, when, and how often. */
#include "world.h"

#define UNKNOWN_HOST "www.example.org"

/* The last word on a process, 0 = none. */
static uint32_t word_on(uint32_t pid)
{
	uint32_t last = 0;

	for (size_t i = 0; i < watched_n; i++)
		if (watched[i].pid == pid)
			last = watched[i].evidence;
	return last;
}

static void not_ai(uint64_t conn, uint64_t cookie, const char *sni)
{
	hello(cookie, sni);
	answered(cookie, true);
	bound(conn, 0, cookie);
	not_ai_times(conn, conn, 0, FLOW_PATIENCE);
	assert_int_equal(verdict_on(conn), VERDICT_IGNORE);
}

/* --- tools ------------------------------------------------------------------------------------- */

static void exec_of(uint32_t pid, const char *exe, const char *argv, size_t n)
{
	_cleanup_free_ struct event_exec *e = calloc(1, sizeof(*e) + n);

	e->h = head_of(pid, EVENT_EXEC, sizeof(*e) + n, 0, 0);
	e->ppid = 1;
	e->argv_len = n;
	snprintf(e->filename, sizeof(e->filename), "%s", exe);
	memcpy(e->text, argv, n);
	events_record(&w, e, sizeof(*e) + n);
}

static void test_tools(void **state)
{
	static const struct {
		const char *exe, *argv;
		size_t n;
		uint32_t want;
	} rows[] = {
		{"/usr/local/bin/claude", "claude\0-p\0hi", 12, WATCH_AI},
		{"/usr/bin/node", "node\0/usr/lib/node_modules/@openai/codex/bin/codex.js", 53,
		 WATCH_AI},
		{"/usr/bin/node", "node\0server.js", 15, 0},
		{"/bin/ls", "ls", 3, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		watched_n = 0;
		exec_of(5000 + i, rows[i].exe, rows[i].argv, rows[i].n);
		if (word_on(5000 + i) != rows[i].want)
			fail_msg("%s: %u", rows[i].argv, word_on(5000 + i));
	}
}

static void test_tools_children(void **state)
{
	struct event_exec e = {.ppid = 5000};

	exec_of(5000, "/usr/local/bin/claude", "claude", 7);
	e.h = head_of(5001, EVENT_FORK, sizeof(e), 0, 0);
	events_record(&w, &e, sizeof(e));
	assert_int_equal(word_on(5001), WATCH_AI); /* the same program */
	watched_n = 0;
	exec_of(5001, "/usr/bin/git", "git\0push", 9);
	assert_int_equal(word_on(5001), 0);
	hello_of(5001, 50, 0, UNKNOWN_HOST);
	assert_int_equal(word_on(5001), WATCH_CLIENT);
}

/* --- hellos ------------------------------------------------------------------------------------ */

static void test_hellos(void **state)
{
	static const struct {
		const char *sni;
		uint32_t want;
	} rows[] = {
		{AI_HOST, WATCH_AI},
		{"api.openai.com", WATCH_AI},
		{UNKNOWN_HOST, WATCH_CLIENT},
		{NULL, WATCH_CLIENT},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		world_new(state);
		hello(10, rows[i].sni);
		assert_int_equal(watched_n, 1);
		assert_int_equal(watched[0].evidence, rows[i].want);
		assert_string_equal(watched[0].name, rows[i].sni ?: "");
		assert_int_equal(watched[0].start_ns, START);
		hello(11, rows[i].sni); /* no news */
		assert_int_equal(watched_n, 1);
		world_free(state);
	}
}

static void test_hello_of_an_unknown_process(void **state)
{
	hello_of(31337, 10, 0, UNKNOWN_HOST);
	assert_int_equal(word_on(31337), WATCH_CLIENT);
}

/* The packet waits: each one is answered. */
static void test_held_hellos_are_answered(void **state)
{
	not_ai(5, 10, UNKNOWN_HOST);
	pass(2 * SECOND);
	assert_int_equal(word_on(PID), WATCH_NOT_AI);
	watched_n = 0;
	hello_of(PID, 11, EVENT_F_HELD, UNKNOWN_HOST);
	assert_int_equal(watched_n, 1);
	assert_int_equal(watched[0].evidence, WATCH_NOT_AI);
	hello_of(PID, 12, EVENT_F_HELD, "other.example.org");
	assert_int_equal(watched_n, 2);
	assert_int_equal(watched[1].evidence, WATCH_CLIENT);
	hello_of(PID, 13, EVENT_F_HELD, "third.example.org");
	assert_int_equal(watched_n, 3);
	assert_int_equal(watched[2].evidence, WATCH_CLIENT);
}

/* In two parts: the name decides, once. */
static void test_hello_in_parts(void **state)
{
	uint8_t b[1024];
	size_t n = client_hello(AI_HOST, b);

	hello_part(PID, 10, EVENT_F_HELD, EVENT_WRITE, 0, b, 60);
	assert_int_equal(watched_n, 0);
	hello_part(PID, 10, EVENT_F_HELD, EVENT_WRITE, 60, b + 60, n - 60);
	assert_int_equal(watched_n, 1);
	assert_int_equal(watched[0].evidence, WATCH_AI);
	assert_int_equal(w.count.hellos, 1);
	assert_int_equal(w.count.held, 1);
}

static void test_hello_cut_anywhere(void **state)
{
	uint8_t b[1024];
	size_t n = client_hello(AI_HOST, b);

	for (size_t cut = 1; cut < n; cut++) {
		world_new(state);
		hello_part(PID, 10, 0, EVENT_WRITE, 0, b, cut);
		hello_part(PID, 10, 0, EVENT_WRITE, cut, b + cut, n - cut);
		if (watched_n != 1 || watched[0].evidence != WATCH_AI)
			fail_msg("cut at %zu: %zu words", cut, watched_n);
		assert_string_equal(socks_find(w.socks, 10)->sni, AI_HOST);
		assert_string_equal(socks_find(w.socks, 10)->alpn, "h2,http/1.1");
		world_free(state);
	}
}

static void test_no_hello(void **state)
{
	static const uint8_t junk[] = "SSH-2.0-OpenSSH_9.2\r\n";

	hello_part(PID, 10, 0, EVENT_WRITE, 0, junk, sizeof(junk));
	hello_part(PID, 10, 0, EVENT_READ, 0, junk, sizeof(junk));
	hello_part(PID, 10, 0, EVENT_READ, 60000, junk, sizeof(junk));
	assert_int_equal(watched_n, 0);
	assert_int_equal(w.count.hellos, 0);
	assert_int_equal(socks_find(w.socks, 10)->answer_ns, 0);
}

/* --- what connections turn out to be ------------------------------------------------------------ */

static void test_not_ai_when_all_is(void **state)
{
	hello(11, "second.example.org"); /* open, nobody knows */
	not_ai(5, 10, UNKNOWN_HOST);
	pass(2 * SECOND);
	assert_int_equal(word_on(PID), WATCH_CLIENT);
	sock_closed(11, -1);
	pass(2 * SECOND);
	pass(2 * SECOND);
	assert_int_equal(word_on(PID), WATCH_NOT_AI);
}

/* A handle that has said nothing yet may become anything. */
static void test_open_handle_keeps_probes(void **state)
{
	bound(6, 0, 20);
	not_ai(5, 10, UNKNOWN_HOST);
	pass(2 * SECOND);
	assert_int_equal(word_on(PID), WATCH_CLIENT);
	plain_event(EVENT_CLOSE, 6);
	pass(2 * SECOND);
	assert_int_equal(word_on(PID), WATCH_NOT_AI);
}

/* One exchange of no interest says nothing yet, but when nothing comes after it. */
static void test_closed_after_one(void **state)
{
	hello(10, UNKNOWN_HOST);
	answered(10, true);
	bound(5, 0, 10);
	data(5, 0, EVENT_WRITE, 0, NOT_AI);
	data(5, 0, EVENT_READ, 0, NOT_AI_ANSWER);
	pass(2 * SECOND);
	pass(2 * SECOND);
	assert_int_equal(word_on(PID), WATCH_CLIENT);
	plain_event(EVENT_CLOSE, 5);
	sock_closed(10, -1);
	pass(2 * SECOND);
	pass(2 * SECOND);
	assert_int_equal(word_on(PID), WATCH_NOT_AI);
}

static void test_ai_after_one(void **state)
{
	hello(10, UNKNOWN_HOST);
	answered(10, true);
	bound(5, 0, 10);
	data(5, 0, EVENT_WRITE, 0, NOT_AI);
	data(5, 0, EVENT_READ, 0, NOT_AI_ANSWER);
	data(5, 0, EVENT_WRITE, strlen(NOT_AI), request_to(UNKNOWN_HOST));
	data(5, 0, EVENT_READ, strlen(NOT_AI_ANSWER), answer());
	assert_int_equal(calls_n, 1);
	assert_whole(calls[0]);
	assert_int_equal(word_on(PID), WATCH_AI);
	plain_event(EVENT_CLOSE, 5);
	pass(2 * SECOND);
	assert_int_equal(word_on(PID), WATCH_AI);
}

static void test_ai_is_never_taken_back(void **state)
{
	bound(5, 0, 10);
	data(5, 0, EVENT_WRITE, 0, request_to("llm.corp.example"));
	data(5, 0, EVENT_READ, 0, answer());
	assert_int_equal(calls_n, 1); /* shadow AI: by its dialect */
	assert_int_equal(word_on(PID), WATCH_AI);
	plain_event(EVENT_CLOSE, 5);
	not_ai(6, 11, UNKNOWN_HOST);
	pass(2 * SECOND);
	pass(2 * SECOND);
	assert_int_equal(word_on(PID), WATCH_AI);
}

static void test_known_names(void **state)
{
	uint32_t other = 4343;

	not_ai(5, 10, UNKNOWN_HOST);
	pass(2 * SECOND);
	/* The same program, another process: judged before. */
	tell_of(other, "/usr/bin/python3", "python3\0job.py", 15);
	hello_of(other, 11, 0, UNKNOWN_HOST);
	pass(2 * SECOND);
	assert_int_equal(word_on(other), WATCH_NOT_AI);
	/* Another script, and the first one at another name: looked at. */
	tell_of(4344, "/usr/bin/python3", "python3\0other.py", 17);
	hello_of(4344, 12, 0, UNKNOWN_HOST);
	assert_int_equal(word_on(4344), WATCH_CLIENT);
	hello_of(other, 13, 0, "new.example.org");
	assert_int_equal(word_on(other), WATCH_CLIENT);
	/* After an hour nothing is known any more. */
	tell_of(4345, "/usr/bin/python3", "python3\0job.py", 15);
	now += KNOWN_NOT_AI_NS;
	hello_of(4345, 14, 0, UNKNOWN_HOST);
	assert_int_equal(word_on(4345), WATCH_CLIENT);
}

/* A host that serves both is always looked at. */
static void test_name_of_both(void **state)
{
	not_ai(5, 10, "gateway.corp.example");
	bound(6, 0, 11);
	data(6, 0, EVENT_WRITE, 0, request_to("gateway.corp.example"));
	tell_of(4343, "/usr/bin/python3", "python3\0job.py", 15);
	hello_of(4343, 12, 0, "gateway.corp.example");
	assert_int_equal(word_on(4343), WATCH_CLIENT);
}

/* The keeper took the probes away by itself: it is told again, also when no packet waits. */
static void test_removed_is_told_again(void **state)
{
	hello(10, UNKNOWN_HOST);
	assert_int_equal(watched_n, 1);
	probes(PROBES_REMOVED, 0, "", "said no hello for long");
	hello(11, "other.example.org");
	assert_int_equal(watched_n, 2);
	assert_int_equal(watched[1].evidence, WATCH_CLIENT);
	probes(PROBES_IN_PLACE, now, "openssl", "");
	hello(12, "third.example.org");
	assert_int_equal(watched_n, 2);
}

/* Joined in its middle and not readable: that says nothing. */
static void test_unreadable_is_no_evidence(void **state)
{
	uint8_t junk[4096];

	memset(junk, 0xc3, sizeof(junk));
	hello(10, UNKNOWN_HOST);
	bound(5, EVENT_F_LATE, 10);
	for (uint64_t at = 0; at < 5000 && verdict_on(5) != VERDICT_IGNORE; at++)
		data_of(PID, 5, EVENT_F_LATE, EVENT_WRITE, 1000 + at * sizeof(junk), junk,
			sizeof(junk));
	assert_int_equal(verdict_on(5), VERDICT_IGNORE); /* it was looked at for long enough */
	sock_closed(10, 300);
	pass(3 * SECOND);
	assert_int_equal(word_on(PID), WATCH_CLIENT);
	tell_of(4343, "/usr/bin/python3", "python3\0job.py", 15);
	hello_of(4343, 11, 0, UNKNOWN_HOST);
	assert_int_equal(word_on(4343), WATCH_CLIENT);
}

/* One connection after the other must not become as many messages. */
static void test_rate(void **state)
{
	size_t first;

	for (unsigned i = 0; i < 100; i++) {
		char name[64];

		snprintf(name, sizeof(name), "h%u.example.org", i);
		hello(1000 + i, name);
		bound(100 + i, 0, 1000 + i);
		not_ai_times(100 + i, 100 + i, 0, 1);
		plain_event(EVENT_CLOSE, 100 + i);
		sock_closed(1000 + i, -1);
	}
	first = watched_n;
	assert_true(first <= 4);
	assert_int_equal(word_on(PID), WATCH_CLIENT);
	pass(2 * SECOND);
	pass(2 * SECOND);
	assert_int_equal(watched_n, first + 1);
	assert_int_equal(word_on(PID), WATCH_NOT_AI);
}

static void test_second_is_bounded(void **state)
{
	evidence_sweep(&w);
	for (unsigned i = 0; i < 1100; i++) {
		watched_n = 0;
		hello_of(10000 + i, 5000 + i, EVENT_F_HELD, UNKNOWN_HOST);
	}
	assert_int_equal(w.count.evidence, 1000);
	assert_int_equal(w.count.evidence_refused, 100);
	hello_of(PID, 1, 0, AI_HOST); /* AI is always told */
	assert_int_equal(word_on(PID), WATCH_AI);
	evidence_sweep(&w);
	hello_of(20000, 2, 0, UNKNOWN_HOST);
	assert_int_equal(word_on(20000), WATCH_CLIENT);
}

static void test_new_image_is_another(void **state)
{
	hello(10, AI_HOST);
	assert_int_equal(word_on(PID), WATCH_AI);
	exec_of(PID, "/usr/bin/wget", "wget", 5);
	sock_closed(10, 300);
	not_ai(5, 11, UNKNOWN_HOST);
	pass(2 * SECOND);
	assert_int_equal(word_on(PID), WATCH_NOT_AI);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, world_new, world_free)
	const struct CMUnitTest tests[] = {
		T(test_tools),
		T(test_tools_children),
		cmocka_unit_test(test_hellos),
		T(test_hello_of_an_unknown_process),
		T(test_held_hellos_are_answered),
		T(test_hello_in_parts),
		cmocka_unit_test(test_hello_cut_anywhere),
		T(test_no_hello),
		T(test_not_ai_when_all_is),
		T(test_open_handle_keeps_probes),
		T(test_closed_after_one),
		T(test_ai_after_one),
		T(test_ai_is_never_taken_back),
		T(test_known_names),
		T(test_name_of_both),
		T(test_removed_is_told_again),
		T(test_unreadable_is_no_evidence),
		T(test_rate),
		T(test_second_is_bounded),
		T(test_new_image_is_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
