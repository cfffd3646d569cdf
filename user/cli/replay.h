/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recorded calls judged by another pack. PURE: the facts are those of the record, which are what the
 * agent had when the call was over; the time is the call's own.
 */
#ifndef PROBITY_CLI_REPLAY_H
#define PROBITY_CLI_REPLAY_H

#include <jansson.h>
#include <stdbool.h>

#include "policy/pack.h"
#include "proto/record.pb-c.h"

struct replay;
/* host_id: for rollouts; "" = rules that are not rolled out everywhere hold nowhere. */
struct replay *replay_new(const struct pack *p, const char *host_id);
void replay_free(struct replay *r);

struct replay_one {
	const char *before, *after; /* dispositions; before "" = no decision is in the record */
	bool changed;		    /* another disposition, or other rules fired */
	size_t added, removed;	    /* rules that fired in one of them only */
	const char *rules_added[PACK_RULES_MAX], *rules_removed[PACK_RULES_MAX];
};
/* ret borrows from the record and the pack. 0 or -ENOMEM. */
int replay_call(struct replay *r, const Probity__V1__AiCall *c, struct replay_one *ret);

uint64_t replay_calls(const struct replay *r);
uint64_t replay_changed(const struct replay *r);
/* {calls, changed, undecided, not_replayed: [rule], dispositions: [{before, after, calls}],
 * rules: [{id, in_pack, before, after, added, removed}]} */
json_t *replay_json(const struct replay *r);

#endif
