// SPDX-License-Identifier: Apache-2.0
/*
 * The write gate in the kernel (bpf/lib/gate.h), with a libssl that does as it is told (sslstub.c): what
 * is told of a write that waits, that it runs when it may and does not when it may not, and that no wait
 * lasts longer than its bound. A thread of this process is the worker: it reads the ring, notes what it
 * reads and answers by `plan`. Writes that end their process are made in a child.
 *
 * Where the kernel lets a call be made again all cases run twice: in that way, and with waits inside of
 * the probe. The rules are of names under .example, which nobody else asks for.
 *
 * Long because it is mostly rows: cases that share one rig stay in one file.
 */
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "tls_rig.h"

#define MS 1000000ull
#define CONTENT 1ull /* rule bits, each with a host of its own */
#define CONTENT_OPEN 2ull
#define DENY 4ull
#define DENY_MILD 8ull
#define KILL 16ull
#define WATCHED 32ull

static struct {
	long *ret, *ran;
	char *last;
	int *fd;
	int (*write)(void *, const void *, int);
	int (*write_ex)(void *, const void *, size_t, size_t *);
	void (*connect_state)(void *);
	long (*ctrl)(void *, int, long, void *);
} stub;

static struct gate_slot *slots;
static int gate_fd, waits_fd, verdicts_fd;
static struct gate_settings settings;
static bool again; /* calls are made again */

static uint64_t now(clockid_t c)
{
	struct timespec t;

	clock_gettime(c, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static int map_of(const char *name)
{
	for (int fd = 3; fd < 512; fd++) {
		struct bpf_map_info i = {};
		uint32_t n = sizeof(i);

		if (!bpf_obj_get_info_by_fd(fd, &i, &n) && !strcmp(i.name, name) && i.key_size)
			return fd;
	}
	die(name, ENOENT);
	return -1;
}

/* --- the worker ----------------------------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static volatile bool stop;
static struct {
	uint32_t verdict; /* GATE_ASKED: none */
	uint64_t after_ns;
	bool mask; /* the first bytes of the buffer, as the keeper would */
	unsigned due_n;
	struct {
		uint64_t conn, seq, at_ns;
	} due[16];
} plan;
static struct gate_waiter waiter; /* the last one that was noted */
static bool waiter_known;

static void answer(uint64_t conn, uint64_t seq)
{
	struct gate_slot *s = &slots[conn & (GATE_SLOTS - 1)];

	if (plan.mask && waiter_known)
		memset((void *)waiter.buf, 'X', 4);
	s->verdict = GATE_ASKED;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	s->conn = conn;
	s->seq = seq;
	__atomic_store_n(&s->verdict, plan.verdict, __ATOMIC_SEQ_CST);
}

static void asked(void *ctx, const void *record, size_t n)
{
	const struct event_gate *g = record;
	unsigned had = seen_n;

	note(ctx, record, n);
	if (seen_n == had || g->h.kind != EVENT_GATE)
		return;
	waiter_known = !bpf_map_lookup_elem(waits_fd, &g->seq, &waiter);
	if (plan.verdict && g->how <= GATE_HELD && plan.due_n < 16) {
		plan.due[plan.due_n].conn = g->h.conn;
		plan.due[plan.due_n].seq = g->seq;
		plan.due[plan.due_n++].at_ns = now(CLOCK_MONOTONIC) + plan.after_ns;
	}
}

static void read_ring(void)
{
	pthread_mutex_lock(&lock);
	while (ring_consume(ring, asked, NULL, 1024))
		;
	for (unsigned i = 0; i < plan.due_n; i++)
		if (plan.due[i].at_ns <= now(CLOCK_MONOTONIC)) {
			answer(plan.due[i].conn, plan.due[i].seq);
			plan.due[i--] = plan.due[--plan.due_n];
		}
	pthread_mutex_unlock(&lock);
}

static void *worker(void *p)
{
	while (!stop) {
		struct timespec t = {.tv_nsec = 50000};

		read_ring();
		nanosleep(&t, NULL);
	}
	return p;
}

/* What was told is complete: every record of a call that is over is in the ring. */
static void settle(void)
{
	read_ring();
}

static void forget(void)
{
	read_ring();
	pthread_mutex_lock(&lock);
	seen_n = 0;
	plan.due_n = 0;
	pthread_mutex_unlock(&lock);
}

static void put_settings(void)
{
	uint32_t zero = 0;

	settings.alive_ns = settings.alive_ns == 1 ? 1 : now(CLOCK_BOOTTIME);
	bpf_map_update_elem(gate_fd, &zero, &settings, BPF_ANY);
}

/* The usual again: a worker that says `verdict` at once, a bound of 2 s. */
static void begin(uint32_t verdict)
{
	memset(&plan, 0, sizeof(plan));
	plan.verdict = verdict;
	settings = (struct gate_settings){.on = 1, .hold_us = 2000000, .waiters = 1};
	put_settings();
	*stub.ret = 0;
	*stub.fd = -1;
	forget();
}

/* --- writes ---------------------------------------------------------------------------------------- */

static void *new_client(const char *host)
{
	static char pool[1 << 16];
	static size_t used;
	void *h;

	used += 64;
	h = pool + used % sizeof(pool);
	stub.connect_state(h);
	stub.ctrl(h, 55, 0, (void *)host);
	return h;
}

static void *client(const char *host)
{
	void *h = new_client(host);

	forget();
	return h;
}

static char text[] = "secret words that are to be judged before they leave";
#define LEN ((int)sizeof(text) - 1)

/* Returns whether the function ran. */
static bool runs(void *h, int n, int *ret)
{
	long before = *stub.ran;
	int r = stub.write(h, text, n);

	if (ret)
		*ret = r;
	settle();
	return *stub.ran != before;
}

static bool data(unsigned i, uint64_t offset, uint32_t n, uint32_t flag)
{
	unsigned at = 0;

	for (unsigned k = 0; k < seen_n; k++)
		if (seen[k].kind == EVENT_DATA && at++ == i)
			return seen[k].offset == offset && seen[k].size == n &&
			       (seen[k].flags & (EVENT_F_GATED | EVENT_F_REFUSED)) == flag;
	return false;
}

static bool order(uint16_t a, uint16_t b_, uint16_t c)
{
	return seen_n >= 3 && seen[seen_n - 3].kind == a && seen[seen_n - 2].kind == b_ &&
	       seen[seen_n - 1].kind == c;
}

static uint32_t waiting_how(void)
{
	return again ? GATE_REEXEC : GATE_HELD;
}

static volatile long *shared_ran, *shared_go; /* with children */

static void hear_only(pid_t pid)
{
	pthread_mutex_lock(&lock);
	only = pid;
	pthread_mutex_unlock(&lock);
}

/* A child, which begins when it is heard. */
static pid_t child(void (*fn)(void *), void *arg)
{
	pid_t pid;

	forget();
	*shared_go = 0;
	pid = fork();
	if (!pid) {
		while (!*shared_go)
			usleep(1000);
		fn(arg);
		_exit(0);
	}
	hear_only(pid);
	*shared_go = 1;
	return pid;
}

/* fn in a child, whose writes are seen in shared memory. Its wait status. */
static int in_child(void (*fn)(void *), void *arg)
{
	pid_t pid = child(fn, arg);
	int status = -1;

	waitpid(pid, &status, 0);
	for (int i = 0; i < 200 && !first(EVENT_EXIT); i++) {
		usleep(5000);
		settle();
	}
	hear_only(0);
	return status;
}

static void write_in_child(void *host)
{
	void *h = new_client(host); /* the ring is the parent's */
	long before = *stub.ran;

	stub.write(h, text, LEN);
	*shared_ran = *stub.ran - before;
}

static bool was_killed(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static bool nobody_waits(void)
{
	struct gate_wait_key k;

	return bpf_map_get_next_key(waits_fd, NULL, &k) != 0;
}

/* --- cases ----------------------------------------------------------------------------------------- */

static void test_off(void)
{
	void *h;

	begin(GATE_PASS);
	settings.on = 0;
	put_settings();
	h = client("content.example");
	ok(runs(h, LEN, NULL) && data(0, 0, LEN, 0) && !first(EVENT_GATE),
	   "off: a write is told at its return, and nothing waits");
	begin(GATE_PASS);
	h = client("watched.example");
	ok(runs(h, LEN, NULL) && data(0, 0, LEN, 0) && !first(EVENT_GATE),
	   "monitor: nothing waits");
	h = client("other.example");
	ok(runs(h, LEN, NULL) && data(0, 0, LEN, 0) && !first(EVENT_GATE),
	   "a host without rules: nothing waits");
}

static void test_pass(void)
{
	const struct seen *g, *z;
	size_t n = 0;
	void *h;
	int r;

	begin(GATE_PASS);
	h = client("content.example");
	ok(runs(h, LEN, &r) && r == LEN && order(EVENT_DATA, EVENT_GATE, EVENT_GATE_END) &&
		   count(EVENT_DATA) == 1 && data(0, 0, LEN, EVENT_F_GATED),
	   "pass: the bytes, the question, the end; told once");
	g = first(EVENT_GATE);
	z = first(EVENT_GATE_END);
	ok(g && g->how == waiting_how() && g->bytes == (uint64_t)LEN && g->told == (uint32_t)LEN &&
		   g->rules == CONTENT && !g->offset,
	   "pass: the question says how much, by which rules and how it waits");
	ok(z && z->verdict == GATE_PASS && !z->refused && z->seq == g->seq && z->waited_ns,
	   "pass: the end says so");
	forget();
	ok(runs(h, LEN, &r) && data(0, LEN, LEN, EVENT_F_GATED), "pass: the next one goes on");
	forget();
	stub.write_ex(h, text, LEN, &n);
	settle();
	ok(n == (size_t)LEN && count(EVENT_GATE) == 1 && data(0, 2 * LEN, LEN, EVENT_F_GATED),
	   "pass: of one function in another the outer is asked for");
	ok(nobody_waits(), "pass: and nobody waits any more");
}

static void test_partial(void)
{
	static char other[sizeof(text)];
	void *h;

	begin(GATE_PASS);
	h = client("content.example");
	*stub.ret = 40;
	runs(h, LEN, NULL);
	*stub.ret = 0;
	forget();
	ok(runs(h, LEN, NULL) && data(0, 40, LEN, EVENT_F_GATED),
	   "of a partial write the offset moves by what was moved");
	begin(GATE_PASS);
	h = client("content.example");
	*stub.ret = -1;
	runs(h, LEN, NULL);
	*stub.ret = 0;
	forget();
	ok(runs(h, LEN, NULL) && !seen_n, "the same write again: neither told nor held");
	forget();
	ok(runs(h, LEN, NULL) && data(0, LEN, LEN, EVENT_F_GATED), "the next one is");
	begin(GATE_PASS);
	h = client("content.example");
	*stub.ret = -1;
	runs(h, LEN, NULL);
	*stub.ret = 0;
	forget();
	memcpy(other, text, sizeof(other));
	stub.write(h, other, LEN);
	settle();
	ok(data(0, 0, LEN, EVENT_F_GATED) && first(EVENT_GATE),
	   "from another buffer it is told and held again");
}

/* A write that moved nothing is tried again from the same place, with a byte of it changed. */
static void test_changed(void)
{
	static const size_t sizes[] = {1, 63, 64, 65, 4096, 16384, 1 << 20};
	static char large[1 << 20];
	unsigned same = 0, changed = 0, n = sizeof(sizes) / sizeof(sizes[0]);
	uint64_t t = 0;

	for (unsigned i = 0; i < n; i++) {
		void *h;

		begin(GATE_PASS);
		h = client("content.example");
		*stub.ret = -1;
		stub.write(h, large, sizes[i]);
		forget();
		t = now(CLOCK_MONOTONIC);
		stub.write(h, large, sizes[i]);
		t = now(CLOCK_MONOTONIC) - t;
		settle();
		same += !seen_n;
		large[sizes[i] - 1] ^= 0x80;
		forget();
		stub.write(h, large, sizes[i]);
		settle();
		changed += first(EVENT_GATE) != NULL;
	}
	*stub.ret = 0;
	ok(same == n, "the same bytes again are neither told nor held, up to 1 MiB");
	ok(changed == n, "one bit of them changed, and they are told and held");
	printf("# 1 MiB again: %lu us\n", (unsigned long)(t / 1000));
}

static void test_mask(void)
{
	void *h;

	begin(GATE_PASS);
	plan.mask = true;
	h = client("content.example");
	runs(h, LEN, NULL);
	ok(waiter_known && waiter.buf == (uintptr_t)text && waiter.len == (uint64_t)LEN &&
		   waiter.tgid == (uint32_t)getpid() && waiter.tid == (uint32_t)syscall(SYS_gettid),
	   "who waits, and where its bytes are, is noted");
	ok(!memcmp(stub.last, "XXXXet words", 12), "what was masked meanwhile is what goes");
	memcpy(text, "secr", 4);
}

static void test_refuse(void)
{
	const struct seen *z;
	void *h;
	bool ran;
	int r;

	begin(GATE_REFUSE);
	h = client("content.example");
	ran = runs(h, LEN, &r);
	z = first(EVENT_GATE_END);
	if (bpf_fails_calls(b))
		ok(!ran && r == -1 && z && z->mechanism == GATE_OVERRIDE && z->refused,
		   "refuse: the function returns an error and has not run");
	else
		ok(ran && z && z->mechanism == GATE_NONE && z->refused,
		   "refuse: without a socket the kernel has no way, and says so");
	plan.verdict = GATE_PASS;
	forget();
	ok(runs(h, LEN, NULL) && data(0, LEN, LEN, EVENT_F_GATED),
	   "refuse: what comes after is new");
}

static void test_kill(void)
{
	const struct seen *z;

	begin(GATE_KILL);
	*shared_ran = -1;
	ok(was_killed(in_child(write_in_child, "content.example")) && *shared_ran == -1,
	   "kill: it ends before the write");
	z = first(EVENT_GATE_END);
	ok(z && z->verdict == GATE_KILL && z->mechanism == GATE_SIGNAL && z->refused,
	   "kill: the end says so");
	ok(nobody_waits(), "kill: nobody waits any more");
}

static void test_bound(void)
{
	const struct seen *z;
	uint64_t t;
	void *h;
	bool ran;

	begin(GATE_ASKED);
	settings.hold_us = 20000;
	put_settings();
	h = client("open.example");
	t = now(CLOCK_MONOTONIC);
	ran = runs(h, LEN, NULL);
	t = now(CLOCK_MONOTONIC) - t;
	z = first(EVENT_GATE_END);
	ok(ran && z && z->verdict == GATE_TIMEOUT && !z->refused && t >= 20 * MS && t < 2000 * MS,
	   "no answer, fail: open: it goes when the time is over");
	*shared_ran = -1;
	ok(was_killed(in_child(write_in_child, "content.example")) && *shared_ran == -1 ? true
	   : bpf_fails_calls(b) ? *shared_ran == 0
				: false,
	   "no answer, fail: closed: it does not");
	z = first(EVENT_GATE_END);
	ok(z && z->verdict == GATE_TIMEOUT && z->refused &&
		   z->mechanism == (bpf_fails_calls(b) ? GATE_OVERRIDE : GATE_SIGNAL),
	   "no answer: the end says by what");
	ok(nobody_waits(), "no answer: nobody waits any more");
}

static void test_away(void)
{
	const struct seen *g, *z;
	uint64_t t;
	void *h;

	begin(GATE_PASS);
	settings.alive_ns = 1;
	put_settings();
	h = client("open.example");
	t = now(CLOCK_MONOTONIC);
	ok(runs(h, LEN, NULL) && now(CLOCK_MONOTONIC) - t < 500 * MS, "no agent: no wait");
	g = first(EVENT_GATE);
	z = first(EVENT_GATE_END);
	ok(g && g->how == GATE_AWAY && !g->told && z && z->verdict == GATE_PASS && !z->refused &&
		   data(0, 0, LEN, 0),
	   "no agent, fail: open: it goes, and is told at its return");
	for (uint32_t full = GATE_FULL_PASS; full <= GATE_FULL_REFUSE; full++) {
		settings.full = full;
		put_settings();
		*shared_ran = -1;
		ok(in_child(write_in_child, "content.example") && *shared_ran == -1 ? true
		   : bpf_fails_calls(b)						    ? !*shared_ran
										    : false,
		   "no agent, fail: closed: it does not go, whatever `full` says (%u)", full);
		g = first(EVENT_GATE);
		z = first(EVENT_GATE_END);
		ok(g && g->how == GATE_AWAY && g->told == (uint32_t)LEN && z && z->refused &&
			   data(0, 0, LEN, EVENT_F_REFUSED),
		   "no agent, fail: closed: its bytes are told as refused");
	}
	forget();
	h = client("open.example");
	ok(runs(h, LEN, NULL), "no agent, full: refuse: a rule that fails open lets it go");
}

struct writer {
	void *h;
	pthread_barrier_t *start;
};

static void *write_once(void *h)
{
	return (void *)(long)stub.write(h, text, LEN);
}

static void *write_at_once(void *arg)
{
	struct writer *w = arg;

	pthread_barrier_wait(w->start);
	return write_once(w->h);
}

/* Three threads write at once; of how many the write waited, and of how many none was possible. */
static void three_at_once(unsigned *ret_held, unsigned *ret_full)
{
	pthread_barrier_t start;
	struct writer w[3];
	pthread_t t[3];

	begin(GATE_PASS);
	plan.after_ns = 300 * MS;
	(void)pthread_barrier_init(&start, NULL, 3);
	for (int i = 0; i < 3; i++) {
		w[i] = (struct writer){new_client("content.example"), &start};
		(void)pthread_create(&t[i], NULL, write_at_once, &w[i]);
	}
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	(void)pthread_barrier_destroy(&start);
	settle();
	*ret_held = *ret_full = 0;
	for (unsigned i = 0; i < seen_n; i++)
		if (seen[i].kind == EVENT_GATE) {
			*ret_held += seen[i].how == waiting_how();
			*ret_full += seen[i].how == GATE_FULL;
		}
}

static void test_two(void)
{
	unsigned held, full;

	/* A busy host may run one thread after the other, and then there is room for each. */
	for (int tries = 0; tries < 5; tries++) {
		three_at_once(&held, &full);
		if (again || full)
			break;
	}
	if (again)
		ok(!full && count(EVENT_GATE_END) == 3, "three threads wait at once");
	else
		ok(full && count(EVENT_GATE_END) >= 2,
		   "one waits; for the others no wait is possible");
	ok(nobody_waits(), "threads: nobody waits any more");
	begin(GATE_PASS);
	runs(client("content.example"), LEN, NULL);
	ok(first(EVENT_GATE) && first(EVENT_GATE)->how == waiting_how(),
	   "threads: the place of who waited is free again");
}

/* Threads that wait on the same CPU: what each keeps while it is preempted is its own. */
static void test_many(void)
{
	enum { THREADS = 6, ROUNDS = 15 };
	unsigned whole = 0;
	pthread_t t[THREADS];
	long before;
	void *r;

	begin(GATE_PASS);
	settings.waiters = THREADS;
	plan.after_ns = 2 * MS;
	before = *stub.ran;
	for (int round = 0; round < ROUNDS; round++) {
		put_settings();
		for (int i = 0; i < THREADS; i++)
			(void)pthread_create(&t[i], NULL, write_once, new_client("open.example"));
		for (int i = 0; i < THREADS; i++) {
			pthread_join(t[i], &r);
			whole += (long)r == LEN;
		}
		forget();
	}
	ok(whole == THREADS * ROUNDS && nobody_waits(),
	   "%d writes of %d threads at once: each ends as it should", THREADS * ROUNDS, THREADS);
	ok(*stub.ran > before, "and they ran");
}

static void test_death(void)
{
	uint64_t t;
	int status;
	pid_t pid;

	begin(GATE_ASKED);
	settings.hold_us = 5000000;
	put_settings();
	pid = child(write_in_child, "content.example");
	for (int i = 0; i < 400 && !first(EVENT_GATE); i++)
		usleep(5000);
	ok(first(EVENT_GATE) && !nobody_waits(), "death: a child waits");
	t = now(CLOCK_MONOTONIC);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	t = now(CLOCK_MONOTONIC) - t;
	ok(was_killed(status) && t < 2000 * MS, "death: who waits can be killed");
	for (int i = 0; i < 200 && !first(EVENT_GATE_END); i++) {
		usleep(5000);
		settle();
	}
	ok(first(EVENT_GATE_END) && first(EVENT_GATE_END)->refused && nobody_waits(),
	   "death: the end of its wait is told, and it waits no more");
	hear_only(0);
	begin(GATE_PASS);
	runs(client("content.example"), LEN, NULL);
	ok(first(EVENT_GATE) && first(EVENT_GATE)->how == waiting_how(),
	   "death: its place is free again");
}

/* --- rules without content --------------------------------------------------------------------------- */

static void test_deny(void)
{
	const struct seen *d;

	begin(GATE_PASS);
	*shared_ran = -1;
	in_child(write_in_child, "deny.example");
	d = first(EVENT_DENY);
	ok(*shared_ran <= 0, "deny: it does not go");
	ok(d && d->rules == DENY &&
		   d->mechanism == (bpf_fails_calls(b) ? GATE_OVERRIDE : GATE_SIGNAL) &&
		   data(0, 0, LEN, EVENT_F_REFUSED) && !first(EVENT_GATE),
	   "deny: said once, with its bytes and by what");
	*shared_ran = -1;
	in_child(write_in_child, "mild.example");
	d = first(EVENT_DENY);
	if (bpf_fails_calls(b))
		ok(!*shared_ran && d && d->mechanism == GATE_OVERRIDE, "deny: by an error");
	else
		ok(*shared_ran == 1 && d && d->mechanism == GATE_NONE,
		   "deny without kill and without a socket: says that it failed");
	*shared_ran = -1;
	ok(was_killed(in_child(write_in_child, "kill.example")) && *shared_ran == -1 &&
		   first(EVENT_KILL) && first(EVENT_KILL)->rules == KILL,
	   "kill rules kill");
}

static int tcp_pair(int *peer)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), c;
	socklen_t n = sizeof(a);

	c = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(l, (void *)&a, n) || listen(l, 1) || getsockname(l, (void *)&a, &n) ||
	    connect(c, (void *)&a, n))
		die("a connection", errno);
	*peer = accept4(l, NULL, NULL, SOCK_CLOEXEC);
	close(l);
	return c;
}

/* The socket shows at the first send, so the first write is of a host that has no rules yet. */
static void test_mark(void)
{
	uint64_t cookie = 0;
	uint32_t verdict = 0;
	socklen_t n = sizeof(cookie);
	const struct seen *d;
	char got[2 * sizeof(text)];
	int peer, fd;
	void *h;

	begin(GATE_PASS);
	bpf_set_mark(b, GATE_EGRESS);
	h = client("other.example");
	fd = *stub.fd = tcp_pair(&peer);
	runs(h, LEN, NULL);
	ok(recv(peer, got, sizeof(got), 0) == LEN, "a socket without a rule: its bytes arrive");
	stub.ctrl(h, 55, 0, (void *)"mild.example");
	forget();
	runs(h, LEN, NULL);
	d = first(EVENT_DENY);
	getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &n);
	ok(d && d->cookie == cookie &&
		   d->mechanism == (bpf_fails_calls(b) ? GATE_OVERRIDE : GATE_EGRESS),
	   "deny: the socket is known, and marked where the call cannot fail");
	ok(!bpf_map_lookup_elem(verdicts_fd, &cookie, &verdict) && verdict == SOCK_DENY,
	   "deny: the mark says that nothing may leave");
	usleep(50000);
	ok(recv(peer, got, sizeof(got), MSG_DONTWAIT) < 0,
	   "deny: and nothing does, whoever tells the keeper when");
	bpf_set_mark(b, GATE_NONE);
	*stub.fd = -1;
	close(fd);
	close(peer);
}

#include "gate_stops.h"

/* --- beginning and end --------------------------------------------------------------------------------- */

static void put_rules(void)
{
	static struct role_krule_host hosts[] = {
		{CONTENT, "content.example"}, {CONTENT_OPEN, "open.example"},
		{DENY, "deny.example"},	      {DENY_MILD, "mild.example"},
		{KILL, "kill.example"},	      {WATCHED, "watched.example"},
	};
	const struct krule_do todo = {
		.deny = DENY | DENY_MILD,
		.kill = KILL,
		.no_kill = DENY_MILD,
		.watch = WATCHED,
		.content = CONTENT | CONTENT_OPEN | WATCHED,
		.fail_open = CONTENT_OPEN,
	};
	struct role_krules k = {.generation = 1, .all = 63, .any_tool = 63, .any_user = 63};
	int r;

	k.hosts = sizeof(hosts) / sizeof(hosts[0]);
	r = bpf_set_krules(b, &k, &todo, hosts, NULL);
	if (r)
		die("bpf_set_krules", r);
}

static void load_stub(const char *path)
{
	static const struct {
		const char *name;
		uint64_t site;
		bool returns;
	} functions[] = {
		{"SSL_write", TLS_WRITE, true},
		{"SSL_write_ex", TLS_WRITE_EX, true},
		{"SSL_write_ex2", TLS_WRITE_EX2, true},
		{"SSL_set_connect_state", TLS_CLIENT, false},
		{"SSL_ctrl", TLS_CTRL, false},
	};
	void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	if (!lib)
		die(dlerror(), ENOENT);
	stub.ret = symbol(lib, "stub_ret");
	stub.ran = symbol(lib, "stub_ran");
	stub.last = symbol(lib, "stub_last");
	stub.fd = symbol(lib, "stub_fd");
	*(int *)symbol(lib, "stub_looks") = 1;
	stub.write = symbol(lib, "SSL_write");
	stub.write_ex = symbol(lib, "SSL_write_ex");
	stub.connect_state = symbol(lib, "SSL_set_connect_state");
	stub.ctrl = symbol(lib, "SSL_ctrl");
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		add_function(lib, functions[i].name, functions[i].site,
			     functions[i].returns ? TLS_RETURN : 0);
}

static void run_all(bool waits)
{
	pthread_t t;

	if (pthread_create(&t, NULL, worker, NULL))
		die("worker", errno);
	test_off();
	if (waits) {
		test_pass();
		test_partial();
		test_changed();
		test_mask();
		test_refuse();
		test_kill();
		test_bound();
		test_two();
		if (again)
			test_many();
		test_death();
	}
	test_away();
	test_deny();
	test_mark();
	test_stops(waits);
	stop = true;
	pthread_join(t, NULL);
	stop = false;
}

int main(int argc, char **argv)
{
	struct links *l;

	if (argc != 2)
		return 2;
	if (geteuid() != 0) {
		printf("ok 1 - the write gate # SKIP needs root\n1..1\n");
		return 0;
	}
	rig_open(16u << 20);
	gate_fd = map_of("gate");
	waits_fd = map_of("gate_waits");
	verdicts_fd = map_of("sock_verdicts");
	slots = mmap(NULL, GATE_SLOTS * sizeof(*slots), PROT_READ | PROT_WRITE, MAP_SHARED,
		     map_of("gate_slots"), 0);
	shared_ran = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	shared_go = shared_ran + 1;
	if (slots == MAP_FAILED || shared_ran == MAP_FAILED)
		die("mmap", errno);
	put_rules();
	for (int round = rig.linker.again ? 0 : 1; round < 2; round++) {
		again = rig.linker.again = !round;
		load_stub(argv[1]);
		l = attach(0);
		printf("# writes wait %s\n", again	    ? "by being made again"
					     : bpf_waits(b) ? "inside of the probe"
							    : "not at all");
		run_all(bpf_waits(b));
		links_close(l);
	}
	ring_free(ring);
	bpf_close(b);
	printf("1..%u\n", cases);
	return failed > 0;
}
