/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of a pack, for the files of policy/ only. Everything lives in the pack's arena. */
#ifndef PROBITY_POLICY_PACK_IMPL_H
#define PROBITY_POLICY_PACK_IMPL_H

#include "arena.h"
#include "fact_key.h"
#include "glob.h"
#include "pack.h"
#include "yaml_doc.h"

#define RISK_ONE 10000 /* risk is counted in 1/10000, so that sums are exact */

struct cond {
	const struct fact_key *key;
	struct glob *globs; /* TEXT, LIST: any of */
	size_t n;
	bool want; /* BOOL */
};
/* All conditions must hold. */
struct match {
	struct cond *conds;
	size_t n;
};
struct rule {
	const char *id, *severity;
	const char *not_kernel; /* why the kernel cannot decide it, NULL: it can */
	enum disposition disposition;
	unsigned risk, line;
	struct match all;
	struct match *any;  /* one of them holds, if there are any */
	struct match *none; /* none of them holds */
	size_t n_any, n_none;
};
struct pack_case {
	const char *name;
	const struct doc_node *given, *expect;
};
struct pack {
	struct arena arena;
	const char *id, *version;
	bool enforce;
	uint8_t sha256[32];
	struct rule *rules;
	size_t n_rules;
	struct pack_case *cases;
	size_t n_cases;
};

/* Where we are while reading; the first refusal fills err. */
struct reading {
	struct pack *pack;
	const char *file;
	char *err;
	size_t err_len;
};

int pack_read_match(struct reading *rd, const struct doc_node *n, struct rule *rule);
int pack_read_cases(struct reading *rd, const struct doc_node *n);
void pack_mark_krules(struct pack *p);
int pack_rule_by_id(const struct pack *p, const char *id); /* index or -1 */

#endif
