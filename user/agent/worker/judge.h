/* SPDX-License-Identifier: Apache-2.0 */
/* From what was seen to a verdict, and from the verdict to a record on its way to the recorder. */
#ifndef PROBITY_AGENT_WORKER_JUDGE_H
#define PROBITY_AGENT_WORKER_JUDGE_H

#include "agent/worker/conns.h"
#include "policy/facts.h"
#include "proto/record.pb-c.h"

/* Which in-kernel rules concern this process's tool; tells the keeper when that changed. */
void judge_process(struct worker *w, struct proc *p);

bool judge_service(const struct worker *w, const struct conn *c, const struct interaction *it,
		   const char *dialect, struct catalog_service *ret);
struct subject;
/* Who: its process, names and tool; and the facts of it that a rule may ask for. */
void judge_subject(struct worker *w, uint32_t uid, uint32_t pid, uint64_t start_ns,
		   struct subject *ret);
void judge_facts(const struct subject *s, struct facts *f);
/* Before the call is over: asks for the kill that a rule demands on what is known so far. */
void judge_early(struct worker *w, struct conn *c, struct watch *watch,
		 const struct interaction *it, enum facts_stage stage);
/* The same for a request that is still coming, by what was seen of it. Only for the gate. */
void judge_partial(struct worker *w, struct conn *c, struct watch *watch);
/* What schedules, exceptions and rollouts ask for. */
void judge_now(const struct worker *w, struct facts *f);
/* The call is over: decides and records. */
void judge_done(struct worker *w, struct conn *c, struct watch *watch,
		const struct interaction *it);
/* A composed call: gives it its id and passes it on. */
void judge_hand_over(struct worker *w, int slot, uint64_t ns, const uint8_t *payload, size_t n);
/* Of a call to AI no byte was seen, only that it was made: it->host and times, and the reason. */
void judge_unseen(struct worker *w, struct conn *c, struct watch *watch,
		  const struct interaction *it);
/* A write was killed in the kernel and its bytes are no request we could read. */
void judge_refused(struct worker *w, struct conn *c, uint64_t ns);

/* A control record. id: given out already, or 0. */
void judge_control(struct worker *w, const Probity__V1__Control *m, uint64_t id);
/* The same, packed by the keeper (an approval, the guard). */
void judge_seal(struct worker *w, const uint8_t *control, size_t n);
/* LOSS: `count` units of `what` are missing because of `cause`. id: inflight_lost's, or 0. */
void judge_loss(struct worker *w, uint64_t id, const char *what, uint64_t count, const char *cause,
		const char *reason);

#endif
