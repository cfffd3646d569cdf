/* SPDX-License-Identifier: Apache-2.0 */
/* How long the parts of the keeper's start took, so that a slow one is seen. */
#ifndef PROBITY_AGENT_PHASES_H
#define PROBITY_AGENT_PHASES_H

#include <jansson.h>
#include <sys/types.h>

/* What was done since the call before, or since the program began, is named so. name: static. */
void phase_done(const char *name);
/* The agent is ready; children: what they have computed until now counts, too. */
void phases_ready(const pid_t *children, unsigned n);
/* {"ready": ms, "cpu": ms, "roles_cpu": ms, "phases": [{"phase", "ms", "cpu"}]} */
json_t *phases_status(void);

#endif
