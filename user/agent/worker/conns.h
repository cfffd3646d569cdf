/* SPDX-License-Identifier: Apache-2.0 */
/* Connections of this host that may speak to AI: data events in, judged calls out. */
#ifndef PROBITY_AGENT_WORKER_CONNS_H
#define PROBITY_AGENT_WORKER_CONNS_H

#include "agent/worker/worker.h"
#include "flow/interaction.h"
#include "proto/gate.h"

#define CONNS_MAX 16384
#define CONNS_MEMORY (512u << 20) /* of all that is followed, in sum */

struct flow;
struct gate_conn;
struct gate_watch;
struct half;
struct sock;
struct waiting;

/* One exchange that is watched: what interaction.h does not hold. */
struct watch {
	struct watch *next;
	uint64_t request_offset;
	struct dataclass_scan request, response;
	struct catalog_service service;
	const struct interaction *it; /* while its exchange is open */
	struct gate_watch *gate;      /* NULL: its writes do not wait */
	int slot;		      /* of inflight, -1 */
	uint32_t tools_told;	      /* tool calls of the model that links.c knows */
	bool kill_asked;
	bool told, read_whole; /* its request is over; all of it was read */
	int unknown,
		unknown_rule;  /* enum disposition of rules whose facts of the request never came */
	int would, would_rule; /* enum disposition of what monitor mode did not do; 0 = nothing */
	bool unseen;	       /* no byte of the call was seen: its sizes are unknown */
};

struct conn {
	struct conn *next, *next_of_pid, *next_of_sock;
	struct conn *newer, *older; /* by last use */
	uint64_t id, start_ns, cgroup;
	uint32_t pid, uid;
	uint32_t flags;	       /* EVENT_F_* */
	bool refused, closing; /* refused: a write was killed in the kernel */
	bool judged;	       /* refused, and its record was made */
	bool ai;	       /* it spoke to AI, or its host is of the catalog */
	bool tools;	       /* it spoke to a tool server */
	bool quiet, skips[2];  /* the kernel may leave bytes out, by enum event_dir: or may have */
	unsigned strangers;    /* exchanges that are not AI */
	uint64_t kill_rules, kill_policy;
	uint16_t kill_mechanism; /* enum gate_mechanism; GATE_NONE: nothing here could stop it */
	struct gate_conn *gate;	 /* NULL: no write of it has waited */

	/* The socket, and what its first packets said. */
	struct sock *sock; /* NULL: not bound (yet), or closed */
	uint64_t closed_ns;
	struct event_addr peer;
	bool peer_adjacent; /* of the send after the TLS call, not inside it */
	bool sni_given;	    /* by the program; else it is the ClientHello's */
	char sni[EVENT_HOST_MAX];
	char alpn[64];
	uint16_t tls; /* 0x0303, 0x0304; 0 = unknown */

	struct flow *flow;
	struct half *halves;	    /* keys of both directions; NULL: one handle for both */
	uint64_t end[2];	    /* of what was seen, by enum event_dir */
	struct waiting *waiting[2]; /* plain.c: by enum event_dir, behind a hole */
	size_t waits;
	struct watch *watches;
	int slot; /* of inflight, for a request whose head is not whole yet; -1 */
	struct worker *worker;

	/* Whether a call was under way when it was seen first (late.c). */
	bool wrote, headed, stray, late_told;
	uint64_t first_ns, first_write;
};

struct conns *conns_new(struct worker *w);
void conns_free(struct conns *c);
void conns_data(struct conns *c, const struct event_data *e);
void conns_bound(struct conns *c, const struct event_conn *e);
void conns_named(struct conns *c, const struct event_host *e);
void conns_killed(struct conns *c, const struct event_kill *e);
void conns_denied(struct conns *c, const struct event_deny *e); /* GATE_AT_WRITE */
void conns_closed(struct conns *c, const struct event *e);
void conns_exit(struct conns *c, const struct event *e); /* all of that process */
void conns_close_all(struct conns *c, uint64_t ns);
unsigned conns_count(const struct conns *c);
/* Ends connections whose socket was closed a while ago. */
void conns_sweep(struct conns *c, uint64_t now_ns);
/* While `used` says more than `max`, ends connections: idle ones that are not AI first. */
void conns_trim(struct conns *c, size_t (*used)(void), size_t max, uint64_t ns);
/* Whether a TLS connection of that process is not judged yet. */
bool conns_open(const struct conns *c, uint32_t pid, uint64_t start_ns);

/* --- for halves.c, socks.c and follow.c --- */

struct chunk {
	enum event_dir dir;
	uint64_t offset, ns;
	const uint8_t *p;
	uint32_t n, flags;
};

/* The connection with that id, or NULL. */
struct conn *conns_find(const struct conns *c, uint64_t id);
/* The same, made if it is new. NULL: out of memory. */
struct conn *conns_get(struct conns *c, const struct event *e);
void conns_touch(struct conns *cs, struct conn *c, const struct event *e); /* it is used */
void conns_learn(struct conn *c, const struct sock *s); /* name, protocols, version */
void conns_bind(struct conn *c, struct sock *s, const struct event_conn *e);
/* They keep what they know; each ends after its grace, or at its handle's end. */
void conns_sock_closed(struct conns *c, struct sock *s, uint64_t ns);
void conns_sock_gone(struct sock *s);
void conns_end(struct conns *cs, struct conn *c, uint64_t ns); /* open exchanges become done */
/* A write of it was refused: open exchanges become done, and what is written next is of the same handle,
 * socket and server. */
void conns_refused(struct conns *cs, struct conn *c, uint64_t ns);
void conns_drop(struct conns *cs, struct conn *c); /* says nothing */
/* Not wanted: tells the kernel so, and forgets it. */
void conns_ignore(struct conns *cs, struct conn *c);
/* Tells the kernel what becomes of one id. */
void conns_verdict(struct worker *w, uint64_t id, enum verdict v);
bool conns_is_ignored(const struct worker *w, uint64_t id);
/* Whether what goes on there now is of no interest: VERDICT_QUIET, or not any more. */
void conns_quiet(struct conn *c, bool quiet);

/* follow.c: false: nothing more is to be read here (it may be ignored). */
bool follow_chunk(struct conn *c, const struct chunk *k);
void follow_end(struct conn *c, uint64_t ns);
void follow_drop(struct conn *c); /* flow and watches, without a word */

#endif
