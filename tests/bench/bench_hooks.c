// SPDX-License-Identifier: Apache-2.0
/*
 * What tests/bench/hooks repeats: a program begun and waited for, or a TCP connection made and closed.
 * It knows nothing of the agent. Out: the lower quartile in ns of one. usage: bench_hooks exec|connect COUNT
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void run_one(void)
{
	char *argv[] = {"/bin/true", NULL};
	pid_t pid;
	int status;

	if (posix_spawn(&pid, argv[0], NULL, NULL, argv, environ) ||
	    waitpid(pid, &status, 0) != pid || status)
		fail(argv[0]);
}

static void *accept_all(void *listener)
{
	for (;;) {
		int fd = accept4(*(int *)listener, NULL, NULL, SOCK_CLOEXEC);
		char c;

		if (fd < 0)
			continue;
		while (read(fd, &c, 1) > 0) /* the client closes first */
			;
		close(fd);
	}
	return NULL;
}

/* Closed by a reset, so that no port is used up. */
static void connect_one(const struct sockaddr_in *to)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct linger l = {.l_onoff = 1};

	if (fd < 0 || connect(fd, (const void *)to, sizeof(*to)))
		fail("connect");
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	close(fd);
}

static void listen_here(struct sockaddr_in *at)
{
	static int listener;
	socklen_t n = sizeof(*at);
	pthread_t t;

	*at = (struct sockaddr_in){.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (void *)at, n) || listen(listener, 128) ||
	    getsockname(listener, (void *)at, &n) ||
	    pthread_create(&t, NULL, accept_all, &listener))
		fail("listen");
}

static int by_value(const void *p, const void *q)
{
	uint64_t x = *(const uint64_t *)p, y = *(const uint64_t *)q;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	unsigned n = argc == 3 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
	uint64_t *ns = n ? calloc(n, sizeof(*ns)) : NULL;
	struct sockaddr_in at;
	int exec;

	if (!ns)
		return 2;
	exec = !strcmp(argv[1], "exec");
	if (!exec)
		listen_here(&at);
	for (unsigned i = 0; i < n; i++) {
		uint64_t t = now();

		if (exec)
			run_one();
		else
			connect_one(&at);
		ns[i] = now() - t;
	}
	qsort(ns, n, sizeof(*ns), by_value);
	printf("%lu\n", ns[n / 4]); /* a disturbance only ever adds */
	return 0;
}
