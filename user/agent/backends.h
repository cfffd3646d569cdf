/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this host can enforce, and by what. Whoever attaches or fails to attach a mechanism says so
 * here; status, the answer of `probity policy load` and `probity policy check --host` read it. Of
 * the keeper alone; no locks. What a rule needs is worked out in policy/needs.h.
 *
 * At start, and whenever it changes:
 *     backend_offer(NEED_EXEC_DENY, 30, GATE_LSM_EXEC, NULL);
 *     backend_lack(NEED_EXEC_DENY, "lsm/bprm_check_security", "bpf is not in lsm= of this kernel");
 * Offers of one need add up: the one with the highest rank is the one in force, the others are what
 * remains when it is withdrawn.
 */
#ifndef PROBITY_AGENT_BACKENDS_H
#define PROBITY_AGENT_BACKENDS_H

#include <jansson.h>
#include <stdbool.h>

#include "policy/needs.h"
#include "proto/gate.h"

/* m: GATE_*, what the record will say; GATE_NONE with a text: no mechanism of records (a wait).
 * text: static, NULL = the mechanism's name. Offering the same mechanism and text again only sets
 * its rank. */
void backend_offer(enum policy_need need, unsigned rank, enum gate_mechanism m, const char *text);
void backend_withdraw(enum policy_need need, enum gate_mechanism m);
/* What would do it here, and why it does not; kept until something is offered. Both static or
 * copied: the texts are copied. */
void backend_lack(enum policy_need need, const char *backend, const char *why);

/* It was turned off: whatever is offered, it is not met. why: static. */
void backend_forbid(enum policy_need need, const char *why);

/* True: *ret_backend does it. False: *ret_backend would, *ret_why says why not. Never NULL. */
bool backend_can(enum policy_need need, const char **ret_backend, const char **ret_why);

/* Whether that very mechanism is offered. */
bool backend_has(enum policy_need need, enum gate_mechanism m);

/* Rules of a pack that cannot be enforced here: [{rule, why, needs}]. */
json_t *backends_unenforceable(const struct policy_needs *v, size_t n);
/* [{need, can, backend, why}] of all needs, for the status. */
json_t *backends_json(void);

#endif
