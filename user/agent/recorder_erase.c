// SPDX-License-Identifier: Apache-2.0
/*
 * Payloads that are to go: because an operator said so (keeper's ROLE_ERASE), because they are older than
 * the configuration allows, or because a run before did not end doing it. In: which records. Out: an ERASE
 * record, and, once it is durable, their bodies' end, one segment a turn, so that capture never waits long.
 *
 * Ages are by the wall clock, so nothing is erased for its age within an hour after that was set, or after
 * the first record of a boot. What the collector has not confirmed is kept, unless the operator forces it;
 * without a collector nothing waits for one. One stretch at a time: a second is refused until the first is done.
 */
#include "recorder_int.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "spool_erase.h"

#define RETAIN_MS 3600000
#define CONFIRM_MS 5000 /* when some wait for the collector */
#define RETRY_MS 1000
#define DAY_NS 86400000000000ull

static int seal(struct recorder *r, const struct note_erase *n)
{
	uint8_t note[NOTE_BYTES_MAX];
	int e = r->stalled ? -EIO : recorder_step(r);

	if (!e)
		e = recorder_note(r, note, note_erase(n, note));
	if (!e)
		r->erase_seq = spool_state(r->spool)->next_seq - 1;
	return e;
}

static int begin(struct recorder *r, const struct note_erase *n)
{
	int e;

	if (spool_erasing(r->spool))
		return -EBUSY;
	recorder_commit(r);
	e = r->stalled ? -EIO : spool_erase_begin(r->spool, n->first, n->last);
	if (e)
		return e;
	e = seal(r, n);
	if (e)
		spool_erase_cancel(r->spool);
	else
		recorder_commit(r);
	return e;
}

int recorder_erase_begin(struct recorder *r)
{
	struct note_erase n = {.reason = "an erasure that the run before did not end",
			       .operator= "" };
	int e;

	if (!spool_erase_unsure(r->spool, &n.first, &n.last))
		return 0;
	e = seal(r, &n);
	if (!e)
		spool_erase_sure(r->spool);
	return e;
}

/* --- what is old ----------------------------------------------------------------------------------- */

static uint64_t confirmed_end(const struct recorder *r)
{
	const struct forward_status *f = forward_status(r->forward);

	if (f->state == FORWARD_OFF)
		return UINT64_MAX;
	return f->acked ? f->acked_seq + 1 : 0;
}

/* A clock that was wrong for a minute must not cost all payloads. */
void recorder_ages_unsure(struct recorder *r)
{
	r->retain_ms = recorder_now_ms() + RETAIN_MS;
}

static void retain(struct recorder *r, uint64_t now_ms)
{
	const struct spool_state *s = spool_state(r->spool);
	struct note_erase n = {.operator= "" };
	uint64_t end, age = r->cfg->retain_days * DAY_NS, confirmed = confirmed_end(r);
	struct timespec t;
	char reason[64];

	clock_gettime(CLOCK_REALTIME, &t);
	if ((uint64_t)t.tv_sec * 1000000000ull < age)
		return;
	if (r->retained_to < s->first_seq)
		r->retained_to = s->first_seq;
	if (confirmed <= r->retained_to) {
		r->retain_ms = now_ms + CONFIRM_MS;
		return;
	}
	end = spool_seq_before(r->spool, t.tv_sec * 1000000000ull - age);
	if (end > confirmed) {
		end = confirmed;
		r->retain_ms = now_ms + CONFIRM_MS;
	}
	if (end <= r->retained_to ||
	    !spool_bodies(r->spool, r->retained_to, end - 1, &n.first, &n.last)) {
		if (end > r->retained_to)
			r->retained_to = end;
		return;
	}
	snprintf(reason, sizeof(reason), "older than %u days", r->cfg->retain_days);
	n.reason = reason;
	if (!begin(r, &n))
		r->retained_to = n.last + 1;
}

void recorder_erase_step(struct recorder *r, uint64_t now_ms)
{
	int e;

	if (r->stalled || now_ms < r->erase_ms)
		return;
	if (spool_erasing(r->spool)) {
		if (spool_state(r->spool)->durable_seq <= r->erase_seq)
			return;
		e = spool_erase_step(r->spool);
		if (e == -EAGAIN)
			recorder_commit(r);
		if (e < 0 && e != -EAGAIN) {
			log_err("spool %s/spool: payloads could not be erased: %s; tried again",
				r->cfg->state_dir, strerror(-e));
			r->erase_ms = now_ms + RETRY_MS;
		}
		return;
	}
	if (!r->cfg->retain_days || now_ms < r->retain_ms)
		return;
	r->retain_ms = now_ms + RETAIN_MS;
	retain(r, now_ms);
	if (spool_erasing(r->spool))
		r->retain_ms = now_ms; /* there may be more behind it */
}

/* --- what an operator asks for --------------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) static void no(struct role_erased *a, int e, const char *fmt,
						     ...)
{
	va_list ap;

	a->result = e;
	va_start(ap, fmt);
	vsnprintf(a->why, sizeof(a->why), fmt, ap);
	va_end(ap);
}

static void stretch(struct recorder *r, const struct role_erase *q, struct note_erase *n)
{
	const struct spool_state *s = spool_state(r->spool);

	n->first = q->before_unix_ns || q->first_seq < s->first_seq ? s->first_seq : q->first_seq;
	n->last =
		q->before_unix_ns ? spool_seq_before(r->spool, q->before_unix_ns) : q->last_seq + 1;
	if (n->last > s->durable_seq)
		n->last = s->durable_seq;
}

static void answer(struct recorder *r, const struct role_erase *q, struct role_erased *a)
{
	struct note_erase n = {.reason = q->reason, .operator= q->operator, .uid = q->uid };
	uint64_t confirmed = confirmed_end(r);
	int e;

	recorder_commit(r);
	stretch(r, q, &n);
	if (n.first >= n.last-- ||
	    !spool_bodies(r->spool, n.first, n.last, &a->first_seq, &a->last_seq)) {
		no(a, -ENOENT, "no record there has a payload that can be erased");
		return;
	}
	n.first = a->first_seq;
	n.last = a->last_seq;
	if (n.last >= confirmed && !q->force) {
		no(a, -EAGAIN,
		   "the collector has confirmed no record from %" PRIu64
		   " on; --force erases all the same",
		   confirmed);
		return;
	}
	e = begin(r, &n);
	if (e == -EBUSY)
		no(a, e, "another erasure is under way");
	else if (e)
		no(a, e, "no ERASE record could be sealed: %s", strerror(-e));
	else if (spool_state(r->spool)->durable_seq <= r->erase_seq)
		no(a, -EIO, "the disk takes no records; it is erased as soon as it does");
	a->seq = r->erase_seq;
}

void recorder_erase(struct recorder *r, const uint8_t *body)
{
	struct role_erased a = {0};
	struct role_erase q;

	memcpy(&q, body, sizeof(q));
	a.id = q.id;
	answer(r, &q, &a);
	if (role_send(r->keeper, ROLE_ERASED, &a, sizeof(a)))
		log_err("the answer to an erasure could not be sent");
}
