/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's parts, as they see each other. One process, one loop; no locks. */
#ifndef PROBITY_AGENT_WORKER_WORKER_H
#define PROBITY_AGENT_WORKER_WORKER_H

#include <jansson.h>

#include "agent/inflight.h"
#include "agent/outq.h"
#include "agent/role.h"
#include "agent/worker/handover.h"
#include "agent/worker/procs.h"
#include "classify/catalog.h"
#include "classify/dataclass.h"
#include "policy/pack.h"
#include "proto/event.h"

struct conns;
struct denials;
struct gate;
struct halves;
struct known;
struct mcps;
struct outcomes;
struct socks;
struct exec_rules;
struct trees;
struct worker;

struct worker_counts {
	uint64_t events, calls, exchanges_not_ai, ignored, served, killed, late_kills, evicted;
	uint64_t late;		/* connections seen first when they were under way */
	uint64_t unseen;	/* calls declared of which no byte was seen */
	uint64_t unseen_shadow; /* connections to hosts where AI was spoken, not seen either */
	uint64_t quiet;		/* sockets to AI without a byte of plaintext, taken for unused */
	uint64_t hellos, held, evidence, evidence_refused;
	uint64_t unjoined;   /* keys whose socket never became known */
	uint64_t not_waited; /* chunks of keys without a socket that found no room */
	uint64_t holes;	     /* in clear text, that were never filled */
	uint64_t twice;	     /* keys below a TLS handle that tells the same bytes */
	uint64_t connects, accepts, closes, bad_events, control_records;
};

struct worker {
	int keeper;
	struct outq to_keeper;
	struct handover *handover;
	struct inflight *inflight;
	struct verdict_slot *verdicts; /* mmap of the BPF array */

	struct catalog *catalog;
	struct dataclass_db *classes;
	struct procs *procs;
	struct conns *conns;
	struct halves *halves;
	struct socks *socks;
	struct known *known;
	struct mcps *mcps;	   /* requests to tool servers; NULL: not read */
	struct outcomes *outcomes; /* of kills by the keeper */
	struct gate *gate;	   /* NULL: nothing waits */
	struct denials *denials;   /* NULL: not recorded */
	struct exec_rules *exec_rules;
	struct trees *trees;

	/* the pack in force */
	struct pack *pack; /* NULL: none */
	uint64_t generation;
	bool enforce;
	struct pack_krule krule[64];
	size_t krules, krules_own; /* the others are of krules_split() */
	uint64_t krules_told;	   /* bits in the kernel that a process may have by its tool */
	char pack_error[256];
	char host_id[65]; /* of this machine, for rollouts; "" = not known */

	struct worker_counts count;
	struct role_drops drops; /* as last told by the keeper */
	int64_t wall_offset_ns;	 /* CLOCK_REALTIME - CLOCK_BOOTTIME */
	bool stopping;
};

uint64_t boot_now(void);
/* Waits for messages of the keeper, ms at most, and does what they say. */
void worker_listen(struct worker *w, int ms);
void tell_keeper(struct worker *w, enum role_kind kind, const void *p, size_t n);

#endif
