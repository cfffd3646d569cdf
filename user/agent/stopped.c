// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: the kernel's word that it stopped a process (EVENT_GATE_STOP) and its note of the wait
 * (gate_waits), the worker's answers. Flows out: SIGCONT, after what the answer asks for; ROLE_CONTINUED.
 *
 * Why no process stays stopped. Each stop is told by a record whose room was reserved before the
 * SIGSTOP. Each wait told has an end: gate.hold_us, or the bound of `block:`, never more than
 * GATE_BLOCK_MAX_S; when it comes without an answer the rules' `fail` decides, and the process goes on
 * in either case. The worker can only end a wait or move its end within that bound, so its death
 * changes nothing. A stop without a note, or that no memory is left for, ends at once. When this
 * process ends, in order or not, the releaser (releaser.c) does the same for what is noted, and the
 * next keeper once more (gate_stop.c).
 *
 * Why none goes on too early. SIGCONT wakes all threads and takes a SIGSTOP that is on its way, so it
 * is sent when the last wait of a process was answered, and all its threads stand still: then none of
 * them is about to stop it again. That is looked at each millisecond. After STILL_TRIES (a thread that
 * hangs in the kernel) gate_going keeps those that are about to from it (proto/gate.h): each is either
 * seen in the notes, or sees its process there. It is not used before, because a process that runs
 * again and writes at once would find itself there still. An answer that comes before the word of the
 * stop is kept for it (COMING).
 *
 * Bounds: as many waits as gate_waits holds.
 */
#include "stopped.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define TABLE 256
#define WAITS_MAX 8192		/* of gate_waits */
#define COMING_NS 1000000000ull /* an answer waits so long for the word of the stop */
#define GRACE_NS 2000000000ull	/* the worker ends what is blocked; this is for one that is dead */
#define AGAIN_NS 1000000ull
#define STILL_TRIES 20
#define TRIES 100

struct wait {
	struct wait *next;
	uint64_t seq, end_ns, until_ns;
	enum {
		COMING, /* answered before the kernel's word came */
		STOPPED,
		GOING, /* answered; another thread may be about to stop */
	} state;
	uint32_t verdict; /* kept, of COMING: GATE_ASKED = none yet */
	struct role_done done;
	unsigned tries;
	bool blocked;
	char id[16];
};

struct stopped {
	struct stopped_ops ops;
	void *ctx;
	struct wait *table[TABLE];
	unsigned waits;
	struct stopped_counts n;
};

/* --- the table ------------------------------------------------------------------------------------- */

int stopped_new(const struct stopped_ops *ops, void *ctx, struct stopped **ret)
{
	struct stopped *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->ops = *ops;
	s->ctx = ctx;
	*ret = s;
	return 0;
}

static struct wait *find(const struct stopped *s, uint64_t seq)
{
	struct wait *w = s->table[seq % TABLE];

	while (w && w->seq != seq)
		w = w->next;
	return w;
}

static struct wait *add(struct stopped *s, uint64_t seq)
{
	struct wait *w = s->waits < WAITS_MAX ? calloc(1, sizeof(*w)) : NULL;

	if (!w)
		return NULL;
	w->seq = seq;
	w->next = s->table[seq % TABLE];
	s->table[seq % TABLE] = w;
	s->waits++;
	return w;
}

static void forget(struct stopped *s, struct wait *w)
{
	struct wait **at = &s->table[w->seq % TABLE];

	while (*at && *at != w)
		at = &(*at)->next;
	if (!*at)
		return; /* it was never in the table: no memory */
	*at = w->next;
	s->waits--;
	free(w);
}

/* --- going on -------------------------------------------------------------------------------------- */

struct others {
	unsigned told, untold;
};

/* Of that process: waits nobody answered; drop: the notes of those that were go. */
static struct others look(struct stopped *s, const struct gate_waiter *of, bool drop)
{
	uint64_t seq, next;
	struct others o = {};
	bool more = !s->ops.next(s->ctx, NULL, &next);

	for (unsigned i = 0; more && i < 2 * WAITS_MAX; i++) {
		struct gate_waiter w;
		const struct wait *known;

		seq = next;
		more = !s->ops.next(s->ctx, &seq, &next);
		if (s->ops.get(s->ctx, seq, &w) || w.how != GATE_STOPPED || w.tgid != of->tgid ||
		    w.start_ns != of->start_ns)
			continue;
		if (w.answered && drop)
			s->ops.drop(s->ctx, seq);
		if (w.answered)
			continue;
		known = find(s, seq);
		o.told += known && known->state == STOPPED;
		o.untold += !known || known->state != STOPPED;
	}
	return o;
}

static void tell(struct stopped *s, const struct wait *w)
{
	s->ops.tell(s->ctx, &w->done);
}

/* The last of its process takes all with it. False: to be looked at again. */
static bool go(struct stopped *s, const struct wait *w, const struct gate_waiter *g)
{
	bool still = s->ops.still(s->ctx, g), last = w->tries >= TRIES;
	struct others o;

	if (!still && w->tries >= STILL_TRIES)
		s->ops.going(s->ctx, g->tgid, w->seq);
	o = look(s, g, false);
	if (!o.told && !last && (o.untold || (!still && w->tries < STILL_TRIES)))
		return false;
	s->n.untold += !o.told && o.untold;
	s->n.continued += !o.told && !s->ops.signal(s->ctx, g, SIGCONT);
	if (w->tries >= STILL_TRIES)
		s->ops.going(s->ctx, g->tgid, 0);
	if (!o.told)
		look(s, g, true);
	return true;
}

/* Its verdict is where the kernel looks for it, then it goes on. */
static void finish(struct stopped *s, struct wait *w, struct gate_waiter *g, uint32_t verdict)
{
	g->answered = 1;
	s->ops.put(s->ctx, w->seq, g);
	s->ops.slot(s->ctx, g, w->seq, verdict);
	w->state = GOING;
	if (!go(s, w, g))
		return;
	tell(s, w);
	forget(s, w);
}

static void end_process(struct stopped *s, struct wait *w, struct gate_waiter *g)
{
	int r = s->ops.spared(s->ctx, g->tgid) ? -EACCES : s->ops.signal(s->ctx, g, SIGKILL);

	w->done.mechanism = r ? GATE_NONE : GATE_PIDFD;
	w->done.result = r;
	s->n.killed += !r;
	if (r) { /* the mildest that is left */
		s->ops.pass(s->ctx, g);
		finish(s, w, g, GATE_PASS);
		return;
	}
	s->ops.drop(s->ctx, w->seq);
	tell(s, w);
	forget(s, w);
}

static void carry_out(struct stopped *s, struct wait *w, struct gate_waiter *g, uint32_t verdict)
{
	s->n.answered++;
	w->done = (struct role_done){.seq = w->seq, .cookie = g->cookie};
	if (verdict == GATE_KILL) {
		end_process(s, w, g);
		return;
	}
	s->ops.pass(s->ctx, g); /* a socket that was refused stays so */
	finish(s, w, g, verdict);
}

/* Nobody answered. */
static void end_wait(struct stopped *s, struct wait *w, struct gate_waiter *g)
{
	bool closed = g->closed & WAITER_CLOSED || w->blocked;
	int r = closed ? s->ops.refuse(s->ctx, g) : 0;

	s->n.timeouts++;
	s->n.refused += r > 0;
	s->n.failed += r < 0;
	if (r <= 0)
		s->ops.pass(s->ctx, g);
	w->done = (struct role_done){.seq = w->seq,
				     .cookie = g->cookie,
				     .result = -ETIMEDOUT,
				     .mechanism = r > 0 ? r : GATE_NONE};
	finish(s, w, g, closed ? GATE_REFUSE : GATE_PASS);
}

/* Its process ended, or the wait was over before it was stopped. */
static void gone(struct stopped *s, struct wait *w)
{
	w->done = (struct role_done){.seq = w->seq, .result = -ESRCH};
	tell(s, w);
	forget(s, w);
}

/* --- the kernel's word ------------------------------------------------------------------------------- */

/* What is blocked is refused without an answer, also when we are not there to say so. Only once it is
 * stopped: until then the kernel writes its note. */
static void close_note(struct stopped *s, const struct wait *w, struct gate_waiter *g)
{
	if (!w->blocked || g->closed & WAITER_CLOSED)
		return;
	g->closed |= WAITER_CLOSED;
	s->ops.put(s->ctx, w->seq, g);
}

static void stray(struct stopped *s, const struct event *e)
{
	struct gate_waiter g = {.tgid = e->pid, .start_ns = e->start_ns};
	struct others o = look(s, &g, false);

	s->n.stray++;
	if (!o.told && !o.untold)
		s->ops.signal(s->ctx, &g, SIGCONT);
}

void stopped_note(struct stopped *s, const struct event *e, uint64_t hold_ns, uint64_t now_ns)
{
	struct wait none = {.seq = e->conn, .state = STOPPED, .tries = TRIES}, *w;
	struct gate_waiter g;

	s->n.stopped++;
	if (s->ops.get(s->ctx, e->conn, &g) || g.how != GATE_STOPPED || g.tgid != e->pid ||
	    g.start_ns != e->start_ns) {
		w = find(s, e->conn);
		if (w && w->state != GOING)
			gone(s, w);
		stray(s, e);
		return;
	}
	w = find(s, e->conn) ?: add(s, e->conn);
	if (!w) {
		end_wait(s, &none, &g);
		return;
	}
	if (w->state == GOING)
		return;
	w->state = STOPPED;
	close_note(s, w, &g);
	if (w->verdict)
		carry_out(s, w, &g, w->verdict);
	else if (!w->blocked)
		w->end_ns = g.since_ns + hold_ns;
}

/* --- the worker's ------------------------------------------------------------------------------------ */

static void block(struct stopped *s, struct wait *w, struct gate_waiter *g,
		  const struct role_continue *r, uint64_t now_ns)
{
	uint64_t last = g->since_ns + GATE_BLOCK_MAX_S * 1000000000ull;

	w->until_ns = now_ns + r->block_ms * 1000000ull;
	if (w->until_ns > last)
		w->until_ns = last;
	w->end_ns = w->until_ns + GRACE_NS;
	s->n.blocked += !w->blocked;
	w->blocked = true;
	memcpy(w->id, r->id, sizeof(w->id));
	if (w->state == STOPPED)
		close_note(s, w, g);
}

int stopped_continue(struct stopped *s, const struct role_continue *r, uint64_t now_ns)
{
	struct wait *w = find(s, r->seq), late = {.seq = r->seq};
	struct gate_waiter g;
	bool is_new = !w;

	if (w && w->state == GOING)
		return 0; /* answered already */
	if (s->ops.get(s->ctx, r->seq, &g)) {
		gone(s, w ?: &late);
		return 0;
	}
	if (g.tgid != r->pid || g.start_ns != r->start_ns)
		return -EPERM;
	/* One that waits by itself is answered by its slot. */
	if (!w && g.how != GATE_STOPPED && r->verdict != GATE_BLOCK) {
		gone(s, &late);
		return 0;
	}
	w = w ?: add(s, r->seq);
	if (!w)
		return 0; /* it ends when the kernel's word comes */
	if (r->verdict == GATE_BLOCK) {
		block(s, w, &g, r, now_ns);
	} else if (w->state == STOPPED) {
		carry_out(s, w, &g, r->verdict);
	} else {
		w->verdict = r->verdict;
		w->end_ns = is_new || w->blocked ? now_ns + COMING_NS : w->end_ns;
	}
	return 0;
}

/* --- time -------------------------------------------------------------------------------------------- */

/* When it is due again; 0: it is over. */
static uint64_t turn(struct stopped *s, struct wait *w, uint64_t now_ns)
{
	uint64_t seq = w->seq;
	struct gate_waiter g;

	if (w->state != GOING && w->end_ns > now_ns)
		return w->end_ns;
	if (s->ops.get(s->ctx, seq, &g)) {
		if (w->state == GOING) {
			tell(s, w);
			forget(s, w);
		} else {
			gone(s, w);
		}
		return 0;
	}
	if (w->state == GOING) {
		w->tries++;
		if (!go(s, w, &g))
			return now_ns + AGAIN_NS;
		tell(s, w);
		forget(s, w);
		return 0;
	}
	if (g.how != GATE_STOPPED)
		gone(s, w);
	else if (w->verdict)
		carry_out(s, w, &g, w->verdict);
	else
		end_wait(s, w, &g);
	return find(s, seq) ? now_ns + AGAIN_NS : 0;
}

uint64_t stopped_turn(struct stopped *s, uint64_t now_ns)
{
	uint64_t first = 0;

	for (size_t i = 0; i < TABLE; i++)
		for (struct wait *w = s->table[i], *next; w; w = next) {
			uint64_t at;

			next = w->next;
			at = turn(s, w, now_ns);
			if (at && (!first || at < first))
				first = at;
		}
	return first;
}

void stopped_tick(struct stopped *s)
{
	for (size_t i = 0; i < TABLE; i++)
		for (struct wait *w = s->table[i], *next; w; w = next) {
			struct gate_waiter g;

			next = w->next;
			if (w->state != GOING && s->ops.get(s->ctx, w->seq, &g))
				gone(s, w);
		}
}

void stopped_free(struct stopped *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < TABLE; i++)
		while (s->table[i]) {
			struct wait *w = s->table[i];
			struct gate_waiter g;

			w->tries = TRIES;
			w->end_ns = 0;
			turn(s, w, 1);
			if (s->table[i] == w && s->ops.get(s->ctx, w->seq, &g))
				forget(s, w);
		}
	free(s);
}

/* --- what is told ------------------------------------------------------------------------------------ */

unsigned stopped_for(const struct stopped *s, const char *id, uint64_t *ret_until_ns)
{
	uint64_t until = 0;
	unsigned n = 0;

	for (size_t i = 0; i < TABLE; i++)
		for (const struct wait *w = s->table[i]; w; w = w->next)
			if (w->blocked && w->state == STOPPED && !strcmp(w->id, id)) {
				n++;
				until = w->until_ns > until ? w->until_ns : until;
			}
	if (n)
		*ret_until_ns = until;
	return n;
}

unsigned stopped_now(const struct stopped *s)
{
	return s->waits;
}

const struct stopped_counts *stopped_count(const struct stopped *s)
{
	return &s->n;
}
