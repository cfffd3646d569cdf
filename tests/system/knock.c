// SPDX-License-Identifier: Apache-2.0
/*
 * Calls again and again until it is told to end, and counts: for tests of what stays in force.
 *
 *   knock ADDRESS PORT NAME SECONDS [PAUSE-MS]
 *
 * One call: TCP, TLS with NAME as server name, one POST of a chat completion, the answer's first line.
 * Out: one line at the end,
 *
 *   tries 812 passed 0 connected 0 shaken 0 slowest 12 ms
 *
 * passed: answered 200; connected: TCP was; shaken: the handshake was complete. A call has LIMIT_S; one
 * that takes longer did not pass, and shows in `slowest`. Certificates are not checked: what is counted
 * is who was reached. Ends at SECONDS, or at SIGTERM with what it has: the call that the signal cut
 * short is no try, unless it passed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define LIMIT_S 8

static const char body[] =
	"{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"user\",\"content\":\"is anybody there?\"}]}";
static volatile sig_atomic_t stop;

struct counts {
	unsigned tries, passed, connected, shaken;
	double slowest;
};

static void on_term(int sig)
{
	stop = 1;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static int tcp(const char *address, int port)
{
	struct timeval limit = {.tv_sec = LIMIT_S};
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (fd < 0 || inet_pton(AF_INET, address, &sa.sin_addr) != 1 ||
	    connect(fd, (void *)&sa, sizeof(sa))) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

static bool ask(SSL *ssl, const char *name)
{
	char text[1024];
	int n = snprintf(text, sizeof(text),
			 "POST /v1/chat/completions HTTP/1.1\r\nHost: %s\r\n"
			 "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
			 name, strlen(body), body);

	if (SSL_write(ssl, text, n) != n)
		return false;
	n = SSL_read(ssl, text, sizeof(text) - 1);
	return n > 12 && !strncmp(text, "HTTP/1.1 200", 12);
}

static void call(SSL_CTX *ctx, const char *address, int port, const char *name, struct counts *c)
{
	double began = now(), took;
	unsigned passed = c->passed;
	int fd = tcp(address, port);
	SSL *ssl = fd >= 0 ? SSL_new(ctx) : NULL;

	c->tries++;
	c->connected += fd >= 0;
	if (ssl) {
		SSL_set_fd(ssl, fd);
		SSL_set_tlsext_host_name(ssl, name);
		if (SSL_connect(ssl) == 1) {
			c->shaken++;
			c->passed += ask(ssl, name);
		}
		SSL_free(ssl);
	}
	if (fd >= 0)
		close(fd);
	c->tries -= stop && c->passed == passed;
	took = now() - began;
	if (took > c->slowest)
		c->slowest = took;
}

int main(int argc, char **argv)
{
	struct sigaction end = {.sa_handler = on_term}; /* no SA_RESTART: it cuts a call short */
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	struct counts c = {};
	double until;

	if (argc < 5 || !ctx) {
		fprintf(stderr, "usage: knock ADDRESS PORT NAME SECONDS [PAUSE-MS]\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGTERM, &end, NULL);
	until = now() + atof(argv[4]);
	while (!stop && now() < until) {
		call(ctx, argv[1], atoi(argv[2]), argv[3], &c);
		if (argc > 5)
			usleep(atoi(argv[5]) * 1000);
	}
	printf("tries %u passed %u connected %u shaken %u slowest %.0f ms\n", c.tries, c.passed,
	       c.connected, c.shaken, c.slowest * 1000);
	SSL_CTX_free(ctx);
	return 0;
}
