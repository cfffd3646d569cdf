/* SPDX-License-Identifier: Apache-2.0 */
/* The words a rule may match on: where the fact is, and from which stage on it is known. PURE. */
#ifndef PROBITY_POLICY_FACT_KEY_H
#define PROBITY_POLICY_FACT_KEY_H

#include "facts.h"

enum fact_kind { FACT_TEXT, FACT_LIST, FACT_BOOL, FACT_ADDRESS, FACT_PORT };

struct fact_key {
	const char *name;
	enum fact_kind kind;
	unsigned subjects;	  /* bits, 1 << enum facts_subject: which rules may ask for it */
	size_t offset;		  /* in struct facts */
	enum facts_stage first;	  /* before: nothing is known */
	enum facts_stage settled; /* before: a list may still grow */
	bool of_service;	  /* follows from the service */
	bool of_name;		  /* a connection may have none that anybody knows */
	bool of_content;	  /* read out of request or answer */
	bool of_caller;		  /* of who runs a program, not of the program */
	const char *not_kernel;	  /* why no kernel rule may ask for it; NULL: it may */
};

const struct fact_key *fact_key_by_name(const char *name); /* NULL: no such word */
const struct fact_key *fact_key_at(size_t i);		   /* NULL: behind the last */
/* All that rules on this subject may ask for, "a, b, c", for error messages. Returns dst. */
char *fact_key_names(enum facts_subject of, char *dst, size_t cap);

static inline const void *fact_at(const struct fact_key *k, const struct facts *f)
{
	return (const char *)f + k->offset;
}
static inline const char *fact_text(const struct fact_key *k, const struct facts *f)
{
	return *(const char *const *)fact_at(k, f);
}
static inline const struct facts_list *fact_list(const struct fact_key *k, const struct facts *f)
{
	return fact_at(k, f);
}
static inline bool fact_bool(const struct fact_key *k, const struct facts *f)
{
	return *(const bool *)fact_at(k, f);
}
static inline uint16_t fact_port(const struct fact_key *k, const struct facts *f)
{
	return *(const uint16_t *)fact_at(k, f);
}

#endif
