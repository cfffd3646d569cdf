// SPDX-License-Identifier: Apache-2.0
/*
 * The BPF programs in the kernel, attached to a libssl that does as it is told (sslstub.c) and, at
 * the end, to the real one. This process is both the traced program and the reader of the ring:
 * probes run inside the calls, so after a call its records are there and nothing has to be waited
 * for. What other processes of the host cause is left out by pid.
 *
 * Every byte written is a function of its stream offset, so each chunk is checked by itself.
 *
 * One long file, because all cases share one load, one attachment and one reader: loading anew for
 * each hook family would triple the time and say nothing more.
 */
#include <openssl/ssl.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "agent/procinfo.h"
#include "tls_rig.h"

#define RING (32u << 20)

static struct verdict_slot *verdicts;
static uint8_t *data;

static bool no_drops_since(const uint64_t before[static DROP__MAX], int except)
{
	uint64_t v[DROP__MAX];
	bool none = true;

	bpf_drops(b, v);
	for (int i = 0; i < DROP__MAX; i++)
		if (i != except && i != DROP_CTL_FULL && i != DROP_ARGV && v[i] != before[i]) {
			printf("# drop %s: %llu more\n", bpf_drop_name(i),
			       (unsigned long long)(v[i] - before[i]));
			none = false;
		}
	return none;
}

/* --- the library under test ----------------------------------------------------------------------- */

static struct {
	long *ret;
	int *nest;
	int (*write)(void *, const void *, int);
	int (*write_ex)(void *, const void *, size_t, size_t *);
	int (*write_ex2)(void *, const void *, size_t, unsigned long, size_t *);
	int (*read)(void *, void *, int);
	int (*read_ex)(void *, void *, size_t, size_t *);
	int (*handshake)(void *), (*connect)(void *), (*accept)(void *), (*clear)(void *);
	void (*connect_state)(void *), (*accept_state)(void *), (*free)(void *);
	long (*ctrl)(void *, int, long, void *);
} stub;

static void *handle(void)
{
	static char pool[1 << 16];
	static size_t used;

	used += 64;
	return pool + used % sizeof(pool);
}

/* A new client connection. */
static void *client(void)
{
	void *h = handle();

	stub.connect_state(h);
	return h;
}

static const struct form {
	const char *name;
	uint8_t dir;
	bool ex;
} forms[] = {
	{"SSL_write", EVENT_WRITE, false},    {"SSL_write_ex", EVENT_WRITE, true},
	{"SSL_write_ex2", EVENT_WRITE, true}, {"SSL_read", EVENT_READ, false},
	{"SSL_read_ex", EVENT_READ, true},
};
#define FORMS (sizeof(forms) / sizeof(forms[0]))

static void move(unsigned form, void *h, size_t n)
{
	size_t done = 0;

	switch (form) {
	case 0:
		stub.write(h, data, n);
		break;
	case 1:
		stub.write_ex(h, data, n, &done);
		break;
	case 2:
		stub.write_ex2(h, data, n, 0, &done);
		break;
	case 3:
		stub.read(h, data, n);
		break;
	case 4:
		stub.read_ex(h, data, n, &done);
		break;
	}
}

/* Moves n bytes that stand at `offset` of the stream. */
static void move_at(unsigned form, void *h, uint64_t offset, size_t n)
{
	fill(data, offset, n);
	move(form, h, n);
}

static uint64_t last_conn(void)
{
	return seen_n ? seen[seen_n - 1].conn : 0;
}

/* --- chunks ---------------------------------------------------------------------------------------- */

static void test_sizes(unsigned form)
{
	const size_t sizes[] = {0,
				1,
				511,
				512,
				513,
				4096,
				4097,
				16384,
				16385,
				65536,
				65537,
				131072,
				BPF_CALL_MAX / 4,
				BPF_CALL_MAX / 4 + 7,
				BPF_CALL_MAX - 1,
				BPF_CALL_MAX};
	uint64_t before[DROP__MAX], offset = 0, conn = 0;
	void *h = client();
	bool right = true;

	bpf_drops(b, before);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		move_at(form, h, offset, sizes[i]);
		hear();
		conn = conn ?: last_conn();
		if (!covers(conn, forms[form].dir, offset, sizes[i])) {
			printf("# %zu bytes at %llu: %u records\n", sizes[i],
			       (unsigned long long)offset, seen_n);
			right = false;
		}
		offset += sizes[i];
	}
	ok(right && conn, "%s: calls up to the largest come in chunks at their offsets",
	   forms[form].name);
	ok(no_drops_since(before, -1), "%s: without a drop", forms[form].name);
}

static void test_too_large(unsigned form)
{
	size_t n = BPF_CALL_MAX + 4097;
	uint64_t before[DROP__MAX], conn;
	void *h = client();

	bpf_drops(b, before);
	move_at(form, h, 0, n);
	hear();
	conn = last_conn();
	ok(covers(conn, forms[form].dir, 0, BPF_CALL_MAX),
	   "%s: of more than the largest call its first bytes come", forms[form].name);
	ok(drops(DROP_TOO_LARGE) == before[DROP_TOO_LARGE] + 1 &&
		   no_drops_since(before, DROP_TOO_LARGE),
	   "%s: the rest is counted as too large", forms[form].name);
	move_at(form, h, n, 10);
	hear();
	ok(covers(conn, forms[form].dir, n, 10), "%s: and is a gap before the next bytes",
	   forms[form].name);
	stub.free(h);
	hear();
}

static void test_results(unsigned form)
{
	uint8_t dir = forms[form].dir;
	void *h = client();
	uint64_t conn;

	move_at(form, h, 0, 100);
	hear();
	conn = last_conn();
	*stub.ret = -1;
	move_at(form, h, 100, 100);
	*stub.ret = -2147483647;
	move_at(form, h, 100, 100);
	*stub.ret = 0;
	move_at(form, h, 100, 0);
	ok(hear() == 0, "%s: a call that failed or moved nothing tells nothing", forms[form].name);
	*stub.ret = 40;
	move_at(form, h, 100, 100);
	hear();
	ok(covers(conn, dir, 100, 40), "%s: of a partial call only what was moved",
	   forms[form].name);
	*stub.ret = 0;
	move_at(form, h, 140, 60);
	hear();
	ok(covers(conn, dir, 140, 60), "%s: and its retry goes on there", forms[form].name);
}

static void test_nested(void)
{
	static const struct {
		unsigned form;
		int nest;
		const char *name;
	} rows[] = {
		{1, 1, "SSL_write_ex in SSL_write_ex2"},
		{1, 2, "SSL_write_ex in SSL_write_ex2 in SSL_write"},
		{2, 2, "SSL_write_ex2 in SSL_write"},
		{4, 1, "SSL_read_ex in SSL_read"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		void *h = client();
		uint64_t conn;
		bool once;

		*stub.nest = rows[i].nest;
		move_at(rows[i].form, h, 0, 5000);
		hear();
		conn = last_conn();
		once = covers(conn, forms[rows[i].form].dir, 0, 5000);
		move_at(rows[i].form, h, 5000, 77);
		hear();
		ok(once && covers(conn, forms[rows[i].form].dir, 5000, 77), "%s: counted once",
		   rows[i].name);
		*stub.nest = 0;
	}
}

static void test_directions(void)
{
	void *h = client(), *other = client();
	uint64_t conn;

	move_at(0, h, 0, 10);
	hear();
	conn = last_conn();
	move_at(3, h, 0, 20);
	hear();
	ok(covers(conn, EVENT_READ, 0, 20), "reads and writes have offsets of their own");
	move_at(0, other, 0, 5);
	hear();
	ok(last_conn() != conn && covers(last_conn(), EVENT_WRITE, 0, 5),
	   "and so has another handle");
}

/* --- connections ----------------------------------------------------------------------------------- */

static void test_begin_and_end(void)
{
	void *h = handle();
	uint64_t one, two;

	move_at(0, h, 0, 10);
	hear();
	one = last_conn();
	ok(one && first(EVENT_DATA)->flags & EVENT_F_LATE, "a handle without a handshake is late");
	stub.free(h);
	hear();
	ok(count(EVENT_CLOSE) == 1 && seen[0].conn == one, "SSL_free tells the end");
	stub.free(h);
	ok(hear() == 0, "once");
	stub.connect_state(h);
	move_at(0, h, 0, 10);
	hear();
	two = last_conn();
	ok(two && two != one && covers(two, EVENT_WRITE, 0, 10),
	   "a handle at the same address is a new connection");
	ok(!(first(EVENT_DATA)->flags & (EVENT_F_LATE | EVENT_F_SERVER)),
	   "which is neither late nor a server's");
	stub.clear(h);
	hear();
	ok(count(EVENT_CLOSE) == 1 && seen[0].conn == two, "SSL_clear of a used handle is its end");
	move_at(0, h, 0, 10);
	hear();
	ok(last_conn() != two && covers(last_conn(), EVENT_WRITE, 0, 10), "and a new beginning");
	h = handle();
	stub.accept_state(h);
	move_at(3, h, 0, 10);
	hear();
	ok(first(EVENT_DATA) &&
		   (first(EVENT_DATA)->flags & (EVENT_F_LATE | EVENT_F_SERVER)) == EVENT_F_SERVER,
	   "a handle that accepts is a server's");
	h = handle();
	stub.accept(h);
	move_at(3, h, 0, 10);
	hear();
	ok(first(EVENT_DATA) && first(EVENT_DATA)->flags & EVENT_F_SERVER,
	   "SSL_accept says so too");
}

static void test_name(void)
{
	void *h = handle();
	uint64_t conn;

	stub.ctrl(h, 55, 0, "api.example.com");
	hear();
	conn = last_conn();
	ok(count(EVENT_HOST) == 1 && !strcmp(seen[0].text, "api.example.com"),
	   "the server's name is told");
	stub.clear(h); /* as every handshake of OpenSSL begins */
	ok(hear() == 0, "a clear before the first byte ends nothing");
	stub.connect(h);
	move_at(0, h, 0, 10);
	hear();
	ok(covers(conn, EVENT_WRITE, 0, 10), "and the bytes are of the connection with the name");
	stub.ctrl(h, 54, 0, "not a name");
	ok(hear() == 0, "other commands of SSL_ctrl tell nothing");
}

static void ignore(uint64_t conn)
{
	struct verdict_slot *v = &verdicts[conn & (VERDICT_SLOTS - 1)];

	v->conn = conn;
	v->verdict = VERDICT_IGNORE;
}

static void test_ignore(void)
{
	void *h = client(), *other = client();
	uint64_t one, two;

	move_at(0, h, 0, 10);
	move_at(0, other, 0, 10);
	hear();
	one = seen[0].conn;
	two = seen[1].conn;
	ignore(one);
	for (unsigned f = 0; f < FORMS; f++)
		move_at(f, h, 10, 300);
	ok(hear() == 0, "an ignored connection is silent");
	move_at(0, other, 10, 300);
	hear();
	ok(covers(two, EVENT_WRITE, 10, 300), "another one is not");
	verdicts[two & (VERDICT_SLOTS - 1)] =
		(struct verdict_slot){.conn = two + VERDICT_SLOTS, .verdict = VERDICT_IGNORE};
	move_at(0, other, 310, 300);
	hear();
	ok(covers(two, EVENT_WRITE, 310, 300),
	   "a verdict on another connection of its slot is not on it");
	stub.free(h);
	ok(hear() == 0, "the end of an ignored connection is not told");
	stub.connect_state(h);
	move_at(0, h, 0, 10);
	hear();
	ok(last_conn() != one && covers(last_conn(), EVENT_WRITE, 0, 10),
	   "the next one at its address is heard");
}

static uint64_t told(enum event_dir dir)
{
	uint64_t n = 0;

	hear();
	for (unsigned i = 0; i < seen_n; i++)
		if (seen[i].kind == EVENT_DATA && seen[i].dir == dir)
			n += seen[i].good ? seen[i].size : 1u << 30;
	return n;
}

/* Offsets go on whatever is left out: `good` says that each byte told is that of its place. */
static void test_quiet(void)
{
	const size_t big = 2 * QUIET_TURN;
	void *h = client();
	uint64_t at = 10;
	struct verdict_slot *v;

	move_at(0, h, 0, 10);
	hear();
	v = &verdicts[last_conn() & (VERDICT_SLOTS - 1)];
	v->conn = last_conn();
	v->verdict = VERDICT_QUIET;
	move_at(3, h, 0, QUIET_TURN - 5);
	move_at(3, h, QUIET_TURN - 5, 20);
	ok(told(EVENT_READ) == QUIET_TURN, "quiet: the beginning of what is read is told");
	move_at(4, h, QUIET_TURN + 15, big);
	ok(told(EVENT_READ) == 0, "quiet: and no more of it");
	move_at(1, h, at, 10);
	move_at(4, h, QUIET_TURN + 15 + big, big);
	move_at(3, h, QUIET_TURN + 15 + 2 * big, big);
	ok(told(EVENT_READ) == 2 * big, "quiet: all is told until the write before it was read");
	move_at(3, h, QUIET_TURN + 15 + 3 * big, big);
	ok(told(EVENT_READ) == 0, "quiet: and then no more");
	at += 10;
	move_at(0, h, at, big);
	ok(told(EVENT_WRITE) == big, "quiet: a turn's first write is told");
	move_at(2, h, at + big, big);
	ok(told(EVENT_WRITE) == QUIET_CALL, "quiet: then the beginning of each");
	v->verdict = VERDICT_WATCH;
	move_at(0, h, at + 2 * big, big);
	ok(told(EVENT_WRITE) == big, "no more quiet: all is told");
}

static void test_self(void)
{
	void *h;

	bpf_set_self(b, 6, getpid());
	h = client();
	move_at(0, h, 0, 10);
	ok(hear() == 0, "the agent's own processes are never captured");
	bpf_set_self(b, 6, 0);
}

/* --- processes ------------------------------------------------------------------------------------- */

/* Runs fn in a child and gives its wait status; hears only the child from then on. */
static int in_child(void (*fn)(void *), void *arg, pid_t *ret_pid)
{
	int status = -1;
	pid_t pid;

	hear();
	pid = fork();
	if (!pid) {
		fn(arg);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	only = pid;
	hear();
	/* Behind a record another CPU has not finished nothing is heard yet. */
	for (int i = 0; i < 200 && !first(EVENT_EXIT); i++) {
		usleep(10000);
		while (ring_consume(ring, note, NULL, 1024))
			;
	}
	only = 0;
	*ret_pid = pid;
	return status;
}

static void write_ten(void *h)
{
	move_at(0, h, 0, 10);
}

/* The maps of this process's own skeleton, by name: entries that belong to `tid`. */
static bool in_calls(uint32_t tid)
{
	for (int fd = 3; fd < 256; fd++) {
		struct bpf_map_info info = {};
		uint32_t len = sizeof(info);
		char value[4096];

		if (!bpf_obj_get_info_by_fd(fd, &info, &len) && !strcmp(info.name, "calls") &&
		    info.key_size == 4 && info.value_size <= sizeof(value))
			return !bpf_map_lookup_elem(fd, &tid, value);
	}
	die("map calls", ENOENT);
	return false;
}

static void test_fork(void)
{
	void *h = client();
	uint64_t conn;
	pid_t pid;

	move_at(0, h, 0, 10);
	hear();
	conn = last_conn();
	ok(in_calls(getpid()), "a thread that was in a call is known");
	in_child(write_ten, h, &pid);
	ok(first(EVENT_DATA) && first(EVENT_DATA)->conn != conn && first(EVENT_DATA)->good &&
		   first(EVENT_DATA)->offset == 0 && first(EVENT_DATA)->flags & EVENT_F_LATE,
	   "the same handle in a child is another connection, and late");
	ok(!in_calls(pid), "and not known after its end");
	move_at(0, h, 10, 10);
	hear();
	ok(covers(conn, EVENT_WRITE, 10, 10), "the parent's goes on");
}

static void exec_true(void *arg)
{
	char *const argv[] = {"true", "--with", "words", NULL};
	char *const env[] = {NULL};

	execve("/bin/true", argv, env);
}

static void exec_nothing(void *arg)
{
	char *const argv[] = {"nothing", NULL};

	execv("/nonexistent", argv);
}

static void *idle(void *p)
{
	return p;
}

static void with_thread(void *arg)
{
	pthread_t t;

	if (!pthread_create(&t, NULL, idle, NULL))
		pthread_join(t, NULL);
}

static void test_processes(void)
{
	static const char argv[] = "true\0--with\0words";
	const struct seen *e, *f, *x;
	struct role_proc self;
	pid_t pid;

	in_child(exec_true, NULL, &pid);
	f = first(EVENT_FORK);
	e = first(EVENT_EXEC);
	x = first(EVENT_EXIT);
	ok(f && f->ppid == (uint32_t)getpid() && f->pid == (uint32_t)pid, "a fork names both");
	ok(e && e->ppid == (uint32_t)getpid() && e->uid == geteuid() &&
		   !strcmp(e->text, "/bin/true"),
	   "an exec names file, parent and user");
	ok(e && !memcmp(e->argv, argv, sizeof(argv)), "and the arguments");
	ok(e && f && x && e->start_ns && e->start_ns == f->start_ns && e->start_ns == x->start_ns,
	   "fork, exec and exit give the same start");
	ok(f < e && e < x && count(EVENT_EXIT) == 1, "in this order, the exit once");
	in_child(exec_nothing, NULL, &pid);
	ok(!first(EVENT_EXEC) && count(EVENT_EXIT) == 1, "an exec that failed is none");
	for (int i = 0; i < 100 && (!i || (count(EVENT_FORK) == 1 && count(EVENT_EXIT) == 1)); i++)
		in_child(with_thread, NULL, &pid); /* two may end at once */
	if (!ok(count(EVENT_FORK) == 1 && count(EVENT_EXIT) == 1, "threads are not processes"))
		for (unsigned i = 0; i < seen_n; i++)
			printf("# kind %u, pid %u, thread %u, start %llu\n", seen[i].kind,
			       seen[i].pid, seen[i].tid, (unsigned long long)seen[i].start_ns);
	move_at(0, client(), 0, 1);
	hear();
	ok(first(EVENT_DATA) && !procinfo_read(getpid(), &self) &&
		   first(EVENT_DATA)->start_ns / 10000000 == self.start_ns / 10000000 &&
		   first(EVENT_DATA)->tid == (uint32_t)gettid(),
	   "a record's start is the one in /proc");
}

/* --- a full ring ----------------------------------------------------------------------------------- */

static void test_full_ring(void)
{
	const size_t n = 1 << 20;
	uint64_t before[DROP__MAX], sent = 0, got = 0, next = 0, gaps = 0;
	void *h = client();
	bool right = true;

	hear();
	bpf_drops(b, before);
	for (; sent * n < 48u << 20; sent++) /* the ring holds less than 32 MiB */
		move_at(0, h, sent * n, n);
	hear();
	for (unsigned i = 0; i < seen_n; i++) {
		if (seen[i].kind != EVENT_DATA)
			continue;
		right &= seen[i].good && seen[i].offset >= next && seen[i].size == CHUNK;
		gaps += (seen[i].offset - next) / CHUNK;
		next = seen[i].offset + CHUNK;
		got++;
	}
	gaps += (sent * n - next) / CHUNK;
	ok(right && got > 0 && gaps > 0, "what a full ring has room for is good");
	ok(got + gaps == sent * n / CHUNK && drops(DROP_RING_FULL) >= before[DROP_RING_FULL] + gaps,
	   "each chunk is there or a gap, and each gap is counted (%llu there, %llu not)",
	   (unsigned long long)got, (unsigned long long)gaps);
	move_at(0, h, sent * n, 10);
	hear();
	ok(covers(last_conn(), EVENT_WRITE, sent * n, 10),
	   "with room again it goes on behind the gap");
}

static void test_unreadable(void)
{
	void *h = client();
	uint64_t conn, faults = drops(DROP_READ_FAULT);

	move_at(0, h, 0, 10);
	hear();
	conn = last_conn();
	stub.write(h, (void *)8, 10);
	ok(hear() == 0 && drops(DROP_READ_FAULT) == faults + 1,
	   "bytes that cannot be read are counted");
	move_at(0, h, 20, 10);
	hear();
	ok(covers(conn, EVENT_WRITE, 20, 10), "and are a gap");
}

/* --- rules in the kernel ---------------------------------------------------------------------------- */

struct attempt {
	const char *host;
	void *h;
	uid_t uid;
	bool ex;
};

static void attempt(void *arg)
{
	struct attempt *a = arg;

	if (a->uid && (setgid(a->uid) || setuid(a->uid)))
		_exit(99);
	stub.ctrl(a->h, 55, 0, (void *)a->host);
	stub.clear(a->h);
	stub.connect(a->h);
	move_at(a->ex ? 1 : 0, a->h, 0, 700);
}

static int try_host(const char *host, uid_t uid, bool ex)
{
	struct attempt a = {.host = host, .h = handle(), .uid = uid, .ex = ex};
	pid_t pid;

	return in_child(attempt, &a, &pid);
}

static bool was_killed(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static void put_rules(uint64_t generation, uint64_t any_tool, uint64_t any_user)
{
	static struct {
		struct role_krules k;
		struct role_krule_host host[5];
		struct role_krule_user user[1];
	} m = {
		.k = {.hosts = 5, .users = 1},
		.host = {{1, "api.openai.com"},
			 {1, "*.example.com"},
			 {4, "*.deep.example.com"},
			 {2, "user.test"},
			 {1, "*.Mixed.Case.test"}},
		.user = {{2, "nobody"}},
	};
	int r;

	m.k.generation = generation;
	m.k.any_tool = any_tool;
	m.k.any_user = any_user;
	m.k.all = 7;
	r = bpf_set_krules(b, &m.k, &(struct krule_do){}, m.host, m.user);
	if (r)
		die("bpf_set_krules", r);
}

static void test_hosts(void)
{
	static const struct {
		const char *host;
		bool killed;
		const char *why;
	} rows[] = {
		{"api.openai.com", true, "exact"},
		{"API.OpenAI.Com", true, "case does not matter"},
		{"api.openai.com.", true, "a final dot is no other name"},
		{"x.api.openai.com", false, "an exact name has no names below it"},
		{"openai.com", false, "nor above it"},
		{"evilapi.openai.com", false, "nor longer labels"},
		{"api.openai.com.evil", false, "nor names behind it"},
		{"a.example.com", true, "below a suffix"},
		{"b.a.example.com", true, "at any depth"},
		{"A.EXAMPLE.COM", true, "in any case"},
		{"example.com", false, "a suffix is not its own name"},
		{"evilexample.com", false, "a suffix ends at a dot"},
		{".example.com", true, "an empty label is below"},
		{"deep.example.com", true, "a name that is a longer suffix's is below the shorter"},
		{"x.deep.example.com", false, "the longest match counts alone"},
		{"h.mixed.case.test", true, "patterns may have any case"},
		{"api.anthropic.com", false, "no rule"},
		{"", false, "no name"},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
		 "bbbbbbbbbbb.example.com",
		 true, "a long name"},
	};

	put_rules(1, 3, 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int status = try_host(rows[i].host, 0, i % 2);

		ok(was_killed(status) == rows[i].killed && (rows[i].killed || status == 0),
		   "kernel rule: \"%.40s\" %s: %s", rows[i].host,
		   rows[i].killed ? "killed" : "lives", rows[i].why);
		if (!rows[i].killed)
			continue;
		if (!ok(first(EVENT_KILL) && first(EVENT_KILL)->rules == 1 &&
				first(EVENT_KILL)->bytes == 700 && first(EVENT_KILL)->policy == 1,
			"and the kill names rule, size and policy"))
			continue;
		ok(count(EVENT_DATA) == 1 && first(EVENT_DATA)->flags & EVENT_F_REFUSED &&
			   first(EVENT_DATA)->size == 700 && first(EVENT_DATA)->good &&
			   first(EVENT_DATA)->conn == first(EVENT_KILL)->conn,
		   "and the bytes come once, as refused");
	}
}

static void test_users_and_tools(void)
{
	struct passwd *nobody = getpwnam("nobody");
	struct role_tool t = {.pid = getpid(), .rules = 4};
	struct role_proc self;

	if (!nobody || procinfo_read(getpid(), &self))
		die("user nobody", ENOENT);
	t.start_ns = self.start_ns;
	ok(try_host("user.test", 0, false) == 0, "a rule of another user does not kill root");
	ok(was_killed(try_host("user.test", nobody->pw_uid, false)), "it kills its user");
	ok(first(EVENT_KILL) && first(EVENT_KILL)->rules == 2, "by that rule");
	put_rules(2, 3, 5);
	ok(try_host("x.deep.example.com", 0, false) == 0, "a rule of a tool does not kill others");
	t.generation = 2;
	bpf_set_tool(b, &t);
	ok(was_killed(try_host("x.deep.example.com", 0, false)),
	   "it kills the tool and its children");
	t.rules = 0;
	bpf_set_tool(b, &t);
	ok(try_host("x.deep.example.com", 0, false) == 0, "until the tool is told to have none");
}

static void test_rules_change(void)
{
	struct role_krules none = {.generation = 3};
	void *h = handle();

	put_rules(4, 3, 1);
	stub.ctrl(h, 55, 0, "a.example.com");
	none.generation = 5;
	if (bpf_set_krules(b, &none, &(struct krule_do){}, NULL, NULL))
		die("bpf_set_krules", EINVAL);
	move_at(0, h, 0, 10);
	hear();
	ok(count(EVENT_DATA) == 1 && !(first(EVENT_DATA)->flags & EVENT_F_REFUSED),
	   "rules taken back kill nobody, not even on a connection named before");
	ok(try_host("api.openai.com", 0, false) == 0, "and nobody later");
}

/* --- the real library -------------------------------------------------------------------------------- */

static const size_t real_sizes[] = {1, 511, 512, 513, 4097, 16384, 16385, 65537, 1 << 20, 3 << 20};
#define REAL_SIZES (sizeof(real_sizes) / sizeof(real_sizes[0]))

static SSL *tls(SSL_CTX *ctx, int fd, bool server)
{
	SSL *s = SSL_new(ctx);

	SSL_set_fd(s, fd);
	if (server)
		SSL_set_accept_state(s);
	else
		SSL_set_connect_state(s);
	return s;
}

static void *serve(void *p)
{
	static uint8_t in[1 << 20];
	size_t n, all = 0;

	while (SSL_read_ex(p, in, sizeof(in), &n))
		all += n;
	SSL_free(p);
	return (void *)all;
}

/* Anonymous key exchange: no certificate is needed to see the probes at work. */
static SSL_CTX *real_ctx(const SSL_METHOD *m)
{
	SSL_CTX *c = SSL_CTX_new(m);

	if (!c || !SSL_CTX_set_max_proto_version(c, TLS1_2_VERSION) ||
	    !SSL_CTX_set_cipher_list(c, "AECDH-AES256-SHA@SECLEVEL=0:@SECLEVEL=0"))
		die("TLS context", EINVAL);
	return c;
}

static bool whole(uint64_t conn, uint8_t dir, uint64_t all)
{
	uint64_t next = 0;

	for (unsigned i = 0; i < seen_n; i++)
		if (seen[i].kind == EVENT_DATA && seen[i].conn == conn && seen[i].dir == dir) {
			if (!seen[i].good || seen[i].offset != next)
				return false;
			next += seen[i].size;
		}
	return next == all;
}

static void test_real(void)
{
	SSL_CTX *cc = real_ctx(TLS_client_method()), *sc = real_ctx(TLS_server_method());
	uint64_t all = 0, before[DROP__MAX], theirs = 0;
	const struct seen *out, *in = NULL;
	pthread_t thread;
	void *sum = NULL;
	int fds[2];
	SSL *c, *s;

	hear();
	bpf_drops(b, before);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
		die("socketpair", errno);
	c = tls(cc, fds[0], false);
	s = tls(sc, fds[1], true);
	SSL_set_tlsext_host_name(c, "real.example.com");
	if (pthread_create(&thread, NULL, serve, s))
		die("pthread_create", errno);
	for (size_t i = 0; i < REAL_SIZES; i++) {
		size_t n = real_sizes[i], done = 0;

		fill(data, all, n);
		if (i % 2 ? !SSL_write_ex(c, data, n, &done) : SSL_write(c, data, n) != (int)n)
			die("SSL_write", EIO);
		all += n;
	}
	SSL_shutdown(c);
	SSL_free(c);
	pthread_join(thread, &sum);
	hear();
	out = first(EVENT_HOST);
	for (unsigned i = 0; i < seen_n; i++)
		if (seen[i].kind == EVENT_DATA && seen[i].dir == EVENT_READ)
			in = &seen[i];
	ok((uint64_t)sum == all, "libssl: the server got all");
	ok(out && !strcmp(out->text, "real.example.com"), "libssl: the name");
	ok(out && whole(out->conn, EVENT_WRITE, all), "libssl: all that was written, in order");
	theirs = in ? in->conn : 0;
	ok(in && theirs != out->conn && in->flags & EVENT_F_SERVER &&
		   whole(theirs, EVENT_READ, all),
	   "libssl: all that was read, by a server");
	ok(count(EVENT_CLOSE) == 2, "libssl: both ends");
	ok(no_drops_since(before, -1), "libssl: without a drop");
	SSL_CTX_free(cc);
	SSL_CTX_free(sc);
}

/* --- beginning and end ------------------------------------------------------------------------------- */

static void *load_stub(const char *path)
{
	void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	if (!lib)
		die(dlerror(), ENOENT);
	stub.ret = symbol(lib, "stub_ret");
	stub.nest = symbol(lib, "stub_nest");
	stub.write = symbol(lib, "SSL_write");
	stub.write_ex = symbol(lib, "SSL_write_ex");
	stub.write_ex2 = symbol(lib, "SSL_write_ex2");
	stub.read = symbol(lib, "SSL_read");
	stub.read_ex = symbol(lib, "SSL_read_ex");
	stub.handshake = symbol(lib, "SSL_do_handshake");
	stub.connect = symbol(lib, "SSL_connect");
	stub.accept = symbol(lib, "SSL_accept");
	stub.clear = symbol(lib, "SSL_clear");
	stub.connect_state = symbol(lib, "SSL_set_connect_state");
	stub.accept_state = symbol(lib, "SSL_set_accept_state");
	stub.free = symbol(lib, "SSL_free");
	stub.ctrl = symbol(lib, "SSL_ctrl");
	return lib;
}

/* What is probed in a libssl. */
static const struct {
	const char *name;
	uint64_t site;
	bool returns;
} functions[] = {
	{"SSL_write", TLS_WRITE, true},
	{"SSL_write_ex", TLS_WRITE_EX, true},
	{"SSL_write_ex2", TLS_WRITE_EX2, true},
	{"SSL_read", TLS_READ, true},
	{"SSL_read_ex", TLS_READ_EX, true},
	{"SSL_do_handshake", TLS_HANDSHAKE, false},
	{"SSL_connect", TLS_HANDSHAKE, false},
	{"SSL_accept", TLS_ACCEPT, false},
	{"SSL_set_connect_state", TLS_CLIENT, false},
	{"SSL_set_accept_state", TLS_SERVER, false},
	{"SSL_free", TLS_FREE, false},
	{"SSL_clear", TLS_CLEAR, false},
	{"SSL_ctrl", TLS_CTRL, false},
};

static struct links *probe(void *lib)
{
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		if (dlsym(lib, functions[i].name))
			add_function(lib, functions[i].name, functions[i].site,
				     functions[i].returns ? TLS_RETURN : 0);
	return attach(0);
}

int main(int argc, char **argv)
{
	struct links *ours, *theirs;
	void *lib;

	if (argc != 2)
		return 2;
	if (geteuid() != 0) {
		printf("ok 1 - BPF programs # SKIP needs root\n1..1\n");
		return 0;
	}
	lib = load_stub(argv[1]);
	rig_open(RING);
	data = malloc(BPF_CALL_MAX + CHUNK);
	verdicts = mmap(NULL, VERDICT_SLOTS * sizeof(*verdicts), PROT_READ | PROT_WRITE, MAP_SHARED,
			bpf_verdicts_fd(b), 0);
	if (verdicts == MAP_FAILED)
		die("verdicts", errno);
	ours = probe(lib);

	for (unsigned f = 0; f < FORMS; f++) {
		test_sizes(f);
		test_too_large(f);
		test_results(f);
	}
	test_nested();
	test_directions();
	test_begin_and_end();
	test_name();
	test_ignore();
	test_quiet();
	test_self();
	test_fork();
	test_processes();
	test_full_ring();
	test_unreadable();
	test_hosts();
	test_users_and_tools();
	test_rules_change();
	theirs = probe(dlopen("libssl.so.3", RTLD_NOW));
	test_real();

	links_close(ours);
	links_close(theirs);
	move_at(0, client(), 0, 10);
	ok(hear() == 0, "without probes nothing is told");
	ring_free(ring);
	bpf_close(b);
	free(data);
	printf("1..%u\n", cases);
	return failed > 0;
}
