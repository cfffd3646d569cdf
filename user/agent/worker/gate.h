/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker's part of the gate: answers writes that wait, asks the keeper for what needs privilege
 * (a dead socket, masked bytes), and records what the kernel refused by itself.
 */
#ifndef PROBITY_AGENT_WORKER_GATE_H
#define PROBITY_AGENT_WORKER_GATE_H

#include "agent/worker/conns.h"
#include "policy/pack.h"
#include "proto/gate.h"

struct gate;

/* slots: GATE_SLOTS, mapped from the kernel, or NULL: nothing waits here. */
struct gate *gate_new(struct worker *w, struct gate_slot *slots);
void gate_free(struct gate *g);

/* A pack came into force: tells the keeper whether writes wait, and for which rules. */
void gate_pack(struct gate *g);
/* EVENT_GATE, EVENT_GATE_END. The bytes were given to flow just before. */
void gate_asked(struct gate *g, const struct event_gate *e);
void gate_ended(struct gate *g, const struct event_gate_end *e);
/* ROLE_REFUSED, ROLE_MASKED, ROLE_GRANTS. */
void gate_refused(struct gate *g, const struct role_done *d);
void gate_masked(struct gate *g, const struct role_done *d);
void gate_grants(struct gate *g, const struct role_grant *v, size_t n);

/* judge.c: what is to become of a call at this stage, by content. d: what the pack says now. The
 * gate remembers the most severe for the connection's waiting write. */
void gate_decided(struct gate *g, struct conn *c, struct watch *w, const struct interaction *it,
		  const struct decision *d, enum facts_stage stage);
/* What came of it, for the record: fills effect, mechanism, before_effect, redactions, approval. */
struct gate_outcome;
const struct gate_outcome *gate_outcome(const struct gate *g, const struct conn *c,
					const struct watch *w);
void gate_conn_gone(struct gate *g, const struct conn *c);
json_t *gate_status(const struct gate *g);

#endif
