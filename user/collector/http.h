/* SPDX-License-Identifier: Apache-2.0 */
/* Small steps of the collector's listeners. */
#ifndef PROBITY_COLLECTOR_HTTP_H
#define PROBITY_COLLECTOR_HTTP_H

#include <stddef.h>
#include <stdint.h>

#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>

void http_reply(struct evhttp_request *req, int code, const char *type, const void *body, size_t n);
void http_text(struct evhttp_request *req, int code, const char *text);
/* err: one line. 0 or -errno. */
int http_listen(struct event_base *base, const char *address, uint16_t port,
		struct evconnlistener **ret, char *err, size_t err_len);
uint16_t http_port(struct evconnlistener *l); /* the bound one */

#endif
