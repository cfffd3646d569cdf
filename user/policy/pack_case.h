/* SPDX-License-Identifier: Apache-2.0 */
/* One test case of a pack: what is given, what is expected. For the files of policy/ only. */
#ifndef PROBITY_POLICY_PACK_CASE_H
#define PROBITY_POLICY_PACK_CASE_H

#include "pack_impl.h"

struct expectation {
	int disposition, would; /* -1: not asked */
	int deciding;		/* rule index, -1: not asked */
	bool has_rules, has_unknown, has_monitored, has_excepted, has_risk;
	uint8_t fired[PACK_RULES_MAX], unknown[PACK_RULES_MAX];
	uint8_t monitored[PACK_RULES_MAX], excepted[PACK_RULES_MAX];
	unsigned risk;
};

int pack_case_facts(struct reading *rd, const struct doc_node *given, struct facts *ret);
int pack_case_expect(struct reading *rd, const struct doc_node *n, struct expectation *ret);

#endif
