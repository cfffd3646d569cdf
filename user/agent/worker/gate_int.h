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
	uint64_t stopped, blocked, block_over, away, went_late;
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
	GATE_BLOCKED, /* an operator is asked */
	GATE_ANSWERED,
};

struct gate_conn {
	struct gate_conn *next; /* by seq, while the keeper is asked or its process is stopped */
	struct conn *conn;
	enum gate_state state;
	bool telling; /* its write's bytes come */
	bool waiting; /* in gate.waits */
	bool ended; /* the keeper ended its socket before it was answered: that is why it did not leave */
	bool stopped; /* its process is, or is about to be: answers go by the keeper */
	bool counted; /* how long it waited was */
	/* The write that waits. */
	uint64_t id, seq, rules, cookie, asked_ns, answered_ns;
	uint64_t lost_ns;	/* in gate.waits: no answer of the keeper comes any more */
	uint64_t until_ns;	/* of GATE_BLOCKED */
	const char *not_judged; /* of the latest write that nobody could be asked for: why, */
	uint64_t from, upto;	/* and where its bytes stand */
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
	bool asked;    /* nobody has said yes or no */
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

/* gate_stop.c */
void gate_tell_continue(struct gate *g, const struct gate_conn *gc, enum gate_verdict v);
/* Of a write that is to be held: it waits for its operator. False: it is refused. */
bool gate_block(struct gate *g, struct gate_conn *gc);
void gate_blocked_answered(struct gate *g); /* grants, or a pack, are others */

/* gate.c */
struct gate_conn *gate_conn_get(struct conn *c); /* NULL: no memory */
void gate_wait_add(struct gate *g, struct gate_conn *gc);
void gate_wait_remove(struct gate *g, struct gate_conn *gc);
struct gate_conn *gate_wait_find(struct gate *g, uint64_t seq);
void gate_wait_over(struct gate *g, struct gate_conn *gc);
void gate_waited(struct gate_conn *gc, uint64_t ns);
void gate_timed_out(struct gate *g, struct gate_conn *gc, const struct event_gate_end *e);
bool gate_was_refused(const struct gate_conn *gc);

/* gate_answer.c */
void gate_put(struct gate *g, uint64_t id, uint64_t seq, enum gate_verdict v);
void gate_answer(struct gate *g, struct gate_conn *gc, enum gate_verdict v);
void gate_carry_out(struct gate *g, struct gate_conn *gc);
void gate_refuse(struct gate *g, struct gate_conn *gc);
/* seq 0: of no write that waits; cookie 0: the socket of c. */
void gate_ask_refusal(struct gate *g, const struct conn *c, uint64_t seq, uint64_t cookie,
		      int rule);

/* gate_calls.c */
/* A write with bytes of it was not judged. */
void gate_was_not_judged(struct watch *w, const char *why);
void gate_judge_open(struct gate *g, struct conn *c);

/* The first content rule that concerns this write and fails closed; -1: none. */
int gate_closed_rule(const struct worker *w, uint64_t rules);
/* gate_resolve.c: what its exchanges come to, with the answers that there are by now. */
void gate_hold_again(struct gate *g, struct gate_conn *gc);

#endif
