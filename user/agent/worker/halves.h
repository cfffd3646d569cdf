/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of one direction (AEAD contexts): two of them over one socket are one connection. */
#ifndef PROBITY_AGENT_WORKER_HALVES_H
#define PROBITY_AGENT_WORKER_HALVES_H

#include "agent/worker/conns.h"

#define HALVES_MAX 32768
#define HALF_WAIT_MAX (64u << 10)   /* bytes that wait for the socket, per key */
#define HALVES_WAIT_MAX (32u << 20) /* and of all keys */

struct halves *halves_new(struct worker *w);
void halves_free(struct halves *h);
void halves_data(struct halves *h, const struct event_data *e);
void halves_bound(struct halves *h, const struct event_conn *e);
/* False: no key of ours. */
bool halves_closed(struct halves *h, const struct event *e);
void halves_exit(struct halves *h, const struct event *e);
void halves_sweep(struct halves *h, uint64_t now_ns);
/* A write of that key waits: its connection, made if its socket is not known yet. NULL: none. */
struct conn *halves_conn(struct halves *h, uint64_t id);
unsigned halves_count(const struct halves *h);

/* The connection goes. ignored: its keys too; else a later chunk makes a new one. */
void halves_let_go(struct conn *c, bool ignored);
/* Under which id and offset the kernel told the byte at `offset` of what c wrote. */
void halves_origin(const struct conn *c, uint64_t offset, uint64_t *ret_id, uint64_t *ret_offset);
void halves_verdict(const struct conn *c, enum verdict v);

#endif
