/* SPDX-License-Identifier: Apache-2.0 */
/* The words a rule may match on: where the fact is, and from which stage on it is known. PURE. */
#ifndef PROBITY_POLICY_FACT_KEY_H
#define PROBITY_POLICY_FACT_KEY_H

#include "facts.h"

enum fact_kind { FACT_TEXT, FACT_LIST, FACT_BOOL };

struct fact_key {
	const char *name;
	enum fact_kind kind;
	size_t offset;		  /* in struct facts */
	enum facts_stage first;	  /* before: nothing is known */
	enum facts_stage settled; /* before: a list may still grow */
	bool of_service;	  /* follows from the service */
	bool in_kernel;		  /* a kernel rule may ask for it */
};

const struct fact_key *fact_key_by_name(const char *name); /* NULL: no such word */
const char *fact_key_names(void);			   /* all, for error messages */

static inline const char *fact_text(const struct fact_key *k, const struct facts *f)
{
	return *(const char *const *)((const char *)f + k->offset);
}
static inline const struct facts_list *fact_list(const struct fact_key *k, const struct facts *f)
{
	return (const struct facts_list *)((const char *)f + k->offset);
}
static inline bool fact_bool(const struct fact_key *k, const struct facts *f)
{
	return *(const bool *)((const char *)f + k->offset);
}

#endif
