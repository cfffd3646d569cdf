/* SPDX-License-Identifier: Apache-2.0 */
/* What a report reads in one record. Texts borrow from the record. PURE. */
#ifndef PROBITY_REPORT_ITEM_H
#define PROBITY_REPORT_ITEM_H

#include <stdbool.h>

#include "record/render.h"

/* What a record can be evidence of: the words of `records:` in policies/reports/. */
enum item_sort {
	SORT_CALL,     /* AI calls */
	SORT_SHADOW,   /* of them: to a service nobody entered in the catalog */
	SORT_DATA,     /* of them: data classes were found */
	SORT_TOOLS,    /* of them: the model asked for tools */
	SORT_ERROR,    /* of them: failed */
	SORT_MCP,      /* requests to tool servers */
	SORT_EFFECT,   /* of them: something ran, was opened or connected to meanwhile */
	SORT_DENIAL,   /* refused, or would have been: programs, connections */
	SORT_REFUSED,  /* calls, requests and denials that were refused, masked or ended */
	SORT_OVERRIDE, /* let pass by an operator */
	SORT_NEW,      /* the first record of a tool, service or model */
	SORT_START,
	SORT_STOP,
	SORT_POLICY,
	SORT_LOSS,
	SORT_REPAIR,
	SORT_APPROVAL,
	SORT_GUARD,
	SORT_SEAL,
	SORT_CLOCK,
	SORT_ERASE,
	SORT_REVEAL,
	SORT_COLLECTOR, /* the collector says less than before */
	SORT_TPM,	/* which key of a TPM signs beside the agent's */
	SORTS
};
const char *item_sort_name(enum item_sort s);
/* SORTS: no such word. */
enum item_sort item_sort_of(const char *word);
/* Of a control record of that kind; SORTS: none. */
enum item_sort item_control_sort(unsigned kind);
/* "AI calls", "seals": for people. */
const char *item_sort_text(enum item_sort s);

enum item_whole {
	WHOLE_COMPLETE,
	WHOLE_TRUNCATED,
	WHOLE_GAP,
	WHOLE_LATE,
	WHOLE_UNDECODABLE,
	WHOLE_REFUSED, /* truncated by our own refusal: there was no more to see */
	WHOLE_OTHER,
	WHOLES
};
const char *item_whole_name(enum item_whole w);

struct item {
	const struct sealed *rec;
	uint32_t sorts;	 /* bits of enum item_sort; SORT_NEW is the tally's to add */
	uint64_t weight; /* events it stands for */
	bool use;	 /* a call, a request or a denial */
	char tool[128], user[96], service[160];
	const char *tool_name, *service_name;
	const char *model, *provider;	       /* NULL: does not apply; "": not known */
	char supplier[160];		       /* "": does not apply */
	const char *server;		       /* tool server; NULL: does not apply */
	char week[16];			       /* ISO, of sealing, UTC: "2026-W47" */
	const Probity__V1__Decision *decision; /* NULL: none */
	bool violated;			       /* a rule fired that does not allow */
	bool refused;
	enum item_whole whole; /* of calls and requests */
	bool tokens_known, cost_known, cost_partial;
	uint64_t input_tokens, output_tokens, cost_nano_usd;
};
void item_of(const struct sealed *s, struct item *ret);
/* Whether a rule's result is a violation. */
bool item_fired(const Probity__V1__RuleResult *r);

#endif
