// SPDX-License-Identifier: Apache-2.0
/*
 * Datagrams on loopback, for what is said of QUIC.
 *   udp recv PORT LOG            one line "SIZE\n" in LOG for each that came; "ready" first
 *   udp send ADDRESS PORT FILE   one datagram of the hexadecimal text in FILE, from a connected socket;
 *                                exit 0 sent, 3 refused (EPERM), 1 otherwise
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int receive(int fd, const char *log)
{
	FILE *f = fopen(log, "ae");
	char p[65536];
	ssize_t n;

	puts("ready");
	fflush(stdout);
	while (f && (n = recv(fd, p, sizeof(p), 0)) >= 0) {
		fprintf(f, "%zd\n", n);
		fflush(f);
	}
	return 1;
}

static int transmit(int fd, const char *file)
{
	FILE *f = fopen(file, "re");
	uint8_t p[2048];
	unsigned byte;
	size_t n = 0;

	while (f && n < sizeof(p) && fscanf(f, " %2x", &byte) == 1)
		p[n++] = byte;
	if (n && send(fd, p, n, 0) == (ssize_t)n)
		return 0;
	perror("send");
	return errno == EPERM ? 3 : 1;
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_DGRAM, 0), sends = argc == 5 && !strcmp(argv[1], "send");

	if (!sends && (argc != 4 || strcmp(argv[1], "recv"))) {
		fprintf(stderr, "usage: udp recv PORT LOG | udp send ADDRESS PORT FILE\n");
		return 2;
	}
	at.sin_port = htons(atoi(argv[sends ? 3 : 2]));
	if (inet_pton(AF_INET, sends ? argv[2] : "127.0.0.1", &at.sin_addr) != 1)
		return 2;
	if (sends ? connect(fd, (void *)&at, sizeof(at)) : bind(fd, (void *)&at, sizeof(at))) {
		perror("udp");
		return errno == EPERM ? 3 : 1;
	}
	return sends ? transmit(fd, argv[4]) : receive(fd, argv[3]);
}
