/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of all dialects compiled into one tree per side. Equal rules of several dialects are
 * one row with a set of dialects, so that a fact is taken once.
 */
#ifndef PROBITY_FLOW_DIALECT_RULES_H
#define PROBITY_FLOW_DIALECT_RULES_H

#include "dialect.h"
#include "flow/jsonpath.h"

#define RULES_MAX 1024

struct rule_row {
	const struct rule *rule;
	uint32_t dialects; /* bits by enum dialect */
	uint16_t next;	   /* further row of the same node; 0 = last */
};

struct rules {
	struct jsonpath tree;
	uint16_t first[JSONPATH_NODES]; /* row of a node; 0 = none */
	bool text[JSONPATH_NODES];	/* a row of the node reads the text of strings */
	uint32_t by_shape;		/* dialects that a body alone may show */
	uint16_t used;
	struct rule_row row[RULES_MAX];
};

/* By enum extract_side. Made on first use, constant from then on; NULL if the tables do not fit. */
const struct rules *rules_get(unsigned side);

#endif
