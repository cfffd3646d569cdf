/* SPDX-License-Identifier: Apache-2.0 */
/* What a record's payload says, as the flat rows the store lists. PURE. */
#ifndef PROBITY_COLLECTOR_ROWS_H
#define PROBITY_COLLECTOR_ROWS_H

#include "record/render.h"
#include "store/store.h"

/* Every text printable and cut to its column; a number the host did not know is STORE_UNKNOWN. */
void rows_call(const Probity__V1__AiCall *c, const char *host, struct store_call *ret);
void rows_control(const Probity__V1__Control *c, struct store_control *ret);

#endif
