/* SPDX-License-Identifier: Apache-2.0 */
/* The pack's in-kernel rules as the message the keeper puts into the kernel's maps. */
#ifndef PROBITY_AGENT_WORKER_KRULES_H
#define PROBITY_AGENT_WORKER_KRULES_H

#include "agent/worker/worker.h"

/* After pack_krules(), before anybody looks at w->krule: rules on hosts that carry other traffic too
 * become two, the second one by content. From w->krules_own on are those second ones. */
void krules_split(struct worker *w);
/* Sends ROLE_KRULES for the pack in force and judges every process anew. What the bits do
 * (ROLE_GATE) is to be told before. */
void krules_send(struct worker *w);

/* "192.0.2.0/24", "2001:db8::1": false if it is none. */
bool krules_net(const char *cidr, struct role_krule_net *ret);

#endif
