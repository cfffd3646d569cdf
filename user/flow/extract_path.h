/* SPDX-License-Identifier: Apache-2.0 */
/* What a request's path says: its dialect and facts of it. See also extract_dialect_by_path. */
#ifndef PROBITY_FLOW_EXTRACT_PATH_H
#define PROBITY_FLOW_EXTRACT_PATH_H

#include "interaction.h"

/* The path names it->dialect, and others do not use such a path. */
bool extract_path_is_strong(const struct interaction *it);
/* request_whole: what the body does not name by now it does not name at all. */
void extract_path_facts(struct interaction *it, bool request_whole);

#endif
