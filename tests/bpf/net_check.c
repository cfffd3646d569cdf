// SPDX-License-Identifier: Apache-2.0
/*
 * The network programs at the cgroup root, with real sockets: what is told of a client's connection
 * is compared with what its server saw, byte by byte; what a hold does is seen from both ends.
 *
 * usage: net_check. TAP. As root; needs cgroup BPF, and openssl, curl and python3 as clients.
 *
 * Long because it is mostly rows: cases that share one rig stay in one file.
 */
#include "net_rig.h"

#include <linux/if_tun.h>

#include "agent/net.h"
#include "agent/procinfo.h"
#include "flow/clienthello.h"
#include "flow/serverhello.h"

#define HOLD_MS 800
#define HOLD_DROPS 3
#define RING (8 << 20)

static struct server *tls, *tls6, *http, *http6, *sink, *proxy, *socks;

static uint64_t start_of(pid_t pid)
{
	struct role_proc p;

	return procinfo_read(pid, &p) ? 0 : p.start_ns;
}

static void set_mark(pid_t pid, uint64_t start_ns, enum probe_state s)
{
	struct proc_mark m = {.ticks = start_ns / KRULE_TICK_NS, .until = UINT64_MAX, .probes = s};
	uint32_t key = pid;

	bpf_map_lookup_elem(bpf_execs_fd(b), &key, &m.exec);
	if (bpf_map_update_elem(bpf_marks_fd(b), &key, &m, BPF_ANY))
		die("mark", errno);
}

/* --- hellos --------------------------------------------------------------------------------------- */

static void check_hello(const char *who, const struct server *v, const char *sni, uint16_t version)
{
	struct told *t = &told[0];
	struct clienthello h = {0};
	struct serverhello a = {0};
	size_t n = t->s[0].end, m = t->s[1].end;
	enum serverhello_answer answer;

	if (!ok(told_n == 1 && t->hellos[0] && t->hellos[1] && !t->conns && !t->data[0],
		"%s: one connection, its hello and the answer, no more", who))
		return;
	ok(n && v->in_n - v->tls_in >= n && same(&t->s[0], v->in + v->tls_in, n) && once(&t->s[0]),
	   "%s: the %zu bytes are the server's first", who, n);
	ok(clienthello_parse(t->s[0].bytes, n, &h) == CLIENTHELLO_OK && !strcmp(h.sni, sni),
	   "%s: they are the whole message, for \"%s\"", who, sni);
	ok(m >= 64 && same(&t->s[1], v->out + v->tls_out, m),
	   "%s: the answer's %zu bytes are what the server wrote", who, m);
	answer = serverhello_parse(t->s[1].bytes, m, &a);
	ok(answer == SERVERHELLO_OK && a.version == version && a.cipher && !a.retry,
	   "%s: which is version %x, cipher %x", who, a.version, a.cipher);
	ok(t->pid == (uint32_t)only && t->cookie && t->peer.port == v->port && t->local.port,
	   "%s: owner, socket, peer port", who);
}

static void test_tools(void)
{
	static const struct {
		const char *name, *cmd, *sni;
		bool six;
		uint16_t version;
	} rows[] = {
		{"openssl", "exec openssl s_client -connect 127.0.0.1:%u -servername api.a.example",
		 "api.a.example", false, 0x304},
		{"openssl, TLS 1.2, IPv6",
		 "exec openssl s_client -connect [::1]:%u -servername b.example -tls1_2",
		 "b.example", true, 0x303},
		{"curl", "exec curl -skm2 --connect-to c.example::127.0.0.1:%u https://c.example/",
		 "c.example", false, 0x304},
		{"python, mapped IPv4",
		 "exec python3 -c 'import socket,ssl;c=ssl._create_unverified_context();"
		 "s=socket.socket(socket.AF_INET6);s.connect((\"::ffff:127.0.0.1\",%u));"
		 "c.wrap_socket(s,server_hostname=\"d.example\").close()'",
		 "d.example", false, 0x304},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct server *v = rows[i].six ? tls6 : tls;
		char cmd[512];

		snprintf(cmd, sizeof(cmd), rows[i].cmd, v->port);
		if (run(exec_shell, cmd) == 127)
			printf("ok %u - %s: # SKIP not installed\n", ++cases, rows[i].name);
		else
			check_hello(rows[i].name, v, rows[i].sni, rows[i].version);
	}
}

static uint8_t hello[8192]; /* one that OpenSSL writes */
static size_t hello_n;

static void make_hello(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());

	SSL_set_tlsext_host_name(ssl, "hello.example");
	SSL_set_bio(ssl, in, out);
	SSL_set_connect_state(ssl);
	SSL_do_handshake(ssl);
	hello_n = BIO_read(out, hello, sizeof(hello));
	SSL_free(ssl);
	SSL_CTX_free(ctx);
}

struct words { /* said one after another, each answered by `answer` bytes, then the hello */
	const char *before[3];
	size_t n[3], answer[3];
	size_t piece; /* the hello in pieces of so many bytes; 0 = whole */
	const char *addr;
	uint16_t port;
	bool wait; /* for an answer to the hello */
};

static void speak(void *ctx)
{
	struct words *w = ctx;
	int fd = dial(w->addr, w->port);
	char buf[4096];

	for (int i = 0; i < 3 && w->n[i]; i++) {
		say(fd, w->before[i], w->n[i]);
		for (size_t got = 0; got < w->answer[i];) {
			ssize_t r = recv(fd, buf, w->answer[i] - got, 0);

			if (r <= 0)
				_exit(105);
			got += r;
		}
	}
	for (size_t at = 0, n; at < hello_n; at += n) {
		n = w->piece && w->piece < hello_n - at ? w->piece : hello_n - at;
		say(fd, hello + at, n);
		if (w->piece)
			usleep(2000);
	}
	if (w->wait && recv(fd, buf, sizeof(buf), 0) <= 0)
		_exit(106);
	close(fd);
}

static void test_ways(void)
{
	static char connect_line[] = "CONNECT x.example:443 HTTP/1.1\r\nHost: x.example\r\n\r\n";
	struct {
		const char *name;
		struct server *v;
		struct words w;
	} rows[] = {
		{"in pieces of 100", tls, {.piece = 100}},
		{"in pieces of 7", tls, {.piece = 7}},
		{"after CONNECT",
		 proxy,
		 {.before = {connect_line}, .n = {sizeof(connect_line) - 1}, .answer = {39}}},
		{"after SOCKS",
		 socks,
		 {.before = {"\5\1", "\0", "\5\1\0\1\x7f\0\0\1\1\xbb"},
		  .n = {2, 1, 10},
		  .answer = {0, 2, 10}}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		rows[i].w.addr = "127.0.0.1";
		rows[i].w.port = rows[i].v->port;
		rows[i].w.wait = true;
		ok(!run(speak, &rows[i].w), "a hello %s: the client is answered", rows[i].name);
		check_hello(rows[i].name, rows[i].v, "hello.example", 0x304);
	}
}

/* --- hold ----------------------------------------------------------------------------------------- */

struct held {
	double sent_ms, said_ms, answered_ms; /* when, as the client saw it */
	int error;
};

/* Says a hello, and how that went. */
static void speak_held(void *ctx)
{
	struct held *h = ctx;
	int fd = dial("127.0.0.1", tls->port);
	char buf[4096];
	ssize_t n;

	h->sent_ms = now_ms();
	n = send(fd, hello, hello_n, 0);
	h->said_ms = now_ms();
	h->error = n != (ssize_t)hello_n ? errno ?: -1 : 0;
	if (recv(fd, buf, sizeof(buf), 0) <= 0)
		h->error = errno ?: -1;
	h->answered_ms = now_ms();
	n = sizeof(h->error);
	close(fd);
}

static void hear_for(double ms)
{
	for (double end = now_ms() + ms; now_ms() < end; usleep(500))
		hear();
}

static void test_not_held(struct held *h)
{
	static const struct {
		const char *name;
		int state; /* -1 = no mark */
		uint32_t hold_ms;
	} rows[] = {
		{"probes in place", PROBES_IN_PLACE, HOLD_MS},
		{"nothing to probe", PROBES_NONE, HOLD_MS},
		{"holding off", -1, 0},
		{"a bound below TCP's timer", PROBES_COMING, 150},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		pid_t pid = start(speak_held, h);
		int r;

		bpf_set_hold(b, rows[i].hold_ms, HOLD_DROPS);
		if (rows[i].state >= 0)
			set_mark(pid, start_of(pid), rows[i].state);
		go();
		r = finish(pid);
		ok(!r && !h->error && told_n == 1 && !(told[0].flags & EVENT_F_HELD) && !notes,
		   "%s: not held, answered after %.2f ms", rows[i].name,
		   h->answered_ms - h->sent_ms);
	}
}

/* Held until the mark says so, 100 ms later, with and without a push. */
static void test_released(struct held *h, bool push, enum probe_state before)
{
	pid_t pid = start(speak_held, h);
	double marked;
	int pushed = 0, r;

	bpf_set_hold(b, HOLD_MS, HOLD_DROPS);
	if (before != PROBES_UNKNOWN)
		set_mark(pid, start_of(pid), before);
	tls->in_n = 0;
	go();
	hear_for(100);
	ok(!tls->in_n && told_n == 1 && told[0].flags & EVENT_F_HELD && told[0].hellos[0] == 1,
	   "state %u: held after 100 ms, and told", before);
	ok(notes == 1 && note_conn == told[0].cookie, "the keeper is told once, with the socket");
	set_mark(pid, start_of(pid), PROBES_IN_PLACE);
	marked = now_ms();
	if (push)
		pushed = net_release(pid);
	r = finish(pid);
	ok(!r && !h->error && h->said_ms - h->sent_ms < 50,
	   "the client sees no error, its send returns after %.2f ms", h->said_ms - h->sent_ms);
	ok(tls->first_ms - marked < (push ? 50 : HOLD_MS) && tls->first_ms >= marked - 1 &&
		   pushed == push,
	   "%s the server has it %.2f ms after the mark, %.2f ms after it was sent",
	   push ? "pushed:" : "by TCP's timer:", tls->first_ms - marked,
	   tls->first_ms - h->sent_ms);
	ok(told[0].hellos[0] == 1 && same(&told[0].s[0], tls->in, told[0].s[0].end),
	   "told once, and complete");
}

static void test_bound(struct held *h)
{
	uint64_t expired = net_count_of("expired");
	double waited;
	pid_t pid = start(speak_held, h);

	set_mark(pid, start_of(pid), PROBES_COMING);
	go();
	ok(!finish(pid) && !h->error, "never marked: the client is answered all the same");
	waited = tls->first_ms - h->sent_ms;
	ok(waited > 190 && waited < HOLD_MS + 20, "let go within the bound: after %.0f ms", waited);
	ok(net_count_of("expired") > expired, "and counted");
}

static void test_other_instance(struct held *h)
{
	pid_t pid = start(speak_held, h);

	set_mark(pid, start_of(pid) - 5000000000ull, PROBES_IN_PLACE);
	tls->in_n = 0;
	go();
	hear_for(50);
	ok(!tls->in_n && told_n == 1 && told[0].flags & EVENT_F_HELD,
	   "the mark of an older process with its number counts for nothing");
	set_mark(pid, start_of(pid), PROBES_NONE);
	net_release(pid);
	ok(!finish(pid) && !h->error, "and is let go by its own");
}

static void test_held_tools(void)
{
	static const char *const names[] = {"openssl", "curl", "python3"};
	static const char *const cmds[] = {
		"exec openssl s_client -connect 127.0.0.1:%u -servername t.example",
		"exec curl -skm3 https://127.0.0.1:%u/",
		"exec python3 -c 'import socket,ssl;c=ssl._create_unverified_context();"
		"c.wrap_socket(socket.create_connection((\"127.0.0.1\",%u)),"
		"server_hostname=\"t.example\").close()'",
	};

	for (size_t i = 0; i < ARRAY_SIZE(cmds); i++) {
		char cmd[512];
		pid_t pid;
		int r;

		snprintf(cmd, sizeof(cmd), cmds[i], tls->port);
		pid = start(exec_shell, cmd);
		go();
		for (double end = now_ms() + 5000; !notes && now_ms() < end;)
			hear_for(1);
		hear_for(30);
		set_mark(pid, start_of(pid), PROBES_IN_PLACE);
		net_release(pid);
		r = finish(pid);
		if (r == 127) {
			printf("ok %u - %s: # SKIP not installed\n", ++cases, names[i]);
			continue;
		}
		ok(told_n == 1 && told[0].flags & EVENT_F_HELD && told[0].hellos[1] &&
			   (r == 0 || (i == 1 && (r == 28 || r == 52))),
		   "%s held for 30 ms shakes hands and ends as ever (%d)", names[i], r);
	}
}

static void test_holds(void)
{
	struct held *h =
		mmap(NULL, sizeof(*h), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct words pieces = {.addr = "127.0.0.1", .port = tls->port, .piece = 100, .wait = true};

	test_not_held(h);
	test_released(h, true, PROBES_COMING);
	test_released(h, true, PROBES_UNKNOWN);
	test_released(h, true, PROBES_REMOVED);
	test_released(h, false, PROBES_COMING);
	test_bound(h);
	test_other_instance(h);
	test_held_tools();
	ok(!run(speak, &pieces) && same(&told[0].s[0], tls->in, told[0].s[0].end) &&
		   told[0].flags & EVENT_F_HELD && told[0].s[0].end == hello_n,
	   "held in pieces: whole on both sides");
	bpf_set_hold(b, 0, 0);
	munmap(h, sizeof(*h));
}

/* --- the packet programs' coming and going -------------------------------------------------------- */

static void dial_timed(void *ctx)
{
	struct held *h = ctx;

	h->sent_ms = now_ms();
	close(dial("127.0.0.1", tls->port));
	h->said_ms = now_ms();
}

static void test_idle(void)
{
	struct held *h =
		mmap(NULL, sizeof(*h), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct words w = {.addr = "127.0.0.1", .port = tls->port, .wait = true};
	uint64_t wakes, late = net_count_of("late");
	unsigned gone = 0;

	hear_for(2200);
	wakes = net_count_of("wakes");
	run(dial_timed, h);
	printf("# a connect that waits for the packet programs: %.2f ms\n",
	       h->said_ms - h->sent_ms);
	run(dial_timed, h);
	printf("# one that does not: %.2f ms\n", h->said_ms - h->sent_ms);
	if (net_count_of("wakes") == wakes) {
		printf("ok %u - packet programs go when nobody needs them # SKIP always there\n",
		       ++cases);
		return;
	}
	ok(net_count_of("wakes") == wakes + 1,
	   "idle: the next connect asks for the programs, once");
	for (int i = 0; i < 3; i++) {
		hear_for(2200);
		wakes = net_count_of("wakes");
		ok(!run(speak, &w) && told_n == 1 && same(&told[0].s[0], tls->in, hello_n) &&
			   told[0].hellos[1],
		   "idle: the hello of the first connection is not missed, nor its answer");
		gone += net_count_of("wakes") > wakes;
	}
	ok(gone, "the programs had gone before it, %u times of 3", gone);
	printf("# late for %llu connects\n", (unsigned long long)(net_count_of("late") - late));
	munmap(h, sizeof(*h));
}

/* --- clear HTTP ------------------------------------------------------------------------------------ */

struct talk {
	const char *addr;
	uint16_t port;
	size_t body, reply;
	unsigned rounds;
};

static void talk(void *ctx)
{
	struct talk *t = ctx;
	int fd = dial(t->addr, t->port);
	uint8_t *body = malloc(t->body + 1);
	char head[128], buf[65536];

	for (size_t i = 0; i < t->body; i++)
		body[i] = byte_at(i + 3);
	for (unsigned i = 0; i < t->rounds; i++) {
		size_t got = 0, want = 0;

		snprintf(head, sizeof(head),
			 "POST /api/chat HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n",
			 t->body);
		say(fd, head, strlen(head));
		say(fd, body, t->body);
		while (!want || got < want) {
			ssize_t r = recv(fd, buf, sizeof(buf), 0);
			char *end;

			if (r <= 0)
				_exit(107);
			end = want ? NULL : memmem(buf, r, "\r\n\r\n", 4);
			if (end)
				want = end + 4 - buf + t->reply;
			got += r;
		}
	}
	close(fd);
}

static void check_clear(const char *who, struct server *v)
{
	struct told *t = &told[0];

	if (!ok(told_n == 1 && t->conns == 1 && !t->data_first && t->closes == 1,
		"%s: one connection, told before its data, and its end", who))
		return;
	ok(same(&t->s[0], v->in, v->in_n), "%s: the %zu bytes to the server are told", who,
	   v->in_n);
	ok(same(&t->s[1], v->out, v->out_n), "%s: the %zu bytes from it are told", who, v->out_n);
	ok(once(&t->s[0]) && once(&t->s[1]), "%s: each once, in %u and %u records", who, t->data[0],
	   t->data[1]);
	ok(t->peer.port == v->port && t->pid == (uint32_t)only && t->conn & CONN_ID_PLAIN,
	   "%s: owner and peer", who);
}

static void test_clear(void)
{
	struct {
		const char *name;
		struct server *v;
		struct talk t;
	} rows[] = {
		{"a small request", http, {"127.0.0.1", 0, 100, 300, 1}},
		{"1 MiB each way", http, {"127.0.0.1", 0, 1 << 20, 1 << 20, 1}},
		{"keep-alive", http, {"127.0.0.1", 0, 70000, 5000, 6}},
		{"IPv6", http6, {"::1", 0, 1 << 20, 100000, 1}},
		{"IPv4 through an IPv6 socket", http, {"::ffff:127.0.0.1", 0, 20000, 20000, 2}},
	};
	char cmd[256];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		rows[i].t.port = rows[i].v->port;
		rows[i].v->reply = rows[i].t.reply;
		ok(!run(talk, &rows[i].t), "%s: the client is served", rows[i].name);
		check_clear(rows[i].name, rows[i].v);
	}
	http->reply = 1 << 20;
	snprintf(cmd, sizeof(cmd),
		 "exec curl -sm5 -o /dev/null http://127.0.0.1:%u/a http://127.0.0.1:%u/b",
		 http->port, http->port);
	ok(!run(exec_shell, cmd), "curl, two files: served");
	check_clear("curl, two files", http);
}

static void speak_often(void *ctx)
{
	int fd = dial("127.0.0.1", sink->port);

	for (int i = 0; i < 10; i++) {
		say(fd, i == 9 ? "GET / HTTP/1.1\r\n\r\n" : "\1hello there", i == 9 ? 18 : 12);
		usleep(1000);
	}
	close(fd);
}

static void test_let_be(void)
{
	struct talk t = {"127.0.0.1", http->port, 60000, 100, 20};
	uint64_t before[DROP__MAX], after[DROP__MAX];
	char cmd[64];
	pid_t pid;
	int r;

	run(speak_often, NULL);
	ok(!told_n && sink->in_n, "a protocol of its own is not told, whatever comes later");
	/* ignored from its first record on: the rest of twenty requests is not told */
	http->reply = 100;
	pid = start(talk, &t);
	go();
	while (!told_n)
		hear();
	verdicts[told[0].conn & (VERDICT_SLOTS - 1)] =
		(struct verdict_slot){.conn = told[0].conn, .verdict = VERDICT_IGNORE};
	r = finish(pid);
	ok(!r && told[0].s[0].end < http->in_n && !told[0].closes,
	   "a connection to be ignored ends: %zu of %zu bytes were told", told[0].s[0].end,
	   (size_t)http->in_n);
	memset(verdicts, 0, VERDICT_SLOTS * sizeof(*verdicts));
	pid = start(talk, &t);
	bpf_set_self(b, 7, pid);
	go();
	ok(!finish(pid) && !told_n, "the agent's own connections are nobody's");
	bpf_set_self(b, 7, 0);
	/* the server's side of all these connections */
	only = getpid();
	forget();
	hear();
	ok(!told_n, "what is accepted is not followed");
	/* nobody reads: what does not fit is a gap that is counted */
	bpf_drops(b, before);
	http->reply = RING + (2 << 20);
	snprintf(cmd, sizeof(cmd), "exec curl -sm5 -o /dev/null http://127.0.0.1:%u/", http->port);
	pid = start(exec_shell, cmd);
	go();
	usleep(1000000);
	finish(pid);
	bpf_drops(b, after);
	ok(told_n == 1 && told[0].s[1].end && after[DROP_RING_FULL] > before[DROP_RING_FULL],
	   "a full ring is counted: %llu times",
	   (unsigned long long)(after[DROP_RING_FULL] - before[DROP_RING_FULL]));
	for (size_t i = 0, bad = 0; i <= told[0].s[1].end; i++) {
		if (i == told[0].s[1].end)
			ok(!bad, "what was told beside the gaps is right");
		else
			bad += told[0].s[1].have[i] && told[0].s[1].bytes[i] != http->out[i];
	}
}

/* --- other network namespaces, and bad networks ------------------------------------------------------- */

static void up(const char *name)
{
	struct ifreq r = {.ifr_flags = IFF_UP | IFF_RUNNING};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	if (ioctl(fd, SIOCSIFFLAGS, &r))
		die(name, errno);
	close(fd);
}

/* A network that mirrors: what is sent to 10.9.0.2 comes back to 10.9.0.1 as if from there, except
 * that every 13th packet is lost, every 17th comes twice and every 7th after the next one. */
static void *mirror(void *ctx)
{
	uint8_t p[2][65536], swap[4];
	int fd = *(int *)ctx, kept = -1, n;

	for (unsigned i = 0; (n = read(fd, p[0], sizeof(p[0]))) > 0;) {
		if (n < 40 || p[0][0] >> 4 != 4)
			continue;
		memcpy(swap, p[0] + 12, 4);
		memcpy(p[0] + 12, p[0] + 16, 4);
		memcpy(p[0] + 16, swap, 4);
		i++;
		if (i > 20 && i % 13 == 0)
			continue;
		if (kept < 0 && i > 20 && i % 7 == 0) {
			memcpy(p[1], p[0], n);
			kept = n;
			continue;
		}
		if (write(fd, p[0], n) < 0)
			break;
		if (i % 17 == 0 && write(fd, p[0], n) < 0)
			break;
		if (kept >= 0 && write(fd, p[1], kept) < 0)
			break;
		kept = -1;
	}
	return NULL;
}

static int bad_network(void)
{
	struct ifreq r = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	struct sockaddr_in *a = (void *)&r.ifr_addr;
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	static int fd;
	pthread_t t;

	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	snprintf(r.ifr_name, sizeof(r.ifr_name), "bad0");
	if (fd < 0 || ioctl(fd, TUNSETIFF, &r))
		return -1;
	*a = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = inet_addr("10.9.0.1")};
	if (ioctl(s, SIOCSIFADDR, &r))
		return -1;
	a->sin_addr.s_addr = inet_addr("255.255.255.0");
	if (ioctl(s, SIOCSIFNETMASK, &r))
		return -1;
	close(s);
	up("bad0");
	return pthread_create(&t, NULL, mirror, &fd);
}

static void test_namespace(void)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	struct talk t = {"127.0.0.1", 0, 1 << 20, 1 << 20, 1};
	struct words w = {.addr = "127.0.0.1", .wait = true};
	struct server *v, *s;

	if (unshare(CLONE_NEWNET))
		die("network namespace", errno);
	up("lo");
	v = server_new(SERVE_HTTP, "127.0.0.1");
	s = server_new(SERVE_TLS, "127.0.0.1");
	v->reply = t.reply;
	t.port = v->port;
	w.port = s->port;
	ok(!run(talk, &t), "another network namespace: the client is served");
	check_clear("another network namespace", v);
	ok(!run(speak, &w), "another network namespace: TLS is answered");
	check_hello("another network namespace", s, "hello.example", 0x304);
	if (bad_network()) {
		printf("ok %u - packets lost, doubled, out of order # SKIP no tun device\n",
		       ++cases);
	} else {
		v = server_new(SERVE_HTTP, "10.9.0.1");
		v->reply = t.reply = t.body = 600000;
		t.addr = "10.9.0.2";
		t.port = v->port;
		ok(!run(talk, &t), "packets lost, doubled, out of order: the client is served");
		ok(told_n == 1 && same(&told[0].s[0], v->in, v->in_n) &&
			   same(&told[0].s[1], v->out, v->out_n),
		   "told whole all the same, %u of %u records late", told[0].late,
		   told[0].data[0] + told[0].data[1]);
	}
	if (setns(home, CLONE_NEWNET))
		die("back home", errno);
	close(home);
}

int main(void)
{
	int r = bpf_open(RING, &b);

	if (r)
		die("load", r);
	signal(SIGPIPE, SIG_IGN);
	r = ring_open(bpf_events_fd(b), bpf_events_size(b), &ring);
	if (!r)
		r = ring_open(bpf_control_fd(b), bpf_control_size(b), &control);
	verdicts = mmap(NULL, VERDICT_SLOTS * sizeof(*verdicts), PROT_READ | PROT_WRITE, MAP_SHARED,
			bpf_verdicts_fd(b), 0);
	if (r || verdicts == MAP_FAILED)
		die("rings", r);
	make_hello();
	tls = server_new(SERVE_TLS, "127.0.0.1");
	tls6 = server_new(SERVE_TLS, "::1");
	http = server_new(SERVE_HTTP, "127.0.0.1");
	http6 = server_new(SERVE_HTTP, "::1");
	sink = server_new(SERVE_SINK, "127.0.0.1");
	proxy = server_new(SERVE_PROXY, "127.0.0.1");
	socks = server_new(SERVE_SOCKS, "127.0.0.1");
	test_tools();
	test_ways();
	test_holds();
	test_idle();
	test_clear();
	test_let_be();
	test_namespace();
	printf("1..%u\n", cases);
	bpf_close(b);
	return failed != 0;
}
