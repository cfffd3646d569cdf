/* SPDX-License-Identifier: Apache-2.0 */
/* Refusals that kernel programs counted and did not tell one by one (bpf/lib/deny.h). */
#ifndef PROBITY_AGENT_FOLDS_H
#define PROBITY_AGENT_FOLDS_H

#include <stdbool.h>

#include "proto/gate.h"

/* Once a second, with the descriptors of the maps `folds` and `folds_told`: tells what was added
 * since the last time, as the first one of its kind with `count` = how many more. Each refusal is
 * told once, also over restarts of the keeper when the maps live on. Returns how many were told. */
unsigned folds_tick(int folds, int told, void (*tell)(void *ctx, const struct event_deny *d),
		    void *ctx);

#endif
