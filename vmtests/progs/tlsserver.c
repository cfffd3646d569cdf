// SPDX-License-Identifier: Apache-2.0
/*
 * A real TLS 1.3 HTTP/1.1 server on loopback that plays an AI service for the VM cases.
 *
 *   tlsserver PORT CERT KEY LOG [DIR]
 *
 * In: connections. Out: one fixed chat completion per POST /v1/chat/completions (404 for all else),
 * and when a connection ends one JSON line in LOG:
 *
 *   {"conn":1,"handshake":true,"wire_bytes":1530,"app_bytes":734,"requests":1}
 *
 * app_bytes counts every decrypted byte received, whether or not it makes up a request: the kill
 * case asserts it is 0 on a connection whose handshake did complete. wire_bytes counts what TCP
 * brought: 0 when not even a ClientHello came. With DIR, every decrypted byte is in DIR/N as well,
 * as it came, so that a case can say which bytes left the host. The line is one append, so
 * connections served at once do not mix. One process per connection, so a client that stalls holds
 * up only itself; a connection ends after IDLE_S seconds without a byte. Prints "ready" when it
 * listens. A request over REQUEST_MAX bytes is refused by closing.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define IDLE_S 20
#define REQUEST_MAX (1 << 20)

/* The numbers and names here are what cases/capture expects to read in the record. */
static const char answer[] =
	"{\"id\":\"chatcmpl-vm1\",\"object\":\"chat.completion\",\"created\":1700000000,"
	"\"model\":\"gpt-4o-2024-08-06\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
	"\"content\":null,\"tool_calls\":[{\"id\":\"call_vm1\",\"type\":\"function\",\"function\":"
	"{\"name\":\"get_weather\",\"arguments\":\"{\\\"city\\\":\\\"Bern\\\"}\"}}]},"
	"\"finish_reason\":\"tool_calls\"}],\"usage\":{\"prompt_tokens\":120,\"completion_tokens\":17,"
	"\"total_tokens\":137,\"prompt_tokens_details\":{\"cached_tokens\":64},"
	"\"completion_tokens_details\":{\"reasoning_tokens\":5}}}";

struct conn {
	SSL *ssl;
	char buf[REQUEST_MAX + 1];
	size_t have;	    /* bytes in buf, always followed by a NUL */
	uint64_t app_bytes; /* decrypted bytes received in all */
	unsigned int requests;
	int keep; /* everything received is appended there; or -1 */
};

/* 0 when a byte came, -1 at the end of the connection or when a request outgrows buf. */
static int more(struct conn *c)
{
	int n;

	if (c->have == REQUEST_MAX)
		return -1;
	n = SSL_read(c->ssl, c->buf + c->have, (int)(REQUEST_MAX - c->have));
	if (n <= 0)
		return -1;
	if (c->keep >= 0 && write(c->keep, c->buf + c->have, (size_t)n) != n)
		exit(1);
	c->app_bytes += (uint64_t)n;
	c->have += (size_t)n;
	c->buf[c->have] = '\0';
	return 0;
}

static int reply(struct conn *c, const char *status, const char *body)
{
	char out[4096];
	int n;

	n = snprintf(
		out, sizeof(out),
		"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
		status, strlen(body), body);
	return SSL_write(c->ssl, out, n) == n ? 0 : -1;
}

/* Length of the request at the start of buf once it is there whole, 0 at the end. */
static size_t next_request(struct conn *c)
{
	const char *end, *length;
	size_t body = 0;

	while (!(end = strstr(c->buf, "\r\n\r\n")))
		if (more(c) < 0)
			return 0;
	length = strcasestr(c->buf, "\r\nContent-Length:");
	if (length && length < end)
		body = strtoul(length + 17, NULL, 10);
	if (body > REQUEST_MAX)
		return 0;
	body += (size_t)(end - c->buf) + 4;
	while (c->have < body)
		if (more(c) < 0)
			return 0;
	return body;
}

static void serve(struct conn *c)
{
	static const char route[] = "POST /v1/chat/completions ";
	size_t n;

	while ((n = next_request(c))) {
		int ok = strncmp(c->buf, route, sizeof(route) - 1) == 0;

		c->requests++;
		if (reply(c, ok ? "200 OK" : "404 Not Found", ok ? answer : "{}") < 0)
			return;
		memmove(c->buf, c->buf + n, c->have - n + 1);
		c->have -= n;
	}
}

static int keep_in(const char *dir, unsigned int id)
{
	char path[256];

	if (!dir)
		return -1;
	snprintf(path, sizeof(path), "%s/%u", dir, id);
	return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
}

static void connection(SSL_CTX *ctx, int fd, unsigned int id, const char *log, const char *dir)
{
	struct timeval idle = {.tv_sec = IDLE_S};
	static struct conn c; /* one per process; too big for the stack */
	char line[200];
	int n, out, handshake;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &idle, sizeof(idle));
	c.ssl = SSL_new(ctx);
	if (!c.ssl)
		exit(1);
	SSL_set_fd(c.ssl, fd);
	c.keep = keep_in(dir, id);
	handshake = SSL_accept(c.ssl) == 1;
	if (handshake)
		serve(&c);
	n = snprintf(line, sizeof(line),
		     "{\"conn\":%u,\"handshake\":%s,\"wire_bytes\":%llu,\"app_bytes\":%llu,"
		     "\"requests\":%u}\n",
		     id, handshake ? "true" : "false",
		     (unsigned long long)BIO_number_read(SSL_get_rbio(c.ssl)),
		     (unsigned long long)c.app_bytes, c.requests);
	out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (out < 0 || write(out, line, (size_t)n) != n)
		exit(1);
	/* The line is in before the peer sees the close: who waits for curl's end may read it. */
	SSL_shutdown(c.ssl);
	exit(0);
}

static int listen_on(const char *port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
	int one = 1, fd;

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, 16) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

static SSL_CTX *context(const char *cert, const char *key)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (!ctx || !SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) ||
	    SSL_CTX_use_certificate_chain_file(ctx, cert) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1) {
		ERR_print_errors_fp(stderr);
		return NULL;
	}
	return ctx;
}

int main(int argc, char **argv)
{
	SSL_CTX *ctx;
	int fd;

	if (argc != 5 && argc != 6) {
		fprintf(stderr, "usage: tlsserver PORT CERT KEY LOG [DIR]\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	ctx = context(argv[2], argv[3]);
	if (!ctx)
		return 1;
	fd = listen_on(argv[1]);
	if (fd < 0) {
		fprintf(stderr, "tlsserver: port %s: %s\n", argv[1], strerror(-fd));
		return 1;
	}
	printf("ready\n");
	fflush(stdout);
	for (unsigned int id = 1;; id++) {
		int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		pid_t pid;

		if (peer < 0) {
			if (errno == EINTR || errno == ECONNABORTED)
				continue;
			perror("accept");
			return 1;
		}
		pid = fork();
		if (pid < 0) {
			perror("fork");
			return 1;
		}
		if (pid == 0) {
			close(fd); /* the next case's server takes the port at once */
			connection(ctx, peer, id, argv[4], argv[5]);
		}
		close(peer);
	}
}
