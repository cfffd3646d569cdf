// SPDX-License-Identifier: Apache-2.0
/*
 * Connections to AI of which nothing, or not the beginning, was seen: which of them are declared,
 * and with which reason.
 */
#include "world.h"

#define COOKIE 700

enum { NO_WORD = 99 }; /* the keeper said nothing of the process */

struct silent {
	const char *name, *sni;
	uint32_t state;
	int since_ms; /* probes in place, after the server's answer; with IN_PLACE or REMOVED */
	const char *reason;
	int64_t sent;			 /* -1: not counted */
	bool answered, worked;		 /* worked: other plaintext of the process was seen */
	const char *completeness, *says; /* NULL: no record */
};

static const struct silent silents[] = {
	{"probes came late", AI_HOST, PROBES_IN_PLACE, 40, "", -1, true, false, "late-attach",
	 "probes came 40 ms after the handshake"},
	{"with the keeper's reason", AI_HOST, PROBES_IN_PLACE, 40, "bound of the hold", -1, true,
	 false, "late-attach", "probes came 40 ms after the handshake: bound of the hold"},
	{"late, and proven to have asked", AI_HOST, PROBES_IN_PLACE, 40, "", 4000, true, false,
	 "late-attach", "probes came 40 ms after the handshake"},
	{"late, but nothing was asked", AI_HOST, PROBES_IN_PLACE, 40, "", 300, true, false, NULL,
	 NULL},
	{"no TLS functions", AI_HOST, PROBES_NONE, 0, "", -1, true, false, "undecodable",
	 "no probes: no TLS functions found in this process"},
	{"no TLS functions, why", AI_HOST, PROBES_NONE, 0, "JIT code", 4000, true, false,
	 "undecodable", "no probes: JIT code"},
	{"still being attached", AI_HOST, PROBES_COMING, 0, "", -1, true, false, "late-attach",
	 "probes were not in place"},
	{"taken away", AI_HOST, PROBES_REMOVED, 0, "was not AI", -1, true, false, "late-attach",
	 "probes were not in place: was not AI"},
	{"keeper never spoke", AI_HOST, NO_WORD, 0, "", -1, true, false, "undecodable",
	 "not known whether this process has TLS functions"},
	{"probes that do not fire", AI_HOST, PROBES_IN_PLACE, -40, "", -1, true, false,
	 "undecodable", "probes are in place, but its TLS does not go through them"},
	{"a second stack that does not fire", AI_HOST, PROBES_IN_PLACE, -40, "", 4000, true, true,
	 "undecodable", "probes are in place, but its TLS does not go through them"},
	{"opened and not used", AI_HOST, PROBES_IN_PLACE, -40, "", 300, true, true, NULL, NULL},
	{"not counted, probes work", AI_HOST, PROBES_IN_PLACE, -40, "", -1, true, true, NULL, NULL},
	{"the server never answered", AI_HOST, PROBES_NONE, 0, "", -1, false, false, NULL, NULL},
	{"an unknown host", "www.example.org", PROBES_NONE, 0, "", 4000, true, false, NULL, NULL},
	{"no name", NULL, PROBES_NONE, 0, "", 4000, true, false, NULL, NULL},
	{"evidence of the host is shared", "github.com", PROBES_NONE, 0, "", 4000, true, false,
	 NULL, NULL},
};

static void check_silent(const struct silent *s)
{
	const Probity__V1__AiCall *c = calls[0];

	if (calls_n != (s->completeness != NULL))
		fail_msg("%s: %zu records", s->name, calls_n);
	if (!s->completeness)
		return;
	if (strcmp(c->completeness, s->completeness) || strcmp(c->incomplete_reason, s->says))
		fail_msg("%s: %s, %s", s->name, c->completeness, c->incomplete_reason);
	assert_string_equal(c->service->id, "anthropic");
	assert_string_equal(c->server_address, AI_HOST);
	assert_string_equal(c->sni, AI_HOST);
	assert_string_equal(c->peer_address, "192.0.2.7");
	assert_string_equal(c->peer_source, "socket");
	assert_string_equal(c->alpn, "h2,http/1.1");
	assert_string_equal(c->tls_version, "1.3");
	assert_string_equal(c->capture, "");
	assert_string_equal(c->process->exe, "/usr/bin/python3");
	assert_int_equal(c->process->pid, PID);
	assert_int_equal(c->has_request_wire_bytes_case, 0);
	assert_int_equal(c->has_response_body_bytes_case, 0);
	assert_int_equal(c->usage->has_input_tokens_case, 0);
	assert_true(c->end_ns > 0);
}

/* Of what a worker knew the next one has what inflight.c keeps, and what the keeper tells it again. */
static void dies(void)
{
	conns_free(w.conns);
	halves_free(w.halves);
	socks_free(w.socks);
	procs_free(w.procs);
	w.procs = procs_new();
	w.conns = conns_new(&w);
	w.halves = halves_new(&w);
	w.socks = socks_new(&w);
	kept_again(&w);
	tell_of(PID, "/usr/bin/python3", "python3\0job.py", 15);
}

/* death: after which step the worker dies, 0 = it lives. */
static void play_silent(const struct silent *s, int death)
{
	uint64_t since;

	if (s->worked) {
		bound(5, 0, COOKIE + 1);
		data(5, 0, EVENT_WRITE, 0, "GET /");
	}
	hello(COOKIE, s->sni);
	if (death == 1)
		dies();
	if (s->answered)
		answered(COOKIE, true);
	if (death == 2)
		dies();
	since = s->since_ms ? now + s->since_ms * (int64_t)MS : 0;
	if (s->state != NO_WORD)
		probes(s->state, since, "", s->reason);
	now += 500 * MS;
	sock_closed(COOKIE, s->sent);
	if (death != 3)
		return;
	dies();
	if (s->state != NO_WORD)
		probes(s->state, since, "", s->reason);
}

static void test_silent_sockets(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(silents); i++) {
		world_new(state);
		play_silent(&silents[i], 0);
		assert_int_equal(calls_n, 0); /* what was read may still be decrypted */
		pass(3 * SECOND);
		check_silent(&silents[i]);
		pass(40 * SECOND);
		assert_int_equal(calls_n, silents[i].completeness != NULL);
		assert_int_equal(w.count.unseen, calls_n);
		assert_int_equal(socks_count(w.socks), silents[i].worked);
		world_free(state);
	}
}

/* It need not end to be declared, and is declared once. */
/* The same records whenever a worker dies, and none twice. A process of which other plaintext was seen
 * is known to work by that alone, which dies. */
static void test_worker_dies(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(silents); i++)
		for (int death = 1; death <= 3 && !silents[i].worked; death++) {
			world_new(state);
			play_silent(&silents[i], death);
			assert_int_equal(calls_n, 0);
			pass(3 * SECOND);
			check_silent(&silents[i]);
			dies();
			pass(40 * SECOND);
			assert_int_equal(calls_n, silents[i].completeness != NULL);
			assert_int_equal(socks_count(w.socks), 0);
			world_free(state);
		}
}

/* Bound to its handle before the death: what comes after it is its plaintext. */
static void test_bound_then_dies(void **state)
{
	hello(COOKIE, AI_HOST);
	answered(COOKIE, true);
	bound(5, 0, COOKIE);
	dies();
	probes(PROBES_IN_PLACE, now + 40 * MS, "", "");
	data(5, 0, EVENT_WRITE, 0, request_to(AI_HOST));
	data(5, 0, EVENT_READ, 0, answer());
	sock_closed(COOKIE, 4000);
	pass(3 * SECOND);
	assert_int_equal(calls_n, 1);
	assert_string_equal(calls[0]->completeness, "complete");
	assert_string_equal(calls[0]->peer_address, "192.0.2.7");
	assert_int_equal(w.count.unseen, 0);
}

static void test_long_lived(void **state)
{
	hello(COOKIE, AI_HOST);
	answered(COOKIE, true);
	probes(PROBES_NONE, 0, "", "");
	pass(29 * SECOND);
	assert_int_equal(calls_n, 0);
	pass(3 * SECOND);
	assert_int_equal(calls_n, 1);
	assert_string_equal(calls[0]->completeness, "undecodable");
	sock_closed(COOKIE, 9000);
	pass(5 * SECOND);
	assert_int_equal(calls_n, 1);
}

/* Plaintext of the socket, whenever it comes: the call has its own record and no other. */
static void test_seen_is_not_declared(void **state)
{
	hello(COOKIE, AI_HOST);
	answered(COOKIE, true);
	probes(PROBES_IN_PLACE, now + 40 * MS, "openssl", "");
	data(9, EVENT_F_LATE, EVENT_WRITE, 0, request_to(AI_HOST));
	bound(9, EVENT_F_LATE | EVENT_F_ADJACENT, COOKIE);
	sock_closed(COOKIE, 4000);
	data(9, EVENT_F_LATE, EVENT_READ, 0, answer());
	pass(3 * SECOND);
	assert_int_equal(calls_n, 1);
	assert_whole(calls[0]);
	assert_string_equal(calls[0]->capture, "openssl");
	assert_string_equal(calls[0]->peer_source, "adjacent");
}

/* Plaintext that could not be bound to a socket may be of this one. */
static void test_loose_plaintext(void **state)
{
	hello(COOKIE, AI_HOST);
	answered(COOKIE, true);
	probes(PROBES_IN_PLACE, START, "openssl", "");
	data(9, 0, EVENT_WRITE, 0, request_to(AI_HOST));
	data(9, 0, EVENT_READ, 0, answer());
	sock_closed(COOKIE, 4000);
	pass(3 * SECOND);
	assert_int_equal(calls_n, 1);
	assert_whole(calls[0]);
}

/* An AI tool at a host where AI was spoken before counts; another program there does not. */
static void test_shadow_host(void **state)
{
	for (int tool = 0; tool < 2; tool++) {
		world_new(state);
		known_set(w.known, "", 0, "llm.corp.example", KNOWN_AI, now);
		if (tool)
			tell_of(PID, "/usr/local/bin/claude", "claude", 7);
		hello(COOKIE, "llm.corp.example");
		answered(COOKIE, true);
		probes(PROBES_NONE, 0, "", "");
		sock_closed(COOKIE, 4000);
		pass(3 * SECOND);
		assert_int_equal(calls_n, tool);
		assert_int_equal(w.count.unseen_shadow, !tool); /* said in a LOSS record */
		if (tool)
			assert_string_equal(calls[0]->service->id, "unknown");
		world_free(state);
	}
}

/* --- connections seen first when they were under way ---------------------------------------------- */

struct under_way {
	const char *name;
	bool hello,
		in_time;   /* the socket said hello under our eyes, the probes were there by then */
	const char *first; /* what is read before the first request */
	const char *host;
	bool request;
	unsigned records, whole, late; /* of which complete; counted for the LOSS record */
};

static void test_under_way(void **state)
{
	static const struct under_way rows[] = {
		{"rest of an answer, then a call", false, false, "data: {}\n\n", AI_HOST, true, 2,
		 1, 0},
		{"a call from the start", false, false, NULL, AI_HOST, true, 1, 1, 1},
		{"handle seen late, socket in time", true, true, NULL, AI_HOST, true, 1, 1, 0},
		{"probes after the hello", true, false, NULL, AI_HOST, true, 1, 1, 1},
		{"only the rest of an answer, name known", true, false, "data: {}\n\n", AI_HOST,
		 false, 1, 0, 0},
		{"only the rest of an answer", false, false, "data: {}\n\n", NULL, false, 0, 0, 1},
		{"not AI", false, false, "data: {}\n\n", "www.example.org", true, 0, 0, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct under_way *r = &rows[i];
		unsigned whole = 0;

		world_new(state);
		if (r->hello) {
			hello(COOKIE, r->host);
			answered(COOKIE, true);
		}
		probes(PROBES_IN_PLACE, r->in_time ? START : now + MS, "openssl", "");
		bound(9, EVENT_F_LATE, COOKIE);
		if (r->first)
			data(9, EVENT_F_LATE, EVENT_READ, 0, r->first);
		if (r->request && strcmp(r->host, AI_HOST))
			data(9, EVENT_F_LATE, EVENT_WRITE, 0, NOT_AI);
		else if (r->request)
			data(9, EVENT_F_LATE, EVENT_WRITE, 0, request_to(r->host));
		if (r->request)
			data(9, EVENT_F_LATE, EVENT_READ, r->first ? strlen(r->first) : 0,
			     answer());
		plain_event(EVENT_CLOSE, 9);
		sock_closed(COOKIE, 4000);
		pass(3 * SECOND);
		for (size_t k = 0; k < calls_n; k++)
			whole += !strcmp(calls[k]->completeness, "complete");
		if (calls_n != r->records || whole != r->whole || w.count.late != r->late)
			fail_msg("%s: %zu records, %u whole, %u late", r->name, calls_n, whole,
				 (unsigned)w.count.late);
		for (size_t k = 0; k < calls_n; k++)
			if (strcmp(calls[k]->completeness, "complete"))
				assert_string_equal(calls[k]->completeness, "late-attach");
		world_free(state);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_silent_sockets),
		cmocka_unit_test(test_worker_dies),
		cmocka_unit_test_setup_teardown(test_bound_then_dies, world_new, world_free),
		cmocka_unit_test_setup_teardown(test_long_lived, world_new, world_free),
		cmocka_unit_test_setup_teardown(test_seen_is_not_declared, world_new, world_free),
		cmocka_unit_test_setup_teardown(test_loose_plaintext, world_new, world_free),
		cmocka_unit_test(test_shadow_host),
		cmocka_unit_test(test_under_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
