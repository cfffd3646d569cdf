/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the rules of the dialects have found so far, and how it gets into the interaction.
 */
#ifndef PROBITY_FLOW_DIALECT_FACTS_H
#define PROBITY_FLOW_DIALECT_FACTS_H

#include "dialect.h"

struct call_key {
	int64_t choice, index;
};

/* Of one document in reading. */
struct facts_side {
	uint64_t seen; /* evidence; over all documents of the side */
	struct item item;
	uint32_t item_of; /* dialects for which the open item is one; 0 = none open */
	bool item_named;
};

struct facts {
	struct interaction *it;
	struct facts_side side[2]; /* by enum extract_side */
	uint64_t now;		   /* ns of the bytes being read */
	uint64_t token_ns[DIALECT__MAX];
	int64_t raw[RAW__MAX];
	uint32_t messages[FROM__MAX];
	int64_t choice;
	struct call_key calls[TOOL_CALLS_MAX];
	struct call_key refused; /* last call that did not fit */
	char refused_id[64];
	int8_t stream; /* -1 = not said */
	bool usage_open, error_whole;
	uint32_t erred; /* dialects in which this document is an error */
	int8_t error_rank;
	char error_text[96], finish_weak[48];
	bool finish_set;
	uint32_t last; /* dialects whose last document this is */
	uint32_t done; /* dialects whose last document was seen */
};

void facts_init(struct facts *f, struct interaction *it);
/* dialects: those whose rule this is. p, n: the text of a string or number. */
void facts_apply(struct facts *f, unsigned side, const struct rule *r, uint32_t dialects,
		 enum json_event ev, const char *p, size_t n);
/* A document ended, whole or not; it->dialect is as certain as it gets. */
void facts_request_ended(struct facts *f, bool whole);
void facts_response_begun(struct facts *f);
void facts_response_ended(struct facts *f, bool whole);
/* An error without a body that names it (SSE event name). */
void facts_erred(struct facts *f);

#endif
