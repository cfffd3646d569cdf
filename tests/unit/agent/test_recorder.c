// SPDX-License-Identifier: Apache-2.0
/*
 * The recorder as a process, between a test that plays worker and keeper. The worker here keeps
 * its part of role.h: it holds what is not acked, and answers HELLO before it resends.
 * Long because all cases need this one player.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#include "../record/chainlet.h"
#include "agent/recorder.h"
#include "agent/role.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "proto/record.pb-c.h"

/* Of 10 ms each: when what was waited for will not come any more, on the slowest machine. */
#define LONG_TURNS 6000

static struct bench {
	char dir[64], spool[96];
	int worker[2], keeper[2]; /* ours, the recorder's */
	pid_t pid;
	uint64_t spool_max;
	uint32_t sync_records; /* 0: the default */
	/* the worker: ids from first_unacked to below next_id are kept and can be sent again */
	uint64_t acked, next_id, resend_from;
	bool hello_seen, sync_answered;
	struct role_sync sync; /* the last answer */
	size_t payload;
	char *status;
} b;

static int setup(void **state)
{
	memset(&b, 0, sizeof(b));
	snprintf(b.dir, sizeof(b.dir), "%s/probity-rec-XXXXXX",
		 access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	if (!mkdtemp(b.dir))
		return -1;
	snprintf(b.spool, sizeof(b.spool), "%s/spool", b.dir);
	b.next_id = 1;
	b.payload = 100;
	return role_pair(b.worker) || role_pair(b.keeper) ? -1 : 0;
}

static int teardown(void **state)
{
	if (b.pid > 0) {
		kill(b.pid, SIGKILL);
		waitpid(b.pid, NULL, 0);
	}
	for (int i = 0; i < 2; i++) {
		close(b.worker[i]);
		close(b.keeper[i]);
	}
	free(b.status);
	umount2(b.dir, MNT_DETACH); /* of the test with a small disk, if it failed */
	nftw(b.dir, chainlet_remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return 0;
}

static void start(void)
{
	const struct recorder_config cfg = {
		.state_dir = b.dir,
		.collector_host = "",
		.ca_file = "",
		.cert_file = "",
		.key_file = "",
		.spool_max_bytes = b.spool_max,
		.segment_bytes = 256 * 1024,
		.sync_records = b.sync_records,
		.user = "",
		.host = "host-1",
		.agent_version = "test",
		.kernel = "k",
		.config_sha256 = "",
		.no_seccomp = true, /* the sanitizers' runtime needs more system calls */
	};

	b.pid = fork();
	assert_true(b.pid >= 0);
	if (!b.pid) {
		close(b.worker[0]);
		close(b.keeper[0]);
		log_init("recorder", LOG_L_ERR);
		_exit(recorder_main(&cfg, b.worker[1], b.keeper[1]));
	}
}

static int ended(void)
{
	int status = -1;

	assert_int_equal(waitpid(b.pid, &status, 0), b.pid);
	b.pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int send_one(uint64_t id)
{
	struct role_record h = {.id = id, .boot_ns = id, .schema = 1, .len = b.payload};
	_cleanup_free_ uint8_t *p = calloc(1, b.payload);

	memcpy(p, &id, sizeof(id));
	return role_sendv(b.worker[0], ROLE_RECORD, &h, sizeof(h), p, b.payload);
}

/* Messages of the recorder, for up to ms; ends early when `until` is acked. */
static void hear(int ms, uint64_t until)
{
	static uint64_t buf[ROLE_BODY_MAX / 8];
	struct role_msg m;
	int n;

	do {
		struct pollfd p[2] = {{.fd = b.worker[0], .events = POLLIN},
				      {.fd = b.keeper[0], .events = POLLIN}};

		poll(p, 2, ms > 10 ? 10 : ms);
		while ((n = role_recv(b.worker[0], &m, buf, sizeof(buf))) >= 0) {
			if (m.kind == ROLE_SYNC) {
				memcpy(&b.sync, buf, sizeof(b.sync));
				b.sync_answered = true;
				continue;
			}
			assert_true(m.kind == ROLE_ACK || m.kind == ROLE_HELLO);
			assert_true(buf[0] >= b.acked); /* durable never goes back */
			b.acked = buf[0];
			b.hello_seen |= m.kind == ROLE_HELLO;
		}
		assert_int_equal(n, -EAGAIN);
		while ((n = role_recv(b.keeper[0], &m, buf, sizeof(buf))) >= 0) {
			assert_int_equal(m.kind, ROLE_STATUS);
			free(b.status);
			b.status = strdup((char *)buf);
		}
		ms -= 10;
	} while (ms > 0 && !(until && b.acked >= until) && !b.hello_seen);
}

static void answer_hello(uint64_t last)
{
	struct role_ack a = {.id = last};

	/* The socket may still be full of what the recorder has not read. */
	for (int i = 0; i < LONG_TURNS && role_send(b.worker[0], ROLE_HELLO, &a, sizeof(a)); i++)
		usleep(10000);
	b.hello_seen = false;
}

/* The worker's duty at a HELLO: say what comes again, and send it again. */
static void resend(void)
{
	b.resend_from = b.acked + 1;
	answer_hello(b.resend_from < b.next_id ? b.next_id - 1 : 0);
}

static void send_some(uint64_t n)
{
	while (b.resend_from && b.resend_from < b.next_id && !send_one(b.resend_from))
		b.resend_from++;
	if (b.resend_from && b.resend_from < b.next_id)
		return;
	b.resend_from = 0;
	for (; n && !send_one(b.next_id); n--)
		b.next_id++;
}

static void wait_hello(void)
{
	for (int i = 0; i < LONG_TURNS && !b.hello_seen; i++)
		hear(10, 0);
	assert_true(b.hello_seen);
}

static void flush(void)
{
	for (int i = 0; i < LONG_TURNS && (b.acked + 1 < b.next_id); i++) {
		send_some(0);
		hear(10, b.next_id - 1);
		if (b.hello_seen)
			resend();
	}
	assert_int_equal(b.acked, b.next_id - 1);
}

static void stop(void)
{
	assert_int_equal(role_send(b.keeper[0], ROLE_STOP, NULL, 0), 0);
	assert_int_equal(ended(), 0);
}

struct tally {
	uint64_t ids, last_id, starts, stops, losses, lost, repairs, lost_last;
	char cause[32];
};

static int count_one(void *ctx, const struct record *r, const struct frame *f)
{
	struct tally *t = ctx;
	Probity__V1__Control *c;

	if (r->id) {
		t->ids++;
		assert_true(r->id > t->last_id);
		t->last_id = r->id;
		/* its own payload, behind the salt */
		assert_memory_equal(r->payload + SPOOL_SALT_LEN, &r->id, sizeof(r->id));
		return 0;
	}
	c = probity__v1__control__unpack(NULL, r->payload_len, r->payload);
	assert_non_null(c);
	t->starts += c->kind == PROBITY__V1__CONTROL__KIND__START;
	t->stops += c->kind == PROBITY__V1__CONTROL__KIND__STOP;
	t->repairs += c->kind == PROBITY__V1__CONTROL__KIND__REPAIR;
	if (c->kind == PROBITY__V1__CONTROL__KIND__LOSS) {
		t->losses++;
		t->lost += c->count;
		t->lost_last = c->last_seq;
		snprintf(t->cause, sizeof(t->cause), "%s", c->cause);
	}
	probity__v1__control__free_unpacked(c, NULL);
	return 0;
}

static struct tally tally(struct verify_result *ret)
{
	struct tally t = {0};
	uint8_t anchor
		[RECORD_PUBKEY_LEN]; /* of the first epoch, whose START may have left the spool */
	const struct verify_options o = {.record = count_one, .ctx = &t, .expect_public = anchor};
	char path[160], err[512] = "";

	snprintf(path, sizeof(path), "%s/keys/chain.pub", b.dir);
	if (public_read(path, anchor, err, sizeof(err)))
		fail_msg("%s", err);
	assert_int_equal(verify_dir(b.spool, &o, ret), 0);
	if (!ret->ok)
		fail_msg("%s in %s at %llu, record %llu: %s", ret->first.kind, ret->first.file,
			 (unsigned long long)ret->first.offset, (unsigned long long)ret->first.seq,
			 ret->first.detail);
	return t;
}

static json_int_t number(const char *a, const char *k)
{
	json_t *j = json_loads(b.status, 0, NULL), *o = *a ? json_object_get(j, a) : j;
	json_int_t v;

	assert_non_null(j);
	assert_true(json_is_integer(json_object_get(o, k)));
	v = json_integer_value(json_object_get(o, k));
	json_decref(j);
	return v;
}

static void one_orderly_run(void **state)
{
	struct verify_result r;
	struct tally t;

	start();
	wait_hello();
	assert_int_equal(b.acked, 0);
	resend();
	for (int i = 0; i < 20; i++) {
		send_some(50);
		hear(1, 0);
	}
	flush();
	stop();
	hear(10, 0);
	t = tally(&r);
	assert_int_equal(t.ids, b.next_id - 1);
	assert_int_equal(t.starts, 1);
	assert_int_equal(t.stops, 1);
	assert_int_equal(t.losses, 0);
	assert_int_equal(number("", "records"), r.records);
	assert_int_equal(number("", "synced_seq"), r.last_seq);
	assert_int_equal(number("", "duplicates"), 0);
	assert_int_equal(number("spool", "bytes"), r.bytes);
	assert_int_equal(number("sync", "failures"), 0);
	assert_true(number("sync", "groups") > 1);
}

static void sigterm_is_an_orderly_end(void **state)
{
	struct verify_result r;

	start();
	wait_hello();
	resend();
	send_some(200);
	kill(b.pid, SIGTERM); /* with records still in the socket */
	assert_int_equal(ended(), 0);
	assert_int_equal(tally(&r).ids, 200);
	assert_int_equal(tally(&r).stops, 1);
}

static void the_keepers_end_is_an_orderly_end(void **state)
{
	struct verify_result r;

	/* Only the recorder may hold the other end. */
	start();
	close(b.keeper[1]);
	wait_hello();
	resend();
	send_some(10);
	close(b.keeper[0]);
	assert_int_equal(ended(), 0);
	assert_int_equal(tally(&r).ids, 10);
	assert_int_equal(role_pair(b.keeper), 0);
}

static void killed_under_load(void **state)
{
	struct verify_result r;
	struct tally t;
	struct timespec now;

	start();
	wait_hello(); /* its START is durable: each of them counts below, however soon it dies */
	resend();
	for (int run = 0; run < 12; run++) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		for (int turn = 0; turn < 8 + (int)(now.tv_nsec / 1000 % 13); turn++) {
			if (b.hello_seen)
				resend();
			send_some(40);
			hear(1, 0);
		}
		kill(b.pid, SIGKILL);
		assert_int_equal(ended(), -SIGKILL);
		send_some(30); /* while there is no recorder: these lie in the socket */
		start();
		wait_hello();
		resend();
	}
	send_some(40);
	flush();
	stop();
	t = tally(&r);
	assert_int_equal(t.ids, b.next_id - 1); /* each once: ids rise and none is missing */
	assert_int_equal(t.last_id, b.next_id - 1);
	assert_int_equal(t.starts, 13);
	assert_true(b.next_id > 500);
}

static void younger_ones_in_the_socket_wait_for_older_ones(void **state)
{
	struct verify_result r;

	start();
	wait_hello();
	resend();
	send_some(10);
	flush();
	kill(b.pid, SIGKILL);
	ended();
	/* 11 to 14 were read by the recorder that died; 15 to 20 lie in the socket. */
	for (uint64_t id = 15; id <= 20; id++)
		assert_int_equal(send_one(id), 0);
	b.next_id = 21;
	start();
	wait_hello();
	assert_int_equal(b.acked, 10);
	assert_int_equal(send_one(21), 0); /* before the worker has read the hello */
	b.next_id = 22;
	resend();
	flush();
	stop();
	assert_int_equal(tally(&r).ids, 21);
}

/* What a dead worker left in the socket waits for the next one's word that nobody resends it. */
static void the_next_worker_ends_the_waiting(void **state)
{
	const struct role_sync ask = {.nonce = 77};
	struct verify_result r;

	for (uint64_t id = 1; id < 25; id++)
		assert_int_equal(send_one(id), 0);
	start();
	wait_hello();
	b.hello_seen = false; /* and nobody answers */
	hear(300, 1);
	assert_int_equal(b.acked, 0);
	assert_int_equal(role_send(b.worker[0], ROLE_SYNC, &ask, sizeof(ask)), 0);
	for (int i = 0; i < LONG_TURNS && !b.sync_answered; i++)
		hear(10, 0);
	assert_true(b.sync_answered);
	assert_int_equal(b.sync.nonce, 77);
	assert_int_equal(b.sync.id, 24);    /* so all of the dead one's are durable */
	assert_int_equal(send_one(100), 0); /* before it has read the hello */
	b.next_id = 101;
	b.resend_from = 100;
	answer_hello(100);
	send_some(5);
	flush();
	stop();
	assert_int_equal(tally(&r).ids, 30);
}

/* Those before them were read by a recorder that died: the new worker declares all of them, so none
 * may be sealed. */
static void what_a_dead_worker_left_behind_a_gap_is_not_sealed(void **state)
{
	const struct role_sync ask = {.nonce = 78};
	struct verify_result r;

	start();
	wait_hello();
	resend();
	send_some(10);
	flush();
	kill(b.pid, SIGKILL);
	ended();
	assert_int_equal(send_one(11), 0);
	for (uint64_t id = 13; id < 16; id++)
		assert_int_equal(send_one(id), 0);
	assert_int_equal(role_send(b.worker[0], ROLE_SYNC, &ask, sizeof(ask)), 0);
	answer_hello(0);
	start();
	b.sync_answered = false;
	for (int i = 0; i < LONG_TURNS && !b.sync_answered; i++)
		hear(10, 0);
	assert_true(b.sync_answered);
	assert_int_equal(b.sync.id, 11);
	assert_int_equal(send_one(20), 0);
	b.next_id = 21;
	flush();
	stop();
	assert_int_equal(tally(&r).ids, 12);
}

static void nonsense_is_refused_and_counted(void **state)
{
	static const uint8_t junk[40] = {1, 2, 3};
	struct role_record none = {.id = 0, .schema = 1, .len = 0};
	struct verify_result r;

	start();
	wait_hello();
	resend();
	assert_int_equal(send(b.worker[0], junk, sizeof(junk), 0), sizeof(junk));
	assert_int_equal(role_send(b.worker[0], ROLE_RECORD, &none, sizeof(none)), 0);
	assert_int_equal(role_send(b.worker[0], ROLE_STOP, NULL, 0),
			 0); /* not the worker's to say */
	send_some(3);
	flush();
	stop();
	hear(10, 0);
	assert_int_equal(number("", "refused"), 3);
	assert_int_equal(tally(&r).ids, 3);
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* Under a load that never lets the socket run empty, groups end by number; a lone record by time. */
static void groups_have_their_bound(void **state)
{
	struct verify_result r;
	double began, worst = 0;
	json_int_t groups;

	start();
	wait_hello();
	resend();
	for (int i = 0; i < 20; i++) { /* one at a time: each is told within the bound */
		began = now_s();
		send_some(1);
		hear(5000, b.next_id - 1);
		assert_int_equal(b.acked, b.next_id - 1);
		worst = now_s() - began > worst ? now_s() - began : worst;
	}
	assert_true(worst < 2); /* 50 ms and the machine's own delays */
	while (b.next_id < 6000) {
		send_some(300);
		hear(1, 0);
	}
	flush();
	stop();
	hear(10, 0);
	groups = number("sync", "groups");
	assert_true(groups >= 20 + (json_int_t)(b.next_id - 20) / RECORDER_SYNC_RECORDS);
	assert_int_equal(tally(&r).ids, b.next_id - 1);
}

/* What the recorder has not read yet; the recorder is dead, and the socket is ours at both ends. */
static uint64_t unread(void)
{
	static uint64_t buf[ROLE_BODY_MAX / 8];
	struct role_msg m;
	uint64_t n = 0;

	while (role_recv(b.worker[1], &m, buf, sizeof(buf)) >= 0)
		n += m.kind == ROLE_RECORD;
	return n;
}

/* Kills a recorder under a load that never ends, again and again. What it had read and not made durable is
 * all that a power cut could have cost: no more records than the bound says, where the bound is by number;
 * none that had been sent longer ago than it says, where it is by time. What was acked is there. */
static void what_a_kill_costs(void **state)
{
	static double sent_at[1 << 18];
	double least = 1e9;

	for (int run = 0; run < 6; run++) {
		bool by_time = run >= 3;
		struct verify_result r;
		uint64_t durable, left;
		double killed, until;
		struct tally t;

		setup(state);
		b.payload = 20;
		b.sync_records = by_time ? 1u << 20 : 0;
		start();
		wait_hello();
		resend();
		for (until = now_s() + 0.6 + run * 0.07; now_s() < until;) {
			uint64_t from = b.next_id;

			send_some(200);
			assert_true(b.next_id < ARRAY_SIZE(sent_at));
			for (uint64_t id = from; id < b.next_id; id++)
				sent_at[id] = now_s();
			hear(0, 0);
		}
		kill(b.pid, SIGKILL);
		ended();
		killed = now_s();
		hear(0, 0);
		left = unread();
		t = tally(&r);
		durable = t.last_id;
		assert_int_equal(t.ids, durable);
		assert_true(durable >= b.acked && durable > 0);
		assert_true(durable + left < b.next_id);
		if (!by_time && b.next_id - 1 - left - durable > RECORDER_SYNC_RECORDS)
			fail_msg("%llu records were read and not durable",
				 (unsigned long long)(b.next_id - 1 - left - durable));
		/* The oldest that was read and is gone was read when one more had room behind it. */
		if (by_time && durable + 1 + left < b.next_id) {
			double age = killed - sent_at[durable + 1 + left];

			least = age < least ? age : least;
		}
		teardown(state);
	}
	setup(state);
	/* The bound, and what sync, sealing and a busy machine take. */
	if (least < 1e9 && least > 0.3)
		fail_msg("the oldest of the lost was %.0f ms old", 1e3 * least);
}

static void ask_to_erase(uint64_t first, uint64_t last, struct role_erased *ret)
{
	static uint64_t buf[ROLE_BODY_MAX / 8];
	struct role_erase q = {.id = 7, .first_seq = first, .last_seq = last, .uid = 0};
	struct role_msg m;

	snprintf(q.operator, sizeof(q.operator), "root");
	snprintf(q.reason, sizeof(q.reason), "asked for");
	assert_int_equal(role_send(b.keeper[0], ROLE_ERASE, &q, sizeof(q)), 0);
	memset(ret, 0, sizeof(*ret));
	for (int i = 0; i < LONG_TURNS && !ret->id; i++) {
		poll(&(struct pollfd){.fd = b.keeper[0], .events = POLLIN}, 1, 10);
		while (role_recv(b.keeper[0], &m, buf, sizeof(buf)) >= 0)
			if (m.kind == ROLE_ERASED)
				memcpy(ret, buf, sizeof(*ret));
	}
	assert_int_equal(ret->id, 7);
}

static void payloads_are_erased_on_request(void **state)
{
	struct verify_result r;
	struct role_erased a;
	const struct verify_options none = {0};

	start();
	wait_hello();
	resend();
	send_some(40);
	flush();
	ask_to_erase(3, 12, &a);
	assert_int_equal(a.result, 0);
	assert_int_equal(a.first_seq, 3);
	assert_int_equal(a.last_seq, 12);
	assert_true(a.seq > 40);
	for (int i = 0; i < LONG_TURNS; i++) {
		struct stat st;
		char p[200];

		snprintf(p, sizeof(p), "%s/erasing", b.spool);
		if (stat(p, &st))
			break;
		usleep(10000);
	}
	ask_to_erase(5, 9, &a); /* nothing is left there */
	assert_int_equal(a.result, -ENOENT);
	assert_true(a.why[0]);
	ask_to_erase(1000, 2000, &a);
	assert_int_equal(a.result, -ENOENT);
	send_some(5);
	flush();
	stop();
	assert_int_equal(verify_dir(b.spool, &none, &r), 0);
	if (!r.ok)
		fail_msg("%s: %s", r.first.kind, r.first.detail);
	assert_int_equal(r.erased, 10);
}

static void a_full_spool_declares_what_goes(void **state)
{
	struct verify_result r;
	struct tally t;

	b.spool_max = SPOOL_MAX_LEAST;
	b.payload = 30000;
	start();
	wait_hello();
	resend();
	while (b.next_id < 500) { /* 15 MB */
		send_some(20);
		hear(1, 0);
	}
	flush();
	stop();
	hear(10, 0);
	t = tally(&r);
	assert_true(r.pruned);
	assert_true(r.bytes <= SPOOL_MAX_LEAST);
	assert_true(r.bytes > SPOOL_MAX_LEAST / 2);
	assert_string_equal(t.cause, "spool_full");
	/* Every sequence number ever given is in the spool or in a declared count. */
	assert_int_equal(t.lost, r.first_seq);
	assert_int_equal(t.lost_last, r.first_seq - 1);
	assert_int_equal(r.records + t.lost, r.last_seq + 1);
	assert_int_equal(number("lost", "spool_full"), t.lost);
	/* And after a restart the sum is still the same. */
	start();
	wait_hello();
	resend();
	send_some(200);
	flush();
	stop();
	t = tally(&r);
	assert_int_equal(r.records + t.lost, r.last_seq + 1);
}

static void no_false_alarm_while_it_writes_and_removes(void **state)
{
	struct verify_result r;
	uint64_t checks = 0, pruned = 0;

	b.spool_max = SPOOL_MAX_LEAST;
	b.payload = 20000;
	start();
	wait_hello();
	resend();
	while (b.next_id < 1500) {
		send_some(15);
		hear(1, 0);
		tally(&r); /* fails on any finding */
		checks++;
		pruned += r.pruned;
	}
	flush();
	stop();
	assert_true(checks > 20);
	assert_true(pruned > 5);
}

static void a_full_disk_loses_only_what_it_declares(void **state)
{
	struct verify_result r;
	struct tally t;

	if (mount("tmpfs", b.dir, "tmpfs", 0, "size=3m,mode=0700")) {
		print_message("no right to mount a small file system here\n");
		skip();
	}
	b.payload = 40000;
	start();
	wait_hello();
	resend();
	while (b.next_id < 700) { /* 28 MB: more than disk and memory together */
		send_some(10);
		hear(2, 0);
	}
	hear(2500, 0);
	assert_true(b.acked > 0 && b.acked < 699);
	assert_int_equal(mount("tmpfs", b.dir, "tmpfs", MS_REMOUNT, "size=64m,mode=0700"), 0);
	send_some(20);
	flush();
	stop();
	hear(10, 0);
	t = tally(&r);
	assert_true(t.lost > 0);
	assert_string_equal(t.cause, "memory_full");
	assert_int_equal(t.ids + t.lost, b.next_id - 1);
	assert_int_equal(number("lost", "memory_full"), t.lost);
	assert_int_equal(umount2(b.dir, MNT_DETACH), 0);
}

/* Records are lost, nothing gets free: that it happened is on disk all the same, in the space kept for it. */
static void a_full_disk_takes_what_says_so(void **state)
{
	struct verify_result r = {0};
	struct tally t = {0};
	const struct verify_options o = {.record = count_one, .ctx = &t};

	if (mount("tmpfs", b.dir, "tmpfs", 0, "size=4m,mode=0700")) {
		print_message("no right to mount a small file system here\n");
		skip();
	}
	b.payload = 40000;
	start();
	wait_hello();
	resend();
	while (b.next_id < 700) { /* 28 MB: more than disk and memory together */
		send_some(10);
		hear(2, 0);
	}
	for (int i = 0; i < LONG_TURNS && !t.losses; i++) {
		hear(10, 0);
		if (i % 20 == 0)
			t = tally(&r);
	}
	assert_true(t.losses > 0);
	assert_string_equal(t.cause, "memory_full");
	assert_true(t.lost > 0);
	kill(b.pid, SIGKILL); /* and it stays there */
	ended();
	memset(&t, 0, sizeof(t));
	assert_int_equal(verify_dir(b.spool, &o, &r), 0);
	assert_true(r.ok || !strcmp(r.first.kind, "torn tail")); /* for which there was no room */
	assert_true(t.losses > 0);
	assert_int_equal(umount2(b.dir, MNT_DETACH), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_orderly_run),
		TEST(sigterm_is_an_orderly_end),
		TEST(the_keepers_end_is_an_orderly_end),
		TEST(killed_under_load),
		TEST(younger_ones_in_the_socket_wait_for_older_ones),
		TEST(the_next_worker_ends_the_waiting),
		TEST(what_a_dead_worker_left_behind_a_gap_is_not_sealed),
		TEST(nonsense_is_refused_and_counted),
		TEST(groups_have_their_bound),
		TEST(what_a_kill_costs),
		TEST(payloads_are_erased_on_request),
		TEST(a_full_spool_declares_what_goes),
		TEST(no_false_alarm_while_it_writes_and_removes),
		TEST(a_full_disk_loses_only_what_it_declares),
		TEST(a_full_disk_takes_what_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
