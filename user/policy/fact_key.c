// SPDX-License-Identifier: Apache-2.0
/* The table behind `match:` and `given:`. A new fact is a new row (and a line in docs/POLICY.md). */
#include "fact_key.h"

#include <string.h>

#include "base/cleanup.h"

#define AT(field) .offset = offsetof(struct facts, field)
#define KNOWN_FROM(a, b) .first = FACTS_##a, .settled = FACTS_##b

static const struct fact_key keys[] = {
	{"user", FACT_TEXT, AT(user), KNOWN_FROM(PROCESS, PROCESS), .in_kernel = true},
	{"group", FACT_LIST, AT(groups), KNOWN_FROM(PROCESS, PROCESS)},
	{"exe", FACT_TEXT, AT(exe), KNOWN_FROM(PROCESS, PROCESS)},
	{"tool", FACT_TEXT, AT(tool), KNOWN_FROM(PROCESS, PROCESS), .in_kernel = true},
	{"cgroup", FACT_TEXT, AT(cgroup), KNOWN_FROM(PROCESS, PROCESS)},
	{"container", FACT_TEXT, AT(container), KNOWN_FROM(PROCESS, PROCESS)},
	{"host", FACT_TEXT, AT(host), KNOWN_FROM(HOST, HOST), .in_kernel = true},
	{"service", FACT_TEXT, AT(service), KNOWN_FROM(HOST, HOST), .of_service = true,
	 .in_kernel = true},
	{"vendor", FACT_TEXT, AT(vendor), KNOWN_FROM(HOST, HOST), .of_service = true},
	{"evidence", FACT_TEXT, AT(evidence), KNOWN_FROM(HOST, HOST), .of_service = true},
	{"known", FACT_BOOL, AT(service_known), KNOWN_FROM(HOST, HOST), .of_service = true},
	{"operation", FACT_TEXT, AT(operation), KNOWN_FROM(REQUEST, REQUEST)},
	{"model", FACT_TEXT, AT(model), KNOWN_FROM(REQUEST, REQUEST)},
	{"dialect", FACT_TEXT, AT(dialect), KNOWN_FROM(REQUEST, REQUEST)},
	{"tool_offered", FACT_LIST, AT(tools_offered), KNOWN_FROM(REQUEST, REQUEST)},
	{"data_class", FACT_LIST, AT(data_classes), KNOWN_FROM(REQUEST, DONE)},
	{"tool_call", FACT_LIST, AT(tool_calls), KNOWN_FROM(DONE, DONE)},
	{"completeness", FACT_TEXT, AT(completeness), KNOWN_FROM(DONE, DONE)},
};

const struct fact_key *fact_key_by_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (!strcmp(keys[i].name, name))
			return &keys[i];
	return NULL;
}

const char *fact_key_names(void)
{
	return "user, group, exe, tool, cgroup, container, host, service, vendor, evidence, known, "
	       "operation, model, dialect, tool_offered, data_class, tool_call, completeness";
}
