/* SPDX-License-Identifier: Apache-2.0 */
/* The organisation's register of AI systems: what is declared, and which system an observed use
 * belongs to. PURE. */
#ifndef PROBITY_REPORT_SYSTEMS_H
#define PROBITY_REPORT_SYSTEMS_H

#include "form.h"
#include "item.h"
#include "roll.h"

#define SYSTEMS_MAX 256
#define SYSTEM_PATTERNS_MAX 512 /* of all lists of one system */

enum system_list { LIST_TOOLS, LIST_SERVICES, LIST_MODELS, LIST_HOSTS, LIST_SERVERS, LISTS };
const char *system_list_name(enum system_list l); /* "tools", …, "mcp_servers" */

struct system_pattern {
	const char *glob;
	uint64_t used; /* records in the period it matched */
};
struct system_entry {
	const char *name, *purpose, *owner, *risk;
	const char *assessment, *assessment_date; /* the newest; NULL: none */
	int64_t assessed_s;			  /* its day's first moment; 0: none */
	size_t n[LISTS];			  /* 0: anything */
	struct system_pattern *pattern[LISTS];
	/* Counted. */
	uint64_t calls, requests, denials, violations, refused, first_ns, last_ns;
	struct roll *
		parts; /* tools, services, models and when each was first seen in it; slot = list */
};
struct systems {
	struct arena arena;
	const char *title, *version;
	const struct doc_node *suppliers; /* approved; NULL: not said */
	size_t n;
	struct system_entry *entries;
};
int systems_parse(const char *file, const char *yaml, size_t n, struct systems **ret, char *err,
		  size_t err_len);
void systems_free(struct systems *s);
DEFINE_CLEANUP(struct systems, systems_free)
const struct system_entry *systems_find(const struct systems *s, const char *name);

/* The first system to which a use belongs, NULL: none. Counts what its patterns matched if `count`.
 * *ret_near: the first one whose tools match by name, and *ret_differs the list that does not. */
struct system_entry *systems_of(struct systems *s, const struct item *it, const char *host,
				bool count, const struct system_entry **ret_near,
				enum system_list *ret_differs);

#endif
