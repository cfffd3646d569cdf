/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections of the mutual TLS listener: how many there are, whose, and for how long. So that neither a
 * stranger nor one host's certificate can keep the others out by holding connections open.
 */
#ifndef PROBITY_COLLECTOR_PEERS_H
#define PROBITY_COLLECTOR_PEERS_H

#include <stdbool.h>
#include <stdint.h>

#include <openssl/ssl.h>

#include "base/cleanup.h"

#define PEERS_PER_NAME 16    /* of one certificate name; a further one ends the oldest of them */
#define PEERS_HANDSHAKE_S 10 /* to say who one is */
#define PEERS_REQUEST_S 120  /* from one whole request to the next, or to the end */

struct peers;
/* full: called when `max` are open and when there is room again. */
int peers_new(unsigned max, void (*full)(void *ctx, bool full), void *ctx, struct peers **ret);
/* After the last of them is gone. */
void peers_free(struct peers *c);
DEFINE_CLEANUP(struct peers, peers_free)
/* Until SSL_free. False: out of memory. */
bool peers_add(struct peers *c, SSL *ssl, int64_t now_s);
/* A request came whole. */
void peers_request(struct peers *c, SSL *ssl, int64_t now_s);
/* Ends those that take too long; about once a second. */
void peers_tick(struct peers *c, int64_t now_s);
unsigned peers_count(const struct peers *c);

#endif
