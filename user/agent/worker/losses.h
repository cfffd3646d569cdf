/* SPDX-License-Identifier: Apache-2.0 */
/* What is missing, said in LOSS records: by the kernel's counters and by the worker's own. */
#ifndef PROBITY_AGENT_WORKER_LOSSES_H
#define PROBITY_AGENT_WORKER_LOSSES_H

#include "agent/worker/worker.h"

/* Once a second. settled: what the worker before left is declared, so the kernel's counters, which
 * outlive a worker, may go on from there. True: one of those was declared, and another may be due. */
bool losses_declare(struct worker *w, bool settled);

#endif
