// SPDX-License-Identifier: Apache-2.0
/*
 * In: records in order of id. Out: sealed, durable, and then acked. A record is dropped here only
 * as a duplicate, or, with the disk away and `queue` full, as the oldest one not sealed; the latter
 * are counted and the count is sealed as LOSS at the place in the chain where they are missing.
 *
 * Full disk: segments the collector has confirmed go first; then records wait in memory (about
 * 1 MiB sealed, PENDING_MAX not sealed) and the disk is tried each second. Once records had to be
 * dropped, the reserve file becomes the next segment: it has room for what is sealed and for what says so.
 *
 * Full spool (its bound): the oldest segments go. Confirmed ones silently; others with a LOSS
 * record that is durable before they are removed. Its first_seq to last_seq is the whole hole since
 * the last confirmed record, so that one LOSS record proves all of it to the collector; its count
 * is what no other LOSS record still in the spool declares.
 */
#include "recorder_int.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/log.h"

#define RETRY_MS 1000
#define LATE_NS 60000000000ull /* beyond its time, a SEAL says that it is late */
#define SLACK (64 * 1024)      /* of the spool's bound, for the records that say what was removed */

#define CLOCK_MOVED_NS 500000000ll /* half of what a verifier allows between two records */

int recorder_note(struct recorder *r, const uint8_t *payload, size_t n)
{
	int e = n ? spool_seal(r->spool, RECORD_CONTROL, 0, payload, n, true) : -EMSGSIZE;

	if (!e)
		r->records++;
	return e;
}

int recorder_end_epoch(struct recorder *r, const char *reason, bool late)
{
	int e = spool_end_epoch(r->spool, reason, late);

	if (!e)
		r->records++;
	return e;
}

/* --- before each record: is it still this epoch, and does wall time go with boot time? ------------- */

int64_t recorder_clock_moved(const struct recorder *r)
{
	const struct spool_state *s = spool_state(r->spool);
	struct timespec wall, boot;
	int64_t now;

	if (!s->boot_ns)
		return 0;
	clock_gettime(CLOCK_BOOTTIME, &boot);
	clock_gettime(CLOCK_REALTIME, &wall);
	now = (wall.tv_sec - boot.tv_sec) * 1000000000ll + (wall.tv_nsec - boot.tv_nsec);
	now -= (int64_t)(s->wall_ns - s->boot_ns);
	return now > CLOCK_MOVED_NS || now < -CLOCK_MOVED_NS ? now : 0;
}

/* 0, or -errno: no record can be sealed now. */
int recorder_step(struct recorder *r)
{
	int64_t moved = recorder_clock_moved(r);
	uint8_t note[NOTE_BYTES_MAX];
	uint64_t late;
	int e = 0;

	if (moved) {
		recorder_ages_unsure(r);
		e = recorder_note(r, note, note_clock_step(moved, note));
	}
	if (e || !spool_epoch_due(r->spool, &late))
		return e;
	e = recorder_end_epoch(r,
			       late > LATE_NS ? "late: no record could be sealed in time" : "time",
			       late > LATE_NS);
	/* The one before is not durable yet: the disk is away, and nothing is sealed meanwhile. */
	return e == -EBUSY ? 0 : e;
}

static int seal_record(struct recorder *r, const struct role_record *head, const uint8_t *payload)
{
	int e = recorder_step(r);

	return e ? e : recorder_private_seal(r, head, payload);
}

/* --- the disk does not take it ---------------------------------------------------------------- */

static void stall(struct recorder *r, int e)
{
	r->retry_ms = recorder_now_ms() + RETRY_MS;
	if (r->stalled)
		return;
	r->stalled = true;
	log_err("spool %s/spool: %s; records are kept in memory (up to %u MiB) and writing is tried "
		"each second",
		r->cfg->state_dir, strerror(-e), PENDING_MAX >> 20);
}

/* Confirmed segments are the first thing a full disk can do without. */
static int commit_or_free(struct recorder *r)
{
	const struct forward_status *f = forward_status(r->forward);
	int e = spool_commit(r->spool);

	if (e == -ENOSPC && f->acked && spool_oldest_end(r->spool) &&
	    spool_oldest_end(r->spool) <= f->acked_seq + 1 &&
	    !spool_drop(r->spool, f->acked_seq + 1))
		e = spool_commit(r->spool);
	return e;
}

static int seal_lost(struct recorder *r)
{
	uint8_t note[NOTE_BYTES_MAX];
	int e;

	if (!r->lost_unsealed)
		return 0;
	e = recorder_note(r, note,
			  note_loss("the disk took no records and memory was full", "memory_full",
				    r->lost_unsealed, 0, 0, note));
	if (!e) {
		log_err("%" PRIu64 " records were lost while the disk took none", r->lost_unsealed);
		r->lost_unsealed = 0;
	}
	return e ? e : commit_or_free(r);
}

/* Seals what waits; 0 when nothing waits any more. */
static int drain(struct recorder *r)
{
	while (r->queue.first) {
		const struct pending_record *p = r->queue.first;
		int e = seal_record(r, &p->head, p->payload);

		if (e == -ENOBUFS) {
			e = commit_or_free(r);
			if (e)
				return e;
			continue;
		}
		if (e) {
			r->lost_memory++;
			r->lost_unsealed++;
			log_err("a record could not be sealed: %s", strerror(-e));
		} else {
			r->records++;
		}
		pending_pop(&r->queue);
	}
	return commit_or_free(r);
}

void recorder_retry(struct recorder *r, uint64_t now_ms)
{
	int e;

	if (!r->stalled || now_ms < r->retry_ms)
		return;
	if (r->lost_unsealed && r->reserve) {
		spool_reserve_use(r->spool);
		r->reserve = false;
	}
	e = commit_or_free(r);
	if (!e)
		e = seal_lost(r);
	if (!e)
		e = drain(r);
	if (e) {
		stall(r, e);
	} else {
		r->stalled = false;
		log_info("spool %s/spool: takes records again", r->cfg->state_dir);
	}
	r->ack_owed = true;
	recorder_tell(r);
}

/* --- the spool's bound ------------------------------------------------------------------------ */

static int remove_declared(struct recorder *r, uint64_t end, uint64_t acked_end)
{
	const struct spool_state *s = spool_state(r->spool);
	uint64_t first = s->first_seq > acked_end ? s->first_seq : acked_end, seq = s->next_seq;
	uint64_t count = end - first + spool_declared(r->spool, first, end);
	uint8_t note[NOTE_BYTES_MAX];
	int e;

	e = recorder_note(r, note,
			  note_loss("the spool reached its bound; its oldest records were removed",
				    "spool_full", count, acked_end, end - 1, note));
	if (!e)
		e = commit_or_free(r);
	if (e)
		return e;
	spool_note_hole(r->spool, acked_end, end - 1, seq);
	if (!r->lost_spool)
		log_warn("spool %s/spool: reached its bound of %" PRIu64
			 " bytes; the oldest records are removed and declared lost",
			 r->cfg->state_dir, r->spool_max);
	r->lost_spool += end - first;
	return spool_drop(r->spool, end);
}

static void keep_bound(struct recorder *r)
{
	const struct forward_status *f = forward_status(r->forward);
	const struct spool_state *s = spool_state(r->spool);
	uint64_t acked_end = f->acked ? f->acked_seq + 1 : 0, end;
	int e = 0;

	while (!e && s->bytes + s->pending_bytes + SLACK > r->spool_max &&
	       (end = spool_oldest_end(r->spool))) {
		if (end <= acked_end)
			e = spool_drop(r->spool, end);
		else
			e = remove_declared(r, end, acked_end);
	}
	if (e)
		stall(r, e);
}

int recorder_declare(void *ctx, uint64_t first, uint64_t last, uint64_t confirmed)
{
	struct recorder *r = ctx;
	const struct spool_state *s = spool_state(r->spool);
	uint64_t seq = s->next_seq;
	uint8_t note[NOTE_BYTES_MAX];
	char reason[160];
	int e;

	if (r->stalled)
		return -EAGAIN;
	snprintf(reason, sizeof(reason),
		 "the collector asks for records that left this host's spool; it had confirmed "
		 "%" PRIu64 " of them",
		 confirmed);
	e = recorder_note(r, note,
			  note_loss(reason, confirmed ? "collector_set_back" : "declared_before",
				    confirmed, first, last, note));
	if (!e)
		e = commit_or_free(r);
	if (e)
		stall(r, e);
	else
		spool_note_hole(r->spool, first, last, seq);
	return e;
}

int recorder_set_back(void *ctx, const char *cause, const char *reason, uint64_t first,
		      uint64_t last)
{
	struct recorder *r = ctx;
	uint8_t note[NOTE_BYTES_MAX];
	int e = r->stalled ? -EAGAIN : recorder_step(r);

	if (!e)
		e = recorder_note(r, note, note_collector(reason, cause, first, last, note));
	return e; /* durable with the next group */
}

/* --- the way of a record ---------------------------------------------------------------------- */

static void enqueue(struct recorder *r, const struct role_record *head, const uint8_t *payload)
{
	uint64_t dropped = pending_add(&r->queue, head, payload);

	r->lost_memory += dropped;
	r->lost_unsealed += dropped;
}

void recorder_accept(struct recorder *r, const struct role_record *head, const uint8_t *payload)
{
	int e;

	if (!head->id) {
		r->refused++;
		log_err("worker sent a record without an id; refused");
		return;
	}
	if (head->id <= r->last_id) {
		r->duplicates++;
		r->ack_owed = true;
		return;
	}
	r->last_id = head->id;
	if (r->stalled || r->queue.first) {
		enqueue(r, head, payload);
		return;
	}
	e = seal_record(r, head, payload);
	if (e == -ENOBUFS) {
		recorder_commit(r);
		if (!r->stalled)
			e = seal_record(r, head, payload);
	}
	if (e) {
		if (!r->stalled)
			stall(r, e);
		enqueue(r, head, payload);
		return;
	}
	r->records++;
	if (!r->first_pending_ms)
		r->first_pending_ms = recorder_now_ms();
}

void recorder_commit(struct recorder *r)
{
	int e;

	if (r->stalled)
		return;
	keep_bound(r);
	e = commit_or_free(r);
	r->first_pending_ms = 0;
	if (e)
		stall(r, e);
	recorder_tell(r);
}

void recorder_tell(struct recorder *r)
{
	const struct spool_state *s = spool_state(r->spool);
	struct role_ack a = {.id = s->durable_id};
	bool sync = r->sync_owed && (s->durable_id >= r->sync.id ||
				     (!s->pending && !r->queue.first && !r->held.first));

	if (r->worker < 0)
		return;
	if (r->hello_owed) {
		if (role_send(r->worker, ROLE_HELLO, &a, sizeof(a)))
			return;
		r->hello_owed = false;
		r->acked_id = a.id;
	}
	if (sync && !role_send(r->worker, ROLE_SYNC, &r->sync, sizeof(r->sync)))
		r->sync_owed = false;
	if (a.id <= r->acked_id && !r->ack_owed)
		return;
	if (role_send(r->worker, ROLE_ACK, &a, sizeof(a)))
		return; /* its queue is full; the next commit or second says it */
	r->acked_id = a.id;
	r->ack_owed = false;
}
