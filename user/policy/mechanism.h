/* SPDX-License-Identifier: Apache-2.0 */
/* The words of records and status for what the gate does. */
#ifndef PROBITY_POLICY_MECHANISM_H
#define PROBITY_POLICY_MECHANISM_H

#include "policy/pack.h"
#include "proto/gate.h"

/* "uprobe_override", "lsm_socket_sendmsg", … ; "" = none or unknown. */
const char *gate_mechanism_name(unsigned m);
const char *gate_hook_name(unsigned hook);	   /* "exec", "script", … of Denial.kind */
const char *gate_evidence_name(unsigned evidence); /* "sni", "dns", … of Denial.evidence */

/* "denied", "would_deny", "deny_failed" …, "none" for allow and alert. */
enum effect_outcome { EFFECT_DONE, EFFECT_WOULD, EFFECT_FAILED };
const char *effect_name(enum disposition d, enum effect_outcome o);

#endif
