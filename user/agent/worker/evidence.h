/* SPDX-License-Identifier: Apache-2.0 */
/* Which processes speak to AI: what the keeper needs to know to give or take their probes. */
#ifndef PROBITY_AGENT_WORKER_EVIDENCE_H
#define PROBITY_AGENT_WORKER_EVIDENCE_H

#include "agent/worker/worker.h"

struct conn;
struct sock;

/* It started an image, or more is known of it: is it an AI tool? */
void evidence_process(struct worker *w, struct proc *p);
/* Its ClientHello was seen. held: the packet waits for the answer. */
void evidence_hello(struct worker *w, struct sock *s, bool held);
/* An AI call was made to that host. */
void evidence_ai(struct worker *w, const struct conn *c, const char *host);
/* What it spoke is not AI. */
void evidence_not_ai(struct worker *w, const struct conn *c);
/* A connection or socket of the process is gone: perhaps all that is left is not AI. */
void evidence_again(struct worker *w, uint32_t pid, uint64_t start_ns);
void evidence_sweep(struct worker *w); /* once a second: what was put off */

#endif
