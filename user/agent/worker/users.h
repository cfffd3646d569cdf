/* SPDX-License-Identifier: Apache-2.0 */
/* Names of users by number, for processes that changed theirs after they were told. The worker has
 * no files, so the keeper is asked, once per number. */
#ifndef PROBITY_AGENT_WORKER_USERS_H
#define PROBITY_AGENT_WORKER_USERS_H

#include "agent/worker/worker.h"

/* Asks, unless it is known or asked already. */
void users_want(struct worker *w, uint32_t uid);
void users_told(struct worker *w, const struct role_user *u);
/* NULL when the keeper has not answered within a moment. Groups: NUL-separated. May read messages
 * of the keeper, so what was looked up in the process table before is to be looked up again. */
const struct role_user *users_find(struct worker *w, uint32_t uid);

#endif
