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
#include "agent/spool_proof.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "fake_collector.h"

static struct identity ca, server, client, other_ca, other_server, other_client, misnamed;
static struct chainlet c;
static struct fake f;
static struct forward *fw;
static uint64_t declared, declared_first, declared_last, declared_confirmed;
static uint64_t told, told_first, told_last;
static char told_cause[32];
static const char *vkey;

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

static int set_back(void *ctx, const char *cause, const char *reason, uint64_t first, uint64_t last)
{
	uint8_t note[NOTE_BYTES_MAX];

	told++;
	told_first = first;
	told_last = last;
	snprintf(told_cause, sizeof(told_cause), "%s", cause);
	return spool_seal(c.s, RECORD_CONTROL, 0, note,
			  note_collector(reason, cause, first, last, note), true);
}

static int setup(void **state)
{
	fw = NULL;
	declared = told = 0;
	vkey = NULL;
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
		.witness_vkey = vkey,
		.declare = declare,
		.set_back = set_back,
	};
	char err[256] = "";

	if (forward_new(&cfg, &fw, err, sizeof(err)))
		fail_msg("%s", err);
}

static void next_epoch(void)
{
	assert_int_equal(spool_end_epoch(c.s, "test", false), 0);
	assert_int_equal(spool_commit(c.s), 0);
}

static void begin_again(void)
{
	forward_free(fw);
	fw = NULL;
	connect_with(&ca, &client, "127.0.0.1");
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

static void assert_delivered(void)
{
	if (!drive(delivered, LONG_MS))
		fail_msg("%s; the collector: %s", forward_status(fw)->last_error, f.bad_why);
}

static void assert_fine(void)
{
	if (f.bad)
		fail_msg("the collector found %llu wrong, the last: %s", (unsigned long long)f.bad,
			 f.bad_why);
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
	assert_fine();
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
		assert_fine();
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
	f.keep_at = 11;
	fake_start(&f);
	connect_with(&ca, &client, "127.0.0.1");
	assert_delivered();
	forward_free(fw);
	fw = NULL;
	records(400, 200); /* an outage, and the spool's bound takes the oldest */
	while (spool_oldest_end(c.s) && spool_oldest_end(c.s) < 200)
		assert_int_equal(spool_drop(c.s, spool_oldest_end(c.s)), 0);
	assert_true(spool_state(c.s)->first_seq > 21);
	connect_with(&ca, &client, "127.0.0.1");
	assert_delivered();
	assert_int_equal(declared, 1);
	assert_int_equal(declared_first, 21);
	assert_int_equal(declared_last, spool_state(c.s)->first_seq - 1);
	assert_int_equal(declared_confirmed, 0);
	assert_int_equal(f.holes, 1);
	assert_int_equal(f.last_seq, spool_state(c.s)->durable_seq - 1);
	/* The collector comes back from an old backup: the part it had confirmed is said. */
	forward_free(fw);
	fw = NULL;
	fake_restore(&f);
	connect_with(&ca, &client, "127.0.0.1");
	assert_delivered();
	assert_int_equal(declared, 2);
	assert_int_equal(declared_first, 11);
	assert_int_equal(declared_confirmed, declared_last - 10);
	assert_int_equal(f.holes, 2);
	assert_int_equal(told, 1);
	assert_string_equal(told_cause, "holds_less");
	assert_int_equal(told_first, 11);
	assert_fine();
}

static void a_collector_that_takes_no_hole(void **state)
{
	uint64_t requests;

	records(400, 200);
	assert_int_equal(spool_drop(c.s, spool_oldest_end(c.s)), 0);
	f.no_holes = f.need_start = true;
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
	assert_delivered();
	assert_int_equal(declared, 0);
	assert_int_equal(f.last_seq, 400);
}

/* Several epochs are in the hole: their keys are handed on by SEALs, the tree by its edge. */
static void a_hole_over_epochs(void **state)
{
	static const struct {
		bool empty; /* the collector holds nothing */
	} cases[] = {{false}, {true}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		setup(NULL);
		records(20, 50);
		next_epoch();
		fake_start(&f);
		connect_with(&ca, &client, "127.0.0.1");
		if (!cases[i].empty)
			assert_delivered();
		forward_free(fw);
		fw = NULL;
		for (int k = 0; k < 5; k++) {
			records(100, 200);
			next_epoch();
		}
		records(10, 50);
		while (spool_oldest_end(c.s) && spool_oldest_end(c.s) < 500)
			assert_int_equal(spool_drop(c.s, spool_oldest_end(c.s)), 0);
		assert_true(spool_state(c.s)->first_seq > 400);
		connect_with(&ca, &client, "127.0.0.1");
		assert_delivered();
		assert_fine();
		assert_int_equal(declared, !cases[i].empty);
		assert_int_equal(f.holes, !cases[i].empty);
		/* After the one it holds the others; from nothing those before what is kept. */
		assert_int_equal(f.most_seals,
				 cases[i].empty ? 1 + (spool_state(c.s)->first_seq - 22) / 101 : 5);
		assert_int_equal(f.last_seq, spool_state(c.s)->durable_seq - 1);
		assert_int_equal(f.now.st.tree.size, spool_state(c.s)->durable_seq);
		assert_int_equal(f.now.st.epoch, 6);
		teardown(NULL);
	}
	setup(NULL);
}

/* K_0 goes until it is held and is then forgotten here; every record's MAC is right under it. */
static void the_seed_goes_once(void **state)
{
	uint8_t seed[MAC_LEN];

	records(600, 50);
	next_epoch();
	records(600, 50);
	assert_true(epochs_seed(c.epochs, seed));
	fake_start(&f);
	connect_with(&ca, &client, "127.0.0.1");
	assert_false(forward_status(fw)->seed_held);
	assert_delivered();
	assert_memory_equal(f.seed.k, seed, MAC_LEN);
	assert_int_equal(f.seeds, 1);
	assert_int_equal(f.macs, spool_state(c.s)->durable_seq);
	assert_true(forward_status(fw)->seed_held);
	assert_false(epochs_seed(c.epochs, seed));
	begin_again();
	assert_true(forward_status(fw)->seed_held);
	records(5, 50);
	assert_delivered();
	assert_int_equal(f.seeds, 1);
	assert_string_equal(forward_status(fw)->finding, "");
	/* A collector from before it was held: nobody has it any more. */
	f.seed_held = false;
	begin_again();
	assert_delivered();
	assert_non_null(strstr(forward_status(fw)->finding, "seed"));
	assert_false(forward_status(fw)->seed_held);
	assert_fine();
}

static uint64_t kept_witnessed(void)
{
	struct checkpoint cp = {0};
	char *text = NULL;
	struct note_key k;
	struct note note;
	const char *why;
	uint64_t at;
	size_t n;

	if (spool_text_read(c.s, "witnessed", &text, &n))
		return 0;
	assert_int_equal(note_vkey_parse_of(f.vkey, strlen(f.vkey), NOTE_COSIGNATURE, &k), 0);
	assert_int_equal(note_parse(text, n, &note, &why), 0);
	assert_int_equal(note.n, 2); /* the host's line and the witness's, or it is no proof */
	assert_int_equal(checkpoint_parse(note.text, note.text_n, &cp, &why), 0);
	assert_int_equal(cosignature_verify(&note, &k, &at), 0);
	assert_int_equal(at, forward_status(fw)->witnessed_s);
	free(text);
	return cp.size;
}

static void checkpoints_are_cosigned(void **state)
{
	uint64_t requests;

	records(100, 50);
	fake_start(&f);
	connect_with(&ca, &client, "127.0.0.1");
	assert_delivered();
	assert_int_equal(kept_witnessed(), 0);
	assert_int_equal(spool_checkpoint(c.s), 0);
	assert_delivered();
	assert_int_equal(f.checkpoints, 1);
	assert_int_equal(kept_witnessed(), 101);
	assert_int_equal(forward_status(fw)->witnessed, 101);
	assert_int_equal(forward_status(fw)->witness, WITNESS_FIRST_USE);
	requests = f.requests;
	drive(NULL, 300);
	assert_int_equal(f.requests, requests); /* the same is not sent twice */
	/* The next goes on from it, over an epoch, in a new run; records behind it do not disturb. */
	next_epoch();
	records(1000, 50);
	assert_int_equal(spool_checkpoint(c.s), 0);
	records(300, 50);
	begin_again();
	assert_int_equal(forward_status(fw)->witnessed, 101);
	assert_delivered();
	assert_int_equal(kept_witnessed(), 1102);
	/* An answer that is lost: sent again, and the collector is already there. */
	records(10, 50);
	assert_delivered();
	assert_int_equal(spool_checkpoint(c.s), 0);
	f.mode_left = 1;
	f.mode = FAKE_DROP;
	assert_true(drive(is_away, LONG_MS));
	assert_delivered();
	assert_int_equal(f.checkpoints, 3);
	records(10, 50);
	assert_int_equal(spool_checkpoint(c.s), 0);
	assert_delivered();
	assert_int_equal(f.checkpoints, 4);
	assert_int_equal(kept_witnessed(), spool_state(c.s)->durable_seq);
	assert_string_equal(forward_status(fw)->finding, "");
	assert_int_equal(told, 0);
	assert_fine();
}

/* What a witness may answer that is not to be kept, and that is said. */
static void a_witness_that_is_none(void **state)
{
	static const struct {
		const char *name;
		int mode;
		bool no_vkey, configured, other_configured;
		const char *says;
		bool kept;
	} cases[] = {
		{"refuses", FAKE_NO_CHECKPOINT, .says = "refuses the checkpoint"},
		{"another tree", FAKE_OTHER_TREE, .says = "another checkpoint"},
		{"another key", FAKE_OTHER_WITNESS, .says = "another key"},
		{"nobody's key", FAKE_NORMAL, .no_vkey = true, .says = "does not name its key"},
		{"configured", FAKE_NORMAL, .no_vkey = true, .configured = true, .says = "",
		 .kept = true},
		{"configured otherwise", FAKE_NORMAL, .other_configured = true,
		 .says = "another key"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct note_key k = {.name = FAKE_WITNESS};
		char other[256];
		const struct forward_status *s;

		setup(NULL);
		memcpy(k.public, signer_public(f.other), 32);
		note_vkey_of(&k, NOTE_COSIGNATURE, other, sizeof(other));
		vkey = cases[i].configured ? f.vkey : cases[i].other_configured ? other : NULL;
		f.no_vkey = cases[i].no_vkey;
		f.mode = cases[i].mode;
		records(50, 50);
		assert_int_equal(spool_checkpoint(c.s), 0);
		fake_start(&f);
		connect_with(&ca, &client, "127.0.0.1");
		assert_delivered();
		s = forward_status(fw);
		if (!strstr(s->finding, cases[i].says) || !s->finding[0] != !cases[i].says[0])
			fail_msg("%s: %s", cases[i].name, s->finding);
		assert_null(strchr(s->finding, '\x1b'));
		assert_int_equal(kept_witnessed(), cases[i].kept ? 51 : 0);
		assert_int_equal(s->witnessed, cases[i].kept ? 51 : 0);
		assert_int_equal(s->checkpoints_refused, cases[i].mode == FAKE_NO_CHECKPOINT);
		records(50, 50); /* records go on all the same */
		assert_delivered();
		assert_fine();
		teardown(NULL);
	}
	setup(NULL);
}

static void a_vkey_that_is_none(void **state)
{
	const struct forward_config cfg = {.host = "127.0.0.1",
					   .port = 1,
					   .ca = {ca.cert_pem, strlen(ca.cert_pem)},
					   .cert = {client.cert_pem, strlen(client.cert_pem)},
					   .key = {client.key_pem, strlen(client.key_pem)},
					   .host_name = "host-1",
					   .epochs = c.epochs,
					   .spool = c.s,
					   .witness_vkey = "no vkey"};
	char err[256] = "";

	assert_int_equal(forward_new(&cfg, &fw, err, sizeof(err)), -EINVAL);
	assert_non_null(strstr(err, "witness key"));
	fw = NULL;
}

/* Less held and less cosigned than it said before: told once, in the status and in the chain. */
static void a_collector_that_was_set_back(void **state)
{
	f.keep_at = 51;
	records(50, 50);
	fake_start(&f);
	connect_with(&ca, &client, "127.0.0.1");
	assert_delivered();
	records(50, 50);
	assert_delivered();
	assert_int_equal(spool_checkpoint(c.s), 0);
	assert_delivered();
	assert_int_equal(forward_status(fw)->witnessed, 101);
	assert_int_equal(told, 0);
	fake_restore(&f);
	records(5, 50); /* in the same run: the answer to these is the first that says less */
	assert_delivered();
	assert_int_equal(f.last_seq, spool_state(c.s)->durable_seq - 1);
	assert_int_equal(told, 1); /* the second in the same minute is counted only */
	assert_int_equal(forward_status(fw)->set_back, 2);
	assert_string_equal(told_cause, "holds_less");
	assert_int_equal(told_first, 51);
	assert_int_equal(told_last, 100);
	if (!strstr(forward_status(fw)->finding, "set back"))
		fail_msg("finding: %s", forward_status(fw)->finding);
	/* It comes to the same tree again. */
	assert_int_equal(spool_commit(c.s), 0);
	assert_int_equal(spool_checkpoint(c.s), 0);
	assert_delivered();
	assert_int_equal(kept_witnessed(), spool_state(c.s)->durable_seq);
	/* And back again while the host is away. */
	forward_free(fw);
	fw = NULL;
	fake_restore(&f);
	connect_with(&ca, &client, "127.0.0.1");
	assert_delivered();
	assert_int_equal(told, 2);
	assert_int_equal(forward_status(fw)->set_back, 2);
	assert_fine();
}

static void a_tree_the_host_does_not_have(void **state)
{
	records(20, 50);
	fake_start(&f);
	connect_with(&ca, &client, "127.0.0.1");
	assert_delivered();
	f.now.witnessed = 1000;
	begin_again();
	assert_true(drive(is_refused, LONG_MS));
	assert_non_null(strstr(forward_status(fw)->last_error, "set back"));
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
	assert_delivered();
}

static void two_histories_are_seen(void **state)
{
	records(20, 50);
	fake_start(&f);
	connect_with(&ca, &client, "127.0.0.1");
	assert_delivered();
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
		cmocka_unit_test_teardown(a_hole_over_epochs, teardown),
		TEST(the_seed_goes_once),
		TEST(checkpoints_are_cosigned),
		cmocka_unit_test_teardown(a_witness_that_is_none, teardown),
		TEST(a_vkey_that_is_none),
		TEST(a_collector_that_was_set_back),
		TEST(a_tree_the_host_does_not_have),
		TEST(a_collector_that_confirms_nothing_is_not_hammered),
		TEST(two_histories_are_seen),
		cmocka_unit_test(off_is_a_status),
	};

	log_init("test", LOG_L_ERR);
	return cmocka_run_group_tests(tests, once, at_end);
}
