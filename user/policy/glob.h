/* SPDX-License-Identifier: Apache-2.0 */
/* A pattern made ready once, matched often: most are a plain text, a prefix or a suffix. PURE. */
#ifndef PROBITY_POLICY_GLOB_H
#define PROBITY_POLICY_GLOB_H

#include <stdbool.h>
#include <stddef.h>

enum glob_kind { GLOB_LITERAL, GLOB_ANY, GLOB_PREFIX, GLOB_SUFFIX, GLOB_GENERAL };

struct glob {
	const char *pattern; /* whole, lower case */
	const char *part;    /* the text that must be there; the pattern itself when general */
	size_t len;	     /* of part */
	enum glob_kind kind;
	unsigned line; /* where in the pack */
};

/* Lower-cases `pattern` in place (ASCII) and points into it. */
void glob_compile(char *pattern, struct glob *ret);
bool glob_hit(const struct glob *g, const char *s, size_t n);

#endif
