/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every word of the language that is no fact (fact_key.h): the readers check against these tables,
 * and a unit test compares them with policies/pack.schema.json. All end with NULL. PURE.
 */
#ifndef PROBITY_POLICY_PACK_KEYS_H
#define PROBITY_POLICY_PACK_KEYS_H

#include <stddef.h>

/* keys of mappings */
extern const char *const keys_pack[],
	*const keys_gate[],
		*const keys_rule[],
			*const keys_schedule[],
				*const keys_rollout[],
					*const keys_exception[],
						*const keys_hold[],
							*const keys_then[],
								*const keys_regex[],
									*const keys_test[],
										*const keys_expect[],
											*const keys_groups
												[];
/* keys of `given` besides the facts */
extern const char *const keys_given[];
/* values */
extern const char *const words_mode[],
	*const words_on[],
		*const words_severity[],
			*const words_disposition[],
				*const words_fail[],
					*const words_unknown[],
						*const words_else[],
							*const words_refuse[],
								*const words_quic[],
									*const words_full[],
										*const words_stage[],
											*const words_coverage[],
												*const words_controls
													[];

#endif
