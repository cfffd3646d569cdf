/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The collector's door: HTTP/1.1 over mutual TLS 1.3. POST /v1/records takes a batch, GET /healthz
 * answers "ok". One thread: a request is stored before the next is read.
 */
#ifndef PROBITY_COLLECTOR_SERVER_H
#define PROBITY_COLLECTOR_SERVER_H

#include <openssl/ssl.h>

#include "store/store.h"

#define SERVER_CONNECTIONS 256 /* more wait in the kernel's queue */
#define SERVER_TIMEOUT 30      /* seconds a peer may be silent, in the handshake too */

struct server;

/* Binds; nothing is answered before server_run. err: one clear line. */
int server_open(const char *address, uint16_t port, SSL_CTX *tls, struct store *store,
		struct server **ret, char *err, size_t err_len);
uint16_t server_port(const struct server *s); /* the bound one, when 0 was asked for */
int server_run(struct server *s);	      /* until SIGTERM or SIGINT: 0 */
void server_free(struct server *s);

#endif
