/* SPDX-License-Identifier: Apache-2.0 */
/* Regular expressions of a pack: compiled by Vectorscan, matched in time linear in the text. PURE. */
#ifndef PROBITY_POLICY_REGEX_H
#define PROBITY_POLICY_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#define REGEX_PACK_MAX 64    /* expressions in one pack */
#define REGEX_REPEAT_MAX 128 /* the largest count in {m,n} */

/* Owns the sets made in it and what Vectorscan writes to while it matches: one thread at a time. */
struct regex_space;
struct regex_set;

struct regex_space *regex_space_new(void); /* NULL: out of memory */
void regex_space_free(struct regex_space *sp);

/*
 * The whole text must match one of the expressions; case counts unless (?i) says otherwise; "." is
 * any byte. 0; -EINVAL: ret_err says what is wrong with pattern *ret_bad; -E2BIG; -ENOMEM.
 */
int regex_set_new(struct regex_space *sp, const char *const *patterns, size_t n,
		  struct regex_set **ret, size_t *ret_bad, char *ret_err, size_t err_len);
/* 1 yes, 0 no, -errno: it could not be told. */
int regex_set_hit(const struct regex_set *s, const char *text, size_t n);

#endif
