// SPDX-License-Identifier: Apache-2.0
/*
 * A name server on 127.0.0.1:53 for the guests: every A question is answered with 127.0.0.1 (or the
 * address given), TTL 60; every other type with no answers. usage: dnsd [ADDRESS] [LOG]
 * Prints "ready" when it listens; LOG gets the name of each question. A packet that is not one
 * question is left unanswered.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD 12

/* Where the question ends; 0 if it is not one. The name goes to `name`. */
static size_t question(const uint8_t *p, size_t n, char *name, size_t cap)
{
	size_t at = HEAD, k = 0;

	if (n < HEAD || p[2] & 0x80 || p[4] || p[5] != 1)
		return 0;
	while (at < n && p[at]) {
		size_t len = p[at++];

		if (len > 63 || at + len > n || k + len + 1 >= cap)
			return 0;
		memcpy(name + k, p + at, len);
		k += len;
		name[k++] = '.';
		at += len;
	}
	name[k ? k - 1 : 0] = '\0';
	return at + 5 <= n ? at + 5 : 0;
}

static size_t answer(uint8_t *p, size_t end, struct in_addr to)
{
	const uint8_t head[] = {0xc0, HEAD, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4};
	int is_a = p[end - 4] == 0 && p[end - 3] == 1;

	p[2] = 0x81;
	p[3] = 0x80;
	memset(p + 6, 0, 6);
	p[7] = is_a;
	if (!is_a)
		return end;
	memcpy(p + end, head, sizeof(head));
	memcpy(p + end + sizeof(head), &to, 4);
	return end + sizeof(head) + 4;
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(53)}, from;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	FILE *log = argc > 2 ? fopen(argv[2], "ae") : NULL;
	struct in_addr to;
	uint8_t p[1500];

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (inet_pton(AF_INET, argc > 1 ? argv[1] : "127.0.0.1", &to) != 1 ||
	    bind(fd, (void *)&at, sizeof(at))) {
		perror("dnsd");
		return 1;
	}
	puts("ready");
	fflush(stdout);
	for (;;) {
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(fd, p, 512, 0, (void *)&from, &len);
		char name[256] = "";
		size_t end = n > 0 ? question(p, n, name, sizeof(name)) : 0;

		if (!end)
			continue;
		if (log) {
			fprintf(log, "%s\n", name);
			fflush(log);
		}
		sendto(fd, p, answer(p, end, to), 0, (void *)&from, len);
	}
}
