/* SPDX-License-Identifier: Apache-2.0 */
/* A host may say, signed, that records are gone for good: the proof a hole in its chain needs. PURE. */
#ifndef PROBITY_COLLECTOR_HOLE_H
#define PROBITY_COLLECTOR_HOLE_H

#include <stdbool.h>

#include "store/store.h"

/* Whether hole->loss is a LOSS record of this chain, under this key, with a later sequence number,
 * whose range covers first_seq..last_seq. *ret_why: static text, set when it is not. */
bool hole_proved(const struct store_hole *hole, const uint8_t public[static RECORD_PUBKEY_LEN],
		 const char **ret_why);

#endif
