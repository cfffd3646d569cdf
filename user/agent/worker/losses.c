// SPDX-License-Identifier: Apache-2.0
/*
 * Counters in, LOSS records out, each unit once. What the kernel counts outlives a worker: what of
 * it is declared stands in the inflight table, one declaration at a time, and counts when its
 * record is durable. What the worker counts itself dies with it, uncounted only since the last
 * second. Nothing is declared while records wait in such number that the declaration itself might
 * be refused; the counters wait.
 */
#include "losses.h"

#include <string.h>

#include "agent/worker/judge.h"
#include "base/cleanup.h"

/* A loss is declared only when the declaration itself will not be refused. */
static bool has_room(const struct worker *w)
{
	return handover_bytes(w->handover) < HANDOVER_MAX / 2;
}

/* Declares what one counter has grown by; the next when this is durable. Whether it did. */
static bool kernel_drops(struct worker *w)
{
	static const char *const what[DROP__MAX] = {
		[DROP_RING_FULL] = "ring_full",	  [DROP_CTL_FULL] = "control_full",
		[DROP_READ_FAULT] = "read_fault", [DROP_TOO_LARGE] = "too_large",
		[DROP_CONN_FULL] = "conn_full",	  [DROP_STASH_MISS] = "entry_missed",
		[DROP_SIGNAL] = "signal_failed",  [DROP_NO_OWNER] = "no_owner",
		[DROP_HELLO] = "hello_unread",	  [DROP_WENT_ON] = "stopped_went_on",
	};
	struct inflight_drops *d = inflight_drops(w->inflight);

	if (d->id > handover_durable(w->handover))
		return false;
	memcpy(d->before, d->count, sizeof(d->before));
	if (!has_room(w))
		return false;
	for (unsigned i = 0; i < DROP__MAX; i++)
		if (what[i] && w->drops.count[i] > d->count[i]) {
			d->count[i] = w->drops.count[i];
			d->id = inflight_last_id(w->inflight) + 1;
			judge_loss(w, 0, "chunks", d->count[i] - d->before[i], what[i],
				   "the kernel could not deliver what it saw");
			return true;
		}
	return false;
}

/* What was lost here since it was last said; each is said once, when there is room. */
static void own_losses(struct worker *w)
{
	static uint64_t dropped, late, evicted, unjoined, unseen;
	const struct {
		uint64_t now, *said;
		const char *what, *cause, *reason;
	} all[] = {
		{handover_dropped(w->handover), &dropped, "records", "recorder_away",
		 "the recorder did not take finished records in time"},
		{w->count.late, &late, "connections", "late_attach",
		 "were under way when first seen; a call begun before is not recorded"},
		{w->count.unseen_shadow, &unseen, "connections", "unseen",
		 "to hosts at which AI was spoken; nothing of these was seen"},
		{w->count.evicted, &evicted, "connections", "evicted",
		 "no room to follow them; an open call is recorded as truncated"},
		{w->count.unjoined, &unjoined, "connections", "unjoined",
		 "one direction of a connection, whose socket never became known"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		if (all[i].now <= *all[i].said || !has_room(w))
			continue;
		judge_loss(w, 0, all[i].what, all[i].now - *all[i].said, all[i].cause,
			   all[i].reason);
		*all[i].said = all[i].now;
	}
}

bool losses_declare(struct worker *w, bool settled)
{
	bool more = settled && kernel_drops(w);

	own_losses(w);
	return more;
}
