// SPDX-License-Identifier: Apache-2.0
/*
 * sockdie [--shut | --cookie] PID PORT: ends the TCP connection of PID to PORT as the keeper does, or by
 * its second way alone; --cookie: PORT is the socket's cookie. Prints how, and how many microseconds it
 * took.
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "agent/gate.h"
#include "agent/sockwalk.h"

struct want {
	uint16_t port;
	uint64_t cookie;
};

static int look(void *ctx, int sock)
{
	struct sockaddr_in6 a = {};
	struct want *w = ctx;
	socklen_t n = sizeof(a), m = sizeof(w->cookie);

	/* The port is at the same place in both families. */
	if (getpeername(sock, (struct sockaddr *)&a, &n) || ntohs(a.sin6_port) != w->port)
		return 0;
	if (a.sin6_family != AF_INET && a.sin6_family != AF_INET6)
		return 0;
	return getsockopt(sock, SOL_SOCKET, SO_COOKIE, &w->cookie, &m) ? 0 : 2;
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000ull + t.tv_nsec / 1000;
}

static int by_shut(uint32_t pid, uint64_t cookie)
{
	int sock = sockwalk_find(pid, cookie), r = sock < 0 ? sock : sock_shut(sock);

	if (sock >= 0)
		close(sock);
	return r;
}

int main(int argc, char **argv)
{
	bool shut = argc > 3 && !strcmp(argv[1], "--shut");
	bool named = argc > 3 && !strcmp(argv[1], "--cookie");
	bool option = shut || named;
	struct want w = {};
	uint64_t began;
	uint32_t pid;
	int r;

	if (argc - option < 3)
		return 2;
	pid = strtoul(argv[1 + option], NULL, 10);
	w.port = w.cookie = strtoull(argv[2 + option], NULL, 10);
	if (!named && sockwalk(pid, look, &w) != 1) {
		puts("no such connection");
		return 1;
	}
	began = now_us();
	r = shut ? by_shut(pid, w.cookie) : sock_die(pid, w.cookie);
	printf("%s %llu\n",
	       r == SOCK_DIED_DESTROYED ? "destroyed"
	       : r == SOCK_DIED_SHUT	? "shut"
	       : r == SOCK_DIED_BEFORE	? "before"
					: strerror(-r),
	       (unsigned long long)(now_us() - began));
	return r < 0;
}
