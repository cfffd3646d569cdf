/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a chain goes on behind records that are not there: the host's signed word that they are gone, the
 * SEALs between, and the tree's edge. PURE.
 */
#ifndef PROBITY_COLLECTOR_HOLE_H
#define PROBITY_COLLECTOR_HOLE_H

#include <stdbool.h>

#include "proto/forward.pb-c.h"
#include "store/store.h"

/*
 * Takes `state` to before the record `head`, which comes next. Not started, `public` being the chain's
 * first key: what is missing are its first records, and no word is needed. keys: of each epoch that a
 * SEAL in the hole began, at most HOLE_SEALS_MAX. False with *ret_why, static text; state untouched.
 */
#define HOLE_SEALS_MAX 8192
bool hole_cross(struct chain_state *state, const Probity__V1__Batch *proof,
		const struct record *head, struct store_key *ret_keys, size_t *ret_keys_n,
		const char **ret_why);
/* What of a batch proves its hole, as it is kept. NULL: out of memory; caller frees. */
uint8_t *hole_proof(const Probity__V1__Batch *b, size_t *ret_n);

#endif
