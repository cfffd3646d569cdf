// SPDX-License-Identifier: Apache-2.0
/* Forwarding against a collector that is there, away, broken, hostile, behind, or ahead. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <poll.h>
#include <signal.h>
#include <time.h>

#include <cmocka.h>

#include "../record/chainlet.h"
#include "agent/forward.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "fake_collector.h"

static struct identity ca, server, client, other_ca, other_server, other_client, misnamed;
static struct chainlet c;
static struct fake f;
static struct forward *fw;
static uint64_t declared, declared_first, declared_last, declared_confirmed;

static int once(void **state)
{
	signal(SIGPIPE, SIG_IGN);
	ca = identity_new("test CA", NULL, NULL);
	server = identity_new("collector", &ca, "DNS:localhost,IP:127.0.0.1");
	client = identity_new("host-1", &ca, NULL);
	other_ca = identity_new("test CA", NULL, NULL); /* the same name, another key */
	other_server = identity_new("collector", &other_ca, "DNS:localhost,IP:127.0.0.1");
	other_client = identity_new("host-1", &other_ca, NULL);
	misnamed = identity_new("collector", &ca, "DNS:elsewhere.example,IP:127.0.0.2");
	return 0;
}

static int at_end(void **state)
{
	struct identity *const all[] = {&ca,	       &server,	      &client,	&other_ca,
					&other_server, &other_client, &misnamed};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		identity_free(all[i]);
	return 0;
}

static int declare(void *ctx, uint64_t first, uint64_t last, uint64_t confirmed)
{
	uint64_t seq = spool_state(c.s)->next_seq;
	uint8_t note[NOTE_BYTES_MAX];
	size_t n = note_loss("r", "test", confirmed, first, last, note);

	declared++;
	declared_first = first;
	declared_last = last;
	declared_confirmed = confirmed;
	if (spool_seal(c.s, RECORD_CONTROL, 0, note, n, true) || spool_commit(c.s))
		return -EIO;
	spool_note_hole(c.s, first, last, seq);
	return 0;
}

static int setup(void **state)
{
	fw = NULL;
	declared = 0;
	chainlet_new(&c);
	chainlet_open(&c, 20000, NULL);
	chainlet_start(&c);
	assert_int_equal(spool_commit(c.s), 0);
	fake_new(&f, &ca, &server, signer_public(c.signer));
	return 0;
}

static int teardown(void **state)
{
	forward_free(fw);
	fake_free(&f);
	chainlet_done(&c);
	return 0;
}

static void records(uint64_t n, size_t payload)
{
	_cleanup_free_ uint8_t *p = calloc(1, payload);
	uint64_t id = spool_state(c.s)->last_id;

	while (n--) {
		if (spool_seal(c.s, 1, ++id, p, payload, false) == -ENOBUFS) {
			assert_int_equal(spool_commit(c.s), 0);
			id--, n++;
		}
		if (spool_state(c.s)->pending == 64)
			assert_int_equal(spool_commit(c.s), 0);
	}
	assert_int_equal(spool_commit(c.s), 0);
}

static void connect_with(const struct identity *trust, const struct identity *me, const char *host)
{
	const struct forward_config cfg = {
		.host = host,
		.port = f.port,
		.ca = {trust->cert_pem, strlen(trust->cert_pem)},
		.cert = {me->cert_pem, strlen(me->cert_pem)},
		.key = {me->key_pem, strlen(me->key_pem)},
		.host_name = "host-1",
		.epochs = c.epochs,
		.spool = c.s,
		.declare = declare,
	};
	char err[256] = "";

	if (forward_new(&cfg, &fw, err, sizeof(err)))
		fail_msg("%s", err);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ull + t.tv_nsec / 1000000;
}

#define LONG_MS 60000 /* for what must come, on the slowest machine */

/* The agent's loop until `done` or the time is over. */
static bool drive(bool (*done)(void), int ms)
{
	uint64_t until = now_ms() + ms;

	while (now_ms() < until) {
		int wait = forward_step(fw, now_ms());

		if (done && done())
			return true;
		forward_wait(fw, NULL, 0, wait < 0 || wait > 20 ? 20 : wait);
	}
	return false;
}

static bool delivered(void)
{
	const struct forward_status *s = forward_status(fw);

	return s->state == FORWARD_OK && s->acked &&
	       s->acked_seq == spool_state(c.s)->durable_seq - 1 && forward_idle(fw);
}
static bool is_away(void)
{
	return forward_status(fw)->state == FORWARD_AWAY && f.requests > 1;
}
/* Between two tries: one that began just now does not count as away. */
static bool has_failed(void)
{
	const struct forward_status *s = forward_status(fw);

	return s->state == FORWARD_AWAY && s->last_error[0] &&
	       strcmp(s->last_error, "not asked yet");
}
static bool is_refused(void)
{
	return forward_status(fw)->state == FORWARD_REFUSED;
}

static void delivers_everything(void **state)
{
	records(1500, 50);
	records(40, 60000); /* many bytes in few records */
	fake_start(&f);
	connect_with(&ca, &client, "127.0.0.1");
	assert_true(drive(delivered, LONG_MS));
	assert_int_equal(f.last_seq, 1540);
	assert_int_equal(f.empties, 1); /* it asks once where the collector is */
	assert_int_equal(f.handshakes, 1);
	assert_int_equal(f.again, 0);
	assert_int_equal(f.bad, 0);
	assert_true(f.most_records <= FORWARD_RECORDS_MAX);
	assert_true(f.most_bytes <= FORWARD_BYTES_MAX + 65536);
	/* what is sealed later goes too, and by the name as well as by the address */
	records(3, 10);
	assert_true(drive(delivered, LONG_MS));
	forward_free(fw);
	fw = NULL;
	records(3, 10);
	connect_with(&ca, &client, "localhost");
	assert_true(drive(delivered, LONG_MS));
	assert_int_equal(f.last_seq, 1546);
	assert_int_equal(f.again, 0); /* the second run began where the first ended */
	assert_int_equal(declared, 0);
}

static void away_and_back(void **state)
{
	uint64_t seq;

	records(100, 50);
	connect_with(&ca, &client, "127.0.0.1");
	assert_true(drive(has_failed, LONG_MS));
	assert_false(forward_status(fw)->acked);
	fake_start(&f);
	assert_true(drive(delivered, LONG_MS));
	assert_int_equal(f.last_seq, 100);
	assert_string_equal(forward_status(fw)->last_error, "");
	forward_free(fw);
	fw = NULL;
	assert_int_equal(spool_acked_read(c.s, &seq), 0);
	assert_int_equal(seq, 100);
}

/* What goes wrong once, whether it ends in absence or refusal. */
static void each_trouble(void **state)
{
#define FAULT(x) PROBITY__V1__ACK__FAULT__##x
	static const struct {
		const char *name;
		int mode, fault;
		bool refused;
		const char *says;
	} cases[] = {
		{"fork", FAKE_FAULT, FAULT(FORK), true, "fork"},
		{"wrong key", FAKE_FAULT, FAULT(WRONG_KEY), true, "wrong key"},
		{"bad record", FAKE_FAULT, FAULT(BAD_RECORD), true, "bad record"},
		{"store", FAKE_FAULT, FAULT(STORE), false, "store"},
		{"bad request", FAKE_FAULT, FAULT(BAD_REQUEST), false, "understand"},
		{"unknown fault", FAKE_FAULT, 99, false, ""},
		{"connection lost after commit", FAKE_DROP, 0, false, ""},
		{"HTTP 500", FAKE_HTTP_500, 0, false, "HTTP 500"},
		{"garbage", FAKE_GARBAGE, 0, false, "HTTP 200"},
		{"a megabyte", FAKE_LONG, 0, false, ""},
		{"another chain", FAKE_OTHER_CHAIN, 0, false, "HTTP 200"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t requests;

		setup(NULL);
		records(50, 50);
		fake_start(&f);
		connect_with(&ca, &client, "127.0.0.1");
		assert_true(drive(delivered, LONG_MS));
		records(50, 50);
		f.fault = cases[i].fault;
		f.mode_left = 1;
		f.mode = cases[i].mode;
		if (!drive(cases[i].refused ? is_refused : is_away, LONG_MS))
			fail_msg("%s: state %d", cases[i].name, forward_status(fw)->state);
		if (!strstr(forward_status(fw)->last_error, cases[i].says))
			fail_msg("%s: %s", cases[i].name, forward_status(fw)->last_error);
		assert_null(strchr(forward_status(fw)->last_error, '\x1b'));
		requests = f.requests;
		if (cases[i].refused) {
			drive(NULL, 1200);
			assert_int_equal(f.requests, requests); /* it has stopped */
			assert_int_equal(f.last_seq, 50);
		} else {
			assert_true(drive(delivered, LONG_MS));
			assert_int_equal(f.last_seq, 100);
		}
		assert_int_equal(f.bad, 0);
		teardown(NULL);
	}
	setup(NULL);
}

static void only_the_right_peer(void **state)
{
	const struct {
		const struct identity *shows; /* the server's certificate */
		const struct identity *trusts, *client;
		int max_version;
	} cases[] = {
		{&other_server, &ca, &client, 0}, /* a CA of the same name */
		{&misnamed, &ca, &client, 0},	  /* our CA, another host */
		{&server, &ca, &other_client, 0}, /* it does not know us */
		{&server, &ca, &client, TLS1_2_VERSION},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		setup(NULL);
		records(5, 50);
		SSL_CTX_use_certificate(f.tls, cases[i].shows->cert);
		SSL_CTX_use_PrivateKey(f.tls, cases[i].shows->key);
		if (cases[i].max_version)
			SSL_CTX_set_max_proto_version(f.tls, cases[i].max_version);
		fake_start(&f);
		connect_with(cases[i].trusts, cases[i].client, "127.0.0.1");
		assert_true(drive(has_failed, LONG_MS));
		drive(NULL, 500);		 /* and it tries again */
		assert_int_equal(f.requests, 0); /* not one byte of a request */
		assert_false(forward_status(fw)->acked);
		teardown(NULL);
	}
	setup(NULL);
}

static void a_hole_goes_with_its_proof(void **state)
{
	records(20, 50);
	fake_start(&f);
	connect_with(&ca, &client, "127.0.0.1");
	assert_true(drive(delivered, LONG_MS));
	forward_free(fw);
	fw = NULL;
	records(400, 200); /* an outage, and the spool's bound takes the oldest */
	while (spool_oldest_end(c.s) && spool_oldest_end(c.s) < 200)
		assert_int_equal(spool_drop(c.s, spool_oldest_end(c.s)), 0);
	assert_true(spool_state(c.s)->first_seq > 21);
	connect_with(&ca, &client, "127.0.0.1");
	assert_true(drive(delivered, LONG_MS));
	assert_int_equal(declared, 1);
	assert_int_equal(declared_first, 21);
	assert_int_equal(declared_last, spool_state(c.s)->first_seq - 1);
	assert_int_equal(declared_confirmed, 0);
	assert_int_equal(f.holes, 1);
	assert_int_equal(f.last_seq, spool_state(c.s)->durable_seq - 1);
	/* The collector comes back from an old backup: the part it had confirmed is said. */
	forward_free(fw);
	fw = NULL;
	f.last_seq = 10;
	memset(f.leaf, 0, 32);
	connect_with(&ca, &client, "127.0.0.1");
	assert_true(drive(delivered, LONG_MS));
	assert_int_equal(declared, 2);
	assert_int_equal(declared_first, 11);
	assert_int_equal(declared_confirmed, declared_last - 10);
	assert_int_equal(f.holes, 2);
}

static void a_collector_that_takes_no_hole(void **state)
{
	uint64_t requests;

	records(400, 200);
	assert_int_equal(spool_drop(c.s, spool_oldest_end(c.s)), 0);
	f.held = true; /* of a chain it has record 0 of, and takes no proof for another key's */
	f.public[0] ^= 1;
	fake_start(&f);
	connect_with(&ca, &client, "127.0.0.1");
	drive(NULL, 1500);
	assert_true(drive(is_away,
			  LONG_MS)); /* between two tries; one that began just now counts as OK */
	requests = f.requests;
	assert_true(requests < 20); /* it does not hammer */
}

static void an_empty_collector_takes_what_is_kept(void **state)
{
	records(400, 200);
	assert_int_equal(spool_drop(c.s, spool_oldest_end(c.s)), 0);
	fake_start(&f);
	connect_with(&ca, &client, "127.0.0.1");
	assert_true(drive(delivered, LONG_MS));
	assert_int_equal(declared, 0);
	assert_int_equal(f.last_seq, 400);
}

static void a_collector_that_confirms_nothing_is_not_hammered(void **state)
{
	records(20, 50);
	f.mode = FAKE_NOTHING_NEW;
	fake_start(&f);
	connect_with(&ca, &client, "127.0.0.1");
	drive(NULL, 1500);
	assert_true(drive(is_away,
			  LONG_MS)); /* between two tries; one that began just now counts as OK */
	assert_true(f.requests < 20);
	f.mode = FAKE_NORMAL;
	assert_true(drive(delivered, LONG_MS));
}

static void two_histories_are_seen(void **state)
{
	records(20, 50);
	fake_start(&f);
	connect_with(&ca, &client, "127.0.0.1");
	assert_true(drive(delivered, LONG_MS));
	forward_free(fw);
	fw = NULL;
	f.wrong_leaf = true;
	connect_with(&ca, &client, "127.0.0.1");
	assert_true(drive(is_refused, LONG_MS));
	assert_non_null(strstr(forward_status(fw)->last_error, "another record 20"));
	forward_free(fw);
	fw = NULL;
	f.wrong_leaf = false;
	f.last_seq = 25; /* more than this host has: it was set back */
	connect_with(&ca, &client, "127.0.0.1");
	assert_true(drive(is_refused, LONG_MS));
	assert_non_null(strstr(forward_status(fw)->last_error, "set back"));
}

static void off_is_a_status(void **state)
{
	struct pollfd none[1];

	assert_int_equal(forward_status(NULL)->state, FORWARD_OFF);
	assert_int_equal(forward_step(NULL, 0), -1);
	assert_true(forward_idle(NULL));
	assert_int_equal(forward_wait(NULL, none, 0, 1), 0);
}

#define TEST(x) cmocka_unit_test_setup_teardown(x, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(delivers_everything),
		TEST(away_and_back),
		cmocka_unit_test_teardown(each_trouble, teardown),
		cmocka_unit_test_teardown(only_the_right_peer, teardown),
		TEST(a_hole_goes_with_its_proof),
		TEST(a_collector_that_takes_no_hole),
		TEST(an_empty_collector_takes_what_is_kept),
		TEST(a_collector_that_confirms_nothing_is_not_hammered),
		TEST(two_histories_are_seen),
		cmocka_unit_test(off_is_a_status),
	};

	log_init("test", LOG_L_ERR);
	return cmocka_run_group_tests(tests, once, at_end);
}
