// SPDX-License-Identifier: Apache-2.0
/* A client that does not look: what it is refused it goes on writing, then it connects anew, with a handle at
 * the old one's address. With ADDRESS it says no name.
 * usage: again PORT CA TIMES BYTES AGENT [ADDRESS] */
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE 16384

int main(int argc, char **argv)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = ctx ? SSL_new(ctx) : NULL;
	size_t body, head;
	char *text;

	if (argc < 6 || argc > 7 || !ssl || SSL_CTX_load_verify_locations(ctx, argv[2], NULL) != 1)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	at.sin_port = htons(atoi(argv[1]));
	if (argc == 7)
		inet_pton(AF_INET, argv[6], &at.sin_addr);
	body = strtoul(argv[4], NULL, 10);
	text = malloc(body + 4096);
	for (int i = 0; i < atoi(argv[3]); i++) {
		char start[] =
			"{\"model\":\"corp-1\",\"messages\":[{\"role\":\"user\",\"content\":\"",
		     end[] = "\"}]}";
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		if (argc == 6)
			SSL_set_tlsext_host_name(ssl, "localhost");
		SSL_set_fd(ssl, fd);
		if (connect(fd, (void *)&at, sizeof(at)) || SSL_connect(ssl) != 1)
			return 3;
		head = snprintf(
			text, 4096,
			"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nUser-Agent: %s-%d\r\n"
			"Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
			argv[5], i, body, start);
		memset(text + head, 'x', body);
		memcpy(text + head - strlen(start) + body - strlen(end), end, strlen(end));
		head += body - strlen(start);
		for (size_t n = 0; n < head; n += PIECE)
			SSL_write(ssl, text + n, head - n < PIECE ? head - n : PIECE);
		printf("%d: handle %p, answer %d\n", i, (void *)ssl, SSL_read(ssl, text, 100));
		close(fd);
		SSL_clear(ssl);
	}
	return 0;
}
