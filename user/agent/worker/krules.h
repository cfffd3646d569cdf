/* SPDX-License-Identifier: Apache-2.0 */
/* The pack's in-kernel kill rules as the message the keeper puts into the kernel's maps. */
#ifndef PROBITY_AGENT_WORKER_KRULES_H
#define PROBITY_AGENT_WORKER_KRULES_H

#include "agent/worker/worker.h"

/* Sends ROLE_KRULES for the pack in force (none in monitor mode) and judges every process anew. */
void krules_send(struct worker *w);

#endif
