/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What another pack would change, in the words of the language. PURE. What it would change for calls
 * that were made (`probity policy replay`) is pack_decide() on their facts with both packs.
 */
#ifndef PROBITY_POLICY_DIFF_H
#define PROBITY_POLICY_DIFF_H

#include "pack.h"

enum pack_change_kind { PACK_ADDED, PACK_REMOVED, PACK_CHANGED };
struct pack_change {
	enum pack_change_kind kind;
	const char *rule; /* id; "" = of the pack itself */
	const char *key;  /* of the language: "match", "mode" …; "" = the whole rule */
	/* As text, "" = not given. The whole rule: its summary, e.g. "deny on: call, user: a". */
	const char *before, *after;
};
/* In the order of the new pack, removed rules last; texts are valid during the call. Descriptions,
 * the order of rules and tests are not compared. Returns how many, -ENOMEM. */
int pack_diff(const struct pack *before, const struct pack *after,
	      void (*each)(void *ctx, const struct pack_change *c), void *ctx);
const char *pack_change_name(enum pack_change_kind k); /* "added", "removed", "changed" */

/* A rule's key as text, e.g. "match" → `user: [alice, svc-*], not: {tool: x}`. The text is the same
 * for matches that were read as the same. dst is cut at cap. Returns dst; NULL: no such key. */
char *pack_rule_text(const struct pack *p, size_t i, const char *key, char *dst, size_t cap);
/* The keys that pack_diff() compares, in order; NULL at the end. */
const char *const *pack_rule_keys(void);

#endif
