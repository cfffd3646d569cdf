// SPDX-License-Identifier: Apache-2.0
/*
 * The policy language takes any name, so that a pack may be newer than the agent that reads it.
 * `probity policy check` knows the tables of this build: catalog services, tools that can be
 * recognised (a library is never a process, so its id is no answer), data classes, completeness.
 */
#include "policy_names.h"

#include <string.h>

#include "base/cleanup.h"
#include "classify/catalog_data.h"
#include "classify/dataclass.h"
#include "flow/interaction.h"
#include "policy/pack.h"

static bool service(const char *pattern)
{
	for (size_t i = 0; i < catalog_services_n; i++)
		if (glob_match(pattern, catalog_pool + catalog_services[i].id))
			return true;
	return glob_match(pattern, "unknown");
}

static bool tool_of(const struct cat_text *t, size_t n, const char *pattern)
{
	for (size_t i = 0; i < n; i++) {
		const struct cat_tool *tool = &catalog_tools[t[i].tool];

		if (!(tool->flags & CAT_TOOL_LIBRARY) &&
		    glob_match(pattern, catalog_pool + tool->id))
			return true;
	}
	return false;
}

static bool tool(const char *pattern)
{
	return glob_match(pattern, "") || tool_of(catalog_exes, catalog_exes_n, pattern) ||
	       tool_of(catalog_npm, catalog_npm_n, pattern) ||
	       tool_of(catalog_pypi, catalog_pypi_n, pattern) ||
	       tool_of(catalog_exe_paths, catalog_exe_paths_n, pattern) ||
	       tool_of(catalog_argv, catalog_argv_n, pattern);
}

static bool data_class(const char *pattern)
{
	for (size_t i = 0; i < dataclass_count(); i++)
		if (glob_match(pattern, dataclass_id(i)))
			return true;
	return false;
}

static bool completeness(const char *pattern)
{
	for (int c = COMPLETE; c <= UNDECODABLE; c++)
		if (glob_match(pattern, completeness_name(c)))
			return true;
	return false;
}

bool policy_name_possible(const char *key, const char *pattern, const char **ret_of)
{
	static const struct {
		const char *key;
		bool (*possible)(const char *pattern);
		const char *of;
	} table[] = {
		{"service", service, "no service of the catalog has this id"},
		{"tool", tool, "no tool the catalog can recognise has this id"},
		{"data_class", data_class, "there is no such data class"},
		{"completeness", completeness,
		 "expected complete, truncated, gap, late-attach or undecodable"},
	};

	if (pattern[0] == '/')
		return true; /* a regular expression: not asked */
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (strcmp(table[i].key, key))
			continue;
		if (!table[i].possible(pattern)) {
			*ret_of = table[i].of;
			return false;
		}
	}
	return true;
}
