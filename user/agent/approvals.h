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
#define APPROVALS_GRANTS_MAX 480 /* fit one ROLE_GRANTS */
_Static_assert(sizeof(struct role_grants) + APPROVALS_GRANTS_MAX * sizeof(struct role_grant) <=
		       ROLE_BODY_MAX,
	       "all grants fit one message");

struct approvals;
struct approvals_now {
	uint64_t unix_ns, boot_ns;
	char boot_id[40];
};
struct approvals_ops {
	/* The grants in force are others now (send ROLE_GRANTS). */
	void (*changed)(void *ctx, const struct role_grant *v, size_t n);
	/* A packed Control. False: nobody takes it now, it is offered again. */
	bool (*seal)(void *ctx, const uint8_t *control, size_t n);
	void (*now)(void *ctx, struct approvals_now *ret); /* NULL: the system's clocks */
};
/* Damaged entries are refused by name, kept aside, and never become a grant. 0 or -errno. */
int approvals_open(const char *state_dir, const struct approvals_ops *ops, void *ctx,
		   struct approvals **ret);
void approvals_close(struct approvals *a);
void approvals_tick(struct approvals *a); /* once a second: expiry, what is still to be sealed */
void approvals_pending(struct approvals *a, const struct role_pending *p);
/* A grant of GRANT_CALL was used (the worker says so by ROLE_PENDING with its id and no rule). */
void approvals_used(struct approvals *a, const char *id);
void approvals_resend(struct approvals *a); /* the worker is new */

/* Operator's words, from the control socket: {"do": approve|deny|revoke, "id", "for_s", "scope",
 * "reason"}. uid, user: who, as the kernel says. The answer: {"ok": true, "id", …} or {"error"}. */
json_t *approvals_answer(struct approvals *a, const json_t *words, uint32_t uid, const char *user);
json_t *approvals_list(const struct approvals *a); /* {pending: [...], grants: [...]} */
json_t *approvals_status(const struct approvals *a);

#endif
