// SPDX-License-Identifier: Apache-2.0
/* Listening, and answers with a body. What is answered is the caller's; libevent sends it. */
#include "http.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <event2/buffer.h>

#define BACKLOG 128

void http_reply(struct evhttp_request *req, int code, const char *type, const void *body, size_t n)
{
	struct evbuffer *out = evhttp_request_get_output_buffer(req);

	evhttp_add_header(evhttp_request_get_output_headers(req), "Content-Type", type);
	evbuffer_add(out, body, n);
	evhttp_send_reply(req, code, NULL, NULL);
}

void http_text(struct evhttp_request *req, int code, const char *text)
{
	http_reply(req, code, "text/plain; charset=utf-8", text, strlen(text));
}

int http_listen(struct event_base *base, const char *address, uint16_t port,
		struct evconnlistener **ret, char *err, size_t err_len)
{
	struct addrinfo hint = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
				.ai_socktype = SOCK_STREAM};
	struct addrinfo *a = NULL;
	char text[8];
	int r = 0;

	snprintf(text, sizeof(text), "%u", port);
	if (getaddrinfo(address, text, &hint, &a)) {
		snprintf(err, err_len, "%s: not an address to listen on", address);
		return -EINVAL;
	}
	*ret = evconnlistener_new_bind(base, NULL, NULL,
				       LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC |
					       LEV_OPT_REUSEABLE,
				       BACKLOG, a->ai_addr, a->ai_addrlen);
	if (!*ret) {
		r = errno ? -errno : -EIO;
		snprintf(err, err_len, "%s:%u: cannot listen: %s", address, port, strerror(-r));
	}
	freeaddrinfo(a);
	return r;
}

uint16_t http_port(struct evconnlistener *l)
{
	struct sockaddr_storage a;
	socklen_t n = sizeof(a);
	char text[8];

	if (getsockname(evconnlistener_get_fd(l), (struct sockaddr *)&a, &n) ||
	    getnameinfo((struct sockaddr *)&a, n, NULL, 0, text, sizeof(text), NI_NUMERICSERV))
		return 0;
	return strtoul(text, NULL, 10);
}
