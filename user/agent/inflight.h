/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker has begun and not yet handed over, in memory that outlives it: so that after its
 * death the next one can say exactly how many calls were lost.
 *
 * A slot is open from the first byte of a request until its record got an id. Ids are given out
 * here, consecutively, so the ids above the last durable one that never come are lost as well. Of
 * each id it is known how many calls go with it: one for a call's record, none for a control
 * record, and for the record that declares a loss all those it declares. So a declaration that is
 * itself lost is declared again. Writes are ordered so that a death between any two of them
 * neither loses a count nor counts twice; see inflight.c.
 *
 * Beside the calls, sockets whose ClientHello named AI and of which no plaintext was seen yet: what is
 * known of them is only in the packets that the dead worker has read, and the next one goes on from it.
 */
#ifndef PROBITY_AGENT_INFLIGHT_H
#define PROBITY_AGENT_INFLIGHT_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/event.h"

#define INFLIGHT_SLOTS 4096
#define INFLIGHT_IDS 16384 /* ids of which the weight is remembered; a power of two */
#define INFLIGHT_DROPS 16  /* counters of the kernel */
#define INFLIGHT_SOCKS 4096

struct inflight;

/* The keeper makes it, the worker maps it. */
int inflight_make(void); /* fd or -errno */
int inflight_map(int fd, struct inflight **ret);

/* A slot for the request whose first byte is at `offset` of `conn`; -1 when all are taken. */
int inflight_open(struct inflight *f, uint64_t conn, uint64_t offset);
void inflight_drop(struct inflight *f, int slot); /* it was not a call after all */
/* Gives the next id to the call in `slot` (or to none, slot < 0) and closes the slot. */
uint64_t inflight_id(struct inflight *f, int slot, bool is_call);
uint64_t inflight_last_id(const struct inflight *f); /* 0 = none given out yet */
void inflight_start_ids(struct inflight *f, uint64_t first);

/* At a worker's start: the open slots of the one before it, for inflight_lost. */
unsigned inflight_inherit(struct inflight *f);
/* These bytes of requests come again, so the requests that begin in them are not lost. */
void inflight_again(struct inflight *f, uint64_t conn, uint64_t offset, uint32_t size);
/*
 * Calls lost by the death: inherited slots not seen again, and the ids above `durable` up to
 * `up_to`, which will never come. They go over to the id of the record that declares them, which
 * is given out here; no id is given out for 0.
 */
unsigned inflight_lost(struct inflight *f, uint64_t durable, uint64_t up_to, uint64_t *ret_id);

/* A socket that said hello; the worker's own words (worker/socks.h). */
struct inflight_sock {
	uint64_t cookie; /* 0: not in use */
	uint64_t id;	 /* of the record that says that nothing of it was seen */
	uint64_t conn;	 /* of the TLS handle that speaks over it, 0 = not known yet */
	uint64_t start_ns, cgroup, first_ns, hello_ns, answer_ns, closed_ns;
	int64_t sent;
	uint32_t pid, uid, hello_len;
	uint16_t tls;
	bool greeted;
	struct event_addr peer;
	char sni[256], alpn[64];
};
/* A place with these words in it; NULL: all are in use, counted in refused. */
struct inflight_sock *inflight_sock_open(struct inflight *f, const struct inflight_sock *first);
void inflight_sock_drop(struct inflight_sock *s); /* it may be NULL */
/* Its record is the next that gets an id. */
void inflight_sock_told(struct inflight *f, struct inflight_sock *s);
/* At a worker's start, one after the other from *at = 0: those the one before it left. */
struct inflight_sock *inflight_sock_next(struct inflight *f, unsigned *at);

/* The kernel's counters as declared so far. `id` is the record that declares `count`; it counts
 * once that is durable, else the next worker goes on from `before`. */
struct inflight_drops {
	uint64_t id, count[INFLIGHT_DROPS], before[INFLIGHT_DROPS];
};
struct inflight_drops *inflight_drops(struct inflight *f);
/* A worker starts at this position of the ring. Returns how many have begun at this very one. */
unsigned inflight_starts_at(struct inflight *f, uint64_t position);
uint64_t inflight_refused(const struct inflight *f); /* requests and sockets that found no slot */

#endif
