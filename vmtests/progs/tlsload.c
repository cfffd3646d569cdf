// SPDX-License-Identifier: Apache-2.0
/*
 * A TLS load whose every byte is known, for what observers cost and lose.
 *
 *   tlsload serve PORT CERT KEY
 *   tlsload call PORT chat|plain NAME SIZE CALLS PAUSE_US
 *
 * In: nothing but the arguments. Over one TLS 1.3 connection to 127.0.0.1 that greets NAME, the client
 * makes CALLS calls: one SSL_write of SIZE bytes (a request to a chat model, or an upload that nobody takes for
 * one) and as many SSL_read as the answer, of SIZE bytes as well, comes in; PAUSE_US between two. A first call a
 * second before the others is not timed: by then whoever decides by name has decided. Out: one line of
 *
 *   pid NN ms T cpu_ms T calls N reads N bytes N body N request_sha256 H answer_sha256 H
 *
 * where calls, reads, bytes and body (bytes without the heads) include the first call. The server is
 * one process that serves one connection after the other, and answers each request with as many
 * bytes. Any error ends either with exit 1; a request over SIZE_MAX_ is one.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SIZE_MAX_ (1 << 20)
#define SIZE_MIN 512

/* What stands before and after the padding of a body. */
struct form {
	const char *path, *request[2], *answer[2];
};

static const struct form forms[] = {
	{"/v1/chat/completions",
	 {"{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"user\",\"content\":\"", "\"}]}"},
	 {"{\"id\":\"chatcmpl-load\",\"object\":\"chat.completion\",\"model\":\"gpt-4o\","
	  "\"choices\":[{\"index\":0,\"finish_reason\":\"stop\",\"message\":{\"role\":\"assistant\","
	  "\"content\":\"",
	  "\"}}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1,\"total_tokens\":2}}"}},
	{"/upload", {"{\"rows\":\"", "\"}"}, {"{\"taken\":\"", "\"}"}},
};

static char out[SIZE_MAX_ + 1], in[SIZE_MAX_ + 1];

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(1);
}

/* Waiting for delayed acknowledgements is nothing that an observer costs. */
static void no_delay(int fd)
{
	int one = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)))
		die("tlsload: TCP_NODELAY");
}

/* size bytes of head and body in out; returns where the body begins. */
static size_t message(const char *start, const char *const pad[2], size_t size)
{
	size_t head = 0, body, n;

	/* The length's digits are part of the head's length: twice is enough to settle. */
	for (int i = 0; i < 3; i++)
		head = (size_t)snprintf(
			out, sizeof(out),
			"%s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
			start, size - head);
	body = size - head;
	n = strlen(pad[0]);
	memcpy(out + head, pad[0], n);
	memset(out + head + n, 'a', body - n - strlen(pad[1]));
	memcpy(out + size - strlen(pad[1]), pad[1], strlen(pad[1]));
	return head;
}

static struct sockaddr_in loopback(const char *port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
				    .sin_port = htons((uint16_t)atoi(port)),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* One whole message into in; its length, 0 at the end of the connection. */
static size_t receive(SSL *ssl, unsigned long *reads)
{
	const char *end = NULL, *length;
	size_t have = 0, want = SIZE_MAX_;

	while (have < want) {
		int n = SSL_read(ssl, in + have, (int)(SIZE_MAX_ - have));

		if (n <= 0)
			return 0;
		have += (size_t)n;
		in[have] = '\0';
		++*reads;
		if (end || !(end = strstr(in, "\r\n\r\n")))
			continue;
		length = strcasestr(in, "\r\nContent-Length:");
		if (!length || length > end)
			return 0;
		want = (size_t)(end - in) + 4 + strtoul(length + 17, NULL, 10);
		if (want > SIZE_MAX_)
			return 0;
	}
	return have;
}

static _Noreturn void serve(const char *port, const char *cert, const char *key)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	struct sockaddr_in sa = loopback(port);
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (!ctx || SSL_CTX_use_certificate_chain_file(ctx, cert) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 ||
	    bind(fd, (struct sockaddr *)&sa, sizeof(sa)) || listen(fd, 8))
		die("tlsload: serve");
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		int peer = accept(fd, NULL, NULL);
		SSL *ssl = SSL_new(ctx);
		unsigned long reads = 0;
		size_t n;

		if (peer < 0 || !ssl)
			die("tlsload: accept");
		no_delay(peer);
		SSL_set_fd(ssl, peer);
		if (SSL_accept(ssl) == 1)
			while ((n = receive(ssl, &reads)) >= SIZE_MIN) {
				message("HTTP/1.1 200 OK",
					forms[strncmp(in, "POST /v1/", 9) != 0].answer, n);
				if (SSL_write(ssl, out, (int)n) != (int)n)
					break;
			}
		SSL_shutdown(ssl);
		SSL_free(ssl);
		close(peer);
	}
}

static SSL *dial(const char *port, const char *name)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	struct sockaddr_in sa = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	SSL *ssl = ctx ? SSL_new(ctx) : NULL;

	if (!ssl || connect(fd, (struct sockaddr *)&sa, sizeof(sa)))
		die("tlsload: connect");
	no_delay(fd);
	SSL_set_fd(ssl, fd);
	SSL_set_tlsext_host_name(ssl, name);
	if (SSL_connect(ssl) != 1)
		die("tlsload: handshake");
	return ssl;
}

static double wall_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double cpu_ms(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
}

static const char *sha256(const char *p, size_t n)
{
	static char hex[2][65];
	static int turn;
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned int len;
	char *to = hex[turn ^= 1];

	EVP_Digest(p, n, md, &len, EVP_sha256(), NULL);
	for (unsigned int i = 0; i < len; i++)
		sprintf(to + 2 * i, "%02x", md[i]);
	return to;
}

static int call(const char *port, const struct form *f, const char *name, size_t size,
		unsigned long calls, unsigned long pause)
{
	char start[256];
	unsigned long reads = 0;
	size_t head, answer_head;
	double wall, cpu;
	SSL *ssl;

	snprintf(start, sizeof(start), "POST %s HTTP/1.1\r\nHost: %s", f->path, name);
	head = message(start, f->request, size);
	ssl = dial(port, name);
	if (SSL_write(ssl, out, (int)size) != (int)size || receive(ssl, &reads) != size)
		die("tlsload: first call");
	sleep(1);
	wall = wall_ms();
	cpu = cpu_ms();
	for (unsigned long i = 0; i < calls; i++) {
		if (SSL_write(ssl, out, (int)size) != (int)size || receive(ssl, &reads) != size)
			die("tlsload: call");
		if (pause)
			usleep((useconds_t)pause);
	}
	wall = wall_ms() - wall;
	cpu = cpu_ms() - cpu;
	SSL_shutdown(ssl);
	calls++;
	answer_head = (size_t)(strstr(in, "\r\n\r\n") - in) + 4;
	printf("pid %d ms %.1f cpu_ms %.1f calls %lu reads %lu bytes %lu body %lu request_sha256 %s "
	       "answer_sha256 %s\n",
	       getpid(), wall, cpu, calls, reads, 2 * calls * size,
	       calls * (2 * size - head - answer_head), sha256(out + head, size - head),
	       sha256(in + answer_head, size - answer_head));
	return 0;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc == 5 && strcmp(argv[1], "serve") == 0)
		serve(argv[2], argv[3], argv[4]);
	if (argc == 8 && strcmp(argv[1], "call") == 0) {
		const struct form *f = &forms[strcmp(argv[3], "chat") != 0];
		size_t size = strtoul(argv[5], NULL, 10);

		if (size >= SIZE_MIN && size <= SIZE_MAX_)
			return call(argv[2], f, argv[4], size, strtoul(argv[6], NULL, 10),
				    strtoul(argv[7], NULL, 10));
	}
	fprintf(stderr, "usage: tlsload serve PORT CERT KEY\n"
			"       tlsload call PORT chat|plain NAME SIZE CALLS PAUSE_US\n");
	return 2;
}
