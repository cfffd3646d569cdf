// SPDX-License-Identifier: Apache-2.0
/*
 * The table behind `match:` and `given:`. A new fact is a new row, a line in docs/POLICY.md and a
 * property in policies/pack.schema.json (a unit test compares the three).
 */
#include "fact_key.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

#define AT(field) .offset = offsetof(struct facts, field)
#define KNOWN_FROM(a, b) .first = FACTS_##a, .settled = FACTS_##b
#define ON_CALL (1u << FACTS_CALL)
#define ON_EXEC (1u << FACTS_EXEC)
#define ON_CONNECT (1u << FACTS_CONNECT)
#define ON_TOOL (1u << FACTS_TOOL_CALL)
#define ON_ALL (ON_CALL | ON_EXEC | ON_CONNECT | ON_TOOL)
#define ON_CALLS (ON_CALL | ON_TOOL)
#define ON_PROCESS (ON_CALL | ON_EXEC | ON_TOOL)
#define ONLY(word) "it asks for " word "; the kernel compares users, tools and hosts only"
#define REQUEST_SHOWS(word) "it asks for " word ", which only the request shows"

static const struct fact_key keys[] = {
	{"user", FACT_TEXT, ON_ALL, AT(user), KNOWN_FROM(PROCESS, PROCESS), .of_caller = true},
	{"group", FACT_LIST, ON_CALLS, AT(groups), KNOWN_FROM(PROCESS, PROCESS),
	 .not_kernel = ONLY("group")},
	{"exe", FACT_TEXT, ON_PROCESS, AT(exe), KNOWN_FROM(PROCESS, PROCESS),
	 .not_kernel = ONLY("exe")},
	{"exe_sha256", FACT_TEXT, ON_PROCESS, AT(exe_sha256), KNOWN_FROM(PROCESS, PROCESS),
	 .not_kernel = ONLY("exe_sha256")},
	{"script", FACT_TEXT, ON_PROCESS, AT(script), KNOWN_FROM(PROCESS, PROCESS),
	 .not_kernel = ONLY("script")},
	{"package", FACT_TEXT, ON_PROCESS, AT(package), KNOWN_FROM(PROCESS, PROCESS),
	 .not_kernel = ONLY("package")},
	{"tool", FACT_TEXT, ON_ALL, AT(tool), KNOWN_FROM(PROCESS, PROCESS)},
	{"in_tree", FACT_BOOL, ON_PROCESS, AT(in_tree), KNOWN_FROM(PROCESS, PROCESS),
	 .of_caller = true, .not_kernel = ONLY("in_tree")},
	{"cgroup", FACT_TEXT, ON_CALLS, AT(cgroup), KNOWN_FROM(PROCESS, PROCESS),
	 .not_kernel = ONLY("cgroup")},
	{"container", FACT_TEXT, ON_CALLS, AT(container), KNOWN_FROM(PROCESS, PROCESS),
	 .not_kernel = ONLY("container")},
	{"host", FACT_TEXT, ON_CALLS | ON_CONNECT, AT(host), KNOWN_FROM(HOST, HOST),
	 .of_name = true},
	{"service", FACT_TEXT, ON_CALLS | ON_CONNECT, AT(service), KNOWN_FROM(HOST, HOST),
	 .of_service = true, .of_name = true},
	{"vendor", FACT_TEXT, ON_CALLS, AT(vendor), KNOWN_FROM(HOST, HOST), .of_service = true,
	 .not_kernel = "it asks for vendor; name the services instead"},
	{"evidence", FACT_TEXT, ON_CALLS, AT(evidence), KNOWN_FROM(HOST, HOST), .of_service = true,
	 .not_kernel = "it asks for evidence; name the services instead"},
	{"known", FACT_BOOL, ON_CALLS, AT(service_known), KNOWN_FROM(HOST, HOST),
	 .of_service = true,
	 .not_kernel = "it asks for known; an unknown service is recognised by its request"},
	{"address", FACT_ADDRESS, ON_CALLS | ON_CONNECT, AT(address), KNOWN_FROM(HOST, HOST)},
	{"port", FACT_PORT, ON_CALLS, AT(port), KNOWN_FROM(HOST, HOST), .not_kernel = ONLY("port")},
	{"operation", FACT_TEXT, ON_CALLS, AT(operation), KNOWN_FROM(REQUEST, REQUEST),
	 .of_content = true, .not_kernel = REQUEST_SHOWS("operation")},
	{"model", FACT_TEXT, ON_CALLS, AT(model), KNOWN_FROM(REQUEST, REQUEST), .of_content = true,
	 .not_kernel = REQUEST_SHOWS("model")},
	{"dialect", FACT_TEXT, ON_CALLS, AT(dialect), KNOWN_FROM(REQUEST, REQUEST),
	 .of_content = true, .not_kernel = REQUEST_SHOWS("dialect")},
	{"tool_offered", FACT_LIST, ON_CALLS, AT(tools_offered), KNOWN_FROM(REQUEST, REQUEST),
	 .of_content = true, .not_kernel = REQUEST_SHOWS("tool_offered")},
	{"data_class", FACT_LIST, ON_CALLS, AT(data_classes), KNOWN_FROM(REQUEST, DONE),
	 .of_content = true,
	 .not_kernel = "it asks for data_class, which only the request and answer show"},
	{"tool_call", FACT_LIST, ON_CALLS, AT(tool_calls), KNOWN_FROM(DONE, DONE),
	 .of_content = true, .not_kernel = "it asks for tool_call, which only the answer shows"},
	{"mcp_server", FACT_TEXT, ON_TOOL, AT(mcp_server), KNOWN_FROM(DONE, DONE),
	 .of_content = true, .not_kernel = "it asks for mcp_server, which only the answer shows"},
	{"completeness", FACT_TEXT, ON_CALLS, AT(completeness), KNOWN_FROM(DONE, DONE),
	 .not_kernel = "it asks for completeness, which only the end of the call shows"},
};

const struct fact_key *fact_key_by_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (!strcmp(keys[i].name, name))
			return &keys[i];
	return NULL;
}

const struct fact_key *fact_key_at(size_t i)
{
	return i < ARRAY_SIZE(keys) ? &keys[i] : NULL;
}

char *fact_key_names(enum facts_subject of, char *dst, size_t cap)
{
	size_t o = 0;

	dst[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (!(keys[i].subjects >> of & 1))
			continue;
		o += snprintf(dst + o, cap - o, "%s%s", o ? ", " : "", keys[i].name);
		if (o >= cap)
			return dst;
	}
	return dst;
}
