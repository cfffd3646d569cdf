/* SPDX-License-Identifier: Apache-2.0 */
/* What a rule may ask about, gathered by the caller. Texts never NULL ("" = unknown). */
#ifndef PROBITY_POLICY_FACTS_H
#define PROBITY_POLICY_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FACTS_LIST_MAX 64

struct facts_list {
	const char *v[FACTS_LIST_MAX];
	size_t n;
};

/* Which facts are known yet: rules on others cannot fire and are not "false" either. */
enum facts_stage {
	FACTS_PROCESS = 1, /* uid, user, groups, exe, tool, cgroup, container */
	FACTS_HOST = 2,	   /* + host, service (before any byte was written) */
	FACTS_REQUEST = 3, /* + operation, model, tools offered, data classes of the request */
	FACTS_DONE = 4,	   /* + tool calls, data classes of the answer, status, completeness */
};

struct facts {
	enum facts_stage stage;
	uint32_t uid;
	const char *user, *exe, *tool, *cgroup, *container;
	struct facts_list groups;
	const char *host, *service, *vendor, *evidence;
	bool service_known;
	const char *operation, *dialect;
	const char *model; /* answering model if known, else requested */
	struct facts_list tools_offered, tool_calls;
	struct facts_list data_classes; /* ids, of request and answer */
	const char *completeness;
};

#endif
