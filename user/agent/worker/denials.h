/* SPDX-License-Identifier: Apache-2.0 */
/* What kernel programs refused that is no call to a model: exec, script, connect, hello, QUIC. One
 * record a verdict; floods of the same subject are folded with their exact count. */
#ifndef PROBITY_AGENT_WORKER_DENIALS_H
#define PROBITY_AGENT_WORKER_DENIALS_H

#include "agent/worker/worker.h"
#include "proto/gate.h"

struct denials;
struct denials *denials_new(struct worker *w);
void denials_free(struct denials *d);
void denials_event(struct denials *d, const struct event_deny *e); /* EVENT_DENY */
void denials_tick(struct denials *d, uint64_t now_ns);		   /* writes what was folded */
void denials_flush(struct denials *d);

/* Names the kernel could not read: ClientHello in pieces, clear HTTP, QUIC. Judged by the pack at
 * FACTS_HOST; the keeper is told by ROLE_SOCK. */
struct sock;
void names_judge(struct worker *w, const struct event *h, uint64_t cookie,
		 const struct event_addr *peer, const char *name, enum gate_evidence by);
void names_quic(struct worker *w, const struct event_quic *e); /* EVENT_QUIC */

#endif
