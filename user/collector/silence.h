/* SPDX-License-Identifier: Apache-2.0 */
/* Chains that should have sealed an epoch by now and have not been heard of. */
#ifndef PROBITY_COLLECTOR_SILENCE_H
#define PROBITY_COLLECTOR_SILENCE_H

#include "store/store.h"

#define SILENCE_KIND "seal_overdue"
#define SILENCE_CHECK_S 10

/* Until when a chain heard of now may be silent: an epoch and the grace for its seal. */
int64_t silence_due(uint64_t epoch_ns, int64_t now_ns);
/* Each one newly silent becomes a finding of high severity; `said` is called with a line for the log. 0 or
 * -errno of the store. */
int silence_check(struct store *s, int64_t now_ns, void (*said)(const char *line));

#endif
