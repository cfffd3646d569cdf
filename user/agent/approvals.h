/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that were parked, and what operators said. Kept in STATE-DIR/approvals, crash-safe; every
 * change is sealed as an APPROVAL record (ROLE_SEAL).
 */
#ifndef PROBITY_AGENT_APPROVALS_H
#define PROBITY_AGENT_APPROVALS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/role.h"

#define APPROVALS_PENDING_MAX 1024
#define APPROVALS_GRANTS_MAX 512

struct approvals;
/* changed: the grants in force are others now (send ROLE_GRANTS); seal: a packed Control. */
struct approvals_ops {
	void (*changed)(void *ctx, const struct role_grant *v, size_t n);
	void (*seal)(void *ctx, const uint8_t *control, size_t n);
};
/* Damaged entries are refused by name, kept aside, and never become a grant. 0 or -errno. */
int approvals_open(const char *state_dir, const struct approvals_ops *ops, void *ctx,
		   struct approvals **ret);
void approvals_close(struct approvals *a);
void approvals_tick(struct approvals *a, int64_t now_unix_s); /* expiry */
void approvals_pending(struct approvals *a, const struct role_pending *p);
/* A grant of GRANT_CALL was used (the worker says so by ROLE_PENDING with its id and no rule). */
void approvals_used(struct approvals *a, const char *id);
void approvals_resend(struct approvals *a); /* the worker is new */

/* Operator's words, from the control socket: {"id", "answer": approve|deny|revoke, "for_s",
 * "scope"}. uid, user: who, as the kernel says. Returns the answer to give, {ok} or {error}. */
json_t *approvals_answer(struct approvals *a, const json_t *words, uint32_t uid, const char *user);
json_t *approvals_list(const struct approvals *a); /* {pending: [...], grants: [...]} */

#endif
