// SPDX-License-Identifier: Apache-2.0
/*
 * The client of tests/bench/hold: how long the SSL_write of a request takes, one by one, over OpenSSL to
 * a server on this host. It knows nothing of the agent.
 *
 * pass: all requests over one connection, PACE_US apart; every answer must be a 200. refused: a
 * connection for each, from the write's begin until the program knows that it failed, by the write or by
 * the read after it. empty: no TLS at all, but an empty uprobe at the entry and the RET of a stub, in the
 * same rhythm; root only.
 *
 * Out: one line, "median p99" in ns, and how many were answered that were to be refused. usage: bench_hold pass|refused PORT HOST BODY COUNT
 *                                                 bench_hold empty STUB.so EMPTY.bpf.o COUNT
 */
#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"

#define PACE_US 2000
#define BODY_MAX 65536

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void fail(const char *what)
{
	fprintf(stderr, "bench_hold: %s\n", what);
	exit(1);
}

static int by_value(const void *p, const void *q)
{
	uint64_t x = *(const uint64_t *)p, y = *(const uint64_t *)q;

	return (x > y) - (x < y);
}

static unsigned answers; /* to what was to be refused */

static void report(uint64_t *ns, unsigned n)
{
	qsort(ns, n, sizeof(*ns), by_value);
	printf("%lu %lu %u\n", ns[n / 2], ns[n * 99ul / 100], answers);
}

/* --- a TLS client -------------------------------------------------------------------------------- */

struct client {
	SSL_CTX *ctx;
	const char *host;
	uint16_t port;
	char request[BODY_MAX + 1024];
	char sent[BODY_MAX + 1024]; /* what is written: masking changes it in place */
	int len;
};

static SSL *dial(const struct client *c)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons(c->port),
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	SSL *s = SSL_new(c->ctx);

	if (fd < 0 || !s || connect(fd, (void *)&a, sizeof(a)))
		fail("no connection");
	SSL_set_tlsext_host_name(s, c->host);
	SSL_set_fd(s, fd);
	if (SSL_connect(s) != 1)
		fail("no handshake");
	return s;
}

static void hang_up(SSL *s)
{
	int fd = SSL_get_fd(s);

	SSL_free(s);
	close(fd);
}

/* The head and as much as it says. Whether it is a 200. */
static bool answered(SSL *s)
{
	static char b[BODY_MAX];
	size_t n = 0, want = 0;

	while (!want || n < want) {
		int r = SSL_read(s, b + n, (int)(sizeof(b) - 1 - n));
		char *end, *length;

		if (r <= 0)
			return false;
		n += (size_t)r;
		b[n] = '\0';
		end = strstr(b, "\r\n\r\n");
		length = strcasestr(b, "\r\ncontent-length:");
		if (!want && end && length && length < end)
			want = (size_t)(end + 4 - b) + strtoul(length + 17, NULL, 10);
		if (end && !want)
			fail("an answer without its length");
	}
	return !strncmp(b, "HTTP/1.1 200", 12);
}

/* Ready to be written, as if for the first time. */
static void renew(struct client *c)
{
	memcpy(c->sent, c->request, (size_t)c->len);
	usleep(PACE_US);
}

static void all_pass(struct client *c, uint64_t *ns, unsigned n)
{
	SSL *s = dial(c);

	for (unsigned i = 0; i < n; i++) {
		renew(c);
		ns[i] = now();
		if (SSL_write(s, c->sent, c->len) != c->len)
			fail("a write failed");
		ns[i] = now() - ns[i];
		if (!answered(s))
			fail("no answer");
	}
	hang_up(s);
}

static void all_refused(struct client *c, uint64_t *ns, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		SSL *s = dial(c);
		char b[256];

		renew(c);
		ns[i] = now();
		if (SSL_write(s, c->sent, c->len) == c->len && SSL_read(s, b, sizeof(b)) > 0)
			answers++;
		ns[i] = now() - ns[i];
		hang_up(s);
	}
}

static void load(struct client *c, const char *path)
{
	static char body[BODY_MAX];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, body, sizeof(body) - 1);

	if (n <= 0)
		fail("no body");
	close(fd);
	c->len = snprintf(c->request, sizeof(c->request),
			  "POST /v1/chat/completions HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\n"
			  "Content-Type: application/json\r\nContent-Length: %zd\r\n\r\n%s",
			  c->host, n, body);
}

/* --- an empty uprobe ------------------------------------------------------------------------------ */

static struct bpf_link *attach(struct bpf_program *p, const char *file, size_t at)
{
	struct bpf_link *l = bpf_program__attach_uprobe(p, false, -1, file, at);

	if (!l)
		fail("empty uprobe");
	return l;
}

static void all_empty(const char *stub, const char *object, uint64_t *ns, unsigned n)
{
	struct bpf_object *o = bpf_object__open_file(object, NULL);
	void *lib = dlopen(stub, RTLD_NOW);
	int (*fn)(void *, const void *, int);
	struct bpf_link *entry, *ret;
	struct bpf_program *p;
	uint8_t code[64] = {}, *end;
	int fd = open(stub, O_RDONLY | O_CLOEXEC);
	Dl_info i;
	size_t at;

	if (!lib || fd < 0 || !o || bpf_object__load(o))
		fail("empty uprobe");
	fn = (int (*)(void *, const void *, int))dlsym(lib, "SSL_write");
	if (!fn || !dladdr((void *)fn, &i))
		fail("SSL_write");
	at = (size_t)((uint8_t *)fn - (uint8_t *)i.dli_fbase);
	end = pread(fd, code, sizeof(code), (off_t)at) > 0 ? memchr(code, 0xc3, sizeof(code))
							   : NULL;
	close(fd);
	if (!end)
		fail("no RET in the stub");
	p = bpf_object__find_program_by_name(o, "empty");
	entry = attach(p, stub, at);
	ret = attach(p, stub, at + (size_t)(end - code));
	for (unsigned k = 0; k < n; k++) {
		usleep(PACE_US);
		ns[k] = now();
		fn(NULL, code, sizeof(code));
		ns[k] = now() - ns[k];
	}
	bpf_link__destroy(entry);
	bpf_link__destroy(ret);
	bpf_object__close(o);
}

int main(int argc, char **argv)
{
	static struct client c;
	unsigned n = argc > 3 ? (unsigned)strtoul(argv[argc - 1], NULL, 10) : 0;
	uint64_t *ns = n ? calloc(n, sizeof(*ns)) : NULL;

	if (!ns)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	if (!strcmp(argv[1], "empty")) {
		all_empty(argv[2], argv[3], ns, n);
		report(ns, n);
		return 0;
	}
	if (argc != 6)
		return 2;
	c.port = (uint16_t)strtoul(argv[2], NULL, 10);
	c.host = argv[3];
	c.ctx = SSL_CTX_new(TLS_client_method());
	load(&c, argv[4]);
	if (!strcmp(argv[1], "pass"))
		all_pass(&c, ns, n);
	else
		all_refused(&c, ns, n);
	report(ns, n);
	return 0;
}
