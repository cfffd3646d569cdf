/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For gate_check.c: writes whose process is stopped (bpf/lib/gate_stop.h). Children write, this process
 * is the keeper by the protocol of proto/gate.h, without its time: it answers when the case says so. A
 * child's bytes go to a TCP connection whose other end is here, or nowhere.
 */
#ifndef PROBITY_TESTS_GATE_STOPS_H
#define PROBITY_TESTS_GATE_STOPS_H

#include <pty.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>

static struct ring *control;
static int going_fd, upto_fd;
static struct {
	unsigned told, stray;
	uint64_t seq; /* the last */
} stops;

/* --- the keeper --------------------------------------------------------------------------------------- */

static char state_of(pid_t pid)
{
	char path[64], line[512] = {}, *p;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (read(fd, line, sizeof(line) - 1) < 0)
		line[0] = 0;
	close(fd);
	p = strrchr(line, ')');
	return p ? p[2] : 0;
}

/* Within two seconds, or twenty of an emulated one. */
static bool gets(pid_t pid, char state)
{
	for (int i = 0; i < 1000; i++) {
		if (state_of(pid) == state)
			return true;
		usleep(2000);
		settle();
	}
	return false;
}

static unsigned waiters_of(pid_t pid, bool unanswered, struct gate_wait_key *ret)
{
	struct gate_wait_key k, *at = NULL;
	struct gate_waiter w;
	unsigned n = 0;

	while (!bpf_map_get_next_key(waits_fd, at, &k)) {
		at = &k;
		if (bpf_map_lookup_elem(waits_fd, &k, &w) || w.tgid != (uint32_t)pid ||
		    w.how != GATE_STOPPED || (unanswered && w.answered))
			continue;
		n++;
		if (ret)
			*ret = k;
	}
	return n;
}

static void open_mark(uint64_t cookie, uint32_t verdict)
{
	if (cookie)
		bpf_map_update_elem(verdicts_fd, &cookie, &verdict, BPF_ANY);
}

/* As the keeper ends a wait. verdict: into the slot as well. */
static bool go_on(pid_t pid, struct gate_wait_key k, uint32_t verdict)
{
	uint32_t tgid = pid;
	struct gate_waiter w;
	struct gate_slot *s;

	if (bpf_map_lookup_elem(waits_fd, &k, &w))
		return false;
	w.answered = 1;
	bpf_map_update_elem(waits_fd, &k, &w, BPF_EXIST);
	open_mark(w.cookie, verdict == GATE_PASS ? SOCK_PASS : SOCK_DENY);
	s = &slots[w.conn & (GATE_SLOTS - 1)];
	s->verdict = GATE_ASKED;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	s->conn = w.conn;
	s->seq = k.seq;
	__atomic_store_n(&s->verdict, verdict, __ATOMIC_SEQ_CST);
	bpf_map_update_elem(going_fd, &tgid, &k.seq, BPF_ANY);
	if (!waiters_of(pid, true, NULL)) {
		kill(pid, SIGCONT);
		while (waiters_of(pid, false, &k) && !bpf_map_lookup_elem(waits_fd, &k, &w) &&
		       w.answered)
			bpf_map_delete_elem(waits_fd, &k);
	}
	bpf_map_delete_elem(going_fd, &tgid);
	return true;
}

static void stop_note(void *ctx, const void *record, size_t n)
{
	const struct event *e = record;
	struct gate_wait_key k = {.seq = e->conn};
	struct gate_waiter w;

	if (e->kind != EVENT_GATE_STOP || e->pid != (uint32_t)only)
		return;
	stops.told++;
	stops.seq = e->conn;
	if (!bpf_map_lookup_elem(waits_fd, &k, &w))
		return;
	stops.stray++; /* its SIGCONT came before it */
	if (!waiters_of(only, true, NULL))
		kill(only, SIGCONT);
}

static void hear_stops(void)
{
	while (ring_consume(control, stop_note, NULL, 1024))
		;
}

/* --- children ----------------------------------------------------------------------------------------- */

struct stopping {
	const char *host;
	int fd, writes;
	bool changes; /* the bytes of the third write */
	bool fails;   /* the function moves nothing */
	bool queues;  /* first as much as the socket takes */
};

/* The socket shows at the first send, before there is a rule. */
static void *known_client(int fd, const char *host)
{
	void *h = new_client("other.example");

	*stub.fd = fd;
	if (fd >= 0)
		stub.write(h, "hello", 5);
	stub.ctrl(h, 55, 0, (void *)host);
	return h;
}

static long fill_socket(int fd)
{
	static char much[1 << 16];
	long all = 0, r;

	while ((r = send(fd, much, sizeof(much), MSG_DONTWAIT)) > 0)
		all += r;
	return all;
}

static void write_stopping(void *arg)
{
	struct stopping *s = arg;
	void *h = known_client(s->fd, s->host);
	long before = *stub.ran;

	if (s->queues)
		shared_ran[4] = fill_socket(s->fd);
	*stub.ret = s->fails ? -1 : 0;
	for (int i = 0; i < s->writes; i++) {
		if (i == 2 && s->changes)
			text[LEN - 1] ^= 1;
		shared_ran[2] = stub.write(h, text, LEN);
		*shared_ran = *stub.ran - before;
	}
	while (s->fd >= 0 && !shared_ran[3]) /* its socket stays */
		usleep(1000);
}

/* A child that is about to be stopped. */
static pid_t stopping(struct stopping *s)
{
	*shared_ran = shared_ran[2] = shared_ran[3] = shared_ran[4] = 0;
	hear_only(1);
	hear_stops();
	memset(&stops, 0, sizeof(stops));
	return child(write_stopping, s);
}

static int over(pid_t pid)
{
	int status = -1;

	shared_ran[3] = 1;
	for (int i = 0; i < 2000; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			break;
		usleep(1000);
		if (i == 1999) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			status = -2; /* it hung */
		}
	}
	settle();
	hear_only(0);
	return status;
}

static void begin_stop(void)
{
	begin(GATE_ASKED);
	settings.waiters = 0;
	settings.full = GATE_FULL_STOP;
	put_settings();
}

/* Within the time: so many bytes at the other end. */
static bool arrives(int peer, int n)
{
	static char got[1 << 16];
	int had = 0;

	for (int i = 0; i < 3000 && had < n; i++) {
		int r = recv(peer, got, sizeof(got), MSG_DONTWAIT);

		had += r > 0 ? r : 0;
		if (had < n)
			usleep(2000);
	}
	return had == n;
}

static bool nothing_comes(int peer)
{
	char c;

	usleep(60000);
	return recv(peer, &c, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

static uint32_t said_of(uint64_t cookie)
{
	uint32_t v = SOCK_NONE;

	bpf_map_lookup_elem(verdicts_fd, &cookie, &v);
	return v;
}

/* --- cases: no wait is possible ------------------------------------------------------------------------- */

static void test_stop_pass(void)
{
	struct stopping s = {.host = "content.example", .writes = 1};
	struct gate_wait_key k = {};
	struct gate_waiter w = {};
	const struct seen *g;
	uint64_t upto = 0;
	int peer, status;
	pid_t pid;

	begin_stop();
	s.fd = tcp_pair(&peer);
	pid = stopping(&s);
	ok(gets(pid, 'T') && waiters_of(pid, true, &k) == 1, "stop: the process is stopped");
	settle();
	hear_stops();
	g = first(EVENT_GATE);
	ok(g && g->how == GATE_STOPPED && g->seq == k.seq && g->told == (uint32_t)LEN &&
		   count(EVENT_DATA) == 2 && data(1, 5, LEN, EVENT_F_GATED) &&
		   !first(EVENT_GATE_END),
	   "stop: its bytes and the question are told, and no end");
	ok(stops.told == 1 && stops.seq == k.seq, "stop: the keeper is told which wait");
	ok(!bpf_map_lookup_elem(waits_fd, &k, &w) && w.tgid == (uint32_t)pid &&
		   w.len == (uint64_t)LEN && w.closed == (WAITER_CLOSED | WAITER_MAY_KILL),
	   "stop: who waits is noted, and that its rules fail closed");
	ok(w.cookie && said_of(w.cookie) == SOCK_ASK &&
		   !bpf_map_lookup_elem(upto_fd, &w.cookie, &upto) && upto & SOCK_UPTO_SEQ,
	   "stop: its socket keeps what comes, from here on");
	ok(arrives(peer, 5) && nothing_comes(peer) && !*shared_ran,
	   "stop: not a byte of it has left");
	go_on(pid, k, GATE_PASS);
	ok(arrives(peer, LEN), "stop, pass: all of it arrives");
	status = over(pid);
	ok(!status && *shared_ran == 1 && !waiters_of(pid, false, NULL),
	   "stop, pass: it ran once, and nobody waits any more");
	close(s.fd);
	close(peer);
}

static void test_stop_refuse(void)
{
	struct stopping s = {.host = "content.example", .writes = 1};
	struct gate_wait_key k = {};
	int peer;
	pid_t pid;

	begin_stop();
	bpf_set_mark(b, GATE_EGRESS);
	s.fd = tcp_pair(&peer);
	pid = stopping(&s);
	ok(gets(pid, 'T') && waiters_of(pid, true, &k) == 1 && arrives(peer, 5),
	   "stop, refuse: the process is stopped");
	go_on(pid, k, GATE_REFUSE);
	ok(nothing_comes(peer), "stop, refuse: nothing arrives");
	ok(over(pid) == 0 && nothing_comes(peer), "stop, refuse: nor when its process has ended");
	bpf_set_mark(b, GATE_NONE);
	close(s.fd);
	close(peer);
}

/* What its socket was given before leaves while the process is stopped. */
static void test_stop_before(void)
{
	struct stopping s = {.host = "content.example", .writes = 1, .queues = true};
	struct gate_wait_key k = {};
	int peer;
	pid_t pid;

	begin_stop();
	s.fd = tcp_pair(&peer);
	pid = stopping(&s);
	ok(gets(pid, 'T') && waiters_of(pid, true, &k) == 1 && shared_ran[4] > 65536,
	   "stop, bytes in the socket: the process is stopped");
	ok(arrives(peer, 5 + shared_ran[4]) && nothing_comes(peer),
	   "stop, bytes in the socket: those of before arrive, and no others");
	go_on(pid, k, GATE_PASS);
	ok(arrives(peer, LEN) && !over(pid), "stop, bytes in the socket: and then the rest");
	close(s.fd);
	close(peer);
}

static void test_stop_foreign(void)
{
	struct stopping s = {.host = "content.example", .writes = 1};
	uint64_t went = drops(DROP_WENT_ON);
	struct gate_wait_key k = {};
	struct gate_waiter w = {};
	const struct seen *z;
	int peer;
	pid_t pid;

	begin_stop();
	s.fd = tcp_pair(&peer);
	pid = stopping(&s);
	ok(gets(pid, 'T') && waiters_of(pid, true, &k) == 1 && arrives(peer, 5),
	   "somebody else's SIGCONT: the process is stopped");
	kill(pid, SIGCONT);
	for (int i = 0; i < 1000 && !*shared_ran; i++)
		usleep(2000);
	ok(*shared_ran == 1 && nothing_comes(peer),
	   "somebody else's SIGCONT: the write runs, and its socket keeps it");
	ok(drops(DROP_WENT_ON) == went + 1 && !bpf_map_lookup_elem(waits_fd, &k, &w) &&
		   w.closed & WAITER_RAN,
	   "somebody else's SIGCONT: counted, and noted where the keeper looks");
	go_on(pid, k, GATE_PASS);
	ok(arrives(peer, LEN), "somebody else's SIGCONT: a pass lets it go");
	over(pid);
	close(s.fd);
	close(peer);

	begin_stop();
	s.fd = -1;
	pid = stopping(&s);
	ok(gets(pid, 'T'), "... without a socket: stopped");
	kill(pid, SIGCONT);
	ok(was_killed(over(pid)),
	   "... without a socket: its process ends, as its rules fail closed");
	z = first(EVENT_GATE_END);
	ok(z && z->verdict == GATE_TIMEOUT && z->mechanism == GATE_SIGNAL && z->refused &&
		   drops(DROP_WENT_ON) == went + 2 && !waiters_of(pid, false, NULL),
	   "... without a socket: the end is told");
}

static void test_stop_death(void)
{
	struct stopping s = {.host = "content.example", .writes = 1, .fd = -1};
	const struct seen *z;
	pid_t pid;

	begin_stop();
	pid = stopping(&s);
	ok(gets(pid, 'T'), "stop, death: stopped");
	kill(pid, SIGKILL);
	ok(was_killed(over(pid)), "stop, death: who is stopped can be killed");
	z = first(EVENT_GATE_END);
	ok(z && z->verdict == GATE_TIMEOUT && z->refused && !waiters_of(pid, false, NULL),
	   "stop, death: the end is told, and nobody waits any more");
}

/* Of three writes that move nothing the second is the first one again; the third is not. */
static void test_stop_retry(void)
{
	struct stopping s = {.host = "content.example", .writes = 3, .fails = true};
	struct gate_wait_key k = {};
	int peer;
	pid_t pid;

	for (int changes = 0; changes < 2; changes++) {
		begin_stop();
		s.fd = tcp_pair(&peer);
		s.changes = changes;
		pid = stopping(&s);
		ok(gets(pid, 'T') && waiters_of(pid, true, &k) == 1, "stop, again: stopped");
		go_on(pid, k, GATE_PASS);
		if (changes) {
			ok(gets(pid, 'T') && *shared_ran == 2,
			   "stop, again: with other bytes the third is another");
			waiters_of(pid, true, &k);
			go_on(pid, k, GATE_PASS);
		}
		ok(!over(pid) && *shared_ran == 3 && count(EVENT_GATE) == 1u + changes,
		   changes ? "stop, again: asked for twice" : "stop, again: asked for once");
		close(s.fd);
		close(peer);
	}
}

static void *write_many(void *arg)
{
	struct stopping *s = arg;
	void *h = new_client(s->host);

	for (int i = 0; i < s->writes; i++)
		stub.write(h, text, LEN);
	return NULL;
}

static void write_by_threads(void *arg)
{
	pthread_t t[3];

	*stub.fd = -1;
	for (int i = 0; i < 3; i++)
		(void)pthread_create(&t[i], NULL, write_many, arg);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	*shared_ran = *stub.ran;
}

/* Three threads write at once; the keeper, elsewhere, continues as fast as it can, now and then before
 * the SIGSTOP has come. No round hangs, and each write is told. */
static void test_stop_race(void)
{
	enum { WRITES = 334, ALL = 3 * WRITES };
	struct stopping s = {.host = "open.example", .writes = WRITES};
	unsigned stopped = 0, others = 0, at_once = 0;
	struct gate_wait_key k;
	long before = *stub.ran;
	uint64_t until;
	pid_t pid;
	int status = -1;

	begin_stop();
	memset(&stops, 0, sizeof(stops));
	*shared_ran = 0;
	pid = child(write_by_threads, &s);
	until = now(CLOCK_MONOTONIC) + 120000 * MS;
	while (waitpid(pid, &status, WNOHANG) != pid) {
		unsigned n = waiters_of(pid, true, &k);

		at_once = n > at_once ? n : at_once;
		if (n)
			go_on(pid, k, GATE_PASS);
		hear_stops();
		put_settings();
		if (now(CLOCK_MONOTONIC) > until) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			break;
		}
	}
	settle();
	for (unsigned i = 0; i < seen_n; i++) {
		stopped += seen[i].kind == EVENT_GATE && seen[i].how == GATE_STOPPED;
		others += seen[i].kind == EVENT_GATE && seen[i].how == GATE_FULL;
	}
	hear_only(0);
	ok(!status && *shared_ran == before + ALL, "race: %d writes of three threads all end", ALL);
	ok(stopped + others == ALL && stopped && !waiters_of(pid, false, NULL),
	   "race: each is told: stopped, or not because the keeper was about to continue");
	printf("# %u stopped, %u not, %u at once, %u SIGSTOPs told, %u too late\n", stopped, others,
	       at_once, stops.told, stops.stray);
}

static void write_on_terminal(void *arg)
{
	int master, slave;

	if (setsid() < 0 || openpty(&master, &slave, NULL, NULL, NULL) ||
	    ioctl(slave, TIOCSCTTY, 0))
		_exit(9);
	write_stopping(arg);
}

static void test_stop_not(void)
{
	struct stopping s = {.host = "content.example", .writes = 1, .fd = -1};
	const struct seen *g;
	int status;
	pid_t pid;

	begin_stop();
	settings.alive_ns = 1;
	put_settings();
	status = over(stopping(&s));
	g = first(EVENT_GATE);
	ok((bpf_fails_calls(b) ? !status : was_killed(status)) && g && g->how == GATE_AWAY &&
		   !*shared_ran,
	   "stop, no agent: refused, as its rules fail closed");
	begin_stop();
	s.host = "open.example";
	settings.alive_ns = 1;
	put_settings();
	ok(!over(stopping(&s)) && *shared_ran == 1, "stop, no agent: or not, as they fail open");
	begin_stop();
	*shared_ran = shared_ran[3] = 0;
	status = over(child(write_on_terminal, &s));
	g = first(EVENT_GATE);
	ok(!status && *shared_ran == 1 && g && g->how == GATE_FULL,
	   "stop: nobody on a terminal is stopped");
	begin_stop();
	memset(&stops, 0, sizeof(stops));
	*shared_ran = 0;
	shared_ran[3] = *shared_go = 0;
	forget();
	pid = fork();
	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		while (!*shared_go)
			usleep(1000);
		write_stopping(&s);
		_exit(0);
	}
	hear_only(pid);
	*shared_go = 1;
	status = over(pid);
	g = first(EVENT_GATE);
	ok(!status && *shared_ran == 1 && g && g->how == GATE_FULL,
	   "stop: nobody with a debugger is stopped");
}

/* --- cases: an operator is asked ------------------------------------------------------------------------- */

static void begin_block(void)
{
	begin(GATE_BLOCK);
}

/* The answer came while the write waited; by itself it goes on waiting, stopped. */
static void test_block(void)
{
	struct stopping s = {.host = "content.example", .writes = 1};
	uint8_t flags = WAITER_CLOSED | WAITER_MAY_KILL | (again ? WAITER_AGAIN : 0);
	struct gate_wait_key k = {};
	struct gate_waiter w = {};
	const struct seen *z;
	int peer, status;
	pid_t pid;

	begin_block();
	s.fd = tcp_pair(&peer);
	pid = stopping(&s);
	ok(gets(pid, 'T') && waiters_of(pid, true, &k) == 1, "block: the process is stopped");
	hear_stops();
	ok(stops.told == 1 && stops.seq == k.seq && !bpf_map_lookup_elem(waits_fd, &k, &w) &&
		   w.closed == flags && said_of(w.cookie) == SOCK_ASK,
	   "block: the keeper is told, and its socket keeps what comes");
	ok(first(EVENT_GATE) && first(EVENT_GATE)->how == waiting_how() && !first(EVENT_GATE_END) &&
		   arrives(peer, 5) && nothing_comes(peer),
	   "block: asked for once, no end is told, not a byte has left");
	go_on(pid, k, GATE_PASS);
	ok(arrives(peer, LEN) && !over(pid) && *shared_ran == 1, "block, pass: all of it arrives");
	z = first(EVENT_GATE_END);
	ok(again ? z && z->verdict == GATE_PASS && !z->refused : !z,
	   again ? "block, pass: the end is told" : "block, pass: the end is the keeper's to tell");
	close(s.fd);
	close(peer);

	begin_block();
	bpf_set_mark(b, GATE_EGRESS);
	s.fd = tcp_pair(&peer);
	pid = stopping(&s);
	ok(gets(pid, 'T') && waiters_of(pid, true, &k) == 1 && arrives(peer, 5),
	   "block: another is stopped");
	go_on(pid, k, GATE_REFUSE);
	ok(nothing_comes(peer), "block, refuse: nothing arrives");
	status = over(pid);
	z = first(EVENT_GATE_END);
	ok(!status && (again ? !*shared_ran && shared_ran[2] == -1 && z &&
				       z->mechanism == GATE_OVERRIDE && z->refused
			     : *shared_ran != 0), /* its send may fail */
	   again ? "block, refuse: the function returned an error and has not run"
		 : "block, refuse: it ran for nothing");
	bpf_set_mark(b, GATE_NONE);
	close(s.fd);
	close(peer);
}

static void test_block_foreign(void)
{
	struct stopping s = {.host = "content.example", .writes = 1, .fd = -1};
	struct gate_wait_key k = {};
	pid_t pid;

	begin_block();
	pid = stopping(&s);
	ok(gets(pid, 'T') && waiters_of(pid, true, &k) == 1, "block: stopped");
	hear_stops();
	for (int i = 0; i < 20; i++) {
		kill(pid, SIGCONT);
		usleep(5000);
	}
	ok(gets(pid, 'T') && !*shared_ran && waiters_of(pid, true, &k) == 1,
	   "block, somebody else's SIGCONT: stopped again, each time");
	hear_stops();
	ok(stops.told > 1 && !stops.stray, "block: the keeper is told each time (%u)", stops.told);
	go_on(pid, k, GATE_PASS);
	ok(!over(pid) && *shared_ran == 1, "block: and then passes");
}

static void test_block_not(void)
{
	struct stopping s = {.host = "content.example", .writes = 1, .fd = -1};
	const struct seen *z;
	pid_t pid;

	begin_block();
	memset(&stops, 0, sizeof(stops));
	*shared_ran = shared_ran[3] = 0;
	pid = child(write_on_terminal, &s);
	over(pid);
	hear_stops();
	z = first(EVENT_GATE_END);
	ok(z && z->verdict == GATE_REFUSE && z->refused && !stops.told &&
		   !waiters_of(pid, false, NULL) && *shared_ran == !bpf_fails_calls(b),
	   "block: on a terminal it is refused");
}

/* --- all ------------------------------------------------------------------------------------------------- */

static void test_stops(bool waits)
{
	if (!control) {
		int r = ring_open(bpf_control_fd(b), bpf_control_size(b), &control);

		if (r)
			die("ring_open", r);
		going_fd = map_of("gate_going");
		upto_fd = map_of("sock_upto");
	}
	if (!again) {
		test_stop_pass();
		test_stop_refuse();
		test_stop_before();
		test_stop_foreign();
		test_stop_death();
		test_stop_retry();
		test_stop_not();
		test_stop_race();
	}
	if (waits) {
		test_block();
		if (again)
			test_block_foreign();
		test_block_not();
	}
}

#endif
