/* SPDX-License-Identifier: Apache-2.0 */
/* Whether programs at LSM hooks, and at functions that return a verdict, are taken and asked here. */
#ifndef PROBITY_AGENT_LSM_H
#define PROBITY_AGENT_LSM_H

#include <stdbool.h>

/* Tried once. *ret_why (may be NULL): static text why not, "" if it is. */
bool lsm_in_force(const char **ret_why);
bool lsm_sleeps(void); /* such programs may sleep, and use maps that allocate (6.1) */
/* fmod_ret on the kernel's security_bprm_check(). */
bool fmod_ret_works(void);

#endif
