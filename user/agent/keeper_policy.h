/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper's policy: which pack the worker gets, what came of it, and what operators ask of it. */
#ifndef PROBITY_AGENT_KEEPER_POLICY_H
#define PROBITY_AGENT_KEEPER_POLICY_H

#include <jansson.h>
#include <stdbool.h>

#include "agent/role.h"

struct keeper;
struct keeper_policy;
struct control_call;

/* Before the first worker starts. 0 or -errno. */
int policy_open(struct keeper *k);
void policy_close(struct keeper *k);
/* again: the worker is new; it gets the pack in force. Else the configured file is read again. */
void tell_policy(struct keeper *k, bool again);
/* ROLE_POLICY, ROLE_JUDGED. */
void policy_told(struct keeper *k, const struct role_policy *r);
void policy_judged(struct keeper *k, const struct role_judged *r);
/* Adds what the keeper knows to the worker's part of the status; `policy` may be NULL. */
void policy_status_add(struct keeper *k, json_t *policy);

/* Verbs of the control socket. */
void on_policy_load(void *keeper, struct control_call *call); /* {"path"} */
void on_explain(void *keeper, struct control_call *call);     /* {"pid"} */

#endif
