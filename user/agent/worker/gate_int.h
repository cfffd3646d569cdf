/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the gate share. */
#ifndef PROBITY_AGENT_WORKER_GATE_INT_H
#define PROBITY_AGENT_WORKER_GATE_INT_H

#include "agent/worker/approve.h"
#include "agent/worker/gate.h"
#include "agent/worker/held.h"

#define GATE_BUCKETS 1024

/* Answers by how long they took, in powers of two of microseconds. */
#define GATE_TIMES 24
struct gate_counts {
	uint64_t asked, passed, refused, killed, masked, held, approved;
	uint64_t timeouts, too_late, no_wait, unread, unknown, failed, late_refused, clear, again;
	uint64_t took[GATE_TIMES];
};

#define GATE_REPEATS 256
#define GATE_REPEAT_NS 10000000000ull
struct gate_repeat { /* the last refusal on a connection */
	uint64_t id, ns, wire;
	uint8_t sha256[32];
	char model[64];
};

struct gate {
	struct worker *worker;
	struct gate_slot *slots;
	struct approve *approve;
	struct gate_conn *waits[GATE_BUCKETS]; /* by seq */
	bool on;			       /* the pack has rules on content, and is enforced */
	bool redacts;			       /* … and one of them masks */
	bool clear;			       /* rules that hold packets of clear connections */
	struct gate_counts count;
	struct gate_repeat repeat[GATE_REPEATS]; /* by connection id */
};

enum gate_state {
	GATE_IDLE,     /* no write, or one that is still being told */
	GATE_REFUSING, /* the keeper ends the socket */
	GATE_MASKING,
	GATE_ANSWERED,
};

struct gate_conn {
	struct gate_conn *next; /* by seq, while the keeper is asked */
	struct conn *conn;
	enum gate_state state;
	bool telling; /* its write's bytes come */
	bool waiting; /* in gate.waits */
	bool ended; /* the keeper ended its socket before it was answered: that is why it did not leave */
	/* The write that waits. */
	uint64_t id, seq, rules, asked_ns, answered_ns;
	uint32_t how;
	enum gate_verdict answer;
	enum disposition worst;
	int rule;
	uint64_t generation; /* of `rule` */
	bool clear;	     /* clear HTTP: its packets wait, not its writes */
	struct held held;
	struct role_span *spans; /* to be masked */
	size_t spans_n;
};

struct gate_watch {
	struct held_text text;
	bool touched;  /* it has bytes in the write in hand */
	bool judged;   /* with them */
	bool approved; /* by a grant */
	enum disposition want, final;
	int rule;
	bool wanted[DATACLASS_MAX];
	enum disposition otherwise; /* of the rules that mask: the most severe `else`, and whose */
	int otherwise_rule;
	uint64_t body, body_left; /* bytes seen; of writes that went */
	uint64_t left_before;	  /* body_left, without the last write that was let go */
	struct gate_outcome out;
};

/* REFUSE_* that a rule of the pack in force allows; rule -1: the mild ones. */
unsigned gate_may(const struct worker *w, int rule);

/* gate_resolve.c: what becomes of a write by what its exchanges want: fills worst, rule, spans, and
 * each exchange's `final`. told: bytes of the write that could be read. */
void gate_resolve(struct gate *g, struct gate_conn *gc, bool unread);
/* It cannot be masked, as it turned out. */
void gate_otherwise(struct gate_conn *gc, struct gate_watch *gw);
/* The write was refused (or tried to be), or went. */
void gate_set_outcome(struct gate_conn *gc, unsigned mechanism, bool failed);
void gate_set_left(struct gate_conn *gc);

#endif
