/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the names a pack uses exist in this build: a rule on a misspelt one never fires. */
#ifndef PROBITY_CLI_POLICY_NAMES_H
#define PROBITY_CLI_POLICY_NAMES_H

#include <stdbool.h>
#include <stddef.h>

/* Can a fact `key` ever match `pattern`? True also for words whose values are free. If not, *ret_of
 * says what the names of such a thing come from. */
bool policy_name_possible(const char *key, const char *pattern, const char **ret_of);

#endif
