/* SPDX-License-Identifier: Apache-2.0 */
/* The pack in force: how it came there, what its rules did, and what it says of one process. */
#ifndef PROBITY_AGENT_WORKER_POLICY_H
#define PROBITY_AGENT_WORKER_POLICY_H

#include "agent/worker/worker.h"

/* Puts a pack in force, or refuses it and keeps the one there is; either way a record and a
 * ROLE_POLICY say so. */
void policy_take(struct worker *w, const struct role_pack *p, const char *yaml);
/* Once a second: schedules and exceptions begin and end. */
void policy_tick(struct worker *w);
/* One decision, once it is final. effect: of its record ("denied", "would_kill", "none" …). */
void policy_count(const struct worker *w, const struct decision *d, const char *effect);
json_t *policy_status(const struct worker *w);

/* explain.c: answers by ROLE_JUDGED. */
void explain_process(struct worker *w, const struct role_judge *r);

#endif
