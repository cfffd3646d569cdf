// SPDX-License-Identifier: Apache-2.0
/*
 * One loop: the worker's records in, sealed records out to disk, then acks to the worker; besides,
 * the collector's connection, the keeper's stop, a status once a second.
 *
 * Group commit: records are sealed as they come and made durable when the worker's socket is
 * empty, or sync_records have gathered, or sync_ms have passed since the first. While the disk
 * syncs, the socket gathers the next group.
 *
 * Exactness over a restart. Records read by a recorder that died are sent again by the worker,
 * which keeps them until acked. But what lay in the socket is younger than what comes again, and
 * ids must rise. So at a start, HELLO tells the worker the last durable id; records that arrive
 * before its own HELLO are held; from then on what it resends is merged with them by id, until the
 * last id it named has come. Time ends no waiting, as a worker that is only slow would then lose
 * what it resends; a SYNC does, because it says that the worker before is dead and nobody resends.
 */
#include "recorder.h"

#include <errno.h>
#include <poll.h>
#include <openssl/rand.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "recorder_int.h"
#include "spool_erase.h"

#define STATUS_MS 1000
#define CHECKPOINT_MS 10000
#define FLUSH_MS 2000	    /* at the end, for the collector to take what is left */
#define WORKER_END_MS 5000  /* for a worker to hand over, when the keeper is gone */
#define READ_MAX 512	    /* messages of one turn of the loop */
#define HELD_MAX (8u << 20) /* twice what the socket can hold */

uint64_t recorder_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ull + t.tv_nsec / 1000000;
}

/* --- records in order of id ------------------------------------------------------------------- */

static void release_held(struct recorder *r, uint64_t below)
{
	while (r->held.first && r->held.first->head.id < below) {
		recorder_accept(r, &r->held.first->head, r->held.first->payload);
		pending_pop(&r->held);
	}
}

static void hello_done(struct recorder *r, uint64_t resend_last)
{
	r->hello_wait = false;
	r->resend_last = resend_last;
	if (resend_last <= r->last_id)
		release_held(r, UINT64_MAX);
}

/*
 * The worker that sent these is dead and resends nothing. What follows on the last id is good. If
 * ids before the others are gone with a recorder that died, the others are dropped too: then all
 * above the last id is missing, and the new worker, which learns that id, declares it.
 */
static void orphans(struct recorder *r)
{
	while (r->held.first && r->held.first->head.id <= r->last_id + 1) {
		recorder_accept(r, &r->held.first->head, r->held.first->payload);
		pending_pop(&r->held);
	}
	if (r->held.first)
		log_info("%llu records came without those before them; they are declared lost",
			 (unsigned long long)r->held.count);
	pending_clear(&r->held);
}

static void on_record(struct recorder *r)
{
	struct role_record head;
	const uint8_t *payload = r->buf + sizeof(head);

	memcpy(&head, r->buf, sizeof(head));
	if (r->hello_wait) {
		/* Beyond the bound nothing is held: that much is not left by the dead, and a worker
		 * that lives sends again what was not acked, this too. */
		if (r->held.bytes <= HELD_MAX)
			pending_add(&r->held, &head, payload);
		return;
	}
	release_held(r, head.id);
	recorder_accept(r, &head, payload);
	if (r->held.first && head.id >= r->resend_last)
		release_held(r, UINT64_MAX);
}

static void on_worker(struct recorder *r, const struct role_msg *m)
{
	struct role_sync s;
	struct role_ack a;

	switch (m->kind) {
	case ROLE_RECORD:
		on_record(r);
		break;
	case ROLE_HELLO:
		memcpy(&a, r->buf, sizeof(a));
		if (r->hello_wait)
			hello_done(r, a.id);
		break;
	case ROLE_SYNC:
		memcpy(&s, r->buf, sizeof(s));
		orphans(r);
		r->sync_owed = true;
		r->sync = (struct role_sync){.nonce = s.nonce, .id = r->last_id};
		break;
	default:
		r->refused++;
		log_err("worker sent a message of kind %u; refused", m->kind);
	}
}

/* True when the socket may hold more. */
static bool read_worker(struct recorder *r)
{
	for (int i = 0; i < READ_MAX; i++) {
		struct role_msg m;
		int n;

		if (r->worker < 0)
			return false;
		n = role_recv(r->worker, &m, r->buf, sizeof(r->buf));
		if (n == -EAGAIN)
			return false;
		if (n == -EPROTO) {
			r->refused++;
			log_err("worker sent a malformed message; refused");
			continue;
		}
		if (n < 0) {
			r->worker = -1;
			return false;
		}
		on_worker(r, &m);
		if (spool_state(r->spool)->pending >= r->sync_records)
			recorder_commit(r);
	}
	return true;
}

static void read_keeper(struct recorder *r)
{
	struct role_msg m;
	int n;

	while ((n = role_recv(r->keeper, &m, r->buf, sizeof(r->buf))) != -EAGAIN) {
		if (n == -EPROTO) {
			r->refused++;
			continue;
		}
		if (n >= 0 && m.kind == ROLE_REVEAL)
			recorder_reveal(r, r->buf);
		if (n >= 0 && m.kind == ROLE_ERASE)
			recorder_erase(r, r->buf);
		if (n < 0 || m.kind == ROLE_STOP)
			r->stop = true;
		if (n < 0) {
			r->keeper_gone = true;
			return;
		}
	}
}

static void read_signals(struct recorder *r)
{
	struct signalfd_siginfo si;

	while (read(r->signals, &si, sizeof(si)) == sizeof(si))
		r->stop = true;
}

static uint64_t wall_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* --- the run ---------------------------------------------------------------------------------- */

static int begin(struct recorder *r)
{
	const struct spool_state *s = spool_state(r->spool);
	uint8_t note[NOTE_BYTES_MAX], nonce[16];
	int64_t moved;
	bool open;
	int e;

	if (RAND_bytes(nonce, sizeof(nonce)) != 1)
		return -EIO;
	/* Wall time may have moved while nobody looked; of another boot only that it went back tells. */
	moved = recorder_clock_moved(r);
	if (!s->boot_ns && s->last_wall_ns > wall_ns())
		moved = (int64_t)(wall_ns() - s->last_wall_ns);
	if (moved || !s->boot_ns)
		recorder_ages_unsure(r);
	open = s->epoch_first < s->next_seq;
	e = recorder_note(r, note,
			  note_start(r->cfg, signer_public(epochs_signer(r->epochs)), nonce,
				     sizeof(nonce), r->epoch_ns, moved, note));
	for (size_t i = 0; i < s->repairs_count && !e; i++) {
		const struct spool_repair *p = &s->repairs[i];

		e = recorder_note(r, note, note_repair(p, note));
		if (!e && p->lost)
			e = recorder_note(r, note,
					  note_loss(p->reason, "damaged",
						    p->lost_last - p->lost_first + 1, p->lost_first,
						    p->lost_last, note));
	}
	if (!e)
		e = recorder_erase_begin(r);
	/* The run before ended without its SEAL: nothing but what tells of that is in its epoch. */
	if (!e && open)
		e = recorder_end_epoch(r, "the run before ended without a seal", true);
	if (!e)
		e = recorder_tpm_begin(r);
	if (e)
		return e;
	r->last_id = s->last_id;
	r->hello_wait = r->hello_owed = true;
	recorder_commit(r);
	return 0;
}

/* Without a keeper nobody told the worker to end first: it does so now, and what it still has comes. */
static void await_worker(struct recorder *r)
{
	uint64_t until = recorder_now_ms() + WORKER_END_MS;

	while (r->worker >= 0 && recorder_now_ms() < until) {
		poll(&(struct pollfd){.fd = r->worker, .events = POLLIN}, 1, 100);
		while (read_worker(r))
			;
		recorder_commit(r);
	}
}

static void end(struct recorder *r)
{
	uint8_t note[NOTE_BYTES_MAX];
	uint64_t until;
	int wait;

	if (r->hello_wait)
		hello_done(r, 0);
	if (r->keeper_gone)
		await_worker(r);
	while (read_worker(r))
		;
	release_held(r, UINT64_MAX);
	recorder_commit(r);
	r->retry_ms = 0;
	recorder_retry(r, 1);
	if (r->stalled ||
	    recorder_note(r, note,
			  note_stop(r->keeper_gone ? "the keeper ended" : "orderly end", note)))
		log_err("spool %s/spool: %llu records could not be written before the end",
			r->cfg->state_dir,
			(unsigned long long)(spool_state(r->spool)->pending + r->queue.count));
	else if (recorder_end_epoch(r, "stop", false))
		log_err("spool %s/spool: the epoch could not be sealed", r->cfg->state_dir);
	recorder_commit(r);
	recorder_tpm_end(r);
	recorder_checkpoint(r);
	recorder_tpm_end(r);
	until = recorder_now_ms() + FLUSH_MS;
	do {
		wait = forward_step(r->forward, recorder_now_ms());
		if (forward_idle(r->forward))
			break;
		forward_wait(r->forward, NULL, 0, wait < 0 || wait > 50 ? 50 : wait);
	} while (recorder_now_ms() < until);
	recorder_status(r);
}

static int sooner(int timeout, uint64_t at_ms, uint64_t now_ms)
{
	int ms = at_ms > now_ms ? (int)(at_ms - now_ms) : 0;

	return ms < timeout ? ms : timeout;
}

static int next_timeout(const struct recorder *r, uint64_t now_ms, int forward_ms)
{
	int t = sooner(STATUS_MS, r->status_ms + STATUS_MS, now_ms);

	if (forward_ms >= 0 && forward_ms < t)
		t = forward_ms;
	if (r->first_pending_ms && !r->stalled)
		t = sooner(t, r->first_pending_ms + r->sync_ms, now_ms);
	if (r->stalled)
		t = sooner(t, r->retry_ms, now_ms);
	else if (spool_erasing(r->spool))
		t = sooner(t, r->erase_ms, now_ms);
	return t;
}

static void each_second(struct recorder *r, uint64_t now_ms)
{
	if (now_ms < r->status_ms + STATUS_MS)
		return;
	r->status_ms = now_ms;
	if (!r->reserve && !r->stalled)
		r->reserve = spool_reserve(r->spool) == 0;
	if (!r->stalled && !recorder_step(r) && spool_state(r->spool)->pending)
		recorder_commit(r);
	if (now_ms >= r->checkpoint_ms + CHECKPOINT_MS)
		recorder_checkpoint(r);
	recorder_tell(r);
	recorder_status(r);
}

static void turn(struct recorder *r)
{
	uint64_t now = recorder_now_ms();
	bool more = read_worker(r);

	if (spool_state(r->spool)->pending && (!more || now >= r->first_pending_ms + r->sync_ms))
		recorder_commit(r);
	recorder_retry(r, now);
	recorder_erase_step(r, now);
	recorder_tpm_step(r);
	if (!more && !spool_state(r->spool)->pending && !r->stalled)
		spool_tiles_step(r->spool);
	if (r->sync_owed || r->ack_owed)
		recorder_tell(r);
	each_second(r, now);
}

static void run(struct recorder *r)
{
	int forward_ms = 0;

	while (!r->stop) {
		struct pollfd p[4] = {{.fd = r->keeper, .events = POLLIN},
				      {.fd = r->signals, .events = POLLIN}};
		unsigned n = 2;
		int e;

		if (r->worker >= 0)
			p[n++] = (struct pollfd){.fd = r->worker, .events = POLLIN};
		if (r->tpm.t && tpm_fd(r->tpm.t) >= 0)
			p[n++] = (struct pollfd){.fd = tpm_fd(r->tpm.t), .events = POLLIN};
		e = forward_wait(r->forward, p, n, next_timeout(r, recorder_now_ms(), forward_ms));
		if (e < 0 && e != -EINTR)
			log_err("poll: %s", strerror(-e));
		read_keeper(r);
		read_signals(r);
		turn(r);
		forward_ms = forward_step(r->forward, recorder_now_ms());
	}
	end(r);
}

static int signals_open(struct recorder *r)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	r->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return r->signals < 0 ? -errno : 0;
}

int recorder_main(const struct recorder_config *cfg, int worker_fd, int keeper_fd)
{
	_cleanup_free_ struct recorder *r = calloc(1, sizeof(*r));
	int e;

	if (!r)
		return 1;
	r->cfg = cfg;
	r->worker = worker_fd;
	r->keeper = keeper_fd;
	r->signals = -1;
	e = signals_open(r);
	if (!e)
		e = recorder_open(r);
	if (!e) {
		e = begin(r);
		if (e)
			log_err("cannot seal the start record: %s", strerror(-e));
		else
			run(r);
	}
	recorder_close(r);
	return e ? 1 : 0;
}
