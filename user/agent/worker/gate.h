/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker's part of the gate: answers writes that wait, and asks the keeper for what needs
 * privilege (a dead socket, masked bytes).
 */
#ifndef PROBITY_AGENT_WORKER_GATE_H
#define PROBITY_AGENT_WORKER_GATE_H

#include "agent/worker/conns.h"
#include "policy/facts.h"
#include "policy/pack.h"
#include "proto/gate.h"

struct flow_masked;
struct gate;
struct gate_conn;  /* of a connection whose writes wait */
struct gate_watch; /* of one of its exchanges */

/* slots: GATE_SLOTS, mapped from the kernel, or NULL: nothing waits here. */
struct gate *gate_new(struct worker *w, struct gate_slot *slots);
void gate_free(struct gate *g);

/* The rules are others (a pack, a schedule): tells the keeper whether writes wait, and for which.
 * Before the ROLE_KRULES of the same generation. */
void gate_pack(struct gate *g);
void gate_tick(struct gate *g, uint64_t now_ns);
json_t *gate_status(const struct gate *g);

/* EVENT_GATE, EVENT_GATE_END. The bytes were given to flow just before. */
void gate_asked(struct gate *g, const struct event_gate *e);
void gate_ended(struct gate *g, const struct event_gate_end *e);
/* ROLE_REFUSED, ROLE_MASKED, ROLE_CONTINUED, ROLE_GRANTS. */
void gate_refused(struct gate *g, const struct role_done *d);
void gate_masked(struct gate *g, const struct role_done *d);
void gate_continued(struct gate *g, const struct role_done *d);
void gate_grants(struct gate *g, const struct role_grant *v, size_t n);

/* --- conns.c, halves.c and follow.c --- */

/* Its writes wait: it is never given up, and never quiet. */
bool gate_holds(const struct conn *c);
/* Packets of clear connections wait, too; g may be NULL. */
bool gate_waits_clear(const struct gate *g);
/* The kernel refused a write by itself: the client is to notice at once. */
void gate_denied(struct gate *g, const struct conn *c, const struct event_deny *e);
/* A chunk of a gated write is about to be read. True: the write before it was refused, and all that is
 * left of that is to end its connection; the chunk is another's. g may be NULL. */
bool gate_over_before(struct gate *g, struct conn *c);
/* A chunk of a gated write, or of a clear connection whose packets wait, is about to be read; was
 * read, if the connection is still there. */
void gate_chunk(struct gate *g, struct conn *c, const struct chunk *k);
void gate_chunk_over(struct conn *c);
/* Clear HTTP: what was read may decide what becomes of the socket's packets. */
void gate_clear(struct gate *g, struct conn *c);
/* An exchange began; decoded bytes and text of its request. */
void gate_head(struct conn *c, struct watch *w);
void gate_bytes(struct conn *c, struct watch *w, const uint8_t *p, size_t n);
void gate_text(struct conn *c, struct watch *w, const uint8_t *p, size_t n);
/* What comes next of these was taken out of a WebSocket frame; at NULL: no more of it. */
void gate_unframed(struct conn *c, const uint8_t *p, size_t n, const struct flow_masked *at);
void gate_watch_free(struct watch *w);
/* It ends, before its calls are recorded. */
void gate_ending(struct gate *g, struct conn *c);
void gate_conn_free(struct gate *g, struct conn *c);

/* --- judge.c --- */

/* What is to become of a call at this stage. True: the gate does what is to be done. */
bool gate_decided(struct gate *g, struct conn *c, struct watch *w, const struct interaction *it,
		  const struct decision *d, enum facts_stage stage);

#define GATE_OFFSETS 64
struct gate_redaction {
	unsigned class, count;
	uint64_t offsets[GATE_OFFSETS], bytes; /* in the text of the request's body */
	size_t n_offsets;
};

/* What came of it, for the record. */
struct gate_outcome {
	enum disposition did; /* ALLOW: nothing was done or tried */
	bool failed;
	unsigned mechanism; /* enum gate_mechanism */
	bool before;	    /* nothing of the body had left */
	bool timeout;	    /* refused because nobody answered in time */
	int rule;	    /* of the pack of that generation; -1: none */
	uint64_t generation;
	uint64_t waited_ns, sent_before;
	const char *not_judged; /* a write of it; NULL: none */
	const char *waited_by;	/* "made_again", "held", "stopped", "blocked"; NULL = it did not */
	struct gate_redaction *redactions;
	size_t n_redactions;
	bool masked;	      /* the body left with masked bytes: */
	bool hashed;	      /* sha256 is of all of it; else its hash is not known */
	uint8_t sha256[32];   /* as it left */
	char approval_id[16]; /* "" = none */
	char approved_by[64];
};
/* The exchange is over: what its body's hash is. */
void gate_done(struct watch *w, const struct interaction *it);
/* It was refused just before on the same handle, byte for byte: a client whose handshake is not over,
 * or that takes no error for an answer, tries again. Counted, and no record of its own. */
bool gate_again(struct gate *g, const struct conn *c, const struct watch *w,
		const struct interaction *it);
/* Why a write of it went, or was refused, without being judged; "": none was. */
const char *gate_not_judged(const struct watch *w);
/* NULL: the gate had no part in it. */
const struct gate_outcome *gate_outcome(const struct watch *w);

#endif
