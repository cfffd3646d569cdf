// SPDX-License-Identifier: Apache-2.0
/*
 * In: the recorder's state. Out: its part of `probity status`, as JSON to the keeper, once a
 * second. If the keeper's queue is full the text is dropped: the next one says more.
 */
#include "recorder_int.h"
#include "spool_erase.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void hex(const uint8_t *p, size_t n, char *ret)
{
	for (size_t i = 0; i < n; i++)
		snprintf(ret + 2 * i, 3, "%02x", p[i]);
}

/* What the collector has cosigned, with whose key, and how far behind our own checkpoints that is. */
static json_t *witness_json(const struct forward_status *f, const struct spool_state *s)
{
	static const char *const keys[] = {"none yet", "first use", "configured"};

	return json_pack(
		"{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "key", keys[f->witness], "size",
		(json_int_t)f->witnessed, "unix_s", (json_int_t)f->witnessed_s, "lag_records",
		(json_int_t)(s->checkpoint > f->witnessed ? s->checkpoint - f->witnessed : 0),
		"refused", (json_int_t)f->checkpoints_refused, "set_back", (json_int_t)f->set_back,
		"findings", (json_int_t)f->findings, "finding", f->finding);
}

static json_t *forward_json(const struct recorder *r, const struct spool_state *s)
{
	static const char *const states[] = {"off", "ok", "away", "refused"};
	const struct forward_status *f = forward_status(r->forward);
	uint64_t end = f->acked ? f->acked_seq + 1 : s->first_seq;

	return json_pack("{s:s, s:s, s:o, s:I, s:s, s:b, s:I, s:I, s:I, s:o}", "state",
			 states[f->state], "target", f->target, "acked_seq",
			 f->acked ? json_integer(f->acked_seq) : json_null(), "lag_records",
			 (json_int_t)(f->state == FORWARD_OFF || end > s->durable_seq
					      ? 0
					      : s->durable_seq - end),
			 "last_error", f->last_error, "seed_held", f->seed_held, "requests",
			 (json_int_t)f->requests, "failures", (json_int_t)f->failures, "sent_bytes",
			 (json_int_t)f->sent_bytes, "witness", witness_json(f, s));
}

/* The open epoch, and in how many seconds its SEAL is due; below 0: overdue. */
static json_t *epoch_json(const struct recorder *r, const struct spool_state *s)
{
	struct timespec t;
	int64_t left;

	clock_gettime(CLOCK_BOOTTIME, &t);
	left = (int64_t)(s->epoch_boot_ns + r->epoch_ns) - t.tv_sec * 1000000000ll - t.tv_nsec;
	return json_pack("{s:I, s:I, s:I, s:I}", "epoch", (json_int_t)s->epoch, "first_seq",
			 (json_int_t)s->epoch_first, "seal_due_s", (json_int_t)(left / 1000000000),
			 "checkpoint_size", (json_int_t)s->checkpoint);
}

static json_t *spool_json(const struct recorder *r, const struct spool_state *s)
{
	char dir[4200];

	snprintf(dir, sizeof(dir), "%s/spool", r->cfg->state_dir);
	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "dir", dir, "bytes",
			 (json_int_t)s->bytes, "max_bytes", (json_int_t)r->spool_max, "segments",
			 (json_int_t)s->segments, "first_seq", (json_int_t)s->first_seq, "last_seq",
			 (json_int_t)s->durable_seq - 1, "erased", (json_int_t)s->erased, "erasing",
			 (int)spool_erasing(r->spool));
}

void recorder_status(struct recorder *r)
{
	const struct spool_state *s = spool_state(r->spool);
	char chain[33], key[17];
	uint8_t id[8];
	json_t *j;
	char *text;

	key_id(signer_public(epochs_signer(r->epochs)), id);
	hex(id, sizeof(id), key);
	hex(s->chain, sizeof(s->chain), chain);
	j = json_pack(
		"{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:b, s:I, s:o, s:o, s:o, s:o, s:{s:I, s:I}, "
		"s:{s:I, s:I}}",
		"role", "recorder", "chain", chain, "key_id", key, "seq",
		(json_int_t)s->next_seq - 1, "synced_seq", (json_int_t)s->durable_seq - 1,
		"records", (json_int_t)r->records, "duplicates", (json_int_t)r->duplicates,
		"refused", (json_int_t)r->refused, "stalled", r->stalled, "waiting",
		(json_int_t)(r->queue.count + r->held.count), "spool", spool_json(r, s), "forward",
		forward_json(r, s), "epoch", epoch_json(r, s), "keys", recorder_keys_json(r),
		"lost", "spool_full", (json_int_t)r->lost_spool, "memory_full",
		(json_int_t)r->lost_memory, "sync", "groups", (json_int_t)s->groups, "failures",
		(json_int_t)s->failures);
	text = j ? json_dumps(j, JSON_COMPACT) : NULL;
	if (text)
		role_send(r->keeper, ROLE_STATUS, text, strlen(text));
	free(text);
	json_decref(j);
}
