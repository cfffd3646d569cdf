/* SPDX-License-Identifier: Apache-2.0 */
/* What kernel programs refused that is no call to a model: exec, script, connect, hello, QUIC. One
 * record a verdict; floods of the same subject are folded with their exact count. */
#ifndef PROBITY_AGENT_WORKER_DENIALS_H
#define PROBITY_AGENT_WORKER_DENIALS_H

#include <jansson.h>

#include "agent/worker/worker.h"
#include "proto/gate.h"

/* event_deny.watched of an alert: a fact that a rule asks for never came (its `unknown:`). */
#define DENIAL_ALERT 2

struct denials;
struct denials *denials_new(struct worker *w);
void denials_free(struct denials *d);
/* EVENT_DENY, ROLE_FOLDED, and what names.c decided. */
void denials_event(struct denials *d, const struct event_deny *e);
void denials_tick(struct denials *d); /* once a second: what was folded */
json_t *denials_status(const struct denials *d);

/* names.c: names that the kernel could not read; judged by the pack at FACTS_HOST, the keeper is told
 * by ROLE_SOCK. name "": there is none, or it is hidden. */
void names_judge(struct worker *w, const struct event *h, uint64_t cookie,
		 const struct event_addr *peer, const char *name, enum gate_evidence by);
void names_quic(struct worker *w, const struct event_quic *e, size_t n); /* EVENT_QUIC */
void names_quic_free(void);

#endif
