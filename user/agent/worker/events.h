/* SPDX-License-Identifier: Apache-2.0 */
/* A record of the data ring → connections, processes, counters. A ring_fn; ctx is the worker. */
#ifndef PROBITY_AGENT_WORKER_EVENTS_H
#define PROBITY_AGENT_WORKER_EVENTS_H

#include "agent/worker/worker.h"

void events_record(void *worker, const void *record, size_t n);

#endif
