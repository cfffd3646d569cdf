/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The collector's door: HTTP/1.1 over mutual TLS 1.3. POST /v1/records takes a batch, GET /healthz
 * answers "ok", GET /v1/chains and below are chains_http.h's, for operators' certificates. One thread: a
 * request is stored before the next is read. A second listener is witness_http.h's.
 */
#ifndef PROBITY_COLLECTOR_SERVER_H
#define PROBITY_COLLECTOR_SERVER_H

#include <openssl/ssl.h>

#include "ledger.h"
#include "store/store.h"
#include "witness.h"

#define SERVER_CONNECTIONS 256 /* more wait in the kernel's queue */
#define SERVER_TIMEOUT 30      /* seconds a peer may be silent, in the handshake too */

struct server;

struct server_config {
	const char *address, *witness_address; /* the second NULL: not served */
	uint16_t port, witness_port;
	SSL_CTX *tls; /* all of these are borrowed */
	struct store *store;
	struct witness *witness;
	struct ledger *ledger;
};
/* Binds; nothing is answered before server_run. err: one clear line. */
int server_open(const struct server_config *c, struct server **ret, char *err, size_t err_len);
uint16_t server_port(const struct server *s); /* the bound one, when 0 was asked for */
uint16_t server_witness_port(const struct server *s);
int64_t server_now_ns(void);
int server_run(struct server *s); /* until SIGTERM or SIGINT: 0 */
void server_free(struct server *s);

#endif
