/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that need somebody's approval: is there one, and if not, asking for it. */
#ifndef PROBITY_AGENT_WORKER_APPROVE_H
#define PROBITY_AGENT_WORKER_APPROVE_H

#include "agent/worker/compose.h"

struct approve;
struct approve *approve_new(struct worker *w);
void approve_free(struct approve *a);
/* ROLE_GRANTS: all that are in force. */
void approve_grants(struct approve *a, const struct role_grant *v, size_t n);
unsigned approve_count(const struct approve *a);

enum approve_answer {
	APPROVE_ASKED,	/* nobody has answered: the keeper was told */
	APPROVE_YES,	/* ret_id and ret_by are the grant's */
	APPROVE_REFUSED /* an operator said no */
};
struct approve_call {
	const struct subject *s;
	int rule; /* of w->pack; it holds */
	const char *service, *host, *model;
	bool again; /* it was asked for before: nobody is told anew */
};
enum approve_answer approve_ask(struct approve *a, const struct approve_call *call,
				char ret_id[static 16], char ret_by[static 64]);

#endif
