/* SPDX-License-Identifier: Apache-2.0 */
/* Calls whose process the keeper was asked to kill: recorded once it is known whether it died. */
#ifndef PROBITY_AGENT_WORKER_OUTCOME_H
#define PROBITY_AGENT_WORKER_OUTCOME_H

#include "agent/worker/worker.h"

struct outcomes;
struct outcomes *outcomes_new(struct worker *w);

/* One payload for each outcome; both are copied. Takes over the inflight slot. */
struct outcome {
	uint64_t start_ns, call_ns; /* of the process, of the call */
	uint32_t pid;
	int slot;
	const uint8_t *killed, *failed;
	size_t killed_len, failed_len;
};
void outcomes_add(struct outcomes *o, const struct outcome *call);
/* The process ended: of SIGKILL, or before it could be killed. */
void outcomes_exit(struct outcomes *o, const struct event *e);
/* Records as not killed what nobody confirmed in time; all of it with `now`. */
void outcomes_sweep(struct outcomes *o, uint64_t now_ns, bool now);
bool outcomes_none(const struct outcomes *o);

#endif
