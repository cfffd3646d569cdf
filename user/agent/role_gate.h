/* SPDX-License-Identifier: Apache-2.0 */
/* For role.c: whether the gate's messages are well formed. p is aligned; n is in the table's bounds. */
#ifndef PROBITY_AGENT_ROLE_GATE_H
#define PROBITY_AGENT_ROLE_GATE_H

#include "agent/role.h"

#include <stdbool.h>

bool role_refuse_ok(const void *p, size_t n);
bool role_continue_ok(const void *p, size_t n);
bool role_mask_ok(const void *p, size_t n);
bool role_pending_ok(const void *p, size_t n);
bool role_grants_ok(const void *p, size_t n);
bool role_seal_ok(const void *p, size_t n);
bool role_file_ok(const void *p, size_t n);
bool role_file_rules_ok(const void *p, size_t n);
bool role_exec_rules_ok(const void *p, size_t n);
bool role_judged_ok(const void *p, size_t n);
bool role_policy_ok(const void *p, size_t n);
bool role_sock_ok(const void *p, size_t n);

#endif
