/* SPDX-License-Identifier: Apache-2.0 */
/* TLS connections of this host that may speak to AI: data events in, judged calls out. */
#ifndef PROBITY_AGENT_WORKER_CONNS_H
#define PROBITY_AGENT_WORKER_CONNS_H

#include "agent/worker/worker.h"
#include "flow/interaction.h"

#define CONNS_MAX 8192

/* One exchange that is watched: what interaction.h does not hold. */
struct watch {
	struct watch *next;
	uint64_t request_offset;
	struct dataclass_scan request, response;
	struct catalog_service service;
	int slot; /* of inflight, -1 */
	bool kill_asked;
};

struct conn {
	struct conn *next, *next_of_pid;
	struct conn *newer, *older; /* by last use */
	uint64_t id, start_ns, cgroup;
	uint32_t pid, uid;
	uint32_t flags;	       /* EVENT_F_* */
	bool refused, closing; /* refused: a write was killed in the kernel */
	bool judged;	       /* refused, and its record was made */
	uint64_t kill_rules, kill_policy;
	struct event_addr peer;
	bool peer_adjacent; /* of the send after the TLS call, not inside it */
	char sni[EVENT_HOST_MAX];
	struct flow *flow;
	struct watch *watches;
	int slot; /* of inflight, for a request whose head is not whole yet; -1 */
	struct worker *worker;
};

struct conns *conns_new(struct worker *w);
void conns_free(struct conns *c);
void conns_data(struct conns *c, const struct event_data *e);
void conns_bound(struct conns *c, const struct event_conn *e);
void conns_named(struct conns *c, const struct event_host *e);
void conns_killed(struct conns *c, const struct event_kill *e);
void conns_closed(struct conns *c, const struct event *e);
void conns_exit(struct conns *c, const struct event *e); /* all of that process */
void conns_close_all(struct conns *c, uint64_t ns);
unsigned conns_count(const struct conns *c);

#endif
