// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * What the network gate refuses, on real sockets: by address range, by DNS answers (a small server
 * of names), by the name in a ClientHello whole and in pieces, by the Host of clear HTTP, QUIC; that
 * everybody else is served; that counts are exact; and 1,000 processes at once. Servers count every
 * byte that reached them.
 *
 * All of it in a network namespace of its own, with addresses that are not loopback. The rules name
 * one user id, which only the clients of this test have, so nobody else is concerned.
 *
 * Long because clients, servers and the rules belong together.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/bpf.h"
#include "agent/folds.h"
#include "agent/gate.h"
#include "agent/net.h"
#include "agent/ring.h"
#include "tap.h"
#include "../unit/flow/quic_vectors.h"

static pid_t self; /* several of these may run at a time: each has users of its own */
#define CLIENT_UID (61000 + 2 * ((unsigned)self % 2000))
#define NET "198.51.100."
#define DENIED_IP NET "7" /* in the range of bit 0 */
#define NAMED_IP NET "8"  /* what api.denied.example is told to be */
#define SERVER_IP NET "9"
#define NAMES_IP NET "53"
#define PORT 443
#define RACERS 1000 /* or the first argument */

enum { BIT_NET = 1, BIT_NAME = 2, BIT_WATCH = 4, BIT_QUIC = 8 };

static struct bpf *b;
static struct ring *ring, *control;
static uint64_t generation;

struct shared_counts { /* written by servers and clients of all processes */
	volatile unsigned accepted, bytes, udp, denied, others;
};
static struct shared_counts *seen;
static unsigned racers = RACERS;

/* --- what was told ------------------------------------------------------------------------------- */

struct heard {
	struct event_deny deny;
	unsigned denies, quics, ends, hellos;
	uint64_t quic_flow, end_cookie, hello_cookie;
	uint32_t end_pid;
	size_t quic_size, hello_end;
};
static struct heard heard;

static void hear_one(void *ctx, const void *record, size_t n)
{
	const struct event *e = record;
	const struct event_hello *h = record;

	if (e->uid != CLIENT_UID)
		return;
	if (e->kind == EVENT_DENY) {
		heard.deny = *(const struct event_deny *)record;
		heard.denies++;
	} else if (e->kind == EVENT_QUIC) {
		const struct event_quic *q = record;

		heard.quics++;
		heard.quic_flow = q->cookie;
		heard.quic_size = q->size;
	} else if (e->kind == EVENT_HELLO && h->dir == EVENT_WRITE) {
		heard.hellos++;
		heard.hello_cookie = h->cookie;
		heard.hello_end = h->offset + h->size;
	}
}

static void hear_control(void *ctx, const void *record, size_t n)
{
	const struct event *e = record;

	if (e->uid != CLIENT_UID || e->kind != EVENT_DENY)
		return;
	heard.ends++;
	heard.end_cookie = e->conn;
	heard.end_pid = e->pid;
}

static void hear(void)
{
	while (ring_consume(ring, hear_one, NULL, 4096))
		;
	while (ring_consume(control, hear_control, NULL, 4096))
		;
}

static void forget(void)
{
	hear();
	memset(&heard, 0, sizeof(heard));
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

/* --- the place ------------------------------------------------------------------------------------- */

static void up(int s, const char *name)
{
	struct ifreq r = {.ifr_flags = IFF_UP | IFF_RUNNING};

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	if (ioctl(s, SIOCSIFFLAGS, &r))
		die("interface up", errno);
}

/* Addresses of the loopback interface that are no loopback addresses. */
static void place(void)
{
	static const char *const addrs[] = {DENIED_IP, NAMED_IP, SERVER_IP, NAMES_IP};
	int s;

	if (unshare(CLONE_NEWNET))
		die("a network namespace", errno);
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	up(s, "lo");
	for (size_t i = 0; i < sizeof(addrs) / sizeof(addrs[0]); i++) {
		struct ifreq r = {};
		struct sockaddr_in *a = (void *)&r.ifr_addr;

		snprintf(r.ifr_name, sizeof(r.ifr_name), "lo:%zu", i);
		a->sin_family = AF_INET;
		a->sin_addr.s_addr = inet_addr(addrs[i]);
		if (ioctl(s, SIOCSIFADDR, &r))
			die(addrs[i], errno);
	}
	close(s);
}

static struct sockaddr_in to_addr(const char *ip, int port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
				    .sin_port = htons(port),
				    .sin_addr.s_addr = inet_addr(ip)};
}

/* --- servers ------------------------------------------------------------------------------------------ */

static void *serve_one(void *p)
{
	int fd = (intptr_t)p;
	char buf[65536];
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0) {
		__sync_fetch_and_add(&seen->bytes, n);
		send(fd, "answer", 6, MSG_NOSIGNAL);
	}
	close(fd);
	return NULL;
}

static void *serve_tcp(void *p)
{
	int fd, listener = (intptr_t)p;
	pthread_t t;

	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		__sync_fetch_and_add(&seen->accepted, 1);
		pthread_create(&t, NULL, serve_one, (void *)(intptr_t)fd);
		pthread_detach(t);
	}
	return NULL;
}

static void *serve_udp(void *p)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	char buf[2048];

	while (recvfrom((intptr_t)p, buf, sizeof(buf), 0, (void *)&from, &len) >= 0) {
		__sync_fetch_and_add(&seen->udp, 1);
		sendto((intptr_t)p, "reply", 5, 0, (void *)&from, len);
		len = sizeof(from);
	}
	return NULL;
}

static uint16_t name_flags = 0x8180, name_id; /* of the answer; added to its id */
static uint32_t name_ttl = 300;

/* One CNAME, then an address; the owners' names as pointers. */
static void *serve_names(void *p)
{
	static const uint8_t tail[] = {0xc0, 12, 0, 5,	 0,   1,   0,	 0,  1,	  44,
				       0,    6,	 3, 'c', 'd', 'n', 0xc0, 12, 0xc0};
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	uint8_t q[512], a[1024];
	ssize_t n;

	while ((n = recvfrom((intptr_t)p, q, sizeof(q), 0, (void *)&from, &len)) > 12) {
		uint32_t ttl = htonl(name_ttl), addr = inet_addr(NAMED_IP);
		uint16_t id = htons(ntohs(*(uint16_t *)q) + name_id), flags = htons(name_flags);
		size_t at = n;

		memcpy(a, q, n);
		memcpy(a, &id, 2);
		memcpy(a + 2, &flags, 2);
		a[7] = 2; /* answers */
		memcpy(a + at, tail, sizeof(tail));
		at += sizeof(tail);
		a[at++] = n + 12; /* the CNAME's target */
		memcpy(a + at, "\0\1\0\1", 4);
		memcpy(a + at + 4, &ttl, 4);
		memcpy(a + at + 8, "\0\4", 2);
		memcpy(a + at + 10, &addr, 4);
		sendto((intptr_t)p, a, at + 14, 0, (void *)&from, len);
		len = sizeof(from);
	}
	return NULL;
}

static int listeners[16];
static size_t listening;

/* Connections that the servers have, when all that came were taken: on a busy machine a client may be
 * over before its server has seen it. */
static unsigned reached(void)
{
	for (int quiet = 0, i = 0; quiet < 3 && i < 6000; i++) {
		unsigned waiting = 0;

		for (size_t k = 0; k < listening; k++) {
			struct tcp_info info;
			socklen_t len = sizeof(info);

			/* Of a listener: how many wait for accept(). */
			if (!getsockopt(listeners[k], IPPROTO_TCP, TCP_INFO, &info, &len))
				waiting += info.tcpi_unacked;
		}
		quiet = waiting ? 0 : quiet + 1;
		usleep(10000);
	}
	return seen->accepted;
}

static void serve(const char *ip, int port, int type, void *(*loop)(void *))
{
	struct sockaddr_in a = to_addr(ip, port);
	int one = 1, s = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	pthread_t t;

	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(s, (void *)&a, sizeof(a)) || (type == SOCK_STREAM && listen(s, 4096)))
		die(ip, errno);
	if (type == SOCK_STREAM && listening < sizeof(listeners) / sizeof(*listeners))
		listeners[listening++] = s;
	pthread_create(&t, NULL, loop, (void *)(intptr_t)s);
	pthread_detach(t);
}

/* --- clients: each a process of its own, of that user ---------------------------------------------------- */

/* What it returns is an errno; 0 = it was served. */
static pid_t start(int (*client)(void *arg), void *arg, uid_t uid)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		if (setresgid(uid, uid, uid) || setresuid(uid, uid, uid))
			_exit(EPERM + 100);
		alarm(20);
		_exit(client(arg));
	}
	return pid;
}

static int ended(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		hear();
		usleep(1000);
	}
	hear();
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int run(int (*client)(void *arg), void *arg, uid_t uid)
{
	return ended(start(client, arg, uid));
}

static int tcp_to(const char *ip, int port)
{
	struct sockaddr_in a = to_addr(ip, port);
	int s = socket(AF_INET, SOCK_STREAM, 0);

	if (connect(s, (void *)&a, sizeof(a))) {
		int e = errno;

		close(s);
		errno = e;
		return -1;
	}
	return s;
}

static int connects(void *ip)
{
	return tcp_to(ip, PORT) < 0 ? errno : 0;
}

static int connects_mapped(void *ip)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons(PORT)};
	int s = socket(AF_INET6, SOCK_STREAM, 0);
	char text[64];

	snprintf(text, sizeof(text), "::ffff:%s", (char *)ip);
	inet_pton(AF_INET6, text, &a.sin6_addr);
	return connect(s, (void *)&a, sizeof(a)) ? errno : 0;
}

static int sends_udp(void *ip)
{
	struct sockaddr_in a = to_addr(ip, PORT);
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	return sendto(s, "x", 1, 0, (void *)&a, sizeof(a)) < 0 ? errno : 0;
}

struct question {
	const char *name;
	bool connected, twice;
	int wait_ms; /* before it connects */
};

static size_t question(uint8_t *q, const char *name)
{
	size_t n = 12;

	memcpy(q, "\x12\x34\1\0\0\1\0\0\0\0\0\0", 12);
	while (*name) {
		size_t len = strcspn(name, ".");

		q[n++] = len;
		memcpy(q + n, name, len);
		n += len;
		name += len + (name[len] == '.');
	}
	memcpy(q + n, "\0\0\1\0\1", 5);
	return n + 5;
}

/* Asks for a name, then connects to what it is told. */
static int asks_and_connects(void *arg)
{
	const struct question *k = arg;
	struct sockaddr_in a = to_addr(NAMES_IP, 53);
	struct pollfd pfd = {.events = POLLIN};
	uint8_t q[512];
	size_t n = question(q, k->name);
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	if (k->connected && connect(s, (void *)&a, sizeof(a)))
		return errno + 100;
	if (sendto(s, q, n, 0, k->connected ? NULL : (void *)&a, k->connected ? 0 : sizeof(a)) < 0)
		return errno + 100;
	pfd.fd = s;
	if (poll(&pfd, 1, 2000) != 1 || recv(s, q, sizeof(q), 0) < 12)
		return 99;
	usleep(k->wait_ms * 1000);
	return connects(NAMED_IP);
}

/* A ClientHello of TLS 1.3 that names the server; its extensions begin with `pad` bytes of another. */
static size_t hello_of(uint8_t *p, const char *name, size_t pad)
{
	size_t n = name ? strlen(name) : 0, ext = (name ? n + 9 : 0) + (pad ? pad + 4 : 0), at = 0;
	size_t body = 2 + 32 + 1 + 2 + 2 + 2 + 2 + ext;

	p[at++] = 22;
	p[at++] = 3;
	p[at++] = 1;
	p[at++] = (body + 4) >> 8;
	p[at++] = (body + 4) & 255;
	p[at++] = 1;
	p[at++] = 0;
	p[at++] = body >> 8;
	p[at++] = body & 255;
	p[at++] = 3;
	p[at++] = 3;
	memset(p + at, 7, 32);
	at += 32;
	p[at++] = 0; /* no session */
	memcpy(p + at, "\0\2\x13\1\1\0", 6);
	at += 6;
	p[at++] = ext >> 8;
	p[at++] = ext & 255;
	if (pad) {
		memcpy(p + at, "\0\x15", 2);
		p[at + 2] = pad >> 8;
		p[at + 3] = pad & 255;
		memset(p + at + 4, 0, pad);
		at += 4 + pad;
	}
	if (name) {
		uint8_t head[9] = {0, 0, 0, n + 5, 0, n + 3, 0, 0, n};

		memcpy(p + at, head, 9);
		memcpy(p + at + 9, name, n);
		at += 9 + n;
	}
	return at;
}

struct greeting {
	const char *name, *clear;
	size_t pad, pieces;
};

/* Says hello, waits for the answer. */
static int greets(void *arg)
{
	const struct greeting *g = arg;
	struct timeval bound = {.tv_sec = 6};
	uint8_t p[4096];
	char in[64];
	size_t n, at = 0;
	int one = 1, s = tcp_to(SERVER_IP, PORT);

	if (s < 0)
		return errno;
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof(bound));
	setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (g->clear) {
		n = strlen(g->clear);
		memcpy(p, g->clear, n);
	} else {
		n = hello_of(p, g->name, g->pad);
	}
	for (size_t i = 0; i < (g->pieces ?: 1); i++) {
		size_t m = i + 1 < g->pieces ? n / g->pieces : n - at;

		if (send(s, p + at, m, MSG_NOSIGNAL) < 0)
			return errno;
		at += m;
		usleep(g->pieces ? 20000 : 0);
	}
	for (;;) { /* a piece gets an answer of its own */
		ssize_t r = recv(s, in, sizeof(in), 0);

		if (r < 0)
			return errno;
		if (!r)
			return ECONNRESET;
		if (!g->pieces || r > 6)
			return 0;
		return recv(s, in, sizeof(in), 0) > 0 ? 0 : errno ?: ECONNRESET;
	}
}

/* An Initial packet; `arg`: to be said twice, and the second reply is what counts. */
static int says_quic(void *arg)
{
	struct sockaddr_in a = to_addr(SERVER_IP, PORT);
	struct timeval bound = {.tv_usec = 100000};
	uint8_t p[1200];
	char in[16];
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	for (size_t i = 0; i < sizeof(p); i++)
		sscanf(initial_v1 + 2 * i, "%2hhx", &p[i]);
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof(bound));
	for (int i = 0; i < (arg ? 12 : 1); i++) {
		if (sendto(s, p, sizeof(p), 0, (void *)&a, sizeof(a)) < 0)
			return errno;
		if (recv(s, in, sizeof(in), 0) > 0)
			return 0;
	}
	return ETIMEDOUT;
}

/* --- rules --------------------------------------------------------------------------------------------------- */

static void rules(const struct krule_do *todo)
{
	struct {
		struct role_krules head;
		struct role_krule_host host[3];
		struct role_krule_user user[1];
		struct role_krule_net net[2];
	} m = {
		.head = {.any_tool = 15, .all = 15, .hosts = 3, .users = 1, .nets = 2},
		.host = {{.rules = BIT_NAME, .pattern = "*.denied.example"},
			 {.rules = BIT_WATCH, .pattern = "watched.example"},
			 {.rules = BIT_QUIC, .pattern = "example.com"}},
		.user = {{.rules = 15}},
		.net = {{.rules = BIT_NET, .prefix = 32, .family = AF_INET},
			{.rules = BIT_NET, .prefix = 8, .family = AF_INET}},
	};
	int r;

	*(uint32_t *)m.net[0].addr = inet_addr(DENIED_IP);
	*(uint32_t *)m.net[1].addr = inet_addr("127.0.0.0");
	snprintf(m.user[0].pattern, sizeof(m.user[0].pattern), "%u", CLIENT_UID);
	m.head.generation = ++generation;
	r = bpf_set_krules(b, &m.head, todo, m.host, m.user);
	if (r)
		die("rules", r);
	forget();
}

static bool denied(unsigned hook, unsigned evidence, unsigned mechanism, uint64_t bits,
		   const char *what)
{
	const struct event_deny *d = &heard.deny;
	bool good = heard.denies == 1 && d->hook == hook && d->evidence == evidence &&
		    d->rules == bits && d->policy == generation && d->count == 1 &&
		    (!what || !strcmp(d->what, what)) && d->mechanism == mechanism;

	if (!good)
		printf("# %u told; hook %u evidence %u mechanism %u rules %llx policy %llu what \"%s\"\n",
		       heard.denies, d->hook, d->evidence, d->mechanism,
		       (unsigned long long)d->rules, (unsigned long long)d->policy, d->what);
	return good;
}

static unsigned at_connect(void)
{
	return bpf_mark(b) == GATE_LSM_SENDMSG ? GATE_LSM_CONNECT : GATE_CGROUP_CONNECT;
}

static void test_address(void)
{
	unsigned before = reached();

	ok(run(connects, DENIED_IP, CLIENT_UID) == EPERM, "a range: connect gives EPERM");
	ok(denied(GATE_AT_CONNECT, GATE_BY_IP, at_connect(), BIT_NET, ""), "a range: told once");
	forget();
	ok(run(connects_mapped, DENIED_IP, CLIENT_UID) == EPERM,
	   "a range: also through an IPv6 socket");
	forget();
	ok(run(sends_udp, DENIED_IP, CLIENT_UID) == EPERM, "a range: a datagram gives EPERM");
	ok(denied(GATE_AT_SENDTO, GATE_BY_IP, at_connect(), BIT_NET, ""),
	   "a range: the datagram is told once");
	forget();
	ok(reached() == before && !seen->udp, "a range: nothing reached the server");
	ok(!run(connects, SERVER_IP, CLIENT_UID), "another address is connected");
	ok(!run(connects, DENIED_IP, CLIENT_UID + 1), "another user is connected");
	ok(!run(connects, "127.0.0.1", CLIENT_UID), "loopback is connected, whatever a rule says");
	ok(!heard.denies, "none of these is told");
}

static void test_dns(void)
{
	static struct question asked = {"api.denied.example", true, false, 0},
			       sendto_ = {"API.Denied.Example", false, false, 0},
			       other = {"api.allowed.example", true, false, 0},
			       late = {"api.denied.example", true, false, 1300};
	unsigned before = reached();

	ok(run(asks_and_connects, &asked, CLIENT_UID) == EPERM,
	   "DNS: what it was told for a denied name is refused, behind a CNAME");
	ok(denied(GATE_AT_CONNECT, GATE_BY_DNS, at_connect(), BIT_NAME, "api.denied.example"),
	   "DNS: told once, with the name");
	forget();
	ok(run(asks_and_connects, &sendto_, CLIENT_UID) == EPERM,
	   "DNS: asked without connect, in other letters");
	ok(reached() == before, "DNS: nothing reached the server");
	forget();
	ok(!run(asks_and_connects, &other, CLIENT_UID),
	   "DNS: another name at that address is served");
	ok(!run(connects, NAMED_IP, CLIENT_UID), "DNS: a process that did not ask is served");
	ok(!run(asks_and_connects, &asked, CLIENT_UID + 1), "DNS: another user is served");
	name_id = 1;
	ok(!run(asks_and_connects, &asked, CLIENT_UID),
	   "DNS: an answer to no question is no evidence");
	name_id = 0;
	name_flags = 0x8183;
	ok(!run(asks_and_connects, &asked, CLIENT_UID),
	   "DNS: nor is one that says there is no such name");
	name_flags = 0x8180;
	name_ttl = 1;
	ok(!run(asks_and_connects, &late, CLIENT_UID), "DNS: it ends with its TTL");
	name_ttl = 300;
	ok(!heard.denies, "DNS: none of these is told");
}

static void end_it(void)
{
	for (int i = 0; i < 2000 && !heard.ends; i++) {
		hear();
		usleep(500);
	}
	if (heard.ends)
		sock_die(heard.end_pid, heard.end_cookie);
}

static void test_hello(void)
{
	static struct greeting named = {.name = "api.denied.example"},
			       fine = {.name = "api.allowed.example"},
			       watched = {.name = "watched.example"}, none = {};
	unsigned bytes = seen->bytes;
	double since = now_ms();
	pid_t pid = start(greets, &named, CLIENT_UID);
	int r;

	end_it();
	r = ended(pid);
	ok(r == ECONNABORTED || r == ECONNRESET || r == EPERM || r == EPIPE,
	   "ClientHello: a denied name: the client fails (%s)", strerror(r));
	ok(now_ms() - since < 1000, "ClientHello: within a second (%.0f ms)", now_ms() - since);
	ok(seen->bytes == bytes, "ClientHello: 0 bytes reached the server");
	ok(denied(GATE_AT_HELLO, GATE_BY_SNI, GATE_CLIENTHELLO, BIT_NAME, "api.denied.example"),
	   "ClientHello: told once, with the name");
	ok(heard.ends == 1, "ClientHello: the keeper is asked once to end it");
	forget();
	ok(!run(greets, &fine, CLIENT_UID), "ClientHello: another name is served");
	ok(!run(greets, &named, CLIENT_UID + 1), "ClientHello: another user is served");
	ok(!run(greets, &none, CLIENT_UID), "ClientHello: without a name it is served");
	ok(!heard.denies && !heard.ends, "ClientHello: none of these is told");
	ok(!run(greets, &watched, CLIENT_UID), "ClientHello: a watched name is served");
	ok(heard.denies == 1 && heard.deny.watched && heard.deny.rules == BIT_WATCH &&
		   !heard.ends && heard.deny.mechanism == GATE_NONE,
	   "ClientHello: and told as what would have been");
	forget();
}

static void say(uint32_t verdict, uint64_t cookie)
{
	bpf_map_update_elem(bpf_map_named(b, "sock_verdicts"), &cookie, &verdict, BPF_ANY);
	if (verdict == SOCK_DENY)
		bpf_set_denied(b);
}

/* A client whose greeting is told and held. Again where we came later than the hold's end. */
static pid_t pieces_held(struct greeting *split, size_t whole, unsigned *ret_bytes)
{
	for (int try = 0;; try++) {
		pid_t pid;

		forget();
		*ret_bytes = seen->bytes;
		pid = start(greets, split, CLIENT_UID);
		for (int k = 0;
		     k < 3000 && (heard.hello_end < whole || seen->bytes - *ret_bytes < whole / 3);
		     k++) {
			hear();
			usleep(500);
		}
		if (seen->bytes - *ret_bytes <= whole / 3 || try == 4)
			return pid;
		printf("# pieces: the hold was over before we looked; again\n");
		say(SOCK_PASS, heard.hello_cookie);
		net_release(pid);
		ended(pid);
	}
}

static void test_pieces(void)
{
	static struct greeting split = {.name = "api.allowed.example", .pad = 600, .pieces = 3};
	size_t whole;
	static const uint32_t verdicts[] = {SOCK_PASS, SOCK_DENY};
	uint8_t p[4096];

	whole = hello_of(p, split.name, split.pad);
	for (size_t i = 0; i < 2; i++) {
		unsigned bytes;
		pid_t pid = pieces_held(&split, whole, &bytes);
		int r;

		ok(heard.hello_end == whole, "pieces: all %zu bytes are told", whole);
		ok(seen->bytes - bytes == whole / 3,
		   "pieces: only the first reached the server (%u)", seen->bytes - bytes);
		say(verdicts[i], heard.hello_cookie);
		if (verdicts[i] == SOCK_PASS)
			net_release(pid);
		else
			sock_die(pid, heard.hello_cookie);
		r = ended(pid);
		ok((verdicts[i] == SOCK_PASS) == !r && (seen->bytes - bytes == whole) == !r,
		   "pieces: %s (%s, %u bytes)", i ? "denied, none of the others" : "let go, all",
		   strerror(r), seen->bytes - bytes);
	}
}

static void test_clear(void)
{
	static struct greeting named = {.clear = "GET / HTTP/1.1\r\nAccept: */*\r\n"
						 "hOsT:  api.denied.example:80\r\n\r\n"},
			       fine = {.clear = "GET / HTTP/1.1\r\nHost: allowed.example\r\n\r\n"};
	unsigned bytes = seen->bytes;
	pid_t pid;

	forget();
	pid = start(greets, &named, CLIENT_UID);
	end_it();
	ok(ended(pid) > 0 && seen->bytes == bytes, "clear HTTP: 0 bytes for a denied Host");
	ok(denied(GATE_AT_HELLO, GATE_BY_HOST, GATE_EGRESS, BIT_NAME, "api.denied.example"),
	   "clear HTTP: told once, with the name");
	forget();
	ok(!run(greets, &fine, CLIENT_UID), "clear HTTP: another Host is served");
	ok(!heard.denies, "clear HTTP: and not told");
}

static void test_quic(const struct krule_do *todo)
{
	struct krule_do off = *todo;
	unsigned udp = seen->udp;
	pid_t pid;
	int r;

	forget();
	pid = start(says_quic, NULL, CLIENT_UID);
	r = ended(pid);
	ok(r == ETIMEDOUT && seen->udp == udp + 1,
	   "QUIC: the Initial leaves, the reply waits for a verdict (%s)", strerror(r));
	ok(heard.quics == 1 && heard.quic_size == 1200, "QUIC: it is told whole");
	forget();
	pid = start(says_quic, (void *)1, CLIENT_UID);
	for (int i = 0; i < 2000 && !heard.quics; i++) {
		hear();
		usleep(500);
	}
	say(SOCK_PASS, heard.quic_flow);
	ok(!ended(pid), "QUIC: let go, the reply arrives");
	forget();
	pid = start(says_quic, (void *)1, CLIENT_UID);
	for (int i = 0; i < 2000 && !heard.quics; i++) {
		hear();
		usleep(500);
	}
	say(SOCK_DENY, heard.quic_flow);
	udp = seen->udp;
	ok(ended(pid) == EPERM && seen->udp <= udp + 1, "QUIC: denied, no other packet leaves");
	off.no_quic = off.unknown = BIT_QUIC;
	rules(&off);
	udp = seen->udp;
	ok(run(says_quic, NULL, CLIENT_UID) == EPERM && seen->udp == udp,
	   "QUIC: off for unknown names, the Initial does not leave");
	ok(denied(GATE_AT_QUIC, 0, GATE_QUIC, BIT_QUIC, ""), "QUIC: told once");
	rules(todo);
}

/* --- many ------------------------------------------------------------------------------------------------------ */

static int floods(void *arg)
{
	for (int i = 0; i < 1000; i++)
		if (connects(DENIED_IP) != EPERM)
			return 1;
	return 0;
}

static unsigned folded, folds_told;

static void on_fold(void *ctx, const struct event_deny *d)
{
	if (d->h.uid != CLIENT_UID)
		return;
	folded += d->count;
	folds_told++;
}

static void test_flood(void)
{
	int folds = bpf_map_named(b, "folds"), told = bpf_map_named(b, "folds_told");

	folds_tick(folds, told, on_fold, NULL);
	forget();
	folded = folds_told = 0;
	ok(!run(floods, NULL, CLIENT_UID), "a flood: 1000 times EPERM");
	folds_tick(folds, told, on_fold, NULL);
	ok(heard.denies == 1 && folds_told == 1 && folded == 999,
	   "a flood: told once, and once that there were %u more", folded);
	folds_tick(folds, told, on_fold, NULL);
	ok(folded == 999, "a flood: no count is told twice");
}

static void *racer(void *arg)
{
	__sync_fetch_and_add(connects(DENIED_IP) == EPERM ? &seen->denied : &seen->others, 1);
	return NULL;
}

static int races(void *arg)
{
	pthread_t t[2];
	pid_t child = fork();
	int status;

	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, racer, NULL);
	racer(NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	if (!child)
		_exit(0);
	waitpid(child, &status, 0);
	return 0;
}

static void test_race(void)
{
	unsigned before = reached(), lost = 0;

	seen->denied = seen->others = 0;
	for (int done = 0; done < (int)racers; done += 50) {
		pid_t pid[50];

		for (int i = 0; i < 50; i++)
			pid[i] = start(races, NULL, CLIENT_UID);
		for (int i = 0; i < 50; i++)
			lost += ended(pid[i]) != 0;
	}
	ok(reached() == before && !seen->others && !lost,
	   "race: %u processes, each with a child and threads: 0 reached the server (%u refused)",
	   racers, seen->denied);
	ok(seen->denied == racers * 6, "race: every one of their connects was refused");
}

int main(int argc, char **argv)
{
	struct krule_do todo = {.deny = BIT_NET | BIT_NAME | BIT_QUIC,
				.watch = BIT_WATCH,
				.no_kill = 15};
	int r = bpf_open(0, &b);

	self = getpid();
	if (argc > 1)
		racers = atoi(argv[1]) / 50 * 50;
	if (r)
		die("bpf", r);
	ring_open(bpf_events_fd(b), bpf_events_size(b), &ring);
	ring_open(bpf_control_fd(b), bpf_control_size(b), &control);
	seen = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	place();
	serve("0.0.0.0", PORT, SOCK_STREAM, serve_tcp);
	serve(SERVER_IP, PORT, SOCK_DGRAM, serve_udp); /* replies from where it was asked */
	serve(NAMES_IP, 53, SOCK_DGRAM, serve_names);
	printf("# backend: %s\n",
	       bpf_mark(b) == GATE_LSM_SENDMSG ? "lsm/socket_connect" : "cgroup/connect4|6");
	rules(&todo);
	test_address();
	test_dns();
	test_hello();
	test_pieces();
	test_clear();
	test_quic(&todo);
	test_flood();
	test_race();
	printf("1..%u\n", cases);
	bpf_close(b);
	return failed != 0;
}
