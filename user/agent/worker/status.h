/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's part of `probity status`. */
#ifndef PROBITY_AGENT_WORKER_STATUS_H
#define PROBITY_AGENT_WORKER_STATUS_H

#include "agent/ring.h"
#include "agent/worker/worker.h"

void status_send(struct worker *w, const struct ring *ring);

#endif
