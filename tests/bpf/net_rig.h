/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For net_check.c: servers that know every byte that passed, clients in processes of their own, and
 * a reader of the ring that keeps what was told of one of them.
 *
 * Long because peers, clients and the reader of the ring share its state.
 */
#ifndef PROBITY_TESTS_NET_RIG_H
#define PROBITY_TESTS_NET_RIG_H

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/bpf.h"
#include "agent/ring.h"
#include "base/cleanup.h"
#include "tap.h"

#define STREAM_MAX (12u << 20)
#define CONNS_MAX 16

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static uint8_t byte_at(uint64_t offset)
{
	return (offset * 167 + (offset >> 9)) & 0xff;
}

/* --- what was told ------------------------------------------------------------------------------- */

struct stream {
	uint8_t *bytes, *have; /* have: how often each byte was told */
	size_t end;
};
struct told { /* of one connection */
	uint64_t conn, cookie, start_ns;
	uint32_t pid, uid, flags;
	struct event_addr local, peer;
	struct stream s[2]; /* data, or the parts of hello and answer */
	unsigned conns, closes, hellos[2], data[2], late; /* late: data records that fill a hole */
	double at_ms[2];				  /* of the first hello or answer */
	bool data_first;				  /* data before EVENT_CONN */
};

static struct bpf *b;
static struct ring *ring, *control;
static struct verdict_slot *verdicts;
static struct told told[CONNS_MAX];
static unsigned told_n, notes; /* notes: of held hellos, in the control ring */
static uint64_t note_conn;
static pid_t only;

static struct told *told_of(uint64_t conn, uint64_t cookie, const struct event *e)
{
	struct told *t = told;

	for (; t < told + told_n; t++)
		if (t->conn == conn && t->cookie == cookie)
			return t;
	if (told_n == CONNS_MAX)
		die("more connections than the test has room for", ENOSPC);
	told_n++;
	t->conn = conn;
	t->cookie = cookie;
	t->pid = e->pid;
	t->uid = e->uid;
	t->start_ns = e->start_ns;
	return t;
}

static void put(struct stream *s, uint64_t offset, const uint8_t *p, size_t n)
{
	if (offset + n > STREAM_MAX)
		die("offset beyond what was sent", ERANGE);
	if (!s->bytes) {
		s->bytes = calloc(1, STREAM_MAX);
		s->have = calloc(1, STREAM_MAX);
	}
	memcpy(s->bytes + offset, p, n);
	for (size_t i = 0; i < n; i++)
		s->have[offset + i]++;
	if (offset + n > s->end)
		s->end = offset + n;
}

static void hear_one(void *ctx, const void *record, size_t n)
{
	const struct event *e = record;
	const struct event_hello *h = record;
	const struct event_data *d = record;
	const struct event_conn *c = record;
	struct told *t;

	if (e->version != EVENT_VERSION || e->pid != (uint32_t)only)
		return;
	if (e->kind == EVENT_HELLO) {
		t = told_of(0, h->cookie, e);
		if (!t->hellos[h->dir]++)
			t->at_ms[h->dir] = e->boot_ns / 1e6;
		t->flags |= e->flags;
		t->local = h->local;
		t->peer = h->peer;
		put(&t->s[h->dir], h->offset, h->bytes, h->size);
	} else if (e->kind == EVENT_CONN && e->flags & EVENT_F_PLAIN) {
		t = told_of(e->conn, 0, e);
		t->conns++;
		t->local = c->local;
		t->peer = c->peer;
		t->data_first |=
			t->data[0] || t->data[1] || c->cookie != (e->conn & ~CONN_ID_PLAIN);
	} else if (e->kind == EVENT_DATA && e->flags & EVENT_F_PLAIN) {
		t = told_of(e->conn, 0, e);
		t->data[d->dir]++;
		t->late += d->offset < t->s[d->dir].end;
		put(&t->s[d->dir], d->offset, d->bytes, d->size);
	} else if (e->kind == EVENT_CLOSE && e->conn & CONN_ID_PLAIN) {
		told_of(e->conn, 0, e)->closes++;
	}
}

static void hear_note(void *ctx, const void *record, size_t n)
{
	const struct event *e = record;

	if (e->kind != EVENT_HELLO || e->pid != (uint32_t)only || !(e->flags & EVENT_F_HELD))
		return;
	notes++;
	note_conn = e->conn;
}

static void hear(void)
{
	while (ring_consume(ring, hear_one, NULL, 1024))
		;
	while (ring_consume(control, hear_note, NULL, 1024))
		;
}

static void forget(void)
{
	for (struct told *t = told; t < told + told_n; t++)
		for (int dir = 0; dir < 2; dir++) {
			free(t->s[dir].bytes);
			free(t->s[dir].have);
		}
	memset(told, 0, sizeof(told));
	told_n = notes = 0;
}

/* All of it was told, and is what passed. */
static bool same(const struct stream *s, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (i >= s->end || !s->have[i] || s->bytes[i] != p[i]) {
			printf("# byte %zu of %zu: %s\n", i, n,
			       i < s->end && s->have[i] ? "another" : "not told");
			return false;
		}
	if (s->end != n)
		printf("# %zu bytes told of %zu\n", s->end, n);
	return s->end == n;
}

static bool once(const struct stream *s)
{
	for (size_t i = 0; i < s->end; i++)
		if (s->have[i] != 1)
			return false;
	return true;
}

static uint64_t net_count_of(const char *name)
{
	json_t *j = bpf_net_counters(b);
	uint64_t n = json_integer_value(json_object_get(j, name));

	json_decref(j);
	return n;
}

/* --- servers ------------------------------------------------------------------------------------- */

enum serve {
	SERVE_SINK,  /* takes, says nothing */
	SERVE_HTTP,  /* each request gets `reply` bytes */
	SERVE_TLS,   /* shakes hands and waits for the end */
	SERVE_PROXY, /* CONNECT, then TLS */
	SERVE_SOCKS, /* SOCKS 5, then TLS */
};
struct server { /* one connection after another; in and out: what passed on the latest */
	enum serve what;
	int listener;
	uint16_t port;
	size_t reply;
	uint8_t *in, *out;
	volatile size_t in_n, out_n;
	volatile double first_ms; /* when the first byte was there */
	size_t tls_in, tls_out;	  /* where TLS begins */
	SSL_CTX *ctx;
};

static ssize_t take(struct server *v, int fd)
{
	ssize_t n = recv(fd, v->in + v->in_n, STREAM_MAX - v->in_n, 0);

	if (n <= 0)
		return n;
	if (!v->in_n)
		v->first_ms = now_ms();
	v->in_n += n;
	return n;
}

static bool give(struct server *v, int fd, const void *p, size_t n)
{
	memcpy(v->out + v->out_n, p, n);
	for (size_t sent = 0; sent < n;) {
		ssize_t r = send(fd, v->out + v->out_n + sent, n - sent, MSG_NOSIGNAL);

		if (r <= 0)
			return false;
		sent += r;
	}
	v->out_n += n;
	return true;
}

static bool take_to(struct server *v, int fd, size_t n)
{
	while (v->in_n < n)
		if (take(v, fd) <= 0)
			return false;
	return true;
}

/* A request at `at`: where it ends, or 0 while it has not. */
static size_t request_end(const struct server *v, size_t at)
{
	const char *head = (char *)v->in + at, *end, *length;

	end = memmem(head, v->in_n - at, "\r\n\r\n", 4);
	if (!end)
		return 0;
	length = memmem(head, end - head, "Content-Length: ", 16);
	at = end + 4 - (char *)v->in + (length ? strtoul(length + 16, NULL, 10) : 0);
	return at <= v->in_n ? at : 0;
}

static void serve_http(struct server *v, int fd)
{
	size_t at = 0, end;
	char head[64];

	for (;;) {
		while (!(end = request_end(v, at)))
			if (take(v, fd) <= 0)
				return;
		at = end;
		snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n",
			 v->reply);
		if (!give(v, fd, head, strlen(head)))
			return;
		for (size_t n = 0; n < v->reply;) {
			uint8_t body[16000];
			size_t m = v->reply - n < sizeof(body) ? v->reply - n : sizeof(body);

			for (size_t i = 0; i < m; i++)
				body[i] = byte_at(n + i);
			if (!give(v, fd, body, m))
				return;
			n += m;
		}
	}
}

static bool flush(struct server *v, int fd, BIO *out)
{
	char buf[16384];
	int n;

	while ((n = BIO_read(out, buf, sizeof(buf))) > 0)
		if (!give(v, fd, buf, n))
			return false;
	return true;
}

static void serve_tls(struct server *v, int fd)
{
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	SSL *ssl = SSL_new(v->ctx);
	size_t fed = v->in_n;
	char buf[4096];

	v->tls_in = v->in_n;
	v->tls_out = v->out_n;
	SSL_set_bio(ssl, in, out);
	SSL_set_accept_state(ssl);
	while (take(v, fd) > 0) {
		BIO_write(in, v->in + fed, v->in_n - fed);
		fed = v->in_n;
		SSL_do_handshake(ssl);
		while (SSL_read(ssl, buf, sizeof(buf)) > 0)
			;
		if (!flush(v, fd, out))
			break;
	}
	SSL_free(ssl);
}

static void serve(struct server *v, int fd)
{
	switch (v->what) {
	case SERVE_SINK:
		while (take(v, fd) > 0)
			;
		break;
	case SERVE_HTTP:
		serve_http(v, fd);
		break;
	case SERVE_PROXY:
		while (!request_end(v, 0))
			if (take(v, fd) <= 0)
				return;
		if (give(v, fd, "HTTP/1.1 200 Connection established\r\n\r\n", 39))
			serve_tls(v, fd);
		break;
	case SERVE_SOCKS:
		if (take_to(v, fd, 3) && give(v, fd, "\5\0", 2) && take_to(v, fd, 3 + 10) &&
		    give(v, fd, "\5\0\0\1\0\0\0\0\0\0", 10))
			serve_tls(v, fd);
		break;
	case SERVE_TLS:
		serve_tls(v, fd);
	}
}

static void *serve_all(void *p)
{
	struct server *v = p;
	int fd;

	while ((fd = accept(v->listener, NULL, NULL)) >= 0) {
		v->in_n = v->out_n = 0;
		v->first_ms = 0;
		serve(v, fd);
		close(fd);
	}
	return NULL;
}

static SSL_CTX *server_ctx(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();

	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
				   (const unsigned char *)"localhost", -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	X509_sign(x, key, EVP_sha256());
	SSL_CTX_use_certificate(ctx, x);
	SSL_CTX_use_PrivateKey(ctx, key);
	X509_free(x);
	EVP_PKEY_free(key);
	return ctx;
}

static struct server *server_new(enum serve what, const char *addr)
{
	struct server *v = calloc(1, sizeof(*v));
	struct sockaddr_in6 a = {.sin6_family = AF_INET6};
	struct sockaddr_in *a4 = (void *)&a;
	bool six = strchr(addr, ':');
	socklen_t n = six ? sizeof(a) : sizeof(*a4);
	pthread_t thread;

	if (six)
		inet_pton(AF_INET6, addr, &a.sin6_addr);
	else
		*a4 = (struct sockaddr_in){.sin_family = AF_INET,
					   .sin_addr.s_addr = inet_addr(addr)};
	v->what = what;
	v->in = calloc(1, STREAM_MAX);
	v->out = calloc(1, STREAM_MAX);
	v->ctx = what >= SERVE_TLS ? server_ctx() : NULL;
	v->listener = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(v->listener, (void *)&a, n) || listen(v->listener, 8) ||
	    getsockname(v->listener, (void *)&a, &n))
		die(addr, errno);
	v->port = ntohs(a.sin6_port);
	if (pthread_create(&thread, NULL, serve_all, v))
		die("thread", errno);
	pthread_detach(thread);
	return v;
}

/* --- clients -------------------------------------------------------------------------------------- */

static int dial(const char *addr, uint16_t port)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in a4 = {.sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr.s_addr = inet_addr(addr)};
	int on = 1, fd = socket(strchr(addr, ':') ? AF_INET6 : AF_INET, SOCK_STREAM, 0);

	if (strchr(addr, ':'))
		inet_pton(AF_INET6, addr, &a.sin6_addr);
	if (connect(fd, strchr(addr, ':') ? (void *)&a : (void *)&a4,
		    strchr(addr, ':') ? sizeof(a) : sizeof(a4)))
		_exit(101);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static void say(int fd, const void *p, size_t n)
{
	for (size_t sent = 0; sent < n;) {
		ssize_t r = send(fd, (const char *)p + sent, n - sent, 0);

		if (r <= 0)
			_exit(102);
		sent += r;
	}
}

/* Waits for a client, reading the ring meanwhile: its exit status. */
static int finish(pid_t pid)
{
	int status = -1;

	for (double end = now_ms() + 15000; now_ms() < end;) {
		hear();
		if (waitpid(pid, &status, WNOHANG) == pid)
			break;
		usleep(500);
	}
	kill(pid, SIGKILL);
	usleep(30000); /* the last ACKs and the close pass after the end */
	hear();
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

typedef void (*client_fn)(void *ctx);
static int gate = -1;

static void go(void)
{
	close(gate);
	gate = -1;
}

/* A client that waits for go(). */
static pid_t start(client_fn fn, void *ctx)
{
	int p[2];
	pid_t pid;

	forget();
	fflush(stdout);
	if (pipe(p))
		die("pipe", errno);
	pid = fork();
	if (!pid) {
		char c;

		close(p[1]);
		if (read(p[0], &c, 1))
			_exit(103);
		fn(ctx);
		_exit(0);
	}
	only = pid;
	close(p[0]);
	gate = p[1];
	return pid;
}

static void exec_shell(void *ctx)
{
	int null = open("/dev/null", O_RDWR);

	dup2(null, 0);
	dup2(null, 1);
	dup2(null, 2);
	execl("/bin/sh", "sh", "-c", ctx, NULL);
	_exit(104);
}

static int run(client_fn fn, void *ctx)
{
	pid_t pid = start(fn, ctx);

	go();
	return finish(pid);
}

#endif
